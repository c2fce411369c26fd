"""Guards before the tools of MCP: of a server, or of what a host calls. For the Python SDK from 2.0."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.resolve import find_resolved_parameters
from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult, TextContent
from pydantic_core import PydanticSerializationError, to_jsonable_python

from .._error import ActionPassError, wrong_argument
from .._json import canonicalize
from . import AsyncGuard, NotAllowedError

__all__ = ["guard_calls", "guard_tools"]

C = TypeVar("C")


def _refusal(error: ActionPassError) -> CallToolResult:
    """What a client is told of a call that was not made."""
    told: dict[str, Any] = {"decision": "error", "codes": list(error.codes)}
    if isinstance(error, NotAllowedError):
        told["decision"] = error.authorization.decision.decision
        if error.authorization.request is not None:
            told["request"] = dict(error.authorization.request)
    codes = ", ".join(error.codes)
    if told["decision"] == "step_up":
        text = f"This call waits for a person's approval ({codes}). Call again with the same arguments once it is there."
    else:
        text = f"This call is not allowed ({codes})."
    return CallToolResult(
        is_error=True, content=[TextContent(type="text", text=text)], _meta={"dev.actionpass/decision": told}
    )


def _payload_of(arguments: dict[str, Any]) -> Any:
    """Arguments as JSON has them: models, dates and others as the values that they are read from."""
    try:
        return to_jsonable_python(arguments, by_alias=True)
    except PydanticSerializationError as error:
        raise ActionPassError(f"the arguments are no JSON: {error}", codes=["value_not_json"]) from None


def _guarded(fn: Callable[..., Any], name: str, guard: AsyncGuard) -> Callable[..., Any]:
    """A tool's function that runs under a decision: it gets the arguments that were approved."""
    if find_resolved_parameters(fn):
        raise wrong_argument(name, "it has parameters that are resolved, which nothing would bind")
    made = Tool.from_function(fn, name=name)
    model = made.fn_metadata.arg_model

    def arguments_of(approved: Any) -> dict[str, Any]:
        arguments = model.model_validate(approved).model_dump_one_level()
        # A validator may give something else the second time.
        if canonicalize(_payload_of(arguments)) != canonicalize(approved):
            raise ActionPassError("the arguments are not those that were approved", codes=["payload_hash_mismatch"])
        return arguments

    @functools.wraps(fn)
    async def run(**given: Any) -> Any:
        # The request's context, which the server hands over, is no argument.
        beside = {made.context_kwarg: given.pop(made.context_kwarg)} if made.context_kwarg is not None else {}
        ran = False

        async def execute(approved: Any) -> Any:
            nonlocal ran
            arguments = arguments_of(approved)
            ran = True
            if made.is_async:
                return await fn(**arguments, **beside)
            return await asyncio.to_thread(fn, **arguments, **beside)

        try:
            return await guard(name, _payload_of(given), execute)
        except ActionPassError as error:
            # What a tool raises is the tool's.
            if ran:
                raise
            return _refusal(error)

    return run


def guard_tools(server: MCPServer[Any], guard: AsyncGuard) -> MCPServer[Any]:
    """Puts a guard before every tool that is registered from now on, and gives the server back.

    What is bound are the arguments that the function gets, after validation and defaults. A call that is not allowed has
    ``is_error`` and ``_meta["dev.actionpass/decision"]``: ``{decision, codes, request?}``; one that waits for people may be made again.
    """
    if not isinstance(server, MCPServer):
        raise wrong_argument("server", "it is no MCPServer")
    if not isinstance(guard, AsyncGuard):
        raise wrong_argument("guard", "it is no AsyncGuard")
    if server._tool_manager.list_tools():
        raise wrong_argument("server", "it has tools already, which nothing would guard: guard it first")
    add = server.add_tool

    def add_tool(fn: Callable[..., Any], name: str | None = None, *rest: Any, **options: Any) -> None:
        named = fn.__name__ if name is None else name
        add(_guarded(fn, named, guard), named, *rest, **options)

    server.add_tool = add_tool  # type: ignore[method-assign]
    return server


def guard_calls(client: C, guard: AsyncGuard) -> C:
    """Puts a guard before the calls of a client or session, and gives it back: the server gets the arguments that were approved.

    A call that is not allowed raises :class:`~actionpass.guard.NotAllowedError` and isn't sent.
    """
    if not inspect.iscoroutinefunction(getattr(client, "call_tool", None)):
        raise wrong_argument("client", "it calls no tools")
    if not isinstance(guard, AsyncGuard):
        raise wrong_argument("guard", "it is no AsyncGuard")
    call: Any = getattr(client, "call_tool")

    @functools.wraps(call)
    async def call_tool(name: str, arguments: dict[str, Any] | None = None, *rest: Any, **options: Any) -> Any:
        return await guard(name, arguments or {}, lambda approved: call(name, approved, *rest, **options))

    setattr(client, "call_tool", call_tool)
    return client
