// What must hold for any sequence of events, sensible or not.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <random>

#include "analysis/kernel/chaos_test_support.h"
#include "analysis/kernel/kernel_test_support.h"

namespace vs::analysis::kernel {
namespace {

using model::Event;
using model::EventKind;
using model::ThreadState;

constexpr int kSeeds = 300;

// Rows of an entity follow each other without gap or overlap and end with the trace.
void expect_tiling(const test::VectorSink& sink, std::int64_t end) {
  for (const auto& entity : sink.entities()) {
    if (entity.intervals.empty()) {  // a CPU may begin where all ends
      ASSERT_EQ(entity.table, model::TableId::kPcpuState);
      continue;
    }
    for (std::size_t i = 1; i < entity.intervals.size(); ++i) {
      ASSERT_EQ(entity.intervals[i - 1].end, entity.intervals[i].begin);
      ASSERT_LT(entity.intervals[i].begin, entity.intervals[i].end);
    }
    ASSERT_EQ(entity.intervals.back().end.ns, end);
    ASSERT_NE(entity.table == model::TableId::kThreadState && entity.key[1] == 0, true)
        << "the idle thread has no rows";
  }
}

void expect_sane_values(const test::VectorSink& sink) {
  using namespace model;
  for (const auto& entity : sink.entities()) {
    if (entity.table != TableId::kThreadState) continue;
    for (const auto& row : entity.intervals) {
      const auto state = static_cast<ThreadState>(row.values[slot::kTsState]);
      const bool running = state == ThreadState::kUser || state == ThreadState::kSyscall ||
                           state == ThreadState::kIrq;
      const bool has_cpu = row.values[slot::kTsCpu] != kNull;
      const auto effective = row.values[slot::kTsEffective];
      const auto waiting = static_cast<std::int64_t>(Effective::kWaiting);
      if (running) {
        ASSERT_TRUE(has_cpu && effective != waiting && effective != kNull);
      }
      if (state == ThreadState::kBlocked) {
        ASSERT_TRUE(!has_cpu && effective == waiting && row.values[slot::kTsDetail] != kNull);
      }
      ASSERT_EQ(row.values[slot::kTsWakerTid] == kNull, row.values[slot::kTsWakerMachine] == kNull);
    }
  }
}

TEST(MachineProperty, AnyEventsTileAndEndWithTheTrace) {
  for (unsigned seed = 0; seed < kSeeds; ++seed) {
    SCOPED_TRACE(seed);
    std::int64_t time = 1000;
    const std::vector<Event> events = chaos(seed, time);
    Passes run(events);
    Chaos random(seed + 1);
    for (const Event& event : events) {
      run.feed(event);
      if (random.below(10) == 0) {
        run.machine().set_effective(HostTime{event.own.value},
                                    static_cast<std::uint32_t>(random.below(3)),
                                    static_cast<model::Effective>(random.below(3)));
      }
    }
    const std::int64_t end = time + 1000;
    run.finish(end);
    expect_tiling(run.sink(), end);
    expect_sane_values(run.sink());
  }
}

// Without the first pass, and with a first pass over other events than those of the second.
TEST(MachineProperty, AnInitialStateThatDoesNotFitBreaksNothing) {
  for (unsigned seed = 0; seed < kSeeds; ++seed) {
    SCOPED_TRACE(seed);
    std::int64_t time = 1000;
    const std::vector<Event> events = chaos(seed, time);
    std::int64_t other_time = 0;
    InitialState initial;
    if (seed % 2 == 0) initial = Passes::collect(chaos(seed + 7000, other_time));
    test::VectorSink sink;
    MachineState machine({.machine_name = "m"}, std::move(initial), sink, nullptr);
    for (const Event& event : events) machine.on_event(HostTime{event.own.value}, event);
    machine.finish(HostTime{time + 500});
    expect_tiling(sink, time + 500);
  }
}

TEST(MachineProperty, TimesAtTheEndsOfTheScaleBreakNothing) {
  for (const std::int64_t shift :
       {std::numeric_limits<std::int64_t>::min() / 2, std::numeric_limits<std::int64_t>::max()}) {
    std::int64_t time = 1000;
    std::vector<Event> events = chaos(5, time);
    for (Event& event : events) {
      event.own.value = shift > 0 ? shift - std::min<std::int64_t>(event.own.value % 3, 1)
                                  : shift + event.own.value;
    }
    Passes run(events);
    run.machine().start(HostTime{shift > 0 ? shift - 5 : shift});
    run.all().finish(shift > 0 ? shift : 0);
    expect_tiling(run.sink(), shift > 0 ? shift : 0);
  }
}

TEST(MachineProperty, EveryCpuIsAccountedForFromTheBeginning) {
  for (unsigned seed = 0; seed < kSeeds; ++seed) {
    SCOPED_TRACE(seed);
    std::int64_t time = 1000;
    const std::vector<Event> events = chaos(seed, time);
    Passes run(events);
    run.machine().start(HostTime{500});
    run.all().finish(time + 100);
    for (const auto& entity : run.sink().entities()) {
      if (entity.table != model::TableId::kPcpuState) continue;
      std::int64_t sum = 0;
      for (const auto& row : entity.intervals) sum += row.end - row.begin;
      EXPECT_EQ(sum, time + 100 - entity.intervals.front().begin.ns);
    }
  }
}

// Rows that overlap a loss window of their CPU say so, and so do those of threads off the CPUs.
TEST(MachineProperty, NothingBridgesALossWithoutSayingSo) {
  using namespace model;
  for (unsigned seed = 0; seed < kSeeds; ++seed) {
    SCOPED_TRACE(seed);
    std::int64_t time = 1000;
    const std::vector<Event> events = chaos(seed, time);
    Passes run(events);
    run.all().finish(time + 100);
    std::int64_t now = std::numeric_limits<std::int64_t>::min();
    for (const Event& event : events) {
      now = std::max(now,
                     event.cpu == kNoCpu && event.kind == EventKind::kLoss ? now : event.own.value);
      if (event.kind != EventKind::kLoss || event.cpu == kNoCpu) continue;
      const std::int64_t end = std::max(event.i(arg::kLossEndOwn), now + 1);
      for (const auto& entity : run.sink().entities()) {
        const bool of_cpu = entity.table == TableId::kPcpuState;
        if (of_cpu && entity.key[1] != event.cpu) continue;
        for (const auto& row : entity.intervals) {
          const bool overlaps = row.begin.ns < end && row.end.ns > now;
          if (!overlaps) continue;
          const bool elsewhere =
              !of_cpu && row.values[slot::kTsCpu] != kNull && row.values[slot::kTsCpu] != event.cpu;
          if (elsewhere) continue;
          EXPECT_EQ(row.values[of_cpu ? slot::kPsLossy + 0 : slot::kTsLossy + 0], 1);
        }
      }
    }
  }
}

TEST(MachineProperty, TheSameEventsGiveTheSameRows) {
  std::int64_t time = 1000;
  const std::vector<Event> events = chaos(99, time);
  const auto dump = [&] {
    Passes run(events);
    run.all().finish(time + 10);
    std::vector<std::string> rows = run.lives();
    for (std::int64_t tid = 1; tid < 10; ++tid) {
      for (std::string& text : run.thread(tid)) rows.push_back(std::move(text));
    }
    for (std::int64_t cpu = 0; cpu < 3; ++cpu) {
      for (std::string& text : run.cpu(cpu)) rows.push_back(std::move(text));
    }
    return rows;
  };
  EXPECT_EQ(dump(), dump());
}

// A machine that behaves: what a thread did is known by construction, so the rows are checked
// against it.
TEST(MachineProperty, SchedulesComeBackExactly) {
  for (unsigned seed = 0; seed < 50; ++seed) {
    SCOPED_TRACE(seed);
    Chaos random(seed);
    constexpr std::int64_t kThreads = 6;
    const auto tid_of = [](std::int64_t thread) { return thread == 0 ? 0 : thread + 100; };
    std::array<std::int64_t, 2> current = {0, 0};
    std::array<bool, kThreads + 1> busy{};
    std::map<std::int64_t, std::int64_t> on_cpu_ns;
    std::array<std::int64_t, 2> since = {0, 0};
    std::vector<Event> events;
    std::int64_t time = 0;
    for (int i = 0; i < 300; ++i) {
      time += 1 + random.below(5);
      const auto cpu = static_cast<std::size_t>(random.below(2));
      std::int64_t next = random.below(kThreads + 1);
      if (next != 0 && busy[static_cast<std::size_t>(next)]) next = 0;
      if (next == current[cpu]) continue;
      events.push_back(test::events::sched_switch(
          {.own = time, .cpu = static_cast<std::uint32_t>(cpu)}, {.prev_tid = tid_of(current[cpu]),
                                                                  .prev_state = random.below(2),
                                                                  .next_tid = tid_of(next)}));
      if (events.size() > 1 || current[cpu] != 0) on_cpu_ns[current[cpu]] += time - since[cpu];
      busy[static_cast<std::size_t>(current[cpu])] = false;
      busy[static_cast<std::size_t>(next)] = true;
      current[cpu] = next;
      since[cpu] = time;
    }
    time += 10;
    for (std::size_t cpu = 0; cpu < 2; ++cpu) on_cpu_ns[current[cpu]] += time - since[cpu];
    Passes run(events);
    run.machine().start(HostTime{0});
    run.all().finish(time);
    EXPECT_EQ(run.machine().counters().unmatched(), 0U);
    for (std::int64_t thread = 1; thread <= kThreads; ++thread) {
      std::int64_t sum = 0;
      for (const auto& row : run.sink().rows(model::TableId::kThreadState,
                                             {run.sink().intern("m"), tid_of(thread)})) {
        if (row.values[model::slot::kTsState] == static_cast<std::int64_t>(ThreadState::kUser)) {
          sum += row.end - row.begin;
        }
      }
      EXPECT_EQ(sum, on_cpu_ns[thread]) << "thread " << thread;
    }
  }
}

}  // namespace
}  // namespace vs::analysis::kernel
