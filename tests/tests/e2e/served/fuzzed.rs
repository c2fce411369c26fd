//! The service under schemathesis (PyPI): every operation of `openapi.json`, with questions that fit its schemas and questions
//! that don't.

use std::process::Command;

use super::{ALL_RIGHTS, Served, client};
use crate::home::Home;

/// The same questions each time.
const SEED: &str = "20261129";
/// Checks that are left out, and why.
const LEFT_OUT: &[(&str, &str)] = &[(
    "positive_data_acceptance",
    "what fits a schema may be refused: a tenant that isn't served, a call neither as an action nor in parts, an issuer of a key",
)];
/// Operations that are left out: a stream of events has no end, so that whoever waits for it waits in vain.
const ENDLESS: &str = "events$";

/// Questions for each operation.
fn examples() -> &'static str {
    match std::env::var_os("ACTIONPASS_LONG") {
        Some(_) => "200",
        None => "50",
    }
}

fn run(home: &Home, served: &Served, token: &str) -> (bool, String) {
    let python = std::env::var_os("ACTIONPASS_PYTHON").expect("`cargo xtask test` installs Python's packages");
    let options = format!(
        "--checks all --phases examples,coverage,fuzzing --continue-on-failure --max-examples {} --seed {SEED} --workers 1 \
         --no-shrink --request-timeout 20 --suppress-health-check all --exclude-path-regex {ENDLESS}",
        examples()
    );
    let mut command = Command::new(python);
    command
        .args(["-m", "schemathesis.cli", "run"])
        .arg(format!("{}/openapi.json", served.url()))
        .args(options.split(' '))
        // What it keeps between runs goes away with the home.
        .current_dir(home.path("."))
        .arg("--header")
        .arg(format!("Authorization: Bearer {token}"));
    if !LEFT_OUT.is_empty() {
        let names: Vec<&str> = LEFT_OUT.iter().map(|(name, _)| *name).collect();
        command.args(["--exclude-checks", &names.join(",")]);
    }
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.success(), said)
}

#[test]
fn a_client_with_all_rights_gets_what_the_document_says() {
    let home = Home::with_maintainer();
    let token = client(&home, "all", ALL_RIGHTS);
    let served = Served::start(&home, &token);
    let (is_fine, said) = run(&home, &served, &token);
    assert!(is_fine, "{said}");
    drop(served);
    home.run(["ledger", "verify"]).exits(0);
}

#[test]
fn a_client_with_no_rights_gets_nothing_and_leaves_no_record() {
    let home = Home::with_maintainer();
    let token = client(&home, "none", "verify");
    let clients = home.read("home/clients.toml");
    assert!(clients.contains("may = [\"verify\"]"), "{clients}");
    home.write_secret("home/clients.toml", clients.replace("may = [\"verify\"]", "may = []"));
    let before = home.records().len();
    let served = Served::start(&home, &token);
    let (is_fine, said) = run(&home, &served, &token);
    assert!(is_fine, "{said}");
    drop(served);
    assert_eq!(home.records().len(), before);
}
