#include "clock/align.h"

#include <algorithm>
#include <limits>

namespace vs::clock {
namespace {

constexpr std::size_t kBlockBuckets = std::size_t{1} << 20;
constexpr std::uint32_t kLeastCovered = 12;

/// Buckets [begin, end) of one block of the offset range, with the number of events that forbid a
/// bucket and that are covered there.
class Block {
 public:
  Block(std::int64_t least, std::int64_t bucket, std::size_t count)
      : least_(least), bucket_(bucket), outside_(count + 1), covered_(count + 1) {}

  /// Offsets strictly inside (from, to): only buckets that lie wholly inside count.
  void forbid(std::int64_t from, std::int64_t to) {
    mark(outside_, ceil_bucket(from), floor_bucket(to));
  }
  void cover(std::int64_t from, std::int64_t to) {
    mark(covered_, floor_bucket(from), ceil_bucket(to));
  }
  void sum() {
    for (std::size_t i = 1; i < outside_.size(); ++i) {
      outside_[i] += outside_[i - 1];
      covered_[i] += covered_[i - 1];
    }
  }
  [[nodiscard]] std::size_t size() const { return outside_.size() - 1; }
  [[nodiscard]] std::uint32_t outside(std::size_t i) const {
    return static_cast<std::uint32_t>(outside_[i]);
  }
  [[nodiscard]] std::uint32_t covered(std::size_t i) const {
    return static_cast<std::uint32_t>(covered_[i]);
  }
  [[nodiscard]] std::int64_t begin_of(std::size_t i) const {
    return least_ + static_cast<std::int64_t>(i) * bucket_;
  }

 private:
  [[nodiscard]] std::int64_t floor_bucket(std::int64_t offset) const {
    if (offset <= least_) return 0;
    return std::min((offset - least_) / bucket_, static_cast<std::int64_t>(size()));
  }
  [[nodiscard]] std::int64_t ceil_bucket(std::int64_t offset) const {
    if (offset <= least_) return 0;
    return std::min((offset - least_ + bucket_ - 1) / bucket_, static_cast<std::int64_t>(size()));
  }
  static void mark(std::vector<std::int32_t>& counts, std::int64_t from, std::int64_t to) {
    if (from >= to) return;
    ++counts[static_cast<std::size_t>(from)];
    --counts[static_cast<std::size_t>(to)];
  }

  std::int64_t least_;
  std::int64_t bucket_;
  std::vector<std::int32_t> outside_;
  std::vector<std::int32_t> covered_;
};

void forbid_gaps(const GuestTime& time, const RunIndex& runs, const AlignOptions& options,
                 std::int64_t least, std::int64_t greatest, Block& block) {
  const auto all = runs.runs();
  const std::int64_t shortest = 2 * options.bucket + 2 * options.slack;
  auto run = std::partition_point(all.begin(), all.end(), [&](const model::GuestRun& r) {
    return r.exit.value < time.x + least;
  });
  if (run != all.begin()) --run;
  for (; run + 1 < all.end() && run->exit.value - time.x < greatest; ++run) {
    const std::int64_t from = run->exit.value;
    const std::int64_t to = (run + 1)->entry.value;
    if (to - from < shortest) continue;
    block.forbid(from - time.x + options.slack, to - time.x - options.slack);
  }
}

bool better(const OffsetCandidate& a, const OffsetCandidate& b) {
  const std::uint64_t left = std::uint64_t{a.outside} * b.covered;
  const std::uint64_t right = std::uint64_t{b.outside} * a.covered;
  if (left != right) return left < right;
  return a.covered > b.covered;
}

void keep(std::vector<OffsetCandidate>& best, const OffsetCandidate& candidate, std::size_t count) {
  const auto at = std::lower_bound(best.begin(), best.end(), candidate, better);
  if (static_cast<std::size_t>(at - best.begin()) >= count) return;
  best.insert(at, candidate);
  if (best.size() > count) best.pop_back();
}

// Neighbouring buckets that are about as good form one candidate.
void collect(const Block& block, const AlignOptions& options, std::uint32_t least_covered,
             std::vector<OffsetCandidate>& best) {
  for (std::size_t i = 0; i < block.size(); ++i) {
    const std::uint32_t covered = block.covered(i);
    const std::uint32_t allowed = covered / 16;
    if (covered < least_covered || block.outside(i) > allowed) continue;
    OffsetCandidate candidate{block.begin_of(i), block.begin_of(i + 1), covered, block.outside(i)};
    while (i + 1 < block.size() && block.covered(i + 1) >= least_covered &&
           block.outside(i + 1) <= allowed) {
      ++i;
      candidate.greatest = block.begin_of(i + 1);
      if (block.outside(i) < candidate.outside) candidate.outside = block.outside(i);
      candidate.covered = std::max(candidate.covered, block.covered(i));
    }
    keep(best, candidate, options.candidates);
  }
}

}  // namespace

std::vector<OffsetCandidate> find_offsets(std::span<const GuestTime> probe,
                                          std::span<const RunIndex> vcpus,
                                          const AlignOptions& options) {
  std::vector<OffsetCandidate> best;
  if (probe.size() < kLeastCovered || options.bucket <= 0) return best;
  const auto least_covered =
      std::max<std::uint32_t>(kLeastCovered, static_cast<std::uint32_t>(probe.size() / 2));
  std::int64_t least = options.offset_least;
  while (least < options.offset_greatest) {
    const std::int64_t left = (options.offset_greatest - least) / options.bucket + 1;
    const auto count = static_cast<std::size_t>(std::min<std::int64_t>(left, kBlockBuckets));
    const std::int64_t greatest = least + static_cast<std::int64_t>(count) * options.bucket;
    Block block(least, options.bucket, count);
    for (const GuestTime& time : probe) {
      const RunIndex& runs = vcpus[time.vcpu];
      if (runs.empty()) continue;
      block.cover(std::max(least, runs.cover_begin() - time.x),
                  std::min(greatest, std::max(least, runs.cover_end() - time.x)));
      forbid_gaps(time, runs, options, least, greatest, block);
    }
    block.sum();
    collect(block, options, least_covered, best);
    least = greatest;
  }
  return best;
}

std::vector<ProbeWindow> probe_windows(std::span<const GuestTime> times, std::int64_t length,
                                       std::size_t count) {
  // The trace is cut into `count` parts; each gives its fullest window.
  std::vector<ProbeWindow> windows;
  if (times.empty() || count == 0) return windows;
  const std::int64_t first = times.front().x;
  const std::int64_t span = times.back().x - first;
  const std::int64_t part = span / static_cast<std::int64_t>(count) + 1;
  std::size_t begin = 0;
  for (std::size_t k = 0; k < count && begin < times.size(); ++k) {
    const std::int64_t part_end = first + part * (static_cast<std::int64_t>(k) + 1);
    ProbeWindow fullest;
    std::size_t end = begin;
    for (std::size_t i = begin; i < times.size() && times[i].x < part_end; ++i) {
      while (end < times.size() && times[end].x < times[i].x + length && times[end].x < part_end) {
        ++end;
      }
      if (end - i > fullest.end - fullest.begin) fullest = {i, end};
    }
    if (fullest.end > fullest.begin) windows.push_back(fullest);
    while (begin < times.size() && times[begin].x < part_end) ++begin;
  }
  return windows;
}

std::vector<std::size_t> assign(const std::vector<std::vector<double>>& cost) {
  // Shortest augmenting paths with potentials; row 0 and column 0 are sentinels.
  const std::size_t rows = cost.size();
  if (rows == 0) return {};
  const std::size_t columns = cost.front().size();
  std::vector<double> row_potential(rows + 1);
  std::vector<double> column_potential(columns + 1);
  std::vector<std::size_t> row_of(columns + 1);
  for (std::size_t row = 1; row <= rows; ++row) {
    std::vector<double> least(columns + 1, std::numeric_limits<double>::infinity());
    std::vector<std::size_t> from(columns + 1);
    std::vector<bool> used(columns + 1);
    std::size_t column = 0;
    row_of[0] = row;
    do {
      used[column] = true;
      const std::size_t r = row_of[column];
      double delta = std::numeric_limits<double>::infinity();
      std::size_t next = 0;
      for (std::size_t c = 1; c <= columns; ++c) {
        if (used[c]) continue;
        const double reduced = cost[r - 1][c - 1] - row_potential[r] - column_potential[c];
        if (reduced < least[c]) {
          least[c] = reduced;
          from[c] = column;
        }
        if (least[c] < delta) {
          delta = least[c];
          next = c;
        }
      }
      for (std::size_t c = 0; c <= columns; ++c) {
        if (used[c]) {
          row_potential[row_of[c]] += delta;
          column_potential[c] -= delta;
        } else {
          least[c] -= delta;
        }
      }
      column = next;
    } while (row_of[column] != 0);
    while (column != 0) {
      row_of[column] = row_of[from[column]];
      column = from[column];
    }
  }
  std::vector<std::size_t> result(rows);
  for (std::size_t c = 1; c <= columns; ++c) {
    if (row_of[c] != 0) result[row_of[c] - 1] = c - 1;
  }
  return result;
}

}  // namespace vs::clock
