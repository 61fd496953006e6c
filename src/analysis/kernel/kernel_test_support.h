#pragma once
// For the tests of this folder: both passes over a list of events whose own time is the host's, and
// rows as short texts: "0-5 user@1", "5-9 blocked timer", "9-12 runnable@0 by 7", "12-20 user@1
// lossy",
// "5-9 blocked disk by host:7" when another machine's thread woke it.

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "analysis/kernel/machine_state.h"
#include "tests/support/events.h"
#include "tests/support/vector_sink.h"

namespace vs::analysis::kernel {

class Passes : public CpuObserver {
 public:
  struct Change {
    HostTime time;
    std::uint32_t cpu = 0;
    CpuView view;
  };

  explicit Passes(std::vector<model::Event> events,
                  MachineState::Options options = {.machine_name = "m"})
      : events_(std::move(events)), machine_(std::move(options), collect(events_), sink_, this) {}

  /// The second pass over all events; losses are converted.
  Passes& all() {
    for (const model::Event& event : events_) feed(event);
    return *this;
  }
  void feed(const model::Event& event) {
    const HostTime time{event.own.value};
    if (event.kind == model::EventKind::kLoss) {
      machine_.on_loss(time, HostTime{event.i(model::arg::kLossEndOwn)}, event.cpu);
    } else {
      machine_.on_event(time, event);
    }
  }
  Passes& finish(std::int64_t end) {
    machine_.finish(HostTime{end});
    return *this;
  }

  void on_cpu_change(HostTime time, std::uint32_t cpu, const CpuView& now) override {
    changes.push_back({time, cpu, now});
  }

  /// The first pass: every CPU's events as one stream.
  static InitialState collect(const std::vector<model::Event>& events) {
    InitialStateCollector collector;
    std::uint32_t cpus = 0;
    for (const model::Event& event : events) {
      if (event.cpu < 64) cpus = std::max(cpus, event.cpu + 1);
    }
    for (std::uint32_t cpu = 0; cpu < cpus; ++cpu) {
      for (const model::Event& event : events) {
        if (event.cpu == cpu) collector.on_events({&event, 1}, cpu);
      }
    }
    return collector.finish();
  }

  [[nodiscard]] std::vector<std::string> thread(std::int64_t tid) {
    std::vector<std::string> texts;
    for (const auto& row : sink_.rows(model::TableId::kThreadState, {sink_.intern("m"), tid})) {
      texts.push_back(thread_text(row));
    }
    return texts;
  }
  [[nodiscard]] std::vector<std::string> cpu(std::int64_t cpu) {
    std::vector<std::string> texts;
    for (const auto& row : sink_.rows(model::TableId::kPcpuState, {sink_.intern("m"), cpu})) {
      texts.push_back(cpu_text(row));
    }
    return texts;
  }
  /// Rows of the thread table as "7 tgid 7 parent 1 comm a container - 0-20".
  [[nodiscard]] std::vector<std::string> lives() const {
    std::vector<std::string> texts;
    for (const model::Row& row : machine_.thread_table().rows) {
      texts.push_back(cell(row[1]) + " tgid " + cell(row[2]) + " parent " + cell(row[3]) +
                      " comm " + cell(row[4]) + " container " + cell(row[5]) + " " + cell(row[6]) +
                      "-" + cell(row[7]));
    }
    return texts;
  }
  /// Rows of the container table as "4026532000 parent - name x".
  [[nodiscard]] std::vector<std::string> containers() const {
    std::vector<std::string> texts;
    for (const model::Row& row : machine_.container_table().rows) {
      texts.push_back(cell(row[1]) + " parent " + cell(row[2]) + " name " + cell(row[3]));
    }
    return texts;
  }

  MachineState& machine() { return machine_; }
  test::VectorSink& sink() { return sink_; }
  std::vector<Change> changes;

 private:
  static std::string cell(const model::Cell& cell) {
    if (const auto* number = std::get_if<std::int64_t>(&cell)) return std::to_string(*number);
    if (const auto* text = std::get_if<std::string>(&cell)) return *text;
    return "-";
  }
  static std::string span(const test::VectorSink::Interval& row) {
    return std::to_string(row.begin.ns) + "-" + std::to_string(row.end.ns) + " ";
  }
  [[nodiscard]] std::string thread_text(const test::VectorSink::Interval& row) const {
    using namespace model;
    const auto& v = row.values;
    std::string text =
        span(row) + std::string(thread_state_names()[static_cast<std::size_t>(v[slot::kTsState])]);
    if (v[slot::kTsCpu] != kNull) text += "@" + std::to_string(v[slot::kTsCpu]);
    if (v[slot::kTsDetail] != kNull) text += " " + sink_.text(v[slot::kTsDetail]);
    const std::int64_t effective = v[slot::kTsEffective];
    if (effective != kNull && effective != static_cast<std::int64_t>(Effective::kRunning) &&
        effective != static_cast<std::int64_t>(Effective::kWaiting)) {
      text += " " + std::string(effective_names()[static_cast<std::size_t>(effective)]);
    }
    if (v[slot::kTsWakerTid] != kNull) {
      const std::string machine = sink_.text(v[slot::kTsWakerMachine]);
      text += " by " + (machine == "m" ? "" : machine + ":") + std::to_string(v[slot::kTsWakerTid]);
    }
    return text + (v[slot::kTsLossy] != 0 ? " lossy" : "");
  }
  [[nodiscard]] std::string cpu_text(const test::VectorSink::Interval& row) const {
    using namespace model;
    const auto& v = row.values;
    std::string text =
        span(row) + std::string(pcpu_state_names()[static_cast<std::size_t>(v[slot::kPsState])]);
    if (v[slot::kPsTid] != kNull) text += " " + std::to_string(v[slot::kPsTid]);
    if (v[slot::kPsComm] != kNull) text += " " + sink_.text(v[slot::kPsComm]);
    return text + (v[slot::kPsLossy] != 0 ? " lossy" : "");
  }

  test::VectorSink sink_;
  std::vector<model::Event> events_;
  MachineState machine_;
};

}  // namespace vs::analysis::kernel
