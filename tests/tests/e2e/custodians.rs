//! Every custodian from the command line: another one is another line of configuration, and one that fails yields no pass.

use actionpass_servers::openbao::OpenBao;
use actionpass_servers::softhsm::{PIN, SoftHsm};
use actionpass_servers::swtpm::SwTpm;
use serde_json::{Value, json};

use crate::action::ALLOW;
use crate::home::{Home, ISSUER, Ran};
use crate::other_languages::{Language, command, run};
use crate::program::root;

/// A custodian that runs here, and what a user has to know of it.
trait Running {
    /// The variables that its own tools read.
    fn environment(&self) -> Vec<(String, String)>;
    /// Where a key is made.
    fn place(&self) -> String;
    /// It is gone, as after `kill -9`.
    fn kill(&mut self);
    /// It is back, with its keys.
    fn restart(&mut self);
}

/// Writes the one line that says which key signs.
fn sign_with(home: &Home, uri: &str) {
    let config = home.read("home/config.toml");
    let line = config.lines().find(|line| line.starts_with("key = ")).unwrap();
    home.write(
        "home/config.toml",
        config.replace(line, &format!("key = {}", json!(uri))),
    );
}

/// The pass of a decision holds for our verifier and for npm `jose`.
fn holds(home: &Home, decided: &Ran) {
    let pass = home.write_pass(decided);
    home.verify(&pass, ALLOW).exits(0);
    let recipe = root().join("docs/howto/verify-a-pass/verify.mjs");
    let mut node = command(Language::Node, &recipe).expect("`cargo xtask test` installs node and jose");
    let keys = home.run(["keys", "export", "--jwks"]).exits(0).json()["jwks"].to_string();
    let action: Value = serde_json::from_str(&home.read(ALLOW)).unwrap();
    let capability = &action["capability"];
    let payload = home.write("payload.json", capability["payload"].to_string());
    let tool = capability["tool"].as_str().unwrap();
    node.arg(home.path(&pass))
        .arg(home.path(&home.write("keys.json", keys)));
    node.arg(home.path(&payload));
    // A tool that stands in no audience is its own.
    node.args([ISSUER, tool, action["tenant"].as_str().unwrap(), tool]);
    let output = run(node.arg(capability["resource"].as_str().unwrap()));
    assert!(output.status.success(), "{output:?}");
}

/// Made, believed, named in the configuration, used, lost, found again, rotated.
fn whole_life(running: &mut dyn Running) {
    let mut home = Home::new();
    home.set_environment(running.environment());
    let authorize = |home: &Home| home.run(["authorize", "--action", ALLOW]);

    let made = home.run(["keys", "new", "--key", &running.place()]).exits(0).json();
    let (uri, kid) = (made["key"].as_str().unwrap().to_owned(), made["kid"].clone());
    sign_with(&home, &uri);
    home.run(["keys", "check"]).exits(0);
    home.run(["doctor"]).exits(0);
    let first = authorize(&home).exits(0);
    holds(&home, &first);
    assert_eq!(home.decisions().last().unwrap()["pass"]["kid"], kid);
    // The same key under its exact name is there already; nothing is made in its place.
    let missing = home.run(["keys", "import", &uri]);
    assert_eq!(missing.code(), "key_exists", "{missing:?}");

    let before = home.records().len();
    running.kill();
    let down = authorize(&home).fails(40, "custodian_unavailable");
    assert!(down.json().get("pass").is_none(), "{down:?}");
    // Whatever was written is whole, and none of it is a pass.
    for record in home.records().iter().skip(before) {
        assert!(record["body"].get("pass").is_none(), "{record}");
    }
    running.restart();
    let again = authorize(&home).exits(0);
    holds(&home, &again);

    let rotated = home.run(["keys", "rotate", "--reason", "yearly"]).exits(0).json();
    assert_ne!(rotated["kid"], kid);
    assert_eq!(rotated["retired"], kid);
    let pass = home.write_pass(&first);
    home.verify(&pass, ALLOW).exits(0);
    let after = authorize(&home).exits(0);
    holds(&home, &after);
    assert_eq!(home.decisions().last().unwrap()["pass"]["kid"], rotated["kid"]);
    sign_with(&home, &uri);
    authorize(&home).fails(40, "signing_key_superseded");
}

impl Running for SoftHsm {
    fn environment(&self) -> Vec<(String, String)> {
        vec![
            ("SOFTHSM2_CONF".to_owned(), self.settings().display().to_string()),
            (
                "ACTIONPASS_PKCS11_MODULE".to_owned(),
                self.module().display().to_string(),
            ),
            ("ACTIONPASS_PKCS11_PIN".to_owned(), PIN.to_owned()),
        ]
    }

    fn place(&self) -> String {
        "pkcs11:token=prod;object=pass".to_owned()
    }

    fn kill(&mut self) {
        Self::kill(self);
    }

    fn restart(&mut self) {
        Self::restart(self);
    }
}

#[test]
fn pkcs11() {
    whole_life(&mut SoftHsm::start(&["prod"]));
}

impl Running for OpenBao {
    fn environment(&self) -> Vec<(String, String)> {
        vec![
            ("VAULT_ADDR".to_owned(), self.address()),
            ("VAULT_TOKEN".to_owned(), self.root_token().to_owned()),
        ]
    }

    fn place(&self) -> String {
        "vault:transit/pass".to_owned()
    }

    fn kill(&mut self) {
        Self::kill(self);
    }

    fn restart(&mut self) {
        Self::restart(self);
    }
}

#[test]
fn vault() {
    whole_life(&mut OpenBao::start());
}

impl Running for SwTpm {
    fn environment(&self) -> Vec<(String, String)> {
        vec![("TPM2TOOLS_TCTI".to_owned(), self.tcti())]
    }

    fn place(&self) -> String {
        "tpm:0x81010001".to_owned()
    }

    fn kill(&mut self) {
        Self::kill(self);
    }

    fn restart(&mut self) {
        Self::restart(self);
    }
}

#[test]
fn tpm() {
    whole_life(&mut SwTpm::start());
}
