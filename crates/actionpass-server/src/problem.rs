//! Errors as answers: problem details (RFC 9457).

use actionpass_canon::AdmitCode;
use actionpass_client::api::{PROBLEM_MEDIA_TYPE, Problem};
use actionpass_door::told;
use actionpass_gate::{CallCode, ListingCode};
use actionpass_home::HomeCode;
use actionpass_model::{Code, CodedError, DocumentCode};
use actionpass_store::StoreCode;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::ServerCode;
use crate::log::RefusedAs;

/// A problem on its way out. Boxed: it is large, and rare.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refused(Box<Problem>);

impl Refused {
    /// What an error of a layer below says of itself.
    pub(crate) fn of(error: &(impl CodedError + ?Sized)) -> Self {
        let code = error.code();
        let title = meaning(&code).unwrap_or(code.as_str());
        let mut refused = Self::coded(&code, title, code.class().http_status());
        refused.0.detail = Some(error.to_string());
        refused.0.offset = error.offset();
        refused.0.path = error.path().map(ToOwned::to_owned);
        let codes = error.codes();
        if codes.len() > 1 {
            refused.0.codes = codes.iter().map(ToString::to_string).collect();
        }
        refused
    }

    fn coded(code: &Code, title: &str, status: u16) -> Self {
        Self(Box::new(Problem::new(code.as_str(), title, status)))
    }

    /// The same with more exactly what is wrong.
    pub(crate) fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// The same about a place in the document.
    pub(crate) fn at(mut self, path: impl Into<String>) -> Self {
        self.0.path = Some(path.into());
        self
    }

    /// The same with another status, where the route knows better.
    pub(crate) fn with_status(mut self, status: StatusCode) -> Self {
        self.0.status = status.as_u16();
        self
    }

    /// The same with every code, where several parts failed.
    pub(crate) fn with_codes(mut self, codes: Vec<String>) -> Self {
        self.0.codes = codes;
        self
    }

    /// The document.
    pub(crate) fn problem(&self) -> &Problem {
        &self.0
    }

    /// The stable code.
    pub(crate) fn code(&self) -> &str {
        &self.0.code
    }
}

/// What the declaration of a code says that it means, of the codes that questions meet.
fn meaning(code: &Code) -> Option<&'static str> {
    let text = code.as_str();
    AdmitCode::from_code(text)
        .map(AdmitCode::meaning)
        .or_else(|| DocumentCode::from_code(text).map(DocumentCode::meaning))
        .or_else(|| HomeCode::from_code(text).map(HomeCode::meaning))
        .or_else(|| StoreCode::from_code(text).map(StoreCode::meaning))
        .or_else(|| CallCode::from_code(text).map(CallCode::meaning))
        .or_else(|| ListingCode::from_code(text).map(ListingCode::meaning))
        .map(str::trim)
        .or_else(|| told::meaning(code))
}

impl From<ServerCode> for Refused {
    fn from(code: ServerCode) -> Self {
        Self::coded(&code.into(), code.meaning(), code.http_status())
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self.0).unwrap_or_default();
        let mut response = (status, body).into_response();
        response.extensions_mut().insert(RefusedAs(self.0));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_MEDIA_TYPE));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use actionpass_canon::{BoundAction, Limits};

    use super::*;

    #[test]
    fn a_problem_of_a_layer_below_says_what_its_code_means() {
        let refused = Refused::of(&BoundAction::admit(b"hello", &Limits::default()).unwrap_err());
        assert_eq!(refused.code(), "json_syntax");
        assert_eq!(refused.problem().title, AdmitCode::JsonSyntax.meaning().trim());
    }
}
