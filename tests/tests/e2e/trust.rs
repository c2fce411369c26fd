//! The trust store as a file that people write, hand on and come back to.

use serde_json::{Value, json};

use crate::action::{ALLOW, read};
use crate::home::Home;

const TRUST: &str = "home/trust.json";

fn trust(home: &Home) -> Value {
    read(home, TRUST)
}

/// Whoever sorts the file's members or pretty-prints it has changed nothing, for issuer and executor.
#[test]
fn a_file_that_is_spelt_otherwise_is_the_same_trust_store() {
    let home = Home::new();
    let pass = home.pass(ALLOW);
    let digest = |home: &Home| home.run(["trust", "check"]).exits(0).json()["digest"].take();
    let (before, value, text) = (digest(&home), trust(&home), home.read(TRUST));
    // Without white space, and every member in the order of its name.
    home.write(TRUST, value.to_string());
    assert_ne!(home.read(TRUST), text);
    assert!(value.to_string().find("\"keys\"") < value.to_string().find("\"schema\""));
    assert_eq!(digest(&home), before);
    assert_eq!(home.decisions().last().unwrap()["trust"]["digest"], before);
    home.run(["doctor"]).exits(0);
    home.pass(ALLOW);
    home.run(["verify", "--token", &pass, "--action", ALLOW, "--consume"])
        .exits(0);

    let mut other = value;
    other["expiresAt"] = json!("2126-01-01T00:00:00.000Z");
    home.write(TRUST, other.to_string());
    home.run(["authorize", "--action", ALLOW])
        .fails(26, "trust_rolled_back");
}
