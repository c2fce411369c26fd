import asyncio
import json
import os
import pathlib
import select
import signal
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest
from actionpass import (
    ActionPassDemoWarning,
    ActionPassError,
    Approver,
    AsyncExecutor,
    AsyncIssuer,
    Call,
    Caller,
    Client,
    Executor,
    Issuer,
    ReplayStore,
    Trust,
    TrustedKey,
    Verifier,
    WholeAction,
    approve,
    authorize,
    demo_action,
)
from actionpass._keys import _of_cryptography
from help import CALLER, ISSUER, POLICY, TENANT, action_of, executor_of, issuer_of, key, never, refused

CALL = Call("notes.write", "note:1", {"text": "hello"})


def token_of(issuer, action=None):
    return issuer.authorize(action or action_of({"text": "hello"}), caller=CALLER).action_pass.token


def test_an_executor_runs_with_the_approved_payload_once():
    with issuer_of() as issuer:
        sent = {"text": "hello", "number": 1.0}
        decided = issuer.authorize(action_of(sent), caller=CALLER)
        assert decided.action_id.startswith("act_") and decided.record["seq"] > 0
        notes = executor_of(issuer)
        call = Call("notes.write", "note:1", sent)

        def write(payload):
            sent["text"] = "changed meanwhile"
            return payload

        assert notes.run(decided.action_pass.token, call, write) == {"text": "hello", "number": 1}
        sent["text"] = "hello"
        assert refused(lambda: notes.run(decided.action_pass.token, call, never)).code == "already_used"
        assert issuer.name == ISSUER


def test_what_is_not_the_approved_call_does_not_run():
    issuer = issuer_of()
    token, notes = token_of(issuer), executor_of(issuer)
    assert notes.verify(token, CALL).valid is True
    stated = Call("notes.write", "note:1", b'{"text": "hello"}', agent=CALLER.agent, task="T-1")
    assert notes.verify(token, stated).compared == ("agent", "task", "tool", "resource", "payload")
    for changed, codes in [
        (Call("notes.write", "note:1", {"text": "hell0"}), ("payload_hash_mismatch",)),
        (Call("notes.share", "note:2", {"text": "hello"}), ("tool_mismatch", "resource_mismatch")),
        (Call("notes.write", "note:1", {"text": "hello"}, agent="agent:other"), ("agent_mismatch",)),
        (Call("notes.write", "note:1", b'{"text":"hello","text":"x"}'), ("member_duplicate",)),
        (Call("notes.write", "note:1", {"text": {"hello"}}), ("value_not_json",)),
        ({"tool": "notes.write"}, ("argument_invalid",)),
        (WholeAction(action_of({"text": "other"})), ("payload_hash_mismatch",)),
    ]:
        assert refused(lambda: notes.run(token, changed, never)).codes == codes
        assert refused(lambda: notes.verify(token, changed)).codes == codes
    assert refused(lambda: notes.run("x.y.z", CALL, never)).code == "token_malformed"
    assert refused(lambda: notes.run(token + "\ud800", CALL, never)).code == "value_not_json"
    assert refused(lambda: notes.run(7, CALL, never)).code == "argument_invalid"
    assert refused(lambda: notes.run(token, CALL, None)).code == "argument_invalid"
    elsewhere = Verifier(issuer=ISSUER, audience="others", tenant="org:other", trust=issuer.trust)
    assert refused(lambda: elsewhere.verify(token, CALL)).codes == ("audience_mismatch", "tenant_mismatch")
    assert refused(lambda: elsewhere.consume(token, CALL, {})).path == "store"
    for wrong, path in [({"trust": {}}, "trust"), ({"tenant": "x"}, "tenant"), ({"obligations": "x"}, "obligations")]:
        options = {"issuer": ISSUER, "audience": "x", "tenant": TENANT, "trust": issuer.trust, **wrong}
        assert refused(lambda: Verifier(**options)).path == path
    assert refused(lambda: Executor(issuer=ISSUER, audience="x", tenant=TENANT, trust=Trust(), store=None)).path == "store"
    # What was refused is not used up.
    assert notes.consume(token, CALL).payload == {"text": "hello"}
    assert "hello" not in repr(elsewhere) and token not in repr(notes)


def test_people_approve_override_and_revoke():
    maya, name = key(), "user:maya@example.com"
    trust = Trust([TrustedKey(principal=name, key=maya.public_key(), roles=["maintainer"])])
    issuer = issuer_of(trust)
    action = action_of({"text": "x"}, "notes.share")
    asked = issuer.authorize(action, caller=CALLER)
    assert asked.decision.decision == "step_up" and len(asked.decision.required) == 1
    assert asked.request["id"]
    yes = Approver(as_=name, key=maya, lifetime=60).approve(action, issuer=ISSUER, reason="read it")
    decided = issuer.authorize(action, caller=CALLER, approvals=[yes])
    notes = executor_of(issuer, "notes.share")
    assert notes.verify(decided.action_pass.token, WholeAction(action)).approvals[0]["approvedBy"] == name

    secret = action_of({"text": "secret"}, "notes.share")
    denied = issuer.authorize(secret, caller=CALLER)
    assert denied.decision.decision == "deny"
    lifted = Approver(as_=name, key=maya).approve(
        secret,
        issuer=ISSUER,
        reason="for the audit",
        mode="policy_override",
        policy_digest=denied.policy["digest"],
        rules=["note.secret"],
    )
    also = approve(action=secret, issuer=ISSUER, as_=name, key=maya, reason="r")
    assert issuer.authorize(secret, caller=CALLER, approvals=[lifted, also]).decision.decision == "allow"

    before = trust.version
    revoked = issuer.revoke(principal=name, reason="left", by="user:owner@example.com")
    assert revoked["revocation"]["target"]["id"] == name
    assert trust.version > before and len(trust.document()["revocations"]) == 1
    error = refused(lambda: notes.verify(decided.action_pass.token, WholeAction(action)))
    assert "approval_revoked" in error.codes
    assert Trust.parse(json.dumps(trust.document())).version == trust.version
    assert refused(lambda: issuer.revoke(reason="r", by="user:a")).code == "argument_invalid"


def test_wrong_arguments_bad_facts_and_a_closed_issuer_are_refused():
    issuer = issuer_of()
    action = action_of({"text": "x"})
    other = Caller(TENANT, "agent:other", CALLER.human_owner, CALLER.runtime)
    assert refused(lambda: issuer.authorize(action, caller=other)).code == "caller_mismatch"
    assert refused(lambda: issuer.authorize(action, caller={})).path == "caller"
    assert refused(lambda: issuer.authorize(action, caller=CALLER, facts={"x": 1})).code == "schema_missing"
    assert refused(lambda: issuer.authorize(action, caller=CALLER, approvals="x")).path == "approvals"
    assert refused(lambda: issuer_of(agents=7)).path == "agents"
    assert refused(lambda: issuer_of(trust=7)).path == "trust"
    assert refused(lambda: issuer_of(signer=7)).path == "signer"
    assert issuer.authorize(action, caller=CALLER, observe=True).pass_ is None
    for path, work in [
        ("ReplayStore", ReplayStore),
        ("AsyncIssuer", AsyncIssuer),
        ("keys[0]", lambda: Trust(["x"])),
        ("keys[0].key", lambda: Trust([TrustedKey(key=key(), issuer=ISSUER)])),
    ]:
        assert refused(work).path == path
    issuer.close()
    issuer.close()
    assert refused(lambda: issuer.authorize(action, caller=CALLER)).code == "issuer_closed"


def test_stores_are_bounded_or_in_files_and_made_on_purpose(tmp_path):
    full = issuer_of(store={"memory": {"capacity": 1}})
    assert refused(lambda: token_of(full)).code == "store_full"
    path = tmp_path / "used.db"
    assert refused(lambda: ReplayStore.sqlite(path)).code == "store_missing"
    ReplayStore.sqlite(path, create=True)
    with issuer_of(store={"sqlite": str(tmp_path / "ledger.db")}) as issuer:
        token = token_of(issuer)
        executor_of(issuer, store=ReplayStore.sqlite(path)).consume(token, CALL)
        again = executor_of(issuer, store=ReplayStore.sqlite(path))
        assert refused(lambda: again.consume(token, CALL)).code == "already_used"
        lost = executor_of(issuer, store=ReplayStore.memory())
        assert refused(lambda: lost.consume(token, CALL)).code == "replay_state_lost"


def test_an_issuer_of_a_home_that_the_command_made(tmp_path):
    home = tmp_path / "home"
    program = pathlib.Path(sys.executable).with_name("actionpass")
    made = [program, "--home", home, "init", "--issuer", ISSUER, "--tenant", TENANT]
    subprocess.run(made, check=True, capture_output=True, timeout=60)
    raw = (home / "examples/allow.json").read_bytes()
    action = json.loads(raw)
    actor, capability = action["actor"], action["capability"]
    caller = Caller(action["tenant"], actor["agent"], actor["humanOwner"], actor["runtime"], actor.get("via", []))
    with Issuer.open(home) as issuer:
        decided = issuer.authorize(raw, caller=caller)
        executor = Executor(
            issuer=ISSUER,
            audience=capability["tool"],
            tenant=action["tenant"],
            trust=Trust.watch(home / "trust.json"),
            store=issuer.replay_store,
        )
        assert executor.run(decided.action_pass.token, WholeAction(raw), lambda payload: payload) == capability["payload"]
        assert refused(lambda: executor.consume(decided.action_pass.token, WholeAction(raw))).code == "already_used"
    assert refused(lambda: Issuer.open(tmp_path / "none")).code == "home_missing"


def test_threads_share_an_issuer_and_one_of_them_uses_a_pass():
    issuer = issuer_of()
    notes = executor_of(issuer)
    with ThreadPoolExecutor(16) as pool:
        tokens = set(pool.map(lambda n: token_of(issuer, action_of({"number": n})), range(64)))
        assert len(tokens) == 64
        token = token_of(issuer)
        start = threading.Barrier(16)

        def use(_):
            start.wait(10)
            try:
                notes.consume(token, CALL)
            except Exception as error:
                return error.code
            return "used"

        assert sorted(pool.map(use, range(16))) == ["already_used"] * 15 + ["used"]


def test_the_interpreter_is_free_while_a_signer_is_waited_for():
    signing, go = threading.Event(), threading.Event()
    inner = key()

    class Waiting:
        custodian = "waiting"

        def __init__(self):
            self.public_jwk, self.sign_with = _of_cryptography(inner, "key")

        def sign(self, data):
            signing.set()
            assert go.wait(8)
            return self.sign_with(data)

    issuer = issuer_of(signer=Waiting())
    with ThreadPoolExecutor(1) as pool:
        token = pool.submit(token_of, issuer)
        # This thread runs, and lets the other one end.
        assert signing.wait(8)
        go.set()
        assert executor_of(issuer).verify(token.result(8), CALL).valid


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.filterwarnings("ignore:This process.*fork:DeprecationWarning")
class TestForks:
    """What a forked child does with what its parent opened: it works, or is refused with a code, and never hangs."""

    def in_child(self, work):
        """What work gives in a child, which has a minute."""
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                said = work()
            except BaseException as error:
                said = repr(error)
            os.write(writing, json.dumps(said).encode())
            os._exit(0)
        os.close(writing)
        try:
            assert select.select([reading], [], [], 60)[0], "the child hangs"
            with os.fdopen(reading) as answers:
                return json.load(answers)
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)

    def test_a_child_refuses_what_its_parent_opened_and_opens_its_own(self, tmp_path):
        issuer = issuer_of(store={"sqlite": str(tmp_path / "ledger.db")})
        token = token_of(issuer)
        notes = executor_of(issuer)
        client = Client("http://127.0.0.1:1", "token")
        made = {"action": demo_action, "issuer": "https://axtary.local", "tenant": "org:example", "signing_key": key()}
        with pytest.warns(ActionPassDemoWarning):
            assert authorize(**made).decision.decision == "step_up"

        def work():
            own = issuer_of(trust=Trust())
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                quickstart = refused(lambda: authorize(**made)).code
            return {
                "authorize": refused(lambda: token_of(issuer)).code,
                "consume": refused(lambda: notes.consume(token, CALL)).code,
                "client": refused(client.health).code,
                "quickstart": quickstart,
                # A verifier only computes.
                "verify": notes.verify(token, CALL).valid,
                "own": executor_of(own).run(token_of(own), CALL, lambda payload: payload),
            }

        assert self.in_child(work) == {
            "authorize": "store_forked",
            "consume": "store_forked",
            "client": "store_forked",
            "quickstart": "store_forked",
            "verify": True,
            "own": {"text": "hello"},
        }
        assert notes.consume(token, CALL).valid

    def test_a_signer_that_stalls_in_a_child_is_left_behind_though_its_parent_has_signed(self):
        class Stalling:
            public_jwk, _ = _of_cryptography(key(), "key")

            def sign(self, data):
                time.sleep(3600)

        signed = {"action": action_of({}), "issuer": ISSUER, "as_": "user:a", "reason": "r"}
        # This starts what bounds the time of signers in this process.
        approve(**signed, key=key())
        stalled = lambda: refused(lambda: approve(**signed, key=Stalling())).code  # noqa: E731
        assert self.in_child(stalled) == "custodian_unavailable"
        # And in a child of a child.
        assert self.in_child(lambda: self.in_child(lambda: bool(approve(**signed, key=key())))) is True

    def test_children_of_a_process_whose_threads_verify_go_on(self):
        issuer = issuer_of()
        token, notes = token_of(issuer), executor_of(issuer)
        stop = threading.Event()

        def verify():
            while not stop.is_set():
                assert notes.verify(token, CALL).valid and issuer.trust.version

        threads = [threading.Thread(target=verify) for _ in range(3)]
        for thread in threads:
            thread.start()

        def work():
            try:
                return notes.verify(token, CALL).valid
            except ActionPassError as error:
                return error.code

        try:
            for _ in range(8):
                assert self.in_child(work) in (True, "store_forked")
        finally:
            stop.set()
            for thread in threads:
                thread.join()


class Remote:
    """A signer that asks somebody else, on the loop and on the threads of the loop."""

    def __init__(self):
        self.public_jwk, self.sign_with = _of_cryptography(key(), "key")

    async def sign(self, data):
        return await asyncio.to_thread(self.sign_with, data)


@pytest.mark.parametrize("signer", [key, Remote])
def test_64_authorizes_at_once_keep_no_signer_from_signing(signer):
    async def run():
        options = {"issuer": ISSUER, "tenants": [TENANT], "policy": POLICY, "trust": Trust()}
        async with await AsyncIssuer.of(signer=signer(), **options) as issuer:
            decided = await asyncio.gather(
                *(issuer.authorize(action_of({"number": n}), caller=CALLER) for n in range(64))
            )
            assert all(one.pass_ for one in decided)
            trust, store = issuer.trust, issuer.replay_store
            notes = AsyncExecutor(issuer=ISSUER, audience="notes.write", tenant=TENANT, trust=trust, store=store)

            async def write(payload):
                return payload

            token, call = decided[3].action_pass.token, Call("notes.write", "note:1", {"number": 3})
            assert await notes.run(token, call, write) == {"number": 3}
            for again in (notes.run(token, call, write), notes.consume(token, WholeAction(action_of({"number": 3})))):
                with pytest.raises(Exception, match="already_used"):
                    await again
            with pytest.raises(Exception, match="argument_invalid"):
                await notes.run(token, call, None)
            await issuer.revoke(pass_id=decided[4].action_pass.id, reason="r", by="user:owner@example.com")
        with pytest.raises(Exception, match="issuer_closed"):
            await issuer.authorize(action_of({"number": 1}), caller=CALLER)
        with pytest.raises(Exception, match="home_missing"):
            await AsyncIssuer.open("/nowhere")

    asyncio.run(run())


def test_who_waits_may_be_cancelled():
    async def run():
        options = {"issuer": ISSUER, "tenants": [TENANT], "policy": POLICY, "trust": Trust()}
        gate = asyncio.Event()
        remote = Remote()
        signed = remote.sign

        async def wait(data):
            gate.set()
            return await signed(data)

        remote.sign = wait
        issuer = await AsyncIssuer.of(signer=remote, **options)
        asked = asyncio.create_task(issuer.authorize(action_of({"text": "x"}), caller=CALLER))
        await gate.wait()
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        # The issuer goes on.
        assert (await issuer.authorize(action_of({"text": "y"}), caller=CALLER)).pass_

    asyncio.run(run())


def test_a_process_ends_by_itself():
    script = """
from help import *
issuer = issuer_of(); executor_of(issuer).consume(
    issuer.authorize(action_of({"text": "x"}), caller=CALLER).action_pass.token,
    __import__("actionpass").Call("notes.write", "note:1", {"text": "x"}))
print("done")"""
    here = pathlib.Path(__file__).parent
    ran = subprocess.run([sys.executable, "-c", script], cwd=here, capture_output=True, text=True, timeout=20)
    assert (ran.stdout, ran.returncode) == ("done\n", 0), ran.stderr


def test_the_client_says_why_there_is_no_answer():
    client = Client("http://127.0.0.1:1", "secret-token")
    for ask in [
        client.health,
        client.trust,
        client.jwks,
        client.ledger_head,
        client.requests,
    ]:
        error = refused(ask)
        assert error.code == "service_unreachable" and "secret-token" not in str(error)
    assert refused(lambda: Client("http://gate.example.com", "t")).code == "service_address_refused"
    assert refused(lambda: client.vote("x", "y")).path == "id"
    for ask in [client.request, client.cancel]:
        assert refused(lambda: ask("x")).path == "id"
    for ask in [client.authorize, client.verify, client.consume, client.outcome, client.revoke]:
        assert refused(lambda: ask({"nothing": 1})).code == "argument_invalid"
