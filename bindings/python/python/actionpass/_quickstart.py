"""The four functions of the first five minutes."""

from __future__ import annotations

import json
import os
import threading
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from . import _native
from ._error import ActionPassError, ask, wrong_argument
from ._issuer import Authorization, Caller, Store, authorization_of, caller_options
from ._json import JsonInput, list_of, options_of, raw_of, text_of
from ._keys import SigningKey, VerificationKey, native_key, public_key_json, public_key_text
from ._verifier import ActionInput, VerifiedPass

#: A pull request in a repository that doesn't exist: for it alone a name that nobody signed counts. It counts by its value, so one
#: that was changed is any other action.
demo_action: Final[Mapping[str, Any]] = json.loads(_native.demo_action())


class ActionPassDemoWarning(UserWarning):
    """A pass was made on the word of nobody."""


class AssertedArtifact:
    """A name and nothing to prove it: what :func:`create_approval_artifact` made, and nothing that looks like it."""

    __slots__ = ("_native", "_told")

    def __init__(self, made: _native.NativeArtifact) -> None:
        if type(made) is not _native.NativeArtifact:
            raise wrong_argument("made", "an artifact comes from `create_approval_artifact`")
        self._native = made
        self._told: dict[str, str] = json.loads(ask(made.text))

    @property
    def action_hash(self) -> str:
        return self._told["actionHash"]

    @property
    def payload_hash(self) -> str:
        return self._told["payloadHash"]

    @property
    def approved_by(self) -> str:
        return self._told["approvedBy"]

    @property
    def reason(self) -> str:
        return self._told["reason"]


def create_approval_artifact(
    *, action: ActionInput, mode: Literal["human"], approved_by: str, reason: str
) -> AssertedArtifact:
    """A person's yes that nobody signed. It counts for :data:`demo_action`; everywhere else use :func:`approve`."""
    options = options_of(mode=mode, approved_by=approved_by, reason=reason)
    return AssertedArtifact(ask(_native.NativeArtifact, raw_of(action, "action"), options))


@dataclass(frozen=True)
class TrustedApprover:
    """Somebody whose signed approvals count."""

    principal: str
    key: VerificationKey
    roles: Sequence[str] = ()


def _approvers(approvers: Sequence[TrustedApprover]) -> list[object]:
    entries: list[object] = []
    for index, approver in enumerate(list_of(approvers, "approvers") or []):
        at = f"approvers[{index}]"
        if not isinstance(approver, TrustedApprover):
            raise wrong_argument(at, "it is no TrustedApprover")
        key = public_key_json(approver.key, f"{at}.key")
        entries.append({"principal": approver.principal, "key": key, "roles": list_of(approver.roles, f"{at}.roles")})
    return entries


#: Issuers by key and options, for as long as the process lives: so long an approval is used once.
_issuers: dict[tuple[str, str, str], _native.NativeQuickstart] = {}
_opening = threading.Lock()


def _in_child() -> None:
    """A fork copies a lock as it happens to be: nobody would give back one that another thread held."""
    global _opening
    _opening = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)


def _issuer_of(options: str, key: _native.NativeKey, raw: bytes, tool: str) -> _native.NativeQuickstart:
    # An audience is one of the tool that it was first asked for with.
    name = (key.kid, options, tool)
    with _opening:
        if name not in _issuers:
            _issuers[name] = ask(_native.NativeQuickstart, options, key, raw)
        return _issuers[name]


def authorize(
    *,
    action: ActionInput,
    issuer: str,
    tenant: str,
    signing_key: SigningKey,
    caller: Caller | None = None,
    policy: str | None = None,
    approval_artifact: AssertedArtifact | None = None,
    approvals: Sequence[str] = (),
    approvers: Sequence[TrustedApprover] = (),
    facts: JsonInput = None,
    audience: str | None = None,
    store: Store = "memory",
    dangerously_accept_asserted_approvals: bool = False,
) -> Authorization:
    """Decides with a store that lives as long as the process. Without a policy it decides on :data:`demo_action` and nothing else.

    The caller is the action's actor unless it is stated.
    """
    raw = raw_of(action, "action")
    attested = None if facts is None else raw_of(facts, "facts")
    if approval_artifact is not None and type(approval_artifact) is not AssertedArtifact:
        raise ActionPassError(
            "`approval_artifact` is none that `create_approval_artifact` made",
            codes=["approval_malformed"],
            path="approval_artifact",
        )
    stated = options_of(caller=caller_options(caller), approvals=list_of(approvals, "approvals"), audience=audience)
    options = options_of(
        issuer=issuer,
        tenant=tenant,
        policy=policy,
        approvers=_approvers(approvers),
        audience=audience,
        store=store,
        dangerously_accept_asserted_approvals=dangerously_accept_asserted_approvals,
    )
    tool = ""
    if audience is not None:
        capability = json.loads(ask(_native.canonicalize, raw)).get("capability")
        tool = json.dumps(capability.get("tool")) if isinstance(capability, dict) else ""
    quickstart = _issuer_of(options, native_key(signing_key, "signing_key"), raw, tool)
    if quickstart.is_demo:
        warnings.warn(
            "the demo action is allowed by a name that nobody signed; for actions of your own hand over a policy, "
            "and approvals of `approve`",
            ActionPassDemoWarning,
            stacklevel=2,
        )
    artifact = None if approval_artifact is None else approval_artifact._native
    return authorization_of(json.loads(ask(quickstart.authorize, raw, attested, artifact, stated)))


def verify_action_pass(
    *,
    token: str,
    action: ActionInput,
    verification_key: VerificationKey,
    issuer: str,
    audience: str | None = None,
    tenant: str | None = None,
    approvers: Sequence[TrustedApprover] = (),
    dangerously_accept_asserted_approvals: bool = False,
) -> VerifiedPass:
    """Checks a pass for the action that is about to run, and raises where it doesn't hold: there is no result that says no.

    Audience and tenant are those of the action unless they are stated. The pass isn't used up: an :class:`Executor` does that.
    """
    options = options_of(
        issuer=issuer,
        audience=audience,
        tenant=tenant,
        approvers=_approvers(approvers),
        dangerously_accept_asserted_approvals=dangerously_accept_asserted_approvals,
    )
    key = public_key_text(verification_key, "verification_key")
    verified = ask(_native.verify_action_pass, text_of(token, "token"), raw_of(action, "action"), key, options)
    return VerifiedPass(verified)
