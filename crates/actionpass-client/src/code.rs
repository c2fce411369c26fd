//! The codes of the client itself. What the service refuses has codes of the service.

actionpass_model::codes! {
    /// Why a question got no answer of the service.
    pub enum ClientCode: Unavailable {
        /// The address of the service isn't one: https, or http to this machine, and nothing behind the port.
        AddressRefused = "service_address_refused" => Usage,
        /// What should be the token of a client isn't one.
        TokenMalformed = "client_token_malformed" => Usage,
        /// The service can't be reached, or it didn't answer in time: whether it did what was asked is unknown.
        Unreachable = "service_unreachable",
        /// Something answered that isn't what the service answers: it permits nothing.
        AnswerMalformed = "service_answer_malformed",
    }
}
