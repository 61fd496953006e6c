#include "session/pipeline.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "analysis/delivery/deliveries.h"
#include "analysis/exits/exits.h"
#include "analysis/fused/fusion.h"
#include "analysis/kernel/machine_state.h"
#include "analysis/vcpu/state.h"
#include "merge/merger.h"
#include "model/host_time.h"
#include "session/arguments.h"
#include "session/decode_ahead.h"
#include "session/merge_ahead.h"

namespace vs::session {
namespace {

using analysis::exits::Exits;
using analysis::fused::Fusion;
using analysis::kernel::MachineState;
using analysis::vcpu::HostVcpus;
using model::MachineIndex;

constexpr std::uint64_t kTellEvents = 1U << 16;
constexpr std::size_t kAhead = 6;                     // events that are fetched before their turn
constexpr analysis::kernel::CpuView kNothingKnown{};  // of a CPU

/// Everything that runs for one machine with a trace.
struct MachineRun {
  MachineIndex index = model::kNoMachine;
  HostTime begin;
  HostTime end;
  std::unique_ptr<MachineState> kernel;
  std::unique_ptr<HostVcpus> vcpus;  ///< null: it hosts no VM
  StreamDispatch streams;            ///< further analyses that want its events
  bool finished = false;
};

bool hosts_vms(const model::Experiment& experiment, MachineIndex machine) {
  return std::any_of(experiment.machines.begin(), experiment.machines.end(),
                     [machine](const model::Machine& other) { return other.parent == machine; });
}

/// Nobody is on its processors but its own threads.
bool is_plain_host(const model::Experiment& experiment, MachineIndex machine) {
  return experiment.machines[machine].kind == model::MachineKind::kHost &&
         !hosts_vms(experiment, machine);
}

MachineIndex root_of(const model::Experiment& experiment, MachineIndex machine) {
  while (experiment.machines[machine].parent != model::kNoMachine) {
    machine = experiment.machines[machine].parent;
  }
  return machine;
}

/// Machines that share one flow: 0 = the joined ones; an unjoined host with what hangs on it; a
/// guest whose clock follows no other on its own.
std::size_t group_of(const model::Experiment& experiment, MachineIndex machine) {
  if (!model::keeps_host_time(experiment.machines[machine])) return 1 + std::size_t{machine};
  const MachineIndex root = root_of(experiment, machine);
  return experiment.machines[root].joined ? 0 : 1 + std::size_t{root};
}

/// Numbers of raw_syscalls mean x86-64 calls only where the trace shows that kernel.
analysis::kernel::SyscallTable syscall_table(const reader::Trace& trace) {
  const reader::TraceInfo& info = trace.info();
  const auto has = [&info](std::string_view part) {
    return info.kernel.find(part) != std::string::npos;
  };
  const bool x86 = info.clock.name == "x86-tsc" || has("amd64") || has("x86_64") ||
                   std::any_of(trace.event_types().begin(), trace.event_types().end(),
                               [](const reader::EventTypeInfo& type) {
                                 return type.system == "irq_vectors" || type.system == "x86_fpu" ||
                                        type.name.starts_with("x86_");
                               });
  return x86 ? analysis::kernel::SyscallTable::kX86_64 : analysis::kernel::SyscallTable::kNone;
}

/// One flow of machines.
class Flow final : public analysis::fused::EffectiveSink {
 public:
  Flow(const PipelineInput& input, std::vector<MachineIndex> machines, model::IntervalSink& sink)
      : input_(input),
        experiment_(*input.experiment),
        sink_(sink),
        fusion_(experiment_, sink, this),
        exits_(experiment_, sink) {
    runs_of_machine_.assign(experiment_.machines.size(), nullptr);
    runs_.reserve(machines.size());
    for (const MachineIndex machine : machines) add_machine(machine);
    analyses_ = std::make_unique<StreamAnalyses>(stream_setup(), input.analyses);
    for (MachineRun& run : runs_) start_machine(run);
    std::sort(by_end_.begin(), by_end_.end(), [this](std::size_t a, std::size_t b) {
      return runs_[a].end != runs_[b].end ? runs_[a].end < runs_[b].end
                                          : runs_[a].index > runs_[b].index;
    });
  }

  /// `before`: what earlier flows put out.
  Status run(Progress& progress, const PipelineOutput& before) {
    VS_ASSIGN(std::vector<merge::Source> sources, open_sources());
    std::optional<DecodeAhead> ahead;
    if (input_.threads > 1) {
      ahead.emplace(input_.threads - 1, sources.size());
      for (merge::Source& source : sources) source.cursor = ahead->take(std::move(source.cursor));
    }
    merge::Merger merger(std::move(sources));
    VS_TRY(merger.start());
    set_targets(merger);
    std::optional<MergeAhead> merged;
    if (input_.threads > 0) merged.emplace(merger);
    HostTime last = kHostTimeMin;
    std::uint64_t told_bytes = 0;
    std::uint64_t told_events = 0;
    for (;;) {
      VS_ASSIGN(const MergeAhead::Batch next, next_batch(merger, merged ? &*merged : nullptr));
      const std::span<const merge::Item> batch = next.items;
      if (batch.empty()) break;
      deliver(batch);
      events_ += batch.size();
      last = batch.back().time;
      tell_partial(before, last);  // soon after the snapshot, so that what is open fits to it
      if (events_ - told_events < kTellEvents) continue;
      told_events = events_;
      progress.add(next.bytes_done - told_bytes);
      told_bytes = next.bytes_done;
      if (progress.cancelled()) return Progress::cancel_error();
    }
    tell_partial(before, last);
    while (next_end_ < by_end_.size()) finish(runs_[by_end_[next_end_++]]);
    return {};
  }

  void collect(PipelineOutput& output, model::IssueLog& issues) const {
    output.events += events_;
    append_names(output.tables);
    for (const MachineRun& run : runs_) {
      const std::uint64_t unmatched = run.kernel->counters().unmatched();
      if (unmatched == 0) continue;
      const model::Machine& machine = experiment_.machines[run.index];
      issues.add({model::IssueCode::kUnmatchedPairs, input_.traces[machine.traces.front()].place,
                  input_.traces[machine.traces.front()].place, unmatched,
                  "begin and end events without their partner on " + machine.name});
    }
    for (model::SmallTable& table : analyses_->small_tables()) {
      append(std::move(table), output.tables);
    }
    for (model::Issue& issue : analyses_->issues()) issues.add(std::move(issue));
  }

  void set_effective(HostTime time, MachineIndex machine, std::uint32_t guest_cpu,
                     model::Effective effective) override {
    MachineRun* const run = runs_of_machine_[machine];
    if (run != nullptr && !run->finished) run->kernel->set_effective(time, guest_cpu, effective);
  }

 private:
  /// `ahead`: makes the batches, where there is one.
  static Result<MergeAhead::Batch> next_batch(merge::Merger& merger, MergeAhead* ahead) {
    if (ahead != nullptr) return ahead->next();
    VS_ASSIGN(const std::span<const merge::Item> items, merger.next_batch());
    return MergeAhead::Batch{items, merger.bytes_done()};
  }

  void append_names(std::vector<model::SmallTable>& tables) const {
    for (const MachineRun& run : runs_) {
      append(run.kernel->thread_table(), tables);
      append(run.kernel->container_table(), tables);
    }
  }

  /// If somebody wants it. `now`: of the last event.
  void tell_partial(const PipelineOutput& before, HostTime now) const {
    if (input_.partial == nullptr || !input_.partial->tables_wanted()) return;
    std::vector<model::SmallTable> tables = before.tables;
    append_names(tables);
    std::vector<model::OpenRow> open;
    for (const MachineRun& run : runs_) {
      if (run.finished) continue;
      run.kernel->list_open(now, open);
      if (run.vcpus) run.vcpus->list_open(now, open);
    }
    fusion_.list_open(now, open);
    input_.partial->tell_tables(std::move(tables), std::move(open));
  }

  void add_machine(MachineIndex index) {
    const model::Machine& machine = experiment_.machines[index];
    const PipelineTrace* const trace = kernel_trace(machine);
    if (trace == nullptr) return;
    MachineRun run;
    run.index = index;
    MachineState::Options options;
    options.machine_name = machine.name;
    options.task_states = analysis::kernel::task_state_coding(trace->trace->info().kernel);
    options.syscall_table = syscall_table(*trace->trace);
    const bool plain_host = is_plain_host(experiment_, index);
    if (plain_host) options.cpu_table = analysis::kernel::CpuTable::kFusedCpu;
    run.begin = machine.clock.to_host(*trace->survey->begin);
    run.end = machine.clock.to_host(*trace->survey->end);
    for (const std::size_t t : machine.traces) {
      options.event_names.push_back(type_names(*input_.traces[t].trace));
      const TraceSurvey& survey = *input_.traces[t].survey;
      if (survey.end) run.end = std::max(run.end, machine.clock.to_host(*survey.end));
    }
    run.kernel =
        std::make_unique<MachineState>(std::move(options), trace->survey->initial, sink_,
                                       plain_host ? nullptr : &fusion_.cpu_observer(index));
    by_end_.push_back(runs_.size());
    runs_.push_back(std::move(run));
    runs_of_machine_[index] = &runs_.back();  // reserved: stays put
  }

  [[nodiscard]] model::StreamSetup stream_setup() const {
    model::StreamSetup setup{&experiment_, &sink_, {}, {}, {}, {}};
    setup.facts.assign(experiment_.machines.size(), nullptr);
    setup.recorded.assign(experiment_.machines.size(), {});
    for (const MachineRun& run : runs_) {
      setup.machines.push_back(run.index);
      setup.facts[run.index] = run.kernel.get();
      for (const std::size_t t : experiment_.machines[run.index].traces) {
        setup.recorded[run.index].add(input_.traces[t].survey->kinds);
        for (model::BlockDeviceName device : input_.traces[t].survey->block_devices) {
          device.machine = run.index;
          setup.block_devices.push_back(std::move(device));
        }
      }
    }
    return setup;
  }

  void start_machine(MachineRun& run) {
    run.kernel->set_wake_resolver(analyses_->wake_resolver(run.index));
    run.kernel->start(run.begin);
    run.streams = analyses_->dispatch(run.index);
    if (!hosts_vms(experiment_, run.index)) return;
    std::vector<analysis::vcpu::VcpuObserver*> observers = {&exits_, &fusion_};
    for (auto* const observer : analyses_->vcpu_observers()) observers.push_back(observer);
    run.vcpus = std::make_unique<HostVcpus>(experiment_, run.index, sink_, std::move(observers));
    for (const auto& cpu : kernel_trace(experiment_.machines[run.index])->survey->initial.cpus) {
      if (!cpu.late && cpu.tid >= 0) run.vcpus->set_current(cpu.cpu, cpu.tid);
    }
  }

  /// The machine's first kernel trace that has events; what else it has is shown, not analysed.
  [[nodiscard]] const PipelineTrace* kernel_trace(const model::Machine& machine) const {
    for (const std::size_t t : machine.traces) {
      const PipelineTrace& trace = input_.traces[t];
      if (trace.trace->info().is_kernel && trace.survey->begin) return &trace;
    }
    return nullptr;
  }

  [[nodiscard]] static std::vector<std::string> type_names(const reader::Trace& trace) {
    std::vector<std::string> names;
    for (const reader::EventTypeInfo& type : trace.event_types()) names.push_back(type.name);
    return names;
  }

  Result<std::vector<merge::Source>> open_sources() const {
    std::vector<merge::Source> sources;
    for (std::size_t r = 0; r < runs_.size(); ++r) {
      const model::Machine& machine = experiment_.machines[runs_[r].index];
      reader::StreamRequest request;
      request.kinds = MachineState::kinds();
      request.kinds.add(runs_[r].streams.kinds());
      request.choice = state_arguments(runs_[r].streams.kinds());
      if (runs_[r].vcpus) request.kinds.add(HostVcpus::kinds()).add(Exits::kinds());
      for (std::uint32_t t = 0; t < machine.traces.size(); ++t) {
        const PipelineTrace& trace = input_.traces[machine.traces[t]];
        if (!trace.trace->info().is_kernel) continue;
        for (std::size_t s = 0; s < trace.trace->streams().size(); ++s) {
          merge::Source source;
          VS_ASSIGN(source.cursor, trace.trace->open_stream(s, request, *trace.issues));
          source.clock = &machine.clock;
          source.trace = t;
          source.machine = static_cast<std::uint32_t>(r);
          source.guest = machine.parent != model::kNoMachine;
          sources.push_back(std::move(source));
        }
      }
    }
    return sources;
  }

  /// Where the events of a source go.
  struct Target {
    MachineRun* run = nullptr;
    MachineState* kernel = nullptr;  ///< the run's, as the next one
    HostVcpus* vcpus = nullptr;
    const model::ClockMap* clock = nullptr;
    std::uint32_t trace = 0;             ///< among the machine's
    std::uint32_t experiment_trace = 0;  ///< the same one among the experiment's
  };

  void set_targets(const merge::Merger& merger) {
    for (std::uint32_t i = 0; i < merger.source_count(); ++i) {
      const merge::Source& source = merger.source(i);
      MachineRun& run = runs_[source.machine];
      const std::size_t trace = experiment_.machines[run.index].traces[source.trace];
      targets_.push_back({&run, run.kernel.get(), run.vcpus.get(), source.clock, source.trace,
                          static_cast<std::uint32_t>(trace)});
    }
  }

  void deliver(std::span<const merge::Item> batch) {
    while (!batch.empty() && next_end_time_ < batch.back().time) {  // a trace ends in it
      const auto behind = std::ranges::upper_bound(batch, next_end_time_, {}, &merge::Item::time);
      const auto before = static_cast<std::size_t>(behind - batch.begin());
      deliver_all(batch.first(before));
      batch = batch.subspan(before);
      finish_before(batch.front().time);
    }
    deliver_all(batch);
  }

  void deliver_all(std::span<const merge::Item> items) {
    const Target* const targets = targets_.data();
    const merge::Item* const end = items.data() + items.size();
    const merge::Item* const fetched = end - std::min(kAhead, items.size());
    const merge::Item* item = items.data();
    for (; item != fetched; ++item) {
      __builtin_prefetch(item[kAhead].event);
      deliver(targets[item->source], *item);
    }
    for (; item != end; ++item) deliver(targets[item->source], *item);
  }

  void deliver(const Target& to, const merge::Item& item) {
    const model::Event& event = *item.event;
    const std::span<model::StreamAnalysis* const> wanted = to.run->streams.of(event.kind);
    if (!wanted.empty()) return deliver_to(wanted, to, item);
    if (event.kind == model::EventKind::kLoss) [[unlikely]]
      return deliver_loss(to, item);
    to.kernel->on_event(item.time, event, to.trace);
    if (to.vcpus != nullptr) to.vcpus->on_event(item.time, event);
  }

  void deliver_to(std::span<model::StreamAnalysis* const> wanted, const Target& to,
                  const merge::Item& item) {
    const model::Event& event = *item.event;
    const std::int32_t tid = event.tid < 0 ? to.kernel->tid_on(event.cpu) : event.tid;
    to.kernel->on_event(item.time, event, to.trace);
    if (to.vcpus != nullptr) to.vcpus->on_event(item.time, event);
    const model::StreamEvent shown{item.time, to.run->index, to.experiment_trace, tid, event};
    for (model::StreamAnalysis* const analysis : wanted) analysis->on_event(shown);
  }

  void deliver_loss(const Target& to, const merge::Item& item) {
    const std::uint32_t cpu = item.event->cpu;
    const OwnTime end_own{item.event->i(model::arg::kLossEndOwn)};
    const HostTime end = std::max(item.time, to.clock->to_host(end_own));
    to.kernel->on_loss(item.time, end, cpu);
    if (to.vcpus != nullptr) to.vcpus->on_loss(item.time, end, cpu);
    analyses_->on_loss(item.time, end, to.run->index, cpu);
  }

  void finish_before(HostTime time) {
    while (next_end_ < by_end_.size() && runs_[by_end_[next_end_]].end < time) {
      finish(runs_[by_end_[next_end_++]]);
    }
    next_end_time_ = next_end_ < by_end_.size() ? runs_[by_end_[next_end_]].end : kHostTimeMax;
  }

  void finish(MachineRun& run) {
    if (run.vcpus) {
      run.vcpus->finish(run.end);
      fusion_.finish(run.index, run.end);
    }
    run.finished = true;
    run.kernel->finish(run.end);
    if (!run.vcpus && experiment_.machines[run.index].parent == model::kNoMachine) {
      fusion_.finish(run.index, run.end);
    }
    analyses_->finish(run.index, run.end);
    forget_guest(run);
  }

  /// A guest whose trace has ended says nothing about who runs on its vCPUs any more.
  void forget_guest(const MachineRun& run) {
    for (const model::Vcpu& vcpu : experiment_.machines[run.index].vcpus) {
      if (vcpu.guest_cpu < 0) continue;
      fusion_.cpu_observer(run.index).on_cpu_change(
          run.end, static_cast<std::uint32_t>(vcpu.guest_cpu), kNothingKnown);
    }
  }

  static void append(model::SmallTable from, std::vector<model::SmallTable>& tables) {
    auto to = std::find_if(tables.begin(), tables.end(),
                           [&from](const model::SmallTable& table) { return table.id == from.id; });
    if (to == tables.end()) to = tables.insert(to, {from.id, {}});
    std::move(from.rows.begin(), from.rows.end(), std::back_inserter(to->rows));
  }

  const PipelineInput& input_;
  const model::Experiment& experiment_;
  model::IntervalSink& sink_;
  Fusion fusion_;
  Exits exits_;
  std::unique_ptr<StreamAnalyses> analyses_;
  std::vector<MachineRun> runs_;
  std::vector<MachineRun*> runs_of_machine_;
  std::vector<Target> targets_;      // by source
  std::vector<std::size_t> by_end_;  // runs in the order in which their traces end
  std::size_t next_end_ = 0;
  HostTime next_end_time_ = kHostTimeMin;  // of that run; at first, not looked up yet
  std::uint64_t events_ = 0;
};

}  // namespace

std::vector<std::vector<MachineIndex>> flows_of(const model::Experiment& experiment) {
  std::vector<std::vector<MachineIndex>> groups(1 + experiment.machines.size());
  for (MachineIndex m = 0; m < experiment.machines.size(); ++m) {
    groups[group_of(experiment, m)].push_back(m);
  }
  std::erase_if(groups, [&experiment](const std::vector<MachineIndex>& group) {
    return std::all_of(group.begin(), group.end(), [&experiment](MachineIndex machine) {
      return experiment.machines[machine].traces.empty();
    });
  });
  return groups;
}

Result<PipelineOutput> run_pipeline(const PipelineInput& input, model::IntervalSink& sink,
                                    model::IssueLog& issues, Progress& progress) {
  PipelineOutput output;
  for (std::vector<MachineIndex>& group : flows_of(*input.experiment)) {
    Flow flow(input, std::move(group), sink);
    VS_TRY(flow.run(progress, output));
    flow.collect(output, issues);
  }
  return output;
}

}  // namespace vs::session
