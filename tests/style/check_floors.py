#!/usr/bin/env python3
"""The floors of docs/architecture.md, held by the #include lines of src/.

A module includes its own files and modules on lower floors. Of the modules on its own floor it may include
none, unless one folder holds the other's parts (`reader` and `reader/ctf` are on different floors). Only `os`
includes system headers that do input and output, and only `base` uses reinterpret_cast.

  check_floors.py [ROOT] | --self-test
"""

import re
import sys

import source

# Folder under src/ and its floor; the longest matching folder is a file's module.
FLOORS = {
    "base": 0,
    "os": 1,
    "model": 1,
    "reader": 2,
    "history": 2,
    "reader/*": 3,
    "clock": 3,
    "merge": 3,
    "analysis/kernel": 4,
    "analysis/vcpu": 4,
    "analysis/fused": 5,
    "analysis/exits": 5,
    "analysis/block": 5,
    "analysis/net": 5,
    "analysis/delivery": 5,
    "analysis/flow": 6,
    "analysis/waits": 6,
    "analysis/boot": 6,
    "analysis/classify": 6,
    "session": 7,
    "query": 8,
    "record": 8,
    "findings": 9,
    "export": 9,
    "report": 10,
    "serve": 11,
    "cli": 12,
}

# Concrete readers are chosen by the session's registry; nobody else names one.
_ONLY_SESSION_NAMES = re.compile(r"^reader/[^/]+/")
# Anything that opens, maps, lists, forks, connects or asks the machine.
_IO_HEADER = re.compile(
    r"^(sys/(?!types\.h|cdefs\.h)[\w/]+\.h|fcntl\.h|unistd\.h|dirent\.h|poll\.h|netdb\.h|netinet/\w+\.h|arpa/inet\.h"
    r"|spawn\.h|glob\.h|fstream|filesystem|cstdio|stdio\.h)$"
)
# <cstdio> is the way to stdout for the two floors that print; (module, header) pairs, each with its reason.
IO_ALLOWED = {
    ("cli", "cstdio"): "the program's own stdout and stderr",
    ("cli", "unistd.h"): "isatty",
    ("report", "cstdio"): "formats into the stream it is given",
}
_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(["<])([^">]+)[">]', re.MULTILINE)


def module_of(path):
    """`reader/ctf/decoder.h` -> (`reader/ctf`, 3); None for a path outside the table."""
    parts = path.split("/")
    for length in (2, 1):
        if len(parts) <= length:
            continue
        folder = "/".join(parts[:length])
        if folder in FLOORS:
            return folder, FLOORS[folder]
        if length == 2 and parts[0] + "/*" in FLOORS:
            return folder, FLOORS[parts[0] + "/*"]
    return None


def _is_test(path):
    return path.endswith(("_test.cc", "_test_support.cc", "_test_support.h"))


def _check_module_include(path, own, header):
    if header.startswith("tests/support/") and _is_test(path):
        return None
    target = module_of(header)
    if target is None:
        return f"includes \"{header}\", which is in no module of the table of floors"
    if target[0] == own[0]:
        return None
    if _ONLY_SESSION_NAMES.match(header) and own[0] not in ("session",) and not _is_test(path):
        return f"names the concrete reader \"{header}\"; only session's registry does"
    if target[1] < own[1]:
        return None
    way = "sideways" if target[1] == own[1] else "upwards"
    return f"{own[0]} (floor {own[1]}) includes {way}: \"{header}\" is {target[0]} (floor {target[1]})"


def check_file(path, text):
    """Findings of one file; `path` is relative to src/."""
    own = module_of(path)
    if own is None:
        yield f"src/{path}:1: is in no module of the table of floors"
        return
    code = source.blank(text, keep_strings=True)
    for match in _INCLUDE.finditer(code):
        place = f"src/{path}:{source.line_of(code, match.start(2))}"
        header = match.group(2)
        if match.group(1) == '"':
            finding = _check_module_include(path, own, header)
            if finding:
                yield f"{place}: {finding}"
        elif own[0] != "os" and not _is_test(path) and _IO_HEADER.match(header):
            if (own[0], header) not in IO_ALLOWED:
                yield f"{place}: <{header}> does input and output; only os does, so that tests can make it fail"
    if own[0] != "base":
        for match in re.finditer(r"\breinterpret_cast\b", source.blank(text)):
            line = source.line_of(text, match.start())
            yield f"src/{path}:{line}: reinterpret_cast outside base; use the checked cursors of base/bytes.h"


def check(top):
    paths = source.files(top, source.CPP, ["src"])
    if not paths:
        yield f"{top}/src: no sources found"
    for path in paths:
        yield from check_file(path[len("src/"):], source.read(top, path))


_MUST_FAIL = [
    ("base/a.h", '#include "model/event.h"\n', "upwards"),
    ("reader/ctf/a.cc", '#include "reader/ftrace/b.h"\n', "concrete reader"),
    ("reader/ctf/a_test.cc", '#include "reader/ftrace/b.h"\n', "sideways"),
    ("model/a.h", '#include "os/file.h"\n', "sideways"),
    ("analysis/vcpu/a.cc", '#include "analysis/kernel/k.h"\n', "sideways"),
    ("query/a.cc", '#include "reader/ctf/b.h"\n', "concrete reader"),
    ("merge/a.cc", "#include <fcntl.h>\n", "only os does"),
    ("merge/a.cc", "#include <sys/mman.h>\n", "only os does"),
    ("clock/a.cc", "auto p = reinterpret_cast<char*>(q);\n", "reinterpret_cast"),
    ("misc/a.cc", "\n", "no module"),
    ("session/a.cc", '#include "somewhere/b.h"\n', "no module"),
    ("session/a.cc", '#include "tests/support/events.h"\n', "no module"),
]
_MUST_PASS = [
    ("reader/ctf/a.cc", '#include "reader/trace.h"\n#include "base/bytes.h"\n#include "reader/ctf/b.h"\n'),
    ("clock/a_test.cc", '#include "tests/support/events.h"\n#include <fstream>\n'),
    ("os/file.cc", "#include <fcntl.h>\n#include <sys/mman.h>\n"),
    ("session/registry.cc", '#include "reader/ctf/trace.h"\n'),
    ("clock/a.cc", '// reinterpret_cast and #include "cli/x.h" in a comment\n#include <sys/types.h>\n'),
    ("base/bytes.h", "auto p = reinterpret_cast<char*>(q);\n"),
]


def self_test():
    for path, text, word in _MUST_FAIL:
        found = list(check_file(path, text))
        if len(found) != 1 or word not in found[0]:
            yield f"self-test: {path} with {text!r} gave {found}, not one finding with '{word}'"
    for path, text in _MUST_PASS:
        found = list(check_file(path, text))
        if found:
            yield f"self-test: {path} with {text!r} gave {found}"


if __name__ == "__main__":
    sys.exit(source.main(check, self_test))
