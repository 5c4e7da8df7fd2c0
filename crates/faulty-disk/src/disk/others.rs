//! What other threads do while one waits for the disk: played on the one thread that there is.

use std::sync::{Arc, MutexGuard};

use super::{FaultyDisk, State};
use crate::fault::What;

type Work = Arc<dyn Fn() + Send + Sync>;

/// What others do, and when.
#[derive(Clone, Default)]
pub(super) struct Others {
    /// While a sync takes its time.
    meanwhile: Option<Work>,
    /// Before each operation.
    between: Option<Work>,
}

impl FaultyDisk {
    /// Called when a sync of everything takes its time, when a tenth of a second has passed, and again: what other
    /// threads do meanwhile.
    pub fn set_meanwhile(&self, meanwhile: impl Fn() + Send + Sync + 'static) {
        self.state().others.meanwhile = Some(Arc::new(meanwhile));
    }

    /// Called before each operation, those that come of it too, but while somebody has the lock of a call's texts: what other threads do
    /// between two of one. Who is in between is to know it.
    pub fn set_between(&self, between: impl Fn() + Send + Sync + 'static) {
        self.state().others.between = Some(Arc::new(between));
    }

    /// Forgets what [`set_meanwhile`](Self::set_meanwhile) and [`set_between`](Self::set_between) were given.
    pub fn clear_meanwhile(&self) {
        self.state().others = Others::default();
    }

    /// The disk for an operation, when others had their turn.
    pub(super) fn after_others(&self) -> MutexGuard<'_, State> {
        let state = self.state();
        let between = state.others.between.clone().filter(|_| !state.has_locked_call());
        drop(state);
        if let Some(between) = between {
            between();
        }
        self.state()
    }

    /// Lets the time of a sync pass, in which others go on.
    pub(super) fn wait(&self, mut us: u64) {
        while us > 0 {
            let step = us.min(100_000);
            us -= step;
            let meanwhile = {
                let mut state = self.state();
                state.now_us += step;
                state.others.meanwhile.clone()
            };
            if let Some(meanwhile) = meanwhile.filter(|_| step == 100_000) {
                meanwhile();
            }
        }
    }
}

impl State {
    /// Whether the lock of a call's texts is held: who waits for that would wait for ever.
    fn has_locked_call(&self) -> bool {
        self.locks.iter().any(|(id, _)| self.what(*id) == What::Lock)
    }
}
