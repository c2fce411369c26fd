//! The mutants of what the service believes its clients, each of which believes a client something that its entry doesn't say, of what is
//! erased by age, and of the documents that all machines go by.

use super::{List, Mutant, Suite};

pub(super) const LIST: List = List {
    name: "server",
    folder: "crates",
    packages: &["-pactionpass-home", "-pactionpass-server"],
    suites: &[Suite::of(&["--lib"]).only(&["g21_", "retention", "documents"])],
    mutants: MUTANTS,
};

const MUTANTS: &[Mutant] = &[
    // What an entry admits.
    Mutant::new(
        "any tenant",
        "actionpass-home/src/clients/scope.rs",
        "check(&self.tenants, scope.tenant, Member::Tenant)?;",
        "check(&Patterns::any(), scope.tenant, Member::Tenant)?;",
    ),
    Mutant::new(
        "any agent",
        "actionpass-home/src/clients/scope.rs",
        "check(&self.agents, scope.agent, Member::Agent)?;",
        "check(&Patterns::any(), scope.agent, Member::Agent)?;",
    ),
    Mutant::new(
        "any agent that is acted for",
        "actionpass-home/src/clients/scope.rs",
        "check(&self.agents, Some(agent), Member::Via)?;",
        "check(&Patterns::any(), Some(agent), Member::Via)?;",
    ),
    Mutant::new(
        "any owner",
        "actionpass-home/src/clients/scope.rs",
        "check(&self.owners, scope.owner, Member::Owner)?;",
        "check(&Patterns::any(), scope.owner, Member::Owner)?;",
    ),
    Mutant::new(
        "any runtime",
        "actionpass-home/src/clients/scope.rs",
        "check(&self.runtimes, scope.runtime, Member::Runtime)?;",
        "check(&Patterns::any(), scope.runtime, Member::Runtime)?;",
    ),
    Mutant::new(
        "any server",
        "actionpass-home/src/clients/scope.rs",
        "check(&self.servers, scope.server, Member::Server)?;",
        "check(&Patterns::any(), scope.server, Member::Server)?;",
    ),
    Mutant::new(
        "any audience",
        "actionpass-home/src/clients/scope.rs",
        "check(&self.audiences, scope.audience, Member::Audience)",
        "check(&Patterns::any(), scope.audience, Member::Audience)",
    ),
    Mutant::new(
        "a text is a pattern of whatever begins with it",
        "actionpass-home/src/clients.rs",
        ".map_or(pattern == value, |begin| value.starts_with(begin))",
        ".map_or(value.starts_with(pattern.as_str()), |begin| value.starts_with(begin))",
    ),
    // Who asks.
    Mutant::new(
        "any token is somebody's",
        "actionpass-home/src/clients.rs",
        "known.as_bytes().ct_eq(presented.as_bytes())",
        "known.as_bytes().ct_eq(known.as_bytes()) & presented.as_bytes().ct_eq(presented.as_bytes())",
    ),
    Mutant::new(
        "of two headers the first counts",
        "actionpass-server/src/caller.rs",
        "(Some(_), Some(_)) => Err(\"more than one Authorization header\"),
            (Some(value), None) =>",
        "(Some(value), _) =>",
    ),
    Mutant::new(
        "a client that was removed is served",
        "actionpass-home/src/clients/live.rs",
        "< LOOKS_EACH",
        "< LOOKS_EACH * 3600",
    ),
    Mutant::new(
        "a client that was removed while it waits gets its pass",
        "actionpass-server/src/decisions/authorize.rs",
        "if has_waited {",
        "if has_waited && wait.is_zero() {",
    ),
    Mutant::new(
        "a client may do anything",
        "actionpass-server/src/caller.rs",
        "if self.client.may(right) {",
        "if self.client.may(right) || true {",
    ),
    // What it states.
    Mutant::new(
        "facts of a client that doesn't attest count",
        "actionpass-server/src/decisions/authorize.rs",
        "if asked.facts.is_some() && !client.attests {",
        "if asked.facts.is_some() && client.may.is_empty() {",
    ),
    Mutant::new(
        "whom the action names doesn't matter beside a caller",
        "actionpass-server/src/decisions/authorize.rs",
        "    caller.admits(&Scope::of_caller(&Host::dangerously_from(head)))?;
",
        "",
    ),
    // What it sees.
    Mutant::new(
        "a list of everybody's requests",
        "actionpass-server/src/requests.rs",
        "page.iter().filter(|request| caller.sees(request))",
        "page.iter()",
    ),
    Mutant::new(
        "anybody's request is shown",
        "actionpass-server/src/requests.rs",
        "        .filter(|request| caller.sees(request))
        .ok_or_else",
        "        .ok_or_else",
    ),
    Mutant::new(
        "anybody's record is shown",
        "actionpass-server/src/ledger.rs",
        "Ok(is_seen.then_some(Told { record, agent }))",
        "Ok((is_seen || !record.issuer.as_str().is_empty()).then_some(Told { record, agent }))",
    ),
    Mutant::new(
        "an export for whoever sees part of it",
        "actionpass-server/src/ledger.rs",
        "if !caller.sees_all() {",
        "if !caller.sees_all() && caller.client().tenants.only().is_some() {",
    ),
    Mutant::new(
        "anybody's passkeys are listed",
        "actionpass-server/src/approvers.rs",
        ".filter(|waiting| admits_all(&caller, &waiting.key.tenants))",
        "",
    ),
    Mutant::new(
        "anybody's passkey is confirmed",
        "actionpass-server/src/approvers.rs",
        "if !waiting.iter().all(|waiting| admits_all(caller, &waiting.key.tenants)) {",
        "if waiting.iter().all(|waiting| admits_all(caller, &waiting.key.tenants)) && waiting.len() > 1 {",
    ),
    // What is erased by age.
    Mutant::new(
        "what is younger is erased",
        "actionpass-home/src/retention.rs",
        "if time(&record)? >= scope.before.unix_millis() {",
        "if time(&record)? < scope.before.unix_millis() {",
    ),
    Mutant::new(
        "a clock that jumped ahead counts whole",
        "actionpass-home/src/retention.rs",
        "left = left.saturating_sub(step);",
        "left = 0;",
    ),
    Mutant::new(
        "what is due by the clock alone is erased",
        "actionpass-home/src/retention.rs",
        "sided.into_iter().filter(|seq| *seq < scope.below)",
        "sided.into_iter().filter(|_| true)",
    ),
    Mutant::new(
        "what lies beside a pass that holds is erased",
        "actionpass-home/src/retention.rs",
        "if now.to_unix_seconds() < expires_at.to_unix_seconds().saturating_add(LEEWAY_SECS) {",
        "if now.to_unix_seconds() < expires_at.to_unix_seconds() {",
    ),
    Mutant::new(
        "a schedule ends a request that waits",
        "actionpass-home/src/retention.rs",
        "if self.live.contains_key(&record.seq) {",
        "if self.live.contains_key(&u64::MAX) {",
    ),
    // What all machines go by.
    Mutant::new(
        "a change is lost to one that was faster",
        "actionpass-home/src/kept.rs",
        "if swapped.map_err(|error| self.about(name, error))?.is_some() {",
        "if swapped.map_err(|error| self.about(name, error)).is_ok() {",
    ),
    Mutant::new(
        "what is refused is written",
        "actionpass-home/src/documents.rs",
        "done = Some(Err(error));
                None",
        "done = Some(Err(error));
                Some(Vec::new())",
    ),
    Mutant::new(
        "files of a policy that readers read differently",
        "actionpass-home/src/kept.rs",
        "if serde_json::to_vec(&bundle).ok().as_deref() != Some(bytes) {",
        "if serde_json::to_vec(&bundle).ok().is_none() {",
    ),
    Mutant::new(
        "a secret that others may read is believed",
        "actionpass-home/src/documents.rs",
        "if document.is_secret {",
        "if document.is_secret && document.most == 0 {",
    ),
];
