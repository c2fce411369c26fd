//! One evaluation: the input, what was found out about it already, and what that took.

use std::borrow::Cow;
use std::cell::OnceCell;

use actionpass_canon::{names::fold, scan};

use crate::PolicyInput;
use crate::datum::{Datum, End};
use crate::path::{ActionText, Name, Path, Root, Step};
use crate::rule::start;
use crate::work::Work;

/// The input of one evaluation, with an index of the payload's members: most conditions start at one of them.
#[derive(Debug)]
pub(crate) struct Scope<'a> {
    pub(crate) input: PolicyInput<'a>,
    /// The start of the tool, which most rules are told apart by.
    pub(crate) tool_start: u64,
    /// The steps that were taken.
    pub(crate) work: Work,
    members: OnceCell<Option<Members<'a>>>,
}

/// The members of an object, by name.
#[derive(Debug)]
struct Members<'a> {
    /// Names and values, sorted by name.
    by_name: Vec<(Cow<'a, str>, &'a [u8])>,
    /// The names after case folding, sorted; `None` while nobody asked.
    folded: OnceCell<Vec<String>>,
}

impl<'a> Members<'a> {
    /// `None` unless the bytes are an object.
    fn new(object: &'a [u8], work: &Work) -> Option<Self> {
        work.spend(object.len());
        let read = |member: Result<scan::Member<'a>, _>| {
            let member = member.ok()?;
            Some((scan::text(member.name)?, member.value))
        };
        let mut by_name = scan::members(object)?.map(read).collect::<Option<Vec<_>>>()?;
        // Canonical order is that of UTF-16, which is this one but for rare characters.
        work.visit(by_name.len());
        by_name.sort_unstable_by(|left, right| left.0.cmp(&right.0));
        Some(Self {
            by_name,
            folded: OnceCell::new(),
        })
    }

    fn find(&self, name: &Name, work: &Work) -> End<'a> {
        work.spend(name.as_str().len());
        let found = self
            .by_name
            .binary_search_by(|(other, _)| (**other).cmp(name.as_str()))
            .ok()
            .and_then(|at| self.by_name.get(at));
        if let Some((_, value)) = found {
            return End::Found(Datum::Canonical(value));
        }
        let folded = self.folded.get_or_init(|| {
            work.spend(self.by_name.iter().map(|(name, _)| name.len()).sum());
            work.visit(self.by_name.len());
            let mut folded: Vec<String> = self.by_name.iter().map(|(name, _)| fold(name).into()).collect();
            folded.sort_unstable();
            folded
        });
        if folded
            .binary_search_by(|other| other.as_str().cmp(name.folded()))
            .is_ok()
        {
            End::Folded
        } else {
            End::Absent
        }
    }
}

impl<'a> Scope<'a> {
    pub(crate) fn new(input: &PolicyInput<'a>) -> Self {
        Self {
            input: *input,
            tool_start: start(input.action.action().capability.tool.as_str().as_bytes()),
            work: Work::default(),
            members: OnceCell::new(),
        }
    }

    /// Where a path starts, and the steps from there on.
    pub(crate) fn start<'p>(&self, path: &'p Path) -> (End<'a>, &'p [Step]) {
        match (path.root, path.steps.split_first()) {
            (Root::Payload, Some((Step::Member(name), rest))) => (self.payload_member(name), rest),
            (Root::Payload, _) => (End::Found(self.payload()), &path.steps),
            (Root::Fact, Some((Step::Member(name), rest))) => {
                (End::of_map(self.input.facts.value(), name, &self.work), rest)
            }
            // No path is read that names no fact.
            (Root::Fact, _) => (End::Absent, &path.steps),
            (Root::Context, _) => {
                // A missing context is an object without members, and hashed as one.
                let context = self.input.action.context();
                let context = context.map_or(&b"{}"[..], |context| context.as_bytes());
                (End::Found(Datum::Canonical(context)), &path.steps)
            }
            (Root::Action(text), _) => (self.text(text).map_or(End::Absent, End::Found), &path.steps),
        }
    }

    /// How a path to one value ends.
    pub(crate) fn end(&self, path: &Path) -> End<'a> {
        let (start, steps) = self.start(path);
        steps.iter().fold(start, |end, step| match (step, end) {
            (Step::Member(name), end) => end.member(name, &self.work),
            // A path to many values is refused at load where one is needed.
            (_, End::Found(datum)) => End::Broken(datum),
            (_, end) => end,
        })
    }

    fn payload(&self) -> Datum<'a> {
        Datum::Canonical(self.input.action.payload().as_bytes())
    }

    fn payload_member(&self, name: &Name) -> End<'a> {
        let members = self
            .members
            .get_or_init(|| Members::new(self.input.action.payload().as_bytes(), &self.work));
        match members {
            Some(members) => members.find(name, &self.work),
            None => End::Broken(self.payload()),
        }
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
