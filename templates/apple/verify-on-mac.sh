#!/bin/sh
# Verify this bundle on this Mac: digests, then its test by the Swift package manager; the result as JSON.
# Exit codes: 0 passed, 2 usage, 5 a budget is missed, 6 a tool is missing, 7 failed, 8 environment.
set -eu

fail() { # fail CODE MESSAGE
  echo "verify-on-mac.sh: $2" >&2
  exit "$1"
}

out=''
case $# in
0) ;;
2) [ "$1" = --out ] || fail 2 "usage: verify-on-mac.sh [--out FILE]"; out=$2 ;;
*) fail 2 "usage: verify-on-mac.sh [--out FILE]" ;;
esac
case $out in
'' | /*) ;;
*) out=$PWD/$out ;;
esac

cd "$(dirname "$0")"
command -v swift >/dev/null || fail 6 "Swift is missing: install Xcode"
shasum -a 256 -c SHA256SUMS >/dev/null || fail 7 "a file is not the one that SHA256SUMS lists"
EDGEC_BUNDLE_SHA256=$(shasum -a 256 SHA256SUMS | cut -d' ' -f1)
EDGEC_OUT=$(mktemp)
export EDGEC_BUNDLE_SHA256 EDGEC_OUT
trap 'rm -f "$EDGEC_OUT"' EXIT

# What is built goes beside the bundle, which keeps the files that SHA256SUMS lists.
work=${EDGEC_BUILD:-$PWD.build}
mkdir -p "$work" || fail 8 "$work cannot be made"
cp -R Package.swift Sources Tests "$work"/ || fail 8 "$work cannot be written"
(cd "$work" && swift test -c release) >&2 || true
[ -s "$EDGEC_OUT" ] || fail 7 "the test left no result"
result=$(cat "$EDGEC_OUT")
if [ -n "$out" ]; then
  { printf '%s\n' "$result" >"$out.part" && mv "$out.part" "$out"; } || fail 8 "$out cannot be written"
else
  printf '%s\n' "$result"
fi
case $result in
*'"status":"passed"'*) ;;
*'"status":"budget-missed"'*) exit 5 ;;
*) exit 7 ;;
esac
