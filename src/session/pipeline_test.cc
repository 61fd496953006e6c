#include "session/pipeline.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>

#include "session/fake_trace_test_support.h"
#include "tests/support/vector_sink.h"

namespace vs::session {
namespace {

namespace ev = vs::test::events;
using model::Event;
using model::TableId;
using test::FakeTrace;

constexpr std::int32_t kVcpuTid = 100;

/// A host with one VM of one vCPU (thread 100) and the guest's trace; tests change the streams.
struct Rig {
  FakeTrace host;
  FakeTrace guest;
  model::Experiment experiment;
  vs::test::VectorSink sink;
  model::IssueLog issues;
  std::vector<TraceSurvey> surveys;
  std::atomic<bool> cancel = false;
  std::vector<StreamFactory> analyses;

  Rig() {
    model::Machine h;
    h.name = "h";
    h.traces = {0};
    model::Machine g;
    g.name = "g";
    g.kind = model::MachineKind::kVm;
    g.parent = 0;
    g.traces = {1};
    g.vcpus.push_back({0, {{kVcpuTid, kOwnTimeMin, kOwnTimeMax}}, 0});
    experiment.machines = {h, g};
  }

  /// 10 switch in, 20-40 guest, 40-50 exit, 50-70 guest, 70 preempted by 200, 90 back, 95-110 guest
  static std::vector<Event> host_events() {
    return {ev::sched_switch({10, 0}, {.prev_tid = 0, .next_tid = kVcpuTid, .next_comm = "kvm"}),
            ev::kvm_entry({20, 0, kVcpuTid}, 0),
            ev::kvm_exit({40, 0, kVcpuTid}, {.reason = 1, .isa = 1, .vcpu = 0}),
            ev::kvm_entry({50, 0, kVcpuTid}, 0),
            ev::kvm_exit({70, 0, kVcpuTid}, {.reason = 1, .isa = 1, .vcpu = 0}),
            ev::sched_switch(
                {72, 0},
                {.prev_tid = kVcpuTid, .prev_state = 0x100, .next_tid = 200, .next_comm = "thief"}),
            ev::sched_switch({90, 0}, {.prev_tid = 200, .prev_state = 1, .next_tid = kVcpuTid}),
            ev::kvm_entry({95, 0, kVcpuTid}, 0),
            ev::kvm_exit({110, 0, kVcpuTid}, {.reason = 1, .isa = 1, .vcpu = 0})};
  }
  static std::vector<Event> guest_events() {
    return {ev::sched_switch({25, 0}, {.prev_tid = 0, .next_tid = 7, .next_comm = "work"}),
            ev::sched_switch({100, 0}, {.prev_tid = 7, .prev_state = 1, .next_tid = 0})};
  }

  Result<PipelineOutput> run() {
    Progress quiet;
    for (const FakeTrace* trace : {&host, &guest}) {
      auto survey = survey_trace(*trace, {}, issues, quiet);
      EXPECT_TRUE(survey.ok());
      surveys.push_back(std::move(survey).value());
    }
    PipelineInput input;
    input.experiment = &experiment;
    input.traces = {{&host, &surveys[0], "h.dat", &issues},
                    {&guest, &surveys[1], "g.dat", &issues}};
    input.analyses = analyses;
    Progress progress({}, &cancel);
    return run_pipeline(input, sink, issues, progress);
  }

  /// "10-20 state", ... of an entity; the state is the first value.
  std::string states(TableId table, const std::vector<std::int64_t>& key,
                     std::span<const std::string_view> names) {
    std::string text;
    for (const auto& row : sink.rows(table, key)) {
      text += (text.empty() ? "" : "; ") + std::to_string(row.begin.ns) + "-" +
              std::to_string(row.end.ns) + " " +
              std::string(names[static_cast<std::size_t>(row.values[0])]);
    }
    return text;
  }
  std::string vcpu() {
    return states(TableId::kVcpuState, {sink.intern("g"), 0}, model::vcpu_state_names());
  }
  std::string pcpu(const char* machine) {
    return states(TableId::kPcpuState, {sink.intern(machine), 0}, model::pcpu_state_names());
  }
  std::string fused() {
    return states(TableId::kFusedCpu, {sink.intern("h"), 0}, model::fused_condition_names());
  }
  std::string effective(std::int64_t tid) {
    std::string text;
    for (const auto& row : sink.rows(TableId::kThreadState, {sink.intern("g"), tid})) {
      const std::int64_t value = row.values[model::slot::kTsEffective];
      text += (text.empty() ? "" : "; ") + std::to_string(row.begin.ns) + "-" +
              std::to_string(row.end.ns) + " " +
              (value == model::kNull
                   ? std::string("-")
                   : std::string(model::effective_names()[static_cast<std::size_t>(value)]));
    }
    return text;
  }
};

TEST(Pipeline, AHostWithAVmAndItsGuestIsOneFlow) {
  Rig rig;
  rig.host.add_stream({0, Rig::host_events()});
  rig.guest.add_stream({0, Rig::guest_events()});
  const auto output = rig.run();
  ASSERT_TRUE(output.ok()) << output.error().to_string();
  EXPECT_EQ(output->events, 11U);
  EXPECT_EQ(rig.vcpu(),
            "10-20 unknown; 20-40 guest; 40-50 hypervisor; 50-70 guest; 70-72 hypervisor; "
            "72-90 preempted; 90-95 hypervisor; 95-110 guest");
  EXPECT_EQ(rig.fused(),
            "10-20 host; 20-25 guest; 25-40 guest; 40-50 hypervisor; 50-70 guest; "
            "70-72 hypervisor; 72-90 host; 90-95 hypervisor; 95-100 guest; 100-110 guest");
  EXPECT_EQ(rig.effective(7),
            "25-40 running; 40-50 hypervisor; 50-70 running; 70-72 hypervisor; 72-90 deprived; "
            "90-95 hypervisor; 95-100 running");
  EXPECT_EQ(rig.pcpu("g"), "25-100 user");
  const auto stolen = rig.sink.rows(TableId::kPreemption, {rig.sink.intern("g"), 0});
  ASSERT_EQ(stolen.size(), 1U);
  EXPECT_EQ(stolen[0].values[model::slot::kPrTid], 7);      // the victim in the guest
  EXPECT_EQ(stolen[0].values[model::slot::kPrByTid], 200);  // the culprit on the host
  EXPECT_EQ(rig.sink.text(stolen[0].values[model::slot::kPrByMachine]), "h");
  std::vector<std::string> threads;
  for (const model::Row& row : output->tables.at(0).rows) {
    threads.push_back(std::get<std::string>(row[0]) + "/" +
                      std::to_string(std::get<std::int64_t>(row[1])));
  }
  std::sort(threads.begin(), threads.end());
  EXPECT_EQ(threads, (std::vector<std::string>{"g/7", "h/100", "h/200"}));
}

TEST(Pipeline, NothingThatTouchesALossIsWithoutItsMark) {
  Rig rig;
  std::vector<Event> events = Rig::host_events();
  events.erase(events.begin() + 5, events.begin() + 7);  // the preemption was not recorded
  events.insert(events.begin() + 5, ev::loss({73, 0}, {92, 2}));
  rig.host.add_stream({0, events});
  rig.guest.add_stream({0, Rig::guest_events()});
  ASSERT_TRUE(rig.run().ok());
  const std::pair<TableId, std::size_t> tables[] = {{TableId::kVcpuState, model::slot::kVsLossy},
                                                    {TableId::kPcpuState, model::slot::kPsLossy},
                                                    {TableId::kFusedCpu, model::slot::kFcLossy},
                                                    {TableId::kThreadState, model::slot::kTsLossy}};
  std::size_t touched = 0;
  for (const auto& [table, slot] : tables) {
    for (const auto& entity : rig.sink.entities()) {
      const bool of_guest = entity.key.front() == rig.sink.intern("g");
      const bool from_host = table == TableId::kVcpuState || !of_guest;
      if (entity.table != table || !from_host) continue;
      for (const auto& row : entity.intervals) {
        const bool touches = row.begin.ns < 92 && row.end.ns > 73;
        EXPECT_TRUE(row.values[slot] == 1 || !touches)
            << model::table_def(table).name << " " << row.begin.ns << "-" << row.end.ns;
        EXPECT_TRUE(row.values[slot] == 0 || row.end.ns > 70)
            << model::table_def(table).name << " " << row.begin.ns << "-" << row.end.ns;
        touched += touches ? 1 : 0;
      }
    }
  }
  EXPECT_GE(touched, 3U);  // vCPU, pCPU and fusion at least
  EXPECT_TRUE(rig.vcpu().ends_with("95-110 guest")) << rig.vcpu();
}

// A second host has no relation to the reference, but its guests have one to it.
TEST(Pipeline, AnUnjoinedHostIsOneFlowWithItsGuests) {
  Rig rig;
  rig.host.add_stream({0, Rig::host_events()});
  rig.guest.add_stream({0, Rig::guest_events()});
  for (model::Machine& machine : rig.experiment.machines) machine.joined = false;
  model::ClockSegment own;
  own.own_begin = kOwnTimeMin;
  own.method = model::SyncMethod::kNone;
  rig.experiment.machines[0].clock = model::ClockMap({own});
  own.method = model::SyncMethod::kTsc;
  rig.experiment.machines[1].clock = model::ClockMap({own});
  ASSERT_TRUE(rig.run().ok());
  EXPECT_EQ(rig.effective(7),
            "25-40 running; 40-50 hypervisor; 50-70 running; 70-72 hypervisor; 72-90 deprived; "
            "90-95 hypervisor; 95-100 running");
}

TEST(Pipeline, AnUnjoinedGuestIsAnalysedAloneAndItsVmFromTheHost) {
  Rig rig;
  rig.experiment.machines[1].joined = false;
  rig.host.add_stream({0, Rig::host_events()});
  std::vector<Event> shifted = Rig::guest_events();
  for (Event& event : shifted) event.own.value += 1'000'000;
  rig.guest.add_stream({0, shifted});
  const auto output = rig.run();
  ASSERT_TRUE(output.ok());
  EXPECT_EQ(output->events, 11U);
  EXPECT_EQ(rig.fused(),
            "10-20 host; 20-40 guest; 40-50 hypervisor; 50-70 guest; 70-72 hypervisor; "
            "72-90 host; 90-95 hypervisor; 95-110 guest");
  EXPECT_EQ(rig.pcpu("g"), "1000025-1000100 user");
  for (const auto& row : rig.sink.rows(TableId::kThreadState, {rig.sink.intern("g"), 7})) {
    EXPECT_NE(row.values[model::slot::kTsEffective],
              static_cast<std::int64_t>(model::Effective::kDeprived));
  }
  const auto stolen = rig.sink.rows(TableId::kPreemption, {rig.sink.intern("g"), 0});
  ASSERT_EQ(stolen.size(), 1U);
  EXPECT_EQ(stolen[0].values[model::slot::kPrTid], model::kNull);
}

TEST(Pipeline, AfterTheGuestsTraceEndsTheHostsThreadStandsForIt) {
  Rig rig;
  rig.host.add_stream({0, Rig::host_events()});
  rig.guest.add_stream(
      {0, {Rig::guest_events().front(), ev::sched_waking({60, 0, 7}, {.tid = 9})}});
  ASSERT_TRUE(rig.run().ok());
  EXPECT_EQ(rig.pcpu("g"), "25-60 user");
  EXPECT_EQ(rig.effective(7), "25-40 running; 40-50 hypervisor; 50-60 running");
  for (const auto& row : rig.sink.rows(TableId::kFusedCpu, {rig.sink.intern("h"), 0})) {
    const std::int64_t tid = row.values[model::slot::kFcTid];
    EXPECT_TRUE(row.begin.ns < 25 || row.end.ns > 60 || tid == 7) << row.begin.ns;
    EXPECT_TRUE(row.begin.ns < 60 || tid != 7) << row.begin.ns;
    EXPECT_TRUE(row.begin.ns >= 60 || row.end.ns <= 60) << row.begin.ns;
  }
  EXPECT_TRUE(rig.vcpu().ends_with("95-110 guest"));
}

TEST(Pipeline, AfterTheHostsTraceEndsTheGuestGoesOn) {
  Rig rig;
  rig.host.add_stream({0, Rig::host_events()});
  std::vector<Event> events = Rig::guest_events();
  events.push_back(ev::sched_switch({180, 0}, {.prev_tid = 0, .next_tid = 7}));
  events.push_back(ev::sched_waking({200, 0, 7}, {.tid = 9}));
  rig.guest.add_stream({0, events});
  ASSERT_TRUE(rig.run().ok());
  EXPECT_EQ(rig.pcpu("g"), "25-100 user; 100-180 idle; 180-200 user");
  EXPECT_TRUE(rig.vcpu().ends_with("95-110 guest"));  // nothing is said beyond the host's trace
  EXPECT_TRUE(rig.fused().ends_with("100-110 guest"));
}

TEST(Pipeline, AMachineWithoutEventsOrWithoutAKernelIsNoTrouble) {
  Rig rig;
  rig.host.add_stream({0, Rig::host_events()});
  rig.guest.add_stream({0, {}});
  const auto empty = rig.run();
  ASSERT_TRUE(empty.ok());
  EXPECT_EQ(empty->events, 9U);
  Rig user;
  user.host.add_stream({0, Rig::host_events()});
  user.guest.add_stream({0, Rig::guest_events()});
  user.guest.change_info().is_kernel = false;
  const auto other = user.run();
  ASSERT_TRUE(other.ok());
  EXPECT_EQ(other->events, 9U);
  EXPECT_EQ(user.pcpu("g"), "");
  EXPECT_EQ(user.vcpu(), rig.vcpu());
}

/// Writes down what it is told: host's block events and waking, guest's waking, and vCPU events.
class Listener final : public model::StreamAnalysis, public analysis::vcpu::VcpuObserver {
 public:
  explicit Listener(const model::StreamSetup& setup) : setup_(setup) { log_.clear(); }
  [[nodiscard]] model::KindSet kinds(model::MachineIndex machine) const override {
    return machine == 0 ? model::KindSet::of(
                              {model::EventKind::kBlockRqIssue, model::EventKind::kSchedWaking})
                        : model::KindSet::of({model::EventKind::kSchedWaking});
  }
  void on_event(const model::StreamEvent& event) override {
    write(event.time, setup_.experiment->machines[event.machine].name + " " +
                          std::string(model::spec_of(event.event.kind).name) + " of " +
                          std::to_string(event.tid) + " in trace " + std::to_string(event.trace));
  }
  void on_loss(HostTime begin, HostTime end, model::MachineIndex machine,
               std::uint32_t cpu) override {
    write(begin, "loss to " + std::to_string(end.ns) + " on " + std::to_string(machine) + "/" +
                     std::to_string(cpu));
  }
  void finish(model::MachineIndex machine, HostTime end) override {
    write(end, "end of " + std::to_string(machine));
  }
  void on_vcpu_event(HostTime time, const analysis::vcpu::VcpuRef&, const Event& event) override {
    write(time, std::string(model::spec_of(event.kind).name));
  }
  [[nodiscard]] std::vector<model::SmallTable> small_tables() const override {
    return {{TableId::kContainer, {{model::Cell{std::string("from a listener")}}}}};
  }
  static std::vector<std::string> log_;

 private:
  static void write(HostTime time, const std::string& what) {
    log_.push_back(std::to_string(time.ns) + " " + what);
  }
  const model::StreamSetup setup_;
};
std::vector<std::string> Listener::log_;

TEST(Pipeline, FurtherAnalysesGetWhatTheyAskForInOrderAndNothingElse) {
  Rig rig;
  rig.analyses = {make_stream<Listener>};
  rig.host.add_stream(
      {0,
       {ev::sched_switch({10, 0}, {.prev_tid = 0, .next_tid = kVcpuTid, .next_comm = "kvm"}),
        ev::make(model::EventKind::kBlockRqIssue, {12, 0}, {{"sector", 8}}),
        ev::kvm_entry({20, 0, kVcpuTid}, 0), ev::loss({50, 0}, {60, 2}),
        ev::sched_waking({70, 0, 55}, {.tid = 9})}});
  rig.guest.add_stream(
      {0,
       {ev::sched_switch({25, 0}, {.prev_tid = 0, .next_tid = 7}),
        ev::sched_waking({30, 0}, {.tid = 9}), ev::sched_wakeup({40, 0}, {.tid = 9})}});
  const auto output = rig.run();
  ASSERT_TRUE(output.ok());
  EXPECT_EQ(Listener::log_,
            (std::vector<std::string>{"12 h block_rq_issue of 100 in trace 0", "20 kvm_entry",
                                      "30 g sched_waking of 7 in trace 1", "40 end of 1",
                                      "50 loss to 60 on 0/0", "70 h sched_waking of 55 in trace 0",
                                      "70 end of 0"}));
  const auto& containers = output->tables.at(1);
  ASSERT_EQ(containers.id, TableId::kContainer);
  EXPECT_EQ(std::get<std::string>(containers.rows.back().front()), "from a listener");
}

TEST(Pipeline, StopsWhenAsked) {
  Rig rig;
  std::vector<Event> events = Rig::host_events();
  for (std::int64_t i = 0; i < 140'000; ++i) {
    events.push_back(i % 2 == 0 ? ev::irq_entry({200 + i, 0}, 3) : ev::irq_exit({200 + i, 0}, 3));
  }
  rig.host.add_stream({0, std::move(events)});
  rig.guest.add_stream({0, {}});
  rig.cancel = true;
  const auto output = rig.run();
  ASSERT_FALSE(output.ok());
  EXPECT_EQ(output.error().code, ErrorCode::kCancelled);
}

}  // namespace
}  // namespace vs::session
