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
