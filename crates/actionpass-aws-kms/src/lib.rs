//! Keys in AWS KMS, as ActionPass signers.
