//! What is asked, out of an admitted body: small parts are read, large ones are slices of the canonical form.

use actionpass_canon::{BindError, CanonicalBytes};
use actionpass_display::Text;
use actionpass_model::{CodedError, read_closed};
use serde::de::DeserializeOwned;

use crate::problem::Refused;

/// The longest text of a caller that a problem repeats, in characters.
const MAX_REPEATED: usize = 200;

/// The members of a closed document.
pub(super) fn read<T: DeserializeOwned>(body: &CanonicalBytes) -> Result<T, Refused> {
    read_closed(body.as_bytes()).map_err(|error| refused(&error, ""))
}

/// What is wrong with a document that stands at this member of the body.
pub(super) fn unbound(error: &BindError, member: &str) -> Refused {
    refused(error, member)
}

/// A problem with a document of the caller, that stands at this member of the body. It repeats what the caller sent, so it is shortened, with nothing hidden in it.
pub(super) fn refused(error: &dyn CodedError, member: &str) -> Refused {
    let refused = Refused::of(error).with_detail(repeated(&error.to_string()));
    let place = error.path().unwrap_or_default();
    match (member.is_empty(), place.is_empty()) {
        (true, true) => refused,
        (true, false) => refused.at(repeated(place)),
        (false, true) => refused.at(member),
        (false, false) => refused.at(repeated(&format!("{member}.{place}"))),
    }
}

fn repeated(text: &str) -> String {
    let short: String = text.chars().take(MAX_REPEATED).collect();
    let end = if short.len() < text.len() { "…" } else { "" };
    format!("{}{end}", Text::name(&short).text)
}
