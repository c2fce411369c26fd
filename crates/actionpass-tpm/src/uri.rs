//! What a `tpm:` URI says.

use std::fmt;

use actionpass_custody::{CustodianError, KeyUri, KeyUriError};

use crate::tcti::Tcti;

/// The scheme, and the name of the custodian.
pub(crate) const TPM: &str = "tpm";

/// A persistent handle (TPM 2.0 part 2, §7.4).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Handle(u32);

/// Which key of a TPM is meant.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Place {
    /// The one at this handle.
    At(Handle),
    /// One that isn't there yet, at the first free handle.
    Next,
}

/// A URI, taken apart.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    pub(crate) place: Place,
    /// The TPM, if the URI names one.
    pub(crate) tcti: Option<Tcti>,
}

const FIRST: u32 = 0x8100_0000;
const LAST: u32 = 0x81FF_FFFF;
/// From here on persistent handles belong to the platform, that is to the firmware.
const PLATFORM: u32 = 0x8180_0000;
const NEXT: &str = "next";
const TCTI: &str = "tcti";

/// Names under which somebody might write a secret into a URI.
const SECRETS: &[&str] = &[
    "auth",
    "authvalue",
    "key-auth",
    "owner-auth",
    "p",
    "passphrase",
    "password",
    "pin",
    "pin-value",
    "secret",
    "token",
];

impl Handle {
    /// Where the search for a free handle begins: those before are for storage keys, by custom.
    pub(crate) const FIRST_OF_OURS: Self = Self(0x8101_0000);

    fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("0x")?;
        // `from_str_radix` reads a sign, too.
        let is_exact = digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let value = is_exact.then(|| u32::from_str_radix(digits, 16).ok())??;
        (FIRST..=LAST).contains(&value).then_some(Self(value))
    }

    pub(crate) const fn value(self) -> u32 {
        self.0
    }

    /// The one after it.
    pub(crate) const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// Whether the owner of the machine may keep a key there.
    pub(crate) const fn is_for_owners(self) -> bool {
        self.0 >= FIRST && self.0 < PLATFORM
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#010x}", self.0)
    }
}

impl Address {
    /// Reads a URI of the scheme `tpm`.
    pub(crate) fn parse(uri: &KeyUri) -> Result<Self, CustodianError> {
        let (path, attributes) = uri.split_query();
        let place = match path {
            NEXT => Place::Next,
            handle => Place::At(Handle::parse(handle).ok_or_else(|| {
                let problem = "behind `tpm:` stands a handle from 0x81000000 to 0x81ffffff, or `next`";
                malformed(uri, problem)
            })?),
        };
        let mut tcti = None;
        for (name, value) in attributes {
            match name {
                TCTI if tcti.is_some() => return Err(malformed(uri, "`tcti` stands there twice")),
                TCTI => tcti = Some(Tcti::parse(value).map_err(|problem| malformed(uri, problem))?),
                _ if SECRETS.contains(&name.to_ascii_lowercase().as_str()) => {
                    let problem = "a secret never stands in a URI: ACTIONPASS_TPM_AUTH holds it, or it is asked for";
                    return Err(malformed(uri, problem));
                }
                _ => return Err(malformed(uri, "there is only the attribute `tcti`")),
            }
        }
        Ok(Self { place, tcti })
    }

    /// The URI of the key at this handle of the same TPM.
    pub(crate) fn exact(&self, handle: Handle) -> KeyUri {
        self.at(&handle.to_string())
    }

    /// The URI of the first free handle of the same TPM.
    pub(crate) fn next(&self) -> KeyUri {
        self.at(NEXT)
    }

    fn at(&self, place: &str) -> KeyUri {
        match &self.tcti {
            Some(tcti) => KeyUri::new(TPM, &format!("{place}?{TCTI}={}", tcti.as_str())),
            None => KeyUri::new(TPM, place),
        }
    }
}

/// The error shows the URI without its attributes: one of them may be a secret that doesn't belong there.
pub(crate) fn malformed(uri: &KeyUri, problem: &'static str) -> CustodianError {
    let shown = uri.as_str().split('?').next().unwrap_or_default();
    CustodianError::UriMalformed {
        uri: shown.into(),
        source: KeyUriError::new(problem),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Address, CustodianError> {
        Address::parse(&KeyUri::parse(text).unwrap())
    }

    #[test]
    fn handles_are_exact() {
        for (text, exact) in [
            ("tpm:0x81010001", "tpm:0x81010001"),
            ("tpm:0x8101000F", "tpm:0x8101000f"),
            ("tpm:0x81000000", "tpm:0x81000000"),
            ("tpm:0x81FFFFFF?", "tpm:0x81ffffff"),
            (
                "tpm:0x81010001?tcti=swtpm:host=127.0.0.1,port=2321",
                "tpm:0x81010001?tcti=swtpm:host=127.0.0.1,port=2321",
            ),
        ] {
            let address = parse(text).unwrap();
            let Place::At(handle) = address.place else {
                panic!("{text}")
            };
            assert_eq!(address.exact(handle).as_str(), exact);
        }
        assert_eq!(parse("tpm:next").unwrap().place, Place::Next);
        for bad in [
            "tpm:81010001",
            "tpm:0x8101001",
            "tpm:0x+1010001",
            "tpm:0X81010001",
            "tpm:0x081010001",
            "tpm:0x80ffffff",
            "tpm:0x82000000",
            "tpm:0x40000001",
            "tpm:2164326401",
            "tpm:Next",
            "tpm:new",
            "tpm: 0x81010001",
            "tpm:0x81010001#a",
            "tpm:?tcti=device:/dev/tpm0",
        ] {
            assert_eq!(parse(bad).unwrap_err().code(), "key_uri_malformed", "{bad}");
        }
    }

    #[test]
    fn unknown_attributes_are_refused() {
        for bad in [
            "tpm:0x81010001?handle=0x81010002",
            "tpm:0x81010001?tcti",
            "tpm:0x81010001?tcti=",
            "tpm:0x81010001?tcti=device:/dev/tpm0&tcti=device:/dev/tpm0",
            "tpm:0x81010001?TCTI=device:/dev/tpm0",
            "tpm:0x81010001?tcti=cmd:touch /tmp/x",
        ] {
            assert_eq!(parse(bad).unwrap_err().code(), "key_uri_malformed", "{bad}");
        }
    }

    #[test]
    fn secrets_are_refused_and_not_shown() {
        for name in ["auth", "pin-value", "PIN", "password", "unknown"] {
            let error = parse(&format!("tpm:0x81010001?{name}=hunter2")).unwrap_err();
            let shown = format!("{error} {error:?} {:?}", std::error::Error::source(&error));
            assert!(!shown.contains("hunter2"), "{shown}");
            assert_eq!(shown.contains("ACTIONPASS_TPM_AUTH"), name != "unknown", "{shown}");
        }
    }

    #[test]
    fn the_firmwares_handles_are_not_the_owners() {
        let of = |text| Handle::parse(text).unwrap().is_for_owners();
        assert!(of("0x81000000") && of("0x817fffff"));
        assert!(!of("0x81800000") && !of("0x81ffffff"));
    }
}
