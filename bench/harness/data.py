"""The inputs: synthetic ones from the generators, long ones made of real captures. All are made once and kept.

Names and shapes are those of the targets: k10m, k37m (one host), vm10m (host and two guests), u10m and z10m (interval
streams), and real captures made long by `multiply`. `scale` makes everything smaller by that factor: a table at a
scale below 1 shows that the harness works and roughly where things stand, no more.
"""

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys

GB = 10**9
# Bytes that a synthetic event takes.
_EVENT_BYTES = 28
_INTERVAL_BYTES = 24
# Free space that is left alone.
_RESERVE = 3 * GB


class NoRoom(Exception):
    pass


@dataclasses.dataclass
class Input:
    label: str
    paths: list  # what a program is given
    events: int
    bytes: int


class Data:
    def __init__(self, folder, programs, captures, scale):
        self.folder = os.path.join(folder, f"scale-{scale:g}")
        self.programs = programs
        self.captures = captures
        self.scale = scale
        os.makedirs(self.folder, exist_ok=True)

    # -- synthetic

    def kernel(self, events):
        """One host, 8 streams."""
        return self._ctfgen(f"k{_short(self.scaled(events))}", self.scaled(events), [])

    def host_and_guests(self, events):
        return self._ctfgen(f"vm{_short(self.scaled(events))}", self.scaled(events),
                            ["--guests", "2", "--vcpus", "2", "--cpus", "4"])

    def small_kernel(self, events):
        """Of exactly so many events, whatever the scale: for counting instructions."""
        return self._ctfgen(f"k{events}", events, [])

    def intervals(self, mode, count=10_000_000):
        count = self.scaled(count)
        name = {"uniform": "u", "kernel": "z"}[mode] + _short(count)
        attributes = {"uniform": 1500, "kernel": 2000}[mode]

        def make(path):
            self._call("ivgen", path, mode, attributes, count, 7)
            return {"events": count}

        return self._make(name, count * _INTERVAL_BYTES, make, suffix=".iv")

    # -- real captures, made long

    def long_ctf(self, bytes_wanted):
        """The host's trace of a real LTTng capture."""
        source = self.unpacked(self.captures["ctf"])["host"]
        return self._long("real-ctf", source, bytes_wanted, [])

    def long_dat(self, bytes_wanted, packed=False):
        """The host's trace.dat of a real capture, version 7; plain or packed by zstd."""
        source = os.path.join(self.captures["dat"], "host.dat")
        copies = self._long("real-dat", source, bytes_wanted, ["--plain"], only_copies=True)
        return self._long("real-zstd" if packed else "real-dat", source, bytes_wanted,
                          [] if packed else ["--plain"], copies=copies)

    def long_capture(self, events):
        """Host and guests of a real trace-cmd capture."""
        events = self.scaled(events)
        source = self.captures["dat"]

        def make(path):
            base = sum(self._span(os.path.join(source, name))["events"] for name in os.listdir(source)
                       if name.endswith(".dat"))
            copies = max(1, round(events / base))
            script = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "multiply",
                                  "capture.py")
            _check([sys.executable, script, source, path, str(copies), "--multiply", self.programs.ours("multiply"),
                    "--virtscope", self.programs.virtscope, "--plain", "--seam-loss"])
            return {"events": base * copies}

        made = self._make(f"real-vm{_short(events)}", events * 45, make)
        paths = [os.path.join(made.paths[0], name) for name in sorted(os.listdir(made.paths[0]))
                 if name.endswith(".dat")]
        return dataclasses.replace(made, paths=paths)

    def unpacked(self, capture):
        """{machine: folder} of a packed LTTng capture."""
        out = {}
        for name in sorted(os.listdir(capture)):
            if not name.endswith(".ctf.tar.zst"):
                continue
            machine = name.split(".")[0]
            folder = os.path.join(self.folder, "unpacked", os.path.basename(capture), machine)
            if not os.path.isdir(folder):
                os.makedirs(folder + ".part", exist_ok=True)
                _check(["tar", "--zstd", "-xf", os.path.join(capture, name), "-C", folder + ".part"])
                os.rename(folder + ".part", folder)
            out[machine] = _trace_folder(folder)
        return out

    # -- inside

    def scaled(self, count):
        return max(1000, round(count * self.scale))

    def _ctfgen(self, label, events, extra):
        def make(path):
            text = self._call("ctfgen", path, "--events", events, *extra)
            return {"events": int(re.match(r"(\d+) events", text).group(1))}

        made = self._make(label, events * _EVENT_BYTES, make)
        paths = made.paths
        if extra:
            paths = [os.path.join(paths[0], name) for name in sorted(os.listdir(paths[0]))]
            paths.sort(key=lambda path: not path.endswith("host"))
        return dataclasses.replace(made, paths=paths)

    def _long(self, label, source, bytes_wanted, options, copies=None, only_copies=False):
        wanted = max(10**6, bytes_wanted * self.scale)
        if copies is None:
            one = self._make(label + "-1", wanted, lambda path: self._multiply(source, path, 1, options))
            copies = max(1, -(-int(wanted) // one.bytes))
        if only_copies:
            return copies
        return self._make(f"{label}-{_short(wanted)}B", wanted,
                          lambda path: self._multiply(source, path, copies, options))

    def _multiply(self, source, path, copies, options):
        text = self._call("multiply", source, path, copies, *options)
        values = dict(line.split("\t")[:2] for line in text.splitlines())
        return {"events": int(values["events"]) * copies}

    def _span(self, path):
        text = self._call("multiply", path, "--span")
        return {name: int(value) for name, value, _ in (line.split("\t") for line in text.splitlines())}

    def _call(self, program, *arguments):
        path = self.programs.ours(program)
        if path is None:
            raise NoRoom(f"{program} is not built")
        return _check([path, *map(str, arguments)])

    def _make(self, label, bytes_expected, make, suffix=""):
        """What `make(path)` writes, kept under its label; a note beside it says how many events it has."""
        path = os.path.join(self.folder, label + suffix)
        note = path + ".json"
        if not os.path.exists(note):
            free = shutil.disk_usage(self.folder).free
            if free < bytes_expected + _RESERVE:
                raise NoRoom(f"{label} takes {bytes_expected / GB:.1f} GB, {free / GB:.1f} GB are free")
            _remove(path)
            print(f"  making {label} ...", file=sys.stderr, flush=True)
            facts = make(path)
            with open(note + ".part", "w", encoding="utf-8") as handle:
                json.dump(facts, handle)
            os.rename(note + ".part", note)
        with open(note, encoding="utf-8") as handle:
            facts = json.load(handle)
        return Input(label, [path], facts["events"], _size(path))


def _size(path):
    if os.path.isfile(path):
        return os.path.getsize(path)
    return sum(os.path.getsize(os.path.join(folder, name)) for folder, _, names in os.walk(path) for name in names
               if not name.endswith(".idx") and name != "metadata")


def _trace_folder(folder):
    return next(below for below, _, names in os.walk(folder) if "metadata" in names)


def _short(count):
    for unit, size in (("G", 1e9), ("m", 1e6), ("k", 1e3)):
        if count >= size:
            return f"{count / size:.3g}{unit}"
    return str(count)


def _remove(path):
    if os.path.isdir(path):
        shutil.rmtree(path)
    elif os.path.exists(path):
        os.remove(path)


def _check(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: exit {done.returncode}\n{done.stderr}")
    return done.stdout
