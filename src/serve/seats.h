#pragma once
// Seats: data sources that tell the same, each of them one thread's at a time, so that a query does
// not wait for another one.
//
// Ownership: borrows the first source, which must outlive it; owns those that it makes. A Seat must
// not outlive the Seats. Threads: every method from any.

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "query/data_source.h"

namespace vs::serve {

/// Waits until nobody else has the mutex; nothing when `cancel` was set meanwhile.
[[nodiscard]] std::optional<std::unique_lock<std::mutex>> wait_for(std::mutex& mutex,
                                                                   const std::atomic<bool>* cancel);

/// The data source for one thread.
class Seat {
 public:
  Seat(std::unique_lock<std::mutex> lock, const query::DataSource& source)
      : lock_(std::move(lock)), source_(source) {}
  [[nodiscard]] const query::DataSource& source() const { return source_; }

 private:
  std::unique_lock<std::mutex> lock_;
  const query::DataSource& source_;
};

class Seats {
 public:
  explicit Seats(const query::DataSource& first) { all_.emplace_back(first, nullptr); }

  /// A free one; where there is none and fewer than limits::kQueries, another that is made now.
  /// Else waits for one; nothing when `cancel` was set meanwhile.
  [[nodiscard]] std::optional<Seat> take(const std::atomic<bool>* cancel);

 private:
  struct One {
    One(const query::DataSource& its_source, std::shared_ptr<const query::DataSource> its_own)
        : source(its_source), owned(std::move(its_own)) {}
    const query::DataSource& source;
    const std::shared_ptr<const query::DataSource> owned;  ///< the first is somebody else's
    std::mutex turn;
  };

  [[nodiscard]] std::optional<Seat> try_take();

  std::mutex mutex_;     // guards the list
  std::deque<One> all_;  // places stay
};

}  // namespace vs::serve
