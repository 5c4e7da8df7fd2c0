//! At each limit of the server: a status, a counter, and no effect on a call beside.

use super::beside::Beside;
use super::phone::{both_sides, call_one_way, finished, one_way, relayed, sides, stop};
use super::scripted_bot::ScriptedBot;
use super::test_server::{Answer, Got, LONG, TestServer, until};
use futures_util::SinkExt;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt as _;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

const WAV: (&str, &str) = ("DEFAULT_AUDIO_FORMAT", "wav");
/// But long enough for a request that comes at once to be read on a machine that has little time.
const SOON: (&str, &str) = ("REQUEST_TIMEOUT_SECONDS", "3");

/// Sends this and no more; gives what comes until the connection ends.
pub(crate) fn ask(server: &TestServer, request: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    // One that is refused early is not read to its end.
    let _ = stream.write_all(request.as_bytes());
    let mut answer = Vec::new();
    if let Err(error) = stream.read_to_end(&mut answer) {
        // The same ends so, where some of it was left unread.
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "after {}", answer.escape_ascii());
    }
    answer
}

pub(crate) fn status(answer: &[u8]) -> Option<&str> {
    std::str::from_utf8(answer).ok()?.split(' ').nth(1)
}

#[tokio::test]
async fn a_connection_too_many_is_told_so_and_the_calls_beside_go_on() {
    let server = TestServer::start([WAV, ("MAX_CONNECTIONS", "3")]);
    let mut calls = [server.provider().await, server.provider().await, server.provider().await];
    for path in ["/health", "/calls", "/audio/formats", "/media-stream", "/nothing-here"] {
        let answer = server.get(path);
        assert_eq!((answer.status, answer.error_code().as_str()), (503, "full"), "{path}");
        assert_eq!(answer.header("x-frame-options").as_deref(), Some("DENY"), "{path}");
    }
    assert_eq!(server.get("/health/live").status, 200, "whoever watches over it learns that it lives");
    // Where there are many, they are told before they have asked for anything.
    let crowd: Vec<TcpStream> = (0..150).map(|_| TcpStream::connect(server.address).unwrap()).collect();
    crowd.iter().for_each(|stream| stream.set_nonblocking(true).unwrap());
    let is_told = |stream: &&TcpStream| {
        let mut answer = [0; 12];
        stream.peek(&mut answer).is_ok_and(|length| length == 12) && &answer == b"HTTP/1.1 503"
    };
    // One or another from before may not be gone yet.
    until("they are told", || crowd.iter().filter(is_told).count() >= 50).await;
    assert!(crowd.iter().filter(is_told).count() <= 60);
    let mut answer = vec![0; 1_000];
    let length = crowd.iter().find(is_told).unwrap().peek(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
    assert!(answer.contains("x-frame-options: DENY\r\n") && answer.ends_with('}'), "{answer}");
    drop(crowd);
    for (call, sid) in calls.iter_mut().zip(["CA1", "CA2", "CA3"]) {
        call.send(one_way(sid)).await;
        both_sides(call, 0, 50).await;
        call.send(stop(sid)).await;
    }
    for call in calls {
        call.close().await;
    }
    until("there is room", || server.get("/health").status == 200).await;
    assert!(server.refused("connections_full") >= 55);
    for sid in ["CA1", "CA2", "CA3"] {
        finished(&server, sid).await;
        assert_eq!(sides(&server, sid).0.len(), 8_000, "{sid}");
    }
    until("they are gone", || server.get("/health").json()["connections"]["open"] == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_trickles_in_is_given_up_and_a_call_beside_goes_on() {
    let server = TestServer::start([WAV, SOON]);
    let mut call = server.provider().await;
    call.send(one_way("CA1")).await;
    both_sides(&mut call, 0, 25).await;
    assert_eq!(status(&ask(&server, "GET /health HT")), Some("408"));
    assert_eq!(status(&ask(&server, "")), Some("408"), "a connection that says nothing");
    let body = "POST /calls/CA1/transcript HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{";
    let answer = ask(&server, body);
    let text = String::from_utf8_lossy(&answer);
    assert!(
        status(&answer) == Some("408") && text.contains("too_slow") && text.contains("nosniff"),
        "{text}"
    );
    // Byte after byte does not keep it open either.
    let mut slow = TcpStream::connect(server.address).unwrap();
    let begun = Instant::now();
    let given_up = "GET /health HTTP/1.1\r\nx-slow: ".bytes().chain(std::iter::repeat(b'a')).any(|byte| {
        std::thread::sleep(Duration::from_millis(50));
        assert!(begun.elapsed() < LONG, "it is never given up");
        slow.write_all(&[byte]).is_err()
    });
    assert!(given_up);
    assert_eq!(server.refused("requests_too_slow"), 1);
    assert_eq!(server.refused("connections_without_request"), 3);
    both_sides(&mut call, 25, 50).await;
    call.send(stop("CA1")).await;
    call.close().await;
    finished(&server, "CA1").await;
    assert_eq!(sides(&server, "CA1").0.len(), 8_000);
}

/// Nobody waits for the rest of what was answered, whoever gave the answer.
#[tokio::test(flavor = "multi_thread")]
async fn a_chunked_body_without_an_end_keeps_no_connection_open_behind_its_answer() {
    let server = TestServer::start([SOON, ("TWILIO_AUTH_TOKEN", "12345")]);
    for (line, expected) in [
        ("GET /health/live", "200"),
        ("GET /nothing-here", "404"),
        ("DELETE /calls", "405"),
        ("POST /incoming-call", "403"),
        ("POST /calls/CA1/transcript", "408"),
    ] {
        let head = format!("{line} HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n");
        let answer = ask(&server, &format!("{head}1\r\na\r\n"));
        assert_eq!(status(&answer), Some(expected), "{line}");
        // Chunk after chunk does not keep it open either.
        let mut slow = TcpStream::connect(server.address).unwrap();
        slow.write_all(head.as_bytes()).unwrap();
        let begun = Instant::now();
        while slow.write_all(b"1\r\na\r\n").is_ok() {
            assert!(begun.elapsed() < LONG, "{line}: it is never closed");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    until("they are gone", || server.get("/health").json()["connections"]["open"] == 1).await;
}

#[test]
fn a_chunked_body_that_ends_is_read_as_any_other() {
    let server = TestServer::start([]);
    let head = "POST /audio/set-format/CA1 HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n";
    let (one, other) = (r#"{"format":"#, r#""wav"}"#);
    let [one, other] = [one, other].map(|part| format!("{:x}\r\n{part}\r\n", part.len()));
    assert_eq!(status(&ask(&server, &format!("{head}{one}{other}0\r\n\r\n"))), Some("200"));
    assert_eq!(status(&ask(&server, &format!("{head}{one}0\r\n\r\n"))), Some("400"));
}

#[test]
fn no_second_request_is_read_behind_a_chunked_body_that_ends_after_its_answer() {
    let server = TestServer::start([]);
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    let head = "GET /health/live HTTP/1.1\r\nhost: localhost\r\n";
    stream.write_all(format!("{head}transfer-encoding: chunked\r\n\r\n").as_bytes()).unwrap();
    let mut first = [0; 12];
    stream.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    let _ = stream.write_all(format!("0\r\n\r\n{head}\r\n").as_bytes());
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();
    assert!(!rest.contains("HTTP/1.1 "), "{rest}");
}

#[test]
fn a_connection_carries_one_request_so_that_no_second_can_trickle_in() {
    let server = TestServer::start([]);
    let request = "GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: keep-alive\r\n\r\nGET /health HT";
    let answer = ask(&server, request);
    let text = String::from_utf8_lossy(&answer).to_ascii_lowercase();
    assert_eq!(text.matches("http/1.1 ").count(), 1, "{text}");
    assert!(text.contains("connection: close"), "{text}");
    let whole = "GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let slow = "POST /incoming-call HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n";
    let text = String::from_utf8(ask(&server, &format!("{whole}{whole}{slow}"))).unwrap();
    let statuses: Vec<&str> = text.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
    assert_eq!(statuses, ["200", "400", "400"], "{text}");
}

/// The kernel gives it up: Linux alone has a limit for that.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_client_that_does_not_read_what_it_asked_for_is_given_up() {
    let server = TestServer::start([WAV, ("IDLE_TIMEOUT_SECONDS", "1")]);
    call_one_way(&server, "CA1", 50).await;
    finished(&server, "CA1").await;
    // Far more than sockets hold.
    let path = server.responses().join("call_CA1_conversation.wav");
    std::fs::OpenOptions::new().write(true).open(path).unwrap().set_len(256_000_000).unwrap();
    // What is read, or has nothing to be read, is not counted.
    for head in
        ["GET /calls/CA1/recording\nRange: bytes=0-99999", "HEAD /calls/CA1", "GET /calls/CA1/summary"]
    {
        assert!(server.request(head, b"").status < 500, "{head}");
    }
    call_one_way(&server, "CA2", 10).await;
    assert_eq!(server.refused("answers_unread"), 0);
    let mut beside = server.provider().await;
    let mut reader = TcpStream::connect(server.address).unwrap();
    reader.write_all(b"GET /calls/CA1/recording HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    let mut first = [0; 12];
    reader.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    let open = || server.get("/health").json()["connections"]["open"].as_u64().unwrap();
    assert_eq!(open(), 3);
    let mut tick = 0;
    beside.send(one_way("CA9")).await;
    while server.refused("answers_unread") == 0 {
        assert!(tick < 2_000, "it is never given up");
        both_sides(&mut beside, tick, tick + 1).await;
        tick += 1;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    until("its connection is gone", || open() == 2).await;
    assert_eq!(server.refused("answers_unread"), 1);
    beside.close().await;
    finished(&server, "CA9").await;
    assert_eq!(sides(&server, "CA9").0.len() as u64, tick * 160);
}

#[tokio::test]
async fn a_message_too_long_is_counted_whether_in_one_frame_or_in_many() {
    let server = TestServer::start([WAV]);
    let mut other = server.provider().await;
    other.send(one_way("CA9")).await;
    let piece = vec![b'x'; 100_000];
    for (count, frames) in [
        (1, vec![Frame::message(vec![b'x'; 3_000_000], OpCode::Data(Data::Text), true)]),
        (2, {
            let first = Frame::message(piece.clone(), OpCode::Data(Data::Text), false);
            let next = Frame::message(piece, OpCode::Data(Data::Continue), false);
            std::iter::once(first).chain(std::iter::repeat_n(next, 11)).collect()
        }),
    ] {
        let mut provider = server.provider().await;
        provider.send(one_way("CA1")).await;
        for frame in frames {
            let _ = provider.socket.send(Message::Frame(frame)).await;
        }
        while !matches!(provider.next().await, Got::End | Got::Close(_)) {}
        until("it is counted", || server.refused("messages_too_long") == count).await;
    }
    both_sides(&mut other, 0, 50).await;
    other.close().await;
    finished(&server, "CA9").await;
    assert_eq!(sides(&server, "CA9").0.len(), 8_000);
}

#[tokio::test]
async fn a_frame_that_says_that_it_is_too_long_is_refused_by_its_head_and_what_came_before_is_recorded() {
    const LONGEST: u64 = 1024 * 1024;
    let server = TestServer::start([WAV]);
    let mut beside = Beside::begin(&server).await;
    for (count, call, length) in [(1, "CA1", LONGEST + 1), (2, "CA2", 2 * LONGEST), (3, "CA3", u64::MAX)] {
        let mut provider = server.provider().await;
        provider.send(one_way(call)).await;
        both_sides(&mut provider, 0, 5).await;
        provider.send("x".repeat(LONGEST as usize)).await;
        both_sides(&mut provider, 5, 10).await;
        let head = [&[0x81, 0xff], length.to_be_bytes().as_slice()].concat();
        // Nothing of it comes but its head, in two packets.
        for part in head.chunks(7) {
            provider.socket.get_mut().write_all(part).await.unwrap();
        }
        assert_eq!(beside.during(provider.next()).await, Got::Close(Some(1009)), "{length}");
        assert_eq!(server.refused("messages_too_long"), count);
        finished(&server, call).await;
        assert_eq!(sides(&server, call).0.len(), 1_600);
    }
    beside.ends_whole(&server).await;
}

#[tokio::test]
async fn a_bots_message_too_long_ends_its_own_call_alone_and_is_counted() {
    let bot = ScriptedBot::listen().await;
    let server = TestServer::start([WAV, ("BOT_URL", &bot.url())]);
    let mut provider = server.provider().await;
    provider.send(relayed("CA1")).await;
    let mut call = bot.accept().await;
    let mut other = server.provider().await;
    other.send(one_way("CA9")).await;
    both_sides(&mut other, 0, 50).await;
    let _ = call.socket.send(Message::text("x".repeat(17 * 1024 * 1024))).await;
    assert_eq!(provider.next().await, Got::Close(Some(1011)));
    assert_eq!(server.refused("messages_too_long"), 1);
    other.close().await;
    finished(&server, "CA9").await;
    assert_eq!(sides(&server, "CA9").0.len(), 8_000);
}

#[tokio::test]
async fn a_call_too_many_and_a_body_too_long_are_counted() {
    let server = TestServer::start([WAV, ("MAX_CALLS", "2")]);
    let beside = Beside::begin(&server).await;
    let call = server.provider().await;
    assert_eq!(server.provider_with(&[]).await.err(), Some(503));
    assert_eq!(server.refused("calls_full"), 1);
    let long = "x".repeat(2 * 1024 * 1024);
    let answer: Answer = server.post("/calls/CA1/transcript", &long);
    assert_eq!((answer.status, answer.error_code().as_str()), (413, "body_too_large"));
    assert_eq!(server.refused("bodies_too_long"), 1);
    call.close().await;
    beside.ends_whole(&server).await;
}

#[tokio::test]
async fn a_webhooks_body_is_read_only_as_far_as_one_may_be_long() {
    let server = TestServer::start([WAV, ("TWILIO_AUTH_TOKEN", "12345")]);
    let signature =
        callrec_protocol::signature::sign_url("12345", &format!("ws://{}/media-stream", server.address));
    let mut call = server.provider_with(&[("x-twilio-signature", &signature)]).await.unwrap();
    call.send(one_way("CA1")).await;
    let webhook = |length: usize| {
        let form = format!("CallSid=CA2&Long={}", "x".repeat(length - "CallSid=CA2&Long=".len()));
        server.request("POST /incoming-call\nX-Twilio-Signature: bm8=", form.as_bytes())
    };
    let whole = webhook(64 * 1024);
    assert_eq!((whole.status, whole.error_code().as_str()), (403, "forbidden"), "it was read and checked");
    assert_eq!(server.refused("bodies_too_long"), 0);
    let longer = webhook(64 * 1024 + 1);
    assert_eq!((longer.status, longer.error_code().as_str()), (413, "body_too_large"));
    // Whoever does not say how long it is, is stopped where it gets too long: the end of this one never comes.
    let mut endless = String::from(
        "POST /incoming-call HTTP/1.1\r\nhost: localhost\r\nx-twilio-signature: bm8=\r\ntransfer-encoding: chunked\r\n\r\n",
    );
    (0..70).for_each(|_| endless.push_str(&format!("400\r\n{}\r\n", "x".repeat(1024))));
    assert_eq!(status(&ask(&server, &endless)), Some("413"));
    assert_eq!(server.refused("bodies_too_long"), 2);
    both_sides(&mut call, 0, 10).await;
    call.send(stop("CA1")).await;
    call.close().await;
    finished(&server, "CA1").await;
    assert_eq!(sides(&server, "CA1").0.len(), 1_600);
}

#[tokio::test]
async fn sockets_that_keep_the_server_waiting_are_counted() {
    let server = TestServer::start([WAV, ("START_TIMEOUT_SECONDS", "1"), ("IDLE_TIMEOUT_SECONDS", "1")]);
    let mut beside = Beside::begin(&server).await;
    let (mut unstarted, mut idle) = (server.provider().await, server.provider().await);
    idle.send(one_way("CA1")).await;
    assert_eq!(beside.during(unstarted.next()).await, Got::Close(Some(1008)));
    assert_eq!(beside.during(idle.next()).await, Got::Close(Some(1000)));
    assert_eq!((server.refused("sockets_without_start"), server.refused("sockets_idle")), (1, 1));
    beside.ends_whole(&server).await;
}

#[tokio::test]
async fn a_bot_that_does_not_take_its_call_is_counted() {
    let bot = ScriptedBot::listen().await;
    let server = TestServer::start([WAV, ("BOT_URL", &bot.url()), ("BOT_CONNECT_TIMEOUT_SECONDS", "1")]);
    let (mut beside, _bot_beside) = tokio::join!(Beside::begin(&server), bot.accept());
    let mut provider = server.provider().await;
    provider.send(relayed("CA1")).await;
    // The connection is there; nobody answers the upgrade.
    assert_eq!(beside.during(provider.next()).await, Got::Close(Some(1011)));
    assert_eq!(server.refused("bots_too_slow"), 1);
    beside.ends_whole(&server).await;
}
