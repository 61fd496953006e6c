#!/usr/bin/env python3
"""What the server says before the traces are read: the link at once, every endpoint, ids that stay, and an end on request.

  early.py --virtscope build/virtscope --capture tests/captures/twovms-tsc

Exit code 0: all of it holds.
"""

import json
import os
import signal
import sys
import tempfile
import time

from server import Server, arguments, verdict

ROUNDS = 5
END_S = 5  # of a busy machine
RANGE = {"start": 0, "end": 1000, "nbTimes": 10}
OUTPUTS = {  # path below outputs: parameters
    "timeGraph/fused/tree": {},
    "timeGraph/fused/states": {"requested_timerange": RANGE, "requested_items": [0]},
    "timeGraph/control/arrows": {"requested_timerange": RANGE},
    "XY/steal/tree": {},
    "XY/steal/xy": {"requested_timerange": RANGE, "requested_items": [0]},
    "table/events/columns": {},
    "data/statistics/tree": {},
    "fused/annotations": {"requested_timerange": RANGE},
}


class Early:
    def __init__(self, options, work):
        begin = time.monotonic()
        self.server = Server(options.virtscope, [options.capture], os.path.join(work, "cache"), ["--no-cache", "--jobs", "1"])
        self.link_s = time.monotonic() - begin
        self.server.login(wait=False)

    def tsp(self, method, path, parameters=None):
        body = None if parameters is None else json.dumps({"parameters": parameters})
        status, _, answer = self.server.ask(self.server.request(method, f"/tsp/api/{path}", body=body))
        return status, json.loads(answer)

    def experiment(self):
        return json.loads(self.server.good()[2])

    def end(self, how):
        """Seconds until the server has ended after the signal."""
        begin = time.monotonic()
        self.server.process.send_signal(how)
        code = self.server.process.wait(60)
        return time.monotonic() - begin, code


def answers(early, fail):
    """All at once while the traces are read; True when the analysis ran until the last of them."""
    first = early.tsp("GET", "experiments")[1][0]
    if not first["traces"] or first["traces"] != early.tsp("GET", "traces")[1]:
        fail(f"the traces are not there at once: {first}")
    if early.tsp("GET", "health") != (200, {"status": "UP"}):
        fail("health")
    if not early.tsp("GET", f"experiments/{first['UUID']}/outputs")[1]:
        fail("no outputs")
    for path, parameters in OUTPUTS.items():
        status, answer = early.tsp("POST", f"experiments/{first['UUID']}/outputs/{path}", parameters)
        if status != 200 or answer["status"] not in ("RUNNING", "COMPLETED") or answer["model"] is None:
            fail(f"{path} while the analysis runs: {status} {str(answer)[:200]}")
    for name in ("report", "views"):
        status = early.server.json(name)[0]
        if status not in (200, 503):
            fail(f"{name} while the analysis runs: {status}")
    if early.server.json("bookmarks")[0] != 200 or early.server.json("marks")[0] != 200:
        fail("bookmarks and marks do not answer at once")
    return first if early.experiment()["status"] == "RUNNING" else None


def progress(early, first, fail):
    """Bytes that grow, then everything, with the same ids."""
    seen = []
    end = time.monotonic() + 60
    while (now := early.experiment())["status"] == "RUNNING" and time.monotonic() < end:
        seen.append((now["message"], int(now["done_bytes"]), int(now["total_bytes"])))
        time.sleep(0.01)
    if now["status"] != "COMPLETED":
        fail(f"the analysis is {now['status']}: {now['message']}")
    if any(done > total for _, done, total in seen):
        fail(f"more bytes than there are: {seen[-1]}")
    if first and not any(total > 0 and "MB" in message for message, _, total in seen):
        fail(f"no progress in bytes was seen: {seen[:3]}")
    last = early.tsp("GET", "experiments")[1][0]
    if last["nbEvents"] == 0 or last["end"] <= last["start"] or last["indexingStatus"] != "COMPLETED":
        fail(f"the experiment is not complete: {last}")
    tree = early.tsp("POST", f"experiments/{last['UUID']}/outputs/timeGraph/fused/tree", {})[1]
    if tree["status"] != "COMPLETED" or len(tree["model"]["entries"]) < 2:
        fail(f"no rows when the analysis is done: {str(tree)[:200]}")
    if first and [t["UUID"] for t in first["traces"]] != [t["UUID"] for t in last["traces"]]:
        fail("the ids of the traces changed")


def main():
    options = arguments(__doc__)
    wrong, running, interrupted = [], 0, 0
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as work:
            early = Early(options, work)
            first = answers(early, wrong.append)
            progress(early, first, wrong.append)
            early.server.stop()
            running += first is not None
        for how in (signal.SIGINT, signal.SIGTERM):
            with tempfile.TemporaryDirectory() as work:
                early = Early(options, work)
                interrupted += early.experiment()["status"] == "RUNNING"
                took, code = early.end(how)
                if took > END_S or code not in (0, 1):
                    wrong.append(f"{how.name} while the analysis runs: ends after {took:.1f} s with {code}")
    if running == 0 or interrupted == 0:
        wrong.append("the link came when the analysis was done")
    print(f"early: analysis ran in {running} of {ROUNDS} rounds and at {interrupted} of {2 * ROUNDS} signals, {len(wrong)} wrong")
    return verdict(wrong)


if __name__ == "__main__":
    sys.exit(main())
