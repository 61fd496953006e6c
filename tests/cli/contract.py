#!/usr/bin/env python3
"""The command line as documented: exit codes, formats, where options may stand, same input same output; and every
command that README.md shows runs.

  contract.py --virtscope PATH --capture FOLDER [--readme PAGE...]
"""

import argparse
import json
import os
import random
import re
import subprocess
import sys
import tempfile

COMMANDS = ("info", "check", "sync", "report", "stat", "waits")
TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
SQL = "SELECT machine, COUNT(*) AS n FROM event GROUP BY machine ORDER BY machine"


class Tester:
    def __init__(self, program, capture, work):
        self.program = os.path.abspath(program)
        self.capture = os.path.abspath(capture)
        self.work = work
        self.wrong = []
        self.compared = 0

    def run(self, *arguments, env=None, cwd=None):
        done = subprocess.run(
            [self.program, *arguments], capture_output=True, stdin=subprocess.DEVNULL, timeout=120, check=False, cwd=cwd,
            env=dict(os.environ, XDG_CACHE_HOME=self.work, **(env or {})),
        )
        return done.returncode, done.stdout, done.stderr

    def holds(self, condition, message):
        self.compared += 1
        if not condition:
            self.wrong.append(message)

    def expect_code(self, wanted, *arguments, says=None):
        code, out, err = self.run(*arguments)
        shown = " ".join(arguments)
        self.holds(code == wanted, f"{shown}: exit code {code}, not {wanted}: {err[-200:]!r}")
        if wanted not in (0, 1):
            self.holds(err.strip(), f"{shown}: says nothing on stderr")
            self.holds(not out, f"{shown}: writes to stdout although it has no answer: {out[:100]!r}")
        if says:
            self.holds(re.search(says, err.decode("utf-8", "replace"), re.IGNORECASE),
                       f"{shown}: stderr has no '{says}': {err[-200:]!r}")


def cut_windows(test):
    """A window beyond the trace is cut to it, and the answer says so."""
    for command in (("why", "--task", "vm1/15"), ("waits",)):
        for to, said in ((("--to", "+1000s"), True), ((), False)):
            code, out, _ = test.run(*command, test.capture, *to, "--format", "json")
            notes = [row["message"] for row in json.loads(out) if row["section"] == "note"] if code in (0, 1) else None
            shown = " ".join(command + to)
            test.holds(notes is not None and bool(notes) == said, f"{shown}: exit code {code}, notes {notes}")
            if said and notes:
                test.holds(notes[0].startswith("the window is cut to what there is"), f"{shown}: says {notes[0]}")


def exit_codes(test):
    code, out, _ = test.run("--version")
    test.holds(code == 0 and re.search(rb"\d+\.\d+\.\d+", out), f"--version: {code}, {out!r}")
    code, out, _ = test.run("--help")
    test.holds(code == 0 and all(name.encode() in out for name in COMMANDS + ("query", "why")), "--help names no commands")
    for name in COMMANDS + ("query", "why"):
        code, out, _ = test.run(name, "--help")
        test.holds(code == 0 and out, f"{name} --help: exit code {code}")
    test.expect_code(2)
    test.expect_code(2, "nonsense", test.capture)
    test.expect_code(2, "report")
    test.expect_code(2, "report", test.capture, "--no-such-option")
    test.expect_code(2, "report", test.capture, "--format", "xml")
    test.expect_code(2, "query", test.capture, "SELEC 1")
    test.expect_code(2, "query", test.capture, "SELECT * FROM nowhere")
    test.expect_code(2, "query", test.capture, "SELECT nothing FROM event")
    test.expect_code(2, "query", test.capture, "SELECT * FROM flow", says="needs a machine and a thread")
    test.expect_code(2, "query", test.capture, "SELECT * FROM flow('nobody', 1)", says="there is no machine nobody")
    test.expect_code(2, "query", test.capture, "SELECT * FROM critical_path('vm1', 99999)", says="has no thread 99999")
    test.expect_code(0, "query", test.capture, "SELECT * FROM flow('vm1', 15, 0, 5)", says="outside of what the traces hold")
    test.expect_code(2, "why", test.capture, says="needs a task")
    test.expect_code(2, "why", test.capture, "--task", "vm9/1", says="there is no machine vm9")
    test.expect_code(2, "why", test.capture, "--task", "vm1/99999", says="has no thread 99999 .*nearest")
    test.expect_code(2, "why", test.capture, "--task", "vm1/sytemd", says="has no task sytemd")
    test.expect_code(2, "why", test.capture, "--task", "vm1/15", "--from", "+1000s", says="has no time in this window.*lived from")
    test.expect_code(2, "waits", test.capture, "--from", "+1000s", says="no time in this window.*reach from")
    test.expect_code(2, "waits", test.capture, "--vm", "vm9", says="there is no VM vm9")
    test.expect_code(2, "waits", test.capture, "--path", "vm1/nothing", says="has no process nothing")
    test.expect_code(3, "info", os.path.join(test.work, "missing"))
    empty = os.path.join(test.work, "empty.dat")
    with open(empty, "wb"):
        pass
    test.expect_code(3, "info", empty)
    noise = os.path.join(test.work, "noise.dat")
    with open(noise, "wb") as handle:
        handle.write(random.Random(1).randbytes(100_000))
    test.expect_code(3, "info", noise)
    packed = os.path.join(test.work, "host.ctf.tar.zst")
    with open(packed, "wb") as handle:
        handle.write(b"\x28\xb5\x2f\xfd" + bytes(100))
    test.expect_code(3, "info", packed, says="unpack|tar")
    for name in COMMANDS:
        test.expect_code(0, name, test.capture)


def formats(test):
    for name in COMMANDS:
        _, out, _ = test.run(name, test.capture, "--format", "json")
        try:
            rows = json.loads(out)
            test.holds(isinstance(rows, list) and rows and all(isinstance(row, dict) for row in rows),
                       f"{name} --format json is no array of objects")
        except ValueError as error:
            test.holds(False, f"{name} --format json: {error}")
        _, out, _ = test.run(name, test.capture, "--format", "csv")
        test.holds(b"," in out.split(b"\n")[0], f"{name} --format csv has no header line")
        _, out, _ = test.run(name, test.capture)
        test.holds(out and b"\x1b" not in out, f"{name}: control sequences although stdout is no terminal")
    _, out, _ = test.run("query", test.capture, SQL, "--format", "json")
    rows = json.loads(out)
    test.holds([list(row) for row in rows] == [["machine", "n"]] * len(rows) and rows, f"query's columns: {rows[:2]}")


def options_anywhere(test):
    answers = {
        test.run("--format", "json", "query", test.capture, SQL)[1],
        test.run("query", "--format", "json", test.capture, SQL)[1],
        test.run("query", test.capture, "--format", "json", SQL)[1],
        test.run("query", test.capture, SQL, "--format=json")[1],
    }
    test.holds(len(answers) == 1 and answers != {b""}, f"options at another place give another answer: {answers}")


def same_answer(test):
    """Threads, cache, language, time zone and the place one calls from change nothing."""
    for arguments in (("report", test.capture), ("stat", test.capture, "--format", "json"),
                      ("query", test.capture, "SELECT * FROM vcpu_state", "--format", "csv")):
        answers = set()
        for extra, env in (((), {}), ((), {}), (("--no-cache",), {}), (("--jobs", "1", "--no-cache"), {}),
                           (("--jobs", "4", "--no-cache"), {}), ((), {"TZ": "Asia/Tokyo", "LC_ALL": "de_DE.UTF-8"})):
            answers.add(test.run(*arguments, *extra, env=env)[1])
        test.holds(len(answers) == 1, f"{' '.join(arguments)}: {len(answers)} different answers")


def times(test):
    begin, end = (json.loads(test.run("query", test.capture, f"SELECT {f} AS t FROM trace WHERE trace = 0", "--format",
                                      "json")[1])[0]["t"] for f in ("begin_ts", "end_ts"))
    test.holds(0 < begin < end, f"the trace is from {begin} to {end}")


def readme(test, path):
    """Lines of fenced blocks that begin with build/virtscope, run from the top of the tree."""
    with open(path, encoding="utf-8") as handle:
        blocks = re.findall(r"^```\w*\n(.*?)^```", handle.read(), re.MULTILINE | re.DOTALL)
    lines = [line.lstrip("$ ") for block in blocks for line in block.split("\n")]
    commands = [line for line in lines if line.startswith("build/virtscope ")]
    test.holds(commands, f"{path} shows no command")
    for command in commands:
        # The page that a document shows is what the program prints, as far as it is shown.
        done = subprocess.run(
            ["bash", "-c", command.replace("build/virtscope", '"$VIRTSCOPE"')], capture_output=True, cwd=TOP,
            stdin=subprocess.DEVNULL, timeout=120, check=False,
            env=dict(os.environ, VIRTSCOPE=test.program, XDG_CACHE_HOME=test.work),
        )
        test.holds(done.returncode in (0, 1) and done.stdout, f"{path}: {command}: exit code {done.returncode}: "
                   f"{done.stderr[-300:]!r}")
        shown = next((block for block in blocks if block.startswith(f"$ {command}\n")), None)
        printed = done.stdout.decode("utf-8").split("\n")
        for line in shown.split("\n")[1:] if shown else []:
            test.holds(line.strip() in ("", "...") or line in printed, f"{path} shows a line that is not printed: {line}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--virtscope", required=True)
    parser.add_argument("--capture", required=True)
    parser.add_argument("--readme", nargs="+", default=[])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        test = Tester(options.virtscope, options.capture, work)
        if options.readme:
            for page in options.readme:
                readme(test, page)
        else:
            for part in (exit_codes, cut_windows, formats, options_anywhere, same_answer, times):
                part(test)
    for line in test.wrong:
        print(f"! {line}")
    print(f"{test.compared - len(test.wrong)} of {test.compared} hold")
    return 1 if test.wrong or not test.compared else 0


if __name__ == "__main__":
    sys.exit(main())
