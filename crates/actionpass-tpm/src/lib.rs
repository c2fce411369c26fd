//! Keys in a TPM 2.0, as ActionPass signers.
//!
//! ```no_run
//! use actionpass_custody::{Custodian, KeyUri, NoSecrets};
//! use actionpass_tpm::Tpm;
//!
//! let key = Tpm::new().open(&KeyUri::parse("tpm:0x81010001")?, &NoSecrets)?;
//! println!("{} signs with {:?}", key.uri, key.signer.public_key());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | URI | names |
//! |---|---|
//! | `tpm:0x81010001` | the key at this persistent handle, in `0x81000000..=0x81FFFFFF` |
//! | `tpm:next` | the first handle that is free, from `0x81010000` on: only to make a key |
//! | `…?tcti=swtpm:host=127.0.0.1,port=2321` | the same, in the TPM that this TCTI leads to |
//!
//! Without `tcti` the TPM is the one that `TPM2TOOLS_TCTI`, `TCTI` or `TEST_TCTI` name, in this order, as for the TPM's
//! own tools, and else `device:/dev/tpmrm0`. Known are `device`, `mssim`, `swtpm` and `tabrmd`.
//!
//! A key signs with ES256 on P-256, or with ES384 on P-384 where the TPM has that curve. No TPM has Ed25519. The key must
//! sign and be neither restricted (such a key signs only what the TPM itself has hashed) nor bound to a policy.
//!
//! The key's auth value, if it has one, comes from [`with_auth`](Tpm::with_auth), `ACTIONPASS_TPM_AUTH` or
//! [`Secrets`](actionpass_custody::Secrets), never from the URI. It goes to the TPM as a password.
//!
//! There is one connection for each signer, since a TPM does one thing at a time. libtss2 writes its own log to
//! standard error; `TSS2_LOG=all+none` silences it.

mod custodian;
mod device;
mod fault;
mod public;
mod signer;
mod tcti;
mod uri;

pub use custodian::Tpm;
