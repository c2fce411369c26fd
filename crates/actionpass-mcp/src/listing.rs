//! The tools of a server, as the proxy read them itself: [`Listing`].

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use actionpass_canon::Limits;
use actionpass_gate::{CallError, ListedTool, ToolState};
use tokio::time::Instant;

use crate::era::Era;
use crate::raw::{self, ObjectWriter};

/// The most tools of a server.
pub const MAX_TOOLS: usize = 1_000;

/// The most bytes of a server's whole list.
pub const MAX_LIST: usize = 4 << 20;

/// How long what was said of the tools counts: who takes an approval back waits no longer.
const STATES_HOLD: Duration = Duration::from_secs(10);

/// The pages of a list, as they come.
#[derive(Debug, Default)]
pub(crate) struct Pages {
    /// The first result without its tools and its cursor.
    rest: Vec<u8>,
    tools: Vec<Vec<u8>>,
    bytes: usize,
    pages: usize,
}

impl Pages {
    /// Takes a result of `tools/list`; the cursor of the next page, as JSON.
    pub(crate) fn take(&mut self, result: &[u8]) -> Result<Option<Vec<u8>>, String> {
        self.bytes = self.bytes.saturating_add(result.len());
        self.pages = self.pages.saturating_add(1);
        if self.bytes > MAX_LIST {
            return Err(format!("lists more than {MAX_LIST} bytes of tools"));
        }
        let tools = raw::member(result, "tools").filter(|tools| tools.first() == Some(&b'['));
        let tools = tools.ok_or("answers with no list of tools")?;
        self.tools.extend(raw::elements(tools).map(<[u8]>::to_vec));
        if self.tools.len() > MAX_TOOLS || self.pages > MAX_TOOLS {
            return Err(format!("lists more than {MAX_TOOLS} tools or pages"));
        }
        if self.pages == 1 {
            let rest =
                raw::members(result).filter(|member| !["tools", "nextCursor"].iter().any(|name| member.is_named(name)));
            self.rest = rest.fold(ObjectWriter::new(), |out, member| out.copy(&member)).finish();
        }
        let next = raw::member(result, "nextCursor").filter(|next| *next != b"null");
        match next {
            Some(next) if raw::text(next).is_none() => Err("has a cursor that is no text".to_owned()),
            next => Ok(next.map(<[u8]>::to_vec)),
        }
    }

    /// All of them, once there is no further page.
    pub(crate) fn read(&self, meta: &[Box<str>]) -> Result<Vec<ListedTool>, String> {
        let list = [b"[", self.tools.join(&b","[..]).as_slice(), b"]"].concat();
        // A number that the gate refuses takes more room once it is written as text.
        let limits = Limits::default()
            .with_max_bytes(MAX_LIST.saturating_mul(4))
            .with_max_members(1 << 18);
        ListedTool::read_all(&list, meta, &limits).map_err(|error| error.to_string())
    }

    pub(crate) fn finish(self, tools: Vec<ListedTool>, states: Vec<ToolState>, meta: &[Box<str>]) -> Listing {
        let index = tools
            .iter()
            .enumerate()
            .map(|(at, tool)| (tool.name().into(), at))
            .collect();
        let shown = self.tools.iter().map(|tool| without_meta(tool, meta)).collect();
        Listing {
            rest: self.rest,
            shown,
            tools,
            states: RwLock::new((Instant::now(), states)),
            index,
        }
    }
}

/// What a server lists, and how each tool stands.
#[derive(Debug)]
pub(crate) struct Listing {
    rest: Vec<u8>,
    shown: Vec<Vec<u8>>,
    tools: Vec<ListedTool>,
    /// How each tool stands, and since when that is known.
    states: RwLock<(Instant, Vec<ToolState>)>,
    index: HashMap<Box<str>, usize>,
}

impl Listing {
    /// The tool of that name.
    pub(crate) fn tool(&self, name: &str) -> Option<&ListedTool> {
        self.tools.get(*self.index.get(name)?)
    }

    /// All of them.
    pub(crate) fn tools(&self) -> &[ListedTool] {
        &self.tools
    }

    /// Whether how the tools stand was said too long ago.
    pub(crate) fn is_stale(&self) -> bool {
        let states = self.states.read().unwrap_or_else(PoisonError::into_inner);
        states.0.elapsed() >= STATES_HOLD
    }

    /// The tools stand so now.
    pub(crate) fn judged(&self, states: Vec<ToolState>) {
        *self.states.write().unwrap_or_else(PoisonError::into_inner) = (Instant::now(), states);
    }

    /// Whether a tool that is listed may be called.
    pub(crate) fn callable(&self, name: &str) -> Option<Result<(), CallError>> {
        let tool = self.tool(name)?;
        let states = self.states.read().unwrap_or_else(PoisonError::into_inner);
        let state = states.1.get(*self.index.get(name)?)?;
        // A state of another tool is none of this one.
        (&*state.name == tool.name() && state.hash == tool.hash()).then(|| state.callable())
    }

    /// The result of `tools/list` for a client: of a door that enforces without what may not be called.
    pub(crate) fn view(&self, era: Era, shows_all: bool) -> Vec<u8> {
        let is_shown = |tool: &&ListedTool| shows_all || matches!(self.callable(tool.name()), Some(Ok(())));
        let shown = self.tools.iter().zip(&self.shown).filter(|(tool, _)| is_shown(tool));
        let shown: Vec<&[u8]> = shown.map(|(_, text)| text.as_slice()).collect();
        let tools = [b"[", shown.join(&b","[..]).as_slice(), b"]"].concat();
        let caching = ["ttlMs", "cacheScope"];
        let kept = raw::members(&self.rest).filter(|member| !caching.iter().any(|name| member.is_named(name)));
        let mut out = kept
            .fold(ObjectWriter::new(), |out, member| out.copy(&member))
            .member("tools", &tools);
        if era == Era::Modern {
            // What is approved can change at any time, and is nobody else's.
            out = out.member("ttlMs", b"0").member("cacheScope", b"\"private\"");
        }
        out.finish()
    }
}

/// A listed tool with the members of `_meta` that are hashed, and no others.
fn without_meta(tool: &[u8], names: &[Box<str>]) -> Vec<u8> {
    let mut out = ObjectWriter::new();
    for member in raw::members(tool) {
        if !member.is_named("_meta") {
            out = out.copy(&member);
            continue;
        }
        let mut kept = raw::members(member.value)
            .filter(|member| names.iter().any(|name| member.is_named(name)))
            .peekable();
        if kept.peek().is_some() {
            let meta = kept.fold(ObjectWriter::new(), |meta, member| meta.copy(&member));
            out = out.member("_meta", &meta.finish());
        }
    }
    out.finish()
}
