//! The call that an executor is about to make, and calls that are nearly the same.

use std::borrow::Cow;

use serde_json::Value;

use crate::Result;

/// Tool, resource and the payload as it arrived.
#[derive(Clone, Debug)]
pub struct Call<'a> {
    pub tool: Cow<'a, str>,
    pub resource: Cow<'a, str>,
    pub payload: Cow<'a, str>,
}

impl<'a> Call<'a> {
    /// The call within an action's JSON; the payload is cut out as it was written.
    pub fn of(action: &'a str) -> Result<Self> {
        let text = |name: &str| -> Result<&'a str> {
            let start = action.find(&format!("\"{name}\": \"")).ok_or("no such member")? + name.len() + 5;
            let end = action[start..].find('"').ok_or("no end")? + start;
            Ok(&action[start..end])
        };
        let start = action.find("\"payload\": ").ok_or("no payload")? + "\"payload\": ".len();
        let mut values = serde_json::Deserializer::from_str(&action[start..]).into_iter::<Value>();
        values.next().ok_or("no payload")??;
        let payload = &action[start..start + values.byte_offset()];
        Ok(Self {
            tool: text("tool")?.into(),
            resource: text("resource")?.into(),
            payload: payload.into(),
        })
    }

    /// This call with one thing changed: the tool, the resource, or one leaf of the payload.
    pub fn neighbours(&self) -> Result<Vec<Call<'static>>> {
        let changed = |tool: String, resource: String, payload: String| Call {
            tool: tool.into(),
            resource: resource.into(),
            payload: payload.into(),
        };
        let (tool, resource, payload) = (
            self.tool.to_string(),
            self.resource.to_string(),
            self.payload.to_string(),
        );
        let mut calls = vec![
            changed(format!("{tool}.x"), resource.clone(), payload.clone()),
            changed(tool.clone(), format!("{resource}x"), payload),
        ];
        let value: Value = serde_json::from_str(&self.payload)?;
        for at in 0..leaves(&mut value.clone(), usize::MAX) {
            let mut other = value.clone();
            leaves(&mut other, at);
            calls.push(changed(tool.clone(), resource.clone(), serde_json::to_string(&other)?));
        }
        Ok(calls)
    }

    /// This call with a member twice: readers that keep the first and readers that keep the last execute different
    /// things, and here those that keep the last see what was permitted.
    pub fn with_member_twice(&self) -> Call<'static> {
        let payload = self
            .payload
            .replacen("\"base\": \"main\"", "\"base\": \"production\", \"base\": \"main\"", 1);
        Call {
            tool: self.tool.to_string().into(),
            resource: self.resource.to_string().into(),
            payload: payload.into(),
        }
    }
}

/// Counts the leaves of a value and changes one of them.
fn leaves(value: &mut Value, change: usize) -> usize {
    fn walk(value: &mut Value, at: &mut usize, change: usize) {
        match value {
            Value::Array(elements) => elements.iter_mut().for_each(|element| walk(element, at, change)),
            Value::Object(members) => members.values_mut().for_each(|member| walk(member, at, change)),
            leaf => {
                if *at == change {
                    *leaf = match &*leaf {
                        Value::String(text) => Value::String(format!("{text}x")),
                        Value::Number(number) => Value::from(number.as_i64().unwrap_or_default() + 1),
                        other => Value::from(format!("{other}")),
                    };
                }
                *at += 1;
            }
        }
    }
    let mut count = 0;
    walk(value, &mut count, change);
    count
}
