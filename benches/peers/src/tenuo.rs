//! tenuo 0.3: a warrant that constrains every argument to its exact value, and a proof of possession for each call.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::Value;
use tenuo::constraints::Exact;
use tenuo::{
    Authorizer, Constraint, ConstraintSet, ConstraintValue, Signature, SigningKey, Warrant, parse_json_strict, wire,
};

use crate::{Call, Peer, Presented, Result};

/// tenuo knows a tool and its arguments; the resource goes in as an argument of its own.
const RESOURCE: &str = "$resource";

pub struct Tenuo {
    issuer: SigningKey,
    holder: SigningKey,
    authorizer: Authorizer,
}

impl Tenuo {
    pub fn new() -> Self {
        let issuer = SigningKey::generate();
        let mut authorizer = Authorizer::new();
        authorizer.add_trusted_root(issuer.public_key());
        Self {
            holder: SigningKey::generate(),
            authorizer,
            issuer,
        }
    }
}

impl Peer for Tenuo {
    fn name(&self) -> &'static str {
        "tenuo 0.3, Ed25519, every argument `Exact`"
    }

    fn issue(&self, action: &[u8]) -> Result<String> {
        let action = parse_json_strict(std::str::from_utf8(action)?)?;
        let text = |pointer: &str| {
            action
                .pointer(pointer)
                .and_then(Value::as_str)
                .ok_or("a member is missing")
        };
        let payload = action.pointer("/capability/payload").ok_or("no payload")?;
        let arguments = arguments(payload, text("/capability/resource")?)?;
        let mut constraints = ConstraintSet::new();
        for (name, value) in arguments {
            constraints.insert(name, Constraint::Exact(Exact::new(value)));
        }
        let warrant = Warrant::builder()
            .capability(text("/capability/tool")?, constraints)
            .holder(self.holder.public_key())
            .agent_id(text("/actor/agent")?)
            .ttl(Duration::from_secs(600))
            .build(&self.issuer)?;
        Ok(wire::encode_base64(&warrant)?)
    }

    fn present(&self, token: String, call: &Call<'_>) -> Result<Presented> {
        let arguments = arguments(&parse_json_strict(&call.payload)?, &call.resource)?;
        let proof = wire::decode_base64(&token)?.sign(&self.holder, &call.tool, &arguments)?;
        Ok(Presented {
            token,
            proof: Some(proof.to_bytes().to_vec()),
        })
    }

    fn permits(&self, presented: &Presented, call: &Call<'_>) -> bool {
        let check = || -> Result<()> {
            let warrant = wire::decode_base64(&presented.token)?;
            let proof = presented.proof.as_deref().ok_or("no proof")?;
            let proof = Signature::from_bytes(proof.try_into()?)?;
            let arguments = arguments(&parse_json_strict(&call.payload)?, &call.resource)?;
            self.authorizer
                .authorize_one(&warrant, &call.tool, &arguments, Some(&proof), &[])?;
            Ok(())
        };
        check().is_ok()
    }
}

fn arguments(payload: &Value, resource: &str) -> Result<HashMap<String, ConstraintValue>> {
    let members = payload.as_object().ok_or("arguments are an object")?;
    let mut arguments = members
        .iter()
        .map(|(name, value)| Ok((name.clone(), convert(value)?)))
        .collect::<Result<HashMap<_, _>>>()?;
    arguments.insert(RESOURCE.to_owned(), ConstraintValue::from(resource));
    Ok(arguments)
}

fn convert(value: &Value) -> Result<ConstraintValue> {
    Ok(match value {
        Value::Null => ConstraintValue::Null,
        Value::Bool(value) => ConstraintValue::Boolean(*value),
        Value::Number(number) => match number.as_i64() {
            Some(integer) => ConstraintValue::Integer(integer),
            None => ConstraintValue::Float(number.as_f64().ok_or("not a number")?),
        },
        Value::String(text) => ConstraintValue::String(text.clone()),
        Value::Array(elements) => ConstraintValue::List(elements.iter().map(convert).collect::<Result<_>>()?),
        Value::Object(members) => ConstraintValue::Object(
            members
                .iter()
                .map(|(name, value)| Ok((name.clone(), convert(value)?)))
                .collect::<Result<_>>()?,
        ),
    })
}
