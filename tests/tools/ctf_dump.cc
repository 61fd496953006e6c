// ctf_dump [--json | --time] FOLDER: for developers. Prints every event of a CTF trace, stream by
// stream
// ("own<TAB>cpu<TAB>tid<TAB>name<TAB>fields"), or with --time only decodes and says how long it
// took; then the issues. scripts compare the first with babeltrace2.
#include <chrono>
#include <cstdio>
#include <cstring>
#include <string>

#include "os/file.h"
#include "reader/ctf/format.h"

namespace {

using vs::model::Event;

struct Options {
  bool json = false;
  bool time = false;
  std::string path;
};

void print_event(const vs::reader::Trace& trace, const vs::reader::StreamCursor& cursor,
                 const Event& event, const Options& options) {
  std::string fields;
  if (options.json) cursor.fields_json(event, fields);
  const std::string name =
      event.kind == vs::model::EventKind::kLoss ? "loss" : trace.event_types()[event.type].name;
  std::printf("%lld\t%u\t%d\t%s\t%s\n", static_cast<long long>(event.own.value), event.cpu,
              event.tid, name.c_str(), fields.c_str());
}

int dump(const Options& options) {
  vs::model::IssueLog issues;
  auto opened = vs::reader::ctf::kCtfFormat.open(vs::os::real_files(), options.path, issues);
  if (!opened.ok()) {
    std::fprintf(stderr, "%s\n", opened.error().to_string().c_str());
    return 3;
  }
  const auto& trace = **opened;
  const auto begin = std::chrono::steady_clock::now();
  std::uint64_t events = 0;
  std::uint64_t sum = 0;
  for (std::size_t stream = 0; stream < trace.streams().size(); ++stream) {
    auto cursor = trace.open_stream(stream, {}, issues);
    if (!cursor.ok()) return 3;
    while (true) {
      auto batch = (*cursor)->next();
      if (!batch.ok()) {
        std::fprintf(stderr, "%s\n", batch.error().to_string().c_str());
        return 3;
      }
      if (batch->empty()) break;
      events += batch->size();
      for (const Event& event : *batch) {
        sum += static_cast<std::uint64_t>(event.own.value) + event.args[0];
        if (!options.time) print_event(trace, **cursor, event, options);
      }
    }
  }
  const double ns =
      std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - begin).count();
  if (options.time) {
    std::printf("%llu events, %.1f ns/event, check sum %llx\n",
                static_cast<unsigned long long>(events), ns / static_cast<double>(events),
                static_cast<unsigned long long>(sum));
  }
  for (const auto& issue : issues.rows()) {
    std::fprintf(stderr, "%s %s x%llu: %s\n", std::string(spec_of(issue.code).name).c_str(),
                 issue.place.c_str(), static_cast<unsigned long long>(issue.count),
                 issue.message.c_str());
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--json") == 0) {
      options.json = true;
    } else if (std::strcmp(argv[i], "--time") == 0) {
      options.time = true;
    } else {
      options.path = argv[i];
    }
  }
  return dump(options);
}
