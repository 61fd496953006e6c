// The same answers from a whole trace in memory and from its history, which is read in parts as the
// walks go: flows, paths and neighbours at disks.

#include <gtest/gtest.h>

#include "analysis/flow/disk_neighbours.h"
#include "analysis/flow/execution_flow.h"
#include "analysis/flow/random_world_test_support.h"
#include "history/history_test_util.h"

namespace vs::analysis::flow {
namespace {

using model::TableId;
using test::Memory;
using test::RandomWorld;

class HistoryRows final : public StateRows {
 public:
  explicit HistoryRows(history::RowCursor cursor) : cursor_(std::move(cursor)) {}
  Result<bool> next(StateRow& row) override {
    if (!cursor_.next(row_)) {
      VS_TRY(cursor_.status());
      return false;
    }
    row = {row_.begin, row_.end, row_.values};
    return true;
  }

 private:
  history::RowCursor cursor_;
  history::Row row_;
};

/// What the memory holds, written to a history and read back from its bytes.
class Streamed final : public StateSource {
 public:
  explicit Streamed(const Memory& memory) : memory_(memory) {
    history::test::MemoryOutputs outputs;
    history::WriterOptions options;
    options.outputs = &outputs;
    auto made = history::Writer::create("h", options);
    EXPECT_TRUE(made.ok());
    history::Writer& writer = **made;
    std::vector<std::int64_t> ids;
    for (const std::string& text : memory.strings()) ids.push_back(writer.intern(text));
    const auto translate = [&](TableId table, bool keys, std::vector<std::int64_t> values) {
      std::size_t at = 0;
      for (const model::ColumnDef& column : model::table_def(table).columns) {
        if ((column.role == model::ColumnRole::kKey) != keys) continue;
        if (!keys && column.role != model::ColumnRole::kValue) continue;
        std::int64_t& value = values[at++];
        const bool text = column.type == model::ColumnType::kText && value != model::kNull;
        if (text) value = ids[static_cast<std::size_t>(value)];
      }
      EXPECT_EQ(at, values.size());
      return values;
    };
    memory.each_row(
        [&](TableId table, const std::vector<std::int64_t>& key, const test::StoredRow& row) {
          const auto entity = writer.entity(table, translate(table, true, key));
          writer.add(entity, HostTime{row.begin}, HostTime{row.end},
                     translate(table, false, row.values));
          ++rows_written;
        });
    EXPECT_TRUE(writer.commit().ok());
    EXPECT_EQ(writer.repaired_rows(), 0u);
    auto opened = history::test::open_bytes(outputs.bytes(), 64 << 10);
    EXPECT_TRUE(opened.ok());
    reader_ = *opened;
  }

  const model::SmallTable& small(TableId table) const override { return memory_.small(table); }
  std::vector<StateEntity> entities(TableId table) const override {
    std::vector<StateEntity> list;
    for (const history::Entity& entity : reader_->entities(table)) {
      list.push_back({entity.id, entity.key});
    }
    return list;
  }
  Result<std::unique_ptr<StateRows>> rows(model::EntityId entity, HostTime from,
                                          HostTime to) const override {
    return std::unique_ptr<StateRows>(
        std::make_unique<HistoryRows>(reader_->rows(entity, from, to)));
  }
  std::string_view string(std::int64_t id) const override { return reader_->string(id); }
  std::optional<std::int64_t> find_string(std::string_view text) const override {
    return reader_->find_string(text);
  }
  std::int64_t vcpu_of_cpu(std::string_view, std::int64_t cpu) const override { return cpu; }

  std::uint64_t rows_written = 0;

 private:
  const Memory& memory_;
  std::shared_ptr<const history::Reader> reader_;
};

std::string text_of(const World& world, const FlowPiece& piece) {
  return std::to_string(piece.begin.ns) + "-" + std::to_string(piece.end.ns) + " " +
         std::to_string(static_cast<int>(piece.kind)) + " " +
         actor_text(world, piece.exec, piece.comm) + " " + std::to_string(piece.pcpu) + " " +
         std::string(piece.cause);
}

std::vector<std::string> flow_of(const World& world, const TaskWindow& task,
                                 const StatesOptions& options) {
  FlowWalk walk(world, task, options);
  std::vector<std::string> out;
  FlowPiece piece;
  for (;;) {
    const auto more = walk.next(piece);
    EXPECT_TRUE(more.ok());
    if (!more.ok() || !*more) return out;
    out.push_back(text_of(world, piece));
  }
}

std::vector<std::string> path_of(const World& world, const TaskWindow& task,
                                 const StatesOptions& states) {
  PathOptions options;
  options.states = states;
  auto walk = PathWalk::make(world, task, options);
  EXPECT_TRUE(walk.ok());
  std::vector<std::string> out;
  PathPiece piece;
  while (walk.ok() && walk->next(piece)) {
    out.push_back(std::to_string(piece.begin.ns) + "-" + std::to_string(piece.end.ns) + " " +
                  std::to_string(piece.depth) + " " +
                  std::to_string(static_cast<int>(piece.label)) + " " +
                  std::to_string(piece.machine) + "/" + std::to_string(piece.tid) + " " +
                  std::to_string(piece.cpu) + " " + cause_text(world, piece));
  }
  return out;
}

std::vector<std::string> disks_of(const World& world, const TaskWindow& task) {
  DiskNeighbours found(world);
  EXPECT_TRUE(found.add(task).ok());
  std::vector<std::string> out;
  for (const auto& [who, share] : found.neighbours()) {
    out.push_back(std::string(world.source().string(who.disk.device)) + " " +
                  std::to_string(who.machine) + "/" + std::to_string(who.tid) + " " +
                  std::to_string(share.ahead_ns) + " " + std::to_string(share.beside_ns) + " " +
                  std::to_string(share.requests));
  }
  return out;
}

/// Requests of everybody at the host's disk, many at a time.
void add_requests(RandomWorld& random, std::int64_t end) {
  for (std::int64_t at = 0; at < end; at += 1 + random.dice(6)) {
    const std::int64_t vm = random.dice(3);
    const std::int64_t issue = at + random.dice(4);
    random.memory.request("host", "8:0", at, issue, issue + 1 + random.dice(40),
                          {30 + random.dice(4), vm == 0   ? ""
                                                : vm == 1 ? "vm1"
                                                          : "vm2"});
  }
}

/// The first `most` threads of each machine.
void expect_equal(RandomWorld& random, std::int64_t end, std::size_t part_rows, std::size_t most) {
  add_requests(random, end);
  const Streamed streamed(random.memory);
  const World whole(random.memory);
  const World parts(streamed);
  const StatesOptions small{Direction::kForward, part_rows, 16};
  for (const char* machine : {"host", "vm1"}) {
    auto tids = RandomWorld::tids(machine);
    tids.resize(std::min(tids.size(), most));
    for (const std::int64_t tid : tids) {
      const TaskWindow task{whole.find_machine(machine), tid, HostTime{2}, HostTime{end - 3}};
      ASSERT_EQ(flow_of(whole, task, {}), flow_of(parts, task, small)) << machine << "/" << tid;
      ASSERT_EQ(path_of(whole, task, {}), path_of(parts, task, small)) << machine << "/" << tid;
      ASSERT_EQ(disks_of(whole, task), disks_of(parts, task)) << machine << "/" << tid;
    }
  }
}

TEST(StreamedProperty, SmallWorlds) {
  for (std::uint32_t seed = 0; seed < 200; ++seed) {
    RandomWorld random(seed);
    expect_equal(random, test::kEnd, 1 + seed % 7, 9);
    if (HasFatalFailure()) FAIL() << "seed " << seed;
  }
}

// More rows than a slab of the history holds.
TEST(StreamedProperty, AWorldOfManyParts) {
  constexpr std::int64_t kLong = 120'000;
  RandomWorld random(7, kLong);
  std::uint64_t rows = 0;
  random.memory.each_row([&](TableId, const auto&, const test::StoredRow&) { ++rows; });
  EXPECT_GT(rows, 524'288u);
  expect_equal(random, kLong, 64, 1);
}

}  // namespace
}  // namespace vs::analysis::flow
