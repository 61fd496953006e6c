// The inner loops, each alone, by google-benchmark: inner_bench [--benchmark_filter=REGEX].
// Wall time on a quiet machine; compare runs of one machine only. The merge is the floor's own:
// what a k-way merge costs at least, event by event (burst 1) and where streams come in bursts.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <random>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/time.h"
#include "floor/loser_tree.h"
#include "history/varint.h"
#include "model/clock_map.h"
#include "reader/ctf/plain_decoder.h"

namespace {

using namespace vs;

constexpr std::size_t kCount = 1U << 16;

/// Numbers of 1 to `bits` bits, all lengths alike: what durations look like.
std::vector<std::uint64_t> numbers(unsigned bits) {
  std::mt19937_64 random(7);
  std::vector<std::uint64_t> out(kCount);
  for (std::uint64_t& value : out) value = random() >> (64 - 1 - random() % bits);
  return out;
}

void varint_write(benchmark::State& state) {
  const auto values = numbers(static_cast<unsigned>(state.range(0)));
  history::ByteSink sink;
  for (auto _ : state) {
    sink.clear();
    for (const std::uint64_t value : values) sink.put_varint(value);
    benchmark::DoNotOptimize(sink.size());
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kCount));
}
BENCHMARK(varint_write)->Arg(7)->Arg(20)->Arg(40);

void varint_read(benchmark::State& state) {
  history::ByteSink sink;
  for (const std::uint64_t value : numbers(static_cast<unsigned>(state.range(0)))) {
    sink.put_varint(value);
  }
  for (auto _ : state) {
    history::VarReader reader(sink.bytes());
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < kCount; ++i) sum += reader.varint();
    benchmark::DoNotOptimize(sum);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kCount));
}
BENCHMARK(varint_read)->Arg(7)->Arg(20)->Arg(40);

model::ClockMap clock_map(std::int64_t segments) {
  std::vector<model::ClockSegment> out;
  for (std::int64_t i = 0; i < segments; ++i) {
    model::ClockSegment segment;
    segment.own_begin = OwnTime{i * 1'000'000};
    segment.own_end = i + 1 == segments ? kOwnTimeMax : OwnTime{(i + 1) * 1'000'000};
    segment.anchor_own = segment.own_begin;
    segment.anchor_host = HostTime{segment.own_begin.value + 77};
    segment.rate = model::kRateOne + (model::kRateOne >> 20);
    out.push_back(segment);
  }
  return model::ClockMap(std::move(out));
}

void clock_to_host(benchmark::State& state) {
  const model::ClockMap map = clock_map(state.range(0));
  const std::int64_t step = state.range(0) * 1'000'000 / static_cast<std::int64_t>(kCount) + 1;
  for (auto _ : state) {
    std::int64_t sum = 0;
    for (std::size_t i = 0; i < kCount; ++i) {
      sum += map.to_host(OwnTime{static_cast<std::int64_t>(i) * step}).ns;
    }
    benchmark::DoNotOptimize(sum);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kCount));
}
BENCHMARK(clock_to_host)->Arg(1)->Arg(16);

/// An event header of LTTng's compact kind: 5 bits of id, 27 of time, in the plain decoder.
class Ignore final : public reader::ctf::FieldSink {
 public:
  std::uint64_t sum = 0;
  void begin_struct(std::string_view) override {}
  void end_struct() override {}
  void begin_array(std::string_view) override {}
  void end_array() override {}
  void real(std::string_view, const reader::ctf::Node&, double) override {}
  void text(std::string_view, std::string_view) override {}
  void integer(std::string_view, const reader::ctf::Node&, std::uint64_t value) override {
    sum += value;
  }
};

void bit_fields(benchmark::State& state) {
  using namespace reader::ctf;
  FieldClass id;
  id.size_bits = 5;
  FieldClass time;
  time.size_bits = 27;
  Layout layout;
  layout.nodes.resize(2);
  layout.nodes[0].type = &id;
  layout.nodes[1].type = &time;
  const std::vector<std::byte> bytes(kCount * 4, std::byte{0x5a});
  PlainDecoder decoder(layout, ByteOrder::kLittle, {});
  Ignore sink;
  for (auto _ : state) {
    decoder.set_input(bytes, 0, bytes.size() * 8);
    decoder.set_position(0);
    bool good = true;
    for (std::size_t i = 0; i < kCount; ++i) {
      good = decoder.decode(0, sink) && decoder.decode(1, sink) && good;
    }
    benchmark::DoNotOptimize(good);
  }
  benchmark::DoNotOptimize(sink.sum);
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kCount));
}
BENCHMARK(bit_fields);

struct Times {
  std::vector<std::uint64_t> times;
  std::size_t at = 0;
  std::uint64_t time = 0;
  bool next() {
    if (at == times.size()) return false;
    time = times[at++];
    return true;
  }
};

/// `streams` sorted streams of `kCount` times in all, in bursts of about `burst`.
std::vector<Times> sorted_streams(std::size_t streams, std::uint64_t burst) {
  std::mt19937_64 random(11);
  std::vector<Times> out(streams);
  std::uint64_t time = 0;
  for (std::size_t i = 0; i < kCount;) {
    Times& stream = out[random() % streams];
    for (std::uint64_t n = burst == 1 ? 1 : 1 + random() % (2 * burst - 1); n != 0 && i < kCount;
         --n, ++i) {
      stream.times.push_back(time += 1 + random() % 200);
    }
  }
  return out;
}

void loser_tree(benchmark::State& state) {
  const auto streams = sorted_streams(static_cast<std::size_t>(state.range(0)),
                                      static_cast<std::uint64_t>(state.range(1)));
  for (auto _ : state) {
    state.PauseTiming();
    std::vector<Times> cursors = streams;
    state.ResumeTiming();
    bench::LoserTree<Times> tree(cursors);
    std::uint64_t sum = 0;
    for (; !tree.done(); tree.advance()) sum += tree.time();
    benchmark::DoNotOptimize(sum);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kCount));
}
BENCHMARK(loser_tree)->ArgsProduct({{2, 4, 8, 16}, {1, 8}});

}  // namespace

BENCHMARK_MAIN();
