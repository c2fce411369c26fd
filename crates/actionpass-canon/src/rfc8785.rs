//! RFC 8785 as it stands: numbers are rounded to doubles. For interoperability and its test vectors.
//!
//! Two documents that are different JSON values can have one form here, which is why payloads go through
//! [`admit`](crate::admit) instead, and why nothing here gives [`CanonicalBytes`](crate::CanonicalBytes).

use crate::gate::{Gate, Numbers};
use crate::number::Decimal;
use crate::{AdmitError, Limits};

/// The RFC 8785 form of a JSON document, with numbers rounded to the nearest double.
///
/// ```
/// use actionpass_canon::{Limits, rfc8785};
/// let form = rfc8785::transform(b"[333333333.33333329, 1E30, 4.50]", &Limits::default())?;
/// assert_eq!(form, b"[333333333.3333333,1e+30,4.5]");
/// # Ok::<(), actionpass_canon::AdmitError>(())
/// ```
///
/// # Errors
/// [`AdmitError`] for everything that [`admit`](crate::admit) refuses but `number_not_exact` and
/// `number_unsafe_integer`.
pub fn transform(raw: &[u8], limits: &Limits) -> Result<Vec<u8>, AdmitError> {
    Gate::new(raw, limits, Numbers::Rounded).run()
}

/// The RFC 8785 text of a double (§3.2.2.3); `None` for NaN and infinities, which have none.
///
/// ```
/// use actionpass_canon::rfc8785::number;
/// assert_eq!(number(1e21).as_deref(), Some("1e+21"));
/// assert_eq!(number(-0.0).as_deref(), Some("0"));
/// assert_eq!(number(f64::NAN), None);
/// ```
#[must_use]
pub fn number(value: f64) -> Option<String> {
    String::from_utf8(Decimal::shortest(value)?.to_text()).ok()
}
