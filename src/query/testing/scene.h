#pragma once
// Scenes: whole experiments in memory, for tests of the answers and to look at the pages. All
// figures are made by fixed rules, so the pages are the same on every machine.

#include <memory>

#include "query/summary.h"
#include "query/testing/memory_source.h"

namespace vs::query::testing {

struct Scene {
  std::unique_ptr<MemorySource> source = std::make_unique<MemorySource>();
  ExperimentSummary summary;
};

/// Two VMs on the same pCPU: vm1's critical task is robbed by vm2's bursts. 12 s, clocks exact.
[[nodiscard]] Scene two_vms();
/// vm1's task critical (5) runs for 10 ms, sleeps 10 ms, and so on, 40 times; every tenth time
/// vm2's burst0 (155) has its pCPU 1 for 3,000,001 ns + the round's number in between. Exact.
[[nodiscard]] Scene robbed_task();
/// vm1's task reader (5) runs for 1 ms and waits 5 ms for a disk, 20 times; once it waits 30 ms.
[[nodiscard]] Scene reading_task();
/// One VM that hardly does anything; nothing lost, nothing stolen.
[[nodiscard]] Scene idle_vm();
/// A host without VMs and without KVM events.
[[nodiscard]] Scene bare_host();
/// Two hosts with a VM each; names with escapes; a clock that could not be joined, losses, issues
/// and a trace that could not be opened.
[[nodiscard]] Scene troubled();

}  // namespace vs::query::testing
