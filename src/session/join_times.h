#pragma once
// Small helpers of a pair's fit (join_pair.cc): a guest CPU's times, and the map that the pieces of
// a fit make. Threads: values.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "clock/envelope.h"
#include "clock/pieces.h"
#include "model/clock_map.h"
#include "model/evidence.h"

namespace vs::session {

/// Adds the first and last times of a CPU's bursts to `out`.
inline void add_times(std::span<const model::Burst> bursts, std::uint32_t vcpu,
                      std::vector<clock::GuestTime>& out) {
  const std::size_t before = out.size();
  out.resize(before + 2 * bursts.size());
  clock::GuestTime* at = out.data() + before;
  // Which are longer than one event cannot be guessed: the last time is always written.
  for (const model::Burst& burst : bursts) {
    at[0] = {burst.first, vcpu, (burst.count + 1) / 2};
    at[1] = {burst.first + burst.length, vcpu, burst.count / 2};
    at += burst.count > 1 ? 2 : 1;
  }
  out.resize(static_cast<std::size_t>(at - out.data()));
}

/// The lines of pieces: each holds from its first time on, the first one before as well.
class PieceLines {
 public:
  PieceLines(const std::vector<clock::Piece>& list, const std::vector<clock::GuestTime>& times) {
    for (const clock::Piece& piece : list) {
      if (piece.begin >= times.size() && !lines_.empty()) continue;
      const bool first = lines_.empty();
      lines_.push_back({first ? INT64_MIN : times[piece.begin].x, piece.fit.solution,
                        clock::RoughMiddle(piece.fit.solution)});
    }
  }
  [[nodiscard]] std::int64_t operator()(std::int64_t x) const {
    return line_at(x).solution.middle(x);
  }
  /// The same within RoughMiddle::kWithin. False: not known so.
  [[nodiscard]] bool rough(std::int64_t x, std::int64_t& y) const {
    return line_at(x).rough.at(x, y);
  }

 private:
  struct Line {
    std::int64_t begin = 0;
    clock::Solution solution;
    clock::RoughMiddle rough;
  };
  [[nodiscard]] const Line& line_at(std::int64_t x) const {
    const Line* line = &lines_.back();
    while (line != lines_.data() && x < line->begin) --line;
    return *line;
  }
  std::vector<Line> lines_;
};

/// How the times of a segment fall: by their own clock, and where the map puts them.
struct SegmentPlacement {
  clock::Placement before;
  clock::Placement after;
};

/// By position: 1 for times that a piece's fit puts inside a run, and what lies one unit around
/// them.
inline std::vector<std::uint8_t> settled_times(const std::vector<clock::Piece>& list,
                                               std::size_t count) {
  std::vector<std::uint8_t> settled(count, 0);
  for (const clock::Piece& piece : list) {
    if (!piece.fit.unsettled) continue;
    std::fill(settled.begin() + static_cast<std::ptrdiff_t>(piece.begin),
              settled.begin() + static_cast<std::ptrdiff_t>(piece.end), 1);
    for (const std::size_t i : *piece.fit.unsettled) settled[piece.begin + i] = 0;
  }
  return settled;
}

/// Of each segment, those of its times that the map puts into the host's cover. Of the time at i:
/// `own_of(i)`, and `place(i, placement, hint)`, which counts it and says false for one outside the
/// cover.
template <typename OwnOf, typename Place>
[[nodiscard]] std::vector<SegmentPlacement> place_by_segment(
    std::span<const clock::GuestTime> times, std::span<const model::ClockSegment> segments,
    std::span<const clock::RunIndex> vcpus, const OwnOf& own_of, const Place& place) {
  std::vector<SegmentPlacement> counts(segments.size());
  std::vector<clock::RunIndex::Hint> mapped(vcpus.size());
  std::vector<clock::RunIndex::Hint> own(vcpus.size());
  std::size_t at = 0;
  for (std::size_t s = 0; s < segments.size(); ++s) {
    auto& [before, after] = counts[s];
    const bool last = s + 1 == segments.size();
    const OwnTime end = segments[s].own_end;
    for (; at < times.size() && (last || own_of(at) < end); ++at) {
      const clock::GuestTime& time = times[at];
      if (!place(at, after, mapped[time.vcpu])) continue;
      const clock::RunIndex& runs = vcpus[time.vcpu];
      before.covered += time.weight;
      const bool in = runs.covers(time.x) && runs.inside(time.x, own[time.vcpu]);
      if (!in) before.outside += time.weight;
    }
  }
  return counts;
}

}  // namespace vs::session
