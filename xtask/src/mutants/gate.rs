//! The mutants of `actionpass-gate`: each lets two calls be one action, takes a guess, or lets a tool be called that nobody approved.

use super::{List, Mutant, Suite};

pub(super) const LIST: List = List {
    name: "gate",
    folder: "crates/actionpass-gate/src",
    packages: &["-pactionpass-gate"],
    suites: &[
        Suite::of(&["--lib"]),
        Suite::of(&["--test=laws"]),
        Suite::of(&["--test=catalogues"]),
    ],
    mutants: MUTANTS,
};

const MUTANTS: &[Mutant] = &[
    // Resources.
    Mutant::new(
        "a slash in a value is left as it is",
        "percent.rs",
        "if is_unreserved(byte) {",
        "if is_unreserved(byte) || byte == b'/' {",
    ),
    Mutant::new(
        "a percent sign in a value is left as it is",
        "percent.rs",
        "if is_unreserved(byte) {",
        "if is_unreserved(byte) || byte == b'%' {",
    ),
    Mutant::new(
        "placeholders need no separator",
        "template.rs",
        "Part::Value(_) if !separated => {",
        "Part::Value(_) if false && !separated => {",
    ),
    Mutant::new(
        "a slash separates paths",
        "template.rs",
        "keeps_slashes && byte == b'/'",
        "false && keeps_slashes && byte == b'/'",
    ),
    Mutant::new(
        "a call chooses the kind of its resource",
        "template.rs",
        "if !starts_with_kind {",
        "if false && !starts_with_kind {",
    ),
    Mutant::new(
        "an empty value is one",
        "template.rs",
        "if value.is_empty() {",
        "if false && value.is_empty() {",
    ),
    Mutant::new(
        "dots are names",
        "template.rs",
        "matches!(segment, \".\" | \"..\")",
        "matches!(segment, \".\")",
    ),
    Mutant::new(
        "dots behind a backslash are names",
        "template.rs",
        "value.split(['/', '\\\\'])",
        "value.split(['/'])",
    ),
    Mutant::new(
        "letters are folded by Unicode",
        "template.rs",
        "if !value.is_ascii() {",
        "if false && !value.is_ascii() {",
    ),
    Mutant::new(
        "any path is safe",
        "template.rs",
        "if !given.is_empty() && !is_safe_path(&given.join(\"/\")) {",
        "if false {",
    ),
    Mutant::new(
        "a member in another case stands for another one",
        "template.rs",
        "names::fold(&other) == names::fold(name)",
        "other.is_empty()",
    ),
    Mutant::new(
        "a fraction stands for a name",
        "template.rs",
        "digits.iter().all(u8::is_ascii_digit)",
        "digits.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.')",
    ),
    // Which entry.
    Mutant::new(
        "a prefix beats an exact name",
        "normalize.rs",
        "(**name == *tool).then_some(usize::MAX)",
        "(**name == *tool).then_some(0)",
    ),
    Mutant::new(
        "an entry fits tools of every server",
        "normalize.rs",
        "} if **of == *server => match is_prefix {",
        "} if of.len() == server.len() => match is_prefix {",
    ),
    Mutant::new(
        "a tool may have any name",
        "normalize.rs",
        "if !is_tool_name(call.tool) {",
        "if call.tool.is_empty() {",
    ),
    Mutant::new(
        "arguments may be anything",
        "normalize.rs",
        "if scan::members(arguments.as_bytes()).is_none() {",
        "if arguments.as_bytes().is_empty() {",
    ),
    Mutant::new(
        "two tools of a server have one name",
        "catalogue.rs",
        "&& entry.matched.shares_server(&other.matched) {",
        "&& false {",
    ),
    Mutant::new(
        "two entries fit alike",
        "catalogue.rs",
        "left.compare(right) == Overlap::Alike",
        "left == right",
    ),
    Mutant::new(
        "an entry takes a name that is for tools without one",
        "catalogue.rs",
        "[\"mcp/\", \"mcp-method/\", \"http:\"]",
        "[\"mcp/\", \"http:\"]",
    ),
    Mutant::new(
        "many tools have one name",
        "catalogue.rs",
        "            if is_prefix {\n",
        "            if false && is_prefix {\n",
    ),
    Mutant::new(
        "an audience need not be known",
        "catalogue.rs",
        "if !known.iter().any(|(name, _)| *name == audience) {",
        "if false {",
    ),
    // Requests.
    Mutant::new(
        "an escape is decoded twice by the next one",
        "http.rs",
        "|| percent::has_escape(&decoded)",
        "",
    ),
    Mutant::new(
        "an encoded slash is a slash",
        "http.rs",
        "decoded.contains(['/', '\\\\'])",
        "decoded.contains(['\\\\'])",
    ),
    Mutant::new(
        "dot segments are segments",
        "http.rs",
        "if matches!(&*decoded, \".\" | \"..\") {",
        "if matches!(&*decoded, \"..\") {",
    ),
    Mutant::new(
        "the last of two values counts",
        "http.rs",
        "if members.insert(name, value).is_some() {",
        "if members.insert(name, value).is_some() && false {",
    ),
    Mutant::new(
        "a plus is a plus",
        "http.rs",
        "b\"%=!$'()*,:@/?\"",
        "b\"%=!$'()*,:@/?+\"",
    ),
    Mutant::new(
        "a name without a value is an empty one",
        "http.rs",
        "value.map_or(Ok(Value::Bool(true)),",
        "value.map_or(Ok(Value::from(\"\")),",
    ),
    Mutant::new(
        "the first of two headers counts",
        "http.rs",
        "if values.next().is_some() {",
        "if false && values.next().is_some() {",
    ),
    Mutant::new(
        "another method is the same request",
        "http.rs",
        "*self.method == *method && ",
        "!method.is_empty() && ",
    ),
    // Definitions, pins, schemas.
    Mutant::new(
        "a number that no double equals locks a server out",
        "definition.rs",
        "AdmitCode::NumberNotExact | AdmitCode::NumberOutOfRange",
        "AdmitCode::NumberOutOfRange",
    ),
    Mutant::new(
        "a server writes what stands for a number",
        "definition.rs",
        "if found.count() != count {",
        "if found.count() < count {",
    ),
    Mutant::new(
        "all of `_meta` is hashed",
        "definition.rs",
        "names.iter().any(|name| member.is_named(name))",
        "names.len() < 100",
    ),
    Mutant::new(
        "a list has two tools of one name",
        "definition.rs",
        "if !names.insert(tool.name.clone()) {",
        "if !names.insert(tool.name.clone()) && false {",
    ),
    Mutant::new(
        "pins hold for another command",
        "pins.rs",
        "if known.origin != *origin {\n                return Standing::OtherOrigin;",
        "if false {\n                return Standing::OtherOrigin;",
    ),
    Mutant::new(
        "a changed definition is the approved one",
        "pins.rs",
        "Some(pinned) if pinned.definition == *tool.definition() => Standing::Pinned,",
        "Some(_) => Standing::Pinned,",
    ),
    Mutant::new(
        "what another server offers can be approved",
        "pins.rs",
        "if entry.origin != *origin {\n            return false;",
        "if false {\n            return false;",
    ),
    Mutant::new(
        "the hash of a pin is not looked at",
        "pins.rs",
        "if bytes.digest() != pinned.definition_hash {",
        "if false {",
    ),
    Mutant::new(
        "undeclared members pass",
        "schema.rs",
        "match undeclared {",
        "match undeclared.filter(|_| false) {",
    ),
    Mutant::new(
        "the validator is not asked",
        "schema.rs",
        "self.validator.validate(&value).map_err(",
        "(if value.is_null() { self.validator.validate(&value) } else { Ok(()) }).map_err(",
    ),
    Mutant::new(
        "work has no end",
        "schema/graph.rs",
        ".checked_sub(steps)",
        ".checked_sub(steps.min(1))",
    ),
    Mutant::new(
        "an anchor is the first that is found",
        "schema/graph.rs",
        "[one] => *one,",
        "[one, ..] => *one,",
    ),
    Mutant::new(
        "a pinned schema may be missing",
        "normalize.rs",
        "(SchemaSource::None, _) | (SchemaSource::IfListed, None) => Ok(()),",
        "(SchemaSource::None, _) | (SchemaSource::IfListed | SchemaSource::Pinned, None) => Ok(()),",
    ),
];
