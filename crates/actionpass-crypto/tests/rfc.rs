//! Figures out of RFCs, through the public interface.
#![expect(clippy::unwrap_used, reason = "a test that can not go on fails")]

use actionpass_crypto::{JwsCode, PublicKey, dangerous};
use actionpass_model::Jwk;

fn key(x: &str, y: &str) -> PublicKey {
    let jwk = format!(r#"{{"kty":"EC","crv":"P-256","x":"{x}","y":"{y}"}}"#);
    PublicKey::from_jwk(&Jwk::from_json(jwk.as_bytes()).unwrap()).unwrap()
}

/// RFC 7515 A.3: a token of ES256.
#[test]
fn rfc_7515_a_3_verifies() {
    let key = key(
        "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    );
    let token = concat!(
        "eyJhbGciOiJFUzI1NiJ9",
        ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ",
        ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
    );
    let payload = dangerous::verify_published(token, &key).unwrap();
    assert_eq!(
        payload,
        b"{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}"
    );
    let changed = token.replace(".DtEh", ".DtEi");
    assert_eq!(
        dangerous::verify_published(&changed, &key).unwrap_err().code(),
        JwsCode::SignatureInvalid
    );
}

/// RFC 7515 A.5: a token of nobody.
#[test]
fn rfc_7515_a_5_is_refused() {
    let key = key(
        "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    );
    let token = "eyJhbGciOiJub25lIn0.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.";
    assert_eq!(
        dangerous::verify_published(token, &key).unwrap_err().code(),
        JwsCode::AlgorithmMismatch
    );
}

/// RFC 7638's own example is an RSA key; RFC 9449 §6.1 has the thumbprint of one on P-256.
#[test]
fn rfc_9449_thumbprint() {
    let key = key(
        "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",
        "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA",
    );
    assert_eq!(key.kid().as_str(), "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
}

/// RFC 8037 A.2: the public key, which is also that of RFC 8032 §7.1, test 1.
fn ed25519() -> PublicKey {
    let jwk = br#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    PublicKey::from_jwk(&Jwk::from_json(jwk).unwrap()).unwrap()
}

/// RFC 8037 A.3.
#[test]
fn rfc_8037_a_3_thumbprint() {
    assert_eq!(ed25519().kid().as_str(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}

/// RFC 8037 A.4: a token whose `alg` is `EdDSA`, a name that leaves the curve open and that RFC 9864 deprecates. Its
/// signature holds, and it is refused all the same: a key of ours has one name.
#[test]
fn rfc_8037_a_4_is_refused_for_its_name() {
    let token = concat!(
        "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0Jzl",
        "nLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
    );
    let refused = dangerous::verify_published(token, &ed25519()).unwrap_err();
    assert_eq!(refused.code(), JwsCode::AlgorithmMismatch);
}
