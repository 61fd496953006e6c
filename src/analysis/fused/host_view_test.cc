// A host without VMs: its pcpu_state is a view of its fused_cpu, and says what rows of its own
// would.
#include <algorithm>
#include <array>

#include <gtest/gtest.h>

#include "analysis/fused/fusion.h"
#include "analysis/kernel/chaos_test_support.h"
#include "analysis/kernel/machine_state.h"
#include "tests/support/vector_sink.h"

namespace vs::analysis::fused {
namespace {

using kernel::InitialStateCollector;
using kernel::MachineState;
using model::Event;
using Rows = std::vector<test::VectorSink::Interval>;

constexpr std::int64_t kCpus = 3;

model::Experiment one_host() {
  model::Experiment experiment;
  model::Machine& host = experiment.machines.emplace_back();
  host.name = "h";
  host.traces = {0};
  return experiment;
}

kernel::InitialState begin_of(const std::vector<Event>& events) {
  InitialStateCollector collector;
  for (std::uint32_t cpu = 0; cpu < kCpus; ++cpu) {
    for (const Event& event : events) {
      if (event.cpu == cpu) collector.on_events({&event, 1}, cpu);
    }
  }
  return collector.finish();
}

void feed(MachineState& machine, const std::vector<Event>& events, std::int64_t end) {
  for (const Event& event : events) {
    const HostTime time{event.own.value};
    if (event.kind == model::EventKind::kLoss) {
      machine.on_loss(time, HostTime{event.i(model::arg::kLossEndOwn)}, event.cpu);
    } else {
      machine.on_event(time, event);
    }
  }
  machine.finish(HostTime{end});
}

/// Behind all events, whose times may go back.
std::int64_t end_of(const std::vector<Event>& events) {
  return std::ranges::max(events, {}, &Event::own).own.value + 5;
}

/// pcpu_state, by CPU.
std::array<Rows, kCpus> pcpus_of(test::VectorSink& sink) {
  std::array<Rows, kCpus> rows;
  for (std::int64_t cpu = 0; cpu < kCpus; ++cpu) {
    rows[static_cast<std::size_t>(cpu)] =
        sink.rows(model::TableId::kPcpuState, {sink.intern("h"), cpu});
  }
  return rows;
}

std::array<Rows, kCpus> own_rows(const std::vector<Event>& events, std::int64_t end) {
  test::VectorSink sink;
  MachineState machine({.machine_name = "h"}, begin_of(events), sink, nullptr);
  feed(machine, events, end);
  return pcpus_of(sink);
}

std::array<Rows, kCpus> view_rows(const std::vector<Event>& events, std::int64_t end) {
  test::VectorSink sink;
  Fusion fusion(one_host(), sink, nullptr);
  MachineState::Options options{.machine_name = "h"};
  options.pcpu_rows = !fusion.shows_pcpus(0);
  EXPECT_FALSE(options.pcpu_rows);
  MachineState machine(std::move(options), begin_of(events), sink, &fusion.cpu_observer(0));
  feed(machine, events, end);
  fusion.finish(0, HostTime{end});
  return pcpus_of(sink);
}

/// Where neighbours differ in `lossy` alone, they are one.
Rows joined(const Rows& rows) {
  Rows out;
  for (const test::VectorSink::Interval& row : rows) {
    const bool more = !out.empty() && out.back().end == row.begin &&
                      std::equal(row.values.begin(), row.values.begin() + model::slot::kPsLossy,
                                 out.back().values.begin());
    if (more) {
      out.back().end = row.end;
      out.back().values[model::slot::kPsLossy] |= row.values[model::slot::kPsLossy];
    } else {
      out.push_back(row);
    }
  }
  return out;
}

TEST(HostView, SaysWhatRowsOfItsOwnWouldSay) {
  for (unsigned seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(seed);
    std::int64_t time = 1000;
    const std::vector<Event> events = kernel::chaos(seed, time);
    const auto own = own_rows(events, end_of(events));
    const auto view = view_rows(events, end_of(events));
    for (std::size_t cpu = 0; cpu < own.size(); ++cpu) {
      SCOPED_TRACE(cpu);
      const Rows wanted = joined(own[cpu]);
      const Rows seen = joined(view[cpu]);
      ASSERT_EQ(seen.size(), wanted.size());
      for (std::size_t i = 0; i < seen.size(); ++i) {
        ASSERT_EQ(seen[i].begin, wanted[i].begin);
        ASSERT_EQ(seen[i].end, wanted[i].end);
        ASSERT_EQ(seen[i].values, wanted[i].values) << "row " << i;
      }
    }
  }
}

// What ran in a window of lost events is not known, and the rows there say so.
TEST(HostView, RowsInALossAreLossy) {
  for (unsigned seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(seed);
    std::int64_t time = 1000;
    const std::vector<Event> events = kernel::chaos(seed, time);
    const auto view = view_rows(events, end_of(events));
    std::int64_t now = 0;
    for (const Event& event : events) {
      const bool loss = event.kind == model::EventKind::kLoss;
      if (!loss || event.cpu < kCpus) now = std::max(now, event.own.value);
      if (!loss || event.cpu >= kCpus) continue;
      const std::int64_t end = std::max(event.i(model::arg::kLossEndOwn), now + 1);
      for (const test::VectorSink::Interval& row : view[event.cpu]) {
        if (row.begin.ns >= end || row.end.ns <= now) continue;
        ASSERT_EQ(row.values[model::slot::kPsLossy], 1) << row.begin.ns << "-" << row.end.ns;
      }
    }
  }
}

TEST(HostView, IsOfHostsWithoutVmsAlone) {
  model::Experiment experiment = one_host();
  experiment.machines.push_back(experiment.machines.front());
  experiment.machines.back().name = "other";
  model::Machine& vm = experiment.machines.emplace_back();
  vm.name = "vm";
  vm.kind = model::MachineKind::kVm;
  vm.parent = 1;
  test::VectorSink sink;
  const Fusion fusion(experiment, sink, nullptr);
  EXPECT_TRUE(fusion.shows_pcpus(0));
  EXPECT_FALSE(fusion.shows_pcpus(1));  // it has a VM
  EXPECT_FALSE(fusion.shows_pcpus(2));  // it has no fused_cpu
}

}  // namespace
}  // namespace vs::analysis::fused
