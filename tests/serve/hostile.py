#!/usr/bin/env python3
"""Requests that no browser of ours sends, to the real server on a real capture: each must get exactly its status, and
a good request must be answered right after it. Then many slow clients, and traces that change under the server.

  hostile.py --virtscope build/virtscope --capture tests/captures/preempt-tsc

Raw sockets, since HTTP libraries refuse to send most of this. Exit code 0: all of it holds.
"""

import contextlib
import json
import os
import resource
import shutil
import statistics
import sys
import tempfile
import time

from server import Server, arguments, serving, verdict

IDLE_CLIENTS, SLOW_CLIENTS = 1000, 100
GOOD_WITHIN_S = 0.2


def cases(server):
    """(group, name, bytes, status)"""
    ask, port = server.request, server.port
    rows = []

    def add(group, name, data, status):
        rows.append((group, name, data, status))

    hosts = ["evil.example", f"evil.example:{port}", "127.0.0.1", "127.0.0.1:1", f"127.0.0.1:{port}.evil.example", f"0.0.0.0:{port}",
             f"127.0.0.1:{port}:80", f"127.0.0.2:{port}", f"2130706433:{port}", f"0x7f.1:{port}", f"localhost.evil:{port}", "[::1", f"a@127.0.0.1:{port}"]
    for host in hosts:
        add("host", host, ask("GET", "/api/experiment", host=host), 421)
    add("host", "none", ask("GET", "/api/experiment", host=None), 400)
    add("host", "two", ask("GET", "/api/experiment", extra=["Host: evil.example"]), 400)

    origins = ["http://evil.example", f"http://evil.example:{port}", "null", f"https://{server.authority}", f"http://{server.authority}.evil",
               f"http://127.0.0.1:{port + 1}", "http://127.0.0.1", f"http://a@{server.authority}", "file://", "", f"http://{server.authority}/x",
               "chrome-extension://abcdef"]
    for origin in origins:
        add("origin", repr(origin), ask("GET", "/api/experiment", origin=origin), 403)

    for method in ("TRACE", "CONNECT", "PATCH", "BREW", "get", "OPTIONS"):
        add("method", method, ask(method, "/api/experiment"), 405)
    add("method", "GET that would change something", ask("GET", "/api/login"), 405)
    add("method", "DELETE of what cannot be deleted", ask("DELETE", "/api/experiment"), 405)
    sql = json.dumps({"sql": "SELECT 1", "limit": 1})
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
        add("method", f"POST of {kind or 'nothing'}", ask("POST", "/api/sql", body=sql, kind=kind), 415)

    good = server.cookie
    name = good.partition("=")[0]
    for words, cookie in (("none", ""), ("wrong", f"{name}=" + "0" * 32), ("empty", f"{name}="), ("short", good[:-1]), ("long", good + "0"),
                          ("another name", "x" + good), ("upper case", f"{name}=" + "F" * 32)):
        add("token", words, ask("GET", "/api/experiment", cookie=cookie), 401)
    add("token", "in the address", ask("GET", f"/api/experiment?token={server.token}", cookie=""), 401)
    add("token", "wrong login", ask("POST", "/api/login", body='{"token":"0"}', cookie=""), 401)

    for path in ("/../etc/passwd", "/..%2f..%2fetc%2fpasswd", "/%2e%2e/%2e%2e/etc/passwd", "/assets/../../etc/passwd", "/assets/%2e%2e%2fetc", "/..\\..\\x",
                 "/%5c..%5cx", "/a%00b", "/a%0d%0ab"):
        add("path", path, ask("GET", path), 400)
    for path in ("/%zz", "/%4", "/api/%ff%fe", "/api/\x7f"):
        add("path", repr(path), ask("GET", path), 400)
    for path in ("/nothing", "/api", "/api/nothing", "/api/views/x/y"):
        add("path", path, ask("GET", path), 404)
    add("path", "no slash", ask("GET", "api/experiment"), 400)

    host = f"Host: {server.authority}\r\n"
    cookie = f"Cookie: {good}\r\n"
    raw = [
        ("no version", "GET /\r\n\r\n", 400), ("version 9", f"GET / HTTP/9.9\r\n{host}\r\n", 400), ("not HTTP", "\x16\x03\x01\x02\x00\r\n\r\n", 400),
        ("two lengths", f"POST /api/sql HTTP/1.1\r\n{host}{cookie}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{{}}x", 400),
        ("length and chunks", f"POST /api/sql HTTP/1.1\r\n{host}{cookie}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        ("negative length", f"POST /api/sql HTTP/1.1\r\n{host}{cookie}Content-Length: -1\r\n\r\n", 400),
        ("length of letters", f"POST /api/sql HTTP/1.1\r\n{host}{cookie}Content-Length: abc\r\n\r\n", 400),
        ("endless length", f"POST /api/sql HTTP/1.1\r\n{host}{cookie}Content-Length: 99999999999999999999999\r\n\r\n", 400),
        ("bad chunk", f"POST /api/sql HTTP/1.1\r\n{host}{cookie}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        ("space before colon", f"GET / HTTP/1.1\r\n{host}X : 1\r\n\r\n", 400),
        ("NUL in a header", f"GET / HTTP/1.1\r\n{host}X: a\x00b\r\n\r\n", 400),
        ("header without colon", f"GET / HTTP/1.1\r\n{host}nonsense\r\n\r\n", 400),
        ("letter LF in the line", f"GET /\x01 HTTP/1.1\r\n{host}\r\n", 400), ("no method", f" / HTTP/1.1\r\n{host}\r\n", 400),
    ]
    for words, text, status in raw:
        add("framing", words, text.encode("latin-1"), status)

    add("size", "address of 9 KiB", ask("GET", "/" + "a" * 9216), 414)
    add("size", "header of 20 KiB", ask("GET", "/api/experiment", extra=["X: " + "a" * 20480]), 431)
    add("size", "100 headers", ask("GET", "/api/experiment", extra=[f"X{i}: 1" for i in range(100)]), 431)
    add("size", "body of 2 MiB", ask("POST", "/api/sql", body=json.dumps({"sql": "a" * (2 << 20)})), 413)
    add("size", "JSON 100 deep", ask("POST", "/api/sql", body='{"sql":' + "[" * 100 + "]" * 100 + "}"), 400)
    window = {"view": "fused", "layers": ["state"], "rows": [0], "from_ns": "0", "to_ns": "1", "pixels": 100}
    wrong = [
        ("JSON cut", "/api/sql", '{"sql":'), ("not JSON", "/api/sql", "SELECT 1"), ("an array", "/api/sql", "[]"), ("sql is a number", "/api/sql", '{"sql":1}'),
        ("SQL that is none", "/api/sql", '{"sql":"SELEC","limit":1}'), ("SQL that writes", "/api/sql", '{"sql":"CREATE TABLE x(a)","limit":1}'),
        ("SQL that attaches", "/api/sql", '{"sql":"ATTACH \'/etc/passwd\' AS x","limit":1}'),
        ("a million pixels", "/api/states", json.dumps(dict(window, pixels=1_000_000))), ("no pixels", "/api/states", json.dumps(dict(window, pixels=0))),
        ("times that are none", "/api/states", json.dumps(dict(window, from_ns="x"))), ("a view that is none", "/api/states", json.dumps(dict(window, view="x"))),
        ("a layer that is none", "/api/states", json.dumps(dict(window, layers=["x"]))),
    ]
    for words, path, body in wrong:
        add("resources", words, ask("POST", path, body=body), 400)
    return rows


def hostile(server, fail):
    rows = cases(server)
    for group, name, data, wanted in rows:
        status, headers, _ = server.ask(data)
        if status != wanted:
            fail(f"{group}: {name}: {status}, should be {wanted}")
        for header in ("content-security-policy", "x-content-type-options", "referrer-policy", "cross-origin-resource-policy"):
            if status and header not in headers:
                fail(f"{group}: {name}: the answer has no {header}")
        if "access-control-allow-origin" in headers:
            fail(f"{group}: {name}: the answer lets other origins in")
        after, _, _ = server.good()
        if after != 200:
            fail(f"{group}: {name}: a good request after it: {after}")
    return len(rows)


def slow(server, fail):
    """Clients that send nothing, and some that send a byte a second, do not keep others waiting: there are more of them
    than the server has places, and those who wait longest make room."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(files[1], 2 * (IDLE_CLIENTS + SLOW_CLIENTS)), files[1]))
    sockets = []
    took = []
    try:
        for _ in range(IDLE_CLIENTS + SLOW_CLIENTS):
            sockets.append(server.connect())
        for letter in b"GET /":
            for connection in sockets[IDLE_CLIENTS:]:
                with contextlib.suppress(OSError):  # it may have had to make room
                    connection.sendall(bytes([letter]))
            for _ in range(3):
                begin = time.monotonic()
                status, _, _ = server.good()
                took.append(time.monotonic() - begin)
                if status != 200:
                    fail(f"slow clients: a good request beside {len(sockets)} of them: {status}")
            time.sleep(1)
        if statistics.median(took) > GOOD_WITHIN_S:
            fail(f"slow clients: good requests take {statistics.median(took):.3f} s")
    finally:
        for connection in sockets:
            connection.close()
    return took


def changing(program, capture, fail):
    """A trace that is cut, replaced or deleted under the server: every answer is an answer, and the server lives."""
    count = 0
    for words in ("cut", "emptied", "replaced", "deleted"):
        with tempfile.TemporaryDirectory() as work:
            copy = os.path.join(work, "capture")
            shutil.copytree(capture, copy, copy_function=shutil.copy)
            server = Server(program, [copy], os.path.join(work, "cache"))
            try:
                server.login()
                spoil(copy, words)
                events = json.dumps({"from_ns": "0", "limit": 100, "direction": 1})
                for _ in range(3):
                    status, _, body = server.ask(server.request("POST", "/api/events", body=events))
                    count += 1
                    if status not in (200, 409, 500, 503) or (status != 200 and b"title" not in body):
                        fail(f"{words}: events: {status} {body[:200]!r}")
                if server.good()[0] != 200 or not server.alive():
                    fail(f"{words}: the server does not live on")
            finally:
                server.stop()
    return count


def spoil(folder, how):
    for place, _, files in os.walk(folder):
        for file in files:
            path = os.path.join(place, file)
            if how == "deleted":
                os.remove(path)
            elif how == "replaced":
                with open(path + ".new", "wb") as out:
                    out.write(b"\xff" * 100)
                os.replace(path + ".new", path)
            else:
                os.truncate(path, 0 if how == "emptied" else os.path.getsize(path) // 2)


def main():
    options = arguments(__doc__)
    wrong = []
    with serving(options, wrong) as server:
        count = hostile(server, wrong.append)
        took = slow(server, wrong.append)
    changed = changing(options.virtscope, options.capture, wrong.append)
    print(f"{count} hostile requests, {IDLE_CLIENTS + SLOW_CLIENTS} slow clients with "
          f"good requests in {1000 * statistics.median(took):.1f} ms (longest {1000 * max(took):.1f}), {changed} requests to changed traces")
    return verdict(wrong)


if __name__ == "__main__":
    sys.exit(main())
