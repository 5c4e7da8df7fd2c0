//! `callrec inspect`: shows a recording or a journal as a person wants to see it, as JSON, or as a picture.

mod drawing;
mod paint;
mod report;
mod svg;
mod times;

use crate::config::Config;
use anyhow::Context as _;
use callrec::inspect::Inspection;
use paint::Paint;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

/// How wide what is shown is where there is no terminal to fit.
const USUAL_WIDTH: u16 = 100;

/// What is to be looked at, and how.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// A call SID, to be found in RECORDINGS_DIRECTORY; or a *.journal, a recording, or a call_*_summary.json.
    #[arg(value_name = "FILE|SID")]
    what: String,
    /// Print it for programs.
    #[arg(long)]
    json: bool,
    /// Write a picture of both sides' waveforms too; - writes it to standard output, and nothing else.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Show every playback mark, and how long it took to come back.
    #[arg(long)]
    marks: bool,
    /// Put what was said under the drawing.
    #[arg(long)]
    transcript: bool,
    /// How many columns to fill, in place of the terminal's.
    #[arg(long, value_name = "COLUMNS", value_parser = clap::value_parser!(u16).range(40..=1000))]
    width: Option<u16>,
    /// How many seconds a row of the drawing has, in place of what suits the length of the call.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=86_400))]
    row: Option<u32>,
}

/// How what was found is shown.
#[derive(Debug, Clone, Copy)]
struct View {
    width: usize,
    row_ms: Option<u64>,
    transcript: bool,
    marks: bool,
    paint: Paint,
}

/// Looks, and shows what is there. `no_color`: the environment asks for none, <https://no-color.org>.
///
/// # Errors
/// There is nothing to look at, and where it was looked for.
pub(crate) fn run(config: &Config, options: &Options, no_color: bool) -> anyhow::Result<()> {
    let mut inspection = look(&options.what, &config.recordings_directory)?;
    let row_ms = options.row.map(|seconds| u64::from(seconds) * 1_000);
    let mut stdout = io::stdout().lock();
    if let Some(file) = &options.svg {
        let picture = svg::picture(&inspection, row_ms);
        if file.as_os_str() == "-" {
            return written(stdout.write_all(picture.as_bytes()));
        }
        write_picture(file, &picture)?;
    }
    if options.json {
        if !options.marks {
            let marks = inspection.streams.iter_mut().filter_map(|stream| stream.marks.as_mut());
            marks.for_each(|marks| marks.each.clear());
        }
        let json = serde_json::to_string(&inspection)?;
        return written(writeln!(stdout, "{json}"));
    }
    let colour = stdout.is_terminal() && !no_color;
    let view = View {
        width: usize::from(options.width.or_else(terminal_width).unwrap_or(USUAL_WIDTH)),
        row_ms,
        transcript: options.transcript,
        marks: options.marks,
        paint: Paint::new(colour),
    };
    written(stdout.write_all(report::text(&inspection, view).as_bytes()))
}

/// A file if there is one of that name, else a call.
fn look(what: &str, directory: &Path) -> anyhow::Result<Inspection> {
    let path = Path::new(what);
    if path.is_file() {
        // A person who names a link means what it leads to.
        let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        return Ok(Inspection::of_file(path)?);
    }
    // With a slash, or an ending that no call has, a file was meant.
    let is_call = callrec::CallId::new(what).is_ok();
    let ends_as_a_file = path.extension().is_some_and(|end| {
        ["journal", "json", "txt"].iter().any(|known| end == *known)
            || callrec::Format::ALL.iter().any(|format| end == format.extension())
    });
    if !is_call || ends_as_a_file {
        anyhow::bail!("{}: there is no such file, and no call has that name", callrec::one_line(what));
    }
    Inspection::of_call(directory, what).map_err(|error| {
        anyhow::Error::new(error).context(format!("RECORDINGS_DIRECTORY is {}", directory.display()))
    })
}

/// Whoever reads may have read enough (`| head`): that is no error.
fn written(result: io::Result<()>) -> anyhow::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.context("standard output"),
    }
}

/// Writes a picture for its owner alone. It replaces what has the name, a link too and not what that leads to.
#[allow(clippy::disallowed_methods, reason = "a picture is no recording: it goes where the user says")]
fn write_picture(file: &Path, picture: &str) -> anyhow::Result<()> {
    // It must never replace a recording.
    anyhow::ensure!(
        file.extension().is_some_and(|end| end.eq_ignore_ascii_case("svg")),
        "{}: a picture's name ends in .svg",
        file.display()
    );
    let temporary = file.with_extension(format!("{:016x}.svg.tmp", rand::random::<u64>()));
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options
        .open(&temporary)
        .and_then(|mut new| new.write_all(picture.as_bytes()))
        .and_then(|()| std::fs::rename(&temporary, file));
    if written.is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
    written.with_context(|| format!("cannot write {}", file.display()))
}

fn terminal_width() -> Option<u16> {
    #[cfg(unix)]
    {
        let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
        (size.ws_col >= 40).then_some(size.ws_col)
    }
    #[cfg(not(unix))]
    None
}
