"""twovms-*: how much of each iteration of vm1's critical task was stolen, and by which task of vm2."""

import collections

import check_sync
import expect
import rawtrace

NAME = "twovms"
POINTS = 0.02


def applies(capture):
    return capture.scenario == "twovms"


def iterations(capture):
    """[(number, begin, end)] of vm1/critical in the guest's own time."""
    shift = rawtrace.epoch_shift_ns(capture.guests["vm1"])
    for record in capture.records("vm1", "critical", "iter"):
        if capture.is_ticks:
            yield record["i"], record["tsc0"], record["tsc1"]
        else:
            yield record["i"], record["mono0"] + shift, record["mono0"] + shift + record["ns"]


def guest_to_host(capture, vm):
    """(what to add to a guest's own timestamp to get the host's own, how far that may be off)"""
    if capture.is_ticks:
        return -capture.tsc_offset(vm), 0
    offset, doubt = capture.mono_offset(vm)
    to_guest = rawtrace.epoch_shift_ns(capture.guests[vm])
    to_host = rawtrace.epoch_shift_ns(capture.host)
    return round(-(offset + to_guest) + to_host), doubt


def map_own(row, own_ns):
    """A guest's own timestamp on the host timeline, by its clock_sync row."""
    begin_own = row["begin_ts"] - row["offset_ns"]
    drift = round((own_ns - begin_own) * row["drift_ppb"] / 1e9)
    return own_ns + row["offset_ns"] - drift  # whole numbers: a float has no ns left at today's epoch


def guest_tasks(capture, vm):
    """{vcpu: [(begin, end, comm)]} of a guest's own schedule, in the host's own time."""
    shift, _ = guest_to_host(capture, vm)
    schedule = expect.Schedule(capture.guests[vm])
    return {
        cpu: [(begin + shift, end + shift, schedule.comm.get(tid)) for begin, end, tid in stays]
        for cpu, stays in schedule.on_cpu.items()
    }


def expected_blame(check, begin, end, tasks):
    """({(vm, vcpu) or host tid: time}, {task of vm2: time}) that took vm1's vCPU 0's pCPU in the window."""
    capture = check.capture
    victim = capture.vcpu_tid("vm1", 0)
    threads = capture.vcpu_threads()
    by_thread = collections.Counter()
    by_task = collections.Counter()
    for wait in check.schedule.waits[victim]:
        low, high = max(wait.begin, begin), min(wait.end, end)
        if wait.kind not in ("preempted", "waking") or low >= high:
            continue
        for stay in check.schedule.between(wait.cpu, low, high):
            time = expect.overlap(stay, low, high)
            by_thread[threads.get(stay[2], stay[2])] += time
            if threads.get(stay[2], ("",))[0] == "vm2":
                for task in tasks[threads[stay[2]][1]]:
                    by_task[task[2]] += expect.overlap(task, max(stay[0], low), min(stay[1], high))
    return by_thread, by_task


def _program_blame(check, machine, begin, end):
    rows = check.query(
        "SELECT by_machine, by_vcpu, by_tid, by_comm, SUM(MAX(0, MIN(ts + dur, {1}) - MAX(ts, {0}))) AS n FROM preemption"
        " WHERE machine = '{2}' AND vcpu = 0 AND ts < {1} AND ts + dur > {0} GROUP BY 1, 2, 3, 4".format(begin, end, machine)
    )
    return rows


def _to_own_ns(check, value):
    return value * check.timeline.ns_per_tick if check.capture.is_ticks else value


def run(check):
    capture = check.capture
    vm1, vm2 = check.machine_of("vm1"), check.machine_of("vm2")
    sync = check.query(f"SELECT * FROM clock_sync WHERE machine = '{vm1}' ORDER BY segment")
    if not check.same("segments of vm1's clock map", len(sync), 1):
        return
    shift, doubt = guest_to_host(capture, "vm1")
    tasks = guest_tasks(capture, "vm2")
    totals = collections.Counter()
    wanted_tasks = collections.Counter()
    found_tasks = collections.Counter()
    for number, own_begin, own_end in iterations(capture):
        begin, end = own_begin + shift, own_end + shift
        low, high = (round(map_own(sync[0], _to_own_ns(check, t))) for t in (own_begin, own_end))
        by_thread, by_task = expected_blame(check, begin, end, tasks)
        wanted_tasks.update(by_task)
        rows = _program_blame(check, vm1, low, high)
        tolerance = 1000 + 2 * (sync[0]["error_ns"] + doubt)
        stolen = sum(check.schedule.stolen(capture.vcpu_tid("vm1", 0), begin, end).values())
        check.near(f"iteration {number}: stolen ns", sum(row["n"] for row in rows), check.timeline.length(stolen), tolerance)
        from_vm2 = sum(time for who, time in by_thread.items() if isinstance(who, tuple) and who[0] == "vm2")
        mine = sum(row["n"] for row in rows if row["by_machine"] == vm2)
        check.near(f"iteration {number}: stolen by vm2, ns", mine, check.timeline.length(from_vm2), tolerance)
        for row in rows:
            totals[row["by_machine"]] += row["n"]
            if row["by_machine"] == vm2:
                found_tasks[row["by_comm"]] += row["n"]
                check.same(f"iteration {number}: vCPU of vm2 that took the time", row["by_vcpu"], 0)
    check.note(f"stolen by machine {dict(totals)}; by task of vm2 {dict(found_tasks)}")
    _compare_tasks(check, found_tasks, wanted_tasks)


def _compare_tasks(check, found, wanted):
    """Which tasks of vm2 were current while it took the time: the same shares, and mostly the bursts."""
    all_found, all_wanted = sum(found.values()), sum(wanted.values())
    check.holds(all_found > 0 and all_wanted > 0, "vm2 took nothing")
    if not all_found or not all_wanted:
        return
    for task in sorted(set(found) | {name for name, time in wanted.items() if time > all_wanted / 100}, key=str):
        if task not in ("idle", "swapper/0", None):
            check.near(f"share of vm2's task {task}", found[task] / all_found, wanted[task] / all_wanted, POINTS)
    bursts = sum(time for task, time in found.items() if task in ("burst0", "burst1")) / all_found
    check.holds(bursts > 0.5, f"burst0 and burst1 have {bursts:.2f} of the time that vm2 took")
