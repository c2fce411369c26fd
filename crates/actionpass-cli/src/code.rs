//! The codes of the command line itself.

actionpass_model::codes! {
    /// Why a command did not get as far as a decision, where no layer below it says so.
    pub(crate) enum CliCode: Usage {
        /// The command line isn't one: an unknown option, a missing argument, a value of another form.
        UsageInvalid = "usage_invalid",
        /// Something that the command needs was neither given nor found in a home.
        OptionMissing = "option_missing",
        /// Several approvers gave their approvals this id: `--approver` says whose is meant.
        ApproverAmbiguous = "approver_ambiguous",
        /// A person has to confirm, and there is neither a terminal nor `--yes`.
        ConfirmationRequired = "confirmation_required",
        /// An override names what isn't a deny rule of the policy, or one that the approver's roles don't lift.
        RuleNotOverridable = "rule_not_overridable",
        /// The person who was asked said no.
        NotConfirmed = "not_confirmed" => Declined,
        /// There is no document of this kind.
        SchemaUnknown = "schema_unknown",
        /// No part of this release has a code of this name.
        CodeUnknown = "code_unknown",
        /// The demo did not come out as it promises.
        DemoBroken = "demo_broken" => Internal,
        /// An export has no records: it proves nothing, and a log that was cut off whole looks the same.
        LedgerEmpty = "ledger_empty" => LedgerBroken,
        /// The ledger has no record at that place.
        RecordUnknown = "record_unknown",
        /// A test of a policy came out otherwise than it expects.
        PolicyTestFailed = "policy_test_failed" => InputRefused,
        /// Nobody reads what a command would print that decides, or uses a pass up: it ended before it did either.
        OutputClosed = "output_closed" => Internal,
        /// The command failed in a way that only a fault of ours explains.
        Internal = "internal_error" => Internal,
    }
}
