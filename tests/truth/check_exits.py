"""Every VM exit: begin, length and reason of each one of each vCPU thread, by perf's definition, from the raw
kvm_exit and kvm_entry records; then the sums that `stat` prints."""

import collections

import expect

NAME = "exits"


def applies(_capture):
    return True


def _rows_by_thread(check):
    """{host tid: [(ts, dur, reason)]}; a vCPU that changed its thread is told apart by the time it had each."""
    rows = check.query(
        "SELECT v.host_tid AS tid, e.ts, e.dur, e.reason FROM vm_exit e JOIN vcpu v"
        " ON v.machine = e.machine AND v.vcpu = e.vcpu AND e.ts >= v.first_ts AND e.ts <= v.last_ts"
        " ORDER BY v.host_tid, e.ts"
    )
    out = collections.defaultdict(list)
    for row in rows:
        out[row["tid"]].append((row["ts"], row["dur"], row["reason"]))
    total = check.query("SELECT COUNT(*) AS n FROM vm_exit")[0]["n"]
    check.same("vm_exit rows that belong to exactly one vCPU thread", len(rows), total)
    return out


def _compare_thread(check, tid, found, wanted):
    timeline = check.timeline
    tolerance = 2 if timeline.ticks else 0
    # The last exit may have no next entry: a row up to the vCPU's end that perf does not count.
    check.holds(
        len(found) - len(wanted) in (0, 1),
        f"tid {tid}: {len(found)} exits, independently {len(wanted)} (and at most one without an entry after it)",
    )
    for index, (mine, theirs) in enumerate(zip(found, wanted)):
        place = f"tid {tid}, exit {index}"
        ok = check.near(f"{place}: ts", mine[0], timeline.at(theirs.begin), tolerance)
        ok &= check.near(f"{place}: dur", mine[1], timeline.length(theirs.end - theirs.begin), tolerance / 2)
        ok &= check.holds(
            expect.reason_fits(theirs.reason, mine[2] or ""),
            f"{place}: reason {mine[2]!r} for exit code {theirs.reason:#x}",
        )
        if not ok:
            break


def _sums(exits):
    """{(tid, reason code): [count, total, min, max]}"""
    out = {}
    for tid, list_ in exits.items():
        for one in list_:
            length = one.end - one.begin
            row = out.setdefault((tid, one.reason), [0, 0, length, length])
            row[0] += 1
            row[1] += length
            row[2] = min(row[2], length)
            row[3] = max(row[3], length)
    return out


def _add(one, two):
    if one is None:
        return two
    return [one[0] + two[0], one[1] + two[1], min(one[2], two[2]), max(one[3], two[3])]


def _column(row, *names):
    for name in names:
        if row.get(name) is not None:
            return row[name]
    return None


def _compare_stat(check, exits, vcpus):
    """`stat` has a row per (machine, reason), or per (machine, vcpu, reason); names of its columns are those of its documentation."""
    rows = check.program.json("stat", check.traces).rows
    found = [r for r in rows if r.get("reason") not in (None, "")]
    by_vcpu = any(r.get("vcpu") is not None for r in found)
    wanted = {}
    for (tid, code), row in _sums(exits).items():
        if tid in vcpus:
            machine, vcpu = vcpus[tid]
            key = (machine, vcpu if by_vcpu else None, code)
            wanted[key] = _add(wanted.get(key), row)
    seen = 0
    for row in found:
        fitting = [
            key for key in wanted
            if key[:2] == (row["machine"], row.get("vcpu")) and expect.reason_fits(key[2], row["reason"])
        ]
        if not check.holds(len(fitting) == 1, f"stat: {len(fitting)} exit codes fit its row {row}"):
            continue
        seen += 1
        count, total, low, high = wanted[fitting[0]]
        length = check.timeline.length
        slack = count if check.timeline.ticks else 0
        what = f"stat: {row['machine']}/{row.get('vcpu')} {row['reason']}"
        check.same(f"{what}: count", _column(row, "count", "samples"), count)
        check.near(f"{what}: total", _column(row, "total_ns", "time_ns", "total"), length(total), slack)
        check.near(f"{what}: min", _column(row, "min_ns", "min"), length(low), min(1, slack))
        check.near(f"{what}: max", _column(row, "max_ns", "max"), length(high), min(1, slack))
    check.same("stat: rows per (machine, reason)", seen, len(wanted))


def run(check):
    wanted = expect.exits(check.capture.host)
    found = _rows_by_thread(check)
    check.same("threads with exits", sorted(found), sorted(wanted))
    known = check.capture.vcpu_threads()
    check.holds(set(wanted) <= set(known), f"threads {sorted(set(wanted) - set(known))} are no vCPU by their names")
    for tid in sorted(set(found) & set(wanted)):
        _compare_thread(check, tid, found[tid], wanted[tid])
    _compare_stat(check, wanted, check.vcpus())
    for tid, (machine, vcpu) in check.vcpus().items():
        if tid in known:
            check.same(f"tid {tid} of {machine}: vCPU number", vcpu, known[tid][1])
