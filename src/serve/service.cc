#include "serve/service.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "os/memory.h"
#include "serve/covers.h"
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

void Service::show(std::shared_ptr<const Shown> shown) const {
  const std::scoped_lock lock(mutex_);
  shown_ = std::move(shown);
}

Status Service::read() {
  if (sources_.glance) {
    if (auto glance = sources_.glance()) {
      summary_.store(glance->summary);
      const std::scoped_lock lock(mutex_);
      marks_ = std::make_shared<const Marks>(std::move(glance->marks));
    }
  }
  if (!sources_.read) return {};
  VS_ASSIGN(const query::ExperimentSummary* const whole, sources_.read());
  summary_.store(whole);
  take_marks();
  return {};
}

Status Service::read_and_analyse() {
  VS_TRY(read());
  analysing_.store(true);
  const Status analysed = sources_.analyse();
  analysing_.store(false);
  VS_TRY(analysed);
  take_marks();
  VS_ASSIGN(auto views, Views::build(summary(), sources_.source));
  auto whole = std::make_shared<Shown>(std::move(views), sources_.source);
  const std::scoped_lock no_part_after_it(part_mutex_);
  whole->number = parts_ + 1;
  views_.store(&whole->views);
  show(std::move(whole));
  return {};
}

std::shared_ptr<const Shown> Service::shown() const {
  if (analysing_.load()) look_for_part();
  const std::scoped_lock lock(mutex_);
  return shown_;
}

// One of those who ask at the same time does it; the others see what there was before.
void Service::look_for_part() const {
  const std::unique_lock<std::mutex> turn(part_mutex_, std::try_to_lock);
  if (!sources_.part || !turn.owns_lock() || !analysing_.load()) return;
  const auto now = std::chrono::steady_clock::now();
  if (now - looked_ < (parts_ == 0 ? limits::kFirstPart : limits::kPartAge)) return;
  looked_ = now;
  (void)show_part();  // a part that cannot be read is not missed: the whole comes
}

Status Service::show_part() const {
  VS_ASSIGN(auto part, sources_.part());
  if (!part) return {};
  VS_ASSIGN(auto views, Views::build(summary(), *part->source, Extent::kPart, part->open));
  auto shown = std::make_shared<Shown>(std::move(views), *part->source);
  shown->complete = false;
  shown->until = std::clamp(part->until, begin(), end());
  shown->number = ++parts_;
  shown->owned = std::move(part->source);
  show(std::move(shown));
  return {};
}

void Service::run() {
  const Status status = read_and_analyse();
  os::return_free_memory();  // the server goes on for long, and needs little of what that needed
  {
    const std::scoped_lock no_part_after_it(part_mutex_);
    if (!status.ok()) show(nullptr);
  }
  {
    const std::scoped_lock lock(mutex_);
    progress_.state = status.ok() ? RunState::kCompleted : RunState::kFailed;
    progress_.done = status.ok() ? 1 : progress_.done;
    progress_.message = status.ok() ? "" : status.error().to_string();
  }
  if (status.ok()) make_sums(*views());
}

void Service::make_sums(const Views& views) {
  auto wanted = series_sums(views.history());
  for (WantedSum& sum : cover_sums(views.history())) wanted.push_back(std::move(sum));
  auto made = Sums::build(views.history(), std::move(wanted), &stopping_);
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
