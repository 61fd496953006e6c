#include "session/merge_ahead.h"

#include <utility>

namespace vs::session {

MergeAhead::MergeAhead(merge::Merger& merger) : merger_(merger) {
  for (Slot& slot : slots_) {
    slot.items.reserve(kBatchEvents);
    slot.events.reserve(kBatchEvents);
  }
  thread_ = std::jthread([this] { work(); });
}

MergeAhead::~MergeAhead() {
  const std::lock_guard lock(mutex_);
  stop_ = true;
  room_there_.notify_all();
}

Result<MergeAhead::Batch> MergeAhead::next() {
  if (ended_) {
    VS_TRY(Status(slots_[taken_].status));
    return Batch{{}, slots_[taken_].bytes_done};
  }
  std::unique_lock lock(mutex_);
  if (std::exchange(has_slot_, true)) {
    --full_;
    taken_ = (taken_ + 1) % kBatches;
    if (thread_sleeps_ && full_ <= kBatches / 2) room_there_.notify_one();
  }
  batch_there_.wait(lock, [this] { return full_ > 0; });
  const Slot& slot = slots_[taken_];
  ended_ = slot.last;
  if (slot.items.empty()) VS_TRY(Status(slot.status));
  return Batch{slot.items, slot.bytes_done};
}

void MergeAhead::work() {
  std::size_t at = 0;
  for (bool last = false; !last; at = (at + 1) % kBatches) {
    fill(slots_[at]);
    last = slots_[at].last;
    std::unique_lock lock(mutex_);
    ++full_;
    batch_there_.notify_one();
    if (!stop_ && full_ < kBatches) continue;
    thread_sleeps_ = true;
    room_there_.wait(lock, [this] { return stop_ || full_ <= kBatches / 2; });
    thread_sleeps_ = false;
    if (stop_) return;
  }
}

void MergeAhead::fill(Slot& slot) {
  slot.items.clear();
  slot.events.clear();
  for (;;) {
    if (rest_.empty()) {
      auto batch = merger_.next_batch();
      slot.status = batch.ok() ? Status() : Status(std::move(batch).error());
      slot.last = !slot.status.ok() || batch.value().empty();
      if (slot.last) break;
      rest_ = batch.value();
    }
    while (!rest_.empty() && slot.events.add(*rest_.front().event)) {
      slot.items.push_back(rest_.front());
      slot.items.back().event = &slot.events.events().back();
      rest_ = rest_.subspan(1);
    }
    if (!rest_.empty()) break;
  }
  slot.bytes_done = merger_.bytes_done();
}

}  // namespace vs::session
