//! What every request shares.

use crate::auth::Auth;
use crate::config::Config;
use crate::connections::Connections;
use crate::counters::Counters;
use crate::live::LiveSockets;
use crate::socket::{BotConnector, Room};
use crate::stream_tokens::StreamTokens;
use actix_web::error::ErrorInternalServerError;
use actix_web::web;
use callrec::Recorder;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Requests that wait for a disk at once, for each processor. Threads are woken in turn, so that each that was ever needed stays as long
/// as requests come: the fewer there may be, the sooner their number is steady.
pub(crate) const WAIT_AT_ONCE: usize = 4;

/// One value for all workers.
pub(crate) struct State {
    pub(crate) config: Config,
    pub(crate) auth: Auth,
    pub(crate) stream_tokens: StreamTokens,
    pub(crate) live: LiveSockets,
    pub(crate) connections: Arc<Connections>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) bot: Option<BotConnector>,
    pub(crate) room: Arc<Room>,
    pub(crate) recorder: Recorder,
    /// As many as requests may wait for a disk at once.
    pub(crate) turns: Arc<Semaphore>,
}

/// The most workers that the web framework has.
const MOST_WORKERS: usize = 512;

/// How many threads answer requests: one for each processor.
pub(crate) fn workers() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(MOST_WORKERS)
}

/// A turn for each thread that may wait for a disk.
pub(crate) fn turns() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(WAIT_AT_ONCE * workers()))
}

impl State {
    /// Does what may wait for a disk, on a thread that may wait, when it is its turn. A request that is given up before leaves nothing
    /// behind that others would wait for.
    pub(crate) async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Recorder) -> T + Send + 'static,
    ) -> Result<T, actix_web::Error> {
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(ErrorInternalServerError)?;
        let recorder = self.recorder.clone();
        let done = web::block(move || {
            let _turn = turn;
            work(&recorder)
        });
        Ok(done.await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Sources;
    use crate::startup::Application;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    #[actix_web::test]
    async fn a_request_that_is_given_up_before_its_turn_is_never_done() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("responses").display().to_string();
        let mut sources = Sources::only([("PORT", "0")]);
        sources.environment.push(("RECORDINGS_DIRECTORY".to_owned(), directory));
        let application = Application::build(Config::load(sources).unwrap()).unwrap();
        let state = application.state();
        let all = state.turns.available_permits();
        let taken = Arc::clone(&state.turns).acquire_many_owned(all.try_into().unwrap()).await.unwrap();
        let done = Arc::new(AtomicBool::new(false));
        let note = Arc::clone(&done);
        let asked = state.in_turn(move |_| note.store(true, Ordering::Release));
        assert!(tokio::time::timeout(Duration::from_millis(20), asked).await.is_err());
        drop(taken);
        // Whatever is done after it has its turn, and all turns are there again.
        assert_eq!(state.in_turn(|recorder| recorder.calls().len()).await.unwrap(), 0);
        assert!(!done.load(Ordering::Acquire));
        assert_eq!(state.turns.available_permits(), all);
    }
}
