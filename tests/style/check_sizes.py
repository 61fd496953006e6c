#!/usr/bin/env python3
"""Sizes that keep a file readable: functions <= 70 lines, <= 6 parameters, headers <= 300, sources <= 600,
lines <= 100 columns.

What is over the limit today is listed by name in tests/style/size_exceptions.txt. That list may only shrink: an
entry that is no longer needed, or allows more than is there, is a finding too.

  check_sizes.py [ROOT] | --self-test
"""

import os
import re
import sys

import source

FUNCTION_LINES = 70
PARAMETERS = 6
HEADER_LINES = 300
SOURCE_LINES = 600
COLUMNS = 100
EXCEPTIONS = os.path.join("tests", "style", "size_exceptions.txt")

_NOT_A_FUNCTION = re.compile(r"^(if|for|while|switch|catch|do|else|return|case|namespace|extern|enum|constexpr if)\b")
_NAME = re.compile(r"([~\w:<>]+|operator\s*\S+?)\s*\($")


def _header_of_brace(code, brace):
    """The text between the previous end of a statement and an opening brace, with its start."""
    start = brace
    depth = 0
    while start > 0:
        char = code[start - 1]
        if char in ")]":
            depth += 1
        elif char in "([":
            if depth == 0:
                break
            depth -= 1
        elif depth == 0 and char in ";{}":
            break
        start -= 1
    text = code[start:brace]
    return text.strip(), start + len(text) - len(text.lstrip())


def _parameter_list(header):
    """(name, parameters) of a function header, or None when it is not one."""
    header = re.sub(r"#[^\n]*\n", "", header).strip()
    header = re.sub(r"^(public|private|protected):\s*", "", header)
    if not header.endswith((")", "const", "noexcept", "override", "final")) and "->" not in header:
        if not re.search(r"\)\s*(const|noexcept|override|final|&|\s)*:\s", header):
            return None
    if _NOT_A_FUNCTION.match(header) or re.match(r"^(class|struct|union)\b[^(]*$", header):
        return None
    opening = header.find("(")
    while opening > 0:
        name = _NAME.search(header[: opening + 1])
        if name and name.group(1) not in ("decltype", "noexcept", "alignas", "requires", "__attribute__"):
            break
        opening = header.find("(", opening + 1)
    if opening <= 0 or "=" in header[:opening].replace("operator=", "").replace("==", ""):
        return None
    depth = angle = 0
    count = 0
    blank = True
    for char in header[opening:]:
        if char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
            if depth == 0:
                break
        elif char == "<":
            angle += 1
        elif char == ">":
            angle = max(0, angle - 1)
        elif char == "," and depth == 1 and angle == 0:
            count += 1
        if depth >= 1 and not char.isspace() and char != "(":
            blank = False
    return name.group(1), 0 if blank else count + 1


def functions(text):
    """(name, first line, lines, parameters) of every function body; lambdas belong to their function."""
    code = source.blank(text)
    code = re.sub(r"^[ \t]*#(?:[^\n\\]|\\.|\\\n)*", lambda m: re.sub(r"[^\n]", " ", m.group()), code,
                  flags=re.MULTILINE)
    # `member_{1}` and `Type{a, b}` are values, not bodies.
    values = 1
    while values:
        code, values = re.subn(r"(?<=[\w>])\{([^{};]*)\}", r"(\1)", code)
    stack = []
    for match in re.finditer(r"[{}]", code):
        if match.group() == "{":
            inside = any(entry is not None for entry in stack)
            header, start = _header_of_brace(code, match.start())
            found = None if inside else _parameter_list(header)
            stack.append((found[0], start, found[1]) if found else None)
        elif stack:
            entry = stack.pop()
            if entry:
                first = source.line_of(code, entry[1])
                yield entry[0], first, source.line_of(code, match.start()) - first + 1, entry[2]


def measure(path, text):
    """(key, size, limit, place) of everything in a file that is over its limit."""
    lines = text.count("\n") + (0 if text.endswith("\n") or not text else 1)
    limit = HEADER_LINES if path.endswith(".h") else SOURCE_LINES
    if lines > limit:
        yield f"file {path}", lines, limit, f"{path}:1"
    widest = 0
    place = 1
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > max(widest, COLUMNS) and "http" not in line:
            widest, place = len(line), number
    if widest > COLUMNS:
        yield f"columns {path}", widest, COLUMNS, f"{path}:{place}"
    for name, first, length, parameters in functions(text):
        if length > FUNCTION_LINES:
            yield f"function {path} {name}", length, FUNCTION_LINES, f"{path}:{first}"
        if parameters > PARAMETERS:
            yield f"parameters {path} {name}", parameters, PARAMETERS, f"{path}:{first}"


def parse_exceptions(text):
    """`function src/a.cc run 84` -> {"function src/a.cc run": 84}"""
    out = {}
    for line in text.split("\n"):
        line = line.split("#")[0].strip()
        if line:
            key, size = line.rsplit(None, 1)
            out[key] = int(size)
    return out


def compare(measured, exceptions):
    used = set()
    for key, size, limit, place in measured:
        allowed = exceptions.get(key)
        if allowed is None:
            yield f"{place}: {key} has {size}, the limit is {limit}"
            continue
        used.add(key)
        if size > allowed:
            yield f"{place}: {key} has {size}, and its exception allows {allowed}"
        elif size < allowed:
            yield f"{EXCEPTIONS}: {key} now has {size}; lower its exception from {allowed}"
    for key in sorted(set(exceptions) - used):
        yield f"{EXCEPTIONS}: {key} is within the limit or gone; remove its exception"


def check(top):
    measured = []
    for path in source.files(top, source.CPP, ["src", "fuzz", "bench"]):
        measured.extend(measure(path, source.read(top, path)))
    listed = parse_exceptions(source.read(top, EXCEPTIONS))
    yield from compare(measured, listed)


def _body(lines):
    return "  x();\n" * (lines - 2)


def self_test():
    def expect(what, found, wanted):
        if found != wanted:
            yield f"self-test: {what}: {found} instead of {wanted}"

    long_function = "int Thing::run(int a) const {\n" + _body(71) + "}\n"
    yield from expect("long function", [m[:2] for m in measure("a.cc", long_function)],
                      [("function a.cc Thing::run", 71)])
    yield from expect("70 lines", list(measure("a.cc", "void f() {\n" + _body(70) + "}\n")), [])
    nested = "namespace a {\nstruct B {\n  void f() {\n" + _body(80) + "  }\n};\n}\n"
    yield from expect("method in a class", [m[0] for m in measure("a.h", nested)], ["function a.h f"])
    lambda_inside = "void f() {\n  auto g = [](int b) {\n" + _body(80) + "  };\n}\n"
    yield from expect("lambda", [m[0] for m in measure("a.cc", lambda_inside)], ["function a.cc f"])
    constructor = "A::A(int b)\n    : b_(b),\n      c_{1} {\n" + _body(75) + "}\n"
    yield from expect("constructor", [m[0] for m in measure("a.cc", constructor)], ["function a.cc A::A"])
    table = "const int kTable[] = {\n" + "  1,\n" * 100 + "};\n"
    yield from expect("a table is not a function", list(measure("a.cc", table)), [])
    text = 'void f() {\n  g("}}}{{", \'{\');  // }\n}\n'
    yield from expect("braces in strings", [f[2] for f in functions(text)], [3])
    yield from expect("digit separators", [f[2] for f in functions("void f() {\n  x = 1'000'000;\n}\n")], [3])
    seven = "int f(int a, std::map<int, int> b, int c, int d, int e, int g, int h) {\n}\n"
    yield from expect("seven parameters", [m[:2] for m in measure("a.cc", seven)], [("parameters a.cc f", 7)])
    yield from expect("wide line", [m[:2] for m in measure("a.cc", "x" * 101 + "\n")], [("columns a.cc", 101)])
    yield from expect("long header", [m[:2] for m in measure("a.h", "\n" * 301)], [("file a.h", 301)])
    over = [("file a.h", 310, 300, "a.h:1")]
    yield from expect("not listed", len(list(compare(over, {}))), 1)
    yield from expect("listed", list(compare(over, {"file a.h": 310})), [])
    yield from expect("grown", len(list(compare(over, {"file a.h": 305}))), 1)
    yield from expect("shrunk", len(list(compare(over, {"file a.h": 320}))), 1)
    yield from expect("no longer needed", len(list(compare([], {"file a.h": 320}))), 1)


if __name__ == "__main__":
    sys.exit(source.main(check, self_test))
