"""Checks a passkey's signature on an approval of ActionPass with the package `cryptography`. See README.md beside this file.

python verify.py APPROVAL TRUST.json
"""

import hashlib
import json
import sys
from base64 import urlsafe_b64decode, urlsafe_b64encode

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA256


def sha256(data):
    return hashlib.sha256(data).digest()


def check(holds, code):
    if not holds:
        raise ValueError(code)


def encode(data):
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text):
    data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    check(encode(data) == text, "token_malformed")
    return data


def members(pairs):
    check(len(dict(pairs)) == len(pairs), "webauthn_client_data_repeated")
    return dict(pairs)


def verify_signature(key, signature, message):
    jwk = key["jwk"]
    if key["alg"] == "ES256":
        x, y = (int.from_bytes(decode(jwk[name]), "big") for name in ("x", "y"))
        public = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
        public.verify(signature, message, ec.ECDSA(SHA256()))
    else:
        check(key["alg"] == "Ed25519", "algorithm_mismatch")
        ed25519.Ed25519PublicKey.from_public_bytes(decode(jwk["x"])).verify(signature, message)


def verify_passkey_approval(token, trust):
    """The claims, if a passkey of the trust store signed them on one of its pages."""
    parts = token.split(".")
    check(len(parts) == 3, "token_malformed")
    header = json.loads(decode(parts[0]))
    check(sorted(header) == ["alg", "kid", "typ"], "header_not_allowed")
    check(header["typ"] == "actionpass-approval+webauthn", "type_mismatch")
    key = next((key for key in trust["keys"] if key["kid"] == header["kid"] and "webauthn" in key), None)
    check(key is not None and key["use"] == "approval", "key_unknown")
    check(key["alg"] == header["alg"], "algorithm_mismatch")
    revoked = [entry["target"]["id"] for entry in trust["revocations"] if entry["target"]["kind"] == "key"]
    check(key["status"] != "revoked" and key["kid"] not in revoked, "key_revoked")
    names = ["authenticatorData", "clientDataJSON", "signature"]
    part = json.loads(decode(parts[2]))
    own = json.dumps({name: part[name] for name in names}, separators=(",", ":"))
    check(own.encode() == decode(parts[2]), "webauthn_assertion_malformed")
    data, client_data, signature = (decode(part[name]) for name in names)
    check(len(client_data) <= 2048, "webauthn_client_data_too_long")
    client = json.loads(client_data.decode("utf-8"), object_pairs_hook=members)
    check(client["type"] == "webauthn.get", "webauthn_type_mismatch")
    challenge = sha256(f"{parts[0]}.{parts[1]}".encode())
    check(client["challenge"] == encode(challenge), "webauthn_challenge_mismatch")
    check(client["origin"] in key["webauthn"]["origins"], "webauthn_origin_mismatch")
    check(client.get("crossOrigin", False) is False, "webauthn_cross_origin")
    check("topOrigin" not in client, "webauthn_top_origin")
    check(data[:32] == sha256(key["webauthn"]["rpId"].encode()), "webauthn_rp_id_mismatch")
    flags = data[32]
    check(flags & 0x01, "webauthn_user_not_present")
    check(flags & 0x04, "webauthn_user_not_verified")
    check(not flags & 0x40, "webauthn_attested_credential")
    check(not flags & 0x10 or flags & 0x08, "webauthn_backup_state")
    check(len(data) == 37 and not flags & 0x80, "webauthn_authenticator_data_malformed")
    verify_signature(key, signature, data + sha256(client_data))
    return json.loads(decode(parts[1]))


if __name__ == "__main__":
    try:
        with open(sys.argv[1], encoding="ascii") as approval, open(sys.argv[2], encoding="utf-8") as trust:
            claims = verify_passkey_approval(approval.read().removesuffix("\n"), json.load(trust))
    except InvalidSignature:
        sys.exit("refused: webauthn_signature_invalid")
    except Exception as error:  # Whatever goes wrong, the answer is no.
        sys.exit(f"refused: {error or type(error).__name__}")
    print(f"accepted: {claims['jti']} of {claims['iss']}")
