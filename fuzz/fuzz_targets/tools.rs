//! Catalogues, lists of tools and calls: no input panics, what a call becomes is derived again from its payload, and pins that are read are
//! written and read alike.
#![no_main]

use actionpass_canon::{Limits, admit};
use actionpass_gate::{CallDocument, Catalogue, ListedTool, Pins, Schema, ToolCall};
use libfuzzer_sys::fuzz_target;

const CATALOGUE: &str = r#"
schema = "actionpass.tools.v1"
[[server]]
name = "a"
root = "/r"
[[tool]]
match = "a/x"
tool = "x"
resource = "k:{payload.p}/{payload.q}"
fold = ["payload.q"]
[[tool]]
match = "a/*"
resource = "f:{path:payload.p}"
[[tool]]
match = "http:GET h/{p}/{q}"
resource = "k:{payload.path.p}"
headers = ["h"]
"#;

fuzz_target!(|raw: &[u8]| {
    let limits = Limits::default();
    if let Ok(text) = std::str::from_utf8(raw) {
        let _ = Catalogue::parse(text, "tools.toml", |_| None);
    }
    let _ = ListedTool::read_all(raw, &["k".into()], &limits);
    if let Ok(pins) = Pins::parse(raw, &limits) {
        let written = pins.to_json().expect("what was read is written");
        assert_eq!(Pins::parse(written.as_bytes(), &limits).expect("what was written is read"), pins);
    }
    if let Ok(arguments) = admit(raw, &limits) {
        if let Ok(schema) = Schema::parse(raw) {
            let _ = schema.judge(&arguments);
        }
        let catalogue = Catalogue::parse(CATALOGUE, "tools.toml", |_| None).expect("it is one");
        for tool in ["x", "y"] {
            if let Ok(call) = catalogue.normalize(ToolCall::new("a", tool, &arguments)) {
                let again = catalogue.derive(ToolCall::new("a", tool, &call.payload)).expect("it was derived");
                assert_eq!((call.tool, call.resource, call.payload), (again.tool, again.resource, again.payload));
            }
        }
        if let Ok(document) = CallDocument::of(&arguments) {
            let _ = catalogue.normalize(document.call());
        }
    }
});
