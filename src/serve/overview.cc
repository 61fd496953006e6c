#include "serve/overview.h"

#include <algorithm>
#include <array>
#include <bit>

namespace vs::serve {
namespace {

constexpr std::uint16_t kNothing = 0xffff;  // no row touches the bucket
constexpr std::size_t kMostValues = kNothing;
constexpr std::size_t kLeastOfLevel = 64;  // a level with fewer buckets is not made
constexpr double kShareUnit = 255;
constexpr std::size_t kColours = 8;  // values that a pixel keeps apart
constexpr std::int64_t kFiner = 4;   // buckets to a part of a series, where there are such
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

std::uint32_t Track::code_of(std::int64_t value) {
  if (!values_.empty() && values_[last_code_] == value) return last_code_;
  const auto next = static_cast<std::uint32_t>(values_.size());
  const auto found = codes_.try_emplace(value, next);
  if (found.second) values_.push_back(value);
  return last_code_ = found.first->second;
}

void Track::add_part(std::int64_t bucket, std::uint32_t code, std::int64_t ns) {
  const auto number = static_cast<std::uint32_t>(bucket - (frame_.begin_ns >> frame_.exponent));
  for (auto part = parts_.rbegin(); part != parts_.rend() && part->bucket == number; ++part) {
    if (points_) return;  // the first one stays
    if (part->code != code) continue;
    part->ns += ns;
    return;
  }
  parts_.push_back({number, code, ns});
}

void Track::add(std::int64_t begin_ns, std::int64_t end_ns, std::int64_t value) {
  begin_ns = std::max(begin_ns, frame_.begin_ns);
  if (points_) {
    if (begin_ns >= frame_.end_ns) return;
    if (keep_ == Keep::kRows) rows_.push_back({begin_ns, begin_ns + 1, code_of(value)});
    if (keep_ == Keep::kBuckets) add_part(begin_ns >> frame_.exponent, code_of(value), 1);
    return;
  }
  begin_ns = std::max(begin_ns, covered_ns_);
  end_ns = std::min(end_ns, frame_.end_ns);
  if (end_ns <= begin_ns) return;
  covered_ns_ = end_ns;
  if (value == model::kNull) return;
  const std::uint32_t code = code_of(value);
  if (keep_ == Keep::kRows) {
    const bool goes_on =
        !rows_.empty() && rows_.back().code == code && rows_.back().end_ns == begin_ns;
    if (goes_on) rows_.back().end_ns = end_ns;
    if (!goes_on) rows_.push_back({begin_ns, end_ns, code});
    return;
  }
  const std::int64_t last = (end_ns - 1) >> frame_.exponent;
  for (std::int64_t bucket = begin_ns >> frame_.exponent; bucket <= last; ++bucket) {
    const auto [from, to] = frame_.bucket(bucket, frame_.exponent);
    add_part(bucket, code, std::min(to, end_ns) - std::max(from, begin_ns));
  }
}

Track::Level Track::level_of(std::span<const Part> parts, unsigned exponent) const {
  Level level;
  const std::size_t count = frame_.count(exponent);
  level.codes.assign(count, kNothing);
  level.shares.assign(count, 0);
  const std::int64_t first = frame_.begin_ns >> exponent;
  for (std::size_t i = 0; i < parts.size();) {
    const std::uint32_t bucket = parts[i].bucket;
    const Part* best = &parts[i];
    for (; i < parts.size() && parts[i].bucket == bucket; ++i) {
      if (!points_ && parts[i].ns > best->ns) best = &parts[i];
    }
    const auto [begin, end] = frame_.bucket(first + bucket, exponent);
    const double share =
        points_ ? 1 : static_cast<double>(best->ns) / static_cast<double>(end - begin);
    level.codes[bucket] = static_cast<std::uint16_t>(best->code);
    // Less than half a unit is still something.
    level.shares[bucket] =
        static_cast<std::uint8_t>(std::clamp(share * kShareUnit + 0.5, 1.0, kShareUnit));
  }
  return level;
}

/// Buckets twice as wide; `first` is the number of the first narrow one.
void Track::widen(std::vector<Part>& parts, std::int64_t first) const {
  const auto odd = static_cast<std::uint32_t>(first & 1);
  std::size_t kept = 0;
  for (const Part part : parts) {
    const std::uint32_t bucket = (part.bucket + odd) / 2;
    bool merged = false;
    for (std::size_t i = kept; i > 0 && parts[i - 1].bucket == bucket && !merged; --i) {
      merged = points_ || parts[i - 1].code == part.code;
      if (merged && !points_) parts[i - 1].ns += part.ns;
    }
    if (!merged) parts[kept++] = {bucket, part.code, part.ns};
  }
  parts.resize(kept);
}

bool Track::finish() {
  codes_.clear();
  rows_.shrink_to_fit();
  if (keep_ == Keep::kRows) return true;
  if (values_.size() > kMostValues) return false;
  std::vector<Part> parts = std::move(parts_);
  parts_ = {};
  for (unsigned exponent = frame_.exponent;; ++exponent) {
    levels_.push_back(level_of(parts, exponent));
    if (levels_.back().codes.size() < 2 * kLeastOfLevel) return true;
    widen(parts, frame_.begin_ns >> exponent);
  }
}

void Track::paint(std::int64_t begin_ns, std::int64_t end_ns, unsigned exponent,
                  Picture& picture) const {
  const Level& level = levels_[exponent - frame_.exponent];
  const std::int64_t from = std::max(begin_ns, frame_.begin_ns);
  const std::int64_t to = std::min(end_ns, frame_.end_ns);
  if (from >= to) return append_pixels(picture, model::kNull, 1, 0);
  std::array<std::pair<std::uint16_t, double>, kColours> weights;
  std::size_t colours = 0;
  std::size_t best = 0;
  std::size_t at = static_cast<std::size_t>((from >> exponent) - (frame_.begin_ns >> exponent));
  std::int64_t low = from;
  for (std::int64_t high = ((from >> exponent) + 1) << exponent; low < to;
       high += std::int64_t{1} << exponent, ++at) {
    const std::int64_t end = std::min(high, to);
    const std::uint16_t code = level.codes[at];
    const double weight = level.shares[at] * static_cast<double>(end - low);
    low = end;
    if (code == kNothing) continue;
    std::size_t i = 0;
    while (i < colours && weights[i].first != code) ++i;
    if (i == kColours) continue;
    if (i == colours) weights[colours++] = {code, 0};
    weights[i].second += weight;
    if (weights[i].second > weights[best].second) best = i;
    if (points_) break;
  }
  if (colours == 0) return append_pixels(picture, model::kNull, 1, 0);
  // In steps of 1/255, so that neighbours that are alike become one stretch.
  const double exact =
      points_ ? kShareUnit : weights[best].second / static_cast<double>(end_ns - begin_ns);
  const auto share = static_cast<float>(std::clamp(static_cast<int>(exact + 0.5), 1, 255));
  append_pixels(picture, values_[weights[best].first], 1, share / static_cast<float>(kShareUnit));
}

bool Track::draw(const history::Window& window, Picture& picture) const {
  picture.clear();
  if (window.pixels == 0) return true;
  if (keep_ == Keep::kRows) {
    draw_rows(window, picture);
    return true;
  }
  const std::int64_t width_ns =
      (window.to - window.from) / static_cast<std::int64_t>(window.pixels);
  const auto exponent = frame_.exponent_for(width_ns, levels_.size());
  if (!exponent) return false;
  PixelEdges edges(window.from, window.to, window.pixels);
  for (std::size_t i = 0; i < window.pixels; ++i) {
    const auto [begin_ns, end_ns] = edges.next();
    paint(begin_ns, end_ns, *exponent, picture);
  }
  return true;
}

void Track::mix(std::size_t at, std::int64_t begin_ns, std::int64_t end_ns,
                Picture& picture) const {
  if (points_) return append_pixels(picture, values_[rows_[at].code], 1, 1);
  std::array<std::pair<std::uint32_t, std::int64_t>, kColours> times;
  std::size_t colours = 0;
  std::size_t best = 0;
  for (; at < rows_.size() && rows_[at].begin_ns < end_ns; ++at) {
    const KeptRow& row = rows_[at];
    std::size_t i = 0;
    while (i < colours && times[i].first != row.code) ++i;
    if (i == kColours) continue;
    if (i == colours) times[colours++] = {row.code, 0};
    times[i].second += std::min(row.end_ns, end_ns) - std::max(row.begin_ns, begin_ns);
    if (times[i].second > times[best].second) best = i;
  }
  const auto share = static_cast<float>(times[best].second) / static_cast<float>(end_ns - begin_ns);
  append_pixels(picture, values_[times[best].first], 1, share);
}

// Rows that cover pixels as a whole, and gaps, are drawn at once.
void Track::draw_rows(const history::Window& window, Picture& picture) const {
  const PixelEdges edges(window.from, window.to, window.pixels);
  const auto pixels = static_cast<std::int64_t>(window.pixels);
  const auto stretch = [&](std::int64_t value, std::int64_t from, std::int64_t to, float share) {
    append_pixels(picture, value, static_cast<std::uint32_t>(to - from), share);
    return to;
  };
  auto at = static_cast<std::size_t>(
      std::ranges::upper_bound(rows_, window.from.ns, {}, &KeptRow::end_ns) - rows_.begin());
  for (std::int64_t pixel = 0; pixel < pixels;) {
    const std::int64_t begin_ns = edges.edge(pixel);
    const std::int64_t end_ns = edges.edge(pixel + 1);
    while (at < rows_.size() && rows_[at].end_ns <= begin_ns) ++at;
    if (at == rows_.size() || rows_[at].begin_ns >= window.to.ns) {
      pixel = stretch(model::kNull, pixel, pixels, 0);
    } else if (const KeptRow& row = rows_[at]; row.begin_ns >= end_ns) {
      pixel = stretch(model::kNull, pixel, edges.pixel_of(row.begin_ns), 0);
    } else if (row.begin_ns <= begin_ns && row.end_ns >= end_ns) {
      const bool last = row.end_ns >= window.to.ns;
      pixel = stretch(values_[row.code], pixel, last ? pixels : edges.pixel_of(row.end_ns), 1);
    } else {
      mix(at, begin_ns, end_ns, picture);
      ++pixel;
    }
  }
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

/// Fills an overview, one entity after the other.
class OverviewBuilder {
 public:
  OverviewBuilder(const history::Reader& history, Overview::Wanted wanted,
                  const std::atomic<bool>* cancel)
      : history_(history), wanted_(std::move(wanted)), cancel_(cancel) {}

  Result<Overview> build() {
    make_tracks();
    for (const OverviewSum& sum : wanted_.sums) make_sum(sum);
    for (const auto& [entity, readers] : by_entity_) VS_TRY(read(entity, readers));
    for (auto track = out_.tracks_.begin(); track != out_.tracks_.end();) {
      track = track->second.finish() ? std::next(track) : out_.tracks_.erase(track);
    }
    for (auto& [id, sum] : out_.sums_) sum.finish();
    for (auto& [id, keys] : out_.keyed_) {
      for (auto& [key, sum] : keys) sum.finish();
    }
    return std::move(out_);
  }

 private:
  struct KeyedSum {
    const OverviewSum* sum;
    BucketFrame frame;
    std::map<std::int64_t, SumTrack>* tracks;
  };
  struct Readers {
    std::vector<std::pair<std::size_t, Track*>> tracks;  ///< slot
    std::vector<std::pair<const OverviewSum*, SumTrack*>> sums;
    std::vector<KeyedSum> keyed;
  };

  void make_tracks() {
    for (const OverviewColumn& column : wanted_.columns) {
      const history::EntityInfo& info = history_.entity(column.entity);
      const auto place = std::pair(column.entity, column.slot);
      const bool few = info.rows <= kKeptRows;
      if (info.rows == 0 || out_.tracks_.count(place) != 0) continue;
      if (few && (kept_ += info.rows) > kMostKeptRows) continue;
      const HostTime end = HostTime{info.last_ns} + (column.points ? 1 : 0);
      const BucketFrame frame = BucketFrame::of(
          HostTime{info.first_ns}, end, std::max(info.rows / kRowsPerBucket, kLeastBuckets));
      const auto keep = few ? Track::Keep::kRows : Track::Keep::kBuckets;
      Track& track = out_.tracks_.try_emplace(place, frame, keep, column.points).first->second;
      by_entity_[column.entity].tracks.emplace_back(column.slot, &track);
    }
  }

  void make_sum(const OverviewSum& sum) {
    std::uint64_t rows = 0;
    HostTime begin = kHostTimeMax;
    HostTime end = kHostTimeMin;
    for (const model::EntityId entity : sum.entities) {
      const history::EntityInfo& info = history_.entity(entity);
      rows += info.rows;
      begin = std::min(begin, HostTime{info.first_ns});
      end = std::max(end, HostTime{info.last_ns} + 1);  // a point at the very end counts
    }
    if (rows < kSumRows) return;
    const BucketFrame frame =
        BucketFrame::of(begin, end, std::min(rows / kRowsPerBucket, sum.most_buckets));
    if (sum.key_slot) {
      auto& tracks = out_.keyed_[sum.id];
      for (const auto entity : sum.entities) {
        by_entity_[entity].keyed.push_back({&sum, frame, &tracks});
      }
      return;
    }
    SumTrack& track = out_.sums_.try_emplace(sum.id, frame).first->second;
    for (const auto entity : sum.entities) by_entity_[entity].sums.emplace_back(&sum, &track);
  }

  static void add(const OverviewSum& sum, const history::Row& row, SumTrack& track) {
    const double weight = sum.weight(row.values);
    if (weight == 0) return;
    if (sum.over_time) {
      track.add_span(row.begin.ns, row.end.ns, weight);
    } else {
      track.add_point(row.begin.ns, weight);
    }
  }

  Status read(model::EntityId entity, const Readers& readers) {
    const history::EntityInfo& info = history_.entity(entity);
    auto cursor = history_.rows(entity, HostTime{info.first_ns}, HostTime{info.last_ns} + 1);
    history::Row row;
    for (std::size_t i = 0; cursor.next(row); ++i) {
      if (i % kRowsPerLook == 0 && cancel_ != nullptr && cancel_->load()) {
        return Error{ErrorCode::kCancelled, "stopped on request", "", ""};
      }
      for (const auto& [slot, track] : readers.tracks) {
        track->add(row.begin.ns, row.end.ns, row.values[slot]);
      }
      for (const auto& [sum, track] : readers.sums) add(*sum, row, *track);
      for (const KeyedSum& keyed : readers.keyed) {
        const std::int64_t key = row.values[*keyed.sum->key_slot];
        add(*keyed.sum, row, keyed.tracks->try_emplace(key, keyed.frame).first->second);
      }
    }
    return cursor.status();
  }

  const history::Reader& history_;
  const Overview::Wanted wanted_;
  const std::atomic<bool>* cancel_;
  std::map<model::EntityId, Readers> by_entity_;
  std::uint64_t kept_ = 0;  // rows
  Overview out_;
};

Result<Overview> Overview::build(const history::Reader& history, Wanted wanted,
                                 const std::atomic<bool>* cancel) {
  return OverviewBuilder(history, std::move(wanted), cancel).build();
}

const Track* Overview::track(model::EntityId entity, std::size_t slot) const {
  const auto found = tracks_.find({entity, slot});
  return found == tracks_.end() ? nullptr : &found->second;
}

const SumTrack* Overview::sum(const std::string& id) const {
  const auto found = sums_.find(id);
  return found == sums_.end() ? nullptr : &found->second;
}

const std::map<std::int64_t, SumTrack>* Overview::sums_by_key(const std::string& id) const {
  const auto found = keyed_.find(id);
  return found == keyed_.end() ? nullptr : &found->second;
}

}  // namespace vs::serve
