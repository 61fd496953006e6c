#pragma once
// Fading: the events that tell the consumer of a stream nothing any more, so that a reader need not
// make them. Who only wants the earliest of what is said about each thread has soon heard it, and
// most events of a stream are about threads that were there before.
//
// The consumer marks threads; a FadeRule says by which mark a kind has nothing left to tell. What
// is stepped over is always known to be of no use; what is delivered may be of no use as well.
//
// Threads: one owner. Memory: a fixed number of places.

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "model/event.h"
#include "model/event_kind.h"

namespace vs::model {

/// Marks of threads. A thread may lose its marks to another one, and never has a mark that it was
/// not given since the last clear().
class ThreadMarks {
 public:
  void clear() { places_.fill(Place{}); }
  /// Requires tid >= 0. Bits are or'ed together.
  void add(std::int32_t tid, std::uint32_t marks) {
    Place& place = places_[index(tid)];
    if (place.tid != tid) place = {tid, 0};
    place.marks |= marks;
  }
  /// Those of the thread; kNoTid has none.
  [[nodiscard]] std::uint32_t of(std::int32_t tid) const {
    const Place& place = places_[index(tid)];
    return place.tid == tid ? place.marks : 0;
  }
  /// All of these bits.
  [[nodiscard]] bool has(std::int32_t tid, std::uint32_t marks) const {
    const Place& place = places_[index(tid)];
    return place.tid == tid && (place.marks & marks) == marks;
  }

 private:
  struct Place {
    std::int32_t tid = kNoTid;
    std::uint32_t marks = 0;
  };
  static constexpr std::size_t kPlaces = 4096;
  [[nodiscard]] static std::size_t index(std::int32_t tid) {
    return static_cast<std::size_t>(tid) % kPlaces;
  }
  std::array<Place, kPlaces> places_;
};

/// Events of this kind are of no use once all threads that they are about have the mark.
struct FadeRule {
  static constexpr std::size_t kMaxThreads = 2;

  EventKind kind = EventKind::kUnknown;
  std::uint32_t mark = 0;
  /// They are about the threads that these arguments name; without any, about the thread that runs.
  std::uint8_t count = 0;
  std::array<std::uint8_t, kMaxThreads> args{};
};

/// What a consumer lets fade. Both must outlive the reading.
struct Fading {
  const ThreadMarks* marks = nullptr;  ///< null: nothing
  std::vector<FadeRule> rules;         ///< at most one per kind
};

}  // namespace vs::model
