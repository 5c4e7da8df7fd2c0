//! The relay: what one side says reaches the other as it was said, and each end is told of the other's.

use super::scripted_bot::ScriptedBot;
use super::test_server::{Got, TestServer};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

const CONNECTED: &str = r#"{"event":"connected","protocol":"Call","version":"1.0.0"}"#;

fn start(call: &str) -> String {
    json!({"event":"start","sequenceNumber":"1","streamSid":"MZ1","start":{
        "accountSid":"AC1","streamSid":"MZ1","callSid":call,"tracks":["inbound"],"customParameters":{},
        "mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1}}})
    .to_string()
}

#[tokio::test]
async fn messages_pass_byte_for_byte_in_both_directions_and_in_order() {
    let bot = ScriptedBot::listen().await;
    let server = TestServer::start([("BOT_URL", &bot.url())]);
    let mut provider = server.provider().await;
    let mut call = bot.accept().await;
    // Odd spacing, escapes and unknown fields: nothing is parsed and written anew.
    let odd = "{ \"event\" :\"media\",\"x\":1.50, \"media\":{\"payload\":\"\\/\\/8=\"} }";
    let starting = start("CA1");
    for text in [CONNECTED, &starting, odd, "not json at all", "{\"event\":\"unknown\",\"ü\":\"\\u00fc\"}"] {
        provider.send(text).await;
        assert_eq!(call.next().await.as_deref(), Some(text));
        call.send(text).await;
        assert_eq!(provider.next().await, Got::Text(text.to_owned()));
    }
    for number in 0..2_000 {
        call.send(number.to_string()).await;
    }
    for number in 0..2_000 {
        assert_eq!(provider.next().await, Got::Text(number.to_string()));
    }
    provider.close().await;
    assert_eq!(call.next().await, None);
}

#[tokio::test]
async fn messages_sent_before_the_bot_has_answered_wait_for_it() {
    let bot = ScriptedBot::listen().await;
    let server = TestServer::start([("BOT_URL", &bot.url())]);
    let mut provider = server.provider().await;
    provider.send(start("CA1")).await;
    for number in 0..100 {
        provider.send(number.to_string()).await;
    }
    let mut call = bot.accept().await;
    assert_eq!(call.next().await, Some(start("CA1")));
    for number in 0..100 {
        assert_eq!(call.next().await, Some(number.to_string()));
    }
}

#[tokio::test]
async fn ten_minutes_of_audio_in_one_message_pass() {
    let bot = ScriptedBot::listen().await;
    let server = TestServer::start([("BOT_URL", &bot.url())]);
    let mut provider = server.provider().await;
    provider.send(start("CA1")).await;
    let mut call = bot.accept().await;
    call.next().await.unwrap();
    let payload = "/".repeat(6_400_000);
    let media = json!({"event":"media","streamSid":"MZ1","media":{"payload":payload}}).to_string();
    call.send(media.clone()).await;
    assert!(provider.next().await == Got::Text(media));
}

#[tokio::test]
async fn a_bot_whose_name_has_no_certificate_is_not_talked_to() {
    let bot = ScriptedBot::listen().await;
    let url = bot.url().replace("ws://", "wss://");
    let server = TestServer::start([("BOT_URL", &url), ("BOT_CONNECT_TIMEOUT_SECONDS", "1")]);
    let mut provider = server.provider().await;
    provider.send(start("CA1")).await;
    assert_eq!(provider.next().await, Got::Close(Some(1011)));
}

#[tokio::test]
async fn the_providers_stop_reaches_the_bot_and_its_socket_is_closed() {
    let bot = ScriptedBot::listen().await;
    let server = TestServer::start([("BOT_URL", &bot.url())]);
    let mut provider = server.provider().await;
    let mut call = bot.accept().await;
    for text in [start("CA1"), r#"{"event":"stop","streamSid":"MZ1","stop":{"callSid":"CA1"}}"#.to_owned()] {
        provider.send(text.clone()).await;
        assert_eq!(call.next().await, Some(text));
    }
    assert_eq!(call.next().await, None);
    // The provider never closes, as behind some tunnels: then we do.
    assert_eq!(provider.next().await, Got::Close(Some(1000)));
}

#[tokio::test]
async fn the_upgrade_to_the_bot_is_signed_as_the_provider_signs() {
    let bot = ScriptedBot::listen().await;
    let server = TestServer::start([("BOT_URL", &bot.url()), ("TWILIO_AUTH_TOKEN", "12345")]);
    let signature =
        callrec_protocol::signature::sign_url("12345", &format!("wss://{}/media-stream", server.address));
    let _provider = server.provider_with(&[("x-twilio-signature", &signature)]).await.ok().unwrap();
    let _call = bot.accept().await;
    let expected = callrec_protocol::signature::sign_url("12345", &bot.url());
    assert_eq!(*bot.signatures.lock().unwrap(), [Some(expected)]);
}

#[tokio::test]
async fn a_bot_whose_address_has_a_password_is_sent_it_in_a_header_alone() {
    let bot = ScriptedBot::listen().await;
    let url = bot.url().replace("ws://", "ws://user:pass%3aword@");
    let server = TestServer::start([("BOT_URL", &url), ("TWILIO_AUTH_TOKEN", "12345")]);
    let signature =
        callrec_protocol::signature::sign_url("12345", &format!("wss://{}/media-stream", server.address));
    let _provider = server.provider_with(&[("x-twilio-signature", &signature)]).await.ok().unwrap();
    let _call = bot.accept().await;
    let expected = callrec_protocol::signature::sign_url("12345", &bot.url());
    assert_eq!(*bot.signatures.lock().unwrap(), [Some(expected)], "as the provider signs: without it");
    let asked = ["/bot", &bot.address.to_string(), "Basic dXNlcjpwYXNzOndvcmQ="];
    assert_eq!(*bot.asked.lock().unwrap(), [asked.map(|text| Some(text.to_owned()))]);
}

#[tokio::test]
async fn a_bot_that_does_not_read_stops_neither_its_own_words_nor_another_call() {
    let bot = ScriptedBot::listen().await;
    let server = TestServer::start([("BOT_URL", &bot.url())]);
    let (mut deaf_provider, mut provider) = (server.provider().await, server.provider().await);
    let (mut first, mut second) = (bot.accept().await, bot.accept().await);
    // Which of the two calls is which shows by the first message.
    deaf_provider.send(start("CA1")).await;
    provider.send(start("CA2")).await;
    if first.next().await == Some(start("CA2")) {
        std::mem::swap(&mut first, &mut second);
    } else {
        assert_eq!(second.next().await, Some(start("CA2")));
    }
    let (mut deaf, mut call) = (first, second);
    let filler = "x".repeat(100_000);
    for _ in 0..20 {
        deaf_provider.send(filler.clone()).await;
    }
    deaf.send("I talk on").await;
    assert_eq!(deaf_provider.next().await, Got::Text("I talk on".to_owned()));
    provider.send("hello").await;
    if call.next().await == Some(start("CA2")) {
        assert_eq!(call.next().await.as_deref(), Some("hello"));
    }
    // At four megabytes behind it is given up, and the call's TwiML goes on.
    for _ in 0..1_000 {
        if tokio::time::timeout(std::time::Duration::from_millis(1), deaf_provider.next()).await
            == Ok(Got::Close(Some(1011)))
        {
            assert_eq!(server.get("/health").json()["refused"]["bots_deaf"], 1);
            return;
        }
        let message = Message::text(filler.clone());
        let _ = futures_util::SinkExt::send(&mut deaf_provider.socket, message).await;
    }
    panic!("a bot that never reads was never given up");
}

#[tokio::test]
async fn shutdown_ends_live_sockets_with_a_close_on_both_sides_and_refuses_new_ones() {
    let bot = ScriptedBot::listen().await;
    let mut server = TestServer::start([("BOT_URL", &bot.url())]);
    let mut provider = server.provider().await;
    provider.send(start("CA1")).await;
    let mut call = bot.accept().await;
    call.next().await.unwrap();
    server.begin_stop();
    assert_eq!(provider.next().await, Got::Close(Some(1001)));
    assert_eq!(call.next().await, None);
    server.stop();
}
