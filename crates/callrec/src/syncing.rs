//! The thread that brings to the disk what the journals' thread has written.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use callrec_store::StoreError;

use crate::clock::Stopwatch;
use crate::journalling::EVERY;
use crate::live::{LiveCall, lock};
use crate::shared::Shared;

/// How often the journals are synced, from the beginning of one sync to that of the next.
pub(crate) const SYNC_EVERY: Duration = Duration::from_secs(1);

/// Brings to the disk, once a second, what was written.
pub(crate) fn sync_journals(shared: &Shared) {
    let (mut syncing, mut wait) = (Syncing::default(), SYNC_EVERY);
    while !shared.wait_for_stop(wait) {
        let began = Stopwatch::start();
        if shared.unfinished() > 0 {
            // All that came until now is covered, so that nothing waits for longer than from this sync to the end of the next; but
            // not where the journals cannot be written as fast: what is, is not to wait for the rest.
            shared.journal_turn(EVERY);
        }
        wait = syncing.turn(shared, began);
    }
}

/// What was written when the last sync began.
#[derive(Default)]
pub(crate) struct Syncing {
    synced: HashMap<usize, u64>,
}

impl Syncing {
    /// Syncs, if anything was written since the last time. `began` is when it was begun to write that; tells how long to wait for the
    /// next time.
    pub(crate) fn turn(&mut self, shared: &Shared, began: Stopwatch) -> Duration {
        let committed: HashMap<usize, u64> = shared
            .live_calls()
            .iter()
            .map(|call: &Arc<LiveCall>| (Arc::as_ptr(call) as usize, call.committed()))
            .collect();
        if committed == self.synced {
            shared.set_synced(Ok(()));
            return SYNC_EVERY;
        }
        shared.begin_sync();
        let result = if shared.dir.syncs_all() { shared.dir.sync() } else { sync_each(shared) };
        if let Err(error) = &result {
            tracing::error!(%error, "the journals could not be synced; a power loss now may lose more than two seconds");
        }
        shared.set_synced(result.map_err(|error| error.to_string()));
        self.synced = committed;
        SYNC_EVERY.saturating_sub(began.elapsed())
    }
}

/// Syncs every journal, whatever becomes of another; the first error is told.
fn sync_each(shared: &Shared) -> Result<(), StoreError> {
    let mut result = Ok(());
    for call in shared.live_calls() {
        if let Some(journal) = &mut *lock(&call.journal) {
            result = result.and(journal.sync());
        }
    }
    result
}
