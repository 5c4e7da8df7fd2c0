//! The sample caller and the provider around it: 20 ms of the caller a tick, and a queue in which the bot's speech waits
//! to be played.

use super::sample::{self, SILENCE, TICK, TICK_BYTES};
use super::show::Show;
use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use callrec::Track;
use callrec_protocol::twilio::outgoing::Provider;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

/// When the caller speaks, in milliseconds since the call began. The second time the bot is in mid-sentence.
const ASKS_AT_MS: u64 = 5_000;
const INTERRUPTS_AT_MS: u64 = 12_000;
/// How long after the bot's last word the caller hangs up.
const HANGS_UP_AFTER: Duration = Duration::from_millis(1_200);
/// How long the call takes, about.
pub(super) const LENGTH: Duration = Duration::from_millis(18_000);
/// When the caller gives up, if the bot says nothing.
const PATIENCE: Duration = Duration::from_secs(40);

/// What waits to be played to the caller.
enum Waiting {
    Audio(Vec<u8>, usize),
    Mark(String),
}

/// Calls, talks, and hangs up when the conversation is over.
pub(super) async fn call(base: &str, call: &str, stream: &str, show: &Show) -> anyhow::Result<()> {
    let url = format!("{}/media-stream", base.replacen("http", "ws", 1));
    let (socket, _) = connect_async(&url).await.with_context(|| format!("cannot open {url}"))?;
    let (mut send, mut receive) = socket.split();
    let mut provider = Provider::new(call, stream);
    send.send(Message::text(provider.connected())).await?;
    send.send(Message::text(provider.start(&[Track::Caller], &[]))).await?;

    let mut queue: VecDeque<Waiting> = VecDeque::new();
    let mut ticks = tokio::time::interval_at(Instant::now() + TICK, TICK);
    // A machine that stalls sends the ticks it missed in a burst, as a provider does.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (mut ms, mut quiet_since, mut interrupted) = (0_u64, 0_u64, false);
    loop {
        tokio::select! {
            _ = ticks.tick() => {
                let (audio, said) = caller_at(ms);
                if let Some(sentence) = said {
                    interrupted |= ms == INTERRUPTS_AT_MS;
                    show.said("Caller", sentence.text);
                }
                send.send(Message::text(provider.media(Track::Caller, ms, &audio))).await?;
                let (played, reached) = play(&mut queue);
                for mark in reached {
                    send.send(Message::text(provider.mark(&mark))).await?;
                }
                ms += 20;
                show.at(Duration::from_millis(ms));
                if played || ms < INTERRUPTS_AT_MS + 4_000 {
                    quiet_since = ms;
                }
                if interrupted && Duration::from_millis(ms - quiet_since) >= HANGS_UP_AFTER {
                    send.send(Message::text(provider.stop())).await?;
                    send.close().await?;
                    return Ok(());
                }
                if Duration::from_millis(ms) > PATIENCE {
                    bail!("the bot never finished");
                }
            }
            message = receive.next() => match message {
                Some(Ok(Message::Text(text))) => {
                    for mark in take(&text, &mut queue)? {
                        send.send(Message::text(provider.mark(&mark))).await?;
                    }
                }
                Some(Ok(Message::Close(_))) | None => bail!("the server closed the call too early"),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error.into()),
            },
        }
    }
}

/// What the caller says in the tick that begins at `ms`, and the sentence that begins with it.
fn caller_at(ms: u64) -> (Vec<u8>, Option<&'static sample::Sentence>) {
    for (begins, sentence) in [(ASKS_AT_MS, &sample::QUESTION), (INTERRUPTS_AT_MS, &sample::INTERRUPTION)] {
        let Some(since) = ms.checked_sub(begins) else { continue };
        let from = since as usize * 8;
        if let Some(rest) = sentence.audio.get(from..).filter(|rest| !rest.is_empty()) {
            let mut tick = rest[..rest.len().min(TICK_BYTES)].to_vec();
            tick.resize(TICK_BYTES, SILENCE);
            return (tick, (since == 0).then_some(sentence));
        }
    }
    (vec![SILENCE; TICK_BYTES], None)
}

/// A message of the bot; a `clear` gives back the marks that were waiting.
fn take(text: &str, queue: &mut VecDeque<Waiting>) -> anyhow::Result<Vec<String>> {
    let message: Value = serde_json::from_str(text).context("the bot sent no JSON")?;
    match message["event"].as_str() {
        Some("media") => {
            let audio = BASE64.decode(message["media"]["payload"].as_str().unwrap_or_default())?;
            queue.push_back(Waiting::Audio(audio, 0));
        }
        Some("mark") => {
            let name = message["mark"]["name"].as_str().unwrap_or_default().to_owned();
            if queue.is_empty() {
                return Ok(vec![name]);
            }
            queue.push_back(Waiting::Mark(name));
        }
        Some("clear") => {
            let marks = queue.drain(..).filter_map(|waiting| match waiting {
                Waiting::Mark(name) => Some(name),
                Waiting::Audio(..) => None,
            });
            return Ok(marks.collect());
        }
        other => bail!("the provider does not know the event {other:?}"),
    }
    Ok(Vec::new())
}

/// Plays a tick: tells whether anything was heard, and which marks were reached.
fn play(queue: &mut VecDeque<Waiting>) -> (bool, Vec<String>) {
    let (mut room, mut reached) = (TICK_BYTES, Vec::new());
    while let Some(waiting) = queue.front_mut() {
        match waiting {
            Waiting::Mark(name) => reached.push(std::mem::take(name)),
            Waiting::Audio(..) if room == 0 => break,
            Waiting::Audio(audio, played) => {
                let now = room.min(audio.len() - *played);
                (*played, room) = (*played + now, room - now);
                if *played < audio.len() {
                    break;
                }
            }
        }
        queue.pop_front();
    }
    (room < TICK_BYTES, reached)
}
