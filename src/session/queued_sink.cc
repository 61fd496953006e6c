#include "session/queued_sink.h"

#include <utility>

namespace vs::session {

QueuedSink::QueuedSink(model::IntervalSink& target)
    : target_(target), spare_(kBatches), worker_([this] { work(); }) {}

QueuedSink::~QueuedSink() { (void)drain(); }

model::StringId QueuedSink::intern(std::string_view text) {
  if (const auto found = strings_.find(text); found != strings_.end()) return found->second;
  const auto id = static_cast<model::StringId>(strings_.size());
  strings_.emplace(text, id);
  Entry entry;
  entry.call = Call::kIntern;
  entry.number = static_cast<std::uint32_t>(text.size());
  open_.text += text;
  open_.entries.push_back(entry);
  return id;
}

model::EntityId QueuedSink::entity(model::TableId table, std::span<const std::int64_t> key) {
  std::vector<std::int64_t> whole{static_cast<std::int64_t>(table)};
  whole.insert(whole.end(), key.begin(), key.end());
  const auto next = static_cast<model::EntityId>(entities_.size());
  const auto [at, fresh] = entities_.try_emplace(std::move(whole), next);
  if (!fresh) return at->second;
  Entry entry;
  entry.call = Call::kEntity;
  entry.table = table;
  entry.count = static_cast<std::uint16_t>(key.size());
  open_.values.insert(open_.values.end(), key.begin(), key.end());
  open_.entries.push_back(entry);
  return next;
}

void QueuedSink::add(model::EntityId entity, HostTime begin, HostTime end,
                     std::span<const std::int64_t> values) {
  open_.entries.push_back({Call::kAdd, model::TableId::kCount,
                           static_cast<std::uint16_t>(values.size()), entity, begin, end});
  open_.values.insert(open_.values.end(), values.begin(), values.end());
  if (open_.entries.size() >= kBatchRows) push();
}

void QueuedSink::push() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !spare_.empty() || done_; });
  if (done_) return open_.clear();
  full_.push_back(std::exchange(open_, std::move(spare_.back())));
  spare_.pop_back();
  changed_.notify_all();
}

Status QueuedSink::drain() {
  if (!open_.entries.empty()) push();
  {
    const std::lock_guard lock(mutex_);
    done_ = true;
    changed_.notify_all();
  }
  if (worker_.joinable()) worker_.join();
  if (!faulty_) return {};
  return Error{ErrorCode::kInternal, "a sink gave an id out of order", "", ""};
}

void QueuedSink::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return !full_.empty() || done_; });
    if (full_.empty()) return;
    Batch batch = std::move(full_.front());
    full_.erase(full_.begin());
    const bool skip = faulty_;
    lock.unlock();
    const bool fine = skip || deliver(batch);
    batch.clear();
    lock.lock();
    faulty_ = faulty_ || !fine;
    spare_.push_back(std::move(batch));
    changed_.notify_all();
  }
}

bool QueuedSink::deliver(const Batch& batch) {
  const std::span<const std::int64_t> all = batch.values;
  std::size_t value = 0;
  std::size_t text = 0;
  bool fine = true;
  for (const Entry& entry : batch.entries) {
    const auto values = all.subspan(value, entry.count);
    value += entry.count;
    switch (entry.call) {
      case Call::kAdd:
        target_.add(entry.number, entry.begin, entry.end, values);
        break;
      case Call::kEntity:
        fine = target_.entity(entry.table, values) == next_entity_++ && fine;
        break;
      case Call::kIntern:
        fine = target_.intern(std::string_view(batch.text).substr(text, entry.number)) ==
                   next_string_++ &&
               fine;
        text += entry.number;
        break;
    }
  }
  return fine;
}

}  // namespace vs::session
