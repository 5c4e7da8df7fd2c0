//! The server as a process of its own, and requests to it.

use crate::config::Config;
use anyhow::{Context as _, bail};
use callrec::Format;
use serde_json::Value;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// How long the server may take to say where it listens, and to end when it is told to.
const PATIENCE: Duration = Duration::from_secs(20);
/// What is kept of the server's log, in bytes.
const MOST_LOG: usize = 64 * 1024;
/// A demo on this machine needs none of these, and a server without them answers on the loopback interface alone.
const NOT_FOR_THE_DEMO: [&str; 5] =
    ["TWILIO_AUTH_TOKEN", "API_TOKEN", "API_READ_TOKEN", "PUBLIC_URL", "NEXT_TWIML_URL"];

/// The running server; it does not outlive this value.
pub(super) struct ServerProcess {
    child: Child,
    base: String,
    log: Arc<Mutex<String>>,
}

impl ServerProcess {
    /// Starts this very program as a server that relays to `bot`, and waits until it listens.
    pub(super) async fn start(
        config: &Config,
        settings_file: Option<&Path>,
        directory: &Path,
        format: Format,
        bot: SocketAddr,
    ) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("cannot find this program's file")?;
        let mut command = Command::new(program);
        if let Some(file) = settings_file {
            command.arg("--config").arg(file);
        }
        command
            .arg("serve")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        // Over what the files of settings say; an empty value is none.
        command.envs(NOT_FOR_THE_DEMO.map(|name| (name, "")));
        command
            .env("HOST", "127.0.0.1")
            .env("PORT", "0")
            .env("BOT_URL", format!("ws://{bot}"))
            .env("RECORDINGS_DIRECTORY", directory)
            .env("DEFAULT_AUDIO_FORMAT", format.to_string())
            .env("RECORD_CONVERSATIONS", "true")
            .env("RUST_LOG", &config.log_filter);
        let mut child = command.spawn().context("cannot start the server")?;
        let log = Arc::new(Mutex::new(String::new()));
        if let Some(stderr) = child.stderr.take() {
            let log = Arc::clone(&log);
            tokio::spawn(async move {
                let mut lines = BufReader::new(stderr).lines();
                while let Ok(Some(line)) = lines.next_line().await {
                    let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
                    if log.len() < MOST_LOG {
                        log.push_str(&line);
                        log.push('\n');
                    }
                }
            });
        }
        let stdout = child.stdout.take().context("the server has no output")?;
        let mut lines = BufReader::new(stdout).lines();
        let said = tokio::time::timeout(PATIENCE, lines.next_line()).await;
        let base = match said.context("the server did not start in time")?? {
            Some(line) => line.rsplit(' ').next().unwrap_or_default().to_owned(),
            None => {
                let _ = child.wait().await;
                // The rest of what it wrote is on its way.
                tokio::time::sleep(Duration::from_millis(100)).await;
                bail!("the server did not start:\n{}", log.lock().unwrap_or_else(PoisonError::into_inner))
            }
        };
        Ok(Self { child, base, log })
    }

    /// Its address, `http://127.0.0.1:PORT`.
    pub(super) fn base(&self) -> &str {
        &self.base
    }

    /// Tells it to end, as an operator would, and gives its log.
    pub(super) async fn stop(&mut self) -> String {
        #[cfg(unix)]
        if let Some(id) = self.child.id().and_then(|id| i32::try_from(id).ok())
            && let Some(id) = rustix::process::Pid::from_raw(id)
        {
            let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
        }
        #[cfg(not(unix))]
        let _ = self.child.start_kill();
        let _ = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The answer to a GET.
pub(super) async fn get_json(url: &str) -> anyhow::Result<Value> {
    let url = url.to_owned();
    tokio::task::spawn_blocking(move || Ok(ureq::get(&url).call()?.body_mut().read_json()?)).await?
}

/// Posts a JSON body, which must be taken.
pub(super) async fn post_json(url: &str, body: Value) -> anyhow::Result<()> {
    let url = url.to_owned();
    tokio::task::spawn_blocking(move || {
        ureq::post(&url).send_json(&body)?;
        Ok(())
    })
    .await?
}
