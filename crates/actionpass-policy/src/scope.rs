//! One evaluation: the input, and what was found out about it already.

use std::cell::OnceCell;

use actionpass_canon::scan;

use crate::PolicyInput;
use crate::datum::Datum;
use crate::path::{ActionText, Path, Root, Step};
use crate::rule::start;

/// The input of one evaluation, with an index of the payload's members: most conditions start at one of them.
#[derive(Debug)]
pub(crate) struct Scope<'a> {
    pub(crate) input: PolicyInput<'a>,
    /// The start of the tool, which most rules are told apart by.
    pub(crate) tool_start: u64,
    members: OnceCell<Vec<scan::Member<'a>>>,
}

impl<'a> Scope<'a> {
    pub(crate) fn new(input: &PolicyInput<'a>) -> Self {
        Self {
            input: *input,
            tool_start: start(input.action.action().capability.tool.as_str().as_bytes()),
            members: OnceCell::new(),
        }
    }

    /// Where a path starts, and the steps from there on; `None` where the action has no such part.
    pub(crate) fn start<'p>(&self, path: &'p Path) -> (Option<Datum<'a>>, &'p [Step]) {
        match (path.root, path.steps.split_first()) {
            (Root::Payload, Some((Step::Member(name), rest))) => (self.payload_member(name), rest),
            (Root::Payload, _) => (
                Some(Datum::Canonical(self.input.action.payload().as_bytes())),
                &path.steps,
            ),
            (Root::Fact, Some((Step::Member(name), rest))) => {
                (self.input.facts.value().get(&**name).map(Datum::Value), rest)
            }
            (Root::Fact, _) => (None, &path.steps),
            (Root::Context, _) => {
                let context = self.input.action.context();
                (context.map(|context| Datum::Canonical(context.as_bytes())), &path.steps)
            }
            (Root::Action(text), _) => (self.text(text), &path.steps),
        }
    }

    /// The one value at a path without `[]`.
    pub(crate) fn value(&self, path: &Path) -> Option<Datum<'a>> {
        let (start, steps) = self.start(path);
        steps.iter().try_fold(start?, |value, step| match step {
            Step::Member(name) => value.member(name),
            Step::Each => None,
        })
    }

    fn payload_member(&self, name: &str) -> Option<Datum<'a>> {
        let members = self.members.get_or_init(|| {
            let members = scan::members(self.input.action.payload().as_bytes());
            members.map_or_else(Vec::new, |members| members.map_while(Result::ok).collect())
        });
        let member = members.iter().find(|member| member.is_named(name));
        member.map(|member| Datum::Canonical(member.value))
    }

    fn text(&self, text: ActionText) -> Option<Datum<'a>> {
        let action = self.input.action.action();
        let definition = action.tool_definition.as_ref();
        Some(Datum::Text(match text {
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
            ActionText::FactsSource => self.input.facts.document()?.source.as_str(),
            ActionText::FactsAge => return Some(Datum::Count(self.input.age_of_facts()?)),
            ActionText::DefinitionHash => return Some(Datum::Digest(definition?.definition_hash)),
        }))
    }
}
