#pragma once
// For tests and fuzzers: holds the ways of decoding against each other on the same bytes: planned
// (record_plan.h), by programs (program.h), and the plain decoder.

#include <algorithm>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "os/file.h"
#include "reader/ctf/plain_decoder.h"
#include "reader/ctf/program.h"
#include "reader/ctf/stream_cursor.h"
#include "reader/ctf/trace_model.h"

namespace vs::reader::ctf {

/// Keeps the integers of the nodes that are bound to arguments, as the plain decoder sees them.
class ArgumentSink final : public FieldSink {
 public:
  ArgumentSink(const Layout& layout, std::span<const Binding> bindings)
      : layout_(layout), bindings_(bindings) {}
  void begin_struct(std::string_view) override {}
  void end_struct() override {}
  void begin_array(std::string_view) override {}
  void end_array() override {}
  void real(std::string_view, const Node&, double) override {}
  void text(std::string_view, std::string_view) override {}
  void integer(std::string_view, const Node& node, std::uint64_t value) override {
    for (const Binding& binding : bindings_) {
      if (binding.space == DestSpace::kArg && &layout_.nodes[binding.node] == &node) {
        event.args[binding.dest] = value;
        event.present = static_cast<std::uint16_t>(event.present | (1U << binding.dest));
        plain_args |= 1U << binding.dest;
      }
    }
  }
  model::Event event;
  std::uint32_t plain_args = 0;  ///< arguments that came from plain integers

 private:
  const Layout& layout_;
  std::span<const Binding> bindings_;
};

/// Decodes one event of type `event` at `bit` of `bytes` both ways, its header included. What
/// differs, or nothing. `bytes` is the content of a packet from its begin.
inline std::optional<std::string> compare_decoders(const TraceModel& model,
                                                   const StreamModel& stream,
                                                   const EventModel& event, Bytes bytes,
                                                   std::uint64_t bit) {
  std::vector<std::uint64_t> registers(model.layout.slot_count);
  const std::uint64_t end = static_cast<std::uint64_t>(bytes.size()) * 8;
  PlainDecoder plain(model.layout, model.schema->order, registers);
  plain.set_input(bytes, 0, end);
  plain.set_position(bit);
  plain.begin_event();
  ArgumentSink sink(model.layout, event.bindings);
  bool plain_ok = true;
  const std::uint32_t roots[] = {stream.layout->event_header, stream.layout->event_context,
                                 event.layout->context, event.layout->fields};
  for (const std::uint32_t root : roots) plain_ok = plain_ok && plain.decode(root, sink);

  std::vector<std::byte> padded(bytes.begin(), bytes.end());
  padded.resize(padded.size() + kSlackBytes);
  ProgramSet programs;
  const std::uint32_t program = compile_program(
      model.layout, model.schema->order, {roots, event.bindings, 1}, model.special, programs);
  Machine machine(programs, model.special);
  machine.set_input(padded, 0, end);
  machine.set_position(bit);
  machine.begin_event();
  model::Event fast;
  const bool fast_ok = machine.run(program, fast);
  if (plain_ok != fast_ok) {
    return "plain " + (plain_ok ? std::string("accepts") : "refuses (" + plain.fault().what + ")") +
           ", fast " + (fast_ok ? "accepts" : "refuses");
  }
  if (!plain_ok) return std::nullopt;
  if (plain.position() != machine.position()) {
    return "plain ends at bit " + std::to_string(plain.position()) + ", fast at " +
           std::to_string(machine.position());
  }
  for (std::uint32_t i = 0; i < model::kMaxArgs; ++i) {
    if (((sink.plain_args >> i) & 1U) == 0) continue;
    if (!fast.has(i) || fast.args[i] != sink.event.args[i]) {
      return "argument " + std::to_string(i) + ": plain " + std::to_string(sink.event.args[i]) +
             ", fast " + std::to_string(fast.args[i]);
    }
  }
  for (std::uint32_t i = 0; i < model.layout.slot_count; ++i) {
    if (registers[i] != machine.value(i)) return "register " + std::to_string(i) + " differs";
  }
  return std::nullopt;
}

/// What a cursor delivered: events in words, their times, and issues.
struct Delivered {
  std::vector<std::string> events;
  std::vector<std::int64_t> times;
  std::vector<std::string> issues;
};

inline std::string words_of(const model::Event& event) {
  std::ostringstream out;
  out << event.own.value << " kind " << static_cast<int>(event.kind) << " type " << event.type
      << " cpu " << event.cpu << " tid " << event.tid << " at " << event.record << " present "
      << event.present;
  for (const std::uint64_t value : event.args) out << " " << value;
  for (const std::string_view text : event.texts) out << " '" << text << "'";
  return out.str();
}

/// Reads a stream file, at most `limit` events (then without issues). `planned` false: every event
/// by its program.
inline Delivered deliver_all(const TraceModel& model, Bytes stream, const StreamRequest& request,
                             bool planned, std::size_t limit = 1U << 20) {
  os::MemoryFiles files;
  files.put("/s", std::vector<std::byte>(stream.begin(), stream.end()));
  const std::vector<StreamFile> chain{{"/s", "s", ""}};
  model::IssueLog issues;
  CtfCursor cursor(CursorSource{model, files, chain, "/"}, request, issues);
  if (!planned) cursor.leave_plans();
  Delivered out;
  while (out.events.size() < limit) {
    const auto batch = cursor.next();
    if (!batch.ok()) out.issues.push_back(batch.error().to_string());
    if (!batch.ok() || batch->empty()) break;
    for (const model::Event& event : *batch) {
      if (out.events.size() == limit) return out;
      out.events.push_back(words_of(event));
      out.times.push_back(event.own.value);
    }
  }
  for (const model::Issue& issue : issues.rows()) {
    out.issues.push_back(issue.place + ": " + issue.message);
  }
  return out;
}

/// What differs between the planned and the general way of reading a stream file, or nothing.
inline std::optional<std::string> compare_ways(const TraceModel& model, Bytes stream,
                                               const StreamRequest& request,
                                               std::size_t limit = 1U << 20) {
  const Delivered planned = deliver_all(model, stream, request, true, limit);
  const Delivered general = deliver_all(model, stream, request, false, limit);
  const std::size_t both = std::min(planned.events.size(), general.events.size());
  for (std::size_t i = 0; i < both; ++i) {
    if (planned.events[i] == general.events[i]) continue;
    return "event " + std::to_string(i) + ": planned " + planned.events[i] + "; general " +
           general.events[i];
  }
  if (planned.events.size() != general.events.size()) {
    return "planned gives " + std::to_string(planned.events.size()) + " events, general " +
           std::to_string(general.events.size());
  }
  if (planned.issues != general.issues) return "issues differ";
  return std::nullopt;
}

}  // namespace vs::reader::ctf
