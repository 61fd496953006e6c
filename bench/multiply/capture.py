#!/usr/bin/env python3
"""A whole capture, host and guests, made N times as long: every trace by `multiply`, all by the same period, so that
the machines stay as far apart in time as they were.

  capture.py CAPTURE OUT N --multiply PROGRAM --virtscope PROGRAM [--plain] [--seam-loss]

CAPTURE is a folder with one trace per machine (`host.dat`, a CTF folder, or a packed one, `host.ctf.tar.zst`, which
is unpacked first). Clocks that count nanoseconds run at rates that differ by some ppm: there each machine's period is
the host's, at the rate that `virtscope sync` finds in the capture itself. Time stamp counters have one rate.
The machines are never recorded from the same moment on, so at a seam a guest runs that the host does not see. With
--seam-loss a trace.dat says there that it lost events (CTF cannot say where in a packet that was).
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile

PACKED = ".ctf.tar.zst"


def run(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode not in (0, 1):
        raise SystemExit(f"{' '.join(command)}: exit {done.returncode}\n{done.stderr}")
    return done.stdout


def values(text):
    """`name<TAB>value<TAB>unit` lines as a dictionary of integers."""
    return {name: int(value) for name, value, _ in (line.split("\t") for line in text.splitlines())}


def is_trace(path):
    if os.path.isdir(path):
        return any("metadata" in files for _, _, files in os.walk(path))
    return path.endswith(".dat")


def traces_of(capture, scratch):
    """{name in the output: path} of every trace of a capture."""
    out = {}
    for name in sorted(os.listdir(capture)):
        path = os.path.join(capture, name)
        if name.endswith(PACKED):
            machine = name[: -len(PACKED)]
            out[machine] = os.path.join(scratch, machine)
            os.makedirs(out[machine])
            run("tar", "--zstd", "-xf", path, "-C", out[machine])
        elif is_trace(path):
            out[name] = path
    return out


def places(virtscope, paths):
    """{path: (begin_ns, end_ns, drift_ppb)} on the host's timeline, the drift against the host's clock."""
    text = run(virtscope, "query", *paths, "--no-cache", "--quiet", "--format", "json",
               "SELECT t.path, t.begin_ts, t.end_ts, s.drift_ppb FROM trace t LEFT JOIN clock_sync s USING (machine)")
    found = {os.path.realpath(row["path"]): row for row in json.loads(text)}
    out = {}
    for path in paths:
        real = os.path.realpath(path)
        row = next(row for at, row in found.items() if at == real or at.startswith(real + os.sep))
        out[path] = (row["begin_ts"], row["end_ts"], row["drift_ppb"] or 0)
    return out


def periods(spans, where):
    """{path: period in the trace's own ticks}: as long as the capture is from its first event to its last."""
    begin = min(place[0] for place in where.values())
    end = max(place[1] for place in where.values())
    out = {}
    for path, (own_begin, own_end, drift) in where.items():
        span = spans[path]["end"] - spans[path]["begin"]
        ticks_per_ns = span / (own_end - own_begin)
        if abs(ticks_per_ns - 1) < 1e-3:  # a clock of nanoseconds
            ticks_per_ns = 1 + drift / 1e9
        out[path] = round((end - begin) * ticks_per_ns) + spans[path]["period"] - span
    if all(place[2] == 0 for place in where.values()):  # one clock for all: one period
        out = dict.fromkeys(out, max(out.values()))
    return out


def multiply_capture(options):
    """Writes the capture; {name: what `multiply` printed}."""
    if os.path.exists(options.out):
        raise SystemExit(f"{options.out}: exists already")
    with tempfile.TemporaryDirectory(dir=os.path.dirname(os.path.abspath(options.out))) as scratch:
        traces = traces_of(options.capture, scratch)
        if not traces:
            raise SystemExit(f"{options.capture}: no traces")
        spans = {path: values(run(options.multiply, path, "--span")) for path in traces.values()}
        period = periods(spans, places(options.virtscope, list(traces.values())))
        os.makedirs(options.out)
        out = {}
        for name, path in traces.items():
            command = [options.multiply, path, os.path.join(options.out, name), str(options.copies), "--period",
                       str(period[path])]
            extra = ["--plain"] if options.plain else []
            if options.seam_loss and not os.path.isdir(path):
                extra.append("--seam-loss")
            out[name] = values(run(*command, *extra))
        description = os.path.join(options.capture, "capture.json")
        if os.path.exists(description):
            shutil.copy(description, options.out)
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("capture")
    parser.add_argument("out")
    parser.add_argument("copies", type=int)
    parser.add_argument("--multiply", required=True)
    parser.add_argument("--virtscope", required=True)
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--seam-loss", action="store_true")
    for name, result in multiply_capture(parser.parse_args()).items():
        print(f"{name}: {result['events']} events x {result['copies']}, {result['bytes']} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
