//! Long messages on their way from an outbox into a connection, of which there is one at a time.
//!
//! The WebSocket library takes messages by their number, some 64, and however long they are: nothing that counts bytes sees them
//! there. Those of a call have some 300 bytes.

use bytes::Bytes;
use futures_util::task::AtomicWaker;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

/// A message of more bytes is a long one.
const LONG: usize = 64 * 1024;

/// Whether a message of so many bytes has to go by itself.
pub(super) fn is_long(bytes: usize) -> bool {
    bytes > LONG
}

/// Whether a long message is on its way.
#[derive(Debug, Default)]
pub(super) struct InFlight(Arc<Way>);

#[derive(Debug, Default)]
struct Way {
    taken: AtomicBool,
    waker: AtomicWaker,
}

/// The bytes of a long message, until they are copied into the connection's buffer.
struct OnItsWay(Bytes, Arc<Way>);

impl InFlight {
    /// Ready when a message of so many bytes may be handed on.
    pub(super) fn poll_free(&self, bytes: usize, cx: &Context<'_>) -> Poll<()> {
        let is_free = || !is_long(bytes) || !self.0.taken.load(Ordering::Acquire);
        if is_free() {
            return Poll::Ready(());
        }
        self.0.waker.register(cx.waker());
        // It may have arrived in between.
        if is_free() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// The same bytes, which are on their way until they are dropped.
    pub(super) fn send(&self, bytes: Bytes) -> Bytes {
        if !is_long(bytes.len()) {
            return bytes;
        }
        self.0.taken.store(true, Ordering::Release);
        Bytes::from_owner(OnItsWay(bytes, Arc::clone(&self.0)))
    }
}

impl AsRef<[u8]> for OnItsWay {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for OnItsWay {
    fn drop(&mut self) {
        self.1.taken.store(false, Ordering::Release);
        self.1.waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;
    use std::task::{Wake, Waker};

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::AcqRel);
        }
    }

    #[test]
    fn a_long_message_waits_for_the_one_before_and_a_short_one_for_none() {
        let (in_flight, woken) = (InFlight::default(), Arc::new(Woken::default()));
        let waker = Waker::from(Arc::clone(&woken));
        let cx = Context::from_waker(&waker);
        let [short, long] = [vec![b's'; LONG], vec![b'l'; LONG + 1]].map(Bytes::from);
        let free = || [LONG, LONG + 1].map(|bytes| in_flight.poll_free(bytes, &cx).is_ready());
        assert_eq!(in_flight.send(short.clone()), short);
        assert_eq!(free(), [true, true]);
        let sent = in_flight.send(long.clone());
        assert_eq!((&sent, free()), (&long, [true, false]));
        let part = sent.slice(1..);
        drop(sent);
        assert_eq!(
            (free(), woken.0.load(Ordering::Acquire)),
            ([true, false], 0),
            "a part of it is held still"
        );
        drop(part);
        assert_eq!((free(), woken.0.load(Ordering::Acquire)), ([true, true], 1));
    }
}
