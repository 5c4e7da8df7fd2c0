//! What others send may take no more memory than the limits say: counted by the allocator, the clients' own, in this process too,
//! included.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

#[path = "running/mod.rs"]
#[allow(dead_code, reason = "not every file of tests uses all of it")]
mod running;

use callrec::Track;
use callrec_protocol::twilio::outgoing::Provider;
use callrec_server::config::Sources;
use futures_util::{SinkExt, StreamExt};
use peak_alloc::PeakAlloc;
use running::Running;
use std::path::Path;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Mutex;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, accept_async, client_async};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;
/// One test at a time, for what is counted is the whole process's.
static ALONE: Mutex<()> = Mutex::const_new(());

const LONG: Duration = Duration::from_secs(20);
const MIB: usize = 1024 * 1024;

/// A socket for which the system holds little, so that it is soon seen that nobody reads it.
fn small_socket() -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    socket
}

/// A provider whose call has begun.
async fn begin(server: &Running) -> WebSocketStream<TcpStream> {
    let stream = small_socket().connect(server.address).await.unwrap();
    let url = format!("ws://{}/media-stream", server.address);
    let (mut socket, _) = client_async(url, stream).await.unwrap();
    let start = Provider::new("CA1", "MZ1").start(&[Track::Caller], &[]);
    socket.send(Message::text(start)).await.unwrap();
    socket
}

/// A server with a bot, and both ends of a call.
async fn relayed(home: &Path) -> (Running, WebSocketStream<TcpStream>, WebSocketStream<TcpStream>) {
    let bots = small_socket();
    bots.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let bots = bots.listen(8).unwrap();
    let url = format!("ws://{}/", bots.local_addr().unwrap());
    let server = Running::start(Sources::only([("BOT_URL", url.as_str())]), home);
    let provider = begin(&server).await;
    let (stream, _) = timeout(LONG, bots.accept()).await.unwrap().unwrap();
    let bot = accept_async(stream).await.unwrap();
    (server, provider, bot)
}

/// How often a limit was met.
async fn refused(server: &Running, limit: &'static str) -> u64 {
    let url = format!("http://{}/health", server.address);
    let asked = tokio::task::spawn_blocking(move || {
        let health = ureq::get(&url).call().unwrap().body_mut().read_to_string().unwrap();
        let health: serde_json::Value = serde_json::from_str(&health).unwrap();
        health["refused"][limit].as_u64().unwrap()
    });
    timeout(LONG, asked).await.expect("an answer in time").unwrap()
}

/// The next message that is not a mark of the server's own.
async fn next_but_text(socket: &mut WebSocketStream<TcpStream>) -> Option<Result<Message, Error>> {
    loop {
        match timeout(LONG, socket.next()).await.expect("a message in time") {
            Some(Ok(Message::Text(_))) => {}
            next => return next,
        }
    }
}

/// What a provider gets next that is no mark is a Close with this code.
async fn is_sent_away(provider: &mut WebSocketStream<TcpStream>, code: u16) {
    let next = next_but_text(provider).await;
    let told = matches!(&next, Some(Ok(Message::Close(Some(frame)))) if u16::from(frame.code) == code);
    assert!(told, "{next:?}");
}

/// The next text that a provider gets.
async fn provider_hears(provider: &mut WebSocketStream<TcpStream>) -> String {
    match timeout(LONG, provider.next()).await.expect("a message in time") {
        Some(Ok(Message::Text(text))) => text.to_string(),
        next => panic!("no text: {next:?}"),
    }
}

/// A frame of a text, with an empty masking key or none.
fn text(bytes: usize, is_masked: bool) -> Vec<u8> {
    let (bit, key) = if is_masked { (0x80, [0; 4].as_slice()) } else { (0, [].as_slice()) };
    [&[0x81, bit | u8::try_from(bytes).unwrap()], key, &vec![b'x'; bytes]].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_frame_that_is_far_too_long_no_more_is_held_than_a_connection_reads_at_once() {
    const LENGTH: usize = 256 * MIB;
    let _alone = ALONE.lock().await;
    let home = tempfile::tempdir().unwrap();
    let server = Running::start(Sources::only([]), home.path());
    let mut socket = begin(&server).await;
    let part = vec![b'x'; MIB];
    ALLOCATOR.reset_peak_usage();
    let before = ALLOCATOR.current_usage();
    let head = [&[0x81, 0xff], (LENGTH as u64).to_be_bytes().as_slice(), &[0; 4]].concat();
    let stream = socket.get_mut();
    stream.write_all(&head).await.unwrap();
    for _ in 0..LENGTH / MIB {
        // It may be cut off at any time.
        if stream.write_all(&part).await.is_err() {
            break;
        }
    }
    while let Some(Ok(_)) = timeout(LONG, socket.next()).await.expect("an end in time") {}
    let held = ALLOCATOR.peak_usage() - before;
    assert!(held < 2 * MIB, "{held} bytes were held of a frame of {LENGTH}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_that_does_not_read_is_given_up_however_short_the_messages_are() {
    let _alone = ALONE.lock().await;
    for bytes in [0, 1] {
        let home = tempfile::tempdir().unwrap();
        let (server, mut provider, _deaf) = relayed(home.path()).await;
        let part = text(bytes, true).repeat(1_000);
        ALLOCATOR.reset_peak_usage();
        let before = ALLOCATOR.current_usage();
        for _ in 0..1_000 {
            if provider.get_mut().write_all(&part).await.is_err() {
                break;
            }
        }
        is_sent_away(&mut provider, 1011).await;
        let held = ALLOCATOR.peak_usage() - before;
        assert_eq!(refused(&server, "bots_deaf").await, 1);
        assert!(held < 16 * MIB, "{held} bytes were held of messages of {bytes}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_is_not_read_while_its_provider_is_behind_however_short_the_messages_are() {
    let _alone = ALONE.lock().await;
    for bytes in [0, 1] {
        let home = tempfile::tempdir().unwrap();
        let (server, _deaf, mut bot) = relayed(home.path()).await;
        let part = text(bytes, false).repeat(10_000);
        ALLOCATOR.reset_peak_usage();
        let before = ALLOCATOR.current_usage();
        let mut sent = 0;
        while refused(&server, "providers_deaf").await == 0 {
            assert!(sent < 1_000_000, "{sent} messages of {bytes} bytes were read");
            timeout(LONG, bot.get_mut().write_all(&part)).await.expect("it is not read").unwrap();
            sent += 10_000;
        }
        // What is on its way is not read either.
        let _ = timeout(Duration::from_millis(200), bot.get_mut().write_all(&part.repeat(100))).await;
        let held = ALLOCATOR.peak_usage() - before;
        assert!(held < 24 * MIB, "{held} bytes were held of messages of {bytes}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_waits_holds_nothing_of_what_came_beside_it() {
    const MESSAGES: usize = 3_000;
    let _alone = ALONE.lock().await;
    let home = tempfile::tempdir().unwrap();
    // Whoever never answers the upgrade: all that is for it waits.
    let bots = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", bots.local_addr().unwrap());
    let settings = [("BOT_URL", url.as_str()), ("BOT_CONNECT_TIMEOUT_SECONDS", "60")];
    let server = Running::start(Sources::only(settings), home.path());
    let mut provider = begin(&server).await;
    // What is binary is not for the bot.
    let beside = 16_384_u16.to_be_bytes();
    let beside = [&[0x82, 0xfe], beside.as_slice(), &[0; 4], &[b'x'; 16_384]].concat();
    let part = [text(1, true), beside].concat();
    ALLOCATOR.reset_peak_usage();
    let before = ALLOCATOR.current_usage();
    for _ in 0..MESSAGES {
        provider.get_mut().write_all(&part).await.unwrap();
    }
    provider.send(Message::Ping(Default::default())).await.unwrap();
    let answer = next_but_text(&mut provider).await;
    assert!(matches!(&answer, Some(Ok(Message::Pong(_)))), "{answer:?}");
    assert_eq!(refused(&server, "bots_deaf").await, 0);
    let held = ALLOCATOR.current_usage() - before;
    assert!(held < 4 * MIB, "{held} bytes are held of {MESSAGES} messages of one byte");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_message_in_frames_without_end_and_of_pings_between_them_little_is_held() {
    let _alone = ALONE.lock().await;
    let home = tempfile::tempdir().unwrap();
    let server = Running::start(Sources::only([]), home.path());
    let mut provider = begin(&server).await;
    let frame = |first: u8, bytes: u8| {
        [&[first, 0x80 | bytes, 0, 0, 0, 0], vec![b'x'; bytes.into()].as_slice()].concat()
    };
    let part = [frame(0x00, 1), frame(0x8a, 125).repeat(100)].concat();
    ALLOCATOR.reset_peak_usage();
    let before = ALLOCATOR.current_usage();
    provider.get_mut().write_all(&frame(0x01, 1)).await.unwrap();
    for _ in 0..1_000 {
        // It may be cut off at any time.
        if provider.get_mut().write_all(&part).await.is_err() {
            break;
        }
    }
    is_sent_away(&mut provider, 1009).await;
    let held = ALLOCATOR.peak_usage() - before;
    assert_eq!(refused(&server, "messages_too_long").await, 1);
    assert!(held < 4 * MIB, "{held} bytes were held of a message of 1,001");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_answers_to_pings_that_a_bot_does_not_read_little_is_held_and_no_message_behind_them_is_lost() {
    const PINGS: u32 = 300_000;
    let _alone = ALONE.lock().await;
    // Longer than an answer: the last bit of room is not enough.
    let words = "are you there? ".repeat(20);
    for is_spoken_to in [false, true] {
        let home = tempfile::tempdir().unwrap();
        let (server, mut provider, mut bot) = relayed(home.path()).await;
        let payload = |number: u32| [number.to_be_bytes().as_slice(), &[b'x'; 121]].concat();
        ALLOCATOR.reset_peak_usage();
        let before = ALLOCATOR.current_usage();
        for first in (0..PINGS).step_by(1_000) {
            let pings: Vec<u8> = (first..first + 1_000)
                .flat_map(|number| [vec![0x89, 125], payload(number)].concat())
                .collect();
            timeout(LONG, bot.get_mut().write_all(&pings)).await.expect("it is not read").unwrap();
        }
        // What it says behind them is heard: they have all been read.
        bot.get_mut().write_all(&text(10, false)).await.unwrap();
        while provider_hears(&mut provider).await != "xxxxxxxxxx" {}
        let held = ALLOCATOR.peak_usage() - before;
        assert!(held < 8 * MIB, "{held} bytes were held of the answers to {PINGS} pings");
        if is_spoken_to {
            provider.send(Message::text(words.clone())).await.unwrap();
            provider.send(Message::Ping(Default::default())).await.unwrap();
            let answer = next_but_text(&mut provider).await;
            assert!(matches!(&answer, Some(Ok(Message::Pong(_)))), "{answer:?}");
        }
        // The last of them is answered, though nothing else is to be sent.
        let (mut answers, mut is_last_answered, mut hears) = (0, false, !is_spoken_to);
        while !(is_last_answered && hears) {
            match timeout(LONG, bot.next()).await.expect("the last answer").expect("it goes on").unwrap() {
                Message::Pong(pong) => {
                    answers += 1;
                    is_last_answered = *pong == payload(PINGS - 1);
                }
                Message::Text(text) => hears |= text == words,
                other => panic!("{other:?}"),
            }
        }
        assert!(answers < PINGS / 2, "{answers} answers waited");
        assert_eq!(refused(&server, "bots_deaf").await, 0);
    }
}
