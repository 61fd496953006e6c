#include "reader/ftrace/cursor.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace vs::reader::ftrace {
namespace {

using model::Event;
using model::EventKind;
using model::IssueCode;

/// A run ends at the page that brings it to this many events.
constexpr std::size_t kRunEvents = 512;

}  // namespace

Cursor::Cursor(const CursorContext& context, BlockSource source, const StreamRequest& request,
               Reporter report)
    : context_(context), request_(request), report_(std::move(report)), source_(std::move(source)) {
  for (const EventType& type : context_.events.types()) {
    wanted_.push_back(request_.kinds.has(type.kind) ? 1 : 0);
  }
  batch_.reserve(kRunEvents * 2);
}

Cursor::~Cursor() { report_tallies(); }

Result<std::span<const Event>> Cursor::next() {
  batch_.clear();
  while (batch_.empty() && !ended_) {
    if (position_ >= block_.bytes.size()) {
      VS_ASSIGN(const bool more, next_block());
      if (!more) {
        end_stream();
        break;
      }
    }
    decode_pages();
  }
  return std::span<const Event>(batch_);
}

Result<bool> Cursor::next_block() {
  gap_ = gap_ || block_.gap_after;
  block_ = Block{};
  position_ = 0;
  VS_ASSIGN(const bool more, source_.next(block_));
  gap_ = gap_ || block_.gap_before;
  return more;
}

void Cursor::decode_pages() {
  const std::size_t page_size = context_.layout.page_size;
  while (position_ < block_.bytes.size() && batch_.size() < kRunEvents) {
    const std::size_t at = position_;
    position_ += std::min(page_size, block_.bytes.size() - at);
    if (skip_page(at)) continue;
    skip_before_.reset();
    decode_page(block_.bytes.subspan(at, position_ - at), static_cast<std::uint32_t>(at));
  }
}

/// After a seek: true while the page behind this one begins before the wanted time as well.
bool Cursor::skip_page(std::size_t at) const {
  if (!skip_before_) return false;
  const std::size_t next = at + context_.layout.page_size + context_.layout.time_offset;
  const auto time = load<std::uint64_t>(block_.bytes, next, context_.layout.order);
  return time && *time != 0 && *time < static_cast<std::uint64_t>(*skip_before_);
}

void Cursor::decode_page(Bytes page, std::uint32_t base) {
  PageReader reader(context_.layout);
  if (!reader.open(page)) {
    // A piece too small for a header at the end of a cut stream is the cut, which is reported.
    const bool cut =
        page.size() < context_.layout.page_size && (source_.truncated() || block_.gap_after);
    if (!cut) bad_page(reader.fault(), base);
    gap_ = true;
    return;
  }
  begin_page(reader, base);
  PageReader::Step step = reader.next();
  while (step == PageReader::Step::kRecord) {
    const auto time = static_cast<std::int64_t>(reader.time());
    if (time < last_time_) [[unlikely]]
      count(goes_back_, base + reader.record_offset());
    last_time_ = time;
    decode_record(reader, base);
    step = reader.next();
  }
  if (step == PageReader::Step::kEnd) return;
  gap_ = true;
  if (step == PageReader::Step::kFault) {
    bad_page(reader.fault(), base);
  } else if (!source_.truncated() && !block_.gap_after) {
    bad_page({PageFaultKind::kPartialPage, 0, page.size(), context_.layout.page_size}, base);
  }
}

/// Loss windows before the page, and the order of page times.
void Cursor::begin_page(const PageReader& page, std::uint32_t base) {
  const auto begin = static_cast<std::int64_t>(page.begin_time());
  if (any_time_ && begin < last_time_) count(goes_back_, base);
  if (page.missed() || gap_) {
    // A number is exact only when nothing else went missing at this place.
    const std::uint64_t lost = gap_ ? 0 : page.missed_count();
    const std::int64_t from = any_time_ ? last_time_ : begin;
    push_loss(std::min(from, begin), begin, lost);
  }
  if (page.missed()) {
    ++gaps_;
    if (page.missed_count() == 0) ++gaps_unknown_;
    count(lost_, base, page.missed_count());
  }
  gap_ = false;
  any_time_ = true;
  last_time_ = begin;
}

void Cursor::decode_record(const PageReader& page, std::uint32_t base) {
  const CommonFields& common = context_.events.common();
  const std::uint32_t at = base + page.record_offset();
  const std::uint32_t size = page.record_size();
  const Bytes record = block_.bytes.subspan(at, size);
  if (size < common.size) [[unlikely]] {
    return bad_event(fmt::format("record of {} bytes has no event id and thread", size), page,
                     base);
  }
  const ByteOrder order = context_.layout.order;
  const auto id = load_unchecked<std::uint16_t>(record, common.type_offset, order);
  const std::uint16_t index = context_.events.index_of(id);
  if (index == kNoType) [[unlikely]]
    return count(unknown_ids_[id], at);
  const EventType& type = context_.events.type(index);
  if (size < type.fixed_size) [[unlikely]] {
    return bad_event(
        fmt::format("{} of {} bytes, its format takes {}", type.name, size, type.fixed_size), page,
        base);
  }
  if (wanted_[index] == 0) return;
  Event& event = batch_.emplace_back();
  event.own = OwnTime{last_time_};
  event.kind = type.kind;
  event.type = index;
  event.cpu = context_.cpu;
  if (common.has_pid) {
    event.tid =
        static_cast<std::int32_t>(load_unchecked<std::uint32_t>(record, common.pid_offset, order));
  }
  event.record = (std::uint64_t{at} << 32) | size;
  if (request_.arguments) fill(type, record, event);
}

void Cursor::fill(const EventType& type, Bytes record, Event& event) const {
  const ByteOrder order = context_.layout.order;
  event.present = type.present;
  for (const ArgBinding& arg : type.args) {
    event.args[arg.slot] = load_integer(record, arg.offset, arg.size, arg.is_signed, order);
  }
  for (const TextBinding& binding : type.texts) {
    std::string_view text = text_of(type.fields[binding.field], record, order);
    // Writers of trace_marker end their line; the text is the line.
    if (type.kind == EventKind::kMark && text.ends_with('\n')) text.remove_suffix(1);
    event.texts[binding.slot] = text;
  }
}

void Cursor::bad_page(const PageFault& fault, std::uint32_t base) {
  report_.add(IssueCode::kBadPage, file_offset(base + fault.offset), fault.to_string(),
              page_label(base));
}

/// An event whose own bytes break its format. The page's framing still holds, so only it is left
/// out.
void Cursor::bad_event(std::string what, const PageReader& page, std::uint32_t base) {
  report_.add(IssueCode::kBadEvent, file_offset(base + page.record_offset()),
              fmt::format("byte {}: {}", page.record_offset(), what), page_label(base));
  push_loss(last_time_, last_time_, 1);
}

void Cursor::push_loss(std::int64_t begin, std::int64_t end, std::uint64_t lost) {
  Event& event = batch_.emplace_back();
  event.own = OwnTime{begin};
  event.kind = EventKind::kLoss;
  event.type = model::kLossType;
  event.cpu = context_.cpu;
  event.args[model::arg::kLossEndOwn] = static_cast<std::uint64_t>(end);
  event.present = 1U << model::arg::kLossEndOwn;
  if (lost != 0) {
    event.args[model::arg::kLossLost] = lost;
    event.present = static_cast<std::uint16_t>(event.present | (1U << model::arg::kLossLost));
  }
}

/// What is missing at the end lasts until the trace's end, as far as other streams tell it.
void Cursor::end_stream() {
  ended_ = true;
  if (gap_ || source_.truncated()) {
    const std::int64_t begin =
        any_time_ ? last_time_ : context_.trace_begin.value_or(OwnTime{}).value;
    const std::int64_t end = std::max(begin, context_.trace_end.value_or(OwnTime{begin}).value);
    if (any_time_ || context_.trace_begin) push_loss(begin, end, 0);
  }
  report_tallies();
}

void Cursor::report_tallies() {
  if (goes_back_.count != 0) {
    report_.add_at(IssueCode::kTimeGoesBack, goes_back_.place,
                   fmt::format("time goes back {} times, first here", goes_back_.count),
                   goes_back_.count);
  }
  if (gaps_ != 0) {
    const std::string more =
        gaps_unknown_ == 0 ? "" : fmt::format(", in {} of them an unknown number", gaps_unknown_);
    report_.add_at(IssueCode::kLostEvents, lost_.place,
                   fmt::format("{} events lost in {} gaps{}, first before this page", lost_.count,
                               gaps_, more),
                   gaps_);
  }
  for (const auto& [id, tally] : unknown_ids_) {
    report_.add_at(
        IssueCode::kUnknownEventId, tally.place,
        fmt::format("{} events of id {}, which no format describes, are left out", tally.count, id),
        tally.count);
  }
  goes_back_ = lost_ = Tally{};
  gaps_ = gaps_unknown_ = 0;
  unknown_ids_.clear();
}

void Cursor::count(Tally& tally, std::uint32_t at, std::uint64_t by) {
  if (tally.place.empty()) tally.place = report_.place(file_offset(at), page_label(at));
  tally.count += by;
}

/// Where a byte of the block lies in the file: itself, or the chunk that holds it.
std::uint64_t Cursor::file_offset(std::uint32_t at) const {
  return block_.packed ? block_.offset : block_.offset + at;
}

std::string Cursor::page_label(std::uint32_t at) const {
  return fmt::format("page {}", block_.first_page + at / context_.layout.page_size);
}

Status Cursor::seek(OwnTime time) {
  VS_TRY(source_.seek(time));
  block_ = Block{};
  batch_.clear();
  position_ = 0;
  ended_ = gap_ = any_time_ = false;
  last_time_ = 0;
  skip_before_.reset();
  if (time.value > 0) skip_before_ = time.value;
  return {};
}

void Cursor::fields_json(const Event& event, std::string& out) const {
  if (event.kind == EventKind::kLoss) {
    out += event.has(model::arg::kLossLost)
               ? fmt::format("{{\"lost\":{}}}", event.u(model::arg::kLossLost))
               : "{}";
    return;
  }
  const auto record = slice(block_.bytes, event.record >> 32, event.record & 0xffffffffU);
  if (!record || event.type >= context_.events.types().size()) {
    out += "{}";
    return;
  }
  append_fields_json(context_.events.type(event.type), *record, context_.layout.order, out);
}

}  // namespace vs::reader::ftrace
