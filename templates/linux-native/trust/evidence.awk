# Lines "asked KIND EVIDENCE", "budget OBJECT" and "verdict OBJECT" to a line for each budget that is not met by as strong
# evidence as is asked of its kind. Objects are JSON as edgec and the runner write it, without objects inside.
function field(key,  text) {
  if (!match($0, "\"" key "\": *\"([^\"\\\\]|\\\\.)*\"")) return ""
  text = substr($0, RSTART, RLENGTH)
  sub(/^"[a-z]*": *"/, "", text)
  return substr(text, 1, length(text) - 1)
}

BEGIN {
  split("estimated artifact emulated host device", names, " ")
  for (i in names) rank[names[i]] = i + 0
}

$1 == "asked" { least[$2] = $3 }

$1 == "budget" && field("sense") != "" { kinds[field("name")] = field("kind") }

$1 == "verdict" && field("budget") != "" {
  name = field("budget")
  strength = rank[field("evidence")] + 0
  if (!(name in best) || strength > best[name]) {
    best[name] = strength
    evidence[name] = field("evidence")
    status[name] = field("status")
  }
}

END {
  for (name in kinds) {
    kind = kinds[name]
    if (!(kind in least)) continue
    if (name in best && status[name] == "met" && best[name] >= rank[least[kind]]) continue
    printf "trust.sh: the policy asks for evidence %s of %s, and %s is %s with %s\n", least[kind], kind, name, \
      (name in best) ? status[name] : "not judged", (name in best) ? evidence[name] : "none"
  }
}
