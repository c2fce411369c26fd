"""Executors before handlers of Starlette and FastAPI: they bind the body as it was received, of which a parsed one has lost parts."""

from __future__ import annotations

import enum
import json
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, Union

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .._error import ActionPassError, wrong_argument
from .._threads import on_thread
from .._verifier import AsyncExecutor, Call, Executor, VerifiedPass

if TYPE_CHECKING:
    from fastapi.routing import APIRoute

__all__ = ["UNGUARDED", "ExecutorMiddleware", "Target", "executor_route"]

#: The member of a request's scope that says that an executor let it through.
_BEHIND: Final = "actionpass.executor"

#: What the gate admits at most.
MAX_BYTES: Final = 1024 * 1024


@dataclass(frozen=True)
class Target:
    """Which call a request is, as the executor knows it. What isn't stated isn't compared."""

    tool: str
    resource: str
    agent: str | None = None
    task: str | None = None


class _Unguarded(enum.Enum):
    UNGUARDED = enum.auto()


#: What stands for a request that executes nothing, and gets through without a pass.
UNGUARDED: Final = _Unguarded.UNGUARDED

#: Which call a request is.
CallOf: TypeAlias = Callable[[Request], Union[Target, Literal[_Unguarded.UNGUARDED]]]

#: Where the pass of a request is.
TokenOf: TypeAlias = Callable[[Request], Union[str, None]]


def _token_of(request: Request) -> str | None:
    """The token of ``ActionPass: TOKEN``, if there is exactly one."""
    tokens = request.headers.getlist("actionpass")
    return tokens[0] if len(tokens) == 1 else None


class _Gone(Exception):
    """Whoever sent the request doesn't wait for the answer any more."""


async def _body_of(request: Request, receive: Receive, limit: int) -> bytes:
    if "content-encoding" in request.headers:
        raise ActionPassError("a body with a content-encoding is not taken", codes=["size_exceeded"])
    parts: list[bytes] = []
    length = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise _Gone
        part: bytes = message.get("body", b"")
        length += len(part)
        if length > limit:
            raise ActionPassError(f"the body is larger than {limit} bytes", codes=["size_exceeded"])
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


async def _problem(send: Send, status: int, error: ActionPassError) -> None:
    """The answer to a request that is not executed, as RFC 9457 has it."""
    title = "A pass is missing" if status == 401 else "The pass does not permit this call"
    told: dict[str, Any] = {"title": title, "status": status, "code": error.code, "codes": error.codes}
    if error.offset is not None:
        told["offset"] = error.offset
    if error.path is not None:
        told["path"] = error.path
    body = json.dumps(told).encode()
    headers = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _approved(scope: Scope, verified: VerifiedPass) -> Scope:
    """The same request with the payload that was approved as its body."""
    replaced = (b"content-length", b"transfer-encoding")
    headers = [(name, value) for name, value in scope["headers"] if name.lower() not in replaced]
    headers.append((b"content-length", str(len(verified.payload_bytes)).encode()))
    state = {**scope.get("state", {}), "action_pass": verified}
    return {**scope, "headers": headers, "state": state}


class ExecutorMiddleware:
    """Uses a request's pass up for the call that it is, and hands the request on with the approved payload as its body.

    The pass is then ``request.state.action_pass``. ``call`` says which call a request is; :data:`UNGUARDED` lets one through that
    executes nothing. The pass is in the header ``ActionPass`` unless ``token`` says where. What isn't permitted gets 403, no pass
    401, as a problem document with ``code`` and ``codes``. Web sockets are closed: their messages are bound by nothing.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        executor: Executor,
        call: CallOf,
        token: TokenOf = _token_of,
        limit: int = MAX_BYTES,
    ) -> None:
        if not isinstance(executor, Executor):
            raise wrong_argument("executor", "it is no Executor")
        for name, function in [("call", call), ("token", token)]:
            if not callable(function):
                raise wrong_argument(name, "it is no function")
        self.app = app
        self._executor = executor
        self._call = call
        self._token = token
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = Request(scope)
        target = self._call(request)
        scope = {**scope, _BEHIND: True}
        if target is UNGUARDED:
            await self.app(scope, receive, send)
            return
        if not isinstance(target, Target):
            # A program that is put together wrongly, not a request that is refused.
            raise wrong_argument("call", "it gave no Target and not UNGUARDED")
        try:
            body = await _body_of(request, receive, self._limit)
            token = self._token(request)
            if not token:
                await _problem(send, 401, ActionPassError("there is no pass", codes=["token_malformed"]))
                return
            verified = await self._consume(token, target, body)
        except _Gone:
            return
        except ActionPassError as error:
            await _problem(send, 403, error)
            return
        await self.app(_approved(scope, verified), _receiving(verified.payload_bytes, receive), send)

    async def _consume(self, token: str, target: Target, body: bytes) -> VerifiedPass:
        executor = self._executor
        call = Call(target.tool, target.resource, body, agent=target.agent, task=target.task)
        if isinstance(executor, AsyncExecutor):
            return await executor.consume(token, call)
        return await on_thread(lambda: executor.consume(token, call))


def _receiving(body: bytes, receive: Receive) -> Receive:
    """What the handler receives: the body, once, and then whatever else there is."""
    told = False

    async def received() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return received


def executor_route(
    *, executor: Executor, call: CallOf, token: TokenOf = _token_of, limit: int = MAX_BYTES
) -> type[APIRoute]:
    """A ``route_class`` for routers of FastAPI: their routes are guarded, and ``call`` sees ``request.path_params``."""
    from fastapi.routing import APIRoute

    class ExecutorRoute(APIRoute):
        async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
            before = ExecutorMiddleware(super().handle, executor=executor, call=call, token=token, limit=limit)
            await before(scope, receive, send)

        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handler = super().get_route_handler()

            async def handle_behind(request: Request) -> Response:
                # FastAPI has more than one way to a route, and may get others.
                if not request.scope.get(_BEHIND, False):
                    raise wrong_argument("route_class", "the route was reached past its executor")
                return await handler(request)

            return handle_behind

    return ExecutorRoute
