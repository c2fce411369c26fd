//! A pass is for one action: a copy that differs in any leaf that the binding covers is refused.

use serde_json::{Value, json};

use crate::action::{example, leaves};
use crate::home::{Home, Ran};

/// The pull request with everything that an action may have, and a payload with every type of JSON.
fn action() -> Value {
    let mut action = example("github-pull-request.json");
    action["id"] = crate::action::id(1).into();
    action["actor"]["via"] = json!(["agent:planner", "agent:router"]);
    action["toolDefinition"] =
        json!({ "server": "mcp://github.example", "definitionHash": format!("sha256:{}", "5".repeat(64)) });
    action["context"] = json!({ "note": "said by the agent", "tries": 1 });
    let payload = action["capability"]["payload"].as_object_mut().unwrap();
    payload.insert("draft".to_owned(), json!(false));
    payload.insert("milestone".to_owned(), json!(null));
    payload.insert("weight".to_owned(), json!(0.5));
    payload.insert("labels".to_owned(), json!([]));
    payload.insert("options".to_owned(), json!({}));
    payload.insert(
        "reviewers".to_owned(),
        json!([{ "name": "maya", "teams": ["web", "api"] }, "sid"]),
    );
    action
}

/// What changing a leaf has to come to.
enum Expected {
    /// The binding doesn't cover it: a reworded retry is the same act.
    Valid,
    /// It isn't an action any more.
    Input(&'static str),
    /// It is another act.
    Refused(&'static str),
}

fn expected(leaf: &str) -> Expected {
    let bound = [
        ("/actor/agent", "agent_mismatch"),
        ("/actor/humanOwner", "human_owner_mismatch"),
        ("/actor/runtime", "runtime_mismatch"),
        ("/actor/via/", "via_mismatch"),
        ("/intent/task", "task_mismatch"),
        ("/capability/tool", "tool_mismatch"),
        ("/capability/resource", "resource_mismatch"),
        ("/capability/payload/", "payload_hash_mismatch"),
        ("/toolDefinition/server", "server_mismatch"),
        ("/toolDefinition/definitionHash", "definition_hash_mismatch"),
    ];
    let of_bound = bound.iter().find(|(start, _)| leaf.starts_with(start));
    match (leaf, of_bound) {
        (_, Some((_, code))) => Expected::Refused(code),
        ("/schema", None) => Expected::Input("schema_unsupported"),
        ("/id" | "/intent/summary" | "/context/note" | "/context/tries", None) => Expected::Valid,
        (leaf, None) => panic!("`{leaf}` is not accounted for"),
    }
}

/// Another value of the same type, so that nothing but the comparison can refuse it.
fn changed(leaf: &str, value: &Value) -> Value {
    match (leaf, value) {
        ("/schema", _) => json!("actionpass.action.v2"),
        ("/id", _) => json!(crate::action::id(2)),
        ("/toolDefinition/definitionHash", _) => json!(format!("sha256:{}", "6".repeat(64))),
        (_, Value::String(text)) => json!(format!("{text}x")),
        (_, Value::Number(number)) => json!(number.as_f64().unwrap() + 1.0),
        (_, Value::Bool(is)) => json!(!is),
        (_, Value::Null) => json!(false),
        (_, Value::Array(_)) => json!([null]),
        (_, Value::Object(_)) => json!({ "": null }),
    }
}

/// A home, and the pass that the maintainer's approval got for [`action`].
fn passed() -> (Home, String) {
    let home = Home::with_maintainer();
    let file = home.write("action.json", action().to_string());
    let approval = home.approve(&file);
    let decided = home
        .run(["authorize", "--action", &file, "--approval", &approval])
        .exits(0);
    let pass = home.write_pass(&decided);
    home.verify(&pass, &file).exits(0);
    (home, pass)
}

/// Verifies for the audience of the pass, whatever tool the copy names.
fn verify(home: &Home, pass: &str, copy: &str) -> Ran {
    let file = home.write("copy.json", copy);
    home.run([
        "verify",
        "--token",
        pass,
        "--action",
        &file,
        "--audience",
        "github.pull_requests.create",
    ])
}

#[test]
fn every_leaf_that_the_binding_covers() {
    let (home, pass) = passed();
    let action = action();
    let leaves = leaves(&action);
    assert!(leaves.len() > 30, "{leaves:?}");
    // The tenant has a test of its own, below: the executor states it twice.
    for leaf in leaves.iter().filter(|leaf| *leaf != "/tenant") {
        let mut copy = action.clone();
        let value = copy.pointer_mut(leaf).unwrap();
        *value = changed(leaf, value);
        let ran = verify(&home, &pass, &copy.to_string());
        match expected(leaf) {
            Expected::Valid => drop(ran.exits(0)),
            Expected::Input(code) => drop(ran.fails(31, code)),
            Expected::Refused(code) => drop(ran.refuses(21, &[code])),
        }
    }
}

/// The executor's tenant and the action's must both be the pass's.
#[test]
fn the_tenant_of_the_action_and_that_of_the_executor() {
    let (home, pass) = passed();
    let mut copy = action();
    copy["tenant"] = json!("org:other");
    verify(&home, &pass, &copy.to_string()).refuses(21, &["tenant_mismatch"]);
    let file = home.write("action.json", action().to_string());
    let other = ["verify", "--token", &pass, "--action", &file, "--tenant", "org:other"];
    home.run(other).refuses(21, &["tenant_mismatch"]);
}

#[test]
fn whatever_is_added_taken_away_moved_or_of_another_type() {
    let (home, pass) = passed();
    let refused = |codes: &[&str], change: &dyn Fn(&mut Value)| {
        let mut copy = action();
        change(&mut copy);
        verify(&home, &pass, &copy.to_string()).refuses(21, codes);
    };
    let payload = |change: &dyn Fn(&mut Value)| {
        refused(&["payload_hash_mismatch"], &|copy| {
            change(&mut copy["capability"]["payload"])
        });
    };
    payload(&|payload| payload["more"] = json!(null));
    payload(&|payload| drop(payload.as_object_mut().unwrap().remove("milestone")));
    payload(&|payload| payload["files"].as_array_mut().unwrap().clear());
    payload(&|payload| payload["reviewers"].as_array_mut().unwrap().reverse());
    payload(&|payload| payload["files"][0]["additions"] = json!("14"));
    payload(&|payload| payload["draft"] = json!(0));
    payload(&|payload| payload["labels"] = json!({}));
    payload(&|payload| payload["options"] = json!(null));
    payload(&|payload| payload["title"] = json!("Fix the retry l\u{043e}op"));
    payload(&|payload| payload["title"] = json!("Fix the retry loop\u{200b}"));
    payload(&|payload| *payload = json!([payload.clone()]));
    payload(&|payload| *payload = json!(null));
    refused(&["via_mismatch"], &|copy| {
        copy["actor"]["via"].as_array_mut().unwrap().reverse()
    });
    refused(&["via_mismatch"], &|copy| {
        drop(copy["actor"].as_object_mut().unwrap().remove("via"))
    });
    refused(&["server_mismatch", "definition_hash_mismatch"], &|copy| {
        copy.as_object_mut().unwrap().remove("toolDefinition");
    });
    // Everything that is wrong is said, and the smallest exit counts.
    refused(&["agent_mismatch", "task_mismatch", "payload_hash_mismatch"], &|copy| {
        copy["actor"]["agent"] = json!("agent:other");
        copy["intent"]["task"] = json!("AXT-1");
        copy["capability"]["payload"] = json!({});
    });
}

/// Order, white space, escapes and the spelling of numbers mean nothing.
#[test]
fn a_copy_that_is_only_written_otherwise_is_the_same() {
    let (home, pass) = passed();
    let action = action();
    verify(&home, &pass, &serde_json::to_string_pretty(&action).unwrap()).exits(0);
    let text = action.to_string();
    for (from, to) in [
        ("\"additions\":14", "\"additions\":1.40e1"),
        ("\"draft\":false", " \"dr\\u0061ft\" :\n\tfalse"),
        ("0.5", "5e-1"),
        ("Fix the retry loop", "F\\u0069x the retry loop"),
    ] {
        assert!(text.contains(from), "{from}");
        verify(&home, &pass, &text.replacen(from, to, 1)).exits(0);
    }
}

/// The parts of a call, stated one by one, are compared like those of an action.
#[test]
fn tool_resource_and_payload_stated_alone() {
    let (home, pass) = passed();
    let capability = &action()["capability"];
    let other = home.write("other.json", "{}");
    let payload = home.write("payload.json", capability["payload"].to_string());
    let (tool, resource) = (
        capability["tool"].as_str().unwrap(),
        capability["resource"].as_str().unwrap(),
    );
    let verify = |tool: &str, resource: &str, payload: &str| {
        let stated = ["verify", "--token", &pass, "--audience", "github.pull_requests.create"];
        home.run(
            [
                &stated[..],
                &["--tool", tool, "--resource", resource, "--payload", payload],
            ]
            .concat(),
        )
    };
    verify(tool, resource, &payload).exits(0);
    verify("github.contents.get", resource, &payload).refuses(21, &["tool_mismatch"]);
    verify(tool, "repo:company/other", &payload).refuses(21, &["resource_mismatch"]);
    verify(tool, resource, &other).refuses(21, &["payload_hash_mismatch"]);
}
