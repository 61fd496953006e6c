"""Runs client.mjs; installs its packages first. Exit code 77: node or npm is missing."""

import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def main() -> int:
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            print(f"skipped: {program} is not installed")
            return 77
    if not os.path.isdir(os.path.join(HERE, "node_modules")):
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=HERE, check=True)
    return subprocess.run(["node", os.path.join(HERE, "client.mjs"), *sys.argv[1:]]).returncode


if __name__ == "__main__":
    sys.exit(main())
