//! What is refused before any route: foreign hosts, foreign sites, and requests that are no such.

use std::net::SocketAddr;

use actionpass_model::WebOrigin;
use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::ServerCode;
use crate::front::SharedFront;
use crate::peer::Peer;
use crate::problem::Refused;

/// How a request came in. Every request that came through a listener carries it as an extension.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    /// The address of this end, where it came by TCP.
    pub(crate) local: Option<SocketAddr>,
    /// Whether the connection is one of those that are kept for the page and votes.
    pub(crate) is_reserve: bool,
}

/// The names under which the service is known, so that a page of another name, which was made to resolve to this address
/// (DNS rebinding), is told from its own.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    origin: WebOrigin,
    port: u16,
    hosts: Vec<(String, Option<u16>)>,
}

impl Names {
    pub(crate) fn new(origin: WebOrigin, port: u16, hosts: &[String]) -> Self {
        let hosts = hosts.iter().filter_map(|host| host_of(host)).collect();
        Self { origin, port, hosts }
    }

    /// Whether a `Host` is the service's: the origin's, a configured one, `localhost` with the port, or the literal address
    /// at which the connection arrived.
    fn know(&self, host: &str, local: Option<SocketAddr>) -> bool {
        let Some((name, port)) = host_of(host) else {
            return false;
        };
        let local_port = own(Some(self.port));
        let is_local = || {
            let address = local.map(|local| local.ip().to_canonical());
            let written = name
                .trim_start_matches('[')
                .trim_end_matches(']')
                .parse::<std::net::IpAddr>();
            written.is_ok_and(|written| Some(written.to_canonical()) == address)
        };
        self.is_origin(host)
            || self.hosts.contains(&(name.clone(), port))
            || port == local_port && (name == "localhost" || is_local())
    }

    /// Whether a `Host` is that of the page's origin.
    fn is_origin(&self, host: &str) -> bool {
        let authority = self.origin.as_str().split_once("://").map(|(_, authority)| authority);
        authority
            .and_then(host_of)
            .is_some_and(|own| host_of(host) == Some(own))
    }
}

/// Name in lower case and port of an authority; no port where it is that of a scheme.
fn host_of(host: &str) -> Option<(String, Option<u16>)> {
    let authority: Authority = host.parse().ok()?;
    // Without what stands before an `@`, which no `Host` has.
    if authority.as_str().contains('@') {
        return None;
    }
    let rest = authority.as_str().get(authority.host().len()..)?;
    let port = match rest.strip_prefix(':') {
        None => None,
        Some(port) => Some(port.parse().ok()?),
    };
    Some((authority.host().to_ascii_lowercase(), own(port)))
}

fn own(port: Option<u16>) -> Option<u16> {
    port.filter(|port| ![80, 443].contains(port))
}

/// The `Host` of a request.
fn host(request: &Request) -> Result<&str, Refused> {
    let malformed = |what: &str| Refused::from(ServerCode::RequestMalformed).with_detail(what);
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let host = hosts.next().and_then(|host| host.to_str().ok());
    let host = host.ok_or_else(|| malformed("the request needs one `Host` header"))?;
    if hosts.next().is_some() {
        return Err(malformed("the request has two `Host` headers"));
    }
    // Of a target in absolute form (RFC 9112 §3.2.2) the scheme counts too: it is no proxy, for whatever else.
    if !matches!(request.uri().scheme_str(), None | Some("http" | "https")) {
        return Err(malformed(
            "the target of the request has another scheme than `http` and `https`",
        ));
    }
    match request.uri().authority() {
        Some(authority) if host_of(authority.as_str()) != host_of(host) => Err(malformed(
            "the target of the request is of another host than its `Host`",
        )),
        _ => Ok(host),
    }
}

/// Refuses what no route may see.
fn admit(front: &SharedFront, request: &Request) -> Result<(), Refused> {
    if !is_known(request.method()) {
        return Err(ServerCode::MethodNotAllowed.into());
    }
    // The parser below drops `Content-Length` where there is `Transfer-Encoding` as well, so that the two can't be told apart
    // from chunks alone. A proxy in front that goes by the length would have seen another body (RFC 9112 §6.1).
    if request.headers().contains_key(header::TRANSFER_ENCODING) {
        return Err(ServerCode::LengthRequired.into());
    }
    let host = host(request)?;
    let local = request.extensions().get::<Arrival>().and_then(|arrival| arrival.local);
    // A browser can't connect to a Unix socket, and clients there name whatever host they like.
    let is_socket = matches!(request.extensions().get::<Peer>(), Some(Peer::Unix { .. }));
    if !is_socket && !front.names.know(host, local) {
        return Err(ServerCode::HostUnknown.into());
    }
    if front.stop.has_begun() {
        return Err(ServerCode::Stopping.into());
    }
    Ok(())
}

/// The methods that a route may have: `TRACE` and `CONNECT` are none, and neither is what somebody invents.
fn is_known(method: &Method) -> bool {
    [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::OPTIONS,
    ]
    .contains(method)
}

/// Before every route.
pub(crate) async fn every(State(front): State<SharedFront>, request: Request, next: Next) -> Response {
    match admit(&front, &request) {
        Ok(()) => next.run(request).await,
        Err(refused) => refused.into_response(),
    }
}

/// Before every route that is no GET of the page: refuses what a browser sends for another site.
pub(crate) async fn same_site(State(front): State<SharedFront>, request: Request, next: Next) -> Response {
    match refuse_foreign(request.headers(), &front.names.origin) {
        Ok(()) => next.run(request).await,
        Err(refused) => refused.into_response(),
    }
}

/// Before the page: it is served on its origin alone, because passkeys and its cookie are of that. What isn't read only is
/// refused for other sites.
pub(crate) async fn page(State(front): State<SharedFront>, request: Request, next: Next) -> Response {
    let is_origin = host(&request).is_ok_and(|host| front.names.is_origin(host));
    if !is_origin {
        let detail = format!("the page is at {}", front.names.origin.as_str());
        return Refused::from(ServerCode::HostUnknown)
            .with_detail(detail)
            .into_response();
    }
    if [Method::GET, Method::HEAD].contains(request.method()) {
        return next.run(request).await;
    }
    same_site(State(front), request, next).await
}

/// Refuses a request that a browser sends for another site than the page's. Programs send neither header.
fn refuse_foreign(headers: &HeaderMap, own: &WebOrigin) -> Result<(), Refused> {
    let is_foreign_origin = headers
        .get_all(header::ORIGIN)
        .iter()
        .any(|origin| origin.as_bytes() != own.as_str().as_bytes());
    // `none`: a person typed the address, or opened a bookmark.
    let is_foreign_fetch = headers
        .get_all("sec-fetch-site")
        .iter()
        .any(|site| !matches!(site.as_bytes(), b"same-origin" | b"none"));
    if is_foreign_origin || is_foreign_fetch {
        return Err(ServerCode::CrossSite.into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn names(origin: &str) -> Names {
        let hosts = ["gate.internal:8311".to_owned(), "ap.example".to_owned()];
        Names::new(WebOrigin::parse(origin).unwrap(), 8311, &hosts)
    }

    #[test]
    fn hosts_are_known_by_name_and_port() {
        let names = names("https://approve.example");
        let local = Some("10.1.2.3:8311".parse().unwrap());
        for host in [
            "approve.example",
            "approve.example:443",
            "APPROVE.example",
            "gate.internal:8311",
            "ap.example",
            "localhost:8311",
            "10.1.2.3:8311",
        ] {
            assert!(names.know(host, local), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "evil.example:8311",
            "approve.example:8311",
            "approve.example.",
            "approve.example.evil.example",
            "gate.internal",
            "localhost",
            "localhost:1",
            "127.0.0.1:8311",
            "10.1.2.3",
            "10.1.2.4:8311",
            "x@approve.example",
            "approve.example:",
            "approve.example:99999",
            "approve.example/",
            "approve.example, evil.example",
        ] {
            assert!(!names.know(host, local), "{host}");
        }
        let six = Some("[::1]:8311".parse().unwrap());
        assert!(names.know("[::1]:8311", six));
        assert!(!names.know("[::2]:8311", six));
        // The same address, mapped, as a listener of both families sees it.
        assert!(names.know("10.1.2.3:8311", Some("[::ffff:10.1.2.3]:8311".parse().unwrap())));
        assert!(!names.know("10.1.2.3:8311", None));
        assert!(names.is_origin("approve.example"));
        assert!(!names.is_origin("ap.example"));
    }

    #[test]
    fn other_sites_are_told_by_what_browsers_send() {
        let own = WebOrigin::parse("https://approve.example").unwrap();
        let refuse = |headers: &[(&'static str, &'static str)]| {
            let headers = headers
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
            let refused = refuse_foreign(&HeaderMap::from_iter(headers), &own);
            refused.err().map(|refused| refused.code().to_owned())
        };
        for own in [
            &[][..],
            &[("origin", "https://approve.example"), ("sec-fetch-site", "same-origin")],
            &[("sec-fetch-site", "none")],
        ] {
            assert_eq!(refuse(own), None, "{own:?}");
        }
        for foreign in [
            &[("origin", "https://evil.example")][..],
            &[("origin", "null")],
            &[("origin", "http://approve.example")],
            &[("origin", "https://approve.example:8443")],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "sometimes")],
            &[("origin", "https://approve.example"), ("sec-fetch-site", "cross-site")],
        ] {
            assert_eq!(refuse(foreign).as_deref(), Some("cross_site"), "{foreign:?}");
        }
    }
}
