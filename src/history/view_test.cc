// Entities that show the rows of others: held against a history in which they have rows of their
// own.
#include <random>

#include <gtest/gtest.h>

#include "history/history_test_util.h"

namespace vs::history {
namespace {

using model::kNull;
using test::MemoryOutputs;
using test::ModelRow;

constexpr std::int64_t kCpus = 5;

/// Rows of fused_cpu of one processor: states change, now and then there is a hole.
std::vector<ModelRow> rows_of_cpu(std::uint64_t seed, std::size_t count) {
  std::mt19937_64 random(seed);
  std::vector<ModelRow> rows;
  std::int64_t at = static_cast<std::int64_t>(random() % 1000);
  for (std::size_t i = 0; i < count; ++i) {
    if (random() % 50 == 0) at += static_cast<std::int64_t>(random() % 5000);
    const std::int64_t end = at + 1 + static_cast<std::int64_t>(random() % 2000);
    const auto tid = static_cast<std::int64_t>(random() % 40);
    rows.push_back({at,
                    end,
                    {2, 0, kNull, tid == 0 ? kNull : tid, tid % 7,
                     static_cast<std::int64_t>(random() % 7), kNull, tid % 2}});
    at = end;
  }
  return rows;
}

std::vector<std::int64_t> as_pcpu(const std::vector<std::int64_t>& fused) {
  return {fused[model::slot::kFcState], fused[model::slot::kFcTid], fused[model::slot::kFcComm],
          fused[model::slot::kFcLossy]};
}

std::vector<std::int64_t> key_of(std::int64_t cpu) { return {0, cpu}; }

struct Made {
  std::string bytes;
  Status status;
};

template <typename Fill>
Made make(Fill fill, bool beside = false) {
  MemoryOutputs outputs;
  WriterOptions options;
  options.outputs = &outputs;
  options.seal_beside = beside;
  auto writer = std::move(Writer::create("h", options)).value();
  (void)writer->intern("host");
  fill(*writer);
  Status status = writer->commit();
  return {status.ok() ? outputs.bytes() : std::string(), std::move(status)};
}

/// All processors' rows, in the order of their ends; every second processor is a view, the others
/// have both sorts of rows, or, without `views`, all of them.
void fill(Writer& writer, std::size_t count, bool views) {
  struct Call {
    std::int64_t cpu;
    ModelRow row;
  };
  std::vector<Call> calls;
  for (std::int64_t cpu = 0; cpu < kCpus; ++cpu) {
    for (ModelRow& row : rows_of_cpu(static_cast<std::uint64_t>(cpu), count)) {
      calls.push_back({cpu, std::move(row)});
    }
  }
  std::ranges::stable_sort(calls, {}, [](const Call& call) { return call.row.end_ns; });
  std::vector<EntityId> fused;
  std::vector<EntityId> pcpu;
  for (std::int64_t cpu = 0; cpu < kCpus; ++cpu) {
    fused.push_back(writer.entity(TableId::kFusedCpu, key_of(cpu)));
    const bool view = views && cpu % 2 == 0;
    pcpu.push_back(view ? writer.view(TableId::kPcpuState, key_of(cpu), fused.back())
                        : writer.entity(TableId::kPcpuState, key_of(cpu)));
  }
  for (const auto& [cpu, row] : calls) {
    const auto at = static_cast<std::size_t>(cpu);
    const HostTime begin{row.begin_ns};
    const HostTime end{row.end_ns};
    writer.add(fused[at], begin, end, row.values);
    if (!views || cpu % 2 != 0) writer.add(pcpu[at], begin, end, as_pcpu(row.values));
  }
}

std::shared_ptr<const Reader> reader_of(const Made& made) {
  EXPECT_TRUE(made.status.ok()) << made.status.error().to_string();
  auto reader = test::open_bytes(made.bytes, 64 << 20);
  EXPECT_TRUE(reader.ok()) << reader.error().to_string();
  return std::move(reader).value();
}

std::vector<ModelRow> rows_in(const Reader& reader, EntityId entity, std::int64_t from,
                              std::int64_t to) {
  std::vector<ModelRow> out;
  RowCursor cursor = reader.rows(entity, HostTime{from}, HostTime{to});
  for (Row row; cursor.next(row);) {
    out.push_back({row.begin.ns, row.end.ns, {row.values.begin(), row.values.end()}});
  }
  EXPECT_TRUE(cursor.status().ok());
  return out;
}

bool same(const std::vector<ModelRow>& a, const std::vector<ModelRow>& b) {
  return std::ranges::equal(a, b, [](const ModelRow& x, const ModelRow& y) {
    return x.begin_ns == y.begin_ns && x.end_ns == y.end_ns && x.values == y.values;
  });
}

class Views : public ::testing::TestWithParam<std::size_t> {
 protected:
  const std::shared_ptr<const Reader> views_ =
      reader_of(make([](Writer& writer) { fill(writer, GetParam(), true); }));
  const std::shared_ptr<const Reader> own_ =
      reader_of(make([](Writer& writer) { fill(writer, GetParam(), false); }));
  [[nodiscard]] std::span<const Entity> cpus() const {
    return views_->entities(TableId::kPcpuState);
  }
  [[nodiscard]] std::int64_t end_ns() const { return views_->entity(cpus()[0].id).last_ns; }
};

TEST_P(Views, HaveTheirRowsAndTotals) {
  ASSERT_EQ(cpus().size(), static_cast<std::size_t>(kCpus));
  EXPECT_EQ(views_->row_count(TableId::kPcpuState), own_->row_count(TableId::kPcpuState));
  for (const Entity& cpu : cpus()) {
    EXPECT_TRUE(same(rows_in(*views_, cpu.id, kHostTimeMin.ns, kHostTimeMax.ns),
                     rows_in(*own_, cpu.id, kHostTimeMin.ns, kHostTimeMax.ns)));
    EXPECT_TRUE(same(rows_in(*views_, cpu.id, end_ns() / 3, end_ns() / 2),
                     rows_in(*own_, cpu.id, end_ns() / 3, end_ns() / 2)));
    const EntityInfo& seen = views_->entity(cpu.id);
    const EntityInfo& stored = own_->entity(cpu.id);
    EXPECT_EQ(seen.rows, stored.rows);
    EXPECT_EQ(seen.first_ns, stored.first_ns);
    EXPECT_EQ(seen.last_ns, stored.last_ns);
    EXPECT_TRUE(std::ranges::equal(
        views_->totals(cpu.id), own_->totals(cpu.id), [](const StateTotal& a, const StateTotal& b) {
          return a.value == b.value && a.rows == b.rows && a.duration_ns == b.duration_ns;
        }));
  }
}

TEST_P(Views, AnswerForOneTime) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 200; ++i) {
    const HostTime at{static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(end_ns()))};
    for (const Entity& cpu : cpus()) {
      const auto seen = std::move(views_->at(cpu.id, at)).value();
      const auto stored = std::move(own_->at(cpu.id, at)).value();
      ASSERT_EQ(seen.has_value(), stored.has_value());
      if (!seen) continue;
      EXPECT_EQ(seen->begin, stored->begin);
      EXPECT_EQ(seen->end, stored->end);
      EXPECT_TRUE(std::ranges::equal(seen->values(), stored->values()));
    }
    for (const TableId table : {TableId::kPcpuState, TableId::kFusedCpu}) {
      const FullState seen = std::move(views_->full_state(table, at)).value();
      const FullState stored = std::move(own_->full_state(table, at)).value();
      EXPECT_TRUE(std::ranges::equal(
          seen.rows, stored.rows, [](const FullState::Row& a, const FullState::Row& b) {
            return a.entity == b.entity && a.begin == b.begin && a.end == b.end &&
                   std::ranges::equal(a.values, b.values);
          }));
    }
  }
}

// Where rows are drawn, exactly; zoomed out a view is what the stored column is.
TEST_P(Views, AreDrawn) {
  const auto fused = views_->entities(TableId::kFusedCpu);
  for (std::size_t slot = 0; slot < 4; ++slot) {
    const std::size_t stored = model::view_slots(TableId::kPcpuState, TableId::kFusedCpu)[slot];
    for (std::size_t i = 0; i < cpus().size(); ++i) {
      const auto picture = [&](const Reader& reader, EntityId entity, std::size_t of,
                               std::int64_t to) {
        return std::move(reader.timeline(entity, HostTime{0}, HostTime{to}, 100, of)).value();
      };
      const auto equal = [](const Pixel& a, const Pixel& b) {
        return a.value == b.value && a.share == b.share;
      };
      EXPECT_TRUE(std::ranges::equal(picture(*views_, cpus()[i].id, slot, 20'000),
                                     picture(*own_, cpus()[i].id, slot, 20'000), equal));
      if (i % 2 != 0) continue;
      EXPECT_TRUE(std::ranges::equal(picture(*views_, cpus()[i].id, slot, end_ns()),
                                     picture(*views_, fused[i].id, stored, end_ns()), equal));
    }
  }
}

TEST_P(Views, SharesAreThoseOfTheTotals) {
  std::vector<EntityId> ids;
  for (const Entity& cpu : cpus()) ids.push_back(cpu.id);
  const std::int64_t state = 3;
  std::vector<std::vector<Stretch>> pictures;
  const Window window{HostTime{0}, HostTime{end_ns() + 10'000'000}, 500, 0};
  ASSERT_TRUE(views_->shares(ids, window, std::span(&state, 1), pictures).ok());
  const double pixel_ns = double(window.to.ns) / 500;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    double held_ns = 0;
    for (const Stretch& stretch : pictures[i]) {
      held_ns += stretch.value == 1 ? stretch.pixels * double(stretch.share) * pixel_ns : 0;
    }
    const auto totals = views_->totals(ids[i]);
    const auto total = std::ranges::find(totals, state, &StateTotal::value);
    ASSERT_NE(total, totals.end());
    EXPECT_NEAR(held_ns / double(total->duration_ns), 1, 0.02);
  }
}

TEST_P(Views, AreCheckedAndCostNoRows) {
  EXPECT_TRUE(views_->verify().ok());
  EXPECT_TRUE(own_->verify().ok());
  const auto views = make([](Writer& writer) { fill(writer, GetParam(), true); });
  const auto own = make([](Writer& writer) { fill(writer, GetParam(), false); });
  EXPECT_LT(views.bytes.size() * 10, own.bytes.size() * 9);
  EXPECT_EQ(views.bytes, make([](Writer& writer) { fill(writer, GetParam(), true); }, true).bytes);
}

INSTANTIATE_TEST_SUITE_P(Rows, Views, ::testing::Values(300, 70'000));

TEST(ViewEntity, TheSameArgumentsGiveTheSameEntity) {
  const Made made = make([](Writer& writer) {
    const EntityId fused = writer.entity(TableId::kFusedCpu, key_of(0));
    EXPECT_EQ(writer.view(TableId::kPcpuState, key_of(0), fused),
              writer.view(TableId::kPcpuState, key_of(0), fused));
  });
  EXPECT_TRUE(made.status.ok());
}

template <typename Fill>
void expect_refused(Fill fill, std::string_view what) {
  const Made made = make(fill);
  ASSERT_FALSE(made.status.ok()) << what;
  EXPECT_EQ(made.status.error().code, ErrorCode::kInternal);
  EXPECT_NE(made.status.error().what.find(what), std::string::npos)
      << made.status.error().to_string();
}

TEST(ViewEntity, TakesNoRows) {
  for (const std::size_t values : {0U, 4U, 8U, 16U}) {
    expect_refused(
        [values](Writer& writer) {
          const EntityId fused = writer.entity(TableId::kFusedCpu, key_of(0));
          const EntityId view = writer.view(TableId::kPcpuState, key_of(0), fused);
          writer.add(view, HostTime{0}, HostTime{1}, std::vector<std::int64_t>(values));
        },
        "a row of an entity that shows those of another one");
  }
}

TEST(ViewEntity, MemosDoNotAddRowsToIt) {
  const Made made = make([](Writer& writer) {
    const EntityId fused = writer.entity(TableId::kFusedCpu, key_of(0));
    const EntityId view = writer.view(TableId::kPcpuState, key_of(0), fused);
    const EntityId other = writer.entity(TableId::kPcpuState, key_of(1));
    for (const EntityId entity : {fused, other}) {
      model::RowMemo memo;
      const std::vector<std::int64_t> values(entity == fused ? 8 : 4);
      writer.add_noting(entity, HostTime{0}, HostTime{1}, values, memo);
      EXPECT_FALSE(writer.add_again(view, HostTime{1}, HostTime{2}, memo));
    }
  });
  EXPECT_TRUE(made.status.ok());
}

TEST(ViewEntity, HasColumnsOfWhatItShows) {
  constexpr std::string_view kWhat = "a view of rows that have other columns";
  expect_refused(
      [](Writer& writer) {
        const EntityId fused = writer.entity(TableId::kFusedCpu, key_of(0));
        (void)writer.view(TableId::kThreadState, key_of(0), fused);
      },
      kWhat);
  expect_refused([](Writer& writer) { (void)writer.view(TableId::kPcpuState, key_of(0), 17); },
                 kWhat);
  expect_refused(
      [](Writer& writer) {  // a view of a view
        const EntityId fused = writer.entity(TableId::kFusedCpu, key_of(0));
        const EntityId view = writer.view(TableId::kPcpuState, key_of(0), fused);
        (void)writer.view(TableId::kPcpuState, key_of(1), view);
      },
      kWhat);
}

TEST(ViewEntity, IsTheOnlyOneOfItsRows) {
  expect_refused(
      [](Writer& writer) {
        const EntityId fused = writer.entity(TableId::kFusedCpu, key_of(0));
        (void)writer.view(TableId::kPcpuState, key_of(0), fused);
        (void)writer.view(TableId::kPcpuState, key_of(1), fused);
      },
      "a second view of the same rows");
}

TEST(ViewEntity, IsNoEntityOfItsOwn) {
  constexpr std::string_view kWhat = "an entity that has rows and is a view";
  expect_refused(
      [](Writer& writer) {
        const EntityId fused = writer.entity(TableId::kFusedCpu, key_of(0));
        (void)writer.entity(TableId::kPcpuState, key_of(0));
        (void)writer.view(TableId::kPcpuState, key_of(0), fused);
      },
      kWhat);
  expect_refused(
      [](Writer& writer) {
        const EntityId fused = writer.entity(TableId::kFusedCpu, key_of(0));
        const EntityId other = writer.entity(TableId::kFusedCpu, key_of(1));
        (void)writer.view(TableId::kPcpuState, key_of(0), fused);
        (void)writer.view(TableId::kPcpuState, key_of(0), other);
      },
      kWhat);
}

/// A footer with a fused_cpu entity and one that says to show `shows`.
Result<Footer> parsed(TableId table, EntityId shows) {
  Footer footer;
  for (const TableId each : {TableId::kFusedCpu, table}) {
    EntityInfo& info = footer.entities.emplace_back();
    info.table = each;
    info.key_at = static_cast<std::uint32_t>(footer.keys.size());
    footer.keys.insert(footer.keys.end(), layout_of(each).keys, 0);
  }
  footer.entities[0].rows = 3;
  footer.entities[0].last_ns = 10;
  footer.entities[1].shows = shows;
  ByteSink out;
  put_footer(footer, out);
  return parse_footer(out.bytes());
}

TEST(ViewEntity, FootersThatLieAreRefused) {
  const auto good = parsed(TableId::kPcpuState, 0);
  ASSERT_TRUE(good.ok());
  EXPECT_EQ(good->entities[1].rows, 3U);
  EXPECT_EQ(good->entities[1].last_ns, 10);
  EXPECT_FALSE(parsed(TableId::kPcpuState, 1).ok());    // itself
  EXPECT_FALSE(parsed(TableId::kPcpuState, 2).ok());    // one behind it
  EXPECT_FALSE(parsed(TableId::kPcpuState, 999).ok());  // none
  EXPECT_FALSE(parsed(TableId::kThreadState, 0).ok());  // other columns
  EXPECT_FALSE(parsed(TableId::kFusedCpu, 0).ok());     // the same table
  EXPECT_FALSE(parsed(TableId::kVmExit, 0).ok());       // may be empty
}

}  // namespace
}  // namespace vs::history
