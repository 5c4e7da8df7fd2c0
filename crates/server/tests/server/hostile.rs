//! What no well-behaved provider or bot sends. Nothing of it panics, loses another call's data, or leaves a half file.

use super::phone::{
    CONNECTED, both_sides, call_one_way, finished, inbound, media, one_way, relayed, sides, speech, start,
    stop,
};
use super::scripted_bot::ScriptedBot;
use super::test_server::{Got, TestServer, files_in, until};
use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

const WAV: (&str, &str) = ("DEFAULT_AUDIO_FORMAT", "wav");

#[tokio::test]
async fn messages_that_are_none_are_counted_and_the_call_goes_on() {
    let server = TestServer::start([WAV]);
    let mut provider = server.provider().await;
    // Before the start there is no call to count for.
    for early in ["", "{", "null", &inbound(0, 0x10), CONNECTED] {
        provider.send(early).await;
    }
    provider.send(one_way("CA1")).await;
    let deep = "[".repeat(50_000);
    let not_base64 =
        json!({"event":"media","media":{"track":"inbound","timestamp":"0","payload":"!!!"}}).to_string();
    for broken in
        ["", "{", "[1]", "\"media\"", &deep, r#"{"event":7}"#, r#"{"event":"media","media":[]}"#, &not_base64]
    {
        provider.send(broken).await;
    }
    provider.send(r#"{"event":"sing","song":{}}"#).await;
    provider.send(one_way("CA2")).await;
    both_sides(&mut provider, 0, 10).await;
    provider.send(stop("CA1")).await;
    provider.close().await;
    let summary = finished(&server, "CA1").await;
    let dropped = &summary["streams"][0]["completeness"]["dropped"];
    // Those that are no JSON, no object, of a wrong type or a second start; and the audio that is no base64.
    assert_eq!((&dropped["unknown_messages"], &dropped["audio"]), (&json!(1), &json!(1)), "{dropped}");
    assert!(dropped["messages"].as_u64().unwrap() >= 7, "{dropped}");
    assert_eq!(sides(&server, "CA1").0.len(), 1_600);
    assert_eq!(server.get("/calls/CA2").status, 404, "a second start is none");
    assert!(server.get("/calls/CA1/summary").text().contains("Completeness: not complete"));
}

#[tokio::test]
async fn times_that_go_back_jump_or_are_no_numbers_lose_no_audio() {
    let server = TestServer::start([WAV]);
    let mut provider = server.provider().await;
    provider.send(one_way("CA1")).await;
    for timestamp in
        [json!("0"), json!(20), json!("forty"), json!("-60"), json!("7200000"), json!(null), json!([])]
    {
        provider.send(media("inbound", timestamp, &[0x10; 160])).await;
    }
    provider.send(media("inbound", json!("18446744073709551615"), &[0x10; 160])).await;
    provider.send(media("inbound", json!("99999999999999999999999"), &[0x10; 160])).await;
    provider.send(stop("CA1")).await;
    provider.close().await;
    let summary = finished(&server, "CA1").await;
    let (left, _) = sides(&server, "CA1");
    let report = &summary["streams"][0]["completeness"];
    let heard = left.iter().filter(|&&sample| sample != 0).count() as u64;
    let counted =
        report["dropped"]["audio"].as_u64().unwrap() + report["caller"]["repeated_frames"].as_u64().unwrap();
    assert_eq!(heard + 160 * counted, 9 * 160, "{report}");
    assert!(left.len() < 8_000 * 20, "no hours of silence: {}", left.len());
    assert!(report["dropped"]["timestamps"].as_u64().unwrap() >= 3, "{report}");
}

#[tokio::test]
async fn frames_of_any_size_are_taken() {
    let server = TestServer::start([WAV]);
    let mut provider = server.provider().await;
    provider.send(one_way("CA1")).await;
    let mut samples = 0;
    for size in [0, 1, 159, 161, 60_000, 160] {
        provider.send(media("inbound", (samples / 8).to_string(), &vec![0x10; size])).await;
        samples += size;
    }
    provider.send(stop("CA1")).await;
    provider.close().await;
    finished(&server, "CA1").await;
    let (left, _) = sides(&server, "CA1");
    assert_eq!(left.iter().filter(|&&sample| sample != 0).count(), samples);
}

#[tokio::test]
async fn fragments_are_put_together_and_binary_messages_are_counted() {
    let server = TestServer::start([WAV]);
    let mut provider = server.provider().await;
    provider.send(one_way("CA1")).await;
    let text = inbound(0, 0x10);
    let (first, rest) = text.as_bytes().split_at(100);
    let (second, third) = rest.split_at(100);
    for (data, opcode, last) in
        [(first, Data::Text, false), (second, Data::Continue, false), (third, Data::Continue, true)]
    {
        let frame = Frame::message(data.to_vec(), OpCode::Data(opcode), last);
        provider.socket.send(Message::Frame(frame)).await.unwrap();
    }
    let binary = Message::binary(inbound(20, 0x10).into_bytes());
    provider.socket.send(binary).await.unwrap();
    provider.send(inbound(40, 0x10)).await;
    provider.close().await;
    let summary = finished(&server, "CA1").await;
    let (left, _) = sides(&server, "CA1");
    assert_eq!(left.len(), 480, "{summary}");
    assert!(left[..160].iter().chain(&left[320..]).all(|&sample| sample != 0));
    assert_eq!(summary["streams"][0]["completeness"]["dropped"]["messages"], 1);
}

/// A text message as a client sends it, with a mask of zeros.
fn frame(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).unwrap().to_be_bytes();
    [&[0x81, 0xfe], length.as_slice(), &[0; 4], text.as_bytes()].concat()
}

#[tokio::test]
async fn good_messages_before_a_broken_one_or_a_reset_in_the_same_packet_count() {
    let server = TestServer::start([WAV]);
    for (call, reset) in [("CA1", false), ("CA2", true)] {
        let socket = TcpSocket::new_v4().unwrap();
        let mut stream = socket.connect(server.address).await.unwrap();
        let upgrade = format!(
            "GET /media-stream HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            server.address
        );
        stream.write_all(upgrade.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(stream.read_u8().await.unwrap());
        }
        let mut packet = frame(&one_way(call));
        for index in 0..10 {
            packet.extend(frame(&inbound(index * 20, 0x10)));
        }
        if reset {
            stream.write_all(&packet).await.unwrap();
            // No goodbye: what is behind the packet is a RST.
            let stream = stream.into_std().unwrap();
            rustix::net::sockopt::set_socket_linger(&stream, Some(std::time::Duration::ZERO)).unwrap();
            drop(stream);
        } else {
            // All reserved bits and an opcode that is none.
            packet.extend([0xff, 0xff, 0xff, 0xff]);
            stream.write_all(&packet).await.unwrap();
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest).await;
        }
        finished(&server, call).await;
        assert_eq!(sides(&server, call).0.len(), 1_600, "{call}");
    }
}

#[tokio::test]
async fn a_call_sid_that_would_leave_the_directory_is_relayed_and_not_recorded() {
    let bot = ScriptedBot::listen().await;
    let server = TestServer::start([WAV, ("BOT_URL", &bot.url())]);
    for sid in ["../../etc/passwd", "CA1/..", ".hidden", "CA1_summary"] {
        let mut provider = server.provider().await;
        let mut call = bot.accept().await;
        for text in [relayed(sid), inbound(0, 0x10), stop(sid)] {
            provider.send(text.clone()).await;
            assert_eq!(call.next().await, Some(text), "{sid}");
        }
        provider.close().await;
    }
    assert_eq!(files_in(&server.responses()), [""; 0]);
    assert_eq!(files_in(server.recordings.path()), ["responses"]);
}

#[tokio::test]
async fn a_start_that_names_no_call_is_refused_and_reaches_no_bot() {
    let bot = ScriptedBot::listen().await;
    let server = TestServer::start([WAV, ("BOT_URL", &bot.url())]);
    for sid in ["", " ", "/../", "\u{200b}"] {
        let mut provider = server.provider().await;
        let mut call = bot.accept().await;
        provider.send(relayed(sid)).await;
        assert_eq!(provider.next().await, Got::Close(Some(1008)), "{sid:?}");
        assert_eq!(call.next().await, None, "{sid:?}");
    }
    assert_eq!(files_in(&server.responses()), [""; 0]);
}

#[tokio::test]
async fn a_stream_without_a_frame_has_a_summary_that_says_so() {
    let server = TestServer::start([WAV]);
    let mut provider = server.provider().await;
    provider.send(start("CA1", "MZ1", &["inbound"], &json!({"a":"b".repeat(600)}))).await;
    provider.close().await;
    let summary = finished(&server, "CA1").await;
    assert_eq!(summary["streams"][0]["audio"]["outcome"], "no_audio");
}

#[tokio::test]
async fn a_message_that_is_too_long_ends_its_own_call_alone() {
    let server = TestServer::start([WAV]);
    let (mut provider, mut other) = (server.provider().await, server.provider().await);
    for (provider, call) in [(&mut provider, "CA1"), (&mut other, "CA2")] {
        provider.send(one_way(call)).await;
        both_sides(provider, 0, 10).await;
    }
    let huge = Message::text("x".repeat(3_000_000));
    let _ = provider.socket.send(huge).await;
    while !matches!(provider.next().await, Got::End | Got::Close(_)) {}
    finished(&server, "CA1").await;
    assert_eq!(sides(&server, "CA1").0.len(), 1_600);
    both_sides(&mut other, 10, 20).await;
    other.close().await;
    finished(&server, "CA2").await;
    assert_eq!(sides(&server, "CA2").0.len(), 3_200);
}

#[tokio::test]
async fn ten_minutes_of_a_bots_audio_at_once_are_queued_and_cut_at_the_end() {
    let bot = ScriptedBot::listen().await;
    let server = TestServer::start([WAV, ("BOT_URL", &bot.url())]);
    let mut provider = server.provider().await;
    provider.send(relayed("CA1")).await;
    let mut call = bot.accept().await;
    call.next().await.unwrap();
    call.send(super::phone::speech(&vec![0x10; 4_800_000])).await;
    assert!(matches!(provider.next().await, Got::Text(_)));
    provider.send(inbound(0, 0xff)).await;
    provider.send(stop("CA1")).await;
    let summary = finished(&server, "CA1").await;
    let report = &summary["streams"][0]["completeness"];
    let unheard = report["playout"]["unheard_ms"].as_u64().unwrap();
    assert!((590_000..=600_000).contains(&unheard), "{report}");
    assert_eq!(report["dropped"]["audio"], 0);
}

#[tokio::test]
async fn ten_minutes_of_a_bots_audio_in_thirty_thousand_messages_lose_nothing() {
    let bot = ScriptedBot::listen().await;
    let server = TestServer::start([WAV, ("BOT_URL", &bot.url())]);
    let mut provider = server.provider().await;
    provider.send(relayed("CA1")).await;
    let mut call = bot.accept().await;
    call.next().await.unwrap();
    // Each has two bytes of its own, so that a lost or swapped one shows.
    let message = |index: u16| {
        let mut audio = [0x10; 160];
        audio[..2].copy_from_slice(&index.to_le_bytes());
        super::phone::speech(&audio)
    };
    let journal = server.responses().join(".journal/CA1_1.journal");
    for first in (0..30_000).step_by(3_000) {
        let part = first..first + 3_000;
        let talk = async {
            for index in part.clone() {
                call.socket.feed(Message::text(message(index))).await.unwrap();
            }
            call.socket.flush().await.unwrap();
        };
        let listen = async {
            for index in part.clone() {
                assert!(provider.next().await == Got::Text(message(index)), "message {index}");
            }
        };
        tokio::join!(talk, listen);
        // A disk that is more than a megabyte behind would lose some, and be told; here it is only slow.
        let bytes = u64::from(part.end) * 160;
        until("all is journalled", || std::fs::metadata(&journal).is_ok_and(|file| file.len() > bytes)).await;
    }
    provider.send(inbound(0, 0xff)).await;
    provider.send(stop("CA1")).await;
    let summary = finished(&server, "CA1").await;
    let report = &summary["streams"][0]["completeness"];
    let heard = summary["streams"][0]["duration_ms"].as_u64().unwrap();
    let unheard = report["playout"]["unheard_ms"].as_u64().unwrap();
    assert_eq!(report["dropped"]["audio"], 0, "{report}");
    assert!((heard + unheard).abs_diff(600_000) <= 1_000, "{heard} ms heard: {report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_that_floods_fills_no_disk_and_the_call_beside_is_saved_whole() {
    let bot = ScriptedBot::listen().await;
    let server = TestServer::start([WAV, ("BOT_URL", &bot.url()), ("MIN_FREE_DISK_MB", "0")]);
    let refused = || server.get("/health").json()["recorder"]["refused"]["journals_full"].as_u64().unwrap();
    let mut provider = server.provider().await;
    let call = bot.accept().await;
    provider.send(relayed("CA1")).await;
    let mut beside = server.provider().await;
    beside.send(one_way("CA2")).await;
    both_sides(&mut beside, 0, 50).await;

    let begun = std::time::Instant::now();
    let (mut provider_says, mut provider_hears) = provider.socket.split();
    let (mut bot_says, mut bot_hears) = call.socket.split();
    let provider_reads = tokio::spawn(async move { while let Some(Ok(_)) = provider_hears.next().await {} });
    let bot_reads = tokio::spawn(async move { while let Some(Ok(_)) = bot_hears.next().await {} });
    let (flood, clear) = (speech(&[0x55; 750_000]), r#"{"event":"clear","streamSid":"MZ1"}"#);
    let mut sent = 0;
    while refused() < 20 {
        assert!(sent < 1_000, "a gigabyte is taken");
        bot_says.send(Message::text(flood.clone())).await.unwrap();
        bot_says.send(Message::text(clear)).await.unwrap();
        sent += 1;
    }
    let journal = std::fs::metadata(server.responses().join(".journal/CA1_1.journal")).unwrap().len();
    // What may come at once, and two seconds more than passed.
    let most = 68 * 1_048_576 + (begun.elapsed().as_secs() + 2) * (1_000_000 + 64_000);
    assert!(journal < most, "{journal} of {most} bytes");

    both_sides(&mut beside, 50, 100).await;
    beside.send(stop("CA2")).await;
    beside.close().await;
    let summary = finished(&server, "CA2").await;
    assert_eq!(sides(&server, "CA2").0.len(), 16_000);
    assert!(server.get("/calls/CA2/summary").text().contains("Completeness: complete\n"), "{summary}");

    provider_says.send(Message::text(stop("CA1"))).await.unwrap();
    let summary = finished(&server, "CA1").await;
    let stream = &summary["streams"][0];
    assert_eq!(stream["ended"], "stopped");
    let dropped = &stream["completeness"]["dropped"];
    assert!(dropped["audio"].as_u64().unwrap() >= 20, "{dropped}");
    provider_reads.abort();
    bot_reads.abort();
}

#[tokio::test]
async fn a_directory_that_breaks_does_not_break_the_call() {
    let bot = ScriptedBot::listen().await;
    let server = TestServer::start([WAV, ("BOT_URL", &bot.url())]);
    let inside = server.responses().join(".journal");
    std::fs::rename(&inside, server.recordings.path().join("away")).unwrap();
    std::fs::write(&inside, "").unwrap();
    let mut provider = server.provider().await;
    let mut call = bot.accept().await;
    for text in [relayed("CA1"), inbound(0, 0x10)] {
        provider.send(text.clone()).await;
        assert_eq!(call.next().await, Some(text));
    }
    until("health tells", || server.get("/health").status == 503).await;
    assert!(server.get("/health").text().contains("journal"));
    // The disk comes back in mid-call: nothing is lost.
    std::fs::remove_file(&inside).unwrap();
    std::fs::rename(server.recordings.path().join("away"), &inside).unwrap();
    provider.send(inbound(20, 0x10)).await;
    provider.send(stop("CA1")).await;
    finished(&server, "CA1").await;
    assert_eq!(sides(&server, "CA1").0.len(), 320);
    until("health is well", || server.get("/health").status == 200).await;
    drop((provider, call));
    let one_way_server = TestServer::start([WAV]);
    call_one_way(&one_way_server, "CA9", 5).await;
    finished(&one_way_server, "CA9").await;
}

#[test]
fn a_refusal_does_not_repeat_what_was_sent() {
    let server = TestServer::start([WAV]);
    let long = "x".repeat(5_000);
    for (path, body) in [
        (format!("/audio/set-format/CA1?{long}=1"), String::new()),
        ("/audio/set-format/CA1".to_owned(), json!({ long.as_str(): 1 }).to_string()),
        ("/audio/set-format/CA1".to_owned(), json!({ "format": long }).to_string()),
        ("/audio/set-format/CA1".to_owned(), json!({ "bitrate": long }).to_string()),
        ("/calls/CA1/transcript".to_owned(), json!({ "speaker": long, "text": "a" }).to_string()),
        (
            "/calls/CA1/transcript".to_owned(),
            json!({ "speaker": "caller", "text": "a", long.as_str(): 1 }).to_string(),
        ),
    ] {
        let answer = server.post(&path, &body);
        assert_eq!(answer.status, 400, "{path}");
        assert!(answer.text().len() < 1_000, "{} bytes", answer.text().len());
    }
}
