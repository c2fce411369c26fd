//! Tokens and claims: no input panics, and claims that are read are written and read alike.
#![no_main]

use actionpass_crypto::{Keyring, Unverified};
use actionpass_model::{ApprovalClaims, PassClaims, SignedDocument};
use libfuzzer_sys::fuzz_target;

fn round_trip<T: SignedDocument + PartialEq + std::fmt::Debug>(payload: &[u8]) {
    if let Ok(claims) = T::from_claims(payload) {
        let written = claims.to_claims().expect("what was read is written");
        assert_eq!(T::from_claims(&written).expect("what was written is read"), claims);
    }
}

fuzz_target!(|raw: &[u8]| {
    round_trip::<PassClaims>(raw);
    round_trip::<ApprovalClaims>(raw);
    if let Ok(token) = std::str::from_utf8(raw)
        && let Ok(unverified) = Unverified::<PassClaims>::parse(token)
    {
        assert!(unverified.verify(&Keyring::default()).is_err());
    }
});
