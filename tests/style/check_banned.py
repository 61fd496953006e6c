#!/usr/bin/env python3
"""Words that do not go into the tree, each with its reason and what to write instead.

`where` is a regular expression on the path; `text` says whether comments and strings count too.

  check_banned.py [ROOT] | --self-test
"""

import os
import re
import sys

import source

_CPP = r"^(src|fuzz|bench)/.*\.(cc|h)$"
_SRC = r"^src/.*\.(cc|h)$"
_HEADER = r"\.h$"
_ANY = r".*"
_TEST = re.compile(r"(_test(_support)?\.(cc|h)$|/testing/|^tests/|^fuzz/|^bench/)")

# (name, pattern, where, in comments and strings too, in tests too, reason and replacement)
BANNED = [
    ("stoi", r"\bstd::sto(i|l|ll|ul|ull|f|d|ld)\b|\bato(i|l|ll|f)\s*\(|\bstrto(l|ll|ul|ull)\s*\(", _CPP, False, False,
     "throws or hides errors; use std::from_chars"),
    ("strcpy", r"\b(strcpy|strncpy|strcat|strncat|gets|alloca|sscanf)\s*\(", _CPP, False, True,
     "does not know where the memory ends; use std::string, std::string_view and the cursors of base/bytes.h"),
    ("sprintf", r"\bv?sn?printf\s*\(", _CPP, False, True, "use fmt::format"),
    ("endl", r"\bstd::(endl|cout|cerr)\b", _SRC, False, False,
     "modules do not print; cli writes what report and query give it, through fmt"),
    ("using-namespace", r"^using\s+namespace\b", _HEADER, False, True,
     "reaches every file that includes the header; name what you use"),
    ("throw", r"\bthrow\b", _SRC, False, False, "no exception leaves a module; return vs::Result or vs::Status"),
    ("new", r"(?<![\w.])new\s+[A-Za-z_:]+\s*[({\[;]|\bdelete(\[\])?\s+[A-Za-z_]", _CPP, False, True,
     "use std::make_unique, std::vector or a member; std::unique_ptr<T>(new T(...)) for private constructors"),
    ("const-cast", r"\bconst_cast\b", _CPP, False, True, "change the type that lies instead"),
    ("memcpy", r"\b(std::)?(memcpy|memmove|memset)\s*\(", r"^src/(?!base/|history/).*\.(cc|h)$", False, False,
     "use load and slice of base/bytes.h, std::copy or std::fill; they know the sizes"),
    ("assert", r"(?<![\w_])assert\s*\(", _SRC, False, True,
     "bytes from outside must never trip one; return an error, or static_assert"),
    ("volatile", r"\bvolatile\b", _SRC, False, False, "use std::atomic"),
    ("detach", r"\.detach\s*\(\s*\)", _CPP, False, True, "nobody waits for that thread; keep and join it"),
    ("system", r"(?<![\w.:])(std::)?(system|popen)\s*\(", _CPP, False, True,
     "a shell reads the text; start the program with its arguments through os"),
    ("rand", r"(?<![\w.:])s?rand\s*\(|\bstd::random_device\b", _SRC, False, False,
     "the same trace gives the same answer; pass a seed"),
    ("localtime", r"\b(localtime|gmtime|ctime|asctime|setlocale)\s*\(", _SRC, False, True,
     "depends on the machine's zone and locale, and is not thread-safe; answers are in UTC"),
    ("goto", r"(?<![\w.])goto\s+\w+;", _CPP, False, True, "use a function and return"),
    ("guard", r"#\s*ifndef\s+\w+_H_?\b", _HEADER, False, True, "use #pragma once"),
    ("unfinished", r"\b(TO" r"DO|FIX" r"ME|X" r"XX|HA" r"CK)\b", _ANY, True, True,
     "finish it, or open an issue and write the limit down in docs/limits.md"),
    ("machine-path", r"(?<![\w.])/(work|root|home/\w+|Users/\w+)/", _ANY, True, True,
     "exists on one machine only; use a path relative to the tree or an argument"),
    ("merge-mark", r"^(<{7}|>{7}|={7})( |$)", _ANY, True, True, "the rest of a merge"),
]

_TEXT_SUFFIXES = (".cc", ".h", ".py", ".sh", ".md", ".cmake", ".txt", ".json", ".sql", ".ts", ".yml", ".yaml",
                  "Makefile", ".clang-tidy", ".clang-format", "run")
# This file has to name what it bans.
_SELF = "tests/style/check_banned.py"
# Lines on which the word is what it should be.
ALLOWED_LINES = {
    # A private constructor, whose result is owned at once; a function's static that is never destroyed.
    "new": re.compile(r"(unique_ptr|shared_ptr)<[^;]*\(\s*new |\.reset\(\s*new |^\s*static [^;]*= new "),
}
# (file, ban): reason. This list may only shrink.
EXCEPTIONS = {
    ("src/cli/main.cc", "endl"): "the one place that gives the program its stdout and stderr",
    ("src/query/functions.cc", "new"): "an aggregate's state lives in memory that SQLite gives and frees",
    ("src/query/virtual_table.cc", "new"): "SQLite's C callbacks own these objects and hand them back to be deleted",
    ("src/reader/ftrace/codec.cc", "const-cast"): "zlib's next_in is not const, and is not written to",
}


def check_file(path, text):
    code = None
    for name, pattern, where, in_text, in_tests, reason in BANNED:
        if not re.search(where, path) or (not in_tests and _TEST.search(path)):
            continue
        if (path, name) in EXCEPTIONS:
            continue
        if not in_text and code is None:
            code = source.blank(text)
        searched = text if in_text else code
        allowed = ALLOWED_LINES.get(name)
        for match in re.finditer(pattern, searched, re.MULTILINE):
            if allowed and allowed.search(_statement(searched, match)):
                continue
            found = match.group().strip()
            yield f"{path}:{source.line_of(text, match.start())}: [{name}] '{found}': {reason}"


def _statement(text, match):
    """From the end of the statement before to the end of the match."""
    begin = max(text.rfind(mark, 0, match.start()) for mark in ";{}")
    return text[begin + 1 : match.end()]


def check(top):
    for path in source.files(top, _TEXT_SUFFIXES):
        if path != _SELF:
            yield from check_file(path, source.read(top, path))
    for path, name in sorted(EXCEPTIONS):
        if not os.path.exists(os.path.join(top, path)):
            continue  # not merged yet, or gone with its module
        row = [ban for ban in BANNED if ban[0] == name][0]
        text = source.blank(source.read(top, path))
        if not re.search(row[1], text, re.MULTILINE):
            yield f"{_SELF}: exception ({path}, {name}) is no longer needed; remove it"


_MUST_FAIL = [
    ("src/a/b.cc", "int x = std::stoi(s);\n", "stoi"),
    ("src/a/b.cc", "strcpy(a, b);\n", "strcpy"),
    ("src/a/b.cc", "snprintf(a, 4, f);\n", "sprintf"),
    ("src/a/b.h", "using namespace std;\n", "using-namespace"),
    ("src/a/b.cc", "throw 1;\n", "throw"),
    ("src/a/b.cc", "auto* p = new Thing(3);\n", "new"),
    ("src/a/b.cc", "delete p;\n", "new"),
    ("src/reader/b.cc", "std::memcpy(a, b, n);\n", "memcpy"),
    ("src/a/b.cc", "assert(x);\n", "assert"),
    ("src/a/b.cc", "std::system(command);\n", "system"),
    ("src/a/b.cc", "// TO" "DO: later\n", "unfinished"),
    ("docs/a.md", "see /root/" "notes\n", "machine-path"),
    ("docs/a.md", "see /work/" "shared\n", "machine-path"),
    ("README.md", "<<<<<<< HEAD\n", "merge-mark"),
]
_MUST_PASS = [
    ("src/a/b.cc", "// throw new Thing() is not for us\nauto s = std::string(\"throw\");\n"),
    ("src/a/b.h", "Thing(const Thing&) = delete;\nstatic_assert(sizeof(int) == 4);\n"),
    ("src/a/b_test.cc", "EXPECT_THROW(f(), E); throw 1;\n"),
    ("src/a/b.cc", "namespace { using namespace std::literals; }\n"),
    ("src/a/b.cc", "return std::unique_ptr<Thing>(new Thing(3));\nstatic Thing* const kThing = new Thing(4);\n"),
    ("src/a/b.h", "inline void f() {\n  using namespace std::literals;\n}\n"),
    ("docs/a.md", "make install PREFIX=/usr; ls network/; workload /work\n"),
]


def self_test():
    for path, text, name in _MUST_FAIL:
        found = list(check_file(path, text))
        if len(found) != 1 or f"[{name}]" not in found[0]:
            yield f"self-test: {text!r} in {path} gave {found}, not one [{name}]"
    for path, text in _MUST_PASS:
        found = list(check_file(path, text))
        if found:
            yield f"self-test: {text!r} in {path} gave {found}"
    names = {row[0] for row in BANNED}
    for name in sorted(names - {row[2] for row in _MUST_FAIL} - _NO_SAMPLE):
        yield f"self-test: ban '{name}' has no must-fail sample"


# Patterns that differ from a tested one only in the word.
_NO_SAMPLE = {"endl", "const-cast", "volatile", "detach", "rand", "localtime", "goto", "guard"}

if __name__ == "__main__":
    sys.exit(source.main(check, self_test))
