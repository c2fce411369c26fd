//! The conformance suites on OpenSSH's agent: the custodian, and keys of every algorithm.

use std::sync::OnceLock;

use actionpass_custody::conformance::Subject;
use actionpass_custody::{KeyUri, custodian_conformance};
use actionpass_servers::ssh_agent::SshAgent as Server;
use actionpass_ssh_agent::SshAgent;

fn subject() -> Subject {
    static SERVER: OnceLock<Server> = OnceLock::new();
    let server = SERVER.get_or_init(|| {
        let server = Server::start();
        server.make_key("es256", &["ecdsa", "-b", "256"], "ES256");
        server.make_key("es384", &["ecdsa", "-b", "384"], "ES384");
        server.make_key("ed25519", &["ed25519"], "Ed25519");
        server
    });
    Subject::new(SshAgent::new().with_socket(server.socket()), "ssh-agent:nobody")
        .holding(|algorithm| KeyUri::new("ssh-agent", algorithm.as_str()))
        .refusing(["ssh-agent:ES256?passphrase=1234", "ssh-agent:ES256?colour=red"])
}

custodian_conformance!(openssh, subject, es256: Es256, es384: Es384, ed25519: Ed25519);
