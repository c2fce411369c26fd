//! The ledger record: one entry of the append-only log of evidence, and the bodies of every kind.

use serde::{Deserialize, Serialize};

use crate::action::Actor;
use crate::codes::Code;
use crate::decision::{ApprovalMode, Assurance, Decision, Obligation, PolicyRef, Reason};
use crate::digest::Digest;
use crate::document::{Document, schema_tag};
use crate::ids::{
    ActionId, ApprovalId, Approver, Audience, DoorName, Issuer, KeyId, Origin, PassId, Principal, RecordId, RequestId,
    Resource, RevocationId, Role, RuleId, Server, Statement, Task, Tenant, Tool, Trace,
};
use crate::json::{JsonObject, present};
use crate::key_use::KeyUse;
use crate::request::DecisionRef;
use crate::revocation::Revocation;
use crate::time::Timestamp;
use crate::trust::Tenants;

/// The longest entry that a log takes, in bytes: what C2SP tlog-tiles entry bundles can carry.
pub const MAX_ENTRY_BYTES: usize = 65_535;

schema_tag!(
    /// `actionpass.record.v1`.
    RecordSchema, "actionpass.record.v1");

/// What a record is about.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", remote = "Self")]
#[non_exhaustive]
pub enum RecordKind {
    /// An allow, deny or step_up.
    Decision,
    /// Something was revoked.
    Revocation,
    /// What came of an executed call.
    Outcome,
    /// A pass was consumed.
    Use,
    /// A key was made, retired or rotated.
    Key,
    /// The trust store changed in another way.
    Trust,
    /// Another policy came into force.
    Policy,
    /// Side data was erased.
    Erasure,
    /// Something happened to an approval request.
    Request,
    /// The definition of a tool was approved, or its approval forgotten.
    Pin,
}

impl RecordKind {
    /// The kind as it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Decision => "decision",
            Self::Revocation => "revocation",
            Self::Outcome => "outcome",
            Self::Use => "use",
            Self::Key => "key",
            Self::Trust => "trust",
            Self::Policy => "policy",
            Self::Erasure => "erasure",
            Self::Request => "request",
            Self::Pin => "pin",
        }
    }
}

/// One entry of the ledger.
///
/// The **entry** is the RFC 8785 bytes of the record without `ledgerHash`; `ledgerHash` is its SHA-256. Only the
/// store's `seal` makes one that chains. `body` is of the kind that `kind` says, each with its own `schema`; the
/// chain verifies whatever it is.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, remote = "Self")]
pub struct Record {
    /// The version of this document.
    pub schema: RecordSchema,
    /// The log's checkpoint origin.
    pub log: Origin,
    /// Its place in the log, from 0.
    pub seq: u64,
    /// Its id.
    pub id: RecordId,
    /// When it was appended.
    pub time: Timestamp,
    /// What it is about.
    pub kind: RecordKind,
    /// Whose log it is.
    pub issuer: Issuer,
    /// The organization that it concerns, if it is one.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub tenant: Option<Tenant>,
    /// The evidence.
    pub body: JsonObject,
    /// What it can be correlated by.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub trace: Option<Trace>,
    /// The hash of the record before; [`Digest::ZERO`] in the first.
    pub previous_ledger_hash: Digest,
    /// The hash of this one.
    pub ledger_hash: Digest,
    /// Additions without meaning for security.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub ext: Option<JsonObject>,
}

impl Document for Record {
    const KIND: &'static str = "record";
}

schema_tag!(
    /// `actionpass.decision.v1`.
    DecisionSchema, "actionpass.decision.v1");

/// The body of a decision. Hashes and ids, never a payload value.
///
/// The fields stand in the order of RFC 8785, which spares the canonicalizer the sorting.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, remote = "Self")]
pub struct DecisionBody {
    /// The hash of the binding, or its commitment.
    pub action_hash: Digest,
    /// Which occurrence.
    pub action_id: ActionId,
    /// Who wanted to act.
    pub actor: Actor,
    /// The approvals that the decision relied on.
    pub approvals: Vec<ApprovalEvidence>,
    /// For whom a pass was asked.
    pub audience: Audience,
    /// `salted` where the four hashes of the action and every `tokenHash` are commitments to (salt, hash), and the salt,
    /// which lies beside the record, can be erased.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub commitment: Option<Commitment>,
    /// The hash of the context, or its commitment.
    pub context_hash: Digest,
    /// What was decided.
    pub decision: Decision,
    /// The hash of the tool's definition.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub definition_hash: Option<Digest>,
    /// The front door that the call came through, if it was one.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub door: Option<DoorName>,
    /// Hashes of further evidence that is kept elsewhere.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Vec<EvidenceRef>>,
    /// Where the facts came from, if there were any. Records of 0.1 don't say.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub facts: Option<FactsEvidence>,
    /// The hash of the facts, or its commitment.
    pub facts_hash: Digest,
    /// Whether the decision was only observed; absent where it is enforced.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub mode: Option<DecisionMode>,
    /// What the executor must enforce.
    pub obligations: Vec<Obligation>,
    /// The approvals that were offered and that the decision didn't rely on. Records of 0.1 don't say.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub offered: Option<Vec<OfferedEvidence>>,
    /// The pass, if one was issued.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub pass: Option<PassEvidence>,
    /// The hash of the payload, or its commitment.
    pub payload_hash: Digest,
    /// By which policy.
    pub policy: PolicyRef,
    /// Why.
    pub reasons: Vec<Reason>,
    /// The approval request that it opened, joined, met or settled, if there is one.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestId>,
    /// On what.
    pub resource: Resource,
    /// The version of this body.
    pub schema: DecisionSchema,
    /// The server that lists the tool.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub server: Option<Server>,
    /// For which task.
    pub task: Task,
    /// With which tool.
    pub tool: Tool,
    /// The trust store that approvals and keys were judged by.
    pub trust: TrustEvidence,
    /// How many refusals of the same agent since its last record have none of their own: a process records so many a
    /// minute. Absent: none.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub unrecorded: Option<u64>,
}

impl DecisionBody {
    /// The hashes that a commitment hides: the four of the action, and of every token.
    pub fn committed_hashes(&mut self) -> impl Iterator<Item = &mut Digest> {
        let approvals = self.approvals.iter_mut().map(|approval| &mut approval.token_hash);
        let offered = self.offered.iter_mut().flatten().map(|offered| &mut offered.token_hash);
        [
            &mut self.action_hash,
            &mut self.payload_hash,
            &mut self.context_hash,
            &mut self.facts_hash,
        ]
        .into_iter()
        .chain(approvals)
        .chain(offered)
        .chain(self.pass.as_mut().map(|pass| &mut pass.token_hash))
    }
}

/// How a decision counts.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", remote = "Self")]
pub enum DecisionMode {
    /// It was made and recorded and nothing was held to it: the call ran, with no pass, whatever was decided.
    Observe,
}

/// How the hashes of a record are hidden.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", remote = "Self")]
pub enum Commitment {
    /// Each is the SHA-256 of the RFC 8785 bytes of `{salt, hash}`.
    Salted,
}

/// Who attested the facts of a decision, and of when they were. What they say is in no record, only its hash.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, remote = "Self")]
pub struct FactsEvidence {
    /// When they were established.
    pub as_of: Timestamp,
    /// Who attested them.
    pub source: Statement,
}

/// An approval that a decision relied on.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, remote = "Self")]
pub struct ApprovalEvidence {
    /// Who gave it.
    pub approved_by: Approver,
    /// How sure that is.
    pub assurance: Assurance,
    /// Its id.
    pub id: ApprovalId,
    /// The key that signed it; none if it is only asserted. Records of 0.1 don't say.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub kid: Option<KeyId>,
    /// How it counted.
    pub mode: ApprovalMode,
    /// SHA-256 of its signing input; of the whole document if it is only asserted.
    pub token_hash: Digest,
}

/// An approval that was offered in vain.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, remote = "Self")]
pub struct OfferedEvidence {
    /// Who gave it. Only there if the signature held: anybody can write a name.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub approved_by: Option<Approver>,
    /// Why it granted nothing, or that the decision didn't rely on it.
    pub codes: Vec<Code>,
    /// The key that signed it, if the signature held.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub kid: Option<KeyId>,
    /// SHA-256 of what stands before its last dot, its signing input; of all of it where there is no dot.
    pub token_hash: Digest,
}

/// The pass that a decision led to.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, remote = "Self")]
pub struct PassEvidence {
    /// When it expires.
    pub expires_at: Timestamp,
    /// Its id.
    pub id: PassId,
    /// The key that signed it.
    pub kid: KeyId,
    /// SHA-256 of its signing input: signatures are malleable, so they are left out.
    pub token_hash: Digest,
}

/// The trust store that was in force.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, remote = "Self")]
pub struct TrustEvidence {
    /// SHA-256 of its RFC 8785 bytes: its value counts, not its spelling.
    pub digest: Digest,
    /// Its version.
    pub version: u64,
}

/// Evidence that is kept elsewhere.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, remote = "Self")]
pub struct EvidenceRef {
    /// What it is.
    pub name: RuleId,
    /// SHA-256 of its bytes.
    pub hash: Digest,
}

schema_tag!(
    /// `actionpass.revocation-record.v1`.
    RevocationRecordSchema, "actionpass.revocation-record.v1");

/// The body of a revocation.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, remote = "Self")]
pub struct RevocationBody {
    /// The version of this body.
    pub schema: RevocationRecordSchema,
    /// The revocation as it stands in the trust store.
    pub revocation: Revocation,
    /// The trust store that holds it first.
    pub trust: TrustEvidence,
}

schema_tag!(
    /// `actionpass.outcome.v1`.
    OutcomeSchema, "actionpass.outcome.v1");

/// The body of an outcome: what came of an executed call.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, remote = "Self")]
pub struct OutcomeBody {
    /// The version of this body.
    pub schema: OutcomeSchema,
    /// The pass that the call was made under. Either this or `decision` is there.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub pass: Option<PassId>,
    /// The decision that was only observed when the call was made.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub decision: Option<DecisionRef>,
    /// What became of the call.
    pub status: OutcomeStatus,
    /// What the provider calls what was done, if it names it: the number of a pull request, the id of a refund.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub provider_id: Option<Statement>,
    /// SHA-256 of the canonical result, if the executor states it.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub result_hash: Option<Digest>,
    /// The number of the record of the outcome that was reported first, if this one says something else.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub contradicts: Option<u64>,
}

/// What became of a call.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", remote = "Self")]
pub enum OutcomeStatus {
    /// It was executed.
    Executed,
    /// It was not executed, or without effect.
    Failed,
    /// Nobody knows.
    Unknown,
}

schema_tag!(
    /// `actionpass.use.v1`.
    UseSchema, "actionpass.use.v1");

/// The body of a use: a pass was consumed.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, remote = "Self")]
pub struct UseBody {
    /// The version of this body.
    pub schema: UseSchema,
    /// `salted` where `tokenHash` is a commitment.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub commitment: Option<Commitment>,
    /// The pass.
    pub pass: PassId,
    /// Who issued it.
    pub issuer: Issuer,
    /// Where it was consumed.
    pub audience: Audience,
    /// SHA-256 of its signing input.
    pub token_hash: Digest,
}

schema_tag!(
    /// `actionpass.key.v1`.
    KeyEventSchema, "actionpass.key.v1");

/// The body of a key event.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, remote = "Self")]
pub struct KeyBody {
    /// The version of this body.
    pub schema: KeyEventSchema,
    /// What happened.
    pub event: KeyEvent,
    /// The key.
    pub kid: KeyId,
    /// Its use.
    #[serde(rename = "use")]
    pub key_use: KeyUse,
    /// Whose key it is: the principal of an approval key, the issuer of a pass key, the origin of a ledger key. Written
    /// with every record of a key since 0.2, as roles and tenants are.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub owner: Option<Statement>,
    /// The roles of that principal.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub roles: Option<Vec<Role>>,
    /// The tenants that the key speaks for.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub tenants: Option<Tenants>,
    /// The key that took its place.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub superseded_by: Option<KeyId>,
    /// Why.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub reason: Option<Statement>,
    /// The trust store that says so.
    pub trust: TrustEvidence,
}

/// What happened to a key.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", remote = "Self")]
pub enum KeyEvent {
    /// It came into the trust store.
    Added,
    /// Another key took its place.
    Rotated,
    /// It signs nothing any more.
    Retired,
    /// It was taken out of the trust store.
    Removed,
}

schema_tag!(
    /// `actionpass.trust-change.v1`.
    TrustChangeSchema, "actionpass.trust-change.v1");

/// The body of another change of the trust store.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, remote = "Self")]
pub struct TrustBody {
    /// The version of this body.
    pub schema: TrustChangeSchema,
    /// The revocation that was lifted, if that is the change.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub lifted: Option<LiftedEvidence>,
    /// The trust store from now on.
    pub trust: TrustEvidence,
}

/// A revocation of a principal that no longer holds.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, remote = "Self")]
pub struct LiftedEvidence {
    /// Who lifted it.
    pub by: Principal,
    /// Why.
    pub reason: Statement,
    /// Which.
    pub revocation: RevocationId,
}

schema_tag!(
    /// `actionpass.policy-change.v1`.
    PolicyChangeSchema, "actionpass.policy-change.v1");

/// The body of a change of policy.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, remote = "Self")]
pub struct PolicyBody {
    /// The version of this body.
    pub schema: PolicyChangeSchema,
    /// The policy from now on; `rules` is empty.
    pub policy: PolicyRef,
}

schema_tag!(
    /// `actionpass.pin-change.v1`.
    PinChangeSchema, "actionpass.pin-change.v1");

/// The body of a change of pins: which definitions of tools somebody approved.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, remote = "Self")]
pub struct PinBody {
    /// The version of this body.
    pub schema: PinChangeSchema,
    /// What happened.
    pub change: PinChange,
    /// The server, as the tool catalogue names it.
    pub server: Server,
    /// The tool, as the server names it; absent where everything about the server is forgotten.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub tool: Option<Statement>,
    /// The hash of the definition that was approved.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub definition_hash: Option<Digest>,
    /// Who did it, as they said.
    pub by: Principal,
}

/// What happened to a pin.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", remote = "Self")]
pub enum PinChange {
    /// A definition was approved.
    Approved,
    /// What was approved is forgotten.
    Reset,
}

schema_tag!(
    /// `actionpass.erasure.v1`.
    ErasureSchema, "actionpass.erasure.v1");

/// The body of an erasure: side data of earlier records is gone, the records stand.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, remote = "Self")]
pub struct ErasureBody {
    /// The version of this body.
    pub schema: ErasureSchema,
    /// The records whose side data was erased.
    pub records: Vec<u64>,
    /// Who had it erased.
    pub erased_by: Principal,
    /// Why.
    pub reason: Statement,
    /// The rules or laws that it rests on.
    pub rules: Vec<RuleId>,
}

schema_tag!(
    /// `actionpass.archive.v1`.
    ArchiveSchema, "actionpass.archive.v1");

/// The body of an erasure by which the beginning of a log left its store: its records are in an export, in front of a signed head.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, remote = "Self")]
pub struct ArchiveBody {
    /// The version of this body.
    pub schema: ArchiveSchema,
    /// How many records the log had up to there, and so the number of the first that stays.
    pub size: u64,
    /// The `ledgerHash` of the last that is taken out.
    pub last_hash: Digest,
    /// The root of the Merkle tree of so many records, as the signed head has it.
    pub root: Digest,
    /// What these records, from the first of the log on, left in the tables beside the log.
    pub rows: ArchivedRows,
    /// Who had it done.
    pub archived_by: Principal,
    /// Why.
    pub reason: Statement,
}

/// How many rows beside the log go back to records that were taken out: by them the tables are counted from then on.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, remote = "Self")]
pub struct ArchivedRows {
    /// Actions that were allowed.
    pub actions: u64,
    /// Approvals that were used.
    pub approvals: u64,
    /// Revocations.
    pub revocations: u64,
    /// Approval requests that were opened.
    pub requests: u64,
    /// Changes of approval requests.
    pub request_changes: u64,
}

schema_tag!(
    /// `actionpass.beginning.v1`.
    BeginningSchema, "actionpass.beginning.v1");

/// The body of an erasure that takes nothing out: the signed head that a log's store begins at was signed anew, since the key that
/// had signed it is believed no more.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, remote = "Self")]
pub struct BeginningBody {
    /// The version of this body.
    pub schema: BeginningSchema,
    /// How many records the log has up to there, and so the number of the first that the store has.
    pub size: u64,
    /// The `ledgerHash` of the last record in front of it.
    pub last_hash: Digest,
    /// The root of the Merkle tree of so many records, as the signed head has it.
    pub root: Digest,
    /// The key that signs it from now on.
    pub kid: KeyId,
    /// What the head was held against before it was signed.
    pub vouched_by: BeginningVoucher,
    /// Who had it done.
    pub signed_by: Principal,
    /// Why.
    pub reason: Statement,
}

/// What shows that a log's store begins where it says, without a word of the store.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", remote = "Self")]
pub enum BeginningVoucher {
    /// The archived records themselves, from the first of the log on.
    Archives,
    /// A signed head of there, or of a record behind it, whose key is believed.
    SignedHead,
}

crate::closed::objects!(
    Record,
    DecisionBody,
    ApprovalEvidence,
    OfferedEvidence,
    PassEvidence,
    TrustEvidence,
    EvidenceRef,
    FactsEvidence,
    RevocationBody,
    OutcomeBody,
    UseBody,
    KeyBody,
    TrustBody,
    LiftedEvidence,
    PolicyBody,
    PinBody,
    ErasureBody,
    ArchiveBody,
    ArchivedRows,
    BeginningBody
);
crate::closed::names!(
    RecordKind,
    DecisionMode,
    Commitment,
    OutcomeStatus,
    KeyEvent,
    PinChange,
    BeginningVoucher
);
