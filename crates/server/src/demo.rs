//! `callrec demo`: a sample caller and a sample bot talk through the real server, and the recording is shown.
//!
//! Nothing is simulated but the two ends: the server is this program, started as a process of its own on a free port;
//! the telephone and the bot are WebSocket peers that know nothing of it but the provider's protocol. The call is
//! in real time, and the caller interrupts the bot once, so that what was cut off can be listened for.

mod bot;
#[allow(clippy::disallowed_methods, reason = "a phone speaks in time: the server reads a clock")]
mod phone;
mod sample;
mod server_process;
mod show;

use crate::config::Config;
use anyhow::Context as _;
use callrec::Format;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use rand::random;
use serde_json::Value;
use server_process::ServerProcess;
use show::Show;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

/// How long the recording may take to be ready after the call: it takes milliseconds.
const READY: Duration = Duration::from_secs(20);

/// What the demo is asked for.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Where the files go, in place of RECORDINGS_DIRECTORY.
    #[arg(long, value_name = "DIRECTORY")]
    directory: Option<PathBuf>,
    /// The format of the recording, in place of DEFAULT_AUDIO_FORMAT.
    #[arg(long, value_name = "FORMAT", value_parser = compiled_formats(), ignore_case = true)]
    format: Option<Format>,
}

fn compiled_formats() -> impl TypedValueParser<Value = Format> {
    PossibleValuesParser::new(Format::compiled().map(Format::extension))
        .try_map(|name| name.parse::<Format>())
}

/// Runs the demo, from the server's start to its end; about 20 seconds. The server reads `settings_file` in place of
/// audio_config.env.
///
/// # Errors
/// What went wrong, with the server's log if it was the server's doing.
pub(crate) async fn run(
    config: &Config,
    settings_file: Option<&Path>,
    options: Options,
) -> anyhow::Result<()> {
    let directory = options.directory.unwrap_or_else(|| config.recordings_directory.clone());
    let format = options.format.unwrap_or(config.audio.format);
    let bot = TcpListener::bind("127.0.0.1:0").await.context("cannot listen for the sample bot")?;
    let bot_address = bot.local_addr()?;
    let mut server = ServerProcess::start(config, settings_file, &directory, format, bot_address).await?;
    let outcome = call(&server, bot).await;
    let log = server.stop().await;
    let (call, files) = outcome.with_context(|| format!("the demo failed. The server's log:\n{log}"))?;
    show::ending(&call, &files, &directory)
}

/// The call; gives its SID and what the API says of it.
async fn call(server: &ServerProcess, bot: TcpListener) -> anyhow::Result<(String, Value)> {
    // As the provider makes them: two letters and 32 hexadecimal digits.
    let (call, stream) = (format!("CA{:032x}", random::<u128>()), format!("MZ{:032x}", random::<u128>()));
    let show = Arc::new(Show::new(phone::LENGTH));
    let bot = tokio::spawn(bot::answer(bot, server.base().to_owned(), Arc::clone(&show)));
    let called = phone::call(server.base(), &call, &stream, &show).await;
    show.finish();
    called.context("the sample caller")?;
    bot.await.context("the sample bot")?.context("the sample bot")?;
    let url = format!("{}/calls/{call}", server.base());
    let finished = async {
        loop {
            if let Ok(status) = server_process::get_json(&url).await
                && status["state"] == "finished"
            {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let status =
        tokio::time::timeout(READY, finished).await.context("the recording was not ready in time")?;
    Ok((call, status))
}
