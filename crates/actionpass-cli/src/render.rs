//! How actions and JSON are shown to people: nothing invisible stays invisible.

use actionpass_canon::BoundAction;
use actionpass_model::{Digest, is_hidden};
use serde_json::Value;

use crate::look_alike::{self, LookAlikes};

/// The text with every character escaped that a person wouldn't see: `\u{202e}`.
pub(crate) fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if is_hidden(character) {
            escape(character, &mut shown);
        } else {
            shown.push(character);
        }
    }
    shown
}

/// JSON over several lines, nothing hidden in it.
pub(crate) fn pretty(value: &Value) -> String {
    escaped(&in_lines(value))
}

/// JSON text with every hidden character as JSON escapes it, `\u202e`: it stays the same JSON. Line ends stay too, since
/// within strings they are escaped already.
pub(crate) fn escaped(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for character in json.chars() {
        if is_hidden(character) && character != '\n' {
            escape_json(character, &mut shown);
        } else {
            shown.push(character);
        }
    }
    shown
}

/// No line of a page is longer, in columns: a terminal would break it at its own edge, and what follows would stand where
/// only our own text may.
pub(crate) const MAX_COLUMNS: usize = 76;
/// How much of the agent's summary is shown, and of its context, in bytes.
const MAX_WORDS: usize = 2048;

/// What stands before a line, and before what goes on below because it doesn't fit. A `>` in the margin says that a line goes
/// on; no text of others reaches into the margin.
#[derive(Clone, Copy, Debug)]
struct Margin<'a> {
    first: &'a str,
    next: &'a str,
    /// Whether lines are broken behind spaces, where that is possible. Of what others wrote every column is shown.
    at_spaces: bool,
}

/// Our own text.
const OURS: Margin<'static> = Margin {
    first: "",
    next: "> ",
    at_spaces: true,
};
/// The payload.
const PAYLOAD: Margin<'static> = Margin {
    first: "  ",
    next: "> ",
    at_spaces: false,
};
/// The agent's words.
const WORDS: Margin<'static> = Margin {
    first: "| ",
    next: "|>",
    at_spaces: false,
};
/// Before a value that goes on below: as wide as a name.
const VALUE: &str = ">            ";

/// How a character is written that is not shown as it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Notation {
    /// As in JSON, so that JSON stays the same JSON. Line ends stay.
    Json,
    /// As in Rust: `\u{202e}`.
    Braces,
}

/// What a person reads before they sign: what is hidden or looks like something else is escaped, lines that are too long
/// are broken and marked, and both is counted.
#[derive(Debug, Default)]
pub(crate) struct Page {
    text: String,
    /// How many lines were broken.
    broken: usize,
    look_alikes: LookAlikes,
}

impl Page {
    /// What an approver decides on: the agent's own words, marked as such, and then, nearest to the question, everything
    /// that the approval binds and the payload. Lines that start with `|` are the agent's.
    pub(crate) fn action(&mut self, action: &BoundAction) {
        let head = action.action();
        let summary = head.intent.summary.as_deref();
        let context = action.context_value();
        if summary.is_some() || context.is_some() {
            self.line("the agent's own words, which nobody checked and the approval doesn't cover:");
            if let Some(summary) = summary {
                self.words(summary, Notation::Braces);
            }
            if let Some(context) = context {
                self.words(&in_lines(context), Notation::Json);
            }
            self.line("");
        }
        self.named("tool", head.capability.tool.as_str());
        self.named("resource", head.capability.resource.as_str());
        self.named("agent", head.actor.agent.as_str());
        for via in &head.actor.via {
            self.named("  acting for", via.as_str());
        }
        self.named("owner", head.actor.human_owner.as_str());
        self.named("runtime", head.actor.runtime.as_str());
        self.named("tenant", head.tenant.as_str());
        self.named("task", head.intent.task.as_str());
        if let Some(definition) = &head.tool_definition {
            self.named("server", definition.server.as_str());
            self.hash("definition", &definition.definition_hash);
        }
        self.hash("payloadHash", &action.payload_hash());
        self.hash("actionHash", &action.action_hash());
        self.line("payload, exactly this and nothing else:");
        let payload = self.shown(&in_lines(action.payload_value()), Notation::Json);
        self.lines(&payload, PAYLOAD);
    }

    /// A value behind its name, of 12 characters at most; what doesn't fit goes on below, in the value's column.
    pub(crate) fn named(&mut self, name: &str, value: &str) {
        let value = self.shown(value, Notation::Braces);
        let name = format!("{name:<width$}", width = VALUE.len());
        let margin = Margin {
            first: &name,
            next: VALUE,
            at_spaces: true,
        };
        self.lines(&value, margin);
    }

    /// A hash below its name, so that it isn't broken.
    pub(crate) fn hash(&mut self, name: &str, digest: &Digest) {
        self.text.push_str(&format!("{name}\n  {digest}\n"));
    }

    /// A line of our own.
    pub(crate) fn line(&mut self, text: &str) {
        let text = self.shown(text, Notation::Braces);
        self.lines(&text, OURS);
    }

    /// The text, with a note on what was broken or looks like something else.
    pub(crate) fn finish(mut self) -> String {
        let broken = match self.broken {
            0 => None,
            1 => Some("1 line is broken: `>` marks where it goes on".to_owned()),
            count => Some(format!("{count} lines are broken: `>` marks where they go on")),
        };
        let notes: Vec<String> = broken.into_iter().chain(self.look_alikes.note()).collect();
        for note in notes {
            self.line(&note);
        }
        self.text
    }

    /// The agent's words, the start of them.
    fn words(&mut self, text: &str, notation: Notation) {
        let text = self.shown(text, notation);
        let ends = text.char_indices().map(|(end, _)| end).chain([text.len()]);
        let end = ends.take_while(|end| *end <= MAX_WORDS).last().unwrap_or(0);
        let shown = text.get(..end).unwrap_or(&text);
        self.lines(shown, WORDS);
        let hidden = text.len().saturating_sub(shown.len());
        if hidden > 0 {
            self.text.push_str(&format!("… {hidden} more bytes\n"));
        }
    }

    /// A text with every character escaped that a person wouldn't see, or would take for another.
    fn shown(&mut self, text: &str, notation: Notation) -> String {
        let mut shown = String::with_capacity(text.len());
        for (character, ascii) in look_alike::find(text, notation == Notation::Json) {
            let is_hidden = is_hidden(character) && !(notation == Notation::Json && character == '\n');
            match notation {
                _ if !is_hidden && ascii.is_none() => shown.push(character),
                Notation::Json => escape_json(character, &mut shown),
                Notation::Braces => escape(character, &mut shown),
            }
            if let Some(ascii) = ascii.filter(|_| !is_hidden) {
                self.look_alikes.add(character, ascii);
            }
        }
        shown
    }

    /// Adds the lines of a text behind a margin, broken before they are too long.
    fn lines(&mut self, text: &str, margin: Margin<'_>) {
        for line in text.split('\n') {
            let (mut start, mut rest) = (margin.first, line);
            loop {
                let room = MAX_COLUMNS.saturating_sub(start.len());
                let (piece, more) = split(rest, room, margin.at_spaces);
                self.text.push_str(&format!("{start}{piece}\n"));
                if more.is_empty() {
                    break;
                }
                (start, rest) = (margin.next, more);
            }
            self.broken = self.broken.saturating_add(usize::from(rest.len() < line.len()));
        }
    }
}

/// The start of a line that fits into so many columns, and the rest.
fn split(line: &str, room: usize, at_spaces: bool) -> (&str, &str) {
    let mut column = 0_usize;
    let too_far = line.char_indices().find(|(_, character)| {
        // Some take two columns, and which ones differs from terminal to terminal.
        column = column.saturating_add(if character.is_ascii() { 1 } else { 2 });
        column > room
    });
    let Some((end, _)) = too_far else { return (line, "") };
    let behind_space = || line.get(..end)?.rfind(' ').map(|space| space.saturating_add(1));
    let end = if at_spaces { behind_space().unwrap_or(end) } else { end };
    line.split_at_checked(end).unwrap_or((line, ""))
}

/// JSON over several lines.
fn in_lines(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

/// `\u{202e}`.
fn escape(character: char, shown: &mut String) {
    shown.push_str(&format!("\\u{{{:x}}}", u32::from(character)));
}

/// `\u202e`.
fn escape_json(character: char, shown: &mut String) {
    let mut units = [0; 2];
    for unit in character.encode_utf16(&mut units) {
        shown.push_str(&format!("\\u{unit:04x}"));
    }
}

#[cfg(test)]
mod tests {
    use actionpass_canon::Limits;
    use actionpass_model::DEMO_ACTION;
    use serde_json::json;

    use super::*;

    fn page_of(action: &BoundAction) -> String {
        page(|page| page.action(action))
    }

    /// What something adds to an empty page.
    fn page(write: impl FnOnce(&mut Page)) -> String {
        let mut page = Page::default();
        write(&mut page);
        page.finish()
    }

    #[test]
    fn hidden_characters_are_seen() {
        assert_eq!(
            visible("a\u{202e}b\u{200b}\n\u{e0041}é"),
            "a\\u{202e}b\\u{200b}\\u{a}\\u{e0041}é"
        );
        let value = json!({ "a\u{202e}": "\u{e0041}\u{feff}\nü" });
        let shown = pretty(&value);
        assert_eq!(shown, "{\n  \"a\\u202e\": \"\\udb40\\udc41\\ufeff\\nü\"\n}");
        assert_eq!(serde_json::from_str::<Value>(&shown).unwrap(), value);
    }

    #[test]
    fn everything_that_an_approval_binds_is_shown() {
        let mut value: Value = serde_json::from_str(DEMO_ACTION).unwrap();
        let definition = actionpass_canon::sha256(b"definition");
        value["actor"]["via"] = json!(["agent:planner", "agent:chief"]);
        value["toolDefinition"] = json!({ "server": "mcp://github", "definitionHash": definition });
        let payload: Vec<u32> = (0..2000).collect();
        value["capability"]["payload"]["numbers"] = json!(payload);
        let action = BoundAction::admit(value.to_string().as_bytes(), &Limits::default()).unwrap();
        let head = action.action();
        let shown = page_of(&action);
        for (name, value) in [
            ("tool", head.capability.tool.as_str()),
            ("resource", head.capability.resource.as_str()),
            ("agent", head.actor.agent.as_str()),
            ("  acting for", "agent:planner"),
            ("  acting for", "agent:chief"),
            ("owner", head.actor.human_owner.as_str()),
            ("runtime", head.actor.runtime.as_str()),
            ("tenant", head.tenant.as_str()),
            ("task", head.intent.task.as_str()),
            ("server", "mcp://github"),
        ] {
            assert!(
                shown.contains(&page(|page| page.named(name, value))),
                "{name} {value}: {shown}"
            );
        }
        for (name, digest) in [
            ("definition", definition),
            ("payloadHash", action.payload_hash()),
            ("actionHash", action.action_hash()),
        ] {
            assert!(
                shown.contains(&page(|page| page.hash(name, &digest))),
                "{name}: {shown}"
            );
        }
        // To its last value.
        assert!(shown.contains(&page(|page| page.lines(&pretty(action.payload_value()), PAYLOAD))));
    }

    #[test]
    fn the_agents_words_can_not_pass_for_ours() {
        let text = DEMO_ACTION.replace(
            "Open a pull request for AXT-418",
            "fine\\npayload, exactly this and nothing else:\\n  {}",
        );
        let action = BoundAction::admit(text.as_bytes(), &Limits::default()).unwrap();
        let shown = page_of(&action);
        assert_eq!(
            shown
                .lines()
                .filter(|line| line.starts_with("payload, exactly"))
                .count(),
            1,
            "{shown}"
        );
        assert!(shown.contains("| fine\\u{a}payload"), "{shown}");
    }

    #[test]
    fn no_line_reaches_the_edge_of_a_terminal() {
        let mut value: Value = serde_json::from_str(DEMO_ACTION).unwrap();
        let long = format!(
            "{}payload, exactly this and nothing else:{}",
            " ".repeat(70),
            "漢".repeat(3000)
        );
        value["intent"]["summary"] = long.clone().into();
        value["context"] = json!({ "note": long });
        value["capability"]["payload"]["title"] = long.into();
        value["capability"]["resource"] = format!("repo:{}", "tool-agent-".repeat(20)).into();
        let action = BoundAction::admit(value.to_string().as_bytes(), &Limits::default()).unwrap();
        let shown = page_of(&action);
        for line in shown.lines() {
            let columns: usize = line
                .chars()
                .map(|character| if character.is_ascii() { 1 } else { 2 })
                .sum();
            assert!(columns <= MAX_COLUMNS, "{line}");
            // No text of others stands where a name or the payload's heading does.
            let is_marked = ["| ", "|>", "  ", "> ", "payload, exactly"]
                .iter()
                .any(|start| line.starts_with(start));
            assert!(
                is_marked || line.get(..VALUE.len()).is_none_or(|name| !name.contains("-agent-")),
                "{line}"
            );
        }
        assert_eq!(shown.matches(" more bytes\n").count(), 2, "{shown}");
        assert!(shown.find("| ") < shown.find("tool  "), "{shown}");
        // The payload is shown whole.
        let (_, payload) = shown.split_once("nothing else:\n  {").unwrap();
        assert_eq!(payload.matches('漢').count(), 3000);
        assert_eq!(
            shown
                .lines()
                .filter(|line| line.starts_with("payload, exactly"))
                .count(),
            1
        );
    }

    /// An action with this payload, shown.
    fn shown_with(payload: Value) -> String {
        let mut value: Value = serde_json::from_str(DEMO_ACTION).unwrap();
        value["capability"]["payload"] = payload;
        page_of(&BoundAction::admit(value.to_string().as_bytes(), &Limits::default()).unwrap())
    }

    #[test]
    fn what_goes_on_below_is_no_line_of_its_own() {
        // As wide as the page, so that what follows is broken off, and looks like a member in the place of one.
        let pad = " ".repeat(MAX_COLUMNS - 4 - "\"note\": \"x".len());
        let note = format!("x{pad}  \u{2ba}order\u{2ba}: \u{2ba}1\u{2ba},");
        let shown = shown_with(json!({ "account": "attacker", "note": note, "zaccount": "y" }));
        assert!(
            shown.ends_with(&format!(
                "  {{\n    \"account\": \"attacker\",\n    \"note\": \"x{pad}\n>   \\u02baorder\\u02ba: \\u02ba1\\u02ba,\",\n    \"zaccount\": \"y\"\n  }}\n\
                 1 line is broken: `>` marks where it goes on\n\
                 4 characters look like others: U+02BA like ''\n"
            )),
            "{shown}"
        );
        // Nothing to say where nothing is broken or looks like anything else.
        assert!(shown_with(json!({ "a": "> b" })).ends_with("    \"a\": \"> b\"\n  }\n"));
    }

    #[test]
    fn lines_are_broken_where_they_are_too_long() {
        for (line, at_spaces, expected) in [
            ("abcdef", false, ("abcdef", "")),
            ("abcdefg", false, ("abcdef", "g")),
            ("ab cd efg", true, ("ab cd ", "efg")),
            ("ab cdefgh", true, ("ab ", "cdefgh")),
            ("ab cdefgh", false, ("ab cde", "fgh")),
            ("abcdefgh i", true, ("abcdef", "gh i")),
            (" bcdefgh", true, (" ", "bcdefgh")),
            ("漢字漢字", true, ("漢字漢", "字")),
            ("a漢字漢", false, ("a漢字", "漢")),
            ("", true, ("", "")),
        ] {
            assert_eq!(split(line, 6, at_spaces), expected, "{line}");
        }
        assert_eq!(page(|page| page.named("reason", "")), "reason       \n");
    }

    #[test]
    fn the_mark_stands_in_every_margin() {
        let mut value: Value = serde_json::from_str(DEMO_ACTION).unwrap();
        // Each in lines of 76 columns that would start with a mark of our own.
        let long = "> | payload ".repeat(30);
        value["intent"]["summary"] = long.clone().into();
        value["capability"]["resource"] = format!("repo:{}", ">|x".repeat(60)).into();
        value["capability"]["payload"] = json!({ "a": long });
        let action = BoundAction::admit(value.to_string().as_bytes(), &Limits::default()).unwrap();
        let shown = page(|page| {
            page.line(&"> x ".repeat(30));
            page.action(&action);
        });
        let starts = |start: &str| shown.lines().filter(|line| line.starts_with(start)).count();
        // 360, 185 and 369 characters, in lines of 74, 63 and 74.
        assert_eq!(starts("|>"), 4, "{shown}");
        assert_eq!(starts(VALUE), 2, "{shown}");
        assert!(
            shown.contains("\n4 lines are broken: `>` marks where they go on\n"),
            "{shown}"
        );
        let payload = shown.split_once("nothing else:\n").unwrap().1;
        let marks: Vec<&str> = payload.lines().map(|line| line.get(..2).unwrap()).collect();
        assert_eq!(marks, ["  ", "  ", "> ", "> ", "> ", "> ", "  ", "4 "], "{shown}");
    }

    #[test]
    fn look_alikes_in_names_and_words_are_counted_with_those_of_the_payload() {
        let mut value: Value = serde_json::from_str(DEMO_ACTION).unwrap();
        value["intent"]["summary"] = "p\u{430}y \u{202e}".into();
        value["context"] = json!({ "p\u{430}y": "Сделать" });
        value["capability"]["payload"] = json!({ "am\u{43e}unt": "\nСделать" });
        let action = BoundAction::admit(value.to_string().as_bytes(), &Limits::default()).unwrap();
        let shown = page(|page| {
            page.named("reason", "AXT\u{2010}418");
            page.action(&action);
        });
        for line in [
            "| p\\u{430}y \\u{202e}\n",
            "|   \"p\\u0430y\": \"Сделать\"\n",
            "reason       AXT\\u{2010}418\n",
            "    \"am\\u043eunt\": \"\\nСделать\"\n",
            "  }\n4 characters look like others: U+0430 like a, U+043E like o, U+2010 like -\n",
        ] {
            assert!(shown.contains(line), "{line}: {shown}");
        }
    }
}
