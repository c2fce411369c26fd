//! [`ApprovalSource`]: where approvals come from while an agent waits.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use actionpass_canon::BoundAction;
use actionpass_model::{ActionId, ApprovalRequest, Digest, Issuer};
use actionpass_policy::Requirement;

/// What an approver is asked for.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ApprovalQuestion<'a> {
    /// The exact action.
    pub action: &'a BoundAction,
    /// Which occurrence.
    pub action_id: &'a ActionId,
    /// The issuer that the approval must be made for.
    pub issuer: &'a Issuer,
    /// The policy in force.
    pub policy_digest: Digest,
    /// What policy asks for.
    pub required: &'a [Requirement],
    /// The approval request that waits for it, if the issuer keeps requests: an approval may be a vote on it, and only a vote
    /// on it can decline.
    pub request: Option<&'a ApprovalRequest>,
    /// How long the issuer waits; later answers are not seen.
    pub wait: Duration,
}

/// What an approval source answers.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ApprovalAnswer {
    /// Approvals: tokens as [`Request::with_approval`](crate::Request::with_approval) takes them.
    Tokens(Vec<String>),
    /// Somebody said no. It is verified like any vote on the request: what isn't one changes nothing.
    Declined {
        /// The refusal, a compact JWS.
        token: String,
    },
    /// Nobody approved yet: the decision stays what it is.
    NoneYet,
}

/// The future of an answer.
pub type ApprovalFuture<'a> = Pin<Box<dyn Future<Output = Result<ApprovalAnswer, ApprovalSourceError>> + Send + 'a>>;

/// Nobody could be asked.
#[derive(Debug, thiserror::Error)]
#[error("the approval source failed")]
pub struct ApprovalSourceError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// Where approvals come from on a step_up: a queue, a chat, a terminal.
///
/// # Contract
/// - It answers with approval tokens. They are verified like any other; a source is not trusted.
/// - It is asked at most once per authorization, after the step_up was recorded, and its answer judged afresh: with too
///   few approvals the decision stays step_up. An error or no answer in time counts as [`ApprovalAnswer::NoneYet`].
/// - The future may be dropped at any time, at the latest when [`ApprovalQuestion::wait`] is over.
pub trait ApprovalSource: Debug + Send + Sync {
    /// Asks for approvals of one exact action.
    fn request<'a>(&'a self, request: ApprovalQuestion<'a>) -> ApprovalFuture<'a>;
}

impl<T: ApprovalSource + ?Sized> ApprovalSource for Arc<T> {
    fn request<'a>(&'a self, request: ApprovalQuestion<'a>) -> ApprovalFuture<'a> {
        (**self).request(request)
    }
}
