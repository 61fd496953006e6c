#include "session/session.h"

#include <algorithm>
#include <numeric>
#include <thread>

#include "history/writer.h"
#include "os/write_file.h"
#include "session/experiment.h"
#include "session/fingerprint.h"
#include "session/pipeline.h"
#include "session/small_tables.h"
#include "session/stored_session.h"

namespace vs::session {
namespace {

constexpr std::string_view kFingerprintKey = "fingerprint";
constexpr std::string_view kSessionKey = "session";
/// Raised when an analysis changes what it stores: histories of another number are rebuilt.
constexpr int kAnalysisVersion = 6;

/// The last parts of a path that tell traces apart: "cap/host/kernel" and "cap/vm1/kernel" give
/// "host/kernel"; "cap/host.dat" gives "host.dat".
std::string short_place(const std::string& path) {
  const std::string_view last = os::base_name(path);
  if (last.find('.') != std::string_view::npos) return std::string(last);
  const std::string_view folder = std::string_view(path).substr(0, path.rfind('/'));
  const bool deeper = path.rfind('/') != std::string::npos && !folder.empty();
  return deeper ? os::join_path(os::base_name(folder), last) : std::string(last);
}

/// For a CTF trace the folder "kernel" (or "64-bit" and the like) says nothing: the name is one
/// higher.
std::string naming_part(const Input& input) {
  std::string_view path = input.path;
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  const std::string_view last = os::base_name(path);
  const bool folder = input.format->name == "ctf";
  const std::size_t slash = path.rfind('/');
  if (!folder || last != "kernel" || slash == std::string_view::npos || slash == 0) {
    return std::string(last);
  }
  return std::string(os::base_name(path.substr(0, slash)));
}

}  // namespace

Session::Session(os::FileSystem& files, SessionOptions options)
    : files_(files), options_(std::move(options)), progress_(options_.progress, options_.cancel) {
  for (const model::TableDef& def : model::table_defs()) tables_.push_back({def.id, {}});
}

Session::~Session() = default;

Result<std::unique_ptr<Session>> Session::open(os::FileSystem& files, SessionOptions options) {
  auto session = std::unique_ptr<Session>(new Session(files, std::move(options)));
  VS_TRY(session->open_traces());
  return session;
}

Status Session::open_traces() {
  VS_ASSIGN(Inputs inputs, resolve_inputs(files_, options_.inputs));
  capture_ = std::move(inputs.capture);
  for (Input& input : inputs.traces) {
    OpenTrace open;
    open.place = short_place(input.path);
    open.issues = std::make_unique<model::IssueLog>();
    auto trace = input.format->open(files_, input.path, *open.issues);
    if (!trace.ok()) {
      refused_.push_back({input.path, trace.error()});
      issues_.add({model::IssueCode::kUnreadableTrace, input.path,
                   trace.error().where.empty() ? input.path : trace.error().where, 1,
                   trace.error().what});
      continue;
    }
    open.trace = std::move(trace).value();
    open.opening = open.issues->rows();
    open.input = std::move(input);
    traces_.push_back(std::move(open));
  }
  if (traces_.empty()) return refused_.front().error;
  return {};
}

namespace {

/// The VMs of the machine that this trace is, by the capture's snapshot. A capture that does not
/// name parents has one host.
std::vector<analysis::vcpu::VmHint> vm_hints(const std::optional<Capture>& capture,
                                             const Input& input) {
  std::vector<analysis::vcpu::VmHint> hints;
  if (!capture || !input.capture_machine) return hints;
  const std::string& host = capture->machines[*input.capture_machine].name;
  for (const CaptureMachine& machine : capture->machines) {
    const bool here = machine.parent.empty() || machine.parent == host;
    if (machine.kind != "vm" || !here || machine.name == host) continue;
    analysis::vcpu::VmHint hint{machine.vmm_pid, machine.name, {}};
    for (const CaptureVcpu& vcpu : machine.vcpus) {
      if (vcpu.tid >= 0) hint.threads.push_back({vcpu.id, vcpu.tid});
    }
    hints.push_back(std::move(hint));
  }
  return hints;
}

}  // namespace

namespace {

std::uint64_t bytes_of(const reader::Trace& trace) {
  std::uint64_t bytes = 0;
  for (const reader::StreamInfo& stream : trace.streams()) bytes += stream.bytes;
  return bytes;
}

}  // namespace

std::uint64_t Session::total_bytes() const {
  std::uint64_t bytes = 0;
  for (const OpenTrace& open : traces_) bytes += bytes_of(*open.trace);
  return bytes;
}

// So that no thread begins the longest one when the others are done.
std::vector<std::size_t> Session::largest_first() const {
  std::vector<std::size_t> order(traces_.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [this](std::size_t a, std::size_t b) {
    return bytes_of(*traces_[a].trace) > bytes_of(*traces_[b].trace);
  });
  return order;
}

namespace {

/// Its events tell when a VM's guest runs.
bool may_show_runs(const reader::Trace& trace) {
  return std::any_of(trace.event_types().begin(), trace.event_types().end(),
                     [](const reader::EventTypeInfo& type) {
                       return type.kind == model::EventKind::kKvmEntry ||
                              type.kind == model::EventKind::kKvmExit;
                     });
}

}  // namespace

SurveyScope Session::survey_scope(std::size_t trace) const {
  SurveyScope scope;
  scope.alone = traces_.size() == 1;
  scope.states = options_.states && !options_.overview;
  scope.guest = false;
  for (std::size_t t = 0; t < traces_.size(); ++t) {
    scope.guest = scope.guest || (t != trace && may_show_runs(*traces_[t].trace));
  }
  return scope;
}

Status Session::survey_traces(bool sampled) {
  progress_.begin("reading", total_bytes());
  std::atomic<std::size_t> next = 0;
  std::vector<Status> results(traces_.size());
  const std::vector<std::size_t> order = largest_first();
  const auto work = [&] {
    for (std::size_t i = next++; i < order.size(); i = next++) {
      const std::size_t t = order[i];
      OpenTrace& open = traces_[t];
      const SurveyScope scope = survey_scope(t);
      auto hints = vm_hints(capture_, open.input);
      auto survey =
          sampled ? sample_trace(*open.trace, std::move(hints), *open.issues,
                                 options_.overview->events / traces_.size(), scope)
                  : survey_trace(*open.trace, std::move(hints), *open.issues, progress_, scope);
      if (survey.ok()) {
        open.survey = std::move(survey).value();
      } else {
        results[t] = survey.error();
      }
    }
  };
  {
    std::vector<std::jthread> helpers;
    const std::size_t jobs = std::min<std::size_t>(std::max(options_.jobs, 1U), traces_.size());
    for (std::size_t i = 1; i < jobs; ++i) helpers.emplace_back(work);
    work();
  }
  for (Status& result : results) VS_TRY(std::move(result));
  return {};
}

Status Session::survey() {
  if (surveyed_ || restore()) return {};
  sampled_ = options_.overview && total_bytes() > options_.overview->whole_bytes;
  VS_TRY(survey_traces(sampled_));
  finish_survey();
  return {};
}

void Session::finish_survey() {
  for (const OpenTrace& open : traces_) {
    if (open.survey.time_reversals == 0) continue;
    open.issues->add({model::IssueCode::kTimeGoesBack, open.place, open.place,
                      open.survey.time_reversals, "time goes back within a stream"});
  }
  surveyed_ = true;
  refresh_tables();
}

namespace {

SnapshotMachine snapshot_of(const CaptureMachine& from) {
  SnapshotMachine out;
  out.name = from.name;
  out.kind = from.kind == "vm" ? model::MachineKind::kVm : model::MachineKind::kHost;
  out.parent = from.parent;
  out.tsc_hz = from.tsc_hz;
  out.vmm_pid = from.vmm_pid;
  out.uuid = from.uuid;
  for (const CaptureVcpu& vcpu : from.vcpus) {
    out.vcpus.push_back({vcpu.id, vcpu.tid, vcpu.tsc_offset_begin, vcpu.tsc_offset_end,
                         vcpu.tsc_ratio, vcpu.tsc_frac_bits});
  }
  return out;
}

JoinInput join_input(const std::vector<OpenTrace>& traces, const std::optional<Capture>& capture,
                     const SessionOptions& options) {
  JoinInput input;
  input.options.mode = options.sync;
  input.options.tsc_hz = options.tsc_hz;
  input.options.jobs = options.jobs;
  if (capture) {
    for (const CaptureMachine& machine : capture->machines) {
      input.snapshot.push_back(snapshot_of(machine));
    }
  }
  for (std::size_t t = 0; t < traces.size(); ++t) {
    const OpenTrace& open = traces[t];
    input.traces.push_back({&open.trace->info(), &open.survey.evidence, open.survey.vms});
    if (open.input.forced_host) input.options.host_trace = t;
    if (!open.input.forced_guest.empty()) {
      input.options.guests.push_back({open.input.forced_guest, t});
    }
    if (open.input.capture_machine) input.snapshot[*open.input.capture_machine].trace = t;
  }
  return input;
}

}  // namespace

namespace {

/// Every clock is the reference's or is known by its time stamp counter's offset: evidence that was
/// not read cannot move it.
bool known_by_counters(const JoinResult& joined) {
  for (std::size_t t = 0; t < joined.traces.size(); ++t) {
    if (t == joined.reference) continue;
    if (!joined.traces[t].joined || !joined.traces[t].binding) return false;
    for (const model::ClockSegment& segment : joined.traces[t].clock.segments()) {
      const bool counter = segment.method == model::SyncMethod::kTsc;
      if (!counter || segment.quality != model::SyncQuality::kExact) return false;
    }
  }
  return true;
}

}  // namespace

Status Session::join_traces() {
  model::IssueLog told;
  VS_ASSIGN(joined_, join_clocks(join_input(traces_, capture_, options_), told));
  if (sampled_ && traces_.size() > 1 && !known_by_counters(joined_)) {
    if (options_.overview->only_sample) {
      return Error{ErrorCode::kUnsupported, "these clocks are not known from a sample", "", ""};
    }
    sampled_ = false;
    for (OpenTrace& open : traces_) {
      open.issues->clear();
      for (const model::Issue& issue : open.opening) open.issues->add(issue);
    }
    VS_TRY(survey_traces(false));
    finish_survey();
    return join_traces();
  }
  for (model::Issue& issue : told.rows()) issues_.add(std::move(issue));
  return {};
}

Status Session::join() {
  VS_TRY(survey());
  if (joined_done_) return {};
  VS_TRY(join_traces());
  std::vector<MachineTrace> machine_traces;
  for (const OpenTrace& open : traces_) {
    machine_traces.push_back({&open.trace->info(), &open.survey, naming_part(open.input),
                              open.input.forced_guest, open.input.capture_machine});
  }
  MachinesOfTraces built = build_machines(machine_traces, joined_, capture_);
  experiment_ = std::move(built.experiment);
  for (std::size_t t = 0; t < traces_.size(); ++t) traces_[t].machine = built.machine_of_trace[t];
  joined_done_ = true;
  refresh_tables();
  return {};
}

void Session::refresh_tables() {
  if (!joined_done_) return;
  TableInput input{&experiment_, &joined_, {}};
  for (const OpenTrace& open : traces_) {
    input.traces.push_back({&open.trace->info(), &open.survey, open.input.path, open.machine});
  }
  for (model::SmallTable table : {trace_table(input), machine_table(input), clock_sync_table(input),
                                  loss_table(input), vcpu_table(input)}) {
    const auto index = static_cast<std::size_t>(table.id);
    tables_[index] = std::move(table);
  }
}

std::string Session::history_file(const std::string& fingerprint) const {
  if (!options_.history_path.empty()) return options_.history_path;
  if (options_.cache_folder.empty()) return {};
  return os::join_path(options_.cache_folder, fingerprint + ".vsh");
}

Status Session::analyse() {
  if (history_) return {};
  VS_TRY(join());
  if (history_) return {};  // restored
  if (options_.overview || !options_.states) {
    return Error{ErrorCode::kInternal, "an overview's session cannot analyse", "", ""};
  }
  VS_ASSIGN(const std::string key, this->key());
  const std::string path = history_file(key);
  if (!path.empty() && !damaged()) {
    const auto stored = history::Reader::open(path);
    if (stored.ok() || stored.error().code != ErrorCode::kNotFound) {
      issues_.add(
          {model::IssueCode::kHistoryRebuilt, "", path, 1,
           stored.ok() ? "the stored history is of other input or options" : stored.error().what});
    }
  }
  VS_TRY(build_history(key));
  take_tables();
  return {};
}

void Session::take_tables() {
  for (const model::TableDef& def : model::table_defs()) {
    if (const model::SmallTable* table = history_->small_table(def.id)) {
      tables_[static_cast<std::size_t>(def.id)] = *table;
    }
  }
}

namespace {

/// What a capture says, as far as it changes answers.
std::string settings_of(const Capture& capture) {
  std::string text;
  const auto add = [&text](const auto& value) {
    if (value) text += std::to_string(*value);
    text += ',';
  };
  for (const CaptureMachine& machine : capture.machines) {
    for (const std::string* part :
         {&machine.name, &machine.kind, &machine.parent, &machine.trace, &machine.uuid}) {
      text += *part + '\n';
    }
    add(machine.tsc_hz);
    text += std::to_string(machine.vmm_pid) + ':';
    for (const CaptureVcpu& vcpu : machine.vcpus) {
      text += std::to_string(vcpu.id) + ' ' + std::to_string(vcpu.tid) + ' ';
      add(vcpu.tsc_offset_begin);
      add(vcpu.tsc_offset_end);
      add(vcpu.tsc_ratio);
      add(vcpu.tsc_frac_bits);
    }
  }
  return text;
}

StoredTrace stored_trace(const OpenTrace& open, const TraceJoin& join) {
  StoredTrace out;
  const TraceSurvey& survey = open.survey;
  out.events_by_type = survey.events_by_type;
  out.events = survey.events;
  out.begin = survey.begin;
  out.end = survey.end;
  out.losses = survey.losses;
  out.streams = survey.streams;
  out.time_reversals = survey.time_reversals;
  out.machine = open.machine;
  out.clock.assign(join.clock.segments().begin(), join.clock.segments().end());
  out.joined = join.joined;
  out.source = join.source;
  out.issues = open.issues->rows();
  return out;
}

void restore_trace(StoredTrace& stored, OpenTrace& open, TraceJoin& join) {
  TraceSurvey& survey = open.survey;
  survey.events_by_type = std::move(stored.events_by_type);
  survey.events = stored.events;
  survey.begin = stored.begin;
  survey.end = stored.end;
  survey.losses = std::move(stored.losses);
  survey.streams = std::move(stored.streams);
  survey.time_reversals = stored.time_reversals;
  const std::span<const reader::EventTypeInfo> types = open.trace->event_types();
  for (std::size_t i = 0; i < types.size(); ++i) {
    if (survey.events_by_type[i] > 0) survey.kinds.add(types[i].kind);
  }
  open.machine = stored.machine;
  join.clock = model::ClockMap(std::move(stored.clock));
  join.joined = stored.joined;
  join.source = std::move(stored.source);
  open.issues->clear();  // those of opening are among them
  for (model::Issue& issue : stored.issues) open.issues->add(std::move(issue));
}

}  // namespace

Result<std::string> Session::key() const {
  std::vector<std::string> paths;
  for (const OpenTrace& open : traces_) paths.push_back(open.input.path);
  std::string settings = "analysis " + std::to_string(kAnalysisVersion) + " sync " +
                         std::to_string(static_cast<int>(options_.sync));
  if (options_.tsc_hz) settings += " hz " + std::to_string(*options_.tsc_hz);
  for (const OpenTrace& open : traces_) {
    settings += open.input.forced_host ? " host" : " guest " + open.input.forced_guest;
  }
  if (capture_) settings += settings_of(*capture_);
  return fingerprint(files_, paths, settings);
}

bool Session::restore() {
  const bool stored_somewhere = !options_.history_path.empty() || !options_.cache_folder.empty();
  if (!stored_somewhere || damaged()) return false;
  const auto key = this->key();
  if (!key.ok()) return false;
  auto stored = history::Reader::open(history_file(key.value()), {options_.cache_bytes, nullptr});
  if (!stored.ok() || stored.value()->meta(kFingerprintKey) != key.value()) return false;
  std::vector<TraceShape> shapes;
  for (const OpenTrace& open : traces_) {
    shapes.push_back({open.trace->event_types().size(), open.trace->streams().size()});
  }
  auto session = unpack_session(stored.value()->meta(kSessionKey).value_or(""), shapes);
  if (!session) return false;
  joined_.traces.resize(traces_.size());
  for (std::size_t t = 0; t < traces_.size(); ++t) {
    restore_trace(session->traces[t], traces_[t], joined_.traces[t]);
  }
  joined_.reference = session->reference;
  joined_.epoch = session->epoch;
  joined_.ticks = session->ticks;
  experiment_ = std::move(session->experiment);
  for (model::Issue& issue : session->issues) issues_.add(std::move(issue));
  history_ = std::move(stored).value();
  surveyed_ = joined_done_ = true;
  take_tables();
  return true;
}

namespace {

Result<std::unique_ptr<history::Writer>> open_writer(const SessionOptions& session,
                                                     const std::string& path,
                                                     model::IssueLog& issues) {
  history::WriterOptions options;
  options.reader.cache_bytes = session.cache_bytes;
  options.seal_beside = session.jobs > 1;
  if (session.partial != nullptr) options.snapshots = &session.partial->snapshots();
  if (!path.empty()) {
    const std::size_t slash = path.rfind('/');
    const Status folder = slash == std::string::npos || slash == 0
                              ? Status{}
                              : os::make_folders(path.substr(0, slash));
    auto writer = history::Writer::create(path, options);
    if (writer.ok()) return writer;
    const Error& why = folder.ok() ? writer.error() : folder.error();
    issues.add({model::IssueCode::kHistoryNotStored, "", path, 1, why.to_string()});
  }
  return history::Writer::create_anonymous(session.temporary_folder, options);
}

}  // namespace

Status Session::build_history(const std::string& fingerprint) {
  // Damaged input never leaves a history that is reused (design.md 3).
  const bool keep = !damaged();
  VS_ASSIGN(const std::unique_ptr<history::Writer> writer,
            open_writer(options_, keep ? history_file(fingerprint) : std::string{}, issues_));
  model::IssueLog seen_again;  // the first pass has told all of it
  PipelineInput input{&experiment_, {}};
  input.partial = options_.partial;
  std::uint64_t bytes = 0;
  for (OpenTrace& open : traces_) {
    input.traces.push_back({open.trace.get(), &open.survey, open.place, &seen_again});
    for (const reader::StreamInfo& stream : open.trace->streams()) bytes += stream.bytes;
  }
  progress_.begin("analysing", bytes);
  input.threads = std::max(options_.jobs, 1U) - 1;
  VS_ASSIGN(PipelineOutput output, run_pipeline(input, *writer, issues_, progress_));
  for (model::SmallTable& table : output.tables) writer->put_small_table(std::move(table));
  for (const model::SmallTable& table : tables_) {
    if (!table.rows.empty()) writer->put_small_table(table);
  }
  StoredSession session;
  for (std::size_t t = 0; t < traces_.size(); ++t) {
    session.traces.push_back(stored_trace(traces_[t], joined_.traces[t]));
  }
  session.experiment = experiment_;
  session.reference = joined_.reference;
  session.epoch = joined_.epoch;
  session.ticks = joined_.ticks;
  session.issues = issues_.rows();
  writer->set_meta(std::string(kSessionKey), pack_session(session));
  writer->set_meta(std::string(kFingerprintKey), fingerprint);
  VS_ASSIGN(history_, writer->finish());
  return {};
}

std::uint64_t Session::issue_version() const {
  std::uint64_t version = issues_.version();
  for (const OpenTrace& open : traces_) version += open.issues->version();
  return version;
}

model::SmallTable Session::issue_table() const {
  std::vector<LocatedIssue> located;
  for (std::size_t t = 0; t < traces_.size(); ++t) {
    for (model::Issue& issue : traces_[t].issues->rows()) located.push_back({std::move(issue), t});
  }
  for (model::Issue& issue : issues_.rows()) {
    std::optional<std::size_t> trace;
    for (std::size_t t = 0; t < traces_.size(); ++t) {
      if (issue.trace == traces_[t].input.path) trace = t;
    }
    located.push_back({std::move(issue), trace});
  }
  std::stable_sort(located.begin(), located.end(), [](const auto& a, const auto& b) {
    return model::spec_of(a.issue.code).severity > model::spec_of(b.issue.code).severity;
  });
  return session::issue_table(located);
}

const model::SmallTable& Session::small_table(model::TableId table) const {
  const auto index = static_cast<std::size_t>(table);
  if (table == model::TableId::kIssue) {
    const std::uint64_t version = issue_version();
    if (version != issue_table_version_) tables_[index] = issue_table();
    issue_table_version_ = version;
  }
  return tables_[index];
}

std::vector<model::Issue> Session::issues() const {
  std::vector<model::Issue> all;
  for (const OpenTrace& open : traces_) {
    for (model::Issue& issue : open.issues->rows()) all.push_back(std::move(issue));
  }
  for (model::Issue& issue : issues_.rows()) all.push_back(std::move(issue));
  return all;
}

model::Severity Session::worst_issue() const {
  model::Severity worst = issues_.worst();
  for (const OpenTrace& open : traces_) worst = std::max(worst, open.issues->worst());
  return worst;
}

bool Session::damaged() const {
  const std::vector<model::Issue> all = issues();
  return std::any_of(all.begin(), all.end(),
                     [](const model::Issue& issue) { return model::is_damage(issue.code); });
}

Result<std::unique_ptr<EventScan>> Session::events(const EventRequest& request,
                                                   model::IssueLog& issues) const {
  std::vector<ScanTrace> scanned;
  for (std::uint32_t t = 0; t < traces_.size(); ++t) {
    if (request.trace && *request.trace != t) continue;
    const model::MachineIndex machine = traces_[t].machine;
    const bool known = machine != model::kNoMachine;
    if (request.machine && (!known || experiment_.machines[machine].name != *request.machine))
      continue;
    const bool guest = known && experiment_.machines[machine].kind == model::MachineKind::kVm;
    scanned.push_back({traces_[t].trace.get(), &joined_.traces[t].clock, t, guest});
  }
  return EventScan::open(std::move(scanned), request.scan, issues);
}

}  // namespace vs::session
