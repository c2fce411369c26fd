//! swtpm, a TPM 2.0 in software.
