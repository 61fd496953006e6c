#!/usr/bin/env python3
"""`make bench QUICK=1` in short: the harness makes its inputs, runs every group whose programs this build has, and
prints a table that says what it measured. Times are not judged.

  quick_test.py --build FOLDER --work FOLDER
"""

import argparse
import json
import os
import shutil
import subprocess
import sys

RUN = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "run.py")
GROUPS = "kernel,vm,real-dat,real-ctf,real-vm,identical"
# Rows that a build without VS_BENCH measures as well: they need virtscope itself and the generators.
MEASURED = ("kernel", "kernel-size", "vm", "vm-two", "sync", "real-vm", "real-dat-overview", "real-ctf-reopen",
            "identical")


def run(options, *extra):
    done = subprocess.run([sys.executable, "-B", RUN, "--build", options.build, "--data", options.work, *extra],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.returncode, done.stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--build", required=True)
    parser.add_argument("--work", required=True)
    options = parser.parse_args()
    shutil.rmtree(options.work, ignore_errors=True)
    os.makedirs(options.work)
    path = os.path.join(options.work, "table.json")
    status, text = run(options, "--quick", "--no-instructions", "--only", GROUPS, "--json", path)
    print(text)
    if status != 0:
        print(f"quick_test.py: exit {status}")
        return 1
    with open(path, encoding="utf-8") as handle:
        rows = {row["key"]: row for row in json.load(handle)["rows"]}
    faults = [f"no row {key}" for key in MEASURED if key not in rows]
    for key in MEASURED:
        ours = [figure for figure in rows.get(key, {}).get("figures", []) if figure["role"] == "ours"]
        if ours and ("value" not in ours[0] or ours[0]["runs"] < 1):
            faults.append(f"row {key} was not measured: {ours[0]}")
    if "identical" in rows and rows["identical"]["result"] != "pass":
        faults.append("histories of one and two threads differ")
    status, _ = run(options, "--quick", "--only", "nothing")
    if status == 0:
        faults.append("an unknown group was accepted")
    for fault in faults:
        print(f"quick_test.py: {fault}")
    shutil.rmtree(options.work)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
