// ivgen OUT MODE ATTRIBUTES INTERVALS SEED: a stream of state intervals in the order in which a
// state system closes them (by end time), the same for the same seed. 24-byte records, little
// endian: i64 start, i64 end (inclusive), i32 attribute, i32 value (INT32_MIN = none). Header:
// "IVS1", u32 attributes, u64 intervals, i64 start, i64 end. The intervals of one attribute are
// contiguous and cover [start, end].
//
//   uniform   every attribute alike, durations uniform in [1, 2 * mean], values 1 to 3
//   kernel    change rates by Zipf (rows like CPUs to sleepy threads), exponential durations,
//             8 values, two intervals in five without a value
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <queue>
#include <string_view>
#include <utility>
#include <vector>

namespace {

constexpr double kMeanGapNs = 1000;  // between closed intervals, over all attributes
constexpr std::int64_t kStart = 1000000;

struct Record {
  std::int64_t start, end;
  std::int32_t attribute, value;
};
struct Header {
  char magic[4];
  std::uint32_t attributes;
  std::uint64_t intervals;
  std::int64_t start, end;
};

/// splitmix64.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9E3779B97F4A7C15ULL);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
  }
  double unit() { return static_cast<double>(next() >> 11) * 0x1p-53; }

 private:
  std::uint64_t state_;
};

class Generator {
 public:
  Generator(bool kernel, std::uint32_t attributes, std::uint64_t seed)
      : kernel_(kernel),
        random_(seed),
        mean_(attributes),
        start_(attributes, kStart),
        value_(attributes) {
    double harmonic = 0;
    for (std::uint32_t i = 0; i < attributes; ++i) harmonic += 1.0 / (i + 1);
    std::vector<std::uint32_t> order(attributes);
    for (std::uint32_t i = 0; i < attributes; ++i) order[i] = i;
    for (std::uint32_t i = attributes - 1; i > 0; --i) {
      std::swap(order[i], order[random_.next() % (i + 1)]);
    }
    for (std::uint32_t i = 0; i < attributes; ++i) {
      mean_[order[i]] = kernel ? kMeanGapNs * harmonic * (i + 1) : kMeanGapNs * attributes;
    }
  }

  /// Writes the records; the file's header is rewritten with what came out.
  Header run(std::FILE* file, std::uint64_t wanted) {
    const auto attributes = static_cast<std::uint32_t>(mean_.size());
    Header header{{'I', 'V', 'S', '1'}, attributes, wanted, kStart, 0};
    std::fwrite(&header, sizeof header, 1, file);
    using End = std::pair<std::int64_t, std::uint32_t>;
    std::priority_queue<End, std::vector<End>, std::greater<>> ends;
    for (std::uint32_t a = 0; a < attributes; ++a) {
      value_[a] = value();
      ends.emplace(kStart + duration(a) - 1, a);
    }
    std::int64_t last = kStart;
    std::uint64_t count = 0;
    for (; count + attributes < wanted; ++count) {
      const auto [end, a] = ends.top();
      ends.pop();
      write(file, a, end);
      last = end;
      start_[a] = end + 1;
      const std::int32_t next = value();
      const std::int32_t other = next == INT32_MIN ? 0 : INT32_MIN;
      value_[a] = next == value_[a] ? other : next;
      ends.emplace(end + duration(a), a);
    }
    for (std::uint32_t a = 0; a < attributes; ++a, ++count) {
      write(file, a, std::max(last, start_[a]));
    }
    header.intervals = count;
    header.end = last + 1;
    return header;
  }

 private:
  std::int64_t duration(std::uint32_t a) {
    const double u = random_.unit();
    return 1 + static_cast<std::int64_t>(kernel_ ? -std::log(1 - u) * mean_[a] : u * 2 * mean_[a]);
  }
  std::int32_t value() {
    if (!kernel_) return static_cast<std::int32_t>(1 + random_.next() % 3);
    if (random_.next() % 5 < 2) return INT32_MIN;
    return static_cast<std::int32_t>(random_.next() % 8);
  }
  void write(std::FILE* file, std::uint32_t a, std::int64_t end) {
    const Record record{start_[a], end, static_cast<std::int32_t>(a), value_[a]};
    std::fwrite(&record, sizeof record, 1, file);
  }

  const bool kernel_;
  Random random_;
  std::vector<double> mean_;
  std::vector<std::int64_t> start_;
  std::vector<std::int32_t> value_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) {
    std::fputs("usage: ivgen OUT uniform|kernel ATTRIBUTES INTERVALS SEED\n", stderr);
    return 2;
  }
  const auto attributes = static_cast<std::uint32_t>(std::strtoul(argv[3], nullptr, 10));
  const std::uint64_t intervals = std::strtoull(argv[4], nullptr, 10);
  if (attributes == 0) return 2;
  std::FILE* file = std::fopen(argv[1], "wb");
  if (file == nullptr) {
    std::perror(argv[1]);
    return 1;
  }
  std::setvbuf(file, nullptr, _IOFBF, 1U << 20);
  Generator generator(std::string_view(argv[2]) == "kernel", attributes,
                      std::strtoull(argv[5], nullptr, 10));
  const Header header = generator.run(file, intervals);
  std::rewind(file);
  std::fwrite(&header, sizeof header, 1, file);
  if (std::ferror(file) != 0 || std::fclose(file) != 0) {
    std::perror(argv[1]);
    return 1;
  }
  fmt::print("{} intervals {} attributes end {}\n", header.intervals, header.attributes,
             header.end);
}
