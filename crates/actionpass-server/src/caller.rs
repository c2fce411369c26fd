//! [`Caller`]: who asks, as `clients.toml` has them.
//!
//! A client proves itself by its token, in one `Authorization` header, or by the user that it is on the Unix socket; nothing
//! else of a request counts. Whoever isn't let through learns no more than that: the log says why.

mod attempts;
#[cfg(test)]
mod g21;

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Instant;

use actionpass_home::{Client, ClientToken, Clients, Home, LiveClients, Right, Scope};
use actionpass_model::{ApprovalRequest, Principal, Record, Statement};
use actionpass_store::offload::offload;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};

use crate::ServerCode;
use crate::gate::Shared;
use crate::load::Slot;
use crate::log::AskedBy;
use crate::peer::Peer;
use crate::problem::Refused;
use attempts::Attempts;

/// Every client of the service, and how often somebody failed to be one.
#[derive(Debug)]
pub(crate) struct Callers {
    clients: Arc<LiveClients>,
    /// Held by who looks at them anew: one for all who wait.
    looking: tokio::sync::Mutex<()>,
    attempts: Attempts<Source>,
}

/// Whose failed tries are counted together: an address counts without its port, and of IPv6 its network, since one host has
/// as many addresses there as it likes.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Source {
    Network(IpAddr),
    User(u32),
    Unknown,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(address) => address.fmt(f),
            Self::User(uid) => write!(f, "uid {uid}"),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}

impl Source {
    fn of(peer: Option<Peer>) -> Self {
        match peer {
            Some(Peer::Unix { uid }) => Self::User(uid),
            Some(Peer::Tcp(address)) => Self::Network(match address.ip().to_canonical() {
                IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
                address => address,
            }),
            None => Self::Unknown,
        }
    }
}

/// The client that asks, proven by its token or by the socket that it came through.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    client: Arc<Client>,
    /// Of a test, which stands in no file.
    #[cfg(test)]
    is_made_up: bool,
}

impl Caller {
    /// The client of a request, once the log knows it and its share has room.
    fn entered(self, parts: &Parts) -> Result<Self, Refused> {
        AskedBy::tell(&parts.extensions, self.client.name.as_str());
        if let Some(slot) = parts.extensions.get::<Slot>() {
            slot.belongs_to(self.client.name.as_str())?;
        }
        Ok(self)
    }

    /// Refuses a client that lacks a right.
    pub(crate) fn may(&self, right: Right) -> Result<(), Refused> {
        if self.client.may(right) {
            Ok(())
        } else {
            tracing::warn!(client = %self.client.name, right = right.as_str(), "a client asked for what it may not do");
            Err(ServerCode::ClientForbidden.into())
        }
    }

    /// Refuses what is outside of the client's entry. What isn't stated isn't limited.
    pub(crate) fn admits(&self, scope: &Scope<'_>) -> Result<(), Refused> {
        self.client.admits(scope).map_err(|member| {
            tracing::warn!(client = %self.client.name, member = member.as_str(), "a client stated what is outside of its entry");
            ServerCode::ClientForbidden.into()
        })
    }

    /// Whether an approval request is within the entry: any other is as if there were none.
    pub(crate) fn sees(&self, request: &ApprovalRequest) -> bool {
        self.client.sees(request)
    }

    /// Whether a record is within the entry ([`Client::sees_record`]). Of a change of a request, whoever can look the request
    /// up asks [`sees`](Self::sees) too.
    pub(crate) fn sees_record(&self, record: &Record) -> bool {
        self.client.sees_record(record)
    }

    /// Whether nothing is kept from the client.
    pub(crate) fn sees_all(&self) -> bool {
        let client = &self.client;
        [
            &client.tenants,
            &client.agents,
            &client.owners,
            &client.runtimes,
            &client.servers,
            &client.audiences,
        ]
        .iter()
        .all(|patterns| patterns.are_any())
    }

    /// Whom records name for what the client does: `service:` and its name; nobody where that is no principal.
    pub(crate) fn principal(&self) -> Option<Principal> {
        Principal::parse(&format!("service:{}", self.client.name)).ok()
    }

    /// The client's name, for records and logs.
    pub(crate) fn name(&self) -> &Statement {
        &self.client.name
    }

    /// The entry of the client.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Refuses a client whose entry is no longer what it was when it asked. Whatever answers for longer than five seconds (a
    /// stream of events, a parked call) asks this at least that often.
    pub(crate) async fn still(&self, callers: &Callers) -> Result<(), Refused> {
        #[cfg(test)]
        if self.is_made_up {
            return Ok(());
        }
        let clients = callers.current().await?;
        if clients.as_slice().contains(&self.client) {
            Ok(())
        } else {
            tracing::warn!(client = %self.client.name, "the entry of a client changed while it was answered");
            Err(ServerCode::ClientForbidden.into())
        }
    }
}

impl Callers {
    pub(crate) fn of(home: Home) -> Self {
        Self {
            clients: Arc::new(LiveClients::of(home)),
            looking: tokio::sync::Mutex::default(),
            attempts: Attempts::default(),
        }
    }

    /// The clients now; refuses everybody while the file, or the database, can't be used.
    pub(crate) async fn current(&self) -> Result<Arc<Clients>, Refused> {
        let known = match self.clients.known() {
            Some(known) => known,
            None => {
                let _looking = self.looking.lock().await;
                match self.clients.known() {
                    Some(known) => known,
                    // A database may make its reader wait, which no thread of the service does.
                    None => {
                        let clients = Arc::clone(&self.clients);
                        let looked = offload(move || clients.current()).await;
                        looked.map_err(|_| ServerCode::ClientsUnreadable)?
                    }
                }
            }
        };
        // Why not is in the log, and nothing for whoever asks.
        known.map_err(|_| ServerCode::ClientsUnreadable.into())
    }

    /// Who asks; `Err` with what the log says, where they are nobody.
    async fn find(&self, headers: &HeaderMap, uid: Option<u32>) -> Result<Result<Caller, &'static str>, Refused> {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let found = match (values.next(), values.next()) {
            (None, _) => {
                let uid = uid.ok_or(ServerCode::ClientUnauthenticated)?;
                self.current()
                    .await?
                    .of_uid(uid)
                    .cloned()
                    .ok_or("no client is this user")
            }
            (Some(_), Some(_)) => Err("more than one Authorization header"),
            (Some(value), None) => match value.to_str().ok().and_then(token) {
                Some(token) => self
                    .current()
                    .await?
                    .of_token(&token)
                    .cloned()
                    .ok_or("the token is nobody's"),
                None => Err("the Authorization header holds no token of a client"),
            },
        };
        Ok(found.map(|client| Caller {
            client: Arc::new(client),
            #[cfg(test)]
            is_made_up: false,
        }))
    }
}

/// The token of `Bearer TOKEN` (RFC 6750 §2.1), the scheme in any case (RFC 9110 §11.1).
fn token(value: &str) -> Option<ClientToken> {
    let (scheme, token) = value.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| ClientToken::parse(token))
        .flatten()
}

#[cfg(test)]
impl From<Client> for Caller {
    fn from(client: Client) -> Self {
        Self {
            client: Arc::new(client),
            is_made_up: true,
        }
    }
}

impl FromRequestParts<Shared> for Caller {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, gate: &Shared) -> Result<Self, Refused> {
        #[cfg(test)]
        if let Some(caller) = parts.extensions.get::<Self>() {
            return caller.clone().entered(parts);
        }
        let callers = &gate.callers;
        let peer = parts.extensions.get::<Peer>().copied();
        let uid = match peer {
            Some(Peer::Unix { uid }) => Some(uid),
            Some(Peer::Tcp(_)) | None => None,
        };
        match callers.find(&parts.headers, uid).await? {
            Ok(caller) => caller.entered(parts),
            Err(reason) => {
                // The answer may be late, and whoever is nobody takes no place meanwhile.
                if let Some(slot) = parts.extensions.get::<Slot>() {
                    slot.give_back();
                }
                callers.attempts.failed(Source::of(peer), reason, Instant::now()).await;
                Err(ServerCode::ClientForbidden.into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use actionpass_home::{Home, client_name};
    use axum::http::HeaderValue;

    use super::*;

    struct Fixture {
        _folder: tempfile::TempDir,
        callers: Callers,
        token: ClientToken,
    }

    /// A home with the clients `ci`, by a token, and `local`, by user 1000.
    fn fixture() -> Fixture {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::open(folder.path()).unwrap();
        let token = ClientToken::from_random(&[1; 32]);
        home.add_client(&Client::new(client_name("ci").unwrap()).with_token(&token))
            .unwrap();
        home.add_client(&Client::new(client_name("local").unwrap()).with_uids(vec![1000]))
            .unwrap();
        Fixture {
            _folder: folder,
            callers: Callers::of(home),
            token,
        }
    }

    impl Fixture {
        /// The name of who asks, or the code of the refusal.
        async fn who(&self, values: &[&str], uid: Option<u32>) -> Result<String, String> {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
            }
            match self.callers.find(&headers, uid).await {
                Ok(Ok(caller)) => Ok(caller.client().name.to_string()),
                Ok(Err(_)) => Err(Refused::from(ServerCode::ClientForbidden).code().to_owned()),
                Err(refused) => Err(refused.code().to_owned()),
            }
        }
    }

    #[tokio::test]
    async fn g21_one_token_to_the_letter_proves_a_client() {
        let of = fixture();
        let token = of.token.as_str();
        for good in [
            format!("Bearer {token}"),
            format!("bearer {token}"),
            format!("BEARER {token}"),
        ] {
            assert_eq!(of.who(&[&good], None).await, Ok("ci".to_owned()), "{good}");
        }
        let other = ClientToken::from_random(&[2; 32]);
        let bearer = format!("Bearer {token}");
        for bad in [
            token.to_owned(),
            format!("Basic {token}"),
            format!("Bearer  {token}"),
            format!("Bearer\t{token}"),
            format!("Bearer {token} "),
            format!("Bearer {token}, Bearer {token}"),
            format!("Bearer {}", token.to_uppercase()),
            format!("Bearer {}", token.trim_start_matches("apc_")),
            format!("Bearer {}", other.as_str()),
            format!("Bearer {}", of.token.sha256()),
            "Bearer".to_owned(),
            String::new(),
        ] {
            assert_eq!(of.who(&[&bad], None).await, Err("client_forbidden".to_owned()), "{bad}");
            // A user of the socket who presents a token is whoever that is, or nobody.
            assert_eq!(
                of.who(&[&bad], Some(1000)).await,
                Err("client_forbidden".to_owned()),
                "{bad}"
            );
        }
        assert_eq!(
            of.who(&[&bearer, &bearer], None).await,
            Err("client_forbidden".to_owned())
        );
    }

    #[tokio::test]
    async fn g21_a_user_of_the_socket_is_its_client() {
        let of = fixture();
        assert_eq!(of.who(&[], None).await, Err("client_unauthenticated".to_owned()));
        assert_eq!(of.who(&[], Some(1000)).await, Ok("local".to_owned()));
        assert_eq!(of.who(&[], Some(0)).await, Err("client_forbidden".to_owned()));
        assert_eq!(
            of.who(&[&format!("Bearer {}", of.token.as_str())], Some(1000)).await,
            Ok("ci".to_owned())
        );
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one() {
        let of = |address: &str| Source::of(Some(Peer::Tcp(address.parse().unwrap())));
        assert_eq!(of("[2001:db8::1]:1"), of("[2001:db8::ffff:2]:2"));
        assert_ne!(of("[2001:db8::1]:1"), of("[2001:db8:0:1::1]:1"));
        assert_eq!(of("[::ffff:10.0.0.1]:1"), of("10.0.0.1:2"));
        assert_ne!(of("10.0.0.1:1"), of("10.0.0.2:1"));
    }
}
