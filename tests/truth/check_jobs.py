"""The stored history is the same file, byte for byte, whatever the number of threads, and from run to run."""

import hashlib
import os
import tempfile

NAME = "jobs"
JOBS = (1, 1, 2, 3, 8)


def applies(capture):
    # Each format with a host and two guests, with one machine alone, and with lost events.
    return capture.name in ("twovms-lttng", "container-lttng", "hotplug-lttng", "twovms-tsc", "preempt-local")


def history_of(check, folder, run, jobs):
    path = os.path.join(folder, f"{run}.vsh")
    check.program.run(["stat", *check.traces, "--quiet", "--jobs", str(jobs), "--history", path])
    with open(path, "rb") as handle:
        return handle.read()


def run(check):
    with tempfile.TemporaryDirectory() as folder:
        sums = []
        for run_number, jobs in enumerate(JOBS):
            history = history_of(check, folder, run_number, jobs)
            check.holds(len(history) > 4096, f"--jobs {jobs}: a history of {len(history)} bytes")
            sums.append(hashlib.sha256(history).hexdigest())
        for jobs, found in zip(JOBS[1:], sums[1:]):
            check.same(f"history of --jobs {jobs}", found, sums[0])
