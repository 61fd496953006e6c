#pragma once
// StreamAnalysis: an analysis that follows the events of the second pass, beside the kernel and
// vCPU states: block requests, packets, waits. It asks for kinds and is called for those alone.
//
// A new one: derive from StreamAnalysis with a constructor T(const StreamSetup&), and add
// make_stream<T> to the list in session/stream_analyses.cc. If T is a vcpu::VcpuObserver too, it is
// also told of every change and event of the vCPUs. Intervals go to the setup's sink, small tables
// out at the end.
//
// Calls: one analysis serves the machines whose clocks are joined (StreamSetup::machines); other
// instances serve machines that could not be joined, each alone. on_event() and on_loss() come in
// host-time order over all machines, after the machine's kernel and vCPU states have taken the
// event. finish() comes once per machine, when its trace ends; no more calls for it follow.
// Ownership: what the setup points to outlives the analysis. Threads: one; all calls come from the
// same thread. Memory must not grow with the length of the trace, and no call may allocate once
// what exists is known.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "model/cpu_contexts.h"
#include "model/event.h"
#include "model/event_kind.h"
#include "model/experiment.h"
#include "model/interval_sink.h"
#include "model/issue.h"
#include "model/tables.h"

namespace vs::model {

/// What a machine's kernel state knows of its threads and CPUs as of the present call.
class MachineFacts {
 public:
  virtual ~MachineFacts() = default;
  /// The thread current on a CPU: 0 = idle, -1 = not known.
  [[nodiscard]] virtual std::int32_t tid_on(std::uint32_t cpu) const = 0;
  [[nodiscard]] virtual std::int32_t tgid_of(std::int32_t tid) const = 0;  ///< -1: not known
  [[nodiscard]] virtual StringId comm_of(std::int32_t tid) const = 0;      ///< or kNull
  /// Its name; empty when not known. Valid until the thread's next event.
  [[nodiscard]] virtual std::string_view name_of(std::int32_t) const { return {}; }
  [[nodiscard]] virtual std::int64_t container_of(std::int32_t tid) const = 0;  ///< or kNull
  /// The interrupts and softirqs that a CPU is inside of, with their begins; valid until the next
  /// event. None: its thread itself is at work.
  [[nodiscard]] virtual const ContextStack& contexts(std::uint32_t cpu) const = 0;
};

/// A name that a trace's state dump gives to a block device.
struct BlockDeviceName {
  MachineIndex machine = kNoMachine;
  std::uint64_t device = 0;  ///< the kernel's dev_t as recorded
  std::string name;
};

struct StreamSetup {
  const Experiment* experiment = nullptr;
  IntervalSink* sink = nullptr;
  std::vector<MachineIndex> machines;      ///< those with a trace in this flow
  std::vector<const MachineFacts*> facts;  ///< by machine; null: not in this flow
  std::vector<BlockDeviceName> block_devices;
  std::vector<KindSet> recorded;  ///< by machine: the kinds that occur in its traces
};

/// An event with what the pipeline knows about it.
struct StreamEvent {
  HostTime time;
  MachineIndex machine = kNoMachine;
  std::uint32_t trace = 0;  ///< index of the experiment's trace
  std::int32_t tid = -1;    ///< current before the event: 0 = idle, -1 = not known
  const Event& event;       ///< valid during the call
};

class StreamAnalysis {
 public:
  virtual ~StreamAnalysis() = default;
  /// The kinds it wants of this machine's events. Asked once, at the beginning.
  [[nodiscard]] virtual KindSet kinds(MachineIndex machine) const = 0;
  virtual void on_event(const StreamEvent& event) = 0;
  /// Events of `cpu` in (begin, end) were lost. Told at `begin`, for each machine of the flow.
  virtual void on_loss(HostTime begin, HostTime end, MachineIndex machine, std::uint32_t cpu) = 0;
  virtual void finish(MachineIndex machine, HostTime end) = 0;
  /// After every machine's finish().
  [[nodiscard]] virtual std::vector<SmallTable> small_tables() const { return {}; }
  /// After every machine's finish(): what the answer has to say about itself. `place` is the
  /// machine's name; `trace` stays empty.
  [[nodiscard]] virtual std::vector<Issue> issues() const { return {}; }
};

}  // namespace vs::model
