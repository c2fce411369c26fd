//! Cause and remedy of every code, out of `explanations.md`.

/// The text: a section for each code, a paragraph for its cause and one for its remedy.
const TEXT: &str = include_str!("explanations.md");

/// What usually causes a code, and what to do next.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Explanation {
    /// What usually causes it.
    pub(super) cause: String,
    /// What to do next.
    pub(super) remedy: String,
}

/// The explanation of a code.
pub(super) fn of(code: &str) -> Option<Explanation> {
    all()
        .find(|(named, _)| *named == code)
        .map(|(_, explanation)| explanation)
}

/// Every section that is one, with its code.
fn all() -> impl Iterator<Item = (&'static str, Explanation)> {
    TEXT.split("\n### `").skip(1).filter_map(|section| {
        let (code, text) = section.split_once("`\n")?;
        // The heading of the next crate stands behind the last code of this one.
        let text = text.split("\n## ").next()?;
        let (cause, remedy) = text.trim().strip_prefix("Cause: ")?.split_once("\n\nRemedy: ")?;
        let explanation = Explanation {
            cause: one_line(cause),
            remedy: one_line(remedy),
        };
        Some((code, explanation))
    })
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::super::known;
    use super::*;

    #[test]
    fn every_code_has_one_explanation_and_nothing_else_has_one() {
        let found: Vec<&str> = all().map(|(code, _)| code).collect();
        let known: Vec<&str> = known::all().into_iter().map(|known| known.code).collect();
        assert_eq!(found, known);
        // None was passed over since it has another form.
        assert_eq!(TEXT.matches("\n#").count(), found.len() + parts().len());
    }

    #[test]
    fn the_explanations_stand_below_their_crates() {
        let found = TEXT.lines().filter_map(|line| line.strip_prefix("## "));
        assert_eq!(found.collect::<Vec<_>>(), parts());
        let mut part = "";
        for line in TEXT.lines() {
            if let Some(name) = line.strip_prefix("## ") {
                part = name;
            } else if let Some(code) = line.strip_prefix("### `") {
                let code = code.trim_end_matches('`');
                let declared = known::all().into_iter().find(|known| known.code == code).unwrap();
                assert_eq!(declared.part, part, "{code}");
            }
        }
    }

    #[test]
    fn a_cause_and_a_remedy_say_something_of_their_own() {
        for (code, Explanation { cause, remedy }) in all() {
            for text in [&cause, &remedy] {
                assert!(text.len() > 20 && text.ends_with('.'), "{code}: {text}");
            }
            assert_ne!(cause, remedy, "{code}");
            assert!(!remedy.contains("Cause: ") && !remedy.contains("Remedy: "), "{code}");
        }
    }

    fn parts() -> Vec<&'static str> {
        let mut parts: Vec<&str> = known::all().into_iter().map(|known| known.part).collect();
        parts.dedup();
        parts
    }
}
