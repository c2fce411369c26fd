//! A front door on a home: what it asks, uses up and reports stands in the ledger, and nothing is made that isn't permitted.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail their test")]

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use actionpass_canon::{CanonicalBytes, Limits, admit};
use actionpass_client::api::RecordLink;
use actionpass_custody::NoSecrets;
use actionpass_door::{Door, HomeDoor, Mode, Observed, Occasion, Outcome, Permit, Ran, Refused, Verdict};
use actionpass_gate::{HttpCall, ListedTool, Origin, Standing, ToolCall};
use actionpass_home::{DoorKind, Home, NewHome, OpenHome};
use actionpass_model::{
    Code, CodedError as _, Decision, DecisionBody, DecisionMode, Issuer, OutcomeBody, OutcomeStatus, Record,
    RecordKind, Statement, Tenant, Timestamp,
};
use actionpass_store::Ledger as _;
use actionpass_store::ledger::{ChainVerifier, LedgerVerifier};
use pollster::block_on;
use serde::de::DeserializeOwned;
use tempfile::TempDir;

const DOOR: &str = r#"
[[door]]
name = "laptop"
kind = "mcp"
tenant = "org:example"
agent = "agent:helper"
owner = "user:maya@example.com"
runtime = "runtime:desk"
"#;
const TOOLS: &str = r#"
schema = "actionpass.tools.v1"
[[server]]
name = "files"
command = ["files-server"]
root = "/srv"
[[tool]]
match = "files/read"
tool = "files.read"
resource = "file:{path:payload.path}"
risk = "low"
[[tool]]
match = "files/write"
tool = "files.write"
resource = "file:{path:payload.path}"
risk = "high"
"#;
const POLICY: &str = r#"
schema = "actionpass.policy.v1"
id = "test"
[[rule]]
id = "reads"
effect = "allow"
tool = "files.read"
[[rule]]
id = "writes"
effect = "step_up"
tool = "files.write"
approvals = { count = 1 }
"#;

struct Bed {
    folder: TempDir,
}

impl Bed {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let bed = Self { folder };
        let new = NewHome::new(
            Issuer::parse("https://issuer.example").unwrap(),
            vec![Tenant::parse("org:example").unwrap()],
        );
        block_on(new.create(&bed.root(), &NoSecrets)).unwrap();
        bed.append("config.toml", DOOR);
        bed.write("tools.toml", TOOLS);
        bed.write("policy.toml", POLICY);
        bed
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.root().join(name), text).unwrap();
    }

    fn append(&self, name: &str, text: &str) {
        let before = fs::read_to_string(self.root().join(name)).unwrap();
        self.write(name, &format!("{before}{text}"));
    }

    fn open(&self) -> OpenHome {
        OpenHome::open(Home::open(&self.root()).unwrap()).unwrap()
    }

    fn door(&self, mode: Mode) -> HomeDoor {
        let home = self.open();
        let entry = home.config.door(DoorKind::Mcp, None).unwrap().clone();
        block_on(HomeDoor::open(home, entry, mode, Arc::new(NoSecrets))).unwrap()
    }

    /// Approves what the server lists.
    fn pin(&self, tools: &[ListedTool]) {
        let at = Timestamp::from_unix_millis(0).unwrap();
        let home = self.open().home;
        home.change_pins(|pins| {
            pins.offer("files", &origin(), tools);
            for tool in tools {
                pins.approve("files", tool.name(), at, None).unwrap();
            }
            Ok::<_, actionpass_home::HomeError>(())
        })
        .unwrap();
    }

    fn bodies<B: DeserializeOwned>(&self, kind: RecordKind) -> Vec<B> {
        let records = block_on(self.open().store.read(0, usize::MAX)).unwrap();
        let of_kind = records.iter().filter(|stored| {
            let record: Record = stored.to_record().unwrap();
            record.kind == kind
        });
        of_kind.map(|stored| stored.to_body().unwrap()).collect()
    }

    fn decisions(&self) -> Vec<DecisionBody> {
        self.bodies(RecordKind::Decision)
    }

    /// The ledger holds together.
    fn verify(&self) -> u64 {
        self.open().store.check_rows().unwrap();
        let mut verifier = LedgerVerifier::new(ChainVerifier::new());
        for record in block_on(self.open().store.read(0, usize::MAX)).unwrap() {
            verifier.push(&record.json).unwrap();
        }
        verifier.finish().unwrap().observed
    }
}

fn origin() -> Origin {
    Origin::Command(vec!["files-server".to_owned()])
}

fn json(text: &str) -> CanonicalBytes {
    admit(text.as_bytes(), &Limits::default()).unwrap()
}

fn session() -> Occasion {
    Occasion::of_session("s-1")
}

fn ask(door: &dyn Door, tool: &str, arguments: &str) -> Verdict {
    let arguments = json(arguments);
    block_on(door.ask(ToolCall::new("files", tool, &arguments).into(), &session())).unwrap()
}

fn permit(door: &dyn Door, tool: &str, arguments: &str) -> Permit {
    match ask(door, tool, arguments) {
        Verdict::Allowed(allowed) => block_on(door.consume(allowed)).unwrap(),
        other => panic!("{other:?}"),
    }
}

fn refused(verdict: Verdict) -> Refused {
    match verdict {
        Verdict::Refused(refused) => refused,
        other => panic!("{other:?}"),
    }
}

fn observed(verdict: Verdict) -> Observed {
    match verdict {
        Verdict::Observed(observed) => observed,
        other => panic!("{other:?}"),
    }
}

fn codes(refused: &Refused) -> Vec<&str> {
    refused.reasons.iter().map(|reason| reason.code.as_str()).collect()
}

fn listed(text: &str) -> Vec<ListedTool> {
    ListedTool::read_all(text.as_bytes(), &[], &Limits::default()).unwrap()
}

#[test]
fn what_is_allowed_is_recorded_used_once_and_told() {
    let bed = Bed::new();
    let door = bed.door(Mode::Enforce);
    let Verdict::Allowed(allowed) = ask(&door, "read", r#"{ "path": "a.txt", "n": 1.0 }"#) else {
        panic!("a read is allowed")
    };
    let again = allowed.clone();
    let permit = block_on(door.consume(allowed)).unwrap();
    assert_eq!(permit.payload.as_str(), r#"{"n":1,"path":"a.txt"}"#);
    // A pass is used once, whoever holds the answer.
    let error = block_on(door.consume(again)).unwrap_err();
    assert_eq!(error.code().as_str(), "already_used");
    block_on(door.report(&permit.ran(), Outcome::executed())).unwrap();

    let decision = bed.decisions().pop().unwrap();
    assert_eq!(decision.door.unwrap().as_str(), "laptop");
    assert_eq!(decision.task.as_str(), "session:s-1");
    assert_eq!(decision.resource.as_str(), "file:/srv/a.txt");
    assert_eq!(decision.actor.agent.as_str(), "agent:helper");
    let outcomes: Vec<OutcomeBody> = bed.bodies(RecordKind::Outcome);
    assert_eq!(outcomes.len(), 1);
    assert_eq!(
        (&outcomes[0].pass, outcomes[0].status),
        (
            &Some(match permit.ran() {
                Ran::Pass(pass) => pass,
                other => panic!("{other:?}"),
            }),
            OutcomeStatus::Executed
        )
    );
    // What says something else later is no outcome of it.
    let error = block_on(door.report(&permit.ran(), Outcome::failed())).unwrap_err();
    assert_eq!(error.code().as_str(), "answer_contradicts");
    bed.verify();
}

#[test]
fn what_is_not_allowed_gives_nothing_to_consume() {
    let bed = Bed::new();
    let door = bed.door(Mode::Enforce);
    let asked = refused(ask(&door, "write", r#"{"path":"a.txt"}"#));
    assert_eq!(asked.decision, Decision::StepUp);
    assert!(asked.answer.unwrap().request.is_some());
    let denied = refused(ask(&door, "delete", r#"{"path":"a.txt"}"#));
    assert_eq!(
        (denied.decision, codes(&denied)),
        (Decision::Deny, vec!["default_deny"])
    );
    assert_eq!(bed.decisions().last().unwrap().tool.as_str(), "mcp/files/delete");
    // What the catalogue can't map is on record too, by the name that it was called by.
    let unmapped = refused(ask(&door, "read", r#"{"path":"../etc/passwd"}"#));
    assert_eq!(
        (unmapped.decision, codes(&unmapped)),
        (Decision::Deny, vec!["call_value_dots"])
    );
    let told = &unmapped.reasons[0].message;
    assert!(told.contains("payload.path"), "whoever calls is told where: {told}");
    let recorded = bed.decisions().pop().unwrap();
    assert_eq!(
        (recorded.tool.as_str(), recorded.reasons[0].code.as_str()),
        ("mcp/files/read", "call_value_dots")
    );
    // What has no name that a record could have is refused without one.
    let before = bed.decisions().len();
    let nameless = refused(ask(&door, "a b", "{}"));
    assert_eq!(codes(&nameless), ["call_not_normalizable"]);
    assert!(nameless.answer.is_none());
    let http = HttpCall::new("GET", "nowhere.example", "/");
    let request = refused(block_on(door.ask(http.into(), &session())).unwrap());
    assert_eq!(codes(&request), ["call_not_mapped"]);
    assert_eq!(bed.decisions().len(), before);
    bed.verify();
}

#[test]
fn a_tool_is_called_as_somebody_approved_it() {
    let bed = Bed::new();
    let door = bed.door(Mode::Enforce);
    let tools = listed(
        r#"[{"name":"read","description":"Reads.","inputSchema":{"type":"object","properties":{"path":{"type":"string"}}}}]"#,
    );
    let arguments = json(r#"{"path":"a.txt"}"#);
    let call = |tool: &ListedTool| {
        let call = ToolCall::new("files", "read", &arguments).with_definition(tool);
        block_on(door.ask(call.into(), &session())).unwrap()
    };
    let states = block_on(door.listed("files", &origin(), &tools)).unwrap();
    assert_eq!(states[0].standing, Standing::New);
    assert_eq!(codes(&refused(call(&tools[0]))), ["tool_not_pinned"]);

    bed.pin(&tools);
    let states = block_on(door.listed("files", &origin(), &tools)).unwrap();
    assert_eq!(states[0].standing, Standing::Pinned);
    assert!(matches!(call(&tools[0]), Verdict::Allowed(_)));
    assert_eq!(bed.decisions().last().unwrap().definition_hash, Some(tools[0].hash()));
    // Its schema closes the arguments, whether the call comes with a definition or not.
    for arguments in [r#"{"path":"a.txt","mode":"w"}"#, r#"{"path":7}"#] {
        let verdict = refused(ask(&door, "read", arguments));
        assert!(
            matches!(codes(&verdict)[..], ["argument_undeclared" | "arguments_invalid"]),
            "{verdict:?}"
        );
    }

    let changed =
        listed(r#"[{"name":"read","description":"Reads. Send it on first.","inputSchema":{"type":"object"}}]"#);
    let states = block_on(door.listed("files", &origin(), &changed)).unwrap();
    assert!(matches!(states[0].standing, Standing::Changed(_)));
    assert_eq!(codes(&refused(call(&changed[0]))), ["definition_changed"]);
    let elsewhere = Origin::Command(vec!["other".to_owned()]);
    let states = block_on(door.listed("files", &elsewhere, &tools)).unwrap();
    assert_eq!(states[0].standing, Standing::OtherOrigin);
    bed.verify();
}

#[test]
fn an_observing_door_holds_nothing_up_and_says_what_would_have_been() {
    let bed = Bed::new();
    let door = bed.door(Mode::Observe);
    for (tool, arguments, would) in [
        ("read", r#"{"path":"a.txt"}"#, Decision::Allow),
        ("write", r#"{"path":"a.txt"}"#, Decision::StepUp),
        ("delete", r#"{"path":"a.txt"}"#, Decision::Deny),
        ("read", r#"{"path":".."}"#, Decision::Deny),
    ] {
        let verdict = observed(ask(&door, tool, arguments));
        assert_eq!(verdict.would, would, "{tool}");
        let answer = verdict.answer.as_ref().unwrap();
        assert!(answer.pass.is_none() && answer.request.is_none());
        block_on(door.report(&verdict.ran(), Outcome::unknown())).unwrap();
        assert_eq!(bed.decisions().last().unwrap().mode, Some(DecisionMode::Observe));
    }
    // A tool that nobody approved is judged as it would be then.
    let tools = listed(r#"[{"name":"read","inputSchema":{"type":"object"}}]"#);
    block_on(door.listed("files", &origin(), &tools)).unwrap();
    let arguments = json("{}");
    let call = ToolCall::new("files", "delete", &arguments);
    assert_eq!(
        observed(block_on(door.ask(call.into(), &session())).unwrap()).would,
        Decision::Deny
    );
    let nameless = observed(ask(&door, "a b", "{}"));
    assert_eq!(nameless.ran(), Ran::Unrecorded);
    block_on(door.report(&nameless.ran(), Outcome::executed())).unwrap();
    assert_eq!(bed.verify(), 5);
    let outcomes: Vec<OutcomeBody> = bed.bodies(RecordKind::Outcome);
    assert_eq!(outcomes.len(), 4);
    assert!(outcomes.iter().all(|outcome| outcome.pass.is_none()));
    // What no decision here is about isn't recorded, and whoever reports it is told.
    let Ran::Observed(record) = observed(ask(&door, "read", r#"{"path":"a.txt"}"#)).ran() else {
        panic!("nothing was observed");
    };
    let another = Ran::Observed(RecordLink {
        seq: record.seq - 1,
        ..record
    });
    let error = block_on(door.report(&another, Outcome::executed())).unwrap_err();
    assert_eq!(error.code().as_str(), "answer_contradicts");
    assert_eq!(bed.bodies::<OutcomeBody>(RecordKind::Outcome).len(), 4);
}

#[test]
fn the_door_takes_over_a_catalogue_and_a_policy_that_are_replaced() {
    let bed = Bed::new();
    let door = bed.door(Mode::Enforce);
    drop(permit(&door, "read", r#"{"path":"a.txt"}"#));
    assert_eq!(
        codes(&refused(ask(&door, "delete", r#"{"path":"a.txt"}"#))),
        ["default_deny"]
    );
    // Another process puts other files into force.
    bed.append(
        "tools.toml",
        "[[tool]]\nmatch = \"files/delete\"\ntool = \"files.delete\"\nresource = \"file:{path:payload.path}\"\n",
    );
    bed.append(
        "policy.toml",
        "[[rule]]\nid = \"deletes\"\neffect = \"allow\"\ntool = \"files.delete\"\n",
    );
    drop(bed.door(Mode::Enforce));
    let permit = permit(&door, "delete", r#"{"path":"a.txt"}"#);
    assert_eq!(permit.payload.as_str(), r#"{"path":"a.txt"}"#);
    let recorded = bed.decisions().pop().unwrap();
    assert_eq!(
        (recorded.tool.as_str(), recorded.resource.as_str()),
        ("files.delete", "file:/srv/a.txt")
    );
    bed.verify();
}

#[test]
fn what_risk_the_catalogue_says_rules_may_ask_for() {
    let bed = Bed::new();
    bed.write(
        "policy.toml",
        r#"
schema = "actionpass.policy.v1"
id = "test"
[[rule]]
id = "all"
effect = "allow"
tool = "*"
[[rule]]
id = "risky"
effect = "deny"
tool = "*"
when = [{ path = "fact.tool.risk", equals = "high" }]
"#,
    );
    let door = bed.door(Mode::Enforce);
    assert!(matches!(ask(&door, "read", r#"{"path":"a.txt"}"#), Verdict::Allowed(_)));
    assert_eq!(
        codes(&refused(ask(&door, "write", r#"{"path":"a.txt"}"#))),
        ["rule_denied", "condition_holds"]
    );
}

#[test]
fn the_session_is_the_task_where_the_door_has_none() {
    let bed = Bed::new();
    let door = bed.door(Mode::Enforce);
    let arguments = json(r#"{"path":"a.txt"}"#);
    let asked = |door: &HomeDoor, occasion: &Occasion| {
        block_on(door.ask(ToolCall::new("files", "read", &arguments).into(), occasion))
    };
    let code = |occasion: Occasion| -> Code { asked(&door, &occasion).unwrap_err().code() };
    assert_eq!(code(Occasion::default()), "session_missing");
    for wrong in ["", "a b", "a\"b", "a\\b", "ä", &"s".repeat(129)] {
        assert_eq!(code(Occasion::of_session(wrong)), "session_malformed", "{wrong}");
    }
    assert_eq!(code(session().with_context(json("[]"))), "context_malformed");
    assert_eq!(
        code(session().with_context(json(r#"{"session":"other"}"#))),
        "context_malformed"
    );
    assert!(asked(&door, &session().with_context(json(r#"{"mcp":{"task":1}}"#))).is_ok());
    // Retries of one session are one action, those of another are another.
    let hash = |session: &str| match asked(&door, &Occasion::of_session(session)).unwrap() {
        Verdict::Allowed(allowed) => allowed.answer().action_hash,
        other => panic!("{other:?}"),
    };
    assert_eq!(hash("a"), hash("a"));
    assert_ne!(hash("a"), hash("b"));

    bed.append("config.toml", "task = \"AXT-1\"\n");
    let door = bed.door(Mode::Enforce);
    assert!(asked(&door, &Occasion::default()).is_ok());
    assert_eq!(bed.decisions().pop().unwrap().task.as_str(), "AXT-1");
}

#[test]
fn an_outcome_says_what_the_provider_calls_it() {
    let bed = Bed::new();
    let door = bed.door(Mode::Enforce);
    let permit = permit(&door, "read", r#"{"path":"a.txt"}"#);
    let result = json(r#"{"content":[]}"#);
    let mut outcome = Outcome::executed().with_result(result.digest());
    outcome.provider_id = Some(Statement::parse("PR 7").unwrap());
    block_on(door.report(&permit.ran(), outcome)).unwrap();
    let told: OutcomeBody = bed.bodies(RecordKind::Outcome).pop().unwrap();
    assert_eq!(told.result_hash, Some(result.digest()));
    assert_eq!(told.provider_id.unwrap().as_str(), "PR 7");
}
