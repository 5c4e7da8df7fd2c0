//! Two-way calls by one thread: the provider's ends, which play what they are sent and echo marks when it is over, and the ends of
//! a bot that answers each message with one of its own.

use anyhow::{Context as _, ensure};
use callrec_protocol::twilio::outgoing::Provider;
use serde_json::Value;
use std::collections::VecDeque;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes, WebSocket, accept};

use super::frames;
use super::messages::{FRAME_MS, Messages, Payloads, first_payload, sid};

const PERIOD: Duration = Duration::from_millis(FRAME_MS);
/// Between two looks at who has sent something.
const LOOKS: Duration = Duration::from_micros(500);
/// How long everything takes to arrive that is on its way.
const QUIET: Duration = Duration::from_millis(500);
/// How long a server may take to say goodbye.
const FAREWELL: Duration = Duration::from_secs(60);

type Socket = WebSocket<TcpStream>;

/// The calls.
pub(super) struct Talks {
    ends: Vec<ProviderEnd>,
    bots: Option<Bots>,
    began: Instant,
    due: u64,
}

struct ProviderEnd {
    socket: Socket,
    messages: Messages,
    marks: Provider,
    /// Until when it plays what it was sent.
    plays_until: Instant,
    /// Marks behind it.
    waiting: VecDeque<(Instant, String)>,
    /// Milliseconds of audio that came.
    heard_ms: u64,
}

/// A bot that waits for calls.
pub(super) struct Bots {
    pub(super) url: String,
    calls: Receiver<Socket>,
    ends: Vec<BotEnd>,
    payloads: Payloads,
}

struct BotEnd {
    socket: Socket,
    stream: String,
    number: usize,
    answered: u64,
    is_over: bool,
}

/// What each call had: messages of the caller, and of the bot.
pub(super) type Had = Vec<[u64; 2]>;

impl Bots {
    /// Listens; the bot says what is in these payloads.
    pub(super) fn listen(payloads: &Payloads) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("ws://{}/", listener.local_addr()?);
        let (sender, calls) = channel();
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let Some(socket) = answer(stream) else { continue };
                if sender.send(socket).is_err() {
                    break;
                }
            }
        });
        Ok(Self { url, calls, ends: Vec::new(), payloads: payloads.clone() })
    }

    fn look(&mut self) -> anyhow::Result<()> {
        self.ends.extend(self.calls.try_iter().map(|socket| BotEnd {
            socket,
            stream: String::new(),
            number: 0,
            answered: 0,
            is_over: false,
        }));
        self.ends.iter_mut().try_for_each(|end| end.look(&self.payloads))
    }
}

fn answer(stream: TcpStream) -> Option<Socket> {
    stream.set_nodelay(true).ok()?;
    let socket = accept(stream).ok()?;
    socket.get_ref().set_nonblocking(true).ok()?;
    Some(socket)
}

impl BotEnd {
    fn look(&mut self, payloads: &Payloads) -> anyhow::Result<()> {
        while let Some(text) = receive(&mut self.socket, &mut self.is_over)? {
            if text.contains(r#""event":"media""#) {
                let payload = first_payload(self.number, payloads) + self.answered as usize;
                let payload = &payloads[payload % payloads.len()];
                let stream = &self.stream;
                let answer = format!(
                    r#"{{"event":"media","streamSid":"{stream}","media":{{"payload":"{payload}"}}}}"#
                );
                send(&mut self.socket, answer)?;
                self.answered += 1;
            } else if text.contains(r#""event":"start""#) {
                let start: Value = serde_json::from_str(&text)?;
                self.stream = start["streamSid"].as_str().context("a stream without a name")?.to_owned();
                self.number = usize::from_str_radix(&self.stream[2..], 16)?;
            }
        }
        Ok(())
    }
}

impl Talks {
    /// Begins so many calls.
    pub(super) fn open(
        server: SocketAddr,
        count: usize,
        payloads: &Payloads,
        bots: Option<Bots>,
    ) -> anyhow::Result<Self> {
        let ends = (0..count).map(|number| ProviderEnd::open(server, number, payloads));
        let ends = ends.collect::<anyhow::Result<_>>()?;
        Ok(Self { ends, bots, began: Instant::now(), due: 0 })
    }

    /// Each call says something every 20 ms.
    pub(super) fn go_on(&mut self, during: Duration) -> anyhow::Result<()> {
        let count = self.ends.len() as u64;
        let until = Instant::now() + during;
        while Instant::now() < until {
            while self.began + PERIOD.mul_f64(self.due as f64 / count as f64) < Instant::now() {
                self.ends[(self.due % count) as usize].speak()?;
                self.due += 1;
            }
            self.look()?;
            std::thread::sleep(LOOKS);
        }
        Ok(())
    }

    /// Milliseconds of audio that all providers got.
    pub(super) fn heard_ms(&self) -> u64 {
        self.ends.iter().map(|end| end.heard_ms).sum()
    }

    fn look(&mut self) -> anyhow::Result<()> {
        if let Some(bots) = &mut self.bots {
            bots.look()?;
        }
        self.ends.iter_mut().try_for_each(ProviderEnd::look)
    }

    /// Ends all calls, and waits until the server has closed each.
    pub(super) fn hang_up(mut self) -> anyhow::Result<Had> {
        let quiet = Instant::now() + QUIET;
        while Instant::now() < quiet {
            self.look()?;
            std::thread::sleep(LOOKS);
        }
        for end in &mut self.ends {
            send(&mut end.socket, end.messages.stop())?;
            let _ = end.socket.close(None);
        }
        let deadline = Instant::now() + FAREWELL;
        for end in 0..self.ends.len() {
            let mut is_over = false;
            while !is_over {
                ensure!(Instant::now() < deadline, "the server says no goodbye");
                while receive(&mut self.ends[end].socket, &mut is_over)?.is_some() {}
                if let Some(bots) = &mut self.bots {
                    bots.look()?;
                }
                std::thread::sleep(LOOKS);
            }
        }
        let mut had: Had = self.ends.iter().map(|end| [end.messages.sent(), 0]).collect();
        for bot in self.bots.iter().flat_map(|bots| &bots.ends) {
            had[bot.number][1] = bot.answered;
        }
        Ok(had)
    }
}

impl ProviderEnd {
    fn open(server: SocketAddr, number: usize, payloads: &Payloads) -> anyhow::Result<Self> {
        let stream = frames::open(server).with_context(|| format!("call {number}"))?;
        stream.set_nonblocking(true)?;
        let messages = Messages::new(number, payloads)?;
        let mut socket = WebSocket::from_raw_socket(stream, Role::Client, None);
        for message in messages.opening() {
            send(&mut socket, message.clone())?;
        }
        Ok(Self {
            socket,
            messages,
            marks: Provider::new(&sid("CA", number), &sid("MZ", number)),
            plays_until: Instant::now(),
            waiting: VecDeque::new(),
            heard_ms: 0,
        })
    }

    fn speak(&mut self) -> anyhow::Result<()> {
        let mut message = Vec::new();
        self.messages.media(&mut message);
        send(&mut self.socket, String::from_utf8(message)?)
    }

    /// Takes what came, and echoes the marks behind what was played.
    fn look(&mut self) -> anyhow::Result<()> {
        let now = Instant::now();
        let mut is_over = false;
        while let Some(text) = receive(&mut self.socket, &mut is_over)? {
            let message: Value = serde_json::from_str(&text)?;
            match message["event"].as_str() {
                Some("media") => {
                    let base64 = message["media"]["payload"].as_str().unwrap_or_default();
                    // Eight bytes a millisecond.
                    let bytes = base64_simd::STANDARD.decoded_length(base64.as_bytes())?;
                    let ms = bytes as u64 / 8;
                    self.heard_ms += ms;
                    self.plays_until = self.plays_until.max(now) + Duration::from_millis(ms);
                }
                Some("mark") => {
                    let name = message["mark"]["name"].as_str().unwrap_or_default();
                    self.waiting.push_back((self.plays_until, name.to_owned()));
                }
                _ => {}
            }
        }
        ensure!(!is_over, "the server closed in mid-call");
        while self.waiting.front().is_some_and(|(played, _)| *played <= now)
            && let Some((_, name)) = self.waiting.pop_front()
        {
            let echo = self.marks.mark(&name);
            send(&mut self.socket, echo)?;
        }
        Ok(())
    }
}

/// The next text that is there.
fn receive(socket: &mut Socket, is_over: &mut bool) -> anyhow::Result<Option<Utf8Bytes>> {
    while !*is_over {
        match socket.read() {
            Ok(Message::Text(text)) => return Ok(Some(text)),
            Ok(_) => {}
            Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => break,
            // Behind a goodbye an end is as good as any other.
            Err(_) => *is_over = true,
        }
    }
    Ok(None)
}

/// Sends, or leaves it for the next time: the library holds what the system does not take.
fn send(socket: &mut Socket, text: String) -> anyhow::Result<()> {
    match socket.send(Message::text(text)) {
        Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => Ok(()),
        Err(Error::ConnectionClosed | Error::AlreadyClosed) => Ok(()),
        sent => sent.context("a server broke a call off"),
    }
}
