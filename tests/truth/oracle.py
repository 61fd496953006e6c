"""A stand-in for the program: the contract's tables in SQLite, filled from the independent sums and the truth.

It exists to test the checks. Served the oracle's tables, every check holds; with one fact of them changed, the check
that is there for it must say so (selftest.py).
"""

import json
import sqlite3

import check_block
import check_net
import check_twovms
import expect
import rawtrace
from program import Answer

_TABLES = """
trace(trace, machine, path, format, tracer, clock, begin_ts, end_ts, events, lost_events, loss_windows)
machine(machine, kind, parent, vmm_pid, uuid, vcpus, boot_ts)
clock_sync(machine, segment, begin_ts, end_ts, method, quality, offset_ns, drift_ppb, error_ns, facts_used, facts_rejected,
  outside_before, outside_after)
loss(trace, machine, cpu, ts, dur, lost_events)
vcpu(machine, vcpu, host_machine, host_tid, first_ts, last_ts)
vcpu_state(ts, dur, machine, vcpu, state, pcpu, level, exit_reason, waker_tid, lossy)
pcpu_state(ts, dur, machine, cpu, state, tid, comm, lossy)
fused_cpu(ts, dur, host_machine, cpu, condition, machine, vcpu, tid, comm, state, container, lossy)
thread_state(ts, dur, machine, tid, state, cpu, effective, detail, waker_machine, waker_tid, lossy)
vm_exit(ts, dur, machine, vcpu, reason, class, detail, handling_ns, userspace_ns, halted_ns, polling_ns, steal_ns)
preemption(ts, dur, machine, vcpu, tid, comm, pcpu, kind, by_machine, by_vcpu, by_tid, by_comm)
block_request(ts, dur, machine, vm, device, sector, bytes, op, queue_ns, service_ns, tid)
net_packet(ts, machine, vm, device, direction, bytes)
net_wakeup(ts, dur, machine, tid, from_machine, from_tid, bytes)
event(ts, trace, machine, cpu, tid, name, fields)
issue(severity, origin, code, trace, place, count, message, advice)
"""


class Oracle:
    """Speaks the part of program.Program that the checks use."""

    def __init__(self, capture):
        self.capture = capture
        self.base = sqlite3.connect(":memory:")
        self.base.row_factory = sqlite3.Row
        for line in _TABLES.replace(",\n  ", ", ").strip().split("\n"):
            self.base.execute(f"CREATE TABLE {line}")
        self.ns_per_tick = 1e9 / capture.tsc_hz() if capture.is_ticks else 1
        self.schedule = expect.Schedule(capture.host)
        self._tasks = {}
        self._piece_cache = {}
        self.end = self.at(self.schedule.last)
        self.intervals = expect.guest_intervals(capture.host)
        self._machines()
        self._events()
        self._exits()
        self._vcpu_states()
        self._cpus_and_threads()
        self.base.execute("CREATE INDEX states ON vcpu_state(machine, vcpu, ts)")

    # -- what a program does
    def query(self, _traces, sql):
        return [dict(row) for row in self.base.execute(sql)]

    def query_csv(self, _traces, sql):
        return [[str(value) for value in row] for row in self.base.execute(sql)]

    def json(self, command, _traces, *_options):
        if command == "stat":
            rows = self.query(None, "SELECT machine, vcpu, reason, COUNT(*) AS count, SUM(dur) AS total_ns,"
                                    " MIN(dur) AS min_ns, MAX(dur) AS max_ns FROM vm_exit GROUP BY 1, 2, 3")
            return Answer(0, json.loads(json.dumps(rows)))
        return Answer(0, self.query(None, "SELECT * FROM clock_sync"))

    # -- filling the tables
    def at(self, raw):
        return round(raw * self.ns_per_tick)

    def add(self, table, rows):
        rows = list(rows)
        if rows:
            marks = ", ".join("?" * len(rows[0]))
            columns = ", ".join(rows[0])
            self.base.executemany(
                f"INSERT INTO {table}({columns}) VALUES ({marks})", [tuple(row.values()) for row in rows]
            )

    def requests_and_packets(self):
        """Only for captures with such events and a single VM; not part of what every oracle holds."""
        for machine, trace in self.capture.traces.items():
            shift = 0 if machine == "host" else self._offset(machine)
            names = check_block.device_names(trace)
            self.add("block_request", ({
                "ts": self.at(r.begin) + shift, "dur": self.at(r.end - r.begin), "machine": machine, "sector": r.sector,
                "vm": None if machine == "host" else machine, "bytes": r.bytes, "op": r.op, "tid": r.tid,
                "device": names.get(r.device) or f"{r.device >> 20}:{r.device & 0xfffff}",
                "queue_ns": self.at(r.issue - r.begin), "service_ns": self.at(r.end - r.issue),
            } for r in check_block.requests(trace)))
            (only,) = self.capture.guests
            for (device, direction), packets in check_net.packets(trace).items():
                self.add("net_packet", ({
                    "ts": self.at(ts) + shift, "machine": machine, "device": device, "direction": direction,
                    "vm": only if machine != "host" or device.startswith("tap") else None, "bytes": length,
                } for ts, length in packets))

        shifts = {m: 0 if m == "host" else check_twovms.guest_to_host(self.capture, m)[0] for m in self.capture.traces}
        self.add("net_wakeup", ({
            "ts": self.at(sent), "dur": self.at(woken) - self.at(sent), "machine": machine, "tid": tid,
            "from_machine": by, "from_tid": by_tid, "bytes": size,
        } for machine, tid, sent, woken, by, by_tid, size in check_net.wakeups_by_packets(self.capture.traces, shifts)))

    def _machines(self):
        self.add("machine", [{"machine": "host", "kind": "host"}])
        self.add("clock_sync", [{"machine": "host", "segment": 0, "method": "reference", "quality": "exact"}])
        vms = {vm for vm, _ in self.capture.vcpu_threads().values()}
        self.add("machine", [{"machine": vm, "kind": "vm", "parent": "host"} for vm in sorted(vms)])
        self.add("vcpu", [
            {"machine": vm, "vcpu": vcpu, "host_machine": "host", "host_tid": tid, "first_ts": 0, "last_ts": self.end}
            for tid, (vm, vcpu) in self.capture.vcpu_threads().items() if tid in self.intervals
        ])
        for vm in self.capture.guests:
            offset = self._offset(vm)
            first = self.at(min(event.ts for event in rawtrace.events(self.capture.guests[vm])))
            self.add("clock_sync", [{
                "machine": vm, "segment": 0, "begin_ts": first + offset, "method": "tsc" if self.capture.is_ticks else
                "beacon", "quality": "exact", "offset_ns": offset, "drift_ppb": 0, "error_ns": 1, "outside_after": 0.0,
            }])

    def _offset(self, vm):
        if self.capture.is_ticks:
            return round(-self.capture.tsc_offset(vm) * self.ns_per_tick)
        offset, _ = self.capture.mono_offset(vm)
        to_guest = rawtrace.epoch_shift_ns(self.capture.guests[vm])
        return round(-(offset + to_guest) + rawtrace.epoch_shift_ns(self.capture.host))

    def _events(self):
        for index, (machine, trace) in enumerate(self.capture.traces.items()):
            raw = rawtrace.events(trace)
            shift = 0 if machine == "host" else self._offset(machine)
            times = [self.at(event.ts) + shift for event in raw]
            self.add("trace", [{"trace": index, "machine": machine, "path": trace.path, "events": len(raw),
                                "begin_ts": min(times), "end_ts": max(times), "lost_events": 0}])
            self.add("event", ({"ts": ts, "trace": index, "machine": machine, "cpu": event.cpu, "tid": event.tid,
                                "name": event.name} for ts, event in zip(times, raw)))

    def _exits(self):
        for tid, list_ in expect.exits(self.capture.host).items():
            vm, vcpu = self.capture.vcpu_threads()[tid]
            self.add("vm_exit", ({
                "ts": self.at(one.begin), "dur": self.at(one.end) - self.at(one.begin), "machine": vm, "vcpu": vcpu,
                "reason": expect.SVM_REASONS.get(one.reason, (hex(one.reason),))[0], "handling_ns": 0,
            } for one in list_))

    def _pieces(self, tid):
        """[(begin, end, state, pcpu)] of a vCPU: its schedule, and on a CPU guest or hypervisor."""
        words = {"asleep": "halted", "preempted": "preempted", "waking": "waking"}
        away = [(w.begin, w.end, words[w.kind], w.cpu) for w in self.schedule.waits[tid]]
        inside = iter(self.intervals[tid] + [(float("inf"), float("inf"))])
        entry, leave = next(inside)
        for begin, end, cpu in self.schedule.runs[tid]:
            while begin < end:
                while leave <= begin:
                    entry, leave = next(inside)
                in_guest = entry <= begin
                until = min(end, leave if in_guest else entry)
                away.append((begin, until, "guest" if in_guest else "hypervisor", cpu))
                begin = until
        return sorted(piece for piece in away if piece[0] < piece[1])

    def _blame(self, tid, piece):
        vm, vcpu = self.capture.vcpu_threads()[tid]
        threads = self.capture.vcpu_threads()
        for begin, end, who in self.schedule.between(piece[3], piece[0], piece[1]):
            low, high = self.at(max(begin, piece[0])), self.at(min(end, piece[1]))
            row = {"ts": low, "dur": high - low, "machine": vm, "vcpu": vcpu, "pcpu": piece[3], "kind": piece[2],
                   "by_machine": None, "by_vcpu": None, "by_tid": None, "by_comm": None}
            if who in threads:
                yield from self._blame_guest(row, threads[who], who, max(begin, piece[0]), min(end, piece[1]))
                continue
            if who:
                row.update(by_machine="host", by_tid=who, by_comm=self.schedule.comm.get(who))
            yield row

    def _blame_guest(self, row, whose, tid, begin, end):
        """One row per task of the thieving guest, or one for its vCPU thread when that guest has no trace."""
        vm, vcpu = whose
        row = dict(row, by_machine=vm, by_vcpu=vcpu, by_tid=tid)
        if vm not in self.capture.guests:
            yield row
            return
        if vm not in self._tasks:
            self._tasks[vm] = check_twovms.guest_tasks(self.capture, vm)
        at = begin
        for low, high, comm in self._tasks[vm].get(vcpu, []):
            low, high = max(low, at), min(high, end)
            if low < high:
                if at < low:
                    yield dict(row, ts=self.at(at), dur=self.at(low) - self.at(at))
                yield dict(row, ts=self.at(low), dur=self.at(high) - self.at(low), by_comm=comm)
                at = high
        if at < end:
            yield dict(row, ts=self.at(at), dur=self.at(end) - self.at(at))

    def _vcpu_states(self):
        for tid in self.intervals:
            vm, vcpu = self.capture.vcpu_threads()[tid]
            for piece in self._pieces(tid):
                low, high = self.at(piece[0]), self.at(piece[1])
                row = {"ts": low, "dur": high - low, "machine": vm, "vcpu": vcpu, "state": piece[2],
                       "pcpu": piece[3], "lossy": 0}
                self.add("vcpu_state", [row])
                if piece[2] in ("preempted", "waking"):
                    self.add("preemption", self._blame(tid, piece))

    def _cpus_and_threads(self):
        threads = self.capture.vcpu_threads()
        for cpu, stays in self.schedule.on_cpu.items():
            for begin, end, tid in stays:
                low, high = self.at(begin), self.at(end)
                self.add("pcpu_state", [{"ts": low, "dur": high - low, "machine": "host", "cpu": cpu, "tid": tid,
                                         "state": "user" if tid else "idle", "lossy": 0}])
                pieces = [(begin, end, "host")]
                if tid in self.intervals:
                    pieces = [p[:3] for p in self._pieces_within(tid, begin, end)]
                vm, vcpu = threads.get(tid, (None, None))
                self.add("fused_cpu", ({
                    "ts": self.at(b), "dur": self.at(e) - self.at(b), "host_machine": "host", "cpu": cpu, "condition": c,
                    "machine": vm or "host", "vcpu": vcpu, "tid": tid, "lossy": 0} for b, e, c in pieces))
        self._threads("host", self.schedule, 0)
        for vm, trace in self.capture.guests.items():
            self._threads(vm, expect.Schedule(trace), self._offset(vm))

    def _threads(self, machine, schedule, shift):
        words = {"asleep": "blocked", "preempted": "preempted", "waking": "runnable"}
        for tid, runs in schedule.runs.items():
            pieces = [(b, e, "user", "running") for b, e, _ in runs]
            pieces += [(w.begin, w.end, words[w.kind], "waiting") for w in schedule.waits[tid]]
            if tid:
                self.add("thread_state", ({
                    "ts": self.at(b) + shift, "dur": self.at(e) - self.at(b), "machine": machine, "tid": tid, "state": s,
                    "effective": f, "lossy": 0} for b, e, s, f in sorted(pieces)))

    def _pieces_within(self, tid, begin, end):
        if tid not in self._piece_cache:
            self._piece_cache[tid] = [p for p in self._pieces(tid) if p[2] in ("guest", "hypervisor")]
        return [p for p in self._piece_cache[tid] if p[0] >= begin and p[1] <= end]
