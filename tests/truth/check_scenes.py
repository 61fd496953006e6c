"""What is special in a scene: a vCPU that comes later, a VM that moves, tasks in containers."""

import expect
import rawtrace

NAME = "scenes"
INITIAL_PID_NAMESPACE = 0xEFFFFFFC


def applies(capture):
    return capture.scenario in ("hotplug", "migrate") or capture.name == "container-lttng"


def _hotplug(check):
    """vCPU 1 exists from its own first entry on, not before."""
    intervals = expect.guest_intervals(check.capture.host)
    for tid, (vm, vcpu) in check.capture.vcpu_threads().items():
        first = check.timeline.at(intervals[tid][0][0])
        machine = check.machine_of(vm)
        row = check.query(f"SELECT first_ts FROM vcpu WHERE machine = '{machine}' AND vcpu = {vcpu}")
        check.same(f"rows of vCPU {vcpu}", len(row), 1)
        early = check.query(
            f"SELECT COUNT(*) AS n FROM vcpu_state WHERE machine = '{machine}' AND vcpu = {vcpu} AND state = 'guest'"
            f" AND ts < {round(first)}"
        )[0]["n"]
        check.same(f"vCPU {vcpu}: guest intervals before its first entry", early, 0)
    machine = check.machine_of("vm1")
    count = check.query(f"SELECT vcpus FROM machine WHERE machine = '{machine}'")[0]["vcpus"]
    check.same("vCPUs of vm1 in the machine table", count, 2)


def _migrate(check):
    """Two VMM processes, each with its vCPU 0; the second begins after the first has ended its guest time."""
    intervals = expect.guest_intervals(check.capture.host)
    source, target = sorted(intervals, key=lambda tid: intervals[tid][0][0])
    found = check.vcpus()
    check.holds(found[source][0] != found[target][0], f"source and target are one machine: {found[source]}")
    for tid in (source, target):
        check.same(f"tid {tid}: vCPU", found[tid][1], 0)
    last = check.query(
        f"SELECT MAX(ts + dur) AS t FROM vcpu_state WHERE machine = '{found[source][0]}' AND state = 'guest'")[0]["t"]
    first = check.query(
        f"SELECT MIN(ts) AS t FROM vcpu_state WHERE machine = '{found[target][0]}' AND state = 'guest'")[0]["t"]
    gap = check.timeline.length(intervals[target][0][0] - intervals[source][-1][1])
    check.near("ns between the source's last guest time and the target's first", first - last, gap, gap / 100)


def _container(check):
    """Each forked thread is in the pid namespace that its fork event names."""
    machine = check.machine_of("vm1")
    found = {
        row["tid"]: row["container"]
        for row in check.query(f"SELECT tid, container FROM thread WHERE machine = '{machine}'")
    }
    containers = set()
    for event in rawtrace.select(check.capture.guests["vm1"], "sched_process_fork"):
        namespace = rawtrace.number(event.args, "child_ns_inum")
        tid = rawtrace.number(event.args, "child_tid")
        if namespace == INITIAL_PID_NAMESPACE:
            check.holds(found.get(tid) in (None, namespace), f"tid {tid} is in container {found.get(tid)}, and is in none")
        else:
            containers.add(namespace)
            check.same(f"tid {tid}: container", found.get(tid), namespace)
    listed = {row["container"] for row in check.query(f"SELECT container FROM container WHERE machine = '{machine}'")}
    check.same("containers of vm1", listed - {INITIAL_PID_NAMESPACE}, containers)
    check.same("number of containers", len(containers), 2)


def run(check):
    {"hotplug": _hotplug, "migrate": _migrate, "container": _container}[check.capture.scenario](check)
