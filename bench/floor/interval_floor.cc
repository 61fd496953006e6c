// interval_floor IVFILE: how cheap can a state history be? Build and queries of plain layouts in
// memory (slab_store.h) over a stream of intervals from ivgen. Prints the lines of history_bench,
// for the same kinds of questions.
#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <set>
#include <span>
#include <string>

#include "floor/floor.h"
#include "floor/slab_store.h"

namespace {

using namespace vs::bench;

void report(const std::string& what, std::vector<double> times) {
  double sum = 0;
  for (const double time : times) sum += time;
  const double first = times[0];
  std::sort(times.begin(), times.end());
  fmt::print("  {:<34} first {:9.2f} us  median {:9.2f}  p95 {:9.2f}  mean {:9.2f}\n", what,
             first * 1e6, times[times.size() / 2] * 1e6, times[times.size() * 95 / 100] * 1e6,
             sum / static_cast<double>(times.size()) * 1e6);
}

template <typename Store>
Store build(const char* name, const IntervalHeader& header,
            std::span<const IntervalRecord> records) {
  // The best of three: the first one pays for memory that the system has not given yet.
  double spent = 1e9;
  Store store(header.attributes, header.start);
  for (int i = 0; i < 3; ++i) {
    const double begin = cpu_seconds();
    Store fresh(header.attributes, header.start);
    for (const IntervalRecord& record : records) fresh.add(record);
    fresh.finish();
    spent = std::min(spent, cpu_seconds() - begin);
    std::swap(store, fresh);
  }
  const auto count = static_cast<double>(records.size());
  fmt::print("{}: build {:.1f} ns/interval, {:.2f} B/interval\n", name, spent * 1e9 / count,
             static_cast<double>(store.bytes()) / count);
  return store;
}

class Queries {
 public:
  Queries(const SlabStore& store, const IntervalHeader& header) : store_(store), header_(header) {}

  void run() {
    singles();
    full_states();
    for (const std::uint32_t rows : {50U, 500U}) {
      for (const double window : {1.0, 0.1, 0.01, 0.001}) timelines(rows, window);
    }
    fmt::print("(check {})\n", sum_);  // the answers are really used
  }

 private:
  [[nodiscard]] std::int64_t span() const { return header_.end - header_.start; }
  std::int64_t time(std::int64_t room) {
    return header_.start + static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(room));
  }
  std::uint32_t attribute() { return static_cast<std::uint32_t>(random_() % header_.attributes); }

  /// A clock call costs as much as a query: times are those of a hundred queries, divided.
  void singles() {
    constexpr int kGroup = 100;
    std::vector<double> times;
    for (int i = 0; i < 200; ++i) {
      const double begin = cpu_seconds();
      for (int k = 0; k < kGroup; ++k) {
        const std::int64_t at = time(span());
        sum_ += store_.at(store_.slab_of(at), attribute(), at).start;
      }
      times.push_back((cpu_seconds() - begin) / kGroup);
    }
    report("single query", times);
  }

  void full_states() {
    std::vector<double> times;
    std::vector<Hit> rows(header_.attributes);
    for (int i = 0; i < 300; ++i) {
      const std::int64_t at = time(span());
      const double begin = cpu_seconds();
      const std::size_t slab = store_.slab_of(at);
      for (std::uint32_t a = 0; a < header_.attributes; ++a) rows[a] = store_.at(slab, a, at);
      times.push_back(cpu_seconds() - begin);
      sum_ += rows[0].start;
    }
    report("full state", times);
  }

  void timelines(std::uint32_t rows, double window) {
    constexpr int kPixels = 2000;
    std::vector<double> times;
    for (int i = 0; i < (window == 1 ? 5 : 20); ++i) {
      std::set<std::uint32_t> chosen;
      while (chosen.size() < std::min(rows, header_.attributes)) chosen.insert(attribute());
      const auto length = static_cast<std::int64_t>(static_cast<double>(span()) * window) - 2;
      const std::int64_t from = time(span() - length);
      std::vector<std::int64_t> samples;
      for (int p = 0; p < kPixels; ++p) samples.push_back(from + length / kPixels * p);
      const double begin = cpu_seconds();
      for (const std::uint32_t a : chosen) {
        store_.row(a, samples, [&](const Hit& hit) { sum_ += hit.end; });
      }
      times.push_back(cpu_seconds() - begin);
    }
    report(fmt::format("timeline {} x 2000 px, window {:g}", rows, window), times);
  }

  const SlabStore& store_;
  const IntervalHeader header_;
  std::mt19937_64 random_{42};
  std::int64_t sum_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const Mapping file = map_file(argv[1]);
  const auto header = load<IntervalHeader>(file.bytes);
  std::vector<IntervalRecord> records(header.intervals);
  std::memcpy(records.data(), file.bytes + sizeof header, records.size() * sizeof(IntervalRecord));
  build<PackedStore>("packed", header, records);
  const auto store = build<SlabStore>("slabs", header, records);
  Queries(store, header).run();
}
