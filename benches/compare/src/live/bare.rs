//! The floor: servers that do nothing but what the WebSocket libraries do for callrec, with callrec's allocator and without Nagle's delay.
//! Each message is read as it comes, as actix-ws reads by itself; with `--gather` several are read at a time, by the very code by
//! which callrec does so where a stream is one-way.

// The server's own.
#[path = "../../../../crates/server/src/socket/gathering.rs"]
mod gathering;

use actix_web::http::KeepAlive;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use actix_ws::{Message, MessageStream, Session};
use clap::Args;
use futures_util::{SinkExt as _, StreamExt as _};
use std::io::Write as _;
use std::net::TcpListener;
use std::time::Duration;
use tokio_tungstenite::connect_async_with_config;
use tokio_tungstenite::tungstenite::Message as BotMessage;

use gathering::{Descriptor, Gathering};

/// More than there are calls.
const MOST_CONNECTIONS: usize = 10_000;
/// How many messages a stream begins with.
const OPENING: usize = 2;

#[derive(Debug, Args)]
pub(crate) struct Bare {
    /// The bot that calls are relayed to; without it, messages are dropped.
    #[arg(long)]
    bot: Option<String>,
    /// Read several messages at a time, where they are dropped.
    #[arg(long, conflicts_with = "bot")]
    gather: bool,
}

impl Bare {
    /// Serves until it is killed.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let bare = web::Data::new(self);
        let server = HttpServer::new(move || {
            App::new().app_data(bare.clone()).route("/media-stream", web::get().to(media_stream))
        })
        .on_connect(|socket, data| {
            if let Some(socket) = socket.downcast_ref() {
                data.insert(Descriptor::of(socket));
            }
        })
        .client_request_timeout(Duration::from_secs(10))
        .keep_alive(KeepAlive::Disabled)
        .max_connections(MOST_CONNECTIONS)
        .tcp_nodelay(true)
        .listen(listener)?;
        actix_web::rt::System::new().block_on(async {
            let mut stdout = std::io::stdout();
            writeln!(stdout, "listening on http://{address}")?;
            stdout.flush()?;
            anyhow::Ok(server.run().await?)
        })
    }
}

async fn media_stream(
    request: HttpRequest,
    body: web::Payload,
    bare: web::Data<Bare>,
) -> Result<HttpResponse, actix_web::Error> {
    let (response, session, messages) = actix_ws::handle(&request, body)?;
    let descriptor = request.conn_data::<Descriptor>().filter(|_| bare.gather);
    let gathering = descriptor.map(|it| it.socket().map(Gathering::new)).transpose()?;
    match &bare.bot {
        None => actix_web::rt::spawn(discard(session, messages, gathering)),
        Some(bot) => actix_web::rt::spawn(relay(session, messages, bot.clone())),
    };
    Ok(response)
}

async fn discard(session: Session, mut messages: MessageStream, gathering: Option<Gathering>) {
    // Gathered is what comes behind the opening, as callrec does, which learns by that that the stream is one-way.
    let mut opening = OPENING;
    while let Some(Ok(message)) = messages.recv().await {
        match message {
            Message::Text(_) if opening > 0 => opening -= 1,
            Message::Text(text) => gathering.iter().for_each(|gathering| gathering.note(text.len())),
            Message::Close(reason) => {
                let _ = session.close(reason).await;
                return;
            }
            _ => {}
        }
    }
}

/// What the provider says goes to the bot, and what the bot says to the provider.
async fn relay(mut session: Session, mut messages: MessageStream, bot: String) {
    let Ok((bot, _)) = connect_async_with_config(bot, None, true).await else { return };
    let (mut to_bot, mut from_bot) = bot.split();
    loop {
        tokio::select! {
            message = messages.recv() => match message {
                Some(Ok(Message::Text(text))) => {
                    if to_bot.send(BotMessage::text(&*text)).await.is_err() {
                        break;
                    }
                }
                None | Some(Err(_) | Ok(Message::Close(_))) => break,
                Some(Ok(_)) => {}
            },
            message = from_bot.next() => match message {
                Some(Ok(BotMessage::Text(text))) => {
                    if session.text(text.to_string()).await.is_err() {
                        break;
                    }
                }
                None | Some(Err(_) | Ok(BotMessage::Close(_))) => break,
                Some(Ok(_)) => {}
            },
        }
    }
    let _ = to_bot.close().await;
    let _ = session.close(None).await;
}
