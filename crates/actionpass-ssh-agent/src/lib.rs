//! Keys in an ssh-agent, as ActionPass signers.
