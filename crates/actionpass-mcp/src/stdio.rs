//! A client on standard input and output, as those that start their servers themselves.

use std::sync::Arc;
use std::time::Duration;

use base64ct::Encoding as _;
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::mpsc;

use crate::child::{self, Program};
use crate::lines::{Line, Lines};
use crate::message::{self, ClientMessage};
use crate::{MAX_CLIENT_MESSAGE, McpError, Proxy, Session, Target, ToClient, answer, url};

/// The longest line of a server, in bytes. Of longer ones only the ends are kept.
pub const MAX_SERVER_LINE: usize = 16 << 20;

/// How much is read at once.
pub(crate) const BUFFER: usize = 64 << 10;

/// How long the last answers may take to be written.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// Carries one client's messages on these streams to and from a server, until the client or the server ends, or `stop` does.
/// Nothing is opened
/// or started before the first message: clients start servers only to look at them.
///
/// # Errors
/// [`McpError`]: there is no such server, it can't be started, or a stream fails.
pub async fn serve(
    proxy: Proxy,
    input: impl AsyncRead + Unpin + Send + 'static,
    mut output: impl AsyncWrite + Unpin + Send + 'static,
    stop: impl Future<Output = ()>,
) -> Result<(), McpError> {
    let mut lines = Lines::new(BufReader::with_capacity(BUFFER, input), MAX_CLIENT_MESSAGE);
    tokio::pin!(stop);
    let first = tokio::select! {
        first = lines.next() => first?,
        () = &mut stop => None,
    };
    let Some(first) = first else { return Ok(()) };
    let (settings, target) = match proxy.settings().await {
        Ok(found) => found,
        Err(error) => {
            // Whoever started the proxy reads its standard error; the client reads why nothing comes.
            if let Line::Whole(line) = &first
                && let Ok(ClientMessage::Request { id, .. }) = message::read_client(line)
            {
                let mut line = answer::unavailable(&id, &error);
                line.push(b'\n');
                output.write_all(&line).await?;
                output.flush().await?;
            }
            return Err(error);
        }
    };
    let env = settings.server.env.clone();
    let (session, to_server, to_client) = Session::new(proxy.door, settings, new_id()?, random()?);
    let mut writing = tokio::spawn(write(output, to_client));
    let mut carrying = match target {
        Target::Command(command) => tokio::spawn(child::run(Program { command, env }, Arc::clone(&session), to_server)),
        Target::Url(url) => tokio::spawn(url::run(url, Arc::clone(&session), to_server)),
    };
    let ended = tokio::select! {
        read = read(lines, first, &session) => Ended::Client(read),
        carried = &mut carrying => Ended::Server(carried),
        _ = &mut writing => Ended::Client(Ok(())),
        () = &mut stop => Ended::Client(Ok(())),
    };
    session.client_gone();
    let result = match ended {
        Ended::Client(read) => {
            // What the server has may still be answered.
            session.close();
            let carried = carrying.await.unwrap_or_else(|_| Err(failed()));
            read.map_err(McpError::from).and(carried)
        }
        Ended::Server(carried) => carried.unwrap_or_else(|_| Err(failed())),
    };
    session.settled().await;
    drop(session);
    if !writing.is_finished() {
        let _ = tokio::time::timeout(FLUSH_TIMEOUT, writing).await;
    }
    result
}

pub(crate) fn failed() -> McpError {
    McpError::unavailable("the server's task failed".to_owned())
}

enum Ended {
    Client(std::io::Result<()>),
    Server(Result<Result<(), McpError>, tokio::task::JoinError>),
}

async fn read<R: AsyncBufRead + Unpin>(
    mut lines: Lines<R>,
    first: Line,
    session: &Arc<Session>,
) -> std::io::Result<()> {
    let mut next = Some(first);
    while let Some(line) = next {
        match line {
            Line::Whole(line) => session.from_client(&line).await,
            Line::TooLong { .. } => session.from_client_too_long().await,
        }
        next = lines.next().await?;
    }
    Ok(())
}

async fn write(mut output: impl AsyncWrite + Unpin, mut messages: mpsc::Receiver<ToClient>) -> std::io::Result<()> {
    while let Some(message) = messages.recv().await {
        let mut line = message.line;
        line.push(b'\n');
        output.write_all(&line).await?;
        output.flush().await?;
    }
    Ok(())
}

/// An id for a connection that has none.
pub(crate) fn new_id() -> Result<String, McpError> {
    let bytes: [u8; 16] = random()?;
    Ok(format!("mcp-{}", base64ct::Base64UrlUnpadded::encode_string(&bytes)))
}

pub(crate) fn random<const N: usize>() -> Result<[u8; N], McpError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| McpError::unavailable("the system gives no random numbers".to_owned()))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
