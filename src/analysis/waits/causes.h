#pragma once
// Cause: why a wait ended, as the host saw it; CauseQueue: the interrupts that a vCPU accepted and
// that no process' return has been explained by yet (algorithms E.5).
//
// Threads: one. Memory: constant.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "analysis/delivery/delivery.h"
#include "base/time.h"
#include "model/interval_sink.h"
#include "model/tables.h"

namespace vs::analysis::waits {

struct Cause {
  delivery::DeliveryClass what = delivery::DeliveryClass::kUnknown;
  HostTime time;                         ///< when it was accepted
  model::StringId waker = model::kNull;  ///< the process that sent it
  model::StringId device = model::kNull;
  std::int16_t vector = -1;
  HostTime taken = kHostTimeMax;  ///< by the guest, where the trace shows that; else kHostTimeMax
};

/// Which interrupt of a queue explains a return.
struct CauseChoice {
  bool shows_taken = false;  ///< the trace shows when the guest takes an interrupt
  HostTime fresh_from;       ///< nobody else was seen to run since
  HostTime until;            ///< the process was seen to run then
};

/// How often a process came back for each class lately, when there was no doubt.
class Habits {
 public:
  void add(delivery::DeliveryClass what) {
    std::uint16_t& count = counts_[static_cast<std::size_t>(what)];
    if (++count < kMost) return;
    for (std::uint16_t& each : counts_) each = static_cast<std::uint16_t>(each / 2);
  }
  [[nodiscard]] std::uint16_t of(delivery::DeliveryClass what) const {
    return counts_[static_cast<std::size_t>(what)];
  }

 private:
  static constexpr std::uint16_t kMost = 8;
  std::array<std::uint16_t, delivery::kDeliveryClasses> counts_{};
};

[[nodiscard]] constexpr bool is_device(delivery::DeliveryClass what) {
  return what == delivery::DeliveryClass::kDisk || what == delivery::DeliveryClass::kNetwork ||
         what == delivery::DeliveryClass::kDevice;
}

class CauseQueue {
 public:
  static constexpr std::size_t kCapacity = 8;
  struct Taken {
    Cause cause;
    bool no_doubt = false;  ///< nothing else could have been it
  };

  void push(const Cause& cause) {
    if (count_ == kCapacity) remove(0);
    items_[count_++] = cause;
  }
  void clear() { count_ = 0; }
  [[nodiscard]] bool empty() const { return count_ == 0; }

  /// Drops what was accepted before `time`.
  void drop_before(HostTime time) {
    drop_if([time](const Cause& cause) { return cause.time < time; });
  }
  /// Drops what the guest has taken.
  void drop_taken() {
    drop_if([](const Cause& cause) { return cause.taken != kHostTimeMax; });
  }
  void mark_taken(std::int64_t vector, HostTime time) {
    for (std::size_t i = 0; i < count_; ++i) {
      if (items_[i].vector != vector || items_[i].taken != kHostTimeMax) continue;
      items_[i].taken = time;
      return;
    }
  }

  /// Requires !empty().
  [[nodiscard]] HostTime oldest() const { return items_[0].time; }
  /// There is nothing but timers. True when empty.
  [[nodiscard]] bool only_timers() const {
    return std::all_of(items_.begin(), items_.begin() + count_, [](const Cause& cause) {
      return cause.what == delivery::DeliveryClass::kTimer;
    });
  }

  /// Takes the one that explains a return best, if any can. What the guest took since anybody else
  /// was seen to run comes first; of those what the process most often comes back for; where habit
  /// does not tell, rather none of a timer, which interrupts for many reasons; then the newest.
  [[nodiscard]] std::optional<Taken> take(const Habits& habits, const CauseChoice& choice) {
    std::size_t best = kCapacity;
    std::size_t fresh = 0;
    int best_rank = -1;
    for (std::size_t i = 0; i < count_; ++i) {
      const int rank = rank_of(items_[i], habits, choice);
      if (rank >= kFresh) ++fresh;
      if (rank < 0 || rank < best_rank) continue;
      best = i;
      best_rank = rank;
    }
    if (best == kCapacity) return std::nullopt;
    const Taken taken{items_[best], fresh == 1};
    remove(best);
    return taken;
  }

 private:
  static constexpr int kFresh = 1 << 16;
  static int rank_of(const Cause& cause, const Habits& habits, const CauseChoice& choice) {
    const HostTime when = choice.shows_taken ? cause.taken : cause.time;
    if (when > choice.until) return -1;
    const int known = cause.what == delivery::DeliveryClass::kUnknown ? 0
                      : cause.what == delivery::DeliveryClass::kTimer ? 1
                                                                      : 2;
    return (when >= choice.fresh_from ? kFresh : 0) + 4 * habits.of(cause.what) + known;
  }
  template <typename Test>
  void drop_if(Test test) {
    const auto end = std::remove_if(items_.begin(), items_.begin() + count_, test);
    count_ = static_cast<std::size_t>(end - items_.begin());
  }
  void remove(std::size_t i) {
    for (--count_; i < count_; ++i) items_[i] = items_[i + 1];
  }

  std::array<Cause, kCapacity> items_{};
  std::size_t count_ = 0;
};

}  // namespace vs::analysis::waits
