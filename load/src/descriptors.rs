//! How many files this process may have open: every call is a socket or two.

use anyhow::ensure;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What is open beside calls: files, pipes, requests, and whatever a runtime needs.
const BESIDE: u64 = 100;

/// Has this process, and those that it starts, open as many files as the system lets it; so many sockets must be among them.
///
/// # Errors
/// It does not let it have so many.
pub fn allow_many_files(sockets: u64) -> anyhow::Result<()> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // There are systems that refuse what they say is allowed; then it stays as it is.
    let is_raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_ok();
    suffices(if is_raised { maximum } else { current }, sockets)
}

/// Whether a limit, if there is one, is high enough.
fn suffices(limit: Option<u64>, sockets: u64) -> anyhow::Result<()> {
    let needed = sockets.saturating_add(BESIDE);
    let allowed = limit.unwrap_or(u64::MAX);
    ensure!(
        allowed >= needed,
        "so many calls take {needed} open files, and this process may have {allowed}: raise its hard limit (`ulimit -Hn`, LimitNOFILE), \
         or make fewer calls"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_few_files_for_the_calls_are_told_with_what_to_do() {
        assert!(suffices(Some(1_100), 1_000).is_ok() && suffices(None, u64::MAX).is_ok());
        let told = suffices(Some(1_099), 1_000).unwrap_err().to_string();
        assert!(told.contains("take 1100 open files, and this process may have 1099"), "{told}");
        assert!(told.contains("ulimit -Hn") && told.contains("fewer calls"), "{told}");
    }

    #[test]
    fn this_process_may_open_all_that_the_system_lets_it() {
        allow_many_files(0).unwrap();
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        assert_eq!(current, maximum);
        assert!(maximum.is_none() || allow_many_files(u64::MAX).is_err());
    }
}
