// Facts from TCP segments that two machines saw (algorithms C.7): a segment is received after it
// was sent. Key: sequence, acknowledgement, flags and, where both sides tell them, ports. Of
// several sightings the first send and the first receipt count: every receipt follows some send.
#include <algorithm>
#include <tuple>

#include "session/join_pair.h"

namespace vs::session {
namespace {

struct Sighting {
  std::tuple<std::uint32_t, std::uint32_t, std::uint32_t, std::uint32_t> key;
  OwnTime own;
};

std::vector<Sighting> sightings(const model::TraceEvidence& trace, bool sent) {
  std::vector<Sighting> list;
  for (const model::PacketSighting& packet : trace.packets) {
    if (packet.sent != sent) continue;
    list.push_back(
        {{packet.sequence, packet.acknowledgement, packet.flags, packet.ports}, packet.own});
  }
  std::stable_sort(list.begin(), list.end(),
                   [](const Sighting& a, const Sighting& b) { return a.key < b.key; });
  // Packets come by time, so the first of equals is the earliest.
  list.erase(std::unique(list.begin(), list.end(),
                         [](const Sighting& a, const Sighting& b) { return a.key == b.key; }),
             list.end());
  return list;
}

template <typename Emit>
void match(const std::vector<Sighting>& sent, const std::vector<Sighting>& received, Emit emit) {
  auto other = received.begin();
  for (const Sighting& one : sent) {
    while (other != received.end() && other->key < one.key) ++other;
    if (other != received.end() && other->key == one.key) emit(one.own, other->own);
  }
}

}  // namespace

std::vector<clock::Fact> packet_facts(const model::TraceEvidence& guest,
                                      const model::TraceEvidence& host, const PairClocks& clocks) {
  std::vector<clock::Fact> facts;
  const auto add = [&](OwnTime x, OwnTime y, bool upper) {
    facts.push_back(
        {clocks.guest.apply(x.value), clocks.host.apply(y.value), upper, model::FactKind::kPacket});
  };
  match(sightings(guest, true), sightings(host, false),
        [&](OwnTime send, OwnTime receipt) { add(send, receipt, true); });
  match(sightings(host, true), sightings(guest, false),
        [&](OwnTime send, OwnTime receipt) { add(receipt, send, false); });
  std::stable_sort(facts.begin(), facts.end(),
                   [](const clock::Fact& a, const clock::Fact& b) { return a.x < b.x; });
  return facts;
}

}  // namespace vs::session
