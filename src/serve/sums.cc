#include "serve/sums.h"

#include <algorithm>
#include <bit>

namespace vs::serve {
namespace {

constexpr std::size_t kLeastOfLevel = 64;  // a level with fewer buckets is not made
constexpr std::int64_t kFiner = 4;         // buckets to a part of a series, where there are such
constexpr std::size_t kRowsPerLook = 4096;

}  // namespace

void append_pixels(Picture& picture, std::int64_t value, std::uint32_t pixels, float share) {
  if (pixels == 0) return;
  if (!picture.empty() && picture.back().value == value && picture.back().share == share) {
    picture.back().pixels += pixels;
  } else {
    picture.push_back({value, pixels, share});
  }
}

std::int64_t PixelEdges::pixel_of(std::int64_t time_ns) const {
  const double width =
      static_cast<double>(step_ns_) + static_cast<double>(rest_) / static_cast<double>(pixels_);
  auto pixel = static_cast<std::int64_t>(static_cast<double>(time_ns - from_ns_) / width);
  pixel = std::clamp<std::int64_t>(pixel, 0, pixels_ - 1);
  while (pixel > 0 && edge(pixel) > time_ns) --pixel;
  while (pixel + 1 < pixels_ && edge(pixel + 1) <= time_ns) ++pixel;
  return pixel;
}

BucketFrame BucketFrame::of(HostTime begin, HostTime end, std::uint64_t buckets) {
  const auto life = static_cast<std::uint64_t>(std::max<std::int64_t>(1, end - begin));
  const std::uint64_t width = std::bit_floor((life - 1) / std::max<std::uint64_t>(1, buckets) + 1);
  return {begin.ns, std::max(end.ns, begin.ns + 1), static_cast<unsigned>(std::countr_zero(width))};
}

std::pair<std::int64_t, std::int64_t> BucketFrame::bucket(std::int64_t number,
                                                          unsigned of_exponent) const {
  const std::int64_t width = std::int64_t{1} << of_exponent;
  const std::int64_t begin = number * width;
  return {std::max(begin, begin_ns), std::min(begin + width, end_ns)};
}

std::size_t BucketFrame::count(unsigned of_exponent) const {
  return static_cast<std::size_t>(((end_ns - 1) >> of_exponent) - (begin_ns >> of_exponent) + 1);
}

std::optional<unsigned> BucketFrame::exponent_for(std::int64_t width_ns, std::size_t levels) const {
  if (width_ns < (std::int64_t{1} << exponent)) return std::nullopt;
  unsigned best = exponent;
  for (unsigned e = exponent; e < exponent + levels; ++e) {
    if ((std::int64_t{1} << e) <= width_ns) best = e;
  }
  return best;
}

void SumTrack::add_span(std::int64_t begin_ns, std::int64_t end_ns, double weight) {
  begin_ns = std::max(begin_ns, frame_.begin_ns);
  end_ns = std::min(end_ns, frame_.end_ns);
  const std::int64_t first = frame_.begin_ns >> frame_.exponent;
  for (std::int64_t bucket = begin_ns >> frame_.exponent; begin_ns < end_ns; ++bucket) {
    const std::int64_t to = std::min(frame_.bucket(bucket, frame_.exponent).second, end_ns);
    levels_[0][static_cast<std::size_t>(bucket - first)] +=
        static_cast<float>(weight * static_cast<double>(to - begin_ns));
    begin_ns = to;
  }
}

void SumTrack::add_point(std::int64_t at_ns, double weight) {
  if (at_ns < frame_.begin_ns || at_ns >= frame_.end_ns) return;
  const std::int64_t first = frame_.begin_ns >> frame_.exponent;
  levels_[0][static_cast<std::size_t>((at_ns >> frame_.exponent) - first)] +=
      static_cast<float>(weight);
}

void SumTrack::finish() {
  for (unsigned exponent = frame_.exponent; levels_.back().size() >= 2 * kLeastOfLevel;
       ++exponent) {
    const std::vector<float>& narrow = levels_.back();
    const auto odd = static_cast<std::size_t>((frame_.begin_ns >> exponent) & 1);
    std::vector<float> wide(frame_.count(exponent + 1));
    for (std::size_t i = 0; i < narrow.size(); ++i) wide[(i + odd) / 2] += narrow[i];
    levels_.push_back(std::move(wide));
  }
}

bool SumTrack::add_to(HostTime from, HostTime to, std::span<double> sums) const {
  if (sums.empty()) return true;
  const std::int64_t width_ns = (to - from) / static_cast<std::int64_t>(sums.size());
  auto exponent = frame_.exponent_for(width_ns / kFiner, levels_.size());
  if (!exponent) exponent = frame_.exponent_for(width_ns, levels_.size());
  if (!exponent) return false;
  const std::vector<float>& level = levels_[*exponent - frame_.exponent];
  const std::int64_t first = frame_.begin_ns >> *exponent;
  PixelEdges edges(from, to, sums.size());
  for (double& sum : sums) {
    const auto [begin_ns, end_ns] = edges.next();
    const std::int64_t low = std::max(begin_ns, frame_.begin_ns);
    const std::int64_t high = std::min(end_ns, frame_.end_ns);
    for (std::int64_t bucket = low >> *exponent; low < high && bucket <= (high - 1) >> *exponent;
         ++bucket) {
      const auto [begin, end] = frame_.bucket(bucket, *exponent);
      const double part = static_cast<double>(std::min(end, high) - std::max(begin, low)) /
                          static_cast<double>(end - begin);
      sum += part * static_cast<double>(level[static_cast<std::size_t>(bucket - first)]);
    }
  }
  return true;
}

/// Fills sums, one entity after the other.
class SumBuilder {
 public:
  SumBuilder(const history::Reader& history, std::vector<WantedSum> wanted,
             const std::atomic<bool>* cancel)
      : history_(history), wanted_(std::move(wanted)), cancel_(cancel) {}

  Result<Sums> build() {
    share_buckets();
    for (const WantedSum& sum : wanted_) make_sum(sum);
    for (auto& [entity, readers] : by_entity_) VS_TRY(read(entity, readers));
    for (auto& [id, sum] : out_.sums_) sum.finish();
    for (auto& [id, keys] : out_.keyed_) {
      for (auto& [key, sum] : keys) sum.finish();
    }
    std::erase_if(out_.keyed_, [](const auto& one) { return one.second.size() > kMostKeys; });
    return std::move(out_);
  }

 private:
  struct KeyedSum {
    const WantedSum* sum;
    BucketFrame frame;
    std::map<std::int64_t, SumTrack>* tracks;
    HostTime covered = kHostTimeMin;  ///< by the rows so far
  };
  struct Readers {
    std::vector<std::pair<const WantedSum*, SumTrack*>> sums;
    std::vector<KeyedSum> keyed;
  };

  /// Half of all buckets for the sums by key, half for the others.
  void share_buckets() {
    const auto count = [this](auto&& which) {
      return static_cast<std::uint64_t>(std::ranges::count_if(wanted_, which));
    };
    const std::uint64_t covering = count([](const WantedSum& sum) { return sum.covering; });
    const std::uint64_t keyed =
        count([](const WantedSum& sum) { return sum.key_slot.has_value() && !sum.covering; });
    const std::uint64_t plain = wanted_.size() - keyed - covering;
    of_cover_ = std::max<std::uint64_t>(1, kMostOfCovers / std::max<std::uint64_t>(1, covering));
    of_sum_ = std::min(kMostOfSum, kMostBuckets / 2 / std::max<std::uint64_t>(1, plain));
    const std::uint64_t keys = kExpectedKeys * std::max<std::uint64_t>(1, keyed);
    of_key_ = std::clamp(kMostBuckets / 2 / keys, std::uint64_t{1}, kMostOfKey);
  }

  void make_sum(const WantedSum& sum) {
    std::uint64_t rows = 0;
    HostTime begin = kHostTimeMax;
    HostTime end = kHostTimeMin;
    for (const model::EntityId entity : sum.entities) {
      const history::EntityInfo& info = history_.entity(entity);
      rows += info.rows;
      begin = std::min(begin, HostTime{info.first_ns});
      end = std::max(end, HostTime{info.last_ns} + 1);  // a point at the very end counts
    }
    if (rows < (sum.covering ? kCoverRows : kSumRows)) return;
    const std::uint64_t most = sum.covering   ? std::min(of_cover_, rows / kRowsOfCover)
                               : sum.key_slot ? of_key_
                                              : of_sum_;
    const BucketFrame frame = BucketFrame::of(begin, end, std::min(rows, most));
    if (sum.key_slot) {
      auto& tracks = out_.keyed_[sum.id];
      for (const auto entity : sum.entities) {
        by_entity_[entity].keyed.push_back({&sum, frame, &tracks, kHostTimeMin});
      }
      return;
    }
    SumTrack& track = out_.sums_.try_emplace(sum.id, frame).first->second;
    for (const auto entity : sum.entities) by_entity_[entity].sums.emplace_back(&sum, &track);
  }

  static void add_keyed(KeyedSum& keyed, const history::Row& row) {
    const HostTime begin = keyed.sum->covering ? std::max(row.begin, keyed.covered) : row.begin;
    keyed.covered = std::max(keyed.covered, row.end);
    if (begin >= row.end) return;
    const double weight = keyed.sum->weight(row.values);
    const std::int64_t key = row.values[*keyed.sum->key_slot];
    const bool full = keyed.tracks->size() > kMostKeys;  // is left out in the end
    if (weight == 0 || full) return;
    const auto track = keyed.tracks->try_emplace(key, keyed.frame).first;
    track->second.add_span(begin.ns, row.end.ns, weight);
  }

  Status read(model::EntityId entity, Readers& readers) {
    const history::EntityInfo& info = history_.entity(entity);
    auto cursor = history_.rows(entity, HostTime{info.first_ns}, HostTime{info.last_ns} + 1);
    history::Row row;
    for (std::size_t i = 0; cursor.next(row); ++i) {
      if (i % kRowsPerLook == 0 && cancel_ != nullptr && cancel_->load()) {
        return Error{ErrorCode::kCancelled, "stopped on request", "", ""};
      }
      for (const auto& [sum, track] : readers.sums) {
        track->add_point(row.begin.ns, sum->weight(row.values));
      }
      for (KeyedSum& keyed : readers.keyed) add_keyed(keyed, row);
    }
    return cursor.status();
  }

  const history::Reader& history_;
  const std::vector<WantedSum> wanted_;
  const std::atomic<bool>* cancel_;
  std::uint64_t of_sum_ = 0;  ///< buckets
  std::uint64_t of_key_ = 0;
  std::uint64_t of_cover_ = 0;
  std::map<model::EntityId, Readers> by_entity_;
  Sums out_;
};

Result<Sums> Sums::build(const history::Reader& history, std::vector<WantedSum> wanted,
                         const std::atomic<bool>* cancel) {
  return SumBuilder(history, std::move(wanted), cancel).build();
}

const SumTrack* Sums::sum(const std::string& id) const {
  const auto found = sums_.find(id);
  return found == sums_.end() ? nullptr : &found->second;
}

const std::map<std::int64_t, SumTrack>* Sums::sums_by_key(const std::string& id) const {
  const auto found = keyed_.find(id);
  return found == keyed_.end() ? nullptr : &found->second;
}

}  // namespace vs::serve
