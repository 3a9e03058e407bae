# The policy file, a setting or a table a line, to lines of "table.key<TAB>value". Exits with 3 at what it does not know.
function bad(why) {
  printf "trust.sh: %s, line %d: %s\n", FILENAME, NR, why > "/dev/stderr"
  refused = 1
  exit 3
}

# The value of a quoted text without escapes or of a number, a comment after it aside.
function value(text) {
  if (text ~ /^"[^"\\]*"[ \t]*(#.*)?$/) {
    text = substr(text, 2)
    return substr(text, 1, index(text, "\"") - 1)
  }
  if (text ~ /^[0-9]+[ \t]*(#.*)?$/) {
    sub(/[ \t]*(#.*)?$/, "", text)
    return text
  }
  bad("not a text in double quotes without escapes, or a number: " text)
}

# Prints each item of a list.
function list(name, text,  item) {
  if (text !~ /^\[[^]]*\][ \t]*(#.*)?$/) bad("not a list of texts on one line: " text)
  text = substr(text, 2, index(text, "]") - 2)
  while (text ~ /[^ \t]/) {
    if (!match(text, /^[ \t]*"[^"\\]*"[ \t]*(,|$)/)) bad("not a list of texts in double quotes")
    item = substr(text, 1, RLENGTH)
    text = substr(text, RLENGTH + 1)
    sub(/^[ \t]+/, "", item)
    sub(/[ \t]*,?$/, "", item)
    printf "%s\t%s\n", name, value(item)
    count[name]++
  }
  if (!count[name]) bad("keys names no key")
}

BEGIN {
  known["signatures"] = " keys needed "
  known["evidence"] = " accuracy latency throughput memory size delegation "
  known["versions"] = " downgrade "
  known["allow"] = " entry sha256 "
}

{
  sub(/\r$/, "")
  sub(/^[ \t]+/, "")
  sub(/[ \t]+$/, "")
}

/^$/ || /^#/ { next }

/^\[/ {
  sub(/[ \t]*#.*$/, "")
  table = $0
  gsub(/[][]/, "", table)
  if (!(table in known) || $0 != (table == "allow" ? "[[allow]]" : "[" table "]")) bad("unknown table " $0)
  if (table != "allow" && table in tables) bad("[" table "] is there twice")
  tables[table]
  next
}

{
  if (!match($0, /^[a-z0-9_]+[ \t]*=[ \t]*/)) bad("not one setting on one line")
  key = substr($0, 1, RLENGTH)
  text = substr($0, RLENGTH + 1)
  sub(/[ \t]*=.*$/, "", key)
  if (table == "" || !index(known[table], " " key " ")) bad("unknown key " key)
  if (table == "allow") next
  if ((table, key) in seen) bad(key " is there twice")
  seen[table, key]
  if (key == "keys") list(table "." key, text)
  else printf "%s.%s\t%s\n", table, key, value(text)
}

END {
  if (!refused && ("signatures" in tables) && !count["signatures.keys"]) bad("[signatures] names no key")
}
