//! moto, which speaks the API of AWS KMS.
