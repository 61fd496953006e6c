// Timelines of many entities at once, what they cost, and what summaries hold.
#include "history/draw.h"

#include <numeric>
#include <set>

#include <gtest/gtest.h>

#include "history/history_test_util.h"

namespace vs::history {
namespace {

using test::MemoryOutputs;
using test::Model;

std::shared_ptr<const Reader> build(Model& model, std::size_t cache_bytes = 64 << 20) {
  MemoryOutputs outputs;
  WriterOptions options;
  options.outputs = &outputs;
  auto writer = std::move(Writer::create("h", options)).value();
  model.fill(*writer);
  EXPECT_TRUE(writer->commit().ok());
  auto reader = test::open_bytes(outputs.bytes(), cache_bytes);
  EXPECT_TRUE(reader.ok()) << reader.error().to_string();
  return std::move(reader).value();
}

std::vector<Pixel> pixels_of(const std::vector<Stretch>& row) {
  std::vector<Pixel> out;
  for (const Stretch& stretch : row) {
    EXPECT_GT(stretch.pixels, 0U);
    out.insert(out.end(), stretch.pixels, Pixel{stretch.value, stretch.share});
  }
  return out;
}

bool same(const std::vector<Pixel>& a, const std::vector<Pixel>& b) {
  return std::ranges::equal(a, b, [](const Pixel& x, const Pixel& y) {
    return x.value == y.value && x.share == y.share;
  });
}

// Any order, entities twice, unknown ones, several tables: each row is what it is alone.
TEST(Timelines, ManyAreWhatEachIsAlone) {
  Model model(Model::Shape{31, 40, 60'000, 1000});
  const auto reader = build(model);
  std::vector<EntityId> wanted = {7, 3, 99'999, 3};
  for (std::size_t i = 40; i-- > 0;) wanted.push_back(model.id(i));
  std::vector<std::vector<Stretch>> rows(3);  // memory from before
  for (const std::int64_t part : {1, 7, 1000}) {
    const std::int64_t width = (model.end_ns() - model.start_ns()) / part;
    const std::int64_t from = model.start_ns() + width / 3;
    for (const std::size_t slot : {0U, 1U, 3U}) {
      const Window window{HostTime{from}, HostTime{from + width}, 333, slot};
      ASSERT_TRUE(reader->timelines(wanted, window, rows).ok());
      ASSERT_EQ(rows.size(), wanted.size());
      for (std::size_t i = 0; i < wanted.size(); ++i) {
        const auto alone =
            reader->timeline(wanted[i], window.from, window.to, window.pixels, window.value_slot);
        ASSERT_TRUE(alone.ok());
        EXPECT_EQ(pixels_of(rows[i]).size(), 333U);
        EXPECT_TRUE(same(pixels_of(rows[i]), *alone)) << i;
      }
    }
  }
}

/// What one row of a picture of the whole history touches.
DrawCost touch(std::size_t rows) {
  constexpr std::int64_t kEntities = 4;
  MemoryOutputs outputs;
  WriterOptions options;
  options.outputs = &outputs;
  auto writer = std::move(Writer::create("h", options)).value();
  std::vector<EntityId> ids;
  for (std::int64_t i = 0; i < kEntities; ++i) {
    const std::int64_t key[] = {0, i};
    ids.push_back(writer->entity(TableId::kPcpuState, key));
  }
  std::mt19937 random(1);
  std::array<std::int64_t, kEntities> now_ns{};
  for (std::size_t i = 0; i < rows; ++i) {
    const auto dice = static_cast<std::uint32_t>(random());
    const std::size_t entity = i % kEntities;
    const std::int64_t values[] = {dice % 4, 7, 8, 0};
    const std::int64_t begin_ns = now_ns[entity];
    now_ns[entity] += 1 + (dice >> 20);
    writer->add(ids[entity], HostTime{begin_ns}, HostTime{now_ns[entity]}, values);
  }
  EXPECT_TRUE(writer->commit().ok());
  const auto reader = test::open_bytes(outputs.bytes());
  std::vector<std::vector<Stretch>> pictures;
  DrawCost cost;
  const Window window{HostTime{0}, HostTime{now_ns[0]}, 1000, 0};
  EXPECT_TRUE((*reader)->timelines(std::span(ids).first(1), window, pictures, &cost).ok());
  return cost;
}

// A picture of the whole history costs the same at any length: nothing but buckets, of which there
// are at least 2000, and nodes that hold several of those.
TEST(Timelines, CostFollowsThePixelsNotTheLength) {
  const DrawCost one = touch(250'000);
  const DrawCost four = touch(4 * 250'000);
  const DrawCost sixteen = touch(16 * 250'000);
  for (const DrawCost& cost : {one, four, sixteen}) {
    EXPECT_EQ(cost.rows, 0U);
    EXPECT_GE(cost.buckets, 1000U);
    EXPECT_LE(cost.buckets, 2U * 2000U + 200U);
    EXPECT_LE(cost.nodes, 2000U / kLeastBuckets + 20U);  // each is worth so many buckets
  }
}

/// A pCPU and its threads over `slabs` slabs: machines, conditions and states of the pCPU at
/// random, of every 16th thread many rows, of the others few.
struct Crowd {
  static constexpr std::int64_t kThreads = 40;
  std::shared_ptr<const Reader> reader;
  EntityId pcpu = 0;
  std::vector<EntityId> threads;
  std::int64_t end_ns = 0;
};

Crowd crowd(std::int64_t rows, std::int64_t machines) {
  MemoryOutputs outputs;
  WriterOptions options;
  options.outputs = &outputs;
  auto writer = std::move(Writer::create("h", options)).value();
  Crowd out;
  const std::int64_t pcpu[] = {0, 0};
  out.pcpu = writer->entity(TableId::kFusedCpu, pcpu);
  for (std::int64_t i = 0; i < Crowd::kThreads; ++i) {
    const std::int64_t key[] = {0, i};
    out.threads.push_back(writer->entity(TableId::kThreadState, key));
  }
  std::mt19937_64 random(3);
  for (std::int64_t i = 0; i < rows; ++i) {
    const HostTime begin{out.end_ns};
    const auto dice = static_cast<std::int64_t>(random() >> 8);
    out.end_ns += 500 + dice % 1000;
    // Values that hold for long, so that a picture has an answer that is not a matter of chance.
    const std::int64_t now = i / (rows / 37 + 1);
    const std::int64_t values[] = {now % 5, 1000 + now % machines, 0, 0, 0, (now * 7) % 3, 0, 0};
    writer->add(out.pcpu, begin, HostTime{out.end_ns}, values);
    const auto thread = static_cast<std::size_t>(i % 8 != 0 ? dice % 3 * 16 % Crowd::kThreads
                                                            : i / 8 % Crowd::kThreads);
    if (i % 8 == 0 && i / 8 % 61 >= Crowd::kThreads) continue;
    const std::int64_t state[] = {now % 4, 0, (now * 3) % 6, 0, 0, 0, 0};
    writer->add(out.threads[thread], begin, HostTime{out.end_ns}, state);
  }
  EXPECT_TRUE(writer->commit().ok());
  out.reader = std::move(test::open_bytes(outputs.bytes(), 64 << 20)).value();
  return out;
}

/// Holds the picture of a drawn column against one made from the rows.
void expect_like_rows(const Crowd& crowd, EntityId entity, std::size_t slot, std::int64_t from,
                      std::int64_t to) {
  constexpr std::size_t kPixels = 500;
  std::vector<std::vector<Stretch>> drawn;
  const Window window{HostTime{from}, HostTime{to}, kPixels, slot};
  ASSERT_TRUE(crowd.reader->timelines(std::span(&entity, 1), window, drawn).ok());
  const std::vector<Pixel> picture = pixels_of(drawn[0]);
  ASSERT_EQ(picture.size(), kPixels);
  std::vector<std::map<std::int64_t, double>> held(kPixels);
  const double width = static_cast<double>(to - from) / kPixels;
  auto rows = crowd.reader->rows(entity, HostTime{from}, HostTime{to});
  Row row;
  while (rows.next(row)) {
    const double begin = static_cast<double>(std::max(row.begin.ns, from) - from) / width;
    const double end = static_cast<double>(std::min(row.end.ns, to) - from) / width;
    for (auto i = static_cast<std::size_t>(begin); i < kPixels && static_cast<double>(i) < end;
         ++i) {
      const double low = std::max(begin, static_cast<double>(i));
      held[i][row.values[slot]] += std::min(end, static_cast<double>(i + 1)) - low;
    }
  }
  for (std::size_t i = 1; i + 1 < kPixels; ++i) {
    if (picture[i].share == 0) {
      EXPECT_TRUE(held[i].empty()) << "pixel " << i;
      continue;
    }
    // A bucket across the edge of a pixel may move by half.
    const double share = held[i][picture[i].value];
    EXPECT_NEAR(picture[i].share, share, 0.35) << "pixel " << i << " slot " << slot;
  }
}

// Zoomed out, every drawn column comes from summaries: few buckets or kept rows, and right ones.
TEST(Timelines, EveryDrawnColumnHasSummaries) {
  constexpr std::int64_t kRows = 1'500'000;
  const Crowd all = crowd(kRows, 100);
  ASSERT_EQ(layout_of(TableId::kFusedCpu).drawn_slots.size(), 3U);
  ASSERT_EQ(layout_of(TableId::kThreadState).drawn_slots.size(), 2U);
  for (const std::int64_t part : {1, 3, 10}) {
    const std::int64_t from = all.end_ns / part * (part / 2);
    const std::int64_t to = from + all.end_ns / part;
    for (const std::uint8_t slot : layout_of(TableId::kFusedCpu).drawn_slots) {
      DrawCost cost;
      std::vector<std::vector<Stretch>> pictures;
      const Window window{HostTime{from}, HostTime{to}, 2000, slot};
      ASSERT_TRUE(all.reader->timelines(std::span(&all.pcpu, 1), window, pictures, &cost).ok());
      EXPECT_EQ(cost.rows, 0U) << "1/" << part << " slot " << int{slot};
      EXPECT_LE(cost.buckets, 12'000U);
      expect_like_rows(all, all.pcpu, slot, from, to);
    }
    for (const std::uint8_t slot : layout_of(TableId::kThreadState).drawn_slots) {
      DrawCost cost;
      std::vector<std::vector<Stretch>> pictures;
      const Window window{HostTime{from}, HostTime{to}, 2000, slot};
      ASSERT_TRUE(all.reader->timelines(all.threads, window, pictures, &cost).ok());
      EXPECT_LE(cost.rows, 40U * 2 * 2000U);  // of those that have few
      EXPECT_LE(cost.nodes, 40U * 16U) << "1/" << part;
      for (const std::size_t i : {0U, 1U, 5U, 32U, 39U}) {
        expect_like_rows(all, all.threads[i], slot, from, to);
      }
    }
  }
}

// With wider buckets less is looked at, and every value still has its time. Pixels tell of the
// value that held longest only, so sums over them agree to some per cent.
TEST(Timelines, WiderBucketsKeepTheTimeOfEachValue) {
  const Crowd all = crowd(600'000, 5);
  std::array<std::map<std::int64_t, double>, 2> held;
  std::array<DrawCost, 2> costs;
  const std::size_t bucket_pixels[] = {1, 8};
  for (const std::size_t i : {0U, 1U}) {
    const Window window{HostTime{0}, HostTime{all.end_ns}, 4000, 0, bucket_pixels[i]};
    std::vector<std::vector<Stretch>> pictures;
    ASSERT_TRUE(all.reader->timelines(all.threads, window, pictures, &costs[i]).ok());
    for (const std::vector<Stretch>& picture : pictures) {
      for (const Stretch& stretch : picture) {
        held[i][stretch.value] += double{stretch.share} * stretch.pixels;
      }
    }
  }
  EXPECT_LT(costs[1].buckets + costs[1].rows, costs[0].buckets + costs[0].rows);
  ASSERT_EQ(held[0].size(), held[1].size());
  for (const auto& [value, pixels] : held[0]) {
    EXPECT_NEAR(held[1][value], pixels, 0.05 * pixels + 1) << value;
  }
}

// Shares of a set of values, from summaries and from rows, against the totals.
TEST(Timelines, SharesOfASetAddUpToTheTotals) {
  const Crowd all = crowd(300'000, 5);
  const std::int64_t set[] = {1, 3};
  for (const std::size_t pixels : {1U, 700U, 200'000U}) {
    const EntityId ids[] = {all.pcpu};
    const Window window{HostTime{0}, HostTime{all.end_ns}, pixels, 0};
    std::vector<std::vector<Stretch>> pictures;
    ASSERT_TRUE(all.reader->shares(ids, window, set, pictures).ok());
    double held_ns = 0;
    std::size_t count = 0;
    for (const Stretch& stretch : pictures[0]) {
      count += stretch.pixels;
      const double width_ns = static_cast<double>(all.end_ns) / static_cast<double>(pixels);
      if (stretch.value == 1) held_ns += double{stretch.share} * stretch.pixels * width_ns;
    }
    EXPECT_EQ(count, pixels);
    double expected_ns = 0;
    for (const StateTotal& total : all.reader->totals(all.pcpu)) {
      const bool wanted = total.value == 1 || total.value == 3;
      expected_ns += wanted ? static_cast<double>(total.duration_ns) : 0;
    }
    EXPECT_NEAR(held_ns, expected_ns, 0.002 * expected_ns);
    EXPECT_GT(expected_ns, 0);
  }
}

// More machines than a column of summaries can number: pictures come from the rows.
TEST(Timelines, ColumnsWithTooManyValuesAreDrawnFromRows) {
  MemoryOutputs outputs;
  WriterOptions options;
  options.outputs = &outputs;
  auto writer = std::move(Writer::create("h", options)).value();
  const std::int64_t key[] = {0, 0};
  const EntityId pcpu = writer->entity(TableId::kFusedCpu, key);
  constexpr std::int64_t kRows = 20'000;
  for (std::int64_t i = 0; i < kRows; ++i) {
    const std::int64_t values[] = {0, i / 50, 0, 0, 0, 0, 0, 0};
    writer->add(pcpu, HostTime{i * 10}, HostTime{i * 10 + 10}, values);
  }
  ASSERT_TRUE(writer->commit().ok());
  const auto reader = std::move(test::open_bytes(outputs.bytes())).value();
  DrawCost cost;
  std::vector<std::vector<Stretch>> pictures;
  const Window window{HostTime{0}, HostTime{kRows * 10}, 100, model::slot::kFcMachine};
  ASSERT_TRUE(reader->timelines(std::span(&pcpu, 1), window, pictures, &cost).ok());
  EXPECT_EQ(cost.rows, static_cast<std::size_t>(kRows));
  const std::vector<Pixel> picture = pixels_of(pictures[0]);
  ASSERT_EQ(picture.size(), 100U);
  for (std::size_t i = 0; i < picture.size(); ++i) {
    EXPECT_EQ(picture[i].value, static_cast<std::int64_t>(4 * i));
    EXPECT_FLOAT_EQ(picture[i].share, 0.25F);
  }
}

/// Spans of `values` states, with gaps or without.
std::vector<Span> random_spans(std::mt19937_64& random, std::size_t values) {
  const bool gaps = random() % 2 == 0;
  std::vector<Span> spans;
  std::int64_t at = -5'000'000 + static_cast<std::int64_t>(random() % 10'000'000);
  for (int i = 0; i < 2000; ++i) {
    if (gaps) at += static_cast<std::int64_t>(random() % 500);
    const auto length = static_cast<std::int64_t>(random() % 3000);
    spans.push_back(Span{at, at + length, static_cast<std::uint8_t>(random() % values)});
    at += length;
  }
  return spans;
}

/// The pyramid of rows with these spans; the state of tuple i is i.
Pyramid pyramid_of(std::span<const Span> spans, std::size_t values) {
  std::vector<SlabRow> rows;
  std::vector<std::uint8_t> present;
  for (const Span& span : spans) {
    rows.push_back(SlabRow{span.begin_ns, span.end_ns, span.value, 0});
    if (std::ranges::find(present, span.value) == present.end()) present.push_back(span.value);
  }
  std::vector<std::uint8_t> numbers(values);
  std::iota(numbers.begin(), numbers.end(), std::uint8_t{0});
  Pyramid pyramid;
  pyramid.build_rows(rows, numbers, present);
  return pyramid;
}

// Every bucket of every summary, from the pyramid's own sums.
TEST(Summary, SharesOfABucketAddUpToWhatWasHeld) {
  std::mt19937_64 random(5);
  for (int round = 0; round < 40; ++round) {
    const std::size_t values = 1 + random() % 16;
    const std::vector<Span> spans = random_spans(random, values);
    Pyramid pyramid = pyramid_of(spans, values);
    SummaryEncoder encoder;
    std::vector<Span> carry;
    std::vector<std::int64_t> states(values);
    for (std::size_t i = 0; i < values; ++i) states[i] = static_cast<std::int64_t>(i);
    encoder.start(states);
    encoder.add_run(3, pyramid, carry);
    ASSERT_FALSE(encoder.empty());
    const Bytes bytes = encoder.finish();
    std::vector<std::byte> raw(bytes.begin(), bytes.end());
    raw.resize(raw.size() + kPackSlack);
    const auto piece = SummaryPiece::parse(std::move(raw), states);
    ASSERT_TRUE(piece.ok()) << piece.error().to_string();
    for (std::uint64_t width = (*piece)->narrowest_ns();; width *= 2) {
      SummaryLevel level;
      ASSERT_TRUE((*piece)->level_for(3, width, level));
      if ((std::uint64_t{1} << level.exponent) != width) break;  // there is no wider one
      for (std::uint32_t i = 0; i < level.buckets; ++i) {
        const std::int64_t begin = (level.first + i) << level.exponent;
        const std::int64_t end = begin + static_cast<std::int64_t>(width);
        std::map<std::uint8_t, std::int64_t> held;
        std::int64_t all = 0;
        for (const Span& span : spans) {
          const auto part = std::min(end, span.end_ns) - std::max(begin, span.begin_ns);
          if (part <= 0) continue;
          held[span.value] += part;
          all += part;
        }
        int sum = 0;
        for (std::size_t v = 0; v < level.values.size(); ++v) {
          const int share = static_cast<int>(level.shares[i * level.values.size() + v]);
          const double exact =
              255.0 * static_cast<double>(held[level.values[v]]) / static_cast<double>(width);
          EXPECT_LT(std::abs(share - exact), 1.0);
          sum += share;
        }
        EXPECT_EQ(sum, static_cast<int>(
                           255.0 * static_cast<double>(all) / static_cast<double>(width) + 0.5));
        if (all == static_cast<std::int64_t>(width)) {
          EXPECT_EQ(sum, 255);
        }
      }
    }
    // What goes up has lost nothing.
    std::map<std::uint8_t, std::int64_t> before;
    std::map<std::uint8_t, std::int64_t> after;
    for (const Span& span : spans) before[span.value] += span.end_ns - span.begin_ns;
    for (const Span& span : carry) after[span.value] += span.end_ns - span.begin_ns;
    std::erase_if(before, [](const auto& item) { return item.second == 0; });
    EXPECT_EQ(before, after);
    std::set<std::int64_t> buckets;
    for (const Span& span : carry) buckets.insert(span.begin_ns >> pyramid.carry_exponent());
    EXPECT_LE(buckets.size(), kCarryBuckets);
  }
}

// A run with more values than a summary has room for has none, and what is above it neither.
TEST(Summary, TooManyValuesAreNotSummedUp) {
  std::vector<Span> spans;
  for (std::int64_t i = 0; i < 5000; ++i) {
    const auto value =
        static_cast<std::uint8_t>(static_cast<std::size_t>(i) % (kSummaryValues + 1));
    spans.push_back(Span{i * 10, i * 10 + 10, value});
  }
  Pyramid pyramid = pyramid_of(spans, kSummaryValues + 1);
  EXPECT_TRUE(pyramid.lost());
  std::vector<Span> carry;
  EXPECT_FALSE(pyramid.make_levels(carry));
  EXPECT_TRUE(carry.empty());
}

}  // namespace
}  // namespace vs::history
