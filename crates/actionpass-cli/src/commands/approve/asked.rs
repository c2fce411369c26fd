//! [`Asked`]: what a person is shown and asked before something is signed with their key.

use std::sync::Arc;

use actionpass_canon::BoundAction;
use actionpass_crypto::{KeyCode, Signer};
use actionpass_custody::KeyUri;
use actionpass_display::{Folds, View};
use actionpass_model::{ApprovalId, ApprovalMode, Approver, Assurance, Grant, Role, RuleId, Timestamp, VoteKind};

use crate::clock;
use crate::code::CliCode;
use crate::failure::{Failure, Outcome};
use crate::output::{self, Ink};
use crate::passphrase::{PassphraseArgs, has_terminal};
use crate::private_key;
use crate::render::{self, Page};
use crate::terminal::{Size, Terminal};

/// What a person is shown, and what they are asked.
pub(crate) struct Asked {
    /// Whether they would say yes or no.
    kind: VoteKind,
    /// To what.
    pub(crate) action: BoundAction,
    /// The action as it is shown: its hash is in what they sign.
    pub(crate) view: View,
    /// All that is shown before the question.
    shown: String,
    /// What counts so much that the question repeats it.
    warnings: Vec<String>,
}

impl Asked {
    /// What comes of their answer, the warnings, and the action.
    pub(crate) fn new(kind: VoteKind, action: BoundAction, view: View, mut page: Page, warnings: Vec<String>) -> Self {
        for warning in &warnings {
            page.named("warning", warning);
        }
        let shown = view.to_terminal(render::MAX_COLUMNS, Folds::PayloadOpen);
        Self {
            shown: format!("{}\n{shown}\n", page.finish()),
            kind,
            action,
            view,
            warnings,
        }
    }

    /// Shows it; whether that got out.
    pub(crate) fn is_shown(&self) -> bool {
        output::is_said(&self.shown)
    }

    /// A person says yes on the terminal to what was shown.
    pub(crate) fn confirm(&self) -> Outcome<()> {
        let unanswered = || unanswered(self.kind);
        if !has_terminal() {
            return Err(unanswered());
        }
        let size = Size::of_stderr();
        check_width(size)?;
        let terminal = Terminal::open().map_err(|_| unanswered())?;
        // Before the question, so that an answer to it is never discarded.
        terminal.discard_typed().map_err(|_| unanswered())?;
        output::say(&self.question(size));
        let answer = terminal.answer().map_err(|_| unanswered())?;
        if is_yes(&answer) {
            return Ok(());
        }
        let nothing = match self.kind {
            VoteKind::Approve => "nothing was approved",
            VoteKind::Decline => "nothing was declined",
        };
        Err(Failure::new(CliCode::NotConfirmed, nothing))
    }

    /// The question itself. It repeats what counts, and says what may have scrolled out of sight.
    fn question(&self, size: Option<Size>) -> String {
        let capability = &self.action.action().capability;
        let mut page = Page::default();
        page.named("tool", capability.tool.as_str());
        page.named("resource", capability.resource.as_str());
        page.hash("payloadHash", &self.action.payload_hash());
        for warning in self.warnings.iter().chain(&self.view.warnings()) {
            page.named("warning", warning);
        }
        let repeated = page.finish();
        let above = self.shown.lines().count();
        // The last line is the question.
        let all = above.saturating_add(repeated.lines().count()).saturating_add(1);
        let scrolled = match size {
            Some(size) if all <= size.rows => String::new(),
            Some(size) => format!(
                "{above} lines above, your terminal shows {}: scroll up, or look at them first with `2>&1 | less`\n",
                size.rows
            ),
            None => format!("{above} lines above\n"),
        };
        let asked = match self.kind {
            VoteKind::Approve => Ink::stderr().bold("Approve exactly this?"),
            VoteKind::Decline => Ink::stderr().bold("Decline exactly this?"),
        };
        format!("{scrolled}{repeated}{asked} [y/N] ")
    }
}

/// The approver's key. Where nobody is there to be asked, and so nothing is signed, one that needs a passphrase stays closed:
/// all the rest can be shown.
pub(crate) fn signer(key: &KeyUri, passphrase: &PassphraseArgs, yes: bool) -> Outcome<Option<Arc<dyn Signer>>> {
    match private_key::open(key, passphrase) {
        Ok(key) => Ok(Some(key.signer)),
        Err(failure) if !yes && !has_terminal() && *failure.code() == KeyCode::PassphraseRequired.as_str() => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// What an approval that is yet to be signed would grant.
pub(crate) fn grant(
    approver: &Approver,
    roles: Vec<Role>,
    mode: ApprovalMode,
    rules: &[RuleId],
    now: Timestamp,
) -> Outcome<Grant> {
    Ok(Grant {
        id: ApprovalId::from_uuid(clock::uuid(now)?),
        mode,
        approver: approver.clone(),
        roles,
        assurance: Assurance::Signed,
        rules: rules.to_vec(),
    })
}

/// That nobody can be asked.
pub(crate) fn unanswered(kind: VoteKind) -> Failure {
    let (what, does) = match kind {
        VoteKind::Approve => ("an approval", "approves"),
        VoteKind::Decline => ("a refusal", "declines"),
    };
    Failure::new(
        CliCode::ConfirmationRequired,
        format!("{what} is confirmed on a terminal, and there is none"),
    )
    .with_hint(format!("--yes {does} without asking, for whoever has seen the action"))
}

/// A person says yes on the terminal to a question about what was shown, or `nothing` is what happened.
pub(crate) fn confirm(question: &str, nothing: &str, hint: &str) -> Outcome<()> {
    let unanswered = || {
        let problem = "this is confirmed on a terminal, and there is none";
        Failure::new(CliCode::ConfirmationRequired, problem).with_hint(hint)
    };
    if !has_terminal() {
        return Err(unanswered());
    }
    check_width(Size::of_stderr())?;
    let terminal = Terminal::open().map_err(|_| unanswered())?;
    terminal.discard_typed().map_err(|_| unanswered())?;
    output::say(&format!("{} [y/N] ", Ink::stderr().bold(question)));
    let answer = terminal.answer().map_err(|_| unanswered())?;
    if is_yes(&answer) {
        Ok(())
    } else {
        Err(Failure::new(CliCode::NotConfirmed, nothing))
    }
}

/// Whether an answer is a yes: nothing else is, neither silence nor what may be meant as one.
fn is_yes(answer: &str) -> bool {
    matches!(answer.trim(), "y" | "Y" | "yes")
}

/// Refuses a terminal that breaks lines itself: what goes on there stands where only our own text may.
fn check_width(size: Option<Size>) -> Outcome<()> {
    match size {
        Some(size) if size.columns < render::MAX_COLUMNS => Err(Failure::new(
            CliCode::ConfirmationRequired,
            format!(
                "the terminal is too narrow to ask on: it shows {} columns, and {} are needed",
                size.columns,
                render::MAX_COLUMNS
            ),
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use actionpass_canon::{BoundFacts, Limits};
    use actionpass_model::DEMO_ACTION;

    use super::*;

    #[test]
    fn a_yes_is_a_yes_and_nothing_else_is() {
        for (answer, said) in [("y\n", true), ("Y\n", true), (" yes \n", true)]
            .into_iter()
            .chain(["", "\n", "n\n", "no\n", "ye\n", "yy\n", "yes, but\n", "Yes?\n", "1\n"].map(|other| (other, false)))
        {
            assert_eq!(is_yes(answer), said, "{answer:?}");
        }
    }

    /// Asked with so many lines above the question.
    fn asked(kind: VoteKind, lines: usize, warnings: &[&str]) -> Asked {
        let action = BoundAction::admit(DEMO_ACTION.as_bytes(), &Limits::default()).unwrap();
        Asked {
            kind,
            view: View::of(&action, &[], &BoundFacts::none()).unwrap(),
            action,
            shown: "a line\n".repeat(lines),
            warnings: warnings.iter().map(|warning| (*warning).to_owned()).collect(),
        }
    }

    const fn size(rows: usize, columns: usize) -> Option<Size> {
        Some(Size { rows, columns })
    }

    #[test]
    fn the_question_repeats_what_is_approved() {
        let approved = asked(VoteKind::Approve, 3, &["it is useless"]);
        let capability = &approved.action.action().capability;
        let question = approved.question(size(24, 80));
        let payload_hash = approved.action.payload_hash().to_string();
        for part in [
            capability.tool.as_str(),
            capability.resource.as_str(),
            &payload_hash,
            "warning      it is useless\n",
        ] {
            assert!(question.contains(part), "{question}");
        }
        assert!(question.ends_with("Approve exactly this? [y/N] "), "{question}");
        let declined = asked(VoteKind::Decline, 3, &[]).question(None);
        assert!(declined.ends_with("Decline exactly this? [y/N] "), "{declined}");
    }

    #[test]
    fn the_question_says_what_scrolled_by() {
        // Tool, resource, the hash and its name, and the question itself.
        let asked = |lines, size| asked(VoteKind::Approve, lines, &[]).question(size);
        assert!(asked(19, size(24, 80)).starts_with("tool "));
        let scrolled =
            "20 lines above, your terminal shows 24: scroll up, or look at them first with `2>&1 | less`\ntool ";
        assert!(
            asked(20, size(24, 80)).starts_with(scrolled),
            "{}",
            asked(20, size(24, 80))
        );
        assert!(asked(2, None).starts_with("2 lines above\ntool "), "{}", asked(2, None));
    }

    #[test]
    fn a_terminal_that_breaks_lines_itself_is_refused() {
        assert!(check_width(None).is_ok() && check_width(size(1, 76)).is_ok());
        let refused = check_width(size(50, 75)).unwrap_err();
        assert_eq!(*refused.code(), "confirmation_required");
        assert_eq!(
            refused.message(),
            "the terminal is too narrow to ask on: it shows 75 columns, and 76 are needed"
        );
    }
}
