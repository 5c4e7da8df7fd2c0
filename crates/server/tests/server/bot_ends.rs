//! The bot hangs up, breaks off, or was never there: the provider's socket is closed, and the call leaves its trace.

use super::phone::{both_sides, finished, inbound, one_way, relayed, sides, stop};
use super::scripted_bot::{BotCall, ScriptedBot};
use super::test_server::{Client, Got, TestServer};
use futures_util::{SinkExt, StreamExt};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

const WAV: (&str, &str) = ("DEFAULT_AUDIO_FORMAT", "wav");

/// A relayed call that has begun.
async fn call(server: &TestServer, bot: &ScriptedBot, sid: &str) -> (Client, BotCall) {
    let mut provider = server.provider().await;
    provider.send(relayed(sid)).await;
    let mut call = bot.accept().await;
    call.next().await.unwrap();
    (provider, call)
}

#[tokio::test]
async fn a_bot_that_hangs_up_ends_the_call_with_a_close_and_the_summary_says_so() {
    let bot = ScriptedBot::listen().await;
    let server = TestServer::start([WAV, ("BOT_URL", &bot.url())]);
    for (sid, code) in [("CA1", None), ("CA2", Some(1000)), ("CA3", Some(1001)), ("CA4", Some(4000))] {
        let (mut provider, mut call) = call(&server, &bot, sid).await;
        call.send("last words").await;
        let close = code.map(|code| CloseFrame { code: CloseCode::from(code), reason: "".into() });
        call.socket.close(close).await.unwrap();
        assert_eq!(provider.next().await, Got::Text("last words".to_owned()));
        assert_eq!(provider.next().await, Got::Close(Some(1000)));
        drop(provider);
        assert_eq!(finished(&server, sid).await["streams"][0]["ended"], "bot_closed", "{code:?}");
        let summary = server.get(&format!("/calls/{sid}/summary")).text();
        assert!(summary.contains("How The Call Ended: the bot ended the call"), "{summary}");
    }
}

#[tokio::test]
async fn a_bot_that_breaks_off_or_fails_ends_the_providers_socket_with_an_error_close() {
    let bot = ScriptedBot::listen().await;
    let server = TestServer::start([WAV, ("BOT_URL", &bot.url())]);
    for sid in ["CA1", "CA2"] {
        let (mut provider, mut call) = call(&server, &bot, sid).await;
        call.send("last words").await;
        if sid == "CA2" {
            let failed = CloseFrame { code: CloseCode::Error, reason: "".into() };
            call.socket.close(Some(failed)).await.unwrap();
        }
        drop(call);
        assert_eq!(provider.next().await, Got::Text("last words".to_owned()));
        assert_eq!(provider.next().await, Got::Close(Some(1011)));
        drop(provider);
        assert_eq!(finished(&server, sid).await["streams"][0]["ended"], "bot_gone", "{sid}");
    }
}

#[tokio::test]
async fn a_bot_that_goes_in_mid_call_ends_the_call_and_what_was_said_is_kept() {
    let bot = ScriptedBot::listen().await;
    let server = TestServer::start([WAV, ("BOT_URL", &bot.url())]);
    let mut provider = server.provider().await;
    provider.send(relayed("CA1")).await;
    let call = bot.accept().await;
    for index in 0..10 {
        provider.send(inbound(index * 20, 0x10)).await;
    }
    drop(call);
    // The provider sends on until it has seen the Close.
    for index in 10..20 {
        provider.send(inbound(index * 20, 0x10)).await;
    }
    assert_eq!(provider.next().await, Got::Close(Some(1011)));
    drop(provider);
    let summary = finished(&server, "CA1").await;
    assert_eq!(summary["streams"][0]["ended"], "bot_gone", "{summary}");
    assert_eq!(sides(&server, "CA1").0.len(), 3_200);
}

#[tokio::test]
async fn a_call_whose_bot_cannot_be_reached_is_closed_with_an_error_and_leaves_its_trace() {
    // A port that was free a moment ago, and a bot that takes the connection and never answers.
    let gone = ScriptedBot::listen().await.url();
    let silent = ScriptedBot::listen().await;
    for url in [gone, silent.url()] {
        let server = TestServer::start([WAV, ("BOT_URL", &url), ("BOT_CONNECT_TIMEOUT_SECONDS", "1")]);
        // The provider may take its time with the start: to connect to a bot that is gone takes less.
        for (sid, ms) in [("CA1", 0), ("CA2", 600)] {
            let mut provider = server.provider().await;
            tokio::time::sleep(Duration::from_millis(ms)).await;
            provider.send(relayed(sid)).await;
            for index in 0..5 {
                provider.send(inbound(index * 20, 0x10)).await;
            }
            assert_eq!(provider.next().await, Got::Close(Some(1011)));
            drop(provider);
            assert_eq!(finished(&server, sid).await["streams"][0]["ended"], "bot_gone");
            let summary = server.get(&format!("/calls/{sid}/summary")).text();
            assert!(summary.contains("the bot went away or could not be reached"), "{summary}");
            assert_eq!(sides(&server, sid).0.len(), 800, "{sid} at {url}");
        }
    }
}

#[tokio::test]
async fn a_socket_that_never_starts_and_whose_bot_is_gone_is_closed() {
    let gone = ScriptedBot::listen().await.url();
    let server = TestServer::start([("BOT_URL", &gone), ("START_TIMEOUT_SECONDS", "1")]);
    let mut provider = server.provider().await;
    assert_eq!(provider.next().await, Got::Close(Some(1011)));
}

#[tokio::test]
async fn a_one_way_stream_sends_the_bot_away_with_a_close_and_does_without_one() {
    let bot = ScriptedBot::listen().await;
    let server = TestServer::start([WAV, ("BOT_URL", &bot.url())]);
    let mut provider = server.provider().await;
    let mut call = bot.accept().await;
    provider.send(one_way("CA1")).await;
    assert_eq!(call.next().await, Some(one_way("CA1")));
    let goodbye = call.socket.next().await;
    assert!(
        matches!(&goodbye, Some(Ok(Message::Close(Some(frame)))) if u16::from(frame.code) == 1000),
        "{goodbye:?}"
    );
    call.socket.flush().await.ok();
    both_sides(&mut provider, 0, 10).await;
    provider.send(stop("CA1")).await;
    assert_eq!(finished(&server, "CA1").await["streams"][0]["ended"], "stopped");
    assert_eq!(sides(&server, "CA1").0.len(), 1_600);

    let gone = ScriptedBot::listen().await.url();
    let server = TestServer::start([WAV, ("BOT_URL", &gone)]);
    let mut provider = server.provider().await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    provider.send(one_way("CA1")).await;
    both_sides(&mut provider, 0, 10).await;
    provider.send(stop("CA1")).await;
    assert_eq!(finished(&server, "CA1").await["streams"][0]["ended"], "stopped");
}

/// Says this without a pause until nobody listens any more, and reads nothing.
async fn says_without_end(mut call: BotCall, message: Vec<u8>) {
    let many = message.repeat(65_536 / message.len());
    while call.socket.get_mut().write_all(&many).await.is_ok() {}
}

/// Each is for the server alone: no provider that does not read holds the bot back.
fn pings_and_lines() -> [Vec<u8>; 2] {
    let line = r#"{"event":"transcript","speaker":"caller","text":"hello"}"#;
    let line = [&[0x81, u8::try_from(line.len()).unwrap()], line.as_bytes()].concat();
    [[&[0x89, 125], [0; 125].as_slice()].concat(), line]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_of_a_silent_provider_ends_though_its_bot_never_pauses() {
    let bot = ScriptedBot::listen().await;
    let url = bot.url();
    // Silence is looked for first when a start would be too late: until then the system's buffers grow with what is sent.
    let soon = [("START_TIMEOUT_SECONDS", "6"), ("IDLE_TIMEOUT_SECONDS", "1")];
    let server = TestServer::start([WAV, ("BOT_URL", &url), soon[0], soon[1]]);
    for (sid, message) in ["CA1", "CA2"].into_iter().zip(pings_and_lines()) {
        let (mut provider, call) = call(&server, &bot, sid).await;
        let floods = tokio::spawn(says_without_end(call, message));
        // Sooner or later even such a bot has a pause, for want of a processor.
        let closed = tokio::time::timeout(Duration::from_secs(10), provider.next()).await;
        assert_eq!(closed.expect("a Close in time"), Got::Close(Some(1000)), "{sid}");
        drop(provider);
        assert_eq!(finished(&server, sid).await["streams"][0]["ended"], "idle", "{sid}");
        floods.await.unwrap();
    }
    assert_eq!(server.refused("sockets_idle"), 2);
}
