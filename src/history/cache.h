#pragma once
// A bounded cache of immutable things by number. One budget for all sorts of things: which of them
// a history needs most differs from file to file. What was not used since the hand came by last
// goes first (second chance).
//
// Threads: any; each shard has its own lock. Things are shared: one that is thrown out lives on as
// long as somebody holds it.

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace vs::history {

/// What can be kept.
class Cached {
 public:
  Cached() = default;
  virtual ~Cached() = default;
  Cached(const Cached&) = delete;
  Cached& operator=(const Cached&) = delete;
  [[nodiscard]] virtual std::size_t memory_bytes() const = 0;
};

class Cache {
 public:
  explicit Cache(std::size_t bytes) : limit_(bytes) {}
  /// Once, before the first use: keys are below `keys`.
  void start(std::size_t keys) { slots_ = std::vector<Slot>(keys); }

  /// The thing that was put under the key; nullptr when it is not here (any more). The caller keeps
  /// one type of thing under one key.
  template <typename T>
  [[nodiscard]] std::shared_ptr<const T> find(std::size_t key) {
    const std::lock_guard lock(locks_[key % kLocks]);
    Slot& slot = slots_[key];
    slot.used = true;
    return std::static_pointer_cast<const T>(slot.thing);
  }

  void put(std::size_t key, std::shared_ptr<const Cached> thing) {
    const std::size_t bytes = thing->memory_bytes();
    {
      const std::lock_guard lock(locks_[key % kLocks]);
      Slot& slot = slots_[key];
      if (slot.thing != nullptr) return;  // another thread was faster
      slot.thing = std::move(thing);
      slot.used = true;
    }
    if (bytes_.fetch_add(bytes) + bytes > limit_) shrink(key);
  }

 private:
  struct Slot {
    std::shared_ptr<const Cached> thing;
    bool used = false;
  };
  /// Moves the hand until the budget holds again; `keep` stays.
  void shrink(std::size_t keep) {
    const std::lock_guard lock(hand_lock_);
    for (std::size_t steps = 2 * slots_.size(); bytes_ > limit_ && steps != 0; --steps) {
      hand_ = hand_ + 1 < slots_.size() ? hand_ + 1 : 0;
      std::shared_ptr<const Cached> out;  // ends outside of the lock
      const std::lock_guard slot_lock(locks_[hand_ % kLocks]);
      Slot& slot = slots_[hand_];
      if (slot.thing == nullptr || hand_ == keep) continue;
      if (slot.used) {
        slot.used = false;
        continue;
      }
      bytes_ -= slot.thing->memory_bytes();
      out = std::move(slot.thing);
      slot.thing = nullptr;
    }
  }

  static constexpr std::size_t kLocks = 64;
  std::array<std::mutex, kLocks> locks_;  ///< of the slots whose number has this remainder
  std::vector<Slot> slots_;
  std::atomic<std::size_t> bytes_ = 0;
  const std::size_t limit_;
  std::mutex hand_lock_;
  std::size_t hand_ = 0;
};

}  // namespace vs::history
