#!/usr/bin/env python3
"""Writes docs/issues.md from the issue catalogue in src/model/issue.cc, so that the two cannot differ.

  tools/issue_docs.py           writes the page
  tools/issue_docs.py --check   exit code 1 when the page is not what would be written
"""

import os
import re
import sys

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
CATALOGUE = os.path.join("src", "model", "issue.cc")
PAGE = os.path.join("docs", "issues.md")
SEVERITIES = {"kInfo": "info", "kWarning": "warning", "kError": "error"}
_ROW = re.compile(r'\{C::k\w+,\s*"(?P<code>\w+)",\s*"(?P<origin>\w+)",\s*(?P<severity>k\w+),\s*(?P<advice>(?:"(?:[^"\\]|\\.)*"\s*)+)\}')

HEAD = """# Issues

What can be wrong with data, or has to be said about it. Each is a row of the table `issue` with its place and count,
and a line of `virtscope check`. *Warning* and *error* mean that data is lost, skipped, cut or inconsistent: the exit
code is then 1. *Info* is a quirk that is fully handled.

This page is written by `tools/issue_docs.py` from `src/model/issue.cc`.
"""


def rows(text):
    """[(code, origin, severity, advice)]; every row of the catalogue must be understood."""
    found = []
    for match in _ROW.finditer(text):
        advice = "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', match["advice"])).replace('\\"', '"')
        found.append((match["code"], match["origin"], SEVERITIES[match["severity"]], advice))
    written = len(re.findall(r"^\s*\{C::k\w+", text, re.MULTILINE))
    if not found or len(found) != written:
        raise SystemExit(f"{CATALOGUE}: {written} rows, {len(found)} understood")
    return found


def page(found):
    lines = [HEAD, "| code | severity | from | what to do |", "|---|---|---|---|"]
    lines += [f"| `{code}` | {severity} | {origin} | {advice} |" for code, origin, severity, advice in found]
    return "\n".join(lines) + "\n"


def main():
    with open(os.path.join(ROOT, CATALOGUE), encoding="utf-8") as handle:
        wanted = page(rows(handle.read()))
    target = os.path.join(ROOT, PAGE)
    if sys.argv[1:] == ["--check"]:
        present = open(target, encoding="utf-8").read() if os.path.exists(target) else ""
        if present != wanted:
            print(f"{PAGE} is not what {CATALOGUE} says; run tools/issue_docs.py")
            return 1
        return 0
    with open(target, "w", encoding="utf-8") as handle:
        handle.write(wanted)
    return 0


if __name__ == "__main__":
    sys.exit(main())
