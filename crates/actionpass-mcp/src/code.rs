//! [`McpCode`]: why the proxy passes something on differently, or not at all.

use actionpass_model::codes;

codes! {
    /// Why the proxy doesn't pass a message on.
    pub enum McpCode: InputRefused {
        /// A message is refused by the gate: it has a name twice, a text that is no Unicode, or it is too deep or too large.
        MessageRefused = "mcp_message_refused",
        /// A message is no request, notification or answer of JSON-RPC 2.0, or it is a batch.
        MessageMalformed = "mcp_message_malformed",
        /// A message is longer than the proxy takes.
        MessageTooLarge = "mcp_message_too_large",
        /// A member has a name that some readers take for another one: `Method`, `paramſ`.
        MemberAmbiguous = "mcp_member_ambiguous",
        /// A call has a member that the proxy doesn't know, and so can't bind.
        MemberUnknown = "mcp_member_unknown",
        /// The id of a request is in use, or is none that every reader reads alike.
        IdRefused = "mcp_id_refused",
        /// A method that the proxy doesn't pass on; the server's entry may list it.
        MethodRefused = "mcp_method_refused",
        /// A version of the protocol that the proxy doesn't speak, or one of the other era than the connection.
        VersionRefused = "mcp_version_refused",
        /// A request before `initialize`, or of a version that isn't stated.
        NotInitialized = "mcp_not_initialized",
        /// The server doesn't list the tool.
        ToolNotListed = "mcp_tool_not_listed",
        /// The server's list of tools can't be read: too long, malformed, or it doesn't come.
        ListRefused = "mcp_list_refused" => Unavailable,
        /// A task that no answer of this connection named.
        TaskUnknown = "mcp_task_unknown",
        /// A `requestState` that the proxy didn't give for this call, or too long ago.
        StateRefused = "mcp_state_refused",
        /// The page where a call is approved was not opened, by the client's own word.
        ElicitationDeclined = "mcp_elicitation_declined" => Declined,
        /// More requests at once than the proxy takes.
        TooManyRequests = "mcp_too_many_requests" => Unavailable,
        /// The server is gone. What became of a call that it had is not known.
        ServerGone = "mcp_server_gone" => Unavailable,
        /// The server can't be started, or not be reached.
        ServerUnavailable = "mcp_server_unavailable" => Unavailable,
        /// The server answers with something that can't be passed on.
        AnswerRefused = "mcp_answer_refused" => Unavailable,
        /// The server sends people to the page where approvals are given, as if it asked for one.
        ElicitationRefused = "mcp_elicitation_refused",
        /// A request over HTTP that no client of MCP sends: of a foreign host or site, of another path, method or media type.
        HttpRefused = "mcp_http_refused",
        /// A request over HTTP without the token of a client.
        TokenRefused = "mcp_token_refused",
        /// A header of a request says something else than its body.
        HeaderMismatch = "mcp_header_mismatch",
        /// A session that isn't this client's, or has ended.
        SessionUnknown = "mcp_session_unknown",
        /// More sessions at once than the proxy has.
        TooManySessions = "mcp_too_many_sessions" => Unavailable,
        /// The catalogue has no such `[[server]]`, or it has another command or URL.
        ServerUnknown = "mcp_server_unknown" => Usage,
    }
}
