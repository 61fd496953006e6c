#!/usr/bin/env bash
# clang-tidy over every source of src/ that the build knows; findings are errors (.clang-tidy).
#   scripts/tidy.sh BUILD [JOBS] [FILE...]
set -euo pipefail

build="$1"
jobs="${2:-2}"
shift $(($# < 2 ? $# : 2))
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if [ $# -gt 0 ]; then
  files=("$@")
else
  mapfile -t files < <(python3 - "$build/compile_commands.json" <<'PY'
import json, os, sys
root = os.path.join(os.getcwd(), "src") + os.sep
names = {os.path.normpath(os.path.join(c["directory"], c["file"]))
         for c in json.load(open(sys.argv[1]))}
print("\n".join(sorted(n for n in names if n.startswith(root))))
PY
)
fi
printf '%s\0' "${files[@]}" | xargs -0 -n 1 -P "$jobs" clang-tidy --quiet -p "$build"
echo "tidy: ${#files[@]} files, no finding"
