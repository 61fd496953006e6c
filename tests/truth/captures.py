"""A capture with its truth: where each machine's trace is, and what the laboratory knows about it.

A capture is a folder with `truth.json`, `counts.json` and one trace per machine: `host.dat`, `vm1.dat` (trace-cmd)
or `host.ctf.tar.zst`, `vm1.ctf.tar.zst` (LTTng, packed; unpacked once into the work folder).

truth.json holds what the workloads and the virtual machine monitor themselves wrote down, never what a trace
analysis found: threads and pinning of every VM, true clock offsets, begin and end of every iteration.
"""

import json
import os
import re
import shutil
import subprocess
import tempfile

MACHINES = ("host", "vm1", "vm2")


class Trace:
    """One machine's trace. `clock`: 'tsc' (ticks) or 'ns'; `path`: what a program is given to open."""

    def __init__(self, machine, path, packed, clock):
        self.machine = machine
        self.path = path
        self.packed = packed
        self.clock = clock

    @property
    def is_ctf(self):
        return self.packed is not None

    def ctf_folders(self):
        """Folders that hold a `metadata` file."""
        return sorted(folder for folder, _, files in os.walk(self.path) if "metadata" in files)


class Capture:
    def __init__(self, folder, work):
        self.folder = folder
        self.name = os.path.basename(os.path.normpath(folder))
        self.scenario, self.method = self.name.rsplit("-", 1)
        with open(os.path.join(folder, "truth.json"), encoding="utf-8") as handle:
            self.truth = json.load(handle)
        with open(os.path.join(folder, "counts.json"), encoding="utf-8") as handle:
            self.counts = json.load(handle)
        self.work = os.path.join(work, self.name)
        self.traces = {}
        for machine in MACHINES:
            self._add(machine)

    def _add(self, machine):
        plain = os.path.join(self.folder, machine + ".dat")
        packed = os.path.join(self.folder, machine + ".ctf.tar.zst")
        if os.path.exists(plain):
            clock = "tsc" if self.method == "tsc" else "ns"
            self.traces[machine] = Trace(machine, plain, None, clock)
        elif os.path.exists(packed):
            self.traces[machine] = Trace(machine, os.path.join(self.work, machine), packed, "ns")

    def unpack(self):
        """Unpacks LTTng traces into the work folder; a finished folder is kept."""
        for trace in self.traces.values():
            if trace.packed and not os.path.exists(trace.path):
                unpack_to(trace.packed, trace.path)

    @property
    def host(self):
        return self.traces["host"]

    @property
    def guests(self):
        return {name: trace for name, trace in self.traces.items() if name != "host"}

    @property
    def is_ticks(self):
        return self.method == "tsc"

    def paths(self):
        return [trace.path for trace in self.traces.values()]

    def vcpu_threads(self):
        """{host tid: (vm, vcpu)} from the names that QEMU gave its threads, begin and end of the capture."""
        out = {}
        for vm in self.truth.get("vms", []) + self.truth.get("vms_at_end", []):
            for thread in vm["threads"]:
                match = re.match(r"CPU (\d+)/KVM$", thread["comm"])
                if match:
                    out[thread["tid"]] = (vm["vm"], int(match.group(1)))
        return out

    def vcpu_tid(self, vm, vcpu):
        tids = [tid for tid, who in self.vcpu_threads().items() if who == (vm, vcpu)]
        return tids[0] if len(tids) == 1 else None

    def records(self, machine, task=None, event=None):
        return [
            record
            for record in self.truth.get("records", {}).get(machine, [])
            if (task is None or record.get("task") == task) and (event is None or record.get("ev") == event)
        ]

    def tsc_hz(self):
        return self.truth["sync"]["tsc_hz"]

    def tsc_offset(self, vm):
        """guest ticks minus host ticks"""
        return self.truth["sync"][vm]["guest_tsc_minus_host_tsc"]

    def mono_offset(self, vm):
        """(guest CLOCK_MONOTONIC minus host's, ns; how far that may be off, ns), or None if it was not taken.

        Taken at the begin and at the end of the capture; between the two it moves by the difference at most. Each
        reading is between two counter readings that are `width` ticks apart, on either side.
        """
        values = self.truth["sync"].get(vm, {}).get("guest_mono_minus_host_mono_ns", [])
        if not values:
            return None
        widths = [clock["width"] for clock in self.truth["clocks"] if clock["task"] in ("host", vm)]
        doubt = (max(values) - min(values)) / 2 + 2 * max(widths) * 1e9 / self.tsc_hz()
        return (max(values) + min(values)) / 2, doubt


def unpack_to(packed, folder):
    """Unpacks beside and renames into place, so that a folder that exists is whole."""
    os.makedirs(os.path.dirname(folder), exist_ok=True)
    temporary = tempfile.mkdtemp(prefix=os.path.basename(folder) + ".", dir=os.path.dirname(folder))
    try:
        with subprocess.Popen(["zstd", "-dcq", packed], stdout=subprocess.PIPE) as unpacker:
            subprocess.run(["tar", "-C", temporary, "-xf", "-"], stdin=unpacker.stdout, check=True)
        if unpacker.returncode != 0:
            raise RuntimeError(f"zstd cannot unpack {packed}")
        os.rename(temporary, folder)
    except OSError:
        if not os.path.exists(folder):
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def find(folder, names=None):
    """Names of the captures in a folder, all or those asked for."""
    present = sorted(
        entry for entry in os.listdir(folder) if os.path.exists(os.path.join(folder, entry, "truth.json"))
    )
    if not names:
        return present
    missing = [name for name in names if name not in present]
    if missing:
        raise SystemExit(f"no capture {', '.join(missing)} in {folder}; there are: {', '.join(present)}")
    return list(names)
