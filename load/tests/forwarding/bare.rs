//! A relay that knows nothing but sockets.

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpListener;
use tokio_tungstenite::connect_async_with_config;

/// Starts it on a thread of its own, as the server's workers are, for one call; gives its address.
pub(crate) fn relay(bot: String) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (stream, _) = TcpListener::from_std(listener).unwrap().accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            let mut provider = tokio_tungstenite::accept_async(stream).await.unwrap();
            let (mut bot, _) = connect_async_with_config(bot, None, true).await.unwrap();
            loop {
                tokio::select! {
                    Some(Ok(message)) = provider.next() => if bot.send(message).await.is_err() { break },
                    Some(Ok(message)) = bot.next() => if provider.send(message).await.is_err() { break },
                    else => break,
                }
            }
        });
    });
    url
}
