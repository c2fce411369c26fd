//! A signature through the custodian, beside the bare call of tss-esapi: `cargo bench -p actionpass-tpm`.
//!
//! Both sign with the same key of the same TPM, in rounds that alternate; what is printed is the median of their medians,
//! in microseconds.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a measurement that can't go on stops")]

use std::time::{Duration, Instant};

use actionpass_crypto::conformance::block_on;
use actionpass_crypto::{Algorithm, Custodian, KeyUri, NoSecrets, Signer, SigningInput};
use actionpass_servers::swtpm::SwTpm;
use actionpass_tpm::Tpm;
use tss_esapi::Context;
use tss_esapi::constants::tss::{TPM2_RH_NULL, TPM2_ST_HASHCHECK};
use tss_esapi::handles::{KeyHandle, PersistentTpmHandle};
use tss_esapi::interface_types::algorithm::HashingAlgorithm;
use tss_esapi::interface_types::session_handles::AuthSession;
use tss_esapi::structures::{Digest, HashScheme, HashcheckTicket, Signature, SignatureScheme};
use tss_esapi::tss2_esys::TPMT_TK_HASHCHECK;

const ROUNDS: usize = 9;
const EACH: usize = 100;

fn main() {
    println!("{:<10} {:>10} {:>10} {:>6}", "what", "ours", "bare", "ratio");
    for (algorithm, hash) in [
        (Algorithm::Es256, HashingAlgorithm::Sha256),
        (Algorithm::Es384, HashingAlgorithm::Sha384),
    ] {
        let (ours, bare) = measure(algorithm, hash);
        let ratio = ours.as_secs_f64() / bare.as_secs_f64();
        println!(
            "{:<10} {:>10.1} {:>10.1} {ratio:>6.2}",
            format!("tpm {algorithm}"),
            ours.as_secs_f64() * 1e6,
            bare.as_secs_f64() * 1e6,
        );
    }
}

fn measure(algorithm: Algorithm, hash: HashingAlgorithm) -> (Duration, Duration) {
    let server = SwTpm::start();
    let place = KeyUri::parse("tpm:0x81010000").unwrap();
    let custodian = Tpm::new().with_tcti(&server.tcti());
    let signer = custodian.generate(&place, algorithm, &NoSecrets).unwrap().signer;
    let input = SigningInput::probe(&[7; 32], signer.public_key());
    let digest = Digest::try_from(&*input.prehash().unwrap()).unwrap();

    let mut context = Context::new(server.tcti().parse().unwrap()).unwrap();
    let found = PersistentTpmHandle::new(0x8101_0000).unwrap();
    let key = KeyHandle::from(context.tr_from_tpm_public(found.into()).unwrap());
    context.set_sessions((Some(AuthSession::Password), None, None));

    let mut ours = Vec::new();
    let mut bare = Vec::new();
    for _ in 0..ROUNDS {
        ours.push(median_of(|| {
            block_on(signer.sign(&input)).unwrap();
        }));
        bare.push(median_of(|| {
            sign(&mut context, key, &digest, hash);
        }));
    }
    (median(ours), median(bare))
}

fn sign(context: &mut Context, key: KeyHandle, digest: &Digest, hash: HashingAlgorithm) {
    let scheme = SignatureScheme::EcDsa {
        hash_scheme: HashScheme::new(hash),
    };
    let ticket = HashcheckTicket::try_from(TPMT_TK_HASHCHECK {
        tag: TPM2_ST_HASHCHECK,
        hierarchy: TPM2_RH_NULL,
        digest: Default::default(),
    });
    let signature = context.sign(key, digest.clone(), scheme, ticket.unwrap()).unwrap();
    let Signature::EcDsa(_) = signature else {
        panic!("no signature of ECDSA")
    };
}

fn median_of(mut call: impl FnMut()) -> Duration {
    let times = (0..EACH).map(|_| {
        let start = Instant::now();
        call();
        start.elapsed()
    });
    median(times.collect())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
