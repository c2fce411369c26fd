//! What approvers are shown: one view of an action, for terminals, pages and programs.
//!
//! A [`View`] is a pure function of an action, the rules that ask for an approval, and the facts: no clock, no language, no
//! width of a terminal. Its hash is what an approval states as `shown`, so whoever has the three can compute again what the
//! approver is said to have seen.
//!
//! ```
//! use actionpass_canon::{BoundAction, BoundFacts, Limits};
//! use actionpass_display::{Folds, View, shown_matches};
//! use actionpass_model::{DEMO_ACTION, RuleId};
//!
//! let action = BoundAction::admit(DEMO_ACTION.as_bytes(), &Limits::default())?;
//! let rules = [RuleId::parse("github.pr.untested")?];
//! let view = View::of(&action, &rules, &BoundFacts::none())?;
//! assert!(view.to_terminal(80, Folds::Closed).contains("\n  payload.title (string)  Fix the retry loop\n"));
//!
//! // What an approval says was shown is checked against the same three.
//! assert!(shown_matches(&view.shown(), &action, &rules, &BoundFacts::none()).is_ok());
//! assert!(shown_matches(&view.shown(), &action, &[], &BoundFacts::none()).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Nothing invisible stays invisible: every text of others is a [`Text`], in which hidden characters and those that look like
//! others are escapes, and [`Flag`]s tell of them. `docs/spec/display.md` has all that a second implementation needs.

#![forbid(unsafe_code)]

mod build;
mod diff;
mod error;
mod escape;
mod html;
mod json;
mod table;
mod terminal;
mod view;

pub use build::{MAX_FIELDS, MAX_TEXT};
pub use error::{DisplayCode, DisplayError};
pub use escape::{FOLD_CHARACTERS, FOLD_LINES, Flag, FlagKind, Fold, Text};
pub use terminal::{Folds, MIN_COLUMNS};
pub use view::{
    Change, ChangeKind, Field, FieldType, Former, Renderer, Rest, Section, SectionName, Source, View, shown_matches,
};
