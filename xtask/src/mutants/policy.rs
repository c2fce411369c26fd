//! The mutants of `actionpass-policy`: each breaks one thing that policy promises.

use super::{List, Mutant, Suite};

/// What the names of tests have in them that try many cases: they come after the others.
const LONG: &[&str] = &[
    "guarantees::",
    "hostile::",
    "agrees_with_the_definition",
    "canonical_bytes_read",
];

pub(super) const LIST: List = List {
    name: "policy",
    folder: "crates/actionpass-policy/src",
    packages: &["-pactionpass-policy"],
    suites: &[
        Suite::of(&["--lib"]).skip(LONG),
        Suite::of(&["--test=*"]).skip(LONG),
        Suite::of(&["--lib", "--test=*"]).only(LONG),
    ],
    mutants: MUTANTS,
};

const MUTANTS: &[Mutant] = &[
    // Three-valued truth, and what unknown does.
    Mutant::new(
        "unknown and true is true",
        "truth.rs",
        "(Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown",
        "(Self::Unknown, _) | (_, Self::Unknown) => Self::True",
    ),
    Mutant::new(
        "false and unknown is unknown",
        "truth.rs",
        "(Self::False, _) | (_, Self::False) => Self::False",
        "(Self::False, Self::True | Self::False) | (Self::True, Self::False) => Self::False",
    ),
    Mutant::new(
        "an unknown condition lets an allow apply",
        "rule.rs",
        "            (_, Truth::True) | (Self::Deny | Self::StepUp, Truth::Unknown) => true,
            (_, Truth::False) | (Self::Allow, Truth::Unknown) => false,",
        "            (_, Truth::True | Truth::Unknown) => true,
            (_, Truth::False) => false,",
    ),
    Mutant::new(
        "an unknown condition keeps a deny from applying",
        "rule.rs",
        "            (_, Truth::True) | (Self::Deny | Self::StepUp, Truth::Unknown) => true,
            (_, Truth::False) | (Self::Allow, Truth::Unknown) => false,",
        "            (_, Truth::True) | (Self::StepUp, Truth::Unknown) => true,
            (_, Truth::False) | (Self::Allow | Self::Deny, Truth::Unknown) => false,",
    ),
    Mutant::new(
        "an unknown condition keeps a step_up from applying",
        "rule.rs",
        "            (_, Truth::True) | (Self::Deny | Self::StepUp, Truth::Unknown) => true,
            (_, Truth::False) | (Self::Allow, Truth::Unknown) => false,",
        "            (_, Truth::True) | (Self::Deny, Truth::Unknown) => true,
            (_, Truth::False) | (Self::Allow | Self::StepUp, Truth::Unknown) => false,",
    ),
    Mutant::new(
        "an unknown exception of an allow is none",
        "rule.rs",
        "when.and(conjunction(&self.unless, scope).not())",
        "when.and(Truth::definite(conjunction(&self.unless, scope) != Truth::True))",
    ),
    Mutant::new(
        "an unknown exception of a deny holds",
        "rule.rs",
        "when.and(conjunction(&self.unless, scope).not())",
        "when.and(Truth::definite(conjunction(&self.unless, scope) == Truth::False))",
    ),
    Mutant::new(
        "exceptions are ignored",
        "rule.rs",
        "when if self.unless.is_empty() => when",
        "when if self.unless.len() < 99 => when",
    ),
    Mutant::new(
        "an unknown condition ends a conjunction",
        "rule.rs",
        "if result == Truth::False {",
        "if result != Truth::True {",
    ),
    // Which rules are about a call.
    Mutant::new(
        "one matcher of a rule is enough",
        "rule.rs",
        "self.matchers.iter().all(|matcher|",
        "self.matchers.iter().any(|matcher|",
    ),
    Mutant::new(
        "an allow vouches for one agent of the chain",
        "rule.rs",
        "via.iter().all(|agent|",
        "via.iter().any(|agent|",
    ),
    Mutant::new(
        "an allow of a chain holds without one",
        "rule.rs",
        "Effect::Allow => !via.is_empty() && via",
        "Effect::Allow => via",
    ),
    Mutant::new(
        "no chain is any chain",
        "rule.rs",
        "_ if self.globs.is_empty() => via.is_empty()",
        "_ if self.globs.is_empty() => true",
    ),
    Mutant::new(
        "a deny is about a chain of such agents only",
        "rule.rs",
        "via.iter().any(|agent|",
        "via.iter().all(|agent|",
    ),
    Mutant::new(
        "a rule is about the first of its tools only",
        "rule.rs",
        "common.get(..same.count()).unwrap_or_default()",
        "common.get(..same.count().max(common.len())).unwrap_or_default()",
    ),
    // From rules to a verdict.
    Mutant::new(
        "an allow beats a deny",
        "evaluate.rs",
        "if !applied.denies.is_empty() {",
        "if !applied.denies.is_empty() && applied.allows.is_empty() {",
    ),
    Mutant::new(
        "an allow beats a step_up",
        "evaluate.rs",
        "} else if !applied.waiting.is_empty() {",
        "} else if !applied.waiting.is_empty() && applied.allows.is_empty() {",
    ),
    Mutant::new(
        "one satisfied step_up satisfies all",
        "evaluate.rs",
        "} else if !applied.waiting.is_empty() {",
        "} else if !applied.waiting.is_empty() && applied.satisfied.is_empty() {",
    ),
    Mutant::new(
        "what no rule permits is allowed",
        "evaluate.rs",
        "} else if applied.allows.is_empty() && applied.satisfied.is_empty() {",
        "} else if applied.allows.len() > 99 {",
    ),
    Mutant::new(
        "an override permits",
        "evaluate.rs",
        "} else if applied.allows.is_empty() && applied.satisfied.is_empty() {",
        "} else if applied.allows.is_empty() && applied.satisfied.is_empty() && applied.lifted.is_empty() {",
    ),
    Mutant::new(
        "a step_up needs no approvals",
        "evaluate.rs",
        "Effect::StepUp if rule.is_met(scope)",
        "Effect::StepUp if rule.position < 99",
    ),
    Mutant::new(
        "a decision of too much work is kept",
        "evaluate.rs",
        "    if scope.work.is_exceeded() {
        return Verdict",
        "    if scope.work.spent() == u64::MAX {
        return Verdict",
    ),
    Mutant::new(
        "obligations of the first rule only",
        "evaluate.rs",
        "permitting.iter().flat_map(",
        "permitting.iter().take(1).flat_map(",
    ),
    Mutant::new(
        "of two obligations of one id one holds",
        "evaluate.rs",
        "!verdict.obligations.contains(obligation)",
        "!verdict.obligations.iter().any(|other| other.id == obligation.id)",
    ),
    Mutant::new(
        "the longest lifetime counts",
        "evaluate.rs",
        ".filter_map(|rule| rule.lifetime).min()",
        ".filter_map(|rule| rule.lifetime).max()",
    ),
    Mutant::new(
        "the lifetime of allows only counts",
        "evaluate.rs",
        "permitting.iter().filter_map(|rule| rule.lifetime)",
        "applied.allows.iter().filter_map(|rule| rule.lifetime)",
    ),
    Mutant::new(
        "an allow says nothing of the override it relied on",
        "evaluate.rs",
        "let met = applied.satisfied.iter().chain(&applied.lifted);",
        "let met = applied.satisfied.iter();",
    ),
    Mutant::new(
        "an allow does not name the deny that was lifted",
        "evaluate.rs",
        "applied.lifted.iter().chain(&permitting).copied().collect()",
        "permitting.iter().copied().collect()",
    ),
    Mutant::new(
        "an override is asked for where it is not enough",
        "evaluate.rs",
        "applied.denies.iter().all(|rule| !rule",
        "applied.denies.iter().any(|rule| !rule",
    ),
    Mutant::new(
        "a verdict has as many reasons as there are rules",
        "evaluate.rs",
        "    reasons.truncate(MAX_REASONS);
    let mut verdict = Verdict::deny(ids(&applied.denies)",
        "    let mut verdict = Verdict::deny(ids(&applied.denies)",
    ),
    // Approvals and overrides.
    Mutant::new(
        "a human approval lifts a deny",
        "grants.rs",
        "if grant.mode != ApprovalMode::PolicyOverride {",
        "if grant.id.as_str().is_empty() {",
    ),
    Mutant::new(
        "an override satisfies a step_up",
        "grants.rs",
        "if grant.mode != ApprovalMode::Human {",
        "if grant.id.as_str().is_empty() {",
    ),
    Mutant::new(
        "an override need not be signed",
        "grants.rs",
        "} else if grant.assurance != Assurance::Signed {",
        "} else if grant.id.as_str().is_empty() {",
    ),
    Mutant::new(
        "an override that names no rule lifts all",
        "grants.rs",
        "} else if !grant.rules.contains(self.rule) {",
        "} else if !grant.rules.is_empty() && !grant.rules.contains(self.rule) {",
    ),
    Mutant::new(
        "an override lifts a rule that it does not name",
        "grants.rs",
        "} else if !grant.rules.contains(self.rule) {",
        "} else if grant.rules.is_empty() {",
    ),
    Mutant::new(
        "a rule that names nobody is lifted by anybody",
        "grants.rs",
        "} else if !grant.roles.iter()",
        "} else if !roles.is_empty() && !grant.roles.iter()",
    ),
    Mutant::new(
        "any role approves",
        "grants.rs",
        "!roles.is_empty() && !grant.roles.iter().any(|role| roles.contains(role))",
        "!roles.is_empty() && grant.roles.is_empty()",
    ),
    Mutant::new(
        "an approval for another rule counts",
        "grants.rs",
        "} else if !grant.rules.is_empty() && !grant.rules.contains(self.rule) {",
        "} else if grant.rules.len() > 99 {",
    ),
    Mutant::new(
        "not_owner is ignored",
        "grants.rs",
        "not_owner && grant.approver",
        "not_owner && roles.len() > 99 && grant.approver",
    ),
    Mutant::new(
        "not_owner is lost",
        "rule.rs",
        "Some(if approvals.not_owner { need.not_of_owner() } else { need })",
        "Some(need)",
    ),
    Mutant::new(
        "the owner in another spelling is somebody else",
        "grants.rs",
        "grant.approver.is_same_person_as(&actor.human_owner)",
        "grant.approver.as_str() == actor.human_owner.as_str()",
    ),
    Mutant::new(
        "an agent approves what it does",
        "grants.rs",
        "std::iter::once(&actor.agent).chain(&actor.via)",
        "std::iter::once(&actor.agent).chain(&actor.via).skip(1)",
    ),
    Mutant::new(
        "an agent approves for one that acts for it",
        "grants.rs",
        "std::iter::once(&actor.agent).chain(&actor.via)",
        "std::iter::once(&actor.agent)",
    ),
    Mutant::new(
        "one person in two spellings is two",
        "grants.rs",
        ".any(|other| approver.is_same_person_as(*other))",
        ".any(|other| approver.as_str() == other.as_str())",
    ),
    Mutant::new(
        "one person twice is two",
        "grants.rs",
        "if !approvers.iter().any(|other|",
        "if approvers.is_empty() || approvers.iter().any(|other|",
    ),
    Mutant::new(
        "one approval fewer is enough",
        "grants.rs",
        "count.saturating_sub(approvers.len())",
        "count.saturating_sub(approvers.len().saturating_add(1))",
    ),
    Mutant::new(
        "approvals that are not needed are used up",
        "grants.rs",
        "kept.remove(candidate);",
        "let _ = candidate;",
    ),
    Mutant::new(
        "asserted approvals are used before signed ones",
        "grants.rs",
        "let key = |grant: &Grant| grant.assurance != Assurance::Signed;",
        "let key = |grant: &Grant| grant.assurance == Assurance::Signed;",
    ),
    Mutant::new(
        "the newest approvals are used",
        "grants.rs",
        "(&left.id, &left.approver).cmp(&(&right.id, &right.approver))",
        "(&right.id, &right.approver).cmp(&(&left.id, &left.approver))",
    ),
    // How a path ends, and what can be said of it.
    Mutant::new(
        "a folded twin does not exist",
        "condition.rs",
        "(End::Absent, Test::Exists(wanted))",
        "(End::Absent | End::Folded, Test::Exists(wanted))",
    ),
    Mutant::new(
        "what a broken path leads to does not exist",
        "condition.rs",
        "(End::Absent, Test::Exists(wanted))",
        "(End::Absent | End::Broken(_), Test::Exists(wanted))",
    ),
    Mutant::new(
        "what is missing differs",
        "condition.rs",
        "            (End::Absent | End::Folded, _) => return",
        "            (End::Absent, _) => return Finding::definite(false, None),
            (End::Folded, _) => return",
    ),
    Mutant::new(
        "what a broken path leads to differs",
        "condition.rs",
        "(End::Broken(datum), _) => return Finding::unknown(Cause::OtherType, Some(datum))",
        "(End::Broken(datum), _) => return Finding::definite(false, Some(datum))",
    ),
    Mutant::new(
        "a missing array has no such element",
        "condition.rs",
        "(Some(_), _) => Finding::unknown(end.cause(), None)",
        "(Some(_), _) => Finding::definite(false, None)",
    ),
    Mutant::new(
        "what is no array has no such element",
        "condition.rs",
        "None => Finding::unknown(Cause::OtherType, Some(datum))",
        "None => Finding::definite(false, Some(datum))",
    ),
    Mutant::new(
        "a folded twin before the exact name wins",
        "datum.rs",
        "=> otherwise = End::Folded",
        "=> return End::Folded",
    ),
    Mutant::new(
        "a folded twin is absent",
        "datum.rs",
        "=> otherwise = End::Folded",
        "=> otherwise = End::Absent",
    ),
    Mutant::new(
        "a folded twin of a fact is absent",
        "datum.rs",
        "if members.keys().any(|other| name.is_like(other)) {",
        "if members.keys().any(|other| name.as_str() == other) {",
    ),
    Mutant::new(
        "a folded twin in the payload is absent",
        "scope.rs",
        "            End::Folded",
        "            End::Absent",
    ),
    Mutant::new(
        "the first member of the payload by case is missed",
        "scope.rs",
        ".binary_search_by(|other| other.as_str().cmp(name.folded()))",
        ".binary_search_by(|other| other.as_str().cmp(name.as_str()))",
    ),
    Mutant::new(
        "only ASCII names fold",
        "path.rs",
        "fold(other) == *self.folded",
        "other.eq_ignore_ascii_case(&self.folded)",
    ),
    Mutant::new(
        "an escape in a name hides its twin",
        "path.rs",
        r"if inner.is_ascii() && !inner.contains(&b'\\') =>",
        "if inner.is_ascii() =>",
    ),
    Mutant::new(
        "a member of a fact that is none is absent",
        "datum.rs",
        "            _ => End::Broken(self)",
        "            _ => End::Absent",
    ),
    Mutant::new(
        "a missing context is of another type",
        "scope.rs",
        r#"map_or(&b"{}"[..]"#,
        r#"map_or(&b"null"[..]"#,
    ),
    // Quantifiers.
    Mutant::new(
        "every element of an empty array passes",
        "condition.rs",
        "Finding::unknown(Cause::EmptyArray, whole)",
        "Finding::definite(true, whole)",
    ),
    Mutant::new(
        "any is every",
        "condition.rs",
        "settle(&mut found, Truth::True, Finding::definite(false, whole))",
        "settle(&mut found, Truth::False, Finding::definite(true, whole))",
    ),
    Mutant::new(
        "every is any",
        "condition.rs",
        "settle(&mut found, Truth::False, Finding::definite(true, whole))",
        "settle(&mut found, Truth::True, Finding::definite(false, whole))",
    ),
    Mutant::new(
        "an unknown element is passed over",
        "condition.rs",
        "if finding.truth == Truth::Unknown && result.truth",
        "if finding.cause == Cause::WorkExceeded && result.truth",
    ),
    Mutant::new(
        "any passes over elements of another type",
        "condition.rs",
        "Some(Quantifier::Any) && self.condition.path.is_tree()",
        "Some(Quantifier::Any)",
    ),
    Mutant::new(
        "every value of a tree may be of another type",
        "condition.rs",
        "                if self.condition.quantifier == Some(Quantifier::Any) && self",
        "                if self",
    ),
    Mutant::new(
        "names of a tree are no texts of it",
        "datum.rs",
        "                            open.push(Datum::Text(name));
",
        "",
    ),
    // What the tests ask.
    Mutant::new(
        "same_as of another type differs",
        "condition.rs",
        "Self::Text(right) => datum.text(work).map(|left| left == *right)",
        "Self::Text(right) => Some(datum.text(work).is_some_and(|left| left == *right))",
    ),
    Mutant::new(
        "same_as of a text and a number differs",
        "condition.rs",
        "Self::Number(right) => datum.number(work).map(|left| left.compare(*right).is_eq())",
        "Self::Number(right) => Some(datum.number(work).is_some_and(|left| left.compare(*right).is_eq()))",
    ),
    Mutant::new(
        "same_as of nothing differs",
        "condition.rs",
        "return Finding::unknown(*cause, value)",
        "return Finding::definite(*cause == Cause::Held, value)",
    ),
    Mutant::new(
        "an unsafe path does not match",
        "condition.rs",
        "return globs.match_path(&path, work).ok_or(Cause::UnsafePath);",
        "return Ok(globs.match_path(&path, work).unwrap_or(false));",
    ),
    Mutant::new(
        "a text that is no decimal number is of another type",
        "condition.rs",
        "Decimal::parse(text).ok_or(Cause::NotDecimal)",
        "Decimal::parse(text).ok_or(Cause::OtherType)",
    ),
    Mutant::new(
        "another fork of a file is a plain path",
        "safe_path.rs",
        "ends_well && starts_well && !is_fork",
        "ends_well && (starts_well || is_fork)",
    ),
    Mutant::new(
        "a look-alike of a separator is a plain character",
        "safe_path.rs",
        "&& !is_like_separator(character)",
        "&& !(is_like_separator(character) && character == 'a')",
    ),
    Mutant::new(
        "path_glob_nocase does not fold the path",
        "condition.rs",
        "let folded = fold(text);",
        "let folded = std::borrow::Cow::Borrowed(text);",
    ),
    Mutant::new(
        "path_glob_nocase does not fold the pattern",
        "load/condition.rs",
        "Glob::parse(&if folded { fold(text) } else { text.into() })",
        "Glob::parse(if folded { text } else { text })",
    ),
    Mutant::new(
        "path_glob ignores case",
        "condition.rs",
        "is_safe_path_within(path, work).then(|| self.match_text(path, work))",
        "is_safe_path_within(path, work).then(|| self.match_text(&fold(path), work))",
    ),
    Mutant::new(
        "path_glob does not ask whether a path is safe",
        "condition.rs",
        "is_safe_path_within(path, work).then(",
        "(!path.is_empty()).then(",
    ),
    Mutant::new(
        "a number with a fraction is an integer",
        "condition.rs",
        "return Ok(number.is_whole());",
        "return Ok(true);",
    ),
    Mutant::new(
        "integer takes texts without decimal",
        "condition.rs",
        "filter(|_| decimal)",
        "filter(|_| true)",
    ),
    Mutant::new(
        "glob_nocase does not fold its patterns",
        "load/condition.rs",
        "Test::Glob(text_globs(source, node, true)?)",
        "Test::Glob(text_globs(source, node, false)?)",
    ),
    Mutant::new(
        "no integer lies between bounds that are not one",
        "load/together.rs",
        "(Some((least, includes_least)), Some((most, includes_most))) if whole =>",
        "(Some((least, includes_least)), Some((most, includes_most))) if whole && false =>",
    ),
    Mutant::new(
        "less_than includes its bound",
        "condition.rs",
        "order.is_lt()",
        "order.is_le()",
    ),
    Mutant::new(
        "at_least excludes its bound",
        "condition.rs",
        "order.is_ge()",
        "order.is_gt()",
    ),
    Mutant::new(
        "a decimal equals what is smaller",
        "condition.rs",
        "Side::Equal => order.is_eq()",
        "Side::Equal => order.is_le()",
    ),
    Mutant::new(
        "a text that is no number is 0",
        "condition.rs",
        "read(&text)?.compare",
        r#"read(&text).or(read("0"))?.compare"#,
    ),
    Mutant::new(
        "texts are numbers without decimal",
        "condition.rs",
        "            (None, None) => return Err(Cause::OtherType),",
        "            (None, None) => {
                let (text, bound) = (datum.text(work).ok_or(Cause::OtherType)?, self.number.to_decimal());
                let read = |text| Decimal::parse(text).ok_or(Cause::OtherType);
                read(&text)?.compare(read(&bound)?)
            }",
    ),
    Mutant::new(
        "a value of another type is none of a list",
        "condition.rs",
        "            return None;
        }
        datum.boolean()",
        "            return Some(false);
        }
        datum.boolean()",
    ),
    Mutant::new(
        "a list of texts is not sorted",
        "condition.rs",
        "        texts.sort_unstable();
",
        "",
    ),
    Mutant::new(
        "max_length excludes its bound",
        "condition.rs",
        "found <= *length",
        "found < *length",
    ),
    Mutant::new("a length is in bytes", "datum.rs", "text.chars().count()", "text.len()"),
    Mutant::new(
        "members takes a folded twin",
        "datum.rs",
        "names.binary_search_by(|known| (**known).cmp(name)).is_ok()",
        "names.iter().any(|known| known.eq_ignore_ascii_case(name))",
    ),
    Mutant::new(
        "members looks at the first member only",
        "datum.rs",
        "                        return Some(false);
                    }",
        "                        return Some(false);
                    }
                    break;",
    ),
    Mutant::new(
        "members asks for one known member of a fact",
        "datum.rs",
        "members.keys().all(|name| is_known(name))",
        "members.keys().any(|name| is_known(name))",
    ),
    Mutant::new(
        "the names of members are not sorted",
        "load/condition.rs",
        "            names.sort_unstable();
",
        "            names.shrink_to_fit();
",
    ),
    // Numbers.
    Mutant::new(
        "whole numbers round when compared",
        "number.rs",
        "(Self::Integer(left), Self::Float(right)) => integer_to_float(left, right)",
        "(Self::Integer(left), Self::Float(right)) => (left as f64).partial_cmp(&right).unwrap_or(Ordering::Equal)",
    ),
    Mutant::new(
        "fractions are cut off",
        "number.rs",
        "Ordering::Equal => 0.0.partial_cmp(&float.fract()).unwrap_or(Ordering::Equal)",
        "Ordering::Equal => Ordering::Equal",
    ),
    Mutant::new(
        "9 is more than 10",
        "number.rs",
        "                .cmp(&other.whole.len())
",
        "                .cmp(&self.whole.len())
",
    ),
    Mutant::new(
        "1.5 is less than 1.50",
        "number.rs",
        "fraction.unwrap_or_default().trim_end_matches('0')",
        "fraction.unwrap_or_default()",
    ),
    Mutant::new(
        "-1 is less than -2",
        "number.rs",
        "(true, true) => size().reverse()",
        "(true, true) => size()",
    ),
    Mutant::new(
        "any digit of Unicode counts",
        "number.rs",
        "text.bytes().all(|byte| byte.is_ascii_digit())",
        "text.chars().all(char::is_numeric)",
    ),
    // Paths that lead elsewhere, each class.
    Mutant::new("a colon is safe", "safe_path.rs", r"'\\' | ':' | '%'", r"'\\' | '%'"),
    Mutant::new("a backslash is safe", "safe_path.rs", r"'\\' | ':' | '%'", "':' | '%'"),
    Mutant::new(
        "a percent sign is safe",
        "safe_path.rs",
        r"'\\' | ':' | '%'",
        r"'\\' | ':'",
    ),
    Mutant::new(
        "hidden characters are safe",
        "safe_path.rs",
        " && !is_hidden(character)",
        r" && !(character == '\n' && is_hidden(character))",
    ),
    Mutant::new("a home is safe", "safe_path.rs", "['~', '$']", "['$']"),
    Mutant::new("a variable is safe", "safe_path.rs", "['~', '$']", "['~']"),
    Mutant::new(
        "a dot at the end is safe",
        "safe_path.rs",
        "last != '.' && !last",
        "!last",
    ),
    Mutant::new(
        "a blank at the end is safe",
        "safe_path.rs",
        " && !last.is_whitespace()",
        "",
    ),
    Mutant::new(
        "the folder above is safe",
        "safe_path.rs",
        "ends_well && starts_well",
        r#"(ends_well || segment == "..") && starts_well"#,
    ),
    Mutant::new(
        "a short name is safe",
        "safe_path.rs",
        "!is_short_name(stem)",
        r#"!is_short_name("")"#,
    ),
    Mutant::new(
        "a device is safe",
        "safe_path.rs",
        "!is_device(stem)",
        r#"!is_device("")"#,
    ),
    Mutant::new(
        "a device with an extension is safe",
        "safe_path.rs",
        "!is_device(stem)",
        "!is_device(segment)",
    ),
    Mutant::new(
        "a port is safe",
        "safe_path.rs",
        "stem.strip_suffix(|last: char| last.is_ascii_digit())",
        r"stem.strip_suffix('\0')",
    ),
    Mutant::new(
        "another normal form is safe",
        "safe_path.rs",
        "is_nfc(path) && plain(path)",
        "(is_nfc(path) || plain(path)) && plain(path)",
    ),
    Mutant::new(
        "dots by compatibility are safe",
        "safe_path.rs",
        " && plain(&compatible)",
        "",
    ),
    Mutant::new(
        "only the first segment must be safe",
        "safe_path.rs",
        "segments.all(|segment| is_safe_segment(segment, false))",
        "segments.all(|segment| !segment.is_empty())",
    ),
    // Globs.
    Mutant::new(
        "a run before a literal crosses a slash",
        "glob.rs",
        "None => self.find(literal, at, slash)?",
        "None => self.find(literal, at, self.text.len())?",
    ),
    Mutant::new(
        "a run at the end crosses a slash",
        "glob.rs",
        " && self.slash(end) >= start",
        "",
    ),
    Mutant::new(
        "whole segments overlap what is before",
        "glob.rs",
        "start >= at && self.is_all(block, start)",
        "self.is_all(block, start)",
    ),
    Mutant::new(
        "a negation is taken literally",
        "glob.rs",
        "if text.starts_with('!') {",
        r#"if text == "!" {"#,
    ),
    Mutant::new(
        "a pattern may be as long as it likes",
        "glob.rs",
        "const MAX_WILD: usize = 127;",
        "const MAX_WILD: usize = 4096;",
    ),
    // Texts that are put together.
    Mutant::new(
        "parts may have a separator",
        "template.rs",
        "text.contains(|character| self.separators.contains(character))",
        r"text.contains(|character| self.separators.contains(character) && character == '\0')",
    ),
    Mutant::new(
        "only the first separator is kept apart",
        "template.rs",
        "between.collect::<String>()",
        "between.take(1).collect::<String>()",
    ),
    Mutant::new(
        "a missing part is empty",
        "template.rs",
        "other => return Err(other.cause())",
        "End::Absent => continue,
                        other => return Err(other.cause())",
    ),
    Mutant::new(
        "two paths stand side by side",
        "template.rs",
        "} else if matches!(parts.last(), Some(Part::Path(_))) {",
        "} else if parts.len() > 99 {",
    ),
    // Work: counted where it is done, and with an end.
    Mutant::new(
        "the budget is twice as large",
        "work.rs",
        "> MAX_WORK
    }
",
        "> 2 * MAX_WORK
    }
",
    ),
    Mutant::new(
        "the last step is one too many",
        "work.rs",
        "self.spent.get() > MAX_WORK",
        "self.spent.get() >= MAX_WORK",
    ),
    Mutant::new(
        "steps of a path are not counted",
        "condition.rs",
        "        work.visit(1);
        match (steps",
        "        match (steps",
    ),
    Mutant::new(
        "normal forms are not counted",
        "condition.rs",
        "dear(path, work);",
        "work.spend(1);",
    ),
    Mutant::new(
        "compatibility normalization is not counted",
        "safe_path.rs",
        "dear(&compatible, work);",
        "let _ = (dear, work);",
    ),
    Mutant::new(
        "folding is not counted",
        "condition.rs",
        "dear(&folded, work);",
        "work.spend(1);",
    ),
    Mutant::new(
        "the members that are searched are not counted",
        "datum.rs",
        "work.spend(bytes.len());
                let mut otherwise",
        "let mut otherwise",
    ),
    Mutant::new(
        "elements are not counted",
        "datum.rs",
        "work.spend(bytes.len());
                Some(Elements::Canonical(elements))",
        "Some(Elements::Canonical(elements))",
    ),
    Mutant::new(
        "values of members are not counted",
        "datum.rs",
        "work.spend(bytes.len());
                Some(Elements::CanonicalMembers(members))",
        "Some(Elements::CanonicalMembers(members))",
    ),
    Mutant::new(
        "a closed object is not counted",
        "datum.rs",
        "work.spend(bytes.len());
                for member",
        "for member",
    ),
    Mutant::new(
        "a tree is not counted",
        "datum.rs",
        "work.spend(bytes.len());
                Elements::CanonicalTree",
        "Elements::CanonicalTree",
    ),
    Mutant::new(
        "texts are not counted",
        "datum.rs",
        "work.spend(text.as_ref().map_or(1, |text| text.len()));",
        "work.spend(1);",
    ),
    Mutant::new(
        "folded names of facts are not counted",
        "datum.rs",
        "work.spend(members.keys().map(String::len).sum());
        work.visit(members.len());
        if",
        "if",
    ),
    Mutant::new(
        "the index of the payload is not counted",
        "scope.rs",
        "work.spend(object.len());",
        "work.spend(1);",
    ),
    Mutant::new(
        "folded names of the payload are not counted",
        "scope.rs",
        "work.spend(self.by_name.iter().map(|(name, _)| name.len()).sum());",
        "work.spend(1);",
    ),
    Mutant::new(
        "a search for a literal is not counted",
        "glob.rs",
        "self.work.spend(read.saturating_add(1));",
        "self.work.spend(read.min(1));",
    ),
    Mutant::new(
        "elements are looked at beyond the budget",
        "condition.rs",
        "if finding.truth == settles || finding.cause == Cause::WorkExceeded {",
        "if finding.truth == settles {",
    )
    .survives("each of them is left unread at once, and the decision is the same deny"),
    // The age of facts.
    Mutant::new(
        "the age of facts is rounded down",
        "engine.rs",
        "age.as_secs().saturating_add(u64::from(age.subsec_nanos() > 0))",
        "age.as_secs()",
    ),
    Mutant::new(
        "without a time facts are new",
        "engine.rs",
        "self.time?.saturating_since(facts.as_of)",
        "self.time.unwrap_or(facts.as_of).saturating_since(facts.as_of)",
    ),
    Mutant::new(
        "old facts are from the future",
        "engine.rs",
        "self.time?.saturating_since(facts.as_of)",
        "facts.as_of.saturating_since(self.time?)",
    ),
    // What a policy is, and what its digest covers.
    Mutant::new(
        "the digest names language 1",
        "rules.rs",
        r#"pub const ENGINE: &'static str = "actionpass.rules.v2";"#,
        r#"pub const ENGINE: &'static str = "actionpass.rules.v1";"#,
    ),
    Mutant::new(
        "the digest leaves out the name of the file",
        "rules.rs",
        "map(|(path, hash)| File { path, sha256: *hash })",
        r#"map(|(_, hash)| File { path: "", sha256: *hash })"#,
    ),
    Mutant::new(
        "the digest leaves out the rules",
        "rules.rs",
        "vec![(name.into(), sha256(text.as_bytes()))]",
        r#"vec![(name.into(), sha256(b""))]"#,
    ),
    Mutant::new(
        "any schema is this one",
        "load.rs",
        "if self::text(&source, found)? != schema {",
        "if self::text(&source, found)?.is_empty() {",
    ),
    Mutant::new(
        "two rules of one id",
        "load.rs",
        "if !ids.insert(rule.id.clone()) {",
        "if !ids.insert(rule.id.clone()) && rules.is_empty() {",
    ),
    Mutant::new(
        "unknown keys of a rule are ignored",
        "load/rule.rs",
        r#"    fields.only(&KEYS, "a rule")?;
"#,
        "",
    ),
    Mutant::new(
        "a deny with approvals",
        "load/rule.rs",
        r#"Effect::Deny => &["approvals", "lifetime", "obligations"]"#,
        r#"Effect::Deny => &["lifetime", "obligations"]"#,
    ),
    Mutant::new(
        "a pattern of a matcher may match nothing",
        "load/rule.rs",
        "&& !format.matches(glob)",
        "&& glob.as_str().is_empty()",
    ),
    Mutant::new(
        "conditions may contradict the matchers",
        "load/rule.rs",
        "if asked.is_some() {",
        "if asked.is_some() && matchers.is_empty() {",
    ),
    Mutant::new(
        "no approvals are wanted",
        "load/rule.rs",
        "wanted @ 1..=MAX_APPROVALS",
        "wanted @ 0..=MAX_APPROVALS",
    ),
    Mutant::new(
        "a step_up without approvals wants none",
        "load/rule.rs",
        "                count: 1,",
        "                count: 0,",
    ),
    Mutant::new(
        "a pass may live longer than passes may",
        "load/rule.rs",
        " && lifetime <= MAX_PASS_LIFETIME",
        "",
    ),
    Mutant::new(
        "not_owner is not read",
        "load/rule.rs",
        r#"not_owner: fields.flag("not_owner")?"#,
        r#"not_owner: fields.flag("not_owner")? && count > 99"#,
    ),
    Mutant::new(
        "unknown keys of a condition are ignored",
        "load/condition.rs",
        r#"    fields.only(&known, "a condition")?;
"#,
        "",
    ),
    Mutant::new(
        "context in an allow",
        "load/condition.rs",
        "if place.effect == Effect::Allow {",
        "if place.effect == Effect::Allow && place.exception {",
    ),
    Mutant::new(
        "context in an exception",
        "load/condition.rs",
        "if place.exception {",
        "if place.exception && path.is_many() {",
    ),
    Mutant::new(
        "context in a text that is put together",
        "load/condition.rs",
        "            may_look(source, node, path, place)?;
        }
        Other::Template",
        "            let _ = path;
        }
        Other::Template",
    ),
    Mutant::new(
        "many values without a quantifier",
        "load/condition.rs",
        "None if path.is_many() => {",
        "None if path.is_many() && path.is_tree() => {",
    ),
    Mutant::new(
        "same_as of many values",
        "load/condition.rs",
        "    if is_many {",
        "    if is_many && place.exception {",
    ),
    Mutant::new(
        "texts of the action may be asked anything",
        "load/condition.rs",
        "fits_text(source, node, path, test, &format)",
        "Ok(())",
    ),
    Mutant::new(
        "the age of facts may be asked anything",
        "load/condition.rs",
        "fits_count(source, node, path, test)",
        "Ok(())",
    ),
    Mutant::new(
        "exists of what is always there",
        "load/condition.rs",
        "match field.is_always_there() {
            true",
        "match field.is_always_there() && path.is_many() {
            true",
    ),
    Mutant::new(
        "tests that contradict each other",
        "load/condition.rs",
        "    consistent(source, &asked.collect::<Vec<_>>(), &Work::default())?;
",
        "    let _ = consistent(source, &asked.collect::<Vec<_>>(), &Work::default());
",
    ),
    Mutant::new(
        "tests of types that no value has at once",
        "load/together.rs",
        "if types == Types::NONE {",
        "if types == Types::NONE && all.len() > 99 {",
    ),
    Mutant::new(
        "conditions that contradict each other",
        "load/together.rs",
        "            consistent(source, &asked, &work)?;
",
        "            let _ = consistent(source, &asked, &work);
",
    ),
    Mutant::new(
        "a value is known by how its path is spelled",
        "load/together.rs",
        "self.roots.entry(path.root).or_insert",
        "self.roots.entry(if path.as_str().contains('\"') { Root::Context } else { path.root }).or_insert",
    ),
    Mutant::new(
        "conditions with `any` contradict each other",
        "load/together.rs",
        "(condition.quantifier == Some(Quantifier::Any)).then_some(number)",
        "(condition.quantifier == Some(Quantifier::Any)).then_some(0)",
    ),
    Mutant::new(
        "`every` contradicts nothing",
        "load/together.rs",
        "(condition.quantifier == Some(Quantifier::Any)).then_some(number)",
        "condition.quantifier.map(|_| number)",
    ),
    Mutant::new(
        "many values are asked of as one",
        "load/together.rs",
        "let one = one.filter(|_| condition.path.is_many());",
        "let one = one.filter(|_| condition.path.is_tree());",
    ),
    Mutant::new(
        "what leads to many values isn't there",
        "load/together.rs",
        "            self.ask(at, asked, node, one.filter(|_| many));
",
        "            self.ask(at, asked, node, one);
",
    ),
    Mutant::new(
        "many values may be absent",
        "load/together.rs",
        "or_absent: or_absent && leads_to_one,",
        "or_absent,",
    ),
    Mutant::new(
        "what doesn't exist may have members that exist",
        "load/together.rs",
        "            let or_absent = condition.tests.iter().all(|test| matches!(test, Test::Exists(false)));",
        "            let or_absent = condition.tests.iter().all(|test| matches!(test, Test::Exists(_)));",
    ),
    Mutant::new(
        "what doesn't exist has no members that don't exist",
        "load/together.rs",
        "            let or_absent = condition.tests.iter().all(|test| matches!(test, Test::Exists(false)));",
        "            let or_absent = condition.tests.is_empty();",
    ),
    Mutant::new(
        "a condition about a member that may not be there",
        "load/together.rs",
        "            or_absent: false,
        } => Some(name.as_str()),",
        "            ..
        } => Some(name.as_str()),",
    ),
    Mutant::new(
        "a condition about a member that `members` leaves out",
        "load/together.rs",
        "needed.iter().all(|name| is_among(name, names))",
        "needed.iter().all(|name| is_among(name, names) || names.len() < 9)",
    ),
    Mutant::new(
        "what a value is compared with is anything",
        "load/together.rs",
        "        self.ask(at, Asked::Compared(types), node, None);
",
        "        let _ = (at, types);
",
    ),
    Mutant::new(
        "parts of a text are of any scalar type",
        "load/together.rs",
        "places.compare(other, Types::TEXT, node)",
        "places.compare(other, Types::SCALAR, node)",
    ),
    Mutant::new(
        "exceptions contradict each other",
        "load/rule.rs",
        "    meet_each_other(fields.source, nodes, &conditions)?;
",
        "    if !place.exception {
        meet_each_other(fields.source, nodes, &conditions)?;
    }
",
    ),
    Mutant::new(
        "exceptions that no call meets which the rule is about",
        "load/rule.rs",
        "    meets_matchers(fields.source, list, matchers, &conditions)?;
",
        "    if !place.exception {
        meets_matchers(fields.source, list, matchers, &conditions)?;
    }
",
    ),
    Mutant::new(
        "an exception of everything",
        "load/rule.rs",
        "!unless.is_empty() && unless.iter().all(always)",
        "unless.len() > 9 && unless.iter().all(always)",
    ),
    Mutant::new(
        "one exception of everything among others",
        "load/rule.rs",
        "!unless.is_empty() && unless.iter().all(always)",
        "unless.iter().any(always)",
    ),
    Mutant::new(
        "a pattern of paths may match nothing",
        "load/condition.rs",
        ".find(|(glob, _)| glob.matches_no_safe_path())",
        ".find(|(glob, _)| glob.matches_no_safe_path() && glob.as_str().is_empty())",
    ),
    Mutant::new(
        "decimal without a comparison",
        "load/condition.rs",
        ".filter(|_| decimal)",
        ".filter(|_| decimal && path.is_tree())",
    ),
];
