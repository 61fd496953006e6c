#include "history/summary.h"

#include <algorithm>
#include <array>

namespace vs::history {
namespace {

/// Shares of one bucket in 1/255. The running sum is rounded, not each share: so they add up to
/// what was held, rounded once, and none is off by a whole 1/255.
void put_shares(std::span<const std::uint64_t> held, double unit, std::byte* out) {
  std::uint64_t sum = 0;
  int before = 0;
  for (std::size_t v = 0; v < held.size(); ++v) {
    if (held[v] == 0) {  // most are
      out[v] = std::byte{0};
      continue;
    }
    sum += held[v];
    const auto now =
        static_cast<int>(static_cast<double>(static_cast<std::int64_t>(sum)) * unit + 0.5);
    out[v] = static_cast<std::byte>(now - before);
    before = now;
  }
}

}  // namespace

bool spans_of(std::span<const SlabRow> rows, std::span<const std::uint8_t> numbers,
              std::size_t most, std::vector<Span>& out) {
  out.clear();
  if (rows.empty()) return true;
  if (most == 0) return false;
  Span span{rows.front().begin_ns, rows.front().end_ns, numbers[rows.front().tuple]};
  for (const SlabRow& row : rows.subspan(1)) {
    const std::uint8_t value = numbers[row.tuple];
    if (value == span.value && row.begin_ns == span.end_ns) {
      span.end_ns = row.end_ns;
      continue;
    }
    out.push_back(span);
    if (out.size() == most) return false;
    span = Span{row.begin_ns, row.end_ns, value};
  }
  out.push_back(span);
  return true;
}

void Pyramid::build_rows(std::span<const SlabRow> rows, std::span<const std::uint8_t> numbers,
                         std::span<const std::uint8_t> present) {
  forget_numbers();
  for (const std::uint8_t value : present) number(value);
  most_written_ = paid_buckets(rows.size(), width_);
  sum(
      rows, [numbers](const SlabRow& row) { return numbers[row.tuple]; }, 0,
      std::max(kLeastBuckets, most_written_));
}

void Pyramid::build_run(const RunSums& run, std::size_t drawn, std::size_t rows) {
  forget_numbers();
  const std::size_t combinations = run.combinations();
  for (std::size_t i = 0; i < combinations; ++i) number(run.value(i, drawn));
  most_written_ = paid_buckets(rows, width_);
  if (lost_) return;
  start_sums(run.first_ns(), run.last_ns(), run.exponent(), std::max(kLeastBuckets, most_written_));
  std::array<std::uint8_t, RunSums::kMostCombinations> places;
  for (std::size_t i = 0; i < combinations; ++i) places[i] = local_[run.value(i, drawn)];
  const unsigned narrower = exponent_ - run.exponent();
  const std::int64_t first = run.first_ns() >> run.exponent();
  for (std::size_t b = 0; b < run.buckets(); ++b) {
    const std::int64_t bucket = ((first + static_cast<std::int64_t>(b)) >> narrower) - first_;
    std::uint64_t* const to = &sums_[static_cast<std::size_t>(bucket) * width_];
    const std::span<const std::uint64_t> from = run.bucket(b);
    for (std::size_t i = 0; i < from.size(); ++i) to[places[i]] += from[i];
  }
}

void Pyramid::build(std::span<const Span> spans, unsigned exponent, std::size_t most) {
  forget_numbers();
  for (const Span& span : spans) number(span.value);
  const std::size_t paid = exponent == 0 ? paid_buckets(spans.size(), width_) : spans.size();
  most_written_ = std::clamp(paid, kLeastBuckets, most);
  sum(
      spans, [](const Span& span) { return span.value; }, exponent, most_written_);
}

void Pyramid::forget_numbers() {
  local_.fill(kSummaryValues);
  width_ = 0;
  lost_ = false;
}

void Pyramid::number(std::uint8_t value) {
  if (local_[value] != kSummaryValues) return;
  lost_ = lost_ || value == kNoNumber || width_ == kSummaryValues;
  if (lost_) return;
  values_[width_] = value;
  local_[value] = static_cast<std::uint8_t>(width_++);
}

void Pyramid::start_sums(std::int64_t first_ns, std::int64_t last_ns, unsigned exponent,
                         std::size_t most) {
  exponent_ = fit_buckets(first_ns, last_ns, exponent, most);
  first_ = first_ns >> exponent_;
  buckets_ = count_buckets(first_ns, last_ns, exponent_);
  sums_.assign(buckets_ * width_, 0);
}

template <typename Row, typename ValueOf>
void Pyramid::sum(std::span<const Row> rows, ValueOf value_of, unsigned exponent,
                  std::size_t most) {
  const std::int64_t first_ns = rows.front().begin_ns;
  const std::int64_t last_ns = std::max(first_ns, rows.back().end_ns - 1);
  start_sums(first_ns, last_ns, exponent, most);
  exponent = exponent_;
  // In registers: the sums that are written might be members, as far as the compiler knows.
  std::uint64_t* const sums = sums_.data();
  const std::int64_t first = first_;
  const auto width = static_cast<std::int64_t>(width_);
  for (const Row& row : rows) {
    const std::uint8_t value = local_[value_of(row)];
    std::int64_t begin = row.begin_ns;
    if (value == kSummaryValues || begin >= row.end_ns) continue;
    std::int64_t bucket = begin >> exponent;
    std::uint64_t* held = sums + (bucket - first) * width + value;
    // Most rows lie in one bucket.
    const std::int64_t last = (row.end_ns - 1) >> exponent;
    for (; bucket < last; ++bucket, held += width) {
      const std::int64_t end = (bucket + 1) << exponent;
      *held += static_cast<std::uint64_t>(end - begin);
      begin = end;
    }
    *held += static_cast<std::uint64_t>(row.end_ns - begin);
  }
}

// In place: a bucket goes to one that is not behind it. The first and the last one may be a half.
void Pyramid::widen() {
  const auto half = static_cast<std::size_t>(first_ & 1);
  const std::size_t pairs = (buckets_ - half) / 2;
  const std::size_t rest = (buckets_ - half) % 2;
  const std::uint64_t* from = sums_.data() + half * width_;
  std::uint64_t* to = sums_.data() + half * width_;
  for (std::size_t i = 0; i < pairs; ++i) {
    for (std::size_t v = 0; v < width_; ++v) to[v] = from[v] + from[v + width_];
    from += 2 * width_;
    to += width_;
  }
  std::copy_n(from, rest * width_, to);
  buckets_ = half + pairs + rest;
  first_ >>= 1;
  ++exponent_;
}

void Pyramid::put_level() {
  const double unit =
      static_cast<double>(kShareUnit) / static_cast<double>(std::uint64_t{1} << exponent_);
  const std::span<std::byte> out = levels_.shares.room(buckets_ * width_);
  for (std::size_t i = 0; i < buckets_; ++i) {
    put_shares(std::span(sums_).subspan(i * width_, width_), unit, &out[i * width_]);
  }
  levels_.shares.advance(buckets_ * width_);
}

bool Pyramid::make_levels(std::vector<Span>& carry) {
  levels_.count = 0;
  levels_.shares.clear();
  if (lost_ || width_ == 0) return false;
  const std::size_t most_carried =
      std::clamp(std::min(buckets_, most_written_) / kCarryPart, kLeastBuckets, kCarryBuckets);
  for (bool carried = false; !carried || buckets_ > kLeastBuckets; widen()) {
    if (!carried && buckets_ <= most_carried) {
      carried = true;
      carry_exponent_ = exponent_;
      this->carry(carry);
    }
    if (buckets_ <= kLeastBuckets || buckets_ > most_written_) continue;
    if (levels_.count++ == 0) {
      levels_.exponent = exponent_;
      levels_.first = first_;
      levels_.buckets = buckets_;
    }
    put_level();
  }
  return levels_.count != 0;
}

void Pyramid::put_levels(ByteSink& out) const {
  out.put_u8(static_cast<std::uint8_t>(width_));
  for (std::size_t v = 0; v < width_; ++v) out.put_u8(values_[v]);
  out.put_u8(static_cast<std::uint8_t>(levels_.exponent));
  out.put_signed(levels_.first);
  out.put_varint(levels_.buckets);
  out.put_u8(static_cast<std::uint8_t>(levels_.count));
  out.put_bytes(levels_.shares.bytes());
}

void Pyramid::carry(std::vector<Span>& out) const {
  for (std::size_t i = 0; i < buckets_; ++i) {
    const std::int64_t begin_ns = (first_ + static_cast<std::int64_t>(i)) << exponent_;
    for (std::size_t v = 0; v < width_; ++v) {
      const auto held = static_cast<std::int64_t>(sums_[i * width_ + v]);
      if (held != 0) out.push_back(Span{begin_ns, begin_ns + held, values_[v]});
    }
  }
}

void SummaryEncoder::start(std::span<const std::int64_t> values) {
  values_ = values;
  runs_ = 0;
  last_entity_ = 0;
  body_.clear();
}

void SummaryEncoder::put_entity(EntityId entity) {
  if (runs_ == 0) first_entity_ = entity;
  body_.put_varint(entity - last_entity_);
  last_entity_ = entity;
  ++runs_;
}

void SummaryEncoder::add_run(EntityId entity, Pyramid& pyramid, std::vector<Span>& carry) {
  if (!pyramid.make_levels(carry)) return;
  put_entity(entity);
  pyramid.put_levels(body_);
}

void SummaryEncoder::add_rows(EntityId entity, std::span<const Span> rows) {
  put_entity(entity);
  body_.put_u8(0);
  body_.put_varint(rows.size());
  std::int64_t end_ns = rows.front().begin_ns;
  body_.put_signed(end_ns);
  for (const Span& row : rows) {
    body_.put_varint(static_cast<std::uint64_t>(row.begin_ns - end_ns));
    body_.put_varint(static_cast<std::uint64_t>(row.end_ns - row.begin_ns));
    body_.put_u8(row.value);
    end_ns = row.end_ns;
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

Result<std::shared_ptr<const SummaryPiece>> SummaryPiece::parse(
    std::vector<std::byte> raw, std::span<const std::int64_t> values) {
  auto piece = std::make_shared<SummaryPiece>();
  piece->raw_ = std::move(raw);
  VarReader in(Bytes(piece->raw_).first(piece->raw_.size() - kPackSlack));
  std::vector<std::uint8_t> numbers;
  const std::uint64_t count = in.varint_up_to(kMaxStates);
  for (std::size_t i = 0; i < count && in.ok(); ++i) {
    const std::int64_t value = in.value();
    const auto found = std::ranges::lower_bound(values, value);
    const bool known = found != values.end() && *found == value;
    numbers.push_back(known ? static_cast<std::uint8_t>(found - values.begin()) : kNoNumber);
  }
  const std::size_t runs = in.count();
  Run run;
  for (std::size_t i = 0; i < runs && in.ok(); ++i) {
    const std::uint64_t step = in.varint_up_to(kMaxEntities - run.entity);
    if (i != 0 && step == 0) in.fail();
    run.entity += static_cast<EntityId>(step);
    if (!piece->parse_run(in, numbers, run)) in.fail();
    piece->runs_.push_back(run);
    piece->least_exponent_ = std::min<unsigned>(piece->least_exponent_, run.exponent);
  }
  if (!in.ok() || in.remaining() != 0) {
    return Error{ErrorCode::kMalformed, "a summary of the history breaks its format",
                 "byte " + std::to_string(in.offset()) + " of the unpacked piece",
                 "the history will be rebuilt"};
  }
  return std::shared_ptr<const SummaryPiece>(std::move(piece));
}

bool SummaryPiece::parse_run(VarReader& in, std::span<const std::uint8_t> numbers, Run& run) {
  run.width = in.u8();
  run.values = static_cast<std::uint32_t>(values_.size());
  if (run.width == 0) return parse_rows(in, numbers, run);
  if (run.width > kSummaryValues) return false;
  for (std::size_t v = 0; v < run.width; ++v) {
    const std::uint8_t number = in.u8();
    if (number >= numbers.size()) return false;
    values_.push_back(numbers[number]);
  }
  run.exponent = in.u8();
  run.first = in.signed_varint();
  const std::uint64_t buckets = in.varint_up_to(kMaxPieceBytes);
  run.levels = in.u8();
  run.offset = static_cast<std::uint32_t>(in.offset());
  run.buckets = static_cast<std::uint32_t>(buckets);
  if (!in.ok() || buckets == 0 || run.levels == 0 || run.exponent + run.levels > 62) return false;
  // The whole level lies within the range of times.
  const std::int64_t most = kTimeLimit >> run.exponent;
  if (run.first < -most - 1 || run.first > most ||
      run.first + static_cast<std::int64_t>(buckets) > most + 1) {
    return false;
  }
  std::int64_t first = run.first;
  std::int64_t last = first + static_cast<std::int64_t>(buckets) - 1;
  for (unsigned k = 0; k < run.levels && in.ok(); ++k, first >>= 1, last >>= 1) {
    (void)in.bytes(static_cast<std::size_t>(last - first + 1) * run.width);
  }
  return in.ok();
}

// Sums wrap and are compared afterwards: times ascend within their range.
bool SummaryPiece::parse_rows(VarReader& in, std::span<const std::uint8_t> numbers, Run& run) {
  const std::size_t count = in.count();
  run.exponent = 0;
  run.offset = static_cast<std::uint32_t>(rows_.size());
  run.buckets = static_cast<std::uint32_t>(count);
  auto at = static_cast<std::uint64_t>(in.signed_varint());
  std::int64_t end_ns = -kTimeLimit;
  for (std::size_t i = 0; i < count && in.ok(); ++i) {
    Span row;
    row.begin_ns = static_cast<std::int64_t>(at += in.varint());
    row.end_ns = static_cast<std::int64_t>(at += in.varint());
    const std::uint8_t number = in.u8();
    const bool good = number < numbers.size() && numbers[number] != kNoNumber &&
                      row.begin_ns >= end_ns && row.end_ns >= row.begin_ns &&
                      row.end_ns <= kTimeLimit;
    if (!good) return false;
    row.value = numbers[number];
    end_ns = row.end_ns;
    rows_.push_back(row);
  }
  return in.ok() && count != 0;
}

bool SummaryPiece::level_for(EntityId entity, std::uint64_t width_ns, SummaryLevel& level) const {
  const auto run = std::ranges::lower_bound(runs_, entity, {}, &Run::entity);
  if (run == runs_.end() || run->entity != entity) return false;
  level.rows = {};
  if (run->width == 0) {
    level.rows = std::span(rows_).subspan(run->offset, run->buckets);
    return true;
  }
  if ((std::uint64_t{1} << run->exponent) > width_ns) return false;
  std::size_t offset = run->offset;
  level.exponent = run->exponent;
  level.first = run->first;
  std::int64_t last = run->first + static_cast<std::int64_t>(run->buckets) - 1;
  for (unsigned k = 1;; ++k) {
    level.buckets = static_cast<std::uint32_t>(last - level.first + 1);
    const bool widest = k == run->levels || (std::uint64_t{2} << level.exponent) > width_ns;
    if (widest) break;
    offset += std::size_t{level.buckets} * run->width;
    ++level.exponent;
    level.first >>= 1;
    last >>= 1;
  }
  level.shares = Bytes(raw_).subspan(offset, std::size_t{level.buckets} * run->width);
  level.values = std::span(values_).subspan(run->values, run->width);
  return true;
}

}  // namespace vs::history
