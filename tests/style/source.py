"""What the style checks share: which files there are, and C++ text without comments and strings.

Python 3.9 or later, standard library only. Blanked text keeps every line and column, so places that are
found in it are places in the file.
"""

import os
import re
import sys

CPP = (".cc", ".h")
_SKIP_FOLDERS = {".git", ".cache", "node_modules", "__pycache__", "out", "captures"}

_TOKEN = re.compile(
    r"""
    (?P<line>//[^\n]*)
  | (?P<block>/\*.*?\*/)
  | (?P<raw>R"(?P<delimiter>[^()\\\s]{0,16})\(.*?\)(?P=delimiter)")
  | (?P<string>"(?:\\.|[^"\\\n])*")
  | (?P<digits>\b\d[\w']*)
  | (?P<char>'(?:\\.|[^'\\\n])*')
    """,
    re.VERBOSE | re.DOTALL,
)


def root():
    """The top of the tree that holds this file."""
    return os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))


def files(top, suffixes, folders=None):
    """Paths relative to `top`, sorted; build folders and captures are left out."""
    found = []
    for start in folders or [""]:
        for folder, names, leaves in os.walk(os.path.join(top, start)):
            names[:] = sorted(
                n for n in names if n not in _SKIP_FOLDERS and not n.startswith("build")
            )
            for leaf in leaves:
                if leaf.endswith(tuple(suffixes)):
                    found.append(os.path.relpath(os.path.join(folder, leaf), top))
    return sorted(set(found))


def read(top, path):
    with open(os.path.join(top, path), encoding="utf-8", errors="replace") as handle:
        return handle.read()


def _spaces(text):
    return re.sub(r"[^\n]", " ", text)


def blank(text, keep_strings=False):
    """`text` with comments (and, unless kept, the insides of strings) turned into spaces."""

    def replace(match):
        if match.lastgroup == "digits":
            return match.group().replace("'", "_")
        if match.group("line") or match.group("block"):
            return _spaces(match.group())
        if keep_strings:
            return match.group()
        body = match.group()
        return body[0] + _spaces(body[1:-1]) + body[-1] if not match.group("raw") else _spaces(body)

    return _TOKEN.sub(replace, text)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def main(check, self_test, argv=None):
    """The shape of every check: `check(top)` gives findings, `self_test()` gives mistakes of the check."""
    argv = sys.argv[1:] if argv is None else argv
    findings = list(self_test()) if argv == ["--self-test"] else list(check(argv[0] if argv else root()))
    for finding in findings:
        print(finding)
    name = os.path.basename(sys.argv[0])
    print(f"{name}: {len(findings)} finding{'' if len(findings) == 1 else 's'}")
    return 1 if findings else 0
