#include "report/waits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <numeric>
#include <random>

#include "query/testing/memory_source.h"
#include "report/cells.h"

namespace vs::report {
namespace {

using model::TableId;
using model::VprocessState;
using query::testing::MemorySource;
using testing::HasSubstr;

/// Adds a process of `vm` whose states have these lengths, one row each, from 0 on.
void add_process(MemorySource& source, const std::string& vm, const std::string& name,
                 const std::string& identity,
                 std::initializer_list<std::pair<VprocessState, std::int64_t>> lengths) {
  const std::int64_t key[] = {source.intern(vm), source.intern(name)};
  const model::EntityId entity = source.entity(TableId::kVprocessState, key);
  std::int64_t at = 0;
  for (const auto& [state, ns] : lengths) {
    const std::int64_t values[] = {0, static_cast<std::int64_t>(state), model::kNull, model::kNull,
                                   0};
    source.add(entity, HostTime{at}, HostTime{at + ns}, values);
    at += ns;
  }
  source.add_row(TableId::kVprocess, {vm, name, identity, std::int64_t{0}, at});
}

/// Thousandths of a percent: root, nonroot, task, timer, disk, network, as in the seed's table of
/// the slow Hadoop slave; the rest has no known cause.
using SeedShares = std::array<std::int64_t, 6>;
void add_seed(MemorySource& source, const std::string& name, const SeedShares& milli) {
  const std::int64_t rest =
      kWholeMilliPercent - std::accumulate(milli.begin(), milli.end(), std::int64_t{0});
  add_process(source, "slave3", name, "cr3",
              {{VprocessState::kRoot, milli[0] * 100},
               {VprocessState::kNonroot, milli[1] * 100},
               {VprocessState::kTask, milli[2] * 100},
               {VprocessState::kTimer, milli[3] * 100},
               {VprocessState::kDisk, milli[4] * 100},
               {VprocessState::kNetwork, milli[5] * 100},
               {VprocessState::kUnknown, rest * 100}});
}

MemorySource seed() {
  MemorySource source;
  add_seed(source, "0x79976000", {4, 1'499, 54'040, 43'512, 198, 217});
  add_seed(source, "0x34d30000", {5, 8'350, 85'240, 5'588, 3, 258});
  add_seed(source, "0x79f35000", {6, 1'206, 55'313, 42'111, 1'003, 184});
  add_seed(source, "0x70000000", {3, 998, 57'902, 39'901, 102, 871});
  add_seed(source, "0x60000000", {7, 1'402, 50'020, 47'404, 306, 498});
  add_seed(source, "0x40000000", {9, 1'333, 60'406, 37'211, 12, 707});
  return source;
}

TEST(WaitsTable, RoundedSharesSumToTheWhole) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 2000; ++i) {
    std::vector<std::int64_t> parts(11);
    for (auto& part : parts) part = static_cast<std::int64_t>(random() >> (4 + random() % 59));
    const auto milli = largest_remainder(parts);
    const bool some = std::accumulate(parts.begin(), parts.end(), std::int64_t{0}) > 0;
    EXPECT_EQ(std::accumulate(milli.begin(), milli.end(), std::int64_t{0}),
              some ? kWholeMilliPercent : 0);
  }
}

TEST(WaitsTable, ThirdsRoundByLargestRemainder) {
  const std::int64_t parts[] = {1, 1, 1};
  EXPECT_EQ(largest_remainder(parts), (std::vector<std::int64_t>{33'334, 33'333, 33'333}));
  const std::int64_t two[] = {2, 1};
  EXPECT_EQ(largest_remainder(two), (std::vector<std::int64_t>{66'667, 33'333}));
}

TEST(WaitsTable, NoLifeHasNoShares) {
  EXPECT_EQ(ProcessWaits{}.milli_percent(), (std::array<std::int64_t, kWaitStates>{}));
}

TEST(WaitsTable, TheSeedsRowsArePrintedToTheDigit) {
  const MemorySource source = seed();
  const auto processes = gather_waits(source, {});
  ASSERT_TRUE(processes.ok());
  const auto lines = waits_conclusions(*processes);
  const std::string page = waits_text({*processes, lines, true}, {});
  EXPECT_THAT(page,
              HasSubstr("0x34d30000 10.0 ms 0.005 8.350 85.240  5.588 0.003 0.258     0.556"));
  EXPECT_THAT(page,
              HasSubstr("0x79976000 10.0 ms 0.004 1.499 54.040 43.512 0.198 0.217     0.530"));
  const std::string csv = to_csv({{waits_section(*processes, true)}});
  EXPECT_THAT(csv, HasSubstr("slave3,0x79976000,cr3,10000000,0.004,1.499,54.04,43.512,0.198,0.217,"
                             "0.53,1,5404000,5404000,"));
}

TEST(WaitsTable, TheSlowSlavesOddProcessIsNamed) {
  const MemorySource source = seed();
  const auto processes = gather_waits(source, {});
  ASSERT_TRUE(processes.ok());
  const auto lines = waits_conclusions(*processes);
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(
      lines[0].message,
      "slave3: 6 processes spent 60 % of their time waiting for other processes, 36 % waiting "
      "for timers; disks 0.3 %, network 0.5 %.");
  EXPECT_EQ(lines[1].message,
            "slave3: process 0x34d30000 spent 85 % of its life waiting for other processes, the "
            "others typically 55 %.");
}

TEST(WaitsTable, TheSectionHasTheContractsColumns) {
  MemorySource source;
  add_process(source, "vm1", "0x1000", "cr3",
              {{VprocessState::kNonroot, 10},
               {VprocessState::kDisk, 30},
               {VprocessState::kRoot, 20},
               {VprocessState::kDisk, 10}});
  const auto processes = gather_waits(source, {});
  ASSERT_TRUE(processes.ok());
  const Section section = waits_section(*processes, false);
  const std::vector<std::string> first(section.columns.begin(), section.columns.begin() + 16);
  EXPECT_EQ(first, (std::vector<std::string>{"machine", "vprocess", "identity", "lifetime_ns",
                                             "root", "nonroot", "task", "timer", "disk", "network",
                                             "device", "preempted_host", "preempted_vm",
                                             "preempted_guest", "unknown", "task_count"}));
  ASSERT_EQ(section.rows.size(), 1U);
  const model::Row& row = section.rows[0];
  ASSERT_EQ(row.size(), section.columns.size());
  double sum = 0;
  for (std::size_t i = 4; i < 15; ++i) sum += *real_at(row, i);
  EXPECT_NEAR(sum, 100.0, 1e-9);
  EXPECT_EQ(section.columns[21], "disk_count");
  EXPECT_EQ(integer_at(row, 21), 2);
  EXPECT_EQ(integer_at(row, 22), 20);
  EXPECT_EQ(integer_at(row, 23), 30);
}

TEST(WaitsTable, AWindowCutsRows) {
  MemorySource source;
  add_process(source, "vm1", "0x1000", "cr3",
              {{VprocessState::kNonroot, 10}, {VprocessState::kDisk, 30}});
  add_process(source, "vm2", "0x1000", "cr3", {{VprocessState::kNonroot, 100}});
  const auto processes = gather_waits(source, {HostTime{5}, HostTime{15}, "vm1"});
  ASSERT_TRUE(processes.ok());
  ASSERT_EQ(processes->size(), 1U);
  EXPECT_EQ(processes->front().lifetime_ns(), 10);
  EXPECT_DOUBLE_EQ(processes->front().share(VprocessState::kDisk), 0.5);
}

TEST(WaitsTable, ForeignNamesAreEscapedAndLinesFit) {
  MemorySource source;
  add_process(source, "vm\x1b[31m", "rip:0x7f9a40000000", "rip",
              {{VprocessState::kRoot, 9'999},
               {VprocessState::kNonroot, 11'111},
               {VprocessState::kTask, 11'111},
               {VprocessState::kTimer, 11'111},
               {VprocessState::kDisk, 11'111},
               {VprocessState::kNetwork, 11'111},
               {VprocessState::kDevice, 11'111},
               {VprocessState::kPreemptedHost, 11'111},
               {VprocessState::kPreemptedVm, 11'111},
               {VprocessState::kPreemptedGuest, 11'111},
               {VprocessState::kUnknown, 11'111}});
  const auto processes = gather_waits(source, {});
  ASSERT_TRUE(processes.ok());
  const auto lines = waits_conclusions(*processes);
  const std::string page = waits_text({*processes, lines}, {});
  EXPECT_EQ(page.find('\x1b'), std::string::npos);
  for (std::size_t begin = 0; begin < page.size();) {
    const std::size_t end = page.find('\n', begin);
    std::size_t columns = 0;
    for (std::size_t i = begin; i < end; ++i) columns += (page[i] & 0xc0) != 0x80 ? 1U : 0U;
    EXPECT_LE(columns, 100U) << page.substr(begin, end - begin);
    begin = end + 1;
  }
}

}  // namespace
}  // namespace vs::report
