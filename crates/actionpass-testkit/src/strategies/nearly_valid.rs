//! Documents that are wrong in one place, with the code that says so.

use actionpass_canon::AdmitCode;
use actionpass_model::{Code, Document, DocumentCode};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::documents;
use crate::tokens;

/// A document that is wrong in one place.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NearlyValid {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// What was done to it.
    pub change: String,
    /// The code that a reader must answer with.
    pub code: Code,
}

/// Actions, for the gate and the reader behind it (`BoundAction::admit`).
pub fn actions() -> impl Strategy<Value = NearlyValid> {
    let broken_json = (documents::actions(), 0..BROKEN_JSON.len()).prop_map(|(action, index)| {
        let text = serde_json::to_string(&action).expect("an action can be written");
        let (change, code, broken) = BROKEN_JSON.get(index).copied().expect("the index is in range");
        NearlyValid {
            bytes: broken(&text),
            change: change.to_owned(),
            code: code.into(),
        }
    });
    prop_oneof![
        broken_json,
        of(
            documents::actions(),
            &[
                "/tenant",
                "/actor/agent",
                "/intent/task",
                "/capability/tool",
                "/capability/payload"
            ]
        ),
        texts(
            documents::actions(),
            &[
                "/tenant",
                "/actor/agent",
                "/actor/humanOwner",
                "/actor/runtime",
                "/capability/tool"
            ]
        ),
    ]
}

/// Facts.
pub fn facts() -> impl Strategy<Value = NearlyValid> {
    prop_oneof![
        of(documents::facts(), &["/source", "/asOf", "/facts"]),
        texts(documents::facts(), &["/asOf"])
    ]
}

/// Approvals that nobody signed.
pub fn asserted_approvals() -> impl Strategy<Value = NearlyValid> {
    let members = &[
        "/id",
        "/approvedBy",
        "/issuer",
        "/expiresAt",
        "/mode",
        "/tenant",
        "/actionHash",
        "/payloadHash",
    ];
    // Almost any text is an issuer: a URI.
    let others = &[
        "/id",
        "/approvedBy",
        "/expiresAt",
        "/mode",
        "/tenant",
        "/actionHash",
        "/payloadHash",
    ];
    prop_oneof![
        of(documents::asserted_approvals(), members),
        texts(documents::asserted_approvals(), others)
    ]
}

/// Revocations.
pub fn revocations() -> impl Strategy<Value = NearlyValid> {
    let members = &["/id", "/target/kind", "/target/id", "/revokedBy", "/revokedAt"];
    // Within the target a missing member is a fault of the target, which is read as a whole.
    prop_oneof![
        of(
            documents::revocations(),
            &["/id", "/target", "/reason", "/revokedBy", "/revokedAt"]
        ),
        texts(documents::revocations(), members)
    ]
}

/// Trust stores.
pub fn trust_stores() -> impl Strategy<Value = NearlyValid> {
    let members = &["/version", "/updatedAt", "/revocationsAsOf", "/keys", "/revocations"];
    prop_oneof![
        of(documents::trust_stores(), members),
        texts(documents::trust_stores(), &["/updatedAt", "/revocationsAsOf"])
    ]
}

type Break = fn(&str) -> Vec<u8>;

/// What the gate refuses, with any document around it.
const BROKEN_JSON: &[(&str, AdmitCode, Break)] = &[
    ("byte order mark", AdmitCode::ByteOrderMark, |text| {
        [b"\xEF\xBB\xBF", text.as_bytes()].concat()
    }),
    ("something behind it", AdmitCode::TrailingBytes, |text| {
        format!("{text} {{}}").into()
    }),
    ("cut off", AdmitCode::JsonTruncated, |text| {
        text.as_bytes()
            .split_last()
            .map_or_else(Vec::new, |(_, rest)| rest.to_vec())
    }),
    ("invalid byte", AdmitCode::InvalidUtf8, |text| {
        first(text, b"\"x\":\"\xFF\",")
    }),
    ("lone surrogate", AdmitCode::LoneSurrogate, |text| {
        first(text, br#""x":"\ud800","#)
    }),
    ("control character", AdmitCode::ControlCharacter, |text| {
        first(text, b"\"x\":\"\x01\",")
    }),
    ("no escape", AdmitCode::InvalidEscape, |text| {
        first(text, br#""x":"\q","#)
    }),
    ("duplicate in other words", AdmitCode::MemberDuplicate, |text| {
        first(text, br#""x":1,"\u0078":1,"#)
    }),
    ("reserved name", AdmitCode::MemberNameReserved, |text| {
        first(text, br#""$serde_json::private::Number":"1","#)
    }),
    ("leading zero", AdmitCode::NumberMalformed, |text| {
        first(text, br#""x":01,"#)
    }),
    ("huge number", AdmitCode::NumberOutOfRange, |text| {
        first(text, br#""x":1e400,"#)
    }),
    ("unsafe integer", AdmitCode::NumberUnsafeInteger, |text| {
        first(text, br#""x":9007199254740993,"#)
    }),
    ("number that is another", AdmitCode::NumberNotExact, |text| {
        first(text, br#""x":0.10000000000000001,"#)
    }),
    ("deep", AdmitCode::DepthExceeded, |text| {
        first(text, format!(r#""x":{}{},"#, "[".repeat(64), "]".repeat(64)).as_bytes())
    }),
];

/// Puts members before the first one of the outermost object.
fn first(text: &str, members: &[u8]) -> Vec<u8> {
    let rest = text.strip_prefix('{').unwrap_or(text);
    [b"{", members, rest.as_bytes()].concat()
}

/// Any document with its schema, its closed set of members, or one of these members broken.
pub fn of<D: Document + std::fmt::Debug>(
    documents: impl Strategy<Value = D>,
    required: &'static [&'static str],
) -> impl Strategy<Value = NearlyValid> {
    (documents, prop::sample::select(required), 0..7_u8).prop_map(|(document, pointer, change)| {
        let mut json = serde_json::to_value(&document).expect("a document can be written");
        let members = json.as_object_mut().expect("a document is an object");
        let (change, code) = match change {
            0 => {
                members.remove("schema");
                ("no schema".to_owned(), DocumentCode::SchemaMissing)
            }
            1 => {
                members.insert("schema".into(), json!(format!("actionpass.{}.v2", D::KIND)));
                ("schema of version 2".to_owned(), DocumentCode::SchemaUnsupported)
            }
            2 => {
                members.insert("schema".into(), json!("actionpass.other.v1"));
                ("schema of another kind".to_owned(), DocumentCode::SchemaMismatch)
            }
            3 => {
                members.insert("unheardOf".into(), json!(1));
                ("unknown member".to_owned(), DocumentCode::MemberUnknown)
            }
            4 | 5 if pointer != "/capability/payload" => {
                set(&mut json, pointer, Value::Null);
                (format!("{pointer} is null"), DocumentCode::MemberInvalid)
            }
            _ => {
                remove(&mut json, pointer);
                (format!("no {pointer}"), DocumentCode::MemberMissing)
            }
        };
        NearlyValid {
            bytes: json.to_string().into_bytes(),
            change,
            code: code.into(),
        }
    })
}

/// Any document with one of these members replaced by text that its type doesn't allow.
pub fn texts<D: Document + std::fmt::Debug>(
    documents: impl Strategy<Value = D>,
    members: &'static [&'static str],
) -> impl Strategy<Value = NearlyValid> {
    let wrong = prop_oneof![
        Just(""),
        Just("nobody"),
        Just("kind:\u{202E}txt"),
        Just("robot:r2"),
        Just("\n"),
        Just("2026-11-23")
    ];
    // `nobody` is a tool like any other.
    (documents, prop::sample::select(members), wrong).prop_map(|(document, pointer, text)| {
        let text = if pointer == "/capability/tool" { "no tool" } else { text };
        let mut json = serde_json::to_value(&document).expect("a document can be written");
        set(&mut json, pointer, Value::String(text.to_owned()));
        let change = format!("{pointer} is {text:?}");
        NearlyValid {
            bytes: json.to_string().into_bytes(),
            change,
            code: DocumentCode::MemberInvalid.into(),
        }
    })
}

fn set(json: &mut Value, pointer: &str, value: Value) {
    *json.pointer_mut(pointer).expect("the document has the member") = value;
}

fn remove(json: &mut Value, pointer: &str) {
    let path: Vec<&str> = pointer.split('/').skip(1).collect();
    let (name, holder) = path.split_last().expect("a pointer names a member");
    let members = tokens::at(json, holder)
        .and_then(Value::as_object_mut)
        .expect("the document has the member");
    members.remove(*name);
}
