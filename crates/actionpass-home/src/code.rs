//! The codes of a home.

actionpass_model::codes! {
    /// Why a home, or a file in it, can't be used, where no layer below says so.
    pub enum HomeCode: Usage {
        /// A file that is needed can't be read.
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
        /// A rule looks at an argument that its tool can't have: the tool's schema declares none of this name.
        PolicyPathUndeclared = "policy_path_undeclared" => InputRefused,
        /// `clients.toml` is not one.
        ClientsInvalid = "clients_invalid" => InputRefused,
        /// A new client has the name of another.
        ClientKnown = "client_known",
        /// No client has this name.
        ClientUnknown = "client_unknown",
        /// `approvers.json` is not one.
        ApproversInvalid = "approvers_invalid" => InputRefused,
        /// The invitation never was, was used, or is over.
        InvitationUnknown = "invitation_unknown",
        /// The key of a new passkey, or its id, is known already, whoever's it is.
        PasskeyKnown = "passkey_known" => InputRefused,
        /// No passkey of this principal waits under this code.
        PasskeyNotWaiting = "passkey_not_waiting",
    }
}
