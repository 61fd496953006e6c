#pragma once
// What one machine's kernel says about one of its CPUs now, and who wants to hear of changes. The
// published face of analysis/kernel for the joins above it.

#include <array>
#include <cstdint>
#include <memory>

#include "base/time.h"
#include "model/interval_sink.h"
#include "model/states.h"

namespace vs::analysis::kernel {

inline constexpr std::size_t kViewStates = 8;
using MemosByState = std::array<model::RowMemo, kViewStates>;

/// Where a sink notes rows of fused_cpu in which a guest's thread is on one vCPU.
struct VcpuMemos {
  std::uint32_t machine = 0xffffffffU;  ///< the vCPU's
  std::int64_t vcpu = model::kNull;
  MemosByState guest;
  MemosByState hypervisor;
};

/// Where a sink notes rows of a thread on a CPU (model::RowMemo), by its state there; for one name
/// and container of the thread and without losses.
struct ViewMemos {
  model::StringId comm = model::kNull;
  std::int64_t container = model::kNull;
  MemosByState pcpu;   ///< rows of pcpu_state
  MemosByState fused;  ///< rows of fused_cpu in which it runs on its host
  std::unique_ptr<VcpuMemos> on_vcpu;
};

struct CpuView {
  model::PcpuState state = model::PcpuState::kUnknown;
  std::int32_t tid = -1;                  ///< current thread; 0 = idle, -1 = unknown
  model::StringId comm = model::kNull;    ///< its name, kNull when unknown
  std::int64_t container = model::kNull;  ///< its pid-namespace inode when not the initial one
  bool lossy = false;
  /// Of the thread, null when it is unknown. Lives as long as the machine's state.
  ViewMemos* memos = nullptr;

  friend bool operator==(const CpuView& a, const CpuView& b) {
    return a.state == b.state && a.tid == b.tid && a.comm == b.comm && a.container == b.container &&
           a.lossy == b.lossy;
  }
};

/// Hears where a CPU's rows begin and each change of its view, in time order, after it took effect.
/// `now` stays where it is
/// and up to date until the next call for that CPU, or the end of the observer: what changes most
/// is not copied on its way.
class CpuObserver {
 public:
  virtual ~CpuObserver() = default;
  virtual void on_cpu_change(HostTime time, std::uint32_t cpu, const CpuView& now) = 0;
};

}  // namespace vs::analysis::kernel
