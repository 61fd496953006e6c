#include "session/stored_session.h"

#include <algorithm>
#include <type_traits>

#include "history/varint.h"

namespace vs::session {
namespace {

/// Writes values; has the same face as Loader, so that one list of fields serves both.
class Saver {
 public:
  template <typename T>
  void number(const T& value) {
    sink_.put_signed(static_cast<std::int64_t>(value));
  }
  void text(const std::string& value) { sink_.put_text(value); }
  template <typename T, typename Each>
  void list(const std::vector<T>& values, const Each& each) {
    sink_.put_varint(values.size());
    for (const T& value : values) each(value);
  }
  [[nodiscard]] std::string take() const { return std::string(as_text(sink_.bytes())); }

 private:
  history::ByteSink sink_;
};

class Loader {
 public:
  explicit Loader(std::string_view bytes) : in_(as_bytes(bytes)) {}

  template <typename T>
  void number(T& value) {
    const std::int64_t read = in_.signed_varint();
    value = static_cast<T>(read);
    if (static_cast<std::int64_t>(value) != read) in_.fail();
  }
  void text(std::string& value) { value = std::string(in_.text()); }
  template <typename T, typename Each>
  void list(std::vector<T>& values, const Each& each) {
    const std::size_t count = in_.count();
    values.clear();
    for (std::size_t i = 0; i < count && in_.ok(); ++i) each(values.emplace_back());
  }
  void fail() { in_.fail(); }
  [[nodiscard]] bool complete() const { return in_.ok() && in_.remaining() == 0; }

 private:
  history::VarReader in_;
};

template <typename Archive, typename Enum>
void pass_enum(Archive& a, Enum& value, [[maybe_unused]] int count) {
  if constexpr (std::is_const_v<Enum>) {
    a.number(static_cast<int>(value));
  } else {
    int number = 0;
    a.number(number);
    if (number < 0 || number >= count) return a.fail();
    value = static_cast<Enum>(number);
  }
}

template <typename Archive, typename Time>
void pass_time(Archive& a, Time& time) {
  if constexpr (std::is_same_v<std::remove_const_t<Time>, HostTime>) {
    a.number(time.ns);
  } else {
    a.number(time.value);
  }
}

template <typename Archive, typename T, typename Each>
void pass_optional(Archive& a, T& value, const Each& each) {
  bool there = value.has_value();
  a.number(there);
  if constexpr (!std::is_const_v<T>) {
    value.reset();
    if (there) value.emplace();
  }
  if (there) each(*value);
}

template <typename Archive, typename Issue>
void pass_issue(Archive& a, Issue& issue) {
  pass_enum(a, issue.code, static_cast<int>(model::IssueCode::kCount));
  a.text(issue.trace);
  a.text(issue.place);
  a.number(issue.count);
  a.text(issue.message);
}

template <typename Archive, typename Segment>
void pass_segment(Archive& a, Segment& segment) {
  pass_time(a, segment.own_begin);
  pass_time(a, segment.own_end);
  pass_time(a, segment.anchor_own);
  pass_time(a, segment.anchor_host);
  a.number(segment.rate);
  pass_enum(a, segment.method, static_cast<int>(model::sync_method_names().size()));
  pass_enum(a, segment.quality, static_cast<int>(model::sync_quality_names().size()));
  a.number(segment.error_min_ns);
  a.number(segment.error_median_ns);
  a.number(segment.error_max_ns);
  a.number(segment.drift_ppb);
  for (auto& count : segment.facts) {
    a.number(count.used);
    a.number(count.rejected);
  }
}

template <typename Archive, typename Segments>
void pass_segments(Archive& a, Segments& segments) {
  a.list(segments, [&a](auto& segment) { pass_segment(a, segment); });
}

template <typename Archive, typename Trace>
void pass_trace(Archive& a, Trace& trace) {
  const auto time = [&a](auto& at) { pass_time(a, at); };
  a.list(trace.events_by_type, [&a](auto& count) { a.number(count); });
  a.number(trace.events);
  pass_optional(a, trace.begin, time);
  pass_optional(a, trace.end, time);
  a.list(trace.losses, [&a](auto& loss) {
    a.number(loss.cpu);
    pass_time(a, loss.begin);
    pass_time(a, loss.end);
    pass_optional(a, loss.lost, [&a](auto& lost) { a.number(lost); });
    a.number(loss.stream);
  });
  a.list(trace.streams, [&a](auto& stream) {
    a.number(stream.stream);
    a.number(stream.events);
  });
  a.number(trace.time_reversals);
  a.number(trace.machine);
  pass_segments(a, trace.clock);
  a.number(trace.joined);
  a.text(trace.source);
  a.list(trace.issues, [&a](auto& issue) { pass_issue(a, issue); });
}

template <typename Archive, typename Vcpu>
void pass_vcpu(Archive& a, Vcpu& vcpu) {
  a.number(vcpu.id);
  a.list(vcpu.threads, [&a](auto& thread) {
    a.number(thread.tid);
    pass_time(a, thread.first);
    pass_time(a, thread.last);
  });
  a.number(vcpu.guest_cpu);
}

bool is_map(const std::vector<model::ClockSegment>& segments) {
  return !segments.empty() &&
         std::is_sorted(segments.begin(), segments.end(),
                        [](const auto& x, const auto& y) { return x.own_begin < y.own_begin; });
}

void pass_clock(Saver& a, const model::ClockMap& clock) {
  const std::vector<model::ClockSegment> segments(clock.segments().begin(), clock.segments().end());
  pass_segments(a, segments);
}
void pass_clock(Loader& a, model::ClockMap& clock) {
  std::vector<model::ClockSegment> segments;
  pass_segments(a, segments);
  if (!is_map(segments)) return a.fail();
  clock = model::ClockMap(std::move(segments));
}

template <typename Archive, typename Machine>
void pass_machine(Archive& a, Machine& machine) {
  a.text(machine.name);
  pass_enum(a, machine.kind, static_cast<int>(model::machine_kind_names().size()));
  a.number(machine.parent);
  a.number(machine.vmm_pid);
  a.text(machine.uuid);
  a.list(machine.vcpus, [&a](auto& vcpu) { pass_vcpu(a, vcpu); });
  a.list(machine.traces, [&a](auto& trace) { a.number(trace); });
  pass_clock(a, machine.clock);
  a.number(machine.joined);
}

template <typename Archive, typename Session>
void pass_session(Archive& a, Session& session) {
  a.list(session.traces, [&a](auto& trace) { pass_trace(a, trace); });
  a.list(session.experiment.machines, [&a](auto& machine) { pass_machine(a, machine); });
  a.number(session.experiment.reference);
  a.number(session.experiment.epoch);
  a.number(session.reference);
  a.number(session.epoch);
  a.number(session.ticks);
  a.list(session.issues, [&a](auto& issue) { pass_issue(a, issue); });
}

bool fits(const StoredTrace& trace, const TraceShape& shape, std::size_t machines) {
  const bool streams = std::all_of(trace.streams.begin(), trace.streams.end(),
                                   [&](const auto& s) { return s.stream < shape.streams; });
  return trace.events_by_type.size() == shape.types && streams && is_map(trace.clock) &&
         trace.streams.size() <= shape.streams &&
         (trace.machine == model::kNoMachine || trace.machine < machines);
}

bool fits(const StoredSession& session, const std::vector<TraceShape>& shapes) {
  const std::vector<model::Machine>& machines = session.experiment.machines;
  if (session.traces.size() != shapes.size() || session.reference >= shapes.size()) return false;
  for (std::size_t t = 0; t < shapes.size(); ++t) {
    if (!fits(session.traces[t], shapes[t], machines.size())) return false;
  }
  for (std::size_t m = 0; m < machines.size(); ++m) {
    // Hosts come before what they host.
    if (machines[m].parent != model::kNoMachine && machines[m].parent >= m) return false;
    for (const std::size_t trace : machines[m].traces) {
      if (trace >= shapes.size()) return false;
    }
  }
  return session.experiment.reference < machines.size();
}

}  // namespace

std::string pack_session(const StoredSession& session) {
  Saver saver;
  pass_session(saver, session);
  return saver.take();
}

std::optional<StoredSession> unpack_session(std::string_view bytes,
                                            const std::vector<TraceShape>& traces) {
  Loader loader(bytes);
  StoredSession session;
  pass_session(loader, session);
  if (!loader.complete() || !fits(session, traces)) return std::nullopt;
  return session;
}

}  // namespace vs::session
