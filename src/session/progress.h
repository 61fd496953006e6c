#pragma once
// Progress and cancellation of long work, shared by the passes.
//
// Threads: add() and cancelled() may be called from any thread.

#include <atomic>
#include <cstdint>
#include <functional>
#include <string_view>

#include "base/result.h"

namespace vs::session {

/// Told at most a few times a second per thread; called from worker threads, one at a time per
/// phase step: the callee locks what it shares.
using ProgressCallback = std::function<void(std::string_view phase, std::uint64_t done_bytes,
                                            std::uint64_t total_bytes)>;

class Progress {
 public:
  Progress() = default;
  Progress(ProgressCallback callback, const std::atomic<bool>* cancel)
      : callback_(std::move(callback)), cancel_(cancel) {}

  void begin(std::string_view phase, std::uint64_t total_bytes) {
    phase_ = phase;
    total_bytes_ = total_bytes;
    done_bytes_ = 0;
    tell();
  }
  void add(std::uint64_t bytes) {
    done_bytes_ += bytes;
    tell();
  }
  [[nodiscard]] bool cancelled() const {
    return cancel_ != nullptr && cancel_->load(std::memory_order_relaxed);
  }
  [[nodiscard]] static Error cancel_error() {
    return Error{ErrorCode::kCancelled, "stopped on request", "", ""};
  }

 private:
  void tell() const {
    if (callback_) callback_(phase_, done_bytes_.load(), total_bytes_);
  }

  ProgressCallback callback_;
  const std::atomic<bool>* cancel_ = nullptr;
  std::string_view phase_;
  std::uint64_t total_bytes_ = 0;
  std::atomic<std::uint64_t> done_bytes_ = 0;
};

}  // namespace vs::session
