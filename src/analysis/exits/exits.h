#pragma once
// Exits: one vm_exit row per VM exit (algorithms A.6, A.7).
//
// An occurrence begins at the kvm_exit record and ends at the next kvm_entry of the same vCPU
// thread (perf's definition). Its five parts are the overlap with the vCPU's final states, so their
// sum never exceeds the duration; interrupts, page-ins and pauses are the rest. An occurrence
// without a next entry ends with the vCPU, at a loss window or at the next kvm_exit; such a row is
// not `complete` and belongs in no statistics.
//
// Register it as an observer of every host's HostVcpus; it tells the VMs apart by VcpuRef. `class`
// is that of the number, refined by what was seen between exit and entry (MSR, port, MMIO,
// hypercall).
//
// Ownership: sink and observer must outlive it. Threads: one. Errors: none.
// Memory: O(vCPUs + distinct reasons and details); details beyond kMaxDetails are NULL.

#include <array>
#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "analysis/vcpu/exit_reason.h"
#include "analysis/vcpu/observer.h"
#include "model/interval_sink.h"
#include "model/states.h"

namespace vs::analysis::exits {

enum class Part : std::uint8_t { kHandling, kUserspace, kHalted, kPolling, kSteal, kCount };
inline constexpr std::size_t kPartCount = static_cast<std::size_t>(Part::kCount);

/// A row of vm_exit as it is stored.
struct ExitRow {
  HostTime begin;
  HostTime end;
  vcpu::VcpuRef vcpu;
  model::StringId reason = model::kNull;
  model::ExitClass exit_class = model::ExitClass::kUnknown;
  model::StringId detail = model::kNull;
  std::array<std::int64_t, kPartCount> parts_ns{};
  bool complete = false;  ///< ended by a kvm_entry: counts in statistics
};

class ExitObserver {
 public:
  virtual ~ExitObserver() = default;
  virtual void on_exit_row(const ExitRow&) = 0;
};

class Exits final : public vcpu::VcpuObserver {
 public:
  static constexpr std::size_t kMaxDetails = 1U << 16;

  Exits(const model::Experiment& experiment, model::IntervalSink& sink,
        ExitObserver* observer = nullptr);

  /// Kinds that refine a row, beside those of HostVcpus (which forwards them).
  [[nodiscard]] static model::KindSet kinds();

  [[nodiscard]] vcpu::VcpuNews wants() const override { return {.changes = false}; }
  void on_vcpu_interval(const vcpu::VcpuInterval& interval) override;
  void on_vcpu_event(HostTime time, const vcpu::VcpuRef& vcpu, const model::Event& event) override;
  void on_vcpu_break(HostTime time, const vcpu::VcpuRef& vcpu, vcpu::VcpuBreak why) override;

 private:
  struct Occurrence {
    bool open = false;
    HostTime begin;
    vcpu::ExitCode code;
    model::ExitClass exit_class = model::ExitClass::kUnknown;
    bool has_detail = false;
    std::uint64_t detail = 0;
    std::array<std::int64_t, kPartCount> parts_ns{};
  };
  struct Vcpu {
    model::EntityId entity = 0;
    bool has_entity = false;
    std::int32_t id = -1;
    Occurrence now;
  };
  using Refiner = void (*)(Occurrence&, const model::Event&);
  using RefinerTable = std::array<Refiner, model::kEventKindCount>;
  [[nodiscard]] static const RefinerTable& refiners();

  void open(HostTime time, Vcpu& vcpu, const model::Event& event);
  void close(HostTime time, const vcpu::VcpuRef& ref, Vcpu& vcpu, bool complete);
  model::StringId detail_id(std::uint64_t value);

  model::IntervalSink& sink_;
  ExitObserver* observer_;
  std::vector<model::StringId> names_;       ///< by machine
  std::vector<std::vector<Vcpu>> machines_;  ///< by machine, slot
  vcpu::ExitTexts reasons_;
  std::unordered_map<std::uint64_t, model::StringId> details_;
};

}  // namespace vs::analysis::exits
