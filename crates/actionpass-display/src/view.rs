//! [`View`]: what is shown, before it is rendered.

use actionpass_canon::{BoundAction, BoundFacts, sha256};
use actionpass_model::{Digest, RuleId, Shown, Statement};

use crate::build::Builder;
use crate::error::DisplayError;
use crate::escape::Text;
use crate::{html, json, terminal};

/// A version of how views are made. A later one has another table of characters or another layout; readers keep all.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Renderer {
    /// `actionpass-display/1`: Unicode 18.0.0.
    V1,
}

impl Renderer {
    /// Its name, as `shown.renderer` has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "actionpass-display/1",
        }
    }

    /// The renderer of that name.
    ///
    /// # Errors
    /// [`DisplayError::RendererUnknown`] (`renderer_unknown`) if it isn't one of this crate, or of a later release.
    pub fn parse(name: &str) -> Result<Self, DisplayError> {
        [Self::V1]
            .into_iter()
            .find(|known| known.as_str() == name)
            .ok_or(DisplayError::RendererUnknown)
    }
}

/// What an approver is shown of an action: sections of fields, in a fixed order.
///
/// Equal views have equal hashes, and views of actions, rules or facts that are told apart by a hash are never equal: the
/// last section holds all hashes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct View {
    pub(crate) renderer: Renderer,
    /// The renderer as a document has it.
    pub(crate) name: Statement,
    pub(crate) sections: Vec<Section>,
    /// How many characters, fields and pairs of lines were looked at.
    pub(crate) steps: u64,
}

/// Some of the fields, all from one source.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Section {
    /// Which section it is.
    pub name: SectionName,
    /// Its fields, in their order.
    pub fields: Vec<Field>,
    /// How many of them, from the end, are folded.
    pub folded: usize,
    /// What is in no field, because there is too much of it.
    pub rest: Option<Rest>,
}

/// Which section of a view it is, in their order.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum SectionName {
    /// What one decides on first: who, for whom, which tool, on what, and the rules that ask.
    Decision,
    /// The payload.
    Payload,
    /// The agent's own words, summary and context.
    Words,
    /// The facts.
    Facts,
    /// The hashes of it all.
    Hashes,
}

impl SectionName {
    /// The name, as the view has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Decision => "decision",
            Self::Payload => "payload",
            Self::Words => "words",
            Self::Facts => "facts",
            Self::Hashes => "hashes",
        }
    }

    /// Whose word it is.
    #[must_use]
    pub const fn source(self) -> Source {
        match self {
            Self::Decision | Self::Payload => Source::Bound,
            Self::Words => Source::Asserted,
            Self::Facts => Source::Attested,
            Self::Hashes => Source::Computed,
        }
    }
}

/// Whose word a section is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Source {
    /// An approval is for exactly this.
    Bound,
    /// The agent says so, and nobody checked it.
    Asserted,
    /// The issuer's host says so.
    Attested,
    /// It is computed from the rest.
    Computed,
}

impl Source {
    /// The name, as the view has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bound => "bound",
            Self::Asserted => "asserted",
            Self::Attested => "attested",
            Self::Computed => "computed",
        }
    }
}

/// Values that are in no field, because a section is full.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Rest {
    /// How many fields there would be.
    pub fields: usize,
    /// How many characters their texts have.
    pub characters: usize,
}

/// One value.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Field {
    /// Where it is: the path as policies write it, or a name. A long path is `…` and its last part alone; the containers that
    /// it is in are fields before it.
    pub path: String,
    /// What is told of the characters of the last part of the path.
    pub path_flags: Vec<crate::Flag>,
    /// How many containers it is in.
    pub level: usize,
    /// What kind of value it is.
    pub kind: FieldType,
    /// The value; of a container, how many members or elements it has.
    pub text: Text,
    /// What the facts say that the value was before.
    pub former: Option<Former>,
}

/// What kind of value a field has.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum FieldType {
    /// A name of the action or of a rule.
    Name,
    /// A hash.
    Hash,
    /// A string.
    String,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// `null`.
    Null,
    /// An object.
    Object,
    /// An array.
    Array,
}

impl FieldType {
    /// The name, as the view has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Hash => "hash",
            Self::String => "string",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Null => "null",
            Self::Object => "object",
            Self::Array => "array",
        }
    }
}

/// What the facts say that a value was before.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Former {
    /// The same.
    Same,
    /// Another value, that is no text, or that a text takes the place of.
    Other(FieldType, Text),
    /// Another text: what leads from it to the new one, and how many of these lines, from the end, are folded.
    Text {
        /// Line by line.
        changes: Vec<Change>,
        /// How many, from the end, are folded.
        folded: usize,
    },
}

/// A line of what changed in a text.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Change {
    /// What became of the line.
    pub kind: ChangeKind,
    /// The line. It has no flags of its own: they are told with the values.
    pub text: Text,
}

/// What became of a line of a text.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum ChangeKind {
    /// It stayed.
    Same,
    /// It is gone.
    Removed,
    /// It is new.
    Added,
    /// So many lines stayed that are not repeated.
    Skipped(usize),
}

impl ChangeKind {
    /// The name, as the view has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Removed => "removed",
            Self::Added => "added",
            Self::Skipped(_) => "skipped",
        }
    }
}

impl View {
    /// The view of an action, for the rules that ask for the approval and the facts that the action is judged by, as
    /// [`Renderer::V1`] makes it. The order of the rules and their repetition don't count.
    ///
    /// # Errors
    /// [`DisplayError::Unreadable`] (`view_unreadable`) if payload or context nest deeper than 127, which the default limits
    /// don't admit.
    pub fn of(action: &BoundAction, rules: &[RuleId], facts: &BoundFacts) -> Result<Self, DisplayError> {
        Self::recompute(Renderer::V1, action, rules, facts)
    }

    /// The view as a given renderer makes it: for checking what was shown.
    ///
    /// # Errors
    /// As [`View::of`].
    pub fn recompute(
        renderer: Renderer,
        action: &BoundAction,
        rules: &[RuleId],
        facts: &BoundFacts,
    ) -> Result<Self, DisplayError> {
        let name = Statement::parse(renderer.as_str()).map_err(|_| DisplayError::RendererUnknown)?;
        let Renderer::V1 = renderer;
        let (sections, steps) = Builder::new(action, rules, facts).sections()?;
        Ok(Self {
            renderer,
            name,
            sections,
            steps,
        })
    }

    /// What made it.
    #[must_use]
    pub const fn renderer(&self) -> Renderer {
        self.renderer
    }

    /// Its sections: always the five of [`SectionName`], in their order.
    #[must_use]
    pub fn sections(&self) -> &[Section] {
        &self.sections
    }

    /// How much work it was: characters, fields and pairs of lines that were looked at.
    #[must_use]
    pub const fn steps(&self) -> u64 {
        self.steps
    }

    /// The document `actionpass.view.v1`, in RFC 8785 bytes: what the hash is taken over.
    #[must_use]
    pub fn canonical(&self) -> String {
        json::view(self)
    }

    /// SHA-256 of the [canonical](Self::canonical) document.
    #[must_use]
    pub fn hash(&self) -> Digest {
        sha256(self.canonical().as_bytes())
    }

    /// What an approval states as `shown`.
    #[must_use]
    pub fn shown(&self) -> Shown {
        Shown {
            hash: self.hash(),
            renderer: self.name.clone(),
        }
    }

    /// How many fields have flags, and what is in no field: what a renderer's reader should be told first.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let flagged = self.sections.iter().flat_map(|section| &section.fields);
        let flagged = flagged.filter(|field| field.is_flagged()).count();
        match flagged {
            0 => {}
            1 => warnings.push("1 field has characters that aren't what they seem".to_owned()),
            count => warnings.push(format!("{count} fields have characters that aren't what they seem")),
        }
        for section in &self.sections {
            if let Some(rest) = section.rest {
                warnings.push(format!("{}: {}", section.name.as_str(), rest.message()));
            }
        }
        warnings
    }

    /// The view as text for a terminal of so many columns, at least [`MIN_COLUMNS`](crate::MIN_COLUMNS): no line is longer.
    /// No character of others is in it that isn't shown by itself.
    #[must_use]
    pub fn to_terminal(&self, columns: usize, folds: terminal::Folds) -> String {
        terminal::view(self, columns, folds)
    }

    /// The view as a fragment of HTML, an `<article>`: no script, no style, everything of others escaped.
    #[must_use]
    pub fn to_html(&self) -> String {
        html::view(self)
    }
}

impl Section {
    /// The section as a fragment of HTML, as [`View::to_html`] has it, for a page that places sections itself: it shows every
    /// field of the others too, and the [warnings](View::warnings) first. Empty if nothing is in the section.
    #[must_use]
    pub fn to_html(&self) -> String {
        html::section(self)
    }
}

impl Field {
    /// Whether something is told of its characters.
    #[must_use]
    pub const fn is_flagged(&self) -> bool {
        !self.path_flags.is_empty() || !self.text.flags.is_empty()
    }
}

impl Rest {
    /// What is told of it.
    #[must_use]
    pub fn message(&self) -> String {
        let Self { fields, characters } = self;
        format!("{fields} more values with {characters} characters are NOT SHOWN: there is too much of it")
    }
}

/// Whether what an approval says was shown is the view of this action, these rules and these facts.
///
/// # Errors
/// [`DisplayError::RendererUnknown`] (`renderer_unknown`) if this release doesn't know what rendered it,
/// [`DisplayError::ShownMismatch`] (`shown_mismatch`) if it is another view, and what [`View::of`] fails with.
pub fn shown_matches(
    shown: &Shown,
    action: &BoundAction,
    rules: &[RuleId],
    facts: &BoundFacts,
) -> Result<(), DisplayError> {
    let renderer = Renderer::parse(shown.renderer.as_str())?;
    let view = View::recompute(renderer, action, rules, facts)?;
    if view.hash() == shown.hash {
        Ok(())
    } else {
        Err(DisplayError::ShownMismatch)
    }
}
