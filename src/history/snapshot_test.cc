#include "history/snapshot.h"

#include <gtest/gtest.h>

#include <thread>

#include "history/history_test_util.h"

namespace vs::history {
namespace {

using test::MemoryOutputs;
using test::Model;
using ReaderPtr = std::shared_ptr<const Reader>;

struct Kept {
  std::int64_t begin_ns;
  std::int64_t end_ns;
  std::vector<std::int64_t> values;
  auto operator<=>(const Kept&) const = default;
};

std::vector<Kept> rows_of(const Reader& reader, EntityId entity) {
  std::vector<Kept> out;
  RowCursor cursor = reader.rows(entity, HostTime{-kTimeLimit}, HostTime{kTimeLimit});
  Row row;
  while (cursor.next(row)) {
    out.push_back({row.begin.ns, row.end.ns, {row.values.begin(), row.values.end()}});
  }
  EXPECT_TRUE(cursor.status().ok()) << cursor.status().error().to_string();
  return out;
}

Result<ReaderPtr> open(std::unique_ptr<os::File> file) {
  return Reader::open(std::move(file), "(snapshot)", ReaderOptions{1 << 20, nullptr});
}

/// Sums of the state column, to compare with totals.
class Sums {
 public:
  void add(const Row& row, std::size_t slot) {
    auto& [held_ns, count] = sums_[row.values[slot]];
    held_ns += row.end - row.begin;
    ++count;
  }
  void expect_totals(const Reader& reader, EntityId entity) const {
    const auto totals = reader.totals(entity);
    ASSERT_EQ(totals.size(), sums_.size());
    for (const StateTotal& total : totals) {
      EXPECT_EQ(total.duration_ns, sums_.at(total.value).first);
      EXPECT_EQ(total.rows, sums_.at(total.value).second);
    }
  }

 private:
  std::map<std::int64_t, std::pair<std::int64_t, std::uint64_t>> sums_;
};

/// The share of the value that held longest in each part of [from, to), out of the rows.
std::vector<double> brute_shares(const std::vector<Kept>& rows, std::int64_t from, std::int64_t to,
                                 std::size_t pixels, std::size_t slot) {
  std::vector<double> out;
  const auto edge = [&](std::size_t p) {
    const auto parts = static_cast<std::int64_t>(pixels);
    return from + (to - from) / parts * static_cast<std::int64_t>(p);
  };
  std::vector<std::map<std::int64_t, std::int64_t>> held(pixels);
  std::size_t p = 0;
  for (const Kept& row : rows) {
    while (p < pixels && edge(p + 1) <= row.begin_ns) ++p;
    for (std::size_t q = p; q < pixels && edge(q) < row.end_ns; ++q) {
      const std::int64_t ns = std::min(row.end_ns, edge(q + 1)) - std::max(row.begin_ns, edge(q));
      if (ns > 0) held[q][row.values[slot]] += ns;
    }
  }
  for (const auto& values : held) {
    std::int64_t most_ns = 0;
    for (const auto& [value, ns] : values) most_ns = std::max(most_ns, ns);
    out.push_back(static_cast<double>(most_ns) / static_cast<double>(edge(1) - edge(0)));
  }
  return out;
}

/// Rows that overlap come in the order in which they end.
void expect_some_of(const Reader& part, const Reader& whole, EntityId entity) {
  std::vector<Kept> mine = rows_of(part, entity);
  std::vector<Kept> all = rows_of(whole, entity);
  std::ranges::sort(mine);
  std::ranges::sort(all);
  EXPECT_TRUE(std::ranges::includes(all, mine)) << entity;
}

void expect_first_of(const Reader& part, const Reader& whole, EntityId entity) {
  const EntityInfo& info = part.entity(entity);
  const auto slot = Reader::state_slot(info.table);
  RowCursor mine = part.rows(entity, HostTime{-kTimeLimit}, HostTime{kTimeLimit});
  RowCursor all = whole.rows(entity, HostTime{-kTimeLimit}, HostTime{kTimeLimit});
  Row one;
  Row other;
  Sums sums;
  std::uint64_t rows = 0;
  for (; mine.next(one); ++rows) {
    ASSERT_TRUE(all.next(other));
    ASSERT_TRUE(one.begin == other.begin && one.end == other.end) << entity << " " << rows;
    ASSERT_TRUE(std::ranges::equal(one.values, other.values)) << entity << " " << rows;
    if (slot) sums.add(one, *slot);
  }
  ASSERT_TRUE(mine.status().ok()) << mine.status().error().to_string();
  EXPECT_EQ(rows, info.rows);
  if (slot) sums.expect_totals(part, entity);
  const bool goes_on = rows > 0 && all.next(other);
  EXPECT_TRUE(!goes_on || other.begin.ns >= info.last_ns) << entity;
}

/// Everything up to each entity's last row is as in the finished history.
void expect_part_of(const Reader& part, const Reader& whole) {
  ASSERT_TRUE(part.verify().ok());
  ASSERT_LE(part.entity_count(), whole.entity_count());
  for (EntityId entity = 0; entity < part.entity_count(); ++entity) {
    ASSERT_EQ(part.entity(entity).table, whole.entity(entity).table);
    const bool overlaps = layout_of(part.entity(entity).table).overlaps;
    if (overlaps) {
      expect_some_of(part, whole, entity);
    } else {
      expect_first_of(part, whole, entity);
    }
  }
}

/// Pictures of the snapshot show the rows, from the summaries, too, within half a bucket.
void expect_pictures(const Reader& part) {
  for (EntityId entity = 0; entity < part.entity_count(); ++entity) {
    const EntityInfo& info = part.entity(entity);
    const auto slot = Reader::state_slot(info.table);
    if (!slot || info.rows == 0 || layout_of(info.table).overlaps) continue;
    const std::vector<Kept> rows = rows_of(part, entity);
    const std::int64_t width_ns = info.last_ns - info.first_ns;
    const std::int64_t from = info.first_ns - width_ns / 10;
    const std::int64_t to = info.last_ns + width_ns / 10;
    const auto got = part.timeline(entity, HostTime{from}, HostTime{to}, 50, *slot);
    ASSERT_TRUE(got.ok()) << got.error().to_string();
    const std::vector<double> want = brute_shares(rows, from, to, 50, *slot);
    for (std::size_t p = 0; p < want.size(); ++p) {
      EXPECT_NEAR((*got)[p].share, want[p], 0.08) << "entity " << entity << " pixel " << p;
    }
  }
}

struct World {
  std::string bytes;  ///< of the finished file
  std::vector<ReaderPtr> parts;
};

World write_world(const Model::Shape& shape, std::size_t steps, SnapshotBoard* board,
                  bool beside = false) {
  World world;
  MemoryOutputs outputs;
  WriterOptions options;
  options.outputs = &outputs;
  options.snapshots = board;
  options.seal_beside = beside;
  auto writer = std::move(Writer::create("h", options)).value();
  Model model(shape);
  model.fill(*writer);
  for (std::size_t step = 0; step < steps; ++step) {
    if (board != nullptr) board->request();
    model.add_rows(*writer, kSlabRows / 2 + 1000);
    if (board == nullptr) continue;
    if (auto file = board->take()) {
      auto part = open(std::move(file));
      EXPECT_TRUE(part.ok()) << part.error().to_string();
      if (part.ok()) world.parts.push_back(std::move(part).value());
    }
  }
  EXPECT_TRUE(writer->commit().ok());
  world.bytes = outputs.bytes();
  return world;
}

TEST(Snapshot, IsThePartOfTheFinishedHistoryThatIsSealed) {
  for (const std::uint32_t seed : {1U, 2U}) {
    const Model::Shape shape{seed, seed == 1 ? 8U : 200U, 1000, 2000};
    SnapshotBoard board;
    const World world = write_world(shape, 4, &board, seed == 2);
    const auto whole = test::open_bytes(world.bytes);
    ASSERT_TRUE(whole.ok());
    ASSERT_GE(world.parts.size(), 1U);
    std::uint64_t before = 0;
    for (const ReaderPtr& part : world.parts) {
      std::uint64_t rows = 0;
      for (EntityId e = 0; e < part->entity_count(); ++e) rows += part->entity(e).rows;
      EXPECT_GT(rows, before);
      before = rows;
      expect_part_of(*part, **whole);
      EXPECT_EQ(part->string(0), (*whole)->string(0));
      EXPECT_EQ(part->string_count(), (*whole)->string_count());
    }
    expect_pictures(*world.parts.back());
  }
}

TEST(Snapshot, ChangesNoByteOfTheFile) {
  const Model::Shape shape{9, 60, 1000, 2000};
  SnapshotBoard board;
  const std::string bytes = write_world(shape, 4, nullptr).bytes;
  EXPECT_TRUE(write_world(shape, 4, &board).bytes == bytes);
  EXPECT_TRUE(write_world(shape, 4, &board, true).bytes == bytes);
}

std::unique_ptr<Writer> watched_writer(os::Outputs& outputs, SnapshotBoard& board) {
  WriterOptions options;
  options.outputs = &outputs;
  options.snapshots = &board;
  return std::move(Writer::create("h", options)).value();
}

TEST(Snapshot, IsMadeOnlyWhenAskedForAndOnlyOfWhatIsSealed) {
  MemoryOutputs outputs;
  SnapshotBoard board;
  auto writer = watched_writer(outputs, board);
  Model model(Model::Shape{4, 8, 10, 1000});
  model.fill(*writer);
  model.add_rows(*writer, kSlabRows + 10);
  EXPECT_EQ(board.take(), nullptr) << "nobody asked";
  board.request();
  model.add_rows(*writer, 100);
  EXPECT_EQ(board.take(), nullptr) << "nothing new is sealed";
  model.add_rows(*writer, kSlabRows);
  EXPECT_NE(board.take(), nullptr);
  EXPECT_EQ(board.take(), nullptr) << "taken";
  EXPECT_FALSE(board.wanted());
}

TEST(Snapshot, OutlivesAWriterThatIsGivenUp) {
  SnapshotBoard board;
  WriterOptions options;
  options.snapshots = &board;
  auto writer = std::move(Writer::create_anonymous(testing::TempDir(), options)).value();
  Model model(Model::Shape{5, 20, 1000, 1000});
  board.request();
  model.fill(*writer);
  model.add_rows(*writer, kSlabRows + kSlabRows / 4);
  auto part = open(board.take());
  ASSERT_TRUE(part.ok());
  RowCursor cursor = (*part)->rows(model.id(0), HostTime{-kTimeLimit}, HostTime{kTimeLimit});
  Row row;
  ASSERT_TRUE(cursor.next(row));
  writer.reset();  // as when the analysis is stopped
  EXPECT_TRUE((*part)->verify().ok());
  std::size_t rows = 1;
  while (cursor.next(row)) ++rows;
  EXPECT_TRUE(cursor.status().ok());
  EXPECT_EQ(rows, (*part)->entity(model.id(0)).rows);
}

/// Claims more bytes than it has, as a file that was cut after it was opened.
class CutFile final : public os::File {
 public:
  CutFile(std::unique_ptr<os::File> file, std::uint64_t left)
      : file_(std::move(file)), left_(left) {}
  [[nodiscard]] std::uint64_t size() const override { return file_->size(); }
  [[nodiscard]] Result<std::size_t> read_at(std::uint64_t offset,
                                            std::span<std::byte> out) const override {
    if (offset >= left_) return std::size_t{0};
    return file_->read_at(offset, out.first(std::min<std::uint64_t>(out.size(), left_ - offset)));
  }

 private:
  const std::unique_ptr<os::File> file_;
  const std::uint64_t left_;
};

TEST(Snapshot, OfAFileThatWasCutGivesErrors) {
  MemoryOutputs outputs;
  SnapshotBoard board;
  auto writer = watched_writer(outputs, board);
  Model model(Model::Shape{6, 20, 1000, 1000});
  board.request();
  model.fill(*writer);
  model.add_rows(*writer, kSlabRows + kSlabRows / 4);
  const std::uint64_t sealed = outputs.bytes().size();
  auto file = board.take();
  ASSERT_NE(file, nullptr);
  const auto cut = open(std::make_unique<CutFile>(std::move(file), sealed / 2));
  EXPECT_FALSE(cut.ok());  // its end is gone

  board.request();
  model.add_rows(*writer, kSlabRows + kSlabRows / 4);
  os::MemoryFiles files;
  files.put("half", outputs.bytes().substr(0, outputs.bytes().size() / 2));
  files.put("tail", std::string(64, 'x'));
  ByteSink tail;
  tail.put_bytes(as_bytes(std::string_view("no history's end")));
  EXPECT_FALSE(open(make_snapshot(std::move(files.open("half")).value(), std::move(tail))).ok());
}

TEST(Snapshot, ReadsAcrossTheSeam) {
  os::MemoryFiles files;
  files.put("a", std::string("0123456789"));
  ByteSink tail;
  tail.put_bytes(as_bytes(std::string_view("abcdef")));
  const auto file = make_snapshot(std::move(files.open("a")).value(), std::move(tail));
  const std::string all = "0123456789abcdef";
  ASSERT_EQ(file->size(), all.size());
  for (std::size_t at = 0; at <= all.size() + 2; ++at) {
    for (std::size_t size = 0; size <= all.size() + 2; ++size) {
      std::vector<std::byte> out(size);
      const auto got = file->read_at(at, out);
      ASSERT_TRUE(got.ok());
      const std::string want = at < all.size() ? all.substr(at, size) : std::string();
      EXPECT_EQ(as_text(Bytes(out).first(*got)), want) << at << " " << size;
    }
  }
}

/// Asks for a snapshot and writes a slab, where call `fail_at` of the outputs fails.
struct Tried {
  bool made = false;
  bool good = false;
  std::uint64_t calls = 0;
};
Tried try_snapshot(std::uint64_t fail_at) {
  MemoryOutputs memory;
  os::FaultyOutputs outputs(memory, fail_at, false);
  SnapshotBoard board;
  auto writer = watched_writer(outputs, board);
  Model model(Model::Shape{7, 4, 10, 100});
  model.fill(*writer);
  board.request();
  while (board.wanted()) model.add_rows(*writer, 10);
  const Tried out{board.take() != nullptr, writer->status().ok(), outputs.calls()};
  EXPECT_EQ(writer->commit().ok(), out.good);
  return out;
}

TEST(Snapshot, ThatCannotBeMadeIsNotMissed) {
  const Tried all_goes_well = try_snapshot(std::numeric_limits<std::uint64_t>::max());
  ASSERT_TRUE(all_goes_well.made && all_goes_well.good);
  const Tried no_file = try_snapshot(all_goes_well.calls - 1);  // its own, the last one
  EXPECT_FALSE(no_file.made);
  EXPECT_TRUE(no_file.good);
  const Tried no_history = try_snapshot(all_goes_well.calls - 2);  // a piece of the slab
  EXPECT_FALSE(no_history.made);
  EXPECT_FALSE(no_history.good);
}

TEST(Snapshot, IsReadWhileTheWriterGoesOn) {
  SnapshotBoard board;
  WriterOptions options;
  options.seal_beside = true;
  options.snapshots = &board;
  auto writer = std::move(Writer::create_anonymous(testing::TempDir(), options)).value();
  Model model(Model::Shape{8, 50, 1000, 1000});
  std::atomic<bool> done{false};
  std::vector<std::uint64_t> seen;
  std::vector<ReaderPtr> parts;
  std::thread reader([&] {
    for (bool last = false; !last;) {
      last = done.load();
      board.request();
      auto file = board.take();
      if (file == nullptr) {
        std::this_thread::yield();
        continue;
      }
      auto part = open(std::move(file));
      ASSERT_TRUE(part.ok()) << part.error().to_string();
      std::uint64_t rows = 0;
      for (EntityId e = 0; e < (*part)->entity_count(); ++e) rows += rows_of(**part, e).size();
      seen.push_back(rows);
      parts.push_back(std::move(part).value());
    }
  });
  model.fill(*writer);
  for (int i = 0; i < 12; ++i) model.add_rows(*writer, kSlabRows / 8);
  auto whole = writer->finish();
  done = true;
  reader.join();
  ASSERT_TRUE(whole.ok());
  ASSERT_FALSE(seen.empty());
  EXPECT_TRUE(std::ranges::is_sorted(seen));
  expect_part_of(*parts.back(), **whole);
}

}  // namespace
}  // namespace vs::history
