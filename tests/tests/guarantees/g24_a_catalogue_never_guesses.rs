//! G24: what a catalogue can't map it refuses, and two calls that act on different things are two actions.

use std::collections::HashMap;

use actionpass_canon::{Limits, admit};
use actionpass_gate::{CallDocument, Catalogue};
use serde_json::Value;

use crate::common::Checked;

const CATALOGUE: &str = r#"
schema = "actionpass.tools.v1"
[[server]]
name = "files"
root = "/srv"
[[server]]
name = "repo"
[[server]]
name = "other"
[[tool]]
match = "files/write"
tool = "files.write"
resource = "file:{path:payload.path}"
[[tool]]
match = "repo/merge"
tool = "repo.merge"
resource = "repo:{payload.owner}/{payload.name}"
[[tool]]
match = "repo/get_*"
resource = "repo:{payload.owner}/{payload.name}"
"#;

/// What an action says of a call: tool, resource, payload.
type Action = (String, String, String);

/// A call document to an action, or the refusal of it.
type Normalizer = fn(&[u8]) -> Option<Action>;

fn ours(raw: &[u8]) -> Option<Action> {
    let catalogue = Catalogue::parse(CATALOGUE, "tools.toml", |_| None).unwrap();
    let document = CallDocument::admit(raw, &Limits::default()).ok()?;
    let call = catalogue.normalize(document.call()).ok()?;
    Some((
        call.tool.as_str().to_owned(),
        call.resource.as_str().to_owned(),
        call.payload.as_str().to_owned(),
    ))
}

/// Calls that no action says for certain.
const UNCERTAIN: &[&str] = &[
    // Two readers read two calls.
    r#"{"server":"files","tool":"write","arguments":{"path":"a","path":"b"}}"#,
    r#"{"server":"files","tool":"write","arguments":{"path":"a"},"arguments":{"path":"b"}}"#,
    r#"{"server":"files","tool":"write","arguments":{"path":"a","n":9007199254740993}}"#,
    r#"{"server":"files","tool":"write","arguments":{"path":"\ud800"}}"#,
    r#"{"server":"files","tool":"write","arguments":{"path":"a","Path":"b"}}"#,
    // What the resource is made of isn't there, or isn't a name.
    r#"{"server":"repo","tool":"merge","arguments":{"owner":"a"}}"#,
    r#"{"server":"repo","tool":"merge","arguments":{"owner":"a","name":""}}"#,
    r#"{"server":"repo","tool":"merge","arguments":{"owner":"a","name":null}}"#,
    r#"{"server":"repo","tool":"merge","arguments":{"owner":"a","name":["b"]}}"#,
    r#"{"server":"repo","tool":"merge","arguments":{"owner":"a","name":true}}"#,
    r#"{"server":"repo","tool":"merge","arguments":{"owner":"a","name":1.5}}"#,
    r#"{"server":"repo","tool":"merge","arguments":{"owner":"a","name":".."}}"#,
    r#"{"server":"repo","tool":"get_all","arguments":{"owner":"a"}}"#,
    // Paths that systems resolve differently.
    r#"{"server":"files","tool":"write","arguments":{"path":"../etc/passwd"}}"#,
    r#"{"server":"files","tool":"write","arguments":{"path":"a/../../etc"}}"#,
    r#"{"server":"files","tool":"write","arguments":{"path":"a\\b"}}"#,
    r#"{"server":"files","tool":"write","arguments":{"path":"~/x"}}"#,
    r#"{"server":"files","tool":"write","arguments":{"path":"a\u202eb"}}"#,
    // Arguments and names that are none.
    r#"{"server":"files","tool":"write","arguments":"path=a"}"#,
    r#"{"server":"files","tool":"write/../read","arguments":{"path":"a"}}"#,
    r#"{"server":"files","tool":"","arguments":{}}"#,
    r#"{"server":"files","tool":"wr ite","arguments":{}}"#,
    r#"{"server":"fi/les","tool":"write","arguments":{"path":"a"}}"#,
    // Requests that no entry names.
    r#"{"method":"GET","host":"files","target":"/write"}"#,
];

/// Values that many a rule for names takes for each other.
const NAMES: &[&str] = &[
    "a", "A", "a/b", "a%2Fb", "a%252Fb", "b", "b/b", "a b", "a+b", "a-b", "a:b", "ä", "a\u{308}", "1", "01", "a.", "a ",
];

/// What the guarantee demands of a normalizer.
fn check(normalize: Normalizer) -> Checked {
    for raw in UNCERTAIN {
        if let Some(action) = normalize(raw.as_bytes()) {
            return Err(format!("{raw} became {action:?}"));
        }
    }
    let mut seen: HashMap<Action, String> = HashMap::new();
    let mut resources: HashMap<(String, String), (&str, &str)> = HashMap::new();
    for (server, tool) in [
        ("repo", "merge"),
        ("repo", "get_one"),
        ("other", "merge"),
        ("other", "get_one"),
    ] {
        for owner in NAMES {
            for name in NAMES {
                let arguments = serde_json::json!({ "owner": owner, "name": name });
                let raw = serde_json::json!({ "server": server, "tool": tool, "arguments": arguments }).to_string();
                let Some(action) = normalize(raw.as_bytes()) else {
                    continue;
                };
                // The payload is what was said, and nothing else.
                if serde_json::from_str::<Value>(&action.2).ok() != Some(arguments) {
                    return Err(format!("{raw} became {action:?}"));
                }
                // Rules that name a resource mean one thing by it.
                let named = (action.0.clone(), action.1.clone());
                if server == "repo"
                    && let Some(former) = resources.insert(named, (owner, name))
                    && former != (*owner, *name)
                {
                    return Err(format!("{raw} acts on {} as {former:?} does", action.1));
                }
                if let Some(former) = seen.insert(action, raw.clone()) {
                    return Err(format!("{raw} is the action of {former}"));
                }
            }
        }
    }
    if seen.len() < 500 {
        return Err(format!("of the calls that are certain {} were mapped", seen.len()));
    }
    Ok(())
}

#[test]
fn g24_what_is_not_certain_is_refused_and_what_differs_differs() {
    check(ours).unwrap();
}

/// The members of a call, read as many readers do: the last of two members counts, numbers are rounded.
fn lossy(raw: &[u8]) -> Option<(String, String, Value)> {
    let call: Value = serde_json::from_slice(raw).ok()?;
    let text = |name: &str| call[name].as_str().map(ToOwned::to_owned);
    Some((text("server")?, text("tool")?, call["arguments"].clone()))
}

/// Ours, of the same call said otherwise.
fn said_otherwise(raw: &[u8], change: impl FnOnce(&mut Value)) -> Option<Action> {
    let mut call: Value = serde_json::from_slice(raw).ok()?;
    change(&mut call);
    ours(call.to_string().as_bytes())
}

#[test]
fn g24_the_check_finds_catalogues_that_guess() {
    let twins: [(&str, Normalizer); 8] = [
        ("the last of two members counts", |raw| said_otherwise(raw, |_| {})),
        ("what is missing is empty", |raw| {
            let action = ours(raw);
            action.or_else(|| {
                let (server, tool, arguments) = lossy(raw)?;
                let is_object = arguments
                    .as_object()
                    .is_some_and(|members| members.contains_key("owner"));
                is_object.then(|| (format!("{server}.{tool}"), "repo:".to_owned(), arguments.to_string()))
            })
        }),
        ("dots are resolved", |raw| {
            said_otherwise(raw, |call| {
                if let Some(path) = call.pointer_mut("/arguments/path")
                    && path.as_str() == Some("a/../../etc")
                {
                    *path = "/etc".into();
                }
            })
        }),
        ("case is folded", |raw| {
            let (tool, resource, payload) = ours(raw)?;
            Some((tool, resource.to_lowercase(), payload))
        }),
        ("nothing is encoded", |raw| {
            let (tool, resource, payload) = ours(raw)?;
            let plain = resource.replace("%2F", "/").replace("%252F", "%2F");
            Some((tool, plain, payload))
        }),
        ("servers share their tools' names", |raw| {
            let (tool, _, payload) = ours(raw)?;
            let own = tool.rsplit(['/', '.']).next()?.to_owned();
            Some((own, "server:any".to_owned(), payload))
        }),
        ("the payload is put into order", |raw| {
            let (tool, resource, payload) = ours(raw)?;
            Some((tool, resource, payload.trim().replace("a ", "a")))
        }),
        ("everything is refused", |_| None),
    ];
    for (name, twin) in twins {
        assert!(check(twin).is_err(), "{name}");
    }
}

/// Whoever executes has the payload and no list of tools, and comes to the same.
#[test]
fn g24_an_executor_derives_what_the_issuer_judged() {
    let catalogue = Catalogue::parse(CATALOGUE, "tools.toml", |_| None).unwrap();
    for name in NAMES {
        let raw = serde_json::json!({ "server": "repo", "tool": "merge", "arguments": { "owner": "o", "name": name } });
        let document = CallDocument::admit(raw.to_string().as_bytes(), &Limits::default()).unwrap();
        let judged = catalogue.normalize(document.call()).unwrap();
        let executed = admit(judged.payload.as_bytes(), &Limits::default()).unwrap();
        let call = actionpass_gate::ToolCall::new("repo", "merge", &executed);
        let derived = catalogue.derive(call).unwrap();
        assert_eq!(
            (derived.tool, derived.resource, derived.payload),
            (judged.tool, judged.resource, judged.payload)
        );
    }
}
