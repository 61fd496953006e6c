#!/usr/bin/env python3
"""How long `virtscope serve` takes to answer on a long trace, at any zoom.

  serve_bench.py --virtscope build/virtscope --trace FOLDER [--rounds N] [--rows 200] [--pixels 2000] [--cache DIR]
  serve_bench.py --link http://127.0.0.1:8080/#token=... (a server that runs already, with --tsp-open)

A window per zoom and round, at places that are the same on every run, each asked once. Per zoom: the time of the
client from the request to the last byte of the answer, over a connection that stays open, and in brackets the CPU time
that the server took for it; medians of the rounds. On a busy machine only the CPU time means something. `docs/serve.md` has the figures and the bars. Exit code 0: every answer was there, whatever it took.
"""

import argparse
import http.client
import json
import os
import random
import re
import statistics
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "tests", "serve"))

from server import Server  # noqa: E402

ZOOMS = (100.0, 10.0, 1.0, 0.1, 0.01)
BARS_MS = {"states": 20, "tsp": 50}
VIEWS = ("fused", "vms", "control")
# Rows that overlap, and the views whose rows do not depend on the number of processors.
MORE_VIEWS = ("vprocess", "disk", "net")


class Client:
    def __init__(self, host, port, token, pid):
        self.pid = pid
        self.connection = http.client.HTTPConnection(host, port, timeout=120)
        self.cookie = ""
        self.cookie = self.raw("POST", "/api/login", {"token": token})[1].getheader("set-cookie").split(";")[0]

    def raw(self, method, path, body=None):
        """(seconds, answer, bytes)"""
        data = None if body is None else json.dumps(body)
        headers = {"Cookie": self.cookie, "Content-Type": "application/json"}
        begin = time.perf_counter()
        self.connection.request(method, path, data, headers)
        answer = self.connection.getresponse()
        text = answer.read()
        seconds = time.perf_counter() - begin
        if answer.status >= 300:
            raise SystemExit(f"{method} {path}: {answer.status} {text[:300]!r}")
        return seconds, answer, text

    def cpu(self):
        """Seconds of CPU that the server has taken, of all its threads."""
        total = 0
        for task in os.listdir(f"/proc/{self.pid}/task"):
            with open(f"/proc/{self.pid}/task/{task}/schedstat", encoding="ascii") as file:
                total += int(file.read().split()[0])
        return total / 1e9

    def get(self, path):
        return json.loads(self.raw("GET", path)[2])

    def post(self, path, body):
        return json.loads(self.raw("POST", path, body)[2])


class Bench:
    def __init__(self, client, options):
        self.client = client
        self.options = options
        self.experiment = client.get("/api/experiment")
        self.begin = int(self.experiment["begin_ns"])
        self.end = int(self.experiment["end_ns"])
        self.layers = {view["id"]: [layer["id"] for layer in view["layers"]] for view in client.get("/api/views")["views"]}
        self.rows = {view: [row["id"] for row in client.post("/api/rows", {"view": view})["rows"]] for view in VIEWS + MORE_VIEWS}
        self.uuid = client.get("/tsp/api/experiments")[0]["UUID"]

    def windows(self, zoom):
        rng = random.Random(int(zoom * 1000))
        width = max(1, int((self.end - self.begin) * zoom / 100))
        for _ in range(self.options.rounds):
            begin = self.begin + rng.randint(0, self.end - self.begin - width)
            yield begin, begin + width

    def some(self, view):
        """As many rows as were asked for; where the view has fewer, all of them."""
        return self.rows[view][: self.options.rows]

    def states(self, view):
        return "/api/states", lambda begin, end: {
            "view": view, "layers": self.layers[view], "rows": self.some(view), "from_ns": str(begin), "to_ns": str(end), "pixels": self.options.pixels}

    def tsp(self, view, what):
        first = self.rows[view][0]
        return f"/tsp/api/experiments/{self.uuid}/outputs/timeGraph/{view}/{what}", lambda begin, end: {"parameters": {
            "requested_timerange": {"start": begin, "end": end, "nbTimes": self.options.pixels},
            "requested_items": [row - first for row in self.some(view)]}}

    def arrows(self, view):
        return "/api/arrows", lambda begin, end: {"view": view, "rows": self.some(view), "from_ns": str(begin), "to_ns": str(end), "limit": 2000}

    def series(self, points):
        return "/api/series", lambda begin, end: {"from_ns": str(begin), "to_ns": str(end), "points": points}

    def span(self, view):
        return lambda begin, end: {"view": view, "from_ns": str(begin), "to_ns": str(end)}

    def cases(self):
        for view in VIEWS:
            yield f"states {view}", *self.states(view), BARS_MS["states"]
        for view in VIEWS:
            yield f"TSP states {view}", *self.tsp(view, "states"), BARS_MS["tsp"]
        for view in VIEWS:
            yield f"arrows {view}", *self.arrows(view), BARS_MS["tsp"]
        yield "TSP arrows control", *self.tsp("control", "arrows"), BARS_MS["tsp"]
        yield "series", *self.series(self.options.pixels), BARS_MS["tsp"]
        for view in MORE_VIEWS:
            if self.rows[view]:
                yield f"states {view}", *self.states(view), BARS_MS["states"]
        for view in VIEWS + MORE_VIEWS:
            yield f"active {view}", "/api/active", self.span(view), BARS_MS["tsp"]
        yield "card waits", "/api/totals", lambda begin, end: {"table": "vprocess_state"}, BARS_MS["tsp"]
        yield "card disks", "/api/disks", lambda begin, end: None, BARS_MS["tsp"]
        yield "rows", "/api/rows", (lambda begin, end: {"view": "control", "from_ns": str(begin), "to_ns": str(end)}), BARS_MS["tsp"]

    def run(self):
        rows, pixels = self.options.rows, self.options.pixels
        print(f"{int(self.experiment['events']):,} events, at most {rows} rows, {pixels} pixels, ms of the client (of the server's CPU), medians of {self.options.rounds} windows")
        print(f"{'':20}" + "".join(f"{zoom:>18g}%" for zoom in ZOOMS) + "   bar    largest answer")
        print("rows: " + ", ".join(f"{view} {len(self.some(view))}" for view in VIEWS))
        for name, path, body, bar in self.cases():
            if self.options.only and not re.search(self.options.only, name):
                continue
            cells, most = [], 0
            for zoom in ZOOMS:
                times, cpus = [], []
                for begin, end in self.windows(zoom):
                    before = self.client.cpu()
                    what = body(begin, end)
                    seconds, _, text = self.client.raw("GET" if what is None else "POST", path, what)
                    times.append(seconds * 1000)
                    cpus.append((self.client.cpu() - before) * 1000)
                    most = max(most, len(text))
                median = statistics.median(times)
                cells.append(f"{median:.1f} ({statistics.median(cpus):.1f}){'!' if median > bar else ' '}")
            print(f"{name:20}" + "".join(f"{cell:>19}" for cell in cells) + f"{bar:>6} {most / 1e6:>10.2f} MB", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--virtscope")
    parser.add_argument("--trace", action="append", default=[])
    parser.add_argument("--link")
    parser.add_argument("--pid", type=int, help="of the server behind --link")
    parser.add_argument("--cache", help="where histories are kept (default: a folder that is removed)")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--pixels", type=int, default=2000)
    parser.add_argument("--only", help="regular expression over the names of the lines")
    options = parser.parse_args()
    if options.link:
        host, port, token = re.fullmatch(r"http://([^:/]+):(\d+)/\S*#token=(\w+)", options.link).groups()
        if options.pid is None:
            parser.error("--link needs --pid")
        Bench(Client(host, int(port), token, options.pid), options).run()
        return 0
    with tempfile.TemporaryDirectory() as work:
        server = Server(options.virtscope, options.trace, options.cache or work, ["--tsp-open"], analysis_s=3600)
        try:
            begin = time.monotonic()
            server.login()
            print(f"analysed in {time.monotonic() - begin:.1f} s")
            client = Client(server.host, server.port, server.token, server.process.pid)
            while not client.get("/api/experiment")["sums"]:
                time.sleep(0.1)
            print(f"sums made after {time.monotonic() - begin:.1f} s")
            Bench(client, options).run()
        finally:
            server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
