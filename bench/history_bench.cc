// history_bench IVFILE OUT [lz4|zstd|stored]: build, size and query latencies of a state history
// over a stream of intervals (24-byte records: i64 start, i64 inclusive end, i32 attribute, i32
// value or INT32_MIN; header "IVS1", u32 attributes, u64 intervals, i64 start, i64 end). Attribute
// = one pcpu_state entity; the value goes into `state`, with tid and comm that follow from it. Rows
// are added as the analyses do it, with a memo per value, and before that without.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <random>
#include <set>
#include <span>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "history/reader.h"
#include "history/writer.h"

namespace {

using namespace vs;
using namespace vs::history;

// CPU time of this thread: the machines that this runs on are shared. Reads come from the page
// cache.
double now() {
  struct timespec time {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

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

[[noreturn]] void die(const Error& error) {
  std::fprintf(stderr, "%s\n", error.to_string().c_str());
  std::exit(1);
}
template <typename T>
T take(Result<T> result) {
  if (!result.ok()) die(result.error());
  return std::move(result).value();
}

void report(const std::string& what, std::vector<double> times) {
  double sum = 0;
  for (const double t : times) sum += t;
  const double first = times[0];
  std::sort(times.begin(), times.end());
  std::printf("  %-34s first %9.2f us  median %9.2f  p95 %9.2f  mean %9.2f\n", what.c_str(),
              first * 1e6, times[times.size() / 2] * 1e6, times[times.size() * 95 / 100] * 1e6,
              sum / static_cast<double>(times.size()) * 1e6);
}

/// Adds rows whose values follow from one number.
class Adder {
 public:
  Adder(Writer& writer, bool with_memos) : writer_(writer), with_memos_(with_memos) {}

  void add(EntityId entity, const Record& r) {
    const std::int64_t state = r.value == INT32_MIN ? 0 : r.value;
    const HostTime begin{r.start};
    const HostTime end{r.end + 1};
    const auto place = static_cast<std::size_t>(state);
    if (with_memos_ && place >= memos_.size() && place < kMostMemos) memos_.resize(place + 1);
    const bool noted = place < memos_.size();
    if (noted && writer_.add_again(entity, begin, end, memos_[place])) return;
    const std::int64_t values[] = {state, state == 0 ? model::kNull : 1000 + state,
                                   state == 0 ? model::kNull : 10 + state, 0};
    noted ? writer_.add_noting(entity, begin, end, values, memos_[place])
          : writer_.add(entity, begin, end, values);
  }

 private:
  static constexpr std::size_t kMostMemos = 65536;
  Writer& writer_;
  const bool with_memos_;
  std::vector<model::RowMemo> memos_;
};

void build(const char* in, const char* out, Codec codec, bool with_memos) {
  std::FILE* file = std::fopen(in, "rb");
  Header header;
  if (file == nullptr || std::fread(&header, sizeof header, 1, file) != 1) std::exit(2);
  WriterOptions options;
  options.codec = codec;
  auto writer = take(Writer::create(out, options));
  const std::int64_t machine = writer->intern("host");
  std::vector<EntityId> ids;
  for (std::uint32_t a = 0; a < header.attributes; ++a) {
    ids.push_back(writer->entity(TableId::kPcpuState, std::vector<std::int64_t>{machine, a}));
  }
  Adder adder(*writer, with_memos);
  std::vector<Record> records(1 << 16);
  double spent = 0;
  std::uint64_t count = 0;
  for (;;) {
    const std::size_t got = std::fread(records.data(), sizeof(Record), records.size(), file);
    if (got == 0) break;
    const double begin = now();
    for (std::size_t i = 0; i < got; ++i) {
      adder.add(ids[static_cast<std::size_t>(records[i].attribute)], records[i]);
    }
    spent += now() - begin;
    count += got;
  }
  const double begin = now();
  if (Status done = writer->commit(); !done.ok()) die(done.error());
  const double commit = now() - begin;
  const auto size = take(os::real_files().stat(out)).size;
  std::printf("%s %.1f ns/interval, commit %.1f ms (together %.1f), %.2f B/interval\n",
              with_memos ? "build" : "without memos: build", spent * 1e9 / double(count),
              commit * 1e3, (spent + commit) * 1e9 / double(count), double(size) / double(count));
}

/// Random questions to one history; the same ones in every run.
class Queries {
 public:
  explicit Queries(const Reader& reader)
      : reader_(reader), entities_(reader.entities(TableId::kPcpuState)) {
    std::int64_t end = INT64_MIN;
    for (const Entity& e : entities_) {
      start_ = std::min(start_, reader.entity(e.id).first_ns);
      end = std::max(end, reader.entity(e.id).last_ns);
    }
    span_ = end - start_;
  }

  void run() {
    for (const char* pass : {"single query", "single query, again"}) singles(pass);
    full_states("full state", false);
    full_states("full state, same time", true);
    for (const std::size_t rows : {50U, 500U}) {
      for (const double window : {1.0, 0.1, 0.01, 0.001}) timelines(rows, window, 1);
      timelines(rows, 1, kDetailPixels);
    }
    std::printf("(check %lld)\n", static_cast<long long>(sum_));  // the answers are really used
  }

 private:
  std::int64_t time(std::int64_t room) {
    return start_ + static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(room));
  }
  EntityId entity() { return entities_[random_() % entities_.size()].id; }

  void singles(const char* pass) {
    random_.seed(42);
    std::vector<double> times;
    for (int i = 0; i < 20000; ++i) {
      const EntityId e = entity();
      const HostTime t{time(span_)};
      const double b = now();
      const auto row = take(reader_.at(e, t));
      times.push_back(now() - b);
      if (row) sum_ += row->begin.ns;
    }
    report(pass, times);
  }

  void full_states(const char* what, bool same_time) {
    std::vector<double> times;
    HostTime t{time(span_)};
    FullState state;
    for (int i = 0; i < 300; ++i) {
      if (!same_time) t = HostTime{time(span_)};
      const double b = now();
      const Status done = reader_.full_state(TableId::kPcpuState, t, state);
      times.push_back(now() - b);
      if (!done.ok()) die(done.error());
      sum_ += static_cast<std::int64_t>(state.rows.size());
    }
    report(what, times);
  }

  /// What pictures of many rows are drawn with by the server (src/serve/views.cc).
  static constexpr std::size_t kDetailPixels = 2;

  void timelines(std::size_t rows, double window, std::size_t bucket_pixels) {
    std::vector<double> times;
    for (int i = 0; i < (window == 1 ? 5 : 20); ++i) {
      std::set<EntityId> set;
      while (set.size() < std::min(rows, entities_.size())) set.insert(entity());
      const std::vector<EntityId> chosen(set.begin(), set.end());
      const auto length = static_cast<std::int64_t>(double(span_) * window) - 2;
      const std::int64_t from = time(span_ - length);
      const double b = now();
      const Status done = reader_.timelines(
          chosen, Window{HostTime{from}, HostTime{from + length}, 2000, 0, bucket_pixels},
          pictures_);
      times.push_back(now() - b);
      if (!done.ok()) die(done.error());
      for (const auto& picture : pictures_) sum_ += static_cast<std::int64_t>(picture.size());
    }
    const char* const what = bucket_pixels > 1 ? "level of detail" : "timeline";
    report(fmt::format("{} {} x 2000 px, window {:g}", what, rows, window), times);
  }

  const Reader& reader_;
  const std::span<const Entity> entities_;
  std::int64_t start_ = INT64_MAX;
  std::int64_t span_ = 0;
  std::mt19937_64 random_{42};
  std::int64_t sum_ = 0;
  std::vector<std::vector<Stretch>> pictures_;
};

void queries(const char* path) {
  const double begin = now();
  const auto reader = take(Reader::open(path));
  std::printf("open %.2f ms\n", (now() - begin) * 1e3);
  Queries(*reader).run();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  const std::string_view codec = argc > 3 ? argv[3] : "lz4";
  if (codec != "none") {
    const Codec chosen = codec == "zstd"     ? Codec::kZstd
                         : codec == "stored" ? Codec::kStored
                                             : Codec::kLz4;
    build(argv[1], argv[2], chosen, false);
    build(argv[1], argv[2], chosen, true);
  }
  queries(argv[2]);
}
