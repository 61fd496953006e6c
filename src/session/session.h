#pragma once
// Session: an opened experiment, and the only place where readers, clocks, analyses and the history
// are wired together (design.md 2, floor 7).
//
// Work happens in stages, each done once and only when something needs it:
//   open()     resolves the paths and opens the readers (metadata only)
//   survey()   first pass, traces in parallel: what is in there, VMs, initial states, clock
//   evidence join()     clock maps, hosts and guests, the machines of the experiment analyse()
//   second pass in host-time order into a history, or a stored history that still holds
// A stored history that still holds also keeps what survey() and join() found; no event is read.
//
// Ownership: owns traces, maps and history; everything returned by reference lives as long as the
// session. Threads: one caller at a time; survey() and join() use up to `jobs` threads inside;
// analyse() has, where `jobs` > 1, one more that seals the history's slabs and `jobs` - 1 that
// decode.

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "history/reader.h"
#include "model/experiment.h"
#include "model/issue.h"
#include "model/tables.h"
#include "os/file.h"
#include "reader/trace.h"
#include "session/event_scan.h"
#include "session/inputs.h"
#include "session/join.h"
#include "session/partial.h"
#include "session/progress.h"
#include "session/survey.h"

namespace vs::session {

/// What an overview may cost (SessionOptions::overview).
struct OverviewLimits {
  std::uint64_t whole_bytes = 32ULL << 20;  ///< traces of less, together, are read whole
  std::uint64_t events = 300'000;           ///< of a larger one about so many are read
  bool only_sample = false;  ///< where a sample does not do, join() fails with kUnsupported
};

struct SessionOptions {
  InputRequest inputs;
  SyncMode sync = SyncMode::kAuto;
  std::optional<double> tsc_hz;
  std::string history_path;               ///< --history; empty = in cache_folder
  std::string cache_folder;               ///< empty = nothing is stored
  std::string temporary_folder = "/tmp";  ///< for a history that nobody keeps
  unsigned jobs = 1;
  std::size_t cache_bytes =
      history::ReaderOptions{}.cache_bytes;  ///< of unpacked states, in memory
  /// False: only survey() and join() are wanted; analyse() is then refused.
  bool states = true;
  /// The same, and survey() may be content with a sample of a large trace (TraceSurvey::sample). It
  /// is not where a stored history tells all, nor where several traces' clocks have to be joined by
  /// more than time stamp counters.
  std::optional<OverviewLimits> overview;
  ProgressCallback progress;
  const std::atomic<bool>* cancel = nullptr;
  PartialBoard* partial = nullptr;  ///< of analyse()
};

/// One opened trace. `trace` in the SQL tables is its index.
struct OpenTrace {
  Input input;
  std::string place;  ///< short name in issues: the path's last parts
  std::unique_ptr<reader::Trace> trace;
  std::unique_ptr<model::IssueLog> issues;          ///< of opening and the first pass
  std::vector<model::Issue> opening;                ///< those of opening alone
  TraceSurvey survey;                               ///< after Session::survey()
  model::MachineIndex machine = model::kNoMachine;  ///< after join()
};

/// A path that could not be opened; the others answer without it.
struct RefusedInput {
  std::string path;
  Error error;
};

/// What is asked of the `event` table.
struct EventRequest {
  ScanRequest scan;
  std::optional<std::int64_t> trace;
  std::optional<std::string> machine;
};

class Session {
 public:
  /// Fails when no trace at all can be opened (with the first one's error).
  [[nodiscard]] static Result<std::unique_ptr<Session>> open(os::FileSystem& files,
                                                             SessionOptions options);
  ~Session();

  [[nodiscard]] Status survey();
  [[nodiscard]] Status join();
  [[nodiscard]] Status analyse();

  [[nodiscard]] const std::vector<OpenTrace>& traces() const { return traces_; }
  [[nodiscard]] const std::vector<RefusedInput>& refused() const { return refused_; }
  [[nodiscard]] const SessionOptions& options() const { return options_; }
  /// After join().
  [[nodiscard]] const model::Experiment& experiment() const { return experiment_; }
  [[nodiscard]] const JoinResult& joined() const { return joined_; }
  /// After analyse().
  [[nodiscard]] const history::Reader& history() const { return *history_; }
  /// trace, machine, clock_sync, loss and vcpu after join(); thread and container after analyse();
  /// issue always, as of now.
  [[nodiscard]] const model::SmallTable& small_table(model::TableId table) const;
  /// The issue table as of now, which changes with its version; from any thread after join().
  [[nodiscard]] model::SmallTable issue_table() const;
  [[nodiscard]] std::uint64_t issue_version() const;
  /// Every issue so far, with the index of its trace where it has one.
  [[nodiscard]] std::vector<model::Issue> issues() const;
  [[nodiscard]] model::Severity worst_issue() const;
  /// Some input is damaged (model::is_damage), as far as it has been read.
  [[nodiscard]] bool damaged() const;
  /// After join().
  [[nodiscard]] Result<std::unique_ptr<EventScan>> events(const EventRequest& request) const {
    return events(request, issues_);
  }
  /// The same with issues of its own; also while analyse() runs in another thread.
  [[nodiscard]] Result<std::unique_ptr<EventScan>> events(const EventRequest& request,
                                                          model::IssueLog& issues) const;

 private:
  Session(os::FileSystem& files, SessionOptions options);

  [[nodiscard]] Status open_traces();
  [[nodiscard]] std::uint64_t total_bytes() const;
  [[nodiscard]] std::vector<std::size_t> largest_first() const;
  [[nodiscard]] SurveyScope survey_scope(std::size_t trace) const;
  [[nodiscard]] Status survey_traces(bool sampled);
  void finish_survey();
  [[nodiscard]] Status join_traces();
  [[nodiscard]] Result<std::string> key() const;
  /// True when a stored history tells what survey() and join() would find.
  [[nodiscard]] bool restore();
  [[nodiscard]] Status build_history(const std::string& fingerprint);
  [[nodiscard]] std::string history_file(const std::string& fingerprint) const;
  void refresh_tables();
  void take_tables();

  os::FileSystem& files_;
  const SessionOptions options_;
  Progress progress_;
  std::optional<Capture> capture_;
  std::vector<OpenTrace> traces_;
  std::vector<RefusedInput> refused_;
  mutable model::IssueLog issues_;  // of the session itself, and of scans
  bool surveyed_ = false;
  bool sampled_ = false;  // by survey(), until join() finds that a sample does not do
  bool joined_done_ = false;
  JoinResult joined_;
  model::Experiment experiment_;
  std::shared_ptr<const history::Reader> history_;
  mutable std::vector<model::SmallTable> tables_;
  mutable std::uint64_t issue_table_version_ = ~std::uint64_t{0};  // of the one in tables_
};

}  // namespace vs::session
