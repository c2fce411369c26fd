//! Rounds from a seed: commands that succeed, one that is killed at any moment, and then one part of the home put back from
//! a copy. Nothing that went back is believed, and what only a crash left behind is no alarm.
//!
//! `ACTIONPASS_LONG` runs a thousand; `ACTIONPASS_SEED` begins with another round than the first, to repeat one that failed.

use std::fs;
use std::thread;
use std::time::Duration;

use crate::action::{ALLOW, STEP_UP};
use crate::back::{copy, put_back};
use crate::home::Home;

const ROUNDS: u64 = 24;
const LONG: u64 = 1000;
/// A little more than a command takes.
const USUAL: Duration = Duration::from_millis(60);

const WITNESS: &str = "home/ledger.witness";
const TRUST: &str = "home/trust.json";
const CONSUME: [&str; 6] = ["verify", "--token", "pass.jwt", "--action", ALLOW, "--consume"];
const VERIFY: [&str; 5] = ["verify", "--token", "pass.jwt", "--action", ALLOW];
const AUTHORIZE: [&str; 3] = ["authorize", "--action", ALLOW];

/// What is put back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Part {
    Nothing,
    Ledger,
    Witness,
    /// The witness is deleted.
    NoWitness,
    Trust,
    /// Both at once, which nobody notices.
    LedgerAndWitness,
}

const PARTS: [Part; 6] = [
    Part::Nothing,
    Part::Ledger,
    Part::Witness,
    Part::NoWitness,
    Part::Trust,
    Part::LedgerAndWitness,
];

/// SplitMix64 of Steele, Lea and Flood: the same numbers for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// Says which round failed.
struct Told(u64, Part);

impl Drop for Told {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!(
                "round {} with {:?} put back failed: ACTIONPASS_SEED={0}",
                self.0, self.1
            );
        }
    }
}

/// What was acknowledged since the copies were taken.
#[derive(Debug, Default)]
struct Since {
    is_consumed: bool,
    /// The approval that an allow used up.
    approval: Option<String>,
    is_revoked: bool,
}

struct Copies {
    ledger: Vec<u8>,
    witness: Vec<u8>,
    trust: Vec<u8>,
}

impl Copies {
    fn of(home: &Home) -> Self {
        Self {
            ledger: copy(home),
            witness: fs::read(home.path(WITNESS)).unwrap(),
            trust: fs::read(home.path(TRUST)).unwrap(),
        }
    }
}

/// Some commands that end well; at least one of them is in the ledger.
fn work(home: &Home, dice: &mut Dice, since: &mut Since) {
    for number in 0..=dice.below(3) {
        match dice.below(4) {
            0 if !since.is_consumed => {
                home.run(CONSUME).exits(0);
                since.is_consumed = true;
            }
            1 => {
                let agent = format!("agent:rogue-{number}");
                home.run(["revoke", "principal", &agent, "--reason", "test"]).exits(0);
                since.is_revoked = true;
            }
            2 if since.approval.is_none() => {
                let approval = home.approve(STEP_UP);
                home.run(["authorize", "--action", STEP_UP, "--approval", &approval])
                    .exits(0);
                since.approval = Some(approval);
            }
            _ => drop(home.run(AUTHORIZE).exits(0)),
        }
    }
}

/// A command that is killed at any moment, or has just ended. Nobody was told that it did anything.
fn killed(home: &Home, dice: &mut Dice) {
    let mut child = match dice.below(3) {
        0 => home.start(["revoke", "principal", "agent:killed", "--reason", "test"]),
        _ => home.start(AUTHORIZE),
    };
    let span = u64::try_from(USUAL.as_micros()).unwrap();
    thread::sleep(Duration::from_micros(dice.below(span)));
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Everything that was acknowledged holds, and nobody is alarmed.
fn stands(home: &Home, since: &Since) {
    home.run(["ledger", "verify"]).exits(0);
    home.run(VERIFY).exits(0);
    if !since.is_consumed {
        home.run(CONSUME).exits(0);
    }
    home.run(CONSUME).refuses(24, &["already_used"]);
    if let Some(approval) = &since.approval {
        let again = home
            .run(["authorize", "--action", STEP_UP, "--approval", approval])
            .exits(11);
        assert_eq!(again.reasons()[0], "approval_already_used", "{again:?}");
    }
    home.run(AUTHORIZE).exits(0);
}

fn is_alarmed(home: &Home) {
    for command in [&AUTHORIZE[..], &CONSUME, &["ledger", "verify"]] {
        home.run(command).fails(26, "store_rolled_back");
    }
}

fn round(seed: u64, part: Part) {
    let _told = Told(seed, part);
    let (mut dice, home) = (Dice(seed), Home::with_maintainer());
    home.pass_into("pass.jwt", ALLOW);
    let before = Copies::of(&home);
    let mut since = Since::default();
    work(&home, &mut dice, &mut since);
    let trust = fs::read(home.path(TRUST)).unwrap();
    killed(&home, &mut dice);
    match part {
        Part::Nothing => stands(&home, &since),
        Part::Witness | Part::NoWitness => {
            match part {
                Part::Witness => drop(home.write(WITNESS, &before.witness)),
                _ => fs::remove_file(home.path(WITNESS)).unwrap(),
            }
            stands(&home, &since);
            // From the next record on it notices again.
            put_back(&home, &before.ledger);
            is_alarmed(&home);
        }
        Part::Ledger => {
            put_back(&home, &before.ledger);
            is_alarmed(&home);
            home.run(["ledger", "restored"]).exits(0);
            let refused = home.run(CONSUME).exits(26);
            assert_eq!(refused.json()["codes"][0], "replay_state_lost", "{refused:?}");
            if let Some(approval) = &since.approval {
                let again = home
                    .run(["authorize", "--action", STEP_UP, "--approval", approval])
                    .exits(11);
                assert_eq!(again.reasons()[0], "approval_state_lost", "{again:?}");
            }
            home.run(AUTHORIZE).exits(0);
            home.run(["ledger", "verify"]).exits(0);
        }
        Part::Trust => {
            let killed = fs::read(home.path(TRUST)).unwrap();
            home.write(TRUST, &before.trust);
            if since.is_revoked {
                for command in [&VERIFY[..], &AUTHORIZE, &CONSUME, &["trust", "show"], &["keys", "list"]] {
                    let refused = home.run(command);
                    assert_eq!(refused.exit, 26, "{refused:?}");
                    assert!(refused.stdout.contains("trust_rolled_back"), "{refused:?}");
                }
                home.write(TRUST, &killed);
                stands(&home, &since);
            } else if killed == trust {
                stands(&home, &since);
            }
        }
        // Documented: what goes back with its witness isn't noticed. The pass can be used once more.
        Part::LedgerAndWitness => {
            put_back(&home, &before.ledger);
            home.write(WITNESS, &before.witness);
            home.run(CONSUME).exits(0);
            home.run(AUTHORIZE).exits(0);
            home.run(["ledger", "verify"]).exits(0);
        }
    }
}

fn rounds() -> std::ops::Range<u64> {
    let seed = std::env::var("ACTIONPASS_SEED").ok().map(|seed| seed.parse().unwrap());
    match (seed, std::env::var_os("ACTIONPASS_LONG")) {
        (Some(seed), _) => seed..seed + 1,
        (None, Some(_)) => 0..LONG,
        (None, None) => 0..ROUNDS,
    }
}

/// In two halves, for as many processors.
fn every_second(first: u64) {
    for seed in rounds().filter(|seed| seed % 2 == first) {
        let part = PARTS[usize::try_from(seed / 2 % 6).unwrap()];
        round(seed, part);
    }
}

#[test]
fn g12_rounds_of_kills_and_copies_of_each_part_the_even_ones() {
    every_second(0);
}

#[test]
fn g12_rounds_of_kills_and_copies_of_each_part_the_odd_ones() {
    every_second(1);
}
