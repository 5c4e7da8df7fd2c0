//! What a one-way stream sends is read several messages at a time: nobody waits for any one of them, and to be woken for each costs
//! more than all that is done with it.
//!
//! Linux wakes whoever reads a socket when as many bytes are there as its low-water mark says (`SO_RCVLOWAT`, socket(7)), or its end.
//! So that the last messages before a pause wait no longer than one would notice, the mark is lowered when nothing was read for a while.

use actix_web::rt::net::TcpStream;
use nix::libc;
use nix::sys::socket::setsockopt;
use nix::{setsockopt_impl, sockopt_impl};
use std::cell::{Cell, RefCell};
use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd, RawFd};
use std::rc::{Rc, Weak};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

/// How many messages are there when the reader is woken: 60 ms of audio, if one track is sent.
const AT_ONCE: usize = 3;
/// No mark is higher, in bytes: what waits is to have room in the socket's buffer, and to be there soon.
const HIGHEST: usize = 4_096;
/// How often it is looked whether streams pause.
const LOOKS_EVERY: Duration = Duration::from_millis(25);
/// One does of which nothing was read since so many looks: for 75 to 100 ms.
const PAUSES_AFTER: u8 = 4;

sockopt_impl!(
    /// How many bytes are there when a reader is woken.
    LowWater,
    SetOnly,
    libc::SOL_SOCKET,
    libc::SO_RCVLOWAT,
    libc::c_int
);

/// Of a connection's socket, as long as the connection is open.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Descriptor(RawFd);

impl Descriptor {
    pub(crate) fn of(socket: &TcpStream) -> Self {
        Self(socket.as_raw_fd())
    }

    /// Another descriptor of the socket; for handlers of the connection's requests, which are over before it is closed.
    #[allow(
        unsafe_code,
        reason = "the framework shows a connection's socket as it is accepted, and not to handlers"
    )]
    pub(crate) fn socket(self) -> std::io::Result<Socket> {
        // SAFETY: the framework owns the socket and closes it behind the last of the connection's requests; this is called in one.
        Ok(Socket(unsafe { BorrowedFd::borrow_raw(self.0) }.try_clone_to_owned()?))
    }
}

/// A connection's socket.
#[derive(Debug)]
pub(crate) struct Socket(OwnedFd);

thread_local! {
    /// The streams that are read on this thread.
    static STREAMS: RefCell<Streams> = RefCell::default();
}

#[derive(Debug, Default)]
struct Streams {
    all: Vec<Weak<Stream>>,
    looks: Option<JoinHandle<()>>,
}

/// The reading of a stream of which several messages are read at a time, as long as this lives.
#[derive(Debug)]
pub(crate) struct Gathering(Rc<Stream>);

#[derive(Debug)]
struct Stream {
    socket: Socket,
    /// The size of messages by which the mark was set; none if it is low.
    message: Cell<Option<usize>>,
    /// Looks since the last message.
    looks: Cell<u8>,
}

impl Gathering {
    pub(crate) fn new(socket: Socket) -> Self {
        let stream = Rc::new(Stream { socket, message: Cell::new(None), looks: Cell::new(0) });
        STREAMS.with_borrow_mut(|Streams { all, looks }| {
            all.push(Rc::downgrade(&stream));
            if looks.as_ref().is_none_or(JoinHandle::is_finished) {
                *looks = Some(actix_web::rt::spawn(look_after()));
            }
        });
        Self(stream)
    }

    /// A message of so many bytes was read.
    pub(crate) fn note(&self, bytes: usize) {
        let Self(stream) = self;
        stream.looks.set(0);
        if stream.message.get().is_none_or(|message| message < bytes) {
            stream.message.set(Some(bytes));
            // Numbers in messages grow and shrink by a digit or two.
            stream.set_mark((bytes * AT_ONCE - bytes / 2).min(HIGHEST));
        }
    }
}

impl Drop for Gathering {
    fn drop(&mut self) {
        self.0.lower();
    }
}

impl Stream {
    /// Whoever reads is woken by each byte again, and by those that are there.
    fn lower(&self) {
        if self.message.take().is_some() {
            self.set_mark(1);
        }
    }

    fn set_mark(&self, bytes: usize) {
        // A socket of another kind, or none any more: it is read as ever.
        if let Err(error) = setsockopt(&self.socket.0, LowWater, &i32::try_from(bytes).unwrap_or(1)) {
            tracing::debug!(%error, "the low-water mark of a media socket could not be set");
        }
    }

    fn look(&self) {
        let looks = self.looks.get() + 1;
        if looks >= PAUSES_AFTER {
            self.looks.set(0);
            self.lower();
        } else {
            self.looks.set(looks);
        }
    }
}

/// Looks after the streams of this thread until there is none.
async fn look_after() {
    let mut looks = interval(LOOKS_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        let is_any = STREAMS.with_borrow_mut(|Streams { all, .. }| {
            all.retain(|stream| stream.upgrade().map(|stream| stream.look()).is_some());
            !all.is_empty()
        });
        if !is_any {
            return;
        }
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests")]
mod tests {
    use super::*;
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd as _;

    const MESSAGE: usize = 200;

    /// A stream, its socket, and the sender's.
    fn pair() -> (Stream, TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let sender = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (reader, _) = listener.accept().unwrap();
        let socket = Socket(reader.as_fd().try_clone_to_owned().unwrap());
        (Stream { socket, message: Cell::new(None), looks: Cell::new(0) }, reader, sender)
    }

    fn is_woken(reader: &TcpStream, patience: PollTimeout) -> bool {
        poll(&mut [PollFd::new(reader.as_fd(), PollFlags::POLLIN)], patience).unwrap() == 1
    }

    /// It is, sooner or later.
    fn wakes(reader: &TcpStream) -> bool {
        is_woken(reader, PollTimeout::from(20_000_u16))
    }

    fn sleeps(reader: &TcpStream) -> bool {
        !is_woken(reader, PollTimeout::ZERO)
    }

    #[test]
    fn a_reader_is_woken_by_three_messages_or_when_there_are_fewer_for_a_while() {
        let (stream, reader, mut sender) = pair();
        let mut say = |messages: usize| sender.write_all(&vec![0; MESSAGE * messages]).unwrap();
        let hear = |messages: usize| (&reader).read_exact(&mut vec![0; MESSAGE * messages]).unwrap();
        let gathering = Gathering(Rc::new(stream));
        say(1);
        assert!(wakes(&reader), "before the first");
        hear(1);
        for _ in 0..2 {
            gathering.note(MESSAGE);
            say(2);
            assert!(sleeps(&reader));
            say(1);
            assert!(wakes(&reader));
            hear(3);
        }
        gathering.note(MESSAGE);
        say(2);
        for look in 1..=PAUSES_AFTER {
            assert!(sleeps(&reader), "look {look}");
            gathering.0.look();
        }
        assert!(wakes(&reader));
        hear(2);
        say(1);
        assert!(wakes(&reader), "each by itself, in a pause");
        hear(1);
        gathering.note(MESSAGE);
        say(1);
        assert!(sleeps(&reader));
        drop(gathering);
        assert!(wakes(&reader));
    }

    #[test]
    fn the_end_of_the_connection_is_told_at_once() {
        let (stream, reader, mut sender) = pair();
        stream.set_mark(HIGHEST);
        sender.write_all(b"stop").unwrap();
        assert!(sleeps(&reader));
        drop(sender);
        assert!(wakes(&reader));
    }

    #[test]
    fn the_longest_messages_are_not_waited_for_and_longer_ones_than_before_are_gathered_by_their_own_size() {
        let (stream, reader, mut sender) = pair();
        let gathering = Gathering(Rc::new(stream));
        gathering.note(100);
        gathering.note(1_000_000);
        sender.write_all(&[0; HIGHEST - 1]).unwrap();
        assert!(sleeps(&reader));
        sender.write_all(&[0]).unwrap();
        assert!(wakes(&reader));
    }

    #[actix_web::test]
    async fn a_stream_that_pauses_is_found_by_itself_also_behind_others() {
        for _ in 0..2 {
            let (stream, reader, mut sender) = pair();
            let gathering = Gathering::new(stream.socket);
            gathering.note(MESSAGE);
            sender.write_all(&[0; MESSAGE]).unwrap();
            let began = std::time::Instant::now();
            while sleeps(&reader) {
                assert!(began.elapsed() < Duration::from_secs(20));
                actix_web::rt::time::sleep(Duration::from_millis(5)).await;
            }
            drop(gathering);
            // Nobody looks after streams that are gone.
            while STREAMS.with_borrow(|streams| !streams.all.is_empty()) {
                actix_web::rt::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }
}
