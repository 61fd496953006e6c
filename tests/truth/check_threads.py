"""How long each thread of each machine ran, was runnable and was preempted, in thread_state, against sums over the
raw sched_switch and sched_waking of that machine's own trace."""

import check_twovms
import rawtrace
import expect

NAME = "threads"
# A guest's durations pass through a clock map whose drift is an estimate.
DRIFT = 20e-6
STATES = {"running": "'user', 'syscall', 'irq'", "preempted": "'preempted'", "waking": "'runnable'"}


def applies(_capture):
    return True


def _window(schedule):
    """From when every CPU has switched once, so that who was there before need not be guessed, to the end."""
    return max(min(begin for begin, _, tid in stays) for stays in schedule.on_cpu.values()), schedule.last


def _to_timeline(check, machine, name):
    """A function from a machine's own timestamp to the host timeline, by the program's own map."""
    if machine == "host":
        return check.timeline.at
    row = check.query(f"SELECT * FROM clock_sync WHERE machine = '{name}' ORDER BY segment LIMIT 1")[0]
    scale = check.timeline.ns_per_tick if check.capture.is_ticks else 1
    return lambda own: check_twovms.map_own(row, own * scale)


def _program_sums(check, name, begin, end):
    inside = f"MIN(ts + dur, {end}) - MAX(ts, {begin})"
    sums = ", ".join(
        f"SUM(CASE WHEN state IN ({states}) THEN {inside} ELSE 0 END) AS {word}" for word, states in STATES.items()
    )
    # What a thread was in when the trace began is recovered from what came later; raw sums do not know it.
    sums = sums.replace("state IN ('runnable')",
                        "state = 'runnable' AND ts > (SELECT MIN(begin_ts) FROM trace AS t"
                        f" WHERE t.machine = '{name}')")
    rows = check.query(
        f"SELECT tid, COUNT(*) AS n, {sums} FROM thread_state WHERE machine = '{name}' AND ts < {end}"
        f" AND ts + dur > {begin} GROUP BY tid"
    )
    return {row["tid"]: row for row in rows}


def _compare(check, machine, trace):
    name = check.host_name if machine == "host" else check.machine_of(machine)
    schedule = check.schedule if machine == "host" else expect.Schedule(trace)
    begin, end = _window(schedule)
    at = _to_timeline(check, machine, name)
    found = _program_sums(check, name, round(at(begin)), round(at(end)))
    exact = machine == "host" and not check.capture.is_ticks
    for tid in sorted(schedule.runs):
        if tid == 0:
            continue
        row = found.get(tid)
        ran = schedule.running(tid, begin, end)
        if ran == 0:
            continue
        if not check.holds(row is not None, f"{machine}: tid {tid} ({schedule.comm.get(tid)}) is not in thread_state"):
            continue
        wanted = {"running": ran, **schedule.stolen(tid, begin, end)}
        for word, raw in wanted.items():
            length = check.timeline.length(raw)
            slack = 0 if exact else 2 * row["n"] + DRIFT * length
            check.near(f"{machine}: tid {tid} ({schedule.comm.get(tid)}) {word}, ns", row[word], length, slack)


def _guest_of_hotplug(capture, machine):
    """A CPU that came later has no switch at the begin; its first one is late and the window with it."""
    return capture.scenario == "hotplug" and machine != "host"


def run(check):
    for machine, trace in check.capture.traces.items():
        if rawtrace.select(trace, "sched_switch") and not _guest_of_hotplug(check.capture, machine):
            _compare(check, machine, trace)
