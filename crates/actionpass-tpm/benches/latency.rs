//! A signature through the custodian, beside the bare call of tss-esapi: `cargo bench -p actionpass-tpm`.
//!
//! Both sign with the same key of the same TPM, in turns.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a measurement that can't go on stops")]

use actionpass_crypto::conformance::block_on;
use actionpass_crypto::{Algorithm, Signer, SigningInput};
use actionpass_custody::{Custodian, KeyUri, NoSecrets};
use actionpass_servers::latency::{Rounds, print_row};
use actionpass_servers::swtpm::SwTpm;
use actionpass_tpm::Tpm;
use tss_esapi::Context;
use tss_esapi::constants::tss::{TPM2_RH_NULL, TPM2_ST_HASHCHECK};
use tss_esapi::handles::{KeyHandle, PersistentTpmHandle};
use tss_esapi::interface_types::algorithm::HashingAlgorithm;
use tss_esapi::interface_types::session_handles::AuthSession;
use tss_esapi::structures::{Digest, HashScheme, HashcheckTicket, Signature, SignatureScheme};
use tss_esapi::tss2_esys::TPMT_TK_HASHCHECK;

const ROUNDS: Rounds = Rounds { rounds: 501, calls: 1 };

fn main() {
    for (algorithm, hash) in [
        (Algorithm::Es256, HashingAlgorithm::Sha256),
        (Algorithm::Es384, HashingAlgorithm::Sha384),
    ] {
        measure(algorithm, hash);
    }
}

fn measure(algorithm: Algorithm, hash: HashingAlgorithm) {
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

    let ours = || drop(block_on(signer.sign(&input)).unwrap());
    let bare = || sign(&mut context, key, &digest, hash);
    print_row(&format!("tpm {algorithm}"), ROUNDS, ours, bare);
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
