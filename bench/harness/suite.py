"""The rows: what is measured, on which input, against whom, and what is demanded.

Targets are those of the project's speed goal (docs/performance.md has the table with its reasons). Peers that are no
Debian package were measured elsewhere; their figures stand as text.
"""

import hashlib
import os
import statistics

import measure
from data import GB, NoRoom
from rows import (Job, Part, Row, after_label, anonymous_mib, cpu_ms, cpu_ns_per, cpu_s, fact, matched, peak_mib,
                  printed_ns, wall_ns_per)

BUILD_SQL = "SELECT 1 FROM pcpu_state LIMIT 1"
FACTORS = (1, 4, 16)
FIRST_TIMELINE_SQL = "SELECT ts, dur, state FROM pcpu_state WHERE cpu = 0 ORDER BY ts LIMIT 2000"
MIB_TARGET = 256
SYNC_AND_FUSE_NS = 40


class Suite:
    def __init__(self, programs, data, counter, scratch):
        self.programs = programs
        self.data = data
        self.counter = counter
        self.scratch = scratch
        self.skipped = []  # (group, why)

    def groups(self):
        """[(name, function that gives rows)]; inputs are made when a function is called."""
        return [
            ("ctf", self.ctf),
            ("trace.dat", self.dat),
            ("merge", self.merge),
            ("flow", self.flow),
            ("kernel", self.kernel),
            ("stages", self.stages),
            ("vm", self.vm),
            ("history", self.history),
            ("large", self.large),
            ("real-ctf", self.real_ctf),
            ("real-dat", self.real_dat),
            ("real-vm", self.real_vm),
            ("scaling", self.scaling),
            ("identical", self.identical),
        ]

    # -- shared pieces

    def job(self, label, program, *arguments, **options):
        path = self.programs.ours(program)
        return Job(f"{label}: {program}", path and [path, *map(str, arguments)], **options)

    def peer_job(self, label, name, *arguments, **options):
        path = self.programs.peer(name)
        return Job(f"{label}: {name}", path and [path, *map(str, arguments)], **options)

    def peers(self, parts):
        """Those that this machine has."""
        return [part for part in parts if part.job.command is not None]

    def history_path(self, name):
        return os.path.join(self.scratch, name + ".history")

    def analysis_job(self, data, jobs=1, cold=False):
        """All analyses with a stored history, built anew in every run."""
        path = self.history_path(f"{data.label}-{jobs}")

        def before():
            remove(path)
            if cold:
                measure.drop_pages(data.paths)

        def after(run):
            if not os.path.exists(path):  # virtscope keeps no history of damaged input
                return
            run.facts["history_bytes"] = os.path.getsize(path)
            with open(path, "rb") as handle:
                run.facts["digest"] = _digest(handle)

        command = [self.programs.virtscope, "query", *data.paths, "--history", path, "--jobs", str(jobs), "--quiet",
                   BUILD_SQL]
        name = f"{data.label}: all analyses, {jobs} thread{'s' if jobs > 1 else ''}{', cold' if cold else ''}"
        return Job(name, command, before=before, after=after)

    def slope(self, command_of):
        """Instructions per event: what 100,000 events more cost, so that the program's start is left out."""

        def count():
            if not self.counter:
                return None
            small, large = self.data.small_kernel(50_000), self.data.small_kernel(150_000)
            a = measure.instructions(self.counter, command_of(small))
            b = measure.instructions(self.counter, command_of(large))
            return (b - a) / (large.events - small.events) if a and b else None

        return count

    def analysis_instructions(self, data):
        path = self.history_path("instructions")
        remove(path)
        return [self.programs.virtscope, "query", *data.paths, "--history", path, "--jobs", "1", "--quiet", BUILD_SQL]

    # -- reading

    def ctf_rows(self, data, key, title):
        decode = self.programs.ours("ctf_decode_bench")
        events = data.events
        peers = self.peers([
            Part("peer", "babeltrace2", self.peer_job(data.label, "babeltrace2", "-o", "dummy", *data.paths),
                 cpu_ns_per(events)),
            Part("peer", "libbabeltrace2", self.job(data.label, "babeltrace2_read", *data.paths), cpu_ns_per(events)),
            Part("peer", "babeltrace", self.peer_job(data.label, "babeltrace", "-o", "dummy", *data.paths),
                 cpu_ns_per(events)),
        ])
        merged = Row(
            key, title, data.label, "ns/event",
            [Part("ours", "virtscope", self.job(data.label, "ctf_decode_bench", "merge", *data.paths), printed_ns),
             *peers,
             Part("floor", "walk and merge", self.job(data.label, "ctf_floor", "merge", *data.paths), printed_ns)],
            target=70, limit=2.2, ahead={"babeltrace": 6, "babeltrace2": 9},
            instructions=decode and self.slope(lambda small: [decode, "merge", *small.paths]),
            instructions_target=300, published="Trace Compass 430, yactfr 356 unmerged")
        one = Row(
            key + "-one", "CTF decode, one stream, fields on demand", data.label, "ns/event",
            [Part("ours", "virtscope", self.job(data.label, "ctf_decode_bench", "demand", *data.paths), printed_ns),
             *peers,
             Part("floor", "every field", self.job(data.label, "ctf_floor", "fields", *data.paths), printed_ns)],
            target=35, limit=2.2, ahead={"babeltrace2": 10}, published="yactfr 356")
        return [merged, one]

    def ctf(self):
        return self.ctf_rows(self.data.kernel(10_000_000), "ctf-merged", "CTF decode, merged")

    def dat_row(self, data, key, title, target, limit, ahead, parts=(), **peer_runs):
        return Row(
            key, title, data.label, "ns/event",
            [Part("ours", "virtscope", self.job(data.label, "ftrace_decode_bench", data.paths[0], "merged", 1),
                  printed_ns),
             *self.peers([Part("peer", "libtracecmd", self.job(data.label, "libtracecmd_read", data.paths[0],
                                                               **peer_runs),
                               cpu_ns_per(data.events)), *parts]),
             Part("floor", "pages and merge", self.job(data.label, "ftrace_floor", "merge", data.paths[0]),
                  printed_ns)],
            target=target, limit=limit, ahead=ahead,
            instructions=self.dat_slope() if self.programs.ours("ftrace_decode_bench") else None)

    def dat_slope(self):
        """Opening a trace.dat costs as much as many events: the difference of two lengths of one trace."""

        def count():
            if not self.counter:
                return None
            small, large = (self.data.long_dat(size / self.data.scale) for size in (11e6, 33e6))
            command = [self.programs.ours("ftrace_decode_bench"), None, "merged", "1"]
            counts = []
            for data in (small, large):
                command[1] = data.paths[0]
                counts.append(measure.instructions(self.counter, command))
            return (counts[1] - counts[0]) / (large.events - small.events) if all(counts) else None

        return count

    def dat(self):
        # libtracecmd 3.1.6 walks a list of all packed chunks at each page: its cost per event grows with the file.
        plain, packed = self.data.long_dat(GB // 2), self.data.long_dat(GB, packed=True)
        report = Part("peer", "trace-cmd report", self.peer_job(plain.label, "trace-cmd", "report", "-i",
                                                                plain.paths[0], max_runs=1),
                      cpu_ns_per(plain.events))
        return [
            self.dat_row(plain, "dat-merged", "trace.dat, merged, fields", 25, 2.8, {"libtracecmd": 3.5}, [report]),
            self.dat_row(packed, "dat-packed", "trace.dat v7 compressed", 50, 1.5, {"libtracecmd": 40}, max_runs=1),
        ]

    # -- analyses

    def analysis_rows(self, data, key, title, target, limit, floor_paths=None):
        job = self.analysis_job(data)
        parts = [Part("ours", "virtscope", job, cpu_ns_per(data.events))]
        if floor_paths:
            parts.append(Part("floor", "packed in memory", self.job(data.label, "kernel_floor", *floor_paths),
                              cpu_ns_per(data.events)))
        return [
            Row(key, title, data.label, "ns/event", parts, target=target, limit=limit,
                published="Trace Compass 3,900-4,550" if key == "kernel" else ""),
            Row(key + "-size", "history size / trace size", data.label, "x",
                [Part("ours", "virtscope", job, fact("history_bytes", 1 / data.bytes))], target=0.5,
                published="Trace Compass 1.55"),
            self.memory_row(data, key, job),
        ]

    @staticmethod
    def memory_row(data, key, job):
        return Row(key + "-memory", "memory, anonymous", data.label, "MiB",
                   [Part("ours", "virtscope", job, anonymous_mib), Part("info", "resident", job, peak_mib)],
                   target=MIB_TARGET, published="Trace Compass 2,000-4,600 resident")

    def kernel(self):
        data = self.data.kernel(10_000_000)
        rows = self.analysis_rows(data, "kernel", "kernel analysis incl. stored history", 180, 2.2, data.paths)
        rows[0].instructions = self.slope(self.analysis_instructions)
        rows[0].instructions_target = 1000
        return rows

    # -- stage by stage

    def merge(self):
        """The join alone, over streams in memory; the floor is a loser tree over the same cursors."""
        events = self.data.scaled(4_000_000)
        job = self.job("merge", "merge_bench", events, 1)
        rows = []
        for streams, shape, clock in ((1, "by event", "identity"), (2, "by event", "identity"),
                                      (8, "by event", "identity"), (8, "bursts", "identity"),
                                      (8, "by event", "drift"), (64, "by event", "identity")):
            line = rf"^ *{streams}  {shape} +{clock} +[\d.]+ +"
            rows.append(Row(
                f"merge-{streams}-{shape}-{clock}".replace(" ", "-"),
                f"merge alone, {streams} streams, {shape}, {clock} clocks", f"{events} events", "ns/event",
                [Part("ours", "virtscope", job, matched(line + r"[\d.]+ +([\d.]+)")),
                 Part("floor", "loser tree", job, matched(line + r"([\d.]+)"))]))
        return rows

    def flow(self):
        """One window over a history in memory, at 1x, 4x and 16x: seconds, and linear in the window."""
        events = self.data.scaled(10_000_000)
        job = self.job("flow", "flow_bench", events)
        rows = []
        for what, name in (("flow", "execution flow"), ("path", "critical path"), ("disks", "whose requests were at the disk")):
            for times in (1, 4, 16):
                of = events * times // 16
                line = rf"^ *{of} events  .*?{what} +[\d.]+ s +([\d.]+) ns/event"
                rows.append(Row(f"flow-{what}-{times}x", f"{name}, a window of {times}x", f"{of} events", "ns/event",
                                [Part("ours", "virtscope", job, matched(line))]))
        return rows

    def stages(self):
        """What each stage of opening costs inside one process, without its start."""
        rows = []
        for name, data, target in (("kernel", self.data.kernel(10_000_000), 180),
                                   ("vm", self.data.host_and_guests(10_000_000), 300)):
            path = self.history_path(f"{data.label}-stages")
            job = self.job(data.label, "pipeline_bench", "--jobs", 1, "--history", path, *data.paths,
                           before=lambda p=path: remove(p))
            for stage, what in (("survey", "first pass"), ("join", "clocks joined"),
                                ("analyse", "states and history"), ("all", "open to stored history")):
                rows.append(Row(f"stage-{name}-{stage}", f"{name}, stage: {what}", data.label, "ns/event",
                                [Part("ours", "virtscope", job, matched(rf"^{stage} +cpu .*? s +([\d.]+) ns/event"))],
                                target=target if stage == "all" else None))
        return rows

    def vm(self):
        data = self.data.host_and_guests(10_000_000)
        rows = self.analysis_rows(data, "vm", "host + 2 guests: open, sync, all histories", 300, None, data.paths)
        # The floor neither synchronises nor fuses; what that costs at least is an estimate.
        bare = cpu_ns_per(data.events)
        rows[0].parts[1].parse = lambda run: bare(run) + SYNC_AND_FUSE_NS
        rows[0].limit = 2.7
        rows[0].note = f"the floor has {SYNC_AND_FUSE_NS} ns for synchronising and fusing, an estimate"
        rows[0].published = "Trace Compass 14,000-16,000"
        rows.insert(1, Row("vm-two", "the same with two threads (wall)", data.label, "ns/event",
                           [Part("ours", "virtscope", self.analysis_job(data, jobs=2), wall_ns_per(data.events))],
                           target=200, note="wall time: a busy machine shows more"))
        sync = Job(f"{data.label}: sync", [self.programs.virtscope, "sync", *data.paths, "--no-cache", "--jobs", "1",
                                          "--quiet"])
        rows.insert(2, Row("sync", "clock synchronisation alone (whole process)", data.label, "ns/event",
                           [Part("ours", "virtscope", sync, cpu_ns_per(data.events)),
                            Part("floor", "walk", self.job(data.label, "ctf_floor", "walk", *data.paths), printed_ns)],
                           target=40, published="Trace Compass 2,900"))
        return rows

    # -- history

    def history(self):
        rows = []
        for mode in ("uniform", "kernel"):
            data = self.data.intervals(mode)
            path = self.history_path(data.label)
            ours = self.job(data.label, "history_bench", data.paths[0], path, before=lambda p=path: remove(p))
            floor = self.job(data.label, "interval_floor", data.paths[0])
            rows += self.history_rows(data, ours, floor)
        return rows

    def history_rows(self, data, ours, floor):
        def row(key, title, unit, parse, floor_parse, **demands):
            return Row(f"history-{key}", title, data.label, unit,
                       [Part("ours", "virtscope", ours, parse), Part("floor", "layouts in memory", floor, floor_parse)],
                       **demands)

        out = [
            # The floor's layout that is as small as ours; the other one needs more bytes than the bar of the next row.
            row("build", "history build incl. write", "ns/interval", matched(r"^build .*?together ([\d.]+)"),
                matched(r"packed: build ([\d.]+)"), target=50, limit=2.5,
                published="SHT 420-590 (180-500), DuckDB 550"),
            row("whole", "the same, without memos", "ns/interval", matched(r"without memos: .*?together ([\d.]+)"),
                lambda run: None),
            row("size", "history size", "B/interval", matched(r"([\d.]+) B/interval"),
                matched(r"packed: .*?([\d.]+) B/interval"), target=5, limit=1.5, published="SHT 17.7, parquet 6.8-8"),
            row("single", "single attribute at t, warm", "us", after_label("single query, again"),
                after_label("single query"), target=2, published="SHT 140-220"),
            row("first", "single attribute at t, first of a process", "us", after_label("single query", "first"),
                lambda run: None, target=150, published="SHT 4,000-5,000 (cold JVM)"),
            row("full", "full state at t", "us", after_label("full state"), after_label("full state"), target=100,
                limit=1.7, published="SHT 260-480"),
        ]
        bars = {50: ((1, 5, "SHT 330-590 ms, DuckDB 45-110"), (0.1, 1.5, "SHT 36-53 ms, DuckDB 12-29"),
                     (0.01, 0.4, "SHT 4-5 ms, DuckDB 3.2"), (0.001, 0.2, "SHT 0.74-1.0 ms, DuckDB 2")),
                500: ((1, 50, "SHT 390-570 ms"), (0.1, 12, "SHT 50-72 ms"), (0.01, 2.5, "SHT 6.5 ms"),
                      (0.001, 1, "SHT 1.1-1.5 ms"))}
        for count, windows in bars.items():
            for window, target_ms, published in windows:
                label = f"timeline {count} x 2000 px, window {window:g}"
                out.append(row(f"timeline-{count}-{window:g}",
                               f"timeline {count} rows x 2000 px, {window * 100:g} % of the trace", "us",
                               after_label(label), after_label(label), target=target_ms * 1000,
                               limit=4 if count == 50 else 2.5, published=published))
        out.append(row("detail-500", "the same at 100 %, level of detail (16 px)", "us",
                       after_label("level of detail 500 x 2000 px, window 1"), lambda run: None, target=16_000,
                       published="SHT 390-570 ms"))
        return out

    # -- large input

    def large_rows(self, data, key, floor_paths=None):
        scale = data.bytes / GB  # the targets are those of 1 GB
        virtscope = self.programs.virtscope

        def cold():
            measure.drop_pages(data.paths)

        info = Job(f"{data.label}: info, cold", [virtscope, "info", *data.paths, "--no-cache", "--quiet"],
                   before=cold)
        one, two = self.analysis_job(data, 1, cold=True), self.analysis_job(data, 2, cold=True)
        stored = self.history_path(f"{data.label}-1")
        reopen = Job(f"{data.label}: reopen", [virtscope, "query", *data.paths, "--history", stored, "--quiet",
                                              FIRST_TIMELINE_SQL])
        ours = lambda job, parse: [Part("ours", "virtscope", job, parse)]
        overview = ours(info, cpu_s)
        analysed = ours(one, cpu_s)
        if floor_paths:
            overview.append(Part("floor", "packet headers", self.job(data.label, "ctf_floor", "headers", *floor_paths,
                                                                     before=cold), cpu_s))
            analysed.append(Part("floor", "kernel state in memory",
                                 self.job(data.label, "kernel_floor", *floor_paths, before=cold), cpu_s))
        return [
            Row(key + "-overview", "cold open: first overview (info)", data.label, "s", overview,
                target=0.3 * scale, published="Trace Compass 32"),
            Row(key + "-analysed", "cold open: all analysed, one core", data.label, "s", analysed, target=7 * scale,
                limit=1.9, published="Trace Compass 161, babeltrace2 22.6 to decode"),
            Row(key + "-analysed2", "cold open: all analysed, two cores (wall)", data.label, "s",
                ours(two, lambda run: run.wall_s), target=5 * scale,
                note="wall time: a busy machine shows more"),
            Row(key + "-reopen", "reopen with a stored history, to the first timeline", data.label, "ms",
                ours(reopen, cpu_ms), target=50, published="SHT 80-215 + JVM"),
            self.memory_row(data, key, one),
        ]

    def large(self):
        data = self.data.kernel(37_000_000)
        return self.large_rows(data, "large", data.paths)

    # -- the same on real captures

    def real_ctf(self):
        data = self.data.long_ctf(GB)
        rows = self.ctf_rows(data, "real-ctf-merged", "CTF decode, merged")
        return rows + self.large_rows(data, "real-ctf", data.paths) + self.analysis_rows(
            data, "real-ctf-kernel", "kernel analysis incl. stored history", 180, 2.2, data.paths)[:2]

    def real_dat(self):
        data = self.data.long_dat(GB)
        return [self.dat_row(data, "real-dat-merged", "trace.dat, merged, fields", 25, 2.8, {"libtracecmd": 3.5})] + \
            self.large_rows(data, "real-dat") + self.analysis_rows(
                data, "real-dat-kernel", "kernel analysis incl. stored history", 180, None)[:2]

    def real_vm(self):
        data = self.data.long_capture(10_000_000)
        rows = self.analysis_rows(data, "real-vm", "host + 2 guests: open, sync, all histories", 300, None)
        return [row for row in rows if row.key != "real-vm-size"]  # lost events at the seams: none is kept

    # -- what must not grow, and what must not differ

    def scaling(self):
        rows = []
        for label, make in (("kernel", lambda factor: self.data.kernel(625_000 * factor)),
                            ("vm", lambda factor: self.data.host_and_guests(625_000 * factor)),
                            ("real-dat", lambda factor: self.data.long_dat(62_500_000 * factor)),
                            ("real-ctf", lambda factor: self.data.long_ctf(62_500_000 * factor))):
            rows += self.curve(label, [make(factor) for factor in FACTORS])
        return rows + self.instruction_rows()

    def curve(self, label, inputs):
        """Cost per event at 1x, 4x and 16x of an input, and how much it grows."""
        jobs = [self.analysis_job(data) for data in inputs]
        costs = [cpu_ns_per(data.events) for data in inputs]
        rows = [Row(f"scaling-{label}-{factor}", f"{label}: all analysed at {factor}x", data.label, "ns/event",
                    [Part("ours", "virtscope", job, cost)])
                for factor, data, job, cost in zip(FACTORS, inputs, jobs, costs)]
        base = lambda: statistics.median(costs[0](run) for run in jobs[0].runs)
        rows.append(Row(f"scaling-{label}", f"{label}: cost per event, 16x over 1x", inputs[-1].label, "x",
                        [Part("ours", "virtscope", jobs[-1], lambda run: costs[-1](run) / base())], target=1.25,
                        note="cheaper is fine: the start weighs less"))
        for factor, data, job in zip(FACTORS, inputs, jobs):
            rows.append(Row(f"scaling-{label}-memory-{factor}", f"{label}: anonymous memory at {factor}x", data.label,
                            "MiB", [Part("ours", "virtscope", job, anonymous_mib)], target=MIB_TARGET))
        return rows

    def instruction_rows(self):
        """Instructions per event at 1x, 4x and 16x; a first short input pays for the start."""
        if not self.counter:
            return []
        per_event = {}
        base = self.data.small_kernel(5_000)

        def count(factor):
            if factor not in per_event:
                data = self.data.small_kernel(20_000 * factor)
                a = measure.instructions(self.counter, self.analysis_instructions(base))
                b = measure.instructions(self.counter, self.analysis_instructions(data))
                per_event[factor] = (b - a) / (data.events - base.events) if a and b else None
            return per_event[factor]

        data = self.data.small_kernel(20_000 * FACTORS[-1])
        job = Job(f"{data.label}: instructions at 1x, 4x, 16x", ["true"])

        def growth(_run):
            counts = [count(factor) for factor in FACTORS]
            return counts[-1] / counts[0] if all(counts) else None

        rows = [Row("scaling-instructions", "kernel: instructions per event, 16x over 1x", data.label, "x",
                    [Part("ours", "virtscope", job, growth)], target=1.1, least=0.9)]
        for factor in FACTORS:
            rows.append(Row(f"scaling-instructions-{factor}", f"kernel: instructions per event at {factor}x",
                            f"k{20_000 * factor}", "instr", [Part("ours", "virtscope", job,
                                                                 lambda _run, f=factor: count(f))]))
        return rows

    def identical(self):
        """Histories of one and two threads, and of two runs, are the same bytes."""
        data = self.data.host_and_guests(625_000)
        one, two = self.analysis_job(data, 1), self.analysis_job(data, 2)

        def differing(_run):
            digests = {run.facts.get("digest") for run in one.runs + two.runs}
            return None if None in digests else float(len(digests) - 1)

        return [Row("identical", "histories that differ (runs, 1 and 2 threads)", data.label, "files",
                    [Part("ours", "virtscope", two, differing), Part("info", "one thread", one, differing)],
                    target=0)]

    def rows_of(self, name, make):
        try:
            return make()
        except NoRoom as reason:
            self.skipped.append((name, str(reason)))
            return []


def _digest(handle):
    state = hashlib.sha256()
    for block in iter(lambda: handle.read(1 << 20), b""):
        state.update(block)
    return int(state.hexdigest()[:12], 16)


def remove(path):
    if os.path.exists(path):
        os.remove(path)
