#pragma once
// Two plain layouts of state intervals in memory, the least that a history can cost.
//
//   PackedStore  by attribute blocks of up to 256 intervals: varint duration and value byte; an
//                index of the blocks' starts
//   SlabStore    the time line cut every 65,536 closed intervals; in a slab the intervals lie
//                attribute by attribute (u32 end relative to the slab, value byte), with offset,
//                start of the first, and the next slab that has any, per attribute
//
// Times are i64, ends inclusive. Intervals come in the order of their ends; those of one attribute
// are contiguous.

#include <algorithm>
#include <cstdint>
#include <vector>

namespace vs::bench {

struct IntervalRecord {
  std::int64_t start, end;
  std::int32_t attribute, value;
};
struct IntervalHeader {
  char magic[4];
  std::uint32_t attributes;
  std::uint64_t intervals;
  std::int64_t start, end;
};

struct Hit {
  std::int64_t start, end;
  std::int32_t value;
};
inline constexpr Hit kNoHit{-1, -1, 0};
inline constexpr std::uint8_t kNoValue = 255;

inline std::uint8_t packed_value(std::int32_t value) {
  return value == INT32_MIN ? kNoValue : static_cast<std::uint8_t>(value);
}
inline std::int32_t unpacked_value(std::uint8_t value) {
  return value == kNoValue ? INT32_MIN : value;
}

class PackedStore {
 public:
  PackedStore(std::uint32_t attributes, std::int64_t start)
      : blocks_(attributes), bytes_(attributes), last_(attributes, start - 1) {}

  void add(const IntervalRecord& record) {
    const auto a = static_cast<std::size_t>(record.attribute);
    std::vector<std::uint8_t>& bytes = bytes_[a];
    if (blocks_[a].empty() || blocks_[a].back().count == kBlock) {
      blocks_[a].push_back({last_[a] + 1, static_cast<std::uint32_t>(bytes.size()), 0});
    }
    ++blocks_[a].back().count;
    auto duration = static_cast<std::uint64_t>(record.end - last_[a]);
    last_[a] = record.end;
    std::uint8_t out[11];
    int size = 0;
    for (; duration >= 128; duration >>= 7) {
      out[size++] = static_cast<std::uint8_t>(duration | 128);
    }
    out[size++] = static_cast<std::uint8_t>(duration);
    out[size++] = packed_value(record.value);
    bytes.insert(bytes.end(), out, out + size);
  }
  void finish() {}
  [[nodiscard]] std::size_t bytes() const {
    std::size_t out = 0;
    for (std::size_t a = 0; a < bytes_.size(); ++a) {
      out += bytes_[a].size() + blocks_[a].size() * sizeof(Block);
    }
    return out;
  }

 private:
  static constexpr std::uint32_t kBlock = 256;
  struct Block {
    std::int64_t start;
    std::uint32_t offset, count;
  };
  std::vector<std::vector<Block>> blocks_;
  std::vector<std::vector<std::uint8_t>> bytes_;
  std::vector<std::int64_t> last_;
};

class SlabStore {
 public:
  SlabStore(std::uint32_t attributes, std::int64_t start)
      : attributes_(attributes), last_end_(attributes, start - 1) {
    pending_.reserve(kSlab);
  }

  void add(const IntervalRecord& record) {
    pending_.push_back(record);
    if (pending_.size() == kSlab) seal();
  }
  void finish();
  [[nodiscard]] std::size_t bytes() const {
    std::size_t out = 0;
    for (const Slab& slab : slabs_) out += slab.ends.size() * 5 + std::size_t{attributes_} * 16;
    return out;
  }

  [[nodiscard]] std::size_t slab_of(std::int64_t time) const {
    const auto at =
        std::lower_bound(slabs_.begin(), slabs_.end(), time,
                         [](const Slab& slab, std::int64_t wanted) { return slab.last < wanted; });
    return static_cast<std::size_t>(at - slabs_.begin());
  }
  /// The interval of an attribute at a time that lies in slab `s`.
  [[nodiscard]] Hit at(std::size_t s, std::uint32_t attribute, std::int64_t time) const;
  /// Hands each interval that holds at one of the (sorted) times to `sink`, once.
  template <typename Sink>
  void row(std::uint32_t attribute, const std::vector<std::int64_t>& times, Sink sink) const;

 private:
  static constexpr std::size_t kSlab = 65536;
  static constexpr std::uint32_t kNone = ~0U;
  struct Slab {
    std::int64_t base = 0;
    std::int64_t last = 0;
    std::vector<std::uint32_t> offset, next;  ///< by attribute
    std::vector<std::int64_t> start;          ///< by attribute
    std::vector<std::uint32_t> ends;          ///< by interval, relative to base
    std::vector<std::uint8_t> values;         ///< by interval
  };

  void seal();
  [[nodiscard]] static Hit hit(const Slab& slab, std::uint32_t attribute, std::uint32_t index) {
    const std::int64_t start = index > slab.offset[attribute] ? slab.base + slab.ends[index - 1] + 1
                                                              : slab.start[attribute];
    return {start, slab.base + slab.ends[index], unpacked_value(slab.values[index])};
  }
  /// The first interval in `slab` that ends at `time` or later; the slab's end where none does.
  [[nodiscard]] static std::uint32_t find(const Slab& slab, std::uint32_t attribute,
                                          std::int64_t time) {
    const auto begin = slab.ends.begin() + slab.offset[attribute];
    const auto end = slab.ends.begin() + slab.offset[attribute + 1];
    const auto wanted = time <= slab.base ? 0U : static_cast<std::uint32_t>(time - slab.base);
    return static_cast<std::uint32_t>(std::lower_bound(begin, end, wanted) - slab.ends.begin());
  }

  std::uint32_t attributes_;
  std::vector<Slab> slabs_;
  std::vector<IntervalRecord> pending_;
  std::vector<std::int64_t> last_end_;
};

inline Hit SlabStore::at(std::size_t s, std::uint32_t attribute, std::int64_t time) const {
  if (s >= slabs_.size()) return kNoHit;
  const Slab& slab = slabs_[s];
  const std::uint32_t index = find(slab, attribute, time);
  if (index < slab.offset[attribute + 1]) return hit(slab, attribute, index);
  const std::uint32_t next = slab.next[attribute];
  return next == kNone ? kNoHit : hit(slabs_[next], attribute, slabs_[next].offset[attribute]);
}

template <typename Sink>
void SlabStore::row(std::uint32_t attribute, const std::vector<std::int64_t>& times,
                    Sink sink) const {
  std::size_t i = 0;
  std::size_t s = slab_of(times[0]);
  while (i < times.size() && s < slabs_.size()) {
    const Slab& slab = slabs_[s];
    const std::uint32_t end = slab.offset[attribute + 1];
    for (std::uint32_t k = find(slab, attribute, times[i]); k < end && i < times.size(); ++k) {
      const Hit found = hit(slab, attribute, k);
      if (found.end < times[i]) continue;
      sink(found);
      while (i < times.size() && times[i] <= found.end) ++i;
      if (i < times.size() && times[i] > slab.last) break;
    }
    if (i == times.size()) return;
    if (times[i] > slab.last) {
      s = slab_of(times[i]);
      continue;
    }
    // The interval that holds here closes in a later slab.
    const std::uint32_t next = slab.next[attribute];
    if (next == kNone) return;
    const Hit found = hit(slabs_[next], attribute, slabs_[next].offset[attribute]);
    sink(found);
    while (i < times.size() && times[i] <= found.end) ++i;
    if (i < times.size()) s = slab_of(times[i]);
  }
}

}  // namespace vs::bench
