#!/usr/bin/env python3
"""Walks everything that the page can ask of a capture, and holds it against SQL over the same history.

  walk.py --virtscope build/virtscope CAPTURE...

A capture is a folder of traces; packed ones (`host.ctf.tar.zst`) are unpacked first. Every view has rows or says why not
and how to record what it needs; every layer is drawn; what a row was in, the pictures, the steps, the series, marks and
events are what SQL says. Exit code 0: all of it holds.
"""

import argparse
import json
import os
import struct
import subprocess
import sys
import tempfile

from server import Server

PIXELS = 500
SAMPLES = 4  # rows of each kind that are looked at closely
PACKED = ".ctf.tar.zst"
SERIES = {
    "steal": ("SELECT sum(dur) * 100.0 FROM vcpu_state WHERE machine = {m} AND state IN ('waking', 'preempted')", "vcpus"),
    "exits": ("SELECT count(*) * 1e9 FROM vm_exit WHERE machine = {m}", 1),
    "disk": ("SELECT sum(bytes) * 1e3 FROM block_request WHERE machine = {m}", 1),
    "net": ("SELECT sum(bytes) * 1e3 FROM net_packet WHERE machine = {m}", 1),
}


class Reader:
    """The bytes of an answer, front to back."""

    def __init__(self, data):
        self.data = data
        self.at = 0

    def fixed(self, layout):
        values = struct.unpack_from("<" + layout, self.data, self.at)
        self.at += struct.calcsize("<" + layout)
        return values

    def varint(self):
        value = shift = 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def text(self):
        size = self.varint()
        self.at += size
        return self.data[self.at - size:self.at].decode()


def zigzag(value):
    return (value >> 1) ^ -(value & 1)


def pictures_of(data, layers):
    """[row][layer] -> [(pixels, name or None, share)]"""
    reader = Reader(data)
    magic, _, layer_count, rows, pixels, _, _ = reader.fixed("IHHIIqq")
    if magic != 0x54535356 or layer_count != len(layers):
        raise ValueError("not the picture that was asked for")
    out = []
    for _ in range(rows):
        row = []
        for _ in layers:
            stretches = []
            for _ in range(reader.varint()):
                width, coded = reader.varint(), reader.varint()
                stretches.append((width, None if coded == 0 else zigzag(coded - 1), reader.fixed("B")[0] / 255))
            if sum(width for width, _, _ in stretches) not in (0, pixels):
                raise ValueError("a row's stretches are not as wide as the picture")
            row.append(stretches)
        out.append(row)
    names = {}
    for _ in range(reader.varint()):
        layer = reader.varint()
        value = zigzag(reader.varint())
        names[layer, value] = reader.text()
    if reader.at != len(data):
        raise ValueError("bytes after the dictionary")
    return [[[(width, None if value is None else names[layer, value], share) for width, value, share in stretches]
             for layer, stretches in enumerate(row)] for row in out]


class Walk:
    def __init__(self, server, name):
        self.server = server
        self.name = name
        self.wrong = []
        self.checks = 0
        self.empty = []
        self.experiment = self.get("experiment")
        self.begin, self.end = self.experiment["begin_ns"], str(int(self.experiment["end_ns"]) + 1)
        self.vcpus = {one["machine"]: one["vcpus"] for one in self.experiment["machines"]}

    def check(self, holds, what):
        self.checks += 1
        if not holds:
            self.wrong.append(f"{self.name}: {what}")

    def get(self, name, body=None):
        status, answer = self.server.json(name, body)
        self.check(status in (200, 204), f"{name} {json.dumps(body)[:200]}: {status} {answer}")
        return answer

    def sql(self, text, limit=1000):
        return self.get("sql", {"sql": text, "limit": limit})["rows"]

    def states(self, view, layers, rows, begin, end, pixels=PIXELS):
        body = json.dumps({"view": view, "layers": layers, "rows": rows, "from_ns": str(begin), "to_ns": str(end), "pixels": pixels})
        status, _, data = self.server.ask(self.server.request("POST", "/api/states", body=body))
        self.check(status == 200, f"states {body[:200]}: {status} {data[:200]!r}")
        return pictures_of(data, layers)

    def run(self):
        for view in self.get("views")["views"]:
            self.view(view)
        self.series()
        self.marks()
        self.report()
        self.panels()
        return self

    def view(self, view):
        name = view["id"]
        rows = self.get("rows", {"view": name})["rows"]
        missing = view["missing"]
        self.check(bool(rows) != bool(missing), f"view {name}: {len(rows)} rows, missing {missing}")
        if missing:
            self.empty.append(name)
            self.check(len(missing["message"]) > 10, f"view {name}: it does not say why it is empty")
            self.check(len(missing["command"]) > 10, f"view {name}: it does not say how to record what it needs")
            return
        ids = [row["id"] for row in rows]
        self.check(len(set(ids)) == len(ids), f"view {name}: two of its rows have one id")
        for row in rows:
            self.check(row["parent"] == -1 or row["parent"] in ids, f"view {name}: row {row['id']} has no parent")
        layers = [layer["id"] for layer in view["layers"]]
        filled = set()
        for row, pictures in zip(rows, self.states(name, layers, ids[:4096], self.begin, self.end)):
            for layer, stretches in zip(layers, pictures):
                if any(value for _, value, _ in stretches):
                    filled.add(layer)
                for width, value, share in stretches:
                    self.check((value is None) == (share == 0), f"view {name}, {row['label']}: share {share} of {value}")
        # Of a VM without a trace of its own there are no threads, and vCPUs have no effective state.
        wanted = set(layers) - (set() if any(row["kind"] == "thread" for row in rows) else {"effective"})
        self.check(filled >= wanted, f"view {name}: nothing is drawn in {sorted(wanted - filled)}")
        seen = {}
        for row in rows:
            if row["kind"] != "group" and row["has_data"]:
                seen.setdefault((row["kind"], row["machine"]), []).append(row)
        for (kind, _), some in seen.items():
            for row in some[:SAMPLES]:
                self.row(name, layers, kind, row)
        self.arrows(name, ids[:4096])

    def row(self, view, layers, kind, row):
        """What the row was in at its begin: the same by `at`, by SQL and in the picture; then the next state."""
        where = f"view {view}, {row['machine']} {row['label']}"
        ask = {"view": view, "row": row["id"], "time_ns": row["begin_ns"]}
        at = self.get("at", ask)
        self.check(at is not None, f"{where}: no state at its begin")
        if at is None:
            return
        answer = self.get("sql", {"sql": at["sql"], "limit": 1000})
        columns = answer["columns"]
        same = [dict(zip(columns, line)) for line in answer["rows"]]
        self.check(len(same) >= 1, f"{where}: {at['sql']} gives nothing")
        for column, text in at["attributes"]:
            values = {str(line.get(column)) for line in same}
            self.check(text in values, f"{where}: {column} is {text} on the page and {values} in SQL")
        begin, end = int(at["begin_ns"]), int(at["end_ns"])
        if kind != "device" and end - begin >= 10:
            attributes = dict(at["attributes"])
            for layer, stretches in zip(layers, self.states(view, layers, [row["id"]], begin, end, 10)[0]):
                if layer in attributes:
                    shown = {value for _, value, _ in stretches}
                    self.check(shown == {attributes[layer]}, f"{where}: drawn {shown}, is {attributes[layer]}")
        for layer in layers:
            step = self.get("step", {**ask, "direction": 1, "layer": layer})
            self.check(step is None or int(step["begin_ns"]) >= begin, f"{where}: the next state is before this one")
            if step is not None:
                back = self.get("step", {**ask, "time_ns": step["begin_ns"], "direction": -1, "layer": layer})
                self.check(back is not None and int(back["begin_ns"]) <= int(step["begin_ns"]), f"{where}: no way back")

    def arrows(self, view, ids):
        answer = self.get("arrows", {"view": view, "rows": ids, "from_ns": self.begin, "to_ns": self.end, "limit": 10000})
        known = set(ids)
        for arrow in answer["arrows"]:
            self.check(arrow["from_row"] in known and arrow["to_row"] in known, f"view {view}: an arrow leaves the rows")
            self.check(int(arrow["from_ns"]) <= int(arrow["to_ns"]), f"view {view}: an arrow goes back in time")
        if view != "fused" or answer["truncated"]:
            return
        moved = self.sql("SELECT count(*) FROM (SELECT pcpu, lag(pcpu) OVER (PARTITION BY machine, vcpu ORDER BY ts) AS last"
                         " FROM vcpu_state WHERE pcpu IS NOT NULL) WHERE pcpu <> last")[0][0]
        drawn = sum(arrow["kind"] == "migrate" for arrow in answer["arrows"])
        self.check(drawn == moved, f"view {view}: {drawn} migrations, in SQL {moved}")

    def series(self):
        width = (int(self.end) - int(self.begin)) / 50
        answer = self.get("series", {"from_ns": self.begin, "to_ns": self.end, "points": 50})
        for one in answer["series"]:
            kind, _, machine = one["id"].partition(":")
            self.check(all(value is not None and value >= 0 for value in one["y"]), f"series {one['id']}: {one['y'][:5]}")
            if kind not in SERIES:
                self.check(max(one["y"]) <= 100.001, f"series {one['id']}: {max(one['y'])} %")
                continue
            text, parts = SERIES[kind]
            expected = float(self.sql(text.replace("{m}", "'" + machine.replace("'", "''") + "'"))[0][0] or 0)
            parts = self.vcpus[machine] if parts == "vcpus" else parts
            total = sum(one["y"]) * width * parts
            self.check(abs(total - expected) <= 1e-3 * expected + 1, f"series {one['id']}: {total:.1f}, in SQL {expected:.1f}")

    def marks(self):
        marks = self.get("marks")
        self.check(len(marks["losses"]) == self.sql("SELECT count(*) FROM loss")[0][0], "marks: not the losses of SQL")
        self.check(len(marks["clocks"]) == self.sql("SELECT count(*) FROM clock_sync")[0][0], "marks: not the clocks of SQL")
        first = self.get("events", {"from_ns": self.begin, "limit": 5, "direction": 1})["rows"]
        wanted = self.sql("SELECT ts, name FROM event ORDER BY ts LIMIT 5", 5)
        self.check([int(row["ts_ns"]) for row in first] == [int(row[0]) for row in wanted], "events: not those of SQL")

    def report(self):
        report = self.get("report")
        rows = {row["id"]: row for row in self.get("rows", {"view": "vms"})["rows"]}
        for one in report["conclusions"]:
            target = one["target"]
            if target is None:
                continue
            row = rows.get(target["row"])
            self.check(row is not None and one["subject"].startswith(row["machine"]), f"conclusion {one['rule']}: leads to {row}")
            if one["rule"] == "stolen_time" and row:
                lost = self.sql(f"SELECT count(*) FROM preemption WHERE machine = '{row['machine']}' AND vcpu = {row['vcpu']}"
                                f" AND ts = {target['from_ns']} AND ts + dur = {target['to_ns']}")[0][0]
                self.check(lost >= 1, f"conclusion {one['subject']}: nothing was stolen from {row['label']} at {target}")

    def panels(self):
        found = self.sql("SELECT machine, tid FROM thread_state WHERE tid > 0 GROUP BY 1, 2 ORDER BY count(*) DESC LIMIT 1")
        for machine, tid in found:
            why = self.get("why", {"task": f"{machine}/{tid}"})
            self.check(bool(why["headline"]) and "truncated" in why, f"why {machine}/{tid}: {str(why)[:100]}")
        for machine, vcpus in self.vcpus.items():
            side = {"machine": machine, "from_ns": self.begin, "to_ns": self.end}
            rows = self.get("compare", {"a": side, "b": side})["rows"]
            self.check(bool(rows) or not vcpus, f"compare {machine}: nothing")
            self.check(all(row["a"] == row["b"] for row in rows), f"compare {machine}: not the same as itself")


def traces_of(capture, work):
    """What to open: the folder itself, or its archives unpacked."""
    packed = sorted(name for name in os.listdir(capture) if name.endswith(PACKED))
    if not packed:
        return [capture]
    out = os.path.join(work, os.path.basename(capture.rstrip("/")))
    for name in packed:
        place = os.path.join(out, name[: -len(PACKED)])
        os.makedirs(place)
        subprocess.run(["tar", "--zstd", "-xf", os.path.join(capture, name), "-C", place], check=True)
    return [out]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--virtscope", required=True)
    parser.add_argument("captures", nargs="+")
    options = parser.parse_args()
    wrong = []
    for capture in options.captures:
        with tempfile.TemporaryDirectory() as work:
            server = Server(options.virtscope, traces_of(capture, work), os.path.join(work, "cache"))
            try:
                server.login()
                walk = Walk(server, os.path.basename(capture.rstrip("/"))).run()
                if not server.alive():
                    wrong.append(f"{walk.name}: the server is gone")
            finally:
                server.stop()
            wrong += walk.wrong
            empty = f", without {', '.join(walk.empty)}" if walk.empty else ""
            print(f"{walk.name}: {walk.checks} checks, {len(walk.wrong)} wrong{empty}", flush=True)
    for line in wrong[:60]:
        print(f"  ! {line}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
