//! What the person at the terminal sees.

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A progress bar with the conversation above it; without a terminal, the conversation alone.
pub(super) struct Show {
    bar: ProgressBar,
}

impl Show {
    pub(super) fn new(length: Duration) -> Self {
        let bar = ProgressBar::new(length.as_millis() as u64);
        if let Ok(style) = ProgressStyle::with_template("  on the phone {bar:40} {msg}") {
            bar.set_style(style);
        }
        let show = Self { bar };
        show.print("callrec is listening; a sample caller rings a sample bot through it.\n".to_owned());
        show
    }

    pub(super) fn said(&self, who: &str, text: &str) {
        self.print(format!("  {who:>9}: {text}"));
    }

    pub(super) fn note(&self, text: &str) {
        self.print(format!("             ({text})"));
    }

    /// How far the call is.
    pub(super) fn at(&self, since: Duration) {
        self.bar.set_position(since.as_millis() as u64);
        self.bar.set_message(format!("{}.{} s", since.as_secs(), since.subsec_millis() / 100));
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn print(&self, line: String) {
        if self.bar.is_hidden() {
            let _ = writeln!(io::stderr(), "{line}");
        } else {
            self.bar.println(line);
        }
    }
}

/// The summary, the files, and what to do next.
pub(super) fn ending(call: &str, status: &Value, directory: &Path) -> anyhow::Result<()> {
    let files = callrec::files_of(directory, call).context("the recording's summary is not there")?;
    let text = files.summary_text();
    let recording = absolute(files.audio.context("the call has no recording; its summary says why")?);
    let mut out = io::stdout().lock();
    writeln!(out, "\n{text}")?;
    writeln!(
        out,
        "The files of this call of {} s:",
        status["duration_ms"].as_u64().unwrap_or(0).div_ceil(1000)
    )?;
    for (what, path) in [
        ("recording", recording.clone()),
        ("transcript", absolute(files.transcript)),
        ("summary", absolute(files.summary)),
    ] {
        writeln!(out, "  {what:<11} {}", path.display())?;
    }
    writeln!(
        out,
        "\nListen to it: the caller is left, the assistant right, and what the caller cut off is not there."
    )?;
    let player = if cfg!(target_os = "macos") {
        "open"
    } else if cfg!(windows) {
        "start"
    } else {
        "xdg-open"
    };
    writeln!(out, "  {player} '{0}'      or: ffplay '{0}'", recording.display())?;
    let program = program();
    writeln!(
        out,
        "\nFor a real phone number, put a proxy with TLS in front and start the server:\n\n\
         \x20 TWILIO_AUTH_TOKEN=... API_TOKEN=... PUBLIC_URL=https://rec.example.com \\\n\
         \x20 BOT_URL=wss://bot.example.com/media {program} serve\n\n\
         and let the number's voice webhook be POST https://rec.example.com/incoming-call.\n\
         `{program} --help` lists every setting; the README tells the rest."
    )?;
    Ok(())
}

/// How this program was called, for the reader to call it again: after `cargo run` that is `target/release/callrec`.
fn program() -> String {
    let name = std::env::args_os().next().map(|name| name.to_string_lossy().into_owned());
    let name = name.unwrap_or_else(|| "callrec".to_owned());
    if name.contains(char::is_whitespace) { format!("'{name}'") } else { name }
}

fn absolute(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}
