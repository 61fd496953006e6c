#pragma once
// Service: the opened experiment that a server shows. It is read and analysed in a thread of its
// own. Until its traces have been read there is only the summary, at first of what their headers
// tell, then of a glance at them; while they are analysed, the part that has been (Shown), which is
// looked for again when somebody asks and some time has passed; then all of it. At last the sums
// are made, which make series of long windows fast; they are right without them. Shared by the page
// API and by TSP.
//
// Ownership: borrows the summary, the source and what the functions need; all must outlive it. Owns
// the thread (joined by the destructor, after asking it to stop). Who holds a Shown may use it as
// long as the service lives. Threads: every method from any thread. A data source is one thread's
// at a time: take a Seat for it. Views and history may be read by several threads without one.

#include <atomic>
#include <chrono>
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
#include "serve/ran_on.h"
#include "serve/seats.h"
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

/// What can be shown at one time: all of the experiment, or a part of it.
struct Shown {
  Shown(Views its_views, const query::DataSource& source)
      : views(std::move(its_views)), seats(source) {}

  const Views views;
  mutable Seats seats;  ///< for those who read its data source
  bool complete = true;
  /// All machines have been analysed up to here; a row that ends earlier goes on in a way that is
  /// not known yet.
  HostTime until = kHostTimeMax;
  std::uint64_t number = 0;  ///< of the part, from 1; of the whole larger than that of any part
  std::shared_ptr<const query::DataSource> owned;  ///< of a part
};

class Service {
 public:
  /// Lost events and clocks, as far as they are known.
  struct Marks {
    model::SmallTable losses;
    model::SmallTable clocks;
  };
  /// A first look at traces that take long to read.
  struct Glance {
    const query::ExperimentSummary* summary = nullptr;
    Marks marks;
  };
  /// What has been analysed so far; with a history.
  struct Part {
    std::shared_ptr<const query::DataSource> source;
    HostTime until;
    std::vector<model::OpenRow> open = {};  ///< what goes on, as it was known a moment ago
  };
  struct Sources {
    const query::ExperimentSummary& summary;  ///< where there is `read`, of the headers
    const query::DataSource& source;          ///< complete after `analyse`
    std::function<Status()> analyse;          ///< called once, from the service's thread
    std::function<void()> stop;  ///< makes what runs end soon; any thread; may be empty
    std::string command;         ///< "virtscope serve ..." as typed, for the page
    /// Called once before `analyse`: finds machines, clocks and event counts; gives the whole
    /// summary. Empty: `summary` is whole, and the source has its small tables.
    std::function<Result<const query::ExperimentSummary*>()> read = {};
    /// Called once before `read`, and gives what can be had at once. May be empty.
    std::function<std::optional<Glance>()> glance = {};
    /// Called by one thread at a time while `analyse` runs: the part that came since the last call,
    /// which this call asks to be followed by another. May be empty.
    std::function<Result<std::optional<Part>>()> part = {};
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

  /// There without waiting for a turn.
  [[nodiscard]] std::shared_ptr<const Marks> marks() const;

  /// nullptr until something has been analysed, and when the analysis failed. Looks for a newer
  /// part when the last one is older than limits::kPartAge.
  [[nodiscard]] std::shared_ptr<const Shown> shown() const;
  /// nullptr until the analysis has completed; then the same for as long as the service lives.
  [[nodiscard]] const Views* views() const { return views_.load(); }

  /// Of what is shown, however much that is.
  [[nodiscard]] RanOn& ran_on() { return ran_on_; }

  // Bookmarks live as long as the server.
  [[nodiscard]] std::vector<Bookmark> bookmarks() const;
  /// Gives it an id; nothing when there are limits::kBookmarks of them.
  [[nodiscard]] std::optional<Bookmark> add_bookmark(Bookmark bookmark);
  [[nodiscard]] std::optional<Bookmark> change_bookmark(const Bookmark& bookmark);
  [[nodiscard]] bool remove_bookmark(std::uint64_t id);

 private:
  void run();
  Status read();
  Status read_and_analyse();
  void make_sums(const Views& views);
  void take_marks();
  void show(std::shared_ptr<const Shown> shown) const;
  /// Asks for a part if it is time to, and shows it.
  void look_for_part() const;
  [[nodiscard]] Status show_part() const;

  const Sources sources_;
  std::atomic<const query::ExperimentSummary*> summary_;
  /// Guards the two below; held while a part is opened, by one of those who ask.
  mutable std::mutex part_mutex_;
  mutable std::chrono::steady_clock::time_point looked_;
  mutable std::uint64_t parts_ = 0;
  mutable std::mutex mutex_;  // guards those below that are not atomic
  Progress progress_;
  std::shared_ptr<const Marks> marks_;
  mutable std::shared_ptr<const Shown> shown_;
  std::vector<Bookmark> bookmarks_;
  std::uint64_t next_bookmark_ = 1;
  std::atomic<bool> stopping_{false};
  std::atomic<bool> analysing_{false};
  std::optional<const Sums> sums_;
  RanOn ran_on_;
  std::atomic<const Views*> views_{nullptr};
  std::thread thread_;
};

}  // namespace vs::serve
