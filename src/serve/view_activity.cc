// Which rows do something: over their whole life from the history's totals, in a window from their
// rows there.

#include <algorithm>

#include "serve/views.h"

namespace vs::serve {
namespace {

using model::TableId;
using model::ThreadState;
using model::VprocessState;

/// A thread that has the processor or wants it.
bool is_awake(std::int64_t state) {
  return state != static_cast<std::int64_t>(ThreadState::kUnknown) &&
         state != static_cast<std::int64_t>(ThreadState::kBlocked) &&
         state != static_cast<std::int64_t>(ThreadState::kExited);
}

bool ever_awake(const history::Reader& history, model::EntityId entity) {
  const auto totals = history.totals(entity);
  return std::any_of(totals.begin(), totals.end(), [](const history::StateTotal& total) {
    return total.rows > 0 && is_awake(total.value);
  });
}

}  // namespace

bool is_running(TableId table, std::int64_t state) {
  if (table == TableId::kThreadState) {
    return state == static_cast<std::int64_t>(ThreadState::kUser) ||
           state == static_cast<std::int64_t>(ThreadState::kSyscall) ||
           state == static_cast<std::int64_t>(ThreadState::kIrq);
  }
  return table == TableId::kVprocessState &&
         (state == static_cast<std::int64_t>(VprocessState::kRoot) ||
          state == static_cast<std::int64_t>(VprocessState::kNonroot));
}

std::int64_t Views::ran_ns(const Row& row) const {
  std::int64_t sum = 0;
  if (!row.entity) return sum;
  for (const history::StateTotal& total : history_->totals(*row.entity)) {
    if (is_running(row.table, total.value)) sum += total.duration_ns;
  }
  return sum;
}

Result<std::vector<std::int32_t>> Views::active(const View& view, HostTime from, HostTime to,
                                                const std::atomic<bool>* cancel) const {
  std::vector<std::int32_t> out;
  for (const Row& row : rows(view)) {
    if (cancel != nullptr && cancel->load()) {
      return Error{ErrorCode::kCancelled, "stopped on request", "", ""};
    }
    if (!row.entity || row.begin >= to || row.end < from) continue;
    const bool thread = row.table == TableId::kThreadState;
    if (thread && !ever_awake(*history_, *row.entity)) continue;
    bool found = row.begin >= from && row.end < to;
    auto cursor = history_->rows(*row.entity, from, to);
    history::Row one;
    while (!found && cursor.next(one))
      found = !thread || is_awake(one.values[model::slot::kTsState]);
    VS_TRY(cursor.status());
    for (const history::OwnedRow& open : open_rows(row)) {
      const bool here = open.begin < to && open.end > from;
      found = found || (here && (!thread || is_awake(open.slots[model::slot::kTsState])));
    }
    if (found) out.push_back(row.id);
  }
  return out;
}

}  // namespace vs::serve
