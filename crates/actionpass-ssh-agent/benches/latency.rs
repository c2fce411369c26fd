//! What a signature through [`Signer::sign`] costs over a bare exchange with the agent over one socket.
//!
//! Prints `what ours bare ratio`, in microseconds: medians of rounds that take turns.
#![expect(clippy::unwrap_used, reason = "a measurement that can not go on fails")]

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use actionpass_crypto::conformance::block_on;
use actionpass_crypto::{Custodian, KeyUri, NoSecrets, Signer, SigningInput};
use actionpass_servers::ssh_agent::SshAgent as Server;
use actionpass_ssh_agent::SshAgent;

const ROUNDS: usize = 51;
const CALLS: u32 = 20;

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

    let mut ours = || drop(block_on(signer.sign(&input)).unwrap());
    let mut bare = || assert_eq!(exchange(&mut stream, &request).first(), Some(&14));
    let mut times = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        times.0.push(time(&mut ours));
        times.1.push(time(&mut bare));
    }
    let [ours, bare] = [times.0, times.1].map(median);
    println!("ssh-agent {name} {ours:.1} {bare:.1} {:.3}", ours / bare);
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

fn time(call: &mut dyn FnMut()) -> Duration {
    let start = Instant::now();
    for _ in 0..CALLS {
        call();
    }
    start.elapsed().div_f64(CALLS.into())
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times.get(times.len() / 2).unwrap().as_secs_f64() * 1e6
}
