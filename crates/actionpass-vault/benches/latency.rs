//! What the signer costs beside the bare request, against a real OpenBao: `what ours bare ratio`, medians in
//! microseconds, measured in turns.

use actionpass_crypto::conformance::block_on;
use actionpass_crypto::{Algorithm, SigningInput};
use actionpass_custody::{Custodian, KeyUri, NoSecrets, Secret};
use actionpass_servers::latency::{Rounds, print_row};
use actionpass_servers::openbao::OpenBao;
use actionpass_vault::Vault;
use base64ct::{Base64, Encoding};
use serde_json::{Value, json};

const ROUNDS: Rounds = Rounds { rounds: 1000, calls: 1 };

fn main() {
    let server = OpenBao::start();
    let vault = Vault::new()
        .with_address(&server.address())
        .with_namespace("")
        .with_token(Secret::new(server.root_token().into()));
    for algorithm in [Algorithm::Es256, Algorithm::Ed25519] {
        let name = algorithm.as_str().to_ascii_lowercase();
        let uri = KeyUri::new("vault", &format!("transit/{name}"));
        let Ok(key) = vault.generate(&uri, algorithm, &NoSecrets) else {
            return println!("vault {name}: no key was made");
        };
        let input = SigningInput::probe(&[7; 32], key.signer.public_key());
        let body = match input.prehash() {
            Some(hash) => json!({
                "input": Base64::encode_string(&hash), "key_version": 1, "prehashed": true,
                "hash_algorithm": "sha2-256", "marshaling_algorithm": "jws"
            }),
            None => json!({ "input": Base64::encode_string(input.as_bytes()), "key_version": 1 }),
        };
        let agent = ureq::Agent::new_with_defaults();
        let url = format!("{}/v1/transit/sign/{name}", server.address());
        let bare = || {
            let request = agent.post(&url).header("X-Vault-Token", server.root_token());
            let bytes = request
                .send(body.to_string().as_bytes())
                .and_then(|mut answer| answer.body_mut().read_to_vec());
            let answer: Option<Value> = bytes.ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
            assert!(answer.is_some_and(|answer| answer.pointer("/data/signature").is_some()));
        };
        let ours = || assert!(block_on(key.signer.sign(&input)).is_ok());
        print_row(&format!("vault {algorithm}"), ROUNDS, ours, bare);
    }
}
