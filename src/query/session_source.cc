#include "query/session_source.h"

#include <algorithm>

#include "session/small_tables.h"

namespace vs::query {
namespace {

class HistoryRows final : public RowStream {
 public:
  explicit HistoryRows(history::RowCursor cursor) : cursor_(std::move(cursor)) {}
  Result<bool> next(IntervalView& row) override {
    history::Row stored;
    if (cursor_.next(stored)) {
      row = IntervalView{stored.begin, stored.end, stored.values};
      return true;
    }
    if (!cursor_.status().ok()) return cursor_.status().error();
    return false;
  }

 private:
  history::RowCursor cursor_;
};

class NoRows final : public RowStream {
 public:
  Result<bool> next(IntervalView&) override { return false; }
};

class ScanStream final : public EventStream {
 public:
  ScanStream(const session::Session& session, std::unique_ptr<session::EventScan> scan)
      : session_(session), scan_(std::move(scan)) {}

  Result<bool> next(EventView& view) override {
    session::ScanItem item;
    VS_ASSIGN(const bool more, scan_->next(item));
    if (!more) return false;
    const model::MachineIndex machine = session_.traces()[item.trace].machine;
    view.ts = item.time;
    view.trace = item.trace;
    view.machine = machine == model::kNoMachine
                       ? std::string_view{}
                       : std::string_view{session_.experiment().machines[machine].name};
    view.cpu = item.event->cpu == model::kNoCpu ? model::kNull : std::int64_t{item.event->cpu};
    view.tid = item.event->tid == model::kNoTid ? model::kNull : std::int64_t{item.event->tid};
    view.name = item.type->name;
    return true;
  }

  void fields_json(std::string& out) const override { scan_->fields_json(out); }

 private:
  const session::Session& session_;
  std::unique_ptr<session::EventScan> scan_;
};

std::optional<HostTime> host_time(const session::Session& session, std::size_t trace,
                                  std::optional<OwnTime> own) {
  if (!own) return std::nullopt;
  return session.joined().traces[trace].clock.to_host(*own);
}

std::vector<EventCount> event_counts(const session::OpenTrace& open) {
  std::vector<EventCount> counts;
  if (open.survey.events_by_type.empty()) return counts;  // not surveyed yet
  const auto types = open.trace->event_types();
  for (std::size_t i = 0; i < types.size(); ++i) {
    const bool declared = open.survey.sample && types[i].kind != model::EventKind::kUnknown;
    if (open.survey.events_by_type[i] == 0 && !declared) continue;
    counts.push_back(
        {types[i].name, types[i].system, types[i].kind, open.survey.events_by_type[i]});
  }
  return counts;
}

StreamSummary stream_summary(const reader::StreamInfo& info, const session::StreamCount& count,
                             const session::TraceSurvey& survey) {
  StreamSummary out{info.place, info.cpu, info.bytes, std::nullopt, count.events, 0, 0};
  for (const session::LossWindow& window : survey.losses) {
    if (window.stream != count.stream) continue;
    ++out.loss_windows;
    if (!window.lost || !out.lost_events) {
      out.lost_events = std::nullopt;
    } else {
      *out.lost_events += *window.lost;
    }
  }
  return out;
}

TraceSummary trace_summary(const session::Session& session, std::size_t t) {
  const session::OpenTrace& open = session.traces()[t];
  TraceSummary out;
  out.id = static_cast<std::int64_t>(t);
  out.info = open.trace->info();
  out.info.lost_events = session::lost_events(open.trace->info(), open.survey);
  out.machine = open.machine;
  out.events = event_counts(open);
  for (std::size_t s = 0; s < open.survey.streams.size(); ++s) {
    out.streams.push_back(
        stream_summary(open.trace->streams()[s], open.survey.streams[s], open.survey));
    // A tracer that keeps no count may have dropped events between windows, too.
    if (!out.info.lost_events) out.streams.back().lost_events.reset();
  }
  if (const auto& sample = open.survey.sample) {
    out.sample = SampleSummary{sample->events, sample->losses_known};
  }
  out.begin = host_time(session, t, open.survey.begin);
  out.end = host_time(session, t, open.survey.end);
  return out;
}

}  // namespace

SessionSource::SessionSource(const session::Session& session) : session_(session) {}

SessionSource::SessionSource(const session::Session& session,
                             std::shared_ptr<const history::Reader> part,
                             std::vector<model::SmallTable> tables)
    : session_(session), part_(std::move(part)), tables_(std::move(tables)), history_(part_.get()) {
  list_entities();
}

void SessionSource::attach_history() {
  history_ = &session_.history();
  list_entities();
}

void SessionSource::list_entities() {
  for (const model::TableDef& def : model::table_defs()) {
    if (!def.interval) continue;
    auto& keys = entities_[static_cast<std::size_t>(def.id)];
    keys.clear();
    for (const history::Entity& entity : history_->entities(def.id)) {
      keys.push_back({entity.id, {entity.key.begin(), entity.key.end()}});
    }
  }
}

const model::SmallTable& SessionSource::small(model::TableId table) const {
  if (part_ != nullptr) return tables_[static_cast<std::size_t>(table)];
  if (table != model::TableId::kIssue) return session_.small_table(table);
  // A copy of its own: another source of this session may find issues meanwhile.
  const std::uint64_t version = session_.issue_version();
  if (!issues_ || version != issue_version_) issues_ = session_.issue_table();
  issue_version_ = version;
  return *issues_;
}

std::shared_ptr<const DataSource> SessionSource::another() const {
  if (part_ != nullptr) return std::make_shared<SessionSource>(session_, part_, tables_);
  auto other = std::make_shared<SessionSource>(session_);
  if (history_ != nullptr) other->attach_history();
  return other;
}

std::span<const EntityKey> SessionSource::entities(model::TableId table) const {
  return entities_[static_cast<std::size_t>(table)];
}

Result<std::unique_ptr<RowStream>> SessionSource::rows(model::EntityId entity, HostTime from,
                                                       HostTime to) const {
  if (history_ == nullptr) return std::unique_ptr<RowStream>(std::make_unique<NoRows>());
  return std::unique_ptr<RowStream>(
      std::make_unique<HistoryRows>(history_->rows(entity, from, to)));
}

std::string_view SessionSource::string(std::int64_t id) const {
  return history_ == nullptr ? std::string_view{} : history_->string(id);
}

std::optional<std::int64_t> SessionSource::find_string(std::string_view text) const {
  return history_ == nullptr ? std::nullopt : history_->find_string(text);
}

Result<std::unique_ptr<EventStream>> SessionSource::events(const EventFilter& filter) const {
  session::EventRequest request;
  request.scan.from = filter.from;
  request.scan.to = filter.to;
  request.scan.cpu = filter.cpu;
  request.scan.names = filter.names;
  request.trace = filter.trace;
  request.machine = filter.machine;
  VS_ASSIGN(std::unique_ptr<session::EventScan> scan,
            part_ != nullptr ? session_.events(request, scan_issues_) : session_.events(request));
  return std::unique_ptr<EventStream>(std::make_unique<ScanStream>(session_, std::move(scan)));
}

std::int64_t SessionSource::vcpu_of_cpu(std::string_view machine, std::int64_t cpu) const {
  for (const model::Machine& candidate : session_.experiment().machines) {
    if (candidate.name != machine) continue;
    for (const model::Vcpu& vcpu : candidate.vcpus) {
      if (vcpu.guest_cpu == cpu) return vcpu.id;
    }
  }
  return cpu;
}

ExperimentSummary summarise(const session::Session& session) {
  ExperimentSummary out;
  out.paths = session.options().inputs.paths;
  out.experiment = session.experiment();
  for (std::size_t t = 0; t < session.traces().size(); ++t) {
    out.traces.push_back(trace_summary(session, t));
  }
  for (const session::RefusedInput& refused : session.refused()) {
    out.refused.push_back({refused.path, refused.error});
  }
  const std::string& first =
      out.paths.empty() ? session.traces().front().input.path : out.paths.front();
  out.name = std::string(os::base_name(first));
  return out;
}

}  // namespace vs::query
