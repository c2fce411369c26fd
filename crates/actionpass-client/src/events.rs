//! Streams of events (server-sent events, WHATWG HTML §9.2) that go on where a connection breaks.

use std::io::{self, BufRead, BufReader, Read};
use std::thread;
use std::time::{Duration, Instant};

use crate::ClientError;
use crate::api::{RequestEvent, RequestItem};
use crate::client::{Asked, Client, left, media_type};

/// For how long one connection is listened to. It bounds how long a connection that died unnoticed is taken for a silent one.
const STREAM_TIME: Duration = Duration::from_secs(5 * 60);
/// How long to leave a service alone whose stream broke.
const PAUSE: Duration = Duration::from_secs(1);
/// How often it is asked again before somebody is told that it can't be reached.
const TRIES: u32 = 5;
/// The longest line of a stream, in bytes.
const MAX_LINE_BYTES: u64 = 1024 * 1024;

/// What happens to the approval requests that a client may see. It ends with the first error.
#[derive(Debug)]
pub struct Events<'a>(Stream<'a>);

/// What happens to one approval request. It ends with the first error, or at its deadline.
#[derive(Debug)]
pub struct Updates<'a>(Stream<'a>);

/// What is told of one approval request.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Update {
    /// What it is, as of when the stream began, or began again.
    State(RequestItem),
    /// What happened to it. What it is now, [`Client::request`] says.
    Event(RequestEvent),
}

impl<'a> Events<'a> {
    pub(crate) fn new(client: &'a Client, last: Option<u64>) -> Self {
        Self(Stream::new(client, "/v1/events".to_owned(), last))
    }
}

impl<'a> Updates<'a> {
    pub(crate) fn new(client: &'a Client, path: String) -> Self {
        Self(Stream::new(client, path, None))
    }

    /// The same until then.
    #[must_use]
    pub const fn with_deadline(mut self, deadline: Instant) -> Self {
        self.0.deadline = Some(deadline);
        self
    }
}

impl Iterator for Events<'_> {
    type Item = Result<RequestEvent, ClientError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.0.next()? {
                Ok(Update::Event(event)) => return Some(Ok(event)),
                Ok(Update::State(_)) => {}
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

impl Iterator for Updates<'_> {
    type Item = Result<Update, ClientError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }
}

struct Stream<'a> {
    client: &'a Client,
    path: String,
    /// The number of the last record that was told of.
    last: Option<u64>,
    deadline: Option<Instant>,
    open: Option<BufReader<Box<dyn Read + Send>>>,
    failed: u32,
    is_over: bool,
}

impl<'a> Stream<'a> {
    fn new(client: &'a Client, path: String, last: Option<u64>) -> Self {
        Self {
            client,
            path,
            last,
            deadline: None,
            open: None,
            failed: 0,
            is_over: false,
        }
    }

    fn next(&mut self) -> Option<Result<Update, ClientError>> {
        loop {
            if self.is_over || self.deadline.is_some_and(|end| Instant::now() >= end) {
                return None;
            }
            match self.step() {
                Ok(Some(update)) => {
                    self.failed = 0;
                    return Some(Ok(update));
                }
                // The service ended the stream, or nobody listened to it any longer: it goes on behind the last record.
                Ok(None) => self.open = None,
                Err(ClientError::Unreachable { .. }) if self.failed < TRIES => {
                    self.open = None;
                    self.failed = self.failed.saturating_add(1);
                }
                Err(error) => {
                    self.is_over = true;
                    return Some(Err(error));
                }
            }
            thread::sleep(left(self.deadline, PAUSE));
        }
    }

    /// The next message, `None` at the end of the stream.
    fn step(&mut self) -> Result<Option<Update>, ClientError> {
        let client = self.client;
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.connect()?,
        };
        let update = loop {
            let Some(message) = message(&mut open).map_err(|error| self.broken(error))? else {
                return Ok(None);
            };
            if !message.data.is_empty() {
                break self
                    .update(&message)
                    .ok_or_else(|| client.malformed("an event that isn't one"))?;
            }
        };
        self.open = Some(open);
        Ok(Some(update))
    }

    fn update(&mut self, message: &Message) -> Option<Update> {
        if message.event == "state" {
            return serde_json::from_str(&message.data).ok().map(Update::State);
        }
        let event: RequestEvent = serde_json::from_str(&message.data).ok()?;
        // What is resumed behind is the record that the event itself names.
        let id: u64 = message.id.as_ref()?.parse().ok()?;
        if id != event.seq || self.last.is_some_and(|last| id <= last) {
            return None;
        }
        self.last = Some(id);
        Some(Update::Event(event))
    }

    fn connect(&self) -> Result<BufReader<Box<dyn Read + Send>>, ClientError> {
        let last = self.last.map(|last| last.to_string());
        let mut asked = Asked::get(&self.path);
        asked.accept = "text/event-stream";
        asked.header = last.as_deref().map(|last| ("last-event-id", last));
        asked.time = left(self.deadline, STREAM_TIME);
        let response = self.client.once(&asked)?;
        if response.status().as_u16() != 200 {
            return Err(match self.client.refused(response) {
                // An overloaded service, or one that stops, is one that can't be reached yet.
                error @ ClientError::Refused { .. } if error.problem().is_some_and(|problem| problem.status == 503) => {
                    self.client.unreachable(error)
                }
                error => error,
            });
        }
        if media_type(&response) != "text/event-stream" {
            return Err(self.client.malformed("it is no stream of events"));
        }
        Ok(BufReader::new(Box::new(response.into_body().into_reader())))
    }

    fn broken(&self, error: io::Error) -> ClientError {
        if error.kind() == io::ErrorKind::InvalidData {
            return self.client.malformed("a stream of events that isn't one");
        }
        self.client.unreachable(error)
    }
}

impl std::fmt::Debug for Stream<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stream")
            .field("path", &self.path)
            .field("last", &self.last)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Default, Eq, PartialEq)]
struct Message {
    id: Option<String>,
    event: String,
    data: String,
}

/// The next message of a stream, which may be empty; `None` at the end. A message that was cut off is none.
fn message(from: &mut impl BufRead) -> io::Result<Option<Message>> {
    let mut message = Message::default();
    loop {
        let mut line = Vec::new();
        let read = from.take(MAX_LINE_BYTES).read_until(b'\n', &mut line)?;
        if line.pop() != Some(b'\n') {
            let is_too_long = u64::try_from(read).is_ok_and(|read| read >= MAX_LINE_BYTES);
            return if is_too_long {
                Err(io::ErrorKind::InvalidData.into())
            } else {
                Ok(None)
            };
        }
        let line = String::from_utf8(line).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
        let line = line.strip_suffix('\r').unwrap_or(&line);
        if line.is_empty() {
            return Ok(Some(message));
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => message.id = Some(value.to_owned()),
            "event" => value.clone_into(&mut message.event),
            "data" if message.data.is_empty() => value.clone_into(&mut message.data),
            // Ours are in one line.
            "data" => return Err(io::ErrorKind::InvalidData.into()),
            // Comments, and fields that a later release may have.
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(text: &str) -> Vec<Message> {
        let mut from = text.as_bytes();
        std::iter::from_fn(|| message(&mut from).unwrap()).collect()
    }

    #[test]
    fn messages_are_read_whole_or_not_at_all() {
        let read = messages(":\n\nid: 7\nevent: opened\ndata: {}\n\nid: 8\r\ndata:x\r\n\r\nid: 9\ndata: cut");
        let told = |id: &str, event: &str, data: &str| Message {
            id: Some(id.to_owned()),
            event: event.to_owned(),
            data: data.to_owned(),
        };
        assert_eq!(
            read,
            [Message::default(), told("7", "opened", "{}"), told("8", "", "x")]
        );
    }

    #[test]
    fn lines_have_an_end() {
        let long = "x".repeat(1024 * 1024);
        assert!(message(&mut long.as_bytes()).is_err());
        assert!(message(&mut &b"data: \xff\n\n"[..]).is_err());
        assert!(message(&mut &b"data: a\ndata: b\n\n"[..]).is_err());
    }
}
