use std::time::Instant;

use actionpass_canon::{Limits, admit};
use serde_json::json;

use super::*;

fn judged(schema: &Value, arguments: &Value) -> Result<(), (CallCode, Option<String>)> {
    let told = |error: CallError| (error.code(), error.path().map(str::to_owned));
    let schema = Schema::parse(schema.to_string().as_bytes()).map_err(told)?;
    schema
        .judge(&admit(arguments.to_string().as_bytes(), &Limits::default()).unwrap())
        .map_err(told)
}

fn at<T>(code: CallCode, path: &str) -> Result<T, (CallCode, Option<String>)> {
    Err((code, Some(path.to_owned())))
}

#[test]
fn what_does_not_fit_is_refused_with_its_place_and_without_its_value() {
    let schema = json!({ "type": "object", "required": ["a"], "properties": {
        "a": { "type": "array", "items": { "type": "object", "properties": { "b/c": { "enum": ["x"] } } } } } });
    assert_eq!(judged(&schema, &json!({ "a": [{ "b/c": "x" }] })), Ok(()));
    let wrong = json!({ "a": [{}, { "b/c": "hunter2" }] });
    assert_eq!(
        judged(&schema, &wrong),
        at(CallCode::ArgumentsInvalid, "payload.a[1].b/c")
    );
    assert_eq!(judged(&schema, &json!({})), at(CallCode::ArgumentsInvalid, "payload"));
    let schema = Schema::parse(schema.to_string().as_bytes()).unwrap();
    let error = schema
        .judge(&admit(wrong.to_string().as_bytes(), &Limits::default()).unwrap())
        .unwrap_err();
    assert!(!error.to_string().contains("hunter2"), "{error}");
}

#[test]
fn members_that_no_subschema_declares_are_refused_unless_the_schema_says_what_becomes_of_them() {
    let undeclared = |path: &str| at(CallCode::ArgumentUndeclared, path);
    for (schema, arguments, expected) in [
        (json!({ "properties": { "a": {} } }), json!({ "a": { "x": 1 } }), Ok(())),
        (
            json!({ "properties": { "a": {} } }),
            json!({ "A": 1 }),
            undeclared("payload.A"),
        ),
        // Also where there is nothing at all to declare.
        (json!({}), json!({ "a": 1 }), undeclared("payload.a")),
        (json!(true), json!({ "a": 1 }), undeclared("payload.a")),
        (json!({ "type": "object" }), json!({}), Ok(())),
        (json!({ "additionalProperties": true }), json!({ "a": 1 }), Ok(())),
        (
            json!({ "additionalProperties": { "type": "number" } }),
            json!({ "a": 1 }),
            Ok(()),
        ),
        (
            json!({ "$schema": "http://json-schema.org/draft-07/schema#", "unevaluatedProperties": false }),
            json!({ "a": 1 }),
            undeclared("payload.a"),
        ),
        (
            json!({ "additionalProperties": false }),
            json!({ "a": 1 }),
            at(CallCode::ArgumentsInvalid, "payload"),
        ),
        (json!({ "unevaluatedProperties": true }), json!({ "a": 1 }), Ok(())),
        (
            json!({ "patternProperties": { "^x-": {} } }),
            json!({ "x-a": 1 }),
            Ok(()),
        ),
        (
            json!({ "patternProperties": { "^x-": {} } }),
            json!({ "y-a": 1 }),
            undeclared("payload.y-a"),
        ),
        // Inside, an object that a schema says nothing about is free.
        (
            json!({ "properties": { "a": { "type": "object" } } }),
            json!({ "a": { "x": 1 } }),
            Ok(()),
        ),
        (
            json!({ "properties": { "a": { "properties": { "b": {} } } } }),
            json!({ "a": { "x": 1 } }),
            undeclared("payload.a.x"),
        ),
        (
            json!({ "properties": { "a": { "items": { "properties": { "b": {} } } } } }),
            json!({ "a": [{}, { "x": 1 }] }),
            undeclared("payload.a[1].x"),
        ),
        // Whatever says so counts, wherever it stands.
        (
            json!({ "allOf": [{ "properties": { "a": {} } }, { "properties": { "b": {} } }] }),
            json!({ "a": 1, "b": 1 }),
            Ok(()),
        ),
        (
            json!({ "allOf": [{ "properties": { "a": {} } }, { "properties": { "b": {} } }] }),
            json!({ "c": 1 }),
            undeclared("payload.c"),
        ),
        (
            json!({ "anyOf": [{ "$ref": "#/$defs/d" }], "$defs": { "d": { "properties": { "a": {} } } } }),
            json!({ "a": 1 }),
            Ok(()),
        ),
        (
            json!({ "$ref": "#d", "$defs": { "d": { "$anchor": "d", "properties": { "a": {} } } } }),
            json!({ "a": 1 }),
            Ok(()),
        ),
        (
            json!({ "properties": { "a": { "$ref": "#" } } }),
            json!({ "a": { "a": { "b": 1 } } }),
            undeclared("payload.a.a.b"),
        ),
    ] {
        assert_eq!(judged(&schema, &arguments), expected, "{schema} {arguments}");
    }
}

#[test]
fn patterns_of_every_day_are_read() {
    for (pattern, text) in [
        ("^[a-z0-9]{1,63}(\\.[a-z0-9]{1,63})*$", "mcp.example"),
        ("^[\\w.-]{1,100}/[\\w.-]{1,100}$", "company/web-app"),
        ("^[^/]{1,255}/[^/]{1,255}$", "a/b"),
        ("^[a-zA-Z0-9_.+-]{1,255}@[a-z.-]{1,255}$", "a@example.com"),
        ("^\\S{1,256}@\\S{1,256}$", "a@b"),
    ] {
        let schema = json!({ "properties": { "a": { "pattern": pattern } } });
        assert_eq!(judged(&schema, &json!({ "a": text })), Ok(()), "{pattern}");
        assert_eq!(
            judged(&schema, &json!({ "a": " " })),
            at(CallCode::ArgumentsInvalid, "payload.a"),
            "{pattern}"
        );
    }
    // A long text, of a simple pattern.
    let schema = json!({ "properties": { "a": { "pattern": "^[a-z]+$" } } });
    assert_eq!(judged(&schema, &json!({ "a": "x".repeat(1_000_000) })), Ok(()));
}

#[test]
fn schemas_of_older_drafts_are_read() {
    let schema = json!({ "$schema": "http://json-schema.org/draft-07/schema#", "type": "object", "definitions": { "n": { "type": "number" } },
        "properties": { "a": { "items": [{ "$ref": "#/definitions/n" }, { "type": "string" }] } }, "additionalProperties": false });
    assert_eq!(judged(&schema, &json!({ "a": [1, "x"] })), Ok(()));
    assert_eq!(
        judged(&schema, &json!({ "a": ["x", 1] })),
        at(CallCode::ArgumentsInvalid, "payload.a[0]")
    );
}

#[test]
fn schemas_that_reach_out_or_are_none_are_unusable() {
    let mut deep = json!({});
    for _ in 0..32 {
        deep = json!({ "not": deep });
    }
    for schema in [
        json!({ "$ref": "https://example.com/schema.json" }),
        json!({ "$ref": "file:///etc/passwd" }),
        json!({ "$ref": "other.json#/a" }),
        json!({ "$ref": "#/nowhere" }),
        json!({ "properties": { "a": { "$ref": "" } } }),
        json!({ "$dynamicRef": "#a" }),
        // What another reader could find elsewhere.
        json!({ "$ref": "#/%24defs/a", "$defs": { "a": {} } }),
        json!({ "$ref": "#a", "examples": [{ "$anchor": "a" }], "$defs": { "a": { "$anchor": "a" } } }),
        json!({ "$ref": "#a", "examples": [{ "$anchor": "a" }], "$defs": { "a": { "$dynamicAnchor": "a" } } }),
        json!({ "properties": { "a": { "$id": "https://example.com/b" } } }),
        json!({ "$schema": "https://example.com/draft" }),
        json!({ "type": 1 }),
        json!({ "pattern": "(a+)+$(?=b)" }),
        json!({ "pattern": "(a)\\1" }),
        json!({ "pattern": "(" }),
        json!({ "pattern": "((((a{1,100}){1,100}){1,100}){1,100})b" }),
        json!({ "patternProperties": { "(?!a)": {} } }),
        json!({ "allOf": [{ "$ref": "#" }] }),
        json!({ "$ref": "#" }),
        deep,
        json!([]),
        json!(1),
    ] {
        let refused = judged(&schema, &json!({})).unwrap_err();
        assert_eq!(refused.0, CallCode::SchemaUnusable, "{schema}");
    }
    let large = format!("{{\"description\":\"{}\"}}", "a".repeat(Schema::MAX_BYTES));
    assert_eq!(
        Schema::parse(large.as_bytes()).unwrap_err().code(),
        CallCode::SchemaUnusable
    );
    assert_eq!(Schema::parse(b"{").unwrap_err().code(), CallCode::SchemaUnusable);
}

/// A schema whose size doubles with every definition, led to by `link`.
fn doubling(link: impl Fn(&str) -> Value) -> Value {
    let mut definitions = serde_json::Map::new();
    for at in 0_u32..64 {
        let next = format!("#/$defs/d{}", at.saturating_add(1));
        definitions.insert(format!("d{at}"), link(&next));
    }
    definitions.insert("d64".to_owned(), json!({ "type": "object" }));
    json!({ "$ref": "#/$defs/d0", "$defs": definitions, "additionalProperties": true })
}

/// Whatever is judged takes no longer than this, in a build without optimization too.
const LONG: u64 = 20;

#[test]
fn schemas_that_explode_are_refused_at_once() {
    let mut nested = json!({});
    for _ in 0..60 {
        nested = json!({ "a": nested });
    }
    for schema in [
        doubling(|next| json!({ "allOf": [{ "$ref": next }, { "$ref": next }] })),
        doubling(|next| json!({ "anyOf": [{ "not": { "$ref": next } }, { "$ref": next }] })),
        doubling(|next| json!({ "properties": { "a": { "allOf": [{ "$ref": next }, { "$ref": next }] } } })),
        json!({ "anyOf": [{ "properties": { "a": { "$ref": "#" } } }, { "additionalProperties": { "$ref": "#" } }] }),
        json!({ "oneOf": [{ "patternProperties": { "a": { "$ref": "#" } } }, { "properties": { "a": { "$ref": "#" } } }], "unevaluatedProperties": false }),
    ] {
        let start = Instant::now();
        let refused = judged(&schema, &nested).unwrap_err();
        assert_eq!(refused.0, CallCode::SchemaUnusable, "{schema}");
        assert!(start.elapsed().as_secs() < LONG);
    }
}

#[test]
fn the_costliest_that_is_judged_takes_bounded_time() {
    let members: serde_json::Map<_, _> = (0..20_000)
        .map(|at| (format!("m{at}"), json!("aaaaaaaaaaaaaaaa!")))
        .collect();
    // Every state of `[ab]*a[ab]{120}$` is reached by some text of these two letters: no table of states helps.
    let mut state = 1_u64;
    let letters: String = (0..60_000)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            if state >> 63 == 0 { 'a' } else { 'b' }
        })
        .collect();
    let many: Vec<String> = (0..4_000).map(|at| format!("value {at}")).collect();
    for (schema, arguments) in [
        (
            json!({ "additionalProperties": { "pattern": "^[ab]*a[ab]{120}$" } }),
            json!({ "a": letters }),
        ),
        (
            json!({ "additionalProperties": { "pattern": "^(([a-z])+.)+[A-Z]([a-z])+$" } }),
            json!(members),
        ),
        (
            json!({ "additionalProperties": { "items": { "enum": many } } }),
            json!({ "a": vec!["x"; 20_000] }),
        ),
        (
            json!({ "additionalProperties": { "uniqueItems": true } }),
            json!({ "a": (0..50_000).collect::<Vec<_>>() }),
        ),
        (
            json!({ "additionalProperties": { "pattern": "(x+x+)+y" } }),
            json!({ "a": "x".repeat(500_000) }),
        ),
        (
            json!({ "patternProperties": { "[a-z]{1,50}[0-9]{1,50}$": {} } }),
            json!(members),
        ),
    ] {
        let start = Instant::now();
        let _ = judged(&schema, &arguments);
        assert!(start.elapsed().as_secs() < LONG, "{schema}: {:?}", start.elapsed());
    }
}

#[test]
fn the_deepest_that_is_read_and_judged_fits_a_small_stack() {
    let chain = |levels: usize, link: fn(String) -> Value| {
        let mut definitions = serde_json::Map::new();
        for at in 0..levels {
            definitions.insert(format!("d{at}"), link(format!("#/$defs/d{}", at.saturating_add(1))));
        }
        definitions.insert(format!("d{levels}"), json!({}));
        json!({ "$ref": "#/$defs/d0", "$defs": definitions, "additionalProperties": true })
    };
    let mut nested = json!({});
    for _ in 0..62 {
        nested = json!({ "a": nested });
    }
    let in_place = chain(
        60,
        |next| json!({ "allOf": [{ "anyOf": [{ "oneOf": [{ "not": { "not": { "$ref": next } } }] }] }] }),
    );
    let inside = chain(94, |next| {
        let mut link = json!({ "$ref": next });
        for _ in 0..13 {
            link = json!({ "items": { "items": link } });
        }
        link
    });
    let recursive = json!({ "$defs": { "d": { "allOf": [{ "anyOf": [{ "properties": { "a": { "$ref": "#/$defs/d" } } }] }] } }, "$ref": "#/$defs/d", "additionalProperties": true });
    let work = move || {
        let verdicts = [&in_place, &inside, &recursive].map(|schema| judged(schema, &nested));
        assert!(verdicts.iter().all(Result::is_ok), "{verdicts:?}");
    };
    std::thread::Builder::new()
        .stack_size(2 << 20)
        .spawn(work)
        .unwrap()
        .join()
        .unwrap();
}

#[test]
fn a_path_that_nothing_declares_can_not_exist() {
    use actionpass_policy::PayloadStep::{Each, Member, Members, Tree};
    let schema = Schema::parse(
        br##"{"type":"object","properties":{
            "team":{"type":"string"},
            "files":{"type":"array","items":{"$ref":"#/$defs/file"}},
            "labels":{"type":"object"},
            "open":{"type":"object","properties":{"a":{}},"additionalProperties":true},
            "either":{"anyOf":[{"properties":{"x":{}}},{"properties":{"y":{}}}]}
        },"patternProperties":{"^x-":{}},
        "$defs":{"file":{"type":"object","properties":{"path":{"type":"string"}}}}}"##,
    )
    .unwrap();
    for steps in [
        &[][..],
        &[Member("team")],
        &[Member("x-anything"), Member("below")],
        &[Member("files"), Each, Member("path")],
        &[Member("labels"), Member("any")],
        &[Member("open"), Member("b")],
        &[Member("either"), Member("y")],
        &[Member("team"), Member("of a text")],
        &[Members, Member("path")],
        &[Tree, Member("none")],
    ] {
        assert!(schema.can_have(steps), "{steps:?}");
    }
    for steps in [
        &[Member("teem")][..],
        &[Member("files"), Each, Member("pth")],
        &[Member("either"), Member("z")],
    ] {
        assert!(!schema.can_have(steps), "{steps:?}");
    }
    // Arguments are closed whatever the schema says of members.
    assert!(!Schema::parse(b"{}").unwrap().can_have(&[Member("a")]));
    assert!(
        Schema::parse(br#"{"additionalProperties":true}"#)
            .unwrap()
            .can_have(&[Member("a")])
    );
}
