//! From checked settings to a running server, and its end.

use crate::answers;
use crate::auth::Auth;
use crate::config::Config;
use crate::connections::{self, Connections, of_each_worker};
use crate::counters::Counters;
use crate::descriptors::OpenFiles;
use crate::error;
use crate::live::LiveSockets;
use crate::routes;
use crate::security_headers::security_headers;
use crate::socket::{BotConnector, Room};
use crate::state::{State, WAIT_AT_ONCE, turns, workers};
use crate::stream_tokens::StreamTokens;
use actix_web::dev::{Server, ServerHandle};
use actix_web::http::KeepAlive;
use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, web};
use anyhow::Context as _;
use callrec::{CallFiles, EndReason, Recorder};
use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// A server that is bound to its address and can be run.
pub struct Application {
    server: Server,
    address: SocketAddr,
    state: web::Data<State>,
}

impl Application {
    /// Opens the recordings directory and the listening socket. Port 0 takes a free one; see
    /// [`address`](Self::address). On a disk that is full or refuses for now it is built all the same, and is not ready until the disk is well.
    ///
    /// # Errors
    /// The address cannot be listened on, or the recordings directory cannot be used.
    pub fn build(config: Config) -> anyhow::Result<Self> {
        let host = config.host.trim_start_matches('[').trim_end_matches(']');
        let listener = TcpListener::bind((host, config.port))
            .with_context(|| format!("cannot listen on {}:{} (HOST, PORT)", config.host, config.port))?;
        let address = listener.local_addr().context("the listening socket has no address")?;
        let timeout = config.bot_connect_timeout;
        let room = Arc::new(Room::new(config.max_waiting_bytes));
        let connector = |url| {
            let token = config.twilio_auth_token.as_ref();
            BotConnector::new(url, token, timeout, Arc::clone(&room)).context("BOT_URL")
        };
        let counters = Arc::new(Counters::default());
        let stream_tokens = StreamTokens::new(config.twilio_auth_token.as_ref(), Arc::clone(&counters));
        let tokens = stream_tokens.clone();
        let recorder = Recorder::builder(&config.recordings_directory)
            .settings(config.audio.clone())
            .record_audio(config.record_conversations)
            .group_read(config.recordings_group_read)
            // Calls that are being completed do not keep new ones out.
            .max_calls(config.max_calls.saturating_mul(2))
            .max_waiting_bytes(config.max_waiting_bytes)
            .min_free_disk(config.min_free_disk)
            .when_recovered(move |files| note_end(files, &tokens))
            .start()
            .with_context(|| {
                let directory = config.recordings_directory.display();
                format!("cannot use the directory {directory} (RECORDINGS_DIRECTORY)")
            })?;
        if let Some(bot) = &config.bot_url {
            tracing::info!(bot = bot.shown(), "calls are relayed");
        }
        recorder.told_since(StreamTokens::late_since()).for_each(|files| note_end(&files, &stream_tokens));
        let state = web::Data::new(State {
            recorder,
            auth: Auth::new(&config),
            stream_tokens,
            live: LiveSockets::new(config.max_calls),
            connections: Connections::new(
                config.max_connections,
                config.idle_timeout,
                OpenFiles::new(),
                Arc::clone(&counters),
            ),
            counters,
            bot: config.bot_url.as_ref().map(connector).transpose()?,
            room,
            turns: turns(),
            config,
        });
        let server = listen(listener, state.clone())?;
        Ok(Self { server, address, state })
    }

    /// The address that the server listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What its requests share.
    #[cfg(test)]
    pub(crate) fn state(&self) -> &web::Data<State> {
        &self.state
    }

    /// Serves until `stop` is ready; then refuses new calls, ends the live ones and finishes their recordings. What is
    /// not finished within SHUTDOWN_SECONDS stays in its journal, for the next start.
    ///
    /// # Errors
    /// The server's workers failed.
    pub async fn run_until(self, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
        let Self { server, state, .. } = self;
        let handle = server.handle();
        let running = actix_web::rt::spawn(server);
        stop.await;
        shut_down(&state, &handle).await;
        running.await.context("the server's task failed")?.context("the server failed")
    }
}

/// Tells of a call that an earlier process recorded to its end, whatever that was but its own, as long as its tokens could pass for
/// new ones.
fn note_end(files: &CallFiles, stream_tokens: &StreamTokens) {
    let Some(last) = files.details.streams.last() else { return };
    let began = u64::try_from(last.started_at.instant().as_second()).unwrap_or_default();
    if StreamTokens::is_of_late(began) && !matches!(last.ended, EndReason::Shutdown | EndReason::Interrupted)
    {
        stream_tokens.is_over_since(&files.details.call, began);
    }
}

#[allow(clippy::disallowed_methods, reason = "a shutdown has its deadline: the server reads a clock")]
async fn shut_down(state: &State, handle: &ServerHandle) {
    let deadline = Instant::now() + state.config.shutdown;
    tracing::info!(sockets = state.live.count(), "shutting down");
    state.live.begin_closing();
    if tokio::time::timeout_at(deadline, state.live.all_closed()).await.is_err() {
        tracing::warn!(sockets = state.live.count(), "media sockets did not close in time");
    }
    let recorder = state.recorder.clone();
    let patience = deadline.saturating_duration_since(Instant::now());
    match tokio::task::spawn_blocking(move || recorder.shutdown(patience)).await {
        Ok(0) => tracing::info!("every recording is finished"),
        Ok(left) => {
            tracing::warn!(left, "calls are not finished; the next start finishes what is in their journals");
        }
        Err(error) => tracing::error!(%error, "the recorder's shutdown failed"),
    }
    handle.stop(true).await;
}

fn listen(listener: TcpListener, state: web::Data<State>) -> anyhow::Result<Server> {
    let connections = Arc::clone(&state.connections);
    let (patience, most) = (state.config.request_timeout, state.config.max_connections);
    let server = HttpServer::new(move || {
        let counters = Arc::clone(&state.counters);
        let also = Arc::clone(&counters);
        App::new()
            .app_data(state.clone())
            .configure(routes::configure)
            .wrap(from_fn(move |request, next| {
                connections::in_time(patience, Arc::clone(&counters), request, next)
            }))
            .wrap(from_fn(error::in_one_shape))
            .wrap(from_fn(move |request, next| answers::counted(Arc::clone(&also), request, next)))
            .wrap(security_headers(&state.config))
    })
    .worker_max_blocking_threads(WAIT_AT_ONCE)
    .client_request_timeout(patience)
    .keep_alive(KeepAlive::Disabled)
    .workers(workers())
    // Ours is the bound: beyond the framework's own, nobody would be told.
    .max_connections(of_each_worker(most, workers()))
    .on_connect(move |socket, data| connections.accept(socket, data))
    // Each message of a call is small and wanted at once.
    .tcp_nodelay(true)
    // Signals are the owner's (see `main`): live calls are ended first, each with a Close.
    .disable_signals()
    .shutdown_timeout(HTTP_FAREWELL.as_secs())
    .listen(listener)
    .context("cannot serve on the listening socket")?;
    Ok(server.run())
}

/// How long requests that are not calls may go on at shutdown.
const HTTP_FAREWELL: Duration = Duration::from_secs(2);

#[cfg(all(test, target_os = "linux"))]
mod tests;
