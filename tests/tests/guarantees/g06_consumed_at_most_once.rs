//! G6: a pass is consumed at most once per audience, across processes, crashes and clock changes.
//!
//! Processes and crashes are tested where the file is: in `actionpass-store-sqlite`.

use std::sync::Arc;
use std::time::Duration;

use actionpass_model::PassId;
use actionpass_store::{MemoryReplayStore, ReplayCode, ReplayStart, StoreCode};
use actionpass_testkit::fixtures::FixtureKey;
use actionpass_testkit::stores::{Flaky, LosingStore, Moment, RefusingStore};
use actionpass_testkit::{Testbed, block_on, fixtures, tokens};
use proptest::prelude::*;

use crate::common::{Checked, at_once, codes};

/// A pass for the fixture action with an id of its own, issued so many seconds from now.
fn pass(number: usize, later: u64) -> String {
    let mut claims = fixtures::pass_claims(&fixtures::action());
    claims.jti = PassId::parse(&format!("ap_{number:032x}")).unwrap();
    claims.iat = fixtures::seconds().saturating_add(later);
    claims.nbf = claims.iat;
    claims.exp = claims.iat.saturating_add(600);
    tokens::sign(FixtureKey::ISSUER, &claims)
}

/// One pass is consumed by the first that asks, whatever the clock does in between.
fn once(bed: &Testbed) -> Checked {
    let action = fixtures::action();
    let mut consumed = 0;
    for step in 0..6 {
        match step {
            2 => bed.clock().advance(Duration::from_secs(629)),
            3 => bed.clock().rewind(Duration::from_secs(629)),
            4 => bed.clock().rewind(Duration::from_secs(30)),
            _ => {}
        }
        consumed += usize::from(bed.consume(fixtures::PASS, &action).is_ok());
    }
    if consumed == 1 {
        Ok(())
    } else {
        Err(format!("consumed {consumed} times"))
    }
}

#[test]
fn g06_once_whatever_the_clock_does() {
    assert_eq!(once(&Testbed::new()), Ok(()));
}

#[test]
fn g06_the_check_finds_a_store_that_forgets() {
    assert!(once(&Testbed::new().with_replay(LosingStore::new(Testbed::log()))).is_err());
}

#[test]
fn g06_of_many_at_once_one_wins() {
    let bed = Testbed::new();
    for number in 0..8 {
        let (token, action) = (pass(number, 0), fixtures::action());
        let outcomes = at_once(8, |_| codes(bed.consume(&token, &action)));
        assert_eq!(outcomes.iter().filter(|codes| codes.is_empty()).count(), 1);
        assert!(
            outcomes
                .iter()
                .all(|codes| codes.is_empty() || codes == &["already_used"])
        );
    }
}

#[test]
fn g06_token_bytes_do_not_identify_a_pass() {
    // The same claims with the other of the two signatures (r, n - s), which verifies as well.
    let high_s = other_signature(fixtures::PASS);
    assert_ne!(high_s, fixtures::PASS);
    let (bed, action) = (Testbed::new(), fixtures::action());
    assert!(bed.verify(&high_s, &action).is_ok(), "high S is accepted");
    assert!(bed.consume(fixtures::PASS, &action).is_ok());
    assert_eq!(codes(bed.consume(&high_s, &action)), ["already_used"]);
}

fn other_signature(token: &str) -> String {
    let (input, _) = token.rsplit_once('.').unwrap();
    let signature = FixtureKey::ISSUER.sign_bytes(input.as_bytes());
    // The order of P-256 (SEC 2 §2.4.2).
    const N: [u8; 32] = [
        0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xBC, 0xE6, 0xFA, 0xAD,
        0xA7, 0x17, 0x9E, 0x84, 0xF3, 0xB9, 0xCA, 0xC2, 0xFC, 0x63, 0x25, 0x51,
    ];
    let mut bytes = signature.as_bytes().to_vec();
    let mut borrow = 0;
    for (digit, order) in bytes[32..].iter_mut().zip(N).rev() {
        let difference = i32::from(order) - i32::from(*digit) - borrow;
        borrow = i32::from(difference < 0);
        *digit = u8::try_from(difference.rem_euclid(256)).unwrap();
    }
    format!("{input}.{}", tokens::base64url(&bytes))
}

#[test]
fn g06_after_a_loss_old_passes_are_refused() {
    let now = fixtures::seconds();
    let bed = Testbed::new().with_replay(MemoryReplayStore::new(ReplayStart::restored(now)));
    let action = fixtures::action();
    assert_eq!(codes(bed.consume(fixtures::PASS, &action)), ["replay_state_lost"]);
    assert_eq!(codes(bed.consume(&pass(1, 30), &action)), ["replay_state_lost"]);
    bed.clock().advance(Duration::from_secs(1));
    assert_eq!(codes(bed.consume(&pass(2, 31), &action)), Vec::<String>::new());
}

#[test]
fn g06_what_was_forgotten_is_not_judged_again() {
    let (bed, action) = (Testbed::new(), fixtures::action());
    for number in 0..64 {
        assert!(bed.consume(&pass(number, 0), &action).is_ok());
    }
    // Later consumption lets the store forget what ended.
    bed.clock().advance(Duration::from_secs(700));
    for number in 1000..1256 {
        assert!(bed.consume(&pass(number, 700), &action).is_ok());
    }
    bed.clock().rewind(Duration::from_secs(700));
    let again: Vec<_> = (0..64)
        .map(|number| codes(bed.consume(&pass(number, 0), &action)))
        .collect();
    assert!(
        again
            .iter()
            .all(|codes| codes == &["clock_behind"] || codes == &["already_used"]),
        "{again:?}"
    );
    assert!(
        again.contains(&vec![ReplayCode::ClockBehind.as_str().to_owned()]),
        "nothing was forgotten"
    );
}

#[test]
fn g06_a_store_that_fails_gives_no_use() {
    let action = fixtures::action();
    for code in StoreCode::ALL {
        let bed = Testbed::new().with_replay(RefusingStore(*code));
        assert_eq!(codes(bed.consume(fixtures::PASS, &action)), [code.as_str()]);
    }
    // The acknowledgement was lost: the pass counts as used all the same.
    let store = Arc::new(Flaky::new(
        MemoryReplayStore::new(ReplayStart::first(fixtures::seconds())),
        1,
        Moment::After,
    ));
    let bed = Testbed::new().with_replay(Arc::clone(&store));
    assert_eq!(codes(bed.consume(fixtures::PASS, &action)), ["store_unavailable"]);
    assert_eq!(codes(bed.consume(fixtures::PASS, &action)), ["already_used"]);
}

#[test]
fn g06_only_what_verifies_is_marked() {
    let bed = Testbed::new();
    let claims = fixtures::pass_claims(&fixtures::action());
    assert!(bed.consume(fixtures::PASS, &fixtures::demo_action()).is_err());
    assert!(!block_on(bed.replay().is_used(&claims.iss, &claims.jti)).unwrap());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn g06_in_any_order_and_at_any_time(uses in prop::collection::vec((0_usize..4, 0_u64..700, any::<bool>()), 1..24)) {
        let (bed, action) = (Testbed::new(), fixtures::action());
        let tokens: Vec<_> = (0..4).map(|number| pass(number, 0)).collect();
        let mut consumed = [0; 4];
        for (number, seconds, forwards) in uses {
            let by = Duration::from_secs(seconds);
            if forwards { bed.clock().advance(by) } else { bed.clock().rewind(by) }
            consumed[number] += usize::from(bed.consume(&tokens[number], &action).is_ok());
        }
        prop_assert!(consumed.iter().all(|times| *times <= 1), "{:?}", consumed);
    }
}
