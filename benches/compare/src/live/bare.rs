//! The floor: servers that do nothing but what the WebSocket libraries do for callrec, set up as callrec sets them up.

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

/// More than there are calls.
const MOST_CONNECTIONS: usize = 10_000;

#[derive(Debug, Args)]
pub(crate) struct Bare {
    /// The bot that calls are relayed to; without it, messages are dropped.
    #[arg(long)]
    bot: Option<String>,
}

impl Bare {
    /// Serves until it is killed.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let bot = web::Data::new(self.bot);
        let server = HttpServer::new(move || {
            App::new().app_data(bot.clone()).route("/media-stream", web::get().to(media_stream))
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
    bot: web::Data<Option<String>>,
) -> Result<HttpResponse, actix_web::Error> {
    let (response, session, messages) = actix_ws::handle(&request, body)?;
    match bot.get_ref() {
        None => actix_web::rt::spawn(discard(session, messages)),
        Some(bot) => actix_web::rt::spawn(relay(session, messages, bot.clone())),
    };
    Ok(response)
}

async fn discard(session: Session, mut messages: MessageStream) {
    while let Some(Ok(message)) = messages.recv().await {
        if let Message::Close(reason) = message {
            let _ = session.close(reason).await;
            return;
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
