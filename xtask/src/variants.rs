//! The feature sets that are built and tested beside the workspace as a whole.

/// A package with a set of features that the build of the whole workspace, where features unify, doesn't show.
#[derive(Debug)]
pub(crate) struct Variant {
    /// The package.
    pub(crate) package: &'static str,
    /// The features, as flags of cargo.
    pub(crate) flags: &'static [&'static str],
}

/// All of them; `test` and `clippy` run each.
pub(crate) const VARIANTS: &[Variant] = &[
    // Alone: in the workspace, xtask switches on `schema`.
    Variant {
        package: "actionpass-model",
        flags: &[],
    },
    Variant {
        package: "actionpass-crypto",
        flags: &["--no-default-features", "--features=rustcrypto"],
    },
    Variant {
        package: "actionpass-crypto",
        flags: &["--features=rustcrypto"],
    },
    // Not beside rustcrypto, which has no ML-DSA.
    Variant {
        package: "actionpass-crypto",
        flags: &["--features=ml-dsa"],
    },
    Variant {
        package: "actionpass-custody",
        flags: &["--no-default-features", "--features=rustcrypto"],
    },
    // What the module in WebAssembly is made of.
    Variant {
        package: "actionpass-embed",
        flags: &["--no-default-features", "--features=rustcrypto"],
    },
    Variant {
        package: "actionpass-server",
        flags: &["--features=otlp"],
    },
    Variant {
        package: "actionpass-verify",
        flags: &["--no-default-features", "--features=rustcrypto"],
    },
];

impl Variant {
    /// `cargo COMMAND` for this variant.
    pub(crate) fn arguments(&self, command: &'static str) -> impl Iterator<Item = &'static str> {
        [command].into_iter().chain(self.packages())
    }

    /// The arguments that choose it, for any command of Cargo.
    pub(crate) fn packages(&self) -> impl Iterator<Item = &'static str> {
        ["--package", self.package]
            .into_iter()
            .chain(self.flags.iter().copied())
    }
}
