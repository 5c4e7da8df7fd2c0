//! A callrec server in the test's process, with a recordings directory of its own.

#[path = "../../../crates/server/tests/running/mod.rs"]
mod running;

use callrec_server::config::Sources;
use running::Running;
use serde_json::Value;
use std::path::PathBuf;
use tempfile::TempDir;

pub(crate) struct Server {
    // Down before its directory goes.
    running: Running,
    recordings: TempDir,
}

impl Server {
    /// Starts a server that relays to a bot.
    pub(crate) fn start(bot: &str, variables: &[(&str, &str)]) -> Self {
        let recordings = tempfile::tempdir().unwrap();
        let mut sources = Sources::only([("BOT_URL", bot), ("SHUTDOWN_SECONDS", "60")]);
        for (name, value) in variables {
            sources.environment.push(((*name).to_owned(), (*value).to_owned()));
        }
        Self { running: Running::start(sources, recordings.path()), recordings }
    }

    /// Where media streams are taken.
    pub(crate) fn url(&self) -> String {
        format!("ws://{}/media-stream", self.running.address)
    }

    /// Stops the server and waits until every recording is finished.
    pub(crate) fn stop(&mut self) {
        self.running.stop();
    }

    /// The file of a call's recording.
    pub(crate) fn recording(&self, call: &str, extension: &str) -> PathBuf {
        self.recordings.path().join(format!("call_{call}_conversation.{extension}"))
    }

    /// What a call's summary says of its one stream.
    pub(crate) fn summary(&self, call: &str) -> Value {
        let path = self.recordings.path().join(format!("call_{call}_summary.json"));
        let json: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        json["streams"][0].clone()
    }
}
