#include "session/partial.h"

#include <algorithm>
#include <set>

#include "session/pipeline.h"

namespace vs::session {

std::optional<PartialBoard::Found> PartialBoard::take() {
  Found out;
  if (!told_.load(std::memory_order_acquire)) return std::nullopt;
  out.states = snapshots_.take();
  if (out.states == nullptr) return std::nullopt;
  const std::scoped_lock lock(mutex_);
  out.tables = tables_;
  out.open = open_;
  told_.store(false, std::memory_order_relaxed);
  return out;
}

void PartialBoard::tell_tables(std::vector<model::SmallTable> tables,
                               std::vector<model::OpenRow> open) {
  const std::scoped_lock lock(mutex_);
  tables_ = std::move(tables);
  open_ = std::move(open);
  told_.store(true, std::memory_order_release);
}

// Flows follow one another, so that all of the others is there when the last one has begun. Its
// machines go on together, and every state that ends, ends there and then.
HostTime analysed_until(const history::Reader& part, const model::Experiment& experiment) {
  const auto flows = flows_of(experiment);
  if (flows.empty()) return kHostTimeMin;
  std::set<std::int64_t> names;
  for (const model::MachineIndex machine : flows.back()) {
    const auto name = part.find_string(experiment.machines[machine].name);
    if (name) names.insert(*name);
  }
  HostTime until = kHostTimeMin;
  for (const model::TableDef& def : model::table_defs()) {
    if (!def.interval) continue;
    for (const history::Entity& entity : part.entities(def.id)) {
      const history::EntityInfo& info = part.entity(entity.id);
      if (info.rows == 0 || !names.contains(entity.key.front())) continue;
      until = std::max(until, HostTime{info.last_ns});
    }
  }
  return until;
}

}  // namespace vs::session
