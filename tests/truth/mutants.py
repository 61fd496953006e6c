#!/usr/bin/env python3
"""Checks that need the program itself (functions of tables, wakers) against a program that answers wrongly.

  mutants.py --virtscope FILE --captures DIR --work DIR

Each check holds against the program's own answers, and no longer when one thing in them is changed on the way.
"""

import argparse
import os
import sys

import captures
import program
import run


class Mutant:
    """The program; rows of the questions that name `table`, or of the command of that name, pass through `change`, which
    says whether it changed one."""

    def __init__(self, inner, table, change):
        self._inner, self._table, self._change = inner, table, change
        self.changed = 0

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def query(self, traces, sql):
        rows = self._inner.query(traces, sql)
        if self._table in sql:
            self.changed += sum(bool(self._change(row)) for row in rows)
        return rows

    def json(self, command, traces, *options):
        answer = self._inner.json(command, traces, *options)
        if self._table == command:
            self.changed += sum(bool(self._change(row)) for row in answer.rows)
        return answer


class Recorded:
    """Asks the program once for each question."""

    def __init__(self, inner):
        self._inner, self._known = inner, {}

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def query(self, traces, sql):
        key = tuple(traces), sql
        if key not in self._known:
            self._known[key] = self._inner.query(traces, sql)
        return [dict(row) for row in self._known[key]]

    def json(self, command, traces, *options):
        key = command, tuple(traces), options
        if key not in self._known:
            self._known[key] = self._inner.json(command, traces, *options)
        known = self._known[key]
        return program.Answer(known.code, [dict(row) for row in known.rows])


def once(change):
    """Only the first row that `change` can change."""
    done = []

    def first(row):
        if done or not change(row):
            return False
        done.append(row)
        return True

    return first


def setting(column, value, where=lambda row: True):
    def change(row):
        if row.get(column) is None or not where(row):
            return False
        new = value(row[column]) if callable(value) else value
        changed, row[column] = new != row[column], new
        return changed

    return change


def _is(column, value):
    return lambda row: row.get(column) == value


# (check, capture, the table that the question names or the command, what is changed, in words)
MUTANTS = [
    ("wakers", "wait-lttng", "waker_tid", setting("waker_tid", lambda tid: tid + 1, _is("detail", "disk")),
     "wakers out of a disk's interrupts are another thread"),
    ("wakers", "wait-lttng", "waker_tid", setting("waker_machine", "vm9"), "wakers are of another machine"),
    ("wakers", "wait-lttng", "t.comm = 'wdisk'", setting("detail", "timer"), "disk waits are called a timer's"),
    ("wakers", "wait-lttng", "t.comm = 'wclient'", setting("detail", "task"), "network waits are called a task's"),
    ("flow", "twovms-lttng", "SUM(dur) FROM flow(", once(setting("flow", lambda ns: ns + 1)), "a flow is 1 ns too long"),
    ("flow", "twovms-lttng", "critical_path(t.machine", once(setting("path", lambda ns: ns - 1)), "a path is 1 ns too short"),
    ("flow", "twovms-lttng", "critical_path(t.machine", once(setting("result", lambda ns: ns - 1)),
     "an unbounded path is 1 ns too short"),
    ("flow", "twovms-lttng", "kind AS word", once(setting("dur", lambda ns: ns + 1)), "a piece overlaps the next"),
    ("flow", "twovms-lttng", "label AS word", once(setting("ts", lambda ns: ns + 1)), "a piece of a path begins late"),
    ("flow", "twovms-lttng", "GROUP BY 1, 2", once(setting("n", lambda ns: ns + 1, _is("kind", "hypervisor"))),
     "hypervisor time is 1 ns too long"),
    ("flow", "twovms-lttng", "exec_comm", setting("exec_comm", "burst1", _is("exec_comm", "burst0")),
     "the culprit is another task"),
    ("flow", "twovms-lttng", "exec_comm", setting("kind", "run", _is("kind", "vcpu_preempted_by")),
     "stolen time is called running"),
    ("disk", "disk-contended-lttng", "why", setting("ahead_ns", lambda ns: ns * 9 // 10), "less was ahead"),
    ("disk", "disk-contended-lttng", "why", setting("total_ns", lambda ns: ns * 9 // 10, _is("section", "disk_culprit")),
     "neighbours were in the way for less"),
    ("disk", "disk-contended-lttng", "why", setting("own_ns", lambda ns: ns * 101 // 100), "own requests were there for longer"),
    ("disk", "disk-contended-lttng", "why", setting("comm", "other", _is("section", "disk_culprit")),
     "the neighbour's task is another"),
    ("disk", "disk-contended-lttng", "why", setting("machine", "host", _is("section", "disk_culprit")),
     "the neighbour is the host"),
    ("disk", "disk-contended-lttng", "why", setting("headline", lambda text: text.split(";")[0]), "the headline blames nobody"),
    ("net", "wait-lttng", "FROM net_wakeup", once(setting("ts", lambda ns: ns + 3)), "a packet is sent 3 ns late"),
    ("net", "wait-lttng", "FROM net_wakeup", once(setting("from_tid", lambda tid: tid + 1)), "a packet has another sender"),
    ("flow", "twovms-lttng", "exec_vcpu", setting("exec_vcpu", lambda vcpu: vcpu + 1), "from the host alone: another vCPU"),
]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for option in ("--virtscope", "--captures", "--work"):
        parser.add_argument(option, required=True)
    options = parser.parse_args()
    modules = {module.NAME: module for module in run.CHECKS}
    asked = Recorded(program.Program(options.virtscope, os.path.join(options.work, "cache")))
    wrong, opened = [], {}
    for name, capture_name, table, change, words in MUTANTS:
        if capture_name not in opened:
            opened[capture_name] = captures.Capture(os.path.join(options.captures, capture_name), options.work)
            opened[capture_name].unpack()
        capture = opened[capture_name]
        key = name, capture_name
        if key not in opened:
            opened[key], _, compared = run.run_one(modules[name], capture, asked)
            if opened[key] or not compared:
                wrong.append(f"{name} on {capture_name} does not hold unchanged: {opened[key]}")
        mutant = Mutant(asked, table, change)
        found, _, _ = run.run_one(modules[name], capture, mutant)
        if not mutant.changed:
            wrong.append(f"{name}: nothing was changed for: {words}")
        elif not found:
            wrong.append(f"{name} does not notice: {words}")
    print("\n".join(wrong) or f"ok: {len(MUTANTS)} wrong answers were noticed")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
