#!/usr/bin/env bash
# Runs every libFuzzer target of a build for some seconds, one after the other, starting from the
# corpus in fuzz/corpus/<name>. New inputs go to <build>/corpus/<name>, so the tree stays clean; a
# crash is left in <build>/crashes and fails the run.
#   scripts/fuzz.sh BUILD SECONDS [NAME...]
set -euo pipefail

build="$1"
seconds="$2"
shift 2
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"

if [ $# -gt 0 ]; then
  targets=("${@/#/fuzz_}")
else
  mapfile -t targets < <(find "$build" -type f -name 'fuzz_*' -perm -u+x -printf '%f\n' | sort)
fi
if [ ${#targets[@]} -eq 0 ]; then
  echo "fuzz: no target in $build" >&2
  exit 1
fi

mkdir -p "$build/crashes"
failed=()
for target in "${targets[@]}"; do
  name="${target#fuzz_}"
  program="$(find "$build" -type f -name "$target" -perm -u+x | head -1)"
  grown="$build/corpus/$name"
  mkdir -p "$grown"
  seeds=()
  [ -d "$root/fuzz/corpus/$name" ] && seeds=("$root/fuzz/corpus/$name")
  echo "== $name: $seconds s"
  "$program" -max_total_time="$seconds" -rss_limit_mb=1024 -timeout=10 -print_final_stats=1 \
    -artifact_prefix="$build/crashes/$name-" "$grown" "${seeds[@]}" </dev/null || failed+=("$name")
done
if [ ${#failed[@]} -gt 0 ]; then
  echo "fuzz: FAILED: ${failed[*]} (inputs in $build/crashes)" >&2
  exit 1
fi
echo "fuzz: ${#targets[@]} targets, no finding"
