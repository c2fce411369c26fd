//! The MCP servers that products are configured with.

use crate::command::{self, Ours, Served};
use crate::json::Json;
use crate::places::ServersFile;
use crate::show;

/// A server that a product starts or calls.
#[derive(Clone, Debug)]
pub(crate) struct FoundServer {
    /// What leads to it in its file.
    pub(crate) path: Vec<String>,
    pub(crate) name: String,
    pub(crate) kind: Kind,
}

/// What it is.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// Our proxy before a server.
    Wrapped(Ours),
    /// One that can be wrapped, and the names of the variables that it is given.
    Plain { served: Served, env: Vec<String> },
    /// One that can't.
    Left(&'static str),
}

/// The servers of a file, in its order.
pub(crate) fn find(file: &ServersFile, value: &Json) -> Vec<FoundServer> {
    let mut found = Vec::new();
    let own = vec![file.member.to_owned()];
    find_in(value.get(file.member), &own, file, &mut found);
    if let (true, Some(Json::Object(projects))) = (file.has_projects, value.get("projects")) {
        for (project, value) in projects {
            let path = ["projects", project, file.member].map(str::to_owned);
            find_in(value.get(file.member), &path, file, &mut found);
        }
    }
    found
}

fn find_in(servers: Option<&Json>, path: &[String], file: &ServersFile, found: &mut Vec<FoundServer>) {
    let Some(Json::Object(servers)) = servers else { return };
    for (name, entry) in servers {
        let mut path = path.to_vec();
        path.push(name.clone());
        found.push(FoundServer {
            path,
            name: name.clone(),
            kind: kind(file, entry),
        });
    }
}

fn kind(file: &ServersFile, entry: &Json) -> Kind {
    let text = |name: &str| entry.get(name).and_then(Json::as_text);
    let names = |name: &str| match entry.get(name) {
        Some(Json::Object(members)) => members.iter().map(|(name, _)| name.clone()).collect(),
        Some(list) => list
            .items()
            .iter()
            .filter_map(Json::as_text)
            .map(str::to_owned)
            .collect(),
        None => Vec::new(),
    };
    let transport = text("type").or_else(|| text("transport"));
    if let Some(program) = text("command") {
        let arguments = match entry.get("args") {
            None => Some(Vec::new()),
            Some(Json::List(items)) => items.iter().map(|item| item.as_text().map(str::to_owned)).collect(),
            Some(_) => None,
        };
        let Some(arguments) = arguments else {
            return Kind::Left("its arguments are no list of strings");
        };
        if let Some(ours) = command::read_proxy(program, &arguments) {
            return Kind::Wrapped(ours);
        }
        if command::is_ours(program) {
            return Kind::Left("it is a command of actionpass itself");
        }
        if entry.get("envFile").is_some() {
            return Kind::Left(
                "its variables come from a file, so their names, which the proxy passes on, aren't known here",
            );
        }
        let mut env: Vec<String> = names("env");
        env.extend(names("env_vars"));
        let mut words = vec![program.to_owned()];
        words.extend(arguments);
        return Kind::Plain {
            served: Served::Command(words),
            env,
        };
    }
    let Some(url) = text("httpUrl").or_else(|| text("url")) else {
        return Kind::Left("it has neither a command nor a URL");
    };
    let is_events = transport == Some("sse")
        || (file.product == crate::Product::Gemini && text("httpUrl").is_none() && transport != Some("http"));
    if is_events {
        return Kind::Left("it speaks the transport with server-sent events that MCP gave up, which the proxy doesn't");
    }
    let headers = [
        "headers",
        "http_headers",
        "env_http_headers",
        "bearer_token_env_var",
        "oauth",
        "authProviderType",
    ];
    if headers.iter().any(|name| entry.get(name).is_some()) {
        return Kind::Left("the product signs in to it with headers of its own, which the proxy doesn't send");
    }
    if show::looks_secret(url) {
        return Kind::Left("its URL has a secret in it, which would stand in the list of processes");
    }
    Kind::Plain {
        served: Served::Url(url.to_owned()),
        env: Vec::new(),
    }
}

/// Whether a URL is of this machine, where nobody has to sign in to a provider.
pub(crate) fn is_local(url: &str) -> bool {
    let authority = url.split_once("://").map_or("", |(_, rest)| rest);
    let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// What products put other text into: then the words here aren't those that are run.
pub(crate) fn has_reference(words: &[String]) -> bool {
    words.iter().any(|word| word.contains("${") || show::is_reference(word))
}
