#pragma once
// What one machine's kernel says about one of its CPUs now, and who wants to hear of changes. The
// published face of analysis/kernel for the joins above it.

#include <cstdint>

#include "base/time.h"
#include "model/interval_sink.h"
#include "model/states.h"

namespace vs::analysis::kernel {

struct CpuView {
  model::PcpuState state = model::PcpuState::kUnknown;
  std::int32_t tid = -1;                  ///< current thread; 0 = idle, -1 = unknown
  model::StringId comm = model::kNull;    ///< its name, kNull when unknown
  std::int64_t container = model::kNull;  ///< its pid-namespace inode when not the initial one
  bool lossy = false;

  friend bool operator==(const CpuView&, const CpuView&) = default;
};

/// Hears each change of a CPU's view, in time order, after it took effect.
class CpuObserver {
 public:
  virtual ~CpuObserver() = default;
  virtual void on_cpu_change(HostTime time, std::uint32_t cpu, const CpuView& now) = 0;
};

}  // namespace vs::analysis::kernel
