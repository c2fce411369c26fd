//! The service's page, used by people in Chromium: they enrol, sign in, read and decide, each with a passkey of their own.
//!
//! Every screen is looked at by axe, light and dark, at 360 pixels and with text of twice the size; nothing may be in the
//! console. `ACTIONPASS_PICTURES=1` keeps the pictures of `docs/images`.

use std::sync::Arc;
use std::time::Duration;

use actionpass_canon::{BoundAction, BoundFacts, Limits};
use actionpass_core::{Authorization, Clock as _, Issuer, Request, System};
use actionpass_crypto::webauthn::RelyingParty;
use actionpass_custody::NoSecrets;
use actionpass_home::{Approvers, Home, InvitationSecret, NewHome, NewInvitation, OpenHome};
use actionpass_model::{Approver, Caller, DEMO_ACTION, Decision, Role, RpId, Tenants, Timestamp, WebOrigin};
use actionpass_server::{Server, Settings};
use actionpass_testkit::fixtures;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::chromium::Browser;
use crate::program::root;

const POLICY: &str = r#"
schema = "actionpass.policy.v1"
id = "page"

[[rule]]
id = "all"
effect = "allow"
agent = "agent:*"
tool = "**"
resource = "**"

[[rule]]
id = "deploy.production"
effect = "step_up"
agent = "agent:*"
tool = ["files.*", "notes.*", "github.*"]
approvals = { count = 1, roles = ["maintainer"], not_owner = true }
reason = "changes what runs in production"

[[rule]]
id = "refund.large"
effect = "step_up"
agent = "agent:*"
tool = "payments.*"
approvals = { count = 2, roles = ["maintainer", "finance"], not_owner = true }
reason = "refunds above 50.00 need two people"
"#;

/// The service in this process, and beside it an issuer of the same home, which agents ask.
struct Service {
    runtime: Runtime,
    home: Home,
    issuer: Arc<Issuer>,
    origin: WebOrigin,
    _folder: TempDir,
}

impl Service {
    fn open(lifetime: Option<&str>) -> Self {
        let runtime = Runtime::new().unwrap();
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("home");
        let (home, issuer, origin) = runtime.block_on(async {
            let new = NewHome::new(fixtures::issuer(), vec![fixtures::tenant()]);
            new.create(&path, &NoSecrets).await.unwrap();
            let home = Home::open(&path).unwrap();
            std::fs::write(home.path("policy.toml"), POLICY).unwrap();
            if let Some(lifetime) = lifetime {
                let config = home.path("config.toml");
                let text = std::fs::read_to_string(&config).unwrap();
                let text = text.replace("lifetime = \"1h\"", &format!("lifetime = \"{lifetime}\""));
                std::fs::write(&config, text).unwrap();
            }
            let mut settings = Settings::default();
            settings.listen = ([127, 0, 0, 1], 0).into();
            let open = OpenHome::open(Home::open(&path).unwrap()).unwrap();
            let server = Server::open(open, Arc::new(NoSecrets), settings).await.unwrap();
            let origin = server.origin().clone();
            tokio::spawn(server.run(std::future::pending()));
            let agents = OpenHome::open(Home::open(&path).unwrap()).unwrap();
            let issuer = agents.issuer(Arc::new(NoSecrets)).await.unwrap();
            (home, Arc::new(issuer), origin)
        });
        Self {
            runtime,
            home,
            issuer,
            origin,
            _folder: folder,
        }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    /// The link of an invitation.
    fn invite(&self, name: &str, role: &str, secret: u8) -> String {
        let invitation = NewInvitation {
            principal: Approver::parse(name).unwrap(),
            roles: vec![Role::parse(role).unwrap()],
            tenants: Tenants::Only(vec![fixtures::tenant()]),
            party: RelyingParty::new(RpId::parse("localhost").unwrap(), vec![self.origin.clone()]).unwrap(),
        };
        let secret = InvitationSecret::from_random(&[secret; 32]);
        Approvers::of(&self.home).invite(invitation, &secret, now()).unwrap();
        self.url(&format!("/enrol#{}", secret.as_str()))
    }

    fn confirm(&self, name: &str, code: &str) {
        let who = Approver::parse(name).unwrap();
        let confirmed = async {
            let approvers = Approvers::of(&self.home);
            approvers.confirm(self.issuer.administrator(), &who, code, now()).await
        };
        self.runtime.block_on(confirmed).unwrap();
    }

    /// An agent asks and waits for so long; what it is told comes later.
    fn ask(&self, action: &str, facts: Option<&str>, wait: u64) -> tokio::task::JoinHandle<Authorization> {
        let action = BoundAction::admit(action.as_bytes(), &Limits::default()).unwrap();
        let facts = facts.map(|facts| BoundFacts::admit(facts.as_bytes(), &Limits::default()).unwrap());
        let issuer = Arc::clone(&self.issuer);
        self.runtime.spawn(async move {
            let actor = &action.action().actor;
            let caller = Caller::parse(
                "org:example",
                actor.agent.as_str(),
                actor.human_owner.as_str(),
                actor.runtime.as_str(),
            );
            let mut request = Request::new(&action, caller.unwrap()).with_wait(Duration::from_secs(wait));
            if let Some(facts) = &facts {
                request = request.with_facts(facts);
            }
            issuer.authorize(request).await.unwrap()
        })
    }

    fn told(&self, asked: tokio::task::JoinHandle<Authorization>) -> Authorization {
        self.runtime.block_on(asked).unwrap()
    }

    /// The address of a request that waits.
    fn request(&self, action: &str, facts: Option<&str>) -> String {
        let told = self.told(self.ask(action, facts, 0));
        format!(
            "/requests/{}",
            told.request.unwrap_or_else(|| panic!("{:?}", told.reasons)).id
        )
    }
}

fn now() -> Timestamp {
    System.now().unwrap()
}

impl Browser {
    /// Registers a passkey by a link, which is confirmed, and signs in with it.
    fn enrol(&mut self, service: &Service, name: &str, role: &str, secret: u8) {
        let link = service.invite(name, role, secret);
        self.go(&link);
        self.until(&format!("You are invited as {name}"));
        self.press("create");
        self.until("One step is left");
        let code = self.call("document.getElementById('code').textContent");
        service.confirm(name, code.as_str().unwrap());
        self.until("Confirmed. You can sign in now.");
        self.go("/");
        self.press("enter");
        self.until("Sign out");
    }
}

fn refund() -> String {
    DEMO_ACTION
        .replace("github.pull_requests.create", "payments.refunds.create")
        .replace("repo:company/web-app", "order:20418")
        .replace("agent:codex-prod", "agent:support-desk")
}

const MAYA: &str = "user:maya@example.com";
const NOOR: &str = "user:noor@example.com";

/// A change of a file, with what stood there before.
fn change() -> (String, String) {
    let mut action: Value = serde_json::from_str(DEMO_ACTION).unwrap();
    let before = "name: deploy\non: push\njobs:\n  deploy:\n    runs-on: ubuntu-24.04\n    steps:\n      - run: ./check\n      - run: ./deploy staging\n";
    let after = before.replace("./deploy staging", "./deploy production --force");
    action["capability"] = json!({
        "tool": "files.write", "resource": "file:.github/workflows/deploy.yml",
        "payload": { "path": ".github/workflows/deploy.yml", "content": after },
    });
    action["intent"]["summary"] = json!("Deploy to production after the checks");
    let facts = json!({
        "schema": "actionpass.facts.v1", "source": "workspace", "asOf": now(),
        "facts": { "before": { "content": before } },
    });
    (action.to_string(), facts.to_string())
}

#[test]
fn people_enrol_read_and_decide() {
    let service = Service::open(None);
    let Some(mut maya) = Browser::open(service.origin.as_str()) else {
        return;
    };
    let mut noor = Browser::open(service.origin.as_str()).unwrap();

    maya.until("Sign in with a passkey");
    maya.examine("sign-in");
    let link = service.invite(MAYA, "maintainer", 1);
    maya.go(&link);
    maya.until("You are invited as user:maya@example.com, as maintainer.");
    maya.examine("enrol");
    maya.press("create");
    maya.until("One step is left");
    maya.examine("registered");
    let code = maya.call("document.getElementById('code').textContent");
    assert!(maya.text().contains(&format!(
        "actionpass approvers confirm {MAYA} {}",
        code.as_str().unwrap()
    )));
    service.confirm(MAYA, code.as_str().unwrap());
    maya.until("Confirmed. You can sign in now.");
    maya.go("/");
    maya.press("enter");
    maya.until("Nothing waits for you");
    maya.examine("nothing");
    noor.enrol(&service, NOOR, "finance", 2);

    // An agent asks and is parked; the page that is open tells of it, and nothing moves.
    let (action, facts) = change();
    let parked = service.ask(&action, Some(&facts), 60);
    maya.until("1 new.");
    let path = service.request(&action, Some(&facts));
    let refunded = service.request(&refund(), None);
    maya.go("/");
    maya.until("Waiting for 1 approval by maintainer other than the owner.");
    maya.examine("waiting");

    maya.go(&path);
    maya.until("changes what runs in production");
    let text = maya.text();
    for part in [
        "agent:codex-prod",
        "user:owner@example.com",
        "files.write",
        "deploy.production",
        "./deploy production --force",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let focused = maya.call("document.activeElement === document.body || document.activeElement.id");
    assert_eq!(focused, json!(true));
    maya.examine("request");
    for (width, height) in [(1200, 800), (360, 740)] {
        maya.size(width, height);
        let seen = "(id) => { const box = document.querySelector(id).getBoundingClientRect(); return box.top >= 0 && box.bottom <= innerHeight; }";
        for part in [
            ".kicker",
            "#what",
            ".on",
            "#state",
            ".facts",
            "#action-hash",
            "#approve",
            "#decline",
        ] {
            let is_seen = maya.call(&format!("({seen})('{part}')"));
            assert_eq!(is_seen, json!(true), "{part} can't be seen at {width}");
        }
        // What runs begins on the first screen, in front of the buttons.
        let runs = "(() => { const end = Math.min(innerHeight, ...[document.querySelector('.act')].map((act) =>
            act.getBoundingClientRect()).filter(({ left }) => left < 100).map(({ top }) => top));
            return end - document.querySelector('.ap-payload').getBoundingClientRect().top; })()";
        let pixels = maya.call(runs).as_f64().unwrap();
        assert!(pixels >= 140.0, "{pixels} pixels of the payload are seen at {width}");
    }
    maya.size(1200, 800);
    for part in [
        "agent:codex-prod",
        "user:owner@example.com",
        "files.write",
        "deploy.production",
        "sha256:",
    ] {
        let count = if part == "sha256:" { 4 } else { 1 };
        assert_eq!(text.matches(part).count(), count, "{part}: {text}");
    }
    maya.press("approve");
    maya.until("You approved.");
    let told = service.told(parked);
    assert_eq!(told.decision, Decision::Allow, "{:?}", told.reasons);
    assert!(told.pass.is_some());
    maya.until("Used: the agent got its pass.");
    maya.is_quiet("approved");

    // Two approvers: the first is not enough.
    let parked = service.ask(&refund(), None, 60);
    maya.go(&refunded);
    maya.until("Waiting for 2 approvals by maintainer or finance");
    noor.go(&refunded);
    maya.press("approve");
    maya.until("Waiting for 1 approval by maintainer or finance");
    noor.until("Waiting for 1 approval by maintainer or finance");
    noor.press("approve");
    noor.until("You approved.");
    assert_eq!(service.told(parked).decision, Decision::Allow);
    noor.go("/history");
    noor.until("user:maya@example.com approved · user:noor@example.com approved");
    noor.is_quiet("two approvers");

    // A decline wants words, and they reach the agent.
    let parked = service.ask(DEMO_ACTION, None, 60);
    let path = service.request(DEMO_ACTION, None);
    maya.go(&path);
    maya.press("decline");
    maya.until("Say why you decline");
    assert_eq!(maya.call("document.activeElement.id"), json!("reason"));
    maya.call("document.getElementById('reason').value = 'run the\\n tests first'");
    maya.press("decline");
    maya.until("Declined by user:maya@example.com.");
    let told = service.told(parked);
    assert_eq!(told.declined.unwrap().words.unwrap().as_str(), "run the tests first");
    maya.go(&path);
    maya.until("Reason given");
    maya.examine("declined");
    maya.go("/history");
    maya.until("Declined by user:maya@example.com.");
    maya.examine("history");

    // What isn't there, and what can't be told: on its own address, and on one that is not the page's.
    let elsewhere = service.origin.as_str().replace("localhost", "127.0.0.1");
    for (screen, path, said) in [
        (
            "not-found",
            format!("/requests/req_{:032}", 0),
            "it is not yours to decide on",
        ),
        ("no-page", "/nowhere".to_owned(), "there is no /nowhere"),
        (
            "elsewhere",
            format!("{elsewhere}/history"),
            "the page is at http://localhost:",
        ),
    ] {
        maya.go(&path);
        maya.until(said);
        maya.until("What waits for you");
        maya.examine_loud(screen);
        let problems = maya.ask(&json!({ "problems": true }));
        for problem in problems.as_array().unwrap() {
            let problem = problem.as_str().unwrap();
            assert!(problem.starts_with("Failed to load resource: "), "{screen}: {problem}");
        }
    }

    // Without a person behind it the passkey signs nothing.
    let other = service.request(&DEMO_ACTION.replace("Fix the retry loop", "Another one"), None);
    maya.go(&other);
    maya.ask(&json!({ "method": "WebAuthn.setUserVerified", "params": { "isUserVerified": false } }));
    maya.press("approve");
    maya.until("The passkey was not used");
    maya.until("Waiting for 1 approval");
}

#[test]
fn nothing_moves_when_a_request_expires() {
    let service = Service::open(Some("12s"));
    let Some(mut maya) = Browser::open(service.origin.as_str()) else {
        return;
    };
    maya.enrol(&service, MAYA, "maintainer", 1);
    let path = service.request(DEMO_ACTION, None);
    maya.go(&path);
    maya.until("Waiting for 1 approval");
    maya.call("window.moved = []; new PerformanceObserver((list) => moved.push(...list.getEntries().map(({ value }) => value)))
        .observe({ type: 'layout-shift' }); undefined");
    let places = "JSON.stringify(['what', 'approve', 'decline', 'reason', 'note'].map((id) => {
        const { x, y, width, height } = document.getElementById(id).getBoundingClientRect(); return [x, y, width, height]; }))";
    let before = maya.call(places);
    maya.until("Expired: nobody decided in time.");
    maya.until("The time is over; nothing was signed.");
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(maya.call(places), before);
    assert_eq!(maya.call("moved"), json!([]));
    for id in ["approve", "decline", "reason"] {
        assert_eq!(
            maya.call(&format!("document.getElementById('{id}').disabled")),
            json!(true)
        );
    }
    maya.examine("expired");
    maya.go("/history");
    maya.until("Expired: nobody decided in time.");
}

#[test]
fn hostile_texts_are_seen_and_do_nothing() {
    let service = Service::open(None);
    let Some(mut maya) = Browser::open(service.origin.as_str()) else {
        return;
    };
    maya.enrol(&service, MAYA, "maintainer", 1);
    let read = std::fs::read_to_string(root().join("tests/interop/hostile.json")).unwrap();
    let hostile: Value = serde_json::from_str(&read).unwrap();
    let texts = hostile["texts"].as_array().unwrap();
    assert!(texts.len() >= 60);
    let mut action: Value = serde_json::from_str(DEMO_ACTION).unwrap();
    // Each as a value and as a name; one more is a mebibyte but for the rest.
    let payload: serde_json::Map<String, Value> = texts
        .iter()
        .enumerate()
        .flat_map(|(place, text)| {
            let raw = text["text"].as_str().unwrap();
            [
                (format!("value{place}"), json!(raw)),
                (format!("{place} {raw}"), json!(place)),
            ]
        })
        .chain([(
            "long".to_owned(),
            json!("</pre><script>alert(1)</script>\u{202e} ".repeat(24_000)),
        )])
        .collect();
    action["capability"]["payload"] = Value::Object(payload);
    action["intent"]["summary"] = texts[0]["text"].clone();
    let path = service.request(&action.to_string(), None);
    maya.go(&path);
    maya.until("Waiting for 1 approval");
    maya.call("document.querySelectorAll('details').forEach((details) => { details.open = true; }); undefined");
    let seen = maya.text();
    for text in texts {
        let must_see = text["mustSee"].as_str().unwrap();
        assert!(seen.contains(must_see), "{}", text["name"]);
    }
    let hidden = seen
        .chars()
        .filter(|character| actionpass_model::is_hidden(*character) && !"\n\t".contains(*character));
    assert_eq!(hidden.collect::<String>(), "");
    let foreign = "document.querySelectorAll('script:not([src=\"/page.js\"]), svg, style, base, iframe, form:not(.who), main img, [onload], [onerror], [onmouseover], meta[http-equiv]').length";
    assert_eq!(maya.call(foreign), json!(0));
    maya.is_quiet("hostile texts");
    maya.go("/");
    maya.until("github.pull_requests.create");
    maya.is_quiet("hostile texts");
}
