"""Where the programs are: ours, the floors, and the peers that this machine has."""

import os
import re
import shutil
import subprocess


class Programs:
    def __init__(self, build):
        self.build = os.path.abspath(build)

    def ours(self, name):
        """A program of the build, or None: a bench that this tree does not have (yet)."""
        for folder in ("", "bench", "bench/gen", "bench/floor", "bench/peers", "bench/multiply"):
            path = os.path.join(self.build, folder, name)
            if os.path.isfile(path) and os.access(path, os.X_OK):
                return path
        return None

    @property
    def virtscope(self):
        return self.ours("virtscope")

    @staticmethod
    def peer(name):
        return shutil.which(name)


def versions():
    """{peer: version} of what is installed."""
    out = {}
    for name, command in (("babeltrace2", ["babeltrace2", "--version"]), ("babeltrace", ["babeltrace", "--help"]),
                          ("trace-cmd", ["trace-cmd", "--version"]), ("perf", ["perf", "--version"]),
                          ("valgrind", ["valgrind", "--version"])):
        if not shutil.which(name):
            continue
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        found = re.search(r"\d+\.\d+[.\d]*", done.stdout)
        out[name] = found.group() if found else "?"
    return out


def machine():
    """One line that says what this ran on."""
    model = "unknown processor"
    with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as handle:
        found = re.search(r"^model name\s*:\s*(.*)$", handle.read(), re.MULTILINE)
        if found:
            model = found.group(1).strip()
    with open("/proc/meminfo", encoding="ascii") as handle:
        memory = int(re.search(r"MemTotal:\s+(\d+)", handle.read()).group(1)) / 2**20
    system = "unknown system"
    if os.path.exists("/etc/os-release"):
        with open("/etc/os-release", encoding="utf-8") as handle:
            system = re.search(r'^PRETTY_NAME="?([^"\n]*)', handle.read(), re.MULTILINE).group(1)
    return f"{os.cpu_count()} x {model}, {memory:.0f} GB, {system}, Linux {os.uname().release}"
