//! How many files, and so connections, a process may have.

/// Lets the process have `wanted` files; tells how many it may have, where that is fewer.
#[cfg(unix)]
pub(super) fn raise_limit(wanted: u64) -> Option<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let now = getrlimit(Resource::Nofile);
    if now.current.is_none_or(|n| n >= wanted) {
        return None;
    }
    let most = now.maximum.map_or(wanted, |m| m.min(wanted));
    let raised = Rlimit {
        current: Some(most),
        ..now
    };
    let got = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => most,
        Err(_) => now.current.unwrap_or(0),
    };
    (got < wanted).then_some(got)
}

#[cfg(not(unix))]
pub(super) fn raise_limit(_wanted: u64) -> Option<u64> {
    None
}
