#pragma once
// flow(machine, tid, begin_ts, end_ts) and critical_path(machine, tid, begin_ts, end_ts): the
// answers of analysis/flow as table-valued functions (design.md 4).
//
// The arguments are hidden columns. begin_ts and end_ts may be left out or NULL: the thread's life.
// critical_path has a fifth one, unbounded: not 0 = follow wakers beyond the waits they end.
// Without machine or tid, or when the experiment does not have them: kBadUse. A NULL machine or
// tid gives no rows. Rows come in the order of time. A window that reaches out of what the traces
// hold is cut to it, and a note says so.
//
// Ownership: a table borrows its source and its notes. Threads: those of the connection.

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "query/flow_source.h"
#include "query/virtual_table.h"

namespace vs::query {

inline constexpr std::string_view kFlowTable = "flow";
inline constexpr std::string_view kPathTable = "critical_path";

/// What has to be said about an answer beside its rows; each text once, and no more than kMost.
class Notes {
 public:
  static constexpr std::size_t kMost = 8;
  void add(std::string text);
  [[nodiscard]] const std::vector<std::string>& texts() const { return texts_; }

 private:
  std::vector<std::string> texts_;
};

[[nodiscard]] std::unique_ptr<VirtualTable> make_flow_table(const FlowSource& source, Notes& notes);
[[nodiscard]] std::unique_ptr<VirtualTable> make_path_table(const FlowSource& source, Notes& notes);

/// The columns of both that are not hidden.
[[nodiscard]] std::span<const std::string_view> flow_columns();
[[nodiscard]] std::span<const std::string_view> path_columns();

}  // namespace vs::query
