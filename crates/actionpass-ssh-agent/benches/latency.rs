//! What a signature through [`Signer::sign`] costs over a bare exchange with the agent over one socket.
//!
//! Prints `what ours bare ratio`, in microseconds: medians of rounds that take turns.
#![expect(clippy::unwrap_used, reason = "a measurement that can not go on fails")]

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use actionpass_crypto::conformance::block_on;
use actionpass_crypto::{Signer, SigningInput};
use actionpass_custody::{Custodian, KeyUri, NoSecrets};
use actionpass_servers::latency::{Rounds, print_row};
use actionpass_servers::ssh_agent::SshAgent as Server;
use actionpass_ssh_agent::SshAgent;

const ROUNDS: Rounds = Rounds { rounds: 51, calls: 20 };

fn main() {
    let server = Server::start();
    for (name, kind) in [
        ("ES256", &["ecdsa", "-b", "256"][..]),
        ("ES384", &["ecdsa", "-b", "384"]),
        ("Ed25519", &["ed25519"]),
    ] {
        server.forget_keys();
        server.make_key(name, kind, name);
        measure(&server, name);
    }
}

fn measure(server: &Server, name: &str) {
    let uri = KeyUri::parse(&format!("ssh-agent:{name}")).unwrap();
    let custodian = SshAgent::new().with_socket(server.socket());
    let signer = custodian.open(&uri, &NoSecrets).unwrap().signer;
    let input = SigningInput::probe(&[1; 32], signer.public_key());

    let mut stream = UnixStream::connect(server.socket()).unwrap();
    let listed = exchange(&mut stream, &[11]);
    // Its only key: after the type and the count.
    let (length, blob) = listed.get(5..).unwrap().split_first_chunk::<4>().unwrap();
    let blob = blob.get(..u32::from_be_bytes(*length) as usize).unwrap();
    let framed = |part: &[u8]| [&u32::try_from(part.len()).unwrap().to_be_bytes(), part].concat();
    let request = [&[13][..], &framed(blob), &framed(input.as_bytes()), &[0; 4]].concat();

    let ours = || drop(block_on(signer.sign(&input)).unwrap());
    let bare = || assert_eq!(exchange(&mut stream, &request).first(), Some(&14));
    print_row(&format!("ssh-agent {name}"), ROUNDS, ours, bare);
}

fn exchange(stream: &mut UnixStream, message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    stream.write_all(&[&length, message].concat()).unwrap();
    let mut length = [0; 4];
    stream.read_exact(&mut length).unwrap();
    let mut answer = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut answer).unwrap();
    answer
}
