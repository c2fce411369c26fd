//! The generator: so many connections that ask without a pause, or questions at a constant rate whatever the answers do.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::SendRequest;
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Whoever waits longer than this for an answer has been timed out on.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is asked, again and again.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) address: SocketAddr,
    pub(crate) path: &'static str,
    pub(crate) token: Option<String>,
    pub(crate) body: Bytes,
    /// Whether an answer with status 200 is the right one.
    pub(crate) is_right: fn(&[u8]) -> bool,
}

/// What came back.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Answers by status.
    pub(crate) statuses: BTreeMap<u16, usize>,
    /// Answers of 200 that were not the right one.
    pub(crate) wrong: usize,
    /// Questions without an answer: the connection broke, or patience ended.
    pub(crate) unanswered: usize,
    /// From when a question should have been asked to its answer, of those that were answered with 200.
    pub(crate) latencies: Vec<Duration>,
    /// How long the load lasted.
    pub(crate) lasted: Duration,
    /// How many questions were on their way at once, in the mean over time.
    pub(crate) in_flight: f64,
}

/// Questions on their way, counted as they are sent and answered.
#[derive(Debug)]
struct InFlight {
    now: usize,
    since: Instant,
    /// Questions times seconds.
    area: f64,
}

impl InFlight {
    fn new() -> Self {
        Self {
            now: 0,
            since: Instant::now(),
            area: 0.0,
        }
    }

    fn changes_to(&mut self, now: usize) {
        self.area += self.now as f64 * self.since.elapsed().as_secs_f64();
        self.since = Instant::now();
        self.now = now;
    }
}

impl Tally {
    pub(crate) fn answered(&self) -> usize {
        self.statuses.get(&200).copied().unwrap_or_default()
    }

    pub(crate) fn per_second(&self) -> f64 {
        self.answered() as f64 / self.lasted.as_secs_f64()
    }

    pub(crate) fn quantile(&self, part: f64) -> Duration {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an index below the length"
        )]
        let at = (sorted.len().saturating_sub(1) as f64 * part) as usize;
        sorted.get(at).copied().unwrap_or_default()
    }

    /// Questions on their way in the mean, over what the rate and the mean time say (Little's law): 1 for a generator that asks
    /// when it should. One that is late counts time in which nothing was on its way, and has less.
    pub(crate) fn littles_law(&self) -> f64 {
        let mean = self.latencies.iter().sum::<Duration>().as_secs_f64() / self.latencies.len().max(1) as f64;
        self.in_flight / (self.per_second() * mean)
    }
}

/// One connection, made again when it breaks.
pub(crate) struct Connection {
    address: SocketAddr,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Connection {
    pub(crate) const fn new(address: SocketAddr) -> Self {
        Self { address, sender: None }
    }

    async fn sender(&mut self) -> Option<&mut SendRequest<Full<Bytes>>> {
        let is_broken = match &mut self.sender {
            Some(sender) => sender.ready().await.is_err(),
            None => true,
        };
        if is_broken {
            let stream = TcpStream::connect(self.address).await.ok()?;
            stream.set_nodelay(true).ok()?;
            let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.ok()?;
            tokio::spawn(connection);
            self.sender = Some(sender);
        }
        self.sender.as_mut()
    }

    /// Asks once: the status and the body; `None` without an answer.
    pub(crate) async fn ask(&mut self, question: &Question, patience: Duration) -> Option<(StatusCode, Bytes)> {
        let mut request = Request::post(question.path)
            .header(header::HOST, self.address.to_string())
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(token) = &question.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request.body(Full::new(question.body.clone())).unwrap();
        let asked = async {
            let response = self.sender().await?.send_request(request).await.ok()?;
            let status = response.status();
            Some((status, response.into_body().collect().await.ok()?.to_bytes()))
        };
        let answer = tokio::time::timeout(patience, asked).await.ok().flatten();
        if answer.is_none() {
            self.sender = None;
        }
        answer
    }
}

fn count(tally: &mut Tally, question: &Question, since: Instant, answer: Option<(StatusCode, Bytes)>) {
    let Some((status, body)) = answer else {
        tally.unanswered += 1;
        return;
    };
    *tally.statuses.entry(status.as_u16()).or_default() += 1;
    if status == StatusCode::OK {
        tally.latencies.push(since.elapsed());
        if !(question.is_right)(&body) {
            tally.wrong += 1;
        }
    }
}

/// So many connections, each asking as soon as it was answered.
pub(crate) async fn closed(question: &Question, connections: usize, time: Duration) -> Tally {
    let tally = Arc::new(Mutex::new(Tally::default()));
    let start = Instant::now();
    let tasks = (0..connections).map(|_| {
        let (question, tally) = (question.clone(), Arc::clone(&tally));
        tokio::spawn(async move {
            let mut connection = Connection::new(question.address);
            while start.elapsed() < time {
                let since = Instant::now();
                let answer = connection.ask(&question, PATIENCE).await;
                count(&mut tally.lock().unwrap(), &question, since, answer);
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    finish(tally, start)
}

/// Questions at a constant rate: each is asked when its time has come, whether former ones were answered or not, over as many
/// connections as that takes.
pub(crate) async fn open(question: &Question, per_second: f64, time: Duration) -> Tally {
    let tally = Arc::new(Mutex::new(Tally::default()));
    let idle: Arc<Mutex<Vec<Connection>>> = Arc::default();
    let in_flight = Arc::new(Mutex::new(InFlight::new()));
    let start = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a count of seconds"
    )]
    let all = (per_second * time.as_secs_f64()) as usize;
    // The timer of the runtime is right to a millisecond only, which would be late by half of one in the mean.
    let (tick, mut ticks) = tokio::sync::mpsc::unbounded_channel();
    let clock = std::thread::spawn(move || {
        for number in 0..all {
            let due = start + Duration::from_secs_f64(number as f64 / per_second);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            tick.send(due).unwrap();
        }
    });
    while let Some(due) = ticks.recv().await {
        while tasks.try_join_next().is_some() {}
        let (question, tally, idle) = (question.clone(), Arc::clone(&tally), Arc::clone(&idle));
        let in_flight = Arc::clone(&in_flight);
        tasks.spawn(async move {
            let is_sent = |change: isize| {
                let mut in_flight = in_flight.lock().unwrap();
                let now = in_flight.now.checked_add_signed(change).unwrap();
                in_flight.changes_to(now);
            };
            is_sent(1);
            let waiting = idle.lock().unwrap().pop();
            let mut connection = waiting.unwrap_or_else(|| Connection::new(question.address));
            let answer = connection.ask(&question, PATIENCE).await;
            is_sent(-1);
            count(&mut tally.lock().unwrap(), &question, due, answer);
            idle.lock().unwrap().push(connection);
        });
    }
    clock.join().unwrap();
    while tasks.join_next().await.is_some() {}
    let mut tally = finish(tally, start);
    tally.in_flight = in_flight.lock().unwrap().area / tally.lasted.as_secs_f64();
    tally
}

fn finish(tally: Arc<Mutex<Tally>>, start: Instant) -> Tally {
    let mut tally = std::mem::take(&mut *tally.lock().unwrap());
    tally.lasted = start.elapsed();
    tally
}
