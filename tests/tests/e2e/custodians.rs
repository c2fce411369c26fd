//! Every custodian from the command line: another one is another line of configuration, and one that fails yields no pass.

use actionpass_servers::moto::Moto;
use actionpass_servers::openbao::OpenBao;
use actionpass_servers::softhsm::{PIN, SoftHsm};
use actionpass_servers::ssh_agent::SshAgent;
use actionpass_servers::swtpm::SwTpm;
use serde_json::{Value, json};

use crate::action::{ALLOW, STEP_UP};
use crate::home::{Home, ISSUER, MAINTAINER, Ran};
use crate::log::at_trace;
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
    /// It is back.
    fn restart(&mut self);
    /// Whether it comes back with its keys.
    fn keeps_keys(&self) -> bool {
        true
    }
}

/// Writes the one line that says which key signs.
pub(crate) fn sign_with(home: &Home, uri: &str) {
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
    home.set_environment(at_trace(running.environment()));
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
    if !running.keeps_keys() {
        // Nothing is made in the place of what is gone, unless somebody says so.
        authorize(&home).fails(40, "custodian_key_missing");
        home.run(["keys", "rotate", "--key", &running.place()]).exits(0);
        authorize(&home).exits(0);
        return;
    }
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

impl Running for Moto {
    fn environment(&self) -> Vec<(String, String)> {
        [
            ("AWS_ENDPOINT_URL", self.endpoint().as_str()),
            ("AWS_REGION", "eu-west-1"),
            ("AWS_ACCESS_KEY_ID", "testing"),
            ("AWS_SECRET_ACCESS_KEY", "any-secret-will-do"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    fn place(&self) -> String {
        "awskms:alias/pass?message=raw".to_owned()
    }

    fn kill(&mut self) {
        Self::kill(self);
    }

    fn restart(&mut self) {
        Self::restart(self);
    }

    fn keeps_keys(&self) -> bool {
        false
    }
}

#[test]
fn aws_kms() {
    whole_life(&mut Moto::start());
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

/// The key that a person already has approves.
#[test]
fn ssh_agent() {
    let mut agent = SshAgent::start();
    let fingerprint = agent.make_key("id", &["ecdsa"], "maintainer");
    let uri = format!("ssh-agent:{fingerprint}");

    let mut home = Home::new();
    home.set_environment(at_trace(vec![(
        "SSH_AUTH_SOCK".to_owned(),
        agent.socket().display().to_string(),
    )]));
    let purpose = ["--use", "approval", "--principal", MAINTAINER, "--role", "maintainer"];
    home.run([&["keys", "import", &uri], &purpose[..]].concat()).exits(0);
    let approve = |home: &Home, reason: &str| {
        let who = [
            "approve", "--action", STEP_UP, "--key", &uri, "--as", MAINTAINER, "--yes", "--reason",
        ];
        home.run([&who, &[reason][..]].concat())
    };
    let approved = approve(&home, "read it").exits(0).json();
    let approval = home.write("approval.jwt", approved["token"].as_str().unwrap());
    home.run(["authorize", "--action", STEP_UP, "--approval", &approval])
        .exits(0);
    // It may sign passes as well, from another key.
    let issuer = format!("ssh-agent:{}", agent.make_key("issuer", &["ecdsa"], "issuer"));
    home.run(["keys", "import", &issuer]).exits(0);
    sign_with(&home, &issuer);
    let decided = home.run(["authorize", "--action", ALLOW]).exits(0);
    holds(&home, &decided);
    // An agent makes no keys.
    home.run(["keys", "new", "--key", &uri])
        .fails(40, "custodian_generates_none");

    agent.kill();
    approve(&home, "again").fails(40, "custodian_unavailable");
    home.run(["authorize", "--action", ALLOW])
        .fails(40, "custodian_unavailable");
    agent.restart();
    approve(&home, "again").fails(40, "custodian_key_missing");
    agent.add("id", &[]);
    approve(&home, "again").exits(0);
}
