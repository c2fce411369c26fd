//! The codes of the command line itself.

actionpass_model::codes! {
    /// Why a command did not get as far as a decision, where no layer below it says so.
    pub(crate) enum CliCode: Usage {
        /// The command line isn't one: an unknown option, a missing argument, a value of another form.
        UsageInvalid = "usage_invalid",
        /// Something that the command needs was neither given nor found in a home.
        OptionMissing = "option_missing",
        /// A person has to confirm, and there is neither a terminal nor `--yes`.
        ConfirmationRequired = "confirmation_required",
        /// The person who was asked said no.
        ApprovalDeclined = "approval_declined" => Declined,
        /// A file that was named can't be read.
        FileUnreadable = "file_unreadable",
        /// A file or folder can't be written.
        FileUnwritable = "file_unwritable",
        /// There is no home where one is needed.
        HomeMissing = "home_missing",
        /// The folder holds something already; nothing is overwritten.
        HomeExists = "home_exists",
        /// Others can write the home or a file in it.
        HomeNotPrivate = "home_not_private" => Unavailable,
        /// `config.toml` is not one.
        ConfigInvalid = "config_invalid" => InputRefused,
        /// There is no document of this kind.
        SchemaUnknown = "schema_unknown",
        /// The demo did not come out as it promises.
        DemoBroken = "demo_broken" => Internal,
        /// An export has no records: it proves nothing, and a log that was cut off whole looks the same.
        LedgerEmpty = "ledger_empty" => LedgerBroken,
        /// A test of a policy came out otherwise than it expects.
        PolicyTestFailed = "policy_test_failed" => InputRefused,
        /// The command failed in a way that only a fault of ours explains.
        Internal = "internal_error" => Internal,
    }
}
