#include "query/summary.h"

#include <algorithm>
#include <numeric>

namespace vs::query {
namespace {

template <typename Pick>
std::optional<HostTime> extreme(const std::vector<TraceSummary>& traces, Pick pick, bool latest) {
  std::optional<HostTime> found;
  for (const TraceSummary& trace : traces) {
    const std::optional<HostTime> time = pick(trace);
    if (!time) continue;
    if (!found || (latest ? *time > *found : *time < *found)) found = time;
  }
  return found;
}

}  // namespace

std::uint64_t TraceSummary::event_total() const {
  return std::accumulate(events.begin(), events.end(), std::uint64_t{0},
                         [](std::uint64_t sum, const EventCount& e) { return sum + e.count; });
}

std::uint64_t TraceSummary::byte_total() const {
  return std::accumulate(streams.begin(), streams.end(), std::uint64_t{0},
                         [](std::uint64_t sum, const StreamSummary& s) { return sum + s.bytes; });
}

std::uint64_t TraceSummary::loss_windows() const {
  return std::accumulate(
      streams.begin(), streams.end(), std::uint64_t{0},
      [](std::uint64_t sum, const StreamSummary& s) { return sum + s.loss_windows; });
}

std::optional<std::uint64_t> TraceSummary::lost_events() const {
  if (info.lost_events) return info.lost_events;
  std::uint64_t sum = 0;
  for (const StreamSummary& stream : streams) {
    if (!stream.lost_events) return std::nullopt;
    sum += *stream.lost_events;
  }
  return sum;
}

std::optional<HostTime> ExperimentSummary::begin() const {
  return extreme(
      traces, [](const TraceSummary& trace) { return trace.begin; }, false);
}

std::optional<HostTime> ExperimentSummary::end() const {
  return extreme(
      traces, [](const TraceSummary& trace) { return trace.end; }, true);
}

bool ExperimentSummary::sampled() const {
  return std::any_of(traces.begin(), traces.end(),
                     [](const TraceSummary& trace) { return trace.sample.has_value(); });
}

model::KindSet ExperimentSummary::kinds_of(model::MachineIndex machine) const {
  model::KindSet kinds;
  for (const TraceSummary& trace : traces) {
    if (trace.machine != machine) continue;
    for (const EventCount& event : trace.events) {
      if (event.count > 0 || trace.sample) kinds.add(event.kind);
    }
  }
  return kinds;
}

}  // namespace vs::query
