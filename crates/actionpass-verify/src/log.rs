//! What a verifier tells the log (`tracing`): that a pass is refused, with all codes and the cause of a failure. Never
//! anything of the token, which may be a real one for somebody else.

use std::error::Error;

use actionpass_model::Audience;

use crate::Refusal;

/// A pass that was refused here.
pub(crate) fn refused(audience: &Audience, refusal: &Refusal) {
    tracing::info!(
        audience = %audience,
        codes = %refusal.all_codes(),
        error = refusal.source(),
        "a pass is refused"
    );
}
