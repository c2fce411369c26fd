//! How actions and JSON are shown to people: nothing invisible stays invisible.

use actionpass_canon::BoundAction;
use actionpass_model::is_hidden;
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

/// What an approver decides on: the payload and everything that the approval binds, then the agent's own words,
/// marked as such. Lines that start with `|` are the agent's.
pub(crate) fn action(action: &BoundAction) -> String {
    let head = action.action();
    let mut text = String::new();
    let mut line = |name: &str, value: &str| text.push_str(&format!("{name:<13}{}\n", visible(value)));
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
        line("definition", &definition.definition_hash.to_string());
    }
    line("payloadHash", &action.payload_hash().to_string());
    line("actionHash", &action.action_hash().to_string());
    text.push_str("payload, exactly this and nothing else:\n");
    text.push_str(&indented(&pretty(action.payload_value()), "  "));
    let summary = head.intent.summary.as_deref();
    let context = action.context_value();
    if summary.is_some() || context.is_some() {
        text.push_str("the agent's own words, which nobody checked and the approval doesn't cover:\n");
        if let Some(summary) = summary {
            text.push_str(&indented(&visible(summary), "| "));
        }
        if let Some(context) = context {
            text.push_str(&indented(&pretty(context), "| "));
        }
    }
    text
}

fn indented(text: &str, margin: &str) -> String {
    text.lines().map(|line| format!("{margin}{line}\n")).collect()
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
}
