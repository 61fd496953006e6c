#include "serve/tsp/registry.h"

#include <algorithm>

#include <fmt/format.h>

#include "serve/limits.h"

namespace vs::serve::tsp {
namespace {

std::string name_of_path(std::string_view path) {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  const std::size_t slash = path.find_last_of('/');
  return std::string(slash == path.npos || path.size() == 1 ? path : path.substr(slash + 1));
}

/// Of what is known from the beginning.
std::string uuid_of_trace(const KnownTrace& trace, std::uint64_t id) {
  return uuid_of(fmt::format("trace\n{}\n{}", id, trace.path));
}

KnownTrace known(const query::TraceSummary& trace) {
  KnownTrace out;
  out.path = trace.info.path;
  out.name = name_of_path(out.path);
  out.events = trace.event_total();
  out.begin = trace.begin.value_or(HostTime{});
  out.end = trace.end.value_or(HostTime{});
  out.format = trace.info.format_detail;
  out.tracer = trace.info.tracer;
  out.machine = trace.info.machine_name;
  out.ours = true;
  out.uuid = uuid_of_trace(out, static_cast<std::uint64_t>(trace.id));
  return out;
}

/// All that was opened under one path, as one trace.
KnownTrace known(const query::ExperimentSummary& summary, const std::string& path,
                 const std::string& name) {
  KnownTrace out;
  for (const query::TraceSummary& trace : summary.traces) {
    const KnownTrace one = known(trace);
    if (out.format.empty())
      out = one;
    else
      out.events += one.events;
  }
  if (summary.traces.size() > 1) out.machine = "";
  out.begin = summary.begin().value_or(HostTime{});
  out.end = summary.end().value_or(HostTime{});
  out.path = path;
  out.name = name.empty() ? name_of_path(path) : name;
  out.ours = false;
  out.uuid = uuid_of_trace(out, 0);
  return out;
}

std::string experiment_uuid(std::string_view name, const std::vector<KnownTrace>& traces) {
  std::string text = fmt::format("experiment\n{}", name);
  for (const KnownTrace& trace : traces) text += "\n" + trace.uuid;
  return uuid_of(text);
}

/// One that the program opened itself, over `opened`, or the service of the command line.
std::shared_ptr<Experiment> make_experiment(Service& service, const TspOptions& options,
                                            std::string name, std::vector<KnownTrace> traces) {
  auto out = std::make_shared<Experiment>();
  out->uuid = experiment_uuid(name, traces);
  out->name = std::move(name);
  out->traces = std::move(traces);
  out->context = std::make_unique<Context>(service, options);
  return out;
}

/// What `summary` says of a trace of the command line by now.
KnownTrace refreshed(const KnownTrace& trace, const query::ExperimentSummary& summary) {
  for (const query::TraceSummary& one : summary.traces) {
    KnownTrace now = known(one);
    if (trace.ours && now.uuid == trace.uuid) return now;
  }
  return trace;
}

auto by_uuid(std::string_view uuid) {
  return [uuid](const KnownTrace& trace) { return trace.uuid == uuid; };
}

}  // namespace

std::vector<KnownTrace> Experiment::traces_now() const {
  std::vector<KnownTrace> out = traces;
  for (KnownTrace& trace : out) trace = refreshed(trace, context->service.summary());
  return out;
}

KnownTrace Registry::now(const KnownTrace& trace) const {
  return refreshed(trace, first_->context->service.summary());
}

Registry::Registry(Service& service, TspOptions options) : options_(std::move(options)) {
  for (const query::TraceSummary& trace : service.summary().traces) {
    traces_.push_back(known(trace));
  }
  first_ = make_experiment(service, options_, service.summary().name, traces_);
  experiments_.push_back(first_);
}

std::shared_ptr<Experiment> Registry::experiment(std::string_view uuid) const {
  const std::lock_guard lock(mutex_);
  for (const auto& one : experiments_) {
    if (one->uuid == uuid) return one;
  }
  return nullptr;
}

std::vector<std::shared_ptr<Experiment>> Registry::experiments() const {
  const std::lock_guard lock(mutex_);
  return experiments_;
}

std::vector<KnownTrace> Registry::traces() const {
  const std::lock_guard lock(mutex_);
  std::vector<KnownTrace> out = traces_;
  for (KnownTrace& trace : out) trace = now(trace);
  return out;
}

std::optional<KnownTrace> Registry::trace(std::string_view uuid) const {
  const std::lock_guard lock(mutex_);
  const auto found = std::find_if(traces_.begin(), traces_.end(), by_uuid(uuid));
  return found == traces_.end() ? std::nullopt : std::optional(now(*found));
}

bool Registry::in_use(std::string_view uuid) const {
  const std::lock_guard lock(mutex_);
  return std::any_of(experiments_.begin(), experiments_.end(), [&](const auto& one) {
    return std::any_of(one->traces.begin(), one->traces.end(), by_uuid(uuid));
  });
}

std::optional<KnownTrace> Registry::ours(std::string_view path) const {
  for (const KnownTrace& trace : first_->traces) {
    if (trace.path == path || trace.path == std::string(path) + "/") return now(trace);
  }
  return {};
}

Result<std::variant<KnownTrace, Registry::Clash>> Registry::open_trace(const std::string& path,
                                                                       const std::string& name) {
  using Answer = std::variant<KnownTrace, Clash>;
  const std::lock_guard one_at_a_time(opening_);
  std::optional<KnownTrace> found = ours(path);
  const std::string wanted = name.empty() ? name_of_path(path) : name;
  for (const KnownTrace& trace : traces()) {
    if (!found && !trace.ours && trace.path == path) return Answer(trace);
    if (!found && !name.empty() && trace.name == wanted) return Answer(Clash{trace});
  }
  if (!found) {
    if (options_.opener == nullptr) {
      return Error{ErrorCode::kNotFound, "this server shows the traces of its command line only",
                   "", "serve --root FOLDER lets clients open those below a folder"};
    }
    if (traces().size() >= limits::kKnownTraces) {
      return Error{ErrorCode::kLimit, "too many traces are open", "", "close some"};
    }
    VS_ASSIGN(const auto opened, options_.opener->open({path}, TraceOpener::Purpose::kLook));
    found = known(opened->service().summary(), path, name);
  }
  const std::lock_guard lock(mutex_);
  if (std::none_of(traces_.begin(), traces_.end(), by_uuid(found->uuid))) {
    traces_.push_back(*found);
  }
  return Answer(*found);
}

Result<std::shared_ptr<Experiment>> Registry::open_experiment(
    const std::string& name, const std::vector<std::string>& uuids) {
  const std::lock_guard one_at_a_time(opening_);
  std::vector<KnownTrace> wanted;
  for (const std::string& uuid : uuids) {
    auto one = trace(uuid);
    if (!one) return std::shared_ptr<Experiment>();
    wanted.push_back(std::move(*one));
  }
  const auto ours = std::count_if(wanted.begin(), wanted.end(),
                                  [](const KnownTrace& trace) { return trace.ours; });
  if (ours != 0 && static_cast<std::size_t>(ours) != wanted.size()) {
    return Error{ErrorCode::kBadUse,
                 "traces of the command line and traces opened by a client do not mix", "",
                 "open them all by their paths"};
  }
  std::shared_ptr<Experiment> made = ours != 0 ? first_ : experiment(experiment_uuid(name, wanted));
  if (made == nullptr) {
    if (experiments().size() >= limits::kExperiments) {
      return Error{ErrorCode::kLimit, "too many experiments are open", "", "close some"};
    }
    std::vector<std::string> paths;
    for (const KnownTrace& trace : wanted) paths.push_back(trace.path);
    VS_ASSIGN(auto opened, options_.opener->open(paths, TraceOpener::Purpose::kAnalyse));
    made = make_experiment(opened->service(), options_, name, std::move(wanted));
    opened->service().start();
    made->opened = std::move(opened);
  }
  const std::lock_guard lock(mutex_);
  if (std::find(experiments_.begin(), experiments_.end(), made) == experiments_.end()) {
    experiments_.push_back(made);
  }
  return made;
}

void Registry::close_trace(std::string_view uuid) {
  const std::lock_guard lock(mutex_);
  std::erase_if(traces_, by_uuid(uuid));
}

void Registry::close_experiment(std::string_view uuid) {
  std::shared_ptr<Experiment> last;  // ends outside of the lock, when no request uses it any more
  const std::lock_guard lock(mutex_);
  for (auto one = experiments_.begin(); one != experiments_.end(); ++one) {
    if ((*one)->uuid != uuid) continue;
    last = std::move(*one);
    experiments_.erase(one);
    return;
  }
}

}  // namespace vs::serve::tsp
