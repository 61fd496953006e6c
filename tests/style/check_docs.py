#!/usr/bin/env python3
"""Documents that say what is so: relative links lead to files and headings that exist, code blocks name files of
the tree that exist, every `make` target that is named exists, and a page that lists issue codes lists all of them.

  check_docs.py [ROOT] | --self-test
"""

import os
import re
import sys

import source

_LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\(([^)\s]+)\)|!\[[^\]\n]*\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^(```|~~~).*?^\1[ \t]*$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`[^`\n]*`")
_MAKE = re.compile(r"(?:`|^\s*\$?\s*|&& )make ((?:[a-z][a-z-]*)(?: [a-z][a-z-]*)*)", re.MULTILINE)
_CATALOGUE = os.path.join("src", "model", "issue.cc")
_CODE = re.compile(r"\{C::k\w+,\s*\"(\w+)\"")


def slug(heading):
    """The anchor that Markdown renderers give a heading."""
    heading = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading.strip().lower())
    return re.sub(r" ", "-", re.sub(r"[^\w\- ]", "", heading))


def anchors(text):
    text = _FENCE.sub("", text)
    seen = {}
    out = set()
    for match in re.finditer(r"^#{1,6}[ \t]+(.+?)[ \t]*#*$", text, re.MULTILINE):
        name = slug(match.group(1))
        count = seen.get(name, 0)
        seen[name] = count + 1
        out.add(name if count == 0 else f"{name}-{count}")
    return out


def check_links(path, text, read):
    """`read(path)` gives a file's text, '' for a folder, None when there is nothing."""
    prose = _FENCE.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text)
    prose = _INLINE.sub(lambda m: " " * len(m.group()), prose)
    for match in _LINK.finditer(prose):
        target = match.group(1) or match.group(2)
        place = f"{path}:{source.line_of(prose, match.start())}"
        if re.match(r"^(https?|mailto):", target):
            continue
        name, _, anchor = target.partition("#")
        full = os.path.normpath(os.path.join(os.path.dirname(path), name)) if name else path
        content = text if not name else read(full)
        if content is None:
            yield f"{place}: link to {target}: there is no {full}"
        elif anchor and full.endswith(".md") and anchor not in anchors(content):
            yield f"{place}: link to {target}: {full} has no such heading"


def check_make(path, text, targets):
    for match in _MAKE.finditer(text):
        for word in match.group(1).split():
            if word not in targets:
                yield f"{path}:{source.line_of(text, match.start(1))}: there is no 'make {word}'"
            break


def check_issue_codes(path, text, codes):
    """A page that documents more than a few codes documents all, and none that does not exist."""
    named = set(re.findall(r"^\|\s*`(\w+)`\s*\|", text, re.MULTILINE))
    if "issue" not in os.path.basename(path) and len(named & codes) < 5:
        return
    for code in sorted(codes - named):
        yield f"{path}: issue code `{code}` is not documented"
    if "issue" in os.path.basename(path):
        for code in sorted(named - codes):
            yield f"{path}: issue code `{code}` does not exist"


def _reader(top):
    def read(path):
        full = os.path.join(top, path)
        if os.path.isdir(full):
            return ""
        return source.read(top, path) if os.path.exists(full) else None

    return read


def check(top):
    codes = set(_CODE.findall(source.read(top, _CATALOGUE)))
    if not codes:
        yield f"{_CATALOGUE}: no issue codes found; has the catalogue changed its form?"
    targets = set(re.findall(r"^([a-z][a-z-]*):", source.read(top, "Makefile"), re.MULTILINE))
    pages = source.files(top, (".md",))
    if not pages:
        yield "no documents found"
    for path in pages:
        text = source.read(top, path)
        yield from check_links(path, text, _reader(top))
        yield from check_make(path, text, targets)
        yield from check_issue_codes(path, text, codes)


def self_test():
    tree = {"docs/a.md": "# One two\n## One two\n", "docs": ""}
    samples = [
        ("missing file", list(check_links("README.md", "[x](docs/b.md)", tree.get)), 1),
        ("missing heading", list(check_links("README.md", "[x](docs/a.md#three)", tree.get)), 1),
        ("missing own heading", list(check_links("README.md", "# A\n[x](#b)", tree.get)), 1),
        ("missing picture", list(check_links("docs/a.md", "![x](p.png)", tree.get)), 1),
        ("good links", list(check_links("README.md", "[x](docs/a.md#one-two-1) [y](docs) [z](https://a.b)\n"
                                        "```\n[x](nowhere)\n```\n`[x](nowhere)`", tree.get)), 0),
        ("unknown target", list(check_make("README.md", "run `make everything`", {"check"})), 1),
        ("known target", list(check_make("README.md", "run `make check`; it does make sense", {"check"})), 0),
        ("missing code", list(check_issue_codes("docs/issues.md", "| `a` | x |", {"a", "b"})), 1),
        ("unknown code", list(check_issue_codes("docs/issues.md", "| `a` | x |\n| `c` | x |", {"a"})), 1),
        ("codes elsewhere", list(check_issue_codes("docs/b.md", "| `a` | x |", {"a", "b"})), 0),
    ]
    for what, found, count in samples:
        if len(found) != count:
            yield f"self-test: {what}: {found}, expected {count}"


if __name__ == "__main__":
    sys.exit(source.main(check, self_test))
