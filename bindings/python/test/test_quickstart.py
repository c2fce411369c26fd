import pathlib
import subprocess
import sys

import jwt
import pytest
from actionpass import (
    ActionPassDemoWarning,
    AssertedArtifact,
    TrustedApprover,
    approve,
    authorize,
    canonicalize,
    create_approval_artifact,
    demo_action,
    hash,
    verify_action_pass,
)
from help import CALLER, ISSUER, POLICY, TENANT, action_of, key, refused

LOCAL = "https://axtary.local"
DIGEST = "sha256:dd2d07355b5ebe06ee0b137a71eb6dc77b207a623c3524f7a2a6b63b92e20f22"
HERE = pathlib.Path(__file__).parent


def yes_to(action):
    return create_approval_artifact(
        action=action, mode="human", approved_by="user:reviewer@example.com", reason="read it"
    )


def test_the_quickstart_prints_what_it_promises_and_is_the_readme():
    script = HERE / "quickstart.py"
    ran = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=30, check=True)
    assert ran.stdout == f"allow {DIGEST}\nTrue\n"
    assert "ActionPassDemoWarning" in ran.stderr
    assert script.read_text() in (HERE.parent / "README.md").read_text()


def test_an_artifact_serves_once():
    signing_key, artifact = key(), yes_to(demo_action)

    def ask(**options):
        with pytest.warns(ActionPassDemoWarning):
            return authorize(
                action=demo_action, issuer=LOCAL, tenant="org:example", signing_key=signing_key, **options
            )

    first = ask(approval_artifact=artifact)
    assert (first.decision.decision, first.payload_hash) == ("allow", DIGEST)
    assert artifact.payload_hash == DIGEST and artifact.action_hash == first.action_hash
    assert (artifact.approved_by, artifact.reason) == ("user:reviewer@example.com", "read it")
    assert hash(demo_action["capability"]["payload"]) == DIGEST
    verified = verify_action_pass(
        token=first.action_pass.token,
        action=demo_action,
        verification_key=signing_key.public_key(),
        issuer=LOCAL,
    )
    assert verified.valid is True and verified.approvals[0]["assurance"] == "asserted"
    assert verified.payload_bytes.decode() == canonicalize(demo_action["capability"]["payload"])
    assert first.action_pass.token not in repr(first)

    second = ask(approval_artifact=artifact)
    assert second.decision.decision == "step_up" and second.pass_ is None
    assert "approval_already_used" in refused(lambda: second.action_pass).codes
    assert ask().decision.decision == "step_up"


def test_anything_but_the_demo_action_under_a_reserved_name_wants_a_policy():
    signing_key = key()
    other = {**demo_action, "intent": {"task": "AXT-419"}}

    def code(**options):
        return refused(lambda: authorize(tenant="org:example", signing_key=signing_key, **options)).code

    assert code(action=other, issuer=LOCAL, approval_artifact=yes_to(other)) == "policy_required"
    assert code(action=demo_action, issuer="https://axtary.com", approval_artifact=yes_to(demo_action)) == "policy_required"
    assert code(action=demo_action, issuer=LOCAL, approval_artifact={"kind": "asserted"}) == "approval_malformed"
    assert refused(lambda: AssertedArtifact("x")).code == "argument_invalid"
    assert (
        refused(
            lambda: create_approval_artifact(
                action=demo_action, mode="policy_override", approved_by="user:a", reason="r"
            )
        ).code
        == "argument_invalid"
    )


def test_with_a_policy_a_name_alone_is_refused_and_a_signature_counts():
    keys, maya = key(), key()
    approvers = [TrustedApprover("user:maya@example.com", maya.public_key(), ["maintainer"])]
    action = action_of({"text": "x"}, "notes.share")
    base = {
        "action": action,
        "issuer": ISSUER,
        "tenant": TENANT,
        "signing_key": keys,
        "policy": POLICY,
        "approvers": approvers,
        "caller": CALLER,
    }
    unsigned = authorize(**base, approval_artifact=yes_to(action))
    assert unsigned.decision.decision == "step_up"
    assert "approval_unsigned" in [reason.code for reason in unsigned.decision.reasons]
    approval = approve(action=action, issuer=ISSUER, as_="user:maya@example.com", key=maya, reason="read it")
    signed = authorize(**base, approvals=[approval], audience="sharers")
    check = {
        "token": signed.action_pass.token,
        "action": action,
        "verification_key": keys.public_key(),
        "issuer": ISSUER,
    }
    assert verify_action_pass(**check, approvers=approvers, audience="sharers").claims["aud"] == "sharers"
    assert refused(lambda: verify_action_pass(**check, approvers=approvers)).codes == ("audience_mismatch",)
    assert refused(lambda: verify_action_pass(**check, audience="sharers")).codes == ("approval_key_unknown",)
    assert refused(lambda: authorize(**{**base, "approvers": ["maya"]})).path == "approvers[0]"


def test_pyjwt_verifies_our_pass():
    signing_key = key()
    action = action_of({"text": "x"})
    made = authorize(action=action, issuer=ISSUER, tenant=TENANT, signing_key=signing_key, policy=POLICY)
    token = made.action_pass.token
    claims = jwt.decode(
        token, signing_key.public_key(), algorithms=["ES256"], issuer=ISSUER, audience="notes.write"
    )
    assert claims["jti"] == made.action_pass.id
    assert claims["exp"] == int(made.action_pass.expires_at.timestamp())
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(token, key().public_key(), algorithms=["ES256"], issuer=ISSUER, audience="notes.write")
