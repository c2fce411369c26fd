//! What authorizing costs above the bare signature.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use actionpass_canon::{BoundAction, Limits};
use actionpass_core::Request;
use actionpass_store::MemoryDecisionStore;

use crate::Effort;
use crate::bare::BareSign;
use crate::bout::Bout;
use crate::fixture::{Fixture, NoStore, block_on};
use crate::row::{Budget, Row, against};

pub(crate) fn rows(fixture: &Fixture, effort: Effort) -> Vec<Row> {
    let bare_sign = BareSign::of(&fixture.pass, &fixture.key);
    let without_store = fixture.authorizer(Arc::new(NoStore::new(&fixture.config)));
    let in_memory = fixture.authorizer(Arc::new(MemoryDecisionStore::with_capacity(
        fixture.config.log().unwrap(),
        usize::MAX,
    )));
    let authorize = |authorizer: &actionpass_core::Authorizer| {
        let action = BoundAction::admit(black_box(fixture.action.as_bytes()), &Limits::default()).unwrap();
        let answer = block_on(authorizer.authorize(Request::new(&action, &fixture.caller))).unwrap();
        black_box(answer.pass.unwrap());
    };

    let mut bout = Bout::new(effort.of(401, 3), Duration::from_millis(1), effort, &fixture.control);
    let bare = bout.add(|| bare_sign.run());
    let ours = bout.add(|| authorize(&without_store));
    let recorded = bout.add(|| authorize(&in_memory));
    let outcome = bout.run();
    let row = Row::new(
        "authorize without the store, software key, no approvals: action bytes to pass, against the bare P-256 sign",
        against(outcome.time(ours), outcome.time(bare)),
        outcome.ratio(ours, bare),
        Budget::AtMost(1.5),
        &outcome,
    );
    vec![row.beside(format!(
        "record sealed and kept in memory as well: {:.2} ×",
        outcome.ratio(recorded, bare)
    ))]
}
