#include "analysis/net/messages.h"

#include <algorithm>

#include "base/limits.h"

namespace vs::analysis::net {
namespace {

using kernel::WakeSite;
using kernel::WakeSource;
using model::ContextKind;
using model::Event;
using model::EventKind;
using model::kNull;
using model::StreamEvent;
namespace arg = model::arg;

constexpr EventKind kSendings[] = {EventKind::kNetDevQueue, EventKind::kInetSockLocalOut};
constexpr EventKind kReceipts[] = {EventKind::kNetifReceiveSkb, EventKind::kInetSockLocalIn};

bool is_sending(EventKind kind) {
  return std::ranges::find(kSendings, kind) != std::end(kSendings);
}

bool in_network_softirq(const WakeSite& site) {
  return site.context != nullptr && site.context->kind == ContextKind::kSoftirq &&
         site.context->cause == model::BlockCause::kNetwork;
}

}  // namespace

class Messages::Resolver final : public kernel::WakeResolver {
 public:
  Resolver(Messages& messages, model::MachineIndex machine, kernel::WakeResolver* inner)
      : messages_(messages), machine_(machine), inner_(inner) {}
  [[nodiscard]] WakeSource resolve(const WakeSite& site) override {
    const WakeSource known =
        inner_ != nullptr ? inner_->resolve(site) : WakeSource{site.cause, kNull, kNull};
    return messages_.wake_of(machine_, site, known);
  }

 private:
  Messages& messages_;
  const model::MachineIndex machine_;
  kernel::WakeResolver* const inner_;
};

Messages::Messages(const model::StreamSetup& setup)
    : sink_(*setup.sink),
      any_(setup.machines.size() > 1),
      machines_(setup.experiment->machines.size()) {
  for (const model::MachineIndex m : setup.machines) {
    machines_[m].name = sink_.intern(setup.experiment->machines[m].name);
    machines_[m].facts = setup.facts[m];
  }
}

Messages::~Messages() = default;

kernel::WakeResolver* Messages::resolver(model::MachineIndex index, kernel::WakeResolver* inner) {
  Machine& machine = machines_[index];
  if (!any_ || machine.facts == nullptr) return inner;
  machine.resolver = std::make_unique<Resolver>(*this, index, inner);
  return machine.resolver.get();
}

model::KindSet Messages::kinds(model::MachineIndex) const {
  model::KindSet kinds;
  if (!any_) return kinds;
  for (const EventKind kind : kSendings) kinds.add(kind);
  for (const EventKind kind : kReceipts) kinds.add(kind);
  return kinds;
}

void Messages::on_event(const StreamEvent& event) {
  if (!event.event.has(arg::kNetSeq) || machines_[event.machine].facts == nullptr) {
    // A packet without a header ends what the one before it may wake.
    if (!is_sending(event.event.kind)) {
      if (auto* const last = received_at(machines_[event.machine], event.event.cpu)) *last = {};
    }
    return;
  }
  is_sending(event.event.kind) ? on_sent(event) : on_received(event);
}

void Messages::on_loss(HostTime, HostTime, model::MachineIndex machine, std::uint32_t cpu) {
  if (Received* const last = received_at(machines_[machine], cpu)) *last = {};
}

Messages::Received* Messages::received_at(Machine& machine, std::uint32_t cpu) const {
  if (cpu >= limits::kCpus) return nullptr;
  if (cpu >= machine.cpus.size()) machine.cpus.resize(cpu + 1);
  return &machine.cpus[cpu];
}

const Messages::Received* Messages::received_in(const Machine& machine, std::uint32_t cpu,
                                                HostTime since) const {
  if (cpu >= machine.cpus.size()) return nullptr;
  const Received& last = machine.cpus[cpu];
  return last.by.tid > 0 && last.time >= since ? &last : nullptr;
}

// ---- packets ----

Messages::Key Messages::key_of(const Event& event) {
  const auto word = [&event](std::size_t slot) { return event.u(slot) & 0xffffffffU; };
  return {word(arg::kNetSeq) << 32U | word(arg::kNetAckSeq),
          (event.u(arg::kNetSourcePort) & 0xffffU) << 48U |
              (event.u(arg::kNetDestPort) & 0xffffU) << 32U | word(arg::kNetFlags)};
}

std::array<Messages::Sent, Messages::kWays>& Messages::places_of(const Key& key) {
  static_assert((kSlots & (kSlots - 1)) == 0);
  const std::uint64_t hash =
      (key.numbers * 0x9E3779B97F4A7C15ULL) ^ (key.ports * 0xC2B2AE3D27D4EB4FULL);
  return sent_[static_cast<std::size_t>(hash >> 40U) & (kSlots / kWays - 1)];
}

void Messages::on_sent(const StreamEvent& event) {
  ++counters_.sent;
  if (sent_.empty()) sent_.resize(kSlots / kWays);
  const Key key = key_of(event.event);
  auto& places = places_of(key);
  auto place = std::ranges::find_if(
      places, [&](const Sent& sent) { return sent.time != kHostTimeMin && sent.key == key; });
  if (place == places.end()) place = std::ranges::min_element(places, {}, &Sent::time);
  Machine& machine = machines_[event.machine];
  Sender by{event.time, event.machine, event.tid};
  if (const auto* const inside = machine.facts->contexts(event.event.cpu).innermost()) {
    const Received* const cause = received_in(machine, event.event.cpu, inside->since);
    by = cause != nullptr ? cause->by : Sender{};
  }
  *place = {key, event.time, event.machine, by};
}

void Messages::on_received(const StreamEvent& event) {
  ++counters_.received;
  Received* const last = received_at(machines_[event.machine], event.event.cpu);
  if (last == nullptr) return;
  *last = {event.time, event.event.i_or(arg::kNetLength, kNull), {}};
  if (sent_.empty()) return;
  const Key key = key_of(event.event);
  for (const Sent& sent : places_of(key)) {
    const bool same = sent.time != kHostTimeMin && sent.key == key;
    if (!same || sent.machine == event.machine) continue;
    last->by = sent.by;
    ++counters_.matched;
  }
}

// ---- wake-ups ----

WakeSource Messages::wake_of(model::MachineIndex index, const WakeSite& site, WakeSource known) {
  Machine& machine = machines_[index];
  if (!in_network_softirq(site)) return known;
  const Received* const packet = received_in(machine, site.cpu, site.context->since);
  if (packet == nullptr || packet->by.machine == index) return known;
  const model::StringId from = machines_[packet->by.machine].name;
  const auto [place, fresh] = machine.entities.try_emplace(site.tid, 0);
  if (fresh) {
    const std::int64_t key[] = {machine.name, site.tid};
    place->second = sink_.entity(model::TableId::kNetWakeup, key);
  }
  std::array<std::int64_t, 3> values{};
  values[model::slot::kNwFromMachine] = from;
  values[model::slot::kNwFromTid] = packet->by.tid;
  values[model::slot::kNwBytes] = packet->bytes;
  sink_.add(place->second, packet->by.time, site.time, values);
  ++counters_.wakeups;
  if (known.tid != kNull) return known;
  return {model::BlockCause::kNetwork, from, packet->by.tid};
}

}  // namespace vs::analysis::net
