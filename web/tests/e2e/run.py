"""Runs run.mjs. Exit code 77: node, or what it needs, is missing; the reason is printed."""

import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def main() -> int:
    if shutil.which("node") is None:
        print("skipped: node is not installed (Debian package nodejs)")
        return 77
    return subprocess.run(["node", os.path.join(HERE, "run.mjs"), *sys.argv[1:]]).returncode


if __name__ == "__main__":
    sys.exit(main())
