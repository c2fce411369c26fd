//! Which key a URI opens, and agents that are locked, killed, silent, wrong, or ask a person.
#![expect(clippy::unwrap_used, reason = "a test that can not go on fails")]

use std::error::Error;
use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use actionpass_crypto::conformance::{block_on, signatures_verify};
use actionpass_crypto::{SignCode, Signer};
use actionpass_custody::conformance::{every_wait_ends, sign};
use actionpass_custody::{Custodian, CustodianError, KeyUri, NoSecrets, OpenKey, Timeouts};
use actionpass_servers::Folder;
use actionpass_servers::ssh_agent::SshAgent as Server;
use actionpass_ssh_agent::SshAgent;

const P256: &[&str] = &["ecdsa", "-b", "256"];

fn open(socket: &Path, name: &str) -> Result<OpenKey, CustodianError> {
    let uri = KeyUri::parse(&format!("ssh-agent:{name}")).unwrap();
    SshAgent::new().with_socket(socket).open(&uri, &NoSecrets)
}

fn refusal(socket: &Path, name: &str) -> String {
    open(socket, name).unwrap_err().code().to_string()
}

/// What a signer says, and that it says so within two seconds.
fn fails(signer: &dyn Signer) -> SignCode {
    let start = Instant::now();
    let code = sign(signer).unwrap_err().code();
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    code
}

#[test]
fn keys_open_by_fingerprint_and_by_a_comment_of_their_own() {
    let server = Server::start();
    let socket = server.socket();
    let fingerprint = server.make_key("one", P256, "maria@laptop");
    server.make_key("two", &["ed25519"], "somebody else");
    let by_comment = open(&socket, "maria@laptop").unwrap();
    assert_eq!(by_comment.uri.as_str(), format!("ssh-agent:{fingerprint}"));
    let uri = format!("{fingerprint}?socket={}", socket.display());
    let exact = open(Path::new("/no/such/agent"), &uri).unwrap();
    assert_eq!(exact.uri.as_str(), format!("ssh-agent:{uri}"));
    assert_eq!(exact.signer.public_key(), by_comment.signer.public_key());
    block_on(signatures_verify(&*exact.signer));
    assert_eq!(refusal(&socket, "nobody"), "custodian_key_missing");
    // A character short of 32 bytes.
    assert_eq!(refusal(&socket, fingerprint.get(..49).unwrap()), "key_uri_malformed");
    server.make_key("three", P256, "maria@laptop");
    assert_eq!(refusal(&socket, "maria@laptop"), "custodian_key_ambiguous");
    assert!(open(&socket, &fingerprint).is_ok());
}

#[test]
fn certificates_are_passed_over_and_other_keys_refused() {
    let server = Server::start();
    let socket = server.socket();
    let fingerprint = server.make_key("one", P256, "maria");
    server.make_key("ca", &["ed25519"], "authority");
    server.certify("one", "ca");
    block_on(signatures_verify(&*open(&socket, "maria").unwrap().signer));
    block_on(signatures_verify(&*open(&socket, &fingerprint).unwrap().signer));
    server.make_key("rsa", &["rsa", "-b", "2048"], "rsa");
    server.make_key("p521", &["ecdsa", "-b", "521"], "p521");
    for name in ["rsa", "p521"] {
        let error = open(&socket, name).unwrap_err();
        assert_eq!(error.code(), "key_unsupported");
        assert!(
            error.source().unwrap().to_string().contains("P-256") || name == "rsa",
            "{error:?}"
        );
    }
}

#[test]
fn a_killed_agent_is_unavailable_until_it_is_back_with_the_key() {
    let mut server = Server::start();
    let fingerprint = server.make_key("one", P256, "maria");
    let signer = open(&server.socket(), &fingerprint).unwrap().signer;
    // More often than there are connections.
    for _ in 0..6 {
        sign(&*signer).unwrap();
    }
    server.kill();
    for _ in 0..6 {
        assert_eq!(fails(&*signer), SignCode::Unavailable);
    }
    assert_eq!(refusal(&server.socket(), &fingerprint), "custodian_unavailable");
    server.restart();
    // It is back, and doesn't have the key.
    assert_eq!(fails(&*signer), SignCode::Refused);
    server.add("one", &[]);
    for _ in 0..6 {
        sign(&*signer).unwrap();
    }
    // Started anew between two calls, it isn't even noticed.
    server.restart();
    server.add("one", &[]);
    for _ in 0..6 {
        sign(&*signer).unwrap();
    }
}

#[test]
fn a_locked_agent_refuses_and_lists_nothing() {
    let server = Server::start();
    let fingerprint = server.make_key("one", P256, "maria");
    let signer = open(&server.socket(), &fingerprint).unwrap().signer;
    server.lock();
    assert_eq!(fails(&*signer), SignCode::Refused);
    assert_eq!(refusal(&server.socket(), &fingerprint), "custodian_key_missing");
    server.unlock();
    sign(&*signer).unwrap();
    server.forget_keys();
    assert_eq!(fails(&*signer), SignCode::Refused);
}

#[test]
fn a_person_who_is_asked_decides() {
    let server = Server::start();
    let fingerprint = server.make_key("one", P256, "maria");
    server.forget_keys();
    server.add("one", &["-c"]);
    let signer = open(&server.socket(), &fingerprint).unwrap().signer;
    for yes in [false, true, false, true] {
        server.confirm(yes);
        if yes {
            sign(&*signer).unwrap();
        } else {
            assert_eq!(fails(&*signer), SignCode::Refused);
        }
    }
}

/// An agent that answers each message with whatever this makes of it, or not at all.
fn agent(answers: impl Fn(&[u8]) -> Option<Vec<u8>> + Send + Sync + 'static) -> (Folder, std::path::PathBuf) {
    let folder = Folder::new();
    let socket = folder.path().join("agent");
    let listener = UnixListener::bind(&socket).unwrap();
    let answers = Arc::new(answers);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, answers) = (stream.unwrap(), Arc::clone(&answers));
            thread::spawn(move || {
                loop {
                    let mut length = [0; 4];
                    if stream.read_exact(&mut length).is_err() {
                        return;
                    }
                    let mut message = vec![0; u32::from_be_bytes(length) as usize];
                    stream.read_exact(&mut message).unwrap();
                    if let Some(answer) = answers(&message) {
                        let _ = stream.write_all(&answer);
                    }
                }
            });
        }
    });
    (folder, socket)
}

fn strings(parts: &[&[u8]]) -> Vec<u8> {
    let framed = |part: &&[u8]| [&u32::try_from(part.len()).unwrap().to_be_bytes(), *part].concat();
    parts.iter().flat_map(framed).collect()
}

/// A list of one Ed25519 key, whose point is the base point, and whose comment is `k`.
fn list() -> Vec<u8> {
    let mut point = [0x66; 32];
    point[0] = 0x58;
    let blob = strings(&[b"ssh-ed25519", &point]);
    strings(&[&[&[12, 0, 0, 0, 1][..], &strings(&[&blob, b"k"])].concat()])
}

#[test]
fn an_agent_that_is_silent_is_not_waited_for_long() {
    let (_folder, silent) = agent(|_| None);
    let limit = Duration::from_millis(100);
    let custodian = SshAgent::new().with_timeouts(Timeouts::new().with_opening(limit));
    let uri = KeyUri::parse(&format!("ssh-agent:k?socket={}", silent.display())).unwrap();
    every_wait_ends(custodian, &uri, None, limit);

    let start = Instant::now();
    let (_folder, socket) = agent(|message| (message == [11]).then(list));
    let custodian = SshAgent::new()
        .with_timeouts(Timeouts::new().with_signing(limit))
        .with_socket(socket);
    let signer = custodian
        .open(&KeyUri::parse("ssh-agent:k").unwrap(), &NoSecrets)
        .unwrap()
        .signer;
    for _ in 0..6 {
        assert_eq!(fails(&*signer), SignCode::Unavailable);
    }
    assert!(start.elapsed() < Duration::from_secs(3));
}

#[test]
fn answers_that_are_wrong_are_refused() {
    let cases: [(Vec<u8>, SignCode); 7] = [
        (strings(&[&[5]]), SignCode::Refused),
        (strings(&[&[6]]), SignCode::Unavailable),
        (strings(&[&[]]), SignCode::Unavailable),
        (vec![0xFF; 4], SignCode::Unavailable),
        (
            strings(&[&[&[14][..], &strings(&[&strings(&[b"ssh-ed25519", &[1; 63]])])].concat()]),
            SignCode::SelfCheckFailed,
        ),
        (
            strings(&[&[
                &[14][..],
                &strings(&[&strings(&[b"ecdsa-sha2-nistp256", &strings(&[&[1], &[1]])])]),
            ]
            .concat()]),
            SignCode::SelfCheckFailed,
        ),
        (
            strings(&[&[&[14][..], &strings(&[&strings(&[b"rsa-sha2-256", &[1; 64]])])].concat()]),
            SignCode::SelfCheckFailed,
        ),
    ];
    for (answer, code) in cases {
        let shown = format!("{answer:?}");
        let (_folder, socket) = agent(move |message| Some(if message == [11] { list() } else { answer.clone() }));
        let signer = open(&socket, "k").unwrap().signer;
        assert_eq!(fails(&*signer), code, "{shown}");
    }
    let (_folder, socket) = agent(|_| Some(strings(&[&[12, 0, 0, 0, 1]])));
    assert_eq!(refusal(&socket, "k"), "custodian_unavailable");
}

/// Runs itself as another process, which has the variable that a user would have.
#[test]
fn a_variable_names_the_agent() {
    if let Some(name) = std::env::var_os("ACTIONPASS_TEST_KEY") {
        let uri = KeyUri::parse(&format!("ssh-agent:{}", name.display())).unwrap();
        let key = SshAgent::new().open(&uri, &NoSecrets).unwrap();
        block_on(signatures_verify(&*key.signer));
        return;
    }
    let server = Server::start();
    let fingerprint = server.make_key("one", P256, "maria");
    let child = |socket: &Path| {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "a_variable_names_the_agent"])
            .env("SSH_AUTH_SOCK", socket)
            .env("ACTIONPASS_TEST_KEY", &fingerprint)
            .output()
            .unwrap()
    };
    let right = child(&server.socket());
    assert!(right.status.success(), "{}", String::from_utf8_lossy(&right.stdout));
    for wrong in ["", "/no/such/agent"] {
        assert!(!child(Path::new(wrong)).status.success());
    }
}
