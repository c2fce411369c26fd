//! What verifying costs above the bare signature check, how fast bad tokens are refused, and how it scales.

use std::hint::black_box;
use std::thread;
use std::time::Duration;

use actionpass_canon::{BoundAction, Limits, admit};
use actionpass_crypto::SoftwareKey;
use actionpass_model::{Resource, Tool};
use actionpass_verify::Call;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::Effort;
use crate::bare::BareVerify;
use crate::bout::Bout;
use crate::fixture::{self, Fixture, RESOURCE, TOOL};
use crate::row::{Budget, Row, against, time};

pub(crate) fn rows(fixture: &Fixture, effort: Effort) -> Vec<Row> {
    let verifier = fixture.verifier();
    let (tool, resource) = (Tool::parse(TOOL).unwrap(), Resource::parse(RESOURCE).unwrap());
    let action = BoundAction::admit(fixture.action.as_bytes(), &Limits::default()).unwrap();
    let approved = fixture.approved_pass();
    let (trust, now) = (&*fixture.trust, fixture.at());
    let from_bytes = |token: &str| {
        let payload = admit(black_box(fixture.payload.as_bytes()), &Limits::default()).unwrap();
        let call = Call::new(&tool, &resource, &payload);
        black_box(verifier.verify(black_box(token), &call, trust, now).unwrap());
    };
    let prepared = |token: &str| {
        black_box(
            verifier
                .verify(black_box(token), &Call::action(&action), trust, now)
                .unwrap(),
        );
    };
    let bad = bad_tokens(fixture);

    let mut bout = Bout::new(effort.of(401, 3), Duration::from_millis(1), effort, &fixture.control);
    let bare = bout.add(|| fixture.control.run());
    let plain = bout.add(|| from_bytes(&fixture.pass));
    let plain_prepared = bout.add(|| prepared(&fixture.pass));
    let with_approval = bout.add(|| from_bytes(&approved));
    let refusals: Vec<_> = bad
        .iter()
        .map(|(name, token)| {
            let id = bout.add(|| {
                black_box(
                    verifier
                        .verify(black_box(token), &Call::action(&action), trust, now)
                        .unwrap_err(),
                );
            });
            (*name, id)
        })
        .collect();
    let outcome = bout.run();

    let slowest = refusals
        .iter()
        .max_by(|a, b| outcome.time(a.1).total_cmp(&outcome.time(b.1)))
        .unwrap();
    let each: Vec<_> = refusals
        .iter()
        .map(|(name, id)| format!("{name} {}", time(outcome.time(*id))))
        .collect();
    let figure = |id| against(outcome.time(id), outcome.time(bare));
    vec![
        Row::new(
            "verify, 600 B payload, token and payload bytes to verdict, against the bare P-256 verify",
            figure(plain),
            outcome.ratio(plain, bare),
            Budget::AtMost(1.15),
            &outcome,
        )
        .beside(format!(
            "whole action stated, admitted before: {:.3} ×",
            outcome.ratio(plain_prepared, bare)
        )),
        Row::new(
            "verify, the same with one approval inside",
            figure(with_approval),
            outcome.ratio(with_approval, bare),
            Budget::AtMost(2.20),
            &outcome,
        ),
        Row::new(
            "refusing a bad token before any signature check",
            time(outcome.time(slowest.1)),
            outcome.time(slowest.1) * 1e6,
            Budget::Micros(1.0),
            &outcome,
        )
        .beside(format!("the slowest of: {}", each.join(", "))),
    ]
}

/// Tokens that are wrong in one way each, and refused before a signature is looked at.
fn bad_tokens(fixture: &Fixture) -> Vec<(&'static str, String)> {
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let mut parts = fixture.pass.split('.');
    let (header, claims, signature) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
    let header = String::from_utf8(URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
    let with_header = |from: &str, to: &str| {
        let changed = header.replacen(from, to, 1);
        assert_ne!(changed, header);
        format!("{}.{claims}.{signature}", encode(&changed))
    };
    let stranger = SoftwareKey::generate().unwrap();
    let kid = &fixture::pass_key(&stranger).kid;
    let known = &fixture::pass_key(&fixture.key).kid;
    let tokens = vec![
        ("empty", String::new()),
        ("padded", format!("{}=", fixture.pass)),
        ("stray byte", fixture.pass.replacen(claims, &format!(" {claims}"), 1)),
        ("two parts", format!("{}.{claims}", encode(&header))),
        ("alg none", with_header("ES256", "none")),
        ("another typ", with_header("actionpass+jwt", "JWT")),
        ("crit", with_header("{", "{\"crit\":[\"b64\"],")),
        ("foreign kid", with_header(known.as_str(), kid.as_str())),
        (
            "too long",
            format!("{}.{}.{signature}", encode(&header), "A".repeat(40_000)),
        ),
    ];
    // What is measured must be what the row says: none of these may get as far as the signature.
    let call = BoundAction::admit(fixture.action.as_bytes(), &Limits::default()).unwrap();
    for (name, token) in &tokens {
        let refusal = fixture
            .verifier()
            .verify(token, &Call::action(&call), &fixture.trust, fixture.at())
            .unwrap_err();
        let code = refusal.findings()[0].code().to_string();
        let early = [
            "token_malformed",
            "header_not_allowed",
            "type_mismatch",
            "key_unknown",
            "algorithm_mismatch",
        ];
        assert!(early.contains(&code.as_str()), "{name}: {code}");
    }
    tokens
}

/// The throughput of two threads against that of one.
pub(crate) fn threads(fixture: &Fixture, effort: Effort) -> Vec<Row> {
    let each = effort.of(4_000, 200);
    let verifier = fixture.verifier();
    let (tool, resource) = (Tool::parse(TOOL).unwrap(), Resource::parse(RESOURCE).unwrap());
    let verify = || {
        let payload = admit(fixture.payload.as_bytes(), &Limits::default()).unwrap();
        let call = Call::new(&tool, &resource, &payload);
        black_box(
            verifier
                .verify(black_box(&fixture.pass), &call, &fixture.trust, fixture.at())
                .unwrap(),
        );
    };
    // Parsed again, so that the two threads of the reference share no key either way.
    let other = BareVerify::of(&fixture.pass, &fixture.key);
    let bare = || other.run();

    let mut bout = Bout::new(
        9,
        Duration::from_millis(effort.of(200, 2) as u64),
        effort,
        &fixture.control,
    );
    let one = bout.add_burst(each, || || on_threads(1, each, &verify));
    let two = bout.add_burst(2 * each, || || on_threads(2, each, &verify));
    let bare_one = bout.add_burst(each, || || on_threads(1, each, &bare));
    let bare_two = bout.add_burst(2 * each, || || on_threads(2, each, &bare));
    let outcome = bout.run();
    let row = Row::new(
        "verify on two threads, against one",
        format!("{:.0}/s : {:.0}/s", 1.0 / outcome.time(two), 1.0 / outcome.time(one)),
        outcome.ratio(one, two),
        Budget::AtLeast(1.9),
        &outcome,
    );
    vec![row.beside(format!("the bare verify: {:.2} ×", outcome.ratio(bare_one, bare_two)))]
}

fn on_threads(count: usize, each: usize, operation: &(impl Fn() + Sync)) {
    thread::scope(|scope| {
        for _ in 0..count {
            scope.spawn(|| (0..each).for_each(|_| operation()));
        }
    });
}
