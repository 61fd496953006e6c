#!/usr/bin/env python3
"""Any bytes may be opened: copies of a real trace with flipped bits, overwritten and removed pieces. The program answers
or refuses; it does not crash, hang, or take memory by a number that the damaged file declares.

  damage.py --virtscope PATH --trace FILE_OR_FOLDER [--count N] [--seed S] [--keep FOLDER]

The same seed damages the same way. A variant that fails is kept with --keep.
"""

import argparse
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time

SECONDS = 20
MEMORY_KIB = 512 * 1024
QUESTION = "SELECT (SELECT COUNT(*) FROM event) AS events, (SELECT COUNT(*) FROM thread_state) AS states"
ACCEPTED = (0, 1, 3, 4)


def flip_bits(data, where, rng):
    for _ in range(rng.choice((1, 1, 2, 3, 8))):
        at = rng.randrange(*where)
        data[at] ^= 1 << rng.randrange(8)


def overwrite(data, where, rng):
    """A number becomes an extreme one."""
    at = rng.randrange(*where)
    width = rng.choice((1, 2, 4, 8))
    value = rng.choice((b"\x00", b"\xff", b"\x7f", b"\x80")) * width
    data[at : at + width] = value[: max(0, len(data) - at)]


def remove(data, where, rng):
    at = rng.randrange(*where)
    del data[at : at + rng.choice((1, 3, 64, 4096))]


def repeat(data, where, rng):
    at = rng.randrange(*where)
    piece = data[at : at + rng.choice((4, 64, 4096))]
    data[at:at] = piece


DAMAGES = [flip_bits, flip_bits, flip_bits, overwrite, overwrite, remove, repeat]


def regions(size):
    """Headers, tails and the middle are hit alike, whatever their size."""
    edge = min(size, 4096)
    return [(0, min(size, 64)), (0, edge), (size - edge, size), (0, size), (size // 2, min(size, size // 2 + edge))]


def files_of(trace):
    if os.path.isfile(trace):
        return [""]
    return sorted(
        os.path.relpath(os.path.join(folder, name), trace)
        for folder, _, names in os.walk(trace) for name in names
        if os.path.getsize(os.path.join(folder, name)) > 0
    )


def damaged_copy(trace, relative, folder, rng):
    copy = os.path.join(folder, os.path.basename(trace.rstrip("/")))
    if relative:
        shutil.copytree(trace, copy)
    else:
        shutil.copyfile(trace, copy)
    victim = os.path.join(copy, relative) if relative else copy
    with open(victim, "rb") as handle:
        data = bytearray(handle.read())
    damage = rng.choice(DAMAGES)
    damage(data, rng.choice(regions(len(data))), rng)
    with open(victim, "wb") as handle:
        handle.write(data)
    return copy, f"{damage.__name__} in {os.path.basename(victim)}"


def ask(program, trace):
    """(exit code, -signal, or None after the time limit; seconds; peak KiB; what it said)"""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_RDWR), 0)
        os.dup2(0, 1)
        os.dup2(write, 2)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.execv(program, [program, "query", trace, QUESTION, "--no-cache", "--quiet", "--format", "json"])
    os.close(write)
    begin = time.monotonic()
    while True:
        done, status, usage = os.wait4(child, os.WNOHANG)
        seconds = time.monotonic() - begin
        if done:
            break
        if seconds > SECONDS:
            os.kill(child, signal.SIGKILL)
            _, _, usage = os.wait4(child, 0)
            os.close(read)
            return None, seconds, usage.ru_maxrss, ""
        time.sleep(0.002)
    said = os.read(read, 65536).decode("utf-8", "replace")
    os.close(read)
    return os.waitstatus_to_exitcode(status), seconds, usage.ru_maxrss, said.strip()[-300:]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--virtscope", required=True)
    parser.add_argument("--trace", required=True)
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-memory-limit", action="store_true", help="for sanitizers, which need more")
    parser.add_argument("--keep")
    options = parser.parse_args()
    program = os.path.abspath(options.virtscope)
    names = files_of(options.trace)
    code, _, _, said = ask(program, options.trace)
    if code not in (0, 1):
        print(f"the undamaged trace: exit code {code}: {said}")
        return 1
    codes, wrong, slowest, most = {}, [], 0, 0
    for number in range(options.count):
        rng = random.Random(options.seed * 1_000_003 + number)
        with tempfile.TemporaryDirectory() as folder:
            copy, what = damaged_copy(options.trace, rng.choice(names), folder, rng)
            code, seconds, peak, said = ask(program, copy)
            codes[code] = codes.get(code, 0) + 1
            slowest, most = max(slowest, seconds), max(most, peak)
            fault = None
            if code is None:
                fault = f"no answer within {SECONDS} s"
            elif code not in ACCEPTED:
                fault = f"exit code {code}: {said}"
            elif peak > MEMORY_KIB and not options.no_memory_limit:
                fault = f"{peak // 1024} MiB of memory"
            if fault:
                wrong.append(f"variant {number} ({what}): {fault}")
                if options.keep:
                    shutil.move(copy, os.path.join(options.keep, f"{options.seed}-{number}"))
    for line in wrong:
        print(f"! {line}")
    print(f"{options.count - len(wrong)} of {options.count} hold; exit codes {codes}; slowest {slowest:.2f} s; most"
          f" {most // 1024} MiB")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
