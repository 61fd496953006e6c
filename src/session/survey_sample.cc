// sample_trace: an overview whose cost does not depend on the length of the trace.
//
// Of each stream some pieces are read: its begin, places spread evenly over its time, and its end.
// Between two pieces nothing is concluded: the gatherers are told of a gap, as of a loss. Losses
// are those of the packet headers, or not known.

#include <algorithm>
#include <set>

#include "session/survey.h"
#include "session/surveyor.h"

namespace vs::session {
namespace {

/// Pieces of a stream, beside its end.
constexpr std::uint64_t kPieces = 6;
/// Events that are read to find the last one of a stream: what a packet of the usual sizes holds.
constexpr std::uint64_t kTailEvents = 200'000;
/// Packets of a trace whose headers are visited.
constexpr std::uint64_t kHeaders = 32'768;

/// The pieces of one stream.
class StreamSample {
 public:
  StreamSample(reader::StreamCursor& cursor, Surveyor& surveyor)
      : cursor_(cursor), surveyor_(surveyor) {}

  /// From `begin` on, or from where the piece before ended if that is later, until about `events`.
  [[nodiscard]] Status piece(std::optional<OwnTime> begin, std::uint64_t events) {
    bool behind_gap = false;
    if (begin && *begin > last_ && !ended_) {
      VS_TRY(cursor_.seek(*begin));
      behind_gap = last_ != kOwnTimeMin;
    }
    for (std::uint64_t done = 0; done < events && !ended_;) {
      VS_ASSIGN(std::span<const model::Event> run, cursor_.next());
      ended_ = run.empty();
      // A seek goes to the begin of a packet, which may have been read already.
      if (behind_gap) run = later(run);
      if (run.empty()) continue;
      if (behind_gap) surveyor_.on_gap(last_, run.front().own);
      behind_gap = false;
      surveyor_.on_events(run);
      last_ = run.back().own;
      done += run.size();
    }
    return {};
  }

  /// The stream's last event was read.
  [[nodiscard]] bool ended() const { return ended_; }

 private:
  [[nodiscard]] std::span<const model::Event> later(std::span<const model::Event> run) const {
    const auto first = std::find_if(run.begin(), run.end(), [this](const model::Event& event) {
      return event.kind != model::EventKind::kLoss && event.own > last_;
    });
    return run.subspan(static_cast<std::size_t>(first - run.begin()));
  }

  reader::StreamCursor& cursor_;
  Surveyor& surveyor_;
  OwnTime last_ = kOwnTimeMin;
  bool ended_ = false;
};

/// True when the stream's last event was read.
Result<bool> sample_stream(const reader::StreamInfo& info, reader::StreamCursor& cursor,
                           Surveyor& surveyor, std::uint64_t events) {
  StreamSample sample(cursor, surveyor);
  const std::uint64_t share = std::max<std::uint64_t>(events / kPieces, 1);
  VS_TRY(sample.piece(std::nullopt, share));
  if (!info.first || !info.last || *info.last < *info.first) return sample.ended();
  const auto whole = static_cast<Int128>(info.last->value) - info.first->value;
  for (std::uint64_t i = 1; i < kPieces; ++i) {
    const auto part = static_cast<std::int64_t>(whole * static_cast<Int128>(i) / kPieces);
    VS_TRY(sample.piece(OwnTime{info.first->value + part}, share));
  }
  VS_TRY(sample.piece(info.last, kTailEvents));
  return sample.ended();
}

bool headers_are_cheap(const reader::Trace& trace) {
  std::uint64_t packets = 0;
  for (const reader::StreamInfo& stream : trace.streams()) {
    if (stream.packets == 0) return false;
    packets += stream.packets;
  }
  return packets <= kHeaders;
}

/// The losses that packet headers tell. False: they cannot be had for the price.
Result<bool> take_header_losses(const reader::Trace& trace, Surveyor& surveyor,
                                model::IssueLog& issues) {
  if (!headers_are_cheap(trace)) return false;
  for (std::size_t s = 0; s < trace.streams().size(); ++s) {
    VS_ASSIGN(const std::unique_ptr<reader::StreamCursor> cursor, trace.open_headers(s, issues));
    if (cursor == nullptr) return false;
    for (;;) {
      VS_ASSIGN(const std::span<const model::Event> losses, cursor->next());
      if (losses.empty()) break;
      surveyor.on_header_losses(losses, s);
    }
  }
  return true;
}

/// Issues of the pieces that the headers have not told already.
void take_issues(const model::IssueLog& from, model::IssueLog& to) {
  std::set<model::IssueCode> told;
  for (const model::Issue& issue : to.rows()) told.insert(issue.code);
  for (model::Issue& issue : from.rows()) {
    if (!told.contains(issue.code)) to.add(std::move(issue));
  }
}

std::uint64_t bytes_of(const reader::Trace& trace) {
  std::uint64_t bytes = 0;
  for (const reader::StreamInfo& stream : trace.streams()) bytes += stream.bytes;
  return bytes;
}

}  // namespace

Result<TraceSurvey> sample_trace(const reader::Trace& trace,
                                 std::vector<analysis::vcpu::VmHint> hints, model::IssueLog& issues,
                                 std::uint64_t events, SurveyScope scope) {
  Surveyor surveyor(trace, scope, Surveyor::VmSearch::kDone);
  surveyor.count_header_losses();
  Sample sample;
  VS_ASSIGN(sample.losses_known, take_header_losses(trace, surveyor, issues));
  model::IssueLog pieces;
  const auto whole = static_cast<double>(std::max<std::uint64_t>(bytes_of(trace), 1));
  bool ended = true;
  for (std::size_t s = 0; s < trace.streams().size(); ++s) {
    const reader::StreamInfo& info = trace.streams()[s];
    VS_ASSIGN(const std::unique_ptr<reader::StreamCursor> cursor,
              trace.open_stream(s, surveyor.piece_request(), pieces));
    const double share = static_cast<double>(events) * static_cast<double>(info.bytes) / whole;
    surveyor.begin_stream(s);
    VS_ASSIGN(const bool stream_ended,
              sample_stream(info, *cursor, surveyor, static_cast<std::uint64_t>(share)));
    ended = ended && stream_ended;
    surveyor.end_stream();
  }
  TraceSurvey out = surveyor.finish(std::move(hints), issues);
  take_issues(pieces, issues);
  sample.events = out.events;
  if (!ended) out.end.reset();
  out.sample = sample;
  return out;
}

}  // namespace vs::session
