// ctf_floor MODE TRACE...: how cheap can reading LTTng kernel CTF 1.8 be?
//
//   headers  packet headers only: what a first overview needs
//   walk     stream by stream: clock of every event, the two threads of sched_switch
//   fields   the same, and every scalar field of every event loaded, widened and stored
//   merge    walk, with a k-way merge of all streams (loser tree) and a check of the order
//
// The sum is that of ctf_decode_bench (whose times carry the clock's offset on top).
#include <fmt/format.h>

#include <string_view>

#include "floor/ctf_cursor.h"
#include "floor/loser_tree.h"

namespace {

using namespace vs::bench;

struct Sums {
  std::uint64_t events = 0;
  std::uint64_t switches = 0;
  std::uint64_t fields = 0;
  std::uint64_t sum = 0;

  void take(const CtfLayout& layout, const CtfCursor& cursor) {
    ++events;
    sum += cursor.time;
    if (layout.prev_tid < 0) return;
    ++switches;
    sum += static_cast<std::uint64_t>(
        std::int64_t{load<std::int32_t>(cursor.payload + layout.prev_tid)} +
        std::int64_t{load<std::int32_t>(cursor.payload + layout.next_tid)});
  }
};

std::uint64_t g_slots[256];

std::uint64_t all_fields(const CtfLayout& layout, CtfCursor& cursor) {
  const std::uint8_t* p = cursor.payload;
  std::uint64_t* slot = g_slots;
  for (const CtfStep& step : layout.fields) {
    switch (step.kind) {
      case CtfStep::k8:
        *slot++ = *p;
        break;
      case CtfStep::k16:
        *slot++ = load<std::uint16_t>(p);
        break;
      case CtfStep::k32:
        *slot++ = load<std::uint32_t>(p);
        break;
      case CtfStep::k64:
        *slot++ = load<std::uint64_t>(p);
        break;
      case CtfStep::kSkip:
        *slot++ = step.bytes;
        break;
      case CtfStep::kText:
        *slot++ = static_cast<std::uint64_t>(p - cursor.payload);
        while (*p++ != 0) {
        }
        break;
      case CtfStep::kSequence: {
        const std::uint64_t length = slot[-1];
        *slot++ = static_cast<std::uint64_t>(p - cursor.payload);
        p += length * step.bytes;
        break;
      }
    }
    p += step.kind == CtfStep::kSequence ? 0 : step.bytes;
  }
  cursor.at = p;
  return static_cast<std::uint64_t>(slot - g_slots);
}

void walk(std::vector<CtfCursor>& cursors, bool fields, Sums& sums) {
  for (CtfCursor& cursor : cursors) {
    while (cursor.next()) {
      const CtfLayout& layout = cursor.trace->events[cursor.id];
      sums.take(layout, cursor);
      if (fields) {
        sums.fields += all_fields(layout, cursor);
      } else {
        cursor.skip(layout);
      }
    }
  }
}

bool merge(std::vector<CtfCursor>& cursors, Sums& sums) {
  LoserTree<CtfCursor> tree(cursors);
  std::uint64_t last = 0;
  bool ordered = true;
  while (!tree.done()) {
    CtfCursor& cursor = cursors[tree.top()];
    const CtfLayout& layout = cursor.trace->events[cursor.id];
    sums.take(layout, cursor);
    ordered = ordered && cursor.time >= last;
    last = cursor.time;
    cursor.skip(layout);
    tree.advance();
  }
  return ordered;
}

void headers(std::vector<CtfCursor>& cursors, Sums& sums) {
  for (CtfCursor& cursor : cursors) {
    while (cursor.open_packet()) {
      ++sums.events;
      sums.sum += cursor.time;
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  const std::string_view mode = argv[1];
  const double begin = cpu_seconds();
  std::vector<CtfTrace> traces(static_cast<std::size_t>(argc) - 2);
  std::vector<CtfCursor> cursors;
  const int advice = mode == "headers" ? MADV_RANDOM : MADV_SEQUENTIAL;
  for (std::size_t t = 0; t < traces.size(); ++t) {
    traces[t] = read_ctf_trace(argv[t + 2]);
    for (const std::string& path : ctf_streams(argv[t + 2])) {
      cursors.emplace_back();
      cursors.back().trace = &traces[t];
      cursors.back().file = map_file(path, advice);
    }
  }
  const double opened = cpu_seconds();
  Sums sums;
  bool ordered = true;
  if (mode == "headers") {
    headers(cursors, sums);
  } else if (mode == "merge") {
    ordered = merge(cursors, sums);
  } else {
    walk(cursors, mode == "fields", sums);
  }
  const double spent = cpu_seconds() - opened;
  fmt::print("{}: open {:.2f} ms | {} events {} switches {} fields sum {:x} | {:.2f} ns/event\n",
             mode, (opened - begin) * 1e3, sums.events, sums.switches, sums.fields, sums.sum,
             spent * 1e9 / static_cast<double>(sums.events));
  if (!ordered) fmt::print(stderr, "events out of order\n");
  return ordered ? 0 : 1;
}
