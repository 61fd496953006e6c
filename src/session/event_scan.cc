#include "session/event_scan.h"

#include <algorithm>

namespace vs::session {
namespace {

/// By event type: is its name asked for? Empty when all are.
std::vector<bool> wanted_types(const reader::Trace& trace, const std::vector<std::string>& names) {
  if (names.empty()) return {};
  std::vector<bool> wanted;
  for (const reader::EventTypeInfo& type : trace.event_types()) {
    wanted.push_back(std::find(names.begin(), names.end(), type.name) != names.end());
  }
  return wanted;
}

model::KindSet kinds_of(const reader::Trace& trace, const std::vector<bool>& wanted) {
  if (wanted.empty()) return model::KindSet::all();
  model::KindSet kinds;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i]) kinds.add(trace.event_types()[i].kind);
  }
  return kinds;
}

}  // namespace

EventScan::EventScan(ScanRequest request, std::vector<ScanTrace> by_source,
                     std::vector<std::vector<bool>> wanted, merge::Merger merger)
    : request_(std::move(request)),
      by_source_(std::move(by_source)),
      wanted_(std::move(wanted)),
      merger_(std::move(merger)) {}

Result<std::unique_ptr<EventScan>> EventScan::open(std::vector<ScanTrace> traces,
                                                   ScanRequest request, model::IssueLog& issues) {
  std::vector<merge::Source> sources;
  std::vector<ScanTrace> by_source;
  std::vector<std::vector<bool>> wanted(traces.size());
  for (std::uint32_t t = 0; t < traces.size(); ++t) {
    const reader::Trace& trace = *traces[t].trace;
    wanted[t] = wanted_types(trace, request.names);
    if (!request.names.empty() &&
        std::find(wanted[t].begin(), wanted[t].end(), true) == wanted[t].end()) {
      continue;
    }
    const reader::StreamRequest stream_request{kinds_of(trace, wanted[t]), false};
    for (std::size_t s = 0; s < trace.streams().size(); ++s) {
      const reader::StreamInfo& info = trace.streams()[s];
      if (request.cpu && info.cpu != model::kNoCpu && info.cpu != *request.cpu) continue;
      merge::Source source;
      VS_ASSIGN(source.cursor, trace.open_stream(s, stream_request, issues));
      if (request.from != kHostTimeMin) {
        VS_TRY(source.cursor->seek(traces[t].clock->to_own(request.from)));
      }
      source.clock = traces[t].clock;
      source.trace = t;
      source.guest = traces[t].guest;
      sources.push_back(std::move(source));
      by_source.push_back(traces[t]);
    }
  }
  auto scan = std::unique_ptr<EventScan>(new EventScan(std::move(request), std::move(by_source),
                                                       std::move(wanted),
                                                       merge::Merger(std::move(sources))));
  VS_TRY(scan->merger_.start());
  return scan;
}

Result<bool> EventScan::next(ScanItem& item) {
  for (;;) {
    VS_ASSIGN(const bool more, merger_.next(last_));
    if (!more || last_.time >= request_.to) return false;
    const model::Event& event = *last_.event;
    if (event.kind == model::EventKind::kLoss || last_.time < request_.from) continue;
    if (request_.cpu && event.cpu != *request_.cpu) continue;
    const std::uint32_t trace = merger_.source(last_.source).trace;
    if (!wanted_[trace].empty() && !wanted_[trace][event.type]) continue;
    const ScanTrace& from = by_source_[last_.source];
    item = ScanItem{last_.time, from.index, &event, &from.trace->event_types()[event.type]};
    return true;
  }
}

void EventScan::fields_json(std::string& out) const {
  merger_.source(last_.source).cursor->fields_json(*last_.event, out);
}

}  // namespace vs::session
