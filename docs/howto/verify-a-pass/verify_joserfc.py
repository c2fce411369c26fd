"""Checks a pass of ActionPass with joserfc before the call that it permits is made. See README.md beside this file.

    pip install joserfc rfc8785
    python verify_joserfc.py PASS.jwt KEYS.json PAYLOAD.json ISSUER AUDIENCE TENANT TOOL RESOURCE
"""

import base64
import hashlib
import json
import sys

import rfc8785
from joserfc import jwt
from joserfc.jwk import KeySet

ALGORITHMS = ("ES256", "ES384", "Ed25519")
LEEWAY = 30
MAX_LIFETIME = 3600


def verify_pass(token, jwks, payload, issuer, audience, tenant, tool, resource):
    """The claims and the canonical payload, which is what to execute; or an exception."""
    header = check_shape(token)
    # The key comes from our own set, by `kid`, and its algorithm with it; the token can't bring either.
    keys = [key for key in jwks["keys"] if key.get("kid") == header["kid"]]
    check(len(keys) == 1, "key_unknown")
    algorithm = keys[0].get("alg")
    check(algorithm in ALGORITHMS, "key_unsupported")
    check(header["alg"] == algorithm, "algorithm_mismatch")
    claims = jwt.decode(token, KeySet.import_key_set(jwks), algorithms=[algorithm]).claims
    jwt.JWTClaimsRegistry(
        leeway=LEEWAY,
        iss={"essential": True, "value": issuer},
        aud={"essential": True, "value": audience},
        sub={"essential": True},
        iat={"essential": True},
        nbf={"essential": True},
        exp={"essential": True},
        jti={"essential": True},
    ).validate(claims)
    check(set(claims) == {"iss", "sub", "aud", "iat", "nbf", "exp", "jti", "actionpass"}, "claims_malformed")
    permitted = claims["actionpass"]
    check(permitted["v"] == 1 and permitted["canon"] == "rfc8785", "version_unsupported")
    check(claims["aud"] == audience, "audience_mismatch")  # joserfc also takes a list that has it.
    check(claims["iat"] <= claims["nbf"] < claims["exp"], "claims_malformed")
    check(claims["exp"] - claims["iat"] <= MAX_LIFETIME, "lifetime_too_long")
    check(permitted["tenant"] == tenant, "tenant_mismatch")
    check(permitted["tool"] == tool, "tool_mismatch")
    check(permitted["resource"] == resource, "resource_mismatch")
    check(permitted["obligations"] == [], "obligation_unsupported")  # Or enforce every one of them.
    canonical = rfc8785.dumps(json.loads(payload, object_pairs_hook=unique))
    digest = "sha256:" + hashlib.sha256(canonical).hexdigest()
    check(permitted["payloadHash"] == digest, "payload_hash_mismatch")
    return claims, canonical


def check_shape(token):
    """One spelling only: three parts of unpadded base64url and exactly our three header members."""
    parts = token.split(".")
    check(len(parts) == 3 and all(is_strict(part) for part in parts), "token_malformed")
    header = json.loads(base64.urlsafe_b64decode(parts[0] + "=" * (-len(parts[0]) % 4)))
    check(set(header) == {"alg", "kid", "typ"}, "header_not_allowed")
    check(header["typ"] == "actionpass+jwt", "type_mismatch")
    return header


def is_strict(part):
    try:
        decoded = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except ValueError:
        return False
    return base64.urlsafe_b64encode(decoded).rstrip(b"=").decode() == part


def unique(members):
    """json.loads would keep the last of two members of one name."""
    check(len(dict(members)) == len(members), "member_duplicate")
    return dict(members)


def check(holds, code):
    if not holds:
        raise ValueError(code)


def read(file):
    with open(file, encoding="utf-8", newline="") as opened:
        return opened.read()


if __name__ == "__main__":
    token, jwks, payload = (read(file) for file in sys.argv[1:4])
    try:
        claims, _ = verify_pass(token.removesuffix("\n"), json.loads(jwks), payload, *sys.argv[4:9])
    except Exception as error:  # Whatever goes wrong, the answer is no.
        sys.exit(f"refused: {error or type(error).__name__}")
    print("accepted:", claims["jti"])
