//! The page as a browser and those who would deceive it use it, without a browser.

use std::collections::BTreeMap;
use std::time::Duration;

use actionpass_core::{Authorization, Clock as _, NewRevocation, Request as Asked, System};
use actionpass_crypto::webauthn::{Assertion, RelyingParty};
use actionpass_home::{Approvers, InvitationSecret, NewInvitation};
use actionpass_model::{
    Approver, DEMO_ACTION, Decision, Owner, Principal, RequestId, RevocationTarget, Role, RpId, Statement, Tenants,
    Timestamp,
};
use actionpass_testkit::Authenticator;
use actionpass_testkit::fixtures::{self, FixtureKey};
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use serde_json::{Value, json};

use super::assets::{SCRIPT, STYLE};
use super::question::base64url;
use crate::testing::{Answer, Fixture};

pub(super) fn maya() -> Approver {
    Approver::parse("user:maya@example.com").unwrap()
}

pub(super) fn authenticator(fixture: &Fixture) -> Authenticator {
    Authenticator::new().on_page(fixture.gate.front.origin.as_str(), "localhost")
}

/// Lets somebody in with the passkey of the fixtures.
async fn believe(fixture: &Fixture, authenticator: &Authenticator, who: Approver, roles: Vec<Role>) {
    let administrator = fixture.gate.issuer.administrator();
    administrator
        .add_key(authenticator.trust_key(who, roles))
        .await
        .unwrap();
}

/// A browser of one person: it keeps cookies.
pub(super) struct Browser<'a> {
    fixture: &'a Fixture,
    pub(super) passkey: Authenticator,
    cookies: BTreeMap<String, String>,
}

impl<'a> Browser<'a> {
    /// Of Maya, a maintainer, who isn't signed in.
    pub(super) async fn of_maya(fixture: &'a Fixture) -> Self {
        let passkey = authenticator(fixture);
        believe(fixture, &passkey, maya(), vec![fixtures::maintainer()]).await;
        Self::with(fixture, passkey)
    }

    pub(super) fn with(fixture: &'a Fixture, passkey: Authenticator) -> Self {
        Self {
            fixture,
            passkey,
            cookies: BTreeMap::new(),
        }
    }

    async fn send(&mut self, builder: axum::http::request::Builder, body: Body) -> Answer {
        let mut builder = builder;
        let cookies: Vec<String> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        if !cookies.is_empty() {
            builder = builder.header(header::COOKIE, cookies.join("; "));
        }
        let answer = self.fixture.send_unknown(builder.body(body).unwrap()).await;
        for cookie in answer.headers.get_all(header::SET_COOKIE) {
            let (pair, rest) = cookie.to_str().unwrap().split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            if rest.contains("Max-Age=0;") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    pub(super) async fn get(&mut self, path: &str) -> Answer {
        self.send(Request::get(path), Body::empty()).await
    }

    /// As somebody who opens it.
    pub(super) async fn open(&mut self, path: &str) -> Answer {
        let builder = Request::get(path).header(header::ACCEPT, "text/html,*/*;q=0.8");
        self.send(builder, Body::empty()).await
    }

    pub(super) async fn post(&mut self, path: &str, body: &Value) -> Answer {
        let builder = Request::post(path)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ORIGIN, self.fixture.gate.front.origin.as_str());
        self.send(builder, Body::from(body.to_string())).await
    }

    async fn challenge(&mut self) -> [u8; 32] {
        let answer = self.post("/sign-in/challenge", &json!({})).await.ok();
        bytes(&answer["challenge"]).try_into().unwrap()
    }

    async fn enter(&mut self, assertion: &Assertion) -> Answer {
        let mut body = parts(assertion);
        body["credential"] = json!(self.passkey.credential_id());
        self.post("/sign-in", &body).await
    }

    pub(super) async fn sign_in(&mut self) {
        let challenge = self.challenge().await;
        let answer = self.enter(&self.passkey.assert(&challenge)).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT);
    }

    /// What is to be signed for a vote: its id and the challenge.
    async fn ballot(&mut self, id: &RequestId, decision: Value) -> (Value, [u8; 32]) {
        let answer = self.post(&format!("/requests/{id}/ballot"), &decision).await.ok();
        let input = answer["input"].as_str().unwrap();
        let challenge = *actionpass_canon::sha256(input.as_bytes()).as_bytes();
        (answer["ballot"].clone(), challenge)
    }

    async fn vote(&mut self, id: &RequestId, ballot: &Value, assertion: &Assertion) -> Answer {
        let mut body = parts(assertion);
        body["ballot"] = ballot.clone();
        self.post(&format!("/requests/{id}/vote"), &body).await
    }

    pub(super) async fn decide(&mut self, id: &RequestId, decision: Value) -> Answer {
        let (ballot, challenge) = self.ballot(id, decision).await;
        let assertion = self.passkey.assert(&challenge);
        self.vote(id, &ballot, &assertion).await
    }

    /// Whether a page shows somebody who is signed in.
    pub(super) async fn is_in(&mut self) -> bool {
        text(&self.get("/").await).contains("Sign out")
    }
}

fn bytes(value: &Value) -> Vec<u8> {
    use base64ct::{Base64UrlUnpadded, Encoding as _};
    Base64UrlUnpadded::decode_vec(value.as_str().unwrap()).unwrap()
}

fn parts(assertion: &Assertion) -> Value {
    json!({
        "authenticatorData": base64url(&assertion.authenticator_data),
        "clientDataJSON": base64url(&assertion.client_data_json),
        "signature": base64url(&assertion.signature),
    })
}

pub(super) fn text(answer: &Answer) -> String {
    String::from_utf8(answer.body.clone()).unwrap()
}

pub(super) fn now() -> Timestamp {
    System.now().unwrap()
}

async fn ask_for(fixture: &Fixture, json: &str) -> Authorization {
    let action = fixtures::admit(json);
    let caller = fixtures::caller(action.action());
    let asked = Asked::new(&action, caller);
    fixture.gate.issuer.authorize(asked).await.unwrap()
}

/// A request that waits.
pub(super) async fn waiting(fixture: &Fixture) -> RequestId {
    ask_for(fixture, DEMO_ACTION).await.request.unwrap().id
}

async fn other(fixture: &Fixture) -> RequestId {
    let action = DEMO_ACTION.replace("Fix the retry loop", "Another one");
    ask_for(fixture, &action).await.request.unwrap().id
}

#[tokio::test]
async fn a_person_signs_in_reads_approves_and_signs_out() {
    decides_and_signs_out(Fixture::new().await).await;
}

/// What is the same wherever the requests of the page are.
pub(super) async fn decides_and_signs_out(fixture: Fixture) {
    let mut browser = Browser::of_maya(&fixture).await;
    let id = waiting(&fixture).await;
    let page = browser.get(&format!("/requests/{id}")).await;
    assert_eq!(page.status, StatusCode::UNAUTHORIZED);
    assert!(!text(&page).contains("pull_requests"), "{}", text(&page));

    browser.sign_in().await;
    let list = text(&browser.get("/").await);
    assert!(list.contains(&format!("/requests/{id}")), "{list}");
    let page = text(&browser.get(&format!("/requests/{id}")).await);
    for part in [
        "agent:codex-prod",
        "user:owner@example.com",
        "github.pull_requests.create",
        "repo:company/web-app",
        "no evidence that the tests passed",
        "github.pr.untested",
        "1 approval by maintainer other than the owner",
        "nobody yet",
        "Fix the retry loop",
        "id=\"approve\"",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let voted = browser.decide(&id, json!({ "decision": "approve" })).await.ok();
    assert_eq!(voted["state"], "approved");
    assert!(text(&browser.get("/").await).contains("You approved; not used yet"));
    assert_eq!(waiting_decision(&fixture).await, Decision::Allow);
    let history = text(&browser.get("/history").await);
    assert!(history.contains("Used: the agent got its pass."), "{history}");
    assert!(history.contains("user:maya@example.com approved"), "{history}");
    assert!(text(&browser.get(&format!("/requests/{id}")).await).contains("There is nothing to decide any more."));

    let origin = fixture.gate.front.origin.as_str();
    let out = browser.send(Request::post("/sign-out").header(header::ORIGIN, origin), Body::empty());
    assert_eq!(out.await.status, StatusCode::SEE_OTHER);
    assert!(!browser.is_in().await);
}

pub(super) async fn waiting_decision(fixture: &Fixture) -> Decision {
    ask_for(fixture, DEMO_ACTION).await.decision
}

#[tokio::test]
async fn votes_and_streams_of_the_page_have_limits() {
    let fixture = Fixture::configured(|home| {
        let path = home.path("config.toml");
        let config = std::fs::read_to_string(&path).unwrap();
        std::fs::write(
            &path,
            format!("{config}\n[serve.limits]\nstreams = 1\nvotes_per_minute = 1\n"),
        )
        .unwrap();
    })
    .await;
    let mut browser = Browser::of_maya(&fixture).await;
    let overloaded = (503, "overloaded".to_owned());
    let (first, second) = (waiting(&fixture).await, other(&fixture).await);
    // Nobody is signed in yet, so no place is taken.
    assert_eq!(browser.get("/live").await.problem(), (401, "signed_out".to_owned()));
    browser.sign_in().await;
    browser.decide(&first, json!({ "decision": "approve" })).await.ok();
    let refused = browser.decide(&second, json!({ "decision": "approve" })).await;
    assert_eq!(refused.problem(), overloaded);

    let cookie = format!("actionpass-session={}", browser.cookies["actionpass-session"]);
    let request = Request::get("/live").header(header::COOKIE, cookie);
    let stream = fixture.stream(request.body(Body::empty()).unwrap()).await;
    assert_eq!(browser.get("/live").await.problem(), overloaded);
    drop(stream);
    assert_eq!(fixture.gate.front.load.streams(), 0);
}

#[tokio::test]
async fn a_decline_wants_words_and_the_agent_gets_them() {
    let fixture = Fixture::new().await;
    let mut browser = Browser::of_maya(&fixture).await;
    browser.sign_in().await;
    let id = waiting(&fixture).await;
    let path = format!("/requests/{id}/ballot");
    for reason in [
        json!({ "decision": "decline" }),
        json!({ "decision": "decline", "reason": "" }),
    ] {
        let refused = browser.post(&path, &reason).await;
        assert_eq!(refused.problem(), (400, "request_malformed".to_owned()));
    }
    let declined = browser
        .decide(&id, json!({ "decision": "decline", "reason": "run the tests first" }))
        .await
        .ok();
    assert_eq!(declined["state"], "declined");
    assert_eq!(declined["text"], "Declined by user:maya@example.com.");
    let told = ask_for(&fixture, DEMO_ACTION).await;
    assert_eq!(told.decision, Decision::Deny);
    assert_eq!(told.declined.unwrap().words.unwrap().as_str(), "run the tests first");
    assert!(text(&browser.get(&format!("/requests/{id}")).await).contains("run the tests first"));
}

#[tokio::test]
async fn cookies_are_what_the_contract_says() {
    let fixture = Fixture::new().await;
    let mut browser = Browser::of_maya(&fixture).await;
    let challenge = browser.challenge().await;
    let before = browser.cookies["actionpass-sign-in"].clone();
    let answer = browser.enter(&browser.passkey.assert(&challenge)).await;
    let set: Vec<&str> = answer
        .headers
        .get_all(header::SET_COOKIE)
        .iter()
        .map(|set| set.to_str().unwrap())
        .collect();
    let session = set.iter().find(|set| set.starts_with("actionpass-session=")).unwrap();
    assert!(
        session.ends_with("; Path=/; Max-Age=28800; HttpOnly; SameSite=Lax"),
        "{session}"
    );
    assert_ne!(browser.cookies["actionpass-session"], before);
    assert!(!browser.cookies.contains_key("actionpass-sign-in"));
}

#[tokio::test]
async fn a_challenge_serves_one_browser_once() {
    let fixture = Fixture::new().await;
    let mut browser = Browser::of_maya(&fixture).await;
    let refused = (403, "sign_in_refused".to_owned());
    let challenge = browser.challenge().await;
    let assertion = browser.passkey.assert(&challenge);

    // Another browser, without the cookie and with one of its own.
    let mut thief = Browser::with(&fixture, authenticator(&fixture));
    assert_eq!(thief.enter(&assertion).await.problem(), refused);
    thief.challenge().await;
    assert_eq!(thief.enter(&assertion).await.problem(), refused);

    let cookies = browser.cookies.clone();
    assert_eq!(browser.enter(&assertion).await.status, StatusCode::NO_CONTENT);
    browser.cookies = cookies;
    assert_eq!(browser.enter(&assertion).await.problem(), refused);

    // Another challenge than that of the cookie, and cookies that somebody made up.
    browser.challenge().await;
    let other = browser.enter(&browser.passkey.assert(&[7; 32])).await;
    assert_eq!(other.problem(), refused);
    let challenge = browser.challenge().await;
    let assertion = browser.passkey.assert(&challenge);
    let given = bytes(&json!(browser.cookies["actionpass-sign-in"]));
    let later = [&[0, 0, 255], &given[3..]].concat();
    for made_up in [
        &given[1..],
        &[&given[..], &[0]].concat(),
        &later,
        &[0; 40],
        &[255; 40],
        &[],
    ] {
        let cookie = base64url(made_up);
        browser.cookies.insert("actionpass-sign-in".to_owned(), cookie);
        assert_eq!(browser.enter(&assertion).await.problem(), refused, "{made_up:?}");
    }
    browser
        .cookies
        .insert("actionpass-sign-in".to_owned(), base64url(&given));
    assert_eq!(browser.enter(&assertion).await.status, StatusCode::NO_CONTENT);
}

/// Anybody may ask for challenges, and whoever asks for many must not take them from others.
#[tokio::test]
async fn challenges_of_others_end_no_sign_in() {
    let fixture = Fixture::new().await;
    let mut browser = Browser::of_maya(&fixture).await;
    let challenge = browser.challenge().await;
    let mut flood = Browser::with(&fixture, authenticator(&fixture));
    for _ in 0..5000 {
        flood.challenge().await;
    }
    let answer = browser.enter(&browser.passkey.assert(&challenge)).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert!(browser.is_in().await);
}

/// A challenge that is used up is remembered for one passkey at a time, and not without end.
#[tokio::test]
async fn one_passkey_signs_in_so_often_and_keeps_nobody_else_out() {
    let fixture = Fixture::new().await;
    let mut browser = Browser::of_maya(&fixture).await;
    for _ in 0..actionpass_store::sessions::MAX_SIGN_INS {
        browser.sign_in().await;
    }
    let challenge = browser.challenge().await;
    let refused = browser.enter(&browser.passkey.assert(&challenge)).await;
    assert_eq!(refused.problem(), (503, "overloaded".to_owned()));
    let passkey = authenticator(&fixture).with_key(FixtureKey::STRANGER, b"a passkey of another");
    let noor = Approver::parse("user:noor@example.com").unwrap();
    believe(&fixture, &passkey, noor, vec![fixtures::maintainer()]).await;
    Browser::with(&fixture, passkey).sign_in().await;
}

#[tokio::test]
async fn a_sign_in_is_no_vote_and_a_vote_no_sign_in() {
    let fixture = Fixture::new().await;
    let mut browser = Browser::of_maya(&fixture).await;
    browser.sign_in().await;
    let id = waiting(&fixture).await;
    let challenge = browser.challenge().await;
    let login = browser.passkey.assert(&challenge);
    let (ballot, to_sign) = browser.ballot(&id, json!({ "decision": "approve" })).await;
    let refused = browser.vote(&id, &ballot, &login).await;
    assert_eq!(refused.problem().1, "webauthn_challenge_mismatch");

    let signed = browser.passkey.assert(&to_sign);
    assert_eq!(browser.enter(&signed).await.problem().1, "sign_in_refused");
    assert_eq!(waiting_decision(&fixture).await, Decision::StepUp);
}

#[tokio::test]
async fn a_vote_is_for_one_request_and_once() {
    let fixture = Fixture::new().await;
    let mut browser = Browser::of_maya(&fixture).await;
    browser.sign_in().await;
    let (id, other) = (waiting(&fixture).await, other(&fixture).await);
    let unknown = "ballot_unknown";

    let (ballot, challenge) = browser.ballot(&id, json!({ "decision": "approve" })).await;
    let assertion = browser.passkey.assert(&challenge);
    assert_eq!(browser.vote(&other, &ballot, &assertion).await.problem().1, unknown);
    // Other claims than those that were composed have another challenge.
    let tampered = browser.passkey.assert(&[9; 32]);
    let refused = browser.vote(&id, &ballot, &tampered).await;
    assert_eq!(refused.problem().1, "webauthn_challenge_mismatch");
    assert_eq!(browser.vote(&id, &ballot, &assertion).await.problem().1, unknown);
    // What was signed to approve declines nothing.
    let (approval, challenge) = browser.ballot(&id, json!({ "decision": "approve" })).await;
    let (refusal, _) = browser
        .ballot(&id, json!({ "decision": "decline", "reason": "no" }))
        .await;
    let assertion = browser.passkey.assert(&challenge);
    let refused = browser.vote(&id, &refusal, &assertion).await;
    assert_eq!(refused.problem().1, "webauthn_challenge_mismatch");
    assert_eq!(browser.vote(&id, &approval, &assertion).await.ok()["state"], "approved");
    let again = browser
        .post(&format!("/requests/{id}/ballot"), &json!({ "decision": "maybe" }))
        .await;
    assert_eq!(again.problem().1, "request_malformed");
}

#[tokio::test]
async fn a_stolen_cookie_reads_and_decides_nothing() {
    let fixture = Fixture::new().await;
    let mut browser = Browser::of_maya(&fixture).await;
    browser.sign_in().await;
    let id = waiting(&fixture).await;
    let stranger = authenticator(&fixture).with_key(FixtureKey::STRANGER, b"a passkey of nobody");
    let mut thief = Browser::with(&fixture, stranger);
    thief.cookies = browser.cookies.clone();
    assert!(thief.is_in().await);
    let (ballot, challenge) = thief.ballot(&id, json!({ "decision": "approve" })).await;
    let refused = thief.vote(&id, &ballot, &thief.passkey.assert(&challenge)).await;
    assert_eq!(refused.problem().1, "webauthn_signature_invalid");
    assert_eq!(waiting_decision(&fixture).await, Decision::StepUp);
    let cookie = thief.cookies["actionpass-session"].clone();
    // Nor does a session that somebody else chose become one, before or by signing in.
    let mut victim = Browser::with(&fixture, authenticator(&fixture));
    victim
        .cookies
        .insert("actionpass-session".to_owned(), "chosen".to_owned());
    assert!(!victim.is_in().await);
    victim.sign_in().await;
    assert!(![&cookie, "chosen"].contains(&victim.cookies["actionpass-session"].as_str()));
}

#[tokio::test]
async fn whoever_is_removed_is_out_at_once() {
    let fixture = Fixture::new().await;
    let mut browser = Browser::of_maya(&fixture).await;
    browser.sign_in().await;
    let id = waiting(&fixture).await;
    let (ballot, challenge) = browser.ballot(&id, json!({ "decision": "approve" })).await;
    let revocation = NewRevocation {
        target: RevocationTarget::Key(browser.passkey.key().public_key().kid().clone()),
        reason: Statement::parse("left").unwrap(),
        revoked_by: Principal::parse("user:owner@example.com").unwrap(),
        compromised_since: None,
        expires_at: None,
    };
    fixture.gate.issuer.administrator().revoke(revocation).await.unwrap();
    assert!(!browser.is_in().await);
    let out = (401, "signed_out".to_owned());
    let refused = browser.vote(&id, &ballot, &browser.passkey.assert(&challenge)).await;
    assert_eq!(refused.problem(), out);
    assert_eq!(browser.get("/live").await.problem(), out);
    let challenge = browser.challenge().await;
    let refused = browser.enter(&browser.passkey.assert(&challenge)).await;
    assert_eq!(refused.problem().1, "sign_in_refused");
}

#[tokio::test]
async fn another_site_posts_nothing() {
    let fixture = Fixture::new().await;
    let mut browser = Browser::of_maya(&fixture).await;
    browser.sign_in().await;
    let id = waiting(&fixture).await;
    let (own, foreign) = (fixture.gate.front.origin.as_str().to_owned(), "https://evil.example");
    for path in [
        "/sign-in/challenge".to_owned(),
        "/sign-in".to_owned(),
        "/sign-out".to_owned(),
        "/enrol".to_owned(),
        "/enrol/invitation".to_owned(),
        format!("/requests/{id}/ballot"),
        format!("/requests/{id}/vote"),
    ] {
        for (origin, site) in [
            (Some(foreign), None),
            (Some("null"), None),
            (None, None),
            (Some(own.as_str()), Some("cross-site")),
            (Some(own.as_str()), Some("same-site")),
        ] {
            let mut post = Request::post(&path).header(header::CONTENT_TYPE, "application/json");
            if let Some(origin) = origin {
                post = post.header(header::ORIGIN, origin);
            }
            if let Some(site) = site {
                post = post.header("sec-fetch-site", site);
            }
            let answer = browser.send(post, Body::from("{}")).await;
            assert_eq!(answer.problem(), (403, "cross_site".to_owned()), "{path} {origin:?}");
        }
    }
    assert!(browser.is_in().await);
}

fn invitation(fixture: &Fixture) -> NewInvitation {
    let origins = vec![fixture.gate.front.origin.clone()];
    NewInvitation {
        principal: maya(),
        roles: vec![fixtures::maintainer()],
        tenants: Tenants::Only(vec![fixtures::tenant()]),
        party: RelyingParty::new(RpId::parse("localhost").unwrap(), origins).unwrap(),
    }
}

/// Invites Maya; the secret of the link.
pub(super) fn invited(fixture: &Fixture) -> InvitationSecret {
    let secret = InvitationSecret::from_random(&[5; 32]);
    Approvers::of(&fixture.gate.home.home)
        .invite(invitation(fixture), &secret, now())
        .unwrap();
    secret
}

/// What the page's script sends for a passkey that was made.
pub(super) fn registration(secret: &InvitationSecret, passkey: &Authenticator) -> Value {
    let registration = passkey.register(&secret.challenge());
    json!({
        "secret": secret.as_str(),
        "clientDataJSON": base64url(&registration.client_data_json),
        "attestationObject": base64url(&registration.attestation_object),
    })
}

#[tokio::test]
async fn an_invitation_registers_once_and_within_an_hour() {
    registers_once(Fixture::new().await).await;
}

pub(super) async fn registers_once(fixture: Fixture) {
    let home = &fixture.gate.home.home;
    let secret = invited(&fixture);
    let passkey = authenticator(&fixture);
    let mut browser = Browser::with(&fixture, passkey.clone());

    // A preview of the link gets nothing, and nothing is used up by it.
    let page = browser.get("/enrol").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(!text(&page).contains("maya"));
    let asked = json!({ "secret": secret.as_str() });
    let told = browser.post("/enrol/invitation", &asked).await.ok();
    assert_eq!(told["principal"], "user:maya@example.com");

    let registered = browser.post("/enrol", &registration(&secret, &passkey)).await.ok();
    let (code, kid) = (
        registered["code"].as_str().unwrap(),
        registered["kid"].as_str().unwrap(),
    );
    assert_eq!(code, &kid[..8]);
    let command = format!("actionpass approvers confirm user:maya@example.com {code}");
    assert_eq!(registered["command"], command);
    let confirmed = format!("/enrol/{kid}");
    assert_eq!(browser.get(&confirmed).await.ok()["confirmed"], false);

    // Whoever has the link as well comes too late.
    let thief = authenticator(&fixture).with_key(FixtureKey::STRANGER, b"a passkey of a thief");
    let unknown = "invitation_unknown";
    assert_eq!(
        browser.post("/enrol", &registration(&secret, &thief)).await.problem().1,
        unknown
    );
    assert_eq!(browser.post("/enrol/invitation", &asked).await.problem().1, unknown);

    // Nobody signs in with a passkey that waits.
    let challenge = browser.challenge().await;
    let refused = browser.enter(&passkey.assert(&challenge)).await;
    assert_eq!(refused.problem().1, "sign_in_refused");
    let administrator = fixture.gate.issuer.administrator();
    let (approvers, who) = (Approvers::of(home), maya());
    approvers.confirm(administrator, &who, code, now()).await.unwrap();
    assert_eq!(browser.get(&confirmed).await.ok()["confirmed"], true);
    browser.sign_in().await;

    let late = InvitationSecret::from_random(&[6; 32]);
    let hour_ago = Timestamp::from_unix_millis(now().unix_millis() - 3_600_000).unwrap();
    Approvers::of(home)
        .invite(invitation(&fixture), &late, hour_ago)
        .unwrap();
    assert_eq!(
        browser.post("/enrol", &registration(&late, &thief)).await.problem().1,
        unknown
    );
}

#[tokio::test]
async fn requests_of_others_look_unknown() {
    are_unknown_to_others(Fixture::new().await).await;
}

pub(super) async fn are_unknown_to_others(fixture: Fixture) {
    let id = waiting(&fixture).await;
    let keys = [FixtureKey::PASSKEY, FixtureKey::STRANGER];
    let owner = Approver::parse(Owner::parse("user:owner@example.com").unwrap().as_str()).unwrap();
    for (key, who, role) in [
        (keys[0], maya(), Role::parse("support").unwrap()),
        // The agent's own owner doesn't count.
        (keys[1], owner, fixtures::maintainer()),
    ] {
        let passkey = authenticator(&fixture).with_key(key, who.as_str().as_bytes());
        believe(&fixture, &passkey, who, vec![role]).await;
        let mut browser = Browser::with(&fixture, passkey);
        browser.sign_in().await;
        let there = browser.get(&format!("/requests/{id}")).await;
        let not_there = browser.get("/requests/req_00000000000000000000000000000000").await;
        assert_eq!((there.status, text(&there)), (StatusCode::NOT_FOUND, text(&not_there)));
        assert!(!text(&browser.get("/").await).contains(id.as_str()));
        let refused = browser
            .post(&format!("/requests/{id}/ballot"), &json!({ "decision": "approve" }))
            .await;
        assert_eq!(refused.problem().1, "request_unknown");
    }
}

#[tokio::test]
async fn texts_of_others_are_text() {
    let hostile = "<script>alert(1)</script>\" onload='x' </pre></main><!--";
    let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
    let fixture = Fixture::with_policy(&format!(
        "schema = \"actionpass.policy.v1\"\nid = \"p\"\n[[rule]]\nid = \"all\"\neffect = \"allow\"\nagent = \"agent:**\"\n\
         tool = \"**\"\nresource = \"**\"\n[[rule]]\nid = \"ask\"\neffect = \"step_up\"\nagent = \"agent:**\"\ntool = \"**\"\n\
         approvals = {{ count = 1 }}\nreason = \"{}\"\n",
        quoted(hostile)
    ))
    .await;
    let mut browser = Browser::of_maya(&fixture).await;
    browser.sign_in().await;
    let action = DEMO_ACTION
        .replace("repo:company/web-app", &quoted(&format!("repo:{hostile}")))
        .replace("AXT-418\",", "<b>AXT</b>\",")
        .replace("Open a pull request for AXT-418", &quoted(hostile))
        .replace("Fix the retry loop", &quoted(hostile))
        .replace("\"head\"", "\"<i>head</i>\"")
        .replace("agent:codex-prod", "agent:<u>x</u>")
        .replace("user:owner@example.com", "user:<s>y</s>");
    let id = ask_for(&fixture, &action).await.request.unwrap().id;
    let declined = json!({ "decision": "decline", "reason": hostile });
    let read = [browser.get("/").await, browser.get(&format!("/requests/{id}")).await];
    assert_eq!(browser.decide(&id, declined).await.status, StatusCode::OK);
    let ended = [
        browser.get("/history").await,
        browser.get(&format!("/requests/{id}")).await,
    ];
    let escaped = "&lt;script&gt;alert(1)&lt;/script&gt;";
    for page in read.iter().chain(&ended).map(text) {
        assert_eq!(page.matches("<script").count(), 1, "{page}");
        assert_eq!(page.matches("</main>").count(), 1);
        for markup in ["<b>", "<i>", "<u>", "<s>", "\" onload", "<!--"] {
            assert!(!page.contains(markup), "{markup}: {page}");
        }
        assert!(page.contains(escaped));
    }
}

#[tokio::test]
async fn a_payload_of_almost_a_mebibyte_is_folded_and_whole() {
    let fixture = Fixture::with_policy(
        "schema = \"actionpass.policy.v1\"\nid = \"p\"\n[[rule]]\nid = \"all\"\neffect = \"allow\"\nagent = \"agent:**\"\n\
         tool = \"**\"\nresource = \"**\"\n[[rule]]\nid = \"ask\"\neffect = \"step_up\"\nagent = \"agent:**\"\ntool = \"**\"\n\
         approvals = { count = 1 }\n",
    )
    .await;
    let mut browser = Browser::of_maya(&fixture).await;
    browser.sign_in().await;
    let long = "0123456789abcde ".repeat(65_000);
    let asked = ask_for(&fixture, &DEMO_ACTION.replace("Fix the retry loop", &long)).await;
    let id = asked.request.unwrap().id;
    let page = text(&browser.get(&format!("/requests/{id}")).await);
    assert!(page.contains("<details class=\"ap-fold\">"));
    assert_eq!(page.matches("0123456789abcde").count(), 65_000);
    assert!(page.rfind("id=\"approve\"") > page.rfind("0123456789abcde"));
    assert_eq!(
        browser.decide(&id, json!({ "decision": "approve" })).await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn answers_have_their_headers_and_are_small() {
    let fixture = Fixture::new().await;
    let mut browser = Browser::of_maya(&fixture).await;
    browser.sign_in().await;
    let id = waiting(&fixture).await;
    let path = format!("/requests/{id}");
    let page = browser.get(&path).await;
    let size = page.body.len() + SCRIPT.len() + STYLE.len();
    assert!(size < 30_000, "{size} bytes");
    for path in [
        path.as_str(),
        "/",
        "/history",
        "/enrol",
        "/page.js",
        "/page.css",
        "/icon.svg",
    ] {
        let answer = browser.get(path).await;
        assert_eq!(answer.status, StatusCode::OK);
        let header = |name: &str| answer.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(header("content-security-policy").unwrap(), super::POLICY);
        assert_eq!(header("x-content-type-options").unwrap(), "nosniff");
        assert_eq!(header("referrer-policy").unwrap(), "no-referrer");
        assert_eq!(header("cache-control").unwrap(), "no-store");
        assert_eq!(header("cross-origin-opener-policy").unwrap(), "same-origin");
        assert!(
            header("permissions-policy")
                .unwrap()
                .starts_with("publickey-credentials-get=(self)")
        );
        assert!(!text(&answer).contains("style=") && !text(&answer).contains("onclick="));
    }
    assert!(!super::POLICY.contains("unsafe"));
}

#[tokio::test]
async fn whoever_listens_hears_of_what_concerns_them() {
    use futures_util::StreamExt as _;
    let fixture = Fixture::new().await;
    let mut browser = Browser::of_maya(&fixture).await;
    browser.sign_in().await;
    let cookie = format!("actionpass-session={}", browser.cookies["actionpass-session"]);
    let request = Request::get("/live")
        .header(header::COOKIE, cookie)
        .body(Body::empty())
        .unwrap();
    let mut stream = fixture.stream(request).await.into_data_stream();
    let mut next = async || {
        let chunk = tokio::time::timeout(Duration::from_secs(10), stream.next()).await;
        String::from_utf8(chunk.unwrap().unwrap().unwrap().to_vec()).unwrap()
    };
    let told = next().await;
    assert_eq!(told, "event: waiting\ndata: {\"requests\":[],\"whole\":true}\n\n");
    let id = waiting(&fixture).await;
    let told = next().await;
    assert!(
        told.starts_with("event: request\n") && told.contains(id.as_str()),
        "{told}"
    );
    assert!(
        told.contains("\"state\":\"pending\"") && told.contains("\"open\":true"),
        "{told}"
    );
    browser
        .decide(&id, json!({ "decision": "decline", "reason": "no" }))
        .await
        .ok();
    let told = next().await;
    assert!(
        told.contains("\"state\":\"declined\"") && told.contains("\"open\":false"),
        "{told}"
    );
}
