"""What every check is given: a capture, its raw events, the program's answers, and a count of comparisons.

A check that compared nothing has not passed; `Check.findings` says so.
"""

import rawtrace
import expect


class Finding(Exception):
    """Ends a check early: what follows would only repeat it."""


class Check:
    """One check on one capture. `same`, `near` and `holds` count a comparison and keep what is wrong."""

    MOST = 8

    def __init__(self, capture, program):
        self.capture = capture
        self.program = program
        self.traces = capture.paths()
        self.compared = 0
        self.wrong = []
        self.measured = []
        self.known = {}  # answers that a check asks for more than once
        self._timeline = None
        self._schedule = None
        self._host_name = None

    # -- keeping the score
    def holds(self, condition, message):
        self.compared += 1
        if not condition:
            self.wrong.append(message)
        return condition

    def same(self, what, found, wanted):
        return self.holds(found == wanted, f"{what}: {found!r}, independently {wanted!r}")

    def near(self, what, found, wanted, tolerance):
        ok = found is not None and abs(found - wanted) <= tolerance
        return self.holds(ok, f"{what}: {found}, independently {wanted} (allowed {tolerance:g})")

    def note(self, text):
        self.measured.append(text)

    def findings(self):
        if self.compared == 0 and not self.wrong:
            return ["nothing was compared"]
        rest = len(self.wrong) - self.MOST
        return self.wrong[: self.MOST] + ([f"... and {rest} more"] if rest > 0 else [])

    # -- asking
    def query(self, sql):
        return self.program.query(self.traces, sql)

    def query_csv(self, sql):
        return self.program.query_csv(self.traces, sql)

    @property
    def schedule(self):
        """The host's schedule from its raw events."""
        if self._schedule is None:
            self._schedule = expect.Schedule(self.capture.host)
        return self._schedule

    @property
    def host_name(self):
        if self._host_name is None:
            rows = self.query("SELECT machine FROM machine WHERE kind = 'host'")
            if len(rows) != 1:
                raise Finding(f"the machine table has {len(rows)} hosts")
            self._host_name = rows[0]["machine"]
        return self._host_name

    @property
    def timeline(self):
        if self._timeline is None:
            self._timeline = Timeline(self)
        return self._timeline

    def vcpus(self):
        """{host tid: (machine, vcpu)} as the program found them."""
        rows = self.query("SELECT machine, vcpu, host_tid FROM vcpu")
        return {row["host_tid"]: (row["machine"], row["vcpu"]) for row in rows}

    def machine_of(self, vm):
        """The program's name for a VM, found by its vCPU threads."""
        found = self.vcpus()
        names = {found[tid][0] for tid, who in self.capture.vcpu_threads().items() if who[0] == vm and tid in found}
        if len(names) != 1:
            raise Finding(f"the vCPU threads of {vm} belong to {sorted(names)}")
        return names.pop()


class Timeline:
    """Host's own timestamps to the host timeline.

    ns clocks: a constant, which is the host row of clock_sync. Ticks: the line through the trace's first and last
    event, whose slope must be the rate that the laboratory measured, to `RATE_PPM`.
    """

    RATE_PPM = 20

    def __init__(self, check):
        capture = check.capture
        row = check.query(
            f"SELECT begin_ts, end_ts FROM trace WHERE machine = '{check.host_name}' ORDER BY trace LIMIT 1"
        )[0]
        raw = [event.ts for event in rawtrace.events(capture.host)]
        self.first, self.last = min(raw), max(raw)
        self.begin, self.end = row["begin_ts"], row["end_ts"]
        self.ticks = capture.is_ticks
        self.ns_per_tick = (self.end - self.begin) / (self.last - self.first)
        hz = capture.tsc_hz() if self.ticks else 1e9
        self.rate_error_ppm = (self.ns_per_tick * hz / 1e9 - 1) * 1e6
        allowed = self.RATE_PPM if self.ticks else 0
        check.holds(
            abs(self.rate_error_ppm) <= allowed + 1e-9,
            f"host timeline runs {self.rate_error_ppm:+.3f} ppm against the host's clock (allowed {allowed})",
        )

    def at(self, raw):
        """The host timeline's ns at a host's own timestamp."""
        if self.ticks:
            return self.begin + (raw - self.first) * self.ns_per_tick
        return self.begin + (raw - self.first)

    def length(self, raw):
        return raw * self.ns_per_tick if self.ticks else raw
