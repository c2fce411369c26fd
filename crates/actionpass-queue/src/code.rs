//! [`RequestCode`]: why something can't happen to a request.

use actionpass_model::EndState;

actionpass_model::codes! {
    /// Why something can't happen to an approval request, or why there is none.
    pub enum RequestCode: InputRefused {
        /// There is no approval request of this id.
        RequestUnknown = "request_unknown" => Usage,
        /// The request still waits and its time isn't over.
        RequestWaiting = "request_waiting",
        /// The request's action got its pass.
        RequestUsed = "request_used" => AlreadyDone,
        /// Somebody declined the request.
        RequestDeclined = "request_declined" => Declined,
        /// The request was cancelled.
        RequestCancelled = "request_cancelled" => Declined,
        /// The request's time is over.
        RequestExpired = "request_expired" => OutOfTime,
        /// The same person approved this request before, under whatever spelling of the name, or the same vote was cast.
        VoteRepeated = "vote_repeated" => AlreadyDone,
        /// The vote lacks what every vote says: the request, the policy, the rules that it waits for, the context, the facts,
        /// what was shown; or it names an occurrence, other rules, or another end than the request's.
        VoteIncomplete = "vote_incomplete" => Approval,
        /// The vote is of somebody whose yes doesn't count: by role, as the owner, or because policy waits for nobody.
        VoteNotCounted = "vote_not_counted" => Approval,
        /// No more requests may wait: of this agent, of this client, or in all; or this agent opened too many within an hour.
        QueueFull = "queue_full" => Unavailable,
        /// Three requests of this agent were declined or expired within an hour: it opens none until a person lifts that.
        RequestsHeld = "requests_held" => Declined,
        /// The request is about another context, other facts or another policy than the action is judged with now: its votes
        /// count for nothing.
        RequestSuperseded = "request_superseded",
        /// What the request is about was erased.
        RequestErased = "request_erased",
        /// The store was restored from an earlier state: which votes were used since nobody knows.
        RequestStateLost = "request_state_lost" => Stale,
        /// Who asked for the action took the request back, or who runs the queue did.
        RequestWithdrawn = "request_withdrawn",
    }
}

impl RequestCode {
    /// What a request that ended like this answers to everything.
    #[must_use]
    pub const fn of_end(end: EndState) -> Self {
        match end {
            EndState::Used => Self::RequestUsed,
            EndState::Declined => Self::RequestDeclined,
            EndState::Cancelled => Self::RequestCancelled,
            EndState::Expired => Self::RequestExpired,
        }
    }
}
