//! The recipes of `docs/howto/verify-a-pass`: each accepts our passes and refuses what isn't one, for the reason.

use std::fs;
use std::path::PathBuf;

use actionpass_canon::{BoundAction, Limits};
use actionpass_crypto::{Algorithm, Signer, SoftwareKey, sign_document};
use actionpass_model::{DEMO_ACTION, PassClaims, SignedDocument};
use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::fixture::{
    AUDIENCE, ISSUER, Key, PASS_ID, PASS_TYP, RESOURCE, TENANT, TOOL, Times, action, block_on, claims, pass,
    with_approval,
};
use crate::program::{Language, command, is_ready, root, run, text};

/// A recipe, and whether it brings the payload into canonical form itself.
struct Recipe {
    language: Language,
    file: &'static str,
    payload: Payload,
}

#[derive(Clone, Copy, PartialEq)]
enum Payload {
    AnySpelling,
    CanonicalOnly,
}

macro_rules! recipe {
    ($module:ident: $language:ident, $file:literal, $payload:ident) => {
        mod $module {
            use super::*;

            pub(super) const RECIPE: Recipe = Recipe {
                language: Language::$language,
                file: $file,
                payload: Payload::$payload,
            };

            #[test]
            fn accepts_a_pass() {
                if RECIPE.is_ready() {
                    RECIPE.accepts(&Call::default());
                }
            }

            #[test]
            fn accepts_a_pass_with_an_approval() {
                if RECIPE.is_ready() {
                    RECIPE.accepts(&Call::with_token(pass(&with_approval(good()))));
                }
            }

            #[test]
            fn hashes_canonical_bytes() {
                if RECIPE.is_ready() {
                    super::hashes_canonical_bytes(&RECIPE);
                }
            }

            #[test]
            fn refuses_another_payload() {
                if RECIPE.is_ready() {
                    super::refuses_another_payload(&RECIPE);
                }
            }

            #[test]
            fn refuses_changed_tokens() {
                if RECIPE.is_ready() {
                    super::refuses_changed_tokens(&RECIPE);
                }
            }

            #[test]
            fn refuses_another_call() {
                if RECIPE.is_ready() {
                    super::refuses_another_call(&RECIPE);
                }
            }

            #[test]
            fn refuses_outside_of_the_time() {
                if RECIPE.is_ready() {
                    super::refuses_outside_of_the_time(&RECIPE);
                }
            }

            #[test]
            fn refuses_other_headers_and_keys() {
                if RECIPE.is_ready() {
                    super::refuses_other_headers_and_keys(&RECIPE);
                }
            }

            #[test]
            fn refuses_what_it_does_not_enforce() {
                if RECIPE.is_ready() {
                    super::refuses_what_it_does_not_enforce(&RECIPE);
                }
            }
        }
    };
}

recipe!(npm_jose: Node, "verify.mjs", AnySpelling);
recipe!(pyjwt: Python, "verify_pyjwt.py", AnySpelling);
recipe!(joserfc: Python, "verify_joserfc.py", AnySpelling);
recipe!(go: Go, "verify.go", CanonicalOnly);
recipe!(jdk: Java, "Verify.java", CanonicalOnly);
recipe!(openssl: Shell, "verify.sh", CanonicalOnly);

/// All but the shell's, which has no parser and says so; only the issuer can sign such claims.
mod claims_that_are_not_json {
    use super::{Recipe, refuses_claims_that_are_not_json};

    fn check(recipe: &Recipe) {
        if recipe.is_ready() {
            refuses_claims_that_are_not_json(recipe);
        }
    }

    #[test]
    fn npm_jose() {
        check(&super::npm_jose::RECIPE);
    }

    #[test]
    fn pyjwt() {
        check(&super::pyjwt::RECIPE);
    }

    #[test]
    fn joserfc() {
        check(&super::joserfc::RECIPE);
    }

    #[test]
    fn go() {
        check(&super::go::RECIPE);
    }

    #[test]
    fn jdk() {
        check(&super::jdk::RECIPE);
    }
}

/// Passes of every algorithm, by issuers whose keys stand in one set.
mod algorithms {
    use super::*;

    /// Those that the recipe knows are accepted, the others refused.
    fn check(recipe: &Recipe, known: &[Algorithm]) {
        if recipe.is_ready() {
            for algorithm in Algorithm::ALL.iter().copied() {
                super::knows_or_refuses(recipe, algorithm, known.contains(&algorithm));
            }
        }
    }

    #[test]
    fn npm_jose() {
        check(&super::npm_jose::RECIPE, Algorithm::ALL);
    }

    #[test]
    fn pyjwt() {
        check(&super::pyjwt::RECIPE, &[Algorithm::Es256, Algorithm::Es384]);
    }

    #[test]
    fn joserfc() {
        check(&super::joserfc::RECIPE, Algorithm::ALL);
    }

    #[test]
    fn go() {
        check(&super::go::RECIPE, &[Algorithm::Es256]);
    }

    #[test]
    fn jdk() {
        check(&super::jdk::RECIPE, &[Algorithm::Es256]);
    }

    #[test]
    fn openssl() {
        check(&super::openssl::RECIPE, &[Algorithm::Es256]);
    }
}

/// What a recipe is asked: a token, and the call that is about to be made.
struct Call {
    token: String,
    keys: String,
    payload: Vec<u8>,
    issuer: &'static str,
    audience: &'static str,
    tenant: &'static str,
    tool: &'static str,
    resource: &'static str,
}

impl Default for Call {
    fn default() -> Self {
        Self::with_token(pass(&good()))
    }
}

impl Call {
    fn with_token(token: String) -> Self {
        Self {
            token,
            keys: Key::issuer().jwks(),
            payload: action().payload().as_bytes().to_vec(),
            issuer: ISSUER,
            audience: AUDIENCE,
            tenant: TENANT,
            tool: TOOL,
            resource: RESOURCE,
        }
    }

    /// A token of these claims, signed whether or not a pass may have them.
    fn with_claims(claims: &Value) -> Self {
        let key = Key::issuer();
        Self::with_token(key.sign_raw(&key.header(), &claims.to_string()))
    }
}

impl Recipe {
    fn source(&self) -> PathBuf {
        root().join("docs/howto/verify-a-pass").join(self.file)
    }

    fn is_ready(&self) -> bool {
        is_ready(self.language, &self.source())
    }

    fn accepts(&self, call: &Call) {
        let (code, stdout, stderr) = self.run(call);
        let accepted = format!("accepted: {PASS_ID}");
        assert_eq!(
            (code, stdout.trim_end()),
            (Some(0), accepted.as_str()),
            "{}: {stderr}",
            self.file
        );
    }

    /// Refused, with a reason that has one of these words.
    fn refuses(&self, call: &Call, reasons: &[&str]) {
        let (code, stdout, stderr) = self.run(call);
        let reason = stderr.to_lowercase();
        let refused = reason.starts_with("refused: ") && reasons.iter().any(|word| reason.contains(word));
        assert!(refused, "{}: {stderr:?} names none of {reasons:?}", self.file);
        assert_eq!((code, stdout.as_str()), (Some(1), ""), "{}", self.file);
    }

    fn run(&self, call: &Call) -> (Option<i32>, String, String) {
        let folder = TempDir::new().unwrap();
        let write = |name: &str, bytes: &[u8]| {
            let file = folder.path().join(name);
            fs::write(&file, bytes).unwrap();
            file
        };
        let mut command = command(self.language, &self.source()).unwrap();
        command
            .arg(write("pass.jwt", format!("{}\n", call.token).as_bytes()))
            .arg(write("keys.json", call.keys.as_bytes()))
            .arg(write("payload.json", &call.payload))
            .args([call.issuer, call.audience, call.tenant, call.tool, call.resource]);
        let output = run(&mut command);
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    }
}

/// The claims of a pass that holds now.
fn good() -> Value {
    claims(&action(), Times::now())
}

fn hashes_canonical_bytes(recipe: &Recipe) {
    let payload: Value = serde_json::from_slice(action().payload().as_bytes()).unwrap();
    let spelled = serde_json::to_string_pretty(&payload)
        .unwrap()
        .replace('☕', "\\u2615")
        .replace("14", "14.0");
    let call = Call {
        payload: spelled.into_bytes(),
        ..Call::default()
    };
    match recipe.payload {
        Payload::AnySpelling => recipe.accepts(&call),
        Payload::CanonicalOnly => recipe.refuses(&call, &["payload_hash"]),
    }
}

fn refuses_another_payload(recipe: &Recipe) {
    let canonical = text(action().payload().as_bytes());
    let changed = |from: &str, to: &str| {
        let payload = canonical.replacen(from, to, 1);
        assert_ne!(payload, canonical);
        Call {
            payload: payload.into_bytes(),
            ..Call::default()
        }
    };
    recipe.refuses(&changed("\"additions\":14", "\"additions\":15"), &["payload_hash"]);
    recipe.refuses(&changed("☕", "☕ "), &["payload_hash"]);
    // A number beyond all numbers, which JavaScript would write as null: also where null is what was permitted.
    let beyond = changed("\"additions\":14", "\"additions\":1e400");
    recipe.refuses(&beyond, &["payload_hash", "jcs"]);
    let null = DEMO_ACTION.replace("\"additions\": 14", "\"additions\": null");
    let null = BoundAction::admit(null.as_bytes(), &Limits::default()).unwrap();
    let payload = text(null.payload().as_bytes()).replace("null", "1e400").into_bytes();
    let token = pass(&claims(&null, Times::now()));
    recipe.refuses(
        &Call {
            payload,
            ..Call::with_token(token)
        },
        &["payload_hash", "jcs"],
    );
    let twice = changed("\"base\":\"main\"", "\"base\":\"evil\",\"base\":\"main\"");
    match recipe.language {
        // JavaScript reads the last member only, and that is what the recipe hands back to be executed.
        Language::Node => recipe.accepts(&twice),
        _ => recipe.refuses(&twice, &["payload_hash", "duplicate"]),
    }
}

fn refuses_changed_tokens(recipe: &Recipe) {
    let token = pass(&good());
    let [header, payload, signature] = token.split('.').collect::<Vec<_>>().try_into().unwrap();
    // The tenant's last letter, in the base64url of the claims.
    let claims = good().to_string().replace("org:example", "org:exampla");
    let other = Key::issuer().sign_raw(&Key::issuer().header(), &claims);
    let other = other.split('.').nth(1).unwrap();
    assert_ne!(other, payload);
    let middle = signature.len() / 2;
    let letter = if &signature[middle..=middle] == "A" { "B" } else { "A" };
    let changed = format!("{}{letter}{}", &signature[..middle], &signature[middle + 1..]);
    for token in [
        format!("{header}.{other}.{signature}"),
        format!("{header}.{payload}.{changed}"),
        format!("{header}.{payload}.{}", &signature[..84]),
    ] {
        recipe.refuses(&Call::with_token(token), &["signature"]);
    }
    // What some libraries verify all the same: bits that no byte has, a line break, two bytes too many.
    let last = signature.len() - 1;
    let stray = match &signature[last..] {
        "A" => "B",
        "Q" => "R",
        "g" => "h",
        _ => "x",
    };
    for token in [
        format!("{header}.{payload}.{}{stray}", &signature[..last]),
        format!("{header}.{payload}.{}\n{}", &signature[..43], &signature[43..]),
        format!("{header}.{payload}.{} {}", &signature[..43], &signature[43..]),
        format!("{header}.{payload}.{signature}=="),
        format!("{header}.{payload}"),
        format!("{header}.{payload}.{signature}.{signature}"),
    ] {
        recipe.refuses(&Call::with_token(token), &["token_malformed", "base64"]);
    }
    let mut longer = Base64UrlUnpadded::decode_vec(signature).unwrap();
    longer.extend([0, 0]);
    let longer = format!("{header}.{payload}.{}", Base64UrlUnpadded::encode_string(&longer));
    recipe.refuses(&Call::with_token(longer), &["signature"]);
}

fn refuses_another_call(recipe: &Recipe) {
    recipe.refuses(
        &Call {
            issuer: "https://other.example",
            ..Call::default()
        },
        &["iss"],
    );
    recipe.refuses(
        &Call {
            audience: "slack-executor",
            ..Call::default()
        },
        &["aud"],
    );
    recipe.refuses(
        &Call {
            tenant: "org:other",
            ..Call::default()
        },
        &["tenant_mismatch"],
    );
    recipe.refuses(
        &Call {
            tool: "github.pull_requests.merge",
            ..Call::default()
        },
        &["tool_mismatch"],
    );
    recipe.refuses(
        &Call {
            resource: "repo:company/infra",
            ..Call::default()
        },
        &["resource_mismatch"],
    );
    let mut list = good();
    list["aud"] = json!([AUDIENCE, "slack-executor"]);
    recipe.refuses(&Call::with_claims(&list), &["aud", "claim"]);
}

fn refuses_outside_of_the_time(recipe: &Recipe) {
    let Times { issued: now, .. } = Times::now();
    let at = |issued, lifetime| Call::with_token(pass(&claims(&action(), Times { issued, lifetime })));
    // Thirty seconds of leeway, with room for a slow machine on the accepting side.
    recipe.accepts(&at(now - 600, 595));
    recipe.accepts(&at(now + 20, 600));
    recipe.refuses(&at(now - 631, 600), &["exp"]);
    recipe.refuses(&at(now + 120, 600), &["nbf", "yet", "future"]);
    recipe.refuses(&at(now - 10, 3601), &["lifetime_too_long"]);
    // Times that contradict each other.
    for (nbf, exp) in [(now - 20, now + 600), (now + 20, now + 10)] {
        let mut claims = claims(
            &action(),
            Times {
                issued: now - 10,
                lifetime: 600,
            },
        );
        claims["nbf"] = json!(nbf);
        claims["exp"] = json!(exp);
        recipe.refuses(&Call::with_claims(&claims), &["claims_malformed"]);
    }
}

fn refuses_other_headers_and_keys(recipe: &Recipe) {
    let key = Key::issuer();
    let claims = good().to_string();
    let with_header = |header: &str| Call::with_token(key.sign_raw(header, &claims));
    let kid = key.kid();
    let header = |members: &str| with_header(&format!("{{{members}}}"));
    let words = ["header_not_allowed", "type_mismatch", "algorithm"];
    recipe.refuses(
        &header(&format!(r#""alg":"none","kid":"{kid}","typ":"{PASS_TYP}""#)),
        &["alg", "header_not_allowed"],
    );
    recipe.refuses(
        &header(&format!(
            r#""alg":"ES256","kid":"{kid}","typ":"actionpass-approval+jwt""#
        )),
        &words,
    );
    recipe.refuses(&header(&format!(r#""alg":"ES256","kid":"{kid}","typ":"JWT""#)), &words);
    recipe.refuses(&header(&format!(r#""alg":"ES256","typ":"{PASS_TYP}""#)), &words);
    let stranger = Key::new(13);
    let jwk = json!(stranger.public().to_jwk());
    let own_key = format!(
        r#"{{"alg":"ES256","kid":"{}","typ":"{PASS_TYP}","jwk":{jwk}}}"#,
        stranger.kid()
    );
    recipe.refuses(&Call::with_token(stranger.sign_raw(&own_key, &claims)), &words);
    let unknown = stranger.sign_raw(&stranger.header(), &claims);
    recipe.refuses(&Call::with_token(unknown), &["key"]);
    // Another key of the same set than the one that the header names.
    let borrowed = Key::new(9).sign_raw(&key.header(), &claims);
    recipe.refuses(&Call::with_token(borrowed), &["signature"]);
    // A key that our own set has for something else, or not at all.
    for (from, to) in [
        ("\"use\":\"sig\"", "\"use\":\"enc\""),
        ("\"alg\":\"ES256\"", "\"alg\":\"ECDH-ES\""),
        (kid, stranger.kid()),
    ] {
        let keys = key.jwks().replace(from, to);
        assert_ne!(keys, key.jwks());
        recipe.refuses(
            &Call {
                keys,
                ..Call::default()
            },
            &["key", "algorithm"],
        );
    }
}

fn knows_or_refuses(recipe: &Recipe, algorithm: Algorithm, is_known: bool) {
    let keys: Vec<_> = Algorithm::ALL
        .iter()
        .map(|algorithm| SoftwareKey::generate_for(*algorithm).unwrap())
        .collect();
    let jwks: Vec<_> = keys.iter().map(|key| key.public_key().to_jwk()).collect();
    let jwks = json!({ "keys": jwks }).to_string();
    let key = keys
        .iter()
        .find(|key| key.public_key().algorithm() == algorithm)
        .unwrap();
    let claims = PassClaims::from_claims(good().to_string().as_bytes()).unwrap();
    let token = block_on(sign_document(key, &claims)).unwrap().into_string();
    let call = |token: &str, keys: &str| Call {
        keys: keys.to_owned(),
        ..Call::with_token(token.to_owned())
    };
    if !is_known {
        recipe.refuses(&call(&token, &jwks), &["key", "alg", "header_not_allowed"]);
        return;
    }
    recipe.accepts(&call(&token, &jwks));
    // One bit of the signature, and another name in the header: the key decides.
    let [header, payload, signature]: [&str; 3] = token.split('.').collect::<Vec<_>>().try_into().unwrap();
    let mut bytes = Base64UrlUnpadded::decode_vec(signature).unwrap();
    bytes[10] ^= 1;
    let broken = format!("{header}.{payload}.{}", Base64UrlUnpadded::encode_string(&bytes));
    recipe.refuses(&call(&broken, &jwks), &["signature"]);
    let text = String::from_utf8(Base64UrlUnpadded::decode_vec(header).unwrap()).unwrap();
    let others = Algorithm::ALL.iter().map(|other| other.as_str()).chain(["EdDSA"]);
    for other in others.filter(|other| *other != algorithm.as_str()) {
        let header = Base64UrlUnpadded::encode_string(text.replacen(algorithm.as_str(), other, 1).as_bytes());
        let renamed = format!("{header}.{payload}.{signature}");
        recipe.refuses(&call(&renamed, &jwks), &["alg", "header_not_allowed"]);
        // Not even if the set says so too.
        let own = format!("\"alg\":\"{algorithm}\"");
        let contradiction = jwks.replace(&own, &format!("\"alg\":\"{other}\""));
        assert_ne!(contradiction, jwks);
        recipe.refuses(
            &call(&renamed, &contradiction),
            &["key", "alg", "signature", "header_not_allowed"],
        );
    }
}

fn refuses_what_it_does_not_enforce(recipe: &Recipe) {
    let mut obliged = good();
    obliged["actionpass"]["obligations"] = json!([{ "id": "dry_run", "params": {} }]);
    recipe.refuses(
        &Call::with_token(pass(&obliged)),
        &["obligation_unsupported", "obligations"],
    );
    let mut bound = good();
    bound["cnf"] = json!({ "jkt": Key::new(13).kid() });
    recipe.refuses(&Call::with_claims(&bound), &["claims_malformed"]);
    for (member, value) in [("v", json!(2)), ("canon", json!("rfc8785bis"))] {
        let mut later = good();
        later["actionpass"][member] = value;
        recipe.refuses(&Call::with_claims(&later), &["version_unsupported"]);
    }
}

fn refuses_claims_that_are_not_json(recipe: &Recipe) {
    let key = Key::issuer();
    let claims = good().to_string();
    let second = claims.replacen(",\"", " \"", 1);
    for broken in [format!("{claims}]"), claims[..claims.len() - 1].to_owned(), second] {
        assert_ne!(broken, claims);
        let token = key.sign_raw(&key.header(), &broken);
        recipe.refuses(&Call::with_token(token), &["json", "claims", "payload"]);
    }
}
