#include "serve/seats.h"

#include <chrono>
#include <thread>

#include "serve/limits.h"

namespace vs::serve {
namespace {

constexpr std::chrono::milliseconds kLookAgain{1};

bool is_set(const std::atomic<bool>* cancel) { return cancel != nullptr && cancel->load(); }

}  // namespace

std::optional<std::unique_lock<std::mutex>> wait_for(std::mutex& mutex,
                                                     const std::atomic<bool>* cancel) {
  std::unique_lock<std::mutex> lock(mutex, std::defer_lock);
  while (!lock.try_lock()) {
    if (is_set(cancel)) return std::nullopt;
    std::this_thread::sleep_for(kLookAgain);
  }
  return lock;
}

std::optional<Seat> Seats::try_take() {
  const std::scoped_lock lock(mutex_);
  for (One& one : all_) {
    std::unique_lock<std::mutex> turn(one.turn, std::try_to_lock);
    if (turn.owns_lock()) return Seat(std::move(turn), one.source);
  }
  if (all_.size() >= limits::kQueries) return std::nullopt;
  auto made = all_.front().source.another();
  if (made == nullptr) return std::nullopt;
  const query::DataSource& source = *made;
  One& one = all_.emplace_back(source, std::move(made));
  // Nobody else knows of it, so this does not fail. It must not wait, either: who has a seat may
  // take another one, and so the two mutexes have no order.
  return Seat(std::unique_lock<std::mutex>(one.turn, std::try_to_lock), source);
}

std::optional<Seat> Seats::take(const std::atomic<bool>* cancel) {
  while (true) {
    auto seat = try_take();
    if (seat || is_set(cancel)) return seat;
    std::this_thread::sleep_for(kLookAgain);
  }
}

}  // namespace vs::serve
