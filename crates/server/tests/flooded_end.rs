//! A server that is flooded is told to end: it does so in time, and keeps what came.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

#[path = "spawned/mod.rs"]
#[allow(dead_code, reason = "not every file of tests uses all of it")]
mod spawned;

use callrec::Track;
use callrec_protocol::twilio::outgoing::Provider;
use futures_util::{SinkExt, StreamExt};
use spawned::Spawned as Server;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, accept_async, connect_async};

type Socket = WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>;

const LONG: Duration = Duration::from_secs(20);
/// How many frames of 20 ms each call has before the flood.
const FRAMES: u64 = 100;
/// Of a stream that has no bot.
const BOTH: [Track; 2] = [Track::Caller, Track::Assistant];
/// Far less than SHUTDOWN_SECONDS, which a server would take that waits for a flood to end: two seconds for a call, two for other
/// requests, and what a machine needs that is flooded itself.
const IN_TIME: Duration = Duration::from_secs(20);

/// A call of so many frames, all of which have come when this returns.
async fn call(server: &Server, sid: &str, tracks: &[Track]) -> (Socket, Provider) {
    let (mut socket, _) = connect_async(server.media()).await.unwrap();
    let mut provider = Provider::new(sid, "MZ1");
    socket.send(Message::text(provider.start(tracks, &[]))).await.unwrap();
    for index in 0..FRAMES {
        socket.send(Message::text(provider.media(Track::Caller, index * 20, &[0x10; 160]))).await.unwrap();
    }
    socket.send(Message::Ping(b"there?".as_slice().into())).await.unwrap();
    let is_pong = |message: &Message| matches!(message, Message::Pong(_));
    while !is_pong(&tokio::time::timeout(LONG, socket.next()).await.unwrap().unwrap().unwrap()) {}
    (socket, provider)
}

/// A bot that takes each call; in that with this name it sends pings without a pause until nobody listens any more, and counts them.
async fn pings_without_end(bots: TcpListener, sid: &'static str, pings: Arc<AtomicU64>) {
    loop {
        let (stream, _) = bots.accept().await.unwrap();
        let mut bot = accept_async(stream).await.unwrap();
        let pings = Arc::clone(&pings);
        tokio::spawn(async move {
            while let Some(Ok(message)) = bot.next().await {
                if matches!(&message, Message::Text(text) if text.contains(sid)) {
                    break;
                }
            }
            let many = [&[0x89, 125], [0; 125].as_slice()].concat().repeat(500);
            while bot.get_mut().write_all(&many).await.is_ok() {
                pings.fetch_add(500, Ordering::AcqRel);
            }
        });
    }
}

/// Connects as often as it can, and asks: for nothing, for something, for a media socket; until `over`.
fn asks_without_end(address: &str, over: &AtomicBool, asked: &AtomicU64) {
    let upgrade = "GET /media-stream HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                   sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let health = "GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let mut held = Vec::new();
    for request in ["", health, upgrade].into_iter().cycle() {
        if over.load(Ordering::Acquire) {
            return;
        }
        let Ok(mut stream) = TcpStream::connect(address) else { continue };
        asked.fetch_add(1, Ordering::AcqRel);
        let _ = stream.write_all(request.as_bytes());
        if request == health {
            let _ = stream.set_read_timeout(Some(Duration::from_millis(50)));
            let _ = stream.read(&mut [0; 12]);
        } else if held.len() < 50 {
            held.push(stream);
        }
    }
}

/// The samples of a call's recording; of one that is still in its journal those that the next server finds there.
async fn samples(home: &Path, sid: &str) -> u32 {
    let journal = home.join(format!("responses/.journal/{sid}_1.journal"));
    let next = journal.exists().then(|| Server::start(home, &[]));
    let began = Instant::now();
    while journal.exists() {
        assert!(began.elapsed() < LONG, "{sid} is not recovered");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    drop(next);
    let recording = home.join(format!("responses/call_{sid}_conversation.wav"));
    hound::WavReader::open(recording).unwrap().duration()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flooded_server_that_is_told_to_end_does_so_in_time_and_keeps_what_came() {
    let home = tempfile::tempdir().unwrap();
    let bots = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let bot = format!("ws://{}/", bots.local_addr().unwrap());
    let pings = Arc::new(AtomicU64::new(0));
    let bot_speaking = tokio::spawn(pings_without_end(bots, "CA3", Arc::clone(&pings)));
    let settings = [
        ("BOT_URL", bot.as_str()),
        ("SHUTDOWN_SECONDS", "60"),
        ("REQUEST_TIMEOUT_SECONDS", "60"),
        ("MAX_CONNECTIONS", "300"),
    ];
    let server = Server::start(home.path(), &settings);
    let (mut quiet, _) = call(&server, "CA1", &BOTH).await;
    let (mut loud, mut provider) = call(&server, "CA2", &BOTH).await;
    let (mut relayed, _) = call(&server, "CA3", &[Track::Caller]).await;
    let (over, asked, said) = (Arc::new(AtomicBool::new(false)), Arc::default(), Arc::new(AtomicU64::new(0)));
    let address = server.base.trim_start_matches("http://").to_owned();
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (address, over, asked) = (address.clone(), Arc::clone(&over), Arc::clone(&asked));
            std::thread::spawn(move || asks_without_end(&address, &over, &asked))
        })
        .collect();
    // It reads nothing any more, not even a goodbye.
    let counted = Arc::clone(&said);
    let speaking = tokio::spawn(async move {
        for index in FRAMES.. {
            let media = provider.media(Track::Caller, index * 20, &[0x10; 160]);
            if loud.send(Message::text(media)).await.is_err() {
                return;
            }
            counted.fetch_add(1, Ordering::AcqRel);
        }
    });
    let began = Instant::now();
    let so_many = |most: u64, count: &AtomicU64| count.load(Ordering::Acquire) >= most;
    while !(so_many(600, &asked) && so_many(5_000, &said) && so_many(100_000, &pings)) {
        assert!(
            began.elapsed() < LONG,
            "{asked:?} requests, {said:?} messages and {pings:?} pings are no flood"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let told = Instant::now();
    let ended = tokio::task::spawn_blocking(move || server.terminate());
    for socket in [&mut quiet, &mut relayed] {
        let goodbye = async {
            loop {
                match socket.next().await {
                    Some(Ok(Message::Text(_) | Message::Ping(_) | Message::Pong(_))) => {}
                    Some(Ok(Message::Close(Some(frame)))) => return Some(u16::from(frame.code)),
                    _ => return None,
                }
            }
        };
        assert_eq!(tokio::time::timeout(IN_TIME, goodbye).await, Ok(Some(1001)));
    }
    drop((quiet, relayed));
    let (well, log) = ended.await.unwrap();
    let took = told.elapsed();
    over.store(true, Ordering::Release);
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    speaking.await.unwrap();
    bot_speaking.abort();
    assert!(well && took < IN_TIME, "{took:?}: {log}");
    for sid in ["CA1", "CA3"] {
        assert_eq!(samples(home.path(), sid).await, FRAMES as u32 * 160, "{sid}");
    }
    // What was on its way when the server ended nobody heard.
    let (heard, said) = (samples(home.path(), "CA2").await, said.load(Ordering::Acquire));
    assert!(heard > FRAMES as u32 * 160, "{heard} samples of {FRAMES} frames and {said} more");
}
