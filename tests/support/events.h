#pragma once
// Builds model::Event for tests, arguments by name.
//
//   events::make(EventKind::kKvmExit, {.own = 5, .cpu = 1, .tid = 80},
//                {{"exit_reason", 0x78}, {"vcpu_id", 0}});
//   events::sched_switch({.own = 5, .cpu = 1}, {.prev_tid = 7, .prev_state = 1, .next_tid = 0});
//
// make() takes every kind of the catalogue and its canonical argument and text names; a name that
// the kind does not have ends the program, so that a test cannot check less than it says. The
// shorthands below it are for the kinds that most tests need. What is not given is absent from the
// event, as with a source that does not carry it.
//
// Texts are not copied: give literals, or strings that outlive the event.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <optional>
#include <string_view>

#include "model/event.h"

namespace vs::test::events {

using model::Event;
using model::EventKind;

/// Where and when; cpu 0 and "the source does not say" for the thread unless given.
struct At {
  std::int64_t own = 0;
  std::uint32_t cpu = 0;
  std::int32_t tid = model::kNoTid;
  std::uint16_t type = 0;
};

/// One argument (an integer; negative ones are sign-extended) or one text.
struct Arg {
  std::string_view name;
  std::optional<std::int64_t> value;
  std::optional<std::string_view> text;

  constexpr Arg(std::string_view n, std::int64_t v) : name(n), value(v) {}
  constexpr Arg(std::string_view n, std::optional<std::int64_t> v) : name(n), value(v) {}
  constexpr Arg(std::string_view n, std::string_view t) : name(n), text(t) {}
  constexpr Arg(std::string_view n, const char* t) : name(n), text(t) {}
  constexpr Arg(std::string_view n, int v) : name(n), value(v) {}
  constexpr Arg(std::string_view n, unsigned v) : name(n), value(v) {}
  constexpr Arg(std::string_view n, std::uint64_t v)
      : name(n), value(static_cast<std::int64_t>(v)) {}
};

namespace detail {

[[noreturn]] inline void no_such_name(EventKind kind, std::string_view name) {
  const std::string_view kind_name = model::spec_of(kind).name;
  std::fprintf(stderr, "events::make: %.*s has no argument '%.*s'\n",
               static_cast<int>(kind_name.size()), kind_name.data(), static_cast<int>(name.size()),
               name.data());
  std::abort();
}

inline std::size_t slot_of(std::span<const model::ArgumentSpec> specs, EventKind kind,
                           std::string_view name) {
  for (std::size_t i = 0; i < specs.size(); ++i) {
    if (specs[i].name == name) return i;
  }
  no_such_name(kind, name);
}

inline void put(Event& event, const Arg& arg) {
  const model::EventKindSpec& spec = model::spec_of(event.kind);
  if (arg.text) {
    event.texts[slot_of(spec.texts, event.kind, arg.name)] = *arg.text;
    return;
  }
  const std::size_t slot = slot_of(spec.args, event.kind, arg.name);
  if (!arg.value) return;
  event.args[slot] = static_cast<std::uint64_t>(*arg.value);
  event.present = static_cast<std::uint16_t>(event.present | (1U << slot));
}

}  // namespace detail

/// An event of any kind; names as in model/event_kind.cc.
inline Event make(EventKind kind, const At& at, std::initializer_list<Arg> args = {}) {
  Event event;
  event.own = OwnTime{at.own};
  event.kind = kind;
  event.type = kind == EventKind::kLoss ? model::kLossType : at.type;
  event.cpu = at.cpu;
  event.tid = at.tid;
  for (const Arg& arg : args) detail::put(event, arg);
  return event;
}

using Maybe = std::optional<std::int64_t>;

// ---- losses ----

struct Loss {
  std::int64_t end_own = 0;
  Maybe lost = {};
};
inline Event loss(const At& at, const Loss& a) {
  return make(EventKind::kLoss, at, {{"end_own", a.end_own}, {"lost", a.lost}});
}

// ---- sched ----

/// The event's tid is prev_tid unless At gives one.
struct Switch {
  std::int64_t prev_tid = 0;
  std::int64_t prev_state = 0;  ///< 0 runnable, 1 S, 2 D, 0x10 dead, 0x20 zombie, 0x100 preempted
  std::int64_t next_tid = 0;
  std::string_view prev_comm = {};
  std::string_view next_comm = {};
  Maybe prev_prio = {};
  Maybe next_prio = {};
};
inline Event sched_switch(At at, const Switch& a) {
  if (at.tid == model::kNoTid) at.tid = static_cast<std::int32_t>(a.prev_tid);
  return make(EventKind::kSchedSwitch, at,
              {{"prev_tid", a.prev_tid},
               {"prev_state", a.prev_state},
               {"next_tid", a.next_tid},
               {"prev_prio", a.prev_prio},
               {"next_prio", a.next_prio},
               {"prev_comm", a.prev_comm},
               {"next_comm", a.next_comm}});
}

struct Wake {
  std::int64_t tid = 0;
  std::string_view comm = {};
  Maybe target_cpu = {};
  Maybe prio = {};
};
inline Event wake(EventKind kind, const At& at, const Wake& a) {
  return make(kind, at,
              {{"tid", a.tid}, {"target_cpu", a.target_cpu}, {"prio", a.prio}, {"comm", a.comm}});
}
inline Event sched_waking(const At& at, const Wake& a) {
  return wake(EventKind::kSchedWaking, at, a);
}
inline Event sched_wakeup(const At& at, const Wake& a) {
  return wake(EventKind::kSchedWakeup, at, a);
}
inline Event sched_wakeup_new(const At& at, const Wake& a) {
  return wake(EventKind::kSchedWakeupNew, at, a);
}

struct Fork {
  std::int64_t parent_tid = 0;
  std::int64_t child_tid = 0;
  Maybe parent_tgid = {};
  Maybe child_tgid = {};
  Maybe parent_ns = {};
  Maybe child_ns = {};
  Maybe child_vtid = {};
  std::string_view child_comm = {};
  std::string_view parent_comm = {};
};
inline Event sched_process_fork(const At& at, const Fork& a) {
  return make(EventKind::kSchedProcessFork, at,
              {{"parent_tid", a.parent_tid},
               {"parent_tgid", a.parent_tgid},
               {"child_tid", a.child_tid},
               {"child_tgid", a.child_tgid},
               {"parent_ns_inum", a.parent_ns},
               {"child_ns_inum", a.child_ns},
               {"child_vtid", a.child_vtid},
               {"child_comm", a.child_comm},
               {"parent_comm", a.parent_comm}});
}

struct Process {
  std::int64_t tid = 0;
  std::string_view comm = {};
};
inline Event sched_process_exit(const At& at, const Process& a) {
  return make(EventKind::kSchedProcessExit, at, {{"tid", a.tid}, {"comm", a.comm}});
}
inline Event sched_process_free(const At& at, const Process& a) {
  return make(EventKind::kSchedProcessFree, at, {{"tid", a.tid}, {"comm", a.comm}});
}

struct Exec {
  std::int64_t tid = 0;
  Maybe old_tid = {};
  std::string_view filename = {};
};
inline Event sched_process_exec(const At& at, const Exec& a) {
  return make(EventKind::kSchedProcessExec, at,
              {{"tid", a.tid}, {"old_tid", a.old_tid}, {"filename", a.filename}});
}

// ---- interrupts, system calls ----

inline Event irq_entry(const At& at, std::int64_t irq, std::string_view name = {}) {
  return make(EventKind::kIrqHandlerEntry, at, {{"irq", irq}, {"name", name}});
}
inline Event irq_exit(const At& at, std::int64_t irq) {
  return make(EventKind::kIrqHandlerExit, at, {{"irq", irq}, {"ret", 1}});
}
inline Event softirq_entry(const At& at, std::int64_t vec) {
  return make(EventKind::kSoftirqEntry, at, {{"vec", vec}});
}
inline Event softirq_exit(const At& at, std::int64_t vec) {
  return make(EventKind::kSoftirqExit, at, {{"vec", vec}});
}
inline Event irq_vector_entry(const At& at, std::int64_t vector) {
  return make(EventKind::kIrqVectorEntry, at, {{"vector", vector}});
}
inline Event irq_vector_exit(const At& at, std::int64_t vector) {
  return make(EventKind::kIrqVectorExit, at, {{"vector", vector}});
}
inline Event hrtimer_expire_entry(const At& at, Maybe now = {}) {
  return make(EventKind::kHrtimerExpireEntry, at, {{"now", now}});
}
inline Event hrtimer_expire_exit(const At& at) { return make(EventKind::kHrtimerExpireExit, at); }
/// raw_syscalls:sys_enter gives nr; LTTng and syscalls:* tell by the type (At::type).
inline Event syscall_entry(const At& at, Maybe nr = {}) {
  return make(EventKind::kSyscallEntry, at, {{"nr", nr}});
}
inline Event syscall_exit(const At& at, Maybe nr = {}, Maybe ret = 0) {
  return make(EventKind::kSyscallExit, at, {{"nr", nr}, {"ret", ret}});
}

// ---- kvm ----

inline Event kvm_entry(const At& at, Maybe vcpu = {}) {
  return make(EventKind::kKvmEntry, at, {{"vcpu_id", vcpu}});
}
struct KvmExit {
  std::int64_t reason = 0;
  Maybe isa = {};
  Maybe vcpu = {};
  Maybe info1 = {};
  Maybe info2 = {};
  Maybe intr_info = {};
};
inline Event kvm_exit(const At& at, const KvmExit& a) {
  return make(EventKind::kKvmExit, at,
              {{"exit_reason", a.reason},
               {"isa", a.isa},
               {"vcpu_id", a.vcpu},
               {"info1", a.info1},
               {"info2", a.info2},
               {"intr_info", a.intr_info}});
}
inline Event kvm_userspace_exit(const At& at, std::int64_t reason, Maybe error = 0) {
  return make(EventKind::kKvmUserspaceExit, at, {{"reason", reason}, {"errno", error}});
}
inline Event kvm_vcpu_wakeup(const At& at, std::int64_t ns, bool waited, bool valid = true) {
  return make(EventKind::kKvmVcpuWakeup, at,
              {{"ns", ns}, {"waited", waited ? 1 : 0}, {"valid", valid ? 1 : 0}});
}

}  // namespace vs::test::events
