//! OpenBao, whose transit engine is that of Vault.
