//! Values written in a policy: they pass the same gate as the payloads they are compared with.

use std::str::FromStr;

use actionpass_canon::{Limits, admit};
use serde_json::{Map, Value};
use toml::de::DeValue;

use super::fields::{Node, type_mismatch};
use super::{Result, Source};
use crate::PolicyCode;
use crate::condition::Literal;
use crate::number::Number;

/// A text, number or boolean.
pub(super) fn literal(source: &Source<'_>, node: &Node<'_>) -> Result<Literal> {
    match node.get_ref() {
        DeValue::String(text) => Ok(Literal::Text((&**text).into())),
        DeValue::Boolean(boolean) => Ok(Literal::Boolean(*boolean)),
        DeValue::Integer(_) | DeValue::Float(_) => number(source, node).map(Literal::Number),
        other => Err(type_mismatch(source, node, "text, a number or a boolean", other)),
    }
}

/// A number.
pub(super) fn number(source: &Source<'_>, node: &Node<'_>) -> Result<Number> {
    let number = json_number(source, node)?;
    Number::from_json(&number).ok_or_else(|| inexact(source, node, "is not finite"))
}

/// Any value, as JSON.
pub(crate) fn json(source: &Source<'_>, node: &Node<'_>) -> Result<Value> {
    Ok(match node.get_ref() {
        DeValue::String(text) => Value::String(text.clone().into_owned()),
        DeValue::Boolean(boolean) => Value::Bool(*boolean),
        DeValue::Integer(_) | DeValue::Float(_) => Value::Number(json_number(source, node)?),
        DeValue::Array(elements) => Value::Array(
            elements
                .iter()
                .map(|element| json(source, element))
                .collect::<Result<_>>()?,
        ),
        DeValue::Table(table) => {
            let mut members = Map::new();
            for (key, value) in table {
                members.insert(key.get_ref().clone().into_owned(), json(source, value)?);
            }
            Value::Object(members)
        }
        other @ DeValue::Datetime(_) => {
            return Err(type_mismatch(source, node, "a JSON value (write times as text)", other));
        }
    })
}

fn json_number(source: &Source<'_>, node: &Node<'_>) -> Result<serde_json::Number> {
    let text = match node.get_ref() {
        DeValue::Integer(integer) => i128::from_str_radix(integer.as_str(), integer.radix())
            .map_err(|_| inexact(source, node, "is out of range"))?
            .to_string(),
        // TOML's own spellings, which JSON doesn't have; `inf` and `nan` stay and are refused.
        DeValue::Float(float) => float.as_str().trim_start_matches('+').replace('_', ""),
        other => return Err(type_mismatch(source, node, "a number", other)),
    };
    let admitted =
        admit(text.as_bytes(), &Limits::default()).map_err(|error| inexact(source, node, &error.to_string()))?;
    serde_json::Number::from_str(admitted.as_str()).map_err(|_| inexact(source, node, "is no JSON number"))
}

fn inexact(source: &Source<'_>, node: &Node<'_>, problem: &str) -> crate::PolicyError {
    source.error(
        PolicyCode::PolicyNumberInexact,
        node.span(),
        format!("no admitted payload has this number: {problem}"),
    )
}
