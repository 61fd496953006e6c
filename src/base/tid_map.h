#pragma once
// Thread id -> index. Open addressing, no removal; one look-up per context switch is the hottest
// thing the analyses do, so it must be one cache line.
//
// Requires tid >= 0. Threads: none inside.

#include <cstddef>
#include <cstdint>
#include <vector>

namespace vs {

class TidMap {
 public:
  static constexpr std::uint32_t kNone = 0xffffffffU;

  [[nodiscard]] std::uint32_t find(std::int32_t tid) const noexcept {
    for (std::size_t at = home(tid);; at = (at + 1) & (slots_.size() - 1)) {
      if (slots_[at].tid == tid) return slots_[at].index;
      if (slots_[at].tid < 0) return kNone;
    }
  }

  /// Requires that `tid` is not in the map.
  void insert(std::int32_t tid, std::uint32_t index) {
    if ((count_ + 1) * 2 > slots_.size()) grow();
    place({tid, index});
    ++count_;
  }

 private:
  struct Slot {
    std::int32_t tid = -1;
    std::uint32_t index = kNone;
  };

  [[nodiscard]] std::size_t home(std::int32_t tid) const noexcept {
    constexpr std::uint64_t kGolden = 0x9e3779b97f4a7c15;
    return static_cast<std::size_t>((static_cast<std::uint64_t>(tid) * kGolden) >> shift_);
  }
  void place(Slot slot) {
    std::size_t at = home(slot.tid);
    while (slots_[at].tid >= 0) at = (at + 1) & (slots_.size() - 1);
    slots_[at] = slot;
  }
  void grow() {
    std::vector<Slot> old(slots_.size() * 2);
    old.swap(slots_);
    --shift_;
    for (const Slot& slot : old) {
      if (slot.tid >= 0) place(slot);
    }
  }

  static constexpr unsigned kFirstBits = 8;
  std::vector<Slot> slots_ = std::vector<Slot>(std::size_t{1} << kFirstBits);
  unsigned shift_ = 64 - kFirstBits;
  std::size_t count_ = 0;
};

}  // namespace vs
