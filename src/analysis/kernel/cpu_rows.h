#pragma once
// The rows of one machine's CPUs: those of pcpu_state, or, of a host without VMs, those of
// fused_cpu. There nobody is on a processor but the host's own threads, so both tables say the
// same: the rows are stored once, and pcpu_state is a view of them (IntervalSink::view).
//
// Rows tile and are never empty. A row of fused_cpu ends with any change of the CPU's view, so that
// it is lossy as a whole or not at all; one of pcpu_state has no container, and is lossy if a loss
// touches it.
//
// Threads: one. No allocation per row.

#include <cstdint>
#include <vector>

#include "analysis/kernel/cpu_view.h"
#include "base/time.h"
#include "model/interval_sink.h"
#include "model/open_row.h"

namespace vs::analysis::kernel {

/// Where the rows of a machine's CPUs go.
enum class CpuTable : std::uint8_t {
  kPcpuState,
  kFusedCpu,  ///< of a host without VMs, with pcpu_state as a view
};

/// The row of a CPU that has not ended; its values are those of the CPU's view.
struct OpenCpuRow {
  HostTime since;
  model::EntityId entity = 0;
};

class CpuRows {
 public:
  CpuRows(model::IntervalSink& sink, model::StringId machine, CpuTable table)
      : sink_(sink), machine_(machine), table_(table) {}

  /// The first row of a CPU begins.
  [[nodiscard]] OpenCpuRow begin(std::uint32_t cpu, HostTime at);
  /// Whether a change of the view ends its row although the state, the thread and its name stay.
  [[nodiscard]] bool tells_all() const { return table_ == CpuTable::kFusedCpu; }
  /// Ends the row, unless it would be empty, and another begins; `view`: as it was in between.
  /// `loss_end`: of the CPU's last loss.
  void end(OpenCpuRow& row, HostTime at, const CpuView& view, HostTime loss_end);
  /// Adds the row as far as `until`, if it began before.
  void list_open(const OpenCpuRow& row, HostTime until, const CpuView& view, HostTime loss_end,
                 std::vector<model::OpenRow>& out) const;

 private:
  [[nodiscard]] model::RowMemo* memo_of(const CpuView& view) const;
  /// end() of a row that is not empty, whose values the sink has to be told.
  [[gnu::noinline]] void add(OpenCpuRow& row, HostTime at, const CpuView& view, bool lossy);

  model::IntervalSink& sink_;
  model::StringId machine_;
  CpuTable table_;
};

}  // namespace vs::analysis::kernel
