// What has not ended yet, for those who look while the analysis runs.

#include "analysis/kernel/machine_impl.h"

namespace vs::analysis::kernel {

void MachineState::Impl::list_open(HostTime until, std::vector<model::OpenRow>& out) const {
  const auto loss_end = [](const void* self, const Thread& thread) {
    return static_cast<const Impl*>(self)->loss_end_of(thread);
  };
  threads_.list_open(until, loss_end, this, out);
  for (const Cpu& cpu : cpus_) {
    if (cpu.open) cpu_rows_.list_open(cpu.row, until, cpu.view, cpu.loss_end, out);
  }
}

void MachineState::list_open(HostTime until, std::vector<model::OpenRow>& out) const {
  impl_->list_open(until, out);
}

}  // namespace vs::analysis::kernel
