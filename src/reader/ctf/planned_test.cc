// The planned way of reading events (record_plan.h) against the general one and the plain decoder,
// on streams of random event types: any mix of sizes, alignments, byte orders, texts, sequences and
// variants, behind LTTng's headers in all their shapes.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <random>
#include <sstream>

#include "reader/ctf/differential.h"
#include "reader/ctf/metadata.h"
#include "reader/ctf/tsdl_parser.h"

namespace vs::reader::ctf {
namespace {

using model::Event;
using model::EventKind;

using Random = std::mt19937_64;

std::uint64_t below(Random& random, std::uint64_t n) { return random() % n; }
bool chance(Random& random, std::uint64_t percent) { return below(random, 100) < percent; }

// ---- random descriptions

struct Shape {
  bool big = false;      ///< the trace's byte order
  bool large = false;    ///< 16 + 32 bits of header instead of 5 + 27
  bool natural = false;  ///< fields lie at multiples of their size
  std::uint64_t frequency = 1'000'000'000;
};

constexpr std::size_t kTypes = 12;

class Describer {
 public:
  Describer(const Shape& shape, Random& random) : shape_(shape), random_(random) {}

  std::string metadata() {
    text_ << "/* CTF 1.8 */\ntypealias integer { size = 32; align = 8; } := u32;\n"
          << "typealias integer { size = 64; align = 8; } := u64;\n"
          << "trace { major = 1; minor = 8; byte_order = " << (shape_.big ? "be" : "le")
          << "; packet.header := struct { u32 magic; u32 stream_id; }; };\n"
          << "clock { name = \"c\"; freq = " << shape_.frequency << "; offset_s = 1234567; };\n";
    header();
    text_ << "stream { id = 0; event.header := struct header; packet.context := struct { "
          << clock_integer(64, 8) << "timestamp_begin; u64 content_size; u64 packet_size; "
          << "u32 cpu_id; " << clock_integer(64, 8) << "timestamp_end; };";
    if (chance(random_, 60)) text_ << " event.context := struct { " << context() << " };";
    text_ << " };\n";
    for (std::size_t i = 0; i < kTypes; ++i) event(i);
    return text_.str();
  }

 private:
  void header() {
    const int id = shape_.large ? 16 : 5;
    const int time = shape_.large ? 32 : 27;
    const int id_align = shape_.large ? (shape_.natural ? 16 : 8) : 1;
    const int align = shape_.natural ? (shape_.large ? 16 : 32) : 8;
    const int long_align = shape_.natural ? 32 : 8;
    text_ << "struct header { enum : integer { size = " << id << "; align = " << id_align
          << "; } { compact = 0 ... " << (1 << id) - 2 << ", extended = " << (1 << id) - 1
          << " } id; variant <id> { struct { " << clock_integer(time, shape_.large ? long_align : 1)
          << "timestamp; } compact; struct { integer { size = 32; align = " << long_align
          << "; } id; " << clock_integer(64, shape_.natural ? 64 : 8)
          << "timestamp; } extended; } v; } align(" << align << ");\n";
  }

  static std::string clock_integer(int size, int align) {
    return "integer { size = " + std::to_string(size) + "; align = " + std::to_string(align) +
           "; map = clock.c.value; } ";
  }

  std::string context() {
    std::string out = "integer { size = 32; align = " + std::string(shape_.natural ? "32" : "8") +
                      "; signed = 1; } _tid; ";
    if (chance(random_, 50)) out += character() + "_procname[17]; ";
    return out;
  }

  static std::string character() {
    return "integer { size = 8; align = 8; signed = 1; encoding = UTF8; } ";
  }

  std::string integer() {
    const bool odd = chance(random_, 15);
    const auto size = odd ? 1 + below(random_, 64) : std::uint64_t{8} << below(random_, 4);
    const std::uint64_t align = odd ? 1 : shape_.natural ? size : 8;
    std::string out = "integer { size = " + std::to_string(size) +
                      "; align = " + std::to_string(align) +
                      "; signed = " + std::to_string(below(random_, 2)) + "; ";
    if (!odd && chance(random_, 15))
      out += chance(random_, 50) ? "byte_order = be; " : "byte_order = le; ";
    return out + "} ";
  }

  // A field, or a few that belong together.
  std::string field(const std::string& name, int depth) {
    switch (below(random_, depth > 1 ? 6 : 9)) {
      case 0:
        return character() + name + "[" + std::to_string(below(random_, 40)) + "]; ";
      case 1:
        return "string " + name + "; ";
      case 6:
        return "integer { size = 8; } " + name + "_n; " + integer() + name + "[" + name + "_n]; ";
      case 7:
        return "struct { " + field(name + "_a", depth + 1) + field(name + "_b", depth + 1) + "} " +
               name + "; ";
      case 8:
        return "enum : integer { size = 8; } { a = 0 ... 3, b = 4 ... 255 } " + name +
               "_t; variant <" + name + "_t> { struct { " + field("x", depth + 1) +
               "} a; struct { " + field("x", depth + 1) + "} b; } " + name + "; ";
      default:
        return integer() + name + "; ";
    }
  }

  void event(std::size_t id) {
    static const char* const kNames[] = {"sched_switch",      "sched_waking",  "kvm_x86_exit",
                                         "irq_handler_entry", "net_dev_queue", "other"};
    const std::size_t name = below(random_, std::size(kNames));
    std::vector<std::string> fields;
    const auto& spec = model::spec_of(model::kind_of(kNames[name]));
    for (const auto& arg : spec.args) {
      if (!chance(random_, 70)) continue;
      fields.push_back(integer() + "_" +
                       std::string(arg.spellings.substr(0, arg.spellings.find(' '))) + "; ");
    }
    for (const auto& text : spec.texts) {
      const std::string of(text.spellings.substr(0, text.spellings.find(' ')));
      fields.push_back(chance(random_, 50) ? "string _" + of + "; "
                                           : character() + "_" + of + "[16]; ");
    }
    for (std::size_t i = below(random_, 5); i-- > 0;)
      fields.push_back(field("_f" + std::to_string(i), 0));
    std::shuffle(fields.begin(), fields.end(), random_);
    text_ << "event { name = \"" << kNames[name] << "\"; id = " << id << "; stream_id = 0; ";
    if (chance(random_, 20)) {
      text_ << "context := struct { " << (chance(random_, 30) ? "string _s; " : "") << integer()
            << (chance(random_, 50) ? "_tid" : "_c") << "; }; ";
    }
    text_ << "fields := struct { ";
    for (const std::string& one : fields) text_ << one;
    text_ << "}; };\n";
  }

  const Shape shape_;
  Random& random_;
  std::ostringstream text_;
};

std::unique_ptr<TraceModel> model_of(const std::string& metadata) {
  ParsedMetadata parsed = parse_tsdl(metadata);
  EXPECT_TRUE(parsed.usable && !parsed.fault) << metadata;
  std::optional<Error> left_out;
  auto model = build_model(std::move(parsed.schema), left_out);
  EXPECT_TRUE(model.ok() && !left_out) << (left_out ? left_out->to_string() : "") << metadata;
  return std::move(model).value();
}

// ---- streams

struct Written {
  std::vector<std::byte> bytes;
  std::vector<std::uint64_t> cycles;  ///< of each event
  std::vector<std::uint64_t> ids;
  std::vector<std::uint64_t> first_begins;  ///< bits, of those in the first packet
};

/// Writes packets whose events have headers as described and random bytes as fields; the plain
/// decoder says where each event ends.
class StreamWriter {
 public:
  StreamWriter(const Shape& shape, const TraceModel& model, Random& random)
      : shape_(shape), model_(model), random_(random) {}

  Written write(std::size_t packets, std::size_t packet_bytes) {
    for (std::size_t i = 0; i < packets; ++i) packet(packet_bytes);
    return std::move(out_);
  }

 private:
  void put(std::size_t at, std::uint64_t value, std::size_t size) {
    for (std::size_t i = 0; i < size; ++i) {
      const std::size_t shift = 8 * (shape_.big ? size - 1 - i : i);
      packet_[at + i] = static_cast<std::byte>(value >> shift);
    }
  }

  static std::size_t aligned(std::size_t at, std::size_t align) {
    return (at + align - 1) / align * align;
  }

  void packet(std::size_t size) {
    packet_.assign(size, std::byte{0});
    for (std::byte& byte : packet_)
      byte = static_cast<std::byte>(chance(random_, 70) ? below(random_, 6) : random_());
    put(0, kPacketMagic, 4);
    put(4, 0, 4);
    put(8, cycles_, 8);
    put(32, 3, 4);
    std::uint64_t end = 44 * 8;
    while (event(end)) {
    }
    put(16, end, 8);
    put(24, size * 8, 8);
    put(36, cycles_, 8);
    out_.bytes.insert(out_.bytes.end(), packet_.begin(), packet_.end());
  }

  // The header at byte `at`: the brief form, or the extended one, whose parts lie at 8 bytes.
  void header(std::size_t at, std::uint64_t id, bool brief) {
    const std::size_t eight = shape_.natural ? 8 : 1;
    const std::size_t after_id = at + (shape_.large ? 2 : 1);
    if (!brief) {
      put(at, shape_.large ? 0xffff : shape_.big ? 31U << 3 : 31U, shape_.large ? 2 : 1);
      put(aligned(after_id, eight), id, 4);
      put(aligned(aligned(after_id, eight) + 4, eight), cycles_, 8);
    } else if (shape_.large) {
      put(at, id, 2);
      put(aligned(after_id, shape_.natural ? 4 : 1), cycles_ & 0xffffffff, 4);
    } else {
      const std::uint64_t time = cycles_ & 0x7ffffff;
      put(at, shape_.big ? id << 27 | time : time << 5 | id, 4);
    }
  }

  bool event(std::uint64_t& end_bit) {
    const std::size_t align = shape_.natural ? (shape_.large ? 2 : 4) : 1;
    const std::size_t at = aligned(static_cast<std::size_t>(end_bit + 7) / 8, align);
    if (at + 64 > packet_.size()) return false;
    const std::uint64_t step = below(random_, chance(random_, 2) ? std::uint64_t{1} << 36 : 5000);
    const bool brief = step < (1U << 26) && chance(random_, 95);
    const std::uint64_t id = below(random_, kTypes);
    cycles_ += step;
    header(at, id, brief);
    PlainDecoder decoder(model_.layout, model_.schema->order, registers_);
    const StreamModel& stream = model_.streams.front();
    const EventLayout& event = *stream.events[id].layout;
    for (int tries = 0;; ++tries) {
      decoder.set_input(packet_, 0, static_cast<std::uint64_t>(packet_.size()) * 8);
      decoder.set_position(end_bit);
      decoder.begin_event();
      ArgumentSink sink(model_.layout, {});
      bool fine = true;
      for (const std::uint32_t root : {stream.layout->event_header, stream.layout->event_context,
                                       event.context, event.fields}) {
        fine = fine && decoder.decode(root, sink);
      }
      if (fine) break;
      if (tries == 3) {
        cycles_ -= step;
        return false;
      }
    }
    if (out_.bytes.empty()) out_.first_begins.push_back(end_bit);
    end_bit = decoder.position();
    out_.cycles.push_back(cycles_);
    out_.ids.push_back(id);
    return true;
  }

  const Shape shape_;
  const TraceModel& model_;
  Random& random_;
  std::vector<std::uint64_t> registers_ = std::vector<std::uint64_t>(model_.layout.slot_count);
  std::uint64_t cycles_ = 77;
  std::vector<std::byte> packet_;
  Written out_;
};

// ---- reading

StreamRequest random_request(Random& random) {
  StreamRequest request;
  request.arguments = !chance(random, 10);
  if (chance(random, 50)) {
    request.kinds = model::KindSet::of({EventKind::kSchedWaking, EventKind::kNetDevQueue});
    if (chance(random, 50)) request.kinds.add(EventKind::kSchedSwitch);
  }
  if (chance(random, 50)) {
    for (const EventKind kind : {EventKind::kSchedSwitch, EventKind::kKvmExit,
                                 EventKind::kNetDevQueue, EventKind::kSchedWaking}) {
      request.choice.only(kind, static_cast<unsigned>(random()) & ArgumentChoice::kAll);
    }
  }
  return request;
}

void expect_same(const TraceModel& model, Bytes stream, const StreamRequest& request,
                 const std::string& metadata) {
  ASSERT_EQ(compare_ways(model, stream, request), std::nullopt) << metadata;
}

class Planned : public testing::TestWithParam<int> {
 protected:
  Random random_{static_cast<std::uint64_t>(GetParam())};
  const Shape shape_{chance(random_, 50), chance(random_, 50), chance(random_, 30),
                     chance(random_, 70) ? 1'000'000'000 : 1 + below(random_, 5'000'000'000)};
  const std::string metadata_ = Describer(shape_, random_).metadata();
  const std::unique_ptr<TraceModel> model_ = model_of(metadata_);
};

TEST_P(Planned, ReadsEveryEventAsTheOtherDecodersDo) {
  const Written written = StreamWriter(shape_, *model_, random_).write(3, 20000);
  ASSERT_GT(written.cycles.size(), 50U) << metadata_;
  const StreamModel& stream = model_->streams.front();
  for (std::size_t i = 0; i < std::min<std::size_t>(written.first_begins.size(), 30); ++i) {
    const auto difference = compare_decoders(*model_, stream, stream.events[written.ids[i]],
                                             written.bytes, written.first_begins[i]);
    ASSERT_EQ(difference, std::nullopt) << metadata_;
  }
  const Delivered all = deliver_all(*model_, written.bytes, {}, true);
  ASSERT_EQ(all.issues, std::vector<std::string>()) << metadata_;
  ASSERT_EQ(all.times.size(), written.cycles.size()) << metadata_;
  const TimeScale scale(model_->schema->clocks.front());
  for (std::size_t i = 0; i < all.times.size(); ++i) {
    ASSERT_EQ(all.times[i], scale.to_own(written.cycles[i]).value) << i << "\n" << metadata_;
  }
  expect_same(*model_, written.bytes, {}, metadata_);
  for (int i = 0; i < 4; ++i) {
    expect_same(*model_, written.bytes, random_request(random_), metadata_);
  }
}

TEST_P(Planned, MeetsDamageAsTheOthersDo) {
  Written written = StreamWriter(shape_, *model_, random_).write(2, 3000);
  for (int i = 0; i < 40; ++i) {
    std::vector<std::byte> damaged = written.bytes;
    for (std::uint64_t n = 1 + below(random_, 3); n-- > 0;) {
      damaged[below(random_, damaged.size())] ^= static_cast<std::byte>(1U << below(random_, 8));
    }
    if (chance(random_, 30)) damaged.resize(below(random_, damaged.size()));
    expect_same(*model_, damaged, {}, metadata_);
  }
}

INSTANTIATE_TEST_SUITE_P(Ctf, Planned, testing::Range(1, 61));

// The input is larger than a window: events lie across its end.
TEST(PlannedWindows, JoinWithoutASeam) {
  Random random(99);
  const Shape shape;
  const std::string metadata = Describer(shape, random).metadata();
  const auto model = model_of(metadata);
  const Written written = StreamWriter(shape, *model, random).write(1, 3 * kWindowBytes);
  const Delivered planned = deliver_all(*model, written.bytes, {}, true);
  EXPECT_EQ(planned.times.size(), written.cycles.size());
  EXPECT_TRUE(planned.issues.empty());
  expect_same(*model, written.bytes, {}, metadata);
}

// LTTng's usual types have no part that a plan leaves out: the programs are not needed for them.
TEST(Plans, CarryEventsOfFixedLayoutWhole) {
  const auto model = model_of(
      "/* CTF 1.8 */ trace { major = 1; minor = 8; byte_order = le; };\n"
      "event { name = \"sched_switch\"; id = 1; fields := struct {\n"
      " integer { size = 8; align = 8; encoding = UTF8; } _prev_comm[16];\n"
      " integer { size = 32; align = 8; signed = 1; } _prev_tid;\n"
      " integer { size = 32; align = 8; byte_order = be; } _next_tid; }; };\n");
  const EventModel& event = model->streams.front().events.front();
  ProgramSet programs;
  const std::uint32_t root = event.layout->fields;
  const std::uint32_t program =
      compile_program(model->layout, model->schema->order, {{&root, 1}, event.bindings, 8},
                      model->special, programs);
  RecordPlan plan;
  RecordSet records;
  plan_record(programs, program, model->special, {true, 0, false}, plan, records);
  EXPECT_EQ(plan.bytes, 24U);
  EXPECT_EQ(plan.tail, kNone);
  EXPECT_EQ(plan.args, 1);
  EXPECT_EQ(plan.big_args, 1);
  EXPECT_EQ(plan.texts, 1);
  EXPECT_EQ(plan.present, 1U << model::arg::kPrevTid | 1U << model::arg::kNextTid);
  EXPECT_FALSE(records.aligned);
}

// Whatever the time, reading on from there gives every event from it on, and of the earlier ones at
// most those of the packet it lies in or of the gap before it.
TEST(Seeks, ReachEveryEventFromTheTimeOn) {
  Random random(7);
  const Shape shape;
  const auto model = model_of(Describer(shape, random).metadata());
  StreamWriter writer(shape, *model, random);
  const std::size_t sizes[] = {20 * 700, 15 * 700};
  os::MemoryFiles files;
  std::vector<StreamFile> chain;
  std::vector<std::int64_t> times;
  const Written written = writer.write(35, 700);
  for (const std::uint64_t cycles : written.cycles) {
    times.push_back(model->streams.front().scale.to_own(cycles).value);
  }
  std::size_t at = 0;
  for (const std::size_t size : sizes) {
    const auto part = Bytes(written.bytes).subspan(at, size);
    const std::string path = "/s" + std::to_string(at);
    files.put(path, std::vector<std::byte>(part.begin(), part.end()));
    chain.push_back(StreamFile{path, path, ""});
    at += size;
  }
  model::IssueLog issues;
  CtfCursor cursor(CursorSource{*model, files, chain, "/"}, {}, issues);
  for (int i = 0; i < 200; ++i) {
    const std::int64_t time =
        times.front() - 5 +
        static_cast<std::int64_t>(
            below(random, static_cast<std::uint64_t>(times.back() - times.front()) + 10));
    ASSERT_TRUE(cursor.seek(OwnTime{time}).ok());
    std::vector<std::int64_t> got;
    while (true) {
      const auto batch = cursor.next();
      ASSERT_TRUE(batch.ok());
      if (batch->empty()) break;
      for (const Event& event : *batch) got.push_back(event.own.value);
    }
    ASSERT_LE(got.size(), times.size());
    ASSERT_TRUE(
        std::equal(got.begin(), got.end(), times.end() - static_cast<std::ptrdiff_t>(got.size())));
    const auto from =
        std::count_if(times.begin(), times.end(), [time](auto t) { return t >= time; });
    ASSERT_GE(got.size(), static_cast<std::size_t>(from)) << time;
    ASSERT_LE(got.size(), static_cast<std::size_t>(from) + 2 * 40) << time;
  }
}

TEST(Time, ConverterGivesWhatTheScaleGives) {
  Random random(5);
  for (int i = 0; i < 300; ++i) {
    ClockClass clock;
    clock.frequency =
        chance(random, 20) ? 1 + below(random, 5) : 1 + (random() >> below(random, 63));
    clock.offset_seconds = static_cast<std::int64_t>(random()) >> below(random, 64);
    clock.offset_cycles = static_cast<std::int64_t>(random()) >> below(random, 64);
    const TimeScale scale(clock);
    TimeConverter converter;
    converter.set(scale);
    std::uint64_t cycles = random() >> below(random, 64);
    for (int n = 0; n < 100; ++n) {
      cycles += chance(random, 5) ? random() : random() >> (20 + below(random, 44));
      ASSERT_EQ(converter.to_own(cycles), scale.to_own(cycles)) << clock.frequency << " " << cycles;
    }
  }
}

}  // namespace
}  // namespace vs::reader::ctf
