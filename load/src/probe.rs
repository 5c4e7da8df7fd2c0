//! A call that is held at both ends by one task, to see how long its messages are under way.

use anyhow::{Context as _, bail, ensure};
use callrec_protocol::twilio::outgoing;
use callrec_session::Track;
use callrec_simulator::TICK_SAMPLES;
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use serde_json::Value;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use crate::sockets::text_of;
use crate::sound::quietly;
use crate::{Sound, Voice};

/// Longer than anything takes.
const PATIENCE: Duration = Duration::from_secs(20);
/// What the caller and the bot speak with.
pub(crate) const SEEDS: [u64; 2] = [1, 0x9e37_79b9_7f4a_7c15];

/// The two ways through a relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// A frame of the caller, from the provider to the bot.
    ToBot,
    /// A piece of speech, from the bot to the provider.
    ToProvider,
}

impl Way {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::ToBot, Self::ToProvider];
}

/// When a message was sent, and how long it was under way.
pub type Delay = (Instant, Duration);

/// A call through a relay: provider and bot in one, so that both ends have one clock.
#[derive(Debug)]
pub struct Probe {
    call: String,
    wire: outgoing::Provider,
    sound: Sound,
    provider: WebSocketStream<MaybeTlsStream<TcpStream>>,
    bot: WebSocketStream<TcpStream>,
    /// Echoes of marks, which leave with the caller's next frame.
    echoes: Vec<String>,
    /// What is under way, each way in order.
    sent: [VecDeque<(String, Instant)>; 2],
    /// How long each message was under way, of each of [`Way::BOTH`].
    pub delays: [Vec<Delay>; 2],
    /// How many frames of the caller were sent.
    pub frames: u64,
    /// How many marks came to the provider.
    pub marks: u64,
}

impl Probe {
    /// Calls `url`, behind which is a relay whose bot is at `bots`. Nobody else may be calling meanwhile.
    ///
    /// # Errors
    /// The relay does not take the call, or does not call the bot.
    pub async fn open(url: &str, bots: &TcpListener, call: &str) -> anyhow::Result<Self> {
        let mut wire = outgoing::Provider::new(call, "MZ1");
        let (mut provider, _) = connect_async_with_config(url, None, true).await?;
        let accept = async {
            let (stream, _) = bots.accept().await?;
            stream.set_nodelay(true)?;
            anyhow::Ok(tokio_tungstenite::accept_async(stream).await?)
        };
        let mut bot = timeout(PATIENCE, accept).await.context("the relay does not call the bot")??;
        for text in [wire.connected(), wire.start(&[Track::Caller], &[])] {
            provider.send(Message::text(text)).await?;
        }
        for event in ["connected", "start"] {
            let news = timeout(PATIENCE, bot.next()).await.with_context(|| format!("no {event}"))?;
            ensure!(text_of(news).transpose()?.is_some_and(|text| text.contains(event)), "no {event}");
        }
        let (echoes, sent, delays) = Default::default();
        let (call, sound) = (call.to_owned(), Voice::Noise.into());
        Ok(Self { call, wire, sound, provider, bot, echoes, sent, delays, frames: 0, marks: 0 })
    }

    /// Has both say something else than noise.
    #[must_use]
    pub fn saying(self, sound: Sound) -> Self {
        Self { sound, ..self }
    }

    /// The call's SID.
    #[must_use]
    pub fn call(&self) -> &str {
        &self.call
    }

    /// Sends 20 ms of sound one way. How long they are under way is known once they are [received](Self::receive).
    ///
    /// # Errors
    /// The relay is gone, or does not read.
    pub async fn send(&mut self, way: Way) -> anyhow::Result<()> {
        let (first, samples) = (self.frames * TICK_SAMPLES, TICK_SAMPLES);
        let text = match way {
            Way::ToBot => {
                self.frames += 1;
                let codes = self.sound.codes(Track::Caller, SEEDS[0], first, samples);
                self.wire.media(Track::Caller, (self.frames - 1) * 20, &codes)
            }
            Way::ToProvider => {
                let mut codes = self.sound.codes(Track::Assistant, SEEDS[1], first, samples);
                // Both speak all the time: who is who is told by how loud they are.
                codes.iter_mut().for_each(|code| *code = quietly(*code));
                outgoing::media("MZ1", &codes)
            }
        };
        let message = Message::text(text.clone());
        let sending = async {
            if way == Way::ToBot {
                for echo in self.echoes.drain(..) {
                    self.provider.feed(Message::text(echo)).await?;
                }
            }
            self.sent[way as usize].push_back((text, Instant::now()));
            match way {
                Way::ToBot => self.provider.send(message).await,
                Way::ToProvider => self.bot.send(message).await,
            }
        };
        Ok(timeout(PATIENCE, sending).await.context("the relay does not read")??)
    }

    /// Whether every message has come through.
    #[must_use]
    pub fn has_arrived(&self, way: Way) -> bool {
        self.sent[way as usize].is_empty()
    }

    /// Takes the next message at either end. May be dropped at any time.
    ///
    /// # Errors
    /// It is another than was sent, or the relay hung up.
    pub async fn receive(&mut self) -> anyhow::Result<()> {
        let (way, news) = tokio::select! {
            news = self.bot.next() => (Way::ToBot, news),
            news = self.provider.next() => (Way::ToProvider, news),
        };
        let Some(text) = text_of(news).transpose()? else { return Ok(()) };
        let sent = &mut self.sent[way as usize];
        if let Some((_, at)) = sent.front().filter(|(sent, _)| text.as_str() == sent) {
            self.delays[way as usize].push((*at, at.elapsed()));
            sent.pop_front();
            return Ok(());
        }
        let message: Value = serde_json::from_str(&text)?;
        match (way, message["mark"]["name"].as_str()) {
            (Way::ToProvider, Some(name)) => {
                self.marks += 1;
                self.echoes.push(self.wire.mark(name));
                Ok(())
            }
            _ => bail!("a message that nobody sent, or out of order ({way:?})"),
        }
    }

    /// Takes what is there already, at both ends.
    ///
    /// # Errors
    /// As [`receive`](Self::receive).
    pub fn receive_what_is_there(&mut self) -> anyhow::Result<()> {
        while let Some(received) = self.receive().now_or_never() {
            received?;
        }
        Ok(())
    }

    /// Stops the stream, and says goodbye to both; gives the moment at which the stop was sent.
    ///
    /// # Errors
    /// The relay does not say goodbye.
    pub async fn hang_up(&mut self) -> anyhow::Result<Instant> {
        let stop = self.wire.stop();
        let at = Instant::now();
        self.provider.send(Message::text(stop)).await?;
        let goodbye = async {
            let _ = self.provider.close(None).await;
            while let Some(Ok(_)) = self.bot.next().await {}
            while let Some(Ok(_)) = self.provider.next().await {}
        };
        timeout(PATIENCE, goodbye).await.context("no goodbye")?;
        Ok(at)
    }
}
