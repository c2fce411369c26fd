//! What applies to what: the subschemas of a schema and how they lead to each other.
//!
//! The validator has no budget, so what it will do for one call is counted before it does it. For every value of the arguments
//! the walk knows which subschemas are applied to it and how often; numbers multiply where branches do, but each pair of
//! value and subschema is looked at once, so that counting is cheap where validating would not be.

use std::collections::{HashMap, HashSet};

use actionpass_policy::PayloadStep;
use jsonschema::{PatternOptions, Regex, Validator};
use serde_json::{Map, Value, json};

use super::Schema;

/// What a compiled pattern may take, in bytes: the smallest of these that it fits says how many steps it takes for a byte.
const PATTERN_BYTES: [usize; 7] = [1 << 10, 1 << 12, 1 << 14, 1 << 16, 1 << 18, 1 << 20, MAX_PATTERN_BYTES];
/// The largest of them.
pub(super) const MAX_PATTERN_BYTES: usize = 4 << 20;
/// What all patterns of a schema may take together, so that compiling them takes no time to speak of.
const MAX_PATTERNS_BYTES: usize = 8 << 20;
/// A state of a compiled pattern takes that at most; in the worst case each is looked at for each byte.
const STATE_BYTES: usize = 64;
/// How many patterns a schema may have.
const MAX_PATTERNS: usize = 128;
/// To how many places references may lead: compiling enters each once at a time, and is recursive.
const MAX_TARGETS: usize = 96;
/// How deep judging one call may go, through values and through subschemas for the same value: it is recursive too, and a
/// thread may have 2 MiB of stack.
const MAX_NESTING: usize = 384;

/// The subschemas of a schema; the first one is the whole.
#[derive(Debug)]
pub(super) struct Graph {
    nodes: Vec<Node>,
    /// Every subschema before those that it leads to in place.
    order: Vec<usize>,
}

/// A subschema.
#[derive(Debug, Default)]
struct Node {
    /// Steps of asking it once, whatever it leads to.
    weight: u64,
    /// Steps for each byte of a text or of member names: of its patterns.
    per_byte: u64,
    /// Whether elements are compared with each other.
    compares: bool,
    /// It is applied to the value more than once where it has `unevaluated…`.
    factor: u64,
    /// Other subschemas for the same value.
    in_place: Vec<usize>,
    /// Subschemas for members by name.
    members: Vec<(Box<str>, usize)>,
    /// Subschemas for members of any name.
    any_member: Vec<usize>,
    /// Subschemas for elements.
    elements: Vec<usize>,
    /// Subschemas for the names of members.
    names: Vec<usize>,
    /// Patterns of names that it declares.
    declared: Vec<Validator>,
    /// It says something about members of an object.
    has_members: bool,
    /// It says what becomes of members that it doesn't declare.
    is_open: bool,
}

impl Node {
    /// The subschema for a member.
    fn member(&self, name: &str) -> Option<usize> {
        // As in every map of `serde_json`, names are in order.
        let at = self.members.binary_search_by(|(other, _)| (**other).cmp(name)).ok()?;
        self.members.get(at).map(|(_, number)| *number)
    }

    /// Whether it declares a member of this name.
    fn declares(&self, name: &str) -> bool {
        let value = Value::from(name);
        self.member(name).is_some() || self.declared.iter().any(|pattern| pattern.is_valid(&value))
    }
}

type Result<T> = std::result::Result<T, String>;

impl Graph {
    /// Reads a schema, within the limits.
    pub(super) fn read(root: &Value) -> Result<Self> {
        if depth(root) > Schema::MAX_DEPTH {
            return Err(format!("nests deeper than {}", Schema::MAX_DEPTH));
        }
        let mut reader = Reader {
            root,
            numbers: HashMap::new(),
            todo: Vec::new(),
            targets: HashSet::new(),
            patterns: 0,
            pattern_bytes: 0,
        };
        reader.number(root);
        let mut nodes = Vec::new();
        while let Some(value) = reader.todo.get(nodes.len()).copied() {
            nodes.push(reader.node(value, nodes.is_empty())?);
        }
        let order = order(&nodes)?;
        Ok(Self { nodes, order })
    }

    /// Whether a value that fits can have something at the end of this path. What a schema forbids otherwise (`false`, `not`, a
    /// type) isn't looked at: a path that can't exist is one with a member that nothing declares, in an object that is closed.
    pub(super) fn can_have(&self, steps: &[PayloadStep<'_>]) -> bool {
        let mut here = vec![true];
        for (depth, step) in steps.iter().enumerate() {
            let nodes: Vec<&Node> = self.in_place(here).collect();
            if nodes.is_empty() {
                // Nothing is said of this value.
                return true;
            }
            let mut next = vec![false; self.nodes.len()];
            let mut lead = |targets: &mut dyn Iterator<Item = usize>| {
                for target in targets {
                    if let Some(place) = next.get_mut(target) {
                        *place = true;
                    }
                }
            };
            match step {
                PayloadStep::Member(name) => {
                    let closes = depth == 0 || nodes.iter().any(|node| node.has_members);
                    let is_closed = closes && !nodes.iter().any(|node| node.is_open);
                    if is_closed && !nodes.iter().any(|node| node.declares(name)) {
                        return false;
                    }
                    lead(&mut nodes.iter().filter_map(|node| node.member(name)));
                    lead(&mut nodes.iter().flat_map(|node| node.any_member.iter().copied()));
                }
                PayloadStep::Members => {
                    lead(
                        &mut nodes
                            .iter()
                            .flat_map(|node| node.members.iter().map(|(_, target)| *target)),
                    );
                    lead(&mut nodes.iter().flat_map(|node| node.any_member.iter().copied()));
                }
                PayloadStep::Each => lead(&mut nodes.iter().flat_map(|node| node.elements.iter().copied())),
                _ => return true,
            }
            here = next;
        }
        true
    }

    /// The subschemas that are applied to a value besides these, and these.
    fn in_place(&self, mut applied: Vec<bool>) -> impl Iterator<Item = &Node> {
        applied.resize(self.nodes.len(), false);
        self.order.iter().filter_map(move |number| {
            let is_applied = applied.get(*number).copied().unwrap_or_default();
            let node = self.nodes.get(*number).filter(|_| is_applied)?;
            for target in &node.in_place {
                if let Some(place) = applied.get_mut(*target) {
                    *place = true;
                }
            }
            Some(node)
        })
    }

    /// Counts the work of judging a value, and finds the first member that no subschema declares: a JSON pointer.
    pub(super) fn walk(&self, value: &Value, max_work: u64) -> Result<Option<String>> {
        let mut walk = Walk {
            graph: self,
            left: max_work,
            undeclared: None,
        };
        walk.visit(value, &[(0, 1)], "", 0, true)?;
        Ok(walk.undeclared)
    }
}

/// Reads a schema into nodes.
struct Reader<'v> {
    root: &'v Value,
    /// The numbers of subschemas, by where they are in memory.
    numbers: HashMap<usize, usize>,
    todo: Vec<&'v Value>,
    /// How many subschemas references lead to.
    targets: HashSet<usize>,
    patterns: usize,
    pattern_bytes: usize,
}

impl<'v> Reader<'v> {
    fn number(&mut self, value: &'v Value) -> usize {
        let next = self.todo.len();
        let number = *self.numbers.entry(std::ptr::from_ref(value).addr()).or_insert(next);
        if number == next {
            self.todo.push(value);
        }
        number
    }

    fn all(&mut self, value: &'v Value) -> Vec<usize> {
        let values: Vec<&Value> = match value {
            Value::Array(values) => values.iter().collect(),
            Value::Object(values) => values.values().collect(),
            _ => Vec::new(),
        };
        let schemas = values.into_iter().filter(|value| is_schema(value));
        schemas.map(|schema| self.number(schema)).collect()
    }

    fn node(&mut self, value: &'v Value, is_root: bool) -> Result<Node> {
        let mut node = Node {
            weight: 1,
            factor: 1,
            ..Node::default()
        };
        let Value::Object(schema) = value else { return Ok(node) };
        for (keyword, value) in schema {
            match keyword.as_str() {
                "$ref" => {
                    let target = self.target(value)?;
                    node.in_place.push(target);
                }
                "$dynamicRef" | "$recursiveRef" => return Err(format!("has `{keyword}`, which is not supported")),
                "$id" | "id" if !is_root && value.is_string() => {
                    return Err(format!("has `{keyword}` inside, which changes what references mean"));
                }
                "allOf" | "anyOf" | "oneOf" | "dependentSchemas" | "dependencies" => {
                    node.in_place.extend(self.all(value));
                    if keyword.starts_with("depend") {
                        node.weight = node.weight.saturating_add(size(value));
                    }
                }
                "not" | "if" | "then" | "else" => node.in_place.push(self.number(value)),
                "properties" => self.properties(value, &mut node),
                "patternProperties" => self.pattern_properties(value, &mut node)?,
                "additionalProperties" | "unevaluatedProperties" => {
                    // What is said to have no place stays undeclared, also where a draft doesn't know the keyword.
                    node.is_open |= value != &Value::Bool(false);
                    node.any_member.push(self.number(value));
                    node.factor = if keyword.starts_with('u') { 3 } else { node.factor };
                }
                "propertyNames" => node.names.push(self.number(value)),
                "items" | "additionalItems" | "contains" | "prefixItems" | "unevaluatedItems" => {
                    if value.is_array() {
                        node.elements.extend(self.all(value));
                    } else {
                        node.elements.push(self.number(value));
                    }
                    node.factor = if keyword.starts_with('u') { 3 } else { node.factor };
                }
                "pattern" => {
                    let (steps, _) = self.pattern(value.as_str().unwrap_or_default())?;
                    node.per_byte = node.per_byte.saturating_add(steps);
                }
                "uniqueItems" => node.compares = value == &Value::Bool(true),
                // Not asked, however long.
                "$defs" | "definitions" | "title" | "description" | "examples" | "default" | "$comment" => {}
                _ => node.weight = node.weight.saturating_add(size(value)),
            }
        }
        Ok(node)
    }

    fn properties(&mut self, value: &'v Value, node: &mut Node) {
        let Value::Object(properties) = value else { return };
        node.has_members = true;
        for (name, schema) in properties {
            let number = self.number(schema);
            node.members.push((name.as_str().into(), number));
        }
        node.weight = node.weight.saturating_add(properties.len() as u64);
    }

    fn pattern_properties(&mut self, value: &'v Value, node: &mut Node) -> Result<()> {
        let Value::Object(properties) = value else {
            return Ok(());
        };
        node.has_members = true;
        for (pattern, schema) in properties {
            let (steps, validator) = self.pattern(pattern)?;
            node.per_byte = node.per_byte.saturating_add(steps);
            node.declared.push(validator);
            let number = self.number(schema);
            node.any_member.push(number);
        }
        Ok(())
    }

    /// The steps that a pattern takes for each byte, and what asks it of a text.
    fn pattern(&mut self, pattern: &str) -> Result<(u64, Validator)> {
        self.patterns = self.patterns.saturating_add(1);
        if self.patterns > MAX_PATTERNS {
            return Err(format!("has more than {MAX_PATTERNS} patterns"));
        }
        for bytes in PATTERN_BYTES {
            let options = jsonschema::options().offline().with_pattern_options(engine(bytes));
            if let Ok(validator) = options.build(&json!({ "pattern": pattern })) {
                self.pattern_bytes = self.pattern_bytes.saturating_add(bytes);
                if self.pattern_bytes > MAX_PATTERNS_BYTES {
                    return Err("has patterns that are too large together".to_owned());
                }
                return Ok(((bytes / STATE_BYTES) as u64, validator));
            }
        }
        Err("has a pattern that is too large, or none that takes linear time".to_owned())
    }

    /// What a reference leads to: a place in this schema.
    fn target(&mut self, value: &Value) -> Result<usize> {
        let reference = value.as_str().unwrap_or_default();
        let Some(fragment) = reference.strip_prefix('#') else {
            return Err("refers to another document".to_owned());
        };
        // The validator must find the same place, or its work would be another than what is counted.
        if fragment.contains('%') {
            return Err("has a reference with an escape".to_owned());
        }
        let found = if fragment.is_empty() || fragment.starts_with('/') {
            self.root.pointer(fragment)
        } else {
            anchor(self.root, fragment)
        };
        let found = found.filter(|found| is_schema(found));
        let found = found.ok_or("refers to a place that it doesn't have")?;
        let number = self.number(found);
        self.targets.insert(number);
        if self.targets.len() > MAX_TARGETS {
            return Err(format!("refers to more than {MAX_TARGETS} places"));
        }
        Ok(number)
    }
}

/// Patterns in linear time, and in so many bytes.
pub(super) fn engine(bytes: usize) -> PatternOptions<Regex> {
    PatternOptions::regex()
        .size_limit(bytes)
        .dfa_size_limit(MAX_PATTERN_BYTES)
}

const fn is_schema(value: &Value) -> bool {
    matches!(value, Value::Object(_) | Value::Bool(_))
}

/// The subschema with an `$anchor`, if nothing else in the schema goes by that name.
fn anchor<'v>(root: &'v Value, name: &str) -> Option<&'v Value> {
    let mut found = Vec::new();
    let mut open = vec![root];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(members) => {
                let is = |keyword: &str, name: &str| members.get(keyword).and_then(Value::as_str) == Some(name);
                if is("$anchor", name) {
                    found.push(Some(value));
                }
                let id = format!("#{name}");
                if is("$dynamicAnchor", name) || is("$id", &id) || is("id", &id) {
                    found.push(None);
                }
                open.extend(members.values());
            }
            Value::Array(elements) => open.extend(elements),
            _ => {}
        }
    }
    match found.as_slice() {
        [one] => *one,
        _ => None,
    }
}

/// How deep objects and arrays nest.
fn depth(root: &Value) -> usize {
    let mut deepest = 0;
    let mut open = vec![(root, 1_usize)];
    while let Some((value, depth)) = open.pop() {
        let inside: Vec<&Value> = match value {
            Value::Object(members) => members.values().collect(),
            Value::Array(elements) => elements.iter().collect(),
            _ => continue,
        };
        deepest = deepest.max(depth);
        open.extend(inside.into_iter().map(|value| (value, depth.saturating_add(1))));
    }
    deepest
}

/// How many values there are in a value, and for each eight bytes of text one more.
fn size(root: &Value) -> u64 {
    let mut size: u64 = 0;
    let mut open = vec![root];
    while let Some(value) = open.pop() {
        size = size.saturating_add(1);
        match value {
            Value::Object(members) => open.extend(members.values()),
            Value::Array(elements) => open.extend(elements),
            Value::String(text) => size = size.saturating_add(text.len() as u64 / 8),
            _ => {}
        }
    }
    size
}

/// Every node before those that it leads to in place.
fn order(nodes: &[Node]) -> Result<Vec<usize>> {
    let mut incoming = vec![0_usize; nodes.len()];
    for target in nodes.iter().flat_map(|node| &node.in_place) {
        if let Some(count) = incoming.get_mut(*target) {
            *count = count.saturating_add(1);
        }
    }
    let mut ready: Vec<usize> = (0..nodes.len())
        .filter(|node| incoming.get(*node) == Some(&0))
        .collect();
    let mut order = Vec::new();
    while let Some(at) = ready.pop() {
        order.push(at);
        for target in nodes.get(at).into_iter().flat_map(|node| &node.in_place) {
            if let Some(count) = incoming.get_mut(*target) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    ready.push(*target);
                }
            }
        }
    }
    if order.len() < nodes.len() {
        return Err("leads to itself without a value in between".to_owned());
    }
    Ok(order)
}

/// One call on its way through a schema.
struct Walk<'g> {
    graph: &'g Graph,
    left: u64,
    undeclared: Option<String>,
}

/// How often a subschema is applied.
type Applied = (usize, u64);

impl Walk<'_> {
    fn spend(&mut self, steps: u64) -> Result<()> {
        self.left = self
            .left
            .checked_sub(steps)
            .ok_or_else(|| "takes more work for these arguments than one call may take".to_owned())?;
        Ok(())
    }

    /// Applies subschemas to a value and to what is in it.
    fn visit(&mut self, value: &Value, applied: &[Applied], pointer: &str, depth: usize, is_root: bool) -> Result<()> {
        if applied.is_empty() {
            return Ok(());
        }
        let (applied, nesting) = self.expand(applied)?;
        let depth = depth.saturating_add(nesting);
        if depth > MAX_NESTING {
            return Err("nests too deep for these arguments".to_owned());
        }
        let bytes = match value {
            Value::String(text) => text.len(),
            Value::Object(members) => members.keys().map(String::len).sum(),
            _ => 0,
        };
        let whole = if applied
            .iter()
            .any(|(node, _)| self.graph.nodes.get(*node).is_some_and(|node| node.compares))
        {
            size(value)
        } else {
            0
        };
        for (number, count) in &applied {
            let Some(node) = self.graph.nodes.get(*number) else {
                continue;
            };
            let mut steps = node.weight.saturating_add(node.per_byte.saturating_mul(bytes as u64));
            if node.compares {
                steps = steps.saturating_add(whole.saturating_mul(16));
            }
            self.spend(steps.saturating_mul(*count))?;
        }
        match value {
            Value::Object(members) => self.members(members, &applied, pointer, depth, is_root),
            Value::Array(elements) => {
                let below = self.below(&applied, |node| node.elements.iter().copied());
                for (at, element) in elements.iter().enumerate() {
                    self.visit(element, &below, &format!("{pointer}/{at}"), depth, false)?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn members(
        &mut self,
        members: &Map<String, Value>,
        applied: &[Applied],
        pointer: &str,
        depth: usize,
        is_root: bool,
    ) -> Result<()> {
        let node = |number: &Applied| self.graph.nodes.get(number.0);
        let is_open = applied.iter().filter_map(node).any(|node| node.is_open);
        let is_closed = !is_open && (is_root || applied.iter().filter_map(node).any(|node| node.has_members));
        let names = self.below(applied, |node| node.names.iter().copied());
        for (name, value) in members {
            let below = self.below(applied, |node| {
                let named = node.members.iter().filter(|(other, _)| **other == **name);
                named.map(|(_, number)| *number).chain(node.any_member.iter().copied())
            });
            let place = format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"));
            if is_closed && self.undeclared.is_none() && !self.declares(applied, name) {
                self.undeclared = Some(place.clone());
            }
            if !names.is_empty() {
                self.visit(&Value::from(name.as_str()), &names, &place, depth, false)?;
            }
            self.visit(value, &below, &place, depth, false)?;
        }
        Ok(())
    }

    fn declares(&self, applied: &[Applied], name: &str) -> bool {
        let mut nodes = applied.iter().filter_map(|(number, _)| self.graph.nodes.get(*number));
        nodes.any(|node| node.declares(name))
    }

    /// What is applied to the same value besides, and how deep that goes.
    fn expand(&mut self, applied: &[Applied]) -> Result<(Vec<Applied>, usize)> {
        let mut counts: HashMap<usize, (u64, usize)> = HashMap::new();
        for (number, count) in applied {
            let entry = counts.entry(*number).or_default();
            *entry = (entry.0.saturating_add(*count), 1);
        }
        let mut expanded = Vec::new();
        let mut deepest = 0;
        self.spend(self.graph.order.len() as u64 / 8)?;
        for number in &self.graph.order {
            let Some((count, depth)) = counts.get(number).copied() else {
                continue;
            };
            let Some(node) = self.graph.nodes.get(*number) else {
                continue;
            };
            deepest = deepest.max(depth);
            expanded.push((*number, count));
            for target in &node.in_place {
                let entry = counts.entry(*target).or_default();
                entry.0 = entry.0.saturating_add(count.saturating_mul(node.factor));
                entry.1 = entry.1.max(depth.saturating_add(1));
            }
        }
        Ok((expanded, deepest))
    }

    /// What is applied to a value inside.
    fn below<'n, I: Iterator<Item = usize>>(
        &'n self,
        applied: &[Applied],
        inside: impl Fn(&'n Node) -> I,
    ) -> Vec<Applied> {
        let mut below: Vec<Applied> = Vec::new();
        for (number, count) in applied {
            let Some(node) = self.graph.nodes.get(*number) else {
                continue;
            };
            for target in inside(node) {
                below.push((target, count.saturating_mul(node.factor)));
            }
        }
        below
    }
}
