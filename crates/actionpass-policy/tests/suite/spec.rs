//! `docs/spec/policy.md`: every example on the page is read, and every refusal has one.

use actionpass_policy::testing::PolicyTests;
use actionpass_policy::{PolicyCode, RulePolicy, decode};

const PAGE: &str = include_str!("../../../../docs/spec/policy.md");

const HEAD: &str = "schema = \"actionpass.policy.v1\"\nid = \"p\"\n";

/// The fenced blocks whose info string starts with `toml`: the rest of the info, and the text.
fn blocks() -> Vec<(&'static str, String)> {
    let mut blocks = Vec::new();
    let mut lines = PAGE.lines();
    while let Some(line) = lines.next() {
        if let Some(info) = line.strip_prefix("```toml ") {
            let text: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            blocks.push((info, text.join("\n") + "\n"));
        }
    }
    blocks
}

fn load(text: &str) {
    if let Err(error) = RulePolicy::load(text, "policy.md") {
        panic!("{error}\n{text}");
    }
}

#[test]
fn examples_load() {
    let mut seen = 0;
    for (info, text) in blocks() {
        match info {
            "policy" => load(&text),
            "rule" => load(&format!("{HEAD}{text}")),
            "condition" => {
                for condition in text.lines() {
                    load(&format!(
                        "{HEAD}[[rule]]\nid = \"r\"\neffect = \"allow\"\ntool = \"t\"\nwhen = [{condition}]\n"
                    ));
                }
            }
            "tests" => assert_eq!(PolicyTests::load(&text, "policy.md").unwrap().len(), 1),
            info => assert!(info.starts_with("refused "), "{info}"),
        }
        seen += 1;
    }
    assert!(seen > 30, "{seen} examples");
}

#[test]
fn refusals_have_their_code_and_place() {
    let mut seen = Vec::new();
    let mut wrong = Vec::new();
    for (info, text) in blocks() {
        let Some(expected) = info.strip_prefix("refused ") else {
            continue;
        };
        let error = match text.contains("actionpass.policy-tests.v1") {
            true => PolicyTests::load(&text, "policy.md").expect_err(&text),
            false => RulePolicy::load(&text, "policy.md").expect_err(&text),
        };
        let found = format!("{} {}:{}", error.code(), error.line(), error.column());
        if found != expected {
            wrong.push(format!("{found}, not {expected}: {error}"));
        }
        seen.push(error.code());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let too_large = RulePolicy::load(&"#".repeat((1 << 20) + 1), "policy.md").unwrap_err();
    seen.push(too_large.code());
    for bytes in [&b"\xff\xfei\0d\0"[..], b"id = \"\xe9\""] {
        seen.push(decode(bytes, "policy.md").unwrap_err().code());
    }
    for code in PolicyCode::ALL {
        assert!(seen.contains(code), "{code} has no example");
        assert!(PAGE.contains(&format!("`{code}`: ")), "{code} is not explained");
    }
}

/// A file as editors write it: UTF-8, UTF-16 in either order, something else, too much.
#[test]
fn files_in_another_encoding_have_their_code() {
    let text = format!("{HEAD}# \u{e9}\n");
    assert_eq!(RulePolicy::load_bytes(text.as_bytes(), "p").unwrap().rules().count(), 0);
    let utf16 = |mark: &str| format!("{mark}{text}").encode_utf16().collect::<Vec<_>>();
    let little: Vec<u8> = utf16("\u{feff}").iter().flat_map(|unit| unit.to_le_bytes()).collect();
    let big: Vec<u8> = utf16("\u{feff}").iter().flat_map(|unit| unit.to_be_bytes()).collect();
    let mut broken = text.clone().into_bytes();
    broken.push(0xC3);
    for (bytes, code, line, words) in [
        (little, PolicyCode::PolicyUtf16, 1, "UTF-16"),
        (big, PolicyCode::PolicyUtf16, 1, "UTF-16"),
        (broken, PolicyCode::PolicyNotUtf8, 4, "not UTF-8"),
        (vec![b'#'; (1 << 20) + 1], PolicyCode::PolicyTooLarge, 1, "larger"),
        // Cut in the middle of a character: it is the size that is wrong.
        (
            "\u{e9}".repeat(1 << 20).into_bytes(),
            PolicyCode::PolicyTooLarge,
            1,
            "larger",
        ),
        // Without a mark, every other byte of the start says so.
        (
            utf16("").iter().flat_map(|unit| unit.to_le_bytes()).collect(),
            PolicyCode::PolicyUtf16,
            1,
            "UTF-16LE",
        ),
    ] {
        let error = RulePolicy::load_bytes(&bytes, "p").unwrap_err();
        assert_eq!((error.code(), error.line()), (code, line), "{error}");
        assert!(error.message().contains(words), "{error}");
    }
}

#[test]
fn more_that_is_refused() {
    use PolicyCode::*;
    let rule = |text: &str| format!("{HEAD}[[rule]]\nid = \"r\"\neffect = \"EFFECT\"\ntool = \"t\"\n{text}\n");
    for (effect, text, code) in [
        ("allow", "when = []", PolicyListEmpty),
        ("allow", "unless = []", PolicyListEmpty),
        ("allow", "resource = []", PolicyListEmpty),
        (
            "allow",
            "when = { path = \"payload.a\", equals = 1 }",
            PolicyTypeMismatch,
        ),
        ("allow", "when = [\"payload.a\"]", PolicyTypeMismatch),
        ("allow", "when = [{ path = 1, equals = 1 }]", PolicyTypeMismatch),
        ("allow", "when = [{ equals = 1 }]", PolicyKeyMissing),
        (
            "allow",
            "when = [{ path = \"payload.a\", equal = 1 }]",
            PolicyKeyUnknown,
        ),
        (
            "allow",
            "when = [{ path = \"payload.a[]\", any = { equal = 1 } }]",
            PolicyKeyUnknown,
        ),
        (
            "allow",
            "when = [{ path = \"payload.a[]\", any = { path = \"payload.b\", equals = 1 } }]",
            PolicyKeyUnknown,
        ),
        (
            "allow",
            "when = [{ path = \"payload.a[]\", any = {} }]",
            PolicyConditionEmpty,
        ),
        (
            "allow",
            "when = [{ path = \"payload.a[]\", any = { equals = 1 }, every = { equals = 1 } }]",
            PolicyQuantifierMisplaced,
        ),
        (
            "allow",
            "when = [{ path = \"payload.a[]\", any = { equals = 1 }, equals = 1 }]",
            PolicyQuantifierMisplaced,
        ),
        (
            "allow",
            "when = [{ path = \"payload.a\", same_as = \"payload.b[]\" }]",
            PolicyQuantifierMisplaced,
        ),
        (
            "allow",
            "when = [{ path = \"payload.a\", same_as = \"context.b\" }]",
            ContextInAllow,
        ),
        (
            "allow",
            "unless = [{ path = \"context.a\", equals = 1 }]",
            ContextInAllow,
        ),
        (
            "deny",
            "unless = [{ path = \"payload.a\", same_as = \"context.b\" }]",
            ContextInUnless,
        ),
        (
            "allow",
            "when = [{ path = \"payload.a\", same_as = \"elsewhere.b\" }]",
            PolicyPathInvalid,
        ),
        (
            "allow",
            "when = [{ path = \"payload.a\", same_as = \"payload.a\" }]",
            PolicyConditionImpossible,
        ),
        (
            "allow",
            "when = [{ path = \"payload.a\", equals = [1] }]",
            PolicyTypeMismatch,
        ),
        (
            "allow",
            "when = [{ path = \"payload.a\", equals = 2026-01-01 }]",
            PolicyTypeMismatch,
        ),
        (
            "allow",
            "when = [{ path = \"payload.a\", equals = nan }]",
            PolicyNumberInexact,
        ),
        (
            "allow",
            "when = [{ path = \"payload.a\", at_most = inf }]",
            PolicyNumberInexact,
        ),
        (
            "allow",
            "when = [{ path = \"payload.a\", at_most = 0.10000000000000001 }]",
            PolicyNumberInexact,
        ),
        (
            "allow",
            "when = [{ path = \"payload.a\", at_most = true }]",
            PolicyTypeMismatch,
        ),
        (
            "allow",
            "when = [{ path = \"payload.a\", one_of = 1 }]",
            PolicyTypeMismatch,
        ),
        (
            "allow",
            "when = [{ path = \"payload.a\", exists = \"yes\" }]",
            PolicyTypeMismatch,
        ),
        (
            "allow",
            "when = [{ path = \"payload.a\", max_length = -1 }]",
            PolicyValueInvalid,
        ),
        (
            "allow",
            "when = [{ path = \"payload.a\", max_length = 1.0 }]",
            PolicyTypeMismatch,
        ),
        (
            "allow",
            "when = [{ path = \"payload.a\", min_length = 3, max_length = 2 }]",
            PolicyConditionImpossible,
        ),
        (
            "allow",
            "when = [{ path = \"payload.a\", greater_than = 3, less_than = 3.0 }]",
            PolicyConditionImpossible,
        ),
        (
            "allow",
            "when = [{ path = \"payload.a\", greater_than = 3, at_most = 3 }]",
            PolicyConditionImpossible,
        ),
        (
            "allow",
            "when = [{ path = \"payload.a\", equals = \"a\", glob = \"b*\" }]",
            PolicyConditionImpossible,
        ),
        (
            "allow",
            "when = [{ path = \"payload.a\", equals = \"a\", at_least = 1 }]",
            PolicyConditionImpossible,
        ),
        (
            "allow",
            "when = [{ path = \"payload.a\", equals = \"a/../b\", path_glob = \"**\" }]",
            PolicyConditionImpossible,
        ),
        (
            "allow",
            "when = [{ path = \"payload.a\", one_of = [1, 2], at_least = 3 }]",
            PolicyConditionImpossible,
        ),
        (
            "allow",
            "when = [{ path = \"payload.a\", greater_than = 1, less_than = 2, integer = true }]",
            PolicyConditionImpossible,
        ),
        (
            "allow",
            "when = [{ path = \"payload.a\", at_least = 1.2, at_most = 1.8, integer = true }]",
            PolicyConditionImpossible,
        ),
        (
            "allow",
            "when = [{ path = \"payload.a\", one_of = [1.5, \"2\"], integer = true }]",
            PolicyConditionImpossible,
        ),
        (
            "allow",
            "when = [{ path = \"tool\", integer = true }]",
            PolicyConditionImpossible,
        ),
        (
            "allow",
            "when = [{ path = \"facts.age\", integer = true }]",
            PolicyConditionImpossible,
        ),
        (
            "allow",
            "when = [{ path = \"payload.a\", integer = false }]",
            PolicyConditionEmpty,
        ),
        (
            "allow",
            "when = [{ path = \"payload.a\", same_as = \"{payload.a}\" }]",
            PolicyConditionImpossible,
        ),
        (
            "deny",
            "resource = \"file:src/**\"\nwhen = [{ path = \"resource.kind\", equals = \"repo\" }]",
            PolicyConditionImpossible,
        ),
        (
            "deny",
            "resource = [\"file:src/*\", \"repo:a\"]\nwhen = [{ path = \"resource.value\", one_of = [\"docs/a\", \"b\"] }]",
            PolicyConditionImpossible,
        ),
        (
            "deny",
            "resource = \"file:src/*\"\nwhen = [{ path = \"resource.value\", glob = \"docs/**\" }]",
            PolicyConditionImpossible,
        ),
        (
            "deny",
            "when = [{ path = \"agent\", glob_nocase = \"user:**\" }]",
            PolicyGlobMatchesNothing,
        ),
        (
            "allow",
            "when = [{ path = \"payload.a\", exists = false, equals = 1 }]",
            PolicyConditionImpossible,
        ),
        (
            "allow",
            "when = [{ path = \"tool\", equals = 1 }]",
            PolicyConditionImpossible,
        ),
        (
            "allow",
            "when = [{ path = \"owner\", at_least = 1 }]",
            PolicyConditionImpossible,
        ),
        (
            "allow",
            "when = [{ path = \"owner\", exists = true }]",
            PolicyConditionImpossible,
        ),
        (
            "allow",
            "when = [{ path = \"tool[]\", any = { equals = \"t\" } }]",
            PolicyPathInvalid,
        ),
        (
            "allow",
            "when = [{ path = \"payload.a\", glob = 1 }]",
            PolicyTypeMismatch,
        ),
        (
            "allow",
            "when = [{ path = \"payload.a\", glob = \"a?\" }]",
            PolicyGlobInvalid,
        ),
        (
            "allow",
            "when = [{ path = \"payload.a\", path_glob = \"../x\" }]",
            PolicyGlobMatchesNothing,
        ),
        ("allow", "resource = \"web-app\"", PolicyGlobMatchesNothing),
        ("allow", "owner = \"owner@example.com\"", PolicyGlobMatchesNothing),
        ("allow", "tenant = \"user:*\"", PolicyGlobMatchesNothing),
        ("allow", "runtime = \"codex\"", PolicyGlobMatchesNothing),
        ("allow", "via = \"user:ann\"", PolicyGlobMatchesNothing),
        ("allow", "agent = \"agent:a b\"", PolicyGlobMatchesNothing),
        (
            "allow",
            "when = [{ path = \"payload.**\", equals = 1 }]",
            PolicyQuantifierMissing,
        ),
        (
            "allow",
            "when = [{ path = \"payload.*\", equals = 1 }]",
            PolicyQuantifierMissing,
        ),
        (
            "allow",
            "when = [{ path = \"payload.a\", same_as = \"payload.*\" }]",
            PolicyQuantifierMisplaced,
        ),
        (
            "allow",
            "when = [{ path = \"payload.a\", same_as = \"{payload.b[]}\" }]",
            PolicyQuantifierMisplaced,
        ),
        (
            "allow",
            "when = [{ path = \"payload.a\", same_as = \"{payload.b}{payload.c}\" }]",
            PolicyPathInvalid,
        ),
        (
            "allow",
            "when = [{ path = \"payload.a\", same_as = \"{payload.b}/{context.c}\" }]",
            ContextInAllow,
        ),
        (
            "deny",
            "unless = [{ path = \"payload.a\", same_as = \"{context.c}\" }]",
            ContextInUnless,
        ),
        (
            "deny",
            "when = [{ path = \"agent\", same_as = \"user:{payload.b}\" }]",
            PolicyConditionImpossible,
        ),
        (
            "deny",
            "when = [{ path = \"payload.**\", any = { exists = false } }]",
            PolicyConditionImpossible,
        ),
        (
            "deny",
            "when = [{ path = \"payload.a[]\", any = { exists = false } }]",
            PolicyConditionImpossible,
        ),
        (
            "deny",
            "when = [{ path = \"payload.*\", every = { exists = true } }]",
            PolicyConditionImpossible,
        ),
        (
            "deny",
            "when = [{ path = \"payload\", exists = false }]",
            PolicyConditionImpossible,
        ),
        (
            "deny",
            "when = [{ path = \"payload.**\", any = { members = [\"a\"] } }]",
            PolicyConditionImpossible,
        ),
        (
            "deny",
            "when = [{ path = \"tool\", members = [\"a\"] }]",
            PolicyConditionImpossible,
        ),
        (
            "deny",
            "when = [{ path = \"agent\", at_most = 1, decimal = true }]",
            PolicyConditionImpossible,
        ),
        (
            "deny",
            "when = [{ path = \"payload.a\", equals = 3, at_most = 2, decimal = true }]",
            PolicyConditionImpossible,
        ),
        (
            "deny",
            "when = [{ path = \"payload.a\", glob = \"x\", decimal = true }]",
            PolicyValueInvalid,
        ),
        (
            "deny",
            "when = [{ path = \"payload.a\", equals = \"1\", decimal = true }]",
            PolicyTypeMismatch,
        ),
        (
            "deny",
            "when = [{ path = \"payload.a\", at_most = 1, decimal = 1 }]",
            PolicyTypeMismatch,
        ),
        (
            "deny",
            "when = [{ path = \"payload.a\", decimal = true }]",
            PolicyValueInvalid,
        ),
        ("deny", "when = [{ path = \"payload\", members = [] }]", PolicyListEmpty),
        (
            "deny",
            "when = [{ path = \"payload\", members = \"a\" }]",
            PolicyTypeMismatch,
        ),
        (
            "deny",
            "when = [{ path = \"payload\", members = [1] }]",
            PolicyTypeMismatch,
        ),
        // What no call can have, whatever key it is asked with.
        ("deny", "resource = \"company/*\"", PolicyGlobMatchesNothing),
        ("deny", "resource = \"file:cafe\u{301}\"", PolicyGlobMatchesNothing),
        (
            "deny",
            "resource = [\"file:a\", \"file:a\u{200b}*\"]",
            PolicyGlobMatchesNothing,
        ),
        (
            "deny",
            "when = [{ path = \"resource\", glob = \"company/*\" }]",
            PolicyGlobMatchesNothing,
        ),
        (
            "deny",
            "when = [{ path = \"resource.kind\", glob = \"repo:*\" }]",
            PolicyGlobMatchesNothing,
        ),
        (
            "deny",
            "when = [{ path = \"agent\", path_glob = \"**\" }]",
            PolicyGlobMatchesNothing,
        ),
        (
            "deny",
            "unless = [{ path = \"agent\", glob = \"codex-*\" }]",
            PolicyGlobMatchesNothing,
        ),
        (
            "deny",
            "when = [{ path = \"payload.a\", path_glob = \"C:/**\" }]",
            PolicyGlobMatchesNothing,
        ),
        (
            "deny",
            "when = [{ path = \"payload.a\", path_glob_nocase = \"**/NUL\" }]",
            PolicyGlobMatchesNothing,
        ),
        (
            "deny",
            "when = [{ path = \"tenant\", one_of = [\"example\"] }]",
            PolicyConditionImpossible,
        ),
        (
            "deny",
            "when = [{ path = \"tenant\", one_of = [\"org:a\", \"b\"] }]",
            PolicyConditionImpossible,
        ),
        (
            "deny",
            "when = [{ path = \"resource.kind\", equals = \"repo:\" }]",
            PolicyConditionImpossible,
        ),
        (
            "deny",
            "when = [{ path = \"resource\", equals = \"repo\" }]",
            PolicyConditionImpossible,
        ),
        (
            "deny",
            "when = [{ path = \"task\", equals = \"two words\" }]",
            PolicyConditionImpossible,
        ),
        (
            "deny",
            "when = [{ path = \"definitionHash\", equals = \"sha256:00\" }]",
            PolicyConditionImpossible,
        ),
        (
            "deny",
            "when = [{ path = \"agent\", max_length = 6 }]",
            PolicyConditionImpossible,
        ),
        (
            "deny",
            "when = [{ path = \"tool\", min_length = 257 }]",
            PolicyConditionImpossible,
        ),
        (
            "deny",
            "when = [{ path = \"agent\", same_as = \"owner\" }]",
            PolicyConditionImpossible,
        ),
        (
            "deny",
            "when = [{ path = \"agent\", same_as = \"facts.age\" }]",
            PolicyConditionImpossible,
        ),
        (
            "deny",
            "when = [{ path = \"facts.age\", at_most = -1 }]",
            PolicyConditionImpossible,
        ),
        (
            "deny",
            "when = [{ path = \"facts.age\", less_than = 0 }]",
            PolicyConditionImpossible,
        ),
        (
            "deny",
            "when = [{ path = \"facts.age\", equals = 0.5 }]",
            PolicyConditionImpossible,
        ),
        (
            "deny",
            "when = [{ path = \"facts.age\", equals = \"1\" }]",
            PolicyConditionImpossible,
        ),
        (
            "deny",
            "when = [{ path = \"facts.source\", at_most = 1 }]",
            PolicyConditionImpossible,
        ),
        (
            "deny",
            "when = [{ path = \"tool\", equals = \"u\" }]",
            PolicyConditionImpossible,
        ),
        (
            "deny",
            "when = [{ path = \"tool\", glob = [\"u*\", \"*v\"] }]",
            PolicyConditionImpossible,
        ),
        (
            "deny",
            "when = [{ path = \"facts.age[]\", any = { equals = 1 } }]",
            PolicyPathInvalid,
        ),
        (
            "deny",
            "when = [{ path = \"facts.asOf\", exists = true }]",
            PolicyPathInvalid,
        ),
        ("allow", "overridable_by = [\"security\"]", PolicyKeyMisplaced),
        ("step_up", "overridable_by = [\"security\"]", PolicyKeyMisplaced),
        ("deny", "approvals = { count = 1 }", PolicyKeyMisplaced),
        ("deny", "lifetime = \"5m\"", PolicyKeyMisplaced),
        ("deny", "obligations = [{ id = \"a\" }]", PolicyKeyMisplaced),
        ("deny", "overridable_by = []", PolicyListEmpty),
        ("deny", "overridable_by = [\"a b\"]", PolicyValueInvalid),
        ("deny", "overridable_by = \"security\"", PolicyTypeMismatch),
        ("step_up", "approvals = { count = 0 }", PolicyValueInvalid),
        ("step_up", "approvals = { count = 9 }", PolicyValueInvalid),
        ("step_up", "approvals = { count = \"1\" }", PolicyTypeMismatch),
        ("step_up", "approvals = { roles = [] }", PolicyListEmpty),
        ("step_up", "approvals = { role = [\"a\"] }", PolicyKeyUnknown),
        ("step_up", "approvals = { not_owner = 1 }", PolicyTypeMismatch),
        ("allow", "lifetime = 5", PolicyTypeMismatch),
        ("allow", "lifetime = \"0s\"", PolicyValueInvalid),
        ("allow", "lifetime = \"61m\"", PolicyValueInvalid),
        ("allow", "lifetime = \"+5m\"", PolicyValueInvalid),
        ("allow", "lifetime = \"5\"", PolicyValueInvalid),
        ("allow", "lifetime = \"m\"", PolicyValueInvalid),
        ("allow", "lifetime = \"\"", PolicyValueInvalid),
        ("allow", "lifetime = \"5ms\"", PolicyValueInvalid),
        ("allow", "lifetime = \"5µ\"", PolicyValueInvalid),
        ("allow", "lifetime = \"99999999999999999999h\"", PolicyValueInvalid),
        ("allow", "obligations = []", PolicyListEmpty),
        ("allow", "obligations = [{ params = {} }]", PolicyKeyMissing),
        (
            "allow",
            "obligations = [{ id = \"a\", params = [] }]",
            PolicyTypeMismatch,
        ),
        (
            "allow",
            "obligations = [{ id = \"a\", params = { at = 2026-01-01 } }]",
            PolicyTypeMismatch,
        ),
        (
            "allow",
            "obligations = [{ id = \"a\", params = { n = 1e400 } }]",
            PolicyNumberInexact,
        ),
        ("allow", "reason = \"\"", PolicyValueInvalid),
        ("allow", "reason = \"a\\nb\"", PolicyValueInvalid),
        ("permit", "", PolicyValueInvalid),
    ] {
        let text = rule(text).replace("EFFECT", effect);
        let error = RulePolicy::load(&text, "test.toml").expect_err(&text);
        assert_eq!(error.code(), code, "{error}\n{text}");
        assert!(error.line() >= 3 && error.column() >= 1, "{error}");
    }
    for text in ["tool = \"_x\"", "tool = [\"t\", \"a b\"]", "tool = \"-*\""] {
        let text = format!("{HEAD}[[rule]]\nid = \"r\"\neffect = \"deny\"\n{text}\n");
        let error = RulePolicy::load(&text, "test.toml").expect_err(&text);
        assert_eq!(error.code(), PolicyGlobMatchesNothing, "{error}");
    }
    for (text, code) in [
        ("", PolicyKeyMissing),
        ("id = \"p\"", PolicyKeyMissing),
        ("schema = \"actionpass.policy.v1\"", PolicyKeyMissing),
        ("schema = 1", PolicyTypeMismatch),
        ("schema = \"actionpass.policy.v1\"\nid = \"a b\"", PolicyValueInvalid),
        (
            "schema = \"actionpass.policy.v1\"\nid = \"p\"\nrules = []",
            PolicyKeyUnknown,
        ),
        (
            "schema = \"actionpass.policy.v1\"\nid = \"p\"\nrule = 1",
            PolicyTypeMismatch,
        ),
        (
            "schema = \"actionpass.policy.v1\"\nid = \"p\"\nid = \"q\"",
            PolicySyntax,
        ),
        ("\u{0}", PolicySyntax),
    ] {
        assert_eq!(
            RulePolicy::load(text, "test.toml").unwrap_err().code(),
            code,
            "{text:?}"
        );
    }
}

mod hostile {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Malformed text of any kind yields a code, never a panic.
        #[test]
        fn g16_mutated_policies_load_or_have_a_code(cut in 0usize..9000, length in 0usize..40, with in "[\\PC\n]{0,12}") {
            let mut text: Vec<char> = actionpass_policy::STARTER_POLICY.chars().collect();
            let start = cut.min(text.len());
            let end = start.saturating_add(length).min(text.len());
            text.splice(start..end, with.chars());
            let text: String = text.into_iter().collect();
            if let Err(error) = RulePolicy::load(&text, "p") {
                prop_assert!(error.line() >= 1 && error.column() >= 1 && !error.message().contains('\n'), "{}", error);
            }
        }

        #[test]
        fn g16_any_text_has_a_code(text in "\\PC{0,200}") {
            let _ = RulePolicy::load(&text, "p");
            let _ = PolicyTests::load(&text, "p");
        }
    }
}

/// What a matcher leaves open is not refused.
#[test]
fn conditions_on_parts_of_a_resource_load() {
    for rule in [
        "resource = \"file:src/**\"\nwhen = [{ path = \"resource.kind\", equals = \"file\" }]",
        "resource = [\"file:src/*\", \"repo:a\"]\nwhen = [{ path = \"resource.value\", one_of = [\"src/b\", \"x\"] }]",
        "resource = \"file:**\"\nwhen = [{ path = \"resource.value\", glob = \"docs/**\" }]",
        // The wildcard may cover the colon.
        "resource = \"f**\"\nwhen = [{ path = \"resource.kind\", equals = \"file\" }]",
        "resource = \"f*:x\"\nwhen = [{ path = \"resource.value\", equals = \"y:x\" }]",
    ] {
        load(&format!(
            "{HEAD}[[rule]]\nid = \"r\"\neffect = \"deny\"\ntool = \"t\"\n{rule}\n"
        ));
    }
}
