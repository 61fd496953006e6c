#pragma once
// QueuedSink: an IntervalSink that hands everything on to another one in a thread of its own, in
// the order of the calls, so that building states and writing the history go on at the same time.
//
// Ids are given here, as 0, 1, 2, ... in the order of first use, which is what IntervalSink
// promises of the target, too; an id that differs is a fault of ours and ends the hand-over
// (drain() tells). What the target gets is the same, call by call, as without the queue.
//
// Ownership: the target must outlive it and must not be used by others before drain() or the end.
// Threads: one caller. Memory: at most kBatches batches of kBatchRows rows; a caller that is faster
// waits.

#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "model/interval_sink.h"

namespace vs::session {

class QueuedSink final : public model::IntervalSink {
 public:
  static constexpr std::size_t kBatchRows = 8192;
  static constexpr std::size_t kBatches = 4;

  explicit QueuedSink(model::IntervalSink& target);
  ~QueuedSink() override;
  QueuedSink(const QueuedSink&) = delete;
  QueuedSink& operator=(const QueuedSink&) = delete;

  [[nodiscard]] model::StringId intern(std::string_view text) override;
  [[nodiscard]] model::EntityId entity(model::TableId table,
                                       std::span<const std::int64_t> key) override;
  void add(model::EntityId entity, HostTime begin, HostTime end,
           std::span<const std::int64_t> values) override;

  /// Hands everything on and ends the thread; calls after it have no effect.
  [[nodiscard]] Status drain();

 private:
  enum class Call : std::uint8_t { kAdd, kEntity, kIntern };
  struct Entry {
    Call call = Call::kAdd;
    model::TableId table = model::TableId::kCount;  ///< kEntity
    std::uint16_t count = 0;                        ///< values, or key parts
    std::uint32_t number = 0;                       ///< entity; kIntern: bytes of text
    HostTime begin;
    HostTime end;
  };
  struct Batch {
    std::vector<Entry> entries;
    std::vector<std::int64_t> values;
    std::string text;
    void clear() {
      entries.clear();
      values.clear();
      text.clear();
    }
  };
  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>{}(text);
    }
  };

  void push();
  void work();
  [[nodiscard]] bool deliver(const Batch& batch);

  model::IntervalSink& target_;
  std::unordered_map<std::string, model::StringId, TextHash, std::equal_to<>> strings_;
  std::map<std::vector<std::int64_t>, model::EntityId> entities_;  ///< by table and key
  Batch open_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Batch> full_;   ///< guarded by mutex_, oldest first
  std::vector<Batch> spare_;  ///< guarded by mutex_
  bool done_ = false;         ///< guarded by mutex_
  bool faulty_ = false;       ///< guarded by mutex_
  // of the worker
  model::StringId next_string_ = 0;
  model::EntityId next_entity_ = 0;
  std::jthread worker_;  // last: it uses the others
};

}  // namespace vs::session
