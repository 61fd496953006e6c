// The wait table as data: gathered from vprocess_state, rounded, as sections.

#include "report/waits.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <utility>

#include "report/cells.h"
#include "report/process_rows.h"

namespace vs::report {
namespace {

using model::TableId;
using model::VprocessState;

constexpr std::size_t kRunStates = 2;   // root and nonroot come first and are no waits
constexpr std::size_t kSeedStates = 6;  // root, nonroot, task, timer, disk, network

std::int64_t run_ns(const ProcessWaits& process) {
  return process.total_ns[0] + process.total_ns[1];
}

Status add_rows(const query::DataSource& source, const query::EntityKey& entity,
                const WaitsQuery& query, ProcessWaits& process) {
  const auto add = [&](const ProcessRow& row) -> Status {
    const auto state = static_cast<std::size_t>(row.state);
    const std::int64_t ns = std::min(row.end, query.to) - std::max(row.begin, query.from);
    process.total_ns[state] += ns;
    process.max_ns[state] = std::max(process.max_ns[state], ns);
    ++process.count[state];
    process.lossy = process.lossy || row.lossy;
    return {};
  };
  return each_process_row(source, entity.id, query.from, query.to, add);
}

double percent(std::int64_t milli) { return static_cast<double>(milli) / 1000.0; }

}  // namespace

std::int64_t ProcessWaits::lifetime_ns() const {
  return std::accumulate(total_ns.begin(), total_ns.end(), std::int64_t{0});
}

double ProcessWaits::share(VprocessState state) const {
  const std::int64_t life = lifetime_ns();
  return life <= 0 ? 0
                   : static_cast<double>(total_ns[static_cast<std::size_t>(state)]) /
                         static_cast<double>(life);
}

std::vector<std::int64_t> largest_remainder(std::span<const std::int64_t> parts) {
  std::vector<std::int64_t> out(parts.size(), 0);
  const std::int64_t whole = std::accumulate(parts.begin(), parts.end(), std::int64_t{0});
  if (whole <= 0) return out;
  // A whole of more than 292 years is none; in units of 2 us the product fits for 146 years.
  const std::int64_t unit = whole / (std::int64_t{1} << 46) + 1;
  const std::int64_t scaled = whole / unit;
  std::vector<std::pair<std::int64_t, std::size_t>> rest;
  std::int64_t missing = kWholeMilliPercent;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const std::int64_t product = parts[i] / unit * kWholeMilliPercent;
    out[i] = product / scaled;
    missing -= out[i];
    rest.emplace_back(-(product % scaled), i);
  }
  std::sort(rest.begin(), rest.end());
  for (std::size_t i = 0; missing > 0; i = (i + 1) % rest.size(), --missing) ++out[rest[i].second];
  return out;
}

std::array<std::int64_t, kWaitStates> ProcessWaits::milli_percent() const {
  std::array<std::int64_t, kWaitStates> out{};
  std::ranges::copy(largest_remainder(total_ns), out.begin());
  return out;
}

Result<std::vector<ProcessWaits>> gather_waits(const query::DataSource& source,
                                               const WaitsQuery& query) {
  std::map<std::pair<std::string, std::string>, std::string> identities;
  for (const model::Row& row : source.small(TableId::kVprocess).rows) {
    identities[{text_at(row, 0), text_at(row, 1)}] = text_at(row, 2);
  }
  std::vector<ProcessWaits> out;
  for (const query::EntityKey& entity : source.entities(TableId::kVprocessState)) {
    ProcessWaits process;
    process.machine = source.string(entity.key[0]);
    if (query.machine && process.machine != *query.machine) continue;
    process.vprocess = source.string(entity.key[1]);
    process.identity = identities[{process.machine, process.vprocess}];
    VS_TRY(add_rows(source, entity, query, process));
    if (process.lifetime_ns() > 0) out.push_back(std::move(process));
  }
  std::sort(out.begin(), out.end(), [](const ProcessWaits& a, const ProcessWaits& b) {
    if (a.machine != b.machine) return a.machine < b.machine;
    if (run_ns(a) != run_ns(b)) return run_ns(a) > run_ns(b);
    return a.vprocess < b.vprocess;
  });
  return out;
}

Section waits_section(std::span<const ProcessWaits> processes, bool seed_columns) {
  const auto names = model::vprocess_state_names();
  Section section{"waits", {"machine", "vprocess", "identity", "lifetime_ns"}, {}};
  const std::size_t shown = seed_columns ? kSeedStates : kWaitStates;
  for (std::size_t i = 0; i < shown; ++i) section.columns.emplace_back(names[i]);
  if (seed_columns) section.columns.emplace_back("remainder");
  for (std::size_t i = kRunStates; i < shown; ++i) {
    for (const std::string_view suffix : {"_count", "_mean_ns", "_max_ns"}) {
      section.columns.push_back(std::string(names[i]) + std::string(suffix));
    }
  }
  for (const ProcessWaits& process : processes) {
    const auto milli = process.milli_percent();
    model::Row row = {cell(process.machine), cell(process.vprocess), text_or_null(process.identity),
                      cell(process.lifetime_ns())};
    for (std::size_t i = 0; i < shown; ++i) row.push_back(cell(percent(milli[i])));
    if (seed_columns) {
      row.push_back(cell(
          percent(std::accumulate(milli.begin() + kSeedStates, milli.end(), std::int64_t{0}))));
    }
    for (std::size_t i = kRunStates; i < shown; ++i) {
      const auto count = static_cast<std::int64_t>(process.count[i]);
      row.push_back(cell(count));
      row.push_back(count == 0 ? model::Cell{} : cell(process.total_ns[i] / count));
      row.push_back(count == 0 ? model::Cell{} : cell(process.max_ns[i]));
    }
    section.rows.push_back(std::move(row));
  }
  return section;
}

}  // namespace vs::report
