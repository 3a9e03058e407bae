# 2. Evidence

# objects FILE LIST: the objects of a list at the top level of a JSON file, one a line, as edgec or the runner writes them.
objects() {
  first=''
  IFS= read -r first < "$1" || true
  if [ "$first" = '{' ]; then
    sed -n "/^  \"$2\": \[\$/,/^  \]/p" "$1" | tr -d '\n'
  else
    sed -n "s/.*\"$2\": *\[\(.*\)\].*/\1/p" "$1"
  fi | awk '
{% include "trust/objects.awk" %}
'
}

# weak_budgets: sets weak to the budgets of kinds that the policy speaks of, which are not met by evidence as strong as it asks.
# What it is about is held in variables: a disk that is full must not make it ask for nothing.
weak_budgets() {
  asked='' weak=''
  for kind in accuracy latency throughput memory size delegation; do
    least=$(setting "evidence.$kind")
    [ -n "$least" ] || continue
    [ "$(rank "$least")" -gt 0 ] || fail 3 "$policy: $kind asks for '$least', which is no evidence"
    asked="${asked}asked $kind $least$newline"
  done
  [ -n "$asked" ] || return 0
  same_files "$bundle"
  budgets=$(objects "$bundle/bundle.json" budgets)
  case $budgets in
    *'"budgets": ['*']' | *'"budgets": ['*'],') ;;
    *)
      grep -q '^  "budgets": \[\],\{0,1\}$' "$bundle/bundle.json" ||
        fail 7 "$policy asks for evidence, and the budgets in $bundle/bundle.json cannot be read" ;;
  esac
  facts=$(printf '%s\n' "$budgets" | sed 's/^/budget /')
  add_verdicts "$bundle/bundle.json"
  for file in "$measurements" "$verification"; do
    [ -z "$file" ] || [ ! -f "$file" ] || of_this_bundle "$file"
  done
  weak=$(printf '%s\n' "$asked" "$facts" | awk '
{% include "trust/evidence.awk" %}
') || fail 8 "could not compare evidence: awk ended with exit code $?"
}

# add_verdicts FILE: adds a file's verdicts to the facts.
add_verdicts() {
  facts=$facts$newline$(objects "$1" verdicts | sed 's/^/verdict /')
}

# of_this_bundle FILE: adds a file's verdicts to the facts; refuses one that was measured on another bundle.
of_this_bundle() {
  digest=$(sha256_of "$bundle/SHA256SUMS") || exit $?
  grep -q "\"bundle_sha256\": *\"$digest\"" "$1" || fail 7 "$1 was measured on another bundle than $bundle"
  add_verdicts "$1"
}

check_evidence() {
  place_papers
  weak_budgets
  [ -z "$weak" ] || { printf '%s\n' "$weak" >&2 || true; exit 7; }
}
