//! The engine's meaning a second time, as short as possible: random rules, and what they come to by the book.

use actionpass_model::{ApprovalMode, Assurance, Decision, Grant};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::world;

#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) id: String,
    pub(crate) effect: Decision,
    pub(crate) tool: &'static str,
    pub(crate) when: Vec<Condition>,
    pub(crate) unless: Vec<Condition>,
    pub(crate) count: usize,
    pub(crate) roles: Vec<&'static str>,
    pub(crate) not_owner: bool,
    pub(crate) overridable_by: Vec<&'static str>,
}

#[derive(Clone, Debug)]
pub(crate) struct Condition {
    root: &'static str,
    member: &'static str,
    /// `Some` for `list[].x`: whether every element must pass (else any).
    each: Option<bool>,
    test: Test,
}

#[derive(Clone, Debug)]
enum Test {
    Equals(Value),
    AtMost(i64),
    GreaterThan(i64),
    Exists(bool),
    MaxLength(usize),
    StartsWithX,
}

/// Kleene's third value is `None`.
type Kleene = Option<bool>;

fn and(values: impl IntoIterator<Item = Kleene>) -> Kleene {
    let values: Vec<Kleene> = values.into_iter().collect();
    if values.contains(&Some(false)) {
        Some(false)
    } else if values.contains(&None) {
        None
    } else {
        Some(true)
    }
}

fn not(value: Kleene) -> Kleene {
    value.map(|value| !value)
}

/// How a path ends: at a value, at none, or where it can't be told.
#[derive(Clone, Copy)]
enum End<'v> {
    Found(&'v Value),
    Absent,
    Unclear,
}

fn member<'v>(of: &'v Map<String, Value>, name: &str) -> End<'v> {
    let like = |other: &String| actionpass_canon::names::fold(other) == actionpass_canon::names::fold(name);
    match of.get(name) {
        Some(value) => End::Found(value),
        None if of.keys().any(like) => End::Unclear,
        None => End::Absent,
    }
}

impl Test {
    fn ask(&self, end: End<'_>) -> Kleene {
        let value = match (self, end) {
            (_, End::Unclear) => return None,
            (Self::Exists(wanted), End::Found(_)) => return Some(*wanted),
            (Self::Exists(wanted), End::Absent) => return Some(!*wanted),
            (_, End::Absent) => return None,
            (_, End::Found(value)) => value,
        };
        match self {
            Self::Equals(literal) if literal.is_string() && value.is_string() => Some(literal == value),
            Self::Equals(literal) if literal.is_boolean() && value.is_boolean() => Some(literal == value),
            Self::Equals(literal) if literal.is_number() && value.is_number() => {
                Some(literal.as_f64() == value.as_f64())
            }
            Self::Equals(_) => None,
            Self::AtMost(bound) => Some(value.as_f64()? <= *bound as f64),
            Self::GreaterThan(bound) => Some(value.as_f64()? > *bound as f64),
            Self::MaxLength(length) => match value {
                Value::Array(elements) => Some(elements.len() <= *length),
                Value::String(text) => Some(text.chars().count() <= *length),
                _ => None,
            },
            Self::StartsWithX => Some(value.as_str()?.starts_with('x')),
            Self::Exists(_) => unreachable!(),
        }
    }

    fn toml(&self) -> String {
        match self {
            Self::Equals(literal) => format!("equals = {literal}"),
            Self::AtMost(bound) => format!("at_most = {bound}"),
            Self::GreaterThan(bound) => format!("greater_than = {bound}"),
            Self::Exists(wanted) => format!("exists = {wanted}"),
            Self::MaxLength(length) => format!("max_length = {length}"),
            Self::StartsWithX => "glob = \"x**\"".to_owned(),
        }
    }
}

impl Condition {
    fn ask(&self, world: &World) -> Kleene {
        let root = if self.root == "payload" {
            world.payload.as_object()
        } else {
            Some(&world.facts)
        };
        let end = root.map_or(End::Unclear, |members| member(members, self.member));
        let Some(every) = self.each else {
            return self.test.ask(end);
        };
        let End::Found(value) = end else { return None };
        let elements = value.as_array()?;
        if every && elements.is_empty() {
            return None;
        }
        let asked = elements.iter().map(|element| {
            self.test
                .ask(element.as_object().map_or(End::Unclear, |members| member(members, "x")))
        });
        // Any is not every not.
        if every { and(asked) } else { not(and(asked.map(not))) }
    }

    fn toml(&self) -> String {
        let (root, member, test) = (self.root, self.member, self.test.toml());
        match self.each {
            None => format!("{{ path = \"{root}.{member}\", {test} }}"),
            Some(every) => {
                let quantifier = if every { "every" } else { "any" };
                format!("{{ path = \"{root}.{member}[].x\", {quantifier} = {{ {test} }} }}")
            }
        }
    }
}

impl Rule {
    fn toml(&self) -> String {
        let list = |conditions: &[Condition]| conditions.iter().map(Condition::toml).collect::<Vec<_>>().join(", ");
        let mut text = format!(
            "[[rule]]\nid = \"{}\"\neffect = \"{}\"\ntool = \"{}\"\n",
            self.id, self.effect, self.tool
        );
        for (key, conditions) in [("when", &self.when), ("unless", &self.unless)] {
            if !conditions.is_empty() {
                text += &format!("{key} = [{}]\n", list(conditions));
            }
        }
        if self.effect == Decision::StepUp {
            let roles = if self.roles.is_empty() {
                String::new()
            } else {
                format!(", roles = {:?}", self.roles)
            };
            text += &format!(
                "approvals = {{ count = {}, not_owner = {}{roles} }}\n",
                self.count, self.not_owner
            );
        }
        if self.effect == Decision::Deny && !self.overridable_by.is_empty() {
            text += &format!("overridable_by = {:?}\n", self.overridable_by);
        }
        text
    }

    /// Whether the rule applies.
    pub(crate) fn applies(&self, world: &World) -> bool {
        let ask = |conditions: &[Condition]| and(conditions.iter().map(|condition| condition.ask(world)));
        let exception = if self.unless.is_empty() {
            Some(false)
        } else {
            ask(&self.unless)
        };
        let holds = and([ask(&self.when), not(exception)]);
        let about = self.tool == "**" || self.tool == world.tool;
        about
            && (if self.effect == Decision::Allow {
                holds == Some(true)
            } else {
                holds != Some(false)
            })
    }

    fn lifted(&self, world: &World) -> bool {
        world.grants.iter().any(|grant| {
            grant.mode == ApprovalMode::PolicyOverride
                && grant.assurance == Assurance::Signed
                && grant.rules.iter().any(|rule| rule.as_str() == self.id)
                && grant
                    .roles
                    .iter()
                    .any(|role| self.overridable_by.contains(&role.as_str()))
        })
    }

    fn satisfied(&self, world: &World) -> bool {
        let counts = |grant: &&Grant| {
            grant.mode == ApprovalMode::Human
                && (self.roles.is_empty() || grant.roles.iter().any(|role| self.roles.contains(&role.as_str())))
                && !(self.not_owner && grant.approver.as_str() == "user:owner@example.com")
        };
        let mut people: Vec<&str> = world
            .grants
            .iter()
            .filter(counts)
            .map(|grant| grant.approver.as_str())
            .collect();
        people.sort_unstable();
        people.dedup();
        people.len() >= self.count
    }
}

/// Everything that a decision depends on but the rules.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) tool: &'static str,
    pub(crate) payload: Value,
    pub(crate) facts: Map<String, Value>,
    pub(crate) grants: Vec<Grant>,
}

impl World {
    /// What the engine decides.
    pub(crate) fn judge(&self, rules: &[Rule]) -> actionpass_policy::Verdict {
        let text: String = rules.iter().map(Rule::toml).collect();
        let action = world::action(self.tool, "r:x", self.payload.clone());
        world::judge(
            &world::policy(&text),
            &action,
            &world::facts(&Value::Object(self.facts.clone())),
            &self.grants,
        )
    }

    /// What the rules mean.
    pub(crate) fn expected(&self, rules: &[Rule]) -> Decision {
        let applies = |effect: Decision| {
            rules
                .iter()
                .filter(move |rule| rule.effect == effect && rule.applies(self))
        };
        if applies(Decision::Deny).any(|rule| !rule.lifted(self)) {
            Decision::Deny
        } else if applies(Decision::StepUp).any(|rule| !rule.satisfied(self)) {
            Decision::StepUp
        } else if applies(Decision::StepUp)
            .chain(applies(Decision::Allow))
            .next()
            .is_some()
        {
            Decision::Allow
        } else {
            Decision::Deny
        }
    }
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::from),
        (0i64..3).prop_map(Value::from),
        Just(json!(1.5)),
        prop_oneof![Just("x"), Just("xy"), Just("y"), Just("")].prop_map(Value::from),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let element = prop_oneof![
        scalar(),
        proptest::option::of((scalar(), any::<bool>())).prop_map(|x| match x {
            None => json!({}),
            Some((x, true)) => json!({ "x": x }),
            Some((x, false)) => json!({ "X": x }),
        })
    ];
    prop_oneof![
        3 => scalar(),
        3 => proptest::collection::vec(scalar().prop_map(|x| json!({ "x": x })), 0..3).prop_map(Value::Array),
        1 => proptest::collection::vec(element, 0..3).prop_map(Value::Array),
    ]
}

fn members() -> impl Strategy<Value = Map<String, Value>> {
    proptest::collection::btree_map(proptest::sample::select(vec!["a", "A", "b"]), value(), 0..3).prop_map(|members| {
        members
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    })
}

fn test() -> impl Strategy<Value = Test> {
    let literal = prop_oneof![
        any::<bool>().prop_map(Value::from),
        (0i64..3).prop_map(Value::from),
        Just(json!("x")),
        Just(json!("y"))
    ];
    prop_oneof![
        3 => literal.prop_map(Test::Equals),
        1 => (0i64..3).prop_map(Test::AtMost),
        1 => (0i64..3).prop_map(Test::GreaterThan),
        1 => any::<bool>().prop_map(Test::Exists),
        1 => (0usize..3).prop_map(Test::MaxLength),
        1 => Just(Test::StartsWithX),
    ]
}

fn condition() -> impl Strategy<Value = Condition> {
    let root = prop_oneof![2 => Just("payload"), 1 => Just("fact")];
    let each = prop_oneof![3 => Just(None), 2 => any::<bool>().prop_map(Some)];
    (root, prop_oneof![Just("a"), Just("b")], each, test()).prop_map(|(root, member, each, test)| Condition {
        root,
        member,
        each,
        test,
    })
}

fn roles() -> impl Strategy<Value = Vec<&'static str>> {
    proptest::sample::subsequence(vec!["maintainer", "security"], 0..=2)
}

/// Up to six rules with ids `r0`, `r1` …
pub(crate) fn rules() -> impl Strategy<Value = Vec<Rule>> {
    let effect = prop_oneof![3 => Just(Decision::Allow), 1 => Just(Decision::Deny), 2 => Just(Decision::StepUp)];
    let tool = prop_oneof![3 => Just("t"), 1 => Just("u"), 1 => Just("**")];
    let lists = (
        proptest::collection::vec(condition(), 0..3),
        proptest::collection::vec(condition(), 0..3),
    );
    let rule = (effect, tool, lists, 1usize..3, roles(), any::<bool>(), roles());
    proptest::collection::vec(rule, 0..6).prop_map(|rules| {
        let rule =
            |(index, (effect, tool, (when, unless), count, roles, not_owner, overridable_by)): (usize, _)| Rule {
                id: format!("r{index}"),
                effect,
                tool,
                when,
                unless,
                count,
                roles,
                not_owner,
                overridable_by,
            };
        rules.into_iter().enumerate().map(rule).collect()
    })
}

/// An action with tool `t`, facts and grants.
pub(crate) fn worlds() -> impl Strategy<Value = World> {
    let approver = prop_oneof![Just("user:ann"), Just("user:bob"), Just("user:owner@example.com")];
    let named = proptest::sample::subsequence(vec!["r0", "r1", "r2", "r3", "r4", "r5"], 0..=6);
    let grant = (approver, roles(), any::<bool>(), any::<bool>(), named);
    let grants = proptest::collection::vec(grant, 0..4).prop_map(|grants| {
        let grant = |(index, (approver, roles, overrides, signed, rules)): (usize, (_, Vec<&str>, _, _, Vec<&str>))| {
            let grant = if overrides {
                world::overriding(index as u128, approver, &roles, &rules)
            } else {
                world::human(index as u128, approver, &roles)
            };
            if signed { grant } else { world::asserted(grant) }
        };
        grants.into_iter().enumerate().map(grant).collect()
    });
    (members(), members(), grants).prop_map(|(payload, facts, grants)| World {
        tool: "t",
        payload: payload.into(),
        facts,
        grants,
    })
}
