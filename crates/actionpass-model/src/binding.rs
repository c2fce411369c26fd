//! Codes of what goes wrong between another language and the library, in the packages for Node and Python.

crate::codes! {
    /// Why a call from another language got no further.
    pub enum BindingCode: Usage {
        /// A value of the language that is no JSON value, or that JSON would change silently.
        ValueNotJson = "value_not_json" => InputRefused,
        /// An argument that is missing, unknown or of another type.
        ArgumentInvalid = "argument_invalid",
        /// Nothing is decided without a policy; only the demo action has one built in.
        PolicyRequired = "policy_required",
        /// The public half of a signing key is neither given nor to be found out.
        PublicKeyUnknown = "public_key_unknown",
        /// The issuer was closed before.
        IssuerClosed = "issuer_closed",
        /// There is no native module for this platform: passes are verified and payloads hashed, and nothing else.
        NativeMissing = "native_module_missing",
        /// A fault of the binding itself.
        BindingFailed = "binding_failed" => Internal,
    }
}
