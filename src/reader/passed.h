#pragma once
// PassedBuffer: collects what a cursor goes over for a PassedSink (reader/trace.h).
//
// Ownership: the sink is borrowed. Threads: one owner. Memory: a fixed number of entries.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "reader/trace.h"

namespace vs::reader {

class PassedBuffer {
 public:
  static constexpr std::size_t kEntries = 1024;

  /// Without a sink nothing is kept.
  explicit PassedBuffer(PassedSink* sink) : sink_(sink) {}

  [[nodiscard]] bool wanted() const { return sink_ != nullptr; }
  void add(std::uint32_t cpu, std::int64_t own, std::uint16_t type) {
    if (sink_ == nullptr) return;
    times_[count_] = own;
    types_[count_] = type;
    if (++count_ == kEntries) flush(cpu);
  }
  /// Room for the next entries, to be filled from the begin: at least one. `advance` keeps the
  /// first `count` of them, as add() would have.
  struct Room {
    std::span<std::int64_t> times;
    std::span<std::uint16_t> types;
  };
  [[nodiscard]] Room room() {
    return {std::span(times_).subspan(count_), std::span(types_).subspan(count_)};
  }
  void advance(std::uint32_t cpu, std::size_t count) {
    if (sink_ == nullptr) return;
    count_ += count;
    if (count_ == kEntries) flush(cpu);
  }
  /// Tells the sink. `cpu`: of all that was added since the last time.
  void flush(std::uint32_t cpu) {
    if (count_ == 0) return;
    sink_->on_passed(cpu, std::span(times_).first(count_), std::span(types_).first(count_));
    count_ = 0;
  }

 private:
  PassedSink* sink_;
  std::size_t count_ = 0;
  std::array<std::int64_t, kEntries> times_;
  std::array<std::uint16_t, kEntries> types_;
};

}  // namespace vs::reader
