"""What the raw events say, by sums that are as plain as they can be. Never uses virtscope.

All times are the trace's own. An interval is a tuple (begin, end, ...), half open.
"""

import bisect
import collections

import rawtrace

RUNNABLE_BITS = 0x100 | 0x400 | 0x800 | 0x1000  # "preempted" in the kernels that have been seen

Exit = collections.namedtuple("Exit", "begin end reason")
Wait = collections.namedtuple("Wait", "begin end kind cpu")  # kind: preempted | waking | asleep


def is_runnable(prev_state):
    return prev_state == 0 or bool(prev_state & RUNNABLE_BITS)


class Schedule:
    """Who was on which CPU, from sched_switch and sched_waking only."""

    def __init__(self, trace):
        self.on_cpu = collections.defaultdict(list)  # cpu -> [(begin, end, tid)]
        self.runs = collections.defaultdict(list)  # tid -> [(begin, end, cpu)]
        self.waits = collections.defaultdict(list)  # tid -> [Wait]
        self.comm = {0: "idle"}
        self._seen = {0}
        self._woken_early = set()
        everything = rawtrace.events(trace)
        self.first = min(event.ts for event in everything)
        self.last = max(event.ts for event in everything)
        current = {}
        away = {}
        for event in rawtrace.select(trace, "sched_switch", "sched_waking", "sched_wakeup_new"):
            if rawtrace.common_name(event.name) == "sched_wakeup_new":
                child = rawtrace.number(event.args, "tid", "pid")
                away[child] = (event.ts, "waking", rawtrace.number(event.args, "target_cpu"))
                self._seen.add(child)
            elif rawtrace.common_name(event.name) == "sched_waking":
                self._waking(event, away)
            else:
                self._switch(event, current, away)
        for cpu, (begin, tid) in current.items():
            self._close(cpu, begin, self.last, tid)
        for tid, (begin, kind, cpu) in away.items():
            self.waits[tid].append(Wait(begin, self.last, kind, cpu))

    def _close(self, cpu, begin, end, tid):
        self.on_cpu[cpu].append((begin, end, tid))
        self.runs[tid].append((begin, end, cpu))

    def _waking(self, event, away):
        tid = rawtrace.number(event.args, "tid", "pid")
        if tid in away and away[tid][1] == "asleep":
            begin, kind, cpu = away[tid]
            self._woken_early.discard(tid)
            self.waits[tid].append(Wait(begin, event.ts, kind, cpu))
            target = rawtrace.number(event.args, "target_cpu")
            away[tid] = (event.ts, "waking", cpu if target is None else target)
        elif tid not in away and tid not in self._seen:
            # Slept since before the trace began; if it was running instead, its next switch is not a switch in.
            away[tid] = (event.ts, "waking", rawtrace.number(event.args, "target_cpu"))
        elif tid not in away:
            self._woken_early.add(tid)  # on its CPU: a wake-up for nothing, or one that comes while it goes to sleep
        self._seen.add(tid)

    def _switch(self, event, current, away):
        prev = rawtrace.number(event.args, "prev_tid", "prev_pid")
        following = rawtrace.number(event.args, "next_tid", "next_pid")
        self._seen.update((prev, following))
        begin, _ = current.get(event.cpu, (None, None))
        if begin is not None:
            self._close(event.cpu, begin, event.ts, prev)
        elif prev:  # it was there before the trace's first switch on this CPU
            self._close(event.cpu, self.first, event.ts, prev)
        if prev:
            runnable = is_runnable(rawtrace.number(event.args, "prev_state"))
            away[prev] = (event.ts, "preempted" if runnable else "asleep", event.cpu)
        if following:
            if following in away:
                begin, kind, cpu = away.pop(following)
                if kind == "asleep" and following in self._woken_early:
                    kind = "waking"  # nobody woke it since, so the wake-up before its switch was the one
                self.waits[following].append(Wait(begin, event.ts, kind, cpu))
            self._woken_early.discard(following)
            self.comm[following] = rawtrace.text(event.args, "next_comm")
        current[event.cpu] = (event.ts, following)

    def running(self, tid, begin, end):
        """Time that a thread was on any CPU within [begin, end)."""
        return sum(overlap(run, begin, end) for run in self.runs[tid])

    def stolen(self, tid, begin, end):
        """{kind: time} that a thread wanted to run and did not."""
        out = {"preempted": 0, "waking": 0}
        for wait in self.waits[tid]:
            if wait.kind in out:
                out[wait.kind] += overlap(wait, begin, end)
        return out

    def thieves(self, tid, begin, end, cpu=None):
        """{tid on the CPU where the thread waited: time}; 0 is the idle task. `cpu`: where it is pinned."""
        out = collections.Counter()
        for wait in self.waits[tid]:
            if wait.kind not in ("preempted", "waking"):
                continue
            low, high = max(wait.begin, begin), min(wait.end, end)
            if low < high:
                for run in self.between(wait.cpu if cpu is None else cpu, low, high):
                    out[run[2]] += overlap(run, low, high)
        return out

    def between(self, cpu, begin, end):
        """The stays on a CPU that touch [begin, end)."""
        stays = self.on_cpu[cpu]
        first = max(0, bisect.bisect_right(stays, (begin, float("inf"))) - 1)
        for stay in stays[first:]:
            if stay[0] >= end:
                break
            if stay[1] > begin:
                yield stay


def overlap(interval, begin, end):
    return max(0, min(interval[1], end) - max(interval[0], begin))


def exits(trace):
    """{tid: [Exit]}: perf's definition, from a kvm_exit to the next kvm_entry of the same thread."""
    found = collections.defaultdict(list)
    opened = {}
    for event in rawtrace.select(trace, "kvm_entry", "kvm_exit"):
        if rawtrace.common_name(event.name) == "kvm_exit":
            opened[event.tid] = (event.ts, rawtrace.number(event.args, "exit_reason"))
        elif event.tid in opened:
            begin, reason = opened.pop(event.tid)
            found[event.tid].append(Exit(begin, event.ts, reason))
    return found


def guest_intervals(trace):
    """{tid: [(entry, exit)]} of the whole pairs, for the question whether a guest event can have happened then."""
    found = collections.defaultdict(list)
    entered = {}
    for event in rawtrace.select(trace, "kvm_entry", "kvm_exit"):
        if rawtrace.common_name(event.name) == "kvm_entry":
            entered[event.tid] = event.ts
        elif event.tid in entered:
            found[event.tid].append((entered.pop(event.tid), event.ts))
    return found


# Names of SVM exit codes: <asm/svm.h>'s constant without its prefix, and the word that the kernel prints. All
# captures of the laboratory are AMD.
SVM_REASONS = {
    0x060: ("INTR", "INTERRUPT"), 0x061: ("NMI",), 0x062: ("SMI",), 0x063: ("INIT",), 0x064: ("VINTR",),
    0x06e: ("RDTSC",), 0x06f: ("RDPMC",), 0x070: ("PUSHF",), 0x071: ("POPF",), 0x072: ("CPUID",), 0x073: ("RSM",),
    0x074: ("IRET",), 0x075: ("SWINT",), 0x076: ("INVD",), 0x077: ("PAUSE",), 0x078: ("HLT",), 0x079: ("INVLPG",),
    0x07b: ("IOIO", "IO"), 0x07c: ("MSR",), 0x07d: ("TASK_SWITCH",), 0x07f: ("SHUTDOWN",), 0x081: ("VMMCALL", "HYPERCALL"),
    0x087: ("RDTSCP",), 0x089: ("WBINVD",), 0x08a: ("MONITOR",), 0x08b: ("MWAIT",), 0x08d: ("XSETBV",),
    0x400: ("NPF",),
}
SVM_REASONS.update({code: (f"READ_CR{code}",) for code in range(0x10)})
SVM_REASONS.update({0x10 + n: (f"WRITE_CR{n}",) for n in range(0x10)})
SVM_REASONS.update({0x20 + n: (f"READ_DR{n}",) for n in range(0x10)})
SVM_REASONS.update({0x30 + n: (f"WRITE_DR{n}",) for n in range(0x10)})
EXCEPTIONS = {0: "DE", 1: "DB", 3: "BP", 4: "OF", 5: "BR", 6: "UD", 7: "NM", 8: "DF", 10: "TS", 11: "NP",
              12: "SS", 13: "GP", 14: "PF", 16: "MF", 17: "AC", 18: "MC", 19: "XM"}
SVM_REASONS.update({0x40 + vector: (f"EXCP_{name}",) for vector, name in EXCEPTIONS.items()})
SVM_REASONS[0x065] = ("CR0_SEL_WRITE", "WRITE_CR0_SEL")


def reason_fits(code, name):
    """Whether a reason is named as the kernel names it, whatever the case; a code not listed here may have any other name."""
    accepted = SVM_REASONS.get(code)
    if accepted is None:
        listed = {known for names in SVM_REASONS.values() for known in names}
        return name.upper() not in listed and (not name.lower().startswith("0x") or int(name, 16) == code)
    return name.upper() in accepted
