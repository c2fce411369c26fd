//! biscuit-auth 6: facts in a signed block, a check that the call must satisfy, and Datalog to judge it.

use std::time::{Duration, SystemTime};

use biscuit_auth::builder::Algorithm;
use biscuit_auth::macros::{authorizer, biscuit};
use biscuit_auth::{AuthorizerLimits, Biscuit, KeyPair, PublicKey};
use serde_json::Value;

use crate::jwt::hash;
use crate::{Call, Peer, Presented, Result};

pub struct BiscuitPeer {
    name: &'static str,
    root: KeyPair,
    public: PublicKey,
}

impl BiscuitPeer {
    pub fn p256() -> Self {
        Self::new(
            "biscuit-auth 6, P-256, with glue for the payload's hash",
            Algorithm::Secp256r1,
        )
    }

    pub fn ed25519() -> Self {
        Self::new(
            "biscuit-auth 6, Ed25519 (its default), with the same glue",
            Algorithm::Ed25519,
        )
    }

    fn new(name: &'static str, algorithm: Algorithm) -> Self {
        let root = KeyPair::new_with_algorithm(algorithm);
        let public = root.public();
        Self { name, root, public }
    }
}

impl Peer for BiscuitPeer {
    fn name(&self) -> &'static str {
        self.name
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
        let expires = SystemTime::now() + Duration::from_secs(600);
        let (tenant, agent, owner) = (text("/tenant")?, text("/actor/agent")?, text("/actor/humanOwner")?);
        let (runtime, task) = (text("/actor/runtime")?, text("/intent/task")?);
        let (tool, resource) = (text("/capability/tool")?, text("/capability/resource")?);
        let payload = hash(action.pointer("/capability/payload").ok_or("no payload")?)?;
        let token = biscuit!(
            r#"
            issuer("https://issuer.example");
            tenant({tenant});
            agent({agent});
            owner({owner});
            runtime({runtime});
            task({task});
            id("ap_01920000000070008000000000000001");
            check if call({tool}, {resource}, {payload});
            check if time($now), $now < {expires};
            "#
        )
        .build(&self.root)?;
        Ok(token.to_base64()?)
    }

    fn permits(&self, presented: &Presented, call: &Call<'_>) -> bool {
        let check = || -> Result<()> {
            let token = Biscuit::from_base64(&presented.token, self.public)?;
            let payload = hash(&serde_json::from_str(&call.payload)?)?;
            let (tool, resource) = (call.tool.to_string(), call.resource.to_string());
            let now = SystemTime::now();
            let mut authorizer = authorizer!(
                r#"
                time({now});
                call({tool}, {resource}, {payload});
                allow if issuer("https://issuer.example"), tenant("org:example");
                "#
            )
            // The default, a millisecond, is now and then exceeded on a busy machine, and would be measured as a refusal.
            .set_limits(AuthorizerLimits {
                max_time: Duration::from_secs(1),
                ..AuthorizerLimits::default()
            })
            .build(&token)?;
            authorizer.authorize()?;
            Ok(())
        };
        check().is_ok()
    }
}
