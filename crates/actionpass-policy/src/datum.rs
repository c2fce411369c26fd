//! What a path finds: a view of a JSON value or of a text of the action.

use std::borrow::Cow;

use actionpass_model::{Digest, is_hidden};
use serde_json::{Map, Value};

use crate::PolicyInput;
use crate::number::Number;
use crate::path::{ActionText, Root};

/// A value that a condition looks at.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Datum<'a> {
    Text(&'a str),
    Digest(Digest),
    Json(&'a Value),
    Members(&'a Map<String, Value>),
}

impl<'a> Datum<'a> {
    pub(crate) fn text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Text(text) => Some(text.into()),
            Self::Digest(digest) => Some(digest.to_string().into()),
            Self::Json(value) => value.as_str().map(Cow::Borrowed),
            Self::Members(_) => None,
        }
    }

    pub(crate) fn number(self) -> Option<Number> {
        match self {
            Self::Json(Value::Number(number)) => Number::from_json(number),
            _ => None,
        }
    }

    pub(crate) fn boolean(self) -> Option<bool> {
        match self {
            Self::Json(value) => value.as_bool(),
            _ => None,
        }
    }

    pub(crate) fn elements(self) -> Option<&'a [Value]> {
        match self {
            Self::Json(Value::Array(elements)) => Some(elements),
            _ => None,
        }
    }

    pub(crate) fn member(self, name: &str) -> Option<Datum<'a>> {
        match self {
            Self::Json(Value::Object(members)) | Self::Members(members) => members.get(name).map(Datum::Json),
            _ => None,
        }
    }

    /// How many elements an array has or how many characters a text has.
    pub(crate) fn length(self) -> Option<usize> {
        self.elements()
            .map(<[Value]>::len)
            .or_else(|| self.text().map(|text| text.chars().count()))
    }

    /// The value for people: JSON on one line, shortened, with everything invisible escaped.
    pub(crate) fn show(self) -> String {
        const LONGEST: usize = 120;
        let json = match self {
            Self::Text(text) => Value::from(text).to_string(),
            Self::Digest(digest) => digest.to_string(),
            Self::Json(value) => value.to_string(),
            Self::Members(_) => "{…}".to_owned(),
        };
        let mut shown = String::new();
        for (count, character) in json.chars().enumerate() {
            if count == LONGEST {
                shown.push('…');
                break;
            }
            if is_hidden(character) {
                shown.extend(character.escape_unicode());
            } else {
                shown.push(character);
            }
        }
        shown
    }
}

/// What a path's root is; `None` where the action has no such part.
pub(crate) fn root<'a>(root: Root, input: &PolicyInput<'a>) -> Option<Datum<'a>> {
    let action = input.action.action();
    let definition = action.tool_definition.as_ref();
    Some(match root {
        Root::Action(ActionText::DefinitionHash) => Datum::Digest(definition?.definition_hash),
        Root::Payload => Datum::Json(input.action.payload_value()),
        Root::Fact => Datum::Members(input.facts.value()),
        Root::Context => Datum::Json(input.action.context_value()?),
        Root::Action(text) => Datum::Text(match text {
            ActionText::Tool => action.capability.tool.as_str(),
            ActionText::Resource => action.capability.resource.as_str(),
            ActionText::ResourceKind => action.capability.resource.kind(),
            ActionText::ResourceValue => action.capability.resource.value(),
            ActionText::Agent => action.actor.agent.as_str(),
            ActionText::Owner => action.actor.human_owner.as_str(),
            ActionText::Tenant => action.tenant.as_str(),
            ActionText::Runtime => action.actor.runtime.as_str(),
            ActionText::Task => action.intent.task.as_str(),
            ActionText::Server => definition?.server.as_str(),
            ActionText::DefinitionHash => return None,
        }),
    })
}
