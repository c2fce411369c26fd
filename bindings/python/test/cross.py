"""One side of passes that cross languages: issues them, or verifies what another language issued.

    python cross.py issue            writes a list of cases to stdout
    python cross.py verify < CASES   reads one, and writes a list of verdicts in the same order

What both are is told at the head of ``cross.mjs``, which is the same for Node. A new store refuses passes that were issued before it was
made, to the second. So this side makes its store first, says ``ready`` in a line of stderr, and then reads: whoever drives it issues after that.
"""

import json
import sys
from typing import Any

from actionpass import (
    ActionPassError,
    Executor,
    ReplayStore,
    Trust,
    TrustedKey,
    WholeAction,
    approve,
    canonicalize,
)
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


def verify(case: dict[str, Any], store: ReplayStore) -> dict[str, Any]:
    call = WholeAction(case["action"])
    try:
        executor = Executor(
            issuer=case["issuer"],
            audience=case["audience"],
            tenant=case["tenant"],
            trust=Trust.parse(json.dumps(case["trust"])),
            store=store,
        )
        payload = executor.run(case["token"], call, canonicalize)
        try:
            executor.consume(case["token"], call)
            again = "used again"
        except ActionPassError as error:
            again = error.code
    except ActionPassError as error:
        return {"valid": False, "codes": list(error.codes)}
    return {"valid": True, "payload": payload, "again": again}


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["issue"]:
            written: list[Any] = issue()
        case ["verify"]:
            store = ReplayStore.memory(first=True)
            print("ready", file=sys.stderr, flush=True)
            written = [verify(case, store) for case in json.load(sys.stdin.buffer)]
        case _:
            sys.exit("say `issue` or `verify`")
    sys.stdout.buffer.write(json.dumps(written).encode())
