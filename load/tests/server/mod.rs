//! A callrec server in the test's process, with a recordings directory of its own.

use actix_web::rt::System;
use callrec_server::Application;
use callrec_server::config::{Config, Sources};
use serde_json::Value;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::oneshot;

/// Longer than a server takes to start or to finish its recordings; a test that waits so long has failed.
const LONG: Duration = Duration::from_secs(60);

pub(crate) struct Server {
    address: SocketAddr,
    recordings: TempDir,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts a server on a free port that relays to a bot, on a thread with a runtime of its own.
    pub(crate) fn start(bot: &str, variables: &[(&str, &str)]) -> Self {
        let recordings = tempfile::tempdir().unwrap();
        let mut sources = Sources::only([("PORT", "0"), ("BOT_URL", bot), ("SHUTDOWN_SECONDS", "60")]);
        let directory = recordings.path().to_str().unwrap();
        for (name, value) in variables.iter().chain(&[("RECORDINGS_DIRECTORY", directory)]) {
            sources.environment.push(((*name).to_owned(), (*value).to_owned()));
        }
        let (tell_address, address) = std::sync::mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            System::new().block_on(async move {
                let application = Application::build(Config::load(sources).unwrap()).unwrap();
                tell_address.send(application.address()).unwrap();
                let stop = async {
                    let _ = stopped.await;
                };
                application.run_until(stop).await.unwrap();
            });
        });
        let address = address.recv_timeout(LONG).expect("the server starts");
        Self { address, recordings, stop: Some(stop), thread: Some(thread) }
    }

    /// Where media streams are taken.
    pub(crate) fn url(&self) -> String {
        format!("ws://{}/media-stream", self.address)
    }

    /// Stops the server and waits until every recording is finished.
    pub(crate) fn stop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
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

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
    }
}
