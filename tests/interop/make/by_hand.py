"""What make_pyjwt.py and make_joserfc.py share: the variants, and tokens from the primitives of `cryptography`.

A line of VARIANTS.tsv: name, header text, claims text, signature (es256, der, hs256, none), spelling (strict, padded,
spaced, wrapped). Each token goes into a file of the variant's name; stdout says what made it.
"""

import base64
import hashlib
import hmac
import json
import pathlib
import re
import sys

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils


def make_all(by_library):
    """`by_library(header, claims, signature, private_pem, public_pem)` gives a token or raises."""
    variants, private_file, public_file, out = map(pathlib.Path, sys.argv[1:5])
    private_pem, public_pem = private_file.read_bytes(), public_file.read_bytes()
    for line in variants.read_text(encoding="utf-8").splitlines():
        name, header, claims, signature, spelling = line.split("\t")
        token, maker = by_hand(header, claims, signature, spelling, private_pem, public_pem), "hand"
        if spelling == "strict":
            try:
                made = by_library(exact(header), exact(claims), signature, private_pem, public_pem)
                if json.loads(decode(made.split(".")[0])) == json.loads(header):
                    token, maker = made, "library"
            except Exception:  # What the library refuses to make stays made by hand.
                pass
        (out / name).write_text(token, encoding="utf-8", newline="")
        print(name, maker)


def by_hand(header, claims, signature, spelling, private_pem, public_pem):
    def encode(raw):
        text = base64.urlsafe_b64encode(raw).decode()
        return text if spelling == "padded" else text.rstrip("=")

    claims = encode(claims.encode())
    if spelling == "wrapped":
        claims = re.sub("(.{64})", "\\1\n", claims)
    signing_input = (encode(header.encode()) + "." + claims).encode()
    if signature == "none":
        raw = b""
    elif signature == "hs256":
        raw = hmac.new(public_pem, signing_input, hashlib.sha256).digest()
    else:
        key = serialization.load_pem_private_key(private_pem, password=None)
        raw = key.sign(signing_input, ec.ECDSA(hashes.SHA256()))
        if signature == "es256":
            raw = b"".join(number.to_bytes(32, "big") for number in utils.decode_dss_signature(raw))
    end = encode(raw)
    if spelling == "spaced":
        end = end[:43] + " " + end[43:]
    return signing_input.decode() + "." + end


def exact(text):
    """The JSON as a value, if a value says all of it: not where a member stands twice."""
    value = json.loads(text)
    if json.dumps(value, separators=(",", ":"), ensure_ascii=False) != text:
        raise ValueError("not as asked")
    return value


def decode(part):
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
