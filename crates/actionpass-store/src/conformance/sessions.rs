//! Clauses of the contract of [`SessionStore`].

use std::sync::Arc;
use std::thread;

use actionpass_model::{ApprovalId, Digest, KeyId, RequestId, Timestamp};

use super::fixtures::{at, digest};
use super::{OpenSessions, Suite};
use crate::sessions::{KeptBallot, MAX_BALLOTS, MAX_SESSIONS, MAX_SIGN_INS, Opened, SessionStore, SignIn};

type Sessions<'a> = Suite<'a, OpenSessions<'a>>;
type Store = Arc<dyn SessionStore>;

/// How long a challenge and a ballot hold here, in seconds, and a session.
const SHORT: u64 = 300;
const LONG: u64 = 28_800;

/// So many seconds after the time of the suites.
fn after(seconds: u64) -> Timestamp {
    at(seconds).to_timestamp()
}

/// The thumbprint of a passkey.
fn passkey(number: u64) -> KeyId {
    KeyId::parse(&format!("{number:042}A")).unwrap()
}

/// A sign-in of a passkey so many seconds after the time of the suites.
fn sign_in(challenge: u64, session: u64, owner: u64, seconds: u64) -> SignIn {
    SignIn {
        challenge: digest(challenge),
        challenge_until: after(seconds.saturating_add(SHORT)),
        kid: passkey(owner),
        session: digest(session),
        until: after(seconds.saturating_add(LONG)),
    }
}

fn ballot_id(number: u64) -> ApprovalId {
    format!("apr_{number:032x}").parse().unwrap()
}

fn request_id(number: u64) -> RequestId {
    format!("req_{number:032x}").parse().unwrap()
}

fn ballot(number: u64, request: u64, seconds: u64) -> KeptBallot {
    KeptBallot {
        id: ballot_id(number),
        request: request_id(request),
        input: format!("header.{number}"),
        until: after(seconds.saturating_add(SHORT)),
    }
}

impl Sessions<'_> {
    fn store(&self) -> Store {
        (self.open)(self.folder.path())
    }

    fn open_at(&self, store: &Store, sign_in: SignIn, seconds: u64) -> Opened {
        self.run(store.open(sign_in, after(seconds))).unwrap()
    }

    fn owner(&self, store: &Store, session: u64, seconds: u64) -> Option<KeyId> {
        self.run(store.owner(digest(session), after(seconds))).unwrap()
    }

    fn keep(&self, store: &Store, session: u64, ballot: KeptBallot, seconds: u64) {
        self.run(store.keep_ballot(digest(session), ballot, after(seconds)))
            .unwrap();
    }

    fn take(&self, store: &Store, session: u64, number: u64, request: u64, seconds: u64) -> Option<String> {
        let session: Digest = digest(session);
        self.run(store.take_ballot(session, ballot_id(number), request_id(request), after(seconds)))
            .unwrap()
    }
}

/// The secret is the first that was made.
pub fn the_secret_is_one_for_all(suite: &Sessions<'_>) {
    let store = suite.store();
    assert_eq!(suite.run(store.secret([1; 32])).unwrap(), [1; 32]);
    assert_eq!(suite.run(store.secret([2; 32])).unwrap(), [1; 32]);
}

/// A session is its passkey's until it is over or ended.
pub fn a_session_is_open_until_it_ends(suite: &Sessions<'_>) {
    let store = suite.store();
    assert_eq!(suite.owner(&store, 1, 0), None);
    for (number, owner) in [(1, 7), (2, 8)] {
        let opened = suite.open_at(&store, sign_in(number, number, owner, 0), 0);
        assert_eq!(opened, Opened::Opened);
    }
    assert_eq!(suite.owner(&store, 1, LONG - 1), Some(passkey(7)));
    assert_eq!(suite.owner(&store, 2, LONG - 1), Some(passkey(8)));
    assert_eq!(suite.owner(&store, 2, LONG), None);
    suite.run(store.close(digest(1))).unwrap();
    suite.run(store.close(digest(1))).unwrap();
    assert_eq!(suite.owner(&store, 1, 1), None);
    assert_eq!(suite.owner(&store, 2, 1), Some(passkey(8)));
}

/// A challenge signs in once, also after its session has ended, and by whichever passkey.
pub fn a_challenge_signs_in_once(suite: &Sessions<'_>) {
    let store = suite.store();
    assert_eq!(suite.open_at(&store, sign_in(1, 1, 7, 0), 0), Opened::Opened);
    suite.run(store.close(digest(1))).unwrap();
    for owner in [7, 8] {
        assert_eq!(suite.open_at(&store, sign_in(1, 2, owner, 0), SHORT - 1), Opened::Used);
    }
    assert_eq!(suite.owner(&store, 2, 1), None);
    assert_eq!(suite.open_at(&store, sign_in(2, 2, 7, 0), SHORT - 1), Opened::Opened);
}

/// Of 16 threads that sign in with one challenge, one does.
pub fn of_16_threads_one_signs_in(suite: &Sessions<'_>) {
    let store = suite.store();
    for challenge in 0..8 {
        assert_eq!(at_once(suite, std::slice::from_ref(&store), challenge), 1);
    }
}

/// A passkey has so many sessions, and another's aren't touched for it.
pub fn the_oldest_session_of_a_passkey_makes_room(suite: &Sessions<'_>) {
    let store = suite.store();
    assert_eq!(suite.open_at(&store, sign_in(100, 100, 9, 0), 0), Opened::Opened);
    let most = MAX_SESSIONS as u64;
    for number in 0..=most {
        let opened = suite.open_at(&store, sign_in(number, number, 7, number), number);
        assert_eq!(opened, Opened::Opened);
    }
    assert_eq!(suite.owner(&store, 0, most), None);
    for number in 1..=most {
        assert_eq!(suite.owner(&store, number, most), Some(passkey(7)), "{number}");
    }
    assert_eq!(suite.owner(&store, 100, most), Some(passkey(9)));
}

/// A passkey signs in so often while its challenges hold, and keeps no other out.
pub fn a_passkey_signs_in_so_often(suite: &Sessions<'_>) {
    let store = suite.store();
    let most = MAX_SIGN_INS as u64;
    for number in 0..most {
        assert_eq!(suite.open_at(&store, sign_in(number, number, 7, 0), 0), Opened::Opened);
    }
    assert_eq!(
        suite.open_at(&store, sign_in(most, most, 7, 0), SHORT - 1),
        Opened::TooMany
    );
    assert_eq!(suite.owner(&store, most, 0), None);
    assert_eq!(suite.open_at(&store, sign_in(1000, 1000, 8, 0), 0), Opened::Opened);
    // What was refused used nothing up; and a challenge that is over counts no more, here or on a machine that is a minute behind.
    let later = SHORT + 60;
    let again = SignIn {
        challenge_until: after(later + SHORT),
        ..sign_in(most, most, 7, 0)
    };
    assert_eq!(suite.open_at(&store, again, later), Opened::Opened);
}

/// A ballot is for one session, one request and once, and not for long.
pub fn a_ballot_serves_once(suite: &Sessions<'_>) {
    let store = suite.store();
    for session in [1, 2] {
        let opened = suite.open_at(&store, sign_in(session, session, 7, 0), 0);
        assert_eq!(opened, Opened::Opened);
        suite.keep(&store, session, ballot(session, 5, 0), 0);
    }
    assert_eq!(suite.take(&store, 1, 1, 6, 0), None, "another request");
    assert_eq!(suite.take(&store, 2, 1, 5, 0), None, "another session");
    assert_eq!(suite.take(&store, 1, 9, 5, 0), None, "another ballot");
    assert_eq!(suite.take(&store, 1, 1, 5, SHORT - 1).as_deref(), Some("header.1"));
    assert_eq!(suite.take(&store, 1, 1, 5, 0), None);
    assert_eq!(suite.take(&store, 2, 2, 5, SHORT), None, "over");
    assert_eq!(suite.take(&store, 2, 2, 5, 0), None, "gone by asking");
}

/// What is to be signed goes with its session, and where there is none nothing is kept.
pub fn a_ballot_ends_with_its_session(suite: &Sessions<'_>) {
    let store = suite.store();
    suite.keep(&store, 1, ballot(1, 5, 0), 0);
    assert_eq!(suite.open_at(&store, sign_in(1, 1, 7, 0), 0), Opened::Opened);
    assert_eq!(suite.take(&store, 1, 1, 5, 0), None);
    suite.keep(&store, 1, ballot(2, 5, 0), 0);
    suite.run(store.close(digest(1))).unwrap();
    assert_eq!(suite.take(&store, 1, 2, 5, 0), None);
}

/// A session is about to sign so many votes, and another's aren't touched for it.
pub fn the_oldest_ballot_of_a_session_makes_room(suite: &Sessions<'_>) {
    let store = suite.store();
    for session in [1, 2] {
        let opened = suite.open_at(&store, sign_in(session, session, 7, 0), 0);
        assert_eq!(opened, Opened::Opened);
    }
    suite.keep(&store, 2, ballot(100, 5, 0), 0);
    let most = MAX_BALLOTS as u64;
    for number in 0..=most {
        suite.keep(&store, 1, ballot(number, 5, number), number);
    }
    assert_eq!(suite.take(&store, 1, 0, 5, most), None);
    for number in 1..=most {
        assert!(suite.take(&store, 1, number, 5, most).is_some(), "{number}");
    }
    assert!(suite.take(&store, 2, 100, 5, most).is_some());
}

/// Of 16 threads that take one ballot, one gets it.
pub fn of_16_threads_one_takes_a_ballot(suite: &Sessions<'_>) {
    let store = suite.store();
    taken_once(suite, std::slice::from_ref(&store));
}

/// Two handles, as two machines have them, know the same.
pub fn two_handles_share_their_sessions(suite: &Sessions<'_>) {
    let (one, two) = (suite.store(), suite.store());
    let secret = suite.run(one.secret([1; 32])).unwrap();
    assert_eq!(suite.run(two.secret([2; 32])).unwrap(), secret);
    assert_eq!(suite.open_at(&one, sign_in(1, 1, 7, 0), 0), Opened::Opened);
    assert_eq!(suite.owner(&two, 1, 0), Some(passkey(7)));
    assert_eq!(suite.open_at(&two, sign_in(1, 2, 7, 0), 0), Opened::Used);
    suite.keep(&one, 1, ballot(1, 5, 0), 0);
    assert_eq!(suite.take(&two, 1, 1, 5, 0).as_deref(), Some("header.1"));
    assert_eq!(suite.take(&one, 1, 1, 5, 0), None);
    suite.run(two.close(digest(1))).unwrap();
    assert_eq!(suite.owner(&one, 1, 0), None);
}

/// Of 16 threads on two handles one signs in with a challenge, and one takes a ballot.
pub fn of_two_handles_one_is_served(suite: &Sessions<'_>) {
    let stores = [suite.store(), suite.store()];
    for challenge in 0..8 {
        assert_eq!(at_once(suite, &stores, challenge), 1);
    }
    taken_once(suite, &stores);
}

/// Signs in 16 times at once with one challenge, and gives how often that succeeded.
fn at_once(suite: &Sessions<'_>, stores: &[Store], challenge: u64) -> usize {
    thread::scope(|scope| {
        let stores = (0_u64..).zip(stores.iter().cycle().take(16));
        let threads: Vec<_> = stores
            .map(|(number, store)| {
                let session = challenge.saturating_mul(16).saturating_add(number);
                scope.spawn(move || suite.open_at(store, sign_in(challenge, session, challenge, 0), 0))
            })
            .collect();
        let outcomes = threads.into_iter().map(|thread| thread.join().unwrap());
        outcomes.filter(|outcome| *outcome == Opened::Opened).count()
    })
}

fn taken_once(suite: &Sessions<'_>, stores: &[Store]) {
    let first = stores.first().unwrap();
    let opened = suite.open_at(first, sign_in(500, 500, 7, 0), 0);
    assert_eq!(opened, Opened::Opened);
    for number in 0..8 {
        suite.keep(first, 500, ballot(number, 5, 0), 0);
        let taken = thread::scope(|scope| {
            let stores = stores.iter().cycle().take(16);
            let threads: Vec<_> = stores
                .map(|store| scope.spawn(move || suite.take(store, 500, number, 5, 0)))
                .collect();
            threads.into_iter().filter_map(|thread| thread.join().unwrap()).count()
        });
        assert_eq!(taken, 1);
    }
}
