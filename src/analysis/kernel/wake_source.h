#pragma once
// Who is behind a wake-up that came out of an interrupt. MachineState knows the interrupt; what the
// world outside of the machine did to raise it (a host's I/O thread, another vCPU) is known above
// it, and is asked for here (algorithms F.4).
//
// Threads: called on the thread that feeds the MachineState.

#include <cstdint>

#include "base/time.h"
#include "model/cpu_contexts.h"
#include "model/interval_sink.h"
#include "model/states.h"

namespace vs::analysis::kernel {

/// A wake-up that no task of this machine made.
struct WakeSite {
  HostTime time;
  std::uint32_t cpu = 0;
  std::int32_t tid = -1;  ///< whom it wakes
  const model::Context* context =
      nullptr;  ///< innermost; null: on the idle task, its interrupt not shown
  model::BlockCause cause = model::BlockCause::kUnknown;  ///< as the machine alone tells it
};

struct WakeSource {
  model::BlockCause cause = model::BlockCause::kUnknown;
  model::StringId machine = model::kNull;  ///< name of the waker's machine; kNull without one
  std::int64_t tid = model::kNull;
};

class WakeResolver {
 public:
  virtual ~WakeResolver() = default;
  /// What is known of the wake-up; `site.cause` and no waker when nothing more is.
  [[nodiscard]] virtual WakeSource resolve(const WakeSite& site) = 0;
};

}  // namespace vs::analysis::kernel
