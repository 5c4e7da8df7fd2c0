//! Records a call from inside a bot: the library, no server.
//!
//! ```text
//! cargo run --example embed -- recordings
//! ```
//!
//! The "bot" below has no model and no telephone: it hears a tone and answers with another, at the pace of a real call.
//! Where it says `call.` a bot of yours would say the same.

#![allow(clippy::disallowed_methods, reason = "a program of its own, which shows the file it has made")]

use std::f64::consts::TAU;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use callrec::{Audio, CallOptions, EndReason, Format, Recorder, Settings, Speaker};
use callrec_audio::g711::Law;
use clap::Parser;

#[derive(Parser)]
#[command(about = "Records a short synthetic call from inside a bot")]
struct Arguments {
    /// The directory for recordings; made if it is missing.
    #[arg(default_value = "responses")]
    recordings: PathBuf,
}

/// A frame of the telephone line.
const FRAME: Duration = Duration::from_millis(20);

fn main() -> Result<()> {
    let recordings = Arguments::parse().recordings;
    // One recorder for the whole program, cheap to clone into every call's task.
    let recorder =
        Recorder::builder(recordings).settings(Settings::default().with_format(Format::Flac)).start()?;

    // A call of its own name each time the example runs.
    let name = format!("CA-embed-{}", std::process::id());
    let call = recorder.start_call(CallOptions::new(&name).assistant_rate(16_000))?;

    call.said(Speaker::Assistant, "Hello, you have reached a tone.");
    for frame in 0..100 {
        // The caller's side as the line brings it: mu-law at 8 kHz.
        let hertz = if frame < 50 { 440.0 } else { 0.0 };
        let mut mulaw = Vec::new();
        Law::Mulaw.encode(&tone(hertz, 8_000, frame), &mut mulaw);
        call.caller(Audio::mulaw(&mulaw));

        // The bot's own side as its speech model makes it: 16-bit samples at 16 kHz.
        if frame >= 50 {
            call.assistant(Audio::pcm16(&tone(660.0, 16_000, frame)));
        }
        std::thread::sleep(FRAME);
    }
    call.said(Speaker::Caller, "Goodbye.");

    // The recording is ready at once. `finish` gives a future as well, for bots that are async.
    let files = call.finish(EndReason::Finished).wait()?;
    let mut out = std::io::stdout();
    writeln!(out, "{}", std::fs::read_to_string(&files.summary)?)?;
    Ok(())
}

/// One frame of a sine, 12 dB below full scale; 0 Hz is silence.
fn tone(hertz: f64, rate: u32, frame: u32) -> Vec<i16> {
    let samples = rate / 50;
    (0..samples)
        .map(|n| (8_192.0 * (TAU * hertz * f64::from(frame * samples + n) / f64::from(rate)).sin()) as i16)
        .collect()
}
