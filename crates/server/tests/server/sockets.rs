//! The media socket itself: fragments, control frames, limits, silence.

use super::beside::Beside;
use super::phone::{relayed, start, stop};
use super::scripted_bot::ScriptedBot;
use super::test_server::{Got, LONG, TestServer};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::json;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio_tungstenite::tungstenite::Message;

const WAV: (&str, &str) = ("DEFAULT_AUDIO_FORMAT", "wav");

#[tokio::test]
async fn more_calls_than_allowed_are_refused_and_a_place_given_back_is_taken() {
    let server = TestServer::start([WAV, ("MAX_CALLS", "2")]);
    let beside = Beside::begin(&server).await;
    let first = server.provider().await;
    assert_eq!(server.provider_with(&[]).await.err(), Some(503));
    let health = server.get("/health");
    assert_eq!((health.status, health.json()["status"].as_str()), (503, Some("not ready")));
    first.close().await;
    super::test_server::until("the place is free", || server.get("/health").status == 200).await;
    server.provider().await;
    beside.ends_whole(&server).await;
}

#[tokio::test]
async fn a_call_that_a_bot_could_not_take_is_not_answered_and_one_that_goes_on_elsewhere_is() {
    let form = b"CallSid=CA1".as_slice();
    let bot = ("BOT_URL", "ws://127.0.0.1:9");
    for (setting, status) in [(bot, 503), (("NEXT_TWIML_URL", "https://bot.example.com/next"), 200)] {
        let server = TestServer::start([("MAX_CALLS", "1"), setting]);
        assert_eq!(server.request("POST /incoming-call", form).status, 200);
        let taken = server.provider().await;
        let answer = server.request("POST /incoming-call", form);
        assert_eq!(answer.status, status, "{setting:?}");
        if status == 503 {
            assert_eq!(answer.json()["error"]["code"], "full");
        }
        taken.close().await;
    }
}

#[tokio::test]
async fn a_call_that_comes_back_from_its_own_stream_is_answered_though_all_places_are_taken_and_goes_on_when_its_own_is_free()
 {
    let bot = ScriptedBot::listen().await;
    let server = TestServer::start([("MAX_CALLS", "1"), ("BOT_URL", &bot.url())]);
    let ask = |form: &str| server.request("POST /incoming-call", form.as_bytes());
    let token_of = |twiml: &str| {
        let (_, token) = twiml.split_once(r#"name="callrec_token" value=""#).expect("a token");
        json!({ "callrec_token": token.split('"').next().unwrap() })
    };
    let token = token_of(&ask("CallSid=CA1").text());
    let mut live = server.provider().await;
    let mut call = bot.accept().await;
    live.send(start("CA1", "MZ1", &["inbound"], &token)).await;
    super::test_server::until("it has begun", || ask("CallSid=CA1").status == 200).await;
    assert_eq!(ask("CallSid=CA2").status, 503);
    let next = token_of(&ask("CallSid=CA1").text());
    assert_eq!(server.provider_with(&[]).await.err(), Some(503), "its next stream has no place beside it");
    live.send(stop("CA1")).await;
    while call.next().await.is_some() {}
    live.close().await;
    let summary = server.responses().join("call_CA1_summary.json");
    super::test_server::until("it is over", || summary.exists()).await;
    // The token was given before that.
    let freed = async {
        loop {
            match server.provider_with(&[]).await {
                Ok(provider) => return provider,
                Err(status) => assert_eq!(status, 503),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let mut again = tokio::time::timeout(Duration::from_secs(10), freed).await.expect("a free place");
    let mut call = bot.accept().await;
    again.send(start("CA1", "MZ2", &["inbound"], &next)).await;
    let told = call.next().await.expect("a start, as its bot sees it");
    assert!(told.contains("MZ2"), "{told}");
    again.close().await;
}

#[tokio::test]
async fn a_call_that_comes_while_the_server_shuts_down_is_not_answered() {
    let mut server = TestServer::start([("BOT_URL", "ws://127.0.0.1:9")]);
    // It is held open as long as it is waited for.
    let live = server.provider().await;
    server.begin_stop();
    let ask = || server.request("POST /incoming-call", b"CallSid=CA1");
    super::test_server::until("it is refused", || ask().status == 503).await;
    assert_eq!(ask().error_code(), "closing");
    drop(live);
}

#[tokio::test]
async fn a_socket_that_never_starts_a_stream_is_closed() {
    let server = TestServer::start([("START_TIMEOUT_SECONDS", "1")]);
    let mut provider = server.provider().await;
    provider.send(r#"{"event":"connected"}"#).await;
    assert_eq!(provider.next().await, Got::Close(Some(1008)));
}

#[tokio::test]
async fn of_pings_whose_answers_nobody_reads_the_last_is_answered_and_few_others() {
    const PINGS: u32 = 200_000;
    let server = TestServer::start([WAV]);
    let mut beside = Beside::begin(&server).await;
    let mut provider = server.provider().await;
    let payload = |number: u32| [number.to_be_bytes().as_slice(), &[0; 120]].concat();
    let pings = async {
        for number in 0..PINGS {
            provider.socket.feed(Message::Ping(payload(number).into())).await.unwrap();
            if number % 100 == 99 {
                provider.socket.flush().await.unwrap();
            }
        }
    };
    beside.during(pings).await;
    let mut answers = 0;
    loop {
        let message = tokio::time::timeout(LONG, provider.socket.next()).await.expect("the last answer");
        let Message::Pong(pong) = message.unwrap().unwrap() else { continue };
        answers += 1;
        if pong == payload(PINGS - 1) {
            break;
        }
    }
    // What the system holds for a socket, in both directions, is far less than half of them.
    assert!(answers < PINGS / 2, "{answers} answers waited");
    assert_eq!(server.refused("pings_unanswered"), u64::from(PINGS - answers));
    beside.ends_whole(&server).await;
}

#[tokio::test]
async fn a_ping_is_answered() {
    let server = TestServer::start([]);
    let mut provider = server.provider().await;
    provider.socket.send(Message::Ping(b"are you there".as_slice().into())).await.unwrap();
    let answer = provider.socket.next().await.unwrap().unwrap();
    assert_eq!(answer, Message::Pong(b"are you there".as_slice().into()));
}

#[tokio::test]
async fn each_ping_of_a_bot_that_reads_is_answered() {
    let bot = ScriptedBot::listen().await;
    let server = TestServer::start([("BOT_URL", &bot.url())]);
    let mut provider = server.provider().await;
    provider.send(relayed("CA1")).await;
    let mut call = bot.accept().await;
    assert_eq!(call.next().await, Some(relayed("CA1")));
    for number in 0..100_u8 {
        let ping = Message::Ping(vec![number; usize::from(number)].into());
        call.socket.send(ping.clone()).await.unwrap();
        let answer = tokio::time::timeout(LONG, call.socket.next()).await.expect("an answer in time");
        assert_eq!(answer.unwrap().unwrap(), Message::Pong(ping.into_data()));
    }
    // As many at once as are read in several turns, and nothing behind them.
    for burst in [63, 64, 65, 200_u32] {
        let pings: Vec<u8> =
            (0..burst).flat_map(|number| [&[0x89, 4], number.to_be_bytes().as_slice()].concat()).collect();
        // A server's frames, which have no mask.
        call.socket.get_mut().write_all(&pings).await.unwrap();
        for number in 0..burst {
            let answer = tokio::time::timeout(LONG, call.socket.next()).await.expect("an answer in time");
            assert_eq!(answer.unwrap().unwrap(), Message::Pong(number.to_be_bytes().to_vec().into()));
        }
    }
    provider.send(stop("CA1")).await;
}
