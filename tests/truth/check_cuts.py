"""Files that end too early: what is whole is read, the loss is named with its place, the exit code is 1.

How many events are whole in what is left comes from the files' own tables (LTTng's packet index, trace.dat's chunk
headers) and the events of the uncut file, not from virtscope.

VS_FULL=1 cuts every capture at every packet (LTTng) or at every chunk and in every chunk's middle (trace.dat).
"""

import os
import shutil
import struct
import subprocess
import tempfile

import rawtrace

NAME = "cuts"
PAGE = 4096
FULL = os.environ.get("VS_FULL") == "1"


def applies(capture):
    # One capture per format and one with ticks; every stream of theirs is cut in several ways.
    return FULL or capture.name in ("preempt-lttng", "container-lttng", "preempt-mono", "container-tsc")


class Cut:
    """`keep` bytes of the file `relative` are left, and with them at least `whole` events of the trace."""

    def __init__(self, trace, relative, keep, whole, share, what):
        self.trace = trace
        self.relative = relative
        self.keep = keep
        self.whole = whole
        self.share = share
        self.what = what


# -- LTTng: packets by the tracer's own index

def index_packets(path):
    """[(offset, packet bytes, content bytes, first ts, last ts)] of an LTTng index file; times in clock cycles."""
    with open(path, "rb") as handle:
        data = handle.read()
    magic, _, _, entry = struct.unpack_from(">IIII", data)
    if magic != 0xC1F1DCC1:
        raise ValueError(f"{path} is not an LTTng index")
    out = []
    for at in range(16, len(data) - entry + 1, entry):
        offset, packet_bits, content_bits, begin, end = struct.unpack_from(">QQQQQ", data, at)
        out.append((offset, packet_bits // 8, content_bits // 8, begin, end))
    return out


def _ctf_cuts(trace):
    total = len(rawtrace.events(trace))
    shift = rawtrace.epoch_shift_ns(trace)
    folder = trace.ctf_folders()[0]
    for stream in sorted(name for name in os.listdir(folder) if name.startswith("k_")):
        packets = index_packets(os.path.join(folder, "index", stream + ".idx"))
        relative = os.path.relpath(os.path.join(folder, stream), trace.path)
        size = os.path.getsize(os.path.join(folder, stream))
        cpu = int(stream.rsplit("_", 1)[1])
        mine = [event.ts - shift for event in rawtrace.events(trace) if event.cpu == cpu]
        offset, _, content, begin, _ = packets[-1]
        in_last = sum(1 for ts in mine if ts >= begin)
        yield Cut(trace, relative, size - 1, total, 0.999, "the last byte")
        if offset > 0:
            yield Cut(trace, relative, offset, total - in_last, 0.999, "the last packet")
        for number, (at, _, _, first, _) in enumerate(packets[1:-1] if FULL else (), start=1):
            gone = sum(1 for ts in mine if ts >= first)
            yield Cut(trace, relative, at, total - gone, 0.99, f"packet {number} and what follows")
        beyond = max(0, offset + content - (size - PAGE))
        lost = min(in_last, in_last * beyond // max(1, content) + 1)
        yield Cut(trace, relative, size - PAGE, total - lost, 0.99, "the last page")


# -- trace.dat version 7: compressed chunks of pages

def cpu_sections(path):
    """[(cpu, offset, size)] of the CPU data, by trace-cmd's own listing of the file's options."""
    shown = subprocess.run(
        ["trace-cmd", "dump", "--options", "-i", path], capture_output=True, text=True, errors="replace", check=True
    ).stdout
    out = []
    for line in shown.splitlines():
        fields = line.split()
        if line.startswith("   ") and line.rstrip().endswith("[id, data offset and size]"):
            out.append((int(fields[0]), int(fields[1]), int(fields[2])))
    return out


def chunks(path, offset):
    """[(begin, end of its bytes, time of its first page)] of one CPU's data."""
    with open(path, "rb") as handle:
        handle.seek(offset)
        count = struct.unpack("<I", handle.read(4))[0]
        at = offset + 4
        for _ in range(count):
            handle.seek(at)
            packed, _ = struct.unpack("<II", handle.read(8))
            frame = handle.read(packed)
            pages = subprocess.run(["zstd", "-dcq"], input=frame, capture_output=True, check=True).stdout
            yield at, at + 8 + packed, struct.unpack_from("<Q", pages)[0]
            at += 8 + packed


def _dat_cuts(trace):
    everything = rawtrace.events(trace)
    total = len(everything)
    size = os.path.getsize(trace.path)
    tables = [(cpu, offset, list(chunks(trace.path, offset))) for cpu, offset, length in cpu_sections(trace.path) if length]

    def whole(keep):
        """A chunk that is cut cannot be unpacked: its CPU's events from its first page on are not whole."""
        lost = 0
        for cpu, _, table in tables:
            gone = [ts for _, end, ts in table if end > keep]
            if gone:
                lost += sum(1 for event in everything if event.cpu == cpu and event.ts >= min(gone))
        return total - lost

    yield Cut(trace, "", size - 1, total, 0.999, "the last byte")
    yield Cut(trace, "", size - PAGE, whole(size - PAGE), 0.99, "the last page")
    for cpu, _, table in tables if FULL else ():
        for index, (begin, end, _) in enumerate(table):
            yield Cut(trace, "", begin, whole(begin), 0.99, f"everything from chunk {index} of CPU {cpu} on")
            middle = (begin + end) // 2
            yield Cut(trace, "", middle, whole(middle), 0.99, f"everything from within chunk {index} of CPU {cpu} on")
    last = max((table for _, _, table in tables if table), key=lambda table: table[-1][1])
    for index in {len(last) - 1, len(last) // 2}:
        keep = last[index][0]
        yield Cut(trace, "", keep, whole(keep), 0.99, f"everything from chunk {index} of the last CPU on")


def cuts(trace):
    yield from _ctf_cuts(trace) if trace.is_ctf else _dat_cuts(trace)


# -- the question

def _cut_copy(cut, folder):
    """A copy of the trace with one file cut; returns (trace path, name of the cut file)."""
    copy = os.path.join(folder, os.path.basename(cut.trace.path))
    if cut.relative:
        shutil.copytree(cut.trace.path, copy)
        victim = os.path.join(copy, cut.relative)
    else:
        shutil.copyfile(cut.trace.path, copy)
        victim = copy
    os.truncate(victim, cut.keep)
    return copy, os.path.basename(victim)


def _ask(check, cut):
    what = f"{cut.trace.machine} {cut.relative or os.path.basename(cut.trace.path)} without {cut.what}"
    with tempfile.TemporaryDirectory(dir=check.capture.work) as folder:
        copy, name = _cut_copy(cut, folder)
        count = check.program.query([copy], "SELECT COUNT(*) AS n FROM event")[0]["n"]
        check.holds(count >= cut.share * cut.whole, f"{what}: {count} events, {cut.whole} are whole")
        check.holds(count <= len(rawtrace.events(cut.trace)), f"{what}: {count} events, more than the uncut trace")
        answer = check.program.json("check", [copy])
        check.same(f"{what}: exit code of check", answer.code, 1)
        issues = check.program.query([copy], "SELECT severity, code, place FROM issue WHERE severity <> 'info'")
        named = [issue for issue in issues if name in (issue["place"] or "")]
        check.holds(named, f"{what}: no issue has {name} in its place: {issues[:3]}")


def run(check):
    os.makedirs(check.capture.work, exist_ok=True)
    for trace in check.capture.traces.values():
        for cut in cuts(trace):
            _ask(check, cut)
