// ftrace_decode_bench FILE [walk|fields|merged|all] [ROUNDS]: CPU time per event of reading a
// trace.dat. walk: times, types and threads, one stream after the other; fields: all arguments as
// well; merged: the same in time order over all streams. Then opening the file, and seeks.
//
// The check sum adds each event's time and, of sched_switch, both threads: the sum that ftrace
// floors and libtracecmd programs of the same kind print, so equal sums mean equal work.
#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "merge/merger.h"
#include "model/clock_map.h"
#include "os/file.h"
#include "reader/ftrace/format.h"

namespace {

using namespace vs;

struct Sum {
  std::uint64_t events = 0;
  std::uint64_t switches = 0;
  std::uint64_t sum = 0;

  void take(const model::Event& event) {
    if (event.kind == model::EventKind::kLoss) return;
    ++events;
    sum += static_cast<std::uint64_t>(event.own.value);
    if (event.kind != model::EventKind::kSchedSwitch) return;
    ++switches;
    sum += event.u(model::arg::kPrevTid) + event.u(model::arg::kNextTid);
  }
};

// CPU time of this thread, the kernel's part included: the machines that this runs on are shared.
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

std::unique_ptr<reader::StreamCursor> open_stream(const reader::Trace& trace, std::size_t stream,
                                                  bool arguments, model::IssueLog& issues) {
  reader::StreamRequest request;
  request.arguments = arguments;
  return take(trace.open_stream(stream, request, issues));
}

Sum read_streams(const reader::Trace& trace, bool arguments) {
  Sum sum;
  model::IssueLog issues;
  for (std::size_t s = 0; s < trace.streams().size(); ++s) {
    const auto cursor = open_stream(trace, s, arguments, issues);
    for (;;) {
      const auto run = take(cursor->next());
      if (run.empty()) break;
      for (const model::Event& event : run) sum.take(event);
    }
  }
  return sum;
}

Sum read_merged(const reader::Trace& trace) {
  Sum sum;
  model::IssueLog issues;
  const model::ClockMap clock;
  std::vector<merge::Source> sources;
  for (std::size_t s = 0; s < trace.streams().size(); ++s) {
    merge::Source source;
    source.cursor = open_stream(trace, s, true, issues);
    source.clock = &clock;
    sources.push_back(std::move(source));
  }
  merge::Merger merger(std::move(sources));
  if (const Status status = merger.start(); !status.ok()) die(status.error());
  for (;;) {
    const auto batch = take(merger.next_batch());
    if (batch.empty()) return sum;
    for (const merge::Item& item : batch) sum.take(*item.event);
  }
}

/// Times of opening the file, and of going to a random time in it and reading the first run there.
void measure_places(const char* path) {
  constexpr std::size_t kOpens = 9;
  constexpr int kSeeks = 200;
  std::vector<double> opens;
  std::vector<double> seeks;
  std::mt19937_64 random(1);
  for (std::size_t i = 0; i < kOpens; ++i) {
    model::IssueLog issues;
    const double begin = now();
    const auto trace = take(reader::ftrace::kTraceDatFormat.open(os::real_files(), path, issues));
    opens.push_back(now() - begin);
    const auto& stream = trace->streams()[i % trace->streams().size()];
    if (!stream.first || !stream.last) continue;
    const auto length = static_cast<std::uint64_t>(stream.last->value - stream.first->value);
    const auto cursor = open_stream(*trace, i % trace->streams().size(), true, issues);
    for (int k = 0; k < kSeeks && length != 0; ++k) {
      const auto step = static_cast<std::int64_t>(random() % length);
      const double from = now();
      if (const Status s = cursor->seek(OwnTime{stream.first->value + step}); !s.ok())
        die(s.error());
      (void)take(cursor->next());
      seeks.push_back(now() - from);
    }
  }
  const auto print = [](const char* what, std::vector<double>& times) {
    if (times.empty()) return;
    std::sort(times.begin(), times.end());
    std::printf("%-7s %.1f us CPU, longest %.1f\n", what, times[times.size() / 2] * 1e6,
                times.back() * 1e6);
  };
  print("open", opens);
  print("seek", seeks);
}

Sum run(const reader::Trace& trace, std::string_view mode) {
  return mode == "merged" ? read_merged(trace) : read_streams(trace, mode == "fields");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: ftrace_decode_bench FILE [walk|fields|merged|all] [ROUNDS]\n");
    return 2;
  }
  const std::string_view wanted = argc > 2 ? argv[2] : "all";
  const int rounds = argc > 3 ? std::atoi(argv[3]) : 5;
  std::vector<std::string_view> modes = {"walk", "fields", "merged"};
  if (wanted != "all") modes = {wanted};
  std::vector<std::vector<double>> times(modes.size());
  std::vector<Sum> sums(modes.size());
  for (int round = 0; round < rounds; ++round) {
    for (std::size_t m = 0; m < modes.size(); ++m) {
      model::IssueLog issues;
      const double begin = now();
      const auto trace =
          take(reader::ftrace::kTraceDatFormat.open(os::real_files(), argv[1], issues));
      sums[m] = run(*trace, modes[m]);
      times[m].push_back(now() - begin);
    }
  }
  for (std::size_t m = 0; m < modes.size(); ++m) {
    std::sort(times[m].begin(), times[m].end());
    const double median = times[m][times[m].size() / 2];
    std::printf("%-7s %llu events %llu switches sum %llx: %.2f ns/event CPU, best %.2f\n",
                std::string(modes[m]).c_str(), static_cast<unsigned long long>(sums[m].events),
                static_cast<unsigned long long>(sums[m].switches),
                static_cast<unsigned long long>(sums[m].sum),
                median * 1e9 / static_cast<double>(sums[m].events),
                times[m].front() * 1e9 / static_cast<double>(sums[m].events));
  }
  if (wanted == "all") measure_places(argv[1]);
  struct rusage usage {};
  getrusage(RUSAGE_SELF, &usage);
  std::printf("peak memory %ld KiB\n", usage.ru_maxrss);
  return 0;
}
