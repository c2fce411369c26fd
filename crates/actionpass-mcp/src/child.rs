//! A server as a child process: started with the first message, and ended with the proxy.

use std::ffi::OsString;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::lines::{Line, Lines};
use crate::stdio::{BUFFER, MAX_SERVER_LINE};
use crate::{McpError, Session, ToServer};

/// What every server gets of the environment.
const ENVIRONMENT: &[&str] = &["PATH", "HOME", "LANG"];

/// What no server gets, whatever its entry says.
const OWN_ENVIRONMENT: &str = "ACTIONPASS_";

/// How long a server has to end once its input is closed, and again once it is told to.
const GRACE: Duration = Duration::from_secs(2);

/// How a server is started.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) command: Vec<String>,
    /// The variables that it gets beside [`ENVIRONMENT`].
    pub(crate) env: Vec<String>,
}

/// Carries messages between a session and its server until one of them ends. The server is started with the first message.
pub(crate) async fn run(
    program: Program,
    session: Arc<Session>,
    mut messages: mpsc::Receiver<ToServer>,
) -> Result<(), McpError> {
    let first = tokio::select! {
        biased;
        first = messages.recv() => first,
        () = session.closed() => None,
    };
    let Some(first) = first else { return Ok(()) };
    let (mut child, mut input, output) = match start(&program, Stdio::inherit()) {
        Ok(started) => started,
        Err(error) => {
            session.answer_lost().await;
            return Err(error);
        }
    };
    let group = group(&child);
    let mut reading = {
        let session = Arc::clone(&session);
        tokio::spawn(async move { read(output, &session).await })
    };
    let mut closing = Closing {
        session: &session,
        at: None,
    };
    let mut next = Some(first);
    let is_closed = loop {
        if let Some(message) = next.take() {
            let mut line = message.line;
            line.push(b'\n');
            // A server may read nothing, for as long as it likes.
            tokio::select! {
                biased;
                written = write(&mut input, &line) => if written.is_err() { break false },
                _ = &mut reading => break false,
                () = closing.over() => break true,
            }
        }
        tokio::select! {
            biased;
            _ = &mut reading => break false,
            message = messages.recv() => match message {
                Some(message) => next = Some(message),
                None => break true,
            },
            _ = closing.begun() => break true,
        }
    };
    // Its input ends; then it has some time.
    drop(input);
    messages.close();
    if is_closed && tokio::time::timeout(GRACE, &mut reading).await.is_err() {
        signal(group, Signal::TERM);
        let _ = tokio::time::timeout(GRACE, &mut reading).await;
    }
    // A client may read nothing either.
    let told = async {
        tokio::select! {
            biased;
            () = session.answer_lost() => {}
            () = closing.over() => {}
        }
    };
    tokio::join!(told, end(&mut child, group));
    reading.abort();
    if is_closed { Ok(()) } else { Err(McpError::gone()) }
}

/// The end of a session, and how long what is not done by then may take.
struct Closing<'a> {
    session: &'a Session,
    /// When it was closed.
    at: Option<Instant>,
}

impl Closing<'_> {
    /// Until the session is closed.
    async fn begun(&mut self) -> Instant {
        if self.at.is_none() {
            self.session.closed().await;
        }
        *self.at.get_or_insert_with(Instant::now)
    }

    /// Until nothing is waited for any more.
    async fn over(&mut self) {
        let at = self.begun().await;
        tokio::time::sleep(GRACE.saturating_sub(at.elapsed())).await;
    }
}

async fn write(input: &mut ChildStdin, line: &[u8]) -> std::io::Result<()> {
    input.write_all(line).await?;
    input.flush().await
}

async fn read(output: ChildStdout, session: &Session) {
    let mut lines = Lines::new(BufReader::with_capacity(BUFFER, output), MAX_SERVER_LINE);
    while let Ok(Some(line)) = lines.next().await {
        match line {
            Line::Whole(line) => session.from_server(&line).await,
            Line::TooLong { start, end } => session.from_server_too_long(&start, &end).await,
        }
    }
}

/// The group of what a server starts.
pub(crate) fn group(child: &Child) -> Option<Pid> {
    child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw)
}

pub(crate) fn start(program: &Program, stderr: Stdio) -> Result<(Child, ChildStdin, ChildStdout), McpError> {
    let unavailable = |problem: &str| McpError::unavailable(format!("the server can't be started: {problem}"));
    let (name, arguments) = program
        .command
        .split_first()
        .ok_or_else(|| unavailable("there is no command"))?;
    let mut command = Command::new(name);
    command.args(arguments).env_clear().envs(environment(&program.env));
    // Standard library and runtime open every descriptor so that no child gets it; whoever started the proxy may have left others
    // open. The three of the child are made for it.
    close_fds::set_fds_cloexec_threadsafe(3, &[]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(stderr);
    command.kill_on_drop(true).process_group(0);
    let mut child = command.spawn().map_err(|error| unavailable(&error.to_string()))?;
    let (input, output) = (child.stdin.take(), child.stdout.take());
    let (Some(input), Some(output)) = (input, output) else {
        return Err(unavailable("it has no input or output"));
    };
    Ok((child, input, output))
}

fn environment(names: &[String]) -> Vec<(String, OsString)> {
    let listed = names
        .iter()
        .map(String::as_str)
        .filter(|name| !name.starts_with(OWN_ENVIRONMENT));
    let names = ENVIRONMENT.iter().copied().chain(listed);
    names
        .filter_map(|name| Some((name.to_owned(), std::env::var_os(name)?)))
        .collect()
}

/// Ends a server and what it started.
pub(crate) async fn end(child: &mut Child, group: Option<Pid>) {
    if tokio::time::timeout(Duration::from_millis(100), child.wait())
        .await
        .is_err()
    {
        signal(group, Signal::TERM);
        if tokio::time::timeout(GRACE, child.wait()).await.is_err() {
            let _ = child.start_kill();
        }
    }
    // Its group may outlive it; nothing that it started reads on.
    signal(group, Signal::KILL);
    let _ = child.wait().await;
}

fn signal(group: Option<Pid>, signal: Signal) {
    if let Some(group) = group {
        let _ = kill_process_group(group, signal);
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::os::fd::AsRawFd as _;

    use tokio::io::AsyncReadExt as _;

    use super::*;

    #[tokio::test]
    async fn a_child_has_no_descriptor_that_somebody_left_open() {
        let left = std::fs::File::open("/dev/null").unwrap();
        rustix::io::fcntl_setfd(&left, rustix::io::FdFlags::empty()).unwrap();
        let path = format!("/proc/self/fd/{}", left.as_raw_fd());
        let script = format!("test -e {path} && echo open || echo closed");
        let program = Program {
            command: ["sh", "-c", &script].map(ToOwned::to_owned).to_vec(),
            env: Vec::new(),
        };
        let (mut child, _input, mut output) = start(&program, Stdio::inherit()).unwrap();
        let mut said = String::new();
        output.read_to_string(&mut said).await.unwrap();
        assert_eq!(said, "closed\n");
        assert!(child.wait().await.unwrap().success());
        assert!(std::fs::exists(path).unwrap());
    }
}
