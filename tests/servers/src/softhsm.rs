//! SoftHSM2, a PKCS#11 module.
