//! Keys in HSMs and tokens behind PKCS#11, as ActionPass signers.
