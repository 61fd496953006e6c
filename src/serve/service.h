#pragma once
// Service: the opened experiment that a server shows. It is read and analysed in a thread of its
// own; until that has ended there is only the summary, at first of what the traces' headers tell.
// Then the sums are made, which make series of long windows fast; they are right without them.
// Shared by the page API and by TSP.
//
// Ownership: borrows the summary, the source and what `analyse` needs; all must outlive it. Owns
// the thread (joined by the destructor, after asking it to stop) and the views. Threads: every
// method from any thread. The data source is one thread's at a time: hold a Lock while using it.
// Views and history may be read by several threads without it.

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/result.h"
#include "query/data_source.h"
#include "query/summary.h"
#include "serve/views.h"

namespace vs::serve {

enum class RunState : std::uint8_t { kRunning, kCompleted, kFailed };
[[nodiscard]] std::string_view name_of(RunState state);  ///< "RUNNING", "COMPLETED", "FAILED"

struct Progress {
  RunState state = RunState::kRunning;
  double done = 0;  ///< of the phase, 0..1
  std::uint64_t done_bytes = 0;
  std::uint64_t total_bytes = 0;  ///< 0: not known
  std::string message;            ///< phase, or what failed

  /// For people: the message, and while something runs how far it is.
  [[nodiscard]] std::string text() const;
};

struct Bookmark {
  std::uint64_t id = 0;
  std::string name;
  HostTime from;
  HostTime to;
  std::string colour;
  std::string view;
  std::optional<std::int32_t> row;
  std::string note;
};

class Service {
 public:
  struct Sources {
    const query::ExperimentSummary& summary;  ///< where there is `read`, of the headers
    const query::DataSource& source;          ///< complete after `analyse`
    std::function<Status()> analyse;          ///< called once, from the service's thread
    std::function<void()> stop;  ///< makes what runs end soon; any thread; may be empty
    std::string command;         ///< "virtscope serve ..." as typed, for the page
    /// Called once before `analyse`: finds machines, clocks and event counts; gives the whole
    /// summary. Empty: `summary` is whole, and the source has its small tables.
    std::function<Result<const query::ExperimentSummary*>()> read = {};
  };

  explicit Service(Sources sources);
  ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  /// Starts the analysis; once.
  void start();
  /// Told by the analysis as it goes.
  void tell_progress(std::uint64_t done, std::uint64_t total, std::string_view phase);
  /// Makes analysis and sums end soon; any thread.
  void stop();
  /// Waits until analysis and sums have ended; for tests and commands.
  void wait();

  [[nodiscard]] Progress progress() const;
  /// What it gave before stays valid when there is more.
  [[nodiscard]] const query::ExperimentSummary& summary() const { return *summary_.load(); }
  [[nodiscard]] const std::string& command() const { return sources_.command; }
  /// First and last event of all traces; {0, 0} without events, or when they are not known yet.
  [[nodiscard]] HostTime begin() const;
  [[nodiscard]] HostTime end() const;

  /// Lost events and clocks, as far as they are known. There without waiting for a turn.
  struct Marks {
    model::SmallTable losses;
    model::SmallTable clocks;
  };
  [[nodiscard]] std::shared_ptr<const Marks> marks() const;

  /// nullptr until the analysis has completed; then the same for as long as the service lives.
  [[nodiscard]] const Views* views() const;

  /// The data source for one thread. Requires views() != nullptr.
  class Lock {
   public:
    [[nodiscard]] const query::DataSource& source() const { return source_; }

   private:
    friend class Service;
    Lock(std::unique_lock<std::mutex> lock, const query::DataSource& source)
        : lock_(std::move(lock)), source_(source) {}
    std::unique_lock<std::mutex> lock_;
    const query::DataSource& source_;
  };
  /// Waits for its turn; nothing when `cancel` was set meanwhile.
  [[nodiscard]] std::optional<Lock> lock(const std::atomic<bool>* cancel) const;

  // Bookmarks live as long as the server.
  [[nodiscard]] std::vector<Bookmark> bookmarks() const;
  /// Gives it an id; nothing when there are limits::kBookmarks of them.
  [[nodiscard]] std::optional<Bookmark> add_bookmark(Bookmark bookmark);
  [[nodiscard]] std::optional<Bookmark> change_bookmark(const Bookmark& bookmark);
  [[nodiscard]] bool remove_bookmark(std::uint64_t id);

 private:
  void run();
  Status read_and_analyse();
  void make_sums(const Views& views);
  void take_marks();

  const Sources sources_;
  std::atomic<const query::ExperimentSummary*> summary_;
  mutable std::mutex source_mutex_;
  mutable std::mutex mutex_;  // guards all below but views_
  Progress progress_;
  std::shared_ptr<const Marks> marks_;
  std::vector<Bookmark> bookmarks_;
  std::uint64_t next_bookmark_ = 1;
  std::atomic<bool> stopping_{false};
  std::unique_ptr<const Views> owned_views_;
  std::optional<const Sums> sums_;
  std::atomic<const Views*> views_{nullptr};
  std::thread thread_;
};

}  // namespace vs::serve
