//! Keys in the transit engine of Vault and OpenBao, as ActionPass signers.
