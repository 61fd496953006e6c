#!/usr/bin/env python3
"""Checks the checks that only the program itself can answer (functions of SQL, wakers): each must notice when one
thing of the program's answers is changed.

  liar.py --virtscope build/virtscope --captures tests/captures [--work DIR] CAPTURE...

The program is asked once; its answers are kept and told again, each time with another lie. Exit code 0: the honest
answers hold and no lie does. 1: a lie went unnoticed, or the honest answers do not hold.
"""

import argparse
import os
import sys

import captures
import check_flow
import check_wakers
import program
import run


class Kept:
    """A program whose answers are kept, and told with a lie when there is one."""

    def __init__(self, asked):
        self.asked = asked
        self.rows = {}
        self.lie = None
        self.told = 0

    def query(self, traces, sql):
        key = (tuple(traces), sql)
        if key not in self.rows:
            self.rows[key] = self.asked.query(traces, sql)
        rows = [dict(row) for row in self.rows[key]]
        if self.lie is None:
            return rows
        lied = self.lie(sql, rows)
        self.told += lied != self.rows[key]
        return lied


def everywhere(column, change, where=lambda row: True):
    """Changes one column of every row that has it."""
    def lie(_sql, rows):
        for row in rows:
            if row.get(column) is not None and where(row):
                row[column] = change(row[column])
        return rows
    return lie


def without(number, needle):
    """Leaves one row out of the answers to questions about `needle`."""
    def lie(sql, rows):
        return rows[:number] + rows[number + 1:] if needle in sql and len(rows) > number + 1 else rows
    return lie


def _stolen(row):
    return row.get("kind") == "vcpu_preempted_by"


# check: [(the lie in words, the lie, captures whose name begins so)]
LIES = {
    check_wakers: [
        ("another waker", everywhere("waker_tid", lambda tid: tid + 1), ""),
        ("wakers of another machine", everywhere("waker_machine", lambda name: name + "x"), ""),
        ("no waker is known", everywhere("waker_tid", lambda _: None), ""),
        ("waits for the disk are called network", everywhere("detail", lambda cause: "network", lambda row: row["detail"] == "disk"),
         "wait"),
    ],
    check_flow: [
        ("a flow is a nanosecond too long", everywhere("flow", lambda ns: ns + 1), ""),
        ("a path is a nanosecond too short", everywhere("path", lambda ns: ns - 1), ""),
        ("a piece of a flow is missing", without(1, "FROM flow("), ""),
        ("a piece of a path is missing", without(1, "FROM critical_path("), ""),
        ("run and hypervisor are exchanged",
         everywhere("kind", lambda kind: {"run": "hypervisor", "hypervisor": "run"}.get(kind, kind)), "twovms"),
        ("each robbery is 5 us longer", everywhere("ns", lambda ns: ns + 5000, _stolen), "twovms"),
        ("the thief is another task", everywhere("exec_comm", lambda _: "innocent", _stolen), "twovms"),
        ("the thief is another machine", everywhere("exec_machine", lambda _: "innocent", _stolen), "twovms"),
    ],
}


def notice(module, capture, kept):
    """[what is wrong] of one check on one capture."""
    kept.lie = None
    wrong, _, compared = run.run_one(module, capture, kept)
    if wrong or not compared:
        return [f"{module.NAME}: the honest answers do not hold: {wrong}"]
    unnoticed = []
    for words, lie, scenario in LIES[module]:
        if not capture.name.startswith(scenario):
            continue
        kept.lie, kept.told = lie, 0
        wrong, _, _ = run.run_one(module, capture, kept)
        if not kept.told:
            unnoticed.append(f"{module.NAME}: no answer could be changed: {words}")
        elif not wrong:
            unnoticed.append(f"{module.NAME} does not notice: {words}")
    return unnoticed


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--virtscope", required=True)
    parser.add_argument("--captures", required=True)
    parser.add_argument("--work", default="out/truth")
    parser.add_argument("names", nargs="+", metavar="CAPTURE")
    options = parser.parse_args()
    asked = program.Program(options.virtscope, os.path.join(options.work, "cache"))
    failed = checked = 0
    for name in options.names:
        capture = captures.Capture(os.path.join(options.captures, name), options.work)
        capture.unpack()
        kept = Kept(asked)
        for module in LIES:
            if not module.applies(capture):
                continue
            checked += 1
            wrong = notice(module, capture, kept)
            failed += bool(wrong)
            print(f"{'FAIL' if wrong else 'ok':4} {name} {module.NAME}", *wrong, sep="\n     ! " if wrong else "")
    return 1 if failed or not checked else 0


if __name__ == "__main__":
    sys.exit(main())
