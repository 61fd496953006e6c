"""Runs programs and says what they cost: CPU time (user and system), wall time, peak memory, instructions.

CPU time is what counts: the machines that this runs on are shared. Contestants of one row are run in turn, round by
round, so that a slow minute of the machine hits all of them; what is reported are medians.
"""

import dataclasses
import os
import re
import shutil
import statistics
import subprocess
import tempfile
import threading
import time


@dataclasses.dataclass
class Run:
    """One finished process."""

    cpu_s: float
    wall_s: float
    peak_bytes: int  # resident, mapped files included
    anonymous_bytes: int  # the largest that sampling saw; 0: it ended before the first sample
    output: str
    status: int


class _Sampler(threading.Thread):
    """Follows the anonymous memory of a process until it ends."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.path = f"/proc/{pid}/status"
        self.peak = 0
        self.stop = threading.Event()

    def run(self):
        pause = 0.002
        while not self.stop.wait(pause):
            try:
                with open(self.path, encoding="ascii", errors="replace") as handle:
                    found = re.search(r"^RssAnon:\s+(\d+) kB", handle.read(), re.MULTILINE)
            except OSError:
                return
            if found:
                self.peak = max(self.peak, int(found.group(1)) * 1024)
            pause = min(pause * 1.5, 0.05)


def run(command):
    """Runs a command to its end, its output in a file so that a full pipe never makes it wait."""
    with tempfile.TemporaryFile() as out:
        begin = time.monotonic()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
        sampler = _Sampler(process.pid)
        sampler.start()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        sampler.stop.set()
        sampler.join()
        out.seek(0)
        text = out.read(1 << 20).decode("utf-8", "replace")
    return Run(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss * 1024, sampler.peak, text,
               process.returncode)


def drop_pages(paths):
    """Asks the system to forget these files' pages; only our own files."""
    for path in paths:
        for file in files_below(path):
            handle = os.open(file, os.O_RDONLY)
            try:
                os.fdatasync(handle)
                os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(handle)


def files_below(path):
    if os.path.isfile(path):
        return [path]
    return sorted(os.path.join(folder, name) for folder, _, names in os.walk(path) for name in names)


def size_of(path):
    return sum(os.path.getsize(file) for file in files_below(path))


@dataclasses.dataclass
class Summary:
    """What several runs of one contestant came to."""

    value: float  # median, in the row's unit
    runs: int
    cpu_s: float
    wall_s: float
    peak_bytes: int
    anonymous_bytes: int
    spread: float  # (largest - smallest) / median
    error: str = ""


def summarise(runs, values):
    middle = statistics.median(values)
    return Summary(
        value=middle,
        runs=len(runs),
        cpu_s=statistics.median(r.cpu_s for r in runs),
        wall_s=statistics.median(r.wall_s for r in runs),
        peak_bytes=max(r.peak_bytes for r in runs),
        anonymous_bytes=max(r.anonymous_bytes for r in runs),
        spread=(max(values) - min(values)) / middle if middle else 0.0,
    )


def failed(text):
    return Summary(float("nan"), 0, 0, 0, 0, 0, 0, error=text)


# -- instructions

_INSTRUCTIONS = re.compile(r"([\d,]+)\s+instructions")
_REFS = re.compile(r"I\s+refs:\s+([\d,]+)")


def counter():
    """How instructions are counted here: 'perf' (a hardware counter), 'cachegrind', or '' for not at all."""
    if shutil.which("perf"):
        done = run(["perf", "stat", "-e", "instructions:u", "true"])
        if done.status == 0 and _INSTRUCTIONS.search(done.output):
            return "perf"
    return "cachegrind" if shutil.which("valgrind") else ""


def instructions(how, command):
    """Instructions that a command executes in user space, or None."""
    if how == "perf":
        done = run(["perf", "stat", "-e", "instructions:u", *command])
        found = _INSTRUCTIONS.search(done.output)
    else:
        done = run(["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null", *command])
        found = _REFS.search(done.output)
    return int(found.group(1).replace(",", "")) if found and done.status in (0, 1) else None
