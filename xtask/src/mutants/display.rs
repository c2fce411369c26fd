//! The mutants of `actionpass-display`: each hides something from approvers, or has a wrong claim of what they saw pass.

use super::{List, Mutant, Suite};

pub(super) const LIST: List = List {
    name: "display",
    folder: "crates/actionpass-display/src",
    packages: &["-pactionpass-display"],
    suites: &[Suite::of(&["--lib"]), Suite::of(&["--test=suite"])],
    mutants: MUTANTS,
};

const MUTANTS: &[Mutant] = &[
    // What is in a view.
    Mutant::new(
        "a view hides whom the agent acts for",
        "build.rs",
        "            name(&format!(\"via[{place}]\"), via.as_str());
",
        "            let _ = (place, via);
",
    ),
    Mutant::new(
        "a view hides the owner",
        "build.rs",
        "        name(\"owner\", head.actor.human_owner.as_str());
",
        "",
    ),
    Mutant::new(
        "a view hides the tenant",
        "build.rs",
        "        name(\"tenant\", head.tenant.as_str());
",
        "",
    ),
    Mutant::new(
        "a view hides which server lists the tool",
        "build.rs",
        "            name(\"server\", definition.server.as_str());
",
        "",
    ),
    Mutant::new(
        "a view hides the first rule",
        "build.rs",
        "for (place, rule) in rules.iter().enumerate() {",
        "for (place, rule) in rules.iter().enumerate().skip(1) {",
    ),
    Mutant::new(
        "the order of rules makes another view",
        "build.rs",
        "        rules.sort();
",
        "",
    ),
    Mutant::new(
        "facts that differ look alike",
        "build.rs",
        "        rows.hash(\"factsHash\", &self.facts.hash());
",
        "",
    ),
    Mutant::new(
        "what nests too deep is shown as nothing",
        "build.rs",
        "if payload.is_null() && self.action.payload().as_bytes() != b\"null\" {",
        "if payload.is_null() && self.action.payload().as_bytes() == b\"\" {",
    ),
    Mutant::new(
        "what is too much is dropped silently",
        "build.rs",
        "        rest.fields = rest.fields.saturating_add(1);
",
        "",
    ),
    Mutant::new(
        "a section has no end",
        "build.rs",
        "if self.section.fields.len() >= MAX_FIELDS {",
        "if self.section.fields.len() == usize::MAX {",
    ),
    Mutant::new(
        "a path is repeated however long it is",
        "build.rs",
        "let is_cut = self.is_cut || length > MAX_PATH;",
        "let is_cut = self.is_cut || length == usize::MAX;",
    ),
    Mutant::new(
        "lines that can't be compared are not shown as removed",
        "diff.rs",
        "None => (0..rows)
            .map(Step::Removed)",
        "None => (0..0)
            .map(Step::Removed)",
    ),
    Mutant::new(
        "texts are compared however many lines they have",
        "diff.rs",
        "match pairs.checked_sub(cost) {",
        "match Some(pairs.saturating_sub(cost)) {",
    ),
    // Characters.
    Mutant::new(
        "hidden characters stay hidden",
        "escape.rs",
        "Some(Class::Hidden) => FlagKind::Hidden,",
        "Some(Class::Hidden) => return self.plain(character, word),",
    ),
    Mutant::new(
        "an honest text imitates an escape",
        "escape.rs",
        "            '\\\\' => self.short(\"\\\\\\\\\"),
",
        "",
    ),
    Mutant::new(
        "a space at an edge is not seen",
        "escape.rs",
        "' ' if is_first || matches!(next, None | Some('\\n')) =>",
        "' ' if is_first && matches!(next, None | Some('\\n')) =>",
    ),
    Mutant::new(
        "combining marks stack as high as they like",
        "escape.rs",
        "if count < MAX_MARKS && last",
        "if count < usize::MAX && last",
    ),
    Mutant::new(
        "look-alikes are shown as they are",
        "escape.rs",
        "Some((_, ascii)) => self.hide(character, FlagKind::LookAlike, Some(ascii)),",
        "Some((_, _)) => self.shown.push(character),",
    ),
    Mutant::new(
        "a word of another script is read as ASCII",
        "escape.rs",
        "Reach::Words => !word.is_foreign,",
        "Reach::Words => true,",
    ),
    Mutant::new(
        "a word that mixes scripts is not told",
        "escape.rs",
        "self.flag(FlagKind::MixedScript, None);",
        "let _ = FlagKind::MixedScript;",
    ),
    // Renderings.
    Mutant::new(
        "the agent's words look like ours",
        "terminal.rs",
        "    first: \"| \",
",
        "    first: \"  \",
",
    ),
    Mutant::new(
        "a broken line looks like two",
        "terminal.rs",
        "    next: \"> \",
",
        "    next: \"  \",
",
    ),
    Mutant::new(
        "a terminal folds the payload of an approval",
        "terminal.rs",
        "Folds::PayloadOpen => section.name == SectionName::Payload,",
        "Folds::PayloadOpen => section.name == SectionName::Hashes,",
    ),
    Mutant::new(
        "markup of others is markup",
        "html.rs",
        "'<' => self.raw(\"&lt;\"),",
        "'<' => self.raw(\"<\"),",
    ),
    // Claims of what was shown.
    Mutant::new(
        "any renderer is this one",
        "view.rs",
        ".find(|known| known.as_str() == name)",
        ".find(|_| !name.is_empty())",
    ),
    Mutant::new(
        "any claim of what was shown is true",
        "view.rs",
        "if view.hash() == shown.hash {",
        "if view.renderer() == renderer {",
    ),
];
