//! Many one-way calls from the provider's side, by one thread: paced as telephones speak, or as fast as the server takes it.

use anyhow::{Context as _, ensure};
use rustix::net::sockopt::set_socket_send_buffer_size;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::ops::Range;
use std::time::{Duration, Instant};

use super::frames;
use super::messages::{FRAME_MS, Messages, Payloads};
use super::queues;

/// How often each call says something.
const PERIOD: Duration = Duration::from_millis(FRAME_MS);
/// Messages that are written at a time when it is about speed.
const AT_ONCE: usize = 1;
/// What a socket may hold that nobody reads, when it is about speed.
const SEND_BUFFER: usize = 64 * 1024;
/// What is written at a time where a length is to be reached.
const AT_A_TIME: usize = 16 * 1024;
/// How long to wait when nobody reads.
const REST: Duration = Duration::from_micros(200);
/// A server that reads less of what is said does not keep up.
const KEEPS_UP: f64 = 0.98;
/// How long a server may take to read what is left, and to say goodbye.
const FAREWELL: Duration = Duration::from_secs(120);

/// The calls.
#[derive(Debug)]
pub(crate) struct Calls {
    lines: Vec<Line>,
    server: SocketAddr,
    began: Instant,
    /// How many messages were sent by the clock, over all calls.
    spoken: u64,
}

#[derive(Debug)]
struct Line {
    socket: TcpStream,
    messages: Messages,
    /// Frames, of which the first bytes are written already.
    unsent: Vec<u8>,
    written: usize,
    bytes: u64,
}

/// How far the server has come.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    /// Of what it was sent, as it has read it.
    read: u64,
    bytes: u64,
    messages: u64,
    at: Instant,
}

/// What the server did between two marks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Read {
    /// Messages that it has read.
    pub(crate) messages: f64,
    /// In this time.
    pub(crate) during: Duration,
}

impl Read {
    /// Whether that is nearly all that so many calls say by the clock.
    pub(crate) fn is_all_of(&self, calls: usize) -> bool {
        let due = calls as f64 * self.during.as_secs_f64() / PERIOD.as_secs_f64();
        self.messages >= KEEPS_UP * due
    }
}

impl Calls {
    /// Begins so many calls; each begins somewhere in the payloads.
    pub(crate) fn open(server: SocketAddr, count: usize, payloads: &Payloads) -> anyhow::Result<Self> {
        Self::open_numbers(server, 0..count, payloads)
    }

    /// Begins the calls of these numbers.
    pub(crate) fn open_numbers(
        server: SocketAddr,
        numbers: Range<usize>,
        payloads: &Payloads,
    ) -> anyhow::Result<Self> {
        let lines = numbers.map(|number| Line::open(server, number, payloads));
        let lines = lines.collect::<anyhow::Result<_>>()?;
        Ok(Self { lines, server, began: Instant::now(), spoken: 0 })
    }

    /// Each call says something every 20 ms, all of them at different times. What nobody reads waits, and is sent later.
    pub(crate) fn pace(&mut self, during: Duration) -> anyhow::Result<()> {
        let count = self.lines.len() as u64;
        let until = Instant::now() + during;
        loop {
            let due = self.began + PERIOD.mul_f64(self.spoken as f64 / count as f64);
            let now = Instant::now();
            if due.max(now) >= until {
                return Ok(());
            }
            if due > now {
                std::thread::sleep(due - now);
            }
            let line = &mut self.lines[(self.spoken % count) as usize];
            line.add();
            line.write()?;
            self.spoken += 1;
        }
    }

    /// All calls say as much as the server takes.
    pub(crate) fn flood(&mut self, during: Duration) -> anyhow::Result<()> {
        for line in &self.lines {
            set_socket_send_buffer_size(&line.socket, SEND_BUFFER)?;
        }
        let until = Instant::now() + during;
        while Instant::now() < until {
            let mut written = 0;
            for line in &mut self.lines {
                if line.unsent.is_empty() {
                    (0..AT_ONCE).for_each(|_| line.add());
                }
                written += line.write()?;
            }
            if written == 0 {
                std::thread::sleep(REST);
            }
        }
        Ok(())
    }

    /// Each call says so many messages, as fast as the server takes them. By the clock they go on from there.
    pub(crate) fn say(&mut self, messages: u64) -> anyhow::Result<()> {
        for line in &mut self.lines {
            line.socket.set_nonblocking(false)?;
            line.socket.set_write_timeout(Some(FAREWELL))?;
            for _ in 0..messages {
                line.add();
                if line.unsent.len() >= AT_A_TIME {
                    line.write()?;
                }
            }
            line.write()?;
            line.socket.set_nonblocking(true)?;
        }
        (self.began, self.spoken) = (Instant::now(), 0);
        Ok(())
    }

    /// How many messages with sound they have said, whether they are read yet or not.
    pub(crate) fn said(&self) -> u64 {
        self.lines.iter().map(|line| line.messages.sent()).sum()
    }

    /// How far the server has come.
    pub(crate) fn mark(&self) -> anyhow::Result<Mark> {
        let bytes = self.lines.iter().map(|line| line.bytes).sum::<u64>();
        let left = self.lines.iter().map(|line| (line.unsent.len() - line.written) as u64).sum::<u64>();
        Ok(Mark {
            read: bytes.saturating_sub(queues::on_the_way_to(self.server.port())?),
            bytes: bytes + left,
            messages: self.said(),
            at: Instant::now(),
        })
    }

    /// Ends all calls, and waits until the server has closed each; gives how many messages of each party it had.
    pub(crate) fn hang_up(mut self) -> anyhow::Result<Vec<[u64; 2]>> {
        self.say_goodbye()?;
        self.wait_for_goodbye()
    }

    /// Ends all calls.
    pub(crate) fn say_goodbye(&mut self) -> anyhow::Result<()> {
        for line in &mut self.lines {
            frames::text(line.messages.stop().as_bytes(), &mut line.unsent);
            frames::close(&mut line.unsent);
            line.socket.set_nonblocking(false)?;
            line.socket.set_write_timeout(Some(FAREWELL))?;
            line.socket.set_read_timeout(Some(FAREWELL))?;
            line.socket.write_all(&line.unsent[line.written..]).context("the server does not read")?;
        }
        Ok(())
    }

    /// Waits until the server has closed each of the calls that were ended; gives how many messages of each party they had.
    pub(crate) fn wait_for_goodbye(mut self) -> anyhow::Result<Vec<[u64; 2]>> {
        for line in &mut self.lines {
            let goodbye = line.socket.read_to_end(&mut Vec::new());
            if goodbye.as_ref().is_err_and(|error| error.kind() != ErrorKind::ConnectionReset) {
                goodbye.context("the server says no goodbye")?;
            }
        }
        Ok(self.lines.iter().map(|line| [line.messages.sent(), 0]).collect())
    }
}

impl Mark {
    /// What was read since then.
    pub(crate) fn since(&self, before: &Self) -> anyhow::Result<Read> {
        ensure!(self.messages > before.messages, "nothing was sent");
        // Messages differ by some digits in their length.
        let length = (self.bytes - before.bytes) as f64 / (self.messages - before.messages) as f64;
        let messages = self.read.saturating_sub(before.read) as f64 / length;
        Ok(Read { messages, during: self.at - before.at })
    }
}

impl Line {
    fn open(server: SocketAddr, number: usize, payloads: &Payloads) -> anyhow::Result<Self> {
        let socket = frames::open(server).with_context(|| format!("call {number}"))?;
        socket.set_nonblocking(true)?;
        let messages = Messages::new(number, payloads)?;
        let mut line = Self { socket, messages, unsent: Vec::new(), written: 0, bytes: 0 };
        for message in line.messages.opening() {
            frames::text(message.as_bytes(), &mut line.unsent);
        }
        line.write()?;
        Ok(line)
    }

    fn add(&mut self) {
        frames::text_of(&mut self.unsent, |out| self.messages.media(out));
    }

    /// Writes what the socket takes; gives how much that was.
    fn write(&mut self) -> anyhow::Result<usize> {
        let before = self.bytes;
        while self.written < self.unsent.len() {
            match self.socket.write(&self.unsent[self.written..]) {
                Ok(written) => {
                    self.written += written;
                    self.bytes += written as u64;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error).context("the server broke a call off"),
            }
        }
        if self.written == self.unsent.len() {
            self.unsent.clear();
            self.written = 0;
        }
        Ok((self.bytes - before) as usize)
    }
}
