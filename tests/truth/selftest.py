#!/usr/bin/env python3
"""Checks the checkers: the independent sums against hand-made events and against the laboratory's truth.

  selftest.py [--captures DIR --work DIR] [CAPTURE...]

Needs no virtscope. With it green, a difference that run.py finds is the program's.
"""

import argparse
import bisect
import collections
import os
import sys

import captures
import check_preempt
import check_sync
import check_twovms
import context
import expect
import oracle
import rawtrace
import run


class _Made:
    """A trace whose events are given; read through the same door as a real one."""

    path = "made"
    is_ctf = False

    def __init__(self, events):
        rawtrace._cache[self.path] = [rawtrace.Event(*event) for event in events]


def _switch(ts, cpu, prev, state, following):
    return (ts, cpu, prev, "sched_switch", f"prev_pid={prev} prev_state={state} next_comm=n{following} next_pid={following}")


def _waking(ts, tid, target):
    return (ts, 9, 0, "sched_waking", f"comm=x pid={tid} prio=120 target_cpu={target:03}")


def sums_of_hand_made_events(check):
    schedule = expect.Schedule(_Made([
        _switch(10, 0, 5, 0, 7),      # 5 was there from the start, is preempted by 7
        _switch(30, 0, 7, 1, 5),      # 7 sleeps, 5 is back
        _waking(40, 7, 0),            # 7 wants to run
        _switch(45, 0, 5, 256, 7),    # and gets the CPU
        _switch(60, 0, 7, 130, 0),    # sleeps without being killable
        (80, 0, 0, "irq_handler_entry", "irq=1"),
    ]))
    check.same("on CPU 0", schedule.on_cpu[0], [(10, 10, 5), (10, 30, 7), (30, 45, 5), (45, 60, 7), (60, 80, 0)])
    check.same("waits of 5", schedule.waits[5], [(10, 30, "preempted", 0), (45, 80, "preempted", 0)])
    check.same("waits of 7", schedule.waits[7],
               [(30, 40, "asleep", 0), (40, 45, "waking", 0), (60, 80, "asleep", 0)])
    check.same("stolen from 7 in part", schedule.stolen(7, 42, 44), {"preempted": 0, "waking": 2})
    check.same("thieves of 5", dict(schedule.thieves(5, 0, 80)), {7: 35, 0: 20})
    check.same("running 5", schedule.running(5, 35, 80), 10)


def exits_of_hand_made_events(check):
    def exit_(ts, tid, reason):
        return (ts, 0, tid, "kvm_exit", f"exit_reason={reason} guest_rip=0x1 isa=2")

    trace = _Made([
        (5, 0, 3, "kvm_entry", "vcpu_id=0"), exit_(10, 3, 120), exit_(11, 4, 96), (15, 0, 3, "kvm_entry", "vcpu_id=0"),
        exit_(20, 3, 1024), exit_(21, 3, 1024), (30, 0, 3, "kvm_entry", "vcpu_id=0"), exit_(40, 3, 120),
    ])
    check.same("exits", dict(expect.exits(trace)), {3: [(10, 15, 120), (21, 30, 1024)]})
    check.same("guest intervals", dict(expect.guest_intervals(trace)), {3: [(5, 10), (15, 20), (30, 40)]})
    for code, name, fits in ((0x78, "HLT", True), (0x78, "hlt", True), (0x78, "NPF", False), (0x60, "INTERRUPT", True),
                             (0x4e, "EXCP_PF", True), (0x12345, "0x12345", True), (0x12345, "HLT", False)):
        check.same(f"{name} fits {code:#x}", expect.reason_fits(code, name), fits)


def printed_fields(check):
    check.same("number", rawtrace.number("prev_pid=12 pid=0x1f", "pid"), 31)
    check.same("leading zeros", rawtrace.number("target_cpu=010", "target_cpu"), 10)
    check.same("CTF", rawtrace.number('comm = "a", next_tid = -3', "next_tid"), -3)
    check.same("missing", rawtrace.number("a=1", "b"), None)
    check.same("name", rawtrace.text("comm=CPU 0/KVM pid=3 prio=1", "comm"), "CPU 0/KVM")
    check.same("CTF name", rawtrace.text('comm = "CPU 0/KVM", tid = 3', "comm"), "CPU 0/KVM")


def the_score(check):
    """A check that is wrong, or empty, is not ok."""
    inner = context.Check.__new__(context.Check)
    inner.compared, inner.wrong = 0, []
    check.same("empty", inner.findings(), ["nothing was compared"])
    inner.near("x", 10, 13, 2)
    inner.near("y", None, 13, 2)
    inner.same("z", 1, 2)
    inner.same("w", 2, 2)
    check.same("wrong ones", len(inner.findings()), 3)


def counts_of_the_laboratory(check):
    """The laboratory counted when it made the capture; the same readers count the same now."""
    for machine, trace in check.capture.traces.items():
        found = collections.Counter(event.name for event in rawtrace.events(trace))
        check.same(f"{machine}: events by name", dict(found), check.capture.counts[machine]["events"])


def guest_events_are_in_guest_time(check):
    """With the true clock relation each guest event lies between an entry and an exit of its vCPU."""
    capture = check.capture
    if capture.method == "local":
        return
    for vm, trace in capture.guests.items():
        shift, doubt = check_twovms.guest_to_host(capture, vm)
        intervals = expect.guest_intervals(capture.host)
        outside = covered = 0
        for event in rawtrace.events(trace):
            own = intervals.get(capture.vcpu_tid(vm, event.cpu), [])
            at = event.ts + shift
            if not own or at < own[0][0] or at > own[-1][1]:
                continue
            covered += 1
            begin, end = own[max(0, bisect.bisect_right(own, (at, float("inf"))) - 1)]
            outside += not begin - doubt <= at <= end + doubt
        check.holds(covered > 1000 and outside == 0, f"{vm}: {outside} of {covered} guest events outside guest time")


def the_hog_takes_half(check):
    """preempt-*: what the laboratory found when it made them (hosthog and the vCPU share the pCPU)."""
    if check.capture.scenario != "preempt":
        return
    taken = []
    for _, cpu, begin, end in check_preempt.stays(check.capture):
        for tid, (_, vcpu) in check.capture.vcpu_threads().items():
            running, stolen, _ = check_preempt.shares(check.schedule, tid, begin, end)
            check.near(f"vCPU {vcpu}: running and stolen", running + stolen, 1, 0.02)
            if vcpu == cpu:
                taken.append(stolen)
            else:
                check.holds(stolen < 0.02, f"vCPU {vcpu} lost {stolen:.3f} to a task on the other pCPU")
    check.same("stays", len(taken), 5)
    check.near("median share of the hog", sorted(taken)[2], 0.5, 0.02)


def the_other_vm_takes_the_time(check):
    """twovms-*: the time that vm1's critical task misses is vm2's, and mostly its bursts'."""
    if check.capture.scenario != "twovms":
        return
    shift, _ = check_twovms.guest_to_host(check.capture, "vm1")
    tasks = check_twovms.guest_tasks(check.capture, "vm2")
    threads, by_task = collections.Counter(), collections.Counter()
    for _, begin, end in check_twovms.iterations(check.capture):
        one, two = check_twovms.expected_blame(check, begin + shift, end + shift, tasks)
        threads.update(one)
        by_task.update(two)
    check.holds(threads[("vm2", 0)] > 0.9 * sum(threads.values()) > 0, f"vm1's vCPU 0 lost its time to {threads}")
    check.holds(by_task["burst0"] > 0.5 * sum(by_task.values()), f"vm2's tasks then: {by_task}")


# (check, what a wrong program would do to its tables, for captures whose name begins so)
MUTATIONS = [
    ("events", "DELETE FROM event WHERE rowid = 1000", ""),
    ("events", "UPDATE event SET name = 'kvm_exit' WHERE name = 'sched_waking' AND rowid < 2000", ""),
    ("events", "UPDATE event SET ts = ts + 3 WHERE machine = 'host' AND rowid = 500", ""),
    ("events", "UPDATE event SET cpu = 1 - cpu WHERE machine = 'vm1'", ""),
    ("exits", "DELETE FROM vm_exit WHERE rowid = 100", ""),
    ("exits", "UPDATE vm_exit SET dur = dur + 2 WHERE rowid = 100", ""),
    ("exits", "UPDATE vm_exit SET reason = 'PAUSE' WHERE rowid = 100", ""),
    ("exits", "UPDATE vcpu SET vcpu = 1 - vcpu; UPDATE vm_exit SET vcpu = 1 - vcpu", ""),
    ("invariants", "UPDATE vcpu_state SET dur = dur - 1 WHERE rowid = 50", ""),
    ("invariants", "UPDATE fused_cpu SET dur = dur + 1 WHERE rowid = 50", ""),
    ("invariants", "DELETE FROM thread_state WHERE rowid = 50", ""),
    ("invariants", "UPDATE pcpu_state SET dur = dur - 1 WHERE ts + dur = (SELECT MAX(ts + dur) FROM pcpu_state)", ""),
    ("invariants", "DELETE FROM preemption WHERE rowid = 5", ""),
    ("invariants", "UPDATE preemption SET ts = ts + 1000000000 WHERE rowid = 5", ""),
    ("invariants", "UPDATE preemption SET by_machine = machine, by_vcpu = vcpu WHERE rowid = 5", ""),
    ("invariants", "UPDATE preemption SET by_machine = 'vm1' WHERE by_machine = 'host'", ""),
    ("invariants", "UPDATE vm_exit SET steal_ns = dur + 1 WHERE rowid = 5", ""),
    ("invariants", "UPDATE vcpu_state SET lossy = 1 WHERE rowid = 5", ""),
    ("invariants", "UPDATE vcpu_state SET state = 'root' WHERE rowid = 5", ""),
    ("invariants", "UPDATE fused_cpu SET condition = 'host' WHERE condition = 'guest' AND rowid < 500", ""),
    ("invariants", "INSERT INTO issue(severity, code) VALUES ('warning', 'bad_page')", ""),
    ("threads", "UPDATE thread_state SET state = 'blocked' WHERE state = 'runnable' AND rowid % 20 = 0", ""),
    ("threads", "UPDATE thread_state SET tid = tid + 1000 WHERE machine = 'vm1'", ""),
    ("threads", "UPDATE thread_state SET dur = dur + 100 WHERE state = 'user' AND machine = 'host'", ""),
    ("sync", "UPDATE clock_sync SET offset_ns = offset_ns + 30000, error_ns = 20000 WHERE machine = 'vm1'", ""),
    ("sync", "UPDATE clock_sync SET error_ns = 60000 WHERE machine = 'vm1'", ""),
    ("sync", "UPDATE clock_sync SET outside_after = 0.01 WHERE machine = 'vm1'", ""),
    ("sync", "DELETE FROM clock_sync WHERE machine = 'vm1'", ""),
    ("preempt", "UPDATE preemption SET by_comm = 'ksoftirqd/0'", "preempt"),
    ("preempt", "UPDATE vcpu_state SET state = 'guest' WHERE state = 'preempted' AND rowid / 2 % 2 = 0", "preempt"),
    ("preempt", "UPDATE preemption SET by_machine = 'vm1' WHERE by_machine = 'host'", "preempt"),
    ("twovms", "UPDATE preemption SET by_machine = 'host' WHERE by_machine = 'vm2' AND rowid % 5 = 0", "twovms"),
    ("twovms", "UPDATE preemption SET by_comm = 'burst1' WHERE by_machine = 'vm2'", "twovms"),
    ("twovms", "UPDATE preemption SET dur = dur + 5000 WHERE by_machine = 'vm2'", "twovms"),
    ("twovms", "UPDATE clock_sync SET offset_ns = offset_ns + 3000000 WHERE machine = 'vm1'", "twovms"),
]


# What the stand-in cannot answer: cut files, stored histories, table-valued functions; mutants.py changes answers of those.
BEYOND = ("cuts", "jobs", "flow")


def every_check_can_fail(check):
    """Against the stand-in each check holds; with one fact changed, the check that is there for it does not."""
    if check.capture.name not in ("preempt-lttng", "twovms-lttng"):
        return
    stand_in = oracle.Oracle(check.capture)
    modules = {module.NAME: module for module in run.CHECKS if module.applies(check.capture) and module.NAME not in BEYOND}
    for module in modules.values():
        wrong, _, compared = run.run_one(module, check.capture, stand_in)
        check.holds(compared and not wrong, f"{module.NAME} against the stand-in: {wrong}")
    stand_in.base.commit()
    for name, mutation, scenario in MUTATIONS:
        if name in modules and check.capture.name.startswith(scenario):
            for statement in mutation.split(";"):
                stand_in.base.execute(statement)
            wrong, _, _ = run.run_one(modules[name], check.capture, stand_in)
            stand_in.base.rollback()
            check.holds(wrong, f"{name} does not notice: {mutation}")


FACT_MUTATIONS = [
    ("block", "DELETE FROM block_request WHERE rowid = 7"),
    ("block", "UPDATE block_request SET bytes = 512 WHERE rowid = 7"),
    ("block", "UPDATE block_request SET op = 'write' WHERE rowid = 7"),
    ("block", "UPDATE block_request SET service_ns = service_ns + 2000 WHERE rowid = 7"),
    ("block", "UPDATE block_request SET dur = NULL WHERE rowid = 7"),
    ("block", "UPDATE block_request SET device = 'sda'"),
    ("block", "UPDATE block_request SET vm = NULL"),
    ("net", "DELETE FROM net_packet WHERE rowid = 7"),
    ("net", "UPDATE net_packet SET bytes = bytes - 14 WHERE rowid = 7"),
    ("net", "UPDATE net_packet SET direction = 'tx'"),
    ("net", "UPDATE net_packet SET vm = NULL"),
    ("net", "UPDATE net_packet SET ts = ts + 1000 WHERE machine = 'host'"),
    ("net", "DELETE FROM net_wakeup WHERE rowid = 7"),
    ("net", "UPDATE net_wakeup SET from_tid = from_tid + 1 WHERE rowid = 7"),
    ("net", "UPDATE net_wakeup SET from_machine = machine WHERE rowid = 7"),
    ("net", "UPDATE net_wakeup SET ts = ts - 1000, dur = dur + 1000 WHERE rowid = 7"),
]


def requests_and_packets_can_fail(check):
    if check.capture.name != "wait-lttng":
        return
    stand_in = oracle.Oracle(check.capture)
    stand_in.requests_and_packets()
    stand_in.base.commit()
    modules = {module.NAME: module for module in run.CHECKS}
    for name in ("block", "net"):
        wrong, _, compared = run.run_one(modules[name], check.capture, stand_in)
        check.holds(compared and not wrong, f"{name} against the stand-in: {wrong}")
    for name, mutation in FACT_MUTATIONS:
        stand_in.base.execute(mutation)
        wrong, _, _ = run.run_one(modules[name], check.capture, stand_in)
        stand_in.base.rollback()
        check.holds(wrong, f"{name} does not notice: {mutation}")


WITHOUT = [sums_of_hand_made_events, exits_of_hand_made_events, printed_fields, the_score]
WITH = [counts_of_the_laboratory, guest_events_are_in_guest_time, the_hog_takes_half, the_other_vm_takes_the_time,
        every_check_can_fail, requests_and_packets_can_fail]


class _Score(context.Check):
    def __init__(self, capture=None):
        if capture:
            super().__init__(capture, None)
        else:
            self.compared, self.wrong = 0, []


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--captures")
    parser.add_argument("--work", default="out/truth")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    scores = []
    if options.captures:
        for name in captures.find(options.captures, options.names):
            capture = captures.Capture(os.path.join(options.captures, name), options.work)
            capture.unpack()
            score = _Score(capture)
            for test in WITH:
                test(score)
            scores.append((name, score))
    else:
        score = _Score()
        for test in WITHOUT:
            test(score)
        scores.append(("made", score))
        assert len({check.NAME for check in run.CHECKS}) == len(run.CHECKS)
        assert check_sync.ERROR_BOUND_NS <= 50_000
    failed = 0
    for name, score in scores:
        wrong = score.findings()
        failed += bool(wrong)
        print(f"{'FAIL' if wrong else 'ok':4} {name}: {score.compared} comparisons", *wrong, sep="\n     ! " if wrong else "")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
