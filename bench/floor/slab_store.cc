#include "floor/slab_store.h"

namespace vs::bench {

void SlabStore::seal() {
  if (pending_.empty()) return;
  Slab slab;
  slab.base = pending_.front().end;
  slab.last = pending_.back().end;
  slab.offset.assign(attributes_ + 1, 0);
  slab.start.resize(attributes_);
  slab.ends.resize(pending_.size());
  slab.values.resize(pending_.size());
  for (const IntervalRecord& record : pending_) {
    ++slab.offset[static_cast<std::size_t>(record.attribute) + 1];
  }
  for (std::uint32_t a = 0; a < attributes_; ++a) {
    slab.offset[a + 1] += slab.offset[a];
    slab.start[a] = last_end_[a] + 1;
  }
  std::vector<std::uint32_t> position(slab.offset.begin(), slab.offset.end() - 1);
  for (const IntervalRecord& record : pending_) {
    const auto a = static_cast<std::size_t>(record.attribute);
    const std::uint32_t index = position[a]++;
    slab.ends[index] = static_cast<std::uint32_t>(record.end - slab.base);
    slab.values[index] = packed_value(record.value);
    last_end_[a] = record.end;
  }
  slabs_.push_back(std::move(slab));
  pending_.clear();
}

void SlabStore::finish() {
  seal();
  std::vector<std::uint32_t> next(attributes_, kNone);
  for (std::size_t i = slabs_.size(); i-- > 0;) {
    slabs_[i].next = next;
    for (std::uint32_t a = 0; a < attributes_; ++a) {
      if (slabs_[i].offset[a + 1] > slabs_[i].offset[a]) next[a] = static_cast<std::uint32_t>(i);
    }
  }
}

}  // namespace vs::bench
