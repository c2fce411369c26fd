//! What policy can't tell counts against the action.

use serde_json::{Value, json};

use crate::action::example;
use crate::home::Home;

/// The starter policy's answer to an example, changed; with the facts under which the unchanged example is allowed.
fn explained(home: &Home, name: &str, change: impl Fn(&mut Value)) -> String {
    let mut action = example(name);
    change(&mut action["capability"]);
    let file = home.write("action.json", action.to_string());
    let facts = crate::facts::document(0, &json!({ "testsPassed": true }));
    let facts = home.write("facts.json", facts.to_string());
    let explained = home.run(["policy", "explain", "--action", &file, "--facts", &facts]);
    let decided = home.run(["authorize", "--action", &file, "--facts", &facts]);
    // What is explained is what is decided.
    assert_eq!(explained.decision(), decided.decision(), "{explained:#?}");
    assert_eq!(explained.exit, decided.exit);
    let exit = match explained.decision().as_str() {
        "allow" => 0,
        "deny" => 10,
        _ => 11,
    };
    assert_eq!(explained.reasons(), decided.reasons());
    explained.exits(exit).decision()
}

#[test]
fn a_path_that_climbs_is_never_allowed() {
    let home = Home::new();
    assert_eq!(explained(&home, "file-write.json", |_| {}), "allow");
    for path in [
        "src/../.env",
        "src/../../etc/passwd",
        "../src/retry.ts",
        "src/..",
        "src/./retry.ts",
        "src//retry.ts",
        "/src/retry.ts",
        "src/%2e%2e/.env",
        "src\\..\\.env",
        "src/retry.ts\u{0}",
        "",
    ] {
        let decided = explained(&home, "file-write.json", |capability| {
            capability["payload"]["path"] = json!(path);
            // Where that is a resource, the resource says the same: only the path itself is in the way.
            if !path.is_empty() && !path.contains('\u{0}') {
                capability["resource"] = json!(format!("file:{path}"));
            }
        });
        assert_ne!(decided, "allow", "{path:?}");
        let decided = explained(&home, "github-pull-request.json", |capability| {
            capability["payload"]["files"][0]["path"] = json!(path);
        });
        assert_ne!(decided, "allow", "{path:?}");
    }
}

#[test]
fn an_empty_list_is_never_allowed() {
    let home = Home::new();
    assert_eq!(explained(&home, "github-pull-request.json", |_| {}), "allow");
    let decided = explained(&home, "github-pull-request.json", |capability| {
        capability["payload"]["files"] = json!([])
    });
    assert_ne!(decided, "allow");
}

#[test]
fn a_missing_member_is_never_allowed() {
    let home = Home::new();
    for (name, members) in [
        ("github-pull-request.json", ["repo", "files"].as_slice()),
        ("file-write.json", &["path", "content"]),
        ("slack-message.json", &["channel", "text"]),
        ("linear-issue.json", &["team", "title"]),
        ("jira-issue.json", &["project", "issueType", "priority"]),
        ("refund.json", &["order", "amount", "currency"]),
        ("mcp-call.json", &["query"]),
    ] {
        for member in members {
            for value in [None, Some(json!(null)), Some(json!({})), Some(json!(true))] {
                let decided = explained(&home, name, |capability| {
                    let payload = capability["payload"].as_object_mut().unwrap();
                    payload.remove(*member).unwrap();
                    if let Some(value) = &value {
                        payload.insert((*member).to_owned(), value.clone());
                    }
                });
                assert_ne!(decided, "allow", "{name}: {member} = {value:?}");
            }
        }
    }
}

#[test]
fn a_text_where_a_number_belongs_is_never_allowed() {
    let home = Home::new();
    let refund = |amount: Value| {
        explained(&home, "refund.json", |capability| {
            capability["payload"]["amount"] = amount.clone()
        })
    };
    assert_eq!(refund(json!(100)), "allow");
    for amount in [
        json!("100"),
        json!([100]),
        json!({ "value": 100 }),
        json!(true),
        json!(null),
        json!(-100),
        json!(0),
    ] {
        assert_ne!(refund(amount.clone()), "allow", "{amount}");
    }
}
