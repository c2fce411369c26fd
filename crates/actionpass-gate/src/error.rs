//! Why a catalogue is not loaded, and why a call is refused.

use std::fmt;

use actionpass_model::codes;

codes! {
    /// Why a `tools.toml` is not loaded.
    pub enum CatalogueCode: InputRefused {
        /// The file is not TOML, has a key that the format doesn't know, or a value that breaks the rule of its key.
        ToolsInvalid = "tools_invalid",
        /// The file is larger than 1 MiB.
        ToolsTooLarge = "tools_too_large",
        /// The `schema` is not one that this release reads.
        ToolsSchemaUnsupported = "tools_schema_unsupported",
        /// Two servers have one name, or two entries fit one call and neither is the more exact one.
        ToolsEntryRepeated = "tools_entry_repeated",
        /// Two entries of one server give calls of different tools one name.
        ToolsNameRepeated = "tools_name_repeated",
        /// An entry is about a server that no `[[server]]` declares.
        ToolsServerUnknown = "tools_server_unknown",
        /// A resource whose placeholders can't be told apart: two calls could act on different things and have one resource.
        ToolsResourceAmbiguous = "tools_resource_ambiguous",
        /// An entry names an audience that the issuer's configuration doesn't have.
        ToolsAudienceUnknown = "tools_audience_unknown",
        /// A tool has its audience here and in the issuer's configuration too.
        ToolsAudienceRepeated = "tools_audience_repeated",
        /// A file with a JSON Schema is missing or can't be used.
        ToolsSchemaFile = "tools_schema_file",
    }
}

codes! {
    /// Why a call is not turned into an action.
    pub enum CallCode: InputRefused {
        /// The JSON of a call is refused by the gate, or isn't a call.
        CallMalformed = "call_malformed",
        /// A server, tool, method or host has a name that no tool of an action can have.
        CallNotNormalizable = "call_not_normalizable",
        /// No entry of the catalogue names this HTTP request.
        CallNotMapped = "call_not_mapped",
        /// A path of an HTTP request that two readers could take for different ones.
        CallPathAmbiguous = "call_path_ambiguous",
        /// A query of an HTTP request that two readers could take for different ones.
        CallQueryAmbiguous = "call_query_ambiguous",
        /// A header that the entry names occurs twice, or is no plain text.
        CallHeaderAmbiguous = "call_header_ambiguous",
        /// Arguments that are no JSON object.
        CallArgumentsNotObject = "call_arguments_not_object",
        /// The resource needs an argument that isn't there.
        CallValueMissing = "call_value_missing",
        /// The resource needs an argument that is neither text nor an integer.
        CallValueType = "call_value_type",
        /// The resource needs an argument that is empty.
        CallValueEmpty = "call_value_empty",
        /// The resource needs an argument with a segment `.` or `..`, which readers resolve to something else.
        CallValueDots = "call_value_dots",
        /// The resource needs an argument of which another member's name differs in case only.
        CallValueShadowed = "call_value_shadowed",
        /// The resource needs a path that some system resolves to another place.
        CallPathUnsafe = "call_path_unsafe",
        /// The resource folds the case of an argument that has a character outside of ASCII.
        CallValueNotFoldable = "call_value_not_foldable",
        /// The resource is longer than 2,048 bytes, or the payload larger than the limits.
        CallTooLarge = "call_too_large",
        /// Arguments that don't fit the schema of the tool.
        ArgumentsInvalid = "arguments_invalid",
        /// An argument that the schema of the tool doesn't declare.
        ArgumentUndeclared = "argument_undeclared",
        /// The schema of the tool can't be used: too large or deep, with a reference elsewhere, or it takes too much work.
        SchemaUnusable = "schema_unusable",
        /// The tool is not pinned: nobody approved its definition.
        ToolNotPinned = "tool_not_pinned",
        /// The server lists another definition of the tool than the one that was approved.
        DefinitionChanged = "definition_changed",
        /// The server is started by another command, or has another address, than the one whose tools were approved.
        ServerOriginChanged = "server_origin_changed",
    }
}

codes! {
    /// Why a list of tools, or the file of pins, is not read.
    pub enum ListingCode: InputRefused {
        /// A listed tool is no object, has no name, or can't be told from another by every reader.
        DefinitionMalformed = "definition_malformed",
        /// A list has two tools of one name.
        DefinitionRepeated = "definition_repeated",
        /// `pins.json` is not what its schema says.
        PinsInvalid = "pins_invalid",
        /// There is no such server, or it doesn't offer that tool.
        PinUnknown = "pin_unknown",
    }
}

/// Why a catalogue was not loaded, and where.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{path}:{line}:{column}: {message}")]
pub struct CatalogueError {
    pub(crate) code: CatalogueCode,
    pub(crate) path: Box<str>,
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) message: Box<str>,
}

impl CatalogueError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> CatalogueCode {
        self.code
    }

    /// The line, from 1.
    #[must_use]
    pub const fn line(&self) -> usize {
        self.line
    }

    /// The column in characters, from 1.
    #[must_use]
    pub const fn column(&self) -> usize {
        self.column
    }

    /// What is wrong there.
    #[must_use]
    pub const fn message(&self) -> &str {
        &self.message
    }
}

actionpass_model::coded_error!(CatalogueError);

/// Why a call is refused. No value of its arguments is repeated here, only names and places.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CallError {
    code: CallCode,
    path: Option<Box<str>>,
    problem: Box<str>,
}

impl CallError {
    pub(crate) fn new(code: CallCode, problem: impl Into<Box<str>>) -> Self {
        Self {
            code,
            path: None,
            problem: problem.into(),
        }
    }

    /// A call that is refused for what this part of it is.
    pub fn at(code: CallCode, path: impl Into<Box<str>>, problem: impl Into<Box<str>>) -> Self {
        Self {
            path: Some(path.into()),
            ..Self::new(code, problem)
        }
    }

    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> CallCode {
        self.code
    }

    /// The part of the call that it is about, such as `payload.owner`.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        self.path.as_deref()
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Some(path) => write!(f, "`{path}` {}", self.problem),
            None => f.write_str(&self.problem),
        }
    }
}

impl std::error::Error for CallError {}

actionpass_model::coded_error!(CallError, path = |error| error.path());

/// Why a list of tools, or the file of pins, is not read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{problem}")]
pub struct ListingError {
    code: ListingCode,
    problem: Box<str>,
}

impl ListingError {
    pub(crate) fn new(code: ListingCode, problem: impl Into<Box<str>>) -> Self {
        Self {
            code,
            problem: problem.into(),
        }
    }

    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> ListingCode {
        self.code
    }
}

actionpass_model::coded_error!(ListingError);
