"""Clock maps against the true relation of the clocks, which the laboratory measured beside the traces."""

import math

import rawtrace

NAME = "sync"
ERROR_BOUND_NS = 50_000
# Where the clocks are joined by estimates, a map may put this share of the guest's events just outside.
OUTSIDE_SHARE = 0.001


def applies(capture):
    return bool(capture.guests)


def capture_is_exact(capture):
    """Ticks have an offset that is a constant; with the clock `local` there is nothing else to compare with."""
    return capture.is_ticks or capture.method == "local"


def true_offset(check, vm):
    """(what to add to the guest's own timestamp to get the host timeline, how far that may be off), or None.

    Ticks: the guest's TSC offset, exact, in ns by the host timeline's own rate. CLOCK_MONOTONIC: the measured
    offset; in a CTF trace each side has moved its clock to the epoch by an offset of its own, which is undone.
    """
    capture = check.capture
    shift = check.timeline.begin - (
        check.timeline.first * check.timeline.ns_per_tick if capture.is_ticks else check.timeline.first
    )
    if capture.is_ticks:
        offset = capture.tsc_offset(vm)
        # Our rate is known to a ns over the trace's length, and is used over longer distances.
        doubt = 2 + (abs(offset) + check.timeline.first) / (check.timeline.last - check.timeline.first)
        return -offset * check.timeline.ns_per_tick + shift, doubt
    if capture.method == "local" or capture.mono_offset(vm) is None:
        return None
    offset, doubt = capture.mono_offset(vm)
    to_guest = rawtrace.epoch_shift_ns(capture.guests[vm])
    to_host = rawtrace.epoch_shift_ns(capture.host)
    return -(offset + to_guest) + to_host + shift, doubt


def _compare_segment(check, vm, row):
    what = f"{vm}, segment {row['segment']}"
    truth = true_offset(check, vm)
    error = row["error_ns"]
    if not check.holds(error is not None and math.isfinite(error), f"{what}: error_ns is {error}"):
        return
    check.holds(error < ERROR_BOUND_NS, f"{what}: error_ns {error} is not below {ERROR_BOUND_NS}")
    if capture_is_exact(check.capture):
        check.same(f"{what}: outside_after", row["outside_after"], 0)
    else:
        check.near(f"{what}: outside_after", row["outside_after"], 0, OUTSIDE_SHARE)
    check.holds(row["quality"] in ("exact", "accurate"), f"{what}: quality is {row['quality']}")
    if truth is not None:
        wanted, doubt = truth
        check.note(f"{vm}: {row['method']}, off by {row['offset_ns'] - wanted:+.0f} ns, bound {error} ns")
        check.near(f"{what}: offset_ns", row["offset_ns"], wanted, error + doubt)
    else:
        check.note(f"{vm}: {row['method']}, bound {error} ns")


def run(check):
    rows = check.query("SELECT * FROM clock_sync ORDER BY machine, segment")
    host = [row for row in rows if row["machine"] == check.host_name]
    check.same("the host's method", [row["method"] for row in host], ["reference"])
    for vm in check.capture.guests:
        name = check.machine_of(vm)
        mine = [row for row in rows if row["machine"] == name]
        check.holds(mine, f"{vm}: no row in clock_sync")
        for row in mine:
            _compare_segment(check, vm, row)
        if check.capture.is_ticks:
            methods = {row["method"] for row in mine}
            check.same(f"{vm}: method", methods, {"tsc"})
    answer = check.program.json("sync", check.traces)
    check.holds(isinstance(answer.rows, list) and answer.rows, "sync --format json has no rows")
