// Pictures of rows that overlap from sums, against those that the history makes row by row.

#include "serve/covers.h"

#include <gtest/gtest.h>

#include <random>

#include "history/writer.h"

namespace vs::serve {
namespace {

namespace slot = model::slot;
constexpr model::TableId kTable = model::TableId::kBlockRequest;

/// A disk with bursts of reads and writes that overlap, and pauses between them.
std::shared_ptr<const history::Reader> disk(std::size_t requests) {
  auto writer = std::move(history::Writer::create_anonymous(testing::TempDir())).value();
  const std::int64_t key[] = {writer->intern("host"), writer->intern("sda")};
  const model::EntityId id = writer->entity(kTable, key);
  std::mt19937_64 random(5);
  std::vector<std::int64_t> values(model::table_def(kTable).value_count(), 0);
  std::int64_t now_ns = 1'000'000;
  for (std::size_t i = 0; i < requests; ++i) {
    const bool pause = random() % 2000 == 0;
    now_ns += static_cast<std::int64_t>(random() % (pause ? 5'000'000 : 2000));
    const auto length_ns = static_cast<std::int64_t>(random() % 6000);
    // Reads and writes take turns of a few thousand requests.
    values[slot::kBrOp] = static_cast<std::int64_t>((i / 3000 + (random() % 8 == 0 ? 1 : 0)) % 2);
    writer->add(id, HostTime{now_ns - length_ns}, HostTime{now_ns}, values);
  }
  return std::move(writer->finish()).value();
}

struct Pixel {
  std::int64_t value;
  float share;
};

std::vector<Pixel> pixels_of(const Picture& picture) {
  std::vector<Pixel> out;
  for (const history::Stretch& stretch : picture) {
    out.insert(out.end(), stretch.pixels, {stretch.value, stretch.share});
  }
  return out;
}

/// Pixels that differ by more than the division of buckets at their edges can explain.
std::size_t different(const Picture& one, const Picture& other) {
  constexpr float kNear = 0.2F;
  const auto a = pixels_of(one);
  const auto b = pixels_of(other);
  EXPECT_EQ(a.size(), b.size());
  std::size_t out = 0;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    const bool close = std::abs(a[i].share - b[i].share) < kNear;
    const bool tie = a[i].share < 0.6F && b[i].share < 0.6F;
    if (!close || (a[i].value != b[i].value && !tie)) ++out;
  }
  return out;
}

TEST(Covers, ArePicturesOfTheRows) {
  const auto history = disk(300'000);
  const auto sums = Sums::build(*history, cover_sums(*history), nullptr);
  ASSERT_TRUE(sums.ok());
  const history::EntityInfo& info = history->entity(0);
  const std::int64_t life = info.last_ns - info.first_ns;
  for (const std::int64_t part : {std::int64_t{1}, std::int64_t{3}, std::int64_t{7}}) {
    const history::Window window{HostTime{info.first_ns + life / 5 * (part == 1 ? 0 : 1)},
                                 HostTime{info.first_ns + life / 5 + life / part}, 300,
                                 slot::kBrOp};
    Picture fast;
    ASSERT_TRUE(draw_cover(*sums, 0, window, fast)) << part;
    const model::EntityId ids[] = {0};
    std::vector<Picture> exact;
    ASSERT_TRUE(history->timelines(ids, window, exact).ok());
    EXPECT_LE(different(fast, exact[0]), 6U) << part;
    EXPECT_GT(different(fast, Picture{{0, 300, 1.0F}}), 50U) << "the picture is not of one colour";
  }
}

TEST(Covers, NarrowPixelsAndFewRowsAreDrawnRowByRow) {
  const auto history = disk(kCoverRows);
  const auto sums = Sums::build(*history, cover_sums(*history), nullptr);
  ASSERT_TRUE(sums.ok());
  const HostTime begin{history->entity(0).first_ns};
  Picture picture;
  EXPECT_TRUE(draw_cover(*sums, 0, {begin, HostTime{history->entity(0).last_ns}, 100, 0}, picture));
  EXPECT_FALSE(draw_cover(*sums, 0, {begin, begin + 1'000'000, 1000, 0}, picture));
  const auto few = disk(kCoverRows - 1);
  const auto none = Sums::build(*few, cover_sums(*few), nullptr);
  ASSERT_TRUE(none.ok());
  EXPECT_FALSE(draw_cover(*none, 0, {begin, HostTime{few->entity(0).last_ns}, 100, 0}, picture));
}

}  // namespace
}  // namespace vs::serve
