use super::*;
use actionpass_model::Document;
use proptest::prelude::*;
use serde_json::json;

const OPENED: u64 = 1_800_000_000_000;
const HOUR: u64 = 3_600_000;

fn at(millis: u64) -> Timestamp {
    Timestamp::from_unix_millis(OPENED.saturating_add(millis)).unwrap()
}

fn request() -> ApprovalRequest {
    let digest = |byte: u8| format!("sha256:{}", format!("{byte:02x}").repeat(32));
    let json = json!({
        "schema": "actionpass.request.v1", "id": "req_01920000000070008000000000000001", "tenant": "org:example",
        "actor": { "agent": "agent:codex", "humanOwner": "user:owner", "runtime": "runtime:cli", "via": [] },
        "task": "T-1", "tool": "github.pull_requests.create", "resource": "repo:a/b", "actionId": "act_1",
        "actionHash": digest(1), "payloadHash": digest(2), "contextHash": digest(3), "factsHash": digest(4),
        "policy": { "id": "p", "digest": digest(5) }, "rules": ["r"], "reasons": [{ "code": "approval_required", "rule": "r" }],
        "notes": [], "required": [{ "rule": "r", "count": 1, "total": 1, "roles": [], "notOwner": false }],
        "decision": { "seq": 3, "id": "rec_01920000000070008000000000000001" },
        "createdAt": at(0), "expiresAt": at(HOUR), "votes": [], "version": 0
    });
    ApprovalRequest::from_json(json.to_string().as_bytes()).unwrap()
}

fn vote(number: u8, principal: &str, kind: VoteKind, millis: u64) -> Vote {
    let json = json!({
        "id": format!("apr_{number:032x}"), "principal": principal, "kind": kind, "at": at(millis), "assurance": "signed",
        "tokenHash": format!("sha256:{}", format!("{number:02x}").repeat(32))
    });
    serde_json::from_value(json).unwrap()
}

const HOLDS: Duration = Duration::from_secs(60);

fn approve(number: u8, principal: &str, millis: u64) -> Step {
    let vote = vote(number, principal, VoteKind::Approve, millis);
    Step::Vote { vote, holds: HOLDS }
}

fn decline(number: u8, principal: &str, millis: u64) -> Step {
    let vote = vote(number, principal, VoteKind::Decline, millis);
    Step::Vote { vote, holds: HOLDS }
}

fn cancel(millis: u64) -> Step {
    Step::Cancel {
        at: at(millis),
        by: None,
        code: RequestCode::RequestWithdrawn.into(),
    }
}

fn every_step(millis: u64) -> [Step; 5] {
    [
        approve(7, "user:ann", millis),
        decline(8, "user:bob", millis),
        Step::Use { at: at(millis) },
        cancel(millis),
        Step::Expire { at: at(millis) },
    ]
}

/// The table of the crate, cell by cell.
#[test]
fn the_table_is_all_there_is() {
    use RequestCode::*;
    let outcome = |request: &ApprovalRequest, millis| -> Vec<Result<Option<EndState>, RequestCode>> {
        let after = |next| step(request, next).map(|request| request.end.map(|end| end.state));
        every_step(millis).map(after).to_vec()
    };
    let waiting = request();
    let ended = |by: Step| step(&waiting, by).unwrap();
    assert_eq!(
        outcome(&waiting, HOUR - 1),
        [
            Ok(None),
            Ok(Some(EndState::Declined)),
            Ok(Some(EndState::Used)),
            Ok(Some(EndState::Cancelled)),
            Err(RequestWaiting)
        ]
    );
    let overdue = [RequestExpired; 4].map(Err).to_vec();
    assert_eq!(
        outcome(&waiting, HOUR),
        [overdue, vec![Ok(Some(EndState::Expired))]].concat()
    );
    for (request, code) in [
        (ended(Step::Use { at: at(1) }), RequestUsed),
        (ended(decline(8, "user:bob", 1)), RequestDeclined),
        (ended(cancel(1)), RequestCancelled),
        (ended(Step::Expire { at: at(HOUR) }), RequestExpired),
    ] {
        for millis in [2, HOUR, 2 * HOUR] {
            assert_eq!(outcome(&request, millis), [code; 5].map(Err).to_vec(), "{code}");
            assert_eq!(refused(&request, at(millis)), Some(code));
        }
    }
}

#[test]
fn one_person_says_yes_once_and_may_still_say_no() {
    let once = step(&request(), approve(1, "user:Ann", 1)).unwrap();
    assert_eq!((once.version, once.votes.len()), (1, 1));
    for again in [
        approve(2, "user:ann", 2),
        approve(1, "user:Ann", 2),
        approve(3, "service:ANN", 2),
    ] {
        assert_eq!(step(&once, again), Err(RequestCode::VoteRepeated));
    }
    let twice = step(&once, approve(1, "user:bob", 2)).unwrap();
    assert_eq!(twice.votes.len(), 2, "two people may choose one id");
    let declined = step(&twice, decline(4, "user:ann", 3)).unwrap();
    assert_eq!(declined.end.as_ref().unwrap().by.as_ref().unwrap().as_str(), "user:ann");
    assert_eq!(declined.version, 3);
}

#[test]
fn a_decline_holds_for_its_time_and_for_the_rest_of_the_request() {
    let held_until = |millis, holds| {
        let vote = vote(1, "user:ann", VoteKind::Decline, millis);
        let declined = step(&request(), Step::Vote { vote, holds }).unwrap();
        declined.end.unwrap().holds_until.unwrap()
    };
    assert_eq!(held_until(10, Duration::from_millis(HOUR)), at(HOUR + 10));
    assert_eq!(held_until(10, Duration::from_millis(5)), at(HOUR));
}

proptest! {
    /// Whatever happens in whatever order: an end is final, versions grow by one, votes are only added.
    #[test]
    fn nothing_leads_out_of_an_end(steps in prop::collection::vec((0_usize..5, 0_u64..2 * HOUR, 0_u8..6), 0..12)) {
        let mut now = request();
        for (kind, millis, number) in steps {
            let person = format!("user:p{number}");
            let next = match kind {
                0 => approve(number, &person, millis),
                1 => decline(number, &person, millis),
                other => every_step(millis)[other].clone(),
            };
            let Ok(next) = step(&now, next) else { continue };
            prop_assert!(now.end.is_none());
            prop_assert_eq!(next.version, now.version.saturating_add(1));
            prop_assert!(next.votes.starts_with(&now.votes));
            prop_assert!(next.check().is_ok());
            now = next;
        }
    }
}
