#pragma once
// For tests: random CTF streams. Event types of any mix of sizes, alignments, byte orders, texts,
// sequences and variants, behind LTTng's headers in all their shapes, and packets of such events.

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "reader/ctf/differential.h"
#include "reader/ctf/metadata.h"
#include "reader/ctf/tsdl_parser.h"

namespace vs::reader::ctf::test {

using Random = std::mt19937_64;

inline std::uint64_t below(Random& random, std::uint64_t n) { return random() % n; }
inline bool chance(Random& random, std::uint64_t percent) { return below(random, 100) < percent; }

// ---- random descriptions

struct Shape {
  bool big = false;      ///< the trace's byte order
  bool large = false;    ///< 16 + 32 bits of header instead of 5 + 27
  bool natural = false;  ///< fields lie at multiples of their size
  std::uint64_t frequency = 1'000'000'000;
};

inline constexpr std::size_t kTypes = 12;

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

inline std::unique_ptr<TraceModel> model_of(const std::string& metadata) {
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

}  // namespace vs::reader::ctf::test
