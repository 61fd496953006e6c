"""flow() and critical_path(): both sum to their window for every thread of every capture; and in twovms-* the time that
each iteration of vm1's critical task lost to vCPU preemption is the time that the host's raw events say, taken by the
task of vm2 that the laboratory let run there, from the fused traces and, at the level of vCPUs, from the host's alone."""

import collections

import check_twovms

NAME = "flow"
# Threads whose pieces are looked at one by one.
WALKED = 6


def applies(_capture):
    return True


def _sums(check):
    """Σ flow = Σ critical_path = the thread's life."""
    rows = check.query(
        "SELECT machine, tid, life, (SELECT SUM(dur) FROM flow(t.machine, t.tid)) AS flow,"
        " (SELECT SUM(dur) FROM critical_path(t.machine, t.tid)) AS path,"
        " (SELECT SUM(dur) FROM critical_path(t.machine, t.tid, t.first, t.first + t.life, 1)) AS result FROM (SELECT"
        " machine, tid, MIN(first_ts) AS first, MAX(last_ts) - MIN(first_ts) AS life FROM thread GROUP BY 1, 2) AS t"
    )
    check.holds(rows, "there is no thread")
    for row in rows:
        for word in ("flow", "path", "result"):
            check.same(f"{row['machine']}/{row['tid']}: sum of its {word}", row[word] or 0, row["life"])
    check.note(f"{len(rows)} threads, {sum(row['life'] for row in rows) / 1e9:.1f} s of lives")


def _tiling(check):
    """The pieces of the busiest threads follow each other, inside any window."""
    busy = check.query(
        "SELECT machine, tid, MIN(ts) AS first, MAX(ts + dur) AS last FROM thread_state GROUP BY 1, 2"
        f" ORDER BY COUNT(*) DESC LIMIT {WALKED}"
    )
    for task in busy:
        third = (task["last"] - task["first"]) // 3
        low, high = task["first"] + third, task["last"] - third
        for table, word in (("flow", "kind"), ("critical_path", "label")):
            rows = check.query(f"SELECT ts, dur, {word} AS word FROM {table}('{task['machine']}', {task['tid']}, {low}, {high})")
            at = low
            for row in rows:
                if not check.holds(row["ts"] == at and row["dur"] > 0,
                                   f"{table} of {task['machine']}/{task['tid']}: a piece at {row['ts']}, expected at {at}"):
                    break
                at = row["ts"] + row["dur"]
            check.same(f"{table} of {task['machine']}/{task['tid']}: end", at, high)


def _kinds_agree(check):
    """A guest thread's run and hypervisor time are those of thread_state's own columns, as long as its vCPUs are known."""
    for machine in (row["machine"] for row in check.query("SELECT machine FROM machine WHERE kind = 'vm'")):
        ends = check.query(
            "SELECT MAX(low) AS low, MIN(high) AS high FROM (SELECT MIN(ts) AS low, MAX(ts + dur) AS high FROM vcpu_state"
            f" WHERE machine = '{machine}' GROUP BY vcpu)"
        )[0]
        low, high = ends["low"], ends["high"]
        inside = f"MAX(0, MIN(ts + dur, {high}) - MAX(ts, {low}))"
        sums = ", ".join(f"SUM(CASE WHEN effective = '{word}' THEN {inside} ELSE 0 END) AS {name}"
                         for word, name in (("running", "run"), ("hypervisor", "hypervisor")))
        wanted = check.query(f"SELECT tid, {sums} FROM thread_state WHERE machine = '{machine}' GROUP BY tid")
        found = {
            (row["tid"], row["kind"]): row["n"] for row in check.query(
                "SELECT t.tid, kind, SUM(dur) AS n FROM (SELECT DISTINCT machine, tid FROM thread) AS t,"
                f" flow(t.machine, t.tid, {low}, {high}) WHERE t.machine = '{machine}' GROUP BY 1, 2")
        }
        for row in wanted:
            for word in ("run", "hypervisor"):
                check.same(f"{machine}/{row['tid']}: {word} time", found.get((row["tid"], word), 0), row[word])


def _windows(check, machine):
    """[(number, own begin, own end, begin and end on the host timeline)] of the iterations."""
    sync = check.query(f"SELECT * FROM clock_sync WHERE machine = '{machine}' ORDER BY segment")[0]
    scale = check.timeline.ns_per_tick if check.capture.is_ticks else 1
    windows = [
        (number, begin, end, *(round(check_twovms.map_own(sync, own * scale)) for own in (begin, end)))
        for number, begin, end in check_twovms.iterations(check.capture)
    ]
    return windows, sync["error_ns"]


def _by_iteration(check, traces, windows, select, task, condition):
    """{number: rows} of one question over the flow of each iteration."""
    values = ", ".join(f"({number}, {low}, {high})" for number, _, _, low, high in windows)
    rows = check.program.query(
        traces,
        f"WITH i(n, low, high) AS (VALUES {values}) SELECT i.n, {select}, SUM(dur) AS ns FROM i, flow({task}, i.low, i.high)"
        f" WHERE {condition} GROUP BY i.n, {select}"
    )
    found = collections.defaultdict(list)
    for row in rows:
        found[row["n"]].append(row)
    return found


def _iterations(check):
    capture = check.capture
    vm1, vm2 = check.machine_of("vm1"), check.machine_of("vm2")
    tid = next(iter(capture.records("vm1", "critical", "start")))["tid"]
    windows, error_ns = _windows(check, vm1)
    shift, doubt = check_twovms.guest_to_host(capture, "vm1")
    tolerance = 1000 + 2 * (error_ns + doubt)
    tasks = check_twovms.guest_tasks(capture, "vm2")
    victim = capture.vcpu_tid("vm1", 0)
    flows = _by_iteration(check, check.traces, windows, "kind, exec_machine, exec_comm", f"'{vm1}', {tid}", "1")
    alone, thief = _host_alone(check, windows, victim)
    culprits = collections.Counter()
    for number, own_begin, own_end, low, high in windows:
        begin, end = own_begin + shift, own_end + shift
        stolen = check.timeline.length(sum(check.schedule.stolen(victim, begin, end).values()))
        by_thread, by_task = check_twovms.expected_blame(check, begin, end, tasks)
        theirs = check.timeline.length(by_thread[("vm2", 0)])
        check.same(f"iteration {number}: sum of its flow", sum(row["ns"] for row in flows[number]), high - low)
        robbed = [row for row in flows[number] if row["kind"] == "vcpu_preempted_by"]
        by_vm2 = [row for row in robbed if row["exec_machine"] == vm2]
        check.near(f"iteration {number}: vcpu_preempted_by, ns", sum(row["ns"] for row in robbed), stolen, tolerance)
        check.near(f"iteration {number}: of that by vm2, ns", sum(row["ns"] for row in by_vm2), theirs, tolerance)
        check.near(f"iteration {number}: stolen from the vCPU, host alone, ns", sum(row["ns"] for row in alone[number]), stolen,
                   tolerance)
        check.near(f"iteration {number}: of that by vm2's vCPU 0, host alone, ns",
                   sum(row["ns"] for row in alone[number] if (row["exec_machine"], row["exec_vcpu"]) == thief), theirs, tolerance)
        _culprit(check, number, by_vm2, by_task, tolerance)
        for row in by_vm2:
            culprits[row["exec_comm"]] += row["ns"]
    check.holds(culprits and culprits.most_common(1)[0][0] == "burst0", f"vm2's tasks that took the time: {culprits}")
    check.note(f"{len(windows)} iterations; vm2's tasks that took the time: {dict(culprits.most_common(3))}")


def _culprit(check, number, rows, by_task, tolerance):
    """The task of vm2 that took most of an iteration's time, when one clearly did and it is not the idle task."""
    wanted = [(time, comm) for comm, time in by_task.most_common(2)] + [(0, None), (0, None)]
    clear = check.timeline.length(wanted[0][0] - wanted[1][0]) > tolerance
    if not rows or not clear or wanted[0][1] in (None, "idle"):
        return
    check.same(f"iteration {number}: who took most", max(rows, key=lambda row: row["ns"])["exec_comm"], wanted[0][1])


def _host_alone(check, windows, victim):
    """The same from the host's trace alone: the flow of the host thread that runs vm1's vCPU 0, and vm2's vCPU 0."""
    traces = [check.capture.host.path]
    rows = check.program.query(traces, "SELECT machine, vcpu, host_machine, host_tid FROM vcpu")
    vcpus = {row["host_tid"]: (row["machine"], row["vcpu"]) for row in rows}
    host = rows[0]["host_machine"]
    flows = _by_iteration(check, traces, windows, "exec_machine, exec_vcpu", f"'{host}', {victim}",
                          "kind IN ('preempted_by', 'runnable')")
    return flows, vcpus[check.capture.vcpu_tid("vm2", 0)]


def run(check):
    _sums(check)
    _tiling(check)
    _kinds_agree(check)
    if check.capture.scenario == "twovms":
        _iterations(check)
