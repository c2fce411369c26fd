//! Bodies of real webhooks, as HTTP requests: they are admitted as every other canonicalizer has them, or refused by name.

use std::fs;

use actionpass_canon::{Limits, admit};
use actionpass_gate::{Catalogue, HttpCall};
use serde_json::Value;

use crate::mcp::kit;
use crate::program::{Language, command, is_ready, run, text};

const CATALOGUE: &str = r#"
schema = "actionpass.tools.v1"
[[tool]]
match = "http:POST hooks.example.com/github"
tool = "github.webhook"
resource = "event:{payload.query.event}"
"#;

#[test]
fn bodies_of_webhooks_are_admitted_as_others_write_them() {
    let second = kit::script("canonical.py");
    if !kit::is_there() || !is_ready(Language::Python, &second) {
        return;
    }
    let file = kit::packages().join("@octokit/webhooks-examples/api.github.com/index.json");
    let events: Vec<Value> = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let catalogue = Catalogue::parse(CATALOGUE, "tools.toml", |_| None).unwrap();
    // The other implementation reads the same file by itself, and writes one body in each line.
    let output = run(command(Language::Python, &second).unwrap().arg(&file));
    assert!(output.status.success(), "{}", text(&output.stderr));
    let others = text(&output.stdout);
    let mut others = others.lines();
    let mut bodies = 0;
    for event in &events {
        let name = event["name"].as_str().unwrap();
        for example in event["examples"].as_array().unwrap() {
            bodies += 1;
            let body = admit(example.to_string().as_bytes(), &Limits::default())
                .unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(Some(body.as_str()), others.next(), "{name}");
            let target = format!("/github?event={name}");
            let call = HttpCall::new("POST", "hooks.example.com", &target).with_body(&body);
            let call = catalogue
                .normalize(call)
                .unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(call.tool.as_str(), "github.webhook");
            assert_eq!(call.resource.as_str(), format!("event:{name}"));
            assert_eq!(
                call.payload.as_str(),
                format!(
                    r#"{{"body":{},"path":{{}},"query":{{"event":"{name}"}}}}"#,
                    body.as_str()
                )
            );
        }
    }
    assert_eq!((bodies, others.next()), (329, None));
}
