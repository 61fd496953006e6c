// virtscope waits

#include <algorithm>
#include <ostream>

#include <fmt/format.h>

#include "base/escape.h"
#include "cli/command.h"
#include "query/features.h"
#include "report/disk_stages.h"
#include "report/process_path.h"
#include "report/waits.h"

namespace vs::cli {
namespace {

Status set_vm(Arguments& arguments, const std::string& value) {
  arguments.vm = value;
  return {};
}
Status set_seed_columns(Arguments& arguments, const std::string&) {
  arguments.seed_columns = true;
  return {};
}
Status set_all(Arguments& arguments, const std::string&) {
  arguments.all = true;
  return {};
}

Status set_disk_stages(Arguments& arguments, const std::string&) {
  arguments.disk_stages = true;
  return {};
}

Status set_path(Arguments& arguments, const std::string& value) {
  arguments.path = value;
  return {};
}

constexpr OptionSpec kOptions[] = {
    {"--vm", "NAME", "only this VM", set_vm, false},
    kFromOption,
    kToOption,
    {"--seed-columns", "", "only root, nonroot, task, timer, disk, network and the\nremainder",
     set_seed_columns, false},
    {"--disk-stages", "",
     "where disk waits were spent, in seven stages: from the\nkick of the VMM over the host's disk "
     "until the process\nwas back",
     set_disk_stages, false},
    {"--path", "MACHINE[/PROCESS]",
     "instead: what decided when this process, or the whole VM,\ngot where it did, through those "
     "that woke it",
     set_path, false},
    {"--all", "", "every process, not only the 20 of each VM that ran most", set_all, false},
};

/// What the hosts' traces lack for the causes of waits.
struct Missing {
  std::string_view what;                ///< is not told
  std::vector<model::EventKind> kinds;  ///< to record
};

/// One of `kinds` is in the trace of each host.
bool hosts_have(const query::ExperimentSummary& summary,
                std::initializer_list<model::EventKind> kinds) {
  const auto& machines = summary.experiment.machines;
  for (model::MachineIndex m = 0; m < machines.size(); ++m) {
    if (machines[m].kind != model::MachineKind::kHost) continue;
    const model::KindSet present = summary.kinds_of(m);
    if (std::none_of(kinds.begin(), kinds.end(), [&](auto kind) { return present.has(kind); })) {
      return false;
    }
  }
  return true;
}

/// `device_ns`: waits for a device that is not known to be a disk or a network card.
std::vector<Missing> missing_of(const query::ExperimentSummary& summary, std::int64_t device_ns) {
  using K = model::EventKind;
  std::vector<Missing> out;
  if (!hosts_have(summary, {K::kKvmApicAcceptIrq, K::kKvmApicvAcceptIrq, K::kKvmMsiSetIrq,
                            K::kKvmInjVirq})) {
    out.push_back(
        {"what processes waited for is unknown", {K::kKvmApicAcceptIrq, K::kSchedWaking}});
  }
  if (device_ns == 0) return out;
  if (!hosts_have(summary, {K::kBlockRqComplete})) {
    out.push_back({"which waits for devices were for disks is unknown",
                   {K::kBlockRqIssue, K::kBlockRqComplete}});
  }
  if (!hosts_have(summary, {K::kNetDevXmit, K::kNetDevQueue, K::kNetifReceiveSkb})) {
    out.push_back({"which waits for devices were for the network is unknown",
                   {K::kNetDevXmit, K::kNetifReceiveSkb}});
  }
  return out;
}

void tell_how_to_record(const Context& context, const Missing& missing) {
  if (context.arguments.quiet) return;
  const auto& summary = context.opened.summary();
  const auto& machines = summary.experiment.machines;
  const auto host = std::find_if(machines.begin(), machines.end(), [](const auto& machine) {
    return machine.kind == model::MachineKind::kHost;
  });
  const auto index = static_cast<model::MachineIndex>(host - machines.begin());
  context.streams.err << "virtscope: " << missing.what << ": these traces lack "
                      << query::kind_list(missing.kinds) << " (record: "
                      << terminal_text(query::record_command(summary, index, missing.kinds))
                      << ")\n";
}

/// A window and what has to be said about it.
struct CutWindow {
  report::Window window;
  std::string note;  ///< empty: it lies in the trace
};

/// The window cut to what the traces hold; kBadUse when that is nothing.
Result<CutWindow> cut_window(const Context& context) {
  VS_ASSIGN(const report::Window asked, window_of(context));
  const auto& summary = context.opened.summary();
  const auto begin = summary.begin();
  const auto end = summary.end();
  CutWindow out{asked, {}};
  if (!begin || !end) return out;
  const bool epoch = summary.experiment.epoch;
  const std::string reach =
      fmt::format("the traces reach from {} to {}", report::time_text(*begin, epoch),
                  report::time_text(*end, epoch));
  if (asked.from > *end || asked.to <= *begin) {
    return Error{ErrorCode::kBadUse, "the traces have no time in this window", "", reach};
  }
  const bool from_cut = asked.from != kHostTimeMin && asked.from < *begin;
  const bool to_cut = asked.to != kHostTimeMax && asked.to > *end + 1;
  if (from_cut || to_cut) out.note = "the window is cut to what there is: " + reach;
  return out;
}

report::Section note_section(const CutWindow& cut) {
  report::Section note{"note", {"message"}, {}};
  if (!cut.note.empty()) note.rows.push_back({model::Cell{cut.note}});
  return note;
}

/// How long processes waited for a device that is not told more exactly.
Result<std::int64_t> device_wait_ns(const Context& context, const report::Window& window) {
  VS_ASSIGN(const auto processes,
            report::gather_waits(context.opened.source(), {window.from, window.to, {}}));
  std::int64_t sum = 0;
  for (const report::ProcessWaits& process : processes) {
    sum += process.total_ns[static_cast<std::size_t>(model::VprocessState::kDevice)];
  }
  return sum;
}

Status write_table(Context& context, const CutWindow& cut) {
  const report::Window& window = cut.window;
  const Arguments& arguments = context.arguments;
  report::WaitsQuery query{window.from, window.to, {}};
  if (!arguments.vm.empty()) {
    VS_TRY(check_vm(context, arguments.vm));
    query.machine = arguments.vm;
  }
  VS_ASSIGN(const auto processes, report::gather_waits(context.opened.source(), query));
  const auto conclusions = report::waits_conclusions(processes);
  std::vector<report::DiskStages> stages;
  if (arguments.disk_stages) {
    VS_ASSIGN(stages, report::gather_disk_stages(context.opened.source(), query));
  }
  if (arguments.format == Format::kTable) {
    report::WaitsPage page{processes, conclusions, arguments.seed_columns};
    if (arguments.all) page.most = processes.size();
    if (!cut.note.empty()) context.streams.out << cut.note << "\n\n";
    context.streams.out << report::waits_text(page, text_options(context));
    if (arguments.disk_stages) {
      context.streams.out << report::disk_stage_text(stages, text_options(context));
    }
  } else {
    report::Document document{{report::waits_section(processes, arguments.seed_columns),
                               report::waits_conclusion_section(conclusions)}};
    if (arguments.disk_stages) document.sections.push_back(report::disk_stage_section(stages));
    document.sections.push_back(note_section(cut));
    write_document(context, document);
  }
  return {};
}

Status write_path(Context& context, const CutWindow& cut) {
  const report::ProcessPathQuery query{context.arguments.path, cut.window.from, cut.window.to};
  VS_ASSIGN(const auto path, report::gather_process_path(context.opened.source(), query));
  if (context.arguments.format == Format::kTable) {
    if (!cut.note.empty()) context.streams.out << cut.note << "\n\n";
    context.streams.out << report::process_path_text(path, text_options(context));
  } else {
    report::Document document{report::process_path_sections(path)};
    document.sections.push_back(note_section(cut));
    write_document(context, document);
  }
  return {};
}

class WaitsCommand final : public Command {
 public:
  [[nodiscard]] std::string_view name() const override { return "waits"; }
  [[nodiscard]] std::string_view summary() const override {
    return "what guest processes waited for, from the host's trace";
  }
  [[nodiscard]] std::string_view usage() const override { return "waits [OPTION...] TRACE..."; }
  [[nodiscard]] std::string_view description() const override {
    return "Needs no trace of the guest. A process is told by its page tables where the trace\n"
           "shows them (identity cr3), else by where its code lies (rip), else all that a\n"
           "vCPU does is one (vcpu). Percent of its life: root (the host works for it),\n"
           "nonroot (it runs), task, timer, disk, network, device (it waits for them),\n"
           "preempted_host, preempted_vm, preempted_guest (it could run, but a thread of the\n"
           "host, another vCPU, another process of the VM has the processor), unknown.\n"
           "Each line sums to 100.000. Its life ends with the last time it ran.\n"
           "\n"
           "JSON and CSV: section waits (machine, vprocess, identity, lifetime_ns, the states\n"
           "in percent, then STATE_count, STATE_mean_ns, STATE_max_ns of all but root and\n"
           "nonroot), section conclusion (kind, rule, subject, message) and, with --disk-stages,\n"
           "disk_stage (machine, vprocess, waits, unsplit, total_ns, kick_ns, submit_ns,\n"
           "queue_ns, service_ns, wake_ns, complete_ns, deliver_ns, kick_unseen, wake_unseen).\n"
           "With --path: path (machine, vprocess, begin_ts, dur), path_share (vprocess, state,\n"
           "total_ns, share, count) and path_piece (ts, dur, depth, vprocess, vcpu, state,\n"
           "waker_vprocess, device, lossy); shares sum to 100.000, pieces tile the window.\n"
           "note (message): a window that the traces do not fill.\n";
  }
  [[nodiscard]] std::span<const OptionSpec> options() const override { return kOptions; }

  [[nodiscard]] Status check(const Arguments& arguments) const override {
    const bool others =
        !arguments.vm.empty() || arguments.seed_columns || arguments.disk_stages || arguments.all;
    if (arguments.path.empty() || !others) return {};
    return Error{ErrorCode::kBadUse,
                 "--path is an answer of its own: no --vm, --seed-columns, --disk-stages, --all",
                 "", "virtscope waits TRACE... --path vm1/0x683a000"};
  }

  [[nodiscard]] Result<ExitCode> run(Context& context) const override {
    const std::vector<std::string> tables = {"vprocess_state"};
    VS_TRY(require_tables(context, tables));
    VS_ASSIGN(const CutWindow window, cut_window(context));
    VS_TRY(context.analyse());
    VS_TRY(context.arguments.path.empty() ? write_table(context, window)
                                          : write_path(context, window));
    VS_ASSIGN(const std::int64_t device_ns, device_wait_ns(context, window.window));
    const auto missing = missing_of(context.opened.summary(), device_ns);
    for (const Missing& one : missing) tell_how_to_record(context, one);
    return missing.empty() ? answered(context) : ExitCode::kAnsweredWithIssues;
  }
};

}  // namespace

const Command& waits_command() {
  static const WaitsCommand kCommand;
  return kCommand;
}

}  // namespace vs::cli
