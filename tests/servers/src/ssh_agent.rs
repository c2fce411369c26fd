//! The ssh-agent of OpenSSH.
