//! How many connections the system lets this process have.
//!
//! A process that is out of descriptors accepts nobody, whatever is kept for whom, and can't open its own files. Many systems give 1,024
//! to whoever doesn't ask for more.

use actionpass_home::ServeLimits;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// How many descriptors are left for what is no connection of ours: the store, files of the home, webhooks, a collector.
const OTHERS: usize = 256;

/// How many connections there may be, and how many beyond those for people alone: as configured, or as far as descriptors go.
pub(crate) fn connections(limits: &ServeLimits) -> (usize, usize) {
    let most = most();
    let (general, reserve) = within(limits.connections, limits.page_connections, most);
    if (general, reserve) != (limits.connections, limits.page_connections) {
        tracing::warn!(
            descriptors = most,
            connections = general,
            page_connections = reserve,
            "the system permits this process fewer open files than the configured connections need"
        );
    }
    (general, reserve)
}

/// As many as the process may have, once it has asked for them.
fn most() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let all = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    // Some systems permit less than they say; then what there is has to do.
    let granted = match setrlimit(Resource::Nofile, all) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    granted.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX))
}

/// Those for people come first, up to half of what there is.
fn within(general: usize, reserve: usize, most: usize) -> (usize, usize) {
    let room = most.saturating_sub(OTHERS.min(most / 2));
    let reserve = reserve.min(room / 2).max(1);
    (general.min(room.saturating_sub(reserve)).max(1), reserve)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_descriptors_for_people_and_files() {
        for (most, expected) in [
            (usize::MAX, (12288, 256)),
            (12800, (12288, 256)),
            (1024, (512, 256)),
            (512, (128, 128)),
            (64, (16, 16)),
            (0, (1, 1)),
        ] {
            assert_eq!(within(12288, 256, most), expected, "{most}");
        }
        assert_eq!(within(10, 2, 1024), (10, 2));
    }
}
