//! Calls that read: look-ups, answered together of one moment, and everything else, one by one.

use std::time::Duration;

use actionpass_store::ledger::Log;
use actionpass_store::{Known, LookUp, StoreCode};
use deadpool_postgres::Pool;
use futures_util::future::try_join3;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, sleep, timeout_at};

use crate::error::{Failure, Kind};
use crate::facts::{Facts, Questions};
use crate::ledger::{HeadRow, head_statement};
use crate::requests;
use crate::session::Session;
use crate::writer::{Reply, next_batch, send};

/// Begins a moment: what is read until its end was true at one time.
pub(crate) const MOMENT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// How long it waits before it asks again on another connection.
const PAUSE: Duration = Duration::from_millis(50);

/// Asks, and asks again on another connection where one failed, until it has an answer or it lasts too long.
pub(crate) async fn insist<T>(
    pool: &Pool,
    patience: Duration,
    question: impl AsyncFn(&Session) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let until = Instant::now().checked_add(patience).ok_or_else(Failure::late)?;
    let late = |_| Failure::late();
    loop {
        let asked = async {
            let session = timeout_at(until, Session::begin(pool)).await.map_err(late)??;
            let answer = timeout_at(until, question(&session)).await.map_err(late);
            let answer = answer.and_then(|answer| answer);
            if answer.is_err() {
                // It may be in the middle of a transaction, also where it is only late: what others write there would be lost.
                session.give_up();
            }
            answer
        };
        match asked.await {
            Err(failure) if failure.kind != Kind::Lasting && Instant::now() < until => sleep(PAUSE).await,
            answer => return answer,
        }
    }
}

/// Answers look-ups until nobody can ask any more and all are answered.
pub(crate) async fn run(
    pool: Pool,
    log: Option<Log>,
    patience: Duration,
    mut calls: UnboundedReceiver<(LookUp, Reply<Known>)>,
) {
    while let Some(batch) = next_batch(&mut calls, 1, Duration::ZERO).await {
        let (questions, replies): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
        let log = log.as_ref();
        let answers = insist(&pool, patience, async |session| look_up(session, log, &questions).await).await;
        match answers {
            Ok(answers) => replies
                .into_iter()
                .zip(answers)
                .for_each(|(reply, known)| send(reply, Ok(known))),
            Err(failure) => replies
                .into_iter()
                .for_each(|reply| send(reply, Err(failure.to_error()))),
        }
    }
}

async fn look_up(session: &Session, log: Option<&Log>, asked: &[LookUp]) -> Result<Vec<Known>, Failure> {
    if log.is_none() {
        return Err(Failure::new(StoreCode::StoreLogMismatch, "the store holds no log"));
    }
    let mut questions = Questions::default();
    let mut keys = Vec::new();
    for question in asked {
        questions.actions.extend(question.action.clone());
        questions.approvals.extend_from_slice(&question.approvals);
        keys.extend(question.request.clone());
    }
    let head = session.prepare(head_statement(false)).await?;
    let (_, rows, facts) = try_join3(
        session.run(MOMENT),
        session.rows(&head, &[]),
        Facts::load(session, &questions),
    )
    .await?;
    let head = HeadRow::read(rows.into_iter().next(), log)?;
    let mut standings = requests::standings(session, &keys).await?.into_iter();
    session.run("COMMIT").await?;
    let answers = asked.iter().map(|question| {
        let mut known = Known::new(head.state);
        known.issued = question
            .action
            .as_ref()
            .and_then(|action| facts.issued.get(action).cloned());
        let used = question
            .approvals
            .iter()
            .filter(|approval| facts.used.contains(*approval));
        known.used = used.cloned().collect();
        known.standing = question.request.as_ref().and_then(|_| standings.next());
        known
    });
    Ok(answers.collect())
}
