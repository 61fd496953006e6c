#include "reader/ftrace/cursor.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace vs::reader::ftrace {
namespace {

using model::Event;
using model::EventKind;
using model::IssueCode;

/// Events of a run. Few enough for a processor's nearest cache.
constexpr std::size_t kRunEvents = 256;
/// Loss events that may follow the last record of a run.
constexpr std::size_t kRunSpare = 2;

}  // namespace

DecodeTables::DecodeTables(const EventTable& events, const StreamRequest& request)
    : common(events.common()),
      wanted_by_id(events.by_id().begin(), events.by_id().end()),
      plans(events.plans().begin(), events.plans().end()),
      arg_loads(1) {
  for (std::uint16_t& index : wanted_by_id) {
    if (index != kNoType && !request.kinds.has(plans[index].kind)) index = kNoType;
  }
  for (DecodePlan& plan : plans) choose(events, request.choice.of(plan.kind), plan);
}

/// Keeps of a plan the loads of these slots (ArgumentChoice).
void DecodeTables::choose(const EventTable& events, std::uint16_t slots, DecodePlan& plan) {
  ArgLoads loads = events.arg_loads()[plan.arg_loads];
  const auto all_texts = events.texts().subspan(plan.first_text, plan.texts);
  plan.first_text = static_cast<std::uint32_t>(texts.size());
  std::copy_if(
      all_texts.begin(), all_texts.end(), std::back_inserter(texts),
      [&](const TextLoad& load) { return (slots & ArgumentChoice::text(load.slot)) != 0; });
  plan.texts = static_cast<std::uint8_t>(texts.size() - plan.first_text);
  constexpr std::uint16_t kArgs = (1U << model::kMaxArgs) - 1;
  plan.present = static_cast<std::uint16_t>(plan.present & slots & kArgs);
  plan.arg_loads = 0;
  plan.few_args = (plan.present >> kFewArgs) == 0;
  if (plan.present == 0) return;
  for (std::size_t i = 0; i < loads.size(); ++i) {
    if (((static_cast<unsigned>(plan.present) >> i) & 1U) == 0) loads[i] = ArgLoad{};
  }
  plan.arg_loads = static_cast<std::uint16_t>(arg_loads.size());
  arg_loads.push_back(loads);
}

Cursor::Cursor(const CursorContext& context, BlockSource source, const StreamRequest& request,
               Reporter report)
    : context_(context),
      request_(request),
      report_(std::move(report)),
      tables_(context.events, request),
      source_(std::move(source)),
      page_(context.layout),
      batch_(kRunEvents + kRunSpare),
      passed_(request.passed) {}

Cursor::~Cursor() { report_tallies(); }

Result<std::span<const Event>> Cursor::next() {
  filled_ = 0;
  while (filled_ == 0 && !ended_) {
    if (!in_page_ && position_ >= block_.bytes.size()) {
      VS_ASSIGN(const bool more, next_block());
      if (!more) {
        end_stream();
        break;
      }
    }
    decode_pages();
  }
  passed_.flush(context_.cpu);
  return std::span<const Event>(batch_).first(filled_);
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
  const bool little = context_.layout.order == ByteOrder::kLittle;
  const bool arguments = request_.arguments;
  while (filled_ < kRunEvents && (in_page_ || position_ < block_.bytes.size())) {
    if (!in_page_ && !open_page()) continue;
    const PageReader::Step step = arguments ? little ? decode_records<ByteOrder::kLittle, true>()
                                                     : decode_records<ByteOrder::kBig, true>()
                                  : little ? decode_records<ByteOrder::kLittle, false>()
                                            : decode_records<ByteOrder::kBig, false>();
    in_page_ = step == PageReader::Step::kRecord;
    if (!in_page_) finish_page(step);
  }
}

/// After a seek: true while the page behind this one begins before the wanted time as well.
bool Cursor::skip_page(std::size_t at) const {
  if (!skip_before_) return false;
  const std::size_t next = at + context_.layout.page_size + context_.layout.time_offset;
  const auto time = load<std::uint64_t>(block_.bytes, next, context_.layout.order);
  return time && *time != 0 && *time < static_cast<std::uint64_t>(*skip_before_);
}

/// Steps to the next page of the block. False: it is passed over.
bool Cursor::open_page() {
  const std::size_t page_size = context_.layout.page_size;
  const std::size_t at = position_;
  const std::size_t size = std::min(page_size, block_.bytes.size() - at);
  position_ += size;
  if (skip_page(at)) return false;
  skip_before_.reset();
  page_at_ = static_cast<std::uint32_t>(at);
  if (page_.open(block_.bytes.subspan(at, size))) {
    begin_page();
    in_page_ = true;
    return true;
  }
  // A piece too small for a header at the end of a cut stream is the cut, which is reported.
  const bool cut = size < page_size && (source_.truncated() || block_.gap_after);
  if (!cut) bad_page(page_.fault());
  gap_ = true;
  return false;
}

void Cursor::finish_page(PageReader::Step step) {
  if (step == PageReader::Step::kEnd) return;
  gap_ = true;
  if (step == PageReader::Step::kFault) {
    bad_page(page_.fault());
  } else if (!source_.truncated() && !block_.gap_after) {
    const std::size_t size = position_ - page_at_;
    bad_page({PageFaultKind::kPartialPage, 0, size, context_.layout.page_size});
  }
}

/// Loss windows before the page, and the order of page times.
void Cursor::begin_page() {
  const auto begin = static_cast<std::int64_t>(page_.begin_time());
  if (any_time_ && begin < last_time_) count(goes_back_, page_at_);
  if (page_.missed() || gap_) {
    // A number is exact only when nothing else went missing at this place.
    const std::uint64_t lost = gap_ ? 0 : page_.missed_count();
    const std::int64_t from = any_time_ ? last_time_ : begin;
    push_loss(std::min(from, begin), begin, lost);
  }
  if (page_.missed()) {
    ++gaps_;
    if (page_.missed_count() == 0) ++gaps_unknown_;
    count(lost_, page_at_, page_.missed_count());
  }
  gap_ = false;
  any_time_ = true;
  last_time_ = begin;
}

/// kRecord: the run is full and the page is not at its end, as far as is known.
template <ByteOrder kOrder, bool kArguments>
PageReader::Step Cursor::decode_records() {
  const Bytes page = page_.bytes();
  Event* event = &batch_[filled_];
  Event* const full = batch_.data() + kRunEvents;
  const PageReader::Step step =
      page_.walk<kOrder>([&](std::uint32_t offset, std::uint32_t size, std::uint64_t time) {
        const std::uint32_t at = page_at_ + offset;
        const auto own = static_cast<std::int64_t>(time);
        if (own < last_time_) [[unlikely]]
          count(goes_back_, at);
        last_time_ = own;
        const Bytes record = page.subspan(offset, size);
        if (take_record<kOrder, kArguments>(record, at, *event)) {
          passed_.add(context_.cpu, own, event->type);
          ++event;
        } else {
          filled_ = static_cast<std::size_t>(event - batch_.data());
          other_record(record, at);
          event = &batch_[filled_];
        }
        return event < full;
      });
  filled_ = static_cast<std::size_t>(event - batch_.data());
  return step;
}

/// False: the record is not one of those wanted, or no good.
template <ByteOrder kOrder, bool kArguments>
inline bool Cursor::take_record(Bytes record, std::uint32_t at, Event& event) {
  const CommonFields& common = tables_.common;
  if (record.size() < common.size) [[unlikely]]
    return false;
  const auto id = load_unchecked<std::uint16_t>(record, common.type_offset, kOrder);
  if (id >= tables_.wanted_by_id.size()) [[unlikely]]
    return false;
  const std::uint16_t index = tables_.wanted_by_id[id];
  if (index == kNoType) return false;
  const DecodePlan& plan = tables_.plans[index];
  if (record.size() < plan.size) [[unlikely]]
    return false;
  // Member by member: as a whole it would be a call of memset, or `rep stos`, for each event.
  event.own = OwnTime{last_time_};
  event.kind = plan.kind;
  event.type = index;
  event.present = kArguments ? plan.present : std::uint16_t{0};
  event.cpu = context_.cpu;
  // Without such a field the load takes other bytes of the record, and the mask makes it kNoTid.
  event.tid = static_cast<std::int32_t>(
      load_unchecked<std::uint32_t>(record, common.pid_offset, kOrder) | common.no_pid);
  event.texts = {};
  event.record = (std::uint64_t{at} << 32) | record.size();
  if constexpr (kArguments) {
    fill<kOrder>(plan, record, event);
  } else {
    event.args = {};
  }
  return true;
}

template <ByteOrder kOrder>
inline void Cursor::fill(const DecodePlan& plan, Bytes record, Event& event) const {
  const ArgLoads& loads = tables_.arg_loads[plan.arg_loads];
  for (std::size_t i = 0; i < kFewArgs; ++i) event.args[i] = loads[i].load<kOrder>(record);
  for (std::size_t i = kFewArgs; i < loads.size(); ++i) {
    event.args[i] = plan.few_args ? 0 : loads[i].load<kOrder>(record);
  }
  for (const TextLoad& load : std::span(tables_.texts).subspan(plan.first_text, plan.texts)) {
    if (load.is_comm) [[likely]] {
      const Bytes text = record.subspan(load.offset, comm_length(record, load.offset));
      event.texts[load.slot] = as_text(text);
      continue;
    }
    const EventType& type = context_.events.type(event.type);
    std::string_view text = text_of(type.fields[load.field], record, kOrder);
    // Writers of trace_marker end their line; the text is the line.
    if (type.kind == EventKind::kMark && text.ends_with('\n')) text.remove_suffix(1);
    event.texts[load.slot] = text;
  }
}

/// A record that is not decoded: of a kind that is not wanted, of no known type, or too short.
void Cursor::other_record(Bytes record, std::uint32_t at) {
  const CommonFields& common = tables_.common;
  const std::size_t size = record.size();
  if (size < common.size) {
    return bad_event(fmt::format("record of {} bytes has no event id and thread", size), at);
  }
  const auto id = load_unchecked<std::uint16_t>(record, common.type_offset, context_.layout.order);
  const std::uint16_t index = context_.events.index_of(id);
  if (index == kNoType) return count(unknown_ids_[id], at);
  const std::uint32_t needed = tables_.plans[index].size;
  if (size >= needed) return passed_.add(context_.cpu, last_time_, index);
  bad_event(fmt::format("{} of {} bytes, its format takes {}", context_.events.type(index).name,
                        size, needed),
            at);
}

void Cursor::bad_page(const PageFault& fault) {
  report_.add(IssueCode::kBadPage, file_offset(page_at_ + fault.offset), fault.to_string(),
              page_label(page_at_));
}

/// An event whose own bytes break its format. The page's framing still holds, so only it is left
/// out.
void Cursor::bad_event(std::string what, std::uint32_t at) {
  report_.add(IssueCode::kBadEvent, file_offset(at),
              fmt::format("byte {}: {}", at - page_at_, what), page_label(page_at_));
  push_loss(last_time_, last_time_, 1);
}

void Cursor::push_loss(std::int64_t begin, std::int64_t end, std::uint64_t lost) {
  Event& event = batch_[filled_++];
  event = Event{};
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
  const std::uint32_t page = at / context_.layout.page_size;
  if (!block_.first_page) return fmt::format("page {} of the chunk", page);
  return fmt::format("page {}", *block_.first_page + page);
}

Status Cursor::seek(OwnTime time) {
  VS_TRY(source_.seek(time));
  block_ = Block{};
  filled_ = 0;
  position_ = 0;
  in_page_ = false;
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
