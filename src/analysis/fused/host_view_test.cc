// A host without VMs: its kernel state puts out fused_cpu, which says what a join of it with no VM
// would, and pcpu_state as a view, which says what rows of its own would.
#include <algorithm>
#include <array>
#include <optional>

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

/// Rows by CPU.
std::array<Rows, kCpus> rows_of(test::VectorSink& sink, model::TableId table) {
  std::array<Rows, kCpus> rows;
  for (std::int64_t cpu = 0; cpu < kCpus; ++cpu) {
    rows[static_cast<std::size_t>(cpu)] = sink.rows(table, {sink.intern("h"), cpu});
  }
  return rows;
}

/// The same host three times: with rows of pcpu_state, with rows of fused_cpu, and with the former
/// under a join.
void run_pcpu_state(const std::vector<Event>& events, test::VectorSink& sink) {
  MachineState machine({.machine_name = "h"}, begin_of(events), sink, nullptr);
  feed(machine, events, end_of(events));
}

void run_fused_cpu(const std::vector<Event>& events, test::VectorSink& sink) {
  MachineState::Options options{.machine_name = "h"};
  options.cpu_table = kernel::CpuTable::kFusedCpu;
  MachineState machine(std::move(options), begin_of(events), sink, nullptr);
  feed(machine, events, end_of(events));
}

void run_joined(const std::vector<Event>& events, test::VectorSink& sink) {
  Fusion fusion(one_host(), sink, nullptr);
  MachineState machine({.machine_name = "h"}, begin_of(events), sink, &fusion.cpu_observer(0));
  feed(machine, events, end_of(events));
  fusion.finish(0, HostTime{end_of(events)});
}

/// Neighbours that are equal, or differ in the flag of slot `lossy` alone if one is given, are one.
Rows joined(const Rows& rows, std::optional<std::size_t> lossy = {}) {
  Rows out;
  for (const test::VectorSink::Interval& row : rows) {
    bool same = !out.empty() && out.back().end == row.begin;
    for (std::size_t i = 0; same && i < row.values.size(); ++i) {
      same = i == lossy || row.values[i] == out.back().values[i];
    }
    if (same) {
      out.back().end = row.end;
      if (lossy) out.back().values[*lossy] |= row.values[*lossy];
    } else {
      out.push_back(row);
    }
  }
  return out;
}

void expect_equal(const Rows& seen, const Rows& wanted) {
  ASSERT_EQ(seen.size(), wanted.size());
  for (std::size_t i = 0; i < seen.size(); ++i) {
    ASSERT_EQ(seen[i].begin, wanted[i].begin);
    ASSERT_EQ(seen[i].end, wanted[i].end);
    ASSERT_EQ(seen[i].values, wanted[i].values) << "row " << i;
  }
}

/// Calls check(events) with sequences of all kinds.
template <typename Check>
void for_each_chaos(Check&& check) {
  for (unsigned seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(seed);
    std::int64_t time = 1000;
    check(kernel::chaos(seed, time));
  }
}

TEST(HostView, SaysWhatRowsOfItsOwnWouldSay) {
  for_each_chaos([](const std::vector<Event>& events) {
    test::VectorSink own;
    run_pcpu_state(events, own);
    test::VectorSink view;
    run_fused_cpu(events, view);
    const auto wanted = rows_of(own, model::TableId::kPcpuState);
    const auto seen = rows_of(view, model::TableId::kPcpuState);
    for (std::size_t cpu = 0; cpu < wanted.size(); ++cpu) {
      SCOPED_TRACE(cpu);
      expect_equal(joined(seen[cpu], model::slot::kPsLossy),
                   joined(wanted[cpu], model::slot::kPsLossy));
    }
  });
}

TEST(HostView, SaysWhatAJoinWouldSay) {
  for_each_chaos([](const std::vector<Event>& events) {
    test::VectorSink join;
    run_joined(events, join);
    test::VectorSink own;
    run_fused_cpu(events, own);
    const auto wanted = rows_of(join, model::TableId::kFusedCpu);
    const auto seen = rows_of(own, model::TableId::kFusedCpu);
    for (std::size_t cpu = 0; cpu < wanted.size(); ++cpu) {
      SCOPED_TRACE(cpu);
      expect_equal(joined(seen[cpu]), joined(wanted[cpu]));
    }
  });
}

// What ran in a window of lost events is not known, and the rows there say so.
TEST(HostView, RowsInALossAreLossy) {
  for_each_chaos([](const std::vector<Event>& events) {
    test::VectorSink sink;
    run_fused_cpu(events, sink);
    const auto view = rows_of(sink, model::TableId::kPcpuState);
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
  });
}

}  // namespace
}  // namespace vs::analysis::fused
