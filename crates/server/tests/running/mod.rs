//! A callrec server on a free port of this process, on a thread with a runtime of its own.

use actix_web::rt::System;
use callrec_server::Application;
use callrec_server::config::{Config, Sources};
use std::net::SocketAddr;
use std::path::Path;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;

/// Longer than a server takes to start; a test that waits so long has failed.
const LONG: Duration = Duration::from_secs(60);

pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    /// Starts it, with these settings.
    pub(crate) fn start(mut sources: Sources, recordings: &Path) -> Self {
        for (name, value) in [("RECORDINGS_DIRECTORY", recordings.to_str().unwrap()), ("PORT", "0")] {
            sources.environment.push((name.to_owned(), value.to_owned()));
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
        Self { address, stop: Some(stop), thread: Some(thread) }
    }

    /// Tells it to stop, without waiting.
    pub(crate) fn begin_stop(&mut self) {
        drop(self.stop.take());
    }

    /// Stops it and waits until it is down, with every recording finished.
    pub(crate) fn stop(&mut self) {
        self.begin_stop();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.begin_stop();
        // A test that has failed does not wait for calls that nobody ends.
        if !std::thread::panicking() {
            self.stop();
        }
    }
}
