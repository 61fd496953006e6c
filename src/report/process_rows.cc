#include "report/process_rows.h"

namespace vs::report {

namespace slot = model::slot;

ProcessRow process_row(const query::IntervalView& view) {
  ProcessRow row{view.begin, view.end};
  row.vcpu = view.values[slot::kVpVcpu];
  const std::int64_t state = view.values[slot::kVpState];
  if (state >= 0 && static_cast<std::size_t>(state) < model::vprocess_state_names().size()) {
    row.state = static_cast<model::VprocessState>(state);
  }
  row.waker = view.values[slot::kVpWaker];
  row.device = view.values[slot::kVpDevice];
  row.lossy = view.values[slot::kVpLossy] == 1;
  return row;
}

}  // namespace vs::report
