//! End-to-end tests of ActionPass.

/// The Rust in the documents compiles.
#[cfg(doctest)]
mod documents {
    #[doc = include_str!("../../README.md")]
    struct Readme;

    #[doc = include_str!("../../docs/howto/executors-first-verify.md")]
    struct ExecutorsFirstVerify;

    #[doc = include_str!("../../docs/howto/embed-an-issuer.md")]
    struct EmbedAnIssuer;
}
