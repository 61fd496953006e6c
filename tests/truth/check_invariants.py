"""What holds for every capture whatever is in it: tilings, sums, and whose time is whose."""

import bisect

NAME = "invariants"

# (table, columns that name one entity, states after which an entity may end before its trace)
TILED = [
    ("vcpu_state", ("machine", "vcpu"), ("off",)),
    ("pcpu_state", ("machine", "cpu"), ()),
    ("fused_cpu", ("host_machine", "cpu"), ()),
    ("thread_state", ("machine", "tid"), ("exited",)),
]


def applies(_capture):
    return True


def _tiling(check, table, keys, ends):
    entity = ", ".join(keys)
    state = "condition" if table == "fused_cpu" else "state"
    rows = check.query(
        f"SELECT {entity}, ts, dur, nx, state FROM (SELECT {entity}, ts, dur, {state} AS state,"
        f" LEAD(ts) OVER (PARTITION BY {entity} ORDER BY ts, dur) AS nx FROM {table})"
        " WHERE nx IS NULL OR ts + dur <> nx OR dur < 0"
    )
    check.holds(rows, f"{table} has no rows")
    seen = set()
    for row in rows:
        name = f"{table} {'/'.join(str(row[key]) for key in keys)}"
        if row["nx"] is not None:
            kind = "a gap" if row["ts"] + row["dur"] < row["nx"] else "an overlap"
            check.holds(False, f"{name}: {kind} at {row['ts'] + row['dur']} (next begins at {row['nx']})")
            continue
        seen.add(name)
        machine = row[keys[0]]
        end = _end_of(check, table, machine)
        if row["state"] not in ends:
            check.same(f"{name}: end of its last interval ({row['state']})", row["ts"] + row["dur"], end)
    count = check.query(f"SELECT COUNT(*) AS n FROM (SELECT DISTINCT {entity} FROM {table})")[0]["n"]
    check.same(f"{table}: entities with a last interval", len(seen), count)


def _end_of(check, table, machine):
    """The last event of the trace that the table's rows of this machine come from."""
    key = ("end", table == "vcpu_state", machine)
    if key not in check.known:
        if table == "vcpu_state":
            sql = (
                "SELECT MAX(t.end_ts) AS e FROM trace t WHERE t.machine IN"
                f" (SELECT host_machine FROM vcpu WHERE machine = {_quoted(machine)})"
            )
        else:
            sql = f"SELECT MAX(end_ts) AS e FROM trace WHERE machine = {_quoted(machine)}"
        check.known[key] = check.query(sql)[0]["e"]
    return check.known[key]


def _quoted(text):
    return "'" + text.replace("'", "''") + "'"


def _steal(check):
    states = check.query(
        "SELECT machine, vcpu, state, SUM(dur) AS total FROM vcpu_state WHERE state IN ('preempted', 'waking')"
        " GROUP BY machine, vcpu, state"
    )
    blame = check.query("SELECT machine, vcpu, kind AS state, SUM(dur) AS total FROM preemption GROUP BY 1, 2, 3")
    wanted = {(r["machine"], r["vcpu"], r["state"]): r["total"] for r in states}
    found = {(r["machine"], r["vcpu"], r["state"]): r["total"] for r in blame}
    for key in sorted(set(wanted) | set(found)):
        check.same(f"preemption rows of {key}: sum of dur", found.get(key, 0), wanted.get(key, 0))


def _preemption(check):
    def none(what, condition):
        rows = check.query(f"SELECT COUNT(*) AS n, MIN(p.ts) AS first FROM preemption p WHERE {condition}")
        check.holds(rows[0]["n"] == 0, f"preemption: {rows[0]['n']} rows {what}, the first at {rows[0]['first']}")

    _preemption_is_inside(check)
    none("name the host's idle task as culprit", "p.by_tid = 0 AND p.by_vcpu IS NULL")
    none("have a culprit's thread and no machine, or the other way round", "(p.by_tid IS NULL) <> (p.by_machine IS NULL)")
    none("give a vCPU and not its VM",
         "p.by_vcpu IS NOT NULL AND NOT EXISTS (SELECT 1 FROM vcpu v WHERE v.machine = p.by_machine AND v.vcpu ="
         " p.by_vcpu)")
    none("have a culprit without a vCPU that is not on the host",
         "p.by_machine IS NOT NULL AND p.by_vcpu IS NULL AND p.by_machine NOT IN (SELECT v.host_machine FROM vcpu v"
         " WHERE v.machine = p.machine)")
    none("name a vCPU's own host thread as a culprit of the host",
         "p.by_vcpu IS NULL AND p.by_tid IN (SELECT v.host_tid FROM vcpu v WHERE v.host_machine = p.by_machine AND"
         " p.ts BETWEEN v.first_ts AND v.last_ts)")
    none("blame the victim itself", "p.by_machine = p.machine AND p.by_vcpu = p.vcpu")
    none("name the thread of a victim without a guest trace",
         "p.tid IS NOT NULL AND p.machine NOT IN (SELECT t.machine FROM trace t)")
    overlaps = check.query(
        "SELECT COUNT(*) AS n FROM (SELECT ts, dur, LEAD(ts) OVER (PARTITION BY machine, vcpu ORDER BY ts) AS nx"
        " FROM preemption) WHERE nx IS NOT NULL AND ts + dur > nx"
    )
    check.same("preemption rows of one vCPU that overlap", overlaps[0]["n"], 0)


def _preemption_is_inside(check):
    """Each row lies inside one vcpu_state interval of its kind (with the sums: covers them, and nothing else)."""
    intervals = {}
    for row in check.query("SELECT machine, vcpu, state, ts, dur FROM vcpu_state WHERE state IN ('preempted', 'waking')"):
        intervals.setdefault((row["machine"], row["vcpu"], row["state"]), []).append((row["ts"], row["ts"] + row["dur"]))
    for list_ in intervals.values():
        list_.sort()
    for row in check.query("SELECT machine, vcpu, kind, ts, dur FROM preemption"):
        own = intervals.get((row["machine"], row["vcpu"], row["kind"]), [])
        index = bisect.bisect_right(own, (row["ts"], float("inf"))) - 1
        if not check.holds(
            index >= 0 and row["ts"] + row["dur"] <= own[index][1],
            f"preemption row at {row['ts']} of {row['machine']}/{row['vcpu']} is in no {row['kind']} interval",
        ):
            break


def _exit_parts(check):
    row = check.query(
        "SELECT COUNT(*) AS n, SUM(handling_ns IS NOT NULL) AS parts, SUM(COALESCE(handling_ns, 0) +"
        " COALESCE(userspace_ns, 0) + COALESCE(halted_ns, 0) + COALESCE(polling_ns, 0) + COALESCE(steal_ns, 0) > dur)"
        " AS over, SUM(MIN(COALESCE(handling_ns, 0), COALESCE(userspace_ns, 0), COALESCE(halted_ns, 0),"
        " COALESCE(polling_ns, 0), COALESCE(steal_ns, 0)) < 0) AS negative FROM vm_exit"
    )[0]
    check.same("vm_exit rows whose parts exceed dur", row["over"], 0)
    check.same("vm_exit rows with a negative part", row["negative"], 0)
    check.holds(row["parts"], "no vm_exit row has its time split")


def _fused(check):
    """The time a vCPU is in guest mode on a pCPU is the time that this pCPU ran guest code of that vCPU."""
    states = check.query(
        "SELECT machine, vcpu, pcpu AS cpu, SUM(dur) AS total FROM vcpu_state WHERE state = 'guest'"
        " GROUP BY machine, vcpu, pcpu"
    )
    fused = check.query(
        "SELECT machine, vcpu, cpu, SUM(dur) AS total FROM fused_cpu WHERE condition = 'guest'"
        " GROUP BY machine, vcpu, cpu"
    )
    wanted = {(r["machine"], r["vcpu"], r["cpu"]): r["total"] for r in states}
    found = {(r["machine"], r["vcpu"], r["cpu"]): r["total"] for r in fused}
    for key in sorted(set(wanted) | set(found), key=str):
        check.same(f"guest time of {key} in fused_cpu", found.get(key, 0), wanted.get(key, 0))


def _losses(check):
    """The laboratory's captures lost nothing, so nothing may be called lossy; and nothing is called damaged."""
    check.same("rows of the loss table", check.query("SELECT COUNT(*) AS n FROM loss")[0]["n"], 0)
    for table, _, _ in TILED:
        check.same(f"lossy rows of {table}", check.query(f"SELECT COUNT(*) AS n FROM {table} WHERE lossy")[0]["n"], 0)
    bad = check.query("SELECT severity, code, place, message FROM issue WHERE severity <> 'info'")
    check.holds(not bad, f"an undamaged capture has issues: {bad[:3]}")


def _states_are_known(check):
    """Only the contract's state names appear."""
    vocabularies = {
        ("vcpu_state", "state"): "off unknown guest hypervisor userspace host_irq polling halted blocked waking preempted"
                                 " stopped emulated",
        ("pcpu_state", "state"): "unknown idle user syscall irq softirq kernel",
        ("fused_cpu", "condition"): "guest hypervisor host unknown",
        ("thread_state", "state"): "unknown user syscall irq runnable preempted blocked fork exited",
        ("thread_state", "effective"): "running hypervisor deprived waiting",
        ("preemption", "kind"): "preempted waking",
        ("clock_sync", "method"): "reference none tsc beacon envelope packets mixed",
        ("clock_sync", "quality"): "exact accurate approximate incomplete absent failed",
    }
    for (table, column), words in vocabularies.items():
        rows = check.query(f"SELECT DISTINCT {column} AS word FROM {table} WHERE {column} IS NOT NULL")
        strange = sorted({row["word"] for row in rows} - set(words.split()))
        check.holds(not strange, f"{table}.{column}: {strange} are not in the contract")


def run(check):
    for table, keys, ends in TILED:
        _tiling(check, table, keys, ends)
    _steal(check)
    _preemption(check)
    _exit_parts(check)
    _fused(check)
    _losses(check)
    _states_are_known(check)
