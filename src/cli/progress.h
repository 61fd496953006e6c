#pragma once
// Progress: one line on stderr for anything that takes longer than a second.
//
//   analysing  ███████████▌          57 %  161 / 280 MB  2 s left
//
// Threads: update may be called from any thread; the rest from the owner's.

#include <chrono>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <mutex>
#include <string>
#include <string_view>

namespace vs::cli {

class Progress {
 public:
  using Clock = std::function<std::chrono::nanoseconds()>;

  /// `enabled` false: never prints. `clock` is monotonic; tests bring their own.
  Progress(std::ostream& err, bool enabled, Clock clock);
  ~Progress() { finish(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void update(std::uint64_t done_bytes, std::uint64_t total_bytes, std::string_view phase);
  /// Removes the line. Called before the answer is written.
  void finish();
  /// Tells another one too, from now on; for those who show progress elsewhere. Never from two
  /// threads at once.
  using Listener =
      std::function<void(std::uint64_t done, std::uint64_t total, std::string_view phase)>;
  void listen(Listener listener);

 private:
  [[nodiscard]] std::string line(std::uint64_t done_bytes, std::uint64_t total_bytes,
                                 std::string_view phase, std::chrono::nanoseconds now) const;

  std::ostream& err_;
  const bool enabled_;
  const Clock clock_;
  const std::chrono::nanoseconds started_;

  std::mutex mutex_;  // guards all below
  std::chrono::nanoseconds phase_started_;
  std::chrono::nanoseconds drawn_{0};
  std::string phase_;
  bool visible_ = false;
  Listener listener_;
};

[[nodiscard]] Progress::Clock steady_clock();

}  // namespace vs::cli
