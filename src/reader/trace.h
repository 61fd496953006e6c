#pragma once
// The reader interface: one Trace per opened trace, one StreamCursor per ordered stream of events.
//
// A reader turns bytes into canonical Events (model/event.h) with the trace's own timestamps; it
// knows nothing of machines, virtualisation or other traces. Damage is reported to the IssueLog,
// counted and stepped over; it ends neither the trace nor other streams. Lost events travel in the
// stream as Events of kind kLoss.
//
// Ownership: the caller owns Trace and cursors; a cursor must not outlive its Trace. Threads: a
// const Trace may be used from several threads; one cursor belongs to one thread at a time.

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "model/event.h"
#include "model/event_kind.h"
#include "model/fading.h"
#include "model/issue.h"

namespace vs::os {
class FileSystem;
}

namespace vs::reader {

/// A trace's clock as its own description states it.
struct ClockInfo {
  enum class Unit : std::uint8_t { kNanoseconds, kTicks };
  std::string name;  ///< "monotonic", "x86-tsc", "mono", "local", "boot", ...
  Unit unit = Unit::kNanoseconds;
  std::optional<double> ticks_per_second;  ///< stated by the file, for kTicks
  bool epoch = false;                      ///< own times are ns since 1970-01-01 UTC
  /// Added to the reference's converted own time to reach the Unix epoch, where the file says it
  /// apart from the time stamps (trace.dat's date offset); 0 when `epoch` already holds.
  std::int64_t epoch_offset_ns = 0;
  std::string uuid;  ///< LTTng: the kernel's boot id
};

/// One sample of a file's own host-guest clock relation (trace.dat TIME_SHIFT option):
/// peer_time = own_time + offset, scaled by scaling / 2^fraction_bits where given.
struct TimeShiftSample {
  std::uint32_t cpu = 0;
  std::uint64_t own_time = 0;
  std::int64_t offset = 0;
  std::uint64_t scaling = 1;
  std::uint32_t fraction_bits = 0;
};

/// trace.dat: this guest's relation to the machine that recorded it.
struct TimeShift {
  std::uint64_t peer_trace_id = 0;
  std::uint32_t protocol_flags = 0;
  std::vector<TimeShiftSample> samples;  ///< by cpu, then time
};

/// trace.dat: a guest as the host's file names it.
struct GuestLink {
  std::string name;
  std::uint64_t trace_id = 0;
  std::vector<std::int32_t> vcpu_tids;  ///< index = vCPU
};

struct ThreadName {
  std::int32_t tid = 0;
  std::string comm;
};

struct TraceInfo {
  std::string path;
  std::string format;         ///< "ctf", "trace.dat", "perf.data" (contract)
  std::string format_detail;  ///< "CTF 1.8", "trace.dat v7, zstd"
  std::string machine_name;   ///< LTTng hostname, trace.dat UNAME's node name; may be empty
  std::string tracer;         ///< "lttng-modules 2.13.9", "trace-cmd 3.1.6"; may be empty
  std::string kernel;         ///< kernel release; may be empty
  std::uint64_t trace_id = 0;
  bool is_kernel = false;  ///< a kernel trace (domain kernel, ftrace)
  std::uint32_t cpu_count = 0;
  ClockInfo clock;
  std::optional<TimeShift> time_shift;
  std::vector<GuestLink> guests;
  std::vector<ThreadName> thread_names;      ///< saved command lines
  std::optional<std::uint64_t> lost_events;  ///< the tracer's own total, where it keeps one
  std::vector<std::string> buffers;          ///< names of ftrace instances, "" = top
};

/// One event type of the trace.
struct EventTypeInfo {
  std::string name;    ///< as recorded, without the ftrace system
  std::string system;  ///< ftrace or perf system; empty in CTF
  model::EventKind kind = model::EventKind::kUnknown;
  std::uint16_t bound_args = 0;     ///< bit i: the kind's argument i is carried
  std::vector<std::string> fields;  ///< payload field names, without CTF's leading underscore
};

/// One ordered stream (CTF: a stream file or a chain of rotated ones; ftrace: a CPU of a buffer).
struct StreamInfo {
  std::string place;  ///< file name, with the CPU for trace.dat: "host.dat cpu 2"
  std::uint32_t cpu = model::kNoCpu;
  std::uint32_t buffer = 0;      ///< index into TraceInfo::buffers
  std::uint64_t bytes = 0;       ///< for progress
  std::uint64_t packets = 0;     ///< about, by the first one's size; 0 = not known
  std::optional<OwnTime> first;  ///< bounds where packet or page headers tell them cheaply
  std::optional<OwnTime> last;
};

/// Which arguments and texts of each kind are wanted: all, unless said otherwise.
class ArgumentChoice {
 public:
  constexpr ArgumentChoice() { slots_.fill(kAll); }
  /// Bits of the slots of Event::args and Event::texts.
  [[nodiscard]] static constexpr std::uint16_t arg(std::size_t slot) {
    return static_cast<std::uint16_t>(1U << slot);
  }
  [[nodiscard]] static constexpr std::uint16_t text(std::size_t slot) {
    return static_cast<std::uint16_t>(1U << (model::kMaxArgs + slot));
  }
  static constexpr std::uint16_t kAll = (1U << (model::kMaxArgs + model::kMaxTexts)) - 1;

  /// Of this kind only these: arg() and text() or'ed together; 0 = none.
  constexpr ArgumentChoice& only(model::EventKind kind, unsigned slots) {
    slots_[static_cast<std::size_t>(kind)] = static_cast<std::uint16_t>(slots);
    return *this;
  }
  /// What the other wants as well.
  constexpr ArgumentChoice& add(const ArgumentChoice& other) {
    for (std::size_t i = 0; i < slots_.size(); ++i) slots_[i] |= other.slots_[i];
    return *this;
  }
  [[nodiscard]] constexpr std::uint16_t of(model::EventKind kind) const {
    return slots_[static_cast<std::size_t>(kind)];
  }
  /// Nothing of any kind, to only() or add() to.
  [[nodiscard]] static constexpr ArgumentChoice none() {
    ArgumentChoice out;
    out.slots_.fill(0);
    return out;
  }

 private:
  std::array<std::uint16_t, model::kEventKindCount> slots_;
};

/// Is told of all events that a cursor goes over, delivered or not, but for loss windows: enough to
/// count them at a fraction of what an Event costs.
class PassedSink {
 public:
  virtual ~PassedSink() = default;
  /// The next ones of the stream, in its order and all of one CPU: their own times, and their types
  /// as in Trace::event_types(). The spans are equally long and valid during the call.
  virtual void on_passed(std::uint32_t cpu, std::span<const std::int64_t> times,
                         std::span<const std::uint16_t> types) = 0;
};

/// What a cursor delivers.
struct StreamRequest {
  /// Kinds to deliver; kLoss is always delivered. Events of other kinds are stepped over.
  model::KindSet kinds = model::KindSet::all();
  /// False: only own, cpu, tid, kind, type and record are filled (args and texts are not).
  bool arguments = true;
  /// With `arguments`: a reader may leave the others out (their bit in `present` is then 0), and is
  /// the faster the fewer there are.
  ArgumentChoice choice = {};
  /// Where set: told before next() returns; must outlive the cursor.
  PassedSink* passed = nullptr;
  /// A reader may step over what fades, but only
  /// - where a switch has told since the stream's begin or its last loss which thread runs, and the
  ///   event's own context names no other one; Event::tid is that thread then;
  /// - while the stream's times do not go back, its events are of one CPU, and nobody seeks.
  model::Fading fading = {};
};

class StreamCursor {
 public:
  virtual ~StreamCursor() = default;

  /// Decodes the next run of events, in the stream's order, into an internal buffer. The span (and
  /// the texts inside) is valid until the next call. Empty: end of stream. Never fails on bad
  /// bytes: those are reported and stepped over; an error means that the stream cannot be read any
  /// further (I/O).
  [[nodiscard]] virtual Result<std::span<const model::Event>> next() = 0;

  /// Positions the cursor so that the next events include all with own >= time and as few earlier
  /// ones as the format's index allows (a packet or page, or a part of one).
  [[nodiscard]] virtual Status seek(OwnTime time) = 0;

  /// Bytes of the stream consumed so far, for progress.
  [[nodiscard]] virtual std::uint64_t bytes_done() const = 0;

  /// Appends the fields of an event of the current run as one JSON object: names without CTF's
  /// leading underscore, nested structures as objects, enumerations as their label, text escaped.
  /// Stream and event contexts follow the payload's own fields. kLoss: {"lost":N} or {}.
  virtual void fields_json(const model::Event& event, std::string& out) const = 0;
};

class Trace {
 public:
  virtual ~Trace() = default;
  [[nodiscard]] virtual const TraceInfo& info() const = 0;
  [[nodiscard]] virtual std::span<const EventTypeInfo> event_types() const = 0;
  [[nodiscard]] virtual std::span<const StreamInfo> streams() const = 0;
  /// Requires stream < streams().size(). Issues found while reading go to `issues`.
  [[nodiscard]] virtual Result<std::unique_ptr<StreamCursor>> open_stream(
      std::size_t stream, const StreamRequest& request, model::IssueLog& issues) const = 0;
  /// A cursor that goes from packet header to packet header and delivers the losses that these
  /// tell, no event. Null where the format's headers cannot be had without what is between them.
  [[nodiscard]] virtual Result<std::unique_ptr<StreamCursor>> open_headers(std::size_t,
                                                                           model::IssueLog&) const {
    return std::unique_ptr<StreamCursor>();
  }
};

/// One format. The session's registry lists them; nothing else names a concrete reader.
struct Format {
  std::string_view name;
  /// True when the first bytes (or the folder's content) are of this format.
  bool (*probe)(os::FileSystem& files, const std::string& path);
  Result<std::unique_ptr<Trace>> (*open)(os::FileSystem& files, const std::string& path,
                                         model::IssueLog& issues);
};

}  // namespace vs::reader
