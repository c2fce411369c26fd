"""What the suites share: keys, parts, and a policy that allows, asks and denies."""

import contextlib
import pathlib
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from actionpass import ActionPassError, Caller, Executor, Issuer, Trust, TrustedKey, approve
from cryptography.hazmat.primitives.asymmetric import ec

ISSUER = "https://issuer.example"
TENANT = "org:example"

POLICY = """schema = "actionpass.policy.v1"
id = "test"
[[rule]]
id = "note.write"
effect = "allow"
agent = "agent:codex-prod"
tool = "notes.write"
resource = "note:*"
when = [{ path = "payload", members = ["text", "number", "list"] }]
[[rule]]
id = "note.share"
effect = "step_up"
agent = "agent:codex-prod"
tool = "notes.share"
resource = "note:*"
approvals = { count = 1, roles = ["maintainer"], not_owner = true }
[[rule]]
id = "note.secret"
effect = "deny"
tool = "notes.share"
when = [{ path = "payload.text", equals = "secret" }]
overridable_by = ["maintainer"]
reason = "secrets stay"
"""

CALLER = Caller(TENANT, "agent:codex-prod", "user:owner@example.com", "runtime:codex-cli")


def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def action_of(payload: Any, tool: str = "notes.write") -> dict[str, Any]:
    return {
        "schema": "actionpass.action.v1",
        "tenant": TENANT,
        "actor": {"agent": CALLER.agent, "humanOwner": CALLER.human_owner, "runtime": CALLER.runtime},
        "intent": {"task": "T-1"},
        "capability": {"tool": tool, "resource": "note:1", "payload": payload},
    }


def issuer_of(trust: Trust | None = None, **options: Any) -> Issuer:
    given = {"signer": key(), "trust": trust or Trust(), "policy": POLICY, **options}
    return Issuer(issuer=ISSUER, tenants=[TENANT], **given)


def executor_of(issuer: Issuer, audience: str = "notes.write", **options: Any) -> Executor:
    # The issuer's own, which is older than its passes: a new one refuses what was issued before it.
    store = options.pop("store", None) or issuer.replay_store
    return Executor(issuer=ISSUER, audience=audience, tenant=TENANT, trust=issuer.trust, store=store, **options)


def refused(work: Callable[[], object]) -> ActionPassError:
    """The error that work raises."""
    with pytest.raises(ActionPassError) as raised:
        work()
    return raised.value


def never(_: object) -> None:
    pytest.fail("it ran")


MAYA = "user:maya@example.com"

#: The command, as it was installed with the package.
PROGRAM = pathlib.Path(sys.executable).with_name("actionpass")


class Approver:
    """Maya, who says yes to the texts in ``yes``, and is asked while a call waits."""

    def __init__(self) -> None:
        self.key = key()
        self.trust = Trust([TrustedKey(principal=MAYA, key=self.key.public_key(), roles=["maintainer"])])
        self.yes: set[str] = set()
        self.asked: list[str] = []

    def approve(self, action: Any) -> str:
        return approve(action=action, issuer=ISSUER, as_=MAYA, key=self.key, reason="read it")

    def on_step_up(self, _: object, action: Any) -> list[str]:
        text = action["capability"]["payload"]["text"]
        self.asked.append(text)
        return [self.approve(action)] if text in self.yes else []


def run(*arguments: object, home: pathlib.Path) -> str:
    """Runs the command in a home, and gives what it prints."""
    ran = subprocess.run([PROGRAM, "--home", home, *arguments], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


class Service:
    """A home of the command, with our policy and Maya's key, and where its service listens."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.home = folder / "home"
        run("init", "--issuer", ISSUER, "--tenant", TENANT, home=self.home)
        (self.home / "policy.toml").write_text(POLICY)
        self.key = folder / "maya.pem"
        made = ["keys", "new", "--use", "approval", "--principal", MAYA, "--out", self.key]
        (folder / "maya.jwk").write_text(run(*made, home=self.home))
        believed = ["trust", "add", folder / "maya.jwk", "--use", "approval", "--principal", MAYA]
        run(*believed, "--role", "maintainer", home=self.home)
        self.url = ""

    def client(self, name: str, may: str) -> str:
        """The token of a new client for everything that the policy knows."""
        stated = ["--tenant", TENANT, "--agent", CALLER.agent, "--owner", CALLER.human_owner]
        stated += ["--runtime", CALLER.runtime, "--audience", "notes.*"]
        return run("clients", "add", name, "--may", may, *stated, home=self.home).strip()

    def vote(self, request: str) -> None:
        """Maya's yes to a request."""
        voted = ["requests", "approve", request, "--key", self.key, "--as", MAYA, "--reason", "read it", "--yes"]
        run(*voted, home=self.home)


@contextlib.contextmanager
def served(folder: pathlib.Path, **clients: str) -> Iterator[tuple[Service, dict[str, str]]]:
    """A service on a port of its own, and the tokens of its clients, by what they may."""
    service = Service(folder)
    tokens = {name: service.client(name, may) for name, may in clients.items()}
    command = [PROGRAM, "--home", service.home, "serve", "--listen", "127.0.0.1:0"]
    with open(folder / "log.txt", "wb") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        assert process.stdout is not None
        listening = process.stdout.readline()
        found = re.search(r"listening on (127\.0\.0\.1:\d+)", listening)
        assert found, listening + (folder / "log.txt").read_text()
        service.url = f"http://{found[1]}"
        yield service, tokens
    finally:
        process.terminate()
        process.communicate(timeout=60)

