"""preempt-*: a host task hops between the pCPUs of two vCPUs; shares and the culprit for each stay."""

import rawtrace

NAME = "preempt"
POINTS = 0.005  # half a percentage point of the stay


def applies(capture):
    return capture.scenario == "preempt"


def local_minus_mono_ns(trace):
    """For the clock `local`: hrtimer_expire_entry carries CLOCK_MONOTONIC; the least lag is the offset."""
    return min(event.ts - rawtrace.number(event.args, "now") for event in rawtrace.select(trace, "hrtimer_expire_entry"))


def stays(capture):
    """[(number, pCPU, begin, end)] of hosthog, in the host's own time."""
    shift = rawtrace.epoch_shift_ns(capture.host)
    if capture.method == "local":
        shift = local_minus_mono_ns(capture.host)
    for record in capture.records("host", "hosthog", "iter"):
        if capture.is_ticks:
            yield record["i"], record["cpu"], record["tsc0"], record["tsc1"]
        else:
            begin = record["mono0"] + shift
            yield record["i"], record["cpu"], begin, begin + record["ns"]


def shares(schedule, tid, begin, end):
    """(on a CPU, stolen, {thief: share}) as shares of the window."""
    length = end - begin
    stolen = sum(schedule.stolen(tid, begin, end).values())
    thieves = {who: time / length for who, time in schedule.thieves(tid, begin, end).items()}
    return schedule.running(tid, begin, end) / length, stolen / length, thieves


def _program_shares(check, machine, vcpu, begin, end):
    inside = f"MAX(0, MIN(ts + dur, {end}) - MAX(ts, {begin}))"
    row = check.query(
        f"SELECT SUM(CASE WHEN state IN ('guest', 'hypervisor', 'userspace', 'host_irq', 'polling', 'emulated') THEN"
        f" {inside} ELSE 0 END) AS running, SUM(CASE WHEN state IN ('preempted', 'waking') THEN {inside} ELSE 0 END) AS"
        f" stolen FROM vcpu_state WHERE machine = '{machine}' AND vcpu = {vcpu} AND ts < {end} AND ts + dur > {begin}"
    )[0]
    hog = check.query(
        f"SELECT COALESCE(SUM({inside}), 0) AS n FROM preemption WHERE machine = '{machine}' AND vcpu = {vcpu} AND"
        f" by_comm = 'hosthog' AND by_machine = '{check.host_name}' AND ts < {end} AND ts + dur > {begin}"
    )[0]["n"]
    length = end - begin
    return row["running"] / length, row["stolen"] / length, hog / length


def run(check):
    hog_tid = check.capture.truth["tasks"]["host"]["hosthog"]["tid"]
    machine = check.machine_of("vm1")
    for number, cpu, begin, end in stays(check.capture):
        low, high = round(check.timeline.at(begin)), round(check.timeline.at(end))
        for tid, (_, vcpu) in sorted(check.capture.vcpu_threads().items()):
            running, stolen, thieves = shares(check.schedule, tid, begin, end)
            mine = _program_shares(check, machine, vcpu, low, high)
            what = f"stay {number} of hosthog on pCPU {cpu}, vCPU {vcpu}"
            check.near(f"{what}: running", mine[0], running, POINTS)
            check.near(f"{what}: stolen", mine[1], stolen, POINTS)
            check.near(f"{what}: taken by hosthog", mine[2], thieves.get(hog_tid, 0), POINTS)
            if vcpu == cpu:
                check.note(f"{number}: {mine[1]:.3f} stolen, {mine[2]:.3f} by hosthog")
                check.holds(mine[2] > 0.9 * mine[1] > 0, f"{what}: hosthog is not named as the main culprit")
