# 2. Evidence

# objects FILE LIST: the objects of a list at the top level of a JSON file, one a line, as edgec or the runner writes them.
objects() {
  if [ "$(head -n 1 "$1")" = '{' ]; then
    sed -n "/^  \"$2\": \[\$/,/^  \]/p" "$1" | tr -d '\n'
  else
    sed -n "s/.*\"$2\": *\[\(.*\)\].*/\1/p" "$1"
  fi | awk '
{% include "trust/objects.awk" %}
'
}

# weak_budgets: the budgets of kinds that the policy speaks of, which are not met by evidence as strong as it asks.
weak_budgets() {
  for kind in accuracy latency throughput memory size delegation; do
    asked=$(setting "evidence.$kind")
    [ -z "$asked" ] || [ "$(rank "$asked")" -gt 0 ] || fail 3 "$policy: $kind asks for '$asked', which is no evidence"
    [ -z "$asked" ] || printf 'asked %s %s\n' "$kind" "$asked"
  done > "$work/asked"
  [ -s "$work/asked" ] || return 0
  same_files "$bundle"
  objects "$bundle/bundle.json" budgets | sed 's/^/budget /' > "$work/facts"
  objects "$bundle/bundle.json" verdicts | sed 's/^/verdict /' >> "$work/facts"
  for file in "$measurements" "$verification"; do
    [ -z "$file" ] || [ ! -f "$file" ] || of_this_bundle "$file"
  done
  awk '
{% include "trust/evidence.awk" %}
' "$work/asked" "$work/facts"
}

# of_this_bundle FILE: adds a file's verdicts to the facts; refuses one that was measured on another bundle.
of_this_bundle() {
  digest=$(sha256_of "$bundle/SHA256SUMS")
  grep -q "\"bundle_sha256\": *\"$digest\"" "$1" || fail 7 "$1 was measured on another bundle than $bundle"
  objects "$1" verdicts | sed 's/^/verdict /' >> "$work/facts"
}

check_evidence() {
  place_papers
  weak=$(weak_budgets) || exit $?
  [ -z "$weak" ] || { printf '%s\n' "$weak" >&2; exit 7; }
}
