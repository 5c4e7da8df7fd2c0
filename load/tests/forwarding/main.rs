//! What recording and marks add to the way of a message through the relay: nothing that can be measured.
//!
//! Three relays carry a call each, at the same time and pace: one that records and sends marks, one that does neither, and one that
//! knows nothing but sockets. Their messages alternate, so that what else the machine does falls on all alike.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stdout, reason = "tests")]

mod bare;
#[path = "../server/mod.rs"]
mod server;

use callrec_load::Voice;
use callrec_protocol::twilio::outgoing;
use callrec_session::Track;
use futures_util::{FutureExt, SinkExt, StreamExt};
use serde_json::Value;
use server::Server;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, MissedTickBehavior, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

/// How many messages of each call go each way: one every 20 ms.
const MESSAGES: u64 = 500;
/// Longer than anything takes; a test that waits so long has failed.
const LONG: Duration = Duration::from_secs(20);

/// A call through one relay, held at both ends.
struct Path {
    wire: outgoing::Provider,
    provider: WebSocketStream<MaybeTlsStream<TcpStream>>,
    bot: WebSocketStream<TcpStream>,
    marks: u64,
    /// From provider to bot, and from bot to provider.
    ways: [Vec<Duration>; 2],
}

impl Path {
    async fn open(url: &str, bots: &TcpListener, call: &str) -> Self {
        let mut wire = outgoing::Provider::new(call, "MZ1");
        let (mut provider, _) = connect_async_with_config(url, None, true).await.unwrap();
        let accept = async {
            let (stream, _) = bots.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            tokio_tungstenite::accept_async(stream).await.unwrap()
        };
        let mut bot = timeout(LONG, accept).await.expect("the relay calls the bot");
        for text in [wire.connected(), wire.start(&[Track::Caller], &[])] {
            provider.send(Message::text(text)).await.unwrap();
        }
        for event in ["connected", "start"] {
            assert!(next(&mut bot).await.contains(event));
        }
        Self { wire, provider, bot, marks: 0, ways: [Vec::new(), Vec::new()] }
    }

    /// A frame of the caller to the bot, and a piece of speech back.
    async fn round_trip(&mut self, number: u64) {
        // The marks behind the last piece, which the provider has played by now.
        while let Some(Some(Ok(Message::Text(text)))) = self.provider.next().now_or_never() {
            self.echo(&text).await;
        }
        let codes = Voice::Noise.codes(1, number * 160, 160);
        let frame = self.wire.media(Track::Caller, number * 20, &codes);
        let sent = Instant::now();
        self.provider.send(Message::text(frame.clone())).await.unwrap();
        assert_eq!(next(&mut self.bot).await, frame);
        self.ways[0].push(sent.elapsed());
        let speech = outgoing::media("MZ1", &codes);
        let sent = Instant::now();
        self.bot.send(Message::text(speech.clone())).await.unwrap();
        loop {
            let text = next(&mut self.provider).await;
            if text == speech {
                break;
            }
            self.echo(&text).await;
        }
        self.ways[1].push(sent.elapsed());
    }

    async fn echo(&mut self, text: &str) {
        let message: Value = serde_json::from_str(text).unwrap();
        let name = message["mark"]["name"].as_str().expect("a mark and nothing else");
        self.marks += 1;
        let echo = self.wire.mark(name);
        self.provider.send(Message::text(echo)).await.unwrap();
    }

    async fn hang_up(mut self) -> Measured {
        let stop = self.wire.stop();
        self.provider.send(Message::text(stop)).await.unwrap();
        let goodbye = async {
            let _ = self.provider.close(None).await;
            while let Some(Ok(_)) = self.bot.next().await {}
            while let Some(Ok(_)) = self.provider.next().await {}
        };
        timeout(LONG, goodbye).await.expect("a goodbye");
        let both = self.ways[0].iter().zip(&self.ways[1]).map(|(there, back)| *there + *back).collect();
        let [there, back] = self.ways;
        Measured { marks: self.marks, there: median(there), back: median(back), both: median(both) }
    }
}

struct Measured {
    marks: u64,
    there: Duration,
    back: Duration,
    both: Duration,
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

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

#[tokio::test]
async fn recording_and_marks_add_no_measurable_delay_to_what_is_forwarded() {
    let bots = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let bot = format!("ws://{}", bots.local_addr().unwrap());
    let mut recording = Server::start(&bot, &[]);
    let mut deaf = Server::start(&bot, &[("RECORD_CONVERSATIONS", "false"), ("RELAY_MARKS", "off")]);
    let bare = bare::relay(bot);
    let mut paths = [
        Path::open(&recording.url(), &bots, "CA1").await,
        Path::open(&deaf.url(), &bots, "CA2").await,
        Path::open(&bare, &bots, "CA3").await,
    ];
    let mut turns = tokio::time::interval(Duration::from_micros(20_000 / 3));
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for number in 0..MESSAGES {
        for turn in 0..3 {
            turns.tick().await;
            // None is always behind the same other.
            paths[(turn + number as usize) % 3].round_trip(number).await;
        }
    }
    let mut measured = Vec::new();
    for path in paths {
        measured.push(path.hang_up().await);
    }
    for (name, Measured { marks, there, back, both }) in
        ["recording, with marks", "neither", "bare sockets"].iter().zip(&measured)
    {
        println!(
            "{name:>21}: to the bot {there:?}, back {back:?}, both {both:?} in the median; {marks} marks"
        );
    }
    let [with, without, bare] = &measured[..] else { panic!("three paths") };
    assert!(with.marks > 0 && without.marks == 0 && bare.marks == 0);
    for (what, with, without, bare) in [
        ("to the bot", with.there, without.there, bare.there),
        ("to the provider", with.back, without.back, bare.back),
        ("both ways", with.both, without.both, bare.both),
    ] {
        assert!(with < without + Duration::from_millis(1), "{what}: {with:?}, and {without:?} without");
        assert!(with < bare + Duration::from_millis(2), "{what}: {with:?}, and {bare:?} by bare sockets");
    }
    tokio::task::spawn_blocking(move || {
        recording.stop();
        deaf.stop();
        assert!(recording.recording("CA1", "mp3").exists(), "the one did record");
        assert!(!deaf.recording("CA2", "mp3").exists(), "and the other did not");
        let heard = &recording.summary("CA1")["completeness"]["playout"];
        assert_eq!(heard["calibrated"], true);
    })
    .await
    .unwrap();
}
