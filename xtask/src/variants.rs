//! What is built and tested: the workspace as a whole, and feature sets beside it.

/// The workspace, with everything that the command line can have: its tests want every custodian, and would otherwise
/// build it once more. The modules for other languages are built by themselves, as they are packed.
pub(crate) const WORKSPACE: [&str; 4] = [
    "--workspace",
    "--exclude=actionpass-node",
    "--exclude=actionpass-python",
    EVERYTHING,
];

/// The features of the command line beside those that are on by default, and the ML-DSA that is a variant.
pub(crate) const EVERYTHING: &str = "--features=actionpass-cli/all-custodians,actionpass-cli/otlp";

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
