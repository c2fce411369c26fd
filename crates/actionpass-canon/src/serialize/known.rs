//! The two documents that are canonicalized for every call, written member by member: their members and the order of
//! them (RFC 8785 §3.2.3) are known, so nothing has to be compared, sorted or kept.
//!
//! What is written is what [`canonicalize`](super::canonicalize) writes; tests hold one against the other. Each document
//! is taken apart by name, so that a member that is added later can't be forgotten here.

use actionpass_model::{
    Actor, ApprovalEvidence, Binding, DecisionBody, DecisionSchema, Digest, PassEvidence, PolicyRef, Reason,
    TrustEvidence,
};
use serde::Serialize;

use super::{Writer, written};
use crate::text::write_string;
use crate::{CanonError, CanonicalBytes, sha256};

/// The digest of a binding's canonical bytes.
pub(crate) fn binding_digest(binding: &Binding<'_>) -> Result<Digest, CanonError> {
    written(|to| binding_members(to, binding), sha256)
}

/// The canonical bytes of a decision's body: what [`canonicalize`](super::canonicalize) gives for it, in a fraction of
/// the time.
///
/// # Errors
/// As [`canonicalize`](super::canonicalize): the parameters of obligations are free-form.
pub fn canonicalize_decision(body: &DecisionBody) -> Result<CanonicalBytes, CanonError> {
    written(|to| decision(to, body), |bytes| CanonicalBytes::new(bytes.to_vec()))
}

/// These are called a few dozen times for one document. They stay functions of their own: beside a signature, what code
/// costs is mostly to fetch it.
impl Writer {
    #[inline(never)]
    fn literal(&mut self, literal: &str) {
        self.out.extend_from_slice(literal.as_bytes());
    }

    /// A member with a text; `name` is everything before the text.
    #[inline(never)]
    fn text(&mut self, name: &str, text: &str) {
        self.literal(name);
        write_string(&mut self.out, text);
    }

    #[inline(never)]
    fn digest(&mut self, name: &str, digest: Digest) {
        self.literal(name);
        self.out.push(b'"');
        self.out.extend_from_slice(&digest.to_text());
        self.out.push(b'"');
    }

    /// A member with anything, as the general canonicalizer writes it.
    fn any<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), CanonError> {
        self.literal(name);
        value.serialize(self)
    }

    fn list<T>(&mut self, name: &str, items: &[T], mut write: impl FnMut(&mut Self, &T)) {
        self.literal(name);
        self.out.push(b'[');
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            write(self, item);
        }
        self.out.push(b']');
    }
}

fn binding_members(to: &mut Writer, binding: &Binding<'_>) -> Result<(), CanonError> {
    let Binding {
        agent,
        definition_hash,
        human_owner,
        payload_hash,
        resource,
        runtime,
        schema: _,
        server,
        task,
        tenant,
        tool,
        via,
    } = binding;
    to.text("{\"agent\":", agent.as_str());
    if let Some(hash) = definition_hash {
        to.digest(",\"definitionHash\":", *hash);
    }
    to.text(",\"humanOwner\":", human_owner.as_str());
    to.digest(",\"payloadHash\":", *payload_hash);
    to.text(",\"resource\":", resource.as_str());
    to.text(",\"runtime\":", runtime.as_str());
    to.literal(",\"schema\":\"actionpass.binding.v1\"");
    if let Some(server) = server {
        to.text(",\"server\":", server.as_str());
    }
    to.text(",\"task\":", task.as_str());
    to.text(",\"tenant\":", tenant.as_str());
    to.text(",\"tool\":", tool.as_str());
    to.list(",\"via\":", via, |to, agent| to.text("", agent.as_str()));
    to.literal("}");
    Ok(())
}

fn decision(to: &mut Writer, body: &DecisionBody) -> Result<(), CanonError> {
    let DecisionBody {
        action_hash,
        action_id,
        actor,
        approvals,
        audience,
        commitment,
        context_hash,
        decision,
        definition_hash,
        door,
        evidence,
        facts,
        facts_hash,
        mode,
        obligations,
        offered,
        pass,
        payload_hash,
        policy,
        reasons,
        request,
        resource,
        schema: DecisionSchema,
        server,
        task,
        tool,
        trust,
        unrecorded,
    } = body;
    to.enter(b'{')?;
    to.digest("\"actionHash\":", *action_hash);
    to.text(",\"actionId\":", action_id.as_str());
    actor_members(to, actor);
    to.list(",\"approvals\":", approvals, approval);
    to.text(",\"audience\":", audience.as_str());
    if let Some(commitment) = commitment {
        to.any(",\"commitment\":", commitment)?;
    }
    to.digest(",\"contextHash\":", *context_hash);
    to.text(",\"decision\":", decision.as_str());
    if let Some(hash) = definition_hash {
        to.digest(",\"definitionHash\":", *hash);
    }
    if let Some(door) = door {
        to.text(",\"door\":", door.as_str());
    }
    if let Some(evidence) = evidence {
        to.any(",\"evidence\":", evidence)?;
    }
    if let Some(facts) = facts {
        to.any(",\"facts\":", facts)?;
    }
    to.digest(",\"factsHash\":", *facts_hash);
    if let Some(mode) = mode {
        to.any(",\"mode\":", mode)?;
    }
    to.any(",\"obligations\":", obligations)?;
    if let Some(offered) = offered {
        to.any(",\"offered\":", offered)?;
    }
    if let Some(pass) = pass {
        pass_members(to, pass)?;
    }
    to.digest(",\"payloadHash\":", *payload_hash);
    policy_members(to, policy);
    to.list(",\"reasons\":", reasons, reason);
    if let Some(request) = request {
        to.text(",\"request\":", request.as_str());
    }
    to.text(",\"resource\":", resource.as_str());
    to.literal(",\"schema\":\"actionpass.decision.v1\"");
    if let Some(server) = server {
        to.text(",\"server\":", server.as_str());
    }
    to.text(",\"task\":", task.as_str());
    to.text(",\"tool\":", tool.as_str());
    let TrustEvidence { digest, version } = trust;
    to.digest(",\"trust\":{\"digest\":", *digest);
    to.any(",\"version\":", version)?;
    to.literal("}");
    if let Some(unrecorded) = unrecorded {
        to.any(",\"unrecorded\":", unrecorded)?;
    }
    to.leave(b'}');
    Ok(())
}

fn actor_members(to: &mut Writer, actor: &Actor) {
    let Actor {
        agent,
        human_owner,
        runtime,
        via,
    } = actor;
    to.text(",\"actor\":{\"agent\":", agent.as_str());
    to.text(",\"humanOwner\":", human_owner.as_str());
    to.text(",\"runtime\":", runtime.as_str());
    to.list(",\"via\":", via, |to, agent| to.text("", agent.as_str()));
    to.literal("}");
}

fn approval(to: &mut Writer, approval: &ApprovalEvidence) {
    let ApprovalEvidence {
        approved_by,
        assurance,
        id,
        kid,
        mode,
        token_hash,
    } = approval;
    to.text("{\"approvedBy\":", approved_by.as_str());
    to.text(",\"assurance\":", assurance.as_str());
    to.text(",\"id\":", id.as_str());
    if let Some(kid) = kid {
        to.text(",\"kid\":", kid.as_str());
    }
    to.text(",\"mode\":", mode.as_str());
    to.digest(",\"tokenHash\":", *token_hash);
    to.literal("}");
}

fn pass_members(to: &mut Writer, pass: &PassEvidence) -> Result<(), CanonError> {
    let PassEvidence {
        expires_at,
        id,
        kid,
        token_hash,
    } = pass;
    to.any(",\"pass\":{\"expiresAt\":", expires_at)?;
    to.text(",\"id\":", id.as_str());
    to.text(",\"kid\":", kid.as_str());
    to.digest(",\"tokenHash\":", *token_hash);
    to.literal("}");
    Ok(())
}

fn policy_members(to: &mut Writer, policy: &PolicyRef) {
    let PolicyRef { id, digest, rules } = policy;
    to.digest(",\"policy\":{\"digest\":", *digest);
    to.text(",\"id\":", id.as_str());
    to.list(",\"rules\":", rules, |to, rule| to.text("", rule.as_str()));
    to.literal("}");
}

fn reason(to: &mut Writer, reason: &Reason) {
    let Reason { code, path, rule } = reason;
    to.text("{\"code\":", code.as_str());
    if let Some(path) = path {
        to.text(",\"path\":", path);
    }
    if let Some(rule) = rule {
        to.text(",\"rule\":", rule.as_str());
    }
    to.literal("}");
}

#[cfg(test)]
mod tests {
    use actionpass_model::{Agent, BindingSchema, Owner, Resource, Runtime, Server, Task, Tenant, Tool};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::canonicalize;

    fn full() -> Value {
        let digest = |byte: u8| Digest::from_bytes([byte; 32]).to_string();
        json!({
            "actionHash": digest(1), "actionId": "act_1",
            "actor": { "agent": "agent:a\"\\", "humanOwner": "user:b", "runtime": "runtime:c", "via": ["agent:d", "agent:e"] },
            "approvals": [
                { "approvedBy": "user:f", "assurance": "signed", "id": "apr_01920000000070008000000000000001", "kid": "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs", "mode": "human", "tokenHash": digest(2) },
                { "approvedBy": "service:g", "assurance": "asserted", "id": "apr_01920000000070008000000000000002", "mode": "policy_override", "tokenHash": digest(3) }
            ],
            "audience": "x", "commitment": "salted", "contextHash": digest(4), "decision": "step_up", "definitionHash": digest(5), "door": "ide",
            "evidence": [{ "name": "log", "hash": digest(6) }],
            "facts": { "asOf": "2026-11-23T01:02:03.004Z", "source": "ci \"é\"" }, "factsHash": digest(7), "mode": "observe",
            "offered": [{ "approvedBy": "user:h", "codes": ["approval_expired"], "kid": "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs", "tokenHash": digest(12) }, { "codes": [], "tokenHash": digest(13) }],
            "obligations": [{ "id": "o", "params": { "z": [1, -0.5, null], "a\n": "é\u{1f}" } }, { "id": "p", "params": {} }],
            "pass": { "expiresAt": "2026-11-23T01:02:03.004Z", "id": "ap_01920000000070008000000000000001", "kid": "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs", "tokenHash": digest(8) },
            "payloadHash": digest(9), "policy": { "digest": digest(10), "id": "starter", "rules": ["a", "b"] },
            "reasons": [{ "code": "c", "path": "payload.\"é\n\".x", "rule": "r" }, { "code": "d" }, { "code": "e", "path": "" }, { "code": "f", "rule": "s" }],
            "request": "req_01920000000070008000000000000001",
            "resource": "file:ü \"x\"", "schema": "actionpass.decision.v1", "server": "mcp://x", "task": "T-1", "tool": "t.u",
            "trust": { "digest": digest(11), "version": 7 }, "unrecorded": 3
        })
    }

    fn assert_same(body: &Value) {
        let body: DecisionBody = serde_json::from_value(body.clone()).unwrap();
        match (canonicalize_decision(&body), canonicalize(&body)) {
            (Ok(known), Ok(general)) => assert_eq!(known.as_str(), general.as_str()),
            (Err(known), Err(general)) => assert_eq!(known.code(), general.code()),
            (known, general) => panic!("{known:?} but {general:?}"),
        }
    }

    #[test]
    fn decisions_with_and_without_each_member() {
        assert_same(&full());
        for name in [
            "commitment",
            "definitionHash",
            "door",
            "evidence",
            "facts",
            "mode",
            "offered",
            "pass",
            "request",
            "server",
            "unrecorded",
        ] {
            let mut body = full();
            body.as_object_mut().unwrap().remove(name);
            assert_same(&body);
        }
        for name in ["approvals", "obligations", "offered", "reasons", "evidence"] {
            let mut body = full();
            body[name] = json!([]);
            assert_same(&body);
        }
        for decision in ["allow", "deny"] {
            let mut body = full();
            body["decision"] = json!(decision);
            assert_same(&body);
        }
    }

    #[test]
    fn what_has_no_canonical_form_is_refused_alike() {
        for params in [
            json!({ "a": 9_007_199_254_740_993_u64 }),
            json!({ "$serde_json::private::x": 1 }),
            nested(60),
            nested(61),
            nested(62),
        ] {
            let mut body = full();
            body["obligations"][0]["params"] = params;
            assert_same(&body);
        }
        let mut body = full();
        body["trust"]["version"] = json!(u64::MAX);
        assert_same(&body);
        // And a failure leaves nothing for the next.
        assert_same(&full());
    }

    /// Objects in objects, so many.
    fn nested(depth: usize) -> Value {
        (1..depth).fold(json!({}), |inner, _| json!({ "a": inner }))
    }

    proptest! {
        #[test]
        fn decisions_with_any_text(path in ".{0,80}", value in ".{0,20}", visible in "[!-~]{1,90}", version in 0..1_u64 << 53) {
            let mut body = full();
            body["actor"]["agent"] = json!(format!("agent:{visible}"));
            body["task"] = json!(visible);
            body["reasons"][0]["path"] = json!(path);
            body["obligations"][1]["params"][value.as_str()] = json!(path);
            body["trust"]["version"] = json!(version);
            assert_same(&body);
        }

        #[test]
        fn bindings_with_any_text(visible in "[!-~]{1,90}", value in "[ -~é]{1,90}", via in prop::collection::vec("[!-~]{1,20}", 0..3), is_defined in any::<bool>()) {
            let via: Vec<_> = via.iter().map(|agent| Agent::parse(&format!("agent:{agent}")).unwrap()).collect();
            let server = Server::parse(&visible).unwrap();
            let binding = Binding {
                agent: &Agent::parse(&format!("agent:{visible}")).unwrap(),
                definition_hash: is_defined.then_some(Digest::ZERO),
                human_owner: &Owner::parse(&format!("user:{visible}")).unwrap(),
                payload_hash: Digest::from_bytes([7; 32]),
                resource: &Resource::parse(&format!("file:{value}")).unwrap(),
                runtime: &Runtime::parse("runtime:a").unwrap(),
                schema: BindingSchema,
                server: is_defined.then_some(&server),
                task: &Task::parse(&visible).unwrap(),
                tenant: &Tenant::parse("org:a").unwrap(),
                tool: &Tool::parse("a.b").unwrap(),
                via: &via,
            };
            prop_assert_eq!(binding_digest(&binding).unwrap(), canonicalize(&binding).unwrap().digest());
        }
    }
}
