#!/usr/bin/env python3
"""`make bench`: ours, the peers that this machine has, and the floor, on the same input in the same run.

  run.py --build build-bench [--quick] [--scale X] [--rounds N] [--only GROUP[,GROUP]] [--json FILE] [--markdown FILE]

Prints one table. docs/performance.md says how to read it. Inputs are made once and kept below --data (default:
BUILD/bench-data); they take up to 6 GB at full scale. --quick is --scale 0.005 --rounds 1: it shows that everything
runs, not how fast. Exit code: 0 when every program that was built ran, 1 when one failed or an input could not be made,
2 for wrong use. Missing a target is no error.
"""

import argparse
import os
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "harness"))

import measure  # noqa: E402
import table  # noqa: E402
from data import Data  # noqa: E402
from programs import Programs, machine, versions  # noqa: E402
from rows import measure_rows  # noqa: E402
from suite import Suite  # noqa: E402

QUICK_SCALE = 0.005
ROUNDS = 5


def parse(argv):
    captures = os.path.join(os.path.dirname(HERE), "tests", "captures")
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--build", required=True, help="build folder with the benchmarks")
    parser.add_argument("--data", help="where inputs are kept (default: BUILD/bench-data)")
    parser.add_argument("--quick", action="store_true", help="small inputs, one round: does it work?")
    parser.add_argument("--scale", type=float, default=1.0, help="size of the inputs")
    parser.add_argument("--rounds", type=int, help=f"runs of each contestant (default {ROUNDS})")
    parser.add_argument("--only", help="these groups: " + ", ".join(name for name, _ in Suite.groups(_Blank())))
    parser.add_argument("--no-instructions", action="store_true", help="leave the counting of instructions out")
    parser.add_argument("--real-ctf", default=os.path.join(captures, "twovms-lttng"), metavar="CAPTURE")
    parser.add_argument("--real-dat", default=os.path.join(captures, "twovms-tsc"), metavar="CAPTURE")
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--markdown", metavar="FILE")
    options = parser.parse_args(argv)
    if options.quick:
        options.scale = QUICK_SCALE
    options.rounds = options.rounds or (1 if options.quick else ROUNDS)
    if options.scale <= 0 or options.rounds < 1:
        parser.error("scale and rounds are positive")
    return options


class _Blank:
    """Stands in for a Suite where only the names of its groups are wanted."""

    def __getattr__(self, name):
        return None


def wanted_groups(suite, only):
    groups = suite.groups()
    if not only:
        return groups
    names = only.split(",")
    unknown = set(names) - {name for name, _ in groups}
    if unknown:
        raise SystemExit(f"run.py: no group {', '.join(sorted(unknown))}")
    return [(name, make) for name, make in groups if name in names]


def say(text):
    print("  " + text, file=sys.stderr, flush=True)


def measure_all(options, scratch):
    programs = Programs(options.build)
    if programs.virtscope is None:
        raise SystemExit(f"run.py: {options.build} has no virtscope; build it first (make bench does)")
    data = Data(options.data or os.path.join(options.build, "bench-data"), programs,
                {"ctf": options.real_ctf, "dat": options.real_dat}, options.scale)
    counter = "" if options.no_instructions else measure.counter()
    suite = Suite(programs, data, counter, scratch)
    results = []
    for name, make in wanted_groups(suite, options.only):
        print(name, file=sys.stderr, flush=True)
        try:
            results += measure_rows(suite.rows_of(name, make), options.rounds, say)
        except (OSError, RuntimeError, ValueError) as reason:  # the other groups are worth their time
            suite.skipped.append((name, f"failed: {reason}"))
    return results, suite, counter


def report(options, results, suite, counter, begin):
    how = {"perf": "by the machine's counter", "cachegrind": "by cachegrind on 50,000 and 150,000 events"}
    about = {"machine": machine(), "scale": options.scale, "rounds": options.rounds, "peers": versions(),
             "instructions": how.get(counter, "not counted"), "seconds": round(time.monotonic() - begin)}
    print(f"\n{about['machine']}")
    print("peers: " + ", ".join(f"{name} {version}" for name, version in about["peers"].items()))
    print(f"CPU time (user and system) unless a row says wall; medians of {options.rounds} interleaved runs; "
          f"instructions per event {about['instructions']}; [figures] of peers that are no package were measured "
          f"elsewhere")
    if options.scale != 1:
        print(f"inputs at {options.scale:g} of their size: NOT the targets' inputs")
    print()
    print(table.text(results))
    print("\n" + table.summary(results))
    for name, why in suite.skipped:
        print(f"left out: {name}: {why}")
    if options.json:
        with open(options.json, "w", encoding="utf-8") as handle:
            handle.write(table.as_json(results, about))
    if options.markdown:
        with open(options.markdown, "w", encoding="utf-8") as handle:
            handle.write(table.markdown(results) + "\n")


def main(argv=None):
    options = parse(argv)
    begin = time.monotonic()
    os.makedirs(options.build, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=options.build, prefix="bench-") as scratch:
        results, suite, counter = measure_all(options, scratch)
    report(options, results, suite, counter, begin)
    failures = [error for result in results for _, _, summary in result.summaries
                if (error := summary.error) and error != "not built"]
    return 1 if suite.skipped or failures else 0


if __name__ == "__main__":
    sys.exit(main())
