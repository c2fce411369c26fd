//! The work of a decision is linear in what the agent sends, and has an end. Steps are counted, time is not taken.

use actionpass_canon::{BoundAction, BoundFacts, Limits};
use actionpass_model::Decision;
use actionpass_policy::{PolicyEngine, PolicyInput, RulePolicy};
use serde_json::{Map, Value, json};

use crate::world::{bind, document, facts, ids, judge, policy};

fn steps(policy: &RulePolicy, action: &BoundAction) -> u64 {
    policy.work(&PolicyInput::new(action, &BoundFacts::none(), &[]))
}

/// Every test, with a value for which it has to look at everything.
const TESTS: &[&str] = &[
    "equals = \"owner\"",
    "one_of = [\"owner\", \"b\", 1, true]",
    "less_than = 5",
    "at_most = 5",
    "greater_than = -5",
    "at_least = -5",
    "glob = [\"**a*b\", \"**owner\"]",
    "glob_nocase = [\"**A*b\", \"**Owner\"]",
    "integer = true",
    "integer = true, decimal = true",
    "path_glob = [\"**/a*b\", \"**/owner\"]",
    "path_glob_nocase = [\"**/A*b\", \"**/Owner\"]",
    "same_as = \"payload.target.owner\"",
    "same_as = \"payload.owner\"",
    "exists = true",
    "same_as = \"{payload.target.owner}/{payload.text}\"",
    "at_most = 5, decimal = true",
    "members = [\"owner\", \"target\"]",
    "min_length = 1",
    "max_length = 5000000",
];

/// Every shape of path, with the quantifier that it takes.
const PATHS: &[(&str, bool)] = &[
    ("payload.owner", false),
    ("payload.text", false),
    ("payload.absent", false),
    ("payload.target.owner", false),
    ("payload.target.absent", false),
    ("payload.items[].owner", true),
    ("payload.items[].absent", true),
    ("payload.texts[]", true),
    ("payload.numbers[]", true),
    ("payload.rows[][]", true),
    ("payload.*", true),
    ("payload.target.*", true),
    ("payload.*.owner", true),
    ("payload.items[].*", true),
    ("payload.**", true),
    ("payload.items.**", true),
    ("payload.groups[].**", true),
    ("payload.groups[].target.members[].owner", true),
];

/// A payload that grows in every direction.
fn payload(size: usize) -> Value {
    let padding: Map<String, Value> = (0..size).map(|index| (format!("A{index:06}"), json!(0))).collect();
    let with = |members: Value| {
        let mut all = padding.clone();
        all.extend(members.as_object().unwrap().clone());
        Value::Object(all)
    };
    let item = json!({ "owner": "owner" });
    with(json!({
        "owner": "owner",
        "text": "ab/".repeat(size),
        "target": with(json!({ "owner": "owner" })),
        "items": vec![item.clone(); size],
        "texts": vec!["owner"; size],
        "numbers": vec![1; size],
        "rows": vec![vec!["owner"; size / 16]; 16],
        "groups": vec![json!({ "target": { "members": vec![item; size / 16] } }); 16],
    }))
}

#[test]
fn twice_the_payload_takes_at_most_about_twice_the_steps() {
    let actions = [256, 512].map(|size| {
        let document = document("t", "r:x", payload(size));
        (document.to_string().len() as u64, bind(&document))
    });
    for (path, quantified) in PATHS {
        for test in TESTS {
            // What is refused at load.
            let itself = *test == format!("same_as = \"{path}\"");
            let of_tree = path.ends_with("**") && test.starts_with("members");
            let of_many = path.ends_with([']', '*']) && test.starts_with("exists");
            if itself || of_tree || of_many {
                continue;
            }
            let forms: &[&str] = if *quantified { &["any", "every"] } else { &[""] };
            for form in forms {
                let test = match *form {
                    "" => (*test).to_owned(),
                    quantifier => format!("{quantifier} = {{ {test} }}"),
                };
                for effect in ["allow", "deny"] {
                    let policy = policy(&format!(
                        "[[rule]]\nid = \"r\"\neffect = \"{effect}\"\ntool = \"t\"\nwhen = [{{ path = \"{path}\", {test} }}]\n"
                    ));
                    let [(_, half), (size, whole)] = &actions;
                    let (half, whole) = (steps(&policy, half), steps(&policy, whole));
                    assert!(whole <= half * 21 / 10 + 200, "{path} {test}: {half} {whole}");
                    // One condition reads no more than some times everything there is, for each time that it is asked.
                    assert!(whole <= 12 * size, "{path} {test}: {whole} of {size}");
                }
            }
        }
    }
}

/// Everything that is read is paid for: a test that costs nothing could be asked of any number of values.
#[test]
fn no_reading_is_free() {
    const N: u64 = 1000;
    const MEMBERS: u64 = 200;
    // How many bytes the names of an object have together.
    const NAMES: u64 = 50 * MEMBERS;
    let answers = vec![false; N as usize];
    let object: Map<String, Value> = (0..MEMBERS)
        .map(|index| (format!("{index:050}"), json!(false)))
        .collect();
    let mut payload = object.clone();
    payload.insert("tiny".into(), json!(0));
    payload.insert("text".into(), json!("a".repeat(N as usize)));
    payload.insert("path".into(), json!("\u{e9}".repeat(N as usize)));
    payload.insert("answers".into(), json!(answers));
    payload.insert("object".into(), json!(object));
    let mut attested = object.clone();
    attested.insert("answers".into(), json!(answers));
    attested.insert("object".into(), json!(object));
    let document = document("t", "r:x", Value::from(payload));
    let (action, facts) = (bind(&document), facts(&Value::from(attested)));
    // Conditions of a deny that don't hold are asked once; for reasons of a verdict they would be asked again.
    let steps = |conditions: &[&str]| {
        let denies: String = conditions
            .iter()
            .enumerate()
            .map(|(index, condition)| {
                format!("[[rule]]\nid = \"r{index}\"\neffect = \"deny\"\ntool = \"t\"\nwhen = [{condition}]\n")
            })
            .collect();
        let policy = policy(&format!(
            "{denies}[[rule]]\nid = \"open\"\neffect = \"allow\"\ntool = \"t\"\n"
        ));
        let input = PolicyInput::new(&action, &facts, &[]);
        assert_eq!(policy.evaluate(&input).decision, Decision::Allow, "{conditions:?}");
        policy.work(&input)
    };
    let payload = document["capability"]["payload"].to_string().len() as u64;
    let first = "{ path = \"payload.tiny\", equals = 1 }";
    let alone = steps(&[first]);
    assert!(alone >= payload, "the index of the payload: {alone} of {payload}");
    for (path, test, least) in [
        ("payload.text", "equals = \"x\"", N),
        ("payload.text", "glob = \"**x**\"", 2 * N),
        ("payload.path", "glob_nocase = \"x\"", 32 * N),
        // Two bytes for each character, and eight steps for each byte: of the path and of its compatible form, and again of
        // both cases.
        ("payload.path", "path_glob = \"x/**\"", 32 * N),
        ("payload.path", "path_glob_nocase = \"x/**\"", 64 * N),
        // `false` and a comma, and a visit of sixteen steps for each element.
        ("payload.answers[]", "any = { equals = true }", 22 * N),
        ("payload.absent", "exists = true", NAMES),
        ("payload.object.absent", "exists = true", NAMES),
        ("payload.object.*", "any = { equals = true }", NAMES),
        ("payload.object.**", "any = { equals = true }", NAMES),
        ("payload.object", "members = [\"a\"]", NAMES),
        // Of facts, which are read already, an element and a visit.
        ("fact.answers[]", "any = { equals = true }", 2 * N),
        ("fact.answers.**", "any = { equals = true }", N),
        ("fact.object.*", "any = { equals = true }", 2 * MEMBERS),
        ("fact.absent", "exists = true", NAMES),
        ("fact.object", "members = [\"a\"]", NAMES),
    ] {
        let steps = steps(&[first, &format!("{{ path = \"{path}\", {test} }}")]) - alone;
        assert!(steps >= least, "{path} {test}: {steps} of {least}");
    }
}

/// What once took seconds under the same number of steps: many small values, and few that grow when they are normalized.
#[test]
fn what_takes_time_takes_steps() {
    let far = |payload: &Value, condition: &str, least: u64| {
        let policy = policy(&format!(
            "[[rule]]\nid = \"r\"\neffect = \"deny\"\ntool = \"t\"\nwhen = [{condition}]\n"
        ));
        let steps = steps(&policy, &bind(&document("t", "r:x", payload.clone())));
        assert!(steps >= least, "{condition}: {steps} of {least}");
    };
    let many = json!({ "a": vec![1; 4800] });
    far(&many, "{ path = \"payload.a[]\", any = { at_least = 5 } }", 16 * 4800);
    far(&many, "{ path = \"payload.**\", any = { at_least = 5 } }", 16 * 4800);
    let letters = json!({ "a": vec!["\u{e9}"; 1800] });
    far(
        &letters,
        "{ path = \"payload.**\", any = { path_glob_nocase = \"**/x\" } }",
        (16 + 4 * 64) * 1800,
    );
    // Each becomes eighteen letters of two bytes, or nearly so.
    let ligatures = json!({ "a": "\u{fdfa}".repeat(3000) });
    far(
        &ligatures,
        "{ path = \"payload.a\", path_glob_nocase = \"**/x\" }",
        8 * 33 * 3000,
    );
    let empty = json!({ "a": vec![json!({}); 3000] });
    far(
        &empty,
        "{ path = \"payload.a[].b\", any = { at_least = 5 } }",
        2 * 16 * 3000,
    );
}

/// The starter policy is far from the end of the work on the largest calls that make sense.
#[test]
fn ordinary_decisions_take_less_than_a_hundredth() {
    let starter = RulePolicy::load(actionpass_policy::STARTER_POLICY, "policy.toml").unwrap();
    let file = |index: usize| json!({ "path": format!("src/module{index}/file.rs"), "additions": 10, "deletions": 2 });
    for (tool, resource, payload) in [
        (
            "files.write",
            "file:src/a.rs",
            json!({ "path": "src/a.rs", "content": "\u{e9}a\n".repeat(50_000) }),
        ),
        (
            "github.pull_requests.create",
            "repo:company/web-app",
            json!({ "repo": "company/web-app", "title": "t", "body": "b".repeat(60_000), "head": "a", "base": "main",
                    "files": (0..12).map(file).collect::<Vec<_>>() }),
        ),
        (
            "slack.messages.post",
            "channel:eng-a",
            json!({ "channel": "eng-a", "text": "word ".repeat(800) }),
        ),
    ] {
        let steps = steps(&starter, &bind(&document(tool, resource, payload)));
        assert!(steps < RulePolicy::MAX_WORK / 100, "{tool}: {steps}");
    }
}

/// The largest action that is admitted, before a policy with a hundred conditions about all of it, is decided.
#[test]
fn a_large_action_is_far_from_the_end() {
    let rules: String = (0..100)
        .map(|index| {
            format!(
                "[[rule]]\nid = \"r{index}\"\neffect = \"deny\"\ntool = \"t\"\n\
                 when = [{{ path = \"payload.text\", glob = \"**{index}secret*key**\" }}]\n"
            )
        })
        .collect();
    let policy = policy(&format!(
        "{rules}[[rule]]\nid = \"ok\"\neffect = \"allow\"\ntool = \"t\"\n"
    ));
    let action = bind(&document("t", "r:x", json!({ "text": "x".repeat(1_000_000) })));
    let verdict = judge(&policy, &action, &BoundFacts::none(), &[]);
    assert_eq!(verdict.decision, Decision::Allow);
    assert!(steps(&policy, &action) < RulePolicy::MAX_WORK);
}

/// Beyond the end there is a deny with its own code and no rule, whatever the rules say.
#[test]
fn more_work_than_a_decision_may_take_is_a_deny() {
    let globs: Vec<String> = (0..400).map(|index| format!("\"**{index}x**\"")).collect();
    let rule = |id: &str, effect: &str, list: &str| {
        format!(
            "[[rule]]\nid = \"{id}\"\neffect = \"{effect}\"\ntool = \"t\"\n\
             {list} = [{{ path = \"payload.text\", glob = [{}] }}]\n",
            globs.join(", ")
        )
    };
    let open = "[[rule]]\nid = \"open\"\neffect = \"allow\"\ntool = \"t\"\n";
    let action = bind(&document("t", "r:x", json!({ "text": "-".repeat(1_000_000) })));
    for rules in [
        rule("r", "allow", "unless"),
        format!("{open}{}", rule("r", "deny", "when")),
        format!("{open}{}", rule("r", "step_up", "when")),
        format!("{}{open}", rule("r", "deny", "when")),
    ] {
        let policy = policy(&rules);
        let verdict = judge(&policy, &action, &BoundFacts::none(), &[]);
        assert_eq!(verdict.decision, Decision::Deny);
        assert_eq!(verdict.reasons.len(), 1);
        assert_eq!(verdict.reasons[0].code, "policy_work_exceeded");
        assert!(ids(&verdict.rules).is_empty() && verdict.required.is_empty());
        // The work stops where the budget does, but for the text that was being read.
        assert!(steps(&policy, &action) < RulePolicy::MAX_WORK + 2_000_000);
        // The same rules and a smaller text: decided.
        let small = bind(&document("t", "r:x", json!({ "text": "-".repeat(1000) })));
        assert_eq!(
            judge(&policy, &small, &BoundFacts::none(), &[]).decision,
            Decision::Allow
        );
    }
}

/// Long lists are held against each other in time by their length, not by its square: that would be minutes, and this
/// suite the slowest of all by far.
#[test]
fn long_lists_load() {
    let list = |of: &dyn Fn(usize) -> String| {
        let all: Vec<String> = (0..20_000).map(|index| format!("\"{}\"", of(index))).collect();
        format!("[{}]", all.join(","))
    };
    for (matcher, when) in [
        // Only the last of one is the last of the other.
        (
            format!("resource = {}", list(&|index| format!("r:{index}"))),
            format!(
                "{{ path = \"resource\", one_of = {} }}",
                list(&|index| format!("r:{}", index + 19_999))
            ),
        ),
        (
            format!("resource = {}", list(&|index| format!("r:a{index}*"))),
            format!(
                "{{ path = \"resource\", one_of = {} }}",
                list(&|index| format!("r:b{index}"))
            ),
        ),
        (
            String::new(),
            format!(
                "{{ path = \"payload.p\", one_of = {}, path_glob = {} }}",
                list(&|index| format!("a{index}")),
                list(&|index| format!("b{index}/*"))
            ),
        ),
        (
            String::new(),
            format!(
                "{{ path = \"payload.p\", path_glob = {} }}",
                list(&|index| format!("a{index}/**"))
            ),
        ),
    ] {
        let policy = policy(&format!(
            "[[rule]]\nid = \"r\"\neffect = \"deny\"\ntool = \"t\"\n{matcher}\nwhen = [{when}]\n"
        ));
        let _ = policy.warnings(None);
    }
}

#[test]
fn twenty_thousand_rules_load() {
    let rules: String = (0..20_000)
        .map(|index| format!("[[rule]]\nid=\"{index}\"\neffect=\"deny\"\ntool=\"{index}\"\n"))
        .collect();
    let text = format!("schema = \"actionpass.policy.v1\"\nid = \"many\"\n{rules}");
    let policy = RulePolicy::load(&text, "many.toml").unwrap();
    assert_eq!(policy.rules().count(), 20_000);
    let action = BoundAction::admit(actionpass_model::DEMO_ACTION.as_bytes(), &Limits::default()).unwrap();
    assert_eq!(crate::world::decide(&policy, &action), Decision::Deny);
}
