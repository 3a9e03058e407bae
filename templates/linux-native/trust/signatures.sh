# 1. Signatures

# known_key FILE: appends "keyid kind file" to the trusted keys.
known_key() {
  [ -r "$1" ] || fail 3 "the key $1 cannot be read"
  ! grep -q 'PRIVATE KEY-----' "$1" || fail 2 "the key $1 cannot be used: it is a private key"
  command -v openssl > /dev/null || fail 6 "needs openssl to check signatures"
  text=$(openssl pkey -pubin -in "$1" -noout -text 2> /dev/null) || fail 2 "the key $1 cannot be used: it is no public key in PEM form"
  case $text in
    *ED25519*) kind=Ed25519 ;;
    *prime256v1*) kind=ECDSA ;;
    *) fail 2 "the key $1 cannot be used: it is neither an Ed25519 nor an ECDSA P-256 key" ;;
  esac
  digest=$(openssl pkey -pubin -in "$1" -outform DER 2> /dev/null | sha256sum)
  trusted="$trusted${digest%% *} $kind $1$newline"
}

collect_keys() {
  trusted='' needed=1
  if [ -z "$keys" ] && [ -n "$policy" ]; then
    needed=$(setting signatures.needed)
    needed=${needed:-1}
    case $needed in *[!0-9]* | 0*) fail 3 "$policy: needed must be a number, at least 1" ;; esac
    case $policy in */*) folder=${policy%/*} ;; *) folder=. ;; esac
    keys=$(setting signatures.keys | while IFS= read -r file; do
      case $file in /*) ;; *) file=$folder/$file ;; esac
      printf '%s\n' "$file"
    done)
  fi
  old=$IFS
  IFS=$newline
  for file in $keys; do
    IFS=$old
    known_key "$file"
  done
  IFS=$old
  [ -z "$keys" ] || [ "$(printf %s "$trusted" | cut -d ' ' -f 1 | sort -u | wc -l)" -ge "$needed" ] || fail 3 "needed is $needed, and there are fewer keys"
}

# good KEY-FILE KIND: whether $work/value is its signature of $work/signed.
good() {
  case $2 in
    Ed25519)
      openssl pkeyutl -help 2>&1 | grep -q rawin ||
        fail 6 "$(openssl version) cannot verify Ed25519; have the bundle signed with an ECDSA P-256 key too"
      openssl pkeyutl -verify -pubin -inkey "$1" -rawin -in "$work/signed" -sigfile "$work/value" > /dev/null 2>&1 ;;
    *) openssl dgst -sha256 -verify "$1" -signature "$work/value" "$work/signed" > /dev/null 2>&1 ;;
  esac
}

# unpack_envelope: the signature file's payload, the bytes that were signed, and the signatures, "keyid base64" a line.
unpack_envelope() {
  [ -f "$signature" ] || fail 7 "the bundle is not signed, or its signature was stripped: there is no $signature"
  one='\{"keyid":"[0-9a-f]*","sig":"[A-Za-z0-9+/]+=*"\}'
  form='\{"payload":"[A-Za-z0-9+/]+=*","payloadType":"[^"\\]*","signatures":\['"($one(,$one)*)?"'\]\}'
  [ "$(wc -l < "$signature")" -eq 1 ] && [ "$(tail -c 1 "$signature" | wc -l)" -eq 1 ] && grep -q -x -E -e "$form" "$signature" ||
    fail 7 "$signature is refused: it is no DSSE envelope in the one line that edgec writes"
  kind=$(sed 's/.*","payloadType":"\([^"]*\)".*/\1/' "$signature")
  [ "$kind" = application/vnd.in-toto+json ] || fail 7 "$signature is refused: its payload is '$kind', not an in-toto statement"
  signatures=$(sed 's/.*"signatures":\[\(.*\)\]}$/\1/' "$signature" | tr '}' '\n' |
    sed -n 's/^,\{0,1\}{"keyid":"\([0-9a-f]*\)","sig":"\([^"]*\)"$/\1 \2/p')
  [ -n "$signatures" ] || fail 7 "$signature holds no signature: they were stripped, or it was never signed"
  [ -z "$(printf '%s\n' "$signatures" | cut -d ' ' -f 1 | sort | uniq -d)" ] || fail 7 "$signature is refused: it holds two signatures of one key"
  sed 's/^{"payload":"\([^"]*\)".*/\1/' "$signature" | fold -w 64 | openssl base64 -d > "$work/payload" 2> /dev/null &&
    [ -s "$work/payload" ] || { room; fail 7 "$signature is refused: its payload is not base64"; }
  printf 'DSSEv1 28 application/vnd.in-toto+json %d ' "$(wc -c < "$work/payload")" |
    cat - "$work/payload" > "$work/signed" || no_room
}

# check_signatures: each in the name of a trusted key is good, and enough of them are there.
check_signatures() {
  signers=0 bad=''
  old=$IFS
  IFS=$newline
  for line in $signatures; do
    IFS=$old
    keyid=${line%% *} value=${line#* }
    line=$(printf %s "$trusted" | grep -m 1 "^$keyid ") || continue
    line=${line#* }
    kind=${line%% *} file=${line#* }
    printf '%s\n' "$value" | fold -w 64 | openssl base64 -d > "$work/value" 2> /dev/null || { room; printf '' > "$work/value"; }
    if good "$file" "$kind"; then
      signers=$((signers + 1))
      printf 'trust.sh: signed by %s (%s, %.12s)\n' "$file" "$kind" "$keyid" >&2 || true
      continue
    fi
    why='its key did not sign this statement'
    size=$(($(wc -c < "$work/value")))
    case $kind.$size in
      ECDSA.64) why='it is not an ECDSA P-256 signature, and its key makes no others' ;;
      ECDSA.* | Ed25519.64) ;;
      *) why='it is not an Ed25519 signature, and its key makes no others' ;;
    esac
    printf 'trust.sh: the signature in the name of %s (%.12s) in %s is bad: %s\n' "$file" "$keyid" "$signature" "$why" >&2 || true
    bad=yes
  done
  IFS=$old
  [ -z "$bad" ] || exit 7
  [ "$signers" -ge "$needed" ] ||
    fail 7 "$signature holds $signers of $needed signatures by a trusted key: it is signed by $(printf '%s\n' "$signatures" | cut -c 1-12 | tr '\n' ' ')"
}

# statement: sets subjects to the payload's list of them.
statement() {
  subjects=$(sed -n 's|^{"_type":"https://in-toto.io/Statement/v1","predicate":{.*},"predicateType":"https://slsa.dev/provenance/v1","subject":\(\[{.*}\]\)}$|\1|p' "$work/payload")
  [ -n "$subjects" ] && [ "$(wc -l < "$work/payload")" -eq 0 ] ||
    fail 7 "$signature does not attest a bundle: its payload is no in-toto statement with SLSA provenance, as edgec writes it"
}

# attested NAME FILE WHAT: refuses a file that is not the one that the statement is of.
attested() {
  digest=$(sha256_of "$2")
  case $subjects in
    *"{\"digest\":{\"sha256\":\"$digest\"},\"name\":\"$1\"}"*) ;;
    *"\"name\":\"$1\"}"*) fail 7 "$signature is of another $3: it does not attest sha256 $digest as $1" ;;
    *) fail 7 "$signature is not of $3: it attests nothing that is named $1" ;;
  esac
}

# same_files FOLDER: whether every listed file is as listed, with nothing of the folder run.
same_files() {
  [ -f "$1/SHA256SUMS" ] || fail 7 "$1 is no bundle: it has no SHA256SUMS"
  (cd "$1" && sha256sum -c SHA256SUMS > /dev/null 2>&1) || fail 7 "a file of $1 is not the one that SHA256SUMS lists"
}

# place_papers: where signature and measurements lie, unless an option said so; beside the tarball, or the folder, or, where
# edgec build wrote it, above its NAME/VERSION/TARGET.
place_papers() {
  folder=${bundle%/*}
  if [ -d "$bundle" ]; then
    case $bundle in */"$(fact name)"/"$(fact version)"/"$(fact target)") folder=${bundle%/*/*/*} ;; esac
    stem=$(fact name)-$(fact version)-$(fact target)
  else
    stem=${bundle##*/}
    stem=${stem%.tar.gz}
  fi
  signature=${signature:-$folder/$stem.intoto.jsonl}
  measurements=${measurements:-$folder/$stem.measurements.json}
}

check_bundle() {
  collect_keys
  if [ -z "$keys" ]; then
    [ -z "$required" ] || fail 2 "no key is named: pass --key, or name keys in the policy"
    return 0
  fi
  [ ! -d "$bundle" ] || same_files "$bundle"
  place_papers
  unpack_envelope
  check_signatures
  statement
  if [ -d "$bundle" ]; then
    attested "$stem/SHA256SUMS" "$bundle/SHA256SUMS" "bundle $stem"
  else
    digest=$(sha256_of "$bundle")
    stem=$(printf '%s\n' "$subjects" | sed -n "s/.*{\"digest\":{\"sha256\":\"$digest\"},\"name\":\"\([^\"]*\)\.tar\.gz\"}.*/\1/p")
    [ -n "$stem" ] || fail 7 "$signature is not of the tarball $bundle: it does not attest sha256 $digest"
  fi
  [ ! -f "$measurements" ] || attested "$stem.measurements.json" "$measurements" "measurements file"
}
