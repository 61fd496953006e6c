#include "session/small_tables.h"

#include <gtest/gtest.h>

namespace vs::session {
namespace {

using model::Cell;

constexpr Cell kNothing{};
Cell number(std::int64_t value) { return Cell{value}; }
Cell word(const char* value) { return Cell{std::string(value)}; }

model::ClockSegment segment_at(std::int64_t own, std::int64_t host, double rate = 1) {
  model::ClockSegment segment;
  segment.own_begin = kOwnTimeMin;
  segment.anchor_own = OwnTime{own};
  segment.anchor_host = HostTime{host};
  segment.rate = static_cast<std::int64_t>(rate * static_cast<double>(model::kRateOne));
  return segment;
}

/// One trace of one machine; tests change what they are about.
struct OneTrace {
  reader::TraceInfo info;
  TraceSurvey survey;
  model::Experiment experiment;
  JoinResult joined;

  OneTrace() {
    info.format = "ctf";
    survey.begin = OwnTime{1000};
    survey.end = OwnTime{5000};
    model::Machine machine;
    machine.name = "h";
    machine.traces = {0};
    experiment.machines.push_back(machine);
    joined.traces.resize(1);
  }
  void set_clock(std::vector<model::ClockSegment> segments) {
    joined.traces[0].clock = model::ClockMap(std::move(segments));
    experiment.machines[0].clock = joined.traces[0].clock;
  }
  [[nodiscard]] TableInput input() const {
    return {&experiment, &joined, {{&info, &survey, "path/h", 0}}};
  }
};

TEST(LostEvents, NullIsNotKnownAndZeroIsNone) {
  reader::TraceInfo info;
  TraceSurvey survey;
  info.format = "ctf";
  EXPECT_EQ(lost_events(info, survey), 0U);
  info.format = "trace.dat";  // without its statistics it is silent
  EXPECT_EQ(lost_events(info, survey), std::nullopt);
  info.lost_events = 0;
  EXPECT_EQ(lost_events(info, survey), 0U);
  info.lost_events = 7;
  survey.losses.push_back({0, OwnTime{1}, OwnTime{2}, 9, 0});
  survey.losses.push_back({1, OwnTime{1}, OwnTime{2}, 3, 1});
  EXPECT_EQ(lost_events(info, survey), 12U);  // the windows count what the total forgot
  info.lost_events = 40;
  EXPECT_EQ(lost_events(info, survey), 40U);
  info.lost_events.reset();
  EXPECT_EQ(lost_events(info, survey), 12U);
  survey.losses.push_back({2, OwnTime{1}, OwnTime{2}, std::nullopt, 2});
  EXPECT_EQ(lost_events(info, survey), std::nullopt);
}

TEST(SmallTables, EveryRowHasTheColumnsOfItsTable) {
  OneTrace one;
  one.survey.losses.push_back({0, OwnTime{1}, OwnTime{2}, 9, 0});
  model::Machine vm;
  vm.kind = model::MachineKind::kVm;
  vm.parent = 0;
  vm.vcpus.push_back({0, {{5, OwnTime{1}, OwnTime{2}}}, -1});
  one.experiment.machines.push_back(vm);
  const TableInput input = one.input();
  for (const model::SmallTable& table :
       {trace_table(input), machine_table(input), clock_sync_table(input), loss_table(input),
        vcpu_table(input),
        issue_table({{{model::IssueCode::kBadEvent, "t", "k_0:1", 1, "m"}, 0}})}) {
    ASSERT_FALSE(table.rows.empty());
    for (const model::Row& row : table.rows) {
      EXPECT_EQ(row.size(), model::table_def(table.id).columns.size())
          << model::table_def(table.id).name;
    }
  }
}

TEST(SmallTables, ATraceRowIsInHostTime) {
  OneTrace one;
  one.info.tracer = "lttng-modules";
  one.info.clock.name = "mono";
  one.survey.events = 11;
  one.set_clock({segment_at(0, 100)});
  EXPECT_EQ(
      trace_table(one.input()).rows.at(0),
      (model::Row{number(0), word("h"), word("path/h"), word("ctf"), word("lttng-modules"),
                  word("mono"), number(1100), number(5100), number(11), number(0), number(0)}));
  one.survey.begin.reset();
  one.survey.end.reset();
  TableInput input = one.input();
  input.traces[0].machine = model::kNoMachine;
  const model::Row row = trace_table(input).rows.at(0);
  EXPECT_EQ(row[1], kNothing);
  EXPECT_EQ(row[6], kNothing);
  EXPECT_EQ(row[7], kNothing);
}

TEST(SmallTables, TheOffsetOfATickClockIsAddedToItsNanoseconds) {
  OneTrace one;
  one.set_clock({segment_at(0, 700, 0.5)});  // 2 GHz
  one.info.clock.unit = reader::ClockInfo::Unit::kTicks;
  model::Row row = clock_sync_table(one.input()).rows.at(0);
  EXPECT_EQ(row[2], number(1200));  // 1000 ticks = 500 ns
  EXPECT_EQ(row[3], number(3200));
  EXPECT_EQ(row[6], number(700));
  one.info.clock.unit = reader::ClockInfo::Unit::kNanoseconds;  // ns that run at double speed
  row = clock_sync_table(one.input()).rows.at(0);
  EXPECT_EQ(row[6], number(200));
}

TEST(SmallTables, SegmentsShareTheTracesExtentAndKeepTheirFigures) {
  OneTrace one;
  model::ClockSegment first = segment_at(0, 0);
  first.own_end = OwnTime{3000};
  first.method = model::SyncMethod::kBeacon;
  first.quality = model::SyncQuality::kAccurate;
  first.error_max_ns = 42;
  first.drift_ppb = -17;
  first.facts[0] = {3, 1};
  first.facts[5] = {4, 0};
  model::ClockSegment second = segment_at(0, 10'000);
  second.own_begin = OwnTime{3000};
  second.method = model::SyncMethod::kNone;
  second.quality = model::SyncQuality::kFailed;
  second.error_max_ns = -1;
  one.set_clock({first, second});
  one.joined.traces[0].shares = {{10, 0.5, 0.25}, {0, 0, 0}};
  const auto rows = clock_sync_table(one.input()).rows;
  ASSERT_EQ(rows.size(), 2U);
  // A segment ends where the next one begins, also on the timeline.
  EXPECT_EQ(rows[0], (model::Row{word("h"), number(0), number(1000), number(13'000), word("beacon"),
                                 word("accurate"), number(0), number(-17), number(42), number(7),
                                 number(1), Cell{0.5}, Cell{0.25}}));
  EXPECT_EQ(rows[1], (model::Row{word("h"), number(1), number(13'000), number(15'000), word("none"),
                                 word("failed"), number(10'000), number(0), kNothing, number(0),
                                 number(0), kNothing, kNothing}));
}

TEST(SmallTables, ASecondTraceOfAMachineHasNoClockRow) {
  OneTrace one;
  one.joined.traces.resize(2);
  one.experiment.machines[0].traces = {0, 1};
  TableInput input = one.input();
  input.traces.push_back(input.traces[0]);
  EXPECT_EQ(clock_sync_table(input).rows.size(), 1U);
  EXPECT_EQ(trace_table(input).rows.size(), 2U);
}

TEST(SmallTables, LossRowsKeepUnknownNumbersAndNeverRunBackwards) {
  OneTrace one;
  one.set_clock({segment_at(0, 100)});
  one.survey.losses = {{3, OwnTime{1000}, OwnTime{1500}, 8, 0},
                       {model::kNoCpu, OwnTime{2000}, OwnTime{1900}, std::nullopt, 1}};
  const auto rows = loss_table(one.input()).rows;
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0],
            (model::Row{number(0), word("h"), number(3), number(1100), number(500), number(8)}));
  EXPECT_EQ(rows[1],
            (model::Row{number(0), word("h"), kNothing, number(2100), number(0), kNothing}));
}

TEST(SmallTables, AVcpuOnTwoThreadsHasTwoRowsInItsHostsTime) {
  OneTrace one;
  one.set_clock({segment_at(0, 100)});
  model::Machine vm;
  vm.name = "vm";
  vm.kind = model::MachineKind::kVm;
  vm.parent = 0;
  vm.clock = model::ClockMap({segment_at(0, 999'999)});  // not the one to use
  vm.vcpus.push_back({4, {{50, OwnTime{1}, OwnTime{2}}, {51, OwnTime{3}, OwnTime{4}}}, -1});
  one.experiment.machines.push_back(vm);
  const auto rows = vcpu_table(one.input()).rows;
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0],
            (model::Row{word("vm"), number(4), word("h"), number(50), number(101), number(102)}));
  EXPECT_EQ(rows[1],
            (model::Row{word("vm"), number(4), word("h"), number(51), number(103), number(104)}));
}

TEST(SmallTables, BootIsTheFirstEntryOfAVmThatWasBornInTheTrace) {
  OneTrace one;
  one.set_clock({segment_at(0, 100)});
  model::Machine vm;
  vm.name = "vm";
  vm.kind = model::MachineKind::kVm;
  vm.parent = 0;
  vm.vmm_pid = 40;
  vm.vcpus = {{0, {{50, OwnTime{1700}, OwnTime{2000}}}, -1},
              {1, {{51, OwnTime{1600}, OwnTime{2000}}}, -1}};
  one.experiment.machines.push_back(vm);
  EXPECT_EQ(
      machine_table(one.input()).rows,
      (std::vector<model::Row>{
          {word("h"), word("host"), kNothing, kNothing, kNothing, kNothing, kNothing},
          {word("vm"), word("vm"), word("h"), number(40), kNothing, number(2), number(1700)}}));
  analysis::kernel::InitialThread old;
  old.tid = 51;
  one.survey.initial.threads.push_back(old);  // it existed when the trace began
  EXPECT_EQ(machine_table(one.input()).rows.at(1).at(6), kNothing);
}

TEST(SmallTables, AnIssueOfTheWholeExperimentHasNoTrace) {
  const auto rows = issue_table({{{model::IssueCode::kLostEvents, "t", "k_0:8", 5, "gone"}, 2},
                                 {{model::IssueCode::kHistoryNotStored, "", "", 1, "x"}, {}}})
                        .rows;
  EXPECT_EQ(rows.at(0).at(0), word("warning"));
  EXPECT_EQ(rows.at(0).at(3), number(2));
  EXPECT_EQ(rows.at(0).at(4), word("k_0:8"));
  EXPECT_EQ(rows.at(0).at(5), number(5));
  EXPECT_EQ(rows.at(1).at(3), kNothing);
}

}  // namespace
}  // namespace vs::session
