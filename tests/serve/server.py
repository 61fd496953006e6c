"""`virtscope serve` in a process of its own, and requests to it over raw sockets: what the tests of the server share."""

import argparse
import contextlib
import json
import os
import re
import select
import socket
import subprocess
import tempfile
import time

START_S = 60
ANSWER_S = 20
LINK = re.compile(r"http://(127\.0\.0\.1|localhost|\[::1\]):(\d+)(/\S*)")


def arguments(description):
    """--virtscope and --capture, as the tests of one capture take them."""
    parser = argparse.ArgumentParser(description=description.split("\n")[0])
    parser.add_argument("--virtscope", required=True)
    parser.add_argument("--capture", required=True)
    return parser.parse_args()


@contextlib.contextmanager
def serving(options, wrong):
    """A server of the capture whose analysis has ended, which must live until it is asked to end, and end well."""
    with tempfile.TemporaryDirectory() as work:
        server = Server(options.virtscope, [options.capture], work)
        code = None
        try:
            server.login()
            yield server
            if not server.alive():
                wrong.append("the server is gone")
        finally:
            code = server.stop()
        if code not in (0, 1):
            wrong.append(f"asked to end, the server ends with {code}")


def verdict(wrong):
    """Prints what is wrong; the exit code."""
    for line in wrong:
        print(f"  ! {line}")
    return 1 if wrong else 0


class Server:
    """`virtscope serve` in a process of its own."""

    def __init__(self, program, paths, cache, options=(), analysis_s=START_S):
        environment = dict(os.environ, XDG_CACHE_HOME=cache, NO_COLOR="1", LC_ALL="C.UTF-8")
        self.process = subprocess.Popen([program, "serve", *paths, *options], stdin=subprocess.DEVNULL, env=environment,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0)
        self.said = ""
        self.analysis_s = analysis_s
        self.host, self.port, self.target = self._link()
        self.token = self.target.partition("#token=")[2]
        self.cookie = ""

    def _link(self):
        end = time.monotonic() + self.analysis_s
        while time.monotonic() < end:
            if select.select([self.process.stdout], [], [], 0.2)[0]:
                chunk = os.read(self.process.stdout.fileno(), 65536)
                self.said += chunk.decode("utf-8", "replace")
                found = LINK.search(self.said)
                if found:
                    return found.group(1), int(found.group(2)), found.group(3)
                if not chunk:
                    break
        self.process.kill()
        raise SystemExit(f"serve printed no link: {self.said!r}")

    @property
    def authority(self):
        return f"{self.host}:{self.port}"

    def login(self, wait=True):
        """Takes the cookie; waits until the analysis has ended, unless told otherwise."""
        status, headers, _ = self.ask(self.request("POST", "/api/login", body=json.dumps({"token": self.token}), cookie=""))
        cookie = headers.get("set-cookie", "")
        if status != 204 or not cookie:
            raise SystemExit(f"login: {status}, cookie {cookie!r}")
        for word in ("httponly", "samesite=strict"):
            if word not in cookie.lower():
                raise SystemExit(f"login: the cookie is not {word}: {cookie}")
        self.cookie = cookie.split(";")[0]
        if wait:
            self._analysed()

    def _analysed(self):
        end = time.monotonic() + self.analysis_s
        while time.monotonic() < end:
            status = json.loads(self.good()[2]).get("status")
            if status != "RUNNING":
                break
            time.sleep(0.05)
        if status != "COMPLETED":
            raise SystemExit(f"the analysis is {status}")

    def request(self, method, target, body=None, **other):
        """Bytes of a request; `host`, `origin`, `cookie`, `kind` (content type), `extra` (header lines) replace what is good."""
        lines = [f"{method} {target} HTTP/1.1"]
        host = other.get("host", self.authority)
        if host is not None:
            lines.append(f"Host: {host}")
        cookie = other.get("cookie", self.cookie)
        if cookie:
            lines.append(f"Cookie: {cookie}")
        if other.get("origin") is not None:
            lines.append(f"Origin: {other['origin']}")
        if body is not None:
            lines.append(f"Content-Type: {other.get('kind', 'application/json')}")
            lines.append(f"Content-Length: {len(body.encode())}")
        lines += other.get("extra", [])
        lines.append("Connection: close")
        return ("\r\n".join(lines) + "\r\n\r\n" + (body or "")).encode("utf-8", "surrogateescape")

    def connect(self):
        return socket.create_connection((self.host.strip("[]"), self.port), timeout=ANSWER_S)

    def ask(self, data, within_s=ANSWER_S):
        """(status, headers, body); status 0: closed without an answer."""
        with self.connect() as connection:
            connection.settimeout(within_s)
            with contextlib.suppress(OSError):  # the server may answer and close before it has read all
                connection.sendall(data)
            answer = b""
            with contextlib.suppress(OSError):
                while chunk := connection.recv(65536):
                    answer += chunk
        head, _, body = answer.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        words = lines[0].split(" ")
        if len(words) < 2 or not words[1].isdigit():
            return 0, {}, b""
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        return int(words[1]), headers, body

    def good(self):
        return self.ask(self.request("GET", "/api/experiment"))

    def json(self, name, body=None, cookie=None):
        """(status, the JSON or None) of a page endpoint; POST where there is a body."""
        extra = {} if cookie is None else {"cookie": cookie}
        text = None if body is None else json.dumps(body)
        status, _, answer = self.ask(self.request("GET" if body is None else "POST", f"/api/{name}", body=text, **extra))
        try:
            return status, json.loads(answer) if answer else None
        except ValueError:
            return status, None

    def alive(self):
        return self.process.poll() is None

    def stop(self):
        self.process.terminate()
        try:
            return self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return -9
