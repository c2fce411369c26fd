//! The OpenAPI 3.1 document of the service, assembled from the handlers.
//!
//! To add a route: annotate its handler with `#[utoipa::path]` and name it in `paths(…)` below; then `cargo xtask openapi`
//! writes `docs/openapi.json`. A test compares the document with the router. Documents and texts of the model are named by
//! [`actionpass_client::api::schema`]; what they are is put in here, from the schemas that the model makes of its types.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use actionpass_client::api::Problem;
use actionpass_core::RequestState;
use serde_json::{Map, Value, json};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use crate::decisions::{authorize, outcome, verify};
use crate::requests::stream;
use crate::{approvers, ledger, operations, requests, servers, trust};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "ActionPass",
        description = "Decisions about the actions of agents, and the approval requests that some of them need.",
        license(name = "Apache-2.0 OR MIT", identifier = "Apache-2.0 OR MIT"),
    ),
    paths(
        authorize::authorize,
        verify::verify,
        verify::consume,
        outcome::report,
        servers::servers,
        servers::tools,
        requests::list,
        requests::show,
        requests::view,
        requests::vote,
        requests::cancel,
        requests::lift,
        stream::of_one,
        stream::of_all,
        trust::revoke,
        trust::revocations,
        trust::trust,
        trust::jwks,
        approvers::list,
        approvers::confirm,
        approvers::invitation,
        approvers::register,
        ledger::head,
        ledger::records,
        ledger::record,
        ledger::export,
        operations::healthz,
        operations::readyz,
        operations::metrics,
        operations::openapi_json,
    ),
    components(schemas(Problem)),
    security(("client" = [])),
    modifiers(&Scheme),
)]
struct Document;

/// The token of a client.
struct Scheme;

impl Modify for Scheme {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let client = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("apc_")
            .description(Some("The token of a client (`actionpass clients add`)."))
            .build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("client", SecurityScheme::Http(client));
    }
}

/// Where schemas stand.
const SCHEMAS: &str = "#/components/schemas/";

/// The document, with a line feed at its end; `None` if it can't be written.
pub(crate) static TEXT: LazyLock<Option<String>> = LazyLock::new(|| text().ok());

/// The document, with a line feed at its end.
pub(crate) fn text() -> Result<String, serde_json::Error> {
    let mut document = serde_json::to_value(Document::openapi())?;
    drop_null_parameters(&mut document);
    say_unsigned(&mut document);
    let library = library();
    let mut components = document
        .pointer_mut("/components/schemas")
        .and_then(Value::as_object_mut)
        .map(std::mem::take)
        .unwrap_or_default();
    // A name that says only itself is the model's.
    components
        .retain(|name, schema| schema.get("$ref").and_then(Value::as_str) != Some(format!("{SCHEMAS}{name}").as_str()));
    let mut wanted = references(&document);
    wanted.extend(components.values().flat_map(references));
    while let Some(name) = wanted.pop() {
        if components.contains_key(&name) {
            continue;
        }
        if let Some(schema) = library.get(&name) {
            wanted.extend(references(schema));
            components.insert(name, schema.clone());
        }
    }
    if let Some(place) = document.pointer_mut("/components/schemas") {
        *place = Value::Object(components);
    }
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

/// The schemas of the model, by name.
fn library() -> BTreeMap<String, Value> {
    let mut library = BTreeMap::new();
    for (_, mut schema) in actionpass_model::schemas() {
        let Some(members) = schema.as_object_mut() else {
            continue;
        };
        members.values_mut().for_each(drop_null);
        members.remove("$schema");
        let title = members.remove("title");
        let definitions = members.remove("$defs");
        if let Some(Value::Object(definitions)) = definitions {
            for (name, mut definition) in definitions {
                rename(&mut definition);
                library.insert(named(&name), definition);
            }
        }
        if let Some(title) = title.as_ref().and_then(Value::as_str) {
            rename(&mut schema);
            library.insert(named(title), schema);
        }
    }
    let states: Vec<&str> = requests::STATES.into_iter().map(RequestState::as_str).collect();
    library.insert("RequestState".to_owned(), json!({ "type": "string", "enum": states }));
    library
}

/// A member of the model that may be left out is never null: its readers refuse that.
fn drop_null(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            members.values_mut().for_each(drop_null);
            if let Some(Value::Array(kinds)) = members.get_mut("type") {
                kinds.retain(|kind| kind != "null");
                if let [kind] = kinds.as_slice() {
                    let kind = kind.clone();
                    members.insert("type".to_owned(), kind);
                }
            }
            if let Some(Value::Array(choices)) = members.get_mut("anyOf") {
                choices.retain(|choice| choice.get("type").and_then(Value::as_str) != Some("null"));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(drop_null),
        _ => {}
    }
}

/// A name of the model as OpenAPI lets names be: `action id` is `ActionId`.
fn named(name: &str) -> String {
    let words = name
        .split([' ', '%'])
        .map(|word| word.strip_prefix("20").unwrap_or(word));
    words
        .flat_map(|word| {
            let mut letters = word.chars();
            let first = letters.next().map(|first| first.to_ascii_uppercase());
            first.into_iter().chain(letters)
        })
        .collect()
}

/// Has references point to where OpenAPI has schemas.
fn rename(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            if let Some(Value::String(target)) = members.get_mut("$ref")
                && let Some(name) = target.strip_prefix("#/$defs/")
            {
                *target = format!("{SCHEMAS}{}", named(name));
            }
            members.values_mut().for_each(rename);
        }
        Value::Array(items) => items.iter_mut().for_each(rename),
        _ => {}
    }
}

/// The names of schemas that a value refers to.
fn references(value: &Value) -> Vec<String> {
    match value {
        Value::Object(members) => {
            let own = members.get("$ref").and_then(Value::as_str);
            let own = own
                .and_then(|target| target.strip_prefix(SCHEMAS))
                .map(ToOwned::to_owned);
            own.into_iter().chain(members.values().flat_map(references)).collect()
        }
        Value::Array(items) => items.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}

/// Whole numbers of the service are unsigned, of 64 bits.
fn say_unsigned(value: &mut Value) {
    match value {
        Value::Object(members) => {
            if members.get("format").and_then(Value::as_str) == Some("int64") {
                members.insert("format".to_owned(), "uint64".into());
                members.entry("maximum").or_insert_with(|| u64::MAX.into());
            }
            members.values_mut().for_each(say_unsigned);
        }
        Value::Array(items) => items.iter_mut().for_each(say_unsigned),
        _ => {}
    }
}

/// A parameter that may be left out is never null: there is no null in a query or a header.
fn drop_null_parameters(document: &mut Value) {
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    let operations = paths.into_iter().flat_map(Map::values_mut);
    let operations = operations.filter_map(Value::as_object_mut).flat_map(Map::values_mut);
    let parameters = operations
        .filter_map(|operation| operation.get_mut("parameters")?.as_array_mut())
        .flatten();
    for schema in parameters.filter_map(|parameter| parameter.get_mut("schema")) {
        if let Some(kinds) = schema.get("type").and_then(Value::as_array) {
            let kind = kinds.iter().find(|kind| *kind != "null").cloned();
            if let (Some(kind), Some(members)) = (kind, schema.as_object_mut()) {
                members.insert("type".to_owned(), kind);
            }
        }
        if let Some(choices) = schema.get("oneOf").and_then(Value::as_array) {
            let is_null = |choice: &&Value| choice.get("type").and_then(Value::as_str) == Some("null");
            if let Some(choice) = choices.iter().find(|choice| !is_null(choice)).cloned() {
                *schema = choice;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn document() -> Value {
        serde_json::from_str(TEXT.as_ref().unwrap()).unwrap()
    }

    #[test]
    fn every_reference_leads_to_a_schema_and_every_schema_is_referred_to() {
        let document = document();
        let components = document["components"]["schemas"].as_object().unwrap();
        let named: BTreeSet<String> = references(&document).into_iter().collect();
        let there: BTreeSet<String> = components.keys().cloned().collect();
        assert_eq!(named, there);
        for (name, schema) in components {
            assert!(schema.get("$ref").is_none(), "{name} says nothing but another name");
        }
    }

    #[test]
    fn questions_are_closed_and_texts_have_patterns() {
        let document = document();
        let components = &document["components"]["schemas"];
        for question in [
            "AuthorizeRequest",
            "StatedCaller",
            "VerifyRequest",
            "CastVote",
            "NewRevocation",
            "ConfirmPasskey",
            "OpenInvitation",
            "RegisterPasskey",
            "OutcomeReport",
            "ListedTools",
            "Action",
            "Facts",
        ] {
            assert_eq!(components[question]["additionalProperties"], false, "{question}");
        }
        assert_eq!(components["Digest"]["pattern"], "^sha256:[0-9a-f]{64}$");
        let parameters = &document["paths"]["/v1/requests"]["get"]["parameters"];
        let tenant = parameters
            .as_array()
            .unwrap()
            .iter()
            .find(|parameter| parameter["name"] == "tenant");
        assert_eq!(
            tenant.unwrap()["schema"],
            json!({ "$ref": "#/components/schemas/Tenant" })
        );
    }

    #[test]
    fn names_of_the_model_are_names_of_openapi() {
        assert_eq!(named("action id"), "ActionId");
        assert_eq!(named("action%20id"), "ActionId");
        assert_eq!(named("humanOwner"), "HumanOwner");
        assert_eq!(named("TrustStore"), "TrustStore");
    }
}
