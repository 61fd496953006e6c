#include "history/summary.h"

#include <algorithm>
#include <array>
#include <bit>

namespace vs::history {
namespace {

constexpr std::size_t kMaxNumbers = kOtherState;

/// Shares are rounded up from 1/510 on, so that what held at all is hardly ever lost.
std::uint8_t share_of(std::uint64_t held_ns, unsigned exponent) {
  const double share =
      static_cast<double>(held_ns) / static_cast<double>(std::uint64_t{1} << exponent);
  return static_cast<std::uint8_t>(std::min(255.0, share * 255.0 + 0.5));
}

}  // namespace

void SummaryEncoder::start(std::span<const std::int64_t> states) {
  values_ = states;
  runs_ = 0;
  last_entity_ = 0;
  body_.clear();
}

void SummaryEncoder::add_run(EntityId entity, std::span<const SlabRow> rows,
                             const TableSlab& slab) {
  if (rows.size() < kSummaryMinRows) return;
  spans_.clear();
  for (const SlabRow& row : rows) {
    spans_.push_back(Span{row.begin_ns, row.end_ns, slab.state_number(row)});
  }
  put_run(entity);
}

// Sums of one level: sums_[bucket * values + value].
void SummaryEncoder::sum_spans(unsigned exponent, std::int64_t first) {
  const std::size_t width = values_.size();
  sums_.assign(buckets_ * width, 0);
  for (const Span& span : spans_) {
    if (span.value == kMaxNumbers) continue;
    for (std::int64_t begin = span.begin_ns; begin < span.end_ns;) {
      const std::int64_t bucket = begin >> exponent;
      const std::int64_t end = std::min(span.end_ns, (bucket + 1) << exponent);
      sums_[static_cast<std::size_t>(bucket - first) * width + span.value] +=
          static_cast<std::uint64_t>(end - begin);
      begin = end;
    }
  }
}

void SummaryEncoder::widen(std::int64_t& first) {
  const std::size_t width = values_.size();
  const std::int64_t last = first + static_cast<std::int64_t>(buckets_) - 1;
  const std::int64_t wide_first = first >> kSummaryStep;
  const auto wide_buckets = static_cast<std::size_t>((last >> kSummaryStep) - wide_first + 1);
  wider_.assign(wide_buckets * width, 0);
  for (std::size_t i = 0; i < buckets_; ++i) {
    const auto to = static_cast<std::size_t>(
        ((first + static_cast<std::int64_t>(i)) >> kSummaryStep) - wide_first);
    for (std::size_t v = 0; v < width; ++v) wider_[to * width + v] += sums_[i * width + v];
  }
  sums_.swap(wider_);
  buckets_ = wide_buckets;
  first = wide_first;
}

void SummaryEncoder::put_level(unsigned exponent, std::int64_t first) {
  const std::size_t width = values_.size();
  level_.clear();
  for (std::size_t i = 0; i < buckets_; ++i) {
    std::array<std::pair<std::uint64_t, std::uint8_t>, kMaxNumbers> parts;
    std::size_t count = 0;
    for (std::size_t v = 0; v < width; ++v) {
      const std::uint64_t held = sums_[i * width + v];
      if (held != 0) parts[count++] = {held, static_cast<std::uint8_t>(v)};
    }
    const std::size_t kept = std::min(count, kSummaryParts);
    std::partial_sort(parts.begin(), parts.begin() + static_cast<std::ptrdiff_t>(kept),
                      parts.begin() + static_cast<std::ptrdiff_t>(count),
                      [](const auto& a, const auto& b) {
                        return a.first != b.first ? a.first > b.first : a.second < b.second;
                      });
    level_.put_u8(static_cast<std::uint8_t>(kept));
    for (std::size_t k = 0; k < kept; ++k) {
      level_.put_u8(parts[k].second);
      level_.put_u8(share_of(parts[k].first, exponent));
    }
  }
  body_.put_signed(first);
  body_.put_varint(buckets_);
  body_.put_varint(level_.size());
  body_.put_bytes(level_.bytes());
}

void SummaryEncoder::put_run(EntityId entity) {
  const std::int64_t begin = spans_.front().begin_ns;
  const std::int64_t end = spans_.back().end_ns;
  if (begin == end) return;
  const auto span = static_cast<std::uint64_t>(end - begin);
  const std::uint64_t target = span / (spans_.size() / kSummaryRows);
  unsigned exponent = static_cast<unsigned>(std::bit_width(target));
  if (exponent > 60) return;
  std::int64_t first = begin >> exponent;
  buckets_ = static_cast<std::size_t>(((end - 1) >> exponent) - first + 1);
  sum_spans(exponent, first);

  if (runs_++ == 0) first_entity_ = entity;
  body_.put_varint(entity - last_entity_);
  last_entity_ = entity;
  unsigned levels = 1;
  for (std::size_t n = buckets_; n > kSummaryTop && exponent + 2 * levels <= 60; ++levels)
    n = n / 4 + 1;
  body_.put_u8(static_cast<std::uint8_t>(exponent));
  body_.put_u8(static_cast<std::uint8_t>(levels));
  for (unsigned i = 0; i < levels; ++i) {
    if (i != 0) widen(first);
    put_level(exponent + i * kSummaryStep, first);
  }
}

Bytes SummaryEncoder::finish() {
  out_.clear();
  out_.put_varint(values_.size());
  for (const std::int64_t value : values_) out_.put_value(value);
  out_.put_varint(runs_);
  out_.put_bytes(body_.bytes());
  return out_.bytes();
}

Result<std::shared_ptr<const SummaryPiece>> SummaryPiece::parse(std::vector<std::byte> raw) {
  auto piece = std::make_shared<SummaryPiece>();
  piece->raw_ = std::move(raw);
  VarReader in(piece->raw_);
  const std::uint64_t values = in.varint_up_to(kMaxNumbers);
  for (std::size_t i = 0; i < values && in.ok(); ++i) piece->values_.push_back(in.value());
  const std::size_t runs = in.count();
  SummaryLevel level;
  for (std::size_t i = 0; i < runs && in.ok(); ++i) {
    const std::uint64_t step = in.varint_up_to(kMaxEntities - level.entity);
    if (i != 0 && step == 0) in.fail();
    level.entity += static_cast<EntityId>(step);
    level.exponent = in.u8();
    const std::uint8_t levels = in.u8();
    if (levels == 0 || level.exponent + levels * kSummaryStep > 63) in.fail();
    for (unsigned k = 0; k < levels && in.ok(); ++k, level.exponent += kSummaryStep) {
      level.first = in.signed_varint();
      const std::uint64_t buckets = in.varint_up_to(piece->raw_.size());
      level.buckets = static_cast<std::uint32_t>(buckets);
      const std::size_t size = in.count();
      level.offset = static_cast<std::uint32_t>(in.offset());
      level.size = static_cast<std::uint32_t>(size);
      (void)in.bytes(size);
      // The whole level lies within the range of times.
      const std::int64_t most = kTimeLimit >> level.exponent;
      if (level.first < -most - 1 || level.first > most ||
          level.first + static_cast<std::int64_t>(buckets) > most + 1 || size < buckets) {
        in.fail();
      }
      piece->levels_.push_back(level);
    }
  }
  if (!in.ok() || in.remaining() != 0) {
    return Error{ErrorCode::kMalformed, "a summary of the history breaks its format",
                 "byte " + std::to_string(in.offset()) + " of the unpacked piece",
                 "the history will be rebuilt"};
  }
  return std::shared_ptr<const SummaryPiece>(std::move(piece));
}

const SummaryLevel* SummaryPiece::level_for(EntityId entity, std::uint64_t width_ns) const {
  auto level = std::lower_bound(
      levels_.begin(), levels_.end(), entity,
      [](const SummaryLevel& candidate, EntityId wanted) { return candidate.entity < wanted; });
  const SummaryLevel* best = nullptr;
  for (; level != levels_.end() && level->entity == entity; ++level) {
    if ((std::uint64_t{1} << level->exponent) <= width_ns) best = &*level;
  }
  return best;
}

}  // namespace vs::history
