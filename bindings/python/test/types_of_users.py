"""What programs write, for the type checker alone."""

from collections.abc import Callable, Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from actionpass import (
    ActionPassError,
    AsyncClient,
    AsyncExecutor,
    AsyncIssuer,
    Call,
    Caller,
    Executor,
    Issuer,
    KeyUri,
    KnownCode,
    ReplayStore,
    Signer,
    Trust,
    TrustedKey,
    WholeAction,
    approve,
)
from actionpass.guard import AsyncGuard, Guard, NotAllowedError


class Hsm:
    @property
    def public_jwk(self) -> Mapping[str, str]:
        return {"kty": "EC"}

    def sign(self, data: bytes, /) -> bytes:
        return data


class Remote:
    public_jwk: Mapping[str, Any] = {"kty": "EC"}

    async def sign(self, data: bytes, /) -> bytes:
        return data


def issuer(trust: Trust) -> Issuer:
    hsm: Signer = Hsm()
    Issuer.open("/home", passphrase="env:PASSPHRASE").close()
    Issuer(issuer="i", tenants=["t"], signer=hsm, policy="", trust=trust, store={"memory": {"capacity": 3}})
    return Issuer(issuer="i", tenants=["t"], signer="file:key.pem", policy="", trust=trust, store={"sqlite": "x.db"})


async def serve(action: dict[str, Any], caller: Caller) -> str:
    trust = Trust([TrustedKey(principal="user:a", key={"kty": "EC"}, roles=["maintainer"])])
    async with await AsyncIssuer.of(issuer="i", tenants=["t"], signer=Remote(), policy="", trust=trust) as made:
        decided = await made.authorize(action, caller=caller, facts=b"{}")
        token: str = decided.action_pass.token

    async def write(payload: Any) -> str:
        return str(payload)

    executor = AsyncExecutor(
        issuer="i", audience="a", tenant="t", trust=trust, store=ReplayStore.memory(first=True)
    )
    return await executor.run(token, WholeAction(action), write)


def guard(issuer: Issuer, caller: Caller, publish: Callable[[dict[str, Any]], int]) -> int:
    before = Guard(issuer, caller=lambda: caller, task="T-1", resource=lambda tool, payload: f"note:{payload['id']}")
    try:
        return before("notes.publish", {"id": 1}, publish, approvals=["a.b.c"])
    except NotAllowedError as error:
        return len(error.authorization.decision.reasons) + len(error.action)


async def guard_async(issuer: AsyncIssuer | AsyncClient, caller: Caller) -> str:
    async def write(payload: Any) -> str:
        return str(payload)

    before = AsyncGuard(issuer, caller=caller, task="T-1", resource=lambda tool, payload: "note:1")
    count: int = await before("notes.count", b"[]", len)
    written: str = await before("notes.write", {"id": count}, write)
    return written


def execute(executor: Executor, token: str, received: bytes) -> int:
    try:
        count: int = executor.run(token, Call("notes.write", "note:1", received), len)
    except ActionPassError as error:
        known: KnownCode = "already_used"
        return int(error.code == known) + (error.offset or 0)
    return count


approve(action={}, issuer="i", as_="user:a", key=KeyUri("file:key.pem", "env:X"), reason="r")
approve(
    action=b"{}",
    issuer="i",
    as_="user:a",
    key=Ed25519PrivateKey.generate(),
    reason="r",
    mode="policy_override",
    policy_digest="sha256:",
    rules=["x"],
)
approve(action={}, issuer="i", as_="user:a", key="file:k", reason="r", mode="policy_override")  # type: ignore[call-overload]
