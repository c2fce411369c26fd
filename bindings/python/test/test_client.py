"""The client, with the service of the packaged command."""

import asyncio
import inspect
import pathlib
from typing import Any

import pytest
from actionpass import ActionPassError, AsyncClient, Client
from help import CALLER, ISSUER, MAYA, action_of, refused, served

STATED = {
    "tenant": CALLER.tenant,
    "agent": CALLER.agent,
    "humanOwner": CALLER.human_owner,
    "runtime": CALLER.runtime,
}


class Waiting:
    """An async client as if it weren't: so that both are asked the same."""

    def __init__(self, client: AsyncClient) -> None:
        self.client = client

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.client, name)
        return lambda *given, **stated: asyncio.run(method(*given, **stated))


def of_url(kind: str, url: str, token: str) -> Any:
    return Client(url, token) if kind == "sync" else Waiting(AsyncClient(url, token))


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_service_decides_verifies_and_records(kind: str, tmp_path: pathlib.Path) -> None:
    rights = {"agent": "authorize,requests", "executor": "verify,consume,outcome,ledger", "admin": "revoke,admin"}
    with served(tmp_path, **rights) as (service, tokens):
        agent, executor, admin = (of_url(kind, service.url, tokens[name]) for name in rights)
        agent.health()
        action = action_of({"text": "a"})
        decided = agent.authorize({"action": action, "caller": STATED})
        assert decided["decision"] == "allow"
        use = {"token": decided["pass"]["token"], "action": action, "audience": "notes.write"}
        assert executor.verify(use)["valid"] is True
        used = executor.consume(use)
        assert (used["valid"], used["consumed"], used["payloadCanonical"]) == (True, True, '{"text":"a"}')
        again = executor.consume(use)
        assert (again["valid"], again["codes"]) == (False, ["already_used"])
        reported = executor.outcome({"pass": decided["pass"]["id"], "status": "executed"})
        assert reported["repeated"] is False
        assert executor.ledger_head()["issuer"] == ISSUER

        share = action_of({"text": "b"}, "notes.share")
        waiting = agent.authorize({"action": share})["request"]["id"]
        assert agent.request(waiting)["state"] == "pending"
        assert [one["id"] for one in agent.requests(state="pending")["requests"]] == [waiting]
        assert agent.requests(state="declined", tenant=CALLER.tenant, agent=CALLER.agent)["requests"] == []
        assert refused(lambda: agent.vote(waiting, "x.y.z")).code
        service.vote(waiting)
        assert agent.request(waiting)["state"] == "approved"
        assert agent.authorize({"action": share})["decision"] == "allow"
        other = agent.authorize({"action": action_of({"text": "c"}, "notes.share")})["request"]["id"]
        assert agent.cancel(other)["state"] == "cancelled"

        trusted = {key.get("principal") for key in agent.trust()["keys"]}
        assert MAYA in trusted
        assert len(agent.jwks()["keys"]) == 1
        target = {"kind": "pass", "id": decided["pass"]["id"], "issuer": ISSUER}
        revoked = admin.revoke({"target": target, "reason": "a mistake", "record": decided["record"]["seq"]})
        assert revoked["revocation"]["target"]["id"] == decided["pass"]["id"]
        # What a client may not do, it is told so with a code.
        assert refused(lambda: agent.consume(use)).code == "client_forbidden"
        stranger = of_url(kind, service.url, tokens["agent"][:-1] + ("A" if tokens["agent"][-1] != "A" else "B"))
        assert refused(lambda: stranger.authorize({"action": action})).code in {
            "client_forbidden",
            "client_token_malformed",
        }
    assert refused(agent.health).code == "service_unreachable"


def test_64_questions_at_once_are_answered(tmp_path: pathlib.Path) -> None:
    with served(tmp_path, agent="authorize") as (service, tokens):
        client = AsyncClient(service.url, tokens["agent"])

        async def ask() -> list[dict[str, Any]]:
            asked = (client.authorize({"action": action_of({"number": number})}) for number in range(64))
            return await asyncio.gather(*asked)

        decided = asyncio.run(ask())
        assert {one["decision"] for one in decided} == {"allow"}
        assert len({one["pass"]["token"] for one in decided}) == 64


def test_both_clients_ask_the_same() -> None:
    def methods(of: type) -> dict[str, list[str]]:
        public = {name: method for name, method in vars(of).items() if not name.startswith("_")}
        return {name: list(inspect.signature(method).parameters) for name, method in public.items()}

    assert methods(Client) == methods(AsyncClient)
    assert all(inspect.iscoroutinefunction(getattr(AsyncClient, name)) for name in methods(AsyncClient))


def test_an_async_client_refuses_wrong_arguments_and_fails_with_a_code() -> None:
    client = Waiting(AsyncClient("http://127.0.0.1:1", "secret-token"))
    assert refused(client.health).code == "service_unreachable"
    assert refused(lambda: client.authorize({"nothing": 1})).code == "argument_invalid"
    with pytest.raises(ActionPassError):
        AsyncClient("http://gate.example.com", "t")
