//! The other direction: tokens that other libraries made with our key and our claims verify here, and their malformed
//! variants are refused, each with its code.
//!
//! The makers are in `tests/interop/make`. What a library refuses to make its maker composes by hand.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{LazyLock, OnceLock};

use actionpass_canon::{BoundAction, Limits};
use actionpass_model::{Audience, DEMO_ACTION, Issuer, Tenant, UnixSeconds};
use actionpass_verify::{Call, Trust, Verifier};
use serde_json::json;
use tempfile::TempDir;

use crate::fixture::{AUDIENCE, ISSUER, Key, PASS_ID, PASS_TYP, TENANT, Times, claims, trust_store, with_approval};
use crate::program::{Language, command, is_ready, root, run, text};

/// When the passes are issued; they are verified a minute later.
const ISSUED: u64 = 1_795_000_000;

/// A program that makes tokens, and what it made.
struct Maker {
    language: Language,
    file: &'static str,
    made: OnceLock<HashMap<String, Token>>,
}

struct Token {
    text: String,
    /// `library` or `hand`; empty where there is no library for tokens at all.
    made_by: String,
}

macro_rules! maker {
    ($module:ident: $language:ident, $file:literal, valid by $made_by:literal) => {
        mod $module {
            use super::*;

            static MAKER: Maker = Maker::new(Language::$language, $file);

            #[test]
            fn its_token_verifies() {
                MAKER.accepted("valid", $made_by);
            }

            #[test]
            fn its_token_with_an_approval_verifies() {
                MAKER.accepted("with_approval", $made_by);
            }

            #[test]
            fn another_spelling_of_the_header_verifies() {
                MAKER.accepted("header_spelled_otherwise", "");
            }

            refused! {
                alg_none: "algorithm_mismatch",
                hs256_with_the_public_key: "algorithm_mismatch",
                der_signature: "signature_invalid",
                padded_base64url: "token_malformed",
                spaced_base64url: "token_malformed",
                wrapped_base64url: "token_malformed",
                duplicate_claim: "claims_malformed",
                duplicate_nested_claim: "claims_malformed",
                duplicate_escaped_claim: "claims_malformed",
                unknown_claim: "claims_malformed",
                later_version: "version_unsupported",
                typ_jwt: "type_mismatch",
                typ_approval: "type_mismatch",
                typ_with_application: "type_mismatch",
                typ_in_capitals: "type_mismatch",
                typ_missing: "header_not_allowed",
                foreign_kid: "key_unknown",
                kid_missing: "header_not_allowed",
                kid_twice: "header_not_allowed",
                unknown_header: "header_not_allowed",
                header_jwk: "header_not_allowed",
                header_jku: "header_not_allowed",
                header_x5c: "header_not_allowed",
                header_x5u: "header_not_allowed",
                header_crit: "header_not_allowed",
                header_b64: "header_not_allowed",
                header_zip: "header_not_allowed",
            }
        }
    };
}

macro_rules! refused {
    ($($variant:ident: $code:literal,)*) => {
        $(
            #[test]
            fn $variant() {
                MAKER.refused(stringify!($variant), $code);
            }
        )*
    };
}

maker!(npm_jose: Node, "make.mjs", valid by "library");
maker!(pyjwt: Python, "make_pyjwt.py", valid by "library");
maker!(joserfc: Python, "make_joserfc.py", valid by "library");
maker!(go: Go, "make.go", valid by "");
maker!(jdk: Java, "Make.java", valid by "");
maker!(openssl: Shell, "make.sh", valid by "");

/// One line of what a maker reads.
struct Variant {
    name: &'static str,
    header: String,
    claims: String,
    signature: &'static str,
    spelling: &'static str,
}

/// Everything that is made, each malformed in one way only: the signature holds wherever it can.
fn variants() -> Vec<Variant> {
    let key = Key::issuer();
    let kid = key.kid();
    let good = claims(
        &ACTION,
        Times {
            issued: ISSUED,
            lifetime: 600,
        },
    );
    let approved = with_approval(good.clone()).to_string();
    let mut unknown = good.clone();
    unknown["scope"] = json!("all");
    let mut later = good.clone();
    later["actionpass"]["v"] = json!(2);
    let good = good.to_string();
    let header = key.header();
    let plus = |member: &str| format!("{},{member}}}", header.strip_suffix('}').unwrap());
    let typ = |typ: &str| format!(r#"{{"alg":"ES256","kid":"{kid}","typ":"{typ}"}}"#);
    let alg = |alg: &str| header.replace("ES256", alg);
    let insert = |place: &str, member: &str| {
        let doubled = good.replacen(place, &format!("{member},{place}"), 1);
        assert_ne!(doubled, good);
        doubled
    };
    let stranger = Key::new(13);
    let jwk = json!(stranger.public().to_jwk());

    let es256 = |name, header, claims| Variant {
        name,
        header,
        claims,
        signature: "es256",
        spelling: "strict",
    };
    let with_header = |name, header| es256(name, header, good.clone());
    let with_claims = |name, claims| es256(name, header.clone(), claims);
    let signed = |name, header, signature| Variant {
        signature,
        ..with_header(name, header)
    };
    let spelled = |name, spelling| Variant {
        spelling,
        ..with_header(name, header.clone())
    };
    vec![
        with_header("valid", header.clone()),
        with_claims("with_approval", approved),
        with_header(
            "header_spelled_otherwise",
            format!("{{ \"typ\": \"actionpass\\u002bjwt\", \"kid\": \"{kid}\", \"alg\": \"ES256\" }}"),
        ),
        signed("alg_none", alg("none"), "none"),
        signed("hs256_with_the_public_key", alg("HS256"), "hs256"),
        signed("der_signature", header.clone(), "der"),
        spelled("padded_base64url", "padded"),
        spelled("spaced_base64url", "spaced"),
        spelled("wrapped_base64url", "wrapped"),
        with_claims("duplicate_claim", insert("\"aud\":", "\"aud\":\"github-executor\"")),
        with_claims(
            "duplicate_nested_claim",
            insert("\"tool\":", "\"tool\":\"slack.messages.post\""),
        ),
        with_claims(
            "duplicate_escaped_claim",
            insert("\"aud\":", "\"\\u0061ud\":\"github-executor\""),
        ),
        with_claims("unknown_claim", unknown.to_string()),
        with_claims("later_version", later.to_string()),
        with_header("typ_jwt", typ("JWT")),
        with_header("typ_approval", typ("actionpass-approval+jwt")),
        with_header("typ_with_application", typ("application/actionpass+jwt")),
        with_header("typ_in_capitals", typ("ActionPass+JWT")),
        with_header("typ_missing", format!(r#"{{"alg":"ES256","kid":"{kid}"}}"#)),
        with_header("foreign_kid", header.replace(kid, stranger.kid())),
        with_header("kid_missing", format!(r#"{{"alg":"ES256","typ":"{PASS_TYP}"}}"#)),
        with_header("kid_twice", plus(&format!("\"kid\":\"{kid}\""))),
        with_header("unknown_header", plus("\"x\":\"y\"")),
        with_header("header_jwk", plus(&format!("\"jwk\":{jwk}"))),
        with_header("header_jku", plus("\"jku\":\"https://evil.example/keys\"")),
        with_header("header_x5c", plus("\"x5c\":[\"MIIB\"]")),
        with_header("header_x5u", plus("\"x5u\":\"https://evil.example/chain\"")),
        with_header("header_crit", plus("\"crit\":[\"exp\"]")),
        with_header("header_b64", plus("\"b64\":true")),
        with_header("header_zip", plus("\"zip\":\"DEF\"")),
    ]
}

/// The demo's action on a resource whose name libraries escape or don't.
static ACTION: LazyLock<BoundAction> = LazyLock::new(|| {
    let text = DEMO_ACTION.replace("repo:company/web-app", "repo:company/café");
    BoundAction::admit(text.as_bytes(), &Limits::default()).unwrap()
});

impl Maker {
    const fn new(language: Language, file: &'static str) -> Self {
        Self {
            language,
            file,
            made: OnceLock::new(),
        }
    }

    fn accepted(&self, variant: &str, made_by: &str) {
        let Some(token) = self.token(variant) else { return };
        let verdict = verify(&token.text);
        assert_eq!(verdict.as_deref(), Ok(PASS_ID), "{}: {variant}", self.file);
        assert!(
            made_by.is_empty() || token.made_by == made_by,
            "{}: made by {}",
            self.file,
            token.made_by
        );
    }

    fn refused(&self, variant: &str, code: &str) {
        let Some(token) = self.token(variant) else { return };
        assert_eq!(
            verify(&token.text),
            Err(vec![code.to_owned()]),
            "{}: {variant}: {}",
            self.file,
            token.text
        );
    }

    /// `None` if this maker can't be run.
    fn token(&self, variant: &str) -> Option<&Token> {
        is_ready(self.language, &self.source()).then(|| &self.made.get_or_init(|| self.make())[variant])
    }

    fn source(&self) -> PathBuf {
        root().join("tests/interop/make").join(self.file)
    }

    fn make(&self) -> HashMap<String, Token> {
        let mut command = command(self.language, &self.source()).unwrap();
        let folder = TempDir::new().unwrap();
        let write = |name: &str, text: String| {
            let file = folder.path().join(name);
            fs::write(&file, text).unwrap();
            file
        };
        let lines = variants().into_iter().map(|variant| {
            let Variant {
                name,
                header,
                claims,
                signature,
                spelling,
            } = variant;
            format!("{name}\t{header}\t{claims}\t{signature}\t{spelling}\n")
        });
        let key = Key::issuer();
        let out = folder.path().join("out");
        fs::create_dir(&out).unwrap();
        command
            .arg(write("variants.tsv", lines.collect()))
            .arg(write("private.pem", key.private_pem()))
            .arg(write("public.pem", key.public().to_spki_pem()))
            .arg(&out);
        let output = run(&mut command);
        assert!(output.status.success(), "{}: {}", self.file, text(&output.stderr));
        let makers = text(&output.stdout);
        let makers: HashMap<_, _> = makers.lines().filter_map(|line| line.split_once(' ')).collect();
        let token = |name| Token {
            text: fs::read_to_string(out.join(name)).unwrap(),
            made_by: makers.get(name).copied().unwrap_or_default().to_owned(),
        };
        variants()
            .into_iter()
            .map(|variant| (variant.name.to_owned(), token(variant.name)))
            .collect()
    }
}

/// The pass's id, or the codes.
fn verify(token: &str) -> Result<String, Vec<String>> {
    let verifier = Verifier::new(
        Issuer::parse(ISSUER).unwrap(),
        Audience::parse(AUDIENCE).unwrap(),
        Tenant::parse(TENANT).unwrap(),
    );
    let trust = Trust::parse(trust_store().to_string().as_bytes()).unwrap();
    let now = UnixSeconds::new(ISSUED + 60).unwrap();
    match verifier.verify(token, &Call::action(&ACTION), &trust, now) {
        Ok(pass) => Ok(pass.claims().jti.to_string()),
        Err(refusal) => Err(refusal.codes().map(ToString::to_string).collect()),
    }
}
