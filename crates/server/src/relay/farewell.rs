//! What is left to do with a socket at its end.

use crate::socket::{BotSocket, FromProvider, ProviderSocket};
use callrec_protocol::Message;
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

/// How long the bot may go on after the call ended: its last transcript lines, and its Close.
pub(super) const BOT_FAREWELL: Duration = Duration::from_secs(2);

/// Says goodbye to a bot that has nothing to do, and waits for its answer.
pub(super) async fn send_away(mut bot: BotSocket) {
    bot.close();
    let farewell = async {
        while !bot.is_gone() {
            poll_fn(|cx| bot.poll_receive(cx)).await;
        }
    };
    let _ = tokio::time::timeout(BOT_FAREWELL, farewell).await;
}

/// Reads the provider's socket until its end.
pub(super) async fn silence(provider: &mut ProviderSocket, mut each: impl FnMut(Message<'_>)) {
    while !provider.is_over() {
        let news = poll_fn(|cx| {
            provider.poll_send(cx);
            provider.poll_receive(cx)
        });
        match news.await {
            FromProvider::Text(text) => each(Message::Text(&text)),
            FromProvider::Binary(bytes) => each(Message::Binary(&bytes)),
            FromProvider::Closed | FromProvider::Broken(_) | FromProvider::Vanished => {}
        }
    }
}

pub(super) async fn flushed(provider: &mut ProviderSocket) {
    poll_fn(|cx| {
        provider.poll_send(cx);
        if provider.is_flushed() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}
