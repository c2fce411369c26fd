//! [`LiveClients`]: the clients of a home as they are now.

use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use super::Clients;
use super::edit::text_of;
use crate::{Home, HomeError};

/// How long what was read is used without another look at the file.
const LOOKS_EACH: Duration = Duration::from_millis(500);

/// The clients of a home, as `clients.toml` has them now: whoever asks looks at the file, or the document of the database, twice a
/// second at most. What it said more than half a second ago is never used, so a client that was removed is out by then.
///
/// A file that is broken or readable by others answers nobody until it is mended, and the entries of before are not
/// used in its place: it may be the very change that takes somebody's right. Whoever writes it by hand can have it checked
/// beforehand (`actionpass doctor`), and `clients add` and `remove` write none that is broken. A home without the file
/// has no clients, which is no failure.
#[derive(Debug)]
pub struct LiveClients {
    home: Home,
    state: Mutex<Option<State>>,
}

#[derive(Debug)]
struct State {
    looked: Instant,
    text: Option<String>,
    clients: Result<Arc<Clients>, Arc<HomeError>>,
}

impl LiveClients {
    /// Those of a home. Nothing is read yet.
    #[must_use]
    pub const fn of(home: Home) -> Self {
        Self {
            home,
            state: Mutex::new(None),
        }
    }

    /// The clients, if somebody looked less than half a second ago. It waits for nobody who looks.
    #[must_use]
    pub fn known(&self) -> Option<Result<Arc<Clients>, Arc<HomeError>>> {
        let state = match self.state.try_lock() {
            Ok(state) => state,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        let known = state.as_ref().filter(|known| known.is_fresh(Instant::now()))?;
        Some(known.clients.clone())
    }

    /// The clients now. Twice a second it reads a small file on this thread, or asks the database and waits for it.
    ///
    /// # Errors
    /// Those of [`Home::clients`].
    pub fn current(&self) -> Result<Arc<Clients>, Arc<HomeError>> {
        self.at(Instant::now())
    }

    fn at(&self, now: Instant) -> Result<Arc<Clients>, Arc<HomeError>> {
        // A panic elsewhere can't leave half a state here: each is replaced in one assignment.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = &*state
            && known.is_fresh(now)
        {
            return known.clients.clone();
        }
        let next = self.look(state.take(), now);
        let clients = next.clients.clone();
        *state = Some(next);
        clients
    }

    /// Reads the file, and parses it if it says something else than before.
    fn look(&self, before: Option<State>, now: Instant) -> State {
        let was_broken = before.as_ref().is_some_and(|before| before.clients.is_err());
        let read = || {
            let documents = self.home.documents()?;
            Ok((text_of(&documents)?, documents.place(super::CLIENTS)))
        };
        let (text, place) = match read() {
            Ok(read) => read,
            Err(error) => return State::broken(now, error, was_broken),
        };
        if let Some(before) = before
            && let (Ok(clients), true) = (&before.clients, before.text == text)
        {
            let clients = Arc::clone(clients);
            return State {
                looked: now,
                text,
                clients: Ok(clients),
            };
        }
        match Clients::parse(text.as_deref().unwrap_or_default(), &place) {
            Ok(clients) => {
                tracing::info!(clients = clients.as_slice().len(), "clients.toml was read");
                State {
                    looked: now,
                    text,
                    clients: Ok(Arc::new(clients)),
                }
            }
            Err(error) => State::broken(now, error, was_broken),
        }
    }
}

impl State {
    fn is_fresh(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.looked) < LOOKS_EACH
    }

    fn broken(now: Instant, error: HomeError, was_broken: bool) -> Self {
        if !was_broken {
            tracing::error!(code = %error.code(), %error, "clients.toml can't be used: nobody is answered until it is mended");
        }
        Self {
            // A database that is away took its time to say so, and those who waited meanwhile need not ask it again.
            looked: now.max(Instant::now()),
            text: None,
            clients: Err(Arc::new(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{CLIENTS, Client, ClientToken, client_name};

    struct Fixture {
        _folder: tempfile::TempDir,
        home: Home,
        live: LiveClients,
        start: Instant,
    }

    impl Fixture {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let home = Home::open(folder.path()).unwrap();
            let live = LiveClients::of(home.clone());
            Self {
                _folder: folder,
                home,
                live,
                start: Instant::now(),
            }
        }

        /// How many clients there are so many milliseconds after the start, or the code of why nobody knows.
        fn count(&self, millis: u64) -> Result<usize, String> {
            let clients = self
                .live
                .at(self.start.checked_add(Duration::from_millis(millis)).unwrap());
            clients
                .map(|clients| clients.as_slice().len())
                .map_err(|error| error.code().to_string())
        }

        fn add(&self, name: &str, n: u8) {
            let client = Client::new(client_name(name).unwrap()).with_token(&ClientToken::from_random(&[n; 32]));
            self.home.add_client(&client).unwrap();
        }
    }

    #[test]
    fn a_change_is_seen_half_a_second_after_the_last_look() {
        let of = Fixture::new();
        assert_eq!(of.count(0), Ok(0));
        of.add("a", 1);
        of.add("b", 2);
        assert_eq!(of.count(499), Ok(0));
        assert_eq!(of.count(500), Ok(2));
        of.home.remove_client(&client_name("a").unwrap()).unwrap();
        assert_eq!(of.count(999), Ok(2));
        assert_eq!(of.count(1000), Ok(1));
    }

    #[test]
    fn a_broken_file_answers_nobody_until_it_is_mended() {
        let of = Fixture::new();
        of.add("a", 1);
        assert_eq!(of.count(0), Ok(1));
        let good = fs::read_to_string(of.home.path(CLIENTS)).unwrap();
        fs::write(of.home.path(CLIENTS), format!("{good}x")).unwrap();
        assert_eq!(of.count(1000), Err("clients_invalid".to_owned()));
        assert_eq!(of.count(2000), Err("clients_invalid".to_owned()));
        fs::write(of.home.path(CLIENTS), &good).unwrap();
        assert_eq!(of.count(2499), Err("clients_invalid".to_owned()));
        assert_eq!(of.count(3000), Ok(1));
        fs::write(of.home.path(CLIENTS), [0xff]).unwrap();
        assert_eq!(of.count(4000), Err("clients_invalid".to_owned()));
        // Whoever takes it away takes everybody's right.
        fs::remove_file(of.home.path(CLIENTS)).unwrap();
        assert_eq!(of.count(5000), Ok(0));
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_read_answers_nobody() {
        use std::os::unix::fs::PermissionsExt as _;

        let of = Fixture::new();
        of.add("a", 1);
        assert_eq!(of.count(0), Ok(1));
        fs::set_permissions(of.home.path(CLIENTS), fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(of.count(1000), Err("key_file_permissions".to_owned()));
    }
}
