//! Relayed calls that are held at both ends: a frame to the bot and its speech back every 20 ms, and how long each took.

use callrec::Track;
use callrec_load::Voice;
use callrec_protocol::twilio::outgoing;
use callrec_simulator::Luck;
use futures_util::{FutureExt, SinkExt, StreamExt};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use crate::LONG;
use crate::calls::{FRAME, Sent};
use crate::handset::Handset;

/// One relayed call.
pub(crate) struct Line {
    handset: Handset,
    stream: String,
    provider: WebSocketStream<MaybeTlsStream<TcpStream>>,
    bot: WebSocketStream<TcpStream>,
    pub(crate) sent: Sent,
    /// When each piece went, and how long it took there and back.
    pub(crate) ways: Vec<(Instant, Duration)>,
}

impl Line {
    /// A call through a server, taken by a bot.
    pub(crate) async fn open(server: &str, bots: &TcpListener, sid: &str, luck: &mut Luck) -> Self {
        let stream = sid.replace("CA", "MZ");
        let seeds = [luck.any(), luck.any()];
        let mut handset = Handset::new(sid, &[Track::Caller], 0, seeds);
        let (mut provider, _) = connect_async_with_config(server, None, true).await.unwrap();
        let accept = async {
            let (stream, _) = bots.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            tokio_tungstenite::accept_async(stream).await.unwrap()
        };
        let mut bot = timeout(LONG, accept).await.expect("the relay calls the bot");
        let begun = Instant::now();
        for text in handset.begin(&[]) {
            provider.send(Message::text(text)).await.unwrap();
        }
        for event in ["connected", "start"] {
            assert!(next(&mut bot).await.contains(event));
        }
        let sent = Sent::relayed(sid, begun, seeds);
        Self { handset, stream, provider, bot, sent, ways: Vec::new() }
    }

    /// A frame of the caller to the bot, and a piece of speech back, both byte for byte.
    pub(crate) async fn round_trip(&mut self) {
        // The marks behind the last piece.
        while let Some(Some(Ok(Message::Text(text)))) = self.provider.next().now_or_never() {
            self.take(&text).await;
        }
        let number = self.sent.frames.len() as u64;
        let said = Voice::Noise.codes(self.sent.seeds[1], number * FRAME, FRAME);
        let speech = outgoing::media(&self.stream, &said);
        let mut texts = self.handset.tick().into_iter();
        let frame = texts.next().expect("a frame and then echoes");
        let began = Instant::now();
        self.sent.frames.push(began);
        let in_step = Duration::from_millis(20) * u32::try_from(number).unwrap();
        let behind = began.duration_since(self.sent.frames[0]).saturating_sub(in_step);
        self.sent.lag = self.sent.lag.max(behind);
        self.sent.played.push(self.handset.played());
        self.provider.send(Message::text(frame.clone())).await.unwrap();
        assert_eq!(next(&mut self.bot).await, frame);
        self.sent.spoken += 1;
        self.bot.send(Message::text(speech.clone())).await.unwrap();
        loop {
            let text = next(&mut self.provider).await;
            self.take(&text).await;
            if text == speech {
                break;
            }
        }
        self.ways.push((began, began.elapsed()));
        for echo in texts {
            self.provider.send(Message::text(echo)).await.unwrap();
        }
    }

    async fn take(&mut self, text: &str) {
        for echo in self.handset.take(text) {
            self.provider.send(Message::text(echo)).await.unwrap();
        }
    }

    /// Hangs up, and waits until both sides have said goodbye.
    pub(crate) async fn hang_up(&mut self) {
        self.sent.hung_up = Some(Instant::now());
        let stop = self.handset.hang_up();
        self.provider.send(Message::text(stop)).await.unwrap();
        let goodbye = async {
            let _ = self.provider.close(None).await;
            while let Some(Ok(_)) = self.bot.next().await {}
            while let Some(Ok(_)) = self.provider.next().await {}
        };
        timeout(LONG, goodbye).await.expect("a goodbye");
    }
}

async fn next<S>(socket: &mut WebSocketStream<S>) -> String
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    match timeout(LONG, socket.next()).await.expect("a message in time") {
        Some(Ok(Message::Text(text))) => text.to_string(),
        other => panic!("no text: {other:?}"),
    }
}
