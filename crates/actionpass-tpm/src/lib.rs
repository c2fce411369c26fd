//! Keys in a TPM 2.0, as ActionPass signers.
