#!/bin/sh
# Makes tokens with openssl and POSIX tools.
#
#   sh make.sh VARIANTS.tsv PRIVATE.pem PUBLIC.pem OUT-FOLDER
#
# A line of VARIANTS.tsv: name, header text, claims text, signature (es256, der, hs256, none), spelling (strict, padded,
# spaced, wrapped). Each token goes into a file of the variant's name.
set -eu
export LC_ALL=C
variants=$1 private=$2 public=$3 out=$4
secret=$(od -An -v -tx1 < "$public" | tr -d ' \n')
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

encode() {
    if [ "$spelling" = padded ]; then openssl base64 -A | tr '/+' '_-'; else openssl base64 -A | tr '/+' '_-' | tr -d '='; fi
}

# The two numbers of a DER signature on standard input, 32 bytes each, as hex.
numbers() {
    openssl asn1parse -inform DER | sed -n 's/.*INTEGER *:/0000000000000000000000000000000000000000000000000000000000000000/p' |
        sed 's/.*\(.\{64\}\)$/\1/' | tr -d '\n'
}

# Hex on standard input as bytes.
bytes() { for byte in $(sed 's/../0x& /g'); do printf "\\$(printf %03o "$byte")"; done; }

tab=$(printf '\t')
while IFS=$tab read -r name header claims kind spelling; do
    payload=$(printf %s "$claims" | encode)
    if [ "$spelling" = wrapped ]; then payload=$(printf %s "$payload" | sed 's/.\{64\}/&\n/g'); fi
    input=$(printf %s "$header" | encode).$payload
    case $kind in
        es256) printf %s "$input" | openssl dgst -sha256 -sign "$private" | numbers | bytes ;;
        der) printf %s "$input" | openssl dgst -sha256 -sign "$private" ;;
        hs256) printf %s "$input" | openssl dgst -sha256 -mac HMAC -macopt "hexkey:$secret" -binary ;;
        none) ;;
    esac > "$work/signature"
    signature=$(encode < "$work/signature")
    if [ "$spelling" = spaced ]; then signature=$(printf %s "$signature" | sed 's/.\{43\}/& /'); fi
    printf %s "$input.$signature" > "$out/$name"
done < "$variants"
