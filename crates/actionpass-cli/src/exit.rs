//! Exit codes: what every code of every layer exits with (`docs/cli.md`).

use actionpass_model::Decision;

/// A fault of ours, or a code that this release doesn't know.
pub(crate) const INTERNAL: u8 = 1;

/// Codes by what they exit with. Where several apply, the smallest from 20 up counts, so this is also their order.
const TABLE: &[(u8, &[&str])] = &[
    (INTERNAL, &["internal_error", "demo_broken"]),
    // Usage: the command line, or what it names, isn't there.
    (
        2,
        &[
            "usage_invalid",
            "option_missing",
            "confirmation_required",
            "file_unreadable",
            "file_unwritable",
            "home_missing",
            "home_exists",
            "schema_unknown",
            "key_missing",
            "key_uri_malformed",
            "key_scheme_unknown",
            "secret_source_malformed",
            "key_file_exists",
            "trust_exists",
            "store_exists",
        ],
    ),
    // A person said no.
    (10, &["approval_declined"]),
    // Not authentic.
    (
        20,
        &[
            "token_malformed",
            "header_not_allowed",
            "type_mismatch",
            "key_unknown",
            "algorithm_mismatch",
            "key_use_mismatch",
            "signature_invalid",
            "claims_malformed",
            "version_unsupported",
        ],
    ),
    // For something else.
    (
        21,
        &[
            "issuer_mismatch",
            "audience_mismatch",
            "tenant_mismatch",
            "agent_mismatch",
            "via_mismatch",
            "human_owner_mismatch",
            "runtime_mismatch",
            "task_mismatch",
            "tool_mismatch",
            "resource_mismatch",
            "server_mismatch",
            "definition_hash_mismatch",
            "payload_hash_mismatch",
            "action_hash_mismatch",
            "obligation_unsupported",
            "approval_audience_mismatch",
            "approval_binding_mismatch",
            "approval_policy_mismatch",
            "approver_mismatch",
        ],
    ),
    // At another time.
    (22, &["key_not_valid", "not_yet_valid", "expired", "lifetime_too_long"]),
    // Revoked.
    (
        23,
        &["key_revoked", "pass_revoked", "principal_revoked", "approval_revoked"],
    ),
    // Done before.
    (24, &["already_used", "action_already_issued"]),
    // Other approval codes.
    (
        25,
        &[
            "approval_malformed",
            "approval_signature_invalid",
            "approval_key_unknown",
            "approval_expired",
            "approval_not_yet_valid",
            "approver_is_agent",
            "approval_unsigned",
            "approval_already_used",
            "too_many_approvals",
        ],
    ),
    // Stale or expired trust, clock, replay state.
    (
        26,
        &[
            "trust_expired",
            "revocations_stale",
            "trust_rolled_back",
            "clock_behind",
            "clock_unknown",
            "replay_state_lost",
        ],
    ),
    // The ledger is broken.
    (
        30,
        &[
            "ledger_unreadable",
            "ledger_malformed",
            "ledger_line_truncated",
            "ledger_hash_mismatch",
            "ledger_log_mismatch",
            "ledger_sequence_broken",
            "ledger_chain_broken",
            "ledger_forked",
            "ledger_truncated",
            "ledger_empty",
        ],
    ),
    // The input is refused.
    (
        31,
        &[
            "invalid_utf8",
            "byte_order_mark",
            "trailing_bytes",
            "json_truncated",
            "json_syntax",
            "number_malformed",
            "control_character",
            "invalid_escape",
            "lone_surrogate",
            "member_duplicate",
            "member_name_reserved",
            "members_exceeded",
            "depth_exceeded",
            "size_exceeded",
            "number_out_of_range",
            "number_unsafe_integer",
            "number_not_exact",
            "member_name_not_text",
            "value_not_serializable",
            "json_malformed",
            "schema_missing",
            "schema_mismatch",
            "schema_unsupported",
            "member_missing",
            "member_unknown",
            "member_repeated",
            "member_invalid",
            "private_key_member",
            "members_contradict",
            "key_malformed",
            "key_unsupported",
            "key_not_on_curve",
            "key_id_mismatch",
            "key_contradiction",
            "key_duplicate",
            "key_algorithm_contradiction",
            "key_exists",
            "key_was_revoked",
            "key_not_active",
            "revocation_exists",
            "revocation_dropped",
            "trust_invalid",
            "trust_change_refused",
            "caller_mismatch",
            "caller_not_served",
            "member_names_collide",
            "facts_mismatch",
            "audience_unknown",
            "action_id_reused",
            "policy_syntax",
            "policy_too_large",
            "policy_schema_unsupported",
            "policy_key_unknown",
            "policy_key_missing",
            "policy_key_misplaced",
            "policy_type_mismatch",
            "policy_value_invalid",
            "policy_list_empty",
            "policy_rule_repeated",
            "policy_path_invalid",
            "policy_glob_invalid",
            "policy_glob_matches_nothing",
            "policy_number_inexact",
            "policy_condition_empty",
            "policy_condition_impossible",
            "policy_quantifier_missing",
            "policy_quantifier_misplaced",
            "context_in_allow",
            "context_in_unless",
            "policy_test_failed",
            "config_invalid",
            "claims_not_signable",
            "token_too_long",
        ],
    ),
    // Custodian, self-check or store.
    (
        40,
        &[
            "custodian_unavailable",
            "custodian_refused",
            "custodian_key_missing",
            "custodian_key_ambiguous",
            "custodian_key_exists",
            "custodian_secret_missing",
            "custodian_generates_none",
            "signature_self_check_failed",
            "signing_key_mismatch",
            "signer_not_trusted",
            "signing_key_superseded",
            "signing_key_retired",
            "signing_key_revoked",
            "secret_missing",
            "secret_file_permissions",
            "secret_unreadable",
            "randomness_unavailable",
            "key_not_generated",
            "key_passphrase_required",
            "key_passphrase_wrong",
            "key_file_missing",
            "key_file_permissions",
            "key_file_not_regular",
            "key_file_unreadable",
            "key_file_unwritable",
            "key_variable_missing",
            "home_not_private",
            "trust_unreadable",
            "trust_not_private",
            "trust_unwritable",
            "store_unavailable",
            "store_poisoned",
            "store_missing",
            "store_not_private",
            "store_foreign",
            "store_version_unsupported",
            "store_corrupt",
            "store_log_mismatch",
            "store_misused",
            "record_too_large",
            "record_invalid",
            "policy_changed",
            "contention",
        ],
    ),
];

/// What a code exits with.
pub(crate) fn of(code: &str) -> u8 {
    TABLE
        .iter()
        .find(|(_, codes)| codes.contains(&code))
        .map_or(INTERNAL, |(exit, _)| *exit)
}

/// What several codes exit with: the smallest from 20 up, or whatever there is.
pub(crate) fn of_all<'a>(codes: impl Iterator<Item = &'a str> + Clone) -> u8 {
    let exits = codes.map(of);
    exits
        .clone()
        .filter(|exit| *exit >= 20)
        .min()
        .or_else(|| exits.min())
        .unwrap_or(INTERNAL)
}

/// What a decision exits with.
pub(crate) const fn of_decision(decision: Decision) -> u8 {
    match decision {
        Decision::Allow => 0,
        Decision::Deny => 10,
        Decision::StepUp => 11,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Every set of codes but `ReasonCode`, whose codes say why a decision came out, and `StandingCode`, whose codes say what a
    /// signature of the past is worth: they fail nothing.
    fn known() -> BTreeSet<&'static str> {
        let mut known = BTreeSet::new();
        macro_rules! take {
            ($($set:path),+ $(,)?) => {$(known.extend(<$set>::ALL.iter().map(|code| code.as_str()));)+};
        }
        take!(
            actionpass_canon::AdmitCode,
            actionpass_canon::CanonCode,
            actionpass_core::AuthorizeCode,
            actionpass_crypto::CustodianCode,
            actionpass_custodians::SecretSourceCode,
            actionpass_crypto::JwsCode,
            actionpass_crypto::KeyCode,
            actionpass_crypto::KeyFileCode,
            actionpass_crypto::KeyringCode,
            actionpass_crypto::SignCode,
            actionpass_model::DocumentCode,
            actionpass_policy::PolicyCode,
            actionpass_store::ReplayCode,
            actionpass_store::StoreCode,
            actionpass_store::ledger::LedgerCode,
            actionpass_store::trust_file::ChangeCode,
            actionpass_store::trust_file::TrustFileCode,
            actionpass_verify::VerifyCode,
            crate::code::CliCode,
        );
        // A reason only: the pass of an earlier allow is given out again.
        known.remove("issued_before");
        known
    }

    #[test]
    fn every_code_has_its_exit_and_only_one() {
        let mut listed = BTreeSet::new();
        for code in TABLE.iter().flat_map(|(_, codes)| *codes) {
            assert!(listed.insert(*code), "`{code}` stands in the table twice");
        }
        let known = known();
        let unmapped: Vec<_> = known.difference(&listed).collect();
        let unknown: Vec<_> = listed.difference(&known).collect();
        assert!(
            unmapped.is_empty() && unknown.is_empty(),
            "no exit: {unmapped:?}; no such code: {unknown:?}"
        );
    }

    /// The set above is complete: it has every declaration in the source.
    #[test]
    fn every_declared_set_is_known() {
        let mut declared = BTreeSet::new();
        let crates = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
        let mut folders = vec![std::path::PathBuf::from(crates)];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() && !path.ends_with("tests") && !path.ends_with("target") {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    let text = std::fs::read_to_string(&path).unwrap();
                    let names = text.lines().filter_map(|line| {
                        let line = line.trim();
                        let rest = line
                            .strip_prefix("pub enum ")
                            .or_else(|| line.strip_prefix("pub(crate) enum "))?;
                        rest.strip_suffix(" {")
                            .filter(|name| name.ends_with("Code"))
                            .map(ToOwned::to_owned)
                    });
                    declared.extend(names);
                }
            }
        }
        let taken = "AdmitCode CanonCode AuthorizeCode CustodianCode JwsCode KeyCode KeyFileCode KeyringCode SecretSourceCode SignCode DocumentCode PolicyCode \
                     ReplayCode StoreCode LedgerCode ChangeCode TrustFileCode VerifyCode CliCode ReasonCode StandingCode DoorCode";
        let taken: BTreeSet<String> = taken.split_whitespace().map(ToOwned::to_owned).collect();
        assert_eq!(declared.difference(&taken).collect::<Vec<_>>(), Vec::<&String>::new());
    }

    #[test]
    fn the_smallest_from_20_up_counts() {
        assert_eq!(of_all(["expired", "pass_revoked", "tool_mismatch"].into_iter()), 21);
        assert_eq!(of_all(["usage_invalid", "store_corrupt"].into_iter()), 40);
        assert_eq!(of_all(["usage_invalid"].into_iter()), 2);
        assert_eq!(of_all(["never_heard_of"].into_iter()), 1);
        assert_eq!(of_all(std::iter::empty()), 1);
    }
}
