#pragma once
// Backend: what the command line needs of a session. The program implements it over vs::session
// (session_backend.cc); tests implement it over a scene in memory.
//
// Ownership: an Opened belongs to the caller; the references it gives live as long as it. Threads:
// one at a time, but `progress` may be called from any thread.

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "model/open_row.h"
#include "query/data_source.h"
#include "query/summary.h"

namespace vs::cli {

/// Done and total in bytes (total 0 = unknown) of the phase ("reading", "analysing").
using ProgressFunction =
    std::function<void(std::uint64_t done, std::uint64_t total, std::string_view phase)>;

/// How much of the traces an answer needs to be read.
enum class Reading : std::uint8_t {
  kStates,  ///< everything: states may be rebuilt
  kClocks,  ///< everything that tells machines and clocks; nothing is analysed
  kSample,  ///< the same, and of a large trace a sample will do
  kGlance   ///< a sample, or nothing
};

struct OpenOptions {
  std::vector<std::string> paths;
  std::vector<std::string> hosts;                           ///< --host PATH
  std::vector<std::pair<std::string, std::string>> guests;  ///< --guest NAME=PATH
  std::string sync = "auto";
  std::optional<std::uint64_t> tsc_hz;
  std::string history;  ///< --history PATH; empty = the default place
  bool no_cache = false;
  unsigned jobs = 0;        ///< 0 = one per CPU
  unsigned cache_mib = 64;  ///< unpacked states that are kept in memory
  Reading reading = Reading::kStates;
  /// Only opens: the summary has what the headers tell, until Opened::read().
  bool later = false;
  std::string beneath;  ///< a real folder: traces are opened below it and nowhere else
  ProgressFunction progress;
  const std::atomic<bool>* cancel = nullptr;
};

/// What has been analysed so far.
struct PartOpened {
  std::shared_ptr<const query::DataSource> source;  ///< with a history; one thread's at a time
  HostTime until;                                   ///< all machines have been analysed up to here
  std::vector<model::OpenRow> open;                 ///< what had not ended a moment before or later
};

class Opened {
 public:
  virtual ~Opened() = default;
  /// Traces, machines, clocks and event counts; complete after open, or read() where that was left
  /// to later. What it gave before stays valid.
  [[nodiscard]] virtual const query::ExperimentSummary& summary() const = 0;
  /// What OpenOptions::later left out; nothing else may run meanwhile.
  [[nodiscard]] virtual Status read() { return {}; }
  /// Rebuilds states, or opens the history that holds them. The interval tables are empty before.
  [[nodiscard]] virtual Status analyse() = 0;
  /// Before analyse: trace, machine, clock_sync, loss, issue and event are filled.
  [[nodiscard]] virtual const query::DataSource& source() const = 0;
  /// Of traces opened for later: what takes no time to tell of them, from a sample. nullptr where
  /// that is not worth while, or not possible without reading them whole.
  [[nodiscard]] virtual std::unique_ptr<Opened> glance() { return nullptr; }
  /// While analyse() runs in another thread: the part that it has done since the last call, if this
  /// asked for one. One thread at a time; the part must not outlive this.
  [[nodiscard]] virtual Result<std::optional<PartOpened>> part() {
    return std::optional<PartOpened>();
  }
};

class Backend {
 public:
  virtual ~Backend() = default;
  /// Fails when no trace can be opened; traces left out are in the summary.
  [[nodiscard]] virtual Result<std::unique_ptr<Opened>> open(const OpenOptions& options) = 0;
};

}  // namespace vs::cli
