//! The sample bot: a WebSocket server that speaks the provider's protocol, and would work without callrec between them.
//!
//! It sends each sentence at once, faster than it is played, as bots do. When the caller speaks while it does, it
//! clears what was not played yet. What it says it tells callrec over the socket, what it hears over the REST API: the two ways
//! in which transcript lines come.

use super::sample::{self, Sentence};
use super::server_process::post_json;
use super::show::Show;
use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use callrec::Speaker;
use callrec_protocol::twilio::outgoing;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

/// The caller speaks when the mean level of a tick is above this, of 32,768.
const SPEECH_LEVEL: u32 = 300;
/// And is done after so many milliseconds of quiet.
const DONE_AFTER_MS: u64 = 500;

/// Takes one call and holds the conversation until the provider hangs up.
pub(super) async fn answer(listener: TcpListener, api: String, show: Arc<Show>) -> anyhow::Result<()> {
    let (stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    let socket = tokio_tungstenite::accept_async(stream).await.context("the server's upgrade")?;
    Bot { socket, api, show, call: String::new(), stream: String::new(), speaking: false }.converse().await
}

struct Bot {
    socket: WebSocketStream<TcpStream>,
    api: String,
    show: Arc<Show>,
    call: String,
    stream: String,
    /// Its own speech has not been played to its end.
    speaking: bool,
}

/// Hears when the caller begins to speak and when it is done.
#[derive(Default)]
struct Ear {
    began_ms: Option<u64>,
    loud_ms: u64,
}

enum Heard {
    Nothing,
    Began,
    /// It began at this time.
    Done(u64),
}

impl Bot {
    async fn converse(mut self) -> anyhow::Result<()> {
        let mut ear = Ear::default();
        let mut turns =
            [(&sample::QUESTION, &sample::LONG_ANSWER), (&sample::INTERRUPTION, &sample::FAREWELL)]
                .into_iter();
        while let Some(message) = self.socket.next().await {
            let text = match message {
                Ok(Message::Text(text)) => text,
                Ok(Message::Close(_)) | Err(_) => break,
                Ok(_) => continue,
            };
            let message: Value = serde_json::from_str(&text)?;
            match message["event"].as_str() {
                Some("start") => {
                    self.call = message["start"]["callSid"].as_str().unwrap_or_default().to_owned();
                    self.stream = message["streamSid"].as_str().unwrap_or_default().to_owned();
                    self.say(&sample::GREETING).await?;
                }
                Some("media") => match ear.hear(&message["media"])? {
                    Heard::Began if self.speaking => {
                        self.send(outgoing::clear(&self.stream)).await?;
                        self.speaking = false;
                        self.show.note("the bot stops: its unplayed speech is cleared");
                    }
                    Heard::Done(began_ms) => {
                        if let Some((heard, answer)) = turns.next() {
                            self.tell_callrec(heard, began_ms).await?;
                            self.say(answer).await?;
                        }
                    }
                    Heard::Nothing | Heard::Began => {}
                },
                // Also after a clear; then it is not speaking anyway.
                Some("mark") => self.speaking = false,
                Some("stop") => break,
                _ => {}
            }
        }
        if turns.next().is_some() {
            bail!("the call ended before the conversation did");
        }
        Ok(())
    }

    async fn say(&mut self, sentence: &'static Sentence) -> anyhow::Result<()> {
        self.speaking = true;
        self.show.said("Assistant", sentence.text);
        self.send(outgoing::transcript(Speaker::Assistant, sentence.text, None)).await?;
        for chunk in sample::chunks(&self.stream.clone(), sentence) {
            self.send(chunk).await?;
        }
        self.send(outgoing::mark(&self.stream, "said")).await
    }

    /// A real bot would post what its speech recognition gave.
    async fn tell_callrec(&self, heard: &Sentence, began_ms: u64) -> anyhow::Result<()> {
        let line = json!({ "speaker": "caller", "text": heard.text, "at_ms": began_ms });
        post_json(&format!("{}/calls/{}/transcript", self.api, self.call), line).await
    }

    async fn send(&mut self, text: String) -> anyhow::Result<()> {
        Ok(self.socket.send(Message::text(text)).await?)
    }
}

impl Ear {
    fn hear(&mut self, media: &Value) -> anyhow::Result<Heard> {
        let ms: u64 =
            media["timestamp"].as_str().unwrap_or_default().parse().context("a frame without a time")?;
        let codes = BASE64.decode(media["payload"].as_str().unwrap_or_default())?;
        let mut pcm = Vec::new();
        callrec::g711::Law::Mulaw.decode(&codes, &mut pcm);
        let level =
            pcm.iter().map(|sample| u32::from(sample.unsigned_abs())).sum::<u32>() / pcm.len().max(1) as u32;
        if level > SPEECH_LEVEL {
            self.loud_ms = ms;
            if self.began_ms.is_none() {
                self.began_ms = Some(ms);
                return Ok(Heard::Began);
            }
        }
        match self.began_ms {
            Some(began) if ms >= self.loud_ms + DONE_AFTER_MS => {
                self.began_ms = None;
                Ok(Heard::Done(began))
            }
            _ => Ok(Heard::Nothing),
        }
    }
}
