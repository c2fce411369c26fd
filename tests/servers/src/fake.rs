//! Servers that answer what a test wants: slowly, wrongly, or with somebody else's words.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// An HTTP server on loopback whose answers come from a function. Its threads end with the test program.
pub struct Fake {
    port: u16,
    asked: Arc<Mutex<Vec<Question>>>,
}

/// A request.
#[derive(Clone, Debug)]
pub struct Question {
    /// `GET`, `POST` …
    pub method: String,
    /// The path, with the query.
    pub path: String,
    /// The names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body as text.
    pub body: String,
}

/// What to do about a request.
#[derive(Clone, Debug)]
pub enum Answer {
    /// A status and a body.
    Body(u16, String),
    /// A status, one more header and no body.
    Header(u16, &'static str, String),
    /// Bytes as they are; then the connection is closed.
    Raw(Vec<u8>),
    /// Nothing for this long; then the connection is closed.
    Silence(Duration),
    /// The head of an answer, and then a byte of its body every 50 milliseconds, without an end.
    Drip,
}

impl Fake {
    /// Starts a server.
    ///
    /// # Panics
    /// If there is no port.
    pub fn start(answer: impl Fn(&Question) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("there is a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (answer, log) = (Arc::new(answer), Arc::clone(&asked));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answer, log) = (Arc::clone(&answer), Arc::clone(&log));
                thread::spawn(move || serve(&stream, &*answer, &log));
            }
        });
        Self { port, asked }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The requests so far.
    #[must_use]
    pub fn asked(&self) -> Vec<Question> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Question {
    /// A header's value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(found, _)| found == name);
        found.map(|(_, value)| value.as_str())
    }
}

impl fmt::Debug for Fake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fake").field("port", &self.port).finish_non_exhaustive()
    }
}

/// Answers requests on one connection until one of the two sides ends it. Errors are the client's: it went away.
fn serve(stream: &TcpStream, answer: &dyn Fn(&Question) -> Answer, log: &Mutex<Vec<Question>>) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut writer = stream;
    while let Some(question) = read(&mut reader)? {
        log.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(question.clone());
        match answer(&question) {
            Answer::Body(status, body) => {
                let length = body.len();
                write!(
                    writer,
                    "HTTP/1.1 {status} Said\r\nContent-Length: {length}\r\n\r\n{body}"
                )?;
            }
            Answer::Header(status, name, value) => {
                write!(
                    writer,
                    "HTTP/1.1 {status} Said\r\n{name}: {value}\r\nContent-Length: 0\r\n\r\n"
                )?;
            }
            Answer::Raw(bytes) => return writer.write_all(&bytes),
            Answer::Silence(time) => {
                thread::sleep(time);
                return Ok(());
            }
            Answer::Drip => {
                write!(writer, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")?;
                loop {
                    thread::sleep(Duration::from_millis(50));
                    writer.write_all(b" ")?;
                }
            }
        }
    }
    Ok(())
}

fn read(reader: &mut impl BufRead) -> io::Result<Option<Question>> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split_whitespace();
    let (Some(method), Some(path)) = (words.next(), words.next()) else {
        return Ok(None);
    };
    let (method, path) = (method.to_owned(), path.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut question = Question {
        method,
        path,
        headers,
        body: String::new(),
    };
    let length = question.header("content-length").and_then(|length| length.parse().ok());
    reader.take(length.unwrap_or(0)).read_to_string(&mut question.body)?;
    Ok(Some(question))
}
