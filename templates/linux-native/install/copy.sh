# digest_of FOLDER: the sha256 of its SHA256SUMS, which stands for every file; empty without one.
digest_of() {
  sum=$(sha256sum 2> /dev/null < "$1/SHA256SUMS") || sum=''
  printf '%s' "${sum%% *}"
}

# listed FOLDER: its files, one a line.
listed() {
  sed 's/^[0-9a-f]*  //' "$1/SHA256SUMS" && echo SHA256SUMS
}

# runs FILE: whether a file of the bundle must be executable; what an upload did to its mode is mended by a copy.
runs() {
  case $1 in *.sh | bin/*) ;; *) [ -x "$here/$1" ] ;; esac
}

# intact FOLDER: whether it holds the files of the bundle, executable where they must be, and no others.
intact() {
  [ "$(digest_of "$1")" = "$digest" ] && (cd "$1" && sha256sum -c SHA256SUMS > /dev/null 2>&1) || return 1
  listed "$1" | while IFS= read -r file; do
    [ ! -L "$1/$file" ] || exit 1
    ! runs "$file" || [ -x "$1/$file" ] || exit 1
  done || return 1
  others=$(cd "$1" && find . ! -type d | sed 's|^\./||' | grep -vxF -e "$(listed .)" |
    grep -v -e '^tests/__pycache__/' -e '^tests/\.pytest_cache/' -e '^\.pytest_cache/') || true # as verify.sh has it
  [ -z "$others" ]
}

# copy_release: a copy of the bundle below the base, which takes its name once it verifies where it lies.
copy_release() {
  find "$base/releases" -mindepth 1 -maxdepth 1 -name '.staging*' -exec rm -rf {} +
  staged=$(mktemp -d "$base/releases/.staging.XXXXXX") || fail 8 "cannot write below $base"
  chmod 755 "$staged"
  ln -s a "$staged/b" && ln -s a "$staged/c" && mv -fT "$staged/b" "$staged/c" 2> /dev/null ||
    fail 6 "needs a mv that knows -T (coreutils, or a newer BusyBox)"
  rm -f "$staged/c"
  listed "$here" | while IFS= read -r file; do
    mode=644
    ! runs "$file" || mode=755
    mkdir -p "$(dirname -- "$staged/$file")" && cp "$here/$file" "$staged/$file" && chmod "$mode" "$staged/$file" || exit 8
  done || fail 8 "could not copy the bundle below $base"
  [ "$(digest_of "$staged")" = "$digest" ] || fail 7 "SHA256SUMS changed after it was verified"
  (cd "$staged" && sha256sum -c SHA256SUMS > /dev/null) || fail 8 "the copy differs from the bundle"
  verify "$staged" "$work/copy.json" --no-bench
  flush "$staged"
  if [ -e "$base/releases/$release" ]; then # there, but damaged
    aside=$(mktemp -d "$base/releases/.staging.XXXXXX") || fail 8 "cannot write below $base"
    mv "$base/releases/$release" "$aside/"
    mv -T "$staged" "$base/releases/$release" || fail 8 "could not put the release into place"
    staged=$aside
    rm -rf "$staged"
  else
    mv -T "$staged" "$base/releases/$release" || fail 8 "could not put the release into place"
  fi
  staged=''
}
