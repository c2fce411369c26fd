//! The conformance suite on keys in OpenSSH's agent: every algorithm.
#![expect(clippy::unwrap_used, reason = "a test that can not go on fails")]

use std::sync::{Arc, OnceLock};

use actionpass_crypto::{Algorithm, Signer, signer_conformance};
use actionpass_custody::{Custodian, KeyUri, NoSecrets};
use actionpass_servers::ssh_agent::SshAgent as Server;
use actionpass_ssh_agent::SshAgent;

/// One key for each algorithm; each test opens it anew.
fn signer(algorithm: Algorithm) -> Arc<dyn Signer> {
    static SERVER: OnceLock<Server> = OnceLock::new();
    let server = SERVER.get_or_init(|| {
        let server = Server::start();
        server.make_key("es256", &["ecdsa", "-b", "256"], "ES256");
        server.make_key("es384", &["ecdsa", "-b", "384"], "ES384");
        server.make_key("ed25519", &["ed25519"], "Ed25519");
        server
    });
    let custodian = SshAgent::new().with_socket(server.socket());
    let uri = KeyUri::parse(&format!("ssh-agent:{algorithm}")).unwrap();
    let key = custodian.open(&uri, &NoSecrets).unwrap();
    assert_eq!(key.signer.public_key().algorithm(), algorithm);
    key.signer
}

signer_conformance!(es256, || signer(Algorithm::Es256));
signer_conformance!(es384, || signer(Algorithm::Es384));
signer_conformance!(ed25519, || signer(Algorithm::Ed25519));
