//! Why a policy was not loaded.

actionpass_model::codes! {
    /// Why a policy, or a file of policy tests, was not loaded.
    pub enum PolicyCode: InputRefused {
        /// The text is not TOML, or has a key twice.
        PolicySyntax = "policy_syntax",
        /// The text is larger than 1 MiB.
        PolicyTooLarge = "policy_too_large",
        /// The file is UTF-16 and has to be UTF-8.
        PolicyUtf16 = "policy_utf16",
        /// The file is not UTF-8.
        PolicyNotUtf8 = "policy_not_utf8",
        /// The `schema` is not one that this release reads.
        PolicySchemaUnsupported = "policy_schema_unsupported",
        /// A key that the language doesn't have; without it the rule would mean something else than its author thinks.
        PolicyKeyUnknown = "policy_key_unknown",
        /// A key that must be there is not.
        PolicyKeyMissing = "policy_key_missing",
        /// A key that a rule of this effect doesn't have.
        PolicyKeyMisplaced = "policy_key_misplaced",
        /// A value is of the wrong type.
        PolicyTypeMismatch = "policy_type_mismatch",
        /// A value is of the right type and breaks the rule of its key.
        PolicyValueInvalid = "policy_value_invalid",
        /// A list that must name something is empty.
        PolicyListEmpty = "policy_list_empty",
        /// Two rules have one id.
        PolicyRuleRepeated = "policy_rule_repeated",
        /// Two policy tests have one name.
        PolicyTestRepeated = "policy_test_repeated",
        /// A path that is none.
        PolicyPathInvalid = "policy_path_invalid",
        /// A pattern that is none.
        PolicyGlobInvalid = "policy_glob_invalid",
        /// A pattern that no value of its key can match.
        PolicyGlobMatchesNothing = "policy_glob_matches_nothing",
        /// A number that no admitted payload has: it would be rounded, or is out of range.
        PolicyNumberInexact = "policy_number_inexact",
        /// A condition asks nothing.
        PolicyConditionEmpty = "policy_condition_empty",
        /// A condition can never hold, or always does.
        PolicyConditionImpossible = "policy_condition_impossible",
        /// A path with `[]`, `.*` or `.**` needs `any` or `every`.
        PolicyQuantifierMissing = "policy_quantifier_missing",
        /// `any` or `every` needs a path with `[]`, `.*` or `.**`, and stands alone.
        PolicyQuantifierMisplaced = "policy_quantifier_misplaced",
        /// An allow rule looks at `context`: what the agent says about itself can only tighten.
        ContextInAllow = "context_in_allow",
        /// An exception looks at `context`: an agent could claim it for itself.
        ContextInUnless = "context_in_unless",
    }
}

/// Why a policy was not loaded, and where.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{path}:{line}:{column}: {message}")]
pub struct PolicyError {
    pub(crate) code: PolicyCode,
    pub(crate) path: Box<str>,
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) message: Box<str>,
}

impl PolicyError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> PolicyCode {
        self.code
    }

    /// The file, as the caller named it.
    #[must_use]
    pub const fn path(&self) -> &str {
        &self.path
    }

    /// The line, from 1.
    #[must_use]
    pub const fn line(&self) -> usize {
        self.line
    }

    /// The column in characters, from 1.
    #[must_use]
    pub const fn column(&self) -> usize {
        self.column
    }

    /// What is wrong there.
    #[must_use]
    pub const fn message(&self) -> &str {
        &self.message
    }
}

actionpass_model::coded_error!(PolicyError);
