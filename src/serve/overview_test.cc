// Tracks and sums against plain arithmetic on the same rows.

#include "serve/overview.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace vs::serve {
namespace {

struct Interval {
  std::int64_t begin;
  std::int64_t end;
  std::int64_t value;
};

/// Intervals of a few values with gaps between some of them.
std::vector<Interval> random_rows(std::size_t count, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<Interval> out;
  std::int64_t at = -5000;
  for (std::size_t i = 0; i < count; ++i) {
    if (random() % 4 == 0) at += static_cast<std::int64_t>(random() % 3000);
    const std::int64_t end = at + 1 + static_cast<std::int64_t>(random() % 5000);
    out.push_back({at, end, static_cast<std::int64_t>(random() % 5)});
    at = end;
  }
  return out;
}

Track track_of(const std::vector<Interval>& rows, Track::Keep keep, bool points = false) {
  const HostTime begin{rows.front().begin};
  const HostTime end{rows.back().end};
  Track track(BucketFrame::of(begin, end, rows.size() / 4), keep, points);
  for (const Interval& row : rows) track.add(row.begin, row.end, row.value);
  EXPECT_TRUE(track.finish());
  return track;
}

struct Pixel {
  std::int64_t value;
  double share;
};

std::vector<Pixel> pixels_of(const Picture& picture) {
  std::vector<Pixel> out;
  for (const history::Stretch& stretch : picture) {
    out.insert(out.end(), stretch.pixels, {stretch.value, stretch.share});
  }
  return out;
}

/// Time of each value in [begin, end).
std::map<std::int64_t, double> times_in(const std::vector<Interval>& rows, std::int64_t begin,
                                        std::int64_t end) {
  std::map<std::int64_t, double> out;
  for (const Interval& row : rows) {
    const std::int64_t held = std::min(row.end, end) - std::max(row.begin, begin);
    if (held > 0) out[row.value] += static_cast<double>(held);
  }
  return out;
}

double longest(const std::map<std::int64_t, double>& times) {
  double out = 0;
  for (const auto& [value, time] : times) out = std::max(out, time);
  return out;
}

TEST(PixelEdges, AnyAndOneAfterTheOtherAreTheSame) {
  PixelEdges edges(HostTime{-1000}, HostTime{9999}, 37);
  for (std::int64_t i = 0; i < 37; ++i) {
    const auto [begin, end] = edges.next();
    EXPECT_EQ(begin, edges.edge(i));
    EXPECT_EQ(end, edges.edge(i + 1));
    EXPECT_EQ(edges.pixel_of(begin), i);
    EXPECT_EQ(edges.pixel_of(end - 1), i);
  }
  EXPECT_EQ(edges.edge(37), 9999);
}

TEST(Track, KeptRowsAreDrawnExactly) {
  const auto rows = random_rows(500, 1);
  const Track track = track_of(rows, Track::Keep::kRows);
  const std::int64_t last = rows.back().end + 4000;
  for (const std::size_t count : {1U, 7U, 300U, 5000U}) {
    for (const std::int64_t begin : {std::int64_t{-9000}, rows[100].begin, rows[200].begin + 3}) {
      const history::Window window{HostTime{begin}, HostTime{last}, count, 0};
      Picture picture;
      ASSERT_TRUE(track.draw(window, picture));
      const auto pixels = pixels_of(picture);
      ASSERT_EQ(pixels.size(), count);
      const PixelEdges edges(window.from, window.to, count);
      for (std::size_t i = 0; i < count; ++i) {
        const auto place = static_cast<std::int64_t>(i);
        const auto times = times_in(rows, edges.edge(place), edges.edge(place + 1));
        const double width = static_cast<double>(edges.edge(place + 1) - edges.edge(place));
        ASSERT_NEAR(pixels[i].share, longest(times) / width, 1e-5) << i;
        if (times.empty()) {
          ASSERT_EQ(pixels[i].value, model::kNull);
        } else {
          ASSERT_DOUBLE_EQ(times.at(pixels[i].value), longest(times)) << i;
        }
      }
    }
  }
}

TEST(Track, PixelsNarrowerThanANanosecondEnd) {
  const auto rows = random_rows(50, 2);
  const Track track = track_of(rows, Track::Keep::kRows);
  const HostTime from{rows[10].begin - 2};
  Picture picture;
  ASSERT_TRUE(track.draw({from, from + 5, 100, 0}, picture));
  EXPECT_EQ(pixels_of(picture).size(), 100U);
}

TEST(Track, BucketsShowWhatHeldLongest) {
  const auto rows = random_rows(20000, 3);
  const Track track = track_of(rows, Track::Keep::kBuckets);
  const HostTime from{rows[3000].begin};
  const HostTime to{rows[17000].end};
  constexpr std::size_t kPixels = 400;
  Picture picture;
  ASSERT_TRUE(track.draw({from, to, kPixels, 0}, picture));
  const auto pixels = pixels_of(picture);
  ASSERT_EQ(pixels.size(), kPixels);
  PixelEdges edges(from, to, kPixels);
  std::size_t same = 0;
  for (const Pixel& pixel : pixels) {
    const auto [begin, end] = edges.next();
    const auto times = times_in(rows, begin, end);
    // Of five values that are alike often, one that is near the longest will do.
    const auto found = times.find(pixel.value);
    if (found != times.end() && found->second > 0.6 * longest(times)) ++same;
  }
  EXPECT_GT(same, kPixels * 9 / 10);
  EXPECT_FALSE(track.draw({from, from + 1000, kPixels, 0}, picture));
}

TEST(Track, OneValueAllTheTimeFillsEveryPixelAtEveryZoom) {
  std::vector<Interval> rows;
  for (std::int64_t i = 0; i < 40000; ++i) rows.push_back({i * 100, i * 100 + 100, 3});
  const Track track = track_of(rows, Track::Keep::kBuckets);
  for (const std::int64_t width : {4000000, 400000, 100000}) {
    Picture picture;
    ASSERT_TRUE(track.draw({HostTime{123}, HostTime{123 + width - 200}, 50, 0}, picture));
    ASSERT_EQ(picture.size(), 1U) << width;
    EXPECT_EQ(picture[0].value, 3);
    EXPECT_FLOAT_EQ(picture[0].share, 1);
  }
}

TEST(Track, OfOverlappingRowsTheFirstCovers) {
  const std::vector<Interval> rows{{0, 100, 1}, {10, 60, 2}, {90, 200, 3}};
  const Track track = track_of(rows, Track::Keep::kRows);
  Picture picture;
  ASSERT_TRUE(track.draw({HostTime{0}, HostTime{200}, 4, 0}, picture));
  ASSERT_EQ(picture.size(), 2U);
  EXPECT_EQ(picture[0].value, 1);
  EXPECT_EQ(picture[1].value, 3);
}

TEST(Track, PointsFillTheirPixel) {
  for (const auto keep : {Track::Keep::kRows, Track::Keep::kBuckets}) {
    const std::vector<Interval> rows{{5, 5, 1}, {6, 6, 2}, {1000, 1000, 2}, {5000, 5001, 1}};
    const Track track = track_of(rows, keep, true);
    Picture picture;
    ASSERT_TRUE(track.draw({HostTime{0}, HostTime{100000}, 10, 0}, picture));
    const auto pixels = pixels_of(picture);
    EXPECT_EQ(pixels[0].value, 1);
    EXPECT_EQ(pixels[0].share, 1);
    EXPECT_EQ(pixels[1].value, model::kNull);
  }
}

TEST(SumTrack, NothingIsLostAndParts) {
  const auto rows = random_rows(8192, 4);
  const HostTime begin{rows.front().begin};
  const HostTime end{rows.back().end};
  SumTrack time(BucketFrame::of(begin, end, rows.size() / 4));
  SumTrack count(BucketFrame::of(begin, end, rows.size() / 4));
  for (const Interval& row : rows) {
    if (row.value == 1) time.add_span(row.begin, row.end, 1);
    count.add_point(row.begin, 1);
  }
  time.finish();
  count.finish();
  std::vector<double> times(100);
  std::vector<double> counts(100);
  ASSERT_TRUE(time.add_to(begin, end, times));
  ASSERT_TRUE(count.add_to(begin, end, counts));
  double sum = 0;
  for (const double part : counts) sum += part;
  EXPECT_NEAR(sum, static_cast<double>(rows.size()), 0.5);
  PixelEdges edges(begin, end, times.size());
  for (const double part : times) {
    const auto [from, to] = edges.next();
    const double exact = times_in(rows, from, to)[1];
    EXPECT_NEAR(part, exact, 0.05 * static_cast<double>(to - from));
  }
  std::vector<double> narrow(100000);
  EXPECT_FALSE(time.add_to(begin, end, narrow));
}

}  // namespace
}  // namespace vs::serve
