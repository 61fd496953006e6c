#include "serve/service.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "os/memory.h"
#include "serve/limits.h"
#include "serve/series.h"

namespace vs::serve {

std::string_view name_of(RunState state) {
  constexpr std::string_view kNames[] = {"RUNNING", "COMPLETED", "FAILED"};
  return kNames[static_cast<std::size_t>(state)];
}

std::string Progress::text() const {
  constexpr std::uint64_t kMegabyte = 1'000'000;
  if (state != RunState::kRunning || total_bytes == 0) return message;
  return fmt::format("{}, {} of {} MB", message, done_bytes / kMegabyte,
                     (total_bytes + kMegabyte - 1) / kMegabyte);
}

Service::Service(Sources sources)
    : sources_(std::move(sources)),
      summary_(&sources_.summary),
      marks_(std::make_shared<const Marks>()) {
  if (!sources_.read) take_marks();
}

Service::~Service() {
  stop();
  wait();
}

void Service::stop() {
  stopping_ = true;
  if (sources_.stop) sources_.stop();
}

void Service::start() {
  thread_ = std::thread([this] { run(); });
}

void Service::wait() {
  if (thread_.joinable()) thread_.join();
}

// Copied, because the source is one thread's at a time, and a query may have it for long.
void Service::take_marks() {
  auto marks = std::make_shared<Marks>();
  marks->losses = sources_.source.small(model::TableId::kLoss);
  marks->clocks = sources_.source.small(model::TableId::kClockSync);
  const std::scoped_lock lock(mutex_);
  marks_ = std::move(marks);
}

std::shared_ptr<const Service::Marks> Service::marks() const {
  const std::scoped_lock lock(mutex_);
  return marks_;
}

Status Service::read_and_analyse() {
  if (sources_.read) {
    VS_ASSIGN(const query::ExperimentSummary* const whole, sources_.read());
    summary_.store(whole);
    take_marks();
  }
  VS_TRY(sources_.analyse());
  take_marks();
  VS_ASSIGN(auto views, Views::build(summary(), sources_.source));
  owned_views_ = std::make_unique<const Views>(std::move(views));
  views_.store(owned_views_.get());
  return {};
}

void Service::run() {
  const Status status = read_and_analyse();
  os::return_free_memory();  // the server goes on for long, and needs little of what that needed
  {
    const std::scoped_lock lock(mutex_);
    progress_.state = status.ok() ? RunState::kCompleted : RunState::kFailed;
    progress_.done = status.ok() ? 1 : progress_.done;
    progress_.message = status.ok() ? "" : status.error().to_string();
  }
  if (status.ok()) make_sums(*owned_views_);
}

void Service::make_sums(const Views& views) {
  auto made = Sums::build(views.history(), series_sums(views.history()), &stopping_);
  if (!made.ok()) return;  // stopped, or rows that answers about them will complain of
  sums_.emplace(std::move(*made));
  views.use(*sums_);
}

void Service::tell_progress(std::uint64_t done, std::uint64_t total, std::string_view phase) {
  const std::scoped_lock lock(mutex_);
  if (progress_.state != RunState::kRunning) return;
  progress_.message = phase;
  progress_.done_bytes = done;
  progress_.total_bytes = total;
  if (total != 0) {
    progress_.done = std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
  }
}

Progress Service::progress() const {
  const std::scoped_lock lock(mutex_);
  return progress_;
}

HostTime Service::begin() const { return summary().begin().value_or(HostTime{0}); }
HostTime Service::end() const { return summary().end().value_or(HostTime{0}); }

const Views* Service::views() const { return views_.load(); }

std::optional<Service::Lock> Service::lock(const std::atomic<bool>* cancel) const {
  std::unique_lock<std::mutex> lock(source_mutex_, std::defer_lock);
  while (!lock.try_lock()) {
    if (cancel != nullptr && cancel->load()) return std::nullopt;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return Lock(std::move(lock), sources_.source);
}

std::vector<Bookmark> Service::bookmarks() const {
  const std::scoped_lock lock(mutex_);
  return bookmarks_;
}

std::optional<Bookmark> Service::add_bookmark(Bookmark bookmark) {
  const std::scoped_lock lock(mutex_);
  if (bookmarks_.size() >= limits::kBookmarks) return std::nullopt;
  bookmark.id = next_bookmark_++;
  bookmarks_.push_back(bookmark);
  return bookmark;
}

std::optional<Bookmark> Service::change_bookmark(const Bookmark& bookmark) {
  const std::scoped_lock lock(mutex_);
  for (Bookmark& mine : bookmarks_) {
    if (mine.id == bookmark.id) return mine = bookmark;
  }
  return std::nullopt;
}

bool Service::remove_bookmark(std::uint64_t id) {
  const std::scoped_lock lock(mutex_);
  return std::erase_if(bookmarks_, [id](const Bookmark& mine) { return mine.id == id; }) != 0;
}

}  // namespace vs::serve
