//! Why a view can't be made, or isn't the one that was shown.

actionpass_model::codes! {
    /// Why a view can't be made, or isn't the one that was shown.
    pub enum DisplayCode: Mismatch {
        /// What the approver's token says was shown is not what this action, these rules and these facts look like.
        ShownMismatch = "shown_mismatch",
        /// What was shown was rendered by something that this release doesn't know, so it can't be checked here.
        RendererUnknown = "renderer_unknown" => InputRefused,
        /// The payload or the context nests too deep to be read, so it can't be shown.
        ViewUnreadable = "view_unreadable" => InputRefused,
    }
}

/// A view can't be made, or isn't the one that was shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DisplayError {
    /// The hash is that of another view.
    #[error("what was shown is not what this action, these rules and these facts look like")]
    ShownMismatch,
    /// No release before this one has that renderer, and neither has this one.
    #[error("what was shown was rendered by something that isn't known here")]
    RendererUnknown,
    /// A part of the action, by its path, was admitted under limits that are wider than what is read here.
    #[error("`{0}` nests too deep to be shown")]
    Unreadable(&'static str),
}

impl DisplayError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> DisplayCode {
        match self {
            Self::ShownMismatch => DisplayCode::ShownMismatch,
            Self::RendererUnknown => DisplayCode::RendererUnknown,
            Self::Unreadable(_) => DisplayCode::ViewUnreadable,
        }
    }
}

actionpass_model::coded_error!(
    DisplayError,
    path = |error| match error {
        DisplayError::Unreadable(path) => Some(path),
        DisplayError::ShownMismatch | DisplayError::RendererUnknown => None,
    }
);
