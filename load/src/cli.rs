//! The command line of `callrec-load`.

use anyhow::{Context as _, ensure};
use callrec_simulator::{BotKind, Echoes};
use clap::{Parser, Subcommand, ValueEnum};
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use url::Url;

#[cfg(unix)]
use crate::descriptors::allow_many_files;
use crate::sockets::{self, Ended};
use crate::{Plan, PlayoutLog, Span, Voice};

/// How many seconds a call may take beside its own time, for the upgrade and the goodbye.
#[cfg(unix)]
const PARTING: u64 = 5;

/// Many paced calls through a running callrec server, and the truth about what their callers heard.
///
/// It is the telephony provider, with a network of its own, and the bot. Calls are paced by the clock and wait for nobody.
/// Start a server whose BOT_URL is where the bot will listen, then this, both on one machine:
///
///   BOT_URL=ws://127.0.0.1:9000 DEFAULT_AUDIO_FORMAT=wav callrec
///   callrec-load --calls 50 --log playout.jsonl
///
/// The log has a line of JSON a call: what was heard of the bot (number of the first sample, place in samples
/// since the stream began, how many), where it was cut, and how late this machine was. With the default voice a
/// WAV recording at 8,000 Hz has these very samples.
#[derive(Debug, Parser)]
#[command(name = "callrec-load", version, verbatim_doc_comment, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Where the server takes media streams; `-` reads it from the first line of standard input.
    #[arg(long, default_value = "ws://127.0.0.1:8080/media-stream")]
    url: String,
    /// Where the bot listens; the server's BOT_URL. It is printed once it does.
    #[arg(long, default_value = "127.0.0.1:9000", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// How many calls.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    calls: u64,
    /// How long each is, in seconds.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
    /// Within how many seconds they begin, one after another.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(0..=3_600))]
    ramp: u64,
    /// The delay from server to provider, in milliseconds, drawn for each call.
    #[arg(long, default_value = "0-300", value_name = "RANGE")]
    delay_up_ms: Span,
    /// The delay from provider to server.
    #[arg(long, default_value = "0-300", value_name = "RANGE")]
    delay_down_ms: Span,
    /// The most that a message is later than that, drawn for each call. Order is kept, as TCP keeps it.
    #[arg(long, default_value = "0-100", value_name = "RANGE")]
    jitter_ms: Span,
    /// How many seconds in a hundred begin with a stall of delivery, either way.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=100))]
    stalls_percent: u64,
    /// How long such a stall is at most, in milliseconds.
    #[arg(long, default_value_t = 233, value_parser = clap::value_parser!(u64).range(0..=10_000))]
    stall_ms: u64,
    /// Where the echo of a mark stands: behind the caller's frame of its tick, or before it. The server's MARK_ECHOES.
    #[arg(long, value_enum, default_value_t = Order::Behind)]
    echoes: Order,
    /// How bots speak.
    #[arg(long, value_enum, default_value_t = Kinds::Mixed)]
    bot: Kinds,
    /// How everybody sounds.
    #[arg(long, value_enum, default_value_t = Voice::Noise)]
    voice: Voice,
    /// The formats that the calls ask for, in turn, such as mp3,flac; without it, the server's default.
    #[arg(long, value_delimiter = ',', value_name = "FORMATS")]
    format: Vec<String>,
    /// What everything is drawn from: the same seed gives the same calls.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where the playout log goes.
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// The provider sends both sides, as a stream without a bot has it.
    #[arg(long)]
    one_way: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the shipped server, and see whether its memory, descriptors and threads stay flat under calls of all kinds.
    ///
    /// Prints slopes and a verdict; fails if something is not flat. Linux alone tells what a process holds.
    #[cfg(unix)]
    Soak(crate::soak::Options),
    /// Start the shipped server, and measure what calls cost: CPU time, memory, delay, and the wait for the recording.
    ///
    /// Calls are paced by the clock and wait for nobody. Server and calls have processors of their own, if there are two. When nothing
    /// is measured any more every recording is decoded, and its loudness over time held against that of what was said: half a second of
    /// speech that is missing is found, and other words that are as loud are not. What the caller said is counted at the bot, and what the
    /// bot said at the provider. Fails if anything is missing.
    ///
    /// CPU time is told by the server's threads: `sockets` forward and read, which is relay and ingest; `journal` write and sync
    /// journals; `encode` place, resample, encode and read back; `other` are all the rest. Where calls are measured with recording and
    /// without, sockets are told apart too: what they take without it is the relay, and what it adds to that the ingest.
    #[cfg(target_os = "linux")]
    Measure(crate::measure::Options),
}

/// Where echoes stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Order {
    Behind,
    Before,
}

/// The kinds of bots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kinds {
    /// Faster than it is played.
    Bursting,
    /// Each sentence in one piece.
    AtOnce,
    /// In step with time.
    Pacing,
    /// Slower than it is played.
    Stalling,
    /// Bursting, pacing and stalling, one after another.
    Mixed,
}

/// Runs the command line of this process; tells whether every call went well.
///
/// # Errors
/// What is to be told to the user, in one line.
pub fn run() -> anyhow::Result<bool> {
    let arguments = Arguments::parse();
    #[cfg(target_os = "linux")]
    if let Some(Command::Measure(options)) = &arguments.command {
        let report = crate::measure::run(options)?;
        writeln!(io::stdout(), "{report}")?;
        return Ok(report.is_well());
    }
    #[cfg(unix)]
    if arguments.command.is_none() {
        allow_many_files(arguments.sockets())?;
    }
    let plan = arguments.plan();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    #[cfg(unix)]
    if let Some(Command::Soak(options)) = &arguments.command {
        let report = runtime.block_on(crate::soak::run(options))?;
        writeln!(io::stdout(), "{report}")?;
        return Ok(report.is_well());
    }
    runtime.block_on(async {
        let bots = if arguments.one_way { None } else { Some(listen(arguments.listen).await?) };
        let url = server_url(&arguments.url)?;
        let (logs, mut logged) = mpsc::unbounded_channel();
        let calls = async {
            let outcome = sockets::call_all(&url, bots, &plan, &logs).await;
            drop(logs);
            outcome
        };
        let mut file = arguments.log.as_deref().map(create).transpose()?;
        let mut sum = Sum::default();
        let writing = async {
            while let Some(Ended { log, .. }) = logged.recv().await {
                sum.add(&log);
                if let Some(file) = &mut file {
                    writeln!(file, "{}", serde_json::to_string(&log)?)?;
                }
            }
            if let Some(file) = &mut file {
                file.flush()?;
            }
            anyhow::Ok(())
        };
        let (called, written) = tokio::join!(calls, writing);
        called?;
        written.context("the playout log cannot be written (--log)")?;
        sum.tell()?;
        Ok(sum.failed == 0 && sum.wrong == 0)
    })
}

impl Arguments {
    /// How many sockets are open at once: of each call one of the provider's and, in a relay, one of the bot's.
    #[cfg(unix)]
    fn sockets(&self) -> u64 {
        let live = match self.ramp {
            0 => self.calls,
            // Where they begin slowly, the first are over before the last begin.
            ramp => self.calls.min(self.calls * (self.seconds + PARTING) / ramp + 1),
        };
        live * if self.one_way { 1 } else { 2 }
    }

    fn plan(&self) -> Plan {
        Plan {
            calls: self.calls,
            length_ms: self.seconds * 1_000,
            ramp_ms: self.ramp * 1_000,
            kinds: match self.bot {
                Kinds::Bursting => vec![BotKind::Bursting],
                Kinds::AtOnce => vec![BotKind::AtOnce],
                Kinds::Pacing => vec![BotKind::Pacing],
                Kinds::Stalling => vec![BotKind::Stalling],
                Kinds::Mixed => vec![BotKind::Bursting, BotKind::Pacing, BotKind::Stalling],
            },
            formats: self.format.clone(),
            sound: self.voice.into(),
            delay_up: self.delay_up_ms,
            delay_down: self.delay_down_ms,
            jitter: self.jitter_ms,
            stalls_percent: self.stalls_percent,
            stall_ms: self.stall_ms,
            echoes: match self.echoes {
                Order::Behind => Echoes::BehindFrame,
                Order::Before => Echoes::BeforeFrame,
            },
            one_way: self.one_way,
            seed: self.seed,
        }
    }
}

/// Opens the bot's door, and says where it is: whoever started us can read the port from that line.
async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    ensure!(address.ip().is_loopback(), "{address} is not an address of this machine alone (--listen)");
    let listener = TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
    let mut stdout = io::stdout();
    writeln!(stdout, "the bot listens on ws://{}", listener.local_addr()?)?;
    stdout.flush()?;
    Ok(listener)
}

/// The server's address, which must be on this machine: a load is nothing to do to others.
fn server_url(url: &str) -> anyhow::Result<String> {
    let mut line = String::new();
    let url = if url == "-" {
        io::stdin().read_line(&mut line).context("no address on standard input (--url -)")?;
        line.trim()
    } else {
        url
    };
    let parsed = Url::parse(url).with_context(|| format!("{url} is no address (--url)"))?;
    ensure!(parsed.scheme() == "ws", "{url} does not begin with ws:// (--url)");
    let host = parsed.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let port = parsed.port_or_known_default().unwrap_or(80);
    let mut addresses =
        (host, port).to_socket_addrs().with_context(|| format!("{host} is not known (--url)"))?;
    ensure!(addresses.all(|address| address.ip().is_loopback()), "{host} is not this machine (--url)");
    Ok(url.to_owned())
}

#[allow(clippy::disallowed_methods, reason = "a log of what was simulated is no recording")]
fn create(path: &Path) -> anyhow::Result<BufWriter<File>> {
    let file = File::create(path).with_context(|| format!("cannot write {} (--log)", path.display()))?;
    Ok(BufWriter::new(file))
}

/// What is told of all calls at the end.
#[derive(Debug, Default)]
struct Sum {
    calls: u64,
    failed: u64,
    why: Option<String>,
    sent: u64,
    heard: u64,
    cuts: usize,
    marks: u64,
    wrong: u64,
    late_ms: u64,
}

impl Sum {
    fn add(&mut self, log: &PlayoutLog) {
        self.calls += 1;
        self.failed += u64::from(log.failed.is_some());
        self.why = self.why.take().or_else(|| log.failed.clone());
        self.sent += log.sent;
        self.heard += log.heard.iter().map(|(_, _, samples)| samples).sum::<u64>();
        self.cuts += log.cuts.len();
        self.marks += log.marks;
        self.wrong += log.wrong;
        self.late_ms = self.late_ms.max(log.late_ms);
    }

    fn tell(&self) -> io::Result<()> {
        let Self { calls, failed, cuts, marks, late_ms, .. } = self;
        let (sent, heard) = (self.sent as f64 / 8_000.0, self.heard as f64 / 8_000.0);
        let mut out = io::stdout().lock();
        writeln!(
            out,
            "{calls} calls, {failed} failed; {heard:.1} s heard of {sent:.1} s sent; {cuts} cuts; {marks} marks; this \
             machine was late by {late_ms} ms at most"
        )?;
        if self.wrong > 0 {
            writeln!(out, "{} samples came to the provider otherwise than the bot sent them", self.wrong)?;
        }
        if let Some(why) = &self.why {
            writeln!(out, "one that failed: {why}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }

    #[cfg(unix)]
    #[test]
    fn as_many_sockets_are_needed_as_there_are_calls_at_once() {
        let sockets = |arguments: &[&str]| {
            let arguments = [&["callrec-load"], arguments].concat();
            Arguments::try_parse_from(arguments).unwrap().sockets()
        };
        assert_eq!(sockets(&["--calls", "1000"]), 2_000);
        assert_eq!(sockets(&["--calls", "1000", "--ramp", "0", "--one-way"]), 1_000);
        assert_eq!(sockets(&["--calls", "1000", "--seconds", "15", "--ramp", "100"]), 402);
    }

    #[cfg(unix)]
    #[test]
    fn a_soak_of_which_nothing_could_be_told_is_refused() {
        let parse = |minutes| Arguments::try_parse_from(["callrec-load", "soak", "--minutes", minutes]);
        assert!(parse("6").is_ok() && parse("5").is_err());
    }

    #[test]
    fn only_a_server_on_this_machine_is_called() {
        for mine in ["ws://127.0.0.1:8080/media-stream", "ws://[::1]:1/", "ws://localhost/media-stream"] {
            assert!(server_url(mine).is_ok(), "{mine}");
        }
        for other in ["ws://192.0.2.1/media-stream", "wss://127.0.0.1/", "127.0.0.1:8080", "ws:///x"] {
            assert!(server_url(other).is_err(), "{other}");
        }
    }
}
