//! G21: no caller is believed about an identity outside of its entry, and facts count only from those who may attest.

use std::sync::atomic::{AtomicU32, Ordering};

use actionpass_home::{Client, Patterns, Right};
use actionpass_model::VoteKind;
use actionpass_policy::{EXAMPLE_ALLOW, EXAMPLE_STEP_UP};
use axum::body::Body;
use axum::http::{HeaderValue, Request, header};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::ServerCode;
use crate::testing::{Fixture, everything, post, value};

/// The audience of the example's tool.
const AUDIENCE: &str = "linear.issues.create";

/// One kind of what is stated: texts of it that are alike, and the patterns that entries have.
struct Kind {
    texts: &'static [&'static str],
    patterns: &'static [&'static str],
}

const TENANTS: Kind = Kind {
    texts: &["org:example", "org:Example", "org:example2"],
    patterns: &["org:example", "org:Example", "org:example*", "org:exam", "org:other"],
};
const AGENTS: Kind = Kind {
    texts: &[
        "agent:codex-prod",
        "agent:codex-prod2",
        "agent:Codex-prod",
        "agent:other",
    ],
    patterns: &[
        "agent:codex-prod",
        "agent:codex-*",
        "agent:codex",
        "agent:other",
        "agent:o*",
    ],
};
const OWNERS: Kind = Kind {
    texts: &[
        "user:owner@example.com",
        "user:owner@example.com.evil.example",
        "user:Owner@example.com",
    ],
    patterns: &[
        "user:owner@example.com",
        "user:owner@example.com*",
        "user:owner",
        "user:o*",
    ],
};
const RUNTIMES: Kind = Kind {
    texts: &["runtime:codex-cli", "runtime:codex-cli2", "runtime:other"],
    patterns: &["runtime:codex-cli", "runtime:codex*", "runtime:codex"],
};
const SERVERS: Kind = Kind {
    texts: &["mcp:linear", "mcp:linear2", "mcp:other"],
    patterns: &["mcp:linear", "mcp:lin*", "mcp:lin"],
};
const AUDIENCES: Kind = Kind {
    texts: &[AUDIENCE, "linear.issues.create2", "other"],
    patterns: &[AUDIENCE, "linear.*", "linear"],
};

impl Kind {
    fn text(&self) -> impl Strategy<Value = &'static str> + use<> {
        let texts = self.texts;
        prop_oneof![3 => Just(texts[0]), 2 => prop::sample::select(texts)]
    }

    fn entry(&self) -> impl Strategy<Value = Vec<&'static str>> + use<> {
        let first = self.patterns[0];
        prop_oneof![
            4 => Just(vec!["*"]),
            3 => Just(vec![first]),
            2 => prop::collection::vec(prop::sample::select(self.patterns), 0..3),
        ]
    }
}

/// What the contract says of patterns, said another way than in `actionpass-home`.
fn admits(patterns: &[&str], text: &str) -> bool {
    patterns.iter().any(|pattern| match pattern.split_once('*') {
        Some((begin, _)) => text.get(..begin.len()) == Some(begin),
        None => *pattern == text,
    })
}

/// The patterns of an entry.
#[derive(Clone, Debug)]
struct Entry {
    tenants: Vec<&'static str>,
    agents: Vec<&'static str>,
    owners: Vec<&'static str>,
    runtimes: Vec<&'static str>,
    servers: Vec<&'static str>,
    audiences: Vec<&'static str>,
    attests: bool,
}

fn entries() -> impl Strategy<Value = Entry> {
    let kinds = (
        TENANTS.entry(),
        AGENTS.entry(),
        OWNERS.entry(),
        RUNTIMES.entry(),
        SERVERS.entry(),
        AUDIENCES.entry(),
        any::<bool>(),
    );
    kinds.prop_map(
        |(tenants, agents, owners, runtimes, servers, audiences, attests)| Entry {
            tenants,
            agents,
            owners,
            runtimes,
            servers,
            audiences,
            attests,
        },
    )
}

impl Entry {
    fn client(&self) -> Client {
        let owned = |patterns: &[&str]| patterns.iter().map(|&text| text.to_owned()).collect();
        let mut client = everything();
        client.tenants = Patterns::of_tenants(owned(&self.tenants)).unwrap();
        client.agents = Patterns::of_agents(owned(&self.agents)).unwrap();
        client.owners = Patterns::of_owners(owned(&self.owners)).unwrap();
        client.runtimes = Patterns::of_runtimes(owned(&self.runtimes)).unwrap();
        client.servers = Patterns::of_servers(owned(&self.servers)).unwrap();
        client.audiences = Patterns::of_audiences(owned(&self.audiences)).unwrap();
        client.attests = self.attests;
        client
    }
}

/// Everything that a question states of who asks, and for what.
#[derive(Clone, Debug)]
struct Stated {
    tenant: &'static str,
    agent: &'static str,
    via: Vec<&'static str>,
    owner: &'static str,
    runtime: &'static str,
    server: Option<&'static str>,
    audience: Option<&'static str>,
    facts: bool,
    /// Whether the caller is stated beside the action, as the same or as somebody else.
    beside: Beside,
}

#[derive(Clone, Copy, Debug)]
enum Beside {
    Nothing,
    Same,
    /// One whom the example's entry admits, whatever the action says.
    Other,
}

fn stated() -> impl Strategy<Value = Stated> {
    let via = prop_oneof![3 => Just(Vec::new()), 2 => prop::collection::vec(AGENTS.text(), 1..3)];
    let beside = prop_oneof![2 => Just(Beside::Nothing), 1 => Just(Beside::Same), 1 => Just(Beside::Other)];
    let who = (TENANTS.text(), AGENTS.text(), via, OWNERS.text(), RUNTIMES.text());
    let what = (
        prop::option::of(SERVERS.text()),
        prop::option::of(AUDIENCES.text()),
        prop::bool::weighted(0.3),
        beside,
    );
    (who, what).prop_map(
        |((tenant, agent, via, owner, runtime), (server, audience, facts, beside))| Stated {
            tenant,
            agent,
            via,
            owner,
            runtime,
            server,
            audience,
            facts,
            beside,
        },
    )
}

impl Stated {
    fn caller(&self) -> Value {
        json!({
            "tenant": self.tenant, "agent": self.agent, "humanOwner": self.owner, "runtime": self.runtime, "via": self.via,
        })
    }

    fn question(&self) -> Value {
        let mut action = value(EXAMPLE_ALLOW);
        action["tenant"] = json!(self.tenant);
        action["actor"] = json!({ "agent": self.agent, "humanOwner": self.owner, "runtime": self.runtime });
        if !self.via.is_empty() {
            action["actor"]["via"] = json!(self.via);
        }
        if let Some(server) = self.server {
            let hash = format!("sha256:{}", "0".repeat(64));
            action["toolDefinition"] = json!({ "server": server, "definitionHash": hash });
        }
        let mut question = json!({ "action": action, "open": false });
        if let Some(audience) = self.audience {
            question["audience"] = json!(audience);
        }
        if self.facts {
            question["facts"] = facts();
        }
        match self.beside {
            Beside::Nothing => {}
            Beside::Same => question["caller"] = self.caller(),
            Beside::Other => question["caller"] = Self::example().caller(),
        }
        question
    }

    /// Who the example's action says.
    fn example() -> Self {
        Self {
            tenant: TENANTS.texts[0],
            agent: AGENTS.texts[0],
            via: Vec::new(),
            owner: OWNERS.texts[0],
            runtime: RUNTIMES.texts[0],
            server: None,
            audience: None,
            facts: false,
            beside: Beside::Nothing,
        }
    }

    /// Whether every member of who calls is within the entry.
    fn is_whom_it_admits(&self, entry: &Entry) -> bool {
        admits(&entry.tenants, self.tenant)
            && admits(&entry.agents, self.agent)
            && self.via.iter().all(|agent| admits(&entry.agents, agent))
            && admits(&entry.owners, self.owner)
            && admits(&entry.runtimes, self.runtime)
    }

    /// Whether the rest is.
    fn is_what_it_admits(&self, entry: &Entry) -> bool {
        self.server.is_none_or(|server| admits(&entry.servers, server))
            && admits(&entry.audiences, self.audience.unwrap_or(AUDIENCE))
    }
}

fn facts() -> Value {
    let now = actionpass_core::Clock::now(&actionpass_core::System).unwrap();
    json!({ "schema": "actionpass.facts.v1", "source": "ci", "asOf": now, "facts": { "testsPassed": true } })
}

/// Random entries and random identities, through the router: whatever isn't admitted whole is refused and leaves no record.
#[test]
fn g21_a_question_is_judged_if_the_entry_admits_every_member_of_it() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let fixture = runtime.block_on(Fixture::new());
    let config = ProptestConfig {
        // So many that each count below is far above its floor: of 512 one fell short in one of twenty runs.
        cases: 1536,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let (judged, forbidden, unattested) = (AtomicU32::new(0), AtomicU32::new(0), AtomicU32::new(0));
    proptest!(config, |(entry in entries(), stated in stated())| {
        let client = entry.client();
        let caller = if matches!(stated.beside, Beside::Other) { Stated::example() } else { stated.clone() };
        let is_admitted =
            caller.is_whom_it_admits(&entry) && stated.is_whom_it_admits(&entry) && stated.is_what_it_admits(&entry);
        let question = stated.question();
        let (answer, records) = runtime.block_on(async {
            let before = fixture.records().await;
            let answer = fixture.post(&client, "/v1/authorize", &question).await;
            (answer, fixture.records().await - before)
        });
        if !is_admitted {
            forbidden.fetch_add(1, Ordering::Relaxed);
            prop_assert_eq!(answer.problem(), (403, "client_forbidden".to_owned()));
            prop_assert_eq!(records, 0);
        } else if stated.facts && !entry.attests {
            unattested.fetch_add(1, Ordering::Relaxed);
            prop_assert_eq!(answer.problem(), (403, "facts_not_attested".to_owned()));
            prop_assert_eq!(records, 0);
        } else if answer.status == 200 {
            judged.fetch_add(1, Ordering::Relaxed);
            prop_assert_eq!(records, 1);
        } else {
            // Refused by what comes behind the entry: another caller than the action's, a tenant that isn't served.
            prop_assert_ne!(answer.status, 403);
        }
    });
    // Each happens often enough that the property says something.
    for (what, count) in [("judged", judged), ("forbidden", forbidden), ("unattested", unattested)] {
        let count = count.into_inner();
        assert!(count >= 16, "{what}: {count}");
    }
}

fn one(pattern: &str) -> Vec<String> {
    vec![pattern.to_owned()]
}

/// A client for one of everything.
fn narrow(tenant: &str, agent: &str, owner: &str) -> Client {
    let mut client = everything();
    client.tenants = Patterns::of_tenants(one(tenant)).unwrap();
    client.agents = Patterns::of_agents(one(agent)).unwrap();
    client.owners = Patterns::of_owners(one(owner)).unwrap();
    client.runtimes = Patterns::of_runtimes(one("runtime:codex-cli")).unwrap();
    client
}

#[tokio::test]
async fn g21_a_token_speaks_for_its_own_tenant_agent_and_owner_only() {
    let fixture = Fixture::new().await;
    let (tenant, agent, owner) = ("org:example", "agent:codex-prod", "user:owner@example.com");
    let own = fixture.enter("own", narrow(tenant, agent, owner));
    let others = [
        fixture.enter("tenant", narrow("org:other", agent, owner)),
        fixture.enter("agent", narrow(tenant, "agent:other", owner)),
        fixture.enter("owner", narrow(tenant, agent, "user:other@example.com")),
    ];
    let mut silent = narrow(tenant, agent, owner);
    silent.attests = false;
    let silent = fixture.enter("silent", silent);
    let mut asking_only = narrow(tenant, agent, owner);
    asking_only.may.retain(|right| *right != Right::Authorize);
    let powerless = fixture.enter("powerless", asking_only);

    let question = json!({ "action": value(EXAMPLE_ALLOW) });
    let asked = || post("/v1/authorize", question.to_string());
    let before = fixture.records().await;
    let forbidden = (403, "client_forbidden".to_owned());
    for token in others.iter().chain([&powerless]) {
        assert_eq!(fixture.send_with(token, asked()).await.problem(), forbidden);
        // The identity that its entry admits doesn't carry an action of somebody else.
        let mut stated = question.clone();
        stated["caller"] = json!({});
        let answer = fixture
            .send_with(token, post("/v1/authorize", stated.to_string()))
            .await;
        assert_eq!(answer.problem(), forbidden);
    }
    let mut attesting = question.clone();
    attesting["facts"] = facts();
    let refused = fixture
        .send_with(&silent, post("/v1/authorize", attesting.to_string()))
        .await;
    assert_eq!(refused.problem(), (403, "facts_not_attested".to_owned()));

    // Where tokens don't count.
    let unknown = (401, "client_unauthenticated".to_owned());
    for name in ["token", "access_token", "authorization"] {
        let path = format!("/v1/authorize?{name}={}", own.as_str());
        let answer = fixture.send_unknown(post(&path, question.to_string())).await;
        assert_eq!(answer.problem(), unknown, "{name}");
    }
    for name in ["cookie", "proxy-authorization", "x-api-key"] {
        let mut request = asked();
        let token = HeaderValue::from_str(&format!("Bearer {}", own.as_str())).unwrap();
        request.headers_mut().insert(name, token);
        assert_eq!(fixture.send_unknown(request).await.problem(), unknown, "{name}");
    }
    let mut twice = asked();
    let value = HeaderValue::from_str(&format!("Bearer {}", own.as_str())).unwrap();
    twice.headers_mut().append(header::AUTHORIZATION, value);
    assert_eq!(fixture.send_with(&own, twice).await.problem(), forbidden);
    assert_eq!(fixture.records().await, before);

    assert_eq!(fixture.send_with(&own, asked()).await.ok()["decision"], "allow");
    fixture.remove("own").await;
    assert_eq!(fixture.send_with(&own, asked()).await.problem(), forbidden);
    assert_eq!(fixture.records().await, before + 1);
}

#[tokio::test]
async fn g21_what_is_outside_of_an_entry_is_as_if_there_were_none() {
    let fixture = Fixture::new().await;
    let all = everything();
    let mut action = value(EXAMPLE_STEP_UP);
    let hash = format!("sha256:{}", "0".repeat(64));
    action["toolDefinition"] = json!({ "server": "mcp:github", "definitionHash": hash });
    let question = json!({ "action": action });
    let opened = fixture.post(&all, "/v1/authorize", &question).await.ok();
    let id = opened["request"]["id"].as_str().unwrap().to_owned();
    let token = fixture.ballot(&id.parse().unwrap(), VoteKind::Approve, "yes").await;
    let seq = opened["record"]["seq"].as_u64().unwrap();
    let records = fixture.records().await;
    let narrowed: [(&str, fn(&mut Client)); 5] = [
        ("tenant", |client| {
            client.tenants = Patterns::of_tenants(one("org:other")).unwrap()
        }),
        ("agent", |client| {
            client.agents = Patterns::of_agents(one("agent:other")).unwrap()
        }),
        ("owner", |client| client.owners = Patterns::default()),
        ("runtime", |client| {
            client.runtimes = Patterns::of_runtimes(one("runtime:x*")).unwrap()
        }),
        ("server", |client| {
            client.servers = Patterns::of_servers(one("mcp:other")).unwrap()
        }),
    ];
    for (what, narrow) in narrowed {
        let mut client = everything();
        narrow(&mut client);
        let list = fixture.get(&client, "/v1/requests").await.ok();
        assert_eq!(list["requests"], json!([]), "{what}");
        for path in ["", "/view", "/events"] {
            let answer = fixture.get(&client, &format!("/v1/requests/{id}{path}")).await;
            assert_eq!(answer.problem(), (404, "request_unknown".to_owned()), "{what} {path}");
        }
        let vote = json!({ "token": token });
        let answer = fixture.post(&client, &format!("/v1/requests/{id}/votes"), &vote).await;
        assert_eq!(answer.problem(), (404, "request_unknown".to_owned()), "{what}");
        for path in ["cancel", "lift"] {
            let request = Request::post(format!("/v1/requests/{id}/{path}"))
                .body(Body::empty())
                .unwrap();
            let answer = fixture.send(&client, request).await;
            assert_eq!(answer.problem(), (404, "request_unknown".to_owned()), "{what} {path}");
        }
        let page = fixture.get(&client, "/v1/ledger/records?kind=decision").await.ok();
        assert_eq!(page["records"], json!([]), "{what}");
        let answer = fixture.get(&client, &format!("/v1/ledger/records/{seq}")).await;
        assert_eq!(
            answer.problem(),
            (404, ServerCode::RecordUnknown.as_str().to_owned()),
            "{what}"
        );
        let answer = fixture.get(&client, "/v1/ledger/export").await;
        assert_eq!(answer.problem(), (403, "client_forbidden".to_owned()), "{what}");
    }
    assert_eq!(fixture.records().await, records);
    let list = fixture.get(&all, "/v1/requests").await.ok();
    assert_eq!(list["requests"][0]["id"], json!(id));
    let page = fixture.get(&all, "/v1/ledger/records?kind=decision").await.ok();
    assert_eq!(page["records"].as_array().unwrap().len(), 1);
}
