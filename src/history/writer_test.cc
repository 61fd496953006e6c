#include "history/writer.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <thread>

#include "history/history_test_util.h"

namespace vs::history {
namespace {

using test::MemoryOutputs;
using test::Model;

class Folder {
 public:
  Folder() : path_(testing::TempDir() + "vs_history_XXXXXX") {
    EXPECT_NE(::mkdtemp(path_.data()), nullptr);
  }
  ~Folder() {
    for (const std::string& name : names()) ::unlink(file(name).c_str());
    ::rmdir(path_.c_str());
  }
  [[nodiscard]] std::string file(std::string_view name) const { return os::join_path(path_, name); }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> out;
    const auto entries = os::real_files().list(path_);
    for (const os::Entry& entry : *entries) out.push_back(entry.name);
    return out;
  }

 private:
  std::string path_;
};

std::unique_ptr<Writer> memory_writer(MemoryOutputs& outputs, bool seal_beside = false) {
  WriterOptions options;
  options.outputs = &outputs;
  options.seal_beside = seal_beside;
  return std::move(Writer::create("h", options)).value();
}

TEST(Writer, SameCallsSameBytes) {
  std::string bytes[2];
  for (std::string& out : bytes) {
    MemoryOutputs outputs;
    auto writer = memory_writer(outputs);
    Model model(Model::Shape{5, 12, 30'000, 500});
    model.fill(*writer);
    writer->set_meta("b", "2");
    writer->set_meta("a", "1");
    ASSERT_TRUE(writer->commit().ok());
    out = outputs.bytes();
  }
  EXPECT_EQ(bytes[0], bytes[1]);
}

/// Rows of one more entity.
void fill_a_slab(Writer& writer) {
  const EntityId entity = writer.entity(TableId::kPcpuState, std::vector<std::int64_t>{0, 1000});
  const std::int64_t values[] = {1, 2, 3, 0};
  model::RowMemo memo;
  const auto first = static_cast<std::int64_t>(writer.rows());
  for (std::int64_t at = first; at < first + static_cast<std::int64_t>(kSlabRows); ++at) {
    const HostTime begin{at};
    if (!writer.add_again(entity, begin, begin + 1, memo)) {
      writer.add_noting(entity, begin, begin + 1, values, memo);
    }
  }
}

TEST(Writer, SealingBesideGivesTheSameBytes) {
  std::string bytes[2];
  for (const bool beside : {false, true}) {
    MemoryOutputs outputs;
    auto writer = memory_writer(outputs, beside);
    Model model(Model::Shape{7, 50, kSlabRows / 2, 500});
    model.fill(*writer);
    fill_a_slab(*writer);
    fill_a_slab(*writer);
    const std::uint64_t rows = writer->rows();
    ASSERT_TRUE(writer->commit().ok());
    EXPECT_EQ(writer->rows(), rows);
    bytes[beside ? 1 : 0] = outputs.bytes();
  }
  EXPECT_EQ(bytes[0], bytes[1]);
}

/// Rows of four entities with five combinations of values, some empty or going back in time, over
/// more than one slab; each combination has a memo, or none.
std::string written_rows(bool with_memos) {
  MemoryOutputs outputs;
  auto writer = memory_writer(outputs);
  std::vector<EntityId> entities;
  for (std::int64_t cpu = 0; cpu < 4; ++cpu) {
    entities.push_back(writer->entity(TableId::kPcpuState, std::vector<std::int64_t>{0, cpu}));
  }
  std::vector<model::RowMemo> memos(5);
  std::size_t again = 0;
  for (std::size_t i = 0; i < kSlabRows + 1000; ++i) {
    const EntityId entity = entities[i % 4];
    const auto at = static_cast<std::int64_t>(10 * i);
    const HostTime begin{i % 100 == 7 ? at - 60 : at};
    const HostTime end{i % 50 == 3 ? at : at + 35};
    const std::size_t kind = i * i % 5;
    const std::int64_t values[] = {static_cast<std::int64_t>(kind), 7, 8, 0};
    if (!with_memos) {
      writer->add(entity, begin, end, values);
    } else if (writer->add_again(entity, begin, end, memos[kind])) {
      ++again;
    } else {
      writer->add_noting(entity, begin, end, values, memos[kind]);
    }
  }
  EXPECT_EQ(again > kSlabRows / 2, with_memos);
  EXPECT_GT(writer->repaired_rows(), 0U);
  EXPECT_TRUE(writer->commit().ok());
  return outputs.bytes();
}

TEST(Writer, RowsByMemoAreTheSameBytes) { EXPECT_EQ(written_rows(true), written_rows(false)); }

TEST(Writer, AMemoIsGoodForItsOwnTableAndSlab) {
  MemoryOutputs outputs;
  auto writer = memory_writer(outputs);
  const std::vector<std::int64_t> key{0, 0};
  const EntityId pcpu = writer->entity(TableId::kPcpuState, key);
  const EntityId thread = writer->entity(TableId::kThreadState, key);
  const std::int64_t values[] = {1, 2, 3, 0};
  model::RowMemo memo;
  EXPECT_FALSE(writer->add_again(pcpu, HostTime{0}, HostTime{1}, memo));
  writer->add_noting(pcpu, HostTime{0}, HostTime{1}, values, memo);
  EXPECT_FALSE(writer->add_again(thread, HostTime{0}, HostTime{1}, memo));
  for (std::int64_t at = 1; at < static_cast<std::int64_t>(kSlabRows); ++at) {
    ASSERT_TRUE(writer->add_again(pcpu, HostTime{at}, HostTime{at + 1}, memo));
  }
  const HostTime next{static_cast<std::int64_t>(kSlabRows)};
  EXPECT_FALSE(writer->add_again(pcpu, next, next + 1, memo));
  EXPECT_EQ(writer->rows(), kSlabRows);
  EXPECT_TRUE(writer->commit().ok());
  EXPECT_FALSE(writer->add_again(pcpu, next, next + 1, memo));
}

// Tables with number columns have no memos: each row's numbers are its own.
TEST(Writer, NumbersAreNotNoted) {
  MemoryOutputs outputs;
  auto writer = memory_writer(outputs);
  const EntityId exits = writer->entity(TableId::kVmExit, std::vector<std::int64_t>{0, 0});
  const std::int64_t values[] = {1, 2, 3, 4, 5, 6, 7, 8};
  model::RowMemo memo;
  writer->add_noting(exits, HostTime{0}, HostTime{1}, values, memo);
  EXPECT_FALSE(writer->add_again(exits, HostTime{1}, HostTime{2}, memo));
  EXPECT_TRUE(writer->commit().ok());
}

TEST(Writer, KeepsMetaStringsAndSmallTables) {
  const Folder folder;
  auto writer = std::move(Writer::create(folder.file("h"))).value();
  const StringId b = writer->intern("b");
  EXPECT_EQ(writer->intern(""), b + 1);
  EXPECT_EQ(writer->intern("b"), b);
  writer->set_meta("fingerprint", std::string("\0x", 2));
  model::SmallTable loss{TableId::kLoss, {}};
  loss.rows.push_back({std::int64_t{-1}, std::string("vm"), std::monostate{}, 1.5, std::int64_t{2},
                       std::monostate{}});
  writer->put_small_table({TableId::kLoss, {}});
  writer->put_small_table(loss);
  EXPECT_TRUE(folder.names().size() == 1 && folder.names()[0] != "h");
  ASSERT_TRUE(writer->commit().ok());
  EXPECT_EQ(folder.names(), std::vector<std::string>{"h"});
  const auto reader = Reader::open(folder.file("h"));
  ASSERT_TRUE(reader.ok()) << reader.error().to_string();
  EXPECT_EQ((*reader)->meta("fingerprint"), std::string_view("\0x", 2));
  EXPECT_EQ((*reader)->meta("other"), std::nullopt);
  EXPECT_EQ((*reader)->string(b), "b");
  EXPECT_EQ((*reader)->string(99), "");
  EXPECT_EQ((*reader)->string(model::kNull), "");
  EXPECT_EQ((*reader)->find_string("b"), b);
  EXPECT_EQ((*reader)->find_string("c"), std::nullopt);
  ASSERT_NE((*reader)->small_table(TableId::kLoss), nullptr);
  EXPECT_EQ((*reader)->small_table(TableId::kLoss)->rows, loss.rows);
  EXPECT_EQ((*reader)->small_table(TableId::kMachine), nullptr);
}

TEST(Writer, EntitiesAreNumberedByArrival) {
  MemoryOutputs outputs;
  auto writer = memory_writer(outputs);
  const std::int64_t key[] = {0, 7};
  const EntityId a = writer->entity(TableId::kVcpuState, key);
  const EntityId b = writer->entity(TableId::kVmExit, key);
  EXPECT_EQ(writer->entity(TableId::kVcpuState, key), a);
  EXPECT_EQ(b, a + 1);
  ASSERT_TRUE(writer->commit().ok());
  const auto reader = test::open_bytes(outputs.bytes());
  ASSERT_TRUE(reader.ok());
  ASSERT_EQ((*reader)->entities(TableId::kVmExit).size(), 1U);
  EXPECT_EQ((*reader)->entities(TableId::kVmExit)[0].id, b);
  EXPECT_TRUE(std::ranges::equal((*reader)->entities(TableId::kVmExit)[0].key, key));
  EXPECT_TRUE((*reader)->totals(a).empty());
}

TEST(Writer, RepairsRowsThatBreakTheContract) {
  MemoryOutputs outputs;
  auto writer = memory_writer(outputs);
  const std::int64_t key[] = {0, 0};
  const EntityId id = writer->entity(TableId::kPcpuState, key);
  const std::int64_t values[] = {1, 2, 3, 0};
  writer->add(id, HostTime{10}, HostTime{20}, values);
  writer->add(id, HostTime{15}, HostTime{30}, values);  // begins inside the last one
  writer->add(id, HostTime{40}, HostTime{35}, values);  // ends before it begins
  writer->add(id, HostTime{50}, HostTime{50}, values);  // empty: dropped
  writer->add(id, HostTime{60}, kHostTimeMax, values);  // cut
  EXPECT_EQ(writer->repaired_rows(), 2U);
  ASSERT_TRUE(writer->commit().ok());
  const auto reader = test::open_bytes(outputs.bytes());
  ASSERT_TRUE(reader.ok());
  RowCursor cursor = (*reader)->rows(id, kHostTimeMin, kHostTimeMax);
  Row row;
  std::vector<std::pair<std::int64_t, std::int64_t>> got;
  while (cursor.next(row)) got.emplace_back(row.begin.ns, row.end.ns);
  EXPECT_TRUE(cursor.status().ok());
  const std::vector<std::pair<std::int64_t, std::int64_t>> expected = {
      {10, 20}, {20, 30}, {60, kTimeLimit}};
  EXPECT_EQ(got, expected);
}

TEST(Writer, OurOwnMistakesFailTheCommit) {
  const std::int64_t key[] = {0, 0};
  const std::int64_t values[] = {1, 2, 3, 0};
  const auto failed = [&](auto mistake) {
    MemoryOutputs outputs;
    auto writer = memory_writer(outputs);
    mistake(*writer);
    const Status status = writer->commit();
    EXPECT_FALSE(outputs.committed());
    return !status.ok() && status.error().code == ErrorCode::kInternal;
  };
  EXPECT_TRUE(failed([&](Writer& w) { w.add(3, HostTime{0}, HostTime{1}, values); }));
  EXPECT_TRUE(failed([&](Writer& w) {
    w.add(w.entity(TableId::kVmExit, key), HostTime{0}, HostTime{1}, values);
  }));
  EXPECT_TRUE(failed([&](Writer& w) { (void)w.entity(TableId::kLoss, key); }));
  EXPECT_TRUE(
      failed([&](Writer& w) { (void)w.entity(TableId::kVmExit, std::span(key).first(1)); }));
  EXPECT_TRUE(failed([&](Writer& w) { w.put_small_table({TableId::kVmExit, {}}); }));
  EXPECT_TRUE(failed([&](Writer& w) { w.put_small_table({TableId::kLoss, {{}}}); }));
  MemoryOutputs outputs;
  auto writer = memory_writer(outputs);
  ASSERT_TRUE(writer->commit().ok());
  EXPECT_EQ(writer->commit().error().code, ErrorCode::kInternal);
}

TEST(Writer, DestroyedWithoutCommitLeavesNothing) {
  const Folder folder;
  {
    auto writer = std::move(Writer::create(folder.file("h"))).value();
    Model model(Model::Shape{});
    model.fill(*writer);
  }
  EXPECT_TRUE(folder.names().empty());
}

TEST(Writer, AnonymousHistoryIsReadThroughFinish) {
  const Folder folder;
  auto writer = std::move(Writer::create_anonymous(folder.path())).value();
  Model model(Model::Shape{});
  model.fill(*writer);
  const auto reader = writer->finish();
  ASSERT_TRUE(reader.ok()) << reader.error().to_string();
  writer.reset();
  EXPECT_TRUE(folder.names().empty());
  EXPECT_EQ((*reader)->entity_count(), model.entities().size());
  EXPECT_TRUE((*reader)->verify().ok());
}

TEST(Writer, DestroyedWhileASlabIsSealedLeavesNothing) {
  const Folder folder;
  {
    WriterOptions options;
    options.seal_beside = true;
    auto writer = std::move(Writer::create(folder.file("h"), options)).value();
    fill_a_slab(*writer);
  }
  EXPECT_TRUE(folder.names().empty());
}

/// A new history over the one at `path`, whose step number `point` fails: what came of it.
Status overwrite(const std::string& path, os::FaultyOutputs& outputs, bool seal_beside) {
  WriterOptions options;
  options.outputs = &outputs;
  options.seal_beside = seal_beside;
  VS_ASSIGN(auto writer, Writer::create(path, options));
  Model model(Model::Shape{3, 40, 20'000, 500});
  model.fill(*writer);
  if (seal_beside) fill_a_slab(*writer);
  writer->set_meta("which", "new");
  return writer->commit();
}

class WriterSteps : public testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(SealBeside, WriterSteps, testing::Bool());

// Every step of writing fails once, then once and for ever: an error that names it, and either the
// old file or none, never half of the new one.
TEST_P(WriterSteps, EveryFailingStepLeavesTheOldFile) {
  const Folder folder;
  const std::string path = folder.file("h");
  const auto write_old = [&path] {
    auto writer = std::move(Writer::create(path)).value();
    writer->set_meta("which", "old");
    ASSERT_TRUE(writer->commit().ok());
  };
  write_old();
  for (const bool for_ever : {false, true}) {
    std::uint64_t points = 0;
    for (bool failed = true; failed; ++points) {
      ASSERT_LT(points, 1000U);
      os::FaultyOutputs faulty(os::real_outputs(), points, for_ever);
      const Status status = overwrite(path, faulty, GetParam());
      failed = points < faulty.calls();
      EXPECT_EQ(status.ok(), !failed);
      EXPECT_EQ(folder.names(), std::vector<std::string>{"h"});
      const auto reader = Reader::open(path);
      ASSERT_TRUE(reader.ok());
      EXPECT_EQ((*reader)->meta("which"), failed ? "old" : "new");
      if (failed) {
        EXPECT_NE(status.error().to_string().find("call " + std::to_string(points)),
                  std::string::npos);
      } else {
        write_old();
      }
    }
    EXPECT_GT(points, 10U);
  }
}

TEST(Reader, MayBeSharedByThreads) {
  MemoryOutputs outputs;
  auto writer = memory_writer(outputs);
  Model model(Model::Shape{9, 30, 40'000, 500});
  model.fill(*writer);
  ASSERT_TRUE(writer->commit().ok());
  const auto reader = test::open_bytes(outputs.bytes(), 100'000);  // small: things get thrown out
  ASSERT_TRUE(reader.ok());
  std::array<std::uint64_t, 4> rows{};
  std::vector<std::thread> threads;
  for (std::uint64_t& count : rows) {
    threads.emplace_back([&count, &reader, &model] {
      for (std::size_t i = 0; i < model.entities().size(); ++i) {
        RowCursor cursor = (*reader)->rows(model.id(i), kHostTimeMin, kHostTimeMax);
        Row row;
        while (cursor.next(row)) ++count;
        (void)(*reader)->find_string("machine1");
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::uint64_t count : rows) EXPECT_EQ(count, rows[0]);
  EXPECT_GT(rows[0], 30'000U);
}

}  // namespace
}  // namespace vs::history
