//! One relayed call as fast as it is relayed: the next frame of the caller follows once the bot's answer to the one before has come, but
//! no faster than callrec takes a call into its journal for long.
//!
//! The provider plays by the call's own clock, that of its frames' stamps, and so tells by marks what was heard when, as it does of a
//! call that is in time. The marks are the bot's: those of callrec's own are as far apart as its own clock says, which is slow here.

use anyhow::{Context as _, anyhow, ensure};
use callrec_protocol::twilio::outgoing::{self, Provider};
use serde_json::Value;
use std::collections::VecDeque;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::ops::Range;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes, WebSocket, accept};

use crate::live::frames;
use crate::live::messages::{FRAME_MS, Messages, Payloads, first_payload, sid};

/// How long a message to the provider is under way, by the call's clock: longer than until the marks behind it are read too.
const WAY_MS: u64 = 2 * FRAME_MS;
/// The bot sends a mark behind so many messages: every 60 ms, as callrec does where the queue is short.
const MARK_EVERY: u64 = 3;
/// How many times as fast as time it may be. callrec takes a megabyte a second into a journal, and a phone call has some 18 kB.
pub(super) const FASTEST: u64 = 50;
/// Longer than anything takes.
const PATIENCE: Duration = Duration::from_secs(60);
/// What may be on its way when the call ends.
const UNHEARD_MS: u64 = 200;

type Socket = WebSocket<TcpStream>;

/// Both ends of a call.
pub(super) struct Relayed {
    number: usize,
    begun: Instant,
    provider: Socket,
    messages: Messages,
    bot: Socket,
    marks: Provider,
    /// When what was sent is played, by the call's clock.
    plays_until_ms: u64,
    /// Marks, and when they are reached.
    waiting: VecDeque<(u64, String)>,
}

/// Fails unless all that the bot said was heard, but for what was on its way at the end, and no echo came too late to be believed.
pub(super) fn check(summary: &Value) -> anyhow::Result<()> {
    let completeness = &summary["streams"][0]["completeness"];
    let playout = &completeness["playout"];
    let unheard_ms = playout["unheard_ms"].as_u64().context("no word of what was heard")?;
    ensure!(unheard_ms <= UNHEARD_MS, "{unheard_ms} ms of the bot are not in the recording");
    ensure!(
        playout["late_news"] == 0 && completeness["taken_again"] == false,
        "it was made again: {playout}"
    );
    Ok(())
}

impl Relayed {
    /// Makes a call to a server whose bot is at `bots`, which nobody else calls meanwhile.
    pub(super) fn open(
        server: SocketAddr,
        bots: &Mutex<TcpListener>,
        number: usize,
        payloads: &Payloads,
    ) -> anyhow::Result<Self> {
        let bots = bots.lock().map_err(|_| anyhow!("another call broke down"))?;
        let stream = frames::open(server)?;
        let mut provider = WebSocket::from_raw_socket(stream, Role::Client, None);
        let (stream, _) = bots.accept()?;
        drop(bots);
        stream.set_nodelay(true)?;
        let bot = accept(stream).context("the server does not call the bot")?;
        for socket in [provider.get_ref(), bot.get_ref()] {
            socket.set_read_timeout(Some(PATIENCE))?;
            socket.set_write_timeout(Some(PATIENCE))?;
        }
        let messages = Messages::new(number, payloads)?;
        for message in messages.opening() {
            provider.send(Message::text(message.clone()))?;
        }
        let marks = Provider::new(&sid("CA", number), &sid("MZ", number));
        let waiting = VecDeque::new();
        let begun = Instant::now();
        Ok(Self { number, begun, provider, messages, bot, marks, plays_until_ms: 0, waiting })
    }

    /// Both say so many messages, counted from the call's first.
    pub(super) fn talk(&mut self, messages: Range<u64>, answers: &Payloads) -> anyhow::Result<()> {
        let stream = sid("MZ", self.number);
        let first = first_payload(self.number, answers);
        for count in messages {
            self.speak(count * FRAME_MS)?;
            let payload = &answers[(first + count as usize) % answers.len()];
            let answer =
                format!(r#"{{"event":"media","streamSid":"{stream}","media":{{"payload":"{payload}"}}}}"#);
            self.bot.send(Message::text(answer))?;
            if count % MARK_EVERY == MARK_EVERY - 1 {
                self.bot.send(Message::text(outgoing::mark(&stream, &format!("said {count}"))))?;
            }
            let now_ms = (count + 1) * FRAME_MS;
            self.hear(now_ms)?;
            if now_ms.is_multiple_of(1_000) {
                thread::sleep(Duration::from_millis(now_ms / FASTEST).saturating_sub(self.begun.elapsed()));
            }
        }
        Ok(())
    }

    /// Sends the caller's next frame, and behind it the marks that were reached when it began; waits until the bot has it.
    fn speak(&mut self, now_ms: u64) -> anyhow::Result<()> {
        let mut message = Vec::new();
        self.messages.media(&mut message);
        self.provider.send(Message::text(String::from_utf8(message)?))?;
        while self.waiting.front().is_some_and(|(reached_ms, _)| *reached_ms <= now_ms)
            && let Some((_, name)) = self.waiting.pop_front()
        {
            let echo = self.marks.mark(&name);
            self.provider.send(Message::text(echo))?;
        }
        while !is_media(&read(&mut self.bot, self.number)?) {}
        Ok(())
    }

    /// Waits until the provider has the bot's answer.
    fn hear(&mut self, now_ms: u64) -> anyhow::Result<()> {
        loop {
            let text = read(&mut self.provider, self.number)?;
            if is_media(&text) {
                self.plays_until_ms = self.plays_until_ms.max(now_ms + WAY_MS) + FRAME_MS;
                return Ok(());
            }
            let message: Value = serde_json::from_str(&text)?;
            if let Some(name) = message["mark"]["name"].as_str() {
                self.waiting.push_back((self.plays_until_ms.max(now_ms), name.to_owned()));
            }
        }
    }

    /// Ends the call, and waits until the server has closed it.
    pub(super) fn hang_up(mut self) -> anyhow::Result<()> {
        self.provider.send(Message::text(self.messages.stop()))?;
        let _ = self.provider.close(None);
        // Behind a goodbye an end is as good as any other.
        while self.bot.read().is_ok() {}
        while self.provider.read().is_ok() {}
        Ok(())
    }
}

fn is_media(text: &Utf8Bytes) -> bool {
    text.contains(r#""event":"media""#)
}

fn read(socket: &mut Socket, number: usize) -> anyhow::Result<Utf8Bytes> {
    loop {
        if let Message::Text(text) = socket.read().with_context(|| format!("call {number} was broken off"))? {
            return Ok(text);
        }
    }
}
