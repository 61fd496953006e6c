"""Every event is there: number, name, CPU and time of each equal what babeltrace2 or trace-cmd prints."""

import collections

import rawtrace

NAME = "events"


def applies(_capture):
    return True


def _trace_ids(check):
    """{our trace: the program's row}, matched by path."""
    rows = check.query("SELECT trace, machine, path, events, begin_ts, end_ts, lost_events FROM trace")
    out = {}
    for trace in check.capture.traces.values():
        mine = [row for row in rows if row["path"].rstrip("/").startswith(trace.path.rstrip("/"))]
        if check.holds(len(mine) == 1, f"{trace.machine}: {len(mine)} rows in the trace table for its path"):
            out[trace.machine] = mine[0]
    check.same("rows of the trace table", len(rows), len(check.capture.traces))
    return out


def _compare_counts(check, trace, row, raw):
    wanted = collections.Counter(event.name for event in raw)
    found = {
        r["name"]: r["n"]
        for r in check.query(f"SELECT name, COUNT(*) AS n FROM event WHERE trace = {row['trace']} GROUP BY name")
    }
    for name in sorted(set(wanted) | set(found)):
        check.same(f"{trace.machine}: events named {name}", found.get(name, 0), wanted.get(name, 0))
    check.same(f"{trace.machine}: events in the trace table", row["events"], len(raw))


def _compare_order(check, trace, row, raw):
    """Per CPU the same names in the same order; for the host also the same times."""
    wanted = collections.defaultdict(list)
    for event in raw:
        wanted[event.cpu].append(event)
    found = collections.defaultdict(list)
    for ts, cpu, name in check.query_csv(f"SELECT ts, cpu, name FROM event WHERE trace = {row['trace']}"):
        found[int(cpu)].append((int(ts), name))
    check.same(f"{trace.machine}: CPUs with events", sorted(found), sorted(wanted))
    for cpu in sorted(set(found) & set(wanted)):
        for index, (mine, theirs) in enumerate(zip(found[cpu], wanted[cpu])):
            place = f"{trace.machine}: event {index} of CPU {cpu}"
            if not check.holds(mine[1] == theirs.name, f"{place} is {mine[1]}, independently {theirs.name}"):
                break
            if trace.machine == "host":
                at = check.timeline.at(theirs.ts)
                if not check.near(f"{place} ({theirs.name}): ts", mine[0], at, 2 if check.timeline.ticks else 0):
                    break


def run(check):
    ids = _trace_ids(check)
    for machine, row in ids.items():
        trace = check.capture.traces[machine]
        raw = rawtrace.events(trace)
        _compare_counts(check, trace, row, raw)
        _compare_order(check, trace, row, raw)
