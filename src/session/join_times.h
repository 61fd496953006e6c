#pragma once
// Small helpers of a pair's fit (join_pair.cc): a guest CPU's times in order, and the map that the
// pieces of a fit make. Threads: values.

#include <cstdint>
#include <functional>
#include <queue>
#include <span>
#include <utility>
#include <vector>

#include "clock/envelope.h"
#include "clock/pieces.h"
#include "model/evidence.h"

namespace vs::session {

/// The first and last times of a CPU's bursts, one after the other.
class BurstTimes {
 public:
  BurstTimes(std::span<const model::Burst> bursts, std::uint32_t vcpu)
      : bursts_(bursts), vcpu_(vcpu) {}

  [[nodiscard]] bool done() const { return at_ == bursts_.size(); }
  [[nodiscard]] std::uint32_t vcpu() const { return vcpu_; }
  [[nodiscard]] OwnTime own() const {
    return OwnTime{bursts_[at_].first + (second_ ? bursts_[at_].length : 0)};
  }
  [[nodiscard]] std::uint32_t weight() const {
    return second_ ? bursts_[at_].count / 2 : (bursts_[at_].count + 1) / 2;
  }
  void step() {
    second_ = !second_ && bursts_[at_].count > 1;
    if (!second_) ++at_;
  }

 private:
  std::span<const model::Burst> bursts_;
  std::uint32_t vcpu_;
  std::size_t at_ = 0;
  bool second_ = false;
};

/// Calls `take` with each CPU as it comes to its next time, by time.
template <typename Take>
void merge_times(std::vector<BurstTimes>& cpus, const Take& take) {
  using Head = std::pair<OwnTime, std::size_t>;
  std::priority_queue<Head, std::vector<Head>, std::greater<>> heads;
  for (std::size_t c = 0; c < cpus.size(); ++c) {
    if (!cpus[c].done()) heads.push({cpus[c].own(), c});
  }
  while (!heads.empty()) {
    const std::size_t c = heads.top().second;
    heads.pop();
    // As long as no other CPU has an earlier time, the heap need not know.
    do {
      take(cpus[c]);
      cpus[c].step();
    } while (!cpus[c].done() && (heads.empty() || Head{cpus[c].own(), c} < heads.top()));
    if (!cpus[c].done()) heads.push({cpus[c].own(), c});
  }
}

/// The lines of pieces: each holds from its first time on, the first one before as well.
class PieceLines {
 public:
  PieceLines(const std::vector<clock::Piece>& list, const std::vector<clock::GuestTime>& times) {
    for (const clock::Piece& piece : list) {
      if (piece.begin >= times.size() && !lines_.empty()) continue;
      const bool first = lines_.empty();
      lines_.push_back({first ? INT64_MIN : times[piece.begin].x, piece.fit.solution});
    }
  }
  [[nodiscard]] std::int64_t operator()(std::int64_t x) const {
    std::size_t i = lines_.size() - 1;
    while (i > 0 && x < lines_[i].begin) --i;
    return lines_[i].solution.middle(x);
  }

 private:
  struct Line {
    std::int64_t begin = 0;
    clock::Solution solution;
  };
  std::vector<Line> lines_;
};

}  // namespace vs::session
