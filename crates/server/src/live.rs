//! How many media sockets are open, how many may be, and that none may be opened once the server shuts down.

use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// The count of open media sockets. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct LiveSockets {
    places: Arc<Semaphore>,
    most: usize,
    closing: watch::Sender<bool>,
}

/// Why no media socket may be opened now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoPlace {
    /// As many as may be are open.
    Full,
    /// The server is shutting down.
    Closing,
}

/// A place for one media socket, given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    _permit: OwnedSemaphorePermit,
    closing: watch::Receiver<bool>,
}

impl Place {
    /// Waits until the server shuts down.
    pub(crate) async fn closing(&mut self) {
        // An error means that the server is gone altogether.
        let _ = self.closing.wait_for(|closing| *closing).await;
    }
}

impl LiveSockets {
    pub(crate) fn new(most: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(most)), most, closing: watch::Sender::new(false) }
    }

    pub(crate) fn open(&self) -> Result<Place, NoPlace> {
        if self.is_closing() {
            return Err(NoPlace::Closing);
        }
        let permit = self.places.clone().try_acquire_owned().map_err(|_| NoPlace::Full)?;
        Ok(Place { _permit: permit, closing: self.closing.subscribe() })
    }

    /// Whether a media socket could be opened now.
    pub(crate) fn has_place(&self) -> Result<(), NoPlace> {
        if self.is_closing() {
            return Err(NoPlace::Closing);
        }
        if self.places.available_permits() == 0 { Err(NoPlace::Full) } else { Ok(()) }
    }

    pub(crate) fn count(&self) -> usize {
        self.most.saturating_sub(self.places.available_permits())
    }

    pub(crate) fn most(&self) -> usize {
        self.most
    }

    /// Refuses new sockets and asks the open ones to end.
    pub(crate) fn begin_closing(&self) {
        self.closing.send_replace(true);
    }

    pub(crate) fn is_closing(&self) -> bool {
        *self.closing.borrow()
    }

    /// Waits until every place was given back.
    pub(crate) async fn all_closed(&self) {
        let all = u32::try_from(self.most).unwrap_or(u32::MAX);
        let _ = self.places.acquire_many(all).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn places_are_limited_given_back_and_refused_while_closing() {
        let live = LiveSockets::new(2);
        let (mut first, second) = (live.open().unwrap(), live.open().unwrap());
        assert_eq!(live.open().unwrap_err(), NoPlace::Full);
        drop(second);
        assert_eq!(live.count(), 1);
        live.begin_closing();
        assert_eq!(live.open().unwrap_err(), NoPlace::Closing);
        first.closing().await;
        drop(first);
        live.all_closed().await;
        assert_eq!(live.count(), 0);
    }
}
