"""One side of passes that cross languages: issues them, or verifies what another language issued.

    python cross.py issue            writes a list of cases to stdout
    python cross.py verify < CASES   reads one, and writes a list of verdicts in the same order

What both are is told at the head of ``cross.mjs``, which is the same for Node.
"""

import json
import sys
from typing import Any

from actionpass import ActionPassError, Trust, TrustedKey, Verifier, WholeAction, approve, canonicalize
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from help import CALLER, ISSUER, MAYA, TENANT, action_of, issuer_of, key

PAYLOAD = {
    "text": 'Grüße 👋 "\\/\x7f\u2028\t',
    "number": -0.1e-6,
    "list": [1e21, 0, 4.5, {"\ufb33": 1, "😀": 2, "é": 3, "": None, "e\u0301": [True, False]}],
}


def issued(name: str, signer: Any, tool: str, approver: Any = None) -> dict[str, Any]:
    keys = [] if approver is None else [TrustedKey(principal=MAYA, key=approver.public_key(), roles=["maintainer"])]
    issuer = issuer_of(Trust(keys), signer=signer)
    action = action_of(PAYLOAD, tool)
    approvals = []
    if approver is not None:
        approvals.append(approve(action=action, issuer=ISSUER, as_=MAYA, key=approver, reason="gelesen ✓"))
    decided = issuer.authorize(action, caller=CALLER, approvals=approvals)
    return {
        "name": name,
        "trust": issuer.trust.document(),
        "token": decided.action_pass.token,
        "action": action,
        "issuer": ISSUER,
        "audience": tool,
        "tenant": TENANT,
        "payload": canonicalize(PAYLOAD),
    }


def issue() -> list[dict[str, Any]]:
    signers: dict[str, Any] = {
        "ES256": key(),
        "ES384": ec.generate_private_key(ec.SECP384R1()),
        "Ed25519": ed25519.Ed25519PrivateKey.generate(),
    }
    cases = [issued(f"Python, {algorithm}", signer, "notes.write") for algorithm, signer in signers.items()]
    return [*cases, issued("Python, approved", key(), "notes.share", key())]


def verify(case: dict[str, Any]) -> dict[str, Any]:
    try:
        verifier = Verifier(
            issuer=case["issuer"],
            audience=case["audience"],
            tenant=case["tenant"],
            trust=Trust.parse(json.dumps(case["trust"])),
        )
        verified = verifier.verify(case["token"], WholeAction(case["action"]))
    except ActionPassError as error:
        return {"valid": False, "codes": list(error.codes)}
    return {"valid": True, "payload": verified.payload_bytes.decode()}


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["issue"]:
            written: list[Any] = issue()
        case ["verify"]:
            written = [verify(case) for case in json.load(sys.stdin.buffer)]
        case _:
            sys.exit("say `issue` or `verify`")
    sys.stdout.buffer.write(json.dumps(written).encode())
