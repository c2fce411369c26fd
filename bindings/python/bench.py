"""What the package costs beside what people would write with PyJWT and rfc8785: `cargo xtask bindings python --bench`.

What is compared takes turns in every round, in an order that changes; a ratio is the median of the ratios within a round, a figure
the median over the rounds.
"""

import hashlib
import json
import pathlib
import random
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import jwt
import rfc8785
from actionpass import ActionPassError, Call, Issuer, Trust, Verifier, hash
from actionpass import Caller as Whose
from cryptography.hazmat.primitives.asymmetric import ec

# What we recommend to those who verify without us.
sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "docs/howto/verify-a-pass"))
from verify_pyjwt import verify_pass  # noqa: E402

ISSUER, TENANT = "https://issuer.example", "org:example"
POLICY = 'schema = "actionpass.policy.v1"\nid = "bench"\n[[rule]]\nid = "all"\neffect = "allow"\ntool = "notes.write"\n'
CALLER = Whose(TENANT, "agent:codex-prod", "user:owner@example.com", "runtime:codex-cli")
ROUNDS, SPAN = 151, 0.01


def text_of(of: random.Random, length: int) -> str:
    return "".join(of.choice("abcdefghijklmnopqrstuvwxyz     .,é") for _ in range(length))


def payload_of(size: int) -> dict[str, Any]:
    """A payload as tools get: texts, numbers, lists and objects, of about so many bytes."""
    of = random.Random(size)
    payload: dict[str, Any] = {}
    while len(rfc8785.dumps(payload)) < size:
        number = len(payload)
        payload[f"member{number}"] = {
            "title": text_of(of, 40),
            "amount": of.randrange(10**6) / 100,
            "labels": [text_of(of, 8) for _ in range(3)],
            "open": of.random() < 0.5,
        }
    return payload


def members_of(size: int) -> dict[str, Any]:
    """Many short members, as most tool calls have: the document that the package for Node is measured with."""
    items: list[dict[str, Any]] = []
    while len(json.dumps({"items": items}, separators=(",", ":"))) < size:
        number = len(items)
        items.append(
            {
                "id": 1000 + number,
                "name": f"item {number}",
                "path": f"src/part-{number}.ts",
                "isDraft": number % 3 == 0,
                "weight": number / 8,
                "tags": ["a", "b"],
                "next": None,
            }
        )
    return {"items": items}


def measured(works: list[Callable[[], object]]) -> tuple[list[float], list[float]]:
    """Seconds of each work, and how many times as long as the first each takes."""
    counts = []
    for work in works:
        start, count = time.perf_counter(), 0
        while time.perf_counter() - start < SPAN:
            work()
            count += 1
        counts.append(count)
    rounds: list[list[float]] = []
    order = list(range(len(works)))
    for _ in range(ROUNDS):
        random.shuffle(order)
        took = [0.0] * len(works)
        for index in order:
            work, count = works[index], counts[index]
            start = time.perf_counter()
            for _ in range(count):
                work()
            took[index] = (time.perf_counter() - start) / count
        rounds.append(took)
    seconds = [statistics.median(took[index] for took in rounds) for index in range(len(works))]
    ratios = [statistics.median(took[index] / took[0] for took in rounds) for index in range(len(works))]
    return seconds, ratios


def microseconds(seconds: float) -> str:
    return f"{seconds * 1e6:.1f} µs"


def verifying() -> list[Callable[[], object]]:
    """Ours, the recipe, the least of it; and a refusal, ours and of PyJWT."""
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key()
    issuer = Issuer(issuer=ISSUER, tenants=[TENANT], signer=key, policy=POLICY, trust=Trust(), pass_lifetime=3600)
    action = {
        "schema": "actionpass.action.v1",
        "tenant": TENANT,
        "actor": {"agent": CALLER.agent, "humanOwner": CALLER.human_owner, "runtime": CALLER.runtime},
        "intent": {"task": "T-1"},
        "capability": {"tool": "notes.write", "resource": "note:1", "payload": payload_of(400)},
    }
    token = issuer.authorize(action, caller=CALLER).action_pass.token
    raw = json.dumps(action["capability"]["payload"]).encode()
    call = Call("notes.write", "note:1", raw)
    keys = {"keys": [entry["jwk"] for entry in issuer.trust.document()["keys"]]}
    verifier = Verifier(issuer=ISSUER, audience="notes.write", tenant=TENANT, trust=issuer.trust)
    bad = token[:-10] + token[-10:][::-1].swapcase()

    def ours() -> object:
        return verifier.verify(token, call).payload_bytes

    def recipe() -> object:
        return verify_pass(token, keys, raw, ISSUER, "notes.write", TENANT, "notes.write", "note:1")[1]

    def least() -> object:
        claims = jwt.decode(token, public, algorithms=["ES256"], issuer=ISSUER, audience="notes.write")
        canonical = rfc8785.dumps(json.loads(raw))
        bound = claims["actionpass"]
        digest = "sha256:" + hashlib.sha256(canonical).hexdigest()
        if (bound["payloadHash"], bound["tool"], bound["resource"]) != (digest, "notes.write", "note:1"):
            raise ValueError("another call")
        return canonical

    def ours_refusing() -> object:
        try:
            verifier.verify("x." + bad, call)
        except ActionPassError as error:
            return error.code
        raise AssertionError

    def theirs_refusing() -> object:
        try:
            jwt.decode("x." + bad, public, algorithms=["ES256"], issuer=ISSUER, audience="notes.write")
        except jwt.InvalidTokenError as error:
            return error
        raise AssertionError

    assert ours() == recipe() == least()
    return [ours, recipe, least, ours_refusing, theirs_refusing]


def hashing(value: dict[str, Any]) -> tuple[Callable[[], object], Callable[[], object], Callable[[], object]]:
    """Ours of the text, theirs of the text, ours of the value."""
    raw = json.dumps(value, separators=(",", ":")).encode()

    def theirs() -> object:
        return "sha256:" + hashlib.sha256(rfc8785.dumps(json.loads(raw))).hexdigest()

    assert hash(raw) == theirs() == hash(value)
    return lambda: hash(raw), theirs, lambda: hash(value)


def main() -> int:
    ours, recipe, least_of_it, ours_refusing, theirs_refusing = verifying()
    rows: list[tuple[str, list[float], list[float], float | None]] = []
    seconds, ratios = measured([ours, recipe, least_of_it])
    name = "verify, 400 B payload, against the recipe with PyJWT and rfc8785"
    rows.append((name, seconds[:2], ratios[:2], 3.5))
    name = "… against `jwt.decode` with the key at hand, the payload's hash and two members alone"
    rows.append((name, [seconds[0], seconds[2]], [ratios[0], ratios[2]], None))
    rows.append(("refuse a malformed token, against PyJWT", *measured([ours_refusing, theirs_refusing]), None))
    documents: list[tuple[str, dict[str, Any], float | None]] = [("4.6 kB of short members", members_of(4600), 50.0)]
    documents += [(f"{size / 1000:g} kB with longer texts", payload_of(size), None) for size in (300, 4600, 79_000)]
    for document, value, least in documents:
        of_bytes, other, of_value = hashing(value)
        name = f"hash of {document} as JSON text, against loads, rfc8785 and SHA-256"
        rows.append((name, *measured([of_bytes, other]), least))
        seconds, _ = measured([of_value])
        rows.append((f"… of the same as a value: {microseconds(seconds[0])}", [], [], None))
    met = True
    print("| what | figure | ratio | at least |\n|---|---|---|---|")
    for name, seconds, ratios, least in rows:
        if not seconds:
            print(f"| {name} | | | |")
            continue
        met = met and (least is None or ratios[1] >= least)
        figure = " : ".join(microseconds(one) for one in seconds)
        print(f"| {name} | {figure} | {ratios[1]:.1f} | {'' if least is None else f'{least:g}'} |")
    return 0 if met else 1


sys.exit(main())
