//! A provider that plays what it is sent, 20 ms every 20 ms, sends marks back, and knows what was heard.

use super::test_server::{Client, Got, TestServer, own_mark};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use callrec::Track;
use callrec_protocol::twilio::outgoing;
use callrec_simulator::{Echoes, FromProvider, Provider, Run, ToProvider};
use futures_util::{FutureExt, SinkExt, StreamExt};
use serde_json::Value;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::{Interval, MissedTickBehavior};
use tokio_tungstenite::tungstenite::Message;

/// The provider's end of a relayed stream, of which each tick waits for the clock.
pub(crate) struct Playing {
    client: Client,
    wire: outgoing::Provider,
    provider: Provider,
    /// How many ticks what it is sent takes to arrive.
    pub(crate) delay_ticks: u64,
    /// It sends no mark back.
    pub(crate) mute: bool,
    /// What is on its way to it, and the tick in which it arrives.
    on_the_way: VecDeque<(u64, ToProvider)>,
    /// The names of the marks that came, in order.
    pub(crate) marks: Vec<String>,
    samples: u64,
    ticks: u64,
    clock: Interval,
    /// How the server closed the socket, once it has.
    pub(crate) closed: Option<Option<u16>>,
}

impl Playing {
    /// A stream of a call that begins now.
    pub(crate) async fn begin(server: &TestServer, call: &str, stream: &str) -> Self {
        let mut client = server.provider().await;
        let mut wire = outgoing::Provider::new(call, stream);
        for message in [wire.connected(), wire.start(&[Track::Caller], &[])] {
            client.send(message).await;
        }
        let mut clock = tokio::time::interval(Duration::from_millis(20));
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            client,
            wire,
            provider: Provider::new(Echoes::BehindFrame),
            delay_ticks: 0,
            mute: false,
            on_the_way: VecDeque::new(),
            marks: Vec::new(),
            samples: 0,
            ticks: 0,
            clock,
            closed: None,
        }
    }

    /// Plays for so many ticks, or until the server closes.
    pub(crate) async fn play(&mut self, ticks: u64) {
        for _ in 0..ticks {
            self.clock.tick().await;
            while let Some(news) = self.client.socket.next().now_or_never() {
                match news {
                    Some(Ok(Message::Text(text))) => self.take(&text),
                    Some(Ok(Message::Close(frame))) => {
                        self.closed = Some(frame.map(|frame| frame.code.into()));
                    }
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => {
                        self.closed.get_or_insert(None);
                        return;
                    }
                }
            }
            if self.closed.is_some() {
                // The answer to a Close leaves when it is flushed.
                let _ = self.client.socket.flush().await;
                return;
            }
            self.tick().await;
        }
    }

    fn take(&mut self, text: &str) {
        let message: Value = serde_json::from_str(text).unwrap();
        let message = match message["event"].as_str() {
            Some("media") => {
                let audio = BASE64.decode(message["media"]["payload"].as_str().unwrap()).unwrap();
                let (first, samples) = (self.samples, audio.len() as u64);
                self.samples += samples;
                ToProvider::Media { first, samples }
            }
            Some("mark") => {
                self.marks.push(message["mark"]["name"].as_str().unwrap().to_owned());
                ToProvider::Mark(self.marks.len() as u64 - 1)
            }
            Some("clear") => ToProvider::Clear,
            _ => panic!("no provider knows {text}"),
        };
        self.on_the_way.push_back((self.ticks + self.delay_ticks, message));
    }

    async fn tick(&mut self) {
        let mut answers = Vec::new();
        while self.on_the_way.front().is_some_and(|(tick, _)| *tick <= self.ticks) {
            let (_, message) = self.on_the_way.pop_front().unwrap();
            answers.extend(self.provider.take(&message));
        }
        answers.extend(self.provider.tick());
        self.ticks += 1;
        for answer in answers {
            match answer {
                FromProvider::Caller { timestamp_ms } => {
                    let frame = self.wire.media(Track::Caller, timestamp_ms, &[0xff; 160]);
                    self.client.send(frame).await;
                }
                FromProvider::Mark(_) if self.mute => {}
                FromProvider::Mark(number) => {
                    let echo = self.wire.mark(&self.marks[number as usize]);
                    self.client.send(echo).await;
                }
            }
        }
    }

    /// Says that the stream is over, and goodbye; waits for the server's.
    pub(crate) async fn stop(&mut self) {
        let stop = self.wire.stop();
        self.client.send(stop).await;
        let _ = self.client.socket.close(None).await;
        while !matches!(self.client.next_of_all().await, Got::Close(_) | Got::End) {}
    }

    /// What was heard of the bot, in order.
    pub(crate) fn heard(&self) -> &[Run] {
        self.provider.heard()
    }

    /// How many ticks were played.
    pub(crate) const fn ticks(&self) -> u64 {
        self.ticks
    }

    /// How many of the marks that came are callrec's own.
    pub(crate) fn own_marks(&self) -> usize {
        let own = |name: &&String| own_mark(&outgoing::mark("MZ1", name)).is_some();
        self.marks.iter().filter(own).count()
    }
}
