//! How a view is made of an action, rules and facts.

use actionpass_canon::{BoundAction, BoundFacts, canonicalize};
use actionpass_model::{Digest, RuleId};
use serde_json::Value;

use crate::diff::{self, PAIRS, Step};
use crate::error::DisplayError;
use crate::escape::{Flag, Fold, Role, Text, escape};
use crate::view::{Change, ChangeKind, Field, FieldType, Former, Section, SectionName};

/// The most fields of a section: what is beyond is counted and not shown.
pub const MAX_FIELDS: usize = 10_000;
/// The most text of a section, in bytes of UTF-8, of paths, values, former values and changes: what is beyond is counted and
/// not shown.
pub const MAX_TEXT: usize = 16 << 20;
/// How many lines of a section's values are shown when it is folded.
const SECTION_LINES: usize = 100;
/// How many characters of a section's paths and values are shown when it is folded.
const SECTION_CHARACTERS: usize = 4000;
/// How many lines of changes are shown when they are folded.
const FOLD_CHANGES: usize = 60;
/// How long a path is repeated, in characters.
const MAX_PATH: usize = 200;
/// The member of the facts that holds what the payload was before.
const BEFORE: &str = "before";

/// Makes the sections of a view.
pub(crate) struct Builder<'a> {
    action: &'a BoundAction,
    rules: Vec<&'a RuleId>,
    facts: &'a BoundFacts,
    steps: u64,
    /// How many pairs of lines may still be compared.
    pairs: usize,
}

impl<'a> Builder<'a> {
    pub(crate) fn new(action: &'a BoundAction, rules: &'a [RuleId], facts: &'a BoundFacts) -> Self {
        let mut rules: Vec<&RuleId> = rules.iter().collect();
        rules.sort();
        rules.dedup();
        Self {
            action,
            rules,
            facts,
            steps: 0,
            pairs: PAIRS,
        }
    }

    /// All sections, and how many steps it took.
    pub(crate) fn sections(mut self) -> Result<(Vec<Section>, u64), DisplayError> {
        let payload = self.action.payload_value();
        // What can't be read is `null`, which must not be shown in its place.
        if payload.is_null() && self.action.payload().as_bytes() != b"null" {
            return Err(DisplayError::Unreadable("payload"));
        }
        let context = self.action.context_value();
        if context.is_some_and(Value::is_null) {
            return Err(DisplayError::Unreadable("context"));
        }
        let sections = vec![
            self.decision(),
            self.payload(payload),
            self.words(context),
            self.facts(),
            self.hashes(),
        ];
        Ok((sections, self.steps))
    }

    /// What one decides on first.
    fn decision(&mut self) -> Section {
        let (head, rules) = (self.action.action(), std::mem::take(&mut self.rules));
        let mut rows = Rows::new(SectionName::Decision);
        let mut name = |path: &str, text: &str| rows.named(path, FieldType::Name, text, &mut self.steps);
        name("agent", head.actor.agent.as_str());
        for (place, via) in head.actor.via.iter().enumerate() {
            name(&format!("via[{place}]"), via.as_str());
        }
        name("owner", head.actor.human_owner.as_str());
        name("tenant", head.tenant.as_str());
        name("runtime", head.actor.runtime.as_str());
        name("task", head.intent.task.as_str());
        name("tool", head.capability.tool.as_str());
        name("resource", head.capability.resource.as_str());
        if let Some(definition) = &head.tool_definition {
            name("server", definition.server.as_str());
            rows.hash("definitionHash", &definition.definition_hash);
        }
        for (place, rule) in rules.iter().enumerate() {
            rows.named(
                &format!("rules[{place}]"),
                FieldType::Name,
                rule.as_str(),
                &mut self.steps,
            );
        }
        rows.finish()
    }

    fn payload(&mut self, payload: &Value) -> Section {
        let mut rows = Rows::new(SectionName::Payload);
        let before = self.facts.value().get(BEFORE);
        self.value(&mut rows, &Place::root("payload"), payload, before);
        rows.finish()
    }

    /// What the agent says.
    fn words(&mut self, context: Option<&Value>) -> Section {
        let mut rows = Rows::new(SectionName::Words);
        if let Some(summary) = &self.action.action().intent.summary {
            self.value(
                &mut rows,
                &Place::root("summary"),
                &Value::String(summary.clone()),
                None,
            );
        }
        // No context is hashed as an empty one, so it looks alike as well.
        if let Some(context) = context.filter(|context| !is_empty(context)) {
            self.value(&mut rows, &Place::root("context"), context, None);
        }
        rows.finish()
    }

    /// The facts. Their source and time are not in their hash, and so not in the view.
    fn facts(&mut self) -> Section {
        let mut rows = Rows::new(SectionName::Facts);
        let facts = self.facts.value();
        if !facts.is_empty() {
            let place = Place::root("facts");
            self.container(&mut rows, &place, FieldType::Object, facts.len(), None);
            self.members(&mut rows, &place, facts, None);
        }
        rows.finish()
    }

    fn hashes(&mut self) -> Section {
        let mut rows = Rows::new(SectionName::Hashes);
        rows.hash("actionHash", &self.action.action_hash());
        rows.hash("payloadHash", &self.action.payload_hash());
        rows.hash("contextHash", &self.action.context_hash());
        rows.hash("factsHash", &self.facts.hash());
        rows.finish()
    }

    /// A value and all that is in it.
    fn value(&mut self, rows: &mut Rows, place: &Place, value: &Value, before: Option<&Value>) {
        match value {
            Value::Object(members) => {
                self.container(rows, place, FieldType::Object, members.len(), before);
                self.members(rows, place, members, before.and_then(Value::as_object));
            }
            Value::Array(elements) => {
                self.container(rows, place, FieldType::Array, elements.len(), before);
                let before = before.and_then(Value::as_array);
                for (at, element) in elements.iter().enumerate() {
                    let place = place.element(at, rows.is_full());
                    self.value(rows, &place, element, before.and_then(|before| before.get(at)));
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                self.scalar(rows, place, value, before)
            }
        }
    }

    /// The members of an object, in the order of its canonical bytes: by the UTF-16 code units of their names.
    fn members(
        &mut self,
        rows: &mut Rows,
        place: &Place,
        members: &serde_json::Map<String, Value>,
        before: Option<&serde_json::Map<String, Value>>,
    ) {
        let mut sorted: Vec<(&String, &Value)> = members.iter().collect();
        sorted.sort_by(|(left, _), (right, _)| left.encode_utf16().cmp(right.encode_utf16()));
        for (name, value) in sorted {
            let place = place.member(name, rows.is_full(), &mut self.steps);
            self.value(rows, &place, value, before.and_then(|before| before.get(name)));
        }
    }

    fn container(&mut self, rows: &mut Rows, place: &Place, kind: FieldType, count: usize, before: Option<&Value>) {
        let mut inner = 0;
        let make = || {
            let before = before.filter(|before| type_of(before) != kind);
            let former = before.map(|before| Former::Other(type_of(before), value_text(before, &mut inner)));
            (plain(count.to_string()), former)
        };
        rows.push(place, kind, place.raw, make, &mut self.steps);
        self.steps = self.steps.saturating_add(inner);
    }

    fn scalar(&mut self, rows: &mut Rows, place: &Place, value: &Value, before: Option<&Value>) {
        let raw = match value {
            Value::String(text) => text.chars().count(),
            _ => 0,
        };
        let (steps, pairs) = (&mut self.steps, &mut self.pairs);
        let mut inner = 0;
        let make = || {
            let text = scalar_text(value, &mut inner);
            let former = before.map(|before| match (before, value) {
                (before, value) if before == value => Former::Same,
                (Value::String(before), Value::String(_)) => {
                    let changes = changes(before, &text.text, pairs, &mut inner);
                    let folded = changes.len().saturating_sub(FOLD_CHANGES);
                    Former::Text { changes, folded }
                }
                (before, _) => Former::Other(type_of(before), value_text(before, &mut inner)),
            });
            (text, former)
        };
        rows.push(place, type_of(value), place.raw.saturating_add(raw), make, steps);
        *steps = steps.saturating_add(inner);
    }
}

fn is_empty(value: &Value) -> bool {
    value.as_object().is_some_and(serde_json::Map::is_empty)
}

const fn type_of(value: &Value) -> FieldType {
    match value {
        Value::Null => FieldType::Null,
        Value::Bool(_) => FieldType::Boolean,
        Value::Number(_) => FieldType::Number,
        Value::String(_) => FieldType::String,
        Value::Array(_) => FieldType::Array,
        Value::Object(_) => FieldType::Object,
    }
}

/// A text of ours.
fn plain(text: String) -> Text {
    Text {
        text,
        ..Text::default()
    }
}

/// The text of a value that is no container: numbers as RFC 8785 has them.
fn scalar_text(value: &Value, steps: &mut u64) -> Text {
    match value {
        Value::String(text) => escape(text, Role::Value, steps),
        Value::Number(number) => {
            let canonical = canonicalize(number).map(|bytes| bytes.as_str().to_owned());
            plain(canonical.unwrap_or_else(|_| number.to_string()))
        }
        _ => plain(value.to_string()),
    }
}

/// The text of any value: of containers, how much is in them.
fn value_text(value: &Value, steps: &mut u64) -> Text {
    match value {
        Value::Array(elements) => plain(elements.len().to_string()),
        Value::Object(members) => plain(members.len().to_string()),
        _ => scalar_text(value, steps),
    }
}

/// What leads from a former text to the new one, which is given as it is shown.
fn changes(former: &str, new: &str, pairs: &mut usize, steps: &mut u64) -> Vec<Change> {
    let former = escape(former, Role::Value, steps).text;
    let former: Vec<&str> = former.split('\n').collect();
    let new: Vec<&str> = new.split('\n').collect();
    let left = *pairs;
    let found = diff::changes(&former, &new, pairs);
    let compared = left
        .saturating_sub(*pairs)
        .saturating_add(former.len())
        .saturating_add(new.len());
    *steps = steps.saturating_add(compared as u64);
    let line = |lines: &[&str], at: usize| lines.get(at).copied().unwrap_or_default().to_owned();
    let change = |step: Step| match step {
        Step::Same(at) => (ChangeKind::Same, line(&new, at)),
        Step::Removed(at) => (ChangeKind::Removed, line(&former, at)),
        Step::Added(at) => (ChangeKind::Added, line(&new, at)),
        Step::Skipped(count) => (ChangeKind::Skipped(count), String::new()),
    };
    found
        .into_iter()
        .map(change)
        .map(|(kind, text)| Change {
            kind,
            text: Text {
                fold: Fold::of(&text),
                ..plain(text)
            },
        })
        .collect()
}

/// Where a value is.
struct Place {
    path: String,
    flags: Vec<Flag>,
    level: usize,
    /// How many characters its path has; none that counts once the path was cut.
    length: usize,
    is_cut: bool,
    /// How many characters its own name has as it came.
    raw: usize,
}

impl Place {
    fn root(name: &str) -> Self {
        Self {
            path: name.to_owned(),
            flags: Vec::new(),
            level: 0,
            length: name.len(),
            is_cut: false,
            raw: 0,
        }
    }

    /// A member's place. In a full section no path is needed any more.
    fn member(&self, name: &str, is_full: bool, steps: &mut u64) -> Self {
        let raw = name.chars().count();
        if is_full {
            return self.inside(String::new(), Vec::new(), raw);
        }
        let starts = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
        let is_plain = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-');
        if starts && name.chars().all(is_plain) {
            return self.inside(format!(".{name}"), Vec::new(), raw);
        }
        let shown = escape(name, Role::Quoted, steps);
        self.inside(format!(".\"{}\"", shown.text), shown.flags, raw)
    }

    /// An element's place.
    fn element(&self, at: usize, is_full: bool) -> Self {
        let part = if is_full { String::new() } else { format!("[{at}]") };
        self.inside(part, Vec::new(), 0)
    }

    fn inside(&self, part: String, flags: Vec<Flag>, raw: usize) -> Self {
        let length = self.length.saturating_add(part.chars().count());
        let is_cut = self.is_cut || length > MAX_PATH;
        let path = if is_cut {
            format!("…{part}")
        } else {
            format!("{}{part}", self.path)
        };
        Self {
            path,
            flags,
            level: self.level.saturating_add(1),
            length,
            is_cut,
            raw,
        }
    }
}

/// The fields of a section, as long as there is room.
struct Rows {
    section: Section,
    /// How much text they have, in bytes.
    text: usize,
}

impl Rows {
    const fn new(name: SectionName) -> Self {
        Self {
            section: Section {
                name,
                fields: Vec::new(),
                folded: 0,
                rest: None,
            },
            text: 0,
        }
    }

    const fn is_full(&self) -> bool {
        self.section.rest.is_some()
    }

    /// Adds a field if there is room, else counts it, with so many characters.
    fn push(
        &mut self,
        place: &Place,
        kind: FieldType,
        characters: usize,
        make: impl FnOnce() -> (Text, Option<Former>),
        steps: &mut u64,
    ) {
        *steps = steps.saturating_add(1);
        if self.section.fields.len() >= MAX_FIELDS {
            self.section.rest.get_or_insert_default();
        }
        if !self.is_full() {
            let (text, former) = make();
            let size = place.path.len().saturating_add(text.text.len());
            let size = size.saturating_add(former.as_ref().map_or(0, former_size));
            let all = self.text.saturating_add(size);
            if all <= MAX_TEXT {
                self.text = all;
                return self.section.fields.push(Field {
                    path: place.path.clone(),
                    path_flags: place.flags.clone(),
                    level: place.level,
                    kind,
                    text,
                    former,
                });
            }
        }
        let rest = self.section.rest.get_or_insert_default();
        rest.fields = rest.fields.saturating_add(1);
        rest.characters = rest.characters.saturating_add(characters);
    }

    /// Adds a name of the action.
    fn named(&mut self, path: &str, kind: FieldType, text: &str, steps: &mut u64) {
        let mut inner = 0;
        let make = || (escape(text, Role::Name, &mut inner), None);
        self.push(&Place::root(path), kind, text.chars().count(), make, steps);
        *steps = steps.saturating_add(inner);
    }

    /// Adds a hash.
    fn hash(&mut self, path: &str, digest: &Digest) {
        let text = plain(digest.to_string());
        self.push(&Place::root(path), FieldType::Hash, 0, || (text, None), &mut 0);
    }

    fn finish(mut self) -> Section {
        let fields = &self.section.fields;
        self.section.folded = match self.section.name {
            // What one decides on is never folded.
            SectionName::Decision | SectionName::Hashes => 0,
            SectionName::Payload | SectionName::Words | SectionName::Facts => {
                fields.len().saturating_sub(shown_fields(fields))
            }
        };
        self.section
    }
}

/// How many fields are shown when the section is folded: the first, and as many as there is room for.
fn shown_fields(fields: &[Field]) -> usize {
    let (mut lines, mut characters) = (0_usize, 0_usize);
    let fits = |field: &&Field| {
        let text = match field.text.fold {
            Some(fold) => fold.split(&field.text.text).0,
            None => &field.text.text,
        };
        let length = text.chars().count().saturating_add(field.path.chars().count());
        lines = lines.saturating_add(text.split('\n').count());
        characters = characters.saturating_add(length);
        lines <= SECTION_LINES && characters <= SECTION_CHARACTERS
    };
    fields.iter().take_while(fits).count().max(1)
}

/// How much text a former value has, in bytes.
fn former_size(former: &Former) -> usize {
    match former {
        Former::Same => 0,
        Former::Other(_, text) => text.text.len(),
        Former::Text { changes, .. } => changes
            .iter()
            .fold(0, |size, change| size.saturating_add(change.text.text.len())),
    }
}
