//! `explain`: what a code means, what usually causes it, and what to do next.

mod explanations;
mod known;

use actionpass_model::CodeClass;
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use serde_json::{Value, json};

use self::explanations::Explanation;
use self::known::Known;
use crate::code::CliCode;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::output::{Ink, Reply, Table};

/// No line is longer, in characters.
const WIDTH: usize = 76;
/// How many codes a refusal names that may have been meant.
const MAX_NEAR: usize = 5;
/// How alike two names have to be, from 0 to 1: what `clap` asks for of its own suggestions, and a little more.
const ALIKE: f64 = 0.85;

/// What kind of failure a code stands for, if this release has it.
pub(crate) fn class_of(code: &str) -> Option<CodeClass> {
    let known = known::all().into_iter().find(|known| known.code == code);
    known.map(|known| known.class)
}

#[derive(Args, Debug)]
pub(crate) struct ExplainArgs {
    /// The code, such as `key_revoked`; without it, all are listed
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    code: Option<String>,
    /// List all codes, a line each
    #[arg(long, conflicts_with = "code")]
    list: bool,
}

impl ExplainArgs {
    pub(crate) fn run(self, _: &Context) -> Outcome<Reply> {
        let all = known::all();
        let Some(wanted) = self.code else {
            return Ok(list(&all));
        };
        let known = all.iter().find(|known| known.code == wanted);
        let known = known.ok_or_else(|| unknown(&wanted, &all))?;
        let explanation = explanations::of(known.code).ok_or_else(|| {
            let problem = format!("nobody wrote down what `{}` is caused by", known.code);
            Failure::new(CliCode::Internal, problem)
        })?;
        Ok(explain(known, &explanation))
    }
}

fn explain(known: &Known, explanation: &Explanation) -> Reply {
    let mut json = head(known);
    json.insert("cause".to_owned(), explanation.cause.clone().into());
    json.insert("remedy".to_owned(), explanation.remedy.clone().into());
    let standing = match exit(known) {
        Some(exit) => format!("{}, exit {exit}", known.class.as_str()),
        None => format!("{}: it fails nothing by itself", known.class.as_str()),
    };
    let mut text = format!("{} ({standing})\n", Ink::stdout().bold(known.code));
    for (name, words) in [
        ("meaning", &known.meaning),
        ("cause", &explanation.cause),
        ("remedy", &explanation.remedy),
    ] {
        text.push_str(&paragraph(name, words));
    }
    Reply::new(Value::Object(json)).with_data(text)
}

fn list(all: &[Known]) -> Reply {
    let mut table = Table::new(&["CODE", "CLASS", "EXIT", "MEANING"]);
    for known in all {
        let exit = exit(known).map_or_else(|| "-".to_owned(), |exit| exit.to_string());
        table.row([
            known.code.to_owned(),
            known.class.as_str().to_owned(),
            exit,
            known.meaning.clone(),
        ]);
    }
    let codes: Vec<Value> = all.iter().map(|known| Value::Object(head(known))).collect();
    Reply::new(json!({ "codes": codes })).with_data(table.render(Ink::stdout()))
}

/// What the declaration says.
fn head(known: &Known) -> serde_json::Map<String, Value> {
    let mut json = serde_json::Map::new();
    json.insert("code".to_owned(), known.code.into());
    json.insert("part".to_owned(), known.part.into());
    json.insert("class".to_owned(), known.class.as_str().into());
    if let Some(exit) = exit(known) {
        json.insert("exit".to_owned(), exit.into());
    }
    json.insert("meaning".to_owned(), known.meaning.clone().into());
    json
}

/// What a command exits with for this code alone; reasons have none, since the decision has.
fn exit(known: &Known) -> Option<u8> {
    (known.class != CodeClass::Reason).then(|| known.class.exit_code())
}

fn unknown(wanted: &str, all: &[Known]) -> Failure {
    let near = near(wanted, all);
    let mut problem = format!("there is no code `{wanted}`");
    if !near.is_empty() {
        let near: Vec<String> = near.iter().map(|code| format!("`{code}`")).collect();
        problem.push_str(&format!("; near it: {}", near.join(", ")));
    }
    Failure::new(CliCode::CodeUnknown, problem).with_hint("`actionpass explain` lists all")
}

/// The codes that may have been meant, the likeliest first.
fn near(wanted: &str, all: &[Known]) -> Vec<&'static str> {
    let alike = |known: &Known| {
        let alike = strsim::jaro_winkler(wanted, known.code);
        (alike >= ALIKE || known.code.contains(wanted)).then_some((alike, known.code))
    };
    let mut near: Vec<(f64, &'static str)> = all.iter().filter_map(alike).collect();
    near.sort_by(|one, other| other.0.total_cmp(&one.0));
    near.into_iter().take(MAX_NEAR).map(|(_, code)| code).collect()
}

/// Words beside their name, broken at blanks.
fn paragraph(name: &str, words: &str) -> String {
    const MARGIN: usize = 9;
    let mut text = format!("{name:<MARGIN$}");
    let mut column = MARGIN;
    for word in words.split_whitespace() {
        let length = word.chars().count();
        if column > MARGIN && column.saturating_add(length).saturating_add(1) > WIDTH {
            text.push('\n');
            text.push_str(&" ".repeat(MARGIN));
            column = MARGIN;
        }
        if column > MARGIN {
            text.push(' ');
            column = column.saturating_add(1);
        }
        text.push_str(word);
        column = column.saturating_add(length);
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_have_been_meant_is_near() {
        let all = known::all();
        assert_eq!(near("key_revokd", &all).first(), Some(&"key_revoked"));
        assert_eq!(near("KEY-REVOKED", &all), Vec::<&str>::new());
        assert!(near("duplicate", &all).contains(&"member_duplicate"));
        assert_eq!(near("_", &all).len(), MAX_NEAR);
    }

    #[test]
    fn paragraphs_are_broken_at_blanks() {
        let words = "word ".repeat(30) + &"x".repeat(100) + " end";
        let text = paragraph("cause", &words);
        assert!(text.starts_with("cause    word word"), "{text}");
        for line in text.lines() {
            assert!(
                line.chars().count() <= WIDTH || line.trim() == "x".repeat(100),
                "{line}"
            );
            assert!(!line.ends_with(' '), "{line:?}");
        }
        let words: Vec<&str> = words.split_whitespace().collect();
        let found: Vec<&str> = text.split_whitespace().skip(1).collect();
        assert_eq!(found, words);
    }

    #[test]
    fn a_reason_has_no_exit() {
        let all = known::all();
        let find = |code: &str| all.iter().find(|known| known.code == code).unwrap();
        assert_eq!(exit(find("key_revoked")), Some(23));
        assert_eq!(exit(find("default_deny")), None);
        assert!(!head(find("default_deny")).contains_key("exit"));
    }
}
