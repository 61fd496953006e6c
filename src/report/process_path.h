#pragma once
// The execution path of a guest process, or of a whole VM, from the host's events alone (Nemati;
// algorithms E.7): what decided when it got as far as it did. A walk backwards over vprocess_state.
//
// Of a process: a wait for another process that ended by a known waker is replaced by what the
// waker did during it, and so on; `depth` is the number of wakers between. Then the walk is back at
// the process. Of a VM: it starts at the process that ran last, a waker is followed for good, and
// where a life begins it goes on at the process that ran last before.
//
// Nothing is invented: a wait stays one where its waker is unknown, did not live yet, already waits
// for it, or woke it after the window. Pieces tile [begin, end), which is the window cut to the
// life.
//
// Time: linear in the rows of the VM in the window. Memory: those rows, at most kMaxRows; more is
// kLimit. Threads: values; gather_process_path reads its source from the calling thread.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/states.h"
#include "query/data_source.h"
#include "report/document.h"
#include "report/text.h"

namespace vs::report {

struct ProcessPathPiece {
  HostTime begin;
  HostTime end;
  std::int64_t depth = 0;
  std::string vprocess;  ///< empty: no process of the VM lived
  std::int64_t vcpu = model::kNull;
  model::VprocessState state = model::VprocessState::kUnknown;
  std::string waker;  ///< of a wait that was not replaced
  std::string device;
  bool lossy = false;
};

/// One line of a summary: what one process, in one state, has of the path.
struct ProcessPathShare {
  std::string vprocess;
  model::VprocessState state = model::VprocessState::kUnknown;
  std::int64_t total_ns = 0;
  std::uint64_t count = 0;
  std::int64_t milli_percent = 0;  ///< thousandths of a percent; all lines sum to 100'000
};

struct ProcessPath {
  static constexpr std::size_t kMaxRows = 1U << 22;

  std::string machine;
  std::string vprocess;  ///< empty: the whole VM
  HostTime begin;
  HostTime end;
  std::vector<ProcessPathPiece> pieces;  ///< in time order
  std::vector<ProcessPathShare> shares;  ///< the largest first
};

struct ProcessPathQuery {
  std::string target;  ///< "vm1" or "vm1/0x683a000"
  HostTime from = kHostTimeMin;
  HostTime to = kHostTimeMax;
};

/// kBadUse with the nearest name when there is no such VM or process.
[[nodiscard]] Result<ProcessPath> gather_process_path(const query::DataSource& source,
                                                      const ProcessPathQuery& query);

/// Sections path (one line), path_share and path_piece.
[[nodiscard]] std::vector<Section> process_path_sections(const ProcessPath& path);
[[nodiscard]] std::string process_path_text(const ProcessPath& path, const TextOptions& options);

}  // namespace vs::report
