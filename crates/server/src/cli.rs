//! The command line: `callrec`, `callrec serve`, `callrec demo`, `callrec recover`, `callrec inspect`. `--help` lists every
//! setting.

use crate::config::{Config, SETTINGS, Sources};
use crate::{Application, demo, descriptors, file_size, inspect, recover, telemetry};
use anyhow::Context as _;
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use std::fmt::Write as _;
use std::future::Future;
use std::io::{self, Write as _};
use std::path::PathBuf;

/// Records the phone calls of a voice bot: audio, transcript and summary.
#[derive(Debug, Parser)]
#[command(name = "callrec", version, about)]
struct Arguments {
    /// The file of settings to read in place of audio_config.env.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Take calls until told to stop (the default).
    Serve,
    /// See and hear it: a sample caller and a sample bot talk through the server for 20 seconds, and are recorded.
    ///
    /// Needs no telephone, no account and no network: the server runs as a process of its own on a free port of this
    /// machine. At the end the summary and the files are shown.
    Demo(demo::Options),
    /// Finish the recordings that a killed server left in their journals, and exit.
    ///
    /// The server does the same when it starts; calls of a server that is running are left to it. What the
    /// disk has no room for beside MIN_FREE_DISK_MB is left in its journal. Run it as the user that the server runs as: for another,
    /// root too, it refuses, since that server could not open what it makes.
    ///
    /// Beside a server that is running in the same directory it keeps neither processor time nor room for that server's
    /// live calls, for it does not know of them. Leave it to the server's next start, which gives way to its calls; or run
    /// this while few are live, as `nice -n 19 callrec recover`, with MIN_FREE_DISK_MB raised by 10 for each that may be.
    Recover,
    /// Show a call: both sides on a time line, what was cut off, what is missing, how long marks took.
    ///
    /// Reads what is there and changes nothing. A live call is shown as far as its journal is written; of a finished one
    /// the recording is decoded, and its summary tells the rest.
    Inspect(inspect::Options),
}

/// Runs the command line of this process.
///
/// # Errors
/// What is to be told to the user, in one line.
pub async fn run() -> anyhow::Result<()> {
    file_size::let_writes_fail().context("SIGXFSZ cannot be handled")?;
    let command = Arguments::command().after_long_help(settings_help()).after_help(SHORT_HELP);
    let arguments = match Arguments::from_arg_matches(&command.get_matches()) {
        Ok(arguments) => arguments,
        Err(error) => error.exit(),
    };
    let mut sources = Sources::of_this_process();
    let settings_file = arguments.config;
    if let Some(file) = &settings_file {
        anyhow::ensure!(file.is_file(), "{}: there is no such file (--config)", file.display());
        sources.audio_config.clone_from(file);
    }
    // https://no-color.org: whatever it is set to, but for nothing.
    let no_color = sources.environment.iter().any(|(name, value)| name == "NO_COLOR" && !value.is_empty());
    let config = Config::load(sources)?;
    let _log = telemetry::init(&config);
    match arguments.command.unwrap_or(Command::Serve) {
        Command::Serve => serve(config).await,
        Command::Demo(options) => demo::run(&config, settings_file.as_deref(), options).await,
        Command::Recover => recover::run(&config),
        Command::Inspect(options) => inspect::run(&config, &options, no_color),
    }
}

async fn serve(config: Config) -> anyhow::Result<()> {
    descriptors::allow(&config);
    let application = Application::build(config)?;
    let stop = stop_signal()?;
    // The one line on standard output: whoever started us can wait for it, and read the port from it.
    let mut stdout = io::stdout();
    let _ = writeln!(stdout, "callrec listening on http://{}", application.address());
    let _ = stdout.flush();
    application.run_until(stop).await
}

/// Ready at the first SIGTERM or SIGINT (elsewhere Ctrl-C). The next one ends the process at once, as it would without us.
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let (mut terminate, mut interrupt) =
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        Ok(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            actix_web::rt::spawn(async move {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                tracing::warn!("told to stop twice: ending at once; the next start finishes what is left");
                telemetry::flush();
                std::process::exit(1);
            });
        })
    }
    #[cfg(not(unix))]
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}

const SHORT_HELP: &str = "Settings come from audio_config.env, .env and the environment; --help lists them.";

fn settings_help() -> String {
    let mut help = "Settings, from audio_config.env, .env and the environment; the last wins:\n".to_owned();
    for setting in SETTINGS.iter() {
        let default = setting.default.map(|default| format!(" [{default}]")).unwrap_or_default();
        // Writing to a String cannot fail.
        let _ = write!(
            help,
            "\n  {}{default}\n      {}\n      {}\n",
            setting.name, setting.about, setting.allowed
        );
    }
    help
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn help_lists_every_setting() {
        let help = settings_help();
        for setting in SETTINGS.iter() {
            assert!(help.contains(&format!("\n  {}", setting.name)), "{}", setting.name);
        }
    }
}
