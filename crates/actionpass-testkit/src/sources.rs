//! Approval sources: what an issuer asks on a step_up.

use std::future::{pending, ready};
use std::sync::atomic::{AtomicUsize, Ordering};

use actionpass_core::{ApprovalAnswer, ApprovalFuture, ApprovalQuestion, ApprovalSource, ApprovalSourceError};

/// Answers at once with what a closure makes of the request: approvals, or junk.
pub struct Answering<F> {
    answer: F,
    asked: AtomicUsize,
}

/// Never answers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

/// Can't ask anybody.
#[derive(Clone, Copy, Debug, Default)]
pub struct Broken;

impl<F: Fn(ApprovalQuestion<'_>) -> Vec<String> + Send + Sync> Answering<F> {
    /// Answers with what this closure gives.
    #[must_use]
    pub const fn new(answer: F) -> Self {
        Self {
            answer,
            asked: AtomicUsize::new(0),
        }
    }

    /// How often it was asked.
    #[must_use]
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl<F> std::fmt::Debug for Answering<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answering")
            .field("asked", &self.asked)
            .finish_non_exhaustive()
    }
}

impl<F: Fn(ApprovalQuestion<'_>) -> Vec<String> + Send + Sync> ApprovalSource for Answering<F> {
    fn request<'a>(&'a self, request: ApprovalQuestion<'a>) -> ApprovalFuture<'a> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        Box::pin(ready(Ok(ApprovalAnswer::Tokens((self.answer)(request)))))
    }
}

impl ApprovalSource for Silent {
    fn request<'a>(&'a self, _: ApprovalQuestion<'a>) -> ApprovalFuture<'a> {
        Box::pin(pending())
    }
}

impl ApprovalSource for Broken {
    fn request<'a>(&'a self, _: ApprovalQuestion<'a>) -> ApprovalFuture<'a> {
        Box::pin(ready(Err(ApprovalSourceError("the queue is gone".into()))))
    }
}
