//! The OpenAPI 3.1 document of the service, assembled from the handlers.
//!
//! To add a route: annotate its handler with `#[utoipa::path]`, answer problems with [`Problems`], and name it in `paths(…)`
//! below; then `UPDATE_GOLDEN=1 cargo test -p actionpass-server openapi` writes `docs/openapi.json`. Tests compare the document
//! with that file and with the routers.

use std::collections::BTreeMap;

use actionpass_client::api::Problem;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, Modify, OpenApi};

use crate::operations;

/// What every route of the API answers when it doesn't answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Problems;

impl IntoResponses for Problems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        [
            ("4XX", "What was asked is refused; `code` says why."),
            (
                "5XX",
                "The service can't answer; with 503, `Retry-After` says when to ask again.",
            ),
        ]
        .into_iter()
        .map(|(status, description)| {
            let schema = Ref::from_schema_name("Problem");
            let content = ContentBuilder::new().schema(Some(schema)).build();
            let response = ResponseBuilder::new()
                .description(description)
                .content(actionpass_client::api::PROBLEM_MEDIA_TYPE, content)
                .build();
            (status.to_owned(), RefOr::T(response))
        })
        .collect()
    }
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "ActionPass",
        description = "Decisions about the actions of agents, and the approval requests that some of them need.",
        license(name = "Apache-2.0 OR MIT", identifier = "Apache-2.0 OR MIT"),
    ),
    paths(
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

/// The document, with a line feed at its end.
pub(crate) fn text() -> Result<String, serde_json::Error> {
    Ok(serde_json::to_string_pretty(&Document::openapi())? + "\n")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[test]
    fn the_document_in_docs_is_this_one() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
        let text = super::text().unwrap();
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let found = std::fs::read_to_string(&path).unwrap();
        assert_eq!(found, text, "UPDATE_GOLDEN=1 cargo test -p actionpass-server openapi");
    }
}
