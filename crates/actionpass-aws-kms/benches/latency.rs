//! What the signer costs beside the bare call of the SDK, against moto: `what ours bare ratio`, medians in
//! microseconds, measured in turns.

use actionpass_aws_kms::AwsKms;
use actionpass_crypto::conformance::block_on;
use actionpass_crypto::{Algorithm, SigningInput};
use actionpass_custody::{Custodian, KeyUri, NoSecrets, Secret};
use actionpass_servers::latency::{Rounds, print_row};
use actionpass_servers::moto::Moto;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_sdk_kms::Client;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{MessageType, SigningAlgorithmSpec};

const ROUNDS: Rounds = Rounds { rounds: 300, calls: 1 };

fn main() {
    let server = Moto::start();
    let kms = AwsKms::new()
        .with_endpoint(&server.endpoint())
        .with_region("eu-west-1")
        .with_access_key("AKIDTEST", Secret::new("test".into()))
        .with_raw_messages();
    let uri = KeyUri::new("awskms", "alias/latency");
    let (Ok(key), Ok(runtime)) = (
        kms.generate(&uri, Algorithm::Es256, &NoSecrets),
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build(),
    ) else {
        return println!("aws-kms: no key was made");
    };
    let input = SigningInput::probe(&[7; 32], key.signer.public_key());
    let settings = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .endpoint_url(server.endpoint())
        .credentials_provider(Credentials::new("AKIDTEST", "test", None, None, "given"));
    let client = Client::new(&runtime.block_on(settings.load()));
    let bare = || {
        let call = client
            .sign()
            .key_id("alias/latency")
            .message_type(MessageType::Raw)
            .message(Blob::new(input.as_bytes()))
            .signing_algorithm(SigningAlgorithmSpec::EcdsaSha256);
        assert!(runtime.block_on(call.send()).is_ok());
    };
    let ours = || assert!(block_on(key.signer.sign(&input)).is_ok());
    print_row("aws-kms ES256", ROUNDS, ours, bare);
}
