//! Actions and facts as they were admitted: [`BoundAction`] and [`BoundFacts`], with their hashes.

use std::borrow::Cow;
use std::sync::OnceLock;

use actionpass_model::{
    ActionHead, Binding, CanonicalAction, Code, Digest, Document, DocumentCode, DocumentError, Facts,
};
use serde_json::{Map, Value};

use crate::serialize::binding_digest;
use crate::{AdmitError, CanonicalBytes, Limits, admit, scan};

/// SHA-256 of `{}`: what an absent context and absent facts are hashed as. A test computes it.
const EMPTY_OBJECT_HASH: Digest = Digest::from_bytes([
    0x44, 0x13, 0x6f, 0xa3, 0x55, 0xb3, 0x67, 0x8a, 0x11, 0x46, 0xad, 0x16, 0xf7, 0xe8, 0x64, 0x9e, 0x94, 0xfb, 0x4f,
    0xc2, 0x1f, 0xe7, 0x7e, 0x83, 0x10, 0xc0, 0x60, 0xf6, 0x1c, 0xaa, 0xff, 0x8a,
]);

/// An action or facts that were not admitted.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// The bytes were refused before anything was read out of them.
    #[error(transparent)]
    Admit(#[from] AdmitError),
    /// The JSON is admitted, but it isn't a document of this kind.
    #[error(transparent)]
    Document(#[from] DocumentError),
}

impl<'a> From<&'a BoundAction> for Cow<'a, BoundAction> {
    fn from(action: &'a BoundAction) -> Self {
        Self::Borrowed(action)
    }
}

impl From<BoundAction> for Cow<'_, BoundAction> {
    fn from(action: BoundAction) -> Self {
        Self::Owned(action)
    }
}

impl<'a> From<&'a BoundFacts> for Cow<'a, BoundFacts> {
    fn from(facts: &'a BoundFacts) -> Self {
        Self::Borrowed(facts)
    }
}

impl From<BoundFacts> for Cow<'_, BoundFacts> {
    fn from(facts: BoundFacts) -> Self {
        Self::Owned(facts)
    }
}

impl BindError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Admit(error) => error.code().into(),
            Self::Document(error) => error.code().into(),
        }
    }

    /// The byte offset in the raw input, where the refusal has one.
    #[must_use]
    pub const fn offset(&self) -> Option<usize> {
        match self {
            Self::Admit(error) => Some(error.offset()),
            Self::Document(_) => None,
        }
    }
}

/// An admitted action with its canonical payload and both hashes.
///
/// Policy, approvals, authorization and verification take this type, and only [`BoundAction::admit`] makes it, so that
/// nothing is judged or signed that did not pass the gate. The hashes are taken over admitted bytes, never over
/// types that were written again.
///
/// ```
/// use actionpass_canon::{BoundAction, Limits, admit};
/// use actionpass_model::DEMO_ACTION;
///
/// let action = BoundAction::admit(DEMO_ACTION.as_bytes(), &Limits::default())?;
/// let payload = action.payload().as_bytes();
/// assert_eq!(admit(payload, &Limits::default())?.digest(), action.payload_hash());
/// # Ok::<(), actionpass_canon::BindError>(())
/// ```
#[derive(Clone, Debug)]
pub struct BoundAction {
    head: ActionHead,
    document: CanonicalBytes,
    payload: CanonicalBytes,
    context: Option<CanonicalBytes>,
    payload_hash: Digest,
    context_hash: Digest,
    action_hash: Digest,
    payload_value: OnceLock<Value>,
    context_value: OnceLock<Value>,
}

impl BoundAction {
    /// Admits the JSON of an action (`actionpass.action.v1`).
    ///
    /// # Errors
    /// [`BindError::Admit`] if the gate refuses the bytes, [`BindError::Document`] if they aren't an action.
    pub fn admit(raw: &[u8], limits: &Limits) -> Result<Self, BindError> {
        let document = admit(raw, limits)?;
        let (head, payload, context) = match CanonicalAction::in_order(document.as_str(), value_len) {
            // A part of canonical bytes is canonical by itself.
            Some(CanonicalAction {
                head, payload, context, ..
            }) => {
                let part = |text: &str| CanonicalBytes::new(text.as_bytes().to_vec());
                (head, part(payload), context.map(part))
            }
            // Whatever is refused gets its reason here.
            None => {
                let head = ActionHead::from_json(document.as_bytes())?;
                let payload = document.member(&["capability", "payload"]);
                let payload = payload.ok_or_else(|| lost("capability.payload"))?;
                (head, payload, document.member(&["context"]))
            }
        };
        let payload_hash = payload.digest();
        let context_hash = context.as_ref().map_or(EMPTY_OBJECT_HASH, CanonicalBytes::digest);
        let action_hash = binding_hash(&head.binding(payload_hash))?;
        Ok(Self {
            head,
            document,
            payload,
            context,
            payload_hash,
            context_hash,
            action_hash,
            payload_value: OnceLock::new(),
            context_value: OnceLock::new(),
        })
    }

    /// Everything but payload and context.
    #[must_use]
    pub const fn action(&self) -> &ActionHead {
        &self.head
    }

    /// The canonical bytes of the whole document.
    #[must_use]
    pub const fn document(&self) -> &CanonicalBytes {
        &self.document
    }

    /// The canonical bytes of the payload: what is approved, hashed and executed.
    #[must_use]
    pub const fn payload(&self) -> &CanonicalBytes {
        &self.payload
    }

    /// The payload as a value, read when it is first asked for.
    #[must_use]
    pub fn payload_value(&self) -> &Value {
        self.payload_value.get_or_init(|| value(&self.payload))
    }

    /// The canonical bytes of the context, if there is one.
    #[must_use]
    pub const fn context(&self) -> Option<&CanonicalBytes> {
        self.context.as_ref()
    }

    /// The context as a value, read when it is first asked for.
    #[must_use]
    pub fn context_value(&self) -> Option<&Value> {
        self.context
            .as_ref()
            .map(|context| self.context_value.get_or_init(|| value(context)))
    }

    /// SHA-256 of the canonical payload, nothing added.
    #[must_use]
    pub const fn payload_hash(&self) -> Digest {
        self.payload_hash
    }

    /// SHA-256 of the canonical context; of `{}` where there is none.
    #[must_use]
    pub const fn context_hash(&self) -> Digest {
        self.context_hash
    }

    /// SHA-256 of the canonical [`Binding`].
    #[must_use]
    pub const fn action_hash(&self) -> Digest {
        self.action_hash
    }
}

/// `actionHash`: SHA-256 of the RFC 8785 bytes of a binding.
///
/// # Errors
/// [`DocumentError`] if the binding can't be written, which valid types don't lead to.
pub fn binding_hash(binding: &Binding<'_>) -> Result<Digest, DocumentError> {
    binding_digest(binding).map_err(|error| DocumentError::new(DocumentCode::MemberInvalid, "", &error.to_string()))
}

/// Admitted facts with their hash, or the absence of facts.
#[derive(Clone, Debug)]
pub struct BoundFacts {
    document: Option<Facts>,
    canonical: Option<CanonicalBytes>,
    hash: Digest,
    none: Map<String, Value>,
}

impl BoundFacts {
    /// Admits the JSON of facts (`actionpass.facts.v1`). Whether they are about the action at hand is the issuer's
    /// check.
    ///
    /// # Errors
    /// [`BindError::Admit`] if the gate refuses the bytes, [`BindError::Document`] if they aren't facts.
    pub fn admit(raw: &[u8], limits: &Limits) -> Result<Self, BindError> {
        let document = admit(raw, limits)?;
        let facts = Facts::from_json(document.as_bytes())?;
        let hash = document.member(&["facts"]).ok_or_else(|| lost("facts"))?.digest();
        Ok(Self {
            document: Some(facts),
            canonical: Some(document),
            hash,
            none: Map::new(),
        })
    }

    /// No facts: hashed as `{}`.
    #[must_use]
    pub fn none() -> Self {
        Self {
            document: None,
            canonical: None,
            hash: EMPTY_OBJECT_HASH,
            none: Map::new(),
        }
    }

    /// The document, if there is one.
    #[must_use]
    pub const fn document(&self) -> Option<&Facts> {
        self.document.as_ref()
    }

    /// The whole document, canonical, if there is one: admitted again it gives the same.
    #[must_use]
    pub const fn canonical(&self) -> Option<&CanonicalBytes> {
        self.canonical.as_ref()
    }

    /// The facts by name; empty where there are none.
    #[must_use]
    pub fn value(&self) -> &Map<String, Value> {
        self.document.as_ref().map_or(&self.none, |facts| facts.facts.get())
    }

    /// `factsHash`: SHA-256 of the canonical `facts` member; of `{}` where there are none.
    #[must_use]
    pub const fn hash(&self) -> Digest {
        self.hash
    }
}

/// The length of the value at the start of a canonical text.
fn value_len(canonical: &str) -> Option<usize> {
    scan::split_value(canonical.as_bytes()).map(|(value, _)| value.len())
}

/// A member that the reader saw is gone: only a fault in this crate leads here, and it refuses.
fn lost(path: &str) -> DocumentError {
    DocumentError::new(DocumentCode::MemberMissing, path, "is missing")
}

/// Reads canonical bytes. Whatever was admitted is read by serde_json; should that ever fail, `null` has no member
/// for a rule to match and so denies.
fn value(bytes: &CanonicalBytes) -> Value {
    serde_json::from_slice(bytes.as_bytes()).unwrap_or(Value::Null)
}

actionpass_model::coded_error!(
    BindError,
    offset = |error| error.offset().map(|offset| offset as u64),
    path = |error| match error {
        BindError::Admit(_) => None,
        BindError::Document(error) => actionpass_model::CodedError::path(error),
    }
);

#[cfg(test)]
mod tests {
    use actionpass_model::DEMO_ACTION;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::{canonicalize, sha256};

    fn bind(text: &str) -> BoundAction {
        BoundAction::admit(text.as_bytes(), &Limits::default()).unwrap()
    }

    #[test]
    fn the_action_hash_covers_the_act_and_not_its_wording() {
        let plain = bind(DEMO_ACTION);
        let reworded = bind(
            &DEMO_ACTION
                .replace("Open a pull request for AXT-418", "Do something else")
                .replace("\"tenant\"", "\"id\": \"act_7\", \"context\": { \"a\": 1 }, \"tenant\""),
        );
        assert_eq!(plain.action_hash(), reworded.action_hash());
        assert_ne!(plain.context_hash(), reworded.context_hash());

        let without_via = bind(&DEMO_ACTION.replace("\"agent\"", "\"via\": [], \"agent\""));
        assert_eq!(plain.action_hash(), without_via.action_hash());
    }

    #[test]
    fn every_bound_member_changes_the_action_hash() {
        let plain = bind(DEMO_ACTION);
        for (from, to) in [
            ("org:example", "org:other"),
            ("agent:codex-prod", "agent:codex-test"),
            ("user:owner@example.com", "user:other@example.com"),
            ("runtime:codex-cli", "runtime:other"),
            ("\"AXT-418\"", "\"AXT-419\""),
            ("github.pull_requests.create", "github.pull_requests.merge"),
            ("repo:company/web-app", "repo:company/infra"),
            ("\"additions\": 14", "\"additions\": 15"),
            ("\"agent\"", "\"via\": [\"agent:planner\"], \"agent\""),
            (
                "\"tenant\"",
                "\"toolDefinition\": { \"server\": \"mcp://x\", \"definitionHash\": \"sha256:0000000000000000000000000000000000000000000000000000000000000000\" }, \"tenant\"",
            ),
        ] {
            let changed = DEMO_ACTION.replacen(from, to, 1);
            assert_ne!(changed, DEMO_ACTION, "{from}");
            assert_ne!(bind(&changed).action_hash(), plain.action_hash(), "{from}");
        }
    }

    #[test]
    fn facts_are_hashed_from_their_own_member() {
        let facts = br#"{"schema":"actionpass.facts.v1","source":"ci","asOf":"2026-11-23T01:02:03.000Z","facts":{"testsPassed":true}}"#;
        let bound = BoundFacts::admit(facts, &Limits::default()).unwrap();
        assert_eq!(bound.hash(), sha256(br#"{"testsPassed":true}"#));
        assert_eq!(BoundFacts::none().hash(), sha256(b"{}"));
        assert_eq!(bound.value()["testsPassed"], true);
    }

    #[test]
    fn refusals_keep_code_and_offset() {
        let error = BoundAction::admit(br#"{"a":1,"a":2}"#, &Limits::default()).unwrap_err();
        assert_eq!((error.code().as_str(), error.offset()), ("member_duplicate", Some(7)));
        let error = BoundAction::admit(b"{}", &Limits::default()).unwrap_err();
        assert_eq!((error.code().as_str(), error.offset()), ("schema_missing", None));
    }

    /// The action as the strict reader sees it, and its parts as they are found by name.
    fn strictly(raw: &str) -> Result<(ActionHead, CanonicalBytes, Option<CanonicalBytes>), BindError> {
        let document = admit(raw.as_bytes(), &Limits::default())?;
        let head = ActionHead::from_json(document.as_bytes())?;
        let payload = document.member(&["capability", "payload"]).unwrap();
        Ok((head, payload, document.member(&["context"])))
    }

    fn full() -> Value {
        let mut action: Value = serde_json::from_str(DEMO_ACTION).unwrap();
        action["id"] = json!("act_7");
        action["actor"]["via"] = json!(["agent:planner", "agent:other"]);
        action["context"] = json!({ "b": [1, "]}"], "a": {} });
        action["toolDefinition"] = json!({ "server": "mcp://x", "definitionHash": crate::sha256(b"x") });
        action
    }

    #[test]
    fn actions_are_read_in_order() {
        // Were the quick reader never used, it would be worth nothing and the test below would test nothing.
        for action in [serde_json::from_str(DEMO_ACTION).unwrap(), full()] {
            let document = canonicalize(&action).unwrap();
            assert!(
                CanonicalAction::in_order(document.as_str(), value_len).is_some(),
                "{action}"
            );
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// However an action is made up, well or badly, the quick reader changes nothing.
        #[test]
        fn both_readers_of_an_action_agree(
            changes in prop::collection::vec((
                prop::sample::select(vec![
                    "/id", "/tenant", "/actor", "/actor/agent", "/actor/humanOwner", "/actor/runtime", "/actor/via",
                    "/intent", "/intent/task", "/intent/summary", "/capability/tool", "/capability/resource",
                    "/capability/payload", "/capability", "/toolDefinition", "/toolDefinition/server",
                    "/toolDefinition/definitionHash", "/context", "/context/b", "/schema", "/new", "/actor/a", "/intent/z",
                ]),
                prop_oneof![
                    Just(None),
                    prop::sample::select(vec![
                        json!(null), json!(1), json!(""), json!([]), json!({}), json!(["agent:a", 1]), json!(["agent:\"quoted\\"]), json!(vec!["agent:a"; 9]),
                        json!("x:y"), json!("agent:x"), json!("caf\u{e9} \n \"said\""), json!("actionpass.action.v2"),
                        json!({ "a": [{}, "\\\"}", -0.5], "\n": null }), json!("x:\u{202e}"),
                    ]).prop_map(Some),
                    ".{0,12}".prop_map(|text| Some(json!(text))),
                ],
            ), 0..4),
        ) {
            let mut action = full();
            for (path, value) in changes {
                let (parent, name) = path.rsplit_once('/').unwrap();
                let Some(Value::Object(members)) = action.pointer_mut(parent) else { continue };
                match value {
                    Some(value) => members.insert(name.to_owned(), value),
                    None => members.remove(name),
                };
            }
            let text = action.to_string();
            match (BoundAction::admit(text.as_bytes(), &Limits::default()), strictly(&text)) {
                (Ok(bound), Ok((head, payload, context))) => {
                    prop_assert_eq!(bound.action(), &head);
                    prop_assert_eq!(bound.payload().as_bytes(), payload.as_bytes());
                    prop_assert_eq!(bound.context().map(CanonicalBytes::as_bytes), context.as_ref().map(CanonicalBytes::as_bytes));
                }
                (Err(error), Err(strict)) => prop_assert_eq!(error.to_string(), strict.to_string()),
                (bound, strict) => prop_assert!(false, "{bound:?} but {strict:?}"),
            }
        }
    }
}
