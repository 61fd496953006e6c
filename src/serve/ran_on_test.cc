// On which CPUs rows ran, against the rows of the history themselves, of a real capture; of parts
// of it, too.

#include "serve/ran_on.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "serve/growing_test_support.h"

namespace vs::serve {
namespace {

using model::TableId;
namespace slot = model::slot;
using test::GrowingCapture;

using Sets = std::map<std::int32_t, std::vector<std::int32_t>>;

bool ran(TableId table, std::int64_t state) {
  const std::string_view name = table == TableId::kThreadState
                                    ? model::thread_state_names()[static_cast<std::size_t>(state)]
                                    : model::vcpu_state_names()[static_cast<std::size_t>(state)];
  const std::set<std::string_view> names =
      table == TableId::kThreadState
          ? std::set<std::string_view>{"user", "syscall", "irq"}
          : std::set<std::string_view>{"guest",    "hypervisor", "userspace",
                                       "host_irq", "polling",    "emulated"};
  return names.contains(name);
}

/// The same by reading all rows of the window.
Sets expected(const Views& views, const View& view, HostTime from, HostTime to) {
  Sets out;
  for (const Row& row : views.rows(view)) {
    const bool thread = row.table == TableId::kThreadState;
    if (!row.entity || (!thread && row.table != TableId::kVcpuState)) continue;
    const std::size_t cpu_slot = thread ? std::size_t{slot::kTsCpu} : std::size_t{slot::kVsPcpu};
    const std::size_t state_slot =
        thread ? std::size_t{slot::kTsState} : std::size_t{slot::kVsState};
    std::set<std::int32_t> cpus;
    auto rows = views.history().rows(*row.entity, from, to);
    history::Row one;
    const auto look = [&](std::span<const std::int64_t> values) {
      const std::int64_t cpu = values[cpu_slot];
      if (cpu != model::kNull && ran(row.table, values[state_slot])) {
        cpus.insert(static_cast<int>(cpu));
      }
    };
    while (rows.next(one)) look(one.values);
    for (const history::OwnedRow& open : views.open_rows(row)) {
      if (open.begin < to && open.end > from) look(open.values());
    }
    if (!cpus.empty()) out[row.id] = {cpus.begin(), cpus.end()};
  }
  return out;
}

Sets answered(RanOn& ran_on, const Views& views, const View& view, HostTime from, HostTime to) {
  const auto answer = ran_on.in(views, view, {from, to}, nullptr);
  EXPECT_TRUE(answer.ok());
  return {answer->begin(), answer->end()};
}

void compare(RanOn& ran_on, const Views& views, std::uint32_t seed) {
  std::mt19937_64 random(seed);
  for (const std::string_view id : {"vms", "control"}) {
    const View& view = *views.find(id);
    HostTime begin = kHostTimeMax;
    HostTime end = kHostTimeMin;
    for (const Row& row : views.rows(view)) {
      begin = std::min(begin, row.begin);
      end = std::max(end, row.end);
    }
    const auto length = static_cast<std::uint64_t>(end - begin);
    for (int i = 0; i < 20; ++i) {
      const HostTime from = begin + static_cast<std::int64_t>(random() % length);
      const HostTime to = from + 1 + static_cast<std::int64_t>(random() % (length >> (i % 12)));
      EXPECT_EQ(answered(ran_on, views, view, from, to), expected(views, view, from, to));
    }
    EXPECT_EQ(answered(ran_on, views, view, begin, end + 1), expected(views, view, begin, end + 1));
  }
}

TEST(RanOn, IsWhatTheRowsSay) {
  GrowingCapture capture("twovms-tsc");
  capture.complete();
  RanOn ran_on;
  compare(ran_on, *capture.service().views(), 1);
  const View& view = *capture.service().views()->find("vms");
  const auto all = expected(*capture.service().views(), view, kHostTimeMin, kHostTimeMax);
  std::set<std::size_t> sizes;
  for (const auto& [id, cpus] : all) sizes.insert(cpus.size());
  EXPECT_GT(sizes.size(), 1U) << "the capture has rows that ran on one CPU and on several";
}

TEST(RanOn, PartsOnlyAddToWhatIsKnown) {
  GrowingCapture capture("twovms-tsc");
  RanOn ran_on;
  for (const double share : {0.2, 0.5, 0.51, 0.9}) {
    const auto shown = capture.grow(share);
    compare(ran_on, shown->views, static_cast<std::uint32_t>(share * 100));
  }
  capture.complete();
  compare(ran_on, *capture.service().views(), 7);
}

TEST(RanOn, TheEdgesOfAWindowAreAllThatIsRead) {
  GrowingCapture capture("twovms-tsc");
  capture.complete();
  const Views& views = *capture.service().views();
  const View& view = *views.find("control");
  RanOn ran_on;
  const std::int64_t length = capture.at(1) - capture.at(0);
  (void)answered(ran_on, views, view, capture.at(0) + length / 7, capture.at(0.93));
  std::uint64_t most = 0;
  std::uint64_t all = 0;
  for (const Row& row : views.rows(view)) {
    const std::uint64_t rows = row.entity ? views.history().entity(*row.entity).rows : 0;
    most += std::min(rows, 2 * (kRunRows + 1));
    all += rows;
  }
  EXPECT_LE(ran_on.edge_rows(), most);
  EXPECT_LT(most, all) << "the capture has threads with many rows";
}

TEST(RanOn, StopsAndGoesOnLater) {
  GrowingCapture capture("twovms-tsc");
  capture.complete();
  const Views& views = *capture.service().views();
  RanOn ran_on;
  const std::atomic<bool> cancel{true};
  for (int i = 0; i < 3; ++i) {
    const auto stopped =
        ran_on.in(views, *views.find("vms"), {capture.at(0), capture.at(1)}, &cancel);
    ASSERT_FALSE(stopped.ok());
    EXPECT_EQ(stopped.error().code, ErrorCode::kCancelled);
  }
  compare(ran_on, views, 3);
}

}  // namespace
}  // namespace vs::serve
