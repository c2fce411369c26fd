//! [`Catalogue`]: `tools.toml`, read.

use std::collections::HashMap;
use std::ops::Range;
use std::str::FromStr;
use std::sync::Arc;

use actionpass_canon::{Limits, sha256};
use actionpass_model::{Audience, Digest, Tool};
use actionpass_policy::PayloadStep;
use serde::{Deserialize, Deserializer};
use toml::Spanned;

use crate::http::{HttpPattern, Overlap};
use crate::template::{self, Template, TemplateError};
use crate::{CatalogueCode, CatalogueError, Pins, Schema};

/// How calls become actions: a `tools.toml` (`docs/spec/tools.md`).
#[derive(Clone, Debug)]
pub struct Catalogue {
    pub(crate) servers: Vec<DeclaredServer>,
    pub(crate) entries: Vec<Entry>,
    pub(crate) limits: Limits,
    files: Vec<(Box<str>, Digest)>,
    source: Source,
}

/// A `[[server]]`: an MCP server, an API or a coding agent.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct DeclaredServer {
    /// Its name: `[A-Za-z0-9][A-Za-z0-9._-]{0,63}`.
    pub name: Box<str>,
    /// The command that starts it, with its arguments.
    pub command: Option<Vec<String>>,
    /// Its URL.
    pub url: Option<String>,
    /// The variables of the environment that it gets beside `PATH`, `HOME` and `LANG`.
    pub env: Vec<String>,
    /// The methods that reach it beside those that every server gets.
    pub methods: Vec<String>,
    /// The members of `_meta` of its tools that stay, and are hashed.
    pub meta: Vec<Box<str>>,
    /// What `{path:…}` of its tools is joined to.
    pub(crate) root: Option<Box<str>>,
}

/// A `[[tool]]`, for whoever lists what a catalogue has.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct DeclaredTool<'a> {
    /// `match` as it is written.
    pub matched: &'a str,
    /// The server; `None` of an HTTP request.
    pub server: Option<&'a str>,
    /// The tool's name at its server; `None` of an entry for many and of an HTTP request.
    pub name: Option<&'a str>,
    /// The tool that calls become, unless that follows from the call.
    pub tool: Option<&'a Tool>,
    /// The resource as it is written.
    pub resource: Option<&'a str>,
    /// Who executes it.
    pub audience: Option<&'a Audience>,
    /// The fact `tool.risk`.
    pub risk: Option<Risk>,
    /// Whether calls need a pinned definition, whose schema their arguments must fit.
    pub needs_pin: bool,
}

/// A `[[tool]]`.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// `match` as it is written.
    pub(crate) text: Box<str>,
    pub(crate) matched: Match,
    pub(crate) tool: Option<Tool>,
    pub(crate) resource: Option<Template>,
    pub(crate) fold: Vec<Box<str>>,
    pub(crate) root: Option<Box<str>>,
    pub(crate) audience: Option<Audience>,
    pub(crate) risk: Option<Risk>,
    pub(crate) schema: SchemaSource,
    pub(crate) headers: Vec<Box<str>>,
    pub(crate) permits_colliding_names: bool,
    span: Range<usize>,
    audience_span: Range<usize>,
}

impl Entry {
    fn declared(&self) -> DeclaredTool<'_> {
        DeclaredTool {
            matched: &self.text,
            server: self.matched.server(),
            name: self.matched.name(),
            tool: self.tool.as_ref(),
            resource: self.resource.as_ref().map(Template::as_str),
            audience: self.audience.as_ref(),
            risk: self.risk,
            needs_pin: matches!(self.schema, SchemaSource::Pinned),
        }
    }
}

/// What calls an entry is about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Match {
    Tool {
        server: Box<str>,
        /// The name, or what names begin with.
        name: Box<str>,
        is_prefix: bool,
    },
    Http(HttpPattern),
}

/// `risk`: the fact `tool.risk`, which rules may ask for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Risk {
    /// `low`
    Low,
    /// `medium`
    Medium,
    /// `high`
    High,
}

impl DeclaredServer {
    /// A server of this name of which nothing more is said, for whoever was told of it.
    #[must_use]
    pub fn new(name: impl Into<Box<str>>) -> Self {
        Self {
            name: name.into(),
            command: None,
            url: None,
            env: Vec::new(),
            methods: Vec::new(),
            meta: Vec::new(),
            root: None,
        }
    }
}

impl Risk {
    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// What arguments must fit.
#[derive(Clone, Debug)]
pub(crate) enum SchemaSource {
    /// The listed schema, if the call comes with a definition.
    IfListed,
    /// The listed schema; without one the call is refused.
    Pinned,
    /// A file.
    File(Arc<Schema>),
    None,
}

/// The text, for errors that are found later.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    text: Arc<str>,
    path: Box<str>,
}

impl Source {
    pub(crate) fn new(text: &str, path: &str) -> Self {
        Self {
            text: text.into(),
            path: path.into(),
        }
    }

    pub(crate) fn error(&self, code: CatalogueCode, at: usize, message: impl Into<String>) -> CatalogueError {
        let before = self.text.get(..at).unwrap_or(&self.text);
        let line = before.rsplit('\n').next().unwrap_or_default();
        CatalogueError {
            code,
            path: self.path.clone(),
            line: before.matches('\n').count().saturating_add(1),
            column: line.chars().count().saturating_add(1),
            message: message.into().lines().collect::<Vec<_>>().join(" ").into(),
        }
    }
}

impl Catalogue {
    /// The name of the file in a home.
    pub const FILE: &'static str = "tools.toml";
    /// The schema of the file.
    pub const SCHEMA: &'static str = "actionpass.tools.v1";
    /// The largest file that is read, in bytes: 1 MiB.
    pub const MAX_BYTES: usize = 1 << 20;

    /// Reads a `tools.toml`. `path` is where the text comes from, for messages; its last component is its name among
    /// [`files`](Self::files). `schema_file` gives the bytes of a file with a JSON Schema, by the name that an entry has.
    ///
    /// # Errors
    /// [`CatalogueError`] names code, line and column of the first thing that is wrong.
    pub fn parse(
        text: &str,
        path: &str,
        schema_file: impl Fn(&str) -> Option<Vec<u8>>,
    ) -> Result<Self, CatalogueError> {
        let source = Source::new(text, path);
        if text.len() > Self::MAX_BYTES {
            let problem = format!("the file is larger than {} bytes", Self::MAX_BYTES);
            return Err(source.error(CatalogueCode::ToolsTooLarge, 0, problem));
        }
        let head: Result<Head, _> = toml::from_str(text);
        if let Ok(Head { schema: Some(schema) }) = head
            && schema.get_ref() != Self::SCHEMA
        {
            let problem = format!("is not `{}`", Self::SCHEMA);
            return Err(source.error(CatalogueCode::ToolsSchemaUnsupported, schema.span().start, problem));
        }
        let file: File = toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            source.error(CatalogueCode::ToolsInvalid, at, error.message())
        })?;
        let name = path.rsplit(['/', '\\']).next().unwrap_or(path);
        let mut catalogue = Self {
            servers: Vec::new(),
            entries: Vec::new(),
            limits: Limits::default(),
            files: vec![(name.into(), sha256(text.as_bytes()))],
            source,
        };
        for server in file.servers {
            catalogue.add_server(server)?;
        }
        let mut schemas = HashMap::new();
        for tool in file.tools {
            let entry = catalogue.entry(tool, &schema_file, &mut schemas)?;
            catalogue.add_entry(entry)?;
        }
        Ok(catalogue)
    }

    /// The same, which [`files`](Self::files) gives by this name wherever it was read.
    #[must_use]
    pub fn with_name(mut self, name: &str) -> Self {
        if let Some((known, _)) = self.files.first_mut() {
            *known = name.into();
        }
        self
    }

    /// A catalogue without entries: every tool is `mcp/<server>/<tool>` on `server:<server>`.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            servers: Vec::new(),
            entries: Vec::new(),
            limits: Limits::default(),
            files: Vec::new(),
            source: Source::new("", Self::FILE),
        }
    }

    /// The same with these limits on the payloads that it makes of HTTP requests.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// What determines how calls become actions, for the digest of a policy: the names of files and the SHA-256 of their bytes, the
    /// catalogue first. None for a catalogue [without entries](Self::empty).
    pub fn files(&self) -> impl Iterator<Item = (&str, Digest)> {
        self.files.iter().map(|(name, digest)| (&**name, *digest))
    }

    /// The servers that it declares, in the order of the file.
    #[must_use]
    pub fn servers(&self) -> &[DeclaredServer] {
        &self.servers
    }

    /// A declared server.
    #[must_use]
    pub fn server(&self, name: &str) -> Option<&DeclaredServer> {
        self.servers.iter().find(|server| *server.name == *name)
    }

    /// The declared server that is started by this command: what a proxy for it goes by that was given no name.
    #[must_use]
    pub fn server_of_command(&self, command: &[String]) -> Option<&DeclaredServer> {
        self.servers
            .iter()
            .find(|server| server.command.as_deref() == Some(command))
    }

    /// The audience of a tool, if an entry names one. Entries of one tool name the same.
    #[must_use]
    pub fn audience(&self, tool: &Tool) -> Option<&Audience> {
        let unnamed = tool.as_str().strip_prefix("mcp/").and_then(|rest| rest.split_once('/'));
        let entry = match unnamed {
            Some((server, name)) => self.entry_of_tool(server, name).filter(|entry| entry.tool.is_none()),
            None => self.entries.iter().find(|entry| entry.tool.as_ref() == Some(tool)),
        };
        entry?.audience.as_ref()
    }

    /// Whether payloads of a tool can have something at this path, by the schema that they must fit: a file, or where `pins` are
    /// given the definition that is pinned. `None` where no schema is known.
    #[must_use]
    pub fn can_have(&self, tool: &Tool, steps: &[PayloadStep<'_>], pins: Option<&Pins>) -> Option<bool> {
        let pinned = |server: &str, name: &str| {
            let listed = pins?.pinned(server, name)?;
            Some(listed.input_schema().ok()?.can_have(steps))
        };
        let by_entry = |entry: &Entry, name: Option<&str>| match &entry.schema {
            SchemaSource::None => None,
            SchemaSource::File(schema) => Some(schema.can_have(steps)),
            SchemaSource::IfListed | SchemaSource::Pinned => pinned(entry.matched.server()?, name?),
        };
        if let Some((server, name)) = tool.as_str().strip_prefix("mcp/").and_then(|rest| rest.split_once('/')) {
            return match self.entry_of_tool(server, name) {
                Some(entry) if entry.tool.is_some() => None,
                Some(entry) => by_entry(entry, Some(name)),
                None => pinned(server, name),
            };
        }
        let entries = self.entries.iter().filter(|entry| entry.tool.as_ref() == Some(tool));
        let known: Option<Vec<bool>> = entries.map(|entry| by_entry(entry, entry.matched.name())).collect();
        known
            .filter(|known| !known.is_empty())
            .map(|known| known.contains(&true))
    }

    /// The tools whose payloads may have member names that differ in case only.
    pub fn tools_with_colliding_names(&self) -> impl Iterator<Item = &Tool> {
        let entries = self.entries.iter().filter(|entry| entry.permits_colliding_names);
        entries.filter_map(|entry| entry.tool.as_ref())
    }

    /// The entries in the order of the file.
    pub fn entries(&self) -> impl Iterator<Item = DeclaredTool<'_>> {
        self.entries.iter().map(Entry::declared)
    }

    /// The entry that calls of a server's tool go by, if one does.
    #[must_use]
    pub fn entry_of(&self, server: &str, tool: &str) -> Option<DeclaredTool<'_>> {
        self.entry_of_tool(server, tool).map(Entry::declared)
    }

    /// Whether a tool can be called by this name, and an entry have it.
    #[must_use]
    pub fn is_tool_name(name: &str) -> bool {
        is_tool_name(name)
    }

    /// Holds the audiences of entries against those of the issuer's configuration: each with the tools that stand there.
    ///
    /// # Errors
    /// [`CatalogueCode::ToolsAudienceUnknown`], [`CatalogueCode::ToolsAudienceRepeated`].
    pub fn check_audiences<'a>(
        &self,
        known: impl IntoIterator<Item = (&'a Audience, &'a [Tool])>,
    ) -> Result<(), CatalogueError> {
        let known: Vec<_> = known.into_iter().collect();
        for entry in &self.entries {
            let Some(audience) = &entry.audience else { continue };
            let at = entry.audience_span.start;
            if !known.iter().any(|(name, _)| *name == audience) {
                let problem = format!("`{audience}` is no `[[audience]]` of the configuration");
                return Err(self.source.error(CatalogueCode::ToolsAudienceUnknown, at, problem));
            }
            let twice = known
                .iter()
                .find(|(_, tools)| entry.tool.as_ref().is_some_and(|tool| tools.contains(tool)));
            if let Some((name, _)) = twice {
                let problem = format!("the tool has an audience in the configuration too: `{name}`");
                return Err(self.source.error(CatalogueCode::ToolsAudienceRepeated, at, problem));
            }
        }
        Ok(())
    }

    fn add_server(&mut self, server: ServerEntry) -> Result<(), CatalogueError> {
        let at = server.name.span().start;
        if self.server(&server.name.get_ref().0).is_some() {
            let problem = format!("`{}` is the name of an earlier server", server.name.get_ref().0);
            return Err(self.source.error(CatalogueCode::ToolsEntryRepeated, at, problem));
        }
        if server.command.is_some() && server.url.is_some() {
            let problem = "a server has a `command` or a `url`, not both";
            return Err(self.source.error(CatalogueCode::ToolsInvalid, at, problem));
        }
        self.servers.push(DeclaredServer {
            name: server.name.into_inner().0,
            command: server.command.map(|Command(command)| command),
            url: server.url.map(|ServerUrl(url)| url),
            env: server.env,
            methods: server.methods,
            meta: server.meta,
            root: server.root.map(|Root(root)| root),
        });
        Ok(())
    }

    /// What one entry says, checked by itself.
    fn entry(
        &mut self,
        raw: ToolEntry,
        schema_file: &impl Fn(&str) -> Option<Vec<u8>>,
        schemas: &mut HashMap<String, Arc<Schema>>,
    ) -> Result<Entry, CatalogueError> {
        let invalid =
            |span: Range<usize>, problem: &str| self.source.error(CatalogueCode::ToolsInvalid, span.start, problem);
        let span = raw.matched.span();
        let Matched { text, matched } = raw.matched.into_inner();
        let server = match &matched {
            Match::Tool { server, .. } => Some(self.server(server).ok_or_else(|| {
                let problem = format!("no `[[server]]` has the name `{server}`");
                self.source
                    .error(CatalogueCode::ToolsServerUnknown, span.start, problem)
            })?),
            Match::Http(_) => None,
        };
        let is_prefix = matches!(matched, Match::Tool { is_prefix: true, .. });
        if let Some(tool) = &raw.tool {
            if is_prefix {
                let problem = "an entry for many tools gives them no name: they would be one to every rule";
                return Err(invalid(tool.span(), problem));
            }
            let reserved = ["mcp/", "mcp-method/", "http:"];
            if let Some(reserved) = reserved
                .iter()
                .find(|start| tool.get_ref().as_str().starts_with(*start))
            {
                return Err(invalid(
                    tool.span(),
                    &format!("begins with `{reserved}`, which is for tools that no entry names"),
                ));
            }
        }
        let root = raw
            .root
            .map(|Root(root)| root)
            .or_else(|| server.and_then(|server| server.root.clone()));
        let resource = match raw.resource {
            None => None,
            Some(resource) => Some(self.resource(&resource, root.as_deref())?),
        };
        for folded in &raw.fold {
            let used = resource
                .iter()
                .flat_map(Template::placeholders)
                .any(|placeholder| *placeholder.text == **folded.get_ref());
            if !used {
                return Err(invalid(
                    folded.span(),
                    "is no placeholder of `resource`, so there is nothing to fold",
                ));
            }
        }
        let is_http = matches!(matched, Match::Http(_));
        let mut headers = Vec::new();
        for header in raw.headers {
            let name = header.get_ref();
            let is_name = !name.is_empty()
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_'));
            if !is_http || !is_name || headers.contains(&name.as_str().into()) {
                return Err(invalid(
                    header.span(),
                    "is no name of a header in lower case, once, of an HTTP request",
                ));
            }
            headers.push(name.as_str().into());
        }
        if raw.colliding_names.is_some() && raw.tool.is_none() {
            return Err(invalid(
                span,
                "`colliding_names` needs a `tool`, which the issuer goes by",
            ));
        }
        let tool = match (raw.tool, &matched) {
            (Some(tool), _) => Some(tool.into_inner()),
            (None, Match::Http(pattern)) => Some(Tool::parse(&pattern.default_tool()).map_err(|error| {
                invalid(
                    span.clone(),
                    &format!(
                        "needs a `tool`: the one that follows from the request {}",
                        error.problem()
                    ),
                )
            })?),
            (None, Match::Tool { .. }) => None,
        };
        let schema = match raw.schema {
            None => SchemaSource::IfListed,
            Some(choice) => {
                let at = choice.span().start;
                match choice.get_ref().as_str() {
                    "none" => SchemaSource::None,
                    "pinned" if is_http => {
                        return Err(invalid(
                            choice.span(),
                            "an HTTP request has no listed schema: name a file",
                        ));
                    }
                    "pinned" => SchemaSource::Pinned,
                    file => SchemaSource::File(self.schema(file, at, schema_file, schemas)?),
                }
            }
        };
        let audience_span = raw.audience.as_ref().map_or(0..0, Spanned::span);
        Ok(Entry {
            text: text.into(),
            matched,
            tool,
            resource,
            fold: raw.fold.into_iter().map(|folded| folded.into_inner().into()).collect(),
            root,
            audience: raw.audience.map(Spanned::into_inner),
            risk: raw.risk,
            schema,
            headers,
            permits_colliding_names: raw.colliding_names.is_some(),
            span,
            audience_span,
        })
    }

    fn resource(&self, text: &Spanned<String>, root: Option<&str>) -> Result<Template, CatalogueError> {
        let at = text.span().start;
        let template = Template::parse(text.get_ref()).map_err(|error| match error {
            TemplateError::Malformed(problem) => self.source.error(CatalogueCode::ToolsInvalid, at, problem),
            TemplateError::Ambiguous(problem) => self.source.error(CatalogueCode::ToolsResourceAmbiguous, at, problem),
        })?;
        if root.is_none() && template.placeholders().any(|placeholder| placeholder.is_path) {
            let problem = "`{path:…}` needs a `root`, of the entry or of its server, that relative paths are joined to";
            return Err(self.source.error(CatalogueCode::ToolsInvalid, at, problem));
        }
        Ok(template)
    }

    fn schema(
        &mut self,
        file: &str,
        at: usize,
        schema_file: &impl Fn(&str) -> Option<Vec<u8>>,
        schemas: &mut HashMap<String, Arc<Schema>>,
    ) -> Result<Arc<Schema>, CatalogueError> {
        if let Some(schema) = schemas.get(file) {
            return Ok(Arc::clone(schema));
        }
        let wrong = |problem: String| self.source.error(CatalogueCode::ToolsSchemaFile, at, problem);
        // As names of files in the home, and in the digest, alike on every system.
        if !actionpass_policy::is_safe_path(file) {
            return Err(wrong(
                "is no path within the folder of this file: write `pinned`, `none` or such a path".to_owned(),
            ));
        }
        let bytes = schema_file(file).ok_or_else(|| wrong(format!("there is no file `{file}`")))?;
        let schema = Schema::parse(&bytes).map_err(|error| wrong(format!("`{file}`: {error}")))?;
        let schema = Arc::new(schema);
        schemas.insert(file.to_owned(), Arc::clone(&schema));
        self.files.push((file.into(), sha256(&bytes)));
        Ok(schema)
    }

    /// Adds an entry unless one before it is like it.
    fn add_entry(&mut self, entry: Entry) -> Result<(), CatalogueError> {
        for other in &self.entries {
            let (code, problem) = if entry.matched.is_like(&other.matched) {
                (
                    CatalogueCode::ToolsEntryRepeated,
                    "fits calls that this one fits as exactly",
                )
            } else if entry.tool.is_some() && entry.tool == other.tool && entry.matched.shares_server(&other.matched) {
                (CatalogueCode::ToolsNameRepeated, "gives another tool this name")
            } else if entry.tool.is_some() && entry.tool == other.tool && entry.audience != other.audience {
                let problem = "gives this tool another audience, or has none";
                (CatalogueCode::ToolsAudienceRepeated, problem)
            } else {
                continue;
            };
            let line = self.source.error(code, other.span.start, "").line;
            let problem = format!("the entry of line {line} {problem}");
            return Err(self.source.error(code, entry.span.start, problem));
        }
        self.entries.push(entry);
        Ok(())
    }
}

impl Match {
    fn parse(text: &str) -> Result<Self, String> {
        if let Some(request) = text.strip_prefix("http:") {
            return HttpPattern::parse(request).map(Self::Http);
        }
        let (server, name) = text
            .split_once('/')
            .ok_or("is not `server/tool`, `server/prefix*` or `http:METHOD host/path`")?;
        check_server_name(server)?;
        let (name, is_prefix) = name.strip_suffix('*').map_or((name, false), |start| (start, true));
        // What a prefix stands for is a name as soon as something follows.
        let sample = if is_prefix { format!("{name}x") } else { name.to_owned() };
        if !is_tool_name(&sample) {
            return Err(
                "has a name of a tool that is not `[A-Za-z0-9_.-]` with `/` between its parts, 1 to 128 bytes"
                    .to_owned(),
            );
        }
        Ok(Self::Tool {
            server: server.into(),
            name: name.into(),
            is_prefix,
        })
    }

    fn server(&self) -> Option<&str> {
        match self {
            Self::Tool { server, .. } => Some(server),
            Self::Http(_) => None,
        }
    }

    fn name(&self) -> Option<&str> {
        match self {
            Self::Tool {
                name, is_prefix: false, ..
            } => Some(name),
            _ => None,
        }
    }

    /// Whether one call can be both, and neither is the more exact one.
    fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Http(left), Self::Http(right)) => left.compare(right) == Overlap::Alike,
            (left, right) => left == right,
        }
    }

    /// Whether the two are told apart by the name of the tool alone.
    fn shares_server(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Tool { server: left, .. }, Self::Tool { server: right, .. }) => left == right,
            (Self::Http(_), Self::Http(_)) => true,
            _ => false,
        }
    }
}

/// Whether a server may have this name: `[A-Za-z0-9][A-Za-z0-9._-]{0,63}`.
pub(crate) fn check_server_name(name: &str) -> Result<(), String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let is_name =
        name.len() <= 64 && name.starts_with(|first: char| first.is_ascii_alphanumeric()) && name.bytes().all(is_plain);
    if is_name {
        Ok(())
    } else {
        Err("has a name of a server that is not `[A-Za-z0-9][A-Za-z0-9._-]{0,63}`".to_owned())
    }
}

/// Whether a tool may have this name: `[A-Za-z0-9_./-]{1,128}` without an empty, `.` or `..` segment.
pub(crate) fn is_tool_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'/' | b'-');
    name.len() <= 128
        && name.bytes().all(is_plain)
        && name.split('/').all(|segment| !matches!(segment, "" | "." | ".."))
}

/// The schema alone, before anything else is looked at.
#[derive(Deserialize)]
struct Head {
    schema: Option<Spanned<String>>,
}

/// `tools.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[expect(dead_code, reason = "checked before the rest is read")]
    schema: String,
    #[serde(default, rename = "server")]
    servers: Vec<ServerEntry>,
    #[serde(default, rename = "tool")]
    tools: Vec<ToolEntry>,
}

/// `[[server]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ServerEntry {
    name: Spanned<ServerName>,
    #[serde(default)]
    command: Option<Command>,
    #[serde(default)]
    url: Option<ServerUrl>,
    #[serde(default)]
    env: Vec<String>,
    #[serde(default)]
    methods: Vec<String>,
    #[serde(default)]
    meta: Vec<Box<str>>,
    #[serde(default)]
    root: Option<Root>,
}

/// `[[tool]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ToolEntry {
    #[serde(rename = "match")]
    matched: Spanned<Matched>,
    #[serde(default)]
    tool: Option<Spanned<Tool>>,
    #[serde(default)]
    resource: Option<Spanned<String>>,
    #[serde(default)]
    fold: Vec<Spanned<String>>,
    #[serde(default)]
    root: Option<Root>,
    #[serde(default)]
    audience: Option<Spanned<Audience>>,
    #[serde(default)]
    risk: Option<Risk>,
    #[serde(default)]
    schema: Option<Spanned<String>>,
    #[serde(default)]
    headers: Vec<Spanned<String>>,
    #[serde(default)]
    colliding_names: Option<CollidingNames>,
}

/// `colliding_names`.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum CollidingNames {
    Permit,
}

/// `match`, and its text.
struct Matched {
    text: String,
    matched: Match,
}

struct ServerName(Box<str>);
struct Root(Box<str>);
struct Command(Vec<String>);
struct ServerUrl(String);

impl FromStr for Matched {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(Self {
            matched: Match::parse(text)?,
            text: text.to_owned(),
        })
    }
}

impl FromStr for ServerName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        check_server_name(text)?;
        Ok(Self(text.into()))
    }
}

impl FromStr for Root {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        template::root(text).map(Self).map_err(str::to_owned)
    }
}

impl FromStr for ServerUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match crate::Origin::of_url(text) {
            Some(_) => Ok(Self(text.to_owned())),
            None => Err("is no `http` or `https` URL".to_owned()),
        }
    }
}

macro_rules! from_text {
    ($($name:ident),+) => {$(
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )+};
}
from_text!(Matched, ServerName, Root, ServerUrl);

impl<'de> Deserialize<'de> for Command {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let command = Vec::<String>::deserialize(deserializer)?;
        if command.is_empty() {
            return Err(serde::de::Error::custom("names no program"));
        }
        Ok(Self(command))
    }
}

#[cfg(test)]
mod tests;
