#pragma once
// A bounded cache of immutable things by number, least recently used first out.
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

template <typename T>
class Cache {
 public:
  explicit Cache(std::size_t bytes) : limit_(bytes / kShards) {}

  [[nodiscard]] std::shared_ptr<const T> find(std::uint32_t key) {
    Shard& shard = shards_[key % kShards];
    const std::lock_guard lock(shard.mutex);
    const auto found = shard.places.find(key);
    if (found == shard.places.end()) return nullptr;
    shard.used.splice(shard.used.begin(), shard.used, found->second);
    return found->second->thing;
  }

  void put(std::uint32_t key, std::shared_ptr<const T> thing) {
    Shard& shard = shards_[key % kShards];
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
    std::uint32_t key;
    std::size_t bytes;
    std::shared_ptr<const T> thing;
  };
  struct Shard {
    std::mutex mutex;
    std::list<Item> used;  ///< most recent first
    std::unordered_map<std::uint32_t, typename std::list<Item>::iterator> places;
    std::size_t bytes = 0;
  };
  std::array<Shard, kShards> shards_;
  const std::size_t limit_;
};

}  // namespace vs::history
