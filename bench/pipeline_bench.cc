// pipeline_bench [--jobs N] [--history FILE] [--until survey|join|analyse] TRACE...: what opening
// an experiment costs, stage by stage: CPU and wall time per event of the traces, peak memory.
// --until join reads what `virtscope sync` reads. Under `valgrind --tool=callgrind` it gives
// instructions; --until picks what is counted.
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <string>
#include <string_view>

#include "os/file.h"
#include "session/session.h"

namespace {

using namespace vs;

struct Clock {
  double cpu = 0;
  double wall = 0;
};

Clock now() {
  struct timespec cpu {};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
  const auto wall = std::chrono::steady_clock::now().time_since_epoch();
  return {static_cast<double>(cpu.tv_sec) + static_cast<double>(cpu.tv_nsec) * 1e-9,
          std::chrono::duration<double>(wall).count()};
}

void check(const Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.error().to_string().c_str());
  std::exit(1);
}

/// Memory that is not the mapped trace, MiB.
double anonymous_mib() {
  std::ifstream status("/proc/self/status");
  std::string line;
  while (std::getline(status, line)) {
    if (line.starts_with("RssAnon:")) return std::atof(line.c_str() + 8) / 1024;
  }
  return 0;
}

struct Options {
  session::SessionOptions session;
  std::string_view until = "analyse";
};

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--jobs" && i + 1 < argc) {
      options.session.jobs = static_cast<unsigned>(std::atoi(argv[++i]));
    } else if (word == "--history" && i + 1 < argc) {
      options.session.history_path = argv[++i];
    } else if (word == "--until" && i + 1 < argc) {
      options.until = argv[++i];
      options.session.states = options.until != "join";
    } else {
      options.session.inputs.paths.emplace_back(word);
    }
  }
  return options;
}

/// How exact the clocks are that the join found, so that a faster one cannot be a worse one unseen.
void tell_clocks(const session::Session& session) {
  for (std::size_t t = 0; t < session.traces().size(); ++t) {
    std::int64_t error_ns = -1;
    for (const auto& segment : session.joined().traces[t].clock.segments()) {
      error_ns = std::max(error_ns, segment.error_max_ns);
    }
    std::printf(
        "clock %s: %zu segments, error at most %lld ns\n", session.traces()[t].place.c_str(),
        session.joined().traces[t].clock.segments().size(), static_cast<long long>(error_ns));
  }
}

}  // namespace

int main(int argc, char** argv) {
  Options options = parse(argc, argv);
  const Clock begin = now();
  auto opened = session::Session::open(os::real_files(), std::move(options.session));
  if (!opened.ok()) check(opened.error());
  session::Session& session = *opened.value();
  std::uint64_t events = 1;
  Clock last = begin;
  const auto tell = [&](const char* stage) {
    const Clock at = now();
    const auto per_event = 1e9 / static_cast<double>(events);
    std::printf("%-8s cpu %8.3f s %8.1f ns/event   wall %8.3f s %8.1f ns/event   anon %.1f MiB\n",
                stage, at.cpu - last.cpu, (at.cpu - last.cpu) * per_event, at.wall - last.wall,
                (at.wall - last.wall) * per_event, anonymous_mib());
    last = now();
  };
  tell("open");
  check(session.survey());
  events = 0;
  for (const session::OpenTrace& trace : session.traces()) events += trace.survey.events;
  tell("survey");
  if (options.until == "survey") return 0;
  check(session.join());
  tell("join");
  tell_clocks(session);
  if (options.until == "join") return 0;
  check(session.analyse());
  tell("analyse");
  struct rusage usage {};
  getrusage(RUSAGE_SELF, &usage);
  last = begin;
  tell("all");
  std::printf("%llu events, peak resident %.1f MiB\n", static_cast<unsigned long long>(events),
              static_cast<double>(usage.ru_maxrss) / 1024);
  return 0;
}
