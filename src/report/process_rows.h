#pragma once
// The rows of vprocess_state as typed values, for the answers that read them whole.
//
// Threads: values. Errors: those of the source and of the taker.

#include "base/result.h"
#include "model/states.h"
#include "query/data_source.h"

namespace vs::report {

struct ProcessRow {
  HostTime begin;
  HostTime end;
  std::int64_t vcpu = model::kNull;
  model::VprocessState state = model::VprocessState::kUnknown;
  std::int64_t waker = model::kNull;   ///< StringId
  std::int64_t device = model::kNull;  ///< StringId
  bool lossy = false;
};

[[nodiscard]] ProcessRow process_row(const query::IntervalView& view);

/// Gives the entity's rows that overlap [from, to) to `take(const ProcessRow&) -> Status`, in time
/// order and not cut to the window.
template <typename Take>
[[nodiscard]] Status each_process_row(const query::DataSource& source, model::EntityId entity,
                                      HostTime from, HostTime to, Take take) {
  VS_ASSIGN(const auto rows, source.rows(entity, from, to));
  query::IntervalView view;
  for (;;) {
    VS_ASSIGN(const bool more, rows->next(view));
    if (!more) return {};
    VS_TRY(take(process_row(view)));
  }
}

}  // namespace vs::report
