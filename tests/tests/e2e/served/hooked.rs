//! Webhooks of the service to a receiver over TLS, whose certificate is of an authority of the test, verified there by the
//! library of Standard Webhooks for JavaScript.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver as Lines, channel};
use std::time::Duration;

use base64ct::{Base64, Encoding as _};
use serde_json::{Value, json};

use super::{ALL_RIGHTS, Served, client, serve};
use crate::action::{self, STEP_UP};
use crate::home::Home;
use crate::program::root;

/// An authority and a certificate of it for localhost, in files of this folder: `ca.pem`, `leaf.pem`, `leaf.key`.
fn certify(folder: &Path) {
    let script = r#"
        set -e
        printf '[req]\ndistinguished_name=dn\nx509_extensions=x\n[dn]\n[x]\nbasicConstraints=critical,CA:TRUE\n' > ca.cnf
        printf 'subjectAltName=DNS:localhost\nbasicConstraints=critical,CA:FALSE\n' > leaf.cnf
        new="-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
        openssl req -x509 $new -days 1 -subj /CN=authority -config ca.cnf -keyout ca.key -out ca.pem
        openssl req $new -subj /CN=receiver -config ca.cnf -keyout leaf.key -out leaf.csr
        openssl x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 1 -extfile leaf.cnf -out leaf.pem
    "#;
    let made = Command::new("sh")
        .args(["-c", script])
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

/// The receiver, until this is dropped.
struct Receiver {
    child: Child,
    port: u16,
    posted: Lines<Value>,
}

impl Receiver {
    fn start(folder: &Path, secret: &str) -> Self {
        let packages = std::env::var_os("ACTIONPASS_NODE_DEPS")
            .map_or_else(|| root().join("target/deps/node"), PathBuf::from)
            .join("node_modules");
        assert!(
            packages.join("standardwebhooks").is_dir(),
            "npm `standardwebhooks` is missing; `cargo xtask test` installs it"
        );
        // Packages are looked up from where the script is.
        std::os::unix::fs::symlink(packages, folder.join("node_modules")).unwrap();
        std::fs::copy(root().join("tests/interop/receive.mjs"), folder.join("receive.mjs")).unwrap();
        let mut child = Command::new("node")
            .args(["receive.mjs", "leaf.pem", "leaf.key", secret])
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap())
            .lines()
            .map_while(Result::ok);
        let port = lines.next().unwrap().parse().unwrap();
        let (sender, posted) = channel();
        std::thread::spawn(move || {
            for line in lines {
                if sender.send(serde_json::from_str(&line).unwrap()).is_err() {
                    return;
                }
            }
        });
        Self { child, port, posted }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[test]
fn a_receiver_with_an_authority_of_its_own_believes_what_is_sent_and_no_change_of_it() {
    let home = Home::with_maintainer();
    let folder = tempfile::tempdir().unwrap();
    certify(folder.path());
    std::fs::copy(folder.path().join("ca.pem"), home.path("home/authority.pem")).unwrap();
    let secret = format!("whsec_{}", Base64::encode_string(&[9; 32]));
    let receiver = Receiver::start(folder.path(), &secret);

    let config = home.path("home/config.toml");
    let mut text = std::fs::read_to_string(&config).unwrap();
    for (name, more) in [
        ("hook", "ca = 'authority.pem'"),
        // Nobody believes its certificate but by that authority.
        ("untrusted", ""),
        ("moved", "ca = 'authority.pem'"),
        // It is on this machine, which nothing permits.
        ("inside", "ca = 'authority.pem'\nnetworks = ['10.0.0.0/8']"),
    ] {
        let networks = if more.contains("networks") {
            ""
        } else {
            "networks = ['127.0.0.0/8', '::1/128']"
        };
        text.push_str(&format!(
            "\n[[webhook]]\nname = '{name}'\nurl = 'https://localhost:{}/{name}'\nsecret = 'env:SECRET'\n{networks}\n{more}\n",
            receiver.port
        ));
    }
    std::fs::write(&config, text).unwrap();
    let token = client(&home, "agent", ALL_RIGHTS);
    let mut command = serve(&home);
    command.env("SECRET", &secret);
    // Nobody listens there: whoever goes by the environment gets nowhere.
    for variable in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "HTTP_PROXY"] {
        command.env(variable, "http://127.0.0.1:1");
    }
    let served = Served::start_by(&mut command, &token);
    let asked = served.post("/v1/authorize", &json!({ "action": action::read(&home, STEP_UP) }));
    let id = asked.body["request"]["id"].as_str().unwrap();

    // The one that moved is tried until something else is seen to work: three attempts without a redirect followed.
    let mut posted: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    while posted.get("/moved").map_or(0, Vec::len) < 3 || !posted.contains_key("/hook") {
        let told = receiver.posted.recv_timeout(Duration::from_secs(30)).unwrap();
        posted
            .entry(told["path"].as_str().unwrap().to_owned())
            .or_default()
            .push(told);
    }
    assert_eq!(posted.keys().collect::<Vec<_>>(), ["/hook", "/moved"]);
    let [hook] = posted["/hook"].as_slice() else {
        panic!("{posted:?}")
    };
    assert_eq!(
        (&hook["read"]["type"], &hook["read"]["data"]["request"]),
        (&json!("request.opened"), &json!(id)),
        "{hook}"
    );
    let refused = json!({ "body": true, "space": true, "id": true, "time": true, "secret": true });
    assert_eq!(hook["refused"], refused);
}

#[test]
fn an_authority_that_cannot_be_read_is_said_before_it_serves() {
    let home = Home::with_maintainer();
    let config = home.path("home/config.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let hook = "[[webhook]]\nname = 'x'\nurl = 'https://h.example/'\nformat = 'slack'\nca = 'none.pem'\n";
    std::fs::write(&config, format!("{text}\n{hook}")).unwrap();
    assert_eq!(
        home.run(["serve", "--listen", "127.0.0.1:0"]).exits(2).code(),
        "ca_unusable"
    );
    std::fs::write(home.path("home/none.pem"), "no certificate").unwrap();
    assert_eq!(
        home.run(["serve", "--listen", "127.0.0.1:0"]).exits(2).code(),
        "ca_unusable"
    );
}
