#pragma once
// A bounded cache of immutable things by number, least recently used first out. One budget for all
// sorts of things: which of them a history needs most differs from file to file.
//
// Threads: any; each shard has its own lock. Things are shared: one that is thrown out lives on as
// long as somebody holds it.

#include <array>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>

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
  explicit Cache(std::size_t bytes) : limit_(bytes / kShards) {}

  /// The thing that was put under the key; nullptr when it is not here (any more). The caller keeps
  /// one type of thing under one key.
  template <typename T>
  [[nodiscard]] std::shared_ptr<const T> find(std::uint64_t key) {
    Shard& shard = shard_of(key);
    const std::lock_guard lock(shard.mutex);
    const auto found = shard.places.find(key);
    if (found == shard.places.end()) return nullptr;
    shard.used.splice(shard.used.begin(), shard.used, found->second);
    return std::static_pointer_cast<const T>(found->second->thing);
  }

  void put(std::uint64_t key, std::shared_ptr<const Cached> thing) {
    Shard& shard = shard_of(key);
    const std::lock_guard lock(shard.mutex);
    if (shard.places.contains(key)) return;  // another thread was faster
    const std::size_t bytes = thing->memory_bytes();
    shard.used.push_front(Item{key, bytes, std::move(thing)});
    shard.places.emplace(key, shard.used.begin());
    shard.bytes += bytes;
    while (shard.bytes > limit_ && shard.used.size() > 1) {
      shard.bytes -= shard.used.back().bytes;
      shard.places.erase(shard.used.back().key);
      shard.used.pop_back();
    }
  }

 private:
  static constexpr std::size_t kShards = 8;
  struct Item {
    std::uint64_t key;
    std::size_t bytes;
    std::shared_ptr<const Cached> thing;
  };
  struct Shard {
    std::mutex mutex;
    std::list<Item> used;  ///< most recent first
    std::unordered_map<std::uint64_t, std::list<Item>::iterator> places;
    std::size_t bytes = 0;
  };
  // Keys have patterns (every second piece is a summary), so the shard is taken from a product.
  [[nodiscard]] Shard& shard_of(std::uint64_t key) {
    return shards_[(key * 0x9e3779b97f4a7c15ULL) >> 61];
  }
  static_assert(kShards == 8);
  std::array<Shard, kShards> shards_;
  const std::size_t limit_;
};

}  // namespace vs::history
