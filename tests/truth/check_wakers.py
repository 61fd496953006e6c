"""Who is behind the wake-ups out of a guest's interrupts: from the raw records, the vector that the host injected
last before the guest's handler began, and the thread in whose context the host accepted that vector."""

import bisect
import collections

import check_twovms
import rawtrace

NAME = "wakers"
_ALIASES = {"kvm_x86_apic_accept_irq": "accept", "kvm_apic_accept_irq": "accept", "kvm_x86_inj_virq": "inject",
            "kvm_inj_virq": "inject"}
_SOFTIRQ = {"softirq_entry": "entry", "irq_softirq_entry": "entry", "softirq_exit": "exit", "irq_softirq_exit": "exit",
            "softirq_raise": "raise", "irq_softirq_raise": "raise"}
_WITHIN_NS = 50_000


def applies(capture):
    return capture.method != "local" and bool(capture.guests) and capture.scenario.startswith(("wait", "disk", "netcap"))


def injections(capture):
    """{vCPU thread: [(time, the tid that sent this vector)]}; None where nobody was seen to send it."""
    tid_of = {who: tid for tid, who in capture.vcpu_threads().items()}
    vm_of = {thread["tid"]: vm["vm"] for vm in capture.truth["vms"] + capture.truth["vms_at_end"] for thread in vm["threads"]}
    for vm in capture.truth["vms"]:
        vm_of.update({int(tid): vm["vm"] for tid in vm.get("vhost", "").split()})
    accepted, out = {}, collections.defaultdict(list)
    for event in sorted(rawtrace.events(capture.host), key=lambda e: e.ts):
        kind = _ALIASES.get(event.name)
        if kind == "accept":
            victim = tid_of.get((vm_of.get(event.tid), rawtrace.number(event.args, "apicid")))
            accepted[victim, rawtrace.number(event.args, "vec")] = event.tid
        elif kind == "inject":
            vector = rawtrace.number(event.args, "vector", "irq")
            out[event.tid].append((event.ts, accepted.get((event.tid, vector))))
    return out


def wakings(trace):
    """[(time, tid, cpu, time of the interrupt that led to it)] of wake-ups in hard interrupts and in softirqs that one raised."""
    out, irq, soft, raised, timers = [], {}, {}, {}, set()
    for event in sorted(rawtrace.events(trace), key=lambda e: e.ts):
        cpu, name = event.cpu, event.name
        step = _SOFTIRQ.get(name)
        if name == "irq_handler_entry":
            irq[cpu] = event.ts
        elif name == "irq_handler_exit":
            irq.pop(cpu, None)
        elif step == "raise":
            raised[cpu, rawtrace.number(event.args, "vec")] = irq.get(cpu)
        elif step == "entry":
            soft[cpu] = rawtrace.number(event.args, "vec")
        elif step == "exit":
            soft.pop(cpu, None)
        elif name.endswith("hrtimer_expire_entry"):
            timers.add(cpu)
        elif name.endswith("hrtimer_expire_exit"):
            timers.discard(cpu)
        elif name == "sched_waking" and cpu not in timers:
            begin = irq.get(cpu) or (raised.get((cpu, soft[cpu])) if cpu in soft else None)
            if begin is not None:
                out.append((event.ts, rawtrace.number(event.args, "tid", "pid"), cpu, begin))
    return out


def _compare(check, vm, injected):
    shift, doubt = check_twovms.guest_to_host(check.capture, vm)
    name = check.machine_of(vm)
    rows = check.query(
        "SELECT tid, ts + dur AS end_ts, detail, waker_machine, waker_tid FROM thread_state"
        f" WHERE machine = '{name}' AND state = 'blocked' ORDER BY tid, ts"
    )
    by_tid = collections.defaultdict(list)
    for row in rows:
        by_tid[row["tid"]].append(row)
    causes = collections.Counter()
    last = max(event.ts for event in rawtrace.events(check.capture.host))
    for ts, tid, cpu, begin in wakings(check.capture.guests[vm]):
        own = injected.get(check.capture.vcpu_tid(vm, cpu), [])
        place = bisect.bisect_right(own, (begin + shift, float("inf"))) - 1
        covered = ts + shift < last
        if place < 0 or own[place][1] is None or begin + shift - own[place][0] < doubt or not covered:
            continue
        end = check.timeline.at(ts + shift)
        mine = by_tid[tid]
        ends = [row["end_ts"] for row in mine]
        near = min(range(len(mine)), key=lambda i: abs(ends[i] - end), default=None)
        if near is None or abs(ends[near] - end) > _WITHIN_NS:
            continue  # it was not blocked: woken while it ran
        row = mine[near]
        found = (row["waker_machine"], row["waker_tid"])
        check.same(f"{vm}: waker of {tid} at {row['end_ts']} ({row['detail']})", found, (check.host_name, own[place][1]))
        causes[row["detail"]] += 1
    check.note(f"{vm}: " + ", ".join(f"{count} {cause}" for cause, count in sorted(causes.items())))


def _phases(check):
    """wait-*: each task waits for its own thing; at most one in twenty of its waits may be for another."""
    for vm in check.capture.guests:
        name = check.machine_of(vm)
        for task, cause in (("wdisk", "disk"), ("wclient", "network"), ("wtimer", "timer"), ("wpipe", "task")):
            rows = check.query(
                "SELECT s.detail, COUNT(*) AS n FROM thread_state s JOIN thread t ON t.machine = s.machine AND t.tid = s.tid"
                f" WHERE s.machine = '{name}' AND s.state = 'blocked' AND t.comm = '{task}'"
                " AND s.detail <> 'unknown' GROUP BY 1"
            )
            count = {row["detail"]: row["n"] for row in rows}
            check.holds(count.get(cause, 0) >= 0.95 * sum(count.values()) > 0, f"{vm}: {task} waits for {count}")


def run(check):
    injected = injections(check.capture)
    for vm in check.capture.guests:
        _compare(check, vm, injected)
    if check.capture.scenario == "wait":
        _phases(check)
