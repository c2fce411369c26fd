use actionpass_core::{Clock as _, System};
use actionpass_home::{Approvers, Client, InvitationSecret, NewInvitation, Patterns, Right};
use actionpass_model::{Approver, Tenant, Tenants};
use actionpass_testkit::Authenticator;
use actionpass_testkit::fixtures::{self, FixtureKey};
use serde_json::json;

use crate::testing::{Fixture, everything};

/// Invites somebody for these tenants, by a secret of its own; the code of the passkey that they register, if they do.
fn invite(fixture: &Fixture, who: &str, tenants: Tenants, passkey: Option<FixtureKey>) -> Option<String> {
    let authenticator = Authenticator::new().on_page(fixture.gate.front.origin.as_str(), "localhost");
    let approvers = Approvers::of(&fixture.gate.home.home);
    let (now, secret) = (
        System.now().unwrap(),
        InvitationSecret::from_random(actionpass_canon::sha256(who.as_bytes()).as_bytes()),
    );
    let invitation = NewInvitation {
        principal: Approver::parse(who).unwrap(),
        roles: vec![fixtures::maintainer()],
        tenants,
        party: authenticator.relying_party(),
    };
    approvers.invite(invitation, &secret, now).unwrap();
    let authenticator = authenticator.with_key(passkey?, who.as_bytes());
    let trust = fixture.gate.home.home.trust_snapshot().unwrap().document;
    let registration = authenticator.register(&secret.challenge());
    let waiting = approvers.register(&secret, &registration, &trust, now).unwrap();
    Some(waiting.code().to_owned())
}

fn administrator(tenant: &str) -> Client {
    let mut client = everything();
    client.may = vec![Right::Admin];
    client.tenants = Patterns::of_tenants(vec![tenant.to_owned()]).unwrap();
    client
}

#[tokio::test]
async fn g21_an_administrator_sees_and_confirms_approvers_of_its_tenants_only() {
    let fixture = Fixture::new().await;
    let only = |tenants: &[&str]| Tenants::Only(tenants.iter().map(|text| Tenant::parse(text).unwrap()).collect());
    invite(&fixture, "user:ann@example.com", only(&["org:example"]), None);
    invite(
        &fixture,
        "user:bob@example.com",
        only(&["org:example", "org:other"]),
        None,
    );
    let maya = "user:maya@example.com";
    let code = invite(&fixture, maya, only(&["org:example"]), Some(FixtureKey::STRANGER)).unwrap();
    let carl = "user:carl@example.com";
    let any = invite(&fixture, carl, Tenants::Any, Some(FixtureKey::SECOND_APPROVER)).unwrap();

    let own = administrator("org:example");
    let answer = fixture.get(&own, "/v1/approvers").await;
    let text = String::from_utf8(answer.body.clone()).unwrap();
    let list = answer.ok();
    assert_eq!(list["invitations"].as_array().unwrap().len(), 1, "{list}");
    assert_eq!(list["invitations"][0]["principal"], "user:ann@example.com");
    assert_eq!(list["waiting"].as_array().unwrap().len(), 1, "{list}");
    assert_eq!(list["waiting"][0]["principal"], maya);
    // Whoever confirms has to have talked to the passkey's owner.
    assert!(!text.contains(&code), "{text}");
    let all = fixture.get(&administrator("*"), "/v1/approvers").await.ok();
    assert_eq!(all["invitations"].as_array().unwrap().len(), 2, "{all}");
    assert_eq!(all["waiting"].as_array().unwrap().len(), 2, "{all}");

    let records = fixture.records().await;
    let confirm = |principal: &str, code: &str| json!({ "principal": principal, "code": code });
    let path = "/v1/approvers/confirm";
    let unknown = (404, "passkey_not_waiting".to_owned());
    for (client, body) in [
        (&administrator("org:other"), confirm(maya, &code)),
        (&own, confirm(carl, &any)),
        (&own, confirm(carl, &code)),
        (&own, confirm(maya, "AAAAAAAA")),
        (&own, confirm(maya, "")),
    ] {
        assert_eq!(fixture.post(client, path, &body).await.problem(), unknown, "{body}");
    }
    let mut powerless = everything();
    powerless.may.retain(|right| *right != Right::Admin);
    let forbidden = (403, "client_forbidden".to_owned());
    assert_eq!(
        fixture.post(&powerless, path, &confirm(maya, &code)).await.problem(),
        forbidden
    );
    assert_eq!(fixture.get(&powerless, "/v1/approvers").await.problem(), forbidden);
    for wrong in [
        json!({ "principal": maya }),
        json!({ "principal": "maya", "code": code }),
    ] {
        let refused = fixture.post(&own, path, &wrong).await.problem();
        assert_eq!(refused, (400, "request_malformed".to_owned()), "{wrong}");
    }
    assert_eq!(fixture.records().await, records);

    let confirmed = fixture.post(&own, path, &confirm(maya, &code)).await.ok();
    assert_eq!(confirmed["record"]["seq"], records);
    assert!(confirmed["kid"].as_str().unwrap().starts_with(&code), "{confirmed}");
    assert_eq!(confirmed["tenants"], json!(["org:example"]));
    assert_eq!(fixture.last_record().await["kind"], "key");
    let trust = fixture.get(&own, "/v1/trust").await.json();
    let keys = trust["keys"].as_array().unwrap();
    assert!(keys.iter().any(|key| key["kid"] == confirmed["kid"]), "{trust}");
    // Once.
    assert_eq!(fixture.post(&own, path, &confirm(maya, &code)).await.problem(), unknown);
}
