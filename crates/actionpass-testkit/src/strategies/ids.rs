//! Names, ids, digests and times.

use actionpass_model::{
    ActionId, Agent, ApprovalId, Approver, Audience, Code, Digest, Issuer, KeyId, ObligationId, Origin, Owner, PassId,
    PolicyId, Principal, RecordId, RequestId, Resource, RevocationId, Role, RuleId, Runtime, Server, Statement, Task,
    Tenant, Timestamp, Tool, Trace, UnixSeconds,
};
use proptest::prelude::*;

/// The last millisecond that documents can write: 9999-12-31T23:59:59.999Z.
const LAST_MILLIS: u64 = 253_402_300_799_999;

macro_rules! texts {
    ($($(#[$meta:meta])* $name:ident: $type:ident = $pattern:literal;)+) => {$(
        $(#[$meta])*
        ///
        /// # Panics
        /// Never: what the pattern makes, the type allows.
        pub fn $name() -> impl Strategy<Value = $type> + Clone {
            $pattern.prop_map(|text| $type::parse(&text).expect("the pattern makes what the type allows"))
        }
    )+};
}
texts! {
    /// Tenants.
    tenants: Tenant = "org:[!-~]{1,24}";
    /// Agents.
    agents: Agent = "agent:[!-~]{1,24}";
    /// Owners.
    owners: Owner = "user:[!-~]{1,24}";
    /// Runtimes.
    runtimes: Runtime = "runtime:[!-~]{1,24}";
    /// Approvers, people and services.
    approvers: Approver = "(user|service):[!-~]{1,24}";
    /// Principals of every kind.
    principals: Principal = "(agent|user|service|org|runtime):[!-~]{1,24}";
    /// Tools.
    tools: Tool = "[A-Za-z0-9][A-Za-z0-9._/:-]{0,40}";
    /// Resources, in several scripts. None has a character that composes with the one before it.
    resources: Resource = "[A-Za-z0-9][A-Za-z0-9._-]{0,8}:[!-~äß日本語é✓ ]{1,24}";
    /// Tasks.
    tasks: Task = "[!-~]{1,24}";
    /// Audiences.
    audiences: Audience = "[!-~]{1,24}";
    /// Issuers.
    issuers: Issuer = "[a-z]{1,6}:[!-~]{1,24}";
    /// Servers.
    servers: Server = "[!-~]{1,40}";
    /// Origins of logs.
    origins: Origin = "[!-~]{1,24}";
    /// Ids of policies.
    policy_ids: PolicyId = "[A-Za-z0-9][A-Za-z0-9._-]{0,24}";
    /// Ids of rules.
    rule_ids: RuleId = "[A-Za-z0-9][A-Za-z0-9._-]{0,24}";
    /// Roles.
    roles: Role = "[A-Za-z0-9][A-Za-z0-9._-]{0,24}";
    /// Ids of obligations.
    obligation_ids: ObligationId = "[A-Za-z0-9][A-Za-z0-9._:/-]{0,24}";
    /// Ids of actions, ours and those of callers.
    action_ids: ActionId = "act_[0-9a-f]{32}|[A-Za-z0-9][A-Za-z0-9._:-]{0,24}";
    /// Ids of passes.
    pass_ids: PassId = "ap_[0-9a-f]{32}";
    /// Ids of approvals.
    approval_ids: ApprovalId = "apr_[0-9a-f]{32}";
    /// Ids of records.
    record_ids: RecordId = "rec_[0-9a-f]{32}";
    /// Ids of revocations.
    revocation_ids: RevocationId = "rev_[0-9a-f]{32}";
    /// Ids of approval requests.
    request_ids: RequestId = "req_[0-9a-f]{32}";
    /// Ids of keys that nobody has.
    key_ids: KeyId = "[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]";
    /// What people say.
    statements: Statement = "[^\\x00-\\x1f\\x7f-\\x9f]{1,40}";
    /// Correlation ids.
    traces: Trace = "[!-~]{1,55}";
}

/// Codes of nobody in particular.
///
/// # Panics
/// Never: what the pattern makes is a code.
pub fn codes() -> impl Strategy<Value = Code> + Clone {
    "[a-z][a-z0-9_]{0,30}".prop_map(|text| Code::parse(&text).expect("the pattern makes codes"))
}

/// Digests.
pub fn digests() -> impl Strategy<Value = Digest> + Clone {
    any::<[u8; 32]>().prop_map(Digest::from_bytes)
}

/// Points in time, from 1970 to 9999.
///
/// # Panics
/// Never: the range is that of the type.
pub fn timestamps() -> impl Strategy<Value = Timestamp> + Clone {
    (0..=LAST_MILLIS).prop_map(|millis| Timestamp::from_unix_millis(millis).expect("it is in range"))
}

/// Whole seconds, from 1970 to a day before the end of 9999, so that there is room for lifetimes.
///
/// # Panics
/// Never: the range is within that of the type.
pub fn seconds() -> impl Strategy<Value = UnixSeconds> + Clone {
    (0..LAST_MILLIS / 1000 - 100_000).prop_map(|seconds| UnixSeconds::new(seconds).expect("it is in range"))
}
