#!/bin/sh
# Checks a pass of ActionPass with openssl and POSIX tools before the call that it permits is made. See README.md
# beside this file.
#
#   actionpass canon PAYLOAD.json > PAYLOAD.canonical
#   sh verify.sh PASS.jwt KEYS.json PAYLOAD.canonical ISSUER AUDIENCE TENANT TOOL RESOURCE
set -eu
export LC_ALL=C
leeway=30
max_lifetime=3600

token_file=$1 jwks_file=$2 payload_file=$3 issuer=$4 audience=$5 tenant=$6 tool=$7 resource=$8
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

refuse() { echo "refused: $1" >&2; exit 1; }

# decode TEXT: unpadded base64url (RFC 7515 §2) on standard output.
decode() {
    text=$(printf %s "$1" | tr '_-' '/+')
    while [ $((${#text} % 4)) -ne 0 ]; do text=$text=; done
    printf %s "$text" | openssl base64 -d -A
}
encode() { openssl base64 -A | tr '/+' '_-' | tr -d '='; }
hex() { od -An -v -tx1 | tr -d ' \n'; }

# member NAME FILE: the text, number or empty list of a member that stands in the JSON exactly once, at whatever depth. Quotation
# marks inside of strings are escaped, so no value can pass for a member; a value with an escape is refused.
member() {
    awk -v name="$1" '{
        rest = $0
        while (match(rest, "\"" name "\":")) {
            rest = substr(rest, RSTART + RLENGTH)
            if (match(rest, /^("[^"\\]*"|[0-9]+|\[\])[,}]/)) { value = substr(rest, 1, RLENGTH - 1); found++ } else found += 2
        }
    } END { gsub(/"/, "", value); if (found == 1) print value; else exit 1 }' "$2"
}
is() { [ "$(member "$1" "$work/claims")" = "$2" ] || refuse "$3"; }

# Three parts, each in its one spelling: decoded and encoded again it is the same text.
token=$(cat "$token_file")
case $token in *[!A-Za-z0-9._-]* | *.*.*.* | .* | *..* | *.) refuse token_malformed ;; *.*.*) ;; *) refuse token_malformed ;; esac
payload_and_signature=${token#*.}
header=${token%%.*} payload=${payload_and_signature%%.*} signature=${token##*.}
for part in "$header" "$payload" "$signature"; do
    [ "$(decode "$part" | encode)" = "$part" ] || refuse token_malformed
done
decode "$header" > "$work/header"
decode "$payload" > "$work/claims"
decode "$signature" > "$work/signature"

# The header as ActionPass writes it, byte for byte: our algorithm, our type, a key id, and nothing else.
kid=$(sed -n 's/^{"alg":"ES256","kid":"\([A-Za-z0-9_-]\{43\}\)","typ":"actionpass+jwt"}$/\1/p' "$work/header")
[ -n "$kid" ] || refuse header_not_allowed

# The key comes from our own set, by kid; the token can't bring one. A JWK is a flat object: one to a line.
tr -d ' \t\r\n' < "$jwks_file" | tr '{' '\n' | grep "\"kid\":\"$kid\"[,}]" > "$work/jwk" || refuse key_unknown
[ "$(wc -l < "$work/jwk")" -eq 1 ] || refuse key_unknown
[ "$(member kty "$work/jwk") $(member crv "$work/jwk")" = "EC P-256" ] || refuse key_unknown
[ "$(member alg "$work/jwk") $(member use "$work/jwk")" = "ES256 sig" ] || refuse key_unknown
point=04$(decode "$(member x "$work/jwk")" | hex)$(decode "$(member y "$work/jwk")" | hex)
cat > "$work/key.conf" <<CONF
asn1 = SEQUENCE:public_key
[public_key]
algorithm = SEQUENCE:algorithm
point = FORMAT:HEX,BITSTRING:$point
[algorithm]
kind = OID:id-ecPublicKey
curve = OID:prime256v1
CONF
openssl asn1parse -genconf "$work/key.conf" -noout -out "$work/key.der"

# JWS has r and s as 32 bytes each; openssl wants them in DER.
rs=$(hex < "$work/signature")
[ ${#rs} -eq 128 ] || refuse signature_invalid
cat > "$work/signature.conf" <<CONF
asn1 = SEQUENCE:signature
[signature]
r = INTEGER:0x$(printf %s "$rs" | cut -c 1-64)
s = INTEGER:0x$(printf %s "$rs" | cut -c 65-128)
CONF
openssl asn1parse -genconf "$work/signature.conf" -noout -out "$work/signature.der"
printf %s "$header.$payload" |
    openssl dgst -sha256 -keyform DER -verify "$work/key.der" -signature "$work/signature.der" > "$work/verdict" 2>&1 ||
    refuse signature_invalid

now=$(date +%s)
iat=$(member iat "$work/claims") && nbf=$(member nbf "$work/claims") && exp=$(member exp "$work/claims") ||
    refuse claims_malformed
is v 1 version_unsupported
is canon rfc8785 version_unsupported
is iss "$issuer" issuer_mismatch
is aud "$audience" audience_mismatch
is tenant "$tenant" tenant_mismatch
[ "$iat" -le "$nbf" ] && [ "$nbf" -lt "$exp" ] || refuse claims_malformed
[ "$iat" -le $((now + leeway)) ] && [ "$nbf" -le $((now + leeway)) ] || refuse not_yet_valid
[ "$now" -lt $((exp + leeway)) ] || refuse expired
[ $((exp - iat)) -le $max_lifetime ] || refuse lifetime_too_long
is tool "$tool" tool_mismatch
is resource "$resource" resource_mismatch
is obligations '[]' obligation_unsupported # Or enforce every one of them.
case $(cat "$work/claims") in *'"cnf":'* | *'"status":'*) refuse claims_malformed ;; esac
is payloadHash "sha256:$(openssl dgst -sha256 -r "$payload_file" | cut -c 1-64)" payload_hash_mismatch
echo "accepted: $(member jti "$work/claims")"
