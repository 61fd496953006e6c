"""wait-*: what guest processes waited for, from the host's events alone, against the guest's own trace.

The guest's trace says for every sleep of a task when it began (sched_switch, not runnable), when it ended
(sched_waking) and in which context it was woken: a timer, the interrupt of a disk or of a network card, a softirq of
the network, another task. The program, which was given the host's trace alone, says in vprocess_state what the process
waited for at that time. Each ns of sleep of a phase's own tasks goes into a matrix: cause in the guest by state on the
host.
"""

import bisect
import collections
import os

import check_twovms
import expect
import rawtrace

NAME = "waits"

# phase, its tasks, the cause that it is about, the least share that has to agree
PHASES = (
    ("timer", ("wtimer",), "timer", 0.95),
    ("disk", ("wdisk",), "disk", 0.95),
    ("net", ("wclient",), "network", 0.95),
    ("task", ("wpipe", "wpipeB"), None, None),
)
MOST_DEVICE_IN_TASK = 0.10
# Of a phase's sleeps, by the host's state at each ns.
LEAST_OF_EACH_NS = 0.95
ALL = "all"  # the phase in which every task waits for its own cause at once
DEVICE_STATES = ("disk", "network", "device")
WAITS = ("task", "timer", "disk", "network", "device", "unknown")
CONTEXTS = (
    "sched_switch", "sched_waking", "irq_handler_entry", "irq_handler_exit", "softirq_entry", "softirq_exit",
    "hrtimer_expire_entry", "hrtimer_expire_exit", "irq_softirq_entry", "irq_softirq_exit",
    "timer_hrtimer_expire_entry", "timer_hrtimer_expire_exit",
)  # fmt: skip
SOFTIRQS = {1: "timer", 2: "network", 3: "network", 4: "disk", 8: "timer"}


def applies(capture):
    return capture.scenario == "wait"


# -- the guest's own account
def interrupt_cause(name):
    """virtio's interrupts are named after the queue that they serve."""
    if "-req" in name:
        return "disk"
    return "network" if "-input" in name or "-output" in name else "device"


class Contexts:
    """What each CPU of a guest is in the middle of: a stack of interrupts, softirqs and timers."""

    def __init__(self):
        self.stacks = collections.defaultdict(list)

    def note(self, event):
        name = event.name.replace("irq_softirq", "softirq").replace("timer_hrtimer", "hrtimer")
        stack = self.stacks[event.cpu]
        if name == "irq_handler_entry":
            stack.append(interrupt_cause(rawtrace.text(event.args, "name") or ""))
        elif name == "softirq_entry":
            stack.append(SOFTIRQS.get(rawtrace.number(event.args, "vec"), "task"))
        elif name == "hrtimer_expire_entry":
            stack.append("timer")
        elif name.endswith("_exit") and stack:
            stack.pop()
        elif name == "sched_switch":
            stack.clear()

    def cause(self, cpu):
        return self.stacks[cpu][-1] if self.stacks[cpu] else "task"


def sleeps(trace):
    """{tid: [(begin, end, cause)]} in the guest's own time."""
    contexts = Contexts()
    since = {}
    out = collections.defaultdict(list)
    for event in sorted(rawtrace.select(trace, *CONTEXTS), key=lambda event: event.ts):
        if event.name == "sched_waking":
            tid = rawtrace.number(event.args, "pid", "tid")
            if tid in since:
                out[tid].append((since.pop(tid), event.ts, contexts.cause(event.cpu)))
        contexts.note(event)
        if event.name == "sched_switch":
            previous = rawtrace.number(event.args, "prev_pid", "prev_tid")
            since.pop(rawtrace.number(event.args, "next_pid", "next_tid"), None)
            if not expect.is_runnable(rawtrace.number(event.args, "prev_state")):
                since[previous] = event.ts
    return out


def task_ids(capture, vm, names):
    return {record["tid"] for name in names for record in capture.records(vm, name, "start")}


def phases(check):
    """{phase: (begin, end)} on the host timeline."""
    capture = check.capture
    shift = 0 if capture.is_ticks else rawtrace.epoch_shift_ns(capture.host)
    marks = [
        (record["tsc"] if capture.is_ticks else record["mono"] + shift, record["task"][len("phase-") :])
        for record in capture.records("host", event="clock")
        if record["task"].startswith("phase-")
    ]
    marks.sort()
    return {
        name: (check.timeline.at(begin), check.timeline.at(end)) for (begin, name), (end, _) in zip(marks, marks[1:])
    }


# -- the program's account
class Rows:
    """vprocess_state of the host's trace alone, by process."""

    def __init__(self, check):
        self.by_process = collections.defaultdict(list)
        rows = check.program.query(
            [check.capture.host.path],
            "SELECT vprocess, ts, dur, vcpu, state, waker_vprocess FROM vprocess_state ORDER BY vprocess, ts",
        )
        for row in rows:
            self.by_process[row["vprocess"]].append(row)
        self.begins = {name: [row["ts"] for row in rows] for name, rows in self.by_process.items()}

    def between(self, process, begin, end):
        """(state, ns) of the process' pieces in the window."""
        rows = self.by_process[process]
        at = max(bisect.bisect_right(self.begins[process], begin) - 1, 0)
        for row in rows[at:]:
            low, high = max(row["ts"], begin), min(row["ts"] + row["dur"], end)
            if row["ts"] >= end:
                break
            if low < high:
                yield row, high - low


def running_times(trace):
    """{tid: [(cpu, begin, end)]} in the guest's own time."""
    out = collections.defaultdict(list)
    for cpu, stays in expect.Schedule(trace).on_cpu.items():
        for begin, end, tid in stays:
            out[tid].append((cpu, begin, end))
    return out


def processes_of(rows, stays):
    """The vprocess that runs when the task does, by overlap on the same vCPU."""
    overlap = collections.Counter()
    for cpu, begin, end in stays:
        for process in rows.by_process:
            for row, time in rows.between(process, begin, end):
                if row["state"] in ("nonroot", "root") and row["vcpu"] == cpu:
                    overlap[process] += time
    return overlap


class Matrix:
    """Sleeps by (cause in the guest, wait on the host): of whole sleeps by the wait that covers most, and of ns."""

    def __init__(self):
        self.sleeps = collections.Counter()
        self.ns = collections.Counter()
        self.host_waits = 0  # ns of waits on the host in the same windows

    def add(self, cause, begin, end, pieces):
        states = collections.Counter()
        for row, time in pieces:
            states[row["state"]] += time
            self.ns[cause, row["state"]] += time
        waits = [(time, state) for state, time in states.items() if state in WAITS]
        self.sleeps[cause, max(waits)[1] if waits else "none"] += end - begin

    def asleep(self):
        waits = sum(time for key, time in self.ns.items() if key[1] in WAITS)
        return waits / self.host_waits if self.host_waits else 0

    def of_cause(self, cause):
        """The share of the sleeps for `cause` in whose every ns the host says the same."""
        total = sum(time for key, time in self.ns.items() if key[0] == cause)
        return self.ns[cause, cause] / total if total else 0

    def share(self, counter, test):
        total = sum(counter.values())
        return sum(time for key, time in counter.items() if test(*key)) / total if total else 0

    def lines(self, phase):
        for title, counter in (("sleeps by their wait", self.sleeps), ("each ns", self.ns)):
            states = sorted({state for _, state in counter})
            yield f"{phase}, {title}, ms: " + " ".join(f"{state:>10}" for state in ["cause", *states])
            for cause in sorted({cause for cause, _ in counter}):
                yield f"    {cause:>10}" + "".join(f" {counter[cause, state] / 1e6:10.3f}" for state in states)


def add_phase(check, rows, guest, names, window, matrix):
    """The sleeps of the named tasks that lie in the window and in the life of their process."""
    low, high = window
    for tid in task_ids(check.capture, "vm1", names):
        stays = [(cpu, *guest.at(begin, end)) for cpu, begin, end in guest.running[tid]]
        overlap = processes_of(rows, [stay for stay in stays if stay[1] < high and stay[2] > low])
        if not overlap:
            continue
        process = overlap.most_common(1)[0][0]
        mine = rows.by_process[process]
        first, last = max(low, mine[0]["ts"]), min(high, mine[-1]["ts"] + mine[-1]["dur"])
        slept = [(*guest.at(begin, end), cause) for begin, end, cause in guest.sleeps[tid]]
        inside = [sleep for sleep in slept if first <= sleep[0] and sleep[1] <= last]
        if inside:
            window = max(first, inside[0][0] - 1_000_000), min(last, inside[-1][1] + 1_000_000)
            matrix.host_waits += sum(time for row, time in rows.between(process, *window) if row["state"] in WAITS)
        for begin, end, cause in slept:
            if first <= begin and end <= last:
                matrix.add(cause, begin, end, rows.between(process, begin, end))


class Guest:
    def __init__(self, check, vm):
        trace = check.capture.guests[vm]
        self.shift, _ = check_twovms.guest_to_host(check.capture, vm)
        self.timeline = check.timeline
        self.sleeps = sleeps(trace)
        self.running = running_times(trace)

    def at(self, begin, end):
        return self.timeline.at(begin + self.shift), self.timeline.at(end + self.shift)


def example(page):
    """The lines that the documentation shows after the command `page`."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs/analyses/waits.md")
    with open(path, encoding="utf-8") as document:
        lines = document.read().split(f"    $ {page}\n")[1].split("\n\n## ")[0].split("\n")
    return [line[4:] for line in lines if line.startswith("    ")]


def paths(check, rows):
    """The execution path of every process, and of each VM, tiles its life; waits end up at those who ended them."""
    host = [check.capture.host.path]
    lives = {name: (mine[0]["ts"], mine[-1]["ts"] + mine[-1]["dur"]) for name, mine in rows.by_process.items()}
    vm = check.program.query(host, "SELECT DISTINCT machine FROM vprocess_state")[0]["machine"]
    lives[None] = min(begin for begin, _ in lives.values()), max(end for _, end in lives.values())
    followed = 0
    for name, (begin, end) in lives.items():
        answer = check.program.json("waits", host, "--path", vm if name is None else f"{vm}/{name}").rows
        at = begin
        for piece in (row for row in answer if row["section"] == "path_piece"):
            check.same(f"path of {name}: begin of a piece", piece["ts"], at)
            check.holds(piece["dur"] > 0, f"path of {name}: an empty piece at {at}")
            own = piece["vprocess"] is None or list(rows.between(piece["vprocess"], at, at + piece["dur"]))
            states = {row["state"] for row, _ in own} if piece["vprocess"] else {"unknown"}
            check.same(f"path of {name}: state at {at}", states, {piece["state"]})
            at += piece["dur"]
            followed += piece["depth"] > 0
        check.same(f"path of {name}: end", at, end)
        check.near(f"path of {name}: sum of its shares",
                   sum(row["share"] for row in answer if row["section"] == "path_share"), 100, 1e-6)
    check.note(f"{len(lives)} execution paths; {followed} pieces of wakers")
    if check.capture.name == "wait-tsc":
        name = "vm-174/0x683a000#3"
        _, page, _ = check.program.run(["waits", *host, "--quiet", "--path", name])
        for line in example(f"virtscope waits host.dat --path '{name}'"):
            check.holds(line in page.split("\n"), f"docs/analyses/waits.md shows a line that is not printed: {line}")


def mixed(check, rows, guest, window):
    """The phase with more to run than vCPUs: one matrix of all its tasks."""
    matrix = Matrix()
    for _, names, _, _ in PHASES:
        add_phase(check, rows, guest, names, window, matrix)
    if not check.holds(sum(matrix.sleeps.values()) > 0, "no sleep of the mixed phase was compared"):
        return
    for line in matrix.lines(ALL):
        check.note(line)
    same = matrix.share(matrix.sleeps, lambda guest_says, host_says: guest_says == host_says)
    seen = collections.Counter({key: time for key, time in matrix.sleeps.items() if key[1] in WAITS})
    same_seen = matrix.share(seen, lambda guest_says, host_says: guest_says == host_says)
    check.note(f"{ALL}: {same:.4f} of the sleeps agree, {same_seen:.4f} of those that are waits on the host too")


def run(check):
    rows = Rows(check)
    paths(check, rows)
    guest = Guest(check, "vm1")
    windows = phases(check)
    for phase, names, cause, least in PHASES:
        matrix = Matrix()
        add_phase(check, rows, guest, names, windows[phase], matrix)
        if not check.holds(sum(matrix.sleeps.values()) > 0, f"{phase}: no sleep of {names} was compared"):
            continue
        for line in matrix.lines(phase):
            check.note(line)
        same = matrix.share(matrix.sleeps, lambda guest_says, host_says: guest_says == host_says)
        both = collections.Counter({key: time for key, time in matrix.ns.items() if key[1] in WAITS})
        same_ns = matrix.share(both, lambda guest_says, host_says: guest_says == host_says)
        device = matrix.share(matrix.ns, lambda _, host_says: host_says in DEVICE_STATES)
        check.note(f"{phase}: {same:.4f} of the sleeps agree, {same_ns:.4f} of the ns that are waits on both sides")
        if cause is None:
            check.holds(device < MOST_DEVICE_IN_TASK, f"{phase}: {device:.4f} of the sleeps is for devices")
            continue
        check.note(f"{phase}: {matrix.of_cause(cause):.4f} of each ns of the sleeps for it")
        check.holds(matrix.of_cause(cause) >= LEAST_OF_EACH_NS,
                    f"{phase}: only {matrix.of_cause(cause):.4f} of each ns of the sleeps for it agrees")
        check.note(f"{phase}: the task slept in {matrix.asleep():.4f} of each ns that is a wait on the host")
        check.holds(same >= least, f"{phase}: only {same:.4f} of the sleeps agrees with the guest (least {least})")
        check.holds(same_ns >= least, f"{phase}: only {same_ns:.4f} of the waits agrees with the guest (least {least})")
        of_cause = sum(time for key, time in matrix.sleeps.items() if key[0] == cause)
        check.holds(2 * of_cause > sum(matrix.sleeps.values()), f"{phase}: the guest hardly waited for {cause}")
    mixed(check, rows, guest, windows[ALL])
