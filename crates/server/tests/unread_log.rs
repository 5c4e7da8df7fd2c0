//! The shipped binary whose log nobody reads: it goes into a pipe, which is full sooner or later.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

#[path = "spawned/mod.rs"]
#[allow(dead_code, reason = "not every file of tests uses all of it")]
mod spawned;

use callrec::Track;
use callrec_protocol::twilio::outgoing::Provider;
use futures_util::{SinkExt, StreamExt};
use spawned::Spawned;
use std::io::Read;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, accept_async, connect_async};

const LONG: Duration = Duration::from_secs(20);
/// A message that is none of a bot's: it is forwarded, and at this level a line says so.
const UNREADABLE: &str = "not JSON";
const TALKATIVE: (&str, &str) = ("RUST_LOG", "callrec=debug");

/// A relayed call.
struct Call {
    provider: WebSocketStream<MaybeTlsStream<TcpStream>>,
    bot: WebSocketStream<TcpStream>,
    wire: Provider,
}

impl Call {
    async fn begin(server: &Spawned, bots: &TcpListener) -> Self {
        let (mut provider, _) = connect_async(server.media()).await.unwrap();
        let mut wire = Provider::new("CA1", "MZ1");
        provider.send(Message::text(wire.start(&[Track::Caller], &[]))).await.unwrap();
        let (stream, _) = timeout(LONG, bots.accept()).await.unwrap().unwrap();
        let mut bot = accept_async(stream).await.unwrap();
        assert!(timeout(LONG, bot.next()).await.unwrap().unwrap().unwrap().is_text());
        Self { provider, bot, wire }
    }

    /// The bot says so much that makes a line of the log each, and all of it comes through.
    async fn go_on(&mut self, messages: usize) {
        for _ in 0..messages {
            self.bot.feed(Message::text(UNREADABLE)).await.unwrap();
        }
        self.bot.flush().await.unwrap();
        for _ in 0..messages {
            let news =
                timeout(LONG, self.provider.next()).await.expect("the call waits for who reads the log");
            assert_eq!(news.unwrap().unwrap(), Message::text(UNREADABLE));
        }
    }

    async fn hang_up(mut self) {
        self.provider.send(Message::text(self.wire.stop())).await.unwrap();
        let goodbye = async {
            while let Some(Ok(_)) = self.bot.next().await {}
            while let Some(Ok(_)) = self.provider.next().await {}
        };
        timeout(LONG, goodbye).await.expect("no goodbye");
    }
}

/// How many lines the server has dropped so far.
async fn dropped(server: &Spawned) -> u64 {
    let url = format!("{}/health", server.base);
    let asked = tokio::task::spawn_blocking(move || {
        let health = ureq::get(&url).call().unwrap().body_mut().read_to_string().unwrap();
        serde_json::from_str::<serde_json::Value>(&health).unwrap()
    });
    let health = timeout(LONG, asked).await.expect("a request waits for who reads the log").unwrap();
    health["refused"]["log_lines_dropped"].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_nobody_reads_holds_up_no_call_and_the_lines_that_find_no_room_are_counted_and_told() {
    let bots = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let bot_url = format!("ws://{}/", bots.local_addr().unwrap());
    for is_read_at_last in [true, false] {
        let home = tempfile::tempdir().unwrap();
        let (server, mut log) = Spawned::start_piped(home.path(), &[("BOT_URL", &bot_url), TALKATIVE]);
        let mut call = Call::begin(&server, &bots).await;
        assert_eq!(dropped(&server).await, 0);
        let mut said = 0;
        while dropped(&server).await == 0 {
            assert!(said < 100_000, "the log takes room without end");
            call.go_on(1_000).await;
            said += 1_000;
        }
        call.go_on(1_000).await;
        let (reader, _unread) = if is_read_at_last {
            let reading = std::thread::spawn(move || {
                let mut text = String::new();
                log.read_to_string(&mut text).unwrap();
                text
            });
            (Some(reading), None)
        } else {
            (None, Some(log))
        };
        call.go_on(10).await;
        call.hang_up().await;
        // It ends, though it may have to leave lines unwritten.
        let (well, _) = timeout(LONG, tokio::task::spawn_blocking(move || server.terminate()))
            .await
            .expect("the end waits for who reads the log")
            .unwrap();
        assert!(well);
        if let Some(text) = reader.map(|reader| reader.join().unwrap()) {
            assert!(text.contains("lines of this log were dropped"), "{} bytes", text.len());
            // What it had to say last is there, and every line is whole.
            assert!(text.contains("every recording is finished"));
            assert!(text.lines().all(|line| line.contains("callrec")), "a line is torn");
        }
    }
}
