"""Events of a trace as other people's programs print them: `trace-cmd report` and `babeltrace2`.

Nothing here comes from virtscope. Times are the trace's own: ticks or ns as recorded for trace.dat
(`--raw-ts`), ns since the epoch for CTF. Names of the few kinds that the sums need are brought to ftrace's.
"""

import collections
import re
import subprocess

Event = collections.namedtuple("Event", "ts cpu tid name args")

_DAT = re.compile(r"^ *(?P<comm>.*)-(?P<tid>\d+) +\[(?P<cpu>\d+)\] *(?P<ts>\d+): +(?P<name>\w+): *(?P<args>.*)")
_CTF = re.compile(
    r"^\[(?P<s>-?\d+)\.(?P<ns>\d{9})\] (?:\S+ )?(?P<name>[\w:]+): \{ cpu_id = (?P<cpu>\d+) \}"
    r"(?:, \{ pid = -?\d+, tid = (?P<tid>-?\d+)[^}]*\})?(?:, )?(?P<args>.*)"
)
_ALIASES = {"kvm_x86_entry": "kvm_entry", "kvm_x86_exit": "kvm_exit", "kvm_x86_hypercall": "kvm_hypercall"}


def common_name(name):
    """The name that ftrace gives the same tracepoint."""
    return _ALIASES.get(name, name)


def number(args, *fields):
    """The first of `fields` in printed arguments, as a number: `a=1`, `a = 0x1f`."""
    for field in fields:
        match = re.search(rf"(?<![\w]){field} ?= ?(-?(?:0x[0-9a-fA-F]+|\d+))", args)
        if match:
            value = match.group(1)
            return int(value, 16 if "0x" in value else 10)  # trace-cmd prints target_cpu=001
    return None


def text(args, field):
    """A name in printed arguments: `comm=CPU 0/KVM pid=3` or `comm = "CPU 0/KVM", tid = 3`."""
    match = re.search(rf'(?<![\w]){field} = "((?:[^"\\]|\\.)*)"', args) or re.search(
        rf"(?<![\w]){field}=(.*?)(?: \w+=|$)", args
    )
    return match.group(1) if match else None


def _lines(command):
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, errors="replace"
    ) as process:
        yield from process.stdout
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: exit code {process.returncode}")


def _parse_dat(path):
    for line in _lines(["trace-cmd", "report", "-q", "-R", "--raw-ts", "-i", path]):
        match = _DAT.match(line)
        if match:
            yield Event(int(match["ts"]), int(match["cpu"]), int(match["tid"]), match["name"], match["args"])


def _parse_ctf(path):
    for line in _lines(["babeltrace2", "--clock-seconds", "--no-delta", path]):
        match = _CTF.match(line)
        if match:
            ts = int(match["s"]) * 1_000_000_000 + int(match["ns"])
            tid = int(match["tid"]) if match["tid"] else None
            yield Event(ts, int(match["cpu"]), tid, match["name"], match["args"])


_cache = {}


def events(trace):
    """Every event of a trace, in the order of the reader; read once per run."""
    if trace.path not in _cache:
        _cache.clear() if len(_cache) > 6 else None
        _cache[trace.path] = list(_parse_ctf(trace.path) if trace.is_ctf else _parse_dat(trace.path))
    return _cache[trace.path]


def select(trace, *names):
    """The events whose common name is among `names`, args left as text."""
    wanted = set(names)
    return [event for event in events(trace) if common_name(event.name) in wanted]


def epoch_shift_ns(trace):
    """What a trace's own time adds to its clock's value: CTF reaches for the epoch, trace.dat adds nothing."""
    if not trace.is_ctf:
        return 0
    folder = trace.ctf_folders()[0]
    shown = subprocess.run(
        ["babeltrace2", "-o", "ctf-metadata", folder], capture_output=True, text=True, errors="replace", check=True
    ).stdout
    clock = re.search(r"clock \{(.*?)\};", shown, re.DOTALL).group(1)
    frequency = int(re.search(r"freq = (\d+)", clock).group(1))
    cycles = int(re.search(r"\boffset = (-?\d+)", clock).group(1))
    seconds = re.search(r"offset_s = (-?\d+)", clock)
    return cycles * 1_000_000_000 // frequency + (int(seconds.group(1)) if seconds else 0) * 1_000_000_000
