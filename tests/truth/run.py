#!/usr/bin/env python3
"""Compares the program's answers with sums made independently from real captures and with their truth.

  run.py --virtscope build/virtscope --captures tests/captures [--work DIR] [--check NAME]... [CAPTURE...]
  run.py --unpack --captures DIR --work DIR          only unpacks the LTTng captures
  run.py --list --captures DIR                       names of the checks that apply, per capture

Exit code 0: everything is equal. 1: something is not, or a check found nothing to compare.
"""

import argparse
import os
import shutil
import sys
import time

import captures
import check_block
import check_cuts
import check_disk
import check_events
import check_exits
import check_flow
import check_invariants
import check_jobs
import check_net
import check_preempt
import check_scenes
import check_sync
import check_threads
import check_twovms
import check_waits
import check_wakers
import context
import program

CHECKS = [
    check_events, check_exits, check_invariants, check_threads, check_sync, check_preempt, check_twovms, check_scenes,
    check_cuts, check_block, check_disk, check_net, check_wakers, check_flow, check_waits, check_jobs,
]


def arguments(argv):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    here = os.path.dirname(os.path.abspath(__file__))
    parser.add_argument("--virtscope", help="the program", default=os.environ.get("VIRTSCOPE"))
    parser.add_argument("--captures", help="folder of captures", default=os.path.join(here, "..", "captures"))
    parser.add_argument("--work", help="folder for unpacked traces and the cache", default="out/truth")
    parser.add_argument("--check", action="append", choices=[check.NAME for check in CHECKS], default=[])
    parser.add_argument("--unpack", action="store_true")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("names", nargs="*", metavar="CAPTURE")
    return parser.parse_args(argv)


def run_one(module, capture, tested):
    """(findings, what was measured, number of comparisons)"""
    check = context.Check(capture, tested)
    try:
        module.run(check)
    except (context.Finding, program.ProgramError) as error:
        check.wrong.insert(0, str(error))
    except (KeyError, TypeError) as error:
        # A column that is not there or NULL where the contract has a value.
        check.wrong.insert(0, f"the answer lacks something: {type(error).__name__}: {error}")
    return check.findings(), check.measured, check.compared


def main(argv=None):
    options = arguments(argv)
    found = [
        captures.Capture(os.path.join(options.captures, name), options.work)
        for name in captures.find(options.captures, options.names)
    ]
    modules = [check for check in CHECKS if not options.check or check.NAME in options.check]
    if options.list:
        for capture in found:
            print(capture.name, *(check.NAME for check in modules if check.applies(capture)))
        return 0
    for capture in found:
        capture.unpack()
    if options.unpack:
        # States that a program of before stored would be judged in place of this one's.
        shutil.rmtree(os.path.join(options.work, "cache"), ignore_errors=True)
        return 0
    if not options.virtscope:
        raise SystemExit("run.py: --virtscope PATH is missing")
    tested = program.Program(options.virtscope, os.path.join(options.work, "cache"))
    failed = done = 0
    for capture in found:
        for module in modules:
            if not module.applies(capture):
                continue
            begin = time.monotonic()
            wrong, measured, compared = run_one(module, capture, tested)
            done += 1
            failed += bool(wrong)
            seconds = time.monotonic() - begin
            print(f"{'FAIL' if wrong else 'ok':4} {capture.name} {module.NAME}: {compared} comparisons, {seconds:.1f} s")
            for line in measured:
                print(f"       {line}")
            for line in wrong:
                print(f"     ! {line}")
            sys.stdout.flush()
    print(f"{done - failed} of {done} checks hold")
    return 1 if failed or not done else 0


if __name__ == "__main__":
    sys.exit(main())
