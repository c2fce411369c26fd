use serde::{Deserialize, Serialize};

/// The media type of a [`Problem`].
pub const PROBLEM_MEDIA_TYPE: &str = "application/problem+json";

/// Why a question got no answer: problem details (RFC 9457) with a stable code.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Problem {
    /// `https://actionpass.dev/codes#` and the code: an identifier, nothing that has to be looked up.
    #[serde(rename = "type")]
    pub kind: String,
    /// What the code means, the same for every problem of this code.
    pub title: String,
    /// The status of the answer.
    pub status: u16,
    /// The stable code (`docs/error-codes.md`).
    pub code: String,
    /// What is wrong this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Where in the body, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// Where in the document: `action.payload.amount`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Every code, where several checks failed; `code` is the first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub codes: Vec<String>,
}

impl Problem {
    /// What stands before a code in [`kind`](Self::kind).
    pub const KIND: &str = "https://actionpass.dev/codes#";

    /// A problem of this code, with nothing but what every problem of it says.
    #[must_use]
    pub fn new(code: &str, title: &str, status: u16) -> Self {
        Self {
            kind: format!("{}{code}", Self::KIND),
            title: title.trim().to_owned(),
            status,
            code: code.to_owned(),
            detail: None,
            offset: None,
            path: None,
            codes: Vec::new(),
        }
    }
}
