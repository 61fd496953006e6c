// ctf_decode_bench MODE TRACE...: CPU time per event of reading CTF, for `make bench`.
//
//   open      the traces only: metadata, stream files' ends, packet directories
//   walk      one stream after another, every event, no arguments
//   demand    the same, with the tids of sched_switch (what `ctf_floor walk` reads)
//   fields    the same, with every argument that the catalogue of kinds names
//   skip      one stream after another, only sched_switch is delivered
//   merge     all streams in the order of time, arguments as `demand`
//   mergeall  the same with arguments as `fields`
//   seek      1000 jumps into streams, each to its first batch of events
//
// Prints one line: events, sched_switch events, loss windows, a check sum, ns per event and peak
// memory. The sum is that of all times, tids and, in `fields`, arguments; `ctf_floor` prints the
// same one for `demand` and `merge` once the clock's offset times the events is taken off it.
#include <sys/resource.h>
#include <ctime>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "merge/merger.h"
#include "model/clock_map.h"
#include "os/file.h"
#include "reader/ctf/format.h"

namespace {

using namespace vs;
using model::EventKind;

// CPU time of this thread: the machines that this runs on are shared.
double now() {
  struct timespec time {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

[[noreturn]] void die(const Error& error) {
  std::fprintf(stderr, "%s\n", error.to_string().c_str());
  std::exit(1);
}
template <typename T>
T take(Result<T> result) {
  if (!result.ok()) die(result.error());
  return std::move(result).value();
}

struct Sums {
  std::uint64_t events = 0;
  std::uint64_t switches = 0;
  std::uint64_t losses = 0;
  std::uint64_t sum = 0;

  void take(const model::Event& event) {
    if (event.kind == EventKind::kLoss) {
      ++losses;
      return;
    }
    ++events;
    sum += static_cast<std::uint64_t>(event.own.value);
    if (event.kind == EventKind::kSchedSwitch) {
      ++switches;
      sum += event.args[model::arg::kPrevTid] + event.args[model::arg::kNextTid];
    }
  }
  void take_all(const model::Event& event) {
    take(event);
    for (const std::uint64_t argument : event.args) sum += argument;
    for (const std::string_view text : event.texts) sum += text.size();
  }
};

struct Input {
  std::vector<std::unique_ptr<reader::Trace>> traces;
  model::IssueLog issues;
};

reader::StreamRequest request_of(const std::string& mode) {
  reader::StreamRequest request;
  if (mode == "skip") request.kinds = model::KindSet::of({EventKind::kSchedSwitch});
  if (mode == "walk") request.arguments = false;
  if (mode == "demand" || mode == "merge" || mode == "skip") {
    request.choice = reader::ArgumentChoice::none().only(
        EventKind::kSchedSwitch, reader::ArgumentChoice::arg(model::arg::kPrevTid) |
                                     reader::ArgumentChoice::arg(model::arg::kNextTid));
  }
  return request;
}

template <typename Take>
[[gnu::noinline]] void drain(reader::StreamCursor& cursor, Take each) {
  while (true) {
    const auto batch = take(cursor.next());
    if (batch.empty()) return;
    for (const model::Event& event : batch) each(event);
  }
}

void one_by_one(Input& input, const std::string& mode, Sums& sums) {
  const reader::StreamRequest request = request_of(mode);
  const bool all = mode == "fields";
  for (const auto& trace : input.traces) {
    for (std::size_t s = 0; s < trace->streams().size(); ++s) {
      const auto cursor = take(trace->open_stream(s, request, input.issues));
      if (all) {
        drain(*cursor, [&](const model::Event& event) { sums.take_all(event); });
      } else {
        drain(*cursor, [&](const model::Event& event) { sums.take(event); });
      }
    }
  }
}

[[gnu::noinline]] void merged(Input& input, const std::string& mode, Sums& sums) {
  const model::ClockMap clock;
  std::vector<merge::Source> sources;
  for (std::uint32_t t = 0; t < input.traces.size(); ++t) {
    for (std::size_t s = 0; s < input.traces[t]->streams().size(); ++s) {
      auto cursor = take(input.traces[t]->open_stream(s, request_of(mode), input.issues));
      sources.push_back(merge::Source{std::move(cursor), &clock, t, t, false});
    }
  }
  merge::Merger merger(std::move(sources));
  if (const Status status = merger.start(); !status.ok()) die(status.error());
  const bool all = mode == "mergeall";
  merge::Item item;
  std::int64_t last = INT64_MIN;
  while (take(merger.next(item))) {
    if (item.time.ns < last) die(Error{ErrorCode::kInternal, "times go back", {}, {}});
    last = item.time.ns;
    all ? sums.take_all(*item.event) : sums.take(*item.event);
  }
}

void seeks(Input& input, Sums& sums) {
  std::mt19937_64 random(1);
  constexpr int kJumps = 1000;
  double slowest = 0;
  const double begin = now();
  for (const auto& trace : input.traces) {
    for (std::size_t s = 0; s < trace->streams().size(); ++s) {
      const auto& info = trace->streams()[s];
      if (!info.first || !info.last) continue;
      const auto cursor = take(trace->open_stream(s, {}, input.issues));
      const auto span = static_cast<std::uint64_t>(info.last->value - info.first->value) + 1;
      for (int i = 0; i < kJumps; ++i) {
        const OwnTime time{info.first->value + static_cast<std::int64_t>(random() % span)};
        const double before = now();
        if (const Status status = cursor->seek(time); !status.ok()) die(status.error());
        sums.events += take(cursor->next()).size();
        slowest = std::max(slowest, now() - before);
      }
    }
  }
  std::printf("seek: slowest %.1f us, together %.1f ms\n", slowest * 1e6, (now() - begin) * 1e3);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  const std::string mode = argv[1];
  const double begin = now();
  Input input;
  std::uint64_t bytes = 0;
  for (int i = 2; i < argc; ++i) {
    input.traces.push_back(
        take(reader::ctf::kCtfFormat.open(os::real_files(), argv[i], input.issues)));
    for (const auto& stream : input.traces.back()->streams()) bytes += stream.bytes;
  }
  const double opened = now();
  Sums sums;
  if (mode == "seek") {
    seeks(input, sums);
  } else if (mode.starts_with("merge")) {
    merged(input, mode, sums);
  } else if (mode != "open") {
    one_by_one(input, mode, sums);
  }
  const double spent = now() - opened;
  struct rusage usage {};
  ::getrusage(RUSAGE_SELF, &usage);
  std::printf(
      "%s: %llu MB | open %.2f ms | %llu events %llu switches %llu losses sum %llx | %.3f s "
      "%.2f ns/event | peak %ld KiB\n",
      mode.c_str(), static_cast<unsigned long long>(bytes >> 20), (opened - begin) * 1e3,
      static_cast<unsigned long long>(sums.events), static_cast<unsigned long long>(sums.switches),
      static_cast<unsigned long long>(sums.losses), static_cast<unsigned long long>(sums.sum),
      spent, sums.events == 0 ? 0 : spent * 1e9 / static_cast<double>(sums.events),
      usage.ru_maxrss);
}
