#include "cli/progress.h"

#include <algorithm>
#include <ostream>
#include <utility>

#include <fmt/format.h>

#include "report/text.h"

namespace vs::cli {
namespace {
using namespace std::chrono_literals;
constexpr auto kPatience = 1s;  // shorter work shows nothing
constexpr auto kRedraw = 100ms;
constexpr std::size_t kBar = 24;
constexpr std::string_view kClearLine = "\r\x1b[K";
}  // namespace

Progress::Clock steady_clock() {
  return [] {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(
        std::chrono::steady_clock::now().time_since_epoch());
  };
}

Progress::Progress(std::ostream& err, bool enabled, Clock clock)
    : err_(err),
      enabled_(enabled),
      clock_(std::move(clock)),
      started_(clock_()),
      phase_started_(started_) {}

std::string Progress::line(std::uint64_t done_bytes, std::uint64_t total_bytes,
                           std::string_view phase, std::chrono::nanoseconds now) const {
  if (total_bytes == 0) {
    return fmt::format("{}  {}", phase, report::bytes_text(done_bytes));
  }
  const double share =
      std::min(1.0, static_cast<double>(done_bytes) / static_cast<double>(total_bytes));
  std::string text = fmt::format(
      "{}  {} {:3.0f} %  {} of {}", phase, report::pad_right(report::plain_bar(share, kBar), kBar),
      100 * share, report::bytes_text(done_bytes), report::bytes_text(total_bytes));
  if (share > 0.02 && share < 1) {
    const double elapsed = std::chrono::duration<double>(now - phase_started_).count();
    text += fmt::format("  {:.0f} s left", elapsed / share * (1 - share));
  }
  return text;
}

void Progress::update(std::uint64_t done_bytes, std::uint64_t total_bytes, std::string_view phase) {
  const std::lock_guard lock(mutex_);
  if (listener_) listener_(done_bytes, total_bytes, phase);
  if (!enabled_) return;
  const auto now = clock_();
  if (phase != phase_) {
    phase_ = phase;
    phase_started_ = now;
  }
  if (now - started_ < kPatience || (visible_ && now - drawn_ < kRedraw)) return;
  drawn_ = now;
  visible_ = true;
  err_ << kClearLine << line(done_bytes, total_bytes, phase, now) << std::flush;
}

void Progress::listen(Listener listener) {
  const std::lock_guard lock(mutex_);
  listener_ = std::move(listener);
}

void Progress::finish() {
  const std::lock_guard lock(mutex_);
  if (!visible_) return;
  err_ << kClearLine << std::flush;
  visible_ = false;
}

}  // namespace vs::cli
