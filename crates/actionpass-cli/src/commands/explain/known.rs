//! [`Known`]: every code of every part, as its declaration has it.

use actionpass_canon::{AdmitCode, CanonCode};
use actionpass_client::ClientCode;
use actionpass_core::AuthorizeCode;
use actionpass_crypto::tlog::CheckpointCode;
use actionpass_crypto::{JwsCode, KeyCode, KeyringCode, SignCode, WebAuthnCode};
use actionpass_custodians::SecretSourceCode;
use actionpass_custody::{CustodianCode, KeyFileCode};
use actionpass_display::DisplayCode;
use actionpass_door::DoorCode;
use actionpass_gate::{CallCode, CatalogueCode, ListingCode};
use actionpass_home::{ArchiveCode, HeadCode, HomeCode, ResignCode};
use actionpass_hook::HookCode;
use actionpass_mcp::McpCode;
use actionpass_model::{BindingCode, CodeClass, DocumentCode};
use actionpass_policy::{PolicyCode, ReasonCode, WarningCode};
use actionpass_queue::RequestCode;
use actionpass_server::ServerCode;
use actionpass_setup::SetupCode;
use actionpass_store::ledger::{LedgerCode, SurveyCode};
use actionpass_store::trust_file::{ChangeCode, TrustFileCode};
use actionpass_store::{ReplayCode, StoreCode};
use actionpass_verify::{SignedHeadCode, StandingCode, VerifyCode};

use crate::code::CliCode;

/// A code, and what its declaration says of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Known {
    /// The crate that declares it.
    pub(super) part: &'static str,
    /// The code.
    pub(super) code: &'static str,
    /// What kind of failure it stands for.
    pub(super) class: CodeClass,
    /// What it means.
    pub(super) meaning: String,
}

macro_rules! all {
    ($($part:literal: $($set:ident),+;)+) => {
        /// Every code, in the order of `docs/error-codes.md`. What is left out here the tests miss there, where
        /// `cargo xtask codes` puts whatever the source declares.
        pub(super) fn all() -> Vec<Known> {
            let mut all = Vec::new();
            $($(all.extend($set::ALL.iter().map(|code| Known {
                part: $part,
                code: code.as_str(),
                class: code.class(),
                meaning: code.meaning().trim().to_owned(),
            }));)+)+
            all
        }
    };
}

all! {
    "actionpass-canon": AdmitCode, CanonCode;
    "actionpass-cli": CliCode;
    "actionpass-client": ClientCode;
    "actionpass-core": AuthorizeCode;
    "actionpass-crypto": JwsCode, KeyCode, KeyringCode, SignCode, CheckpointCode, WebAuthnCode;
    "actionpass-custodians": SecretSourceCode;
    "actionpass-custody": CustodianCode, KeyFileCode;
    "actionpass-display": DisplayCode;
    "actionpass-door": DoorCode;
    "actionpass-gate": CatalogueCode, CallCode, ListingCode;
    "actionpass-home": ResignCode, ArchiveCode, HomeCode, HeadCode;
    "actionpass-hook": HookCode;
    "actionpass-mcp": McpCode;
    "actionpass-model": BindingCode, DocumentCode;
    "actionpass-policy": PolicyCode, WarningCode, ReasonCode;
    "actionpass-queue": RequestCode;
    "actionpass-server": ServerCode;
    "actionpass-setup": SetupCode;
    "actionpass-store": StoreCode, SurveyCode, LedgerCode, ReplayCode, ChangeCode, TrustFileCode;
    "actionpass-verify": VerifyCode, SignedHeadCode, StandingCode;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Part, code, class and meaning of every line of the page.
    fn listed() -> Vec<[String; 4]> {
        let page = include_str!("../../../../../docs/error-codes.md");
        let mut part = "";
        let mut listed = Vec::new();
        for line in page.lines() {
            if let Some(name) = line.strip_prefix("## ") {
                part = name;
            } else if let Some(row) = line.strip_prefix("| `") {
                let (code, row) = row.split_once("` | ").unwrap();
                let (class, meaning) = row.trim_end_matches(" |").split_once(" | ").unwrap();
                listed.push([part, code, class, &meaning.replace("\\|", "|")].map(ToOwned::to_owned));
            }
        }
        listed
    }

    #[test]
    fn every_declared_code_is_known_as_it_is_declared() {
        let known = all()
            .into_iter()
            .map(|known| [known.part, known.code, known.class.as_str(), &known.meaning].map(ToOwned::to_owned));
        assert_eq!(known.collect::<Vec<_>>(), listed());
    }

    #[test]
    fn the_name_of_a_class_is_that_of_its_variant() {
        for known in all() {
            assert_eq!(known.class.as_str(), format!("{:?}", known.class));
        }
    }
}
