"""Guards before tools of this process: what was approved runs, and nothing else does."""

from __future__ import annotations

import base64
import inspect
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Generic, TypeAlias, TypeVar, Union, cast

from .._client import AsyncClient, Client
from .._error import ActionPassError, wrong_argument
from .._issuer import AsyncIssuer, Authorization, Caller, Issuer, authorization_of, caller_options, reason_codes
from .._json import JsonInput, canonicalize, list_of, text_of
from .._verifier import AsyncExecutor, Executor, WholeAction

__all__ = ["AsyncGuard", "Guard", "NotAllowedError"]

T = TypeVar("T")
Of = TypeVar("Of")

#: An action as a guard makes it of a call.
Action: TypeAlias = dict[str, Any]

#: A value, or what gives it for each call: of the request that is being answered, for instance.
Given: TypeAlias = Union[T, Callable[[], T]]


class NotAllowedError(ActionPassError):
    """A call that was not made, and the decision: a deny, or a step_up that waits for people."""

    def __init__(self, authorization: Authorization, action: Action) -> None:
        decision = authorization.decision.decision
        codes = reason_codes(authorization) or ["default_deny"]
        super().__init__(f"the call is not allowed: the decision is {decision}", codes=codes)
        self.authorization = authorization
        #: What approvals have to be for.
        self.action = action

    def __reduce__(self) -> tuple[Callable[..., ActionPassError], tuple[object, ...]]:
        return type(self), (self.authorization, self.action)


class _Common(Generic[Of]):
    """What both guards are made of."""

    _deciders: tuple[type, ...]

    def __init__(
        self,
        decider: Of,
        *,
        caller: Given[Caller],
        task: Given[str],
        resource: Callable[[str, Any], str],
        tool: Callable[[str], str] | None = None,
        facts: Callable[[Action], Any] | None = None,
        on_step_up: Callable[[Authorization, Action], Any] | None = None,
    ) -> None:
        """Made of who decides, and of what the host knows of a call: who makes it, for which task, on which resource.

        ``tool`` gives the name that policy has for a tool, ``facts`` what the host attests. ``on_step_up`` asks people meanwhile, and
        gives their approvals; none of them is no.
        """
        if not isinstance(decider, self._deciders):
            names = " and no ".join(kind.__name__ for kind in self._deciders)
            raise wrong_argument("decider", f"it is no {names}")
        for name, function in [("resource", resource), ("tool", tool), ("facts", facts), ("on_step_up", on_step_up)]:
            if not callable(function) and (function is not None or name == "resource"):
                raise wrong_argument(name, "it is no function")
        self._decider = decider
        self._caller = caller
        self._task = task
        self._resource = resource
        self._tool = tool
        self._facts = facts
        self._on_step_up = on_step_up

    def _asked(self, tool: str, payload: JsonInput) -> tuple[Action, Caller]:
        # Read once: whoever holds the value can't change it any more.
        settled = json.loads(canonicalize(payload))
        caller = self._caller() if callable(self._caller) else self._caller
        stated = caller_options(caller)
        if stated is None:
            raise wrong_argument("caller", "it is no Caller")
        actor = {name: value for name, value in stated.items() if name != "tenant" and value != []}
        action = {
            "schema": "actionpass.action.v1",
            "tenant": caller.tenant,
            "actor": actor,
            "intent": {"task": self._task() if callable(self._task) else self._task},
            "capability": {
                "tool": text_of(tool, "tool") if self._tool is None else self._tool(tool),
                "resource": self._resource(tool, settled),
                "payload": settled,
            },
        }
        return action, caller


def _token_of(authorization: Authorization, action: Action) -> str:
    if authorization.pass_ is None:
        raise NotAllowedError(authorization, action)
    return authorization.pass_.token


def _audience_of(token: str) -> str:
    """The audience of a pass that was issued a moment ago."""
    claims = token.split(".")[1]
    audience: str = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["aud"]
    return audience


def _executor_of(issuer: Issuer | AsyncIssuer, token: str, tenant: str) -> Mapping[str, Any]:
    return {
        "issuer": issuer.name,
        "audience": _audience_of(token),
        "tenant": tenant,
        "trust": issuer.trust,
        "store": issuer.replay_store,
    }


def _question(action: Action, caller: Caller, facts: Any, approvals: Sequence[str]) -> Mapping[str, Any]:
    """What a service is asked."""
    asked = {"action": action, "caller": caller_options(caller), "approvals": list_of(approvals, "approvals")}
    return asked if facts is None else {**asked, "facts": facts}


def _use(token: str, action: Action, tenant: str) -> Mapping[str, Any]:
    return {"token": token, "action": action, "audience": _audience_of(token), "tenant": tenant}


def _payload_of(verdict: Mapping[str, Any]) -> Any:
    """The payload that a service has used a pass up for."""
    if verdict.get("valid") is True and verdict.get("consumed") is True:
        return json.loads(verdict["payloadCanonical"])
    raise ActionPassError("the pass does not permit this call", codes=verdict.get("codes") or ["token_malformed"])


class Guard(_Common[Union[Issuer, Client]]):
    """A guard that an :class:`Issuer` decides for, or a service that a :class:`Client` asks. Threads may share it.

    Called with a tool, its arguments and what runs it, it runs that once with the arguments that were approved, or raises:
    :class:`NotAllowedError` where the decision is no allow. ``approvals`` are those that came meanwhile.
    """

    _deciders = (Issuer, Client)

    def __call__(
        self, tool: str, payload: JsonInput, execute: Callable[[Any], T], *, approvals: Sequence[str] = ()
    ) -> T:
        if not callable(execute):
            raise wrong_argument("execute", "it is no function")
        action, caller = self._asked(tool, payload)
        facts = None if self._facts is None else self._facts(action)
        decided = self._authorize(action, caller, facts, approvals)
        if decided.decision.decision == "step_up" and self._on_step_up is not None:
            given = self._on_step_up(decided, action)
            if given:
                decided = self._authorize(action, caller, facts, given)
        return execute(self._consume(action, caller, _token_of(decided, action)))

    def decide(self, tool: str, payload: JsonInput) -> tuple[Authorization, Action]:
        """What is decided on a call, and its action: for frameworks that ask before they call. Nothing runs on this."""
        action, caller = self._asked(tool, payload)
        return self._authorize(action, caller, None if self._facts is None else self._facts(action), ()), action

    def _authorize(self, action: Action, caller: Caller, facts: Any, approvals: Sequence[str]) -> Authorization:
        if isinstance(self._decider, Issuer):
            return self._decider.authorize(action, caller=caller, facts=facts, approvals=approvals)
        return authorization_of(self._decider.authorize(_question(action, caller, facts, approvals)))

    def _consume(self, action: Action, caller: Caller, token: str) -> Any:
        if isinstance(self._decider, Issuer):
            executor = Executor(**_executor_of(self._decider, token, caller.tenant))
            return executor.consume(token, WholeAction(action)).payload
        return _payload_of(self._decider.consume(_use(token, action, caller.tenant)))


async def _settled(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


class AsyncGuard(_Common[Union[AsyncIssuer, AsyncClient]]):
    """The same for asyncio, of an :class:`AsyncIssuer` or an :class:`AsyncClient`. ``facts`` and ``on_step_up`` may be async."""

    _deciders = (AsyncIssuer, AsyncClient)

    async def __call__(
        self,
        tool: str,
        payload: JsonInput,
        execute: Callable[[Any], Union[Awaitable[T], T]],
        *,
        approvals: Sequence[str] = (),
    ) -> T:
        if not callable(execute):
            raise wrong_argument("execute", "it is no function")
        action, caller = self._asked(tool, payload)
        facts = None if self._facts is None else await _settled(self._facts(action))
        decided = await self._authorize(action, caller, facts, approvals)
        if decided.decision.decision == "step_up" and self._on_step_up is not None:
            given = await _settled(self._on_step_up(decided, action))
            if given:
                decided = await self._authorize(action, caller, facts, given)
        approved = await self._consume(action, caller, _token_of(decided, action))
        return cast(T, await _settled(execute(approved)))

    async def decide(self, tool: str, payload: JsonInput) -> tuple[Authorization, Action]:
        """As :meth:`Guard.decide`."""
        action, caller = self._asked(tool, payload)
        facts = None if self._facts is None else await _settled(self._facts(action))
        return await self._authorize(action, caller, facts, ()), action

    async def _authorize(self, action: Action, caller: Caller, facts: Any, approvals: Sequence[str]) -> Authorization:
        if isinstance(self._decider, AsyncIssuer):
            return await self._decider.authorize(action, caller=caller, facts=facts, approvals=approvals)
        return authorization_of(await self._decider.authorize(_question(action, caller, facts, approvals)))

    async def _consume(self, action: Action, caller: Caller, token: str) -> Any:
        if isinstance(self._decider, AsyncIssuer):
            executor = AsyncExecutor(**_executor_of(self._decider, token, caller.tenant))
            return (await executor.consume(token, WholeAction(action))).payload
        return _payload_of(await self._decider.consume(_use(token, action, caller.tenant)))
