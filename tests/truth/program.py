"""The program under test, asked like a user would: command line in, JSON or CSV out.

An answer with exit code 0 or 1 is an answer (1: and there are issues); anything else is a ProgramError that
carries what the program said.
"""

import csv
import io
import json
import os
import subprocess

TIMEOUT_S = 300


class ProgramError(Exception):
    pass


class Answer:
    def __init__(self, code, rows):
        self.code = code
        self.rows = rows


class Program:
    def __init__(self, path, cache):
        self.path = os.path.abspath(path)
        self.environment = dict(os.environ, XDG_CACHE_HOME=os.path.abspath(cache), NO_COLOR="1", LC_ALL="C.UTF-8")
        os.makedirs(cache, exist_ok=True)

    def run(self, arguments, accept=(0, 1)):
        """(exit code, stdout, stderr)"""
        command = [self.path, *arguments]
        try:
            done = subprocess.run(
                command, capture_output=True, env=self.environment, timeout=TIMEOUT_S, check=False,
                stdin=subprocess.DEVNULL,
            )
        except subprocess.TimeoutExpired as error:
            raise ProgramError(f"{' '.join(command)}: no answer within {TIMEOUT_S} s") from error
        out = done.stdout.decode("utf-8", "replace")
        err = done.stderr.decode("utf-8", "replace")
        if done.returncode not in accept:
            said = (err or out).strip()[-500:]
            raise ProgramError(f"{' '.join(command)}: exit code {done.returncode}: {said}")
        return done.returncode, out, err

    def json(self, command, traces, *options):
        code, out, _ = self.run([command, *traces, "--format", "json", "--quiet", *options])
        try:
            return Answer(code, json.loads(out))
        except ValueError as error:
            raise ProgramError(f"{command} --format json: not JSON ({error}): {out[:200]!r}") from error

    def query(self, traces, sql):
        """Rows as dictionaries."""
        code, out, _ = self.run(["query", *traces, sql, "--format", "json", "--quiet"])
        try:
            rows = json.loads(out)
        except ValueError as error:
            raise ProgramError(f"query --format json: not JSON ({error}): {out[:200]!r}") from error
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise ProgramError(f"query --format json: not an array of objects: {out[:200]!r}")
        return rows

    def query_csv(self, traces, sql):
        """Rows as lists of text, for long answers; the header line is left out."""
        _, out, _ = self.run(["query", *traces, sql, "--format", "csv", "--quiet"])
        rows = list(csv.reader(io.StringIO(out)))
        return rows[1:]
