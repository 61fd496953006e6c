#pragma once
// Which analyses can run on the events that are there, and what to record for the rest (algorithms
// K). One compile-time table: analysis, the tables it fills, the events it needs and those that
// refine it.
//
// Threads: values.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/event_kind.h"
#include "query/summary.h"

namespace vs::query {

enum class Side : std::uint8_t { kHost, kGuest, kAny };  ///< whose trace must carry the events

struct Feature {
  std::string_view id;      ///< "vcpu_state"
  std::string_view title;   ///< "vCPU states and exits"
  std::string_view tables;  ///< SQL tables that stay empty without it, separated by blanks
  Side side = Side::kAny;
  std::span<const model::EventKind> needs;       ///< all of them
  std::span<const model::EventKind> instead;     ///< any of them will do too, in part
  std::span<const model::EventKind> refined_by;  ///< better with them
  std::string_view refinement;                   ///< what those add: "time in the VMM, polling"
};
[[nodiscard]] std::span<const Feature> features();

enum class Availability : std::uint8_t { kFull, kPartial, kMissing };
[[nodiscard]] std::string_view name_of(Availability availability);

/// One feature on one machine.
struct FeatureStatus {
  const Feature* feature = nullptr;
  model::MachineIndex machine = model::kNoMachine;
  Availability availability = Availability::kMissing;
  std::vector<model::EventKind> missing;    ///< needed and absent
  std::vector<model::EventKind> unrefined;  ///< refinements that are absent
};

/// Every feature on every machine with a trace that it applies to, in the order of features().
[[nodiscard]] std::vector<FeatureStatus> feature_statuses(const ExperimentSummary& summary);

/// The features that no machine can have although at least one of `tables` depends on them.
[[nodiscard]] std::vector<FeatureStatus> unanswerable(const ExperimentSummary& summary,
                                                      std::span<const std::string> tables);

/// "kvm_entry, kvm_exit": canonical names.
[[nodiscard]] std::string kind_list(std::span<const model::EventKind> kinds);

/// A command of the machine's own tracer that records these kinds.
[[nodiscard]] std::string record_command(const ExperimentSummary& summary,
                                         model::MachineIndex machine,
                                         std::span<const model::EventKind> kinds);

}  // namespace vs::query
