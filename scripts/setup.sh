#!/usr/bin/env bash
# Installs the Debian packages of the named groups of scripts/packages.txt (default: build).
# Asks dpkg first: with everything in place it changes nothing, needs no root and no network.
#   scripts/setup.sh [build|test|web|web-test|developer|bench]...
set -euo pipefail

list="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/packages.txt"
[ $# -gt 0 ] || set -- build

wanted=()
for group in "$@"; do
  mapfile -t names < <(awk -v group="[$group]" '
    /^#/ || NF == 0 { next }
    /^\[/ { inside = ($0 == group); next }
    inside { print $1 }' "$list")
  if [ ${#names[@]} -eq 0 ]; then
    echo "setup: packages.txt has no group '$group'" >&2
    exit 2
  fi
  wanted+=("${names[@]}")
done

if ! command -v dpkg-query >/dev/null; then
  echo "setup: this is not a Debian system; install the equivalents of:" >&2
  printf '  %s\n' "${wanted[@]}" >&2
  exit 0
fi

# Whether node and npm are here already, from wherever they came.
has_node() {
  command -v npm >/dev/null && command -v node >/dev/null &&
    [ "$(node -p 'Number(process.versions.node.split(".")[0]) >= 18' 2>/dev/null)" = true ]
}

missing=()
for name in "${wanted[@]}"; do
  case "$name" in nodejs | npm) ! has_node || continue ;; esac
  state="$(dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null || true)"
  [ "$state" = installed ] || missing+=("$name")
done
if [ ${#missing[@]} -eq 0 ]; then
  echo "setup: all ${#wanted[@]} packages are installed"
  exit 0
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "setup: run as root: apt-get install ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi
echo "setup: installing ${missing[*]}"
"${as_root[@]}" apt-get update -q </dev/null
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
  apt-get install -y -q --no-install-recommends "${missing[@]}" </dev/null
