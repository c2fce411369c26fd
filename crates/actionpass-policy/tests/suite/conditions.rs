//! Every condition with a true, a false and an unknown case, seen from outside: through decisions.

use actionpass_canon::{BoundAction, BoundFacts};
use actionpass_model::Decision::{Allow, Deny};
use actionpass_model::Timestamp;
use actionpass_policy::{PolicyInput, Truth};
use serde_json::{Value, json};

use crate::world::{bind, decide, document, facts, judge, policy};

/// What a condition comes to: an allow rule with it applies only if it is true, a deny rule unless it is false.
fn truth(condition: &str, action: &BoundAction, facts: &BoundFacts) -> Truth {
    let open = "[[rule]]\nid = \"open\"\neffect = \"allow\"\ntool = \"**\"\n";
    let allow = policy(&format!("{open}when = [{condition}]"));
    let deny = policy(&format!(
        "{open}[[rule]]\nid = \"shut\"\neffect = \"deny\"\ntool = \"**\"\nwhen = [{condition}]"
    ));
    let seen = match (
        judge(&allow, action, facts, &[]).decision,
        judge(&deny, action, facts, &[]).decision,
    ) {
        (Allow, Deny) => Truth::True,
        (Deny, Allow) => Truth::False,
        (Deny, Deny) => Truth::Unknown,
        other => panic!("{condition}: {other:?}"),
    };
    let explained = allow.explain(&PolicyInput::new(action, facts, &[])).rules[0].when[0].truth;
    assert_eq!(seen, explained, "{condition}");
    seen
}

#[track_caller]
fn check(condition: &str, cases: &[(&Value, Truth)]) {
    for (value, expected) in cases {
        let payload = bind(&document(
            "t",
            "file:src/a.rs",
            json!({ "v": value, "twin": "x", "n": 1 }),
        ));
        let found = truth(&condition.replace("PATH", "payload.v"), &payload, &BoundFacts::none());
        assert_eq!(found, *expected, "payload {condition} {value}");
        let empty = bind(&document("t", "file:src/a.rs", json!({ "twin": "x", "n": 1 })));
        let found = truth(
            &condition.replace("PATH", "fact.v"),
            &empty,
            &facts(&json!({ "v": value })),
        );
        assert_eq!(found, *expected, "fact {condition} {value}");
    }
    // Missing is unknown, wherever; only `exists` asks for it.
    if !condition.contains("exists") {
        let empty = bind(&document("t", "file:src/a.rs", json!({ "twin": "x", "n": 1 })));
        for path in ["payload.v", "payload.v.w", "fact.v"] {
            let path = if condition.contains("[]") && path == "payload.v.w" {
                "payload.w"
            } else {
                path
            };
            assert_eq!(
                truth(&condition.replace("PATH", path), &empty, &BoundFacts::none()),
                Truth::Unknown,
                "{condition}"
            );
        }
    }
}

const T: Truth = Truth::True;
const F: Truth = Truth::False;
const U: Truth = Truth::Unknown;

#[test]
fn equals() {
    check(
        "{ path = \"PATH\", equals = \"a\" }",
        &[
            (&json!("a"), T),
            (&json!("A"), F),
            (&json!(""), F),
            (&json!(1), U),
            (&json!(null), U),
            (&json!(["a"]), U),
            (&json!({}), U),
        ],
    );
    check(
        "{ path = \"PATH\", equals = true }",
        &[
            (&json!(true), T),
            (&json!(false), F),
            (&json!("true"), U),
            (&json!(1), U),
        ],
    );
    check(
        "{ path = \"PATH\", equals = 10 }",
        &[
            (&json!(10), T),
            (&json!(10.5), F),
            (&json!(11), F),
            (&json!("10"), U),
            (&json!(true), U),
            (&json!([10]), U),
        ],
    );
    check(
        "{ path = \"PATH\", equals = 0.5 }",
        &[(&json!(0.5), T), (&json!(0.25), F), (&json!("0.5"), U)],
    );
    check(
        "{ path = \"PATH\", equals = 1_0.0e0 }",
        &[(&json!(10), T), (&json!(1), F)],
    );
    check(
        "{ path = \"PATH\", equals = 0xff }",
        &[(&json!(255), T), (&json!(25), F)],
    );
}

#[test]
fn one_of() {
    check(
        "{ path = \"PATH\", one_of = [\"a\", \"b\"] }",
        &[(&json!("b"), T), (&json!("c"), F), (&json!(1), U), (&json!(null), U)],
    );
    check(
        "{ path = \"PATH\", one_of = [\"a\", 2] }",
        &[
            (&json!("a"), T),
            (&json!(2), T),
            (&json!("2"), F),
            (&json!(3), F),
            (&json!(true), U),
        ],
    );
}

#[test]
fn comparisons() {
    let wrong = [(&json!("5"), U), (&json!(null), U), (&json!([5]), U), (&json!(true), U)];
    for (test, cases) in [
        ("less_than = 5", [(&json!(4.9), T), (&json!(5), F), (&json!(6), F)]),
        ("at_most = 5", [(&json!(5), T), (&json!(5.5), F), (&json!(6), F)]),
        ("greater_than = 5", [(&json!(5.5), T), (&json!(5), F), (&json!(4), F)]),
        ("at_least = 5", [(&json!(5), T), (&json!(4.5), F), (&json!(-5), F)]),
        (
            "at_least = 1, at_most = 5",
            [(&json!(1), T), (&json!(0), F), (&json!(6), F)],
        ),
        (
            "at_most = 9007199254740991",
            [(&json!(9007199254740991u64), T), (&json!(1e300), F), (&json!(1e22), F)],
        ),
    ] {
        let condition = format!("{{ path = \"PATH\", {test} }}");
        check(&condition, &cases);
        check(&condition, &wrong);
    }
}

#[test]
fn globs() {
    check(
        "{ path = \"PATH\", glob = \"a/*.rs\" }",
        &[
            (&json!("a/b.rs"), T),
            (&json!("a/b/c.rs"), F),
            (&json!("b.rs"), F),
            (&json!(1), U),
            (&json!(["a/b.rs"]), U),
        ],
    );
    check(
        "{ path = \"PATH\", glob = [\"x*\", \"**y\"] }",
        &[(&json!("xa"), T), (&json!("a/../y"), T), (&json!("z"), F)],
    );
}

#[test]
fn path_globs() {
    check(
        "{ path = \"PATH\", path_glob = [\"src/**\", \"**/.env*\"] }",
        &[
            (&json!("src/a.rs"), T),
            (&json!("src/a/b.rs"), T),
            (&json!(".env"), T),
            (&json!("x/.env.local"), T),
            (&json!("lib/a.rs"), F),
            (&json!("src"), F),
            (&json!(""), U),
            (&json!("/src/a.rs"), U),
            (&json!("src/"), U),
            (&json!("src//a"), U),
            (&json!("src/./a"), U),
            (&json!("src/../etc/passwd"), U),
            (&json!("lib/.."), U),
            (&json!("src\\a"), U),
            (&json!("src/%2e%2e/a"), U),
            (&json!("src/a\u{0}"), U),
            (&json!("src/a\nb"), U),
            (&json!("src/.env:x"), U),
            (&json!("~/src/a"), U),
            (&json!("src/a."), U),
            (&json!("src/PROGRA~1"), U),
            (&json!("src/nul.rs"), U),
            (&json!("src/a\u{200b}"), U),
            (&json!("src/cafe\u{301}"), U),
            (&json!("src/\u{ff0e}\u{ff0e}/a"), U),
            (&json!("SRC/a.rs"), F),
            (&json!("x/.ENV"), F),
            (&json!(1), U),
            (&json!(["src/a"]), U),
        ],
    );
}

#[test]
fn path_globs_without_case() {
    check(
        "{ path = \"PATH\", path_glob_nocase = [\"Src/**\", \"**/.env*\", \"stra\u{df}e/*\"] }",
        &[
            (&json!("src/a.rs"), T),
            (&json!("SRC/A/B.RS"), T),
            (&json!(".ENV"), T),
            (&json!("x/.Env.local"), T),
            (&json!("STRASSE/1"), T),
            (&json!("\u{17f}rc/a"), T),
            (&json!("lib/a.rs"), F),
            (&json!("src"), F),
            (&json!("Src/../a"), U),
            (&json!("SRC/A."), U),
            (&json!(1), U),
        ],
    );
}

#[test]
fn same_as() {
    check(
        "{ path = \"PATH\", same_as = \"payload.twin\" }",
        &[(&json!("x"), T), (&json!("y"), F), (&json!(1), U), (&json!(["x"]), U)],
    );
    check(
        "{ path = \"PATH\", same_as = \"payload.n\" }",
        &[(&json!(1), T), (&json!(2), F), (&json!("1"), U), (&json!(true), U)],
    );
    check(
        "{ path = \"PATH\", same_as = \"payload.absent\" }",
        &[(&json!("x"), U), (&json!(null), U)],
    );
    for (target, value) in [
        ("tool", "t"),
        ("resource", "file:src/a.rs"),
        ("resource.kind", "file"),
        ("resource.value", "src/a.rs"),
        ("agent", "agent:codex-prod"),
        ("owner", "user:owner@example.com"),
        ("tenant", "org:example"),
        ("runtime", "runtime:codex-cli"),
        ("task", "AXT-418"),
    ] {
        check(
            &format!("{{ path = \"PATH\", same_as = \"{target}\" }}"),
            &[(&json!(value), T), (&json!("other"), F), (&json!(1), U)],
        );
    }
    for target in ["server", "definitionHash"] {
        check(
            &format!("{{ path = \"PATH\", same_as = \"{target}\" }}"),
            &[(&json!("x"), U)],
        );
    }
}

/// The four ends of a path, and what every kind of test comes to at each.
#[test]
fn a_path_ends_in_one_of_four_ways() {
    let none = BoundFacts::none();
    for (payload, end) in [
        (json!({ "a": { "force": true } }), "found"),
        (json!({ "a": { "force": null } }), "found"),
        // The exact name wins over a folded twin.
        (json!({ "a": { "force": true, "Force": false } }), "found"),
        (json!({ "a": {} }), "absent"),
        (json!({}), "absent"),
        (json!({ "a": { "forced": true } }), "absent"),
        (json!({ "a": [{ "force": true }] }), "broken"),
        (json!({ "a": "--force" }), "broken"),
        (json!({ "a": null }), "broken"),
        (json!({ "a": 1 }), "broken"),
        (json!([{ "a": { "force": true } }]), "broken"),
        (json!("--force"), "broken"),
        (json!({ "a": { "Force": true } }), "folded"),
        (json!({ "a": { "FORCE": null } }), "folded"),
        (json!({ "A": { "force": true } }), "folded"),
        (json!({ "A": {} }), "folded"),
        (json!({ "a": { "forc\u{0445}": 1, "\u{ff26}orce": 1 } }), "absent"),
    ] {
        let action = bind(&document("t", "r:x", payload.clone()));
        let ask = |test: &str| truth(&format!("{{ path = \"payload.a.force\", {test} }}"), &action, &none);
        let (there, absent) = match end {
            "found" => (T, F),
            "absent" => (F, T),
            _ => (U, U),
        };
        assert_eq!(
            (ask("exists = true"), ask("exists = false")),
            (there, absent),
            "{payload}"
        );
        if end != "found" {
            for test in [
                "equals = true",
                "one_of = [true, \"x\"]",
                "at_most = 1",
                "glob = \"**\"",
                "path_glob = \"**\"",
                "same_as = \"tool\"",
                "min_length = 0",
                "max_length = 9",
            ] {
                assert_eq!(ask(test), U, "{test} {payload}");
            }
        }
        // With another test, only an absent member is a definite no: the recipe "no-force".
        let recipe = ask("exists = true, one_of = [true]");
        let expected = match end {
            "absent" => F,
            "found" if payload["a"]["force"] == json!(true) => T,
            _ => U,
        };
        assert_eq!(recipe, expected, "{payload}");
    }
    // Folding is that of admission: more than upper and lower case.
    for (name, twin) in [
        ("kind", "\u{212a}ind"),
        ("files", "file\u{17f}"),
        ("strasse", "Stra\u{df}e"),
        ("Id", "\u{131}d"),
    ] {
        let condition = format!("{{ path = \"payload.{name}\", exists = false }}");
        let action = bind(&document("t", "r:x", json!({ twin: 1 })));
        assert_eq!(truth(&condition, &action, &none), U, "{twin}");
        assert_eq!(
            truth(
                &condition.replace("payload", "fact"),
                &action,
                &facts(&json!({ twin: 1 }))
            ),
            U,
            "{twin}"
        );
        let both = bind(&document("t", "r:x", json!({ twin: 1, name: 2 })));
        assert_eq!(truth(&condition, &both, &none), F, "{twin}");
    }
    // What `same_as` compares with ends in the same four ways.
    for (payload, expected) in [
        (json!({ "v": "x", "twin": "x" }), T),
        (json!({ "v": "x", "Twin": "x" }), U),
        (json!({ "v": "x" }), U),
        (json!({ "v": "x", "twin": ["x"] }), U),
    ] {
        let action = bind(&document("t", "r:x", payload.clone()));
        let found = truth("{ path = \"payload.v\", same_as = \"payload.twin\" }", &action, &none);
        assert_eq!(found, expected, "{payload}");
    }
}

#[test]
fn lengths() {
    check(
        "{ path = \"PATH\", max_length = 2 }",
        &[
            (&json!([1, 2]), T),
            (&json!([]), T),
            (&json!("éé"), T),
            (&json!([1, 2, 3]), F),
            (&json!("abc"), F),
            (&json!({}), U),
            (&json!(1), U),
            (&json!(null), U),
        ],
    );
    check(
        "{ path = \"PATH\", min_length = 1 }",
        &[
            (&json!([1]), T),
            (&json!("a"), T),
            (&json!([]), F),
            (&json!(""), F),
            (&json!(5), U),
        ],
    );
}

#[test]
fn any_and_every() {
    check(
        "{ path = \"PATH[].p\", any = { equals = 1 } }",
        &[
            (&json!([{ "p": 1 }]), T),
            (&json!([{ "p": 2 }, { "p": 1 }]), T),
            (&json!([{}, { "p": 1 }]), T),
            (&json!([{ "p": 2 }]), F),
            (&json!([]), F),
            (&json!([{ "p": 2 }, {}]), U),
            (&json!([{ "p": "1" }]), U),
            (&json!([1]), U),
            (&json!({ "p": 1 }), U),
            (&json!("x"), U),
        ],
    );
    check(
        "{ path = \"PATH[].p\", every = { equals = 1 } }",
        &[
            (&json!([{ "p": 1 }]), T),
            (&json!([{ "p": 1 }, { "p": 1 }]), T),
            (&json!([{ "p": 1 }, { "p": 2 }]), F),
            (&json!([{}, { "p": 2 }]), F),
            (&json!([]), U),
            (&json!([{ "p": 1 }, {}]), U),
            (&json!([{ "p": 1 }, { "p": "1" }]), U),
            (&json!({ "p": 1 }), U),
            (&json!(null), U),
        ],
    );
    check(
        "{ path = \"PATH[]\", every = { one_of = [\"a\", \"b\"] } }",
        &[
            (&json!(["a", "b", "a"]), T),
            (&json!(["a", "c"]), F),
            (&json!(["a", 1]), U),
        ],
    );
    // All tests hold of the same element.
    check(
        "{ path = \"PATH[]\", any = { greater_than = 1, less_than = 3 } }",
        &[(&json!([0, 2, 5]), T), (&json!([0, 5]), F), (&json!([0, "2"]), U)],
    );
    check(
        "{ path = \"PATH[].p\", every = { exists = false } }",
        &[
            (&json!([{}, { "q": 1 }]), T),
            (&json!([{}, { "p": 1 }]), F),
            (&json!([{}, { "P": 1 }]), U),
            (&json!([{}, [{ "p": 1 }]]), U),
            (&json!([]), U),
            (&json!(1), U),
        ],
    );
}

#[test]
fn nested_arrays_nest_the_quantifier() {
    check(
        "{ path = \"PATH[][]\", every = { equals = 1 } }",
        &[
            (&json!([[1], [1, 1]]), T),
            (&json!([[1], [2]]), F),
            (&json!([[1], []]), U),
            (&json!([[], [2]]), F),
            (&json!([[1], 1]), U),
            (&json!([]), U),
        ],
    );
    check(
        "{ path = \"PATH[].a[].b\", any = { equals = 1 } }",
        &[
            (&json!([{ "a": [] }, { "a": [{ "b": 2 }, { "b": 1 }] }]), T),
            (&json!([{ "a": [] }, { "a": [{ "b": 2 }] }]), F),
            (&json!([{ "a": [{ "b": 2 }] }, {}]), U),
            (&json!([]), F),
        ],
    );
}

#[test]
fn conditions_on_the_action_itself() {
    let mut document = document("mcp/docs/search", "file:src/../x", json!("just text"));
    let none = BoundFacts::none();
    let without = bind(&document);
    for (condition, expected) in [
        ("{ path = \"resource.value\", path_glob = \"src/**\" }", U),
        ("{ path = \"resource.value\", glob = \"src/**\" }", T),
        ("{ path = \"resource.kind\", equals = \"file\" }", T),
        ("{ path = \"task\", glob = \"AXT-*\" }", T),
        ("{ path = \"owner\", one_of = [\"user:a\", \"user:b\"] }", F),
        ("{ path = \"server\", equals = \"mcp://docs\" }", U),
        ("{ path = \"definitionHash\", exists = true }", F),
        ("{ path = \"payload\", equals = \"just text\" }", T),
        ("{ path = \"payload\", max_length = 3 }", F),
        ("{ path = \"payload.a\", equals = 1 }", U),
    ] {
        assert_eq!(truth(condition, &without, &none), expected, "{condition}");
    }
    let hash = format!("sha256:{}", "0".repeat(64));
    document["toolDefinition"] = json!({ "server": "mcp://docs", "definitionHash": hash });
    let with = bind(&document);
    for (condition, expected) in [
        ("{ path = \"server\", equals = \"mcp://docs\" }".to_owned(), T),
        ("{ path = \"definitionHash\", exists = true }".to_owned(), T),
        (format!("{{ path = \"definitionHash\", one_of = [\"{hash}\"] }}"), T),
        (
            format!("{{ path = \"definitionHash\", equals = \"{}1\" }}", &hash[..70]),
            F,
        ),
    ] {
        assert_eq!(truth(&condition, &with, &none), expected, "{condition}");
    }
}

#[test]
fn quoted_names_reach_any_member() {
    let action = bind(&document("t", "r:x", json!({ "a.b": { "c[]": 1, "\"": 2 } })));
    assert_eq!(
        truth(
            r#"{ path = 'payload."a.b"."c[]"', equals = 1 }"#,
            &action,
            &BoundFacts::none()
        ),
        T
    );
    assert_eq!(
        truth(
            r#"{ path = 'payload."a.b"."\""', equals = 3 }"#,
            &action,
            &BoundFacts::none()
        ),
        F
    );
    // Names that are written with an escape fold as others do, at any depth and in facts.
    let odd = json!({ "A\"": 1, "o": { "A\"": 1, "\\B": 1 } });
    let (action, facts) = (bind(&document("t", "r:x", odd.clone())), facts(&odd));
    for name in [r#""a\"""#, r#"o."a\"""#, r#"o."\\b""#] {
        for root in ["payload", "fact"] {
            let condition = format!("{{ path = '{root}.{name}', exists = false }}");
            assert_eq!(truth(&condition, &action, &facts), U, "{condition}");
        }
    }
}

#[test]
fn a_definite_false_settles_and_unknown_counts_against_the_action() {
    let action = bind(&document("t", "r:x", json!({ "yes": true, "no": false })));
    let condition = |path: &str| format!("{{ path = \"payload.{path}\", equals = true }}");
    for (list, holds, settled) in [
        (vec!["yes"], true, true),
        (vec!["no"], false, true),
        (vec!["absent"], false, false),
        (vec!["yes", "absent"], false, false),
        (vec!["absent", "no"], false, true),
        (vec!["no", "absent"], false, true),
        (vec!["yes", "yes"], true, true),
    ] {
        let list: Vec<String> = list.into_iter().map(condition).collect();
        let list = list.join(", ");
        let open = "[[rule]]\nid = \"open\"\neffect = \"allow\"\ntool = \"**\"\n";
        let rule = |effect: &str, key: &str| {
            format!("[[rule]]\nid = \"r\"\neffect = \"{effect}\"\ntool = \"**\"\n{key} = [{list}]\n")
        };
        let allows = |text: &str| decide(&policy(text), &action) == Allow;
        assert_eq!(allows(&rule("allow", "when")), holds, "allow when {list}");
        assert_eq!(
            allows(&rule("allow", "unless")),
            !holds && settled,
            "allow unless {list}"
        );
        for effect in ["deny", "step_up"] {
            assert_eq!(
                allows(&format!("{open}{}", rule(effect, "when"))),
                !holds && settled,
                "{effect} when {list}"
            );
            assert_eq!(
                allows(&format!("{open}{}", rule(effect, "unless"))),
                holds,
                "{effect} unless {list}"
            );
        }
    }
}

#[test]
fn context_tightens() {
    let text = "[[rule]]\nid = \"open\"\neffect = \"allow\"\ntool = \"**\"\n[[rule]]\nid = \"risky\"\neffect = \"step_up\"\ntool = \"**\"\n\
                when = [{ path = \"context.risk\", exists = true, one_of = [\"high\"] }]";
    let with = |context: Value| {
        let mut document = document("t", "r:x", json!({}));
        document["context"] = context;
        decide(&policy(text), &bind(&document))
    };
    assert_eq!(decide(&policy(text), &bind(&document("t", "r:x", json!({})))), Allow);
    assert_eq!(with(json!({ "risk": "low" })), Allow);
    assert_eq!(with(json!({ "risk": "high" })), actionpass_model::Decision::StepUp);
    assert_eq!(with(json!({ "risk": 9 })), actionpass_model::Decision::StepUp);
}

#[test]
fn source_and_age_of_facts() {
    let action = bind(&document("t", "r:x", json!({})));
    let judged = |condition: &str, facts: &BoundFacts, at: Option<&str>| {
        let rule = policy(&format!(
            "[[rule]]\nid = \"r\"\neffect = \"deny\"\ntool = \"**\"\nwhen = [{condition}]"
        ));
        let input = PolicyInput::new(&action, facts, &[]);
        let input = at.map_or(input, |at| input.at(Timestamp::parse(at).unwrap()));
        rule.explain(&input).rules[0].when[0].truth
    };
    // The facts are of 01:02:03.000.
    let some = facts(&json!({}));
    for (condition, at, expected) in [
        (
            "{ path = \"facts.age\", at_most = 60 }",
            Some("2026-11-23T01:03:03.000Z"),
            T,
        ),
        // Rounded up: what is a millisecond older than a minute is older than a minute.
        (
            "{ path = \"facts.age\", at_most = 60 }",
            Some("2026-11-23T01:03:03.001Z"),
            F,
        ),
        (
            "{ path = \"facts.age\", equals = 0 }",
            Some("2026-11-23T01:02:03.000Z"),
            T,
        ),
        (
            "{ path = \"facts.age\", equals = 0 }",
            Some("2026-11-23T01:02:02.000Z"),
            T,
        ),
        ("{ path = \"facts.age\", at_most = 60 }", None, U),
        ("{ path = \"facts.age\", exists = true }", None, F),
        ("{ path = \"facts.source\", equals = \"test\" }", None, T),
        ("{ path = \"facts.source\", one_of = [\"ci\", \"tests\"] }", None, F),
    ] {
        assert_eq!(judged(condition, &some, at), expected, "{condition} {at:?}");
    }
    let at = Some("2026-11-23T01:02:03.000Z");
    for condition in [
        "{ path = \"facts.age\", at_most = 60 }",
        "{ path = \"facts.source\", equals = \"test\" }",
    ] {
        assert_eq!(judged(condition, &BoundFacts::none(), at), U, "{condition}");
    }
}

#[test]
fn closed_objects() {
    check(
        "{ path = \"PATH\", members = [\"channel\", \"text\"] }",
        &[
            (&json!({ "channel": "a", "text": "b" }), T),
            (&json!({ "text": null }), T),
            (&json!({}), T),
            (&json!({ "channel": "a", "text": "b", "blocks": [] }), F),
            (&json!({ "channel": "a", "Text": "b" }), F),
            (&json!({ "channel": "a", "text": "b", "TEXT": "c" }), F),
            (&json!({ "te\u{445}t": 1 }), F),
            (&json!([{ "text": "b" }]), U),
            (&json!("text"), U),
            (&json!(null), U),
        ],
    );
    // At any depth.
    check(
        "{ path = \"PATH.files[]\", every = { members = [\"path\", \"content\"] } }",
        &[
            (
                &json!({ "files": [{ "path": "a" }, { "path": "b", "content": "" }] }),
                T,
            ),
            (
                &json!({ "files": [{ "path": "a" }, { "path": "b", "mode": "0777" }] }),
                F,
            ),
            (&json!({ "files": [{ "path": "a" }, "b"] }), U),
            (&json!({ "files": [] }), U),
        ],
    );
    let action = |payload| bind(&document("t", "r:x", payload));
    let closed = "{ path = \"payload\", members = [\"v\"] }";
    assert_eq!(truth(closed, &action(json!({ "v": 1 })), &BoundFacts::none()), T);
    assert_eq!(
        truth(closed, &action(json!({ "v": 1, "w": 1 })), &BoundFacts::none()),
        F
    );
    assert_eq!(truth(closed, &action(json!(["v"])), &BoundFacts::none()), U);
}

#[test]
fn members_and_trees() {
    check(
        "{ path = \"PATH.*\", every = { max_length = 2 } }",
        &[
            (&json!({ "a": "x", "b": [1, 2] }), T),
            (&json!({ "a": "x", "b": "xyz" }), F),
            (&json!({ "a": "x", "b": {} }), U),
            (&json!({}), U),
            (&json!(["x"]), U),
        ],
    );
    check(
        "{ path = \"PATH.*.p\", any = { equals = 1 } }",
        &[
            (&json!({ "a": {}, "b": { "p": 1 } }), T),
            (&json!({ "a": { "p": 2 } }), F),
            (&json!({ "a": { "P": 1 } }), U),
            (&json!({}), F),
        ],
    );
    // Anything with .env: a value or a name, at any depth; what is no text has none.
    check(
        "{ path = \"PATH.**\", any = { glob = \"**.env**\" } }",
        &[
            (
                &json!({ "files": [{ "path": "a/.env", "size": 3 }], "draft": false }),
                T,
            ),
            (&json!([[[".env.local"]]]), T),
            (&json!({ "a/.env": { "mode": null } }), T),
            (&json!(".env"), T),
            (&json!({ "files": [{ "path": "a/env", "size": 3 }], "draft": null }), F),
            (&json!({}), F),
            (&json!(3), F),
        ],
    );
    check(
        "{ path = \"PATH.**\", any = { path_glob_nocase = \"**/.env*\" } }",
        &[
            (&json!({ "path": "a/.ENV" }), T),
            (&json!({ "path": "a" }), F),
            // No plain path.
            (&json!({ "path": "a/.env::$DATA" }), U),
            (&json!({ "path": ["a", 1, "../.env"] }), U),
            (&json!({ "a/../b": null }), U),
            (&json!([1, null, true]), F),
        ],
    );
    check(
        "{ path = \"PATH.**\", every = { max_length = 4 } }",
        &[
            (&json!({ "a": ["b", { "c": "abcd" }] }), T),
            (&json!({ "a": ["b", { "c": "abcde" }] }), F),
            (&json!({ "a": ["b", { "abcde": "c" }] }), F),
            // Not everything is a text, so it can't be said of everything.
            (&json!({ "a": ["b", 1] }), U),
            (&json!({}), U),
        ],
    );
    // There is nothing to compare with, so nothing can be said.
    let action = bind(&document("t", "r:x", json!({ "v": { "a": "x" }, "w": ["x"] })));
    let condition = "{ path = \"payload.v.**\", any = { same_as = \"payload.w\" } }";
    assert_eq!(truth(condition, &action, &BoundFacts::none()), U);
}

#[test]
fn decimal_texts() {
    for (test, cases) in [
        (
            "at_most = 5000.01, decimal = true",
            [
                ("5000.01", T),
                ("5000.010", T),
                ("5000.0100000000000000000001", F),
                ("-1", T),
                ("1e3", U),
                ("05", U),
            ],
        ),
        (
            "at_least = 1, decimal = true",
            [
                ("1", T),
                ("1.0", T),
                ("0.99999999999999999999999", F),
                ("1,5", U),
                ("", U),
                (" 1", U),
            ],
        ),
        (
            "greater_than = 9007199254740991, decimal = true",
            [
                ("9007199254740992", T),
                ("9007199254740991.5", T),
                ("9007199254740991", F),
                ("-9007199254740992", F),
                ("+9007199254740992", U),
                ("0x1", U),
            ],
        ),
        (
            "equals = 0.1, decimal = true",
            [
                ("0.1", T),
                ("0.10", T),
                ("0.1000000000000000055511151231257827", F),
                ("0.2", F),
                (".1", U),
                ("0.1.0", U),
            ],
        ),
    ] {
        let condition = format!("{{ path = \"PATH\", {test} }}");
        for (text, expected) in cases {
            check(&condition, &[(&json!(text), expected)]);
        }
        check(&condition, &[(&json!(true), U), (&json!(["1"]), U), (&json!(null), U)]);
    }
    // Numbers are numbers still.
    check(
        "{ path = \"PATH\", at_most = 2, at_least = 1, decimal = true }",
        &[(&json!(1.5), T), (&json!("1.5"), T), (&json!(3), F), (&json!("3"), F)],
    );
    // Equal is neither more nor less, of texts and of numbers.
    check(
        "{ path = \"PATH\", equals = 2, decimal = true }",
        &[
            (&json!("2.0"), T),
            (&json!("1.99"), F),
            (&json!("2.01"), F),
            (&json!(2), T),
            (&json!(1.99), F),
            (&json!(2.01), F),
        ],
    );
    // What can't be read is unknown everywhere, in a tree as well: readers differ about it. Only what is neither text nor
    // number is not what `any` looks for there.
    for text in [
        "1e6",
        "+5000",
        "05000",
        " 5000",
        "1,000,000",
        "5000 ",
        ".5",
        "0x1388",
        "",
    ] {
        for (path, quantifier, value) in [
            ("PATH", "", json!(text)),
            ("PATH[]", "any = ", json!(["1", text])),
            ("PATH[]", "every = ", json!(["5000", text])),
            ("PATH.*", "any = ", json!({ "1": text })),
            ("PATH.**", "any = ", json!({ "1": ["2", text, null] })),
            ("PATH.**", "any = ", json!({ "1": { (text): true } })),
            ("PATH.**", "every = ", json!({ "5000": [5000, text] })),
        ] {
            for test in ["at_least = 5000", "greater_than = 4999", "equals = 5000"] {
                let test = format!("{test}, decimal = true");
                let test = if quantifier.is_empty() {
                    test
                } else {
                    format!("{quantifier}{{ {test} }}")
                };
                check(&format!("{{ path = \"{path}\", {test} }}"), &[(&value, U)]);
            }
        }
    }
    check(
        "{ path = \"PATH.**\", any = { at_least = 5000, decimal = true } }",
        &[
            (&json!({ "1": ["2", 3, null, true] }), F),
            (&json!({ "1": ["2", "5000.0"] }), T),
            (&json!({ "1": ["1e6", 6000] }), T),
            (&json!([null, false, {}]), F),
        ],
    );
    // Without it, text is no number.
    check(
        "{ path = \"PATH\", at_most = 2, decimal = false }",
        &[(&json!(1.5), T), (&json!("1.5"), U)],
    );
}

#[test]
fn whole_numbers() {
    check(
        "{ path = \"PATH\", integer = true }",
        &[
            (&json!(3), T),
            (&json!(-2.0), T),
            (&json!(1e22), T),
            (&json!(0.01), F),
            (&json!(4999.999), F),
            (&json!("3"), U),
            (&json!(true), U),
            (&json!(null), U),
            (&json!([3]), U),
        ],
    );
    check(
        "{ path = \"PATH\", at_least = 1, integer = true, decimal = true }",
        &[
            (&json!("3"), T),
            (&json!("3.00"), T),
            (&json!("3.01"), F),
            (&json!("3e2"), U),
            (&json!(3), T),
            (&json!(3.5), F),
            (&json!(0), F),
        ],
    );
    check(
        "{ path = \"PATH.**\", any = { integer = true } }",
        &[
            (&json!(["a", 1.5, 2]), T),
            (&json!(["a", 1.5, null]), F),
            (&json!({ "a": "2" }), F),
        ],
    );
    check(
        "{ path = \"PATH.**\", any = { integer = true, decimal = true } }",
        &[
            (&json!(["1.5", "2"]), T),
            (&json!(["1.5", "2,0"]), U),
            (&json!([1.5, null]), F),
        ],
    );
    // `false` asks nothing.
    check(
        "{ path = \"PATH\", integer = false, at_most = 2 }",
        &[(&json!(1.5), T), (&json!(3), F)],
    );
}

#[test]
fn globs_without_case() {
    check(
        "{ path = \"PATH\", glob_nocase = [\"**@Here**\", \"**private KEY**\"] }",
        &[
            (&json!("now @HERE"), T),
            (&json!("@here"), T),
            (&json!("-----begin Private Key-----"), T),
            // What folds to the same letters, as member names do.
            (&json!("PR\u{131}VATE KEY"), T),
            (&json!("privat\u{ff45} key"), F),
            (&json!("@there"), F),
            (&json!(""), F),
            (&json!(1), U),
            (&json!(["@here"]), U),
        ],
    );
}

#[test]
fn texts_that_are_put_together() {
    let none = BoundFacts::none();
    for (owner, repo, expected) in [
        (json!("company"), json!("web"), T),
        (json!("company"), json!("web-app"), F),
        (json!(""), json!("web"), F),
        // Another pair whose text would be the same one.
        (json!("company/web"), json!(""), U),
        (json!("a/b"), json!("c"), U),
        (json!(1), json!("web"), U),
        (json!(["company"]), json!("web"), U),
        (json!(null), json!("web"), U),
    ] {
        let action = bind(&document(
            "t",
            "repo:company/web",
            json!({ "owner": owner, "repo": repo, "v": "company/web" }),
        ));
        for (path, template) in [
            ("resource.value", "{payload.owner}/{payload.repo}"),
            ("payload.v", "{payload.owner}/{payload.repo}"),
            ("resource", "repo:{payload.owner}/{payload.repo}"),
        ] {
            let condition = format!("{{ path = \"{path}\", same_as = \"{template}\" }}");
            assert_eq!(
                truth(&condition, &action, &none),
                expected,
                "{condition} {owner} {repo}"
            );
        }
    }
    let action = bind(&document(
        "t",
        "repo:company/web",
        json!({ "Owner": "company", "repo": "web" }),
    ));
    let condition = "{ path = \"resource.value\", same_as = \"{payload.owner}/{payload.repo}\" }";
    assert_eq!(truth(condition, &action, &none), U);
    // Every text between two parts is kept apart, not only the first; a part that is missing is not empty.
    for (payload, expected) in [
        (json!({ "a": "x", "b": "y", "c": "z", "v": "x/y@z" }), T),
        (json!({ "a": "x", "b": "y", "c": "q", "v": "x/y@z" }), F),
        (json!({ "a": "x", "b": "y@z", "c": "w", "v": "x/y@z@w" }), U),
        (json!({ "a": "x", "b": "y/z", "c": "w", "v": "x/y/z@w" }), U),
        (json!({ "a": "x", "b": "y", "v": "x/y@" }), U),
        (json!({ "b": "y", "c": "z", "v": "/y@z" }), U),
    ] {
        let action = bind(&document("t", "repo:company", payload.clone()));
        let condition = "{ path = \"payload.v\", same_as = \"{payload.a}/{payload.b}@{payload.c}\" }";
        assert_eq!(truth(condition, &action, &none), expected, "{payload}");
    }
    // The resource's own parts may hold what stands between them nowhere else.
    let action = bind(&document("t", "repo:company", json!({ "v": "repo company" })));
    let condition = "{ path = \"payload.v\", same_as = \"{resource.kind} {resource.value}\" }";
    assert_eq!(truth(condition, &action, &none), T);
}
