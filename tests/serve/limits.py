#!/usr/bin/env python3
"""The limits of the server that take time or many clients to reach (src/serve/limits.h); those of a request's text are in
hostile.py, those of its numbers in the unit tests.

  limits.py --virtscope build/virtscope --capture tests/captures/preempt-tsc

Exit code 0: each holds, and the server answers others meanwhile and afterwards.
"""

import json
import socket
import sys
import threading
import time

from server import arguments, serving, verdict

SLACK_S = 6  # of a busy machine
HEADER_S, BODY_S, WRITE_S, QUERY_S = 10, 30, 30, 30
QUERIES, PICTURE_S = 12, 2
IN_FLIGHT, BOOKMARKS, ANSWER_BYTES = 64, 1000, 32 << 20
ENDLESS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c"


def until_closed(connection, limit_s):
    """(seconds until the server closed, what it said)"""
    begin = time.monotonic()
    connection.settimeout(limit_s)
    said = b""
    try:
        while chunk := connection.recv(65536):
            said += chunk
    except (TimeoutError, socket.timeout):
        return float("inf"), said
    except OSError:
        pass  # reset: closed as well
    return time.monotonic() - begin, said


def sql(server, text, limit=1):
    return server.request("POST", "/api/sql", body=json.dumps({"sql": text, "limit": limit}))


def closes(server, data, least, fail, what):
    with server.connect() as connection:
        connection.sendall(data)
        took, said = until_closed(connection, least + 2 * SLACK_S)
        if not least - 1 <= took <= least + SLACK_S:
            fail(f"{what}: closed after {took:.1f} s, should be {least}")
        if said and not said.startswith(b"HTTP/1.1 408"):
            fail(f"{what}: {said[:60]!r}")


def headers(server, fail):
    closes(server, b"GET / HTTP/1.1\r\nHost:", HEADER_S, fail, "half a header")


def body(server, fail):
    whole = sql(server, "SELECT 1")
    closes(server, whole[:-3], BODY_S, fail, "half a body")


def unread(server, fail):
    """An answer that nobody takes. It must be larger than what the kernel keeps for the two ends of a connection."""
    text = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 800) SELECT hex(zeroblob(8000)) FROM c"
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect((server.host, server.port))
        connection.sendall(sql(server, text, 10000))
        time.sleep(WRITE_S + SLACK_S)
        took, said = until_closed(connection, 60)
        if took == float("inf") or len(said) > 10_000_000:
            fail(f"an answer of 12.8 MB that nobody takes: {len(said)} bytes, then nothing for {took} s")


def query(server, fail):
    begin = time.monotonic()
    status, _, answer = server.ask(sql(server, ENDLESS), QUERY_S + 2 * SLACK_S)
    took = time.monotonic() - begin
    if status != 503 or not QUERY_S - 1 <= took <= QUERY_S + SLACK_S:
        fail(f"an endless query: {status} {answer[:80]!r} after {took:.1f} s")


def others(server, fail, stop):
    """A good request is answered all the time."""
    while not stop.is_set():
        begin = time.monotonic()
        status = server.good()[0]
        if status != 200 or time.monotonic() - begin > 2:
            fail(f"meanwhile: {status} after {time.monotonic() - begin:.1f} s")
        time.sleep(0.5)


def answer_size(server, fail):
    text = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT hex(zeroblob(100000)) FROM c"
    status, _, answer = server.ask(sql(server, text, 10000))
    if status != 200 or len(answer) > ANSWER_BYTES or not json.loads(answer)["truncated"]:
        fail(f"a large answer: {status}, {len(answer)} bytes")
    one = "SELECT hex(zeroblob(20000000))"
    status, _, answer = server.ask(sql(server, one))
    if status not in (400, 413) or b"title" not in answer:
        fail(f"an answer of 40 MB in one cell: {status}, {len(answer)} bytes")


def bookmarks(server, fail):
    mark = {"name": "x", "from_ns": "1", "to_ns": "2", "colour": ""}
    statuses = [server.json("bookmarks", mark)[0] for _ in range(BOOKMARKS + 1)]
    if set(statuses[:-1]) != {200} or statuses[-1] != 409:
        fail(f"bookmarks: {statuses.count(200)} taken, then {statuses[-1]}")


def in_flight(server, fail):
    """As many endless queries as are answered at once; the next client is told, and when they go all is well."""
    sockets = []
    try:
        for _ in range(IN_FLIGHT):
            sockets.append(server.connect())
            sockets[-1].sendall(sql(server, ENDLESS))
        end = time.monotonic() + SLACK_S  # until all of them have arrived
        status, _, answer = server.good()
        while status == 200 and time.monotonic() < end:
            time.sleep(0.2)
            status, _, answer = server.good()
        if status != 503 or b"Busy" not in answer:
            fail(f"one request more than are answered at once: {status} {answer[:80]!r}")
    finally:
        for connection in sockets:
            connection.close()
    end = time.monotonic() + SLACK_S
    while server.good()[0] != 200:
        if time.monotonic() > end:
            fail("the server is busy with requests whose clients have gone")
            return
        time.sleep(0.1)


def pictures(server, fail):
    """Long queries of many clients: pictures of others are drawn meanwhile."""
    rows = [row["id"] for row in server.json("rows", {"view": "vms"})[1]["rows"]]
    known = server.json("experiment")[1]
    picture = {"view": "vms", "layers": ["state"], "rows": rows, "from_ns": known["begin_ns"], "to_ns": known["end_ns"], "pixels": 1000}
    ask = server.request("POST", "/api/states", body=json.dumps(picture))
    tree = server.request("GET", "/tsp/api/experiments")
    sockets = []
    try:
        for _ in range(QUERIES):
            sockets.append(server.connect())
            sockets[-1].sendall(sql(server, ENDLESS))
        time.sleep(0.5)
        for _ in range(10):
            for data in (ask, tree):
                begin = time.monotonic()
                status = server.ask(data)[0]
                took = time.monotonic() - begin
                if status != 200 or took > PICTURE_S:
                    fail(f"beside {QUERIES} long queries a picture: {status} after {took:.1f} s")
    finally:
        for connection in sockets:
            connection.close()


def main():
    options = arguments(__doc__)
    wrong = []
    with serving(options, wrong) as server:
        stop = threading.Event()
        slow = [threading.Thread(target=one, args=(server, wrong.append)) for one in (headers, body, unread, query)]
        other = threading.Thread(target=others, args=(server, wrong.append, stop))
        for thread in (*slow, other):
            thread.start()
        for thread in slow:
            thread.join()
        stop.set()
        other.join()
        for one in (answer_size, bookmarks, pictures, in_flight):
            one(server, wrong.append)
    print(f"limits: {len(wrong)} wrong")
    return verdict(wrong)


if __name__ == "__main__":
    sys.exit(main())
