release_of() {
  link=$(readlink "$base/$1" 2> /dev/null) || link=''
  printf '%s' "${link##*/}"
}

# flush PATH: what was written to its file system is on the disk.
flush() {
  sync -f "$1" 2> /dev/null || sync
}

# prepare: an empty folder for what will take its place below the base by a rename, which needs no room on the disk.
prepare() {
  rm -rf "$next"
  mkdir -p "$next/was" || fail 8 "cannot write below $base"
}

# stage FILE NAME: a copy of a file, for NAME below the base.
stage() {
  cp "$1" "$next/$2" && chmod 644 "$next/$2" || fail 8 "could not write $base/$2"
}

# stage_newest: the highest version that was active, with the one that will be.
stage_newest() {
  highest=$version
  for known in $(known_versions); do
    [ "$("$own/trust.sh" compare "$highest" "$known")" != older ] || highest=$known
  done
  printf '%s\n' "$highest" > "$next/newest" && [ "$(cat "$next/newest")" = "$highest" ] || fail 8 "could not write $base/newest"
}

# stage_links RELEASE BEFORE: current and previous as they will be and, for a failure, as they are.
stage_links() {
  ln -s "releases/$1" "$next/current" && { [ -z "$2" ] || ln -s "releases/$2" "$next/previous"; } || fail 8 "could not set $base/current"
  for link in current previous; do
    [ ! -L "$base/$link" ] || ln -s "$(readlink "$base/$link")" "$next/was/$link" || fail 8 "could not set $base/$link"
  done
}

# settle NAME: gives what was prepared its place; a reader sees the old or the new one, never none.
settle() {
  [ ! -L "$next/$1" ] && [ ! -f "$next/$1" ] || mv -fT "$next/$1" "$base/$1" || fail 8 "could not set $base/$1"
}

# switch RELEASE BEFORE: makes RELEASE the current one and BEFORE, where it is named, the previous one, with the service.
# All that needs room or permission comes first; what fails later puts back what was there.
switch() {
  stage_links "$1" "$2"
  [ "$service" = no ] || stage_unit "$base/releases/$1"
  flush "$base"
  settle "$1.verify.json"
  settle "$1.intoto.jsonl"
  flush "$base"
  undo=yes
  settle previous
  settle current
  [ "$service" = no ] || start_service
  settle newest
  undo=''
  flush "$base"
  [ -z "$serving" ] || flush "$units"
}

# put_back: the links, the unit and the service as they were before switch.
put_back() {
  undo=''
  for link in current previous; do
    if [ -L "$next/was/$link" ]; then mv -fT "$next/was/$link" "$base/$link"; else rm -f "$base/$link"; fi || true
  done
  [ -z "$serving" ] || put_back_service
}
