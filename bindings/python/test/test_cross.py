"""Passes between this package and the command, both ways. Those between languages go by the same protocol: `cross.py`."""

import json
import pathlib
import subprocess
import sys
from typing import Any

from actionpass import Executor, ReplayStore, Trust, WholeAction, canonicalize
from cross import issue, verify
from help import ISSUER, MAYA, PROGRAM, TENANT, Service, refused, run


def by_command(case: dict[str, Any], folder: pathlib.Path, store: pathlib.Path) -> dict[str, Any]:
    """What the command makes of a case."""

    def file(name: str, text: str) -> pathlib.Path:
        (folder / name).write_text(text)
        (folder / name).chmod(0o600)
        return folder / name

    call = ["--token", file("token.jwt", case["token"]), "--action", file("action.json", json.dumps(case["action"]))]
    call += ["--trust", file("trust.json", json.dumps(case["trust"])), "--issuer", case["issuer"]]
    call += ["--audience", case["audience"], "--tenant", case["tenant"], "--consume", "--replay-store", store]
    ran = subprocess.run([PROGRAM, "verify", "--json", *call], capture_output=True, timeout=60)
    verdict: dict[str, Any] = json.loads(ran.stdout)
    return verdict


def changed(case: dict[str, Any]) -> dict[str, Any]:
    """A case whose call isn't the one that was approved."""
    other = json.loads(json.dumps(case))
    other["action"]["capability"]["payload"]["text"] = "changed"
    return other


def test_the_command_verifies_and_uses_up_what_this_package_issues(tmp_path: pathlib.Path) -> None:
    store = tmp_path / "used.db"
    run("replay-store", "new", store, home=tmp_path / "none")
    cases = issue()
    assert len(cases) == 4
    for case in cases:
        other = by_command(changed(case), tmp_path, store)
        assert (other["valid"], other["codes"]) == (False, ["payload_hash_mismatch"]), case["name"]
        verdict = by_command(case, tmp_path, store)
        assert (verdict["valid"], verdict["consumed"]) == (True, True), case["name"]
        assert verdict["payloadCanonical"] == case["payload"]
        assert by_command(case, tmp_path, store)["codes"] == ["already_used"]


def test_this_package_verifies_and_uses_up_what_the_command_issues(tmp_path: pathlib.Path) -> None:
    service = Service(tmp_path)
    used = ReplayStore.memory(first=True)
    for tool, text in [("notes.write", "Grüße 👋"), ("notes.share", "approved")]:
        action = {
            "schema": "actionpass.action.v1",
            "tenant": TENANT,
            "actor": {
                "agent": "agent:codex-prod",
                "humanOwner": "user:owner@example.com",
                "runtime": "runtime:codex-cli",
            },
            "intent": {"task": "T-1"},
            "capability": {"tool": tool, "resource": "note:1", "payload": {"text": text, "number": -1e-7}},
        }
        path = tmp_path / "action.json"
        path.write_text(json.dumps(action))
        asked: list[Any] = ["authorize", "--json", "--action", path]
        if tool == "notes.share":
            signed = ["approve", "--action", path, "--key", service.key, "--as", MAYA, "--issuer", ISSUER]
            (tmp_path / "approval.jwt").write_text(run(*signed, "--reason", "read it", "--yes", home=service.home))
            asked += ["--approval", tmp_path / "approval.jwt"]
        case = {
            "trust": json.loads(run("trust", "export", "--json", home=service.home))["trust"],
            "token": json.loads(run(*asked, home=service.home))["pass"]["token"],
            "action": action,
            "issuer": ISSUER,
            "audience": tool,
            "tenant": TENANT,
        }
        payload = canonicalize(action["capability"]["payload"])
        assert verify(case) == {"valid": True, "payload": payload}
        assert verify(changed(case)) == {"valid": False, "codes": ["payload_hash_mismatch"]}
        trust = Trust.parse(json.dumps(case["trust"]))
        executor = Executor(issuer=ISSUER, audience=tool, tenant=TENANT, trust=trust, store=used)
        assert executor.run(case["token"], WholeAction(action), canonicalize) == payload
        assert refused(lambda: executor.consume(case["token"], WholeAction(action))).code == "already_used"


def test_one_side_speaks_the_protocol() -> None:
    side = [sys.executable, pathlib.Path(__file__).with_name("cross.py")]
    cases = subprocess.run([*side, "issue"], capture_output=True, check=True, timeout=60).stdout
    told = subprocess.run([*side, "verify"], input=cases, capture_output=True, check=True, timeout=60).stdout
    assert json.loads(told) == [{"valid": True, "payload": case["payload"]} for case in json.loads(cases)]
    assert subprocess.run(side, capture_output=True, timeout=60).returncode != 0
