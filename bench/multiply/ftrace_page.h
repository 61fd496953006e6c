#pragma once
// One ring-buffer page of 64-bit little-endian Linux, and what multiply changes in it.
//
// The layout is described in src/reader/ftrace/page.h; this walk is its own, so that a mistake in
// the reader is not hidden by the same mistake in what the reader is tested with.

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "multiply/patch.h"

namespace vs::bench {

/// Which fields of which event ids move.
class FieldMoves {
 public:
  struct Field {
    std::uint32_t offset = 0;
    std::uint32_t size = 0;
    Moves moves = Moves::kTime;
    /// Moves only where the number at `if_offset` (of `if_size` bytes; 0 = always) is `if_value`.
    std::uint32_t if_offset = 0;
    std::uint32_t if_size = 0;
    std::uint64_t if_value = 0;
  };

  /// Takes what an event's format file says about fields that carry times.
  void add_format(std::string_view text);
  [[nodiscard]] std::span<const Field> of(std::uint16_t id) const {
    const auto at = by_id_.find(id);
    return at == by_id_.end() ? std::span<const Field>{} : std::span<const Field>(at->second);
  }
  /// hrtimer_expire_entry.now, which tells how ns and ticks go together; size 0: not recorded.
  [[nodiscard]] const Field& clock_reading() const { return now_; }
  [[nodiscard]] std::uint16_t clock_event() const { return now_id_; }

 private:
  std::unordered_map<std::uint16_t, std::vector<Field>> by_id_;
  Field now_;
  std::uint16_t now_id_ = 0;
};

/// An event's bytes and its time.
struct PageEvent {
  std::uint64_t time = 0;
  std::size_t offset = 0;  ///< in the page
  std::size_t size = 0;
};

struct PageWalk {
  std::uint64_t events = 0;
  std::uint64_t begin = 0;  ///< the page's own time
  std::uint64_t end = 0;    ///< of the last event
  std::string fault;        ///< empty: the page is whole
};

/// Hands every event to `on_event` (may be empty) and the bits of every absolute time to
/// `on_absolute` (may be empty).
[[nodiscard]] PageWalk walk_page(Bytes page, const std::function<void(const PageEvent&)>& on_event,
                                 const std::function<void(std::size_t)>& on_absolute);

/// Moves a page to copy `k`. `room` holds the page and kPatchRoom bytes more. Requires that
/// walk_page found no fault.
void move_page(std::span<std::byte> room, const FieldMoves& fields, const Steps& steps,
               std::uint64_t k);

/// Sets the page's flag for events that were lost before it.
void mark_lost(std::span<std::byte> page);

}  // namespace vs::bench
