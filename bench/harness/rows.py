"""What a row of the table is, and how rows are measured together.

A Job is a command that is run several times; a Part is one number read from a Job's runs. Several rows may read the
same job. The jobs of a group are run in turn, round by round.
"""

import dataclasses
import re
from typing import Callable, Optional

import measure


@dataclasses.dataclass(eq=False)
class Job:
    name: str
    command: Optional[list]  # None: the program is not there
    before: Callable = None  # called before every run
    after: Callable = None  # called with every finished run; may leave facts in run.facts
    max_runs: int = 1000
    good: tuple = (0, 1)  # exit codes of a run that counts (1: answered, the data has issues)
    runs: list = dataclasses.field(default_factory=list)
    error: str = ""

    def once(self):
        if self.command is None:
            self.error = "not built"
        if self.error:
            return
        if self.before:
            self.before()
        run = measure.run(self.command)
        run.facts = {}
        if run.status not in self.good:
            last = [line for line in run.output.splitlines() if line.strip()][-1:]
            self.error = f"exit {run.status}: {last[0] if last else ''}"[:120]
            return
        if self.after:
            self.after(run)
        self.runs.append(run)


@dataclasses.dataclass
class Part:
    role: str  # 'ours', 'peer', 'floor'
    name: str
    job: Job
    parse: Callable  # Run -> number or None

    def summary(self):
        if self.job.error:
            return measure.failed(self.job.error)
        pairs = [(run, self.parse(run)) for run in self.job.runs]
        pairs = [(run, value) for run, value in pairs if value is not None]
        if not pairs:
            return measure.failed("no figure in its output")
        return measure.summarise([run for run, _ in pairs], [value for _, value in pairs])


@dataclasses.dataclass
class Row:
    key: str
    title: str
    data: str  # the input's label
    unit: str
    parts: list
    target: Optional[float] = None  # in the unit
    limit: Optional[float] = None  # ours / floor, at most
    ahead: dict = dataclasses.field(default_factory=dict)  # peer: its figure / ours, at least
    instructions: Optional[Callable] = None  # () -> per event
    instructions_target: Optional[float] = None
    least: Optional[float] = None  # lower end of the target, where there is one
    published: str = ""  # figures of peers that are no package
    note: str = ""


@dataclasses.dataclass
class Result:
    row: Row
    summaries: list  # (role, name, Summary), as the row's parts
    instructions: Optional[float] = None

    def of(self, role):
        return [(name, s) for r, name, s in self.summaries if r == role and not s.error]

    @property
    def ours(self):
        found = self.of("ours")
        return found[0][1] if found else None

    @property
    def floor(self):
        found = self.of("floor")
        return found[0] if found else None

    @property
    def best_peer(self):
        found = self.of("peer")
        return min(found, key=lambda pair: pair[1].value) if found else None

    @property
    def floor_ratio(self):
        if not (self.ours and self.floor and self.floor[1].value):
            return None
        return self.ours.value / self.floor[1].value

    def peer_ratio(self, name):
        for peer, summary in self.of("peer"):
            if peer == name and self.ours and self.ours.value:
                return summary.value / self.ours.value
        return None

    def checks(self):
        """[(what, holds)] of everything that the row demands and this machine can tell."""
        out = []
        if self.ours is None:
            return out
        if self.row.limit and self.floor_ratio is not None:
            out.append((f"<= {self.row.limit:g}x floor", self.floor_ratio <= self.row.limit))
        for name, least in self.row.ahead.items():
            ratio = self.peer_ratio(name)
            if ratio is not None:
                out.append((f">= {least:g}x {name}", ratio >= least))
        if self.row.instructions_target and self.instructions is not None:
            out.append((f"<= {self.row.instructions_target:g} instr",
                        self.instructions <= self.row.instructions_target))
        return out

    @property
    def on_target(self):
        if self.ours is None or self.row.target is None:
            return None
        return (self.row.least or 0) <= self.ours.value <= self.row.target

    @property
    def verdict(self):
        """'pass', 'miss', or '-' where there is nothing to judge. Ratios count; without any, the target does."""
        checks = self.checks()
        if checks:
            return "pass" if all(holds for _, holds in checks) else "miss"
        if self.on_target is None:
            return "-"
        return "pass" if self.on_target else "miss"


def measure_rows(rows, rounds, say):
    """Runs the jobs of `rows` in turn and gives a Result per row."""
    jobs = []
    for row in rows:
        for part in row.parts:
            if part.job not in jobs:
                jobs.append(part.job)
    for number in range(rounds):
        for job in jobs:
            if len(job.runs) < min(rounds, job.max_runs):
                say(f"round {number + 1}/{rounds}: {job.name}")
                job.once()
    out = []
    for row in rows:
        result = Result(row, [(part.role, part.name, part.summary()) for part in row.parts])
        if row.instructions and result.ours is not None:
            say(f"instructions: {row.title}")
            result.instructions = row.instructions()
        out.append(result)
    return out


# -- reading figures

_NS_PER_EVENT = re.compile(r"([\d.]+) ns/event")


def printed_ns(run):
    """The program's own "N ns/event", which leaves out opening the trace."""
    found = _NS_PER_EVENT.search(run.output)
    return float(found.group(1)) if found else None


def cpu_ns_per(count):
    """CPU time of the whole process over a number of events."""
    return lambda run: run.cpu_s * 1e9 / count


def wall_ns_per(count):
    return lambda run: run.wall_s * 1e9 / count


def cpu_ms(run):
    return run.cpu_s * 1e3


def cpu_s(run):
    return run.cpu_s


def anonymous_mib(run):
    return run.anonymous_bytes / 2**20


def peak_mib(run):
    return run.peak_bytes / 2**20


def fact(name, scale=1.0):
    return lambda run: run.facts[name] * scale if name in run.facts else None


def after_label(label, column="median"):
    """A figure of history_bench and interval_floor: "  LABEL   first 1.0 us  median 0.5  p95 ...", in us."""
    pattern = re.compile(rf"^\s*{re.escape(label)}\s+.*?\b{column}\s+([\d.]+)", re.MULTILINE)

    def parse(run):
        found = pattern.search(run.output)
        return float(found.group(1)) if found else None

    return parse


def matched(pattern):
    """The pattern's first group as a number; ^ is the begin of any line."""
    compiled = re.compile(pattern, re.MULTILINE)

    def parse(run):
        found = compiled.search(run.output)
        return float(found.group(1)) if found else None

    return parse
