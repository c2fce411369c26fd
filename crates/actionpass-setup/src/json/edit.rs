//! Edits of a text: what they don't concern stays byte for byte.

use std::ops::Range;

use super::value::quoted;
use super::{Dialect, Json, JsonError, Kind, Node, scan};

/// A text that is edited.
#[derive(Clone, Debug)]
pub(crate) struct Editor {
    text: String,
    dialect: Dialect,
}

/// What lies inside of a list or an object.
struct Inside {
    /// With its brackets.
    span: Range<usize>,
    /// From the start of each (with its name) to its end.
    children: Vec<Range<usize>>,
}

impl Editor {
    /// Edits this text.
    pub(crate) const fn new(text: String, dialect: Dialect) -> Self {
        Self { text, dialect }
    }

    /// The text as it is now.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The same.
    pub(crate) fn into_text(self) -> String {
        self.text
    }

    /// The text, read.
    pub(crate) fn node(&self) -> Result<Node, JsonError> {
        Node::parse(&self.text, self.dialect)
    }

    /// Gives the member that a path leads to this value; objects on the way are made.
    pub(crate) fn set(&mut self, path: &[String], value: &Json) -> Result<(), JsonError> {
        let root = self.node()?;
        let (node, left) = walk(&root, path)?;
        let Some((name, deeper)) = left.split_first() else {
            let indent = self.indent_of_line(node.span.start);
            let text = self.rendered(value, &indent, self.is_spread(&node.span));
            self.text.replace_range(node.span.clone(), &text);
            return Ok(());
        };
        let Kind::Object(_) = node.kind else {
            return Err(JsonError {
                at: node.span.start,
                problem: "no object where one has to be",
            });
        };
        let nested = deeper
            .iter()
            .rev()
            .fold(value.clone(), |value, name| Json::Object(vec![(name.clone(), value)]));
        self.insert(&Inside::of(node), Some(name), &nested)
    }

    /// Removes the member that a path leads to; whether it was there.
    pub(crate) fn remove(&mut self, path: &[String]) -> Result<bool, JsonError> {
        let Some((name, above)) = path.split_last() else {
            return Ok(false);
        };
        let root = self.node()?;
        let (node, left) = walk(&root, above)?;
        let places = node.members().iter().enumerate();
        let mut places = places.filter(|(_, member)| member.name == *name && left.is_empty());
        let Some((place, _)) = places.next() else {
            return Ok(false);
        };
        if places.next().is_some() {
            return Err(ambiguous(node));
        }
        self.take_out(&Inside::of(node), place)?;
        Ok(true)
    }

    /// Adds an item to the end of the list that a path leads to; the list, and objects on the way, are made. How many of the
    /// path's names were not there.
    pub(crate) fn push(&mut self, path: &[String], item: &Json) -> Result<usize, JsonError> {
        let root = self.node()?;
        let (node, left) = walk(&root, path)?;
        if !left.is_empty() {
            self.set(path, &Json::List(vec![item.clone()]))?;
            return Ok(left.len());
        }
        let Kind::List(_) = node.kind else {
            return Err(JsonError {
                at: node.span.start,
                problem: "no list where one has to be",
            });
        };
        self.insert(&Inside::of(node), None, item)?;
        Ok(0)
    }

    /// Removes the last item of a list that is this value, which is where it was added; whether there was one.
    pub(crate) fn pull(&mut self, path: &[String], item: &Json) -> Result<bool, JsonError> {
        let root = self.node()?;
        let (node, left) = walk(&root, path)?;
        let is_it = |found: &Node| left.is_empty() && found.to_json(&self.text).is_same(item);
        let Some(place) = node.items().iter().rposition(is_it) else {
            return Ok(false);
        };
        self.take_out(&Inside::of(node), place)?;
        Ok(true)
    }

    /// Adds a child to the end of a list or an object.
    fn insert(&mut self, inside: &Inside, name: Option<&str>, value: &Json) -> Result<(), JsonError> {
        let newline = self.newline();
        let line = self.indent_of_line(inside.span.start);
        let written = |text: String| name.map_or_else(|| text.clone(), |name| format!("{}: {text}", quoted(name)));
        let (Some(first), Some(last)) = (inside.children.first(), inside.children.last()) else {
            let indent = format!("{line}{}", self.unit());
            let child = written(self.rendered(value, &indent, true));
            let open = inside.span.start.saturating_add(1);
            let close = inside.span.end.saturating_sub(1);
            // Comments stay, and what comes behind them.
            let (_, comment) = scan::blanks(&self.text, open, self.dialect)?;
            let from = comment.unwrap_or(open);
            self.text
                .replace_range(from..close, &format!("{newline}{indent}{child}{newline}{line}"));
            return Ok(());
        };
        let before = self.text.get(inside.span.start..first.start).unwrap_or_default();
        let is_spread = before.contains('\n');
        let (separator, child) = if is_spread {
            let indent = self.indent_of_line(first.start);
            let child = written(self.rendered(value, &indent, true));
            (format!("{newline}{indent}"), child)
        } else {
            (" ".to_owned(), written(self.rendered(value, "", false)))
        };
        let (next, comment) = scan::blanks(&self.text, last.end, self.dialect)?;
        let has_comma = self.text.as_bytes().get(next) == Some(&b',');
        // A comment up to the end of its line would swallow what comes behind it.
        let separator_behind_comment = if is_spread {
            separator.clone()
        } else {
            format!("{newline}{line}{}", self.unit())
        };
        if has_comma {
            // The comma behind the last child serves; the new one gets its own, as its owner likes them.
            let behind = next.saturating_add(1);
            let (_, comment) = scan::blanks(&self.text, behind, self.dialect)?;
            let (place, separator) = match comment {
                Some(comment) => (comment, separator_behind_comment),
                None => (behind, separator),
            };
            self.text.insert_str(place, &format!("{separator}{child},"));
        } else if let Some(comment) = comment {
            self.text
                .insert_str(comment, &format!("{separator_behind_comment}{child}"));
            self.text.insert(last.end, ',');
        } else {
            self.text.insert_str(last.end, &format!(",{separator}{child}"));
        }
        Ok(())
    }

    /// Takes a child out, with one comma and the blanks that belong to it. Comments stay.
    fn take_out(&mut self, inside: &Inside, place: usize) -> Result<(), JsonError> {
        let spans = remove_spans(&self.text, self.dialect, &inside.span, &inside.children, place)?;
        for span in spans.into_iter().rev() {
            self.text.replace_range(span, "");
        }
        Ok(())
    }

    fn rendered(&self, value: &Json, indent: &str, is_spread: bool) -> String {
        if is_spread {
            value.pretty(indent, &self.unit(), self.newline())
        } else {
            value.compact()
        }
    }

    /// Whether the lines around a value are such that it may take several.
    fn is_spread(&self, span: &Range<usize>) -> bool {
        let before = self.text.get(..span.start).unwrap_or_default();
        let line = before.rsplit('\n').next().unwrap_or_default();
        // In a line of its own, behind its name perhaps.
        before.contains('\n') && !line.trim_start().starts_with(['{', '['])
            || self.text.get(span.clone()).is_some_and(|text| text.contains('\n'))
    }

    fn newline(&self) -> &'static str {
        match self.text.find('\n') {
            Some(at) if self.text.get(..at).is_some_and(|before| before.ends_with('\r')) => "\r\n",
            _ => "\n",
        }
    }

    /// What a level is indented by: what the first indented line begins with.
    fn unit(&self) -> String {
        let lines = self.text.lines().skip(1);
        let mut indents = lines.filter(|line| !line.trim().is_empty()).map(blank_start);
        let found = indents.find(|indent| !indent.is_empty());
        found.filter(|unit| unit.len() <= 8).unwrap_or("  ").to_owned()
    }

    /// What the line begins with that a byte stands in.
    fn indent_of_line(&self, at: usize) -> String {
        let before = self.text.get(..at).unwrap_or_default();
        let line = before.rsplit('\n').next().unwrap_or_default();
        blank_start(line).to_owned()
    }
}

impl Inside {
    fn of(node: &Node) -> Self {
        let members = node.members().iter().map(|member| member.start..member.node.span.end);
        let items = node.items().iter().map(|item| item.span.clone());
        Self {
            span: node.span.clone(),
            children: members.chain(items).collect(),
        }
    }
}

/// What of a text goes with a child of a list or an object, in order: the child, one comma, blanks.
fn remove_spans(
    text: &str,
    dialect: Dialect,
    container: &Range<usize>,
    children: &[Range<usize>],
    place: usize,
) -> Result<Vec<Range<usize>>, JsonError> {
    let Some(child) = children.get(place) else {
        return Ok(Vec::new());
    };
    let before = |at: usize| {
        let text = text.get(container.start.saturating_add(1)..at).unwrap_or_default();
        at.saturating_sub(
            text.len()
                .saturating_sub(text.trim_end_matches([' ', '\t', '\r', '\n']).len()),
        )
    };
    let (next, _) = scan::blanks(text, child.end, dialect)?;
    let comma = (text.as_bytes().get(next) == Some(&b',')).then_some(next..next.saturating_add(1));
    let start = before(child.start);
    // A line comment before the child goes on to the end of its line, which has to stay.
    let start = if ends_in_comment(text, container, children, place, start) {
        child.start
    } else {
        start
    };
    let previous = place.checked_sub(1).and_then(|previous| children.get(previous));
    // The last bracket moves up to the first one, unless something stands between.
    let close = container.end.saturating_sub(1);
    let is_alone = children.len() == 1 && before(close) <= child.end && start == container.start.saturating_add(1);
    let taken = start..if is_alone { close } else { child.end };
    Ok(match (comma, previous) {
        (Some(comma), _) => vec![taken, comma],
        (None, None) => Vec::from([taken]),
        (None, Some(previous)) => {
            let (comma, _) = scan::blanks(text, previous.end, dialect)?;
            vec![comma..comma.saturating_add(1), taken]
        }
    })
}

/// Whether what ends before a child is a comment.
fn ends_in_comment(text: &str, container: &Range<usize>, children: &[Range<usize>], place: usize, end: usize) -> bool {
    let from = match place.checked_sub(1).and_then(|previous| children.get(previous)) {
        Some(previous) => previous.end,
        None => container.start.saturating_add(1),
    };
    text.get(from..end).is_some_and(|between| between.contains('/'))
}

/// As far as a path leads, and what is left of it.
fn walk<'a, 'p>(root: &'a Node, path: &'p [String]) -> Result<(&'a Node, &'p [String]), JsonError> {
    let (mut node, mut left) = (root, path);
    while let Some((name, deeper)) = left.split_first() {
        let mut found = node.members().iter().filter(|member| member.name == *name);
        let Some(member) = found.next() else { break };
        if found.next().is_some() {
            return Err(ambiguous(node));
        }
        (node, left) = (&member.node, deeper);
    }
    Ok((node, left))
}

fn ambiguous(node: &Node) -> JsonError {
    JsonError {
        at: node.span.start,
        problem: "an object has a name twice",
    }
}

fn blank_start(line: &str) -> &str {
    let blanks = line.bytes().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    line.get(..blanks).unwrap_or_default()
}
