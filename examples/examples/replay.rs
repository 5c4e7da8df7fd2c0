//! Plays a captured media stream into a recording, message by message, as the socket would have.
//!
//! ```text
//! cargo run --example replay -- examples/data/captured.jsonl recordings --format wav
//! ```
//!
//! A capture is a text file with one message a line: either the provider's message as it is, or with when it arrived
//! (milliseconds since the first) and whose it is:
//!
//! ```text
//! {"at_ms":41,"from":"provider","message":{"event":"media","streamSid":"MZ...","media":{...}}}
//! {"at_ms":143,"from":"bot","message":{"event":"media","streamSid":"MZ...","media":{"payload":"..."}}}
//! ```
//!
//! Where arrival times are given they are kept: what a caller heard of a relayed bot follows from when its audio was
//! sent. The times are handed on with the events, so nobody waits, and a call of an hour is taken in seconds.
//! `captured.jsonl` is a second of such a call, made by a program.

#![allow(clippy::disallowed_methods, reason = "a program of its own, which opens its file and shows another")]

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;

use anyhow::{Context, Result};
use callrec::{Call, CallOptions, EndReason, Format, Recorder, Settings};
use callrec_protocol::twilio::{BotSide, Twilio};
use callrec_protocol::{Dialect, Message, ProtocolError};
use callrec_session::{Event, Topology};
use clap::Parser;
use serde_json::Value;

#[derive(Parser)]
#[command(about = "Plays a captured media stream into a recording")]
struct Arguments {
    /// The capture: one JSON message a line.
    capture: PathBuf,
    /// The directory for the recording, its transcript and its summary.
    recordings: PathBuf,
    /// mp3, wav, ogg or flac.
    #[arg(long, default_value_t = Format::Mp3)]
    format: Format,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let capture = &arguments.capture;
    let file = BufReader::new(File::open(capture).with_context(|| format!("cannot open {capture:?}"))?);
    let recorder = Recorder::builder(&arguments.recordings)
        .settings(Settings::default().with_format(arguments.format))
        .start()?;

    let mut replay =
        Replay { recorder, dialect: Twilio::new(Topology::Relay), bot: BotSide::new(), call: None };
    for (number, line) in file.lines().enumerate() {
        let line = line.with_context(|| format!("cannot read {capture:?}"))?;
        if line.trim().is_empty() {
            continue;
        }
        let captured =
            Captured::read(&line).with_context(|| format!("line {} of {capture:?}", number + 1))?;
        replay.message(&captured)?;
        // Events are given faster than they happened: let the disk keep up.
        if let Some(call) = replay.call.as_ref().filter(|_| number % 1_000 == 999) {
            call.flush();
        }
    }

    let call = replay.call.context("no stream started in this capture")?;
    let files = call.finish(EndReason::Stopped).wait()?;
    let mut out = std::io::stdout();
    writeln!(out, "{}", std::fs::read_to_string(&files.summary)?)?;
    Ok(())
}

/// One line of a capture.
struct Captured {
    /// Microseconds since the first message.
    at_us: Option<u64>,
    of_bot: bool,
    message: String,
}

impl Captured {
    fn read(line: &str) -> Result<Self> {
        let value: Value = serde_json::from_str(line).context("not JSON")?;
        Ok(match value.get("message") {
            None => Self { at_us: None, of_bot: false, message: line.to_owned() },
            Some(message) => Self {
                at_us: value["at_ms"].as_u64().map(|ms| ms.saturating_mul(1_000)),
                of_bot: value["from"] == "bot",
                message: message.to_string(),
            },
        })
    }
}

/// What a server has for each socket.
struct Replay {
    recorder: Recorder,
    dialect: Twilio,
    bot: BotSide,
    call: Option<Call>,
}

impl Replay {
    fn message(&mut self, captured: &Captured) -> Result<()> {
        let message = Message::Text(&captured.message);
        if captured.of_bot {
            passed_over(self.bot.handle_message(message).map(drop))?;
            while let Some(event) = self.bot.poll_event() {
                if let Some(call) = &self.call {
                    hand_over(call, captured.at_us, &event);
                }
            }
            return Ok(());
        }
        passed_over(self.dialect.handle_message(message))?;
        while let Some(event) = self.dialect.poll_event() {
            if let Event::Started(start) = &event {
                let options = CallOptions::new(&start.call).stream(&start.stream).topology(start.topology);
                self.call = Some(self.recorder.start_call(options)?);
            } else if let Some(call) = &self.call {
                hand_over(call, captured.at_us, &event);
            }
        }
        Ok(())
    }
}

/// At the time it happened, if the capture knows it.
fn hand_over(call: &Call, at_us: Option<u64>, event: &Event<'_>) {
    match at_us {
        Some(at_us) => call.handle_at(at_us, event),
        None => call.handle(event),
    }
}

/// A message that cannot be read is no reason to stop; a stream that cannot be recorded is.
fn passed_over(outcome: Result<(), ProtocolError>) -> Result<()> {
    match outcome {
        Err(error) if error.is_fatal() => Err(error.into()),
        Err(error) => Ok(writeln!(std::io::stderr(), "passed over: {error}")?),
        Ok(()) => Ok(()),
    }
}
