#include "multiply/ftrace_page.h"

#include <charconv>

namespace vs::bench {
namespace {

constexpr std::size_t kHeaderBytes = 16;
constexpr std::uint64_t kCommitMask = 0x3fffffff;
constexpr std::uint64_t kDeltaBits = 27;
constexpr std::uint64_t kAbsoluteBits = 59;
constexpr std::uint64_t kBeaconCall = 0x5653;
constexpr std::uint64_t kTscDeadline = 0x6e0;
constexpr std::string_view kMark = "vssync";

struct TimeField {
  std::string_view event;
  std::string_view field;
  Moves moves;
  std::string_view if_field;  ///< empty: always
  std::uint64_t if_value;
};
constexpr TimeField kTimeFields[] = {
    {"hrtimer_expire_entry", "now", Moves::kNs, "", 0},
    {"hrtimer_start", "expires", Moves::kNs, "", 0},
    {"hrtimer_start", "softexpires", Moves::kNs, "", 0},
    {"kvm_pvclock_update", "tsc_timestamp", Moves::kTsc, "", 0},
    {"kvm_pvclock_update", "system_time", Moves::kNs, "", 0},
    {"kvm_msr", "data", Moves::kTsc, "ecx", kTscDeadline},
    {"kvm_hypercall", "nr", Moves::kHide, "nr", kBeaconCall},
};

std::uint64_t number_after(std::string_view text, std::string_view key) {
  const std::size_t at = text.find(key);
  std::uint64_t value = 0;
  if (at == std::string_view::npos) return value;
  const std::string_view rest = text.substr(at + key.size());
  std::from_chars(rest.data(), rest.data() + rest.size(), value);
  return value;
}

/// "field:s64 now;\toffset:16;\tsize:8;..." of the field `name`; size 0 where there is none.
FieldMoves::Field field_of(std::string_view format, std::string_view name) {
  FieldMoves::Field out;
  while (!format.empty()) {
    const std::string_view line = format.substr(0, format.find('\n'));
    format.remove_prefix(std::min(line.size() + 1, format.size()));
    const std::size_t begin = line.find("field:");
    if (begin == std::string_view::npos) continue;
    std::string_view declaration = line.substr(begin, line.find(';') - begin);
    declaration = declaration.substr(0, declaration.find('['));
    if (!declaration.ends_with(name)) continue;
    const char before = declaration[declaration.size() - name.size() - 1];
    if (before != ' ' && before != '*') continue;
    out.offset = static_cast<std::uint32_t>(number_after(line, "offset:"));
    out.size = static_cast<std::uint32_t>(number_after(line, "size:"));
    return out;
  }
  return out;
}

std::uint64_t number_at(Bytes bytes, std::size_t offset, std::size_t size) {
  std::uint64_t value = 0;
  for (std::size_t i = size; i-- > 0;) {
    value = value << 8 | std::to_integer<std::uint64_t>(bytes[offset + i]);
  }
  return value;
}

bool in_event(const PageEvent& event, std::uint32_t offset, std::uint32_t size) {
  return std::size_t{offset} + size <= event.size;
}

void move_fields(std::span<std::byte> room, const PageEvent& event, const FieldMoves& fields,
                 const Steps& steps, std::uint64_t k) {
  const auto id = static_cast<std::uint16_t>(number_at(room, event.offset, 2));
  for (const FieldMoves::Field& field : fields.of(id)) {
    if (!in_event(event, field.offset, field.size)) continue;
    if (field.if_size != 0 &&
        (!in_event(event, field.if_offset, field.if_size) ||
         number_at(room, event.offset + field.if_offset, field.if_size) != field.if_value)) {
      continue;
    }
    const Patch patch{(event.offset + field.offset) * 8, static_cast<std::uint8_t>(field.size * 8),
                      field.moves};
    apply_patch(room, patch, ByteOrder::kLittle, step_of(steps, field.moves, k));
  }
}

/// An absolute time: 27 low bits in the upper part of the header, 32 in the word behind it.
void move_absolute(std::span<std::byte> room, std::size_t at, std::uint64_t step) {
  const std::uint64_t header = number_at(room, at, 4);
  const std::uint64_t time = (header >> 5 | number_at(room, at + 4, 4) << kDeltaBits) + step;
  const std::uint64_t kept = time & ((std::uint64_t{1} << kAbsoluteBits) - 1);
  const std::uint64_t low = kept & ((std::uint64_t{1} << kDeltaBits) - 1);
  const std::uint64_t both = (header & 31U) | low << 5 | (kept >> kDeltaBits) << 32;
  for (std::size_t i = 0; i < 8; ++i) room[at + i] = static_cast<std::byte>(both >> (8 * i));
}

/// Steps through the records of one page.
class Walker {
 public:
  Walker(Bytes page, const std::function<void(const PageEvent&)>& on_event,
         const std::function<void(std::size_t)>& on_absolute)
      : page_(page), on_event_(on_event), on_absolute_(on_absolute) {}

  PageWalk run() {
    if (page_.size() < kHeaderBytes) return fail("a page without a header");
    out_.begin = time_ = number_at(page_, 0, 8);
    out_.end = time_;
    end_ = kHeaderBytes + (number_at(page_, 8, 8) & kCommitMask);
    if (end_ > page_.size()) return fail("a page that holds more than its size");
    at_ = kHeaderBytes;
    while (at_ < end_ && out_.fault.empty()) record();
    return out_;
  }

 private:
  PageWalk fail(const char* what) {
    out_.fault = what;
    return out_;
  }
  /// False, with a fault, where `size` bytes from here on pass the data's end.
  bool have(std::size_t size) {
    if (size <= end_ - at_) return true;
    out_.fault = "a record that passes the end of its page";
    return false;
  }
  void data(std::uint64_t delta, std::size_t skip, std::size_t size) {
    time_ += delta;
    if (size < 2) {
      out_.fault = "a record without an event id";
      return;
    }
    ++out_.events;
    out_.end = time_;
    if (on_event_) on_event_({time_, at_ + skip, size});
    at_ += skip + size;
  }
  void record() {
    if (!have(4)) return;
    const std::uint64_t header = number_at(page_, at_, 4);
    const std::uint64_t type = header & 31U;
    const std::uint64_t delta = header >> 5;
    if (type != 0 && type <= 28) {
      if (have(4 + type * 4)) data(delta, 4, type * 4);
      return;
    }
    if (type == 29 && delta == 0) {  // nothing more on this page
      at_ = end_;
      return;
    }
    if (!have(8)) return;
    const std::uint64_t word = number_at(page_, at_ + 4, 4);
    if (type == 0) {
      const std::uint64_t size = ((word + 3) & ~std::uint64_t{3}) - 4;
      if (word >= 4 && have(8 + size)) {
        data(delta, 8, size);
      } else {
        out_.fault = "a record with a broken length";
      }
    } else if (type == 29) {  // a discarded event
      if (have(4 + word)) at_ += 4 + word;
      time_ += delta > 1 ? delta : 0;
    } else if (type == 30) {
      time_ += (word << kDeltaBits) + delta;
      at_ += 8;
    } else {
      time_ = (time_ >> kAbsoluteBits << kAbsoluteBits) | word << kDeltaBits | delta;
      if (on_absolute_) on_absolute_(at_);
      at_ += 8;
    }
  }

  const Bytes page_;
  const std::function<void(const PageEvent&)>& on_event_;
  const std::function<void(std::size_t)>& on_absolute_;
  std::size_t at_ = 0;
  std::size_t end_ = 0;
  std::uint64_t time_ = 0;
  PageWalk out_;
};

}  // namespace

void FieldMoves::add_format(std::string_view text) {
  const std::size_t begin = text.find("name: ");
  if (begin == std::string_view::npos) return;
  const std::string_view rest = text.substr(begin + 6);
  const std::string_view name = rest.substr(0, rest.find('\n'));
  const auto id = static_cast<std::uint16_t>(number_after(text, "ID: "));
  for (const TimeField& wanted : kTimeFields) {
    if (wanted.event != name) continue;
    Field field = field_of(text, wanted.field);
    if (field.size != 4 && field.size != 8) continue;
    field.moves = wanted.moves;
    if (!wanted.if_field.empty()) {
      const Field condition = field_of(text, wanted.if_field);
      if (condition.size != 4 && condition.size != 8) continue;
      field.if_offset = condition.offset;
      field.if_size = condition.size;
      field.if_value = wanted.if_value;
    }
    by_id_[id].push_back(field);
    if (wanted.field == "now") {
      now_ = field;
      now_id_ = id;
    }
  }
  if (name == "print") {  // marks of the guest, which pair with hypercalls
    const Field text_field = field_of(text, "buf");
    std::uint64_t mark = 0;
    for (std::size_t i = kMark.size(); i-- > 0;) {
      mark = mark << 8 | static_cast<std::uint8_t>(kMark[i]);
    }
    by_id_[id].push_back({text_field.offset, 1, Moves::kHide, text_field.offset,
                          static_cast<std::uint32_t>(kMark.size()), mark});
  }
}

PageWalk walk_page(Bytes page, const std::function<void(const PageEvent&)>& on_event,
                   const std::function<void(std::size_t)>& on_absolute) {
  return Walker(page, on_event, on_absolute).run();
}

void move_page(std::span<std::byte> room, const FieldMoves& fields, const Steps& steps,
               std::uint64_t k) {
  if (k == 0) return;
  const Bytes page = Bytes(room).first(room.size() - kPatchRoom);
  const std::uint64_t step = steps[Moves::kTime] * k;
  const std::function<void(const PageEvent&)> on_event = [&](const PageEvent& event) {
    move_fields(room, event, fields, steps, k);
  };
  const std::function<void(std::size_t)> on_absolute = [&](std::size_t at) {
    move_absolute(room, at, step);
  };
  (void)walk_page(page, on_event, on_absolute);
  apply_patch(room, {0, 64, Moves::kTime}, ByteOrder::kLittle, step);
}

void mark_lost(std::span<std::byte> page) {
  constexpr std::size_t kFlagByte = 8 + 3;  // bit 31 of the commit word
  page[kFlagByte] |= std::byte{0x80};
}

}  // namespace vs::bench
