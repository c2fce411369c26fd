//! jsonwebtoken 11: a JWT, and everything about the payload as glue that one would write around it.

use aws_lc_key::es256;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode, get_current_timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{Call, Peer, Presented, Result};

pub struct Jwt {
    signing: EncodingKey,
    verifying: DecodingKey,
    header: Header,
    validation: Validation,
}

#[derive(Deserialize, Serialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: String,
    iat: u64,
    nbf: u64,
    exp: u64,
    jti: String,
    tenant: String,
    owner: String,
    runtime: String,
    task: String,
    tool: String,
    resource: String,
    payload_hash: String,
}

impl Jwt {
    pub fn new() -> Result<Self> {
        let key = es256()?;
        let mut validation = Validation::new(Algorithm::ES256);
        validation.set_issuer(&["https://issuer.example"]);
        validation.set_audience(&["github.pull_requests.create"]);
        validation.set_required_spec_claims(&["iss", "sub", "aud", "exp", "nbf"]);
        validation.validate_nbf = true;
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(key.kid);
        Ok(Self {
            signing: EncodingKey::from_ec_der(&key.pkcs8),
            verifying: DecodingKey::from_ec_components(&key.x, &key.y)?,
            header,
            validation,
        })
    }
}

impl Peer for Jwt {
    fn name(&self) -> &'static str {
        "jsonwebtoken 11, ES256, aws-lc, with glue (serde_json, serde_jcs, sha2)"
    }

    fn issue(&self, action: &[u8]) -> Result<String> {
        let action: Value = serde_json::from_slice(action)?;
        let text = |pointer: &str| -> Result<String> {
            Ok(action
                .pointer(pointer)
                .and_then(Value::as_str)
                .ok_or("a member is missing")?
                .to_owned())
        };
        let now = get_current_timestamp();
        let tool = text("/capability/tool")?;
        let claims = Claims {
            iss: "https://issuer.example".to_owned(),
            sub: text("/actor/agent")?,
            aud: tool.clone(),
            iat: now,
            nbf: now,
            exp: now + 600,
            jti: "ap_01920000000070008000000000000001".to_owned(),
            tenant: text("/tenant")?,
            owner: text("/actor/humanOwner")?,
            runtime: text("/actor/runtime")?,
            task: text("/intent/task")?,
            tool,
            resource: text("/capability/resource")?,
            payload_hash: hash(action.pointer("/capability/payload").ok_or("no payload")?)?,
        };
        Ok(encode(&self.header, &claims, &self.signing)?)
    }

    fn permits(&self, presented: &Presented, call: &Call<'_>) -> bool {
        let check = || -> Result<bool> {
            let claims = decode::<Claims>(&presented.token, &self.verifying, &self.validation)?.claims;
            let payload: Value = serde_json::from_str(&call.payload)?;
            Ok(claims.tenant == "org:example"
                && claims.tool == call.tool
                && claims.resource == call.resource
                && claims.payload_hash == hash(&payload)?)
        };
        check().unwrap_or(false)
    }
}

/// What most people would bind a payload by.
pub fn hash(payload: &Value) -> Result<String> {
    let digest = Sha256::digest(serde_jcs::to_vec(payload)?);
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

mod aws_lc_key {
    //! A key for jsonwebtoken, which doesn't make any.

    use actionpass_crypto::{Signer, SoftwareKey};

    pub struct Es256 {
        pub pkcs8: Vec<u8>,
        pub kid: String,
        pub x: String,
        pub y: String,
    }

    pub fn es256() -> crate::Result<Es256> {
        let key = SoftwareKey::generate()?;
        let jwk = key.public_key().to_jwk();
        Ok(Es256 {
            pkcs8: key.to_pkcs8()?.as_der().to_vec(),
            kid: key.public_key().kid().to_string(),
            x: jwk.x.ok_or("no x")?,
            y: jwk.y.ok_or("no y")?,
        })
    }
}
