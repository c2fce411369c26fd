"""What the suites share: keys, parts, and a policy that allows, asks and denies."""

from collections.abc import Callable
from typing import Any

import pytest
from actionpass import ActionPassError, Caller, Executor, Issuer, ReplayStore, Trust
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
    store = options.pop("store", None) or ReplayStore.memory(first=True)
    return Executor(issuer=ISSUER, audience=audience, tenant=TENANT, trust=issuer.trust, store=store, **options)


def refused(work: Callable[[], object]) -> ActionPassError:
    """The error that work raises."""
    with pytest.raises(ActionPassError) as raised:
        work()
    return raised.value


def never(_: object) -> None:
    pytest.fail("it ran")
