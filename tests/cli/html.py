#!/usr/bin/env python3
"""report --html: the page is well-formed, small, asks nobody for anything, is the same twice, and every SQL on it runs.

  html.py --virtscope PATH --capture FOLDER...
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree

MOST_BYTES = 500_000
CODES = (0, 1)
ALLOWED = {"html", "head", "meta", "title", "style", "body", "svg", "defs", "pattern", "rect", "path", "circle", "text",
           "h1", "h2", "h3", "p", "b", "code", "pre", "div", "details", "summary", "table", "tr", "th", "td"}


def parsed(page):
    """The page is written so that it is XML too, but for its first line."""
    text = page.decode("utf-8")
    head = "<!DOCTYPE html>\n"
    if not text.startswith(head):
        raise ValueError("does not begin with its DOCTYPE")
    return ElementTree.fromstring(text[len(head):])


def faults(page):
    """What is wrong with a page, as texts; and the SQL that it shows."""
    wrong = []
    if len(page) > MOST_BYTES:
        wrong.append(f"{len(page)} bytes are too many for a mail")
    try:
        root = parsed(page)
    except (ValueError, ElementTree.ParseError) as error:
        return wrong + [f"not well-formed: {error}"], []
    patterns = {node.get("id") for node in root.iter("pattern")}
    for node in root.iter():
        if node.tag not in ALLOWED:
            wrong.append(f"<{node.tag}> has no place on the page")
        for name, value in node.attrib.items():
            if name in ("src", "href", "action", "data") or name.startswith("on"):
                wrong.append(f"{name}={value!r}")
            for used in re.findall(r"url\(([^)]*)\)", value):
                if not used.startswith("#") or used[1:] not in patterns:
                    wrong.append(f"url({used}) is not a pattern of the page")
    style = "".join(node.text or "" for node in root.iter("style"))
    if re.search(r"url\(|@import|//", style):
        wrong.append("the style sheet refers to something")
    sql = [node.text for node in root.iter("pre") if node.get("class") == "sql"]
    return wrong, sql


def run(*command):
    return subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=120, check=False)


def check(program, capture, extra, work):
    """Faults of the pages of one capture, and how many statements ran."""
    pages = []
    for name in ("a.html", "b.html"):
        target = os.path.join(work, name)
        done = run(program, "report", capture, *extra, "--html", target)
        if done.returncode not in CODES:
            return [f"exit code {done.returncode}: {done.stderr[-300:]!r}"], 0
        if done.stdout.decode() != target + "\n":
            return [f"stdout is not the file's name: {done.stdout[:200]!r}"], 0
        with open(target, "rb") as file:
            pages.append(file.read())
    wrong, statements = faults(pages[0])
    if pages[0] != pages[1]:
        wrong.append("two runs wrote different pages")
    for sql in statements:
        done = run(program, "query", capture, sql)
        if done.returncode not in CODES:
            wrong.append(f"{sql}: exit code {done.returncode}: {done.stderr[-300:]!r}")
        elif len(done.stdout.splitlines()) < 2:
            wrong.append(f"{sql}: no rows")
    return wrong, len(statements)


def refusals(program, capture, work):
    wrong = []
    inside = sorted(name for name in os.listdir(capture) if os.path.isfile(os.path.join(capture, name)))
    targets = [work, os.devnull, ""] + [os.path.join(capture, name) for name in inside[:1]]
    for target in targets:
        done = run(program, "report", capture, "--html", target)
        if done.returncode != 2 or done.stdout or not done.stderr:
            wrong.append(f"--html {target!r}: exit code {done.returncode}, not 2")
    done = run(program, "report", capture, "--html", os.path.join(work, "none", "a.html"))
    if done.returncode in CODES or done.stdout:
        wrong.append(f"a folder that is not there: exit code {done.returncode}")
    return wrong


def self_test():
    head = "<!DOCTYPE html>\n<html><body>"
    bad = ["<p>", "<script>1</script>", '<p onclick="x"/>', '<rect fill="url(#none)"/>', '<rect fill="url(http:x)"/>',
           "<style>@import 'x'</style>", "<p>" + "x" * MOST_BYTES + "</p>"]
    missed = [text[:60] for text in bad if not faults((head + text + "</body></html>").encode())[0]]
    fine, sql = faults((head + '<pre class="sql">SELECT 1</pre></body></html>').encode())
    if fine or sql != ["SELECT 1"]:
        missed.append(f"finds fault with a good page: {fine}")
    return missed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--virtscope", required=True)
    parser.add_argument("--capture", nargs="+", required=True)
    arguments = parser.parse_args()
    wrong = [f"self test: {text}" for text in self_test()]
    ran = 0
    for capture in arguments.capture:
        for extra in ((), ("--from", "+200ms", "--to", "+700ms")):
            with tempfile.TemporaryDirectory() as work:
                found, count = check(arguments.virtscope, capture, extra, work)
            wrong += [f"{capture} {' '.join(extra)}: {text}" for text in found]
            ran += count
    with tempfile.TemporaryDirectory() as work:
        wrong += refusals(arguments.virtscope, arguments.capture[0], work)
    if ran == 0:
        wrong.append("no page showed any SQL")
    for text in wrong:
        print(text)
    print(f"html.py: {ran} statements ran, {len(wrong)} findings")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
