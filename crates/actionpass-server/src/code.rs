//! The codes of the service.

actionpass_model::codes! {
    /// Why the service doesn't answer a question, where no layer below says so.
    pub enum ServerCode: InputRefused {
        /// No credentials were sent, and the route needs some.
        ClientUnauthenticated = "client_unauthenticated",
        /// The token is nobody's, or its client may not do this: which, the log of the service says.
        ClientForbidden = "client_forbidden",
        /// `clients.toml` can't be used, so nobody is answered: why not, the log of the service says.
        ClientsUnreadable = "clients_unreadable" => Unavailable,
        /// There is no such route.
        RouteUnknown = "route_unknown",
        /// The ledger has no such record, or the client may not see it.
        RecordUnknown = "record_not_found",
        /// The route takes other methods.
        MethodNotAllowed = "method_not_allowed",
        /// The body is not of the media type that the route takes.
        MediaTypeUnsupported = "media_type_unsupported",
        /// The body is larger than the service takes.
        BodyTooLarge = "body_too_large",
        /// The body comes in chunks, without its length before it.
        LengthRequired = "length_required",
        /// The body did not arrive in time.
        BodyTimeout = "body_timeout",
        /// The request took longer than the service lets one take. That is no decision.
        RequestTimeout = "request_timeout" => Unavailable,
        /// The query, a header, the path or the body isn't what the route takes.
        RequestMalformed = "request_malformed",
        /// Neither the question nor the client's entry says it.
        ValueNotStated = "value_not_stated",
        /// The client states facts, and its entry doesn't say that it attests any.
        FactsNotAttested = "facts_not_attested",
        /// A call may wait for 60 seconds at most.
        WaitTooLong = "wait_too_long",
        /// The idempotency key is no UUID and no id `act_…`, or is there twice.
        IdempotencyKeyMalformed = "idempotency_key_malformed",
        /// The idempotency key is another one than the action's id.
        IdempotencyKeyMismatch = "idempotency_key_mismatch",
        /// No record says that such a pass was used, as far as the client may see.
        PassNotUsed = "pass_not_used",
        /// Another outcome of the pass was recorded first. That it was contradicted is recorded too.
        OutcomeContradicts = "outcome_contradicts" => AlreadyDone,
        /// The host of the request is none of this service.
        HostUnknown = "host_unknown",
        /// Another site sent it.
        CrossSite = "cross_site",
        /// Nobody is signed in on this browser, or not any more.
        SignedOut = "signed_out",
        /// The passkey signs nobody in, or its challenge was used or is over: which, the log of the service says.
        SignInRefused = "sign_in_refused",
        /// Nothing like this was about to be signed: it was signed already, is older than five minutes, or is of another request.
        BallotUnknown = "ballot_unknown",
        /// What a service says of a request contradicts itself, or what it said before: nothing is signed on its word.
        RequestContradicts = "request_contradicts" => Unavailable,
        /// The service that has the requests of this page can't be reached, or doesn't answer the page: nothing is shown and
        /// nothing decided meanwhile.
        GateUnreachable = "gate_unreachable" => Unavailable,
        /// A webhook's secret is not one of Standard Webhooks.
        WebhookSecretInvalid = "webhook_secret_invalid",
        /// More is being asked than the service takes at once.
        Overloaded = "overloaded" => Unavailable,
        /// A part of the service doesn't work, so it isn't ready: which one, peers on its host are told, and its log says why.
        NotReady = "not_ready" => Unavailable,
        /// The signing key doesn't sign, so the service isn't ready.
        KeyNotReady = "key_not_ready" => Unavailable,
        /// The store takes no writes, so the service isn't ready.
        StoreNotReady = "store_not_ready" => Unavailable,
        /// The trust store can't be read or believed, so the service isn't ready.
        TrustNotReady = "trust_not_ready" => Unavailable,
        /// The service is about to stop.
        Stopping = "stopping" => Unavailable,
        /// Another service runs on this home.
        HomeServed = "home_served" => Unavailable,
        /// The service can't listen there.
        ListenFailed = "listen_failed" => Unavailable,
        /// The certificates to which another's has to lead can't be read.
        CaUnusable = "ca_unusable" => Usage,
        /// Traces and metrics can't be sent as `[serve.otlp]` says, or this program was built without OTLP.
        OtlpUnusable = "otlp_unusable" => Usage,
        /// The certificate of the service, or its key, can't be used.
        TlsUnusable = "tls_unusable" => Usage,
        /// A part of the service failed in a way that it has no code for.
        ServiceFailed = "service_failed" => Internal,
    }
}

impl ServerCode {
    /// The status of an answer that says this.
    #[must_use]
    pub const fn http_status(self) -> u16 {
        match self {
            Self::ClientUnauthenticated | Self::SignedOut => 401,
            Self::ClientForbidden | Self::FactsNotAttested | Self::CrossSite | Self::SignInRefused => 403,
            Self::RouteUnknown | Self::RecordUnknown | Self::PassNotUsed => 404,
            Self::MethodNotAllowed => 405,
            Self::BodyTimeout => 408,
            Self::LengthRequired => 411,
            Self::BodyTooLarge => 413,
            Self::MediaTypeUnsupported => 415,
            Self::HostUnknown => 421,
            other => other.class().http_status(),
        }
    }
}
