//! What the log must never hold: secrets of custodians, tokens, payloads; whatever the custodian, at the finest level.

use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::Value;

use crate::action::{ALLOW, STEP_UP};
use crate::home::{Home, MAINTAINER, key_file};

/// The variable that says what is logged.
pub(crate) const VARIABLE: &str = "ACTIONPASS_LOG";

/// These variables, and one that has everything logged: from then on each run of the home is searched.
pub(crate) fn at_trace(mut environment: Vec<(String, String)>) -> Vec<(String, String)> {
    environment.push((VARIABLE.to_owned(), "trace".to_owned()));
    environment
}

/// Panics if the log of a run holds a secret that the command was given, a token, or text of a payload.
#[track_caller]
pub(crate) fn refuse_in(home: &Home, environment: &[(String, String)], log: &str) {
    if !environment.iter().any(|(name, _)| name == VARIABLE) {
        return;
    }
    for secret in secrets(environment).into_iter().chain(payloads(home)) {
        assert!(!log.contains(&secret), "`{secret}` is in the log: {log}");
    }
    assert_eq!(token(log), None, "a token is in the log");
    // Clients of custodians log requests with their headers.
    for line in log.lines().filter(|line| is_event(line)) {
        assert!(line.contains(" actionpass"), "somebody else is in the log: {line}");
    }
}

/// Whether a line is an event: it starts with a time.
fn is_event(line: &str) -> bool {
    line.starts_with("20") && line.find("Z ").is_some_and(|end| end < 32)
}

fn secrets(environment: &[(String, String)]) -> Vec<String> {
    let is_secret = |name: &str| {
        ["PIN", "TOKEN", "SECRET_ACCESS_KEY", "PASSPHRASE"]
            .iter()
            .any(|end| name.ends_with(end))
    };
    let secrets = environment.iter().filter(|(name, _)| is_secret(name));
    secrets.map(|(_, value)| value.clone()).collect()
}

/// The longer texts of the example payloads.
fn payloads(home: &Home) -> Vec<String> {
    let mut texts = Vec::new();
    for action in [ALLOW, STEP_UP] {
        let action = std::fs::read_to_string(home.path(action)).unwrap_or_default();
        let action: Value = serde_json::from_str(&action).unwrap_or_default();
        if let Some(members) = action.pointer("/capability/payload").and_then(Value::as_object) {
            let long = |text: &&str| text.len() > 12 && text.contains(' ');
            texts.extend(
                members
                    .values()
                    .filter_map(Value::as_str)
                    .filter(long)
                    .map(ToOwned::to_owned),
            );
        }
    }
    texts
}

/// A compact JWS: three parts, the first of which is base64url of a JSON object.
fn token(text: &str) -> Option<&str> {
    let is_part = |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character);
    text.split(|character| !is_part(character)).find(|word| {
        let mut parts = word.split('.');
        let head = parts.next().unwrap_or_default();
        parts.clone().count() == 2
            && parts.all(|part| part.len() >= 8)
            && Base64UrlUnpadded::decode_vec(head).is_ok_and(|head| head.starts_with(b"{"))
    })
}

/// That the search finds what it looks for.
#[test]
fn what_must_not_be_logged_is_found() {
    let home = Home::new();
    let environment = at_trace(vec![("VAULT_TOKEN".to_owned(), "s.hidden".to_owned())]);
    let pass = home.run(["authorize", "--action", ALLOW]).exits(0).json()["pass"]["token"].clone();
    let payload = payloads(&home)
        .into_iter()
        .next()
        .expect("an example has text in its payload");
    let event = "2026-11-28T18:24:29.312712Z DEBUG ureq: GET";
    for bad in [
        "X-Vault-Token: s.hidden",
        pass.as_str().unwrap(),
        payload.as_str(),
        event,
    ] {
        let found = std::panic::catch_unwind(|| refuse_in(&home, &environment, bad));
        assert!(found.is_err(), "{bad}");
    }
    refuse_in(
        &home,
        &environment,
        "2026-11-28T18:24:29.312712Z  INFO actionpass_core::log: decided",
    );
}

/// A person's passphrase, an approval and a pass: decisions are logged, and none of the three.
#[test]
fn a_whole_story_at_trace() {
    let mut home = Home::none();
    home.set_environment(at_trace(vec![(
        "ACTIONPASS_PASSPHRASE".to_owned(),
        "correct horse battery".to_owned(),
    )]));
    home.run(["init", "--issuer", "https://issuer.example", "--encrypt"])
        .exits(0);
    home.approver(MAINTAINER, &["maintainer"]).exits(0);
    let key = key_file(MAINTAINER);
    let approved = home.run([
        "approve", "--action", STEP_UP, "--key", &key, "--as", MAINTAINER, "--yes", "--reason", "read it",
    ]);
    let approval = home.write("approval.jwt", approved.exits(0).json()["token"].as_str().unwrap());
    let decided = home
        .run(["authorize", "--action", STEP_UP, "--approval", &approval])
        .exits(0);
    assert!(
        decided.stderr.contains("actionpass_core::log: decided decision=allow"),
        "{}",
        decided.stderr
    );
    let pass = home.write_pass(&decided);
    home.run(["verify", "--token", &pass, "--action", STEP_UP, "--consume"])
        .exits(0);
    home.run(["verify", "--token", &pass, "--action", STEP_UP, "--consume"])
        .refuses(24, &["already_used"]);
    home.run(["keys", "rotate"]).exits(0);
    home.run(["revoke", "principal", "agent:rogue", "--reason", "left"])
        .exits(0);
    home.run(["ledger", "verify"]).exits(0);
    // A filter that isn't one is a fault of whoever set it.
    home.set_environment(vec![(VARIABLE.to_owned(), "actionpass=loud".to_owned())]);
    home.run(["doctor"]).fails(2, "usage_invalid");
}
