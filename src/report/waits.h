#pragma once
// The wait table: per guest process, how much of its life went where (design.md 4, algorithms E.5).
//
// Percentages are of the life that lies in the window, in thousandths, rounded by largest remainder
// so that each row sums to exactly 100.000 as printed. Counts, means and maxima are of the rows of
// vprocess_state, which are whole waits except where another state comes between.
//
// Threads: values; gather_waits reads its source from the calling thread.

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/states.h"
#include "query/data_source.h"
#include "report/document.h"
#include "report/report_data.h"
#include "report/text.h"

namespace vs::report {

inline constexpr std::size_t kWaitStates = 11;  ///< of model::VprocessState
/// 100 % in the unit of the table.
inline constexpr std::int64_t kWholeMilliPercent = 100'000;

struct ProcessWaits {
  std::string machine;
  std::string vprocess;
  std::string identity;
  std::array<std::int64_t, kWaitStates> total_ns{};
  std::array<std::uint64_t, kWaitStates> count{};
  std::array<std::int64_t, kWaitStates> max_ns{};
  bool lossy = false;

  [[nodiscard]] std::int64_t lifetime_ns() const;
  [[nodiscard]] double share(model::VprocessState state) const;
  /// Thousandths of a percent per state, their sum kWholeMilliPercent (all 0 without a life).
  [[nodiscard]] std::array<std::int64_t, kWaitStates> milli_percent() const;
};

struct WaitsQuery {
  HostTime from = kHostTimeMin;
  HostTime to = kHostTimeMax;
  std::optional<std::string> machine;
};

/// By machine, the process that ran most first.
[[nodiscard]] Result<std::vector<ProcessWaits>> gather_waits(const query::DataSource& source,
                                                             const WaitsQuery& query);

/// Shares in thousandths of a percent that sum to kWholeMilliPercent: each is rounded down, what is
/// missing goes to the largest remainders.
[[nodiscard]] std::vector<std::int64_t> largest_remainder(std::span<const std::int64_t> parts);

/// What the table says, most striking first.
[[nodiscard]] std::vector<Conclusion> waits_conclusions(std::span<const ProcessWaits> processes);

/// Section "waits": the contract's columns, or with `seed_columns` root, nonroot, task, timer,
/// disk, network and the remainder.
[[nodiscard]] Section waits_section(std::span<const ProcessWaits> processes, bool seed_columns);
[[nodiscard]] Section waits_conclusion_section(std::span<const Conclusion> conclusions);

struct WaitsPage {
  std::span<const ProcessWaits> processes;
  std::span<const Conclusion> conclusions;
  bool seed_columns = false;
  std::size_t most = 20;  ///< processes per machine
};
[[nodiscard]] std::string waits_text(const WaitsPage& page, const TextOptions& options);

}  // namespace vs::report
