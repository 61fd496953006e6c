#include "session/partial.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "session/pipeline.h"
#include "session/session.h"

namespace vs::session {
namespace {

namespace fs = std::filesystem;

/// Of two captures, because one has less rows than a slab. The second host is a flow of its own.
constexpr const char* kTraces[] = {"twovms-tsc/host.dat", "twovms-tsc/vm1.dat",
                                   "twovms-tsc/vm2.dat", "preempt-tsc/host.dat"};

struct Analysed {
  std::unique_ptr<Session> session;
  std::string bytes;  ///< of the history
};

Analysed analyse(unsigned jobs, PartialBoard* board, ProgressCallback progress = nullptr) {
  const fs::path path = fs::path(::testing::TempDir()) /
                        ("vs_partial_" + std::to_string(::getpid()) + std::to_string(jobs));
  SessionOptions options;
  for (const char* const trace : kTraces) {
    options.inputs.paths.push_back(std::string(VS_SOURCE_DIR) + "/tests/captures/" + trace);
  }
  options.jobs = jobs;
  options.history_path = path.string();
  options.partial = board;
  options.progress = std::move(progress);
  Analysed out;
  out.session = std::move(Session::open(os::real_files(), std::move(options)).value());
  EXPECT_TRUE(out.session->analyse().ok());
  std::ifstream in(path, std::ios::binary);
  out.bytes = {std::istreambuf_iterator<char>(in), {}};
  fs::remove(path);
  return out;
}

void expect_part_of(const history::Reader& part, const history::Reader& whole) {
  for (model::EntityId id = 0; id < part.entity_count(); ++id) {
    if (model::table_def(part.entity(id).table).overlaps) continue;
    auto mine = part.rows(id, kHostTimeMin, kHostTimeMax);
    auto all = whole.rows(id, kHostTimeMin, kHostTimeMax);
    history::Row one;
    history::Row other;
    while (mine.next(one)) {
      ASSERT_TRUE(all.next(other));
      ASSERT_EQ(one.begin, other.begin);
      ASSERT_EQ(one.end, other.end);
      ASSERT_TRUE(std::ranges::equal(one.values, other.values));
    }
    ASSERT_TRUE(mine.status().ok());
  }
}

/// Those that go on where the part's rows end.
std::size_t expect_open_in(const std::vector<model::OpenRow>& open, const history::Reader& part,
                           const history::Reader& whole) {
  std::size_t going_on = 0;
  for (const model::OpenRow& row : open) {
    EXPECT_LT(row.begin, row.end);
    const history::EntityInfo& info = whole.entity(row.entity);
    const auto there = whole.at(row.entity, row.begin);
    EXPECT_TRUE(there.ok() && *there);
    if (!there.ok() || !*there) continue;
    const bool known = row.entity < part.entity_count();
    going_on += known && HostTime{part.entity(row.entity).last_ns} == row.begin ? 1U : 0U;
    if (info.table == model::TableId::kVcpuState) continue;  // may become polling
    EXPECT_EQ((*there)->begin, row.begin);
    EXPECT_GE((*there)->end, row.end);
    EXPECT_EQ((*there)->values()[0], row.values[0]) << "the state";
    EXPECT_EQ((*there)->values().size(), row.values.size());
  }
  return going_on;
}

class PartialOf : public ::testing::TestWithParam<unsigned> {};

TEST_P(PartialOf, IsSeenWhileTheAnalysisRunsAndChangesNothing) {
  PartialBoard board;
  std::optional<PartialBoard::Found> seen;
  const auto look = [&](std::string_view phase, std::uint64_t, std::uint64_t) {
    if (phase != "analysing") return;
    board.request();
    if (auto found = board.take()) seen = std::move(found);
  };
  Analysed with;
  // A writer in a thread of its own may lag behind until nobody tells tables any more.
  const int tries = GetParam() > 1 ? 20 : 1;
  for (int i = 0; !seen && i < tries; ++i) {
    with = analyse(GetParam(), &board, look);
    if (!seen) seen = board.take();
  }
  ASSERT_TRUE(seen);
  const auto part = history::Reader::open(std::move(seen->states), "(part)", {});
  ASSERT_TRUE(part.ok()) << part.error().to_string();
  const Session& session = *with.session;
  expect_part_of(**part, session.history());

  EXPECT_GT(expect_open_in(seen->open, **part, session.history()), 0U);

  const HostTime until = analysed_until(**part, session.experiment());
  const model::MachineIndex last = flows_of(session.experiment()).back().front();
  const model::Machine& host = session.experiment().machines[last];
  const TraceSurvey& survey = session.traces()[host.traces.front()].survey;
  EXPECT_GT(until, host.clock.to_host(*survey.begin));
  EXPECT_LT(until, host.clock.to_host(*survey.end));

  ASSERT_FALSE(seen->tables.empty());
  EXPECT_EQ(seen->tables.front().id, model::TableId::kThread);
  const std::size_t threads = seen->tables.front().rows.size();
  EXPECT_GT(threads, 0U);
  EXPECT_LE(threads, session.small_table(model::TableId::kThread).rows.size());

  const Analysed without = analyse(GetParam(), nullptr);
  EXPECT_TRUE(with.bytes == without.bytes);
}

INSTANTIATE_TEST_SUITE_P(Jobs, PartialOf, ::testing::Values(1U, 3U));

TEST(Partial, NothingIsMadeUnlessAskedFor) {
  PartialBoard board;
  (void)analyse(1, &board);
  EXPECT_FALSE(board.take());
}

model::Machine machine(const char* name, model::MachineIndex parent, bool joined,
                       std::vector<std::size_t> traces) {
  model::Machine out;
  out.name = name;
  out.parent = parent;
  out.joined = joined;
  out.traces = std::move(traces);
  return out;
}

TEST(Partial, FlowsAreThoseOfMachinesWithTraces) {
  model::Experiment experiment;
  experiment.machines = {machine("host", model::kNoMachine, true, {0}),
                         machine("vm1", 0, true, {1}),
                         machine("other", model::kNoMachine, false, {}),
                         machine("third", model::kNoMachine, false, {2})};
  const auto flows = flows_of(experiment);
  ASSERT_EQ(flows.size(), 2U);
  EXPECT_EQ(flows[0], (std::vector<model::MachineIndex>{0, 1}));
  EXPECT_EQ(flows[1], (std::vector<model::MachineIndex>{3}));
}

}  // namespace
}  // namespace vs::session
