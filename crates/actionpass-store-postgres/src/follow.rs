//! Those who wait for the log to grow: told by this process's own batches, by the database's notifications, and by looking.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::Pool;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::sleep;
use tokio_postgres::{AsyncMessage, Connection, NoTls};

use crate::error::Failure;
use crate::options::PostgresOptions;
use crate::session::{Session, number};
use crate::tls::Tls;
use crate::writer::{Reply, send};

/// How often the head is looked at while somebody follows the log, if nothing is heard of it.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long it waits before it listens again.
const LISTEN_AGAIN: Duration = Duration::from_secs(1);

/// The news that the log has grown.
#[derive(Clone, Debug, Default)]
pub(crate) struct News(Arc<Notify>);

impl News {
    pub(crate) fn grown(&self) {
        self.0.notify_one();
    }
}

/// Somebody who waits for more records than this.
pub(crate) type Follower = (u64, Reply<u64>);

/// Tells followers until nobody can follow any more.
pub(crate) async fn run(pool: Pool, options: PostgresOptions, news: News, mut calls: UnboundedReceiver<Follower>) {
    let mut followers: Vec<Follower> = Vec::new();
    // Only who follows needs to hear.
    let Some(first) = calls.recv().await else { return };
    followers.push(first);
    let mut listening = pin!(listen(options, news.clone()));
    loop {
        look(&pool, &mut followers).await;
        tokio::select! {
            call = calls.recv() => match call {
                Some(call) => followers.push(call),
                None => return,
            },
            () = news.0.notified() => {}
            () = sleep(LOOK_EVERY), if !followers.is_empty() => {}
            () = &mut listening => {}
        }
    }
}

/// Answers those for whom the log has grown long enough.
async fn look(pool: &Pool, followers: &mut Vec<Follower>) {
    followers.retain(|(_, reply)| !reply.is_canceled());
    if followers.is_empty() {
        return;
    }
    match size(pool).await {
        Ok(size) => {
            for (_, reply) in followers.extract_if(.., |(seq, _)| size > *seq) {
                send(reply, Ok(size));
            }
        }
        Err(failure) => {
            for (_, reply) in followers.drain(..) {
                send(reply, Err(failure.to_error()));
            }
        }
    }
}

async fn size(pool: &Pool) -> Result<u64, Failure> {
    let session = Session::begin(pool).await?;
    match session.one("SELECT size FROM actionpass.ledger", &[]).await {
        Ok(Some(row)) => number(&row, 0),
        Ok(None) => Err(Failure::new(
            actionpass_store::StoreCode::StoreLogMismatch,
            "the store holds no log",
        )),
        Err(failure) => {
            session.give_up();
            Err(failure)
        }
    }
}

/// Hears of every head that any process moved. Where it can't listen, there is still the looking.
async fn listen(options: PostgresOptions, news: News) {
    loop {
        let ended = match options.is_encrypted() {
            true => match Tls::new(options.roots.as_deref()) {
                Ok(tls) => match options.config.connect(tls).await {
                    Ok((client, connection)) => hear(client, connection, &news).await,
                    Err(error) => Err(error),
                },
                Err(_) => return std::future::pending().await,
            },
            false => match options.config.connect(NoTls).await {
                Ok((client, connection)) => hear(client, connection, &news).await,
                Err(error) => Err(error),
            },
        };
        if let Err(error) = ended {
            tracing::debug!(error = %Failure::from(error), "the database's notifications are not heard");
        }
        // What was told meanwhile is looked for.
        news.grown();
        sleep(LISTEN_AGAIN).await;
    }
}

async fn hear<S, T>(
    client: tokio_postgres::Client,
    mut connection: Connection<S, T>,
    news: &News,
) -> Result<(), tokio_postgres::Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    let listened = client.batch_execute("LISTEN actionpass");
    let heard = async {
        while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
            if let AsyncMessage::Notification(_) = message? {
                news.grown();
            }
        }
        Ok(())
    };
    // The connection runs as long as it is heard.
    let (listened, heard) = futures_util::future::join(listened, heard).await;
    listened.and(heard)
}
