# real PATH: PATH without links, whether or not all of it is there yet.
real() {
  above=$1
  while [ ! -d "$above" ]; do above=$(dirname -- "$above"); done
  there=$(CDPATH='' cd -- "$above" 2> /dev/null && pwd -P) || there=$above
  printf '%s%s' "$there" "${1#"$above"}"
}

# hidden PATH: the folder with PATH that the service does not see (its unit's ProtectHome and PrivateTmp), or nothing.
hidden() {
  for folder in /home /root /run/user /tmp /var/tmp; do
    target=$(real "$folder")
    for path in "$1" "$(real "$1")"; do
      case $path/ in "$folder"/* | "$target"/*) printf '%s' "$folder"; return ;; esac
    done
  done
}

# write_unit TEXT: the unit, beside its place.
write_unit() {
  printf '%s\n' "$1" > "$units/.$unit" && [ "$(cat "$units/.$unit")" = "$1" ]
}

# stage_unit RELEASE: the release's unit, unless the same one is in place.
# It gets edgec- before its name, so that no bundle's name can take the place of a system service.
stage_unit() {
  unit=edgec-$name.service
  text=$(sed "s|/opt/edgec/|$prefix/|g" "$1/systemd/$name.service") && [ -n "$text" ] || fail 8 "cannot read $1/systemd/$name.service"
  old=''
  [ ! -f "$units/$unit" ] || old=$(cat "$units/$unit") || fail 8 "cannot read $units/$unit"
  [ "$old" = "$text" ] || { write_unit "$text"; } 2> /dev/null || fail 8 "not activated: could not write $units/$unit"
}

start_service() {
  serving=yes
  [ ! -f "$units/.$unit" ] || mv -f "$units/.$unit" "$units/$unit" || fail 8 "not activated: could not write $units/$unit"
  systemctl daemon-reload && systemctl enable --quiet "$unit" && systemctl restart "$unit" ||
    fail 8 "not activated: could not start $unit; systemctl status $unit may say why"
  [ -f "/etc/edgec/$name.env" ] ||
    printf 'install.sh: %s does not run yet: write /etc/edgec/%s.env (see README.md), then systemctl restart %s\n' "$unit" "$name" "$unit" >&2
}

# put_back_service: the unit as it was; the release before runs again, and what had no unit has none.
put_back_service() {
  if [ -z "$old" ]; then
    systemctl disable --now --quiet "$unit" || true
    rm -f "$units/$unit"
  elif [ "$old" != "$text" ]; then
    write_unit "$old" && mv -f "$units/.$unit" "$units/$unit" || printf 'install.sh: could not put back %s\n' "$units/$unit" >&2
  fi
  systemctl daemon-reload || true
  [ -z "$old" ] || systemctl restart "$unit" || printf 'install.sh: could not restart %s either\n' "$unit" >&2
}
