#include "report/exit_stat.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <tuple>

#include "base/result.h"
#include "model/states.h"

namespace vs::report {
namespace {

using model::TableId;
namespace slot = model::slot;

constexpr int kSubBits = 7;
constexpr std::uint64_t kSub = 1U << kSubBits;

// Values below 128 have a bucket each; above, the octave and the seven bits after the leading one.
std::size_t bucket_of(std::uint64_t ns) {
  if (ns < kSub) return ns;
  const int shift = static_cast<int>(std::bit_width(ns)) - 1 - kSubBits;
  return (static_cast<std::size_t>(shift) << kSubBits) + static_cast<std::size_t>(ns >> shift);
}

// The middle of a bucket.
std::int64_t value_of(std::size_t bucket) {
  if (bucket < 2 * kSub) return static_cast<std::int64_t>(bucket);
  const std::size_t shift = (bucket >> kSubBits) - 1;
  const std::uint64_t low = (kSub + bucket % kSub) << shift;
  return static_cast<std::int64_t>(low + ((std::uint64_t{1} << shift) >> 1U));
}

}  // namespace

void DurationHistogram::add(std::int64_t ns) {
  ns = std::max<std::int64_t>(ns, 0);
  const std::size_t bucket = bucket_of(static_cast<std::uint64_t>(ns));
  if (bucket >= buckets_.size()) buckets_.resize(bucket + 1);
  ++buckets_[bucket];
  min_ = count_ == 0 ? ns : std::min(min_, ns);
  max_ = std::max(max_, ns);
  ++count_;
}

void DurationHistogram::add(const DurationHistogram& other) {
  if (other.count_ == 0) return;
  buckets_.resize(std::max(buckets_.size(), other.buckets_.size()));
  for (std::size_t i = 0; i < other.buckets_.size(); ++i) buckets_[i] += other.buckets_[i];
  min_ = count_ == 0 ? other.min_ : std::min(min_, other.min_);
  max_ = std::max(max_, other.max_);
  count_ += other.count_;
}

std::int64_t DurationHistogram::quantile(double q) const {
  if (count_ == 0) return 0;
  const double exact = std::ceil(q * static_cast<double>(count_));
  const auto rank = std::clamp<std::uint64_t>(static_cast<std::uint64_t>(exact), 1, count_);
  if (rank == 1) return min_;
  if (rank == count_) return max_;
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < buckets_.size(); ++i) {
    seen += buckets_[i];
    if (seen >= rank) return std::clamp(value_of(i), min_, max_);
  }
  return max_;
}

std::string_view name_of(ExitPart part) {
  constexpr std::array<std::string_view, kExitParts> kNames = {"handling", "userspace", "halted",
                                                               "polling", "stolen"};
  return kNames[static_cast<std::size_t>(part)];
}

void ExitStat::add(std::int64_t ns, std::span<const std::int64_t> values) {
  durations.add(ns);
  total_ns += ns;
  const double delta = static_cast<double>(ns) - mean_ns;
  mean_ns += delta / static_cast<double>(count());
  square_sum += delta * (static_cast<double>(ns) - mean_ns);
  for (std::size_t i = 0; i < kExitParts; ++i) {
    const std::int64_t part = values[slot::kVeHandlingNs + i];
    if (part != model::kNull) parts_ns[i] += part;
  }
}

// Chan's formula for the union of two samples.
void ExitStat::add(const ExitStat& other) {
  const auto mine = static_cast<double>(count());
  const auto theirs = static_cast<double>(other.count());
  if (theirs == 0) return;
  const double delta = other.mean_ns - mean_ns;
  square_sum += other.square_sum + delta * delta * mine * theirs / (mine + theirs);
  mean_ns += delta * theirs / (mine + theirs);
  durations.add(other.durations);
  total_ns += other.total_ns;
  for (std::size_t i = 0; i < kExitParts; ++i) parts_ns[i] += other.parts_ns[i];
}

double ExitStat::relative_error_percent() const {
  if (count() < 2 || mean_ns == 0) return 0;
  const auto n = static_cast<double>(count());
  return 100 * std::sqrt(square_sum / (n - 1) / n) / mean_ns;
}

std::int64_t ExitStat::busy_ns() const {
  return total_ns - parts_ns[static_cast<std::size_t>(ExitPart::kHalted)] -
         parts_ns[static_cast<std::size_t>(ExitPart::kPolling)];
}

namespace {

using Key = std::tuple<std::int64_t, std::int64_t, std::int64_t>;  // machine, vCPU or kNull, reason

// The exit that a vCPU never came back from has no kvm_entry and is not an occurrence. Such a row
// can only be an entity's last, and no guest time follows it.
Result<bool> has_entry(const query::DataSource& source, const query::EntityKey& exits,
                       HostTime end) {
  for (const query::EntityKey& states : source.entities(TableId::kVcpuState)) {
    if (states.key != exits.key) continue;
    VS_ASSIGN(const auto rows, source.rows(states.id, end, kHostTimeMax));
    query::IntervalView row;
    while (true) {
      VS_ASSIGN(const bool more, rows->next(row));
      if (!more) return false;
      const bool is_guest =
          row.values[slot::kVsState] == static_cast<std::int64_t>(model::VcpuState::kGuest);
      if (is_guest && row.begin >= end) return true;
    }
  }
  return true;  // no states to ask: keep what the events say
}

Status add_entity(const query::DataSource& source, const query::EntityKey& entity,
                  const ExitQuery& query, std::map<Key, ExitStat>& stats) {
  VS_ASSIGN(const auto rows, source.rows(entity.id, query.from, query.to));
  const std::int64_t vcpu = query.per_vcpu ? entity.key[1] : model::kNull;
  struct Pending {
    Key key;
    HostTime end;
    std::int64_t ns = 0;
    std::vector<std::int64_t> values;
  };
  std::optional<Pending> last;
  const auto count_last = [&] { stats[last->key].add(last->ns, last->values); };
  query::IntervalView row;
  while (true) {
    VS_ASSIGN(const bool more, rows->next(row));
    if (!more) break;
    if (row.begin < query.from) continue;  // began before the window
    if (last) count_last();
    if (!last) last.emplace();
    last->key = {entity.key[0], vcpu, row.values[slot::kVeReason]};
    last->end = row.end;
    last->ns = row.end - row.begin;
    last->values.assign(row.values.begin(), row.values.end());
  }
  if (!last) return {};
  VS_ASSIGN(const bool finished, has_entry(source, entity, last->end));
  if (finished) count_last();
  return {};
}

void fill_shares(std::vector<ExitStat>& stats) {
  std::map<std::pair<std::string, std::int64_t>, std::pair<double, double>> totals;
  const auto total_of = [&](const ExitStat& stat) -> auto& {
    return totals[{stat.machine, stat.vcpu.value_or(model::kNull)}];
  };
  for (const ExitStat& stat : stats) {
    total_of(stat).first += static_cast<double>(stat.count());
    total_of(stat).second += static_cast<double>(stat.total_ns);
  }
  for (ExitStat& stat : stats) {
    const auto& [count, time] = total_of(stat);
    stat.count_share = count > 0 ? static_cast<double>(stat.count()) / count : 0;
    stat.time_share = time > 0 ? static_cast<double>(stat.total_ns) / time : 0;
  }
}

}  // namespace

Result<std::vector<ExitStat>> gather_exit_stats(const query::DataSource& source,
                                                const ExitQuery& query) {
  std::map<Key, ExitStat> by_key;
  for (const query::EntityKey& entity : source.entities(TableId::kVmExit)) {
    if (query.machine && source.string(entity.key[0]) != *query.machine) continue;
    VS_TRY(add_entity(source, entity, query, by_key));
  }
  std::vector<ExitStat> stats;
  for (auto& [key, stat] : by_key) {
    const auto& [machine, vcpu, reason] = key;
    stat.machine = source.string(machine);
    if (vcpu != model::kNull) stat.vcpu = vcpu;
    stat.reason = reason == model::kNull ? "unknown" : source.string(reason);
    stats.push_back(std::move(stat));
  }
  fill_shares(stats);
  std::stable_sort(stats.begin(), stats.end(), [](const ExitStat& a, const ExitStat& b) {
    if (a.machine != b.machine) return a.machine < b.machine;
    if (a.vcpu != b.vcpu) return a.vcpu < b.vcpu;
    if (a.total_ns != b.total_ns) return a.total_ns > b.total_ns;
    return a.reason < b.reason;
  });
  return stats;
}

}  // namespace vs::report
