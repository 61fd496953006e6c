#!/usr/bin/env python3
"""Checks of `multiply` by other people's readers: babeltrace2 and trace-cmd print the trace and its multiple, and every
copy must be the trace itself, so many periods later.

  multiply_test.py ctf|dat|capture|refuse --multiply PROGRAM --virtscope PROGRAM --captures FOLDER
"""

import argparse
import collections
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

COPIES = 3
# Fields that carry times move with the clock, and marks of copies pair with nothing; the rest must stay. babeltrace2
# 2.0.4 prints an empty string as the one that the same field held before.
MOVED = re.compile(r"\b(now|expires|softexpires|soft_expires|system_time)[ =]+\d+|\bcnt = \d+|[vw]ssync|"
                   r"\bfilename = \"[^\"]*\"|\bnr = (22099|22100)\b|\bnr 0x565[34]")


class Failure(Exception):
    pass


def check(condition, text):
    if not condition:
        raise Failure(text)


def run(*command, status=0):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace",
                          check=False)
    check(done.returncode == status, f"{' '.join(command)}: exit {done.returncode}, not {status}\n{done.stderr}")
    return done


def multiply(options, *arguments, status=0):
    done = run(options.multiply, *map(str, arguments), status=status)
    return dict(line.split("\t")[:2] for line in done.stdout.splitlines())


# -- what the readers print, as (time, rest of the line)

_CTF_LINE = re.compile(r"^\[(\d+)\] (.*)$")
# Twelve digits fill the column of the time.
# The task's name is left out: trace-cmd learns it on the way.
_DAT_LINE = re.compile(r"^\s*\S.*?(-\d+\s+\[\d+\])\s*(\d+)(?:\.(\d+))?: +(.*)$")


def ctf_events(folder):
    done = run("babeltrace2", "--clock-cycles", "--no-delta", folder)
    check("rror" not in done.stderr, f"babeltrace2 on {folder}: {done.stderr[:500]}")
    lines = [_CTF_LINE.match(line) for line in done.stdout.splitlines()]
    check(all(lines), "a line of babeltrace2 without a time")
    return [(int(line.group(1)), line.group(2)) for line in lines]


def dat_events(path):
    done = run("trace-cmd", "report", "-t", "--raw-ts", "-i", path)
    check(not re.search(r"error|corrupt|fail", done.stderr, re.IGNORECASE), done.stderr[:500])
    out = []
    for line in done.stdout.splitlines():
        found = _DAT_LINE.match(line)
        if found:
            whole = found.group(2) + (found.group(3) or "")
            out.append((int(whole), found.group(1) + " " + found.group(4)))
    return out


def compare(original, multiple, period):
    """Every copy holds the original's events, moved by k periods, and nothing else; times never go back."""
    count = len(original)
    check(count > 1000, f"only {count} events to compare")
    check(len(multiple) == COPIES * count, f"{len(multiple)} events, not {COPIES} x {count}")
    times = [time for time, _ in multiple]
    check(times == sorted(times), "times go back")
    wanted = collections.Counter((time, MOVED.sub("", text)) for time, text in original)
    for k in range(COPIES):
        copy = multiple[k * count : (k + 1) * count]
        found = collections.Counter((time - k * period, MOVED.sub("", text)) for time, text in copy)
        difference = list((wanted - found).items())[:1] + list((found - wanted).items())[:1]
        check(not difference, f"copy {k} differs: {difference}")


def readings(events, pattern):
    return [int(found.group(1)) for _, text in events if (found := re.search(pattern, text))]


def check_moved(original, multiple, pattern, period):
    """A payload field with nanoseconds moves by as much as the clock."""
    before, after = readings(original, pattern), readings(multiple, pattern)
    check(len(before) > 100, f"only {len(before)} readings of {pattern}")
    for k in range(COPIES):
        copy = after[k * len(before) : (k + 1) * len(before)]
        check(sorted(value - k * period for value in copy) == sorted(before), f"{pattern} of copy {k} is wrong")


def events_of(options, path):
    done = run(options.virtscope, "query", path, "--no-cache", "--quiet", "--format", "json",
               "SELECT sum(events) AS events, sum(loss_windows) AS losses FROM trace")
    return json.loads(done.stdout)[0]


# -- the parts

def unpack(options, capture, machine, scratch):
    folder = os.path.join(scratch, machine)
    os.makedirs(folder)
    run("tar", "--zstd", "-xf", os.path.join(options.captures, capture, machine + ".ctf.tar.zst"), "-C", folder)
    return folder


def test_ctf(options, scratch):
    for machine in ("host", "vm1"):
        source = unpack(options, "preempt-lttng", machine, scratch)
        out = os.path.join(scratch, machine + "-out")
        facts = multiply(options, source, out, COPIES)
        original, multiple = ctf_events(source), ctf_events(out)
        period = int(facts["period"])
        compare(original, multiple, period)
        check_moved(original, multiple, r"expire_entry: .* now = (\d+)", period)
        check(int(facts["events"]) == len(original), "the count that multiply prints")
        check(events_of(options, out)["events"] == COPIES * len(original), "virtscope counts other events")
        if machine == "host":
            continue
        # Index and packets agree: with and without indexes the same trace.
        for folder, _, _ in list(os.walk(out)):
            if os.path.basename(folder) == "index":
                shutil.rmtree(folder)
        check(ctf_events(out) == multiple, "the index leads elsewhere than the packets")


def test_dat(options, scratch):
    every = ("packed", "plain", "version 6")
    for capture, machine, kinds, pattern in (("preempt-mono", "vm1", every, r"expire_entry: .* now=(\d+)"),
                                             ("preempt-mono", "host", every[:1], r"expire_entry: .* now=(\d+)"),
                                             ("twovms-tsc", "vm1", every[1:2], None)):
        path = os.path.join(options.captures, capture, machine + ".dat")
        original = dat_events(path)
        for kind in kinds:
            out = os.path.join(scratch, f"{capture}-{machine}-{kind}-out.dat")
            source = version6(path, out) if kind == "version 6" else path
            extra = ["--plain"] if kind == "plain" else []
            period = int(multiply(options, source, out, COPIES, *extra)["period"])
            multiple = dat_events(out)
            compare(original, multiple, period)
            if pattern:
                check_moved(original, multiple, pattern, period)
            facts = events_of(options, out)
            check(facts["events"] == COPIES * len(original), f"virtscope counts {facts}")
            check(facts["losses"] == 0, f"virtscope sees losses: {facts}")


def version6(path, beside):
    converted = beside + ".6"
    run("trace-cmd", "convert", "-i", path, "-o", converted, "--file-version", "6")
    return converted


def test_capture(options, scratch):
    out = os.path.join(scratch, "out")
    script = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "multiply", "capture.py")
    run(sys.executable, "-B", script, os.path.join(options.captures, "twovms-tsc"), out, str(COPIES), "--multiply",
        options.multiply, "--virtscope", options.virtscope, "--seam-loss")
    done = subprocess.run([options.virtscope, "query", out, "--no-cache", "--quiet", "--format", "json",
                           "SELECT * FROM clock_sync"], stdout=subprocess.PIPE, text=True, check=False)
    rows = json.loads(done.stdout)
    check(len(rows) == 3, f"{len(rows)} clock segments, not one per machine: {rows}")
    for row in rows:
        check(row["quality"] == "exact", f"clocks no longer join: {row}")
        check(not row["outside_after"], f"guest events outside guest time: {row}")


def test_refuse(options, scratch):
    dat = os.path.join(options.captures, "preempt-mono", "vm1.dat")
    folder = unpack(options, "preempt-lttng", "vm1", scratch)
    out = os.path.join(scratch, "out")

    def refused(status, *arguments, words):
        done = run(options.multiply, *map(str, arguments), status=status)
        check(words in done.stderr, f"{arguments}: {done.stderr!r} does not say {words!r}")
        shutil.rmtree(out, ignore_errors=True)
        if os.path.exists(out):
            os.remove(out)

    refused(2, dat, out, 0, words="usage")
    refused(2, dat, out, "3x", words="usage")
    refused(2, dat, words="usage")
    refused(2, dat, out, 2, "--period", 5, words="shorter than the trace")
    refused(2, folder, out, 2, "--period", 5, words="shorter than the trace")
    refused(3, os.path.join(scratch, "nothing"), out, 2, words="No such file")
    refused(3, __file__, out, 2, words="not a trace.dat")
    refused(3, os.path.dirname(os.path.abspath(__file__)), out, 2, words="no trace in this folder")
    with open(out, "w", encoding="ascii"):
        pass
    refused(2, dat, out, 2, words="exists already")
    refuse_damaged(refused, dat, folder, out, scratch)


def refuse_damaged(refused, dat, folder, out, scratch):
    with open(dat, "rb") as handle:
        content = bytearray(handle.read())
    # The last zstd frame is the saved command lines, the one before it the last chunk of pages.
    magic = content.rfind(b"\x28\xb5\x2f\xfd", 0, content.rfind(b"\x28\xb5\x2f\xfd"))
    for name, damage in (("cut", lambda data: data[: len(data) // 2]),
                         ("chunk", lambda data: data[: magic + 9] + b"\xff" * 40 + data[magic + 49 :])):
        broken = os.path.join(scratch, name + ".dat")
        with open(broken, "wb") as handle:
            handle.write(damage(content))
        refused(3, broken, out, 2, words="multiply: ")
    stream = next(os.path.join(below, "k_0") for below, _, names in os.walk(folder) if "k_0" in names)
    with open(stream, "rb") as handle:
        content = bytearray(handle.read())
    for damage, words in ((lambda data: data[:-4096], "remain"),
                          (lambda data: b"\0" * 4 + data[4:], "no packet begins here"),
                          (lambda data: data[:84] + b"\xff" * 64 + data[148:], "bit ")):
        with open(stream, "wb") as handle:
            handle.write(damage(content))
        refused(3, folder, out, 2, words=words)


TESTS = {"ctf": test_ctf, "dat": test_dat, "capture": test_capture, "refuse": test_refuse}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("part", choices=sorted(TESTS))
    parser.add_argument("--multiply", required=True)
    parser.add_argument("--virtscope", required=True)
    parser.add_argument("--captures", required=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        try:
            TESTS[options.part](options, scratch)
        except Failure as failure:
            print(f"multiply_test.py {options.part}: {failure}")
            return 1
    print(f"multiply_test.py {options.part}: good")
    return 0


if __name__ == "__main__":
    sys.exit(main())
