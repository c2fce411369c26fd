"""The executor's side: whom to believe, what is accepted, which passes were used."""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias, TypeVar, Union

from . import _native
from ._error import ask, wrong_argument
from ._json import Json, JsonInput, list_of, options_of, raw_of, text_of, to_json
from ._keys import VerificationKey, public_key_json
from ._threads import on_thread

T = TypeVar("T")

#: An action, or its raw JSON.
ActionInput: TypeAlias = Union[Mapping[str, Any], bytes, bytearray, memoryview]


def timestamp(text: str) -> datetime:
    """The time of a timestamp of ours, which is in UTC."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


@dataclass(frozen=True)
class TrustedKey:
    """A key and what it is believed for: passes of an ``issuer``, or approvals of a ``principal``."""

    key: VerificationKey
    issuer: str | None = None
    principal: str | None = None
    roles: Sequence[str] | None = None
    #: All of them, unless some are named.
    tenants: Sequence[str] | None = None


def key_entries(keys: Sequence[TrustedKey], path: str) -> list[dict[str, object]]:
    """Trusted keys as they stand in options."""
    entries = []
    for index, trusted in enumerate(list_of(keys, path) or []):
        at = f"{path}[{index}]"
        if not isinstance(trusted, TrustedKey):
            raise wrong_argument(at, "it is no TrustedKey")
        entry = {
            "key": public_key_json(trusted.key, f"{at}.key"),
            "issuer": trusted.issuer,
            "principal": trusted.principal,
            "roles": list_of(trusted.roles, f"{at}.roles"),
            "tenants": list_of(trusted.tenants, f"{at}.tenants"),
        }
        entries.append({name: value for name, value in entry.items() if value is not None})
    return entries


class Trust:
    """Public keys and revocations."""

    __slots__ = ("_native",)

    def __init__(self, keys: Sequence[TrustedKey] = ()) -> None:
        """Trust in these keys and no others."""
        self._native = ask(_native.NativeTrust.of, to_json(key_entries(keys, "keys")))

    @classmethod
    def _of(cls, made: _native.NativeTrust) -> Trust:
        trust = cls.__new__(cls)
        trust._native = made
        return trust

    @classmethod
    def parse(cls, document: bytes | str) -> Trust:
        """Of a document, as ``actionpass trust export`` gives it."""
        raw = text_of(document, "document").encode() if isinstance(document, str) else raw_of(document, "document")
        return cls._of(ask(_native.NativeTrust.parse, raw))

    @classmethod
    def watch(cls, path: str | os.PathLike[str]) -> Trust:
        """Of a file, as it is at each call."""
        return cls._of(ask(_native.NativeTrust.watch, text_of(os.fspath(path), "path")))

    @property
    def version(self) -> int:
        """It grows with every change."""
        return ask(self._native.version)

    def document(self) -> dict[str, Any]:
        """The document of now, as executors are handed it."""
        document: dict[str, Any] = json.loads(ask(self._native.text))
        return document


class ReplayStore:
    """Where an executor marks passes as used. All of one audience share one."""

    __slots__ = ("_native",)

    def __init__(self) -> None:
        raise wrong_argument("ReplayStore", "a store comes from `ReplayStore.memory` or `ReplayStore.sqlite`")

    @classmethod
    def _of(cls, made: _native.NativeReplayStore) -> ReplayStore:
        store = cls.__new__(cls)
        store._native = made
        return store

    _native: _native.NativeReplayStore

    @classmethod
    def memory(cls, *, capacity: int | None = None, first: bool = False) -> ReplayStore:
        """In memory, a million marks unless ``capacity`` is set.

        What was used before this process started is not known, so passes issued before now and in the next 31 seconds are
        refused (``replay_state_lost``), unless no executor of the audience ran before: ``first``.
        """
        return cls._of(ask(_native.NativeReplayStore.memory, options_of(capacity=capacity, first=first)))

    @classmethod
    def sqlite(cls, path: str | os.PathLike[str], *, create: bool = False) -> ReplayStore:
        """In an SQLite file. One that is missing has forgotten what was used, so the first one is made on purpose: ``create``."""
        return cls._of(ask(_native.NativeReplayStore.sqlite, text_of(os.fspath(path), "path"), options_of(create=create)))


@dataclass(frozen=True)
class Call:
    """The call that is about to be made. What isn't stated isn't compared."""

    tool: str
    resource: str
    #: The payload as a value, or raw JSON as bytes.
    payload: JsonInput
    agent: str | None = None
    task: str | None = None


@dataclass(frozen=True)
class WholeAction:
    """A call of which the whole action is known."""

    action: ActionInput


#: A call, in parts or as a whole action.
AnyCall: TypeAlias = Union[Call, WholeAction]


def _crossing(call: AnyCall) -> tuple[str | None, bytes]:
    if isinstance(call, WholeAction):
        return None, raw_of(call.action, "call.action")
    if not isinstance(call, Call):
        raise wrong_argument("call", "it is no Call and no WholeAction")
    head = options_of(tool=call.tool, resource=call.resource, agent=call.agent, task=call.task)
    return head, raw_of(call.payload, "call.payload")


class VerifiedPass:
    """A pass for which everything held: there is none that doesn't."""

    __slots__ = ("_payload", "_verdict")

    def __init__(self, verdict: tuple[str, str]) -> None:
        told, self._payload = verdict
        self._verdict: dict[str, Any] = json.loads(told)

    @property
    def valid(self) -> Literal[True]:
        return True

    @property
    def id(self) -> str:
        return str(self._verdict["id"])

    @property
    def payload(self) -> Any:
        """The payload that was approved, a new value each time: execute this one."""
        return json.loads(self._payload)

    @property
    def payload_bytes(self) -> bytes:
        """Its RFC 8785 bytes."""
        return self._payload.encode()

    @property
    def expires_at(self) -> datetime:
        return timestamp(self._verdict["expiresAt"])

    @property
    def compared(self) -> tuple[str, ...]:
        return tuple(self._verdict["compared"])

    @property
    def claims(self) -> Mapping[str, Any]:
        claims: dict[str, Any] = self._verdict["claims"]
        return claims

    @property
    def approvals(self) -> Sequence[Mapping[str, Any]]:
        approvals: list[dict[str, Any]] = self._verdict["approvals"]
        return approvals

    def __repr__(self) -> str:
        return f"VerifiedPass(id={self.id!r})"


class Verifier:
    """Checks passes: raises :class:`ActionPassError` with every code where one doesn't hold. Times are in seconds."""

    __slots__ = ("_native",)

    def __init__(
        self,
        *,
        issuer: str,
        audience: str,
        tenant: str,
        trust: Trust,
        obligations: Sequence[str] = (),
        max_lifetime: int | None = None,
        max_revocations_age: int | None = None,
        dangerously_accept_asserted_approvals: bool = False,
    ) -> None:
        if not isinstance(trust, Trust):
            raise wrong_argument("trust", "it is no Trust")
        options = options_of(
            issuer=issuer,
            audience=audience,
            tenant=tenant,
            obligations=list_of(obligations, "obligations"),
            max_lifetime=max_lifetime,
            max_revocations_age=max_revocations_age,
            dangerously_accept_asserted_approvals=dangerously_accept_asserted_approvals,
        )
        self._native = ask(_native.NativeVerifier, options, trust._native)

    def verify(self, token: str, call: AnyCall) -> VerifiedPass:
        """Checks a pass without using it up. Nobody executes on this alone."""
        return VerifiedPass(ask(self._native.verify, text_of(token, "token"), *_crossing(call)))

    def consume(self, token: str, call: AnyCall, store: ReplayStore) -> VerifiedPass:
        """Checks a pass and uses it up: of all with one store exactly one succeeds."""
        if not isinstance(store, ReplayStore):
            raise wrong_argument("store", "it is no ReplayStore")
        return VerifiedPass(ask(self._native.consume, text_of(token, "token"), *_crossing(call), store._native))


class Executor:
    """A verifier with its store. Its arguments are those of :class:`Verifier`, and ``store``."""

    __slots__ = ("_store", "_verifier")

    def __init__(
        self,
        *,
        issuer: str,
        audience: str,
        tenant: str,
        trust: Trust,
        store: ReplayStore,
        obligations: Sequence[str] = (),
        max_lifetime: int | None = None,
        max_revocations_age: int | None = None,
        dangerously_accept_asserted_approvals: bool = False,
    ) -> None:
        if not isinstance(store, ReplayStore):
            raise wrong_argument("store", "it is no ReplayStore")
        self._store = store
        self._verifier = Verifier(
            issuer=issuer,
            audience=audience,
            tenant=tenant,
            trust=trust,
            obligations=obligations,
            max_lifetime=max_lifetime,
            max_revocations_age=max_revocations_age,
            dangerously_accept_asserted_approvals=dangerously_accept_asserted_approvals,
        )

    def verify(self, token: str, call: AnyCall) -> VerifiedPass:
        """Checks a pass without using it up. Nobody executes on this alone."""
        return self._verifier.verify(token, call)

    def consume(self, token: str, call: AnyCall) -> VerifiedPass:
        """Checks a pass and uses it up. The call may then be made, with the pass's ``payload``."""
        return self._verifier.consume(token, call, self._store)

    def run(self, token: str, call: AnyCall, execute: Callable[[Any], T]) -> T:
        """Uses the pass up, and runs with the payload that was approved, never with the one that was sent."""
        if not callable(execute):
            raise wrong_argument("execute", "it is no function")
        return execute(self.consume(token, call).payload)


class AsyncExecutor(Executor):
    """The same for asyncio: the store is asked on a thread beside the loop."""

    __slots__ = ()

    async def consume(self, token: str, call: AnyCall) -> VerifiedPass:  # type: ignore[override]
        # What crosses is copied before anybody else runs.
        whole = _settled(call)
        return await on_thread(lambda: Executor.consume(self, token, whole))

    async def run(self, token: str, call: AnyCall, execute: Callable[[Any], Awaitable[T]]) -> T:  # type: ignore[override]
        if not callable(execute):
            raise wrong_argument("execute", "it is no function")
        return await execute((await self.consume(token, call)).payload)


def _settled(call: AnyCall) -> AnyCall:
    head, raw = _crossing(call)
    if head is None:
        return WholeAction(raw)
    return Call(**{**json.loads(head), "payload": raw})
