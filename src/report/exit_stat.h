#pragma once
// Exit statistics as perf kvm stat defines them (algorithms A.6): an occurrence runs from kvm_exit
// to the next kvm_entry of the same vCPU thread, keyed by its reason. Count, share of count and of
// time, min, max, mean and ± = 100 * (s / sqrt n) / mean with the sample standard deviation s,
// exactly as perf prints them; beyond that quantiles and where the time went.
//
// Threads: values; gather_exit_stats reads its source from the calling thread.

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "query/data_source.h"
#include "report/document.h"

namespace vs::report {

/// Quantiles of durations in constant memory: 128 buckets per octave, so a quantile is off by at
/// most 0.4 %; below 128 ns it is exact.
class DurationHistogram {
 public:
  void add(std::int64_t ns);
  void add(const DurationHistogram& other);
  /// Nearest rank; 0 when empty. Never outside [min, max].
  [[nodiscard]] std::int64_t quantile(double q) const;
  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] std::int64_t min() const { return count_ == 0 ? 0 : min_; }
  [[nodiscard]] std::int64_t max() const { return max_; }

 private:
  std::vector<std::uint64_t> buckets_;  // grown to the largest value seen
  std::uint64_t count_ = 0;
  std::int64_t min_ = 0;
  std::int64_t max_ = 0;
};

/// Where the time of an occurrence went.
enum class ExitPart : std::uint8_t { kHandling, kUserspace, kHalted, kPolling, kSteal, kCount };
inline constexpr std::size_t kExitParts = static_cast<std::size_t>(ExitPart::kCount);
[[nodiscard]] std::string_view name_of(ExitPart part);

struct ExitStat {
  std::string machine;
  std::optional<std::int64_t> vcpu;  ///< nothing = all vCPUs of the machine
  std::string reason;
  DurationHistogram durations;
  std::int64_t total_ns = 0;
  std::array<std::int64_t, kExitParts> parts_ns{};
  double mean_ns = 0;  ///< running mean and sum of squares (Welford)
  double square_sum = 0;
  double count_share = 0;  ///< of the machine's (or vCPU's) exits
  double time_share = 0;   ///< of their time

  void add(std::int64_t ns, std::span<const std::int64_t> values);
  void add(const ExitStat& other);
  [[nodiscard]] std::uint64_t count() const { return durations.count(); }
  /// perf's ±, in percent; 0 below two occurrences.
  [[nodiscard]] double relative_error_percent() const;
  /// Time that is not the guest's own idling.
  [[nodiscard]] std::int64_t busy_ns() const;
};

struct ExitQuery {
  HostTime from = kHostTimeMin;  ///< exits that begin in [from, to)
  HostTime to = kHostTimeMax;
  std::optional<std::string> machine;
  bool per_vcpu = false;
};

/// The columns of `stat` as a section of that name.
[[nodiscard]] Section exit_section(std::span<const ExitStat> stats);

/// Grouped by machine (and vCPU), each group by falling total time.
[[nodiscard]] Result<std::vector<ExitStat>> gather_exit_stats(const query::DataSource& source,
                                                              const ExitQuery& query);

}  // namespace vs::report
