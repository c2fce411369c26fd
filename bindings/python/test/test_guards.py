"""Guards, each with the real package that it stands before."""

import asyncio
import contextlib
import datetime
import pickle
from typing import Annotated, Any

import httpx
import pytest
from actionpass import AsyncClient, AsyncExecutor, AsyncIssuer, Client, ReplayStore, Trust
from actionpass.guard import AsyncGuard, Guard, NotAllowedError
from actionpass.guard.asgi import UNGUARDED, ExecutorMiddleware, Target, executor_route
from actionpass.guard.mcp import guard_calls, guard_tools
from fastapi import APIRouter, FastAPI
from fastapi import Request as FastRequest
from help import CALLER, ISSUER, POLICY, TENANT, Approver, action_of, executor_of, issuer_of, key, never, refused, served
from mcp.client import Client as McpClient
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.resolve import Resolve
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient

OF_CALL: dict[str, Any] = {
    "caller": CALLER,
    "task": "T-1",
    "resource": lambda tool, payload: "note:1",
    "tool": lambda tool: f"notes.{tool}",
}


def decision_of(work: Any) -> str:
    error = refused(work)
    assert isinstance(error, NotAllowedError)
    return error.authorization.decision.decision


def test_a_guard_runs_what_was_approved_once_and_nothing_else() -> None:
    maya = Approver()
    before = Guard(issuer_of(maya.trust), **OF_CALL, on_step_up=maya.on_step_up)
    sent = {"text": "a"}

    def write(payload: Any) -> Any:
        sent["text"] = "changed meanwhile"
        return payload

    assert before("write", sent, write) == {"text": "a"}
    assert decision_of(lambda: before("erase", {}, never)) == "deny"
    assert decision_of(lambda: before("share", {"text": "a"}, never)) == "step_up"
    maya.yes.add("a")
    ran: list[Any] = []
    before("share", {"text": "a"}, ran.append)
    # Other arguments ask again, and the same ones as well: an approval is used up.
    assert decision_of(lambda: before("share", {"text": "c"}, never)) == "step_up"
    before("share", {"text": "a"}, ran.append)
    assert (maya.asked, ran) == (["a", "a", "c", "a"], [{"text": "a"}, {"text": "a"}])


def test_approvals_that_came_meanwhile_let_the_same_call_be_made_and_no_other() -> None:
    maya = Approver()
    before = Guard(issuer_of(maya.trust), **{**OF_CALL, "caller": lambda: CALLER, "task": lambda: "T-1"})
    waiting = refused(lambda: before("share", {"text": "a"}, never))
    assert isinstance(waiting, NotAllowedError) and waiting.authorization.request is not None
    yes = maya.approve(waiting.action)
    changed = lambda: before("share", {"text": "b"}, never, approvals=[yes])  # noqa: E731
    assert decision_of(changed) == "step_up"
    ran: list[Any] = []
    before("share", {"text": "a"}, ran.append, approvals=[yes])
    assert ran == [{"text": "a"}]
    assert decision_of(lambda: before("share", {"text": "a"}, never, approvals=[yes])) == "step_up"
    copy = pickle.loads(pickle.dumps(waiting))
    assert (copy.codes, copy.action) == (waiting.codes, waiting.action)


def test_what_is_no_call_or_no_guard_runs_nothing() -> None:
    issuer = issuer_of()
    before = Guard(issuer, **OF_CALL)
    assert refused(lambda: before("write", {"text": datetime.date.today()}, never)).code == "value_not_json"
    assert refused(lambda: before("write", b'{"text":"a","text":"b"}', never)).code == "member_duplicate"
    assert refused(lambda: before("write", {}, None)).path == "execute"
    wrong = Guard(issuer, **{**OF_CALL, "caller": lambda: None})
    assert refused(lambda: wrong("write", {}, never)).path == "caller"
    for changed, path in [({"resource": None}, "resource"), ({"tool": "x"}, "tool"), ({"facts": 7}, "facts")]:
        assert refused(lambda: Guard(issuer, **{**OF_CALL, **changed})).path == path
    assert refused(lambda: Guard({}, **OF_CALL)).path == "decider"
    assert refused(lambda: AsyncGuard(issuer, **OF_CALL)).path == "decider"
    badly = Guard(issuer, **OF_CALL, facts=lambda action: {"x": 1})
    assert refused(lambda: badly("write", {"text": "a"}, never)).code == "schema_missing"
    # What the tool raises is the tool's.
    with pytest.raises(ZeroDivisionError):
        before("write", {"text": "a"}, lambda payload: 1 / 0)


async def opened(maya: Approver) -> AsyncIssuer:
    return await AsyncIssuer.of(issuer=ISSUER, tenants=[TENANT], signer=key(), policy=POLICY, trust=maya.trust)


def test_tools_of_an_mcp_server_run_under_decisions_with_the_arguments_after_defaults() -> None:
    maya = Approver()
    ran: list[Any] = []

    async def run() -> None:
        issuer = await opened(maya)
        before = AsyncGuard(issuer, **OF_CALL, on_step_up=maya.on_step_up)
        server = guard_tools(MCPServer("notes"), before)

        @server.tool()
        def write(text: str, number: int = 7) -> str:
            ran.append({"text": text, "number": number})
            if text == "fails":
                raise refused_by_tool()
            return "done"

        @server.tool()
        async def share(ctx: Context[Any], text: str, until: datetime.date | None = None) -> str:
            assert isinstance(ctx, Context)
            ran.append((text, until))
            return "shared"

        @server.tool(name="erase", structured_output=True)
        def erase_everything() -> int:
            pytest.fail("it ran")

        async with McpClient(server) as client:
            done = await client.call_tool("write", {"text": "a"})
            assert not done.is_error and ran == [{"text": "a", "number": 7}]

            async def told(name: str, arguments: dict[str, Any]) -> Any:
                refused = await client.call_tool(name, arguments)
                assert refused.is_error and refused.meta is not None
                return refused.meta["dev.actionpass/decision"]

            waiting = await told("share", {"text": "a"})
            assert waiting["decision"] == "step_up" and waiting["request"]["id"].startswith("req_")
            denied = await told("erase", {})
            assert denied["decision"] == "deny" and denied["codes"]
            assert len(ran) == 1

            maya.yes.add("a")
            dated = {"text": "a", "until": "2027-01-31"}
            assert not (await client.call_tool("share", dated)).is_error
            assert ran[1:] == [("a", datetime.date(2027, 1, 31))]
            assert (await told("share", {"text": "b"}))["decision"] == "step_up"
            # What doesn't fit the schema asks nobody.
            asked = len(maya.asked)
            wrong = await client.call_tool("share", {"text": 7})
            assert wrong.is_error and "dev.actionpass/decision" not in (wrong.meta or {})
            # What a tool raises is told as without a guard.
            failed = await client.call_tool("write", {"text": "fails"})
            assert failed.is_error and "dev.actionpass/decision" not in (failed.meta or {})
            assert (len(ran), len(maya.asked)) == (3, asked)
            await issuer.close()
            assert (await told("write", {"text": "a"})) == {"decision": "error", "codes": ["issuer_closed"]}

        assert refused(lambda: guard_tools(server, before)).path == "server"
        assert refused(lambda: guard_tools(MCPServer("x"), None)).path == "guard"  # type: ignore[arg-type]
        assert refused(lambda: guard_tools({}, before)).path == "server"  # type: ignore[arg-type]

    asyncio.run(run())


def refused_by_tool() -> Exception:
    return refused(lambda: Trust.parse(b"{"))


def test_arguments_of_mcp_that_cannot_be_bound_run_nothing() -> None:
    maya = Approver()
    numbers = iter(range(100))

    class Odd(BaseModel):
        text: str

        def __init__(self, **given: Any) -> None:
            super().__init__(text=f"{given['text']}{next(numbers)}")

    async def run() -> None:
        server = guard_tools(MCPServer("notes"), AsyncGuard(await opened(maya), **OF_CALL))

        @server.tool()
        def write(text: Odd) -> str:
            pytest.fail("it ran")

        with pytest.raises(Exception, match="resolved"):

            @server.tool()
            def resolved(text: Annotated[str, Resolve(lambda: "x")]) -> str:
                return text

        async with McpClient(server) as client:
            told = await client.call_tool("write", {"text": {"text": "a"}})
            assert told.is_error and told.meta is not None
            assert told.meta["dev.actionpass/decision"] == {"decision": "error", "codes": ["payload_hash_mismatch"]}

    asyncio.run(run())


def test_calls_of_an_mcp_client_are_sent_as_they_were_approved() -> None:
    maya = Approver()
    sent: list[Any] = []

    async def run() -> None:
        server = MCPServer("notes")

        def take(text: str) -> str:
            sent.append(text)
            return "done"

        for name in ("write", "share", "erase"):
            server.add_tool(take, name=name)
        before = AsyncGuard(await opened(maya), **OF_CALL, on_step_up=maya.on_step_up)
        async with McpClient(server) as client:
            guard_calls(client, before)
            assert not (await client.call_tool("write", {"text": "a"})).is_error
            for name, decision in [("share", "step_up"), ("erase", "deny")]:
                with pytest.raises(NotAllowedError) as raised:
                    await client.call_tool(name, arguments={"text": "a"})
                assert raised.value.authorization.decision.decision == decision
            maya.yes.add("a")
            await client.call_tool("share", {"text": "a"})
            with pytest.raises(NotAllowedError):
                await client.call_tool("share", {"text": "b"})
        assert sent == ["a", "a"]
        assert refused(lambda: guard_calls(object(), before)).path == "client"
        assert refused(lambda: guard_calls(client, None)).path == "guard"  # type: ignore[arg-type]

    asyncio.run(run())


def target(request: Request) -> Any:
    """Which call a request is: of a route's own, or for a whole application."""
    if request.url.path == "/health":
        return UNGUARDED
    return None if request.url.path == "/forgotten" else Target("notes.write", "note:" + request.url.path.split("/")[-1])


class Body(BaseModel):
    text: str
    number: int = 7


def starlette(executor: Any, ran: list[Any]) -> Any:
    async def write(request: Request) -> JSONResponse:
        ran.append((await request.body(), await request.json()))
        return JSONResponse({"id": request.state.action_pass.id})

    async def health(request: Request) -> JSONResponse:
        return JSONResponse({"kept": request.headers.get("content-length")})

    async def socket(_: Any) -> None:
        pytest.fail("it ran")

    routes = [Route("/notes/{id}", write, methods=["POST"]), Route("/health", health, methods=["POST"])]
    routes += [Route("/forgotten", write, methods=["POST"]), WebSocketRoute("/socket", socket)]
    return Starlette(routes=routes, middleware=[Middleware(ExecutorMiddleware, executor=executor, call=target)])


def fastapi(executor: Any, ran: list[Any], is_included: bool = True) -> Any:
    def of_path(request: Request) -> Any:
        return Target("notes.write", f"note:{request.path_params['id']}", agent=CALLER.agent, task="T-1")

    app = FastAPI()
    router = APIRouter() if is_included else app.router
    router.route_class = executor_route(executor=executor, call=of_path)

    @router.post("/notes/{id}")
    def write(id: str, body: Body, request: FastRequest) -> Any:
        ran.append((id, body))
        return {"id": request.state.action_pass.id}

    if is_included:
        app.include_router(router)
    return app


def fastapi_without_a_router(executor: Any, ran: list[Any]) -> Any:
    return fastapi(executor, ran, is_included=False)


@pytest.mark.parametrize("made", [starlette, fastapi, fastapi_without_a_router])
@pytest.mark.parametrize("is_async", [False, True])
def test_an_executor_of_starlette_and_fastapi_binds_the_raw_body(made: Any, is_async: bool) -> None:
    issuer = issuer_of()
    executor: Any = executor_of(issuer)
    if is_async:
        store = ReplayStore.memory(first=True)
        executor = AsyncExecutor(issuer=ISSUER, audience="notes.write", tenant=TENANT, trust=issuer.trust, store=store)
    ran: list[Any] = []
    with TestClient(made(executor, ran)) as client:

        def post(path: str, body: bytes, token: str | None, **headers: str) -> httpx.Response:
            sent = {"content-type": "application/json", **headers, **({"ActionPass": token} if token else {})}
            return client.post(path, content=body, headers=sent)

        def pass_for(payload: Any) -> Any:
            return issuer.authorize(action_of(payload), caller=CALLER).action_pass

        body = b'{ "number": 10, "text": "a" }'
        issued = pass_for({"text": "a", "number": 10})
        answer = post("/notes/1", body, None)
        assert (answer.status_code, answer.json()["code"]) == (401, "token_malformed")
        large = b'"' + b"x" * 1024 * 1024 + b'"'
        for path, sent, code, headers in [
            ("/notes/1", b'{"number":10,"number":9999,"text":"a"}', "member_duplicate", {}),
            ("/notes/1", b'{"number":9999,"text":"a"}', "payload_hash_mismatch", {}),
            ("/notes/2", body, "resource_mismatch", {}),
            ("/notes/1", large, "size_exceeded", {}),
            ("/notes/1", body, "size_exceeded", {"content-encoding": "gzip"}),
        ]:
            answer = post(path, sent, issued.token, **headers)
            assert answer.headers["content-type"] == "application/problem+json"
            assert (answer.status_code, answer.json()["code"]) == (403, code)
        assert post("/notes/1", b'{"a":1,"a":2}', issued.token).json()["offset"] == 7
        assert ran == []

        answer = post("/notes/1", body, issued.token)
        assert (answer.status_code, answer.json()) == (200, {"id": issued.id})
        assert len(ran) == 1
        if made is starlette:
            assert ran == [(b'{"number":10,"text":"a"}', {"text": "a", "number": 10})]
        else:
            assert ran == [("1", Body(text="a", number=10))]
        assert post("/notes/1", body, issued.token).json()["code"] == "already_used"
        assert len(ran) == 1


def test_an_executor_of_starlette_lets_through_what_is_named_and_nothing_that_is_forgotten() -> None:
    with TestClient(starlette(executor_of(issuer_of()), [])) as client:
        assert client.post("/health", content=b"abc").json() == {"kept": "3"}
        assert refused(lambda: client.post("/forgotten", content=b"{}")).path == "call"
        with contextlib.suppress(Exception), client.websocket_connect("/socket"):
            pytest.fail("it connected")
    wrong: Any = {}
    for path, options in [("executor", {"executor": wrong}), ("call", {"call": wrong}), ("token", {"token": wrong})]:
        given = {"executor": executor_of(issuer_of()), "call": target, **options}
        assert refused(lambda: ExecutorMiddleware(wrong, **given)).path == path


def test_guards_ask_a_service_and_go_on_once_a_person_has_voted(tmp_path: Any) -> None:
    with served(tmp_path, agent="authorize,requests,consume") as (service, tokens):
        client = Client(service.url, tokens["agent"])
        before = Guard(client, **OF_CALL)
        ran: list[Any] = []
        before("write", {"text": "a", "number": 1.0}, ran.append)
        assert ran == [{"text": "a", "number": 1}]
        assert decision_of(lambda: before("erase", {}, never)) == "deny"
        waiting = refused(lambda: before("share", {"text": "a"}, never))
        assert isinstance(waiting, NotAllowedError) and waiting.authorization.request is not None
        service.vote(waiting.authorization.request["id"])
        assert decision_of(lambda: before("share", {"text": "b"}, never)) == "step_up"
        before("share", {"text": "a"}, ran.append)
        assert decision_of(lambda: before("share", {"text": "a"}, never)) == "step_up"

        async def run() -> None:
            after = AsyncGuard(AsyncClient(service.url, tokens["agent"]), **OF_CALL)

            async def write(payload: Any) -> str:
                ran.append(payload)
                return "done"

            assert await after("write", {"text": "b"}, write) == "done"
            with pytest.raises(NotAllowedError):
                await after("share", {"text": "c"}, never)

        asyncio.run(run())
        assert ran == [{"text": "a", "number": 1}, {"text": "a"}, {"text": "b"}]
