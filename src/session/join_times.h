#pragma once
// Small helpers of a pair's fit (join_pair.cc): a guest CPU's times, and the map that the pieces of
// a fit make. Threads: values.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "clock/envelope.h"
#include "clock/pieces.h"
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
    return lines_[index_of(x)].solution.middle(x);
  }
  /// The same within RoughMiddle::kWithin. False: not known so.
  [[nodiscard]] bool rough(std::int64_t x, std::int64_t& y) const {
    return lines_[index_of(x)].rough.at(x, y);
  }

 private:
  struct Line {
    std::int64_t begin = 0;
    clock::Solution solution;
    clock::RoughMiddle rough;
  };
  [[nodiscard]] std::size_t index_of(std::int64_t x) const {
    std::size_t i = lines_.size() - 1;
    while (i > 0 && x < lines_[i].begin) --i;
    return i;
  }
  std::vector<Line> lines_;
};

}  // namespace vs::session
