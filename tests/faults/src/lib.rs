//! Fault suites: power that is lost, system calls that fail, processes that are killed, disks that fill up, clocks that jump,
//! parts that were put back, and a soak; for PostgreSQL an exchange that is cut, delayed and garbled, too.
//!
//! Each suite is a test of this package. It works from a seed, an oracle knows what was acknowledged, and it prints one line:
//! how many rounds and faults there were, how much was acknowledged, and what was lost, corrupt, consumed twice or passed twice,
//! which is nothing. `cargo xtask test --long` runs all rounds; `ACTIONPASS_SEED` begins with another seed, to repeat one that
//! failed.
