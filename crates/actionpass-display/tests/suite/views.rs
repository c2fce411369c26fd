//! Views of actions, honest and hostile, and their three renderings.

use actionpass_canon::{BoundAction, BoundFacts, Limits, admit};
use actionpass_display::{
    DisplayCode, FieldType, Folds, Former, MAX_FIELDS, MIN_COLUMNS, Renderer, SectionName, View, shown_matches,
};
use actionpass_model::{DEMO_ACTION, RuleId, Shown, Statement, is_hidden};
use proptest::prelude::*;
use serde_json::{Value, json};

/// The action of the demonstration, changed.
fn action_with(change: impl FnOnce(&mut Value)) -> BoundAction {
    let mut value: Value = serde_json::from_str(DEMO_ACTION).unwrap();
    change(&mut value);
    BoundAction::admit(value.to_string().as_bytes(), &Limits::default()).unwrap()
}

fn with_payload(payload: Value) -> BoundAction {
    action_with(|action| action["capability"]["payload"] = payload)
}

fn facts(facts: &Value) -> BoundFacts {
    let document =
        json!({ "schema": "actionpass.facts.v1", "source": "ci", "asOf": "2026-11-23T01:02:03.000Z", "facts": facts });
    BoundFacts::admit(document.to_string().as_bytes(), &Limits::default()).unwrap()
}

fn rule(name: &str) -> RuleId {
    RuleId::parse(name).unwrap()
}

fn view(action: &BoundAction) -> View {
    View::of(action, &[], &BoundFacts::none()).unwrap()
}

fn paths(view: &View, name: SectionName) -> Vec<String> {
    let section = view.sections().iter().find(|section| section.name == name).unwrap();
    section.fields.iter().map(|field| field.path.clone()).collect()
}

#[test]
fn fields_stand_in_their_order() {
    let hash = actionpass_canon::sha256(b"definition");
    let action = action_with(|action| {
        action["actor"]["via"] = json!(["agent:planner", "agent:chief"]);
        action["toolDefinition"] = json!({ "server": "github", "definitionHash": hash });
        action["context"] = json!({ "z": 1, "a": [true, null] });
        action["capability"]["payload"] = json!({ "\u{ff5e}": 1, "\u{1f600}": 2, "b.c": {}, "a": [[], "x"] });
    });
    let rules = [rule("b"), rule("a"), rule("b")];
    let view = View::of(&action, &rules, &facts(&json!({ "ok": true }))).unwrap();
    let names: Vec<_> = view.sections().iter().map(|section| section.name.as_str()).collect();
    assert_eq!(names, ["decision", "payload", "words", "facts", "hashes"]);
    assert_eq!(
        paths(&view, SectionName::Decision),
        [
            "agent",
            "via[0]",
            "via[1]",
            "owner",
            "tenant",
            "runtime",
            "task",
            "tool",
            "resource",
            "server",
            "definitionHash",
            "rules[0]",
            "rules[1]"
        ]
    );
    // Members in the order of their canonical bytes, by UTF-16 code units.
    assert_eq!(
        paths(&view, SectionName::Payload),
        [
            "payload",
            "payload.a",
            "payload.a[0]",
            "payload.a[1]",
            "payload.\"b.c\"",
            "payload.\"\u{1f600}\"",
            "payload.\"\\u{ff5e}\""
        ]
    );
    assert_eq!(
        paths(&view, SectionName::Words),
        [
            "summary",
            "context",
            "context.a",
            "context.a[0]",
            "context.a[1]",
            "context.z"
        ]
    );
    assert_eq!(paths(&view, SectionName::Facts), ["facts", "facts.ok"]);
    assert_eq!(
        paths(&view, SectionName::Hashes),
        ["actionHash", "payloadHash", "contextHash", "factsHash"]
    );
}

#[test]
fn what_is_hashed_alike_looks_alike() {
    let action = with_payload(json!({ "a": 1, "b": "é" }));
    let respelt = {
        let text = action
            .document()
            .as_str()
            .replace("\"a\":1", "\"a\":1.0")
            .replace('é', "\\u00e9");
        BoundAction::admit(text.as_bytes(), &Limits::default()).unwrap()
    };
    assert_eq!(view(&action), view(&respelt));
    // No context and an empty one, no facts and none in a document, and their source and time.
    let with_context = action_with(|action| action["context"] = json!({}));
    assert_eq!(view(&with_context), view(&action_with(|_| {})));
    let none = View::of(&action, &[], &facts(&json!({}))).unwrap();
    assert_eq!(none, view(&action));
    // Rules are a set.
    let rules = [rule("a"), rule("b")];
    let turned = [rule("b"), rule("a"), rule("a")];
    let of = |rules: &[RuleId]| View::of(&action, rules, &BoundFacts::none()).unwrap();
    assert_eq!(of(&rules), of(&turned));
    assert_ne!(of(&rules), of(&rules[..1]));
}

#[test]
fn what_was_before_is_compared() {
    let action = with_payload(json!({
        "body": "one\ntwo\nthree", "count": 2, "flag": true, "gone": "x", "list": [1, 2], "new": "n", "same": "s", "tree": {},
    }));
    let before = json!({ "before": {
        "body": "one\n2\nthree", "count": 1, "flag": true, "gone": 5, "list": [1, 3], "same": "s", "tree": "t", "unused": 1,
    } });
    let view = View::of(&action, &[], &facts(&before)).unwrap();
    let payload = &view.sections()[1];
    let former = |path: &str| {
        payload
            .fields
            .iter()
            .find(|field| field.path == path)
            .unwrap()
            .former
            .clone()
    };
    assert_eq!(former("payload.new"), None);
    for same in ["payload.flag", "payload.same", "payload.list[0]"] {
        assert_eq!(former(same), Some(Former::Same), "{same}");
    }
    let Some(Former::Other(FieldType::Number, text)) = former("payload.count") else {
        panic!("{view:?}")
    };
    assert_eq!(text.text, "1");
    assert!(matches!(
        former("payload.gone"),
        Some(Former::Other(FieldType::Number, _))
    ));
    assert!(matches!(
        former("payload.list[1]"),
        Some(Former::Other(FieldType::Number, _))
    ));
    let Some(Former::Text { changes, folded: 0 }) = former("payload.body") else {
        panic!("{view:?}")
    };
    let lines: Vec<_> = changes
        .iter()
        .map(|change| (change.kind.as_str(), change.text.text.as_str()))
        .collect();
    assert_eq!(
        lines,
        [("same", "one"), ("removed", "2"), ("added", "two"), ("same", "three")]
    );
    let terminal = view.to_terminal(76, Folds::Closed);
    for part in [
        "  payload.flag (boolean, as before)  true\n",
        "  payload.count (number, changed)  2\n  ~ before (number)\n  - 1\n",
        "  payload.body (string, 3 lines, changed)\n  : one\n  : two\n  : three\n  ~ changes from before:\n  = one\n  - 2\n  + two\n  = three\n",
        "  facts.before.unused (number)  1\n",
    ] {
        assert!(terminal.contains(part), "{part}: {terminal}");
    }
}

#[test]
fn a_container_that_takes_the_place_of_a_value_says_so() {
    let action = with_payload(json!({ "tree": {}, "list": [1] }));
    let view = View::of(
        &action,
        &[],
        &facts(&json!({ "before": { "tree": "t", "list": { "a": 1 } } })),
    )
    .unwrap();
    let terminal = view.to_terminal(76, Folds::Closed);
    assert!(
        terminal.contains("  payload.list (array, 1 element, changed)\n  ~ before (object, 1 member)\n"),
        "{terminal}"
    );
    assert!(
        terminal.contains("  payload.tree (object, 0 members, changed)\n  ~ before (string)\n  - t\n"),
        "{terminal}"
    );
}

#[test]
fn what_is_shown_can_be_checked_again() {
    let action = action_with(|_| {});
    let (rules, none) = ([rule("r")], BoundFacts::none());
    let shown = View::of(&action, &rules, &none).unwrap().shown();
    assert_eq!(shown.renderer.as_str(), "actionpass-display/1");
    assert_eq!(shown_matches(&shown, &action, &rules, &none), Ok(()));
    let code = |shown: &Shown, action: &BoundAction, rules: &[RuleId], facts: &BoundFacts| {
        shown_matches(shown, action, rules, facts).unwrap_err().code()
    };
    let other = with_payload(json!({}));
    assert_eq!(code(&shown, &other, &rules, &none), DisplayCode::ShownMismatch);
    assert_eq!(code(&shown, &action, &[], &none), DisplayCode::ShownMismatch);
    assert_eq!(
        code(&shown, &action, &rules, &facts(&json!({ "a": 1 }))),
        DisplayCode::ShownMismatch
    );
    let mut newer = shown;
    newer.renderer = Statement::parse("actionpass-display/2").unwrap();
    assert_eq!(code(&newer, &action, &rules, &none), DisplayCode::RendererUnknown);
    assert_eq!(Renderer::parse("actionpass-display/1"), Ok(Renderer::V1));
}

#[test]
fn what_nests_deeper_than_is_read_is_refused_and_not_shown_as_nothing() {
    let text = DEMO_ACTION.replacen(
        "\"payload\": {",
        &format!("\"payload\": {{ \"deep\": {}{},", "[".repeat(200), "]".repeat(200)),
        1,
    );
    let action = BoundAction::admit(text.as_bytes(), &Limits::default().with_max_depth(300)).unwrap();
    let error = View::of(&action, &[], &BoundFacts::none()).unwrap_err();
    assert_eq!(
        (error.code().as_str(), error.to_string().as_str()),
        ("view_unreadable", "`payload` nests too deep to be shown")
    );
    let context = format!(
        "\"context\": {{ \"deep\": {}{} }}, \"tenant\"",
        "[".repeat(200),
        "]".repeat(200)
    );
    let action = DEMO_ACTION.replacen("\"tenant\"", &context, 1);
    let action = BoundAction::admit(action.as_bytes(), &Limits::default().with_max_depth(300)).unwrap();
    let error = View::of(&action, &[], &BoundFacts::none()).unwrap_err();
    assert_eq!(error.to_string(), "`context` nests too deep to be shown");
    // A payload that is null is one.
    assert!(
        view(&with_payload(json!(null)))
            .to_terminal(76, Folds::Closed)
            .contains("  payload (null)  null\n")
    );
}

#[test]
fn what_is_too_much_is_counted() {
    let many: Vec<u32> = (0..12_000).collect();
    let view_of_many = view(&with_payload(json!({ "a": many, "z": "last" })));
    let payload = &view_of_many.sections()[1];
    let rest = payload.rest.unwrap();
    assert_eq!((payload.fields.len(), payload.folded), (MAX_FIELDS, MAX_FIELDS - 100));
    // `payload`, `payload.a`, all elements and `payload.z`: characters of names and strings.
    assert_eq!((rest.fields, rest.characters), (12_003 - MAX_FIELDS, 5));
    let told = "2003 more values with 5 characters are NOT SHOWN: there is too much of it";
    for rendered in [
        view_of_many.to_terminal(120, Folds::Open),
        view_of_many.to_terminal(120, Folds::Closed),
        view_of_many.to_html(),
    ] {
        // In its place, and first of all.
        assert_eq!(rendered.matches(told).count(), 2);
    }
    assert!(
        view_of_many
            .canonical()
            .contains("\"rest\":{\"characters\":5,\"fields\":2003}")
    );
    assert!(
        view_of_many
            .to_terminal(76, Folds::Closed)
            .contains("  … 9900 more values, folded\n")
    );
}

#[test]
fn a_fold_is_counted_and_opened_where_it_is_asked_for() {
    let long = vec!["line"; 50].join("\n");
    let action = action_with(|action| {
        action["capability"]["payload"] = json!({ "a": long, "b": vec!["x"; 120] });
        action["intent"]["summary"] = long.clone().into();
    });
    let view = view(&action);
    let rendered = |folds| {
        let text = view.to_terminal(76, folds);
        let (payload, words) = text.split_once("the agent's own words").unwrap();
        let count = |part: &str, line: &str| part.matches(line).count();
        assert_eq!(count(&text, "folded\n"), count(&text, " … "), "{text}");
        (
            count(payload, "\n  : line"),
            count(payload, "(string)  x\n"),
            count(words, "\n| : line"),
        )
    };
    // The payload's own line, twenty of `a`, then as many elements as make a hundred lines: `payload.b` is one.
    assert_eq!(rendered(Folds::Closed), (20, 78, 20));
    assert_eq!(rendered(Folds::PayloadOpen), (50, 120, 20));
    assert_eq!(rendered(Folds::Open), (50, 120, 50));
    // On a page all of it is there.
    let html = view.to_html();
    assert_eq!(
        (
            html.matches("line").count() - html.matches("lines").count(),
            html.matches("<bdi>x</bdi>").count()
        ),
        (100, 120)
    );
    assert_eq!(html.matches("<details").count(), 3);
}

/// Payloads that make work, each of nearly 1 MiB.
fn huge() -> Vec<(&'static str, Value, Value)> {
    let lines = |from: usize| {
        (from..from + 120_000)
            .map(|line| line.to_string())
            .collect::<Vec<_>>()
            .join("\n")
    };
    let mut nested = json!("x");
    for _ in 0..60 {
        nested = json!({ "n".repeat(5_000): nested });
    }
    let wide: serde_json::Map<String, Value> = (0..9_000).map(|at| (at.to_string(), json!("a\nb"))).collect();
    let wide_before: serde_json::Map<String, Value> = (0..9_000).map(|at| (at.to_string(), json!("b\na"))).collect();
    vec![
        ("hidden", json!("\u{200b}".repeat(340_000)), json!(null)),
        ("escapes", json!("\\".repeat(500_000)), json!(null)),
        ("marks", json!(format!("a{}", "\u{301}".repeat(500_000))), json!(null)),
        ("look-alikes", json!("\u{430}".repeat(500_000)), json!(null)),
        ("one-letter words", json!("\u{430} ".repeat(340_000)), json!(null)),
        ("elements", json!(vec![0; 500_000]), json!(null)),
        ("long names", nested.clone(), nested),
        ("many lines", json!(lines(0)), json!(lines(1))),
        (
            "other lines",
            json!(lines(0)),
            json!(lines(500_000).chars().rev().collect::<String>()),
        ),
        ("many texts", Value::Object(wide), Value::Object(wide_before)),
    ]
}

#[test]
fn work_and_size_are_bounded() {
    for (name, payload, before) in huge() {
        let action = with_payload(payload);
        let facts = facts(&json!({ "before": before }));
        let input = action.document().as_bytes().len() + serde_json::to_string(facts.value()).unwrap().len();
        let view = View::of(&action, &[], &facts).unwrap();
        // Every character a few times, and the pairs of lines that may be compared.
        assert!(
            view.steps() < 8 * input as u64 + 1_100_000,
            "{name}: {} steps for {input} bytes",
            view.steps()
        );
        let size = view.canonical().len();
        assert!(size < 16 * input + 4_000_000, "{name}: {size} bytes for {input}");
        let folded = view.to_terminal(76, Folds::Closed).len();
        assert!(folded < 1_000_000, "{name}: {folded} bytes on a terminal");
    }
}

/// The tags and the text of HTML, if it is nothing but what a fragment may be: known tags, well nested, with classes alone.
fn checked(html: &str) -> Result<String, String> {
    const TAGS: &[&str] = &[
        "article", "section", "h2", "dl", "div", "dt", "dd", "bdi", "span", "pre", "mark", "ul", "li", "p", "details",
        "summary", "ins", "del",
    ];
    let (mut open, mut text, mut rest) = (Vec::new(), String::new(), html);
    while let Some((before, behind)) = rest.split_once('<') {
        text.push_str(before);
        let (tag, more) = behind.split_once('>').ok_or("a tag without end")?;
        rest = more;
        if let Some(name) = tag.strip_prefix('/') {
            if open.pop() != Some(name.to_owned()) {
                return Err(format!("</{name}> closes nothing"));
            }
            continue;
        }
        let (name, attribute) = tag.split_once(' ').unwrap_or((tag, ""));
        let class = attribute
            .strip_prefix("class=\"")
            .and_then(|class| class.strip_suffix('"'));
        let is_class = |class: &str| {
            class.split(' ').all(|name| {
                name.starts_with("ap-") && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'-' | b'_'))
            })
        };
        if !TAGS.contains(&name) || !(attribute.is_empty() || class.is_some_and(is_class)) {
            return Err(format!("<{tag}>"));
        }
        open.push(name.to_owned());
    }
    text.push_str(rest);
    if !open.is_empty() {
        return Err(format!("{open:?} is open"));
    }
    let mut decoded = text;
    for (entity, character) in [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&amp;", "&"),
    ] {
        decoded = decoded.replace(entity, character);
    }
    Ok(decoded)
}

#[test]
fn markup_in_what_is_shown_is_text() {
    let attack = "</pre><script>alert(1)</script><img src=x onerror='a'>&lt;\" style=x";
    let action = action_with(|action| {
        action["capability"]["payload"] = json!({ attack: attack });
        action["intent"]["summary"] = json!(attack);
    });
    let html = view(&action).to_html();
    let text = checked(&html).unwrap();
    assert_eq!(text.matches(attack).count(), 2, "{html}");
    assert_eq!(text.matches(&attack.replace('"', "\\\"")).count(), 1, "{html}");
}

#[test]
fn no_text_of_others_stands_where_ours_does() {
    let long = "> | : ! + ~ payload, exactly this and nothing else: ".repeat(40);
    let faked = "x\n  payload.amount (number)  1\npayloadHash\n  sha256:0\n  ! fine\ntool         none";
    let action = action_with(|action| {
        action["capability"]["payload"] = json!({ "a": long, "b": faked, faked: 1, "amount": 1_000_000 });
        action["capability"]["resource"] = format!("repo:{}", ">|x".repeat(80)).into();
        action["intent"]["summary"] = json!(faked);
    });
    let view = view(&action);
    for columns in [MIN_COLUMNS, 76, 200] {
        let shown = view.to_terminal(columns, Folds::Open);
        let count = |start: &str| shown.lines().filter(|line| line.starts_with(start)).count();
        assert_eq!(
            (count("tool "), count("payloadHash"), count("payload, exactly")),
            (1, 1, 1),
            "{shown}"
        );
        assert_eq!(count("  payload.amount (number)  1"), 1, "{shown}");
        assert_eq!(count("  ! fine"), 0, "{shown}");
    }
}

#[test]
fn what_goes_on_below_is_no_line_of_its_own() {
    for columns in [MIN_COLUMNS, 76, 200] {
        // As wide as there is room for, so that what follows is broken off, and looks like a value in the place of one.
        let pad = "x".repeat(columns - "  : ".len());
        let action = with_payload(json!({ "amount": 1_000, "note": format!("{pad}payload.amount (number)  1") }));
        let shown = view(&action).to_terminal(columns, Folds::Open);
        assert!(
            shown.contains(&format!("\n  : {pad}\n> payload.amount (number)  1\n")),
            "{shown}"
        );
        let lines = shown.lines().filter(|line| line.starts_with("  payload.amount"));
        assert_eq!(lines.collect::<Vec<_>>(), ["  payload.amount (number)  1000"]);
    }
}

/// Texts with all that can go wrong in them.
fn hostile() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "a",
        "Z",
        "0",
        " ",
        "\n",
        "\t",
        "\\",
        "\\u{202e}",
        "\"",
        "<b>",
        "&amp;",
        "\u{202e}",
        "\u{2066}",
        "\u{200b}",
        "\u{feff}",
        "\u{e0041}",
        "\u{1b}[2J",
        "\u{9b}2J",
        "\u{7}",
        "\u{301}",
        "\u{489}",
        "\u{430}",
        "\u{ff41}",
        "\u{2ba}",
        "\u{a0}",
        "\u{3000}",
        "\u{e000}",
        "\u{ffff}",
        "\u{378}",
        "\u{2028}",
        "漢",
        "ש",
        "\r",
        "> ",
        "| ",
        "é",
        "\u{1f600}",
    ]);
    prop_oneof![
        prop::collection::vec(pieces, 0..40).prop_map(|pieces| pieces.concat()),
        prop::collection::vec(any::<char>(), 0..40).prop_map(|all| all.into_iter().collect()),
    ]
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        hostile().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        Just(Value::Null),
        (-1e9..1e9).prop_map(|number: f64| json!(number)),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(hostile(), inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Whether nothing in a text of ours turns, hides or controls anything.
fn is_clean(text: &str) -> bool {
    text.chars().all(|character| character == '\n' || !is_hidden(character))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn whatever_is_shown_is_seen(
        payload in values(), context in prop::collection::btree_map(hostile(), values(), 0..3),
        summary in hostile(), before in values(), columns in 0..120_usize,
    ) {
        let action = action_with(|action| {
            action["capability"]["payload"] = payload;
            action["context"] = json!(context);
            action["intent"]["summary"] = summary.into();
        });
        let view = View::of(&action, &[rule("r")], &facts(&json!({ "before": before }))).unwrap();
        for folds in [Folds::Closed, Folds::PayloadOpen, Folds::Open] {
            let shown = view.to_terminal(columns, folds);
            prop_assert!(is_clean(&shown), "{shown:?}");
            for line in shown.lines() {
                let width: usize = line.chars().map(|character| if character.is_ascii() { 1 } else { 2 }).sum();
                prop_assert!(width <= columns.max(MIN_COLUMNS), "{line}");
            }
        }
        let html = view.to_html();
        prop_assert!(is_clean(&html), "{html:?}");
        prop_assert_eq!(checked(&html).map(|_| ()), Ok(()), "{}", html);
        // The document is what RFC 8785 makes of it.
        let canonical = view.canonical();
        let admitted = admit(canonical.as_bytes(), &Limits::default().with_max_bytes(1 << 24)).unwrap();
        prop_assert_eq!(admitted.as_str(), canonical.as_str());
        prop_assert_eq!(view.hash(), admitted.digest());
    }

    #[test]
    fn one_hash_is_one_view_of_one_action(left in values(), right in values(), context in values(), attested in values()) {
        let of = |payload: &Value, context: &Value, attested: &Value| {
            let action = action_with(|action| {
                action["capability"]["payload"] = payload.clone();
                action["context"] = json!({ "c": context });
            });
            let facts = facts(&json!({ "f": attested }));
            let view = View::of(&action, &[], &facts).unwrap();
            ((action.action_hash(), action.context_hash(), facts.hash()), view.hash())
        };
        let first = of(&left, &context, &attested);
        prop_assert_eq!(&first, &of(&left, &context, &attested));
        for other in [of(&right, &context, &attested), of(&left, &right, &attested), of(&left, &context, &right)] {
            prop_assert_eq!(first.0 == other.0, first.1 == other.1);
        }
    }
}

/// The names of containers are in the paths of what they hold, unless these are cut.
#[test]
fn a_cut_path_takes_no_name_of_a_container_with_it() {
    let long = "n".repeat(200);
    let of = |action: &str| view(&with_payload(json!({ (action): { (long.clone()): true, "x": 1 } })));
    let (grant, revoke) = (of("grant"), of("revoke"));
    for columns in [MIN_COLUMNS, 76, 10_000] {
        for folds in [Folds::Closed, Folds::PayloadOpen, Folds::Open] {
            // Two members are in it, so it can be told where it ends.
            let shown = grant.to_terminal(columns, folds);
            assert!(shown.contains("payload.grant ("), "{shown}");
            let only_payload = |view: &View| {
                let text = view.to_terminal(columns, folds);
                text.split_once("actionHash").unwrap().0.to_owned()
            };
            assert_ne!(only_payload(&grant), only_payload(&revoke));
        }
    }
    let direct = view(&with_payload(json!({ "delete": { (long.clone()): true } })));
    let shown = direct.to_terminal(76, Folds::Open);
    assert!(shown.contains("payload.delete ("), "{shown}");
}

/// A mark at the start of a line would stand on the margin, which is the program's.
#[test]
fn no_mark_of_others_stands_on_the_margin() {
    for length in 0..120 {
        let text = format!("{}{}", "a".repeat(length), "e\u{301}\u{302}\u{303}\u{304}".repeat(20));
        let action = with_payload(json!({ (text.clone()): text, "b": text }));
        let shown = view(&action).to_terminal(76, Folds::Open);
        for line in shown.lines() {
            assert!(
                !line.starts_with(['>', ' ', '|'])
                    || line
                        .chars()
                        .nth(2)
                        .is_none_or(|third| !('\u{300}'..'\u{370}').contains(&third)),
                "{length}: {line}"
            );
        }
    }
}
