//! [`TpmFault`]: what a TPM or the way to it answered instead of a result.

use std::fmt;

use actionpass_crypto::SignError;
use actionpass_custody::CustodianError;
use tss_esapi::constants::response_code::{Tss2ResponseCode, Tss2ResponseCodeKind as Kind};

use crate::uri::TPM;

/// A command that failed.
#[derive(Debug, thiserror::Error)]
#[error("{step}: {code}")]
pub(crate) struct TpmFault {
    /// What was tried.
    step: &'static str,
    code: Code,
    source: tss_esapi::Error,
}

/// What a failure means for the caller.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Cause {
    /// The key's or the owner's auth value is wrong.
    Auth,
    /// There is nothing at the handle.
    Missing,
    /// There is something at the handle already.
    Taken,
    /// The TPM understood, and declines.
    Declined,
    /// The TPM can't do it now; another connection would not help.
    Busy,
    /// Anything else: the connection may be lost.
    Lost,
}

impl TpmFault {
    /// For `map_err`.
    pub(crate) fn at(step: &'static str) -> impl Fn(tss_esapi::Error) -> Self {
        move |source| Self {
            step,
            code: Code(source),
            source,
        }
    }

    pub(crate) fn cause(&self) -> Cause {
        let tss_esapi::Error::Tss2Error(response) = self.source else {
            // The library beneath didn't like what came back: it is out of step with the TPM.
            return Cause::Lost;
        };
        match (response, response.kind()) {
            (_, Some(Kind::AuthFail | Kind::BadAuth)) => Cause::Auth,
            (_, Some(Kind::Handle)) => Cause::Missing,
            (_, Some(Kind::NvDefined)) => Cause::Taken,
            // Format one is about a parameter, handle or session: only the TPM itself says such things.
            (Tss2ResponseCode::FormatOne(_), _) => Cause::Declined,
            (
                _,
                Some(
                    Kind::AuthMissing
                    | Kind::AuthType
                    | Kind::AuthUnavailable
                    | Kind::CommandCode
                    | Kind::Locality
                    | Kind::Lockout
                    | Kind::NvSpace
                    | Kind::Policy,
                ),
            ) => Cause::Declined,
            (
                _,
                Some(
                    Kind::Canceled
                    | Kind::Initialize
                    | Kind::Memory
                    | Kind::NvRate
                    | Kind::NvUnavailable
                    | Kind::ObjectHandles
                    | Kind::ObjectMemory
                    | Kind::Retry
                    | Kind::SessionHandles
                    | Kind::SessionMemory
                    | Kind::Testing
                    | Kind::Yielded,
                ),
            ) => Cause::Busy,
            _ => Cause::Lost,
        }
    }

    /// Whether the TPM lacks the curve, hash or scheme.
    pub(crate) fn is_lack(&self) -> bool {
        let tss_esapi::Error::Tss2Error(response) = self.source else {
            return false;
        };
        matches!(
            response.kind(),
            Some(Kind::Curve | Kind::Hash | Kind::Scheme | Kind::Value | Kind::Asymmetric)
        )
    }

    fn is_refusal(&self) -> bool {
        matches!(
            self.cause(),
            Cause::Auth | Cause::Missing | Cause::Taken | Cause::Declined
        )
    }
}

impl From<TpmFault> for CustodianError {
    fn from(fault: TpmFault) -> Self {
        match fault.is_refusal() {
            true => Self::refused(TPM, fault),
            false => Self::unavailable(TPM, fault),
        }
    }
}

impl From<TpmFault> for SignError {
    fn from(fault: TpmFault) -> Self {
        match fault.is_refusal() {
            true => Self::refused(TPM, fault),
            false => Self::unavailable(TPM, fault),
        }
    }
}

/// The number, which is what one looks up: the library's text for it is the `source`.
#[derive(Debug)]
struct Code(tss_esapi::Error);

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = match self.0 {
            tss_esapi::Error::Tss2Error(Tss2ResponseCode::FormatZero(code)) => code.to_string(),
            tss_esapi::Error::Tss2Error(Tss2ResponseCode::FormatOne(code)) => code.to_string(),
            _ => return f.write_str("no answer that fits"),
        };
        let number = shown.rsplit(' ').next().unwrap_or_default();
        write!(f, "response code {number}")
    }
}
