//! How actions and JSON are shown to people: nothing invisible stays invisible.

use actionpass_canon::BoundAction;
use actionpass_model::{Digest, is_hidden};
use serde_json::Value;

/// The text with every character escaped that a person wouldn't see: `\u{202e}`.
pub(crate) fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if is_hidden(character) {
            shown.push_str(&format!("\\u{{{:x}}}", u32::from(character)));
        } else {
            shown.push(character);
        }
    }
    shown
}

/// JSON over several lines, nothing hidden in it.
pub(crate) fn pretty(value: &Value) -> String {
    escaped(&serde_json::to_string_pretty(value).unwrap_or_default())
}

/// JSON text with every hidden character as JSON escapes it, `\u202e`: it stays the same JSON. Line ends stay too, since
/// within strings they are escaped already.
pub(crate) fn escaped(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for character in json.chars() {
        if is_hidden(character) && character != '\n' {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                shown.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            shown.push(character);
        }
    }
    shown
}

/// No line that is shown is longer, in columns: a terminal would break it at its own edge, and what follows would stand
/// where only our own text may.
const MAX_COLUMNS: usize = 76;
/// How much of the agent's summary is shown, and of its context, in bytes.
const MAX_WORDS: usize = 2048;
/// The width of a line's name.
const NAME: usize = 13;

/// What an approver decides on: the agent's own words, marked as such, and then, nearest to the question, everything
/// that the approval binds and the payload. Lines that start with `|` are the agent's.
pub(crate) fn action(action: &BoundAction) -> String {
    let head = action.action();
    let mut text = String::new();
    let summary = head.intent.summary.as_deref();
    let context = action.context_value();
    if summary.is_some() || context.is_some() {
        text.push_str("the agent's own words, which nobody checked and the approval doesn't cover:\n");
        if let Some(summary) = summary {
            text.push_str(&words(&visible(summary)));
        }
        if let Some(context) = context {
            text.push_str(&words(&pretty(context)));
        }
        text.push('\n');
    }
    let mut line = |name: &str, value: &str| text.push_str(&named(name, value));
    line("tool", head.capability.tool.as_str());
    line("resource", head.capability.resource.as_str());
    line("agent", head.actor.agent.as_str());
    for via in &head.actor.via {
        line("  acting for", via.as_str());
    }
    line("owner", head.actor.human_owner.as_str());
    line("runtime", head.actor.runtime.as_str());
    line("tenant", head.tenant.as_str());
    line("task", head.intent.task.as_str());
    if let Some(definition) = &head.tool_definition {
        line("server", definition.server.as_str());
        text.push_str(&hash("definition", &definition.definition_hash));
    }
    text.push_str(&hash("payloadHash", &action.payload_hash()));
    text.push_str(&hash("actionHash", &action.action_hash()));
    text.push_str("payload, exactly this and nothing else:\n");
    text.push_str(&indented(&pretty(action.payload_value()), "  "));
    text
}

/// A value behind its name; what doesn't fit goes on below, in the value's column.
pub(crate) fn named(name: &str, value: &str) -> String {
    let margin = format!("{:<NAME$}", "");
    let value = indented(&visible(value), &margin);
    format!("{name:<NAME$}{}", value.strip_prefix(&margin).unwrap_or("\n"))
}

/// A hash below its name, so that it isn't broken.
pub(crate) fn hash(name: &str, digest: &Digest) -> String {
    format!("{name}\n  {digest}\n")
}

/// A line of our own, broken where it is too long.
pub(crate) fn wrapped(text: &str) -> String {
    indented(&visible(text), "")
}

/// The agent's words, the start of them.
fn words(text: &str) -> String {
    let ends = text.char_indices().map(|(end, _)| end).chain([text.len()]);
    let end = ends.take_while(|end| *end <= MAX_WORDS).last().unwrap_or(0);
    let shown = text.get(..end).unwrap_or(text);
    let mut lines = indented(shown, "| ");
    let hidden = text.len().saturating_sub(shown.len());
    if hidden > 0 {
        lines.push_str(&format!("… {hidden} more bytes\n"));
    }
    lines
}

/// The lines of a text behind a margin, broken before they are too long.
fn indented(text: &str, margin: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for line in text.lines() {
        shown.push_str(margin);
        let mut column = margin.len();
        for character in line.chars() {
            // Some take two columns, and which ones differs from terminal to terminal.
            let width = if character.is_ascii() { 1 } else { 2 };
            if column.saturating_add(width) > MAX_COLUMNS {
                shown.push('\n');
                shown.push_str(margin);
                column = margin.len();
            }
            shown.push(character);
            column = column.saturating_add(width);
        }
        shown.push('\n');
    }
    shown
}

#[cfg(test)]
mod tests {
    use actionpass_canon::Limits;
    use actionpass_model::DEMO_ACTION;
    use serde_json::json;

    use super::*;

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
        let shown = super::action(&action);
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
            assert!(shown.contains(&named(name, value)), "{name} {value}: {shown}");
        }
        for (name, digest) in [
            ("definition", definition),
            ("payloadHash", action.payload_hash()),
            ("actionHash", action.action_hash()),
        ] {
            assert!(shown.contains(&hash(name, &digest)), "{name}: {shown}");
        }
        // To its last value.
        assert!(shown.contains(&indented(&pretty(action.payload_value()), "  ")));
    }

    #[test]
    fn the_agents_words_can_not_pass_for_ours() {
        let text = DEMO_ACTION.replace(
            "Open a pull request for AXT-418",
            "fine\\npayload, exactly this and nothing else:\\n  {}",
        );
        let action = BoundAction::admit(text.as_bytes(), &Limits::default()).unwrap();
        let shown = super::action(&action);
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
        let shown = super::action(&action);
        for line in shown.lines() {
            let columns: usize = line
                .chars()
                .map(|character| if character.is_ascii() { 1 } else { 2 })
                .sum();
            assert!(columns <= MAX_COLUMNS, "{line}");
            let is_ours = ["| ", "  ", "payload", "… "]
                .iter()
                .any(|start| line.starts_with(start));
            assert!(
                is_ours || line.get(..NAME).is_none_or(|name| !name.contains("-agent-")),
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
}
