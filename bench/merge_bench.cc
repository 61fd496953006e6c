// merge_bench [EVENTS [ROUNDS]]: CPU time per event of ordering k streams of events: the product's
// Merger, a loser tree over the same cursors, and the cursors alone. Streams interleave event by
// event, or in bursts of about eight; clocks are the identity, or run 40 ppm off.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "loser_tree.h"
#include "merge/merger.h"
#include "model/clock_map.h"

namespace {

using namespace vs;

constexpr std::size_t kRunEvents = 256;
constexpr std::size_t kGapCount = 4096;

/// A stream of `count` events; what lies between them repeats.
class GapCursor final : public reader::StreamCursor {
 public:
  GapCursor(const std::vector<std::int64_t>& gaps, std::uint64_t count)
      : gaps_(gaps), left_(count), run_(kRunEvents) {
    for (model::Event& event : run_) event.kind = model::EventKind::kSchedWaking;
  }
  Result<std::span<const model::Event>> next() override {
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(left_, kRunEvents));
    left_ -= count;
    for (std::size_t i = 0; i < count; ++i) {
      time_ += gaps_[at_++ % kGapCount];
      run_[i].own = OwnTime{time_};
    }
    return std::span<const model::Event>(run_).first(count);
  }
  Status seek(OwnTime /*time*/) override { return {}; }
  std::uint64_t bytes_done() const override { return 0; }
  void fields_json(const model::Event& /*event*/, std::string& /*out*/) const override {}

 private:
  const std::vector<std::int64_t>& gaps_;
  std::uint64_t left_;
  std::vector<model::Event> run_;
  std::size_t at_ = 0;
  std::int64_t time_ = 0;
};

struct Work {
  std::vector<std::vector<std::int64_t>> gaps;  ///< by stream
  std::uint64_t per_stream = 0;
  model::ClockMap clock;

  [[nodiscard]] std::unique_ptr<reader::StreamCursor> cursor(std::size_t stream) const {
    return std::make_unique<GapCursor>(gaps[stream], per_stream);
  }
};

Work make_work(std::size_t streams, std::uint64_t events, bool bursts, bool drift) {
  Work work;
  std::mt19937_64 random(7);
  for (std::size_t s = 0; s < streams; ++s) {
    std::vector<std::int64_t> gaps(kGapCount);
    for (std::int64_t& gap : gaps) {
      const bool pause = !bursts || random() % 8 == 0;
      gap = pause ? static_cast<std::int64_t>(random() % (bursts ? 16000 : 2000)) + 1 : 5;
    }
    work.gaps.push_back(std::move(gaps));
  }
  work.per_stream = events / streams;
  if (drift) {
    model::ClockSegment segment;
    segment.rate = model::kRateOne + model::kRateOne / 25000;
    work.clock = model::ClockMap({segment});
  }
  return work;
}

// CPU time of this thread: the machines that this runs on are shared.
double now() {
  struct timespec time {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

using Sum = std::uint64_t;
/// Depends on the order.
Sum add(Sum sum, std::int64_t time, std::size_t stream) {
  return sum * 31 + static_cast<std::uint64_t>(time) + stream;
}

Sum read_alone(const Work& work) {
  Sum sum = 0;
  for (std::size_t s = 0; s < work.gaps.size(); ++s) {
    const auto cursor = work.cursor(s);
    for (;;) {
      const auto run = cursor->next();
      if (!run.ok() || run->empty()) break;
      for (const model::Event& event : *run) sum = add(sum, event.own.value, s);
    }
  }
  return sum;
}

Sum merge_product(const Work& work) {
  std::vector<merge::Source> sources(work.gaps.size());
  for (std::size_t s = 0; s < sources.size(); ++s) {
    sources[s].cursor = work.cursor(s);
    sources[s].clock = &work.clock;
  }
  merge::Merger merger(std::move(sources));
  Sum sum = 0;
  if (!merger.start().ok()) return sum;
  for (;;) {
    const auto batch = merger.next_batch();
    if (!batch.ok() || batch->empty()) return sum;
    for (const merge::Item& item : *batch) sum = add(sum, item.time.ns, item.source);
  }
}

Sum merge_tree(const Work& work) {
  struct Head {
    std::unique_ptr<reader::StreamCursor> cursor;
    std::span<const model::Event> run;
    std::size_t at = 0;
  };
  std::vector<Head> heads(work.gaps.size());
  bench::LoserTree tree(heads.size());
  const auto key = [&](std::size_t s) {
    Head& head = heads[s];
    if (head.at == head.run.size()) {
      head.run = head.cursor->next().value();
      head.at = 0;
    }
    if (head.run.empty()) return bench::LoserTree::kExhausted;
    return bench::HeadKey{work.clock.to_host(head.run[head.at].own).ns, s};
  };
  for (std::size_t s = 0; s < heads.size(); ++s) {
    heads[s].cursor = work.cursor(s);
    tree.set(s, key(s));
  }
  tree.build();
  Sum sum = 0;
  while (!tree.exhausted()) {
    const std::size_t s = tree.winner();
    sum = add(sum, tree.winner_key().time_ns, s);
    ++heads[s].at;
    tree.replace_winner(key(s));
  }
  return sum;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

bool measure(std::size_t streams, std::uint64_t events, bool bursts, bool drift, int rounds) {
  const Work work = make_work(streams, events, bursts, drift);
  using Run = Sum (*)(const Work&);
  constexpr Run kRuns[] = {read_alone, merge_tree, merge_product};
  std::vector<double> times[3];
  Sum sums[3] = {};
  for (int round = 0; round < rounds; ++round) {
    for (std::size_t i = 0; i < 3; ++i) {
      const double begin = now();
      sums[i] = kRuns[i](work);
      times[i].push_back(now() - begin);
    }
  }
  const double each = 1e9 / static_cast<double>(work.per_stream * streams);
  const double alone = median(times[0]) * each;
  std::printf("%7zu  %-11s %-8s %9.2f %12.2f %9.2f\n", streams, bursts ? "bursts" : "by event",
              drift ? "drift" : "identity", alone, median(times[1]) * each - alone,
              median(times[2]) * each - alone);
  return sums[1] == sums[2];
}

}  // namespace

int main(int argc, char** argv) {
  const std::uint64_t events = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 4'000'000;
  const int rounds = argc > 2 ? std::atoi(argv[2]) : 5;
  std::printf("ns/event CPU; the merges without their cursors\n");
  std::printf("streams  interleaved clock     cursors  loser tree    Merger\n");
  bool same = true;
  for (const std::size_t streams : {1U, 2U, 4U, 8U, 16U, 64U}) {
    for (const bool bursts : {false, true}) {
      same = measure(streams, events, bursts, false, rounds) && same;
    }
  }
  same = measure(8, events, false, true, rounds) && same;
  if (!same) std::printf("the two merges DIFFER\n");
  return same ? 0 : 1;
}
