//! What calls of all kinds leave on the heap, once they are over: nothing. They are one-way or relayed, in each format, half of them
//! broken off, with requests beside. Counted by the allocator, so that what the system's holds back for later does not count.
#![cfg(all(feature = "mp3", feature = "wav", feature = "ogg", feature = "flac"))]
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stdout, reason = "tests")]

#[path = "running/mod.rs"]
mod running;

use callrec::Track;
use callrec_protocol::twilio::outgoing::{self, Provider};
use callrec_server::config::Sources;
use futures_util::future::join_all;
use futures_util::{SinkExt, StreamExt};
use peak_alloc::PeakAlloc;
use running::Running;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{accept_async, connect_async};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// How many calls are made between two looks: each kind in each format, four times.
const CALLS: usize = 64;
/// How many of them there are at once.
const AT_ONCE: usize = 16;
/// What a look may differ by: the connections of the moment, and tables that grow in steps.
const LUCK: usize = 20_000;

const FORMATS: [&str; 4] = ["mp3", "wav", "ogg", "flac"];

/// A bot that says what it hears.
async fn answer(bots: TcpListener) {
    loop {
        let (stream, _) = bots.accept().await.unwrap();
        tokio::spawn(async move {
            let mut socket = accept_async(stream).await.unwrap();
            while let Some(Ok(Message::Text(text))) = socket.next().await {
                let echo = outgoing::media("MZ1", &[0x10; 160]);
                if text.contains("\"media\"") && socket.send(Message::text(echo)).await.is_err() {
                    return;
                }
            }
        });
    }
}

/// A request, and its answer's first line.
async fn ask(server: &Running, request: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let length = body.len();
    let head = format!("{request} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n\r\n");
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned()
}

/// A call of a second, whose format is changed and of which a line is told when it is half over.
async fn call(server: &Running, number: usize) {
    let sid = format!("CA{number}");
    let (is_broken_off, is_relayed) = (number.is_multiple_of(2), (number / 2).is_multiple_of(2));
    let (format, other) = (FORMATS[number / 4 % 4], FORMATS[number / 16 % 4]);
    let (mut socket, _) = connect_async(format!("ws://{}/media-stream", server.address)).await.unwrap();
    let mut provider = Provider::new(&sid, "MZ1");
    let tracks: &[_] = if is_relayed { &[Track::Caller] } else { &[Track::Caller, Track::Assistant] };
    let start = provider.start(tracks, &[("audio_format", format)]);
    for message in [provider.connected(), start] {
        socket.send(Message::text(message)).await.unwrap();
    }
    for at in 0..50 {
        for track in tracks {
            let media = provider.media(*track, at * 20, &[0x10; 160]);
            socket.send(Message::text(media)).await.unwrap();
        }
        if is_relayed && at % 10 == 9 {
            // The bot has heard so much, and has answered.
            socket.next().await.unwrap().unwrap();
        }
        if at == 25 {
            let set = format!("POST /audio/set-format/{sid}?format={other}");
            while !ask(server, &set, "").await.contains(" 200 ") {}
            let line = r#"{"speaker":"caller","text":"hello"}"#;
            while !ask(server, &format!("POST /calls/{sid}/transcript"), line).await.contains(" 200 ") {}
        }
    }
    if !is_broken_off {
        socket.send(Message::text(provider.stop())).await.unwrap();
        let _ = socket.close(None).await;
        while let Some(Ok(_)) = socket.next().await {}
    }
}

/// So many calls, and what is on the heap when all of them are finished and their files gone.
async fn used_after(server: &Running, home: &Path, first: usize, at_once: usize) -> usize {
    for batch in (first..first + CALLS).step_by(at_once) {
        join_all((batch..batch + at_once).map(|number| call(server, number))).await;
    }
    for batch in (first..first + CALLS).step_by(at_once) {
        let asked = ["recording", "transcript", "summary"].map(|what| format!("GET /calls/CA{batch}/{what}"));
        let asked: Vec<String> = asked.into_iter().chain(["GET /calls".to_owned()]).collect();
        join_all(asked.iter().cycle().take(at_once / 4).map(|asked| ask(server, asked, ""))).await;
    }
    let begun = Instant::now();
    let is_there = |number: usize| home.join(format!("call_CA{number}_summary.json")).exists();
    while !(first..first + CALLS).all(is_there) {
        assert!(begun.elapsed() < Duration::from_secs(60), "they are not finished");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for entry in std::fs::read_dir(home).unwrap().map(Result::unwrap) {
        if entry.path().is_file() {
            std::fs::remove_file(entry.path()).unwrap();
        }
    }
    // What is on its way out has two seconds.
    let mut least = usize::MAX;
    for _ in 0..150 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        least = least.min(ALLOCATOR.current_usage());
    }
    least
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_are_over_leave_nothing_on_the_heap() {
    let home = tempfile::tempdir().unwrap();
    let bots = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let bot = format!("ws://{}", bots.local_addr().unwrap());
    let answering = tokio::spawn(answer(bots));
    let server = Running::start(Sources::only([("BOT_URL", bot.as_str())]), home.path());
    // What is made once, and kept: threads' own, and tables, which a busy machine lets grow a little more. So there is more at once.
    used_after(&server, home.path(), 0, CALLS).await;
    let before = used_after(&server, home.path(), CALLS, AT_ONCE).await;
    let after = used_after(&server, home.path(), 2 * CALLS, AT_ONCE).await;
    println!("{before} bytes on the heap, and {after} after {CALLS} calls more");
    assert!(after <= before + LUCK, "{before} bytes, and {after} after {CALLS} calls more");
    answering.abort();
}
