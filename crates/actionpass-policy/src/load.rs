//! From TOML to rules: everything that could be misunderstood is refused, with line and column.

mod condition;
mod encoding;
mod fields;
mod literal;
mod rule;
mod source;
mod together;

use std::collections::HashSet;

use actionpass_canon::CanonError;
use actionpass_model::PolicyId;

use crate::rule::Rule;
use crate::{PolicyCode, PolicyError, RulePolicy};

pub use encoding::decode;
pub(crate) use fields::{Fields, Node, list, parsed, text};
pub(crate) use literal::json;
pub(crate) use source::Source;

/// A policy, read.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) id: PolicyId,
    pub(crate) rules: Vec<Rule>,
}

type Result<T> = std::result::Result<T, PolicyError>;

/// Reads a policy.
pub(crate) fn policy(text: &str, path: &str) -> Result<Loaded> {
    document(text, path, "actionpass.policy.v1", |source, top| {
        top.only(&["schema", "id", "rule"], "a policy")?;
        let id = parsed::<PolicyId>(source, top.need("id")?)?;
        let mut rules: Vec<Rule> = Vec::new();
        let mut ids = HashSet::new();
        let nodes = top.get("rule").map_or(Ok(&[][..]), |node| list(source, node))?;
        for node in nodes {
            let fields = Fields::new(source, node)?;
            let rule = rule::rule(&fields, rules.len())?;
            if !ids.insert(rule.id.clone()) {
                let problem = format!("`{}` is the id of an earlier rule", rule.id);
                return Err(source.error(PolicyCode::PolicyRuleRepeated, fields.need("id")?.span(), problem));
            }
            rules.push(rule);
        }
        Ok(Loaded { id, rules })
    })
}

/// Reads a TOML document whose `schema` is the one given.
pub(crate) fn document<T>(
    text: &str,
    path: &str,
    schema: &str,
    read: impl FnOnce(&Source<'_>, &Fields<'_, '_>) -> Result<T>,
) -> Result<T> {
    // What editors on Windows put in front of UTF-8. It means nothing.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let source = Source { text, path };
    if text.len() > RulePolicy::MAX_BYTES {
        return Err(too_large(path));
    }
    let table = toml::de::DeTable::parse(text).map_err(|error| {
        source.error(
            PolicyCode::PolicySyntax,
            error.span().unwrap_or(0..0),
            error.message().replace('\n', ", "),
        )
    })?;
    let top = Fields::top(&source, table.get_ref());
    let found = top.need("schema")?;
    if self::text(&source, found)? != schema {
        return Err(source.error(
            PolicyCode::PolicySchemaUnsupported,
            found.span(),
            format!("is not `{schema}`"),
        ));
    }
    read(&source, &top)
}

/// A file is too large.
pub(crate) fn too_large(path: &str) -> PolicyError {
    let problem = format!("the file is larger than {} bytes", RulePolicy::MAX_BYTES);
    Source { text: "", path }.error(PolicyCode::PolicyTooLarge, 0..0, problem)
}

/// The digest of a policy could not be computed; only a file name that is no canonical text leads here.
pub(crate) fn unhashable(path: &str, error: &CanonError) -> PolicyError {
    Source { text: "", path }.error(
        PolicyCode::PolicyValueInvalid,
        0..0,
        format!("the policy can't be hashed: {error}"),
    )
}
