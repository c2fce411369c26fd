"""The issuer's side: decisions, approvals, revocations."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Any, Literal, TypeAlias, TypedDict, Union, overload

from . import _native
from ._error import ActionPassError, ask, wrong_argument
from ._json import JsonInput, list_of, options_of, raw_of, text_of
from ._keys import SigningKey, native_key
from ._threads import on_thread
from ._verifier import ActionInput, ReplayStore, Trust, timestamp


@dataclass(frozen=True)
class Caller:
    """Who calls, as the host knows it: never as the agent says."""

    tenant: str
    agent: str
    human_owner: str
    runtime: str
    via: Sequence[str] = ()

    def _options(self, path: str) -> dict[str, object]:
        return {
            "tenant": self.tenant,
            "agent": self.agent,
            "humanOwner": self.human_owner,
            "runtime": self.runtime,
            "via": list_of(self.via, f"{path}.via"),
        }


def caller_options(caller: Caller | None) -> dict[str, object] | None:
    if caller is None:
        return None
    if not isinstance(caller, Caller):
        raise wrong_argument("caller", "it is no Caller")
    return caller._options("caller")


@dataclass(frozen=True)
class IssuedPass:
    """A pass. Its token is a secret until it is used, and isn't printed."""

    id: str
    token: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True)
class Reason:
    """Why it was decided so."""

    code: str
    rule: str | None = None
    path: str | None = None


@dataclass(frozen=True)
class Decision:
    decision: Literal["allow", "deny", "step_up"]
    reasons: tuple[Reason, ...]
    #: What would turn it, if it isn't an allow.
    required: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class Authorization:
    """A decision that is recorded, with the pass if it is an allow."""

    decision: Decision
    action_id: str
    action_hash: str
    payload_hash: str
    #: ``id``, ``digest`` and ``rules`` of the policy that decided.
    policy: Mapping[str, Any]
    #: ``seq``, ``id`` and ``ledgerHash`` of the record.
    record: Mapping[str, Any]
    #: The approval request that waits for people.
    request: Mapping[str, Any] | None
    #: The pass of an allow, else ``None``.
    pass_: IssuedPass | None

    @property
    def action_pass(self) -> IssuedPass:
        """The pass. Raises :class:`ActionPassError` with the reasons' codes where there is none."""
        if self.pass_ is not None:
            return self.pass_
        decision = self.decision.decision
        raise ActionPassError(f"there is no pass: the decision is {decision}", codes=reason_codes(self) or [decision])


def reason_codes(authorization: Authorization) -> list[str]:
    """The codes of its reasons, each once."""
    return list(dict.fromkeys(reason.code for reason in authorization.decision.reasons))


def authorization_of(told: Mapping[str, Any]) -> Authorization:
    """What the native half or a service answered."""
    issued = told.get("pass")
    reasons = tuple(Reason(reason["code"], reason.get("rule"), reason.get("path")) for reason in told["reasons"])
    return Authorization(
        decision=Decision(told["decision"], reasons, tuple(told["required"])),
        action_id=told["actionId"],
        action_hash=told["actionHash"],
        payload_hash=told["payloadHash"],
        policy=told["policy"],
        record=told["record"],
        request=told.get("request"),
        pass_=None if issued is None else IssuedPass(issued["id"], issued["token"], timestamp(issued["expiresAt"])),
    )


class MemoryCapacity(TypedDict):
    capacity: int


class MemoryStore(TypedDict):
    memory: MemoryCapacity


class SqliteStore(TypedDict):
    sqlite: str


#: Where decisions are kept: in memory up to so many records (100,000; then everything is refused), or in an SQLite file.
Store: TypeAlias = Union[Literal["memory"], MemoryStore, SqliteStore]


class _Common:
    """What both issuers have. Closing again does nothing."""

    __slots__ = ("_native",)

    _native: _native.NativeIssuer

    @property
    def name(self) -> str:
        """Its name, the ``iss`` of its passes."""
        return ask(self._native.name)

    @property
    def trust(self) -> Trust:
        """Whom it believes, for verifiers in this process: they see what it revokes."""
        return Trust._of(ask(self._native.trust))

    @property
    def replay_store(self) -> ReplayStore:
        """Which of its passes were used, for executors in this process."""
        return ReplayStore._of(ask(self._native.replay_store))


def _opened(
    loop: asyncio.AbstractEventLoop | None,
    signer: SigningKey,
    trust: Trust,
    options: str,
) -> _native.NativeIssuer:
    return ask(_native.NativeIssuer.parts, options, native_key(signer, "signer", loop), trust._native)


def _parts(
    issuer: str,
    tenants: Sequence[str],
    policy: str,
    trust: Trust,
    store: Store,
    agents: Sequence[str],
    audiences: Mapping[str, Sequence[str]] | None,
    pass_lifetime: int | None,
    signing_timeout: int | None,
    dangerously_accept_asserted_approvals: bool,
) -> str:
    if not isinstance(trust, Trust):
        raise wrong_argument("trust", "it is no Trust")
    return options_of(
        issuer=issuer,
        tenants=list_of(tenants, "tenants"),
        policy=policy,
        store=store,
        agents=list_of(agents, "agents"),
        audiences={name: list_of(tools, f"audiences.{name}") for name, tools in (audiences or {}).items()},
        pass_={} if pass_lifetime is None else {"lifetime": pass_lifetime},
        signing_timeout=signing_timeout,
        dangerously_accept_asserted_approvals=dangerously_accept_asserted_approvals,
    )


def _home(home: str | os.PathLike[str], passphrase: str | None) -> _native.NativeIssuer:
    source = None if passphrase is None else text_of(passphrase, "passphrase")
    return ask(_native.NativeIssuer.home, text_of(os.fspath(home), "home"), source)


def _question(
    action: ActionInput,
    caller: Caller,
    facts: JsonInput,
    approvals: Sequence[str],
    audience: str | None,
    wait: int,
    open: bool | None,
    observe: bool,
) -> tuple[bytes, bytes | None, str]:
    options = options_of(
        caller=caller_options(caller),
        approvals=list_of(approvals, "approvals"),
        audience=audience,
        wait=wait,
        open=open,
        observe=observe,
    )
    return raw_of(action, "action"), None if facts is None else raw_of(facts, "facts"), options


def _revocation(
    pass_id: str | None,
    issuer: str | None,
    approval: str | None,
    approver: str | None,
    key: str | None,
    principal: str | None,
    reason: str,
    by: str,
) -> str:
    return options_of(
        pass_=pass_id,
        issuer=issuer,
        approval=approval,
        approver=approver,
        key=key,
        principal=principal,
        reason=reason,
        by=by,
    )


class Issuer(_Common):
    """An issuer: it judges, records, and signs what is allowed. Threads may share it; times are in seconds.

    ``policy`` is the text of a ``policy.toml``. Trust in memory is made to believe the issuer's key; in a file it has to be there.
    """

    __slots__ = ()

    def __init__(
        self,
        *,
        issuer: str,
        tenants: Sequence[str],
        signer: SigningKey,
        policy: str,
        trust: Trust,
        store: Store = "memory",
        agents: Sequence[str] = (),
        audiences: Mapping[str, Sequence[str]] | None = None,
        pass_lifetime: int | None = None,
        signing_timeout: int | None = None,
        dangerously_accept_asserted_approvals: bool = False,
    ) -> None:
        options = _parts(
            issuer,
            tenants,
            policy,
            trust,
            store,
            agents,
            audiences,
            pass_lifetime,
            signing_timeout,
            dangerously_accept_asserted_approvals,
        )
        self._native = _opened(None, signer, trust, options)

    @classmethod
    def open(cls, home: str | os.PathLike[str], *, passphrase: str | None = None) -> Issuer:
        """The issuer of a home that ``actionpass init`` made. ``passphrase`` names what keeps its key's: ``file:PATH``, ``env:NAME``."""
        issuer = cls.__new__(cls)
        issuer._native = _home(home, passphrase)
        return issuer

    def authorize(
        self,
        action: ActionInput,
        *,
        caller: Caller,
        facts: JsonInput = None,
        approvals: Sequence[str] = (),
        audience: str | None = None,
        wait: int = 0,
        open: bool | None = None,
        observe: bool = False,
    ) -> Authorization:
        """Decides on an action, and records it. A deny or step_up is a result; only an allow has a pass.

        ``facts`` is what the host attests, ``wait`` how many seconds a step_up waits for people; ``open=False`` opens no approval
        request; ``observe`` records what would be decided, and gives no pass.
        """
        asked = _question(action, caller, facts, approvals, audience, wait, open, observe)
        return authorization_of(json.loads(ask(self._native.authorize, *asked)))

    def revoke(
        self,
        *,
        reason: str,
        by: str,
        pass_id: str | None = None,
        issuer: str | None = None,
        approval: str | None = None,
        approver: str | None = None,
        key: str | None = None,
        principal: str | None = None,
    ) -> Mapping[str, Any]:
        """Revokes a pass (of this or another ``issuer``), an ``approval`` of an ``approver``, a ``key`` or a ``principal``."""
        stated = _revocation(pass_id, issuer, approval, approver, key, principal, reason, by)
        revoked: dict[str, Any] = json.loads(ask(self._native.revoke, stated))
        return revoked

    def close(self) -> None:
        """Lets go of key and store."""
        ask(self._native.close)

    def __enter__(self) -> Issuer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncIssuer(_Common):
    """The same for asyncio: what waits does so beside the loop. It comes from :meth:`open` or :meth:`of`."""

    __slots__ = ()

    def __init__(self) -> None:
        raise wrong_argument("AsyncIssuer", "an issuer comes from `AsyncIssuer.open` or `AsyncIssuer.of`")

    @classmethod
    def _made(cls, native: _native.NativeIssuer) -> AsyncIssuer:
        issuer = cls.__new__(cls)
        issuer._native = native
        return issuer

    @classmethod
    async def open(cls, home: str | os.PathLike[str], *, passphrase: str | None = None) -> AsyncIssuer:
        """As :meth:`Issuer.open`."""
        return cls._made(await on_thread(lambda: _home(home, passphrase)))

    @classmethod
    async def of(
        cls,
        *,
        issuer: str,
        tenants: Sequence[str],
        signer: SigningKey,
        policy: str,
        trust: Trust,
        store: Store = "memory",
        agents: Sequence[str] = (),
        audiences: Mapping[str, Sequence[str]] | None = None,
        pass_lifetime: int | None = None,
        signing_timeout: int | None = None,
        dangerously_accept_asserted_approvals: bool = False,
    ) -> AsyncIssuer:
        """Of parts, as :class:`Issuer`. An async signer runs on the loop that is running now."""
        options = _parts(
            issuer,
            tenants,
            policy,
            trust,
            store,
            agents,
            audiences,
            pass_lifetime,
            signing_timeout,
            dangerously_accept_asserted_approvals,
        )
        loop = asyncio.get_running_loop()
        return cls._made(await on_thread(lambda: _opened(loop, signer, trust, options)))

    async def authorize(
        self,
        action: ActionInput,
        *,
        caller: Caller,
        facts: JsonInput = None,
        approvals: Sequence[str] = (),
        audience: str | None = None,
        wait: int = 0,
        open: bool | None = None,
        observe: bool = False,
    ) -> Authorization:
        """As :meth:`Issuer.authorize`. Where it is cancelled, the action may be decided and recorded nevertheless."""
        asked = _question(action, caller, facts, approvals, audience, wait, open, observe)
        return authorization_of(json.loads(await on_thread(lambda: ask(self._native.authorize, *asked))))

    async def revoke(
        self,
        *,
        reason: str,
        by: str,
        pass_id: str | None = None,
        issuer: str | None = None,
        approval: str | None = None,
        approver: str | None = None,
        key: str | None = None,
        principal: str | None = None,
    ) -> Mapping[str, Any]:
        """As :meth:`Issuer.revoke`."""
        stated = _revocation(pass_id, issuer, approval, approver, key, principal, reason, by)
        revoked: dict[str, Any] = json.loads(await on_thread(lambda: ask(self._native.revoke, stated)))
        return revoked

    async def close(self) -> None:
        """Lets go of key and store."""
        await on_thread(lambda: ask(self._native.close))

    async def __aenter__(self) -> AsyncIssuer:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


@overload
def approve(
    *,
    action: ActionInput,
    issuer: str,
    as_: str,
    key: SigningKey,
    reason: str,
    mode: Literal["human"] = "human",
    lifetime: int | None = None,
) -> str: ...


@overload
def approve(
    *,
    action: ActionInput,
    issuer: str,
    as_: str,
    key: SigningKey,
    reason: str,
    mode: Literal["policy_override"],
    policy_digest: str,
    rules: Sequence[str],
    lifetime: int | None = None,
) -> str: ...


def approve(
    *,
    action: ActionInput,
    issuer: str,
    as_: str,
    key: SigningKey,
    reason: str,
    mode: Literal["human", "policy_override"] = "human",
    policy_digest: str | None = None,
    rules: Sequence[str] | None = None,
    lifetime: int | None = None,
) -> str:
    """An approver's signed yes to exactly this action: a compact JWS. ``lifetime`` is in seconds, 15 minutes unless it is set.

    Whoever calls it has shown the exact payload to the person whose key signs.
    """
    raw = raw_of(action, "action")
    options = options_of(
        issuer=issuer,
        as_=as_,
        reason=reason,
        mode=mode,
        policy_digest=policy_digest,
        rules=list_of(rules, "rules"),
        lifetime=lifetime,
    )
    return ask(_native.approve, raw, native_key(key, "key"), options)


class Approver:
    """Somebody who approves, with their key. ``lifetime`` is in seconds, 15 minutes unless it is set."""

    def __init__(self, *, as_: str, key: SigningKey, lifetime: int | None = None) -> None:
        self._as, self._key, self._lifetime = as_, key, lifetime

    @overload
    def approve(
        self, action: ActionInput, *, issuer: str, reason: str, mode: Literal["human"] = "human"
    ) -> str: ...

    @overload
    def approve(
        self,
        action: ActionInput,
        *,
        issuer: str,
        reason: str,
        mode: Literal["policy_override"],
        policy_digest: str,
        rules: Sequence[str],
    ) -> str: ...

    def approve(
        self,
        action: ActionInput,
        *,
        issuer: str,
        reason: str,
        mode: Literal["human", "policy_override"] = "human",
        policy_digest: str | None = None,
        rules: Sequence[str] | None = None,
    ) -> str:
        """What :func:`approve` gives."""
        by: dict[str, Any] = {"as_": self._as, "key": self._key, "lifetime": self._lifetime}
        if mode == "human" and policy_digest is None and rules is None:
            return approve(action=action, issuer=issuer, reason=reason, **by)
        stated: dict[str, Any] = {"mode": mode, "policy_digest": policy_digest, "rules": rules}
        return approve(action=action, issuer=issuer, reason=reason, **stated, **by)
