//! Streams of the calls that our TwiML answered: each with the token of its call, while that lives.

use super::phone::{CONNECTED, finished, inbound, start, stop};
use super::scripted_bot::ScriptedBot;
use super::test_server::{Client, Got, TestServer, files_in, until};
use serde_json::json;

/// What the TwiML for a call gives its stream: the token.
fn answered(server: &TestServer, call: &str) -> String {
    let form = format!("CallSid={call}&From=%2B15550001111");
    let twiml = server.request("POST /incoming-call", form.as_bytes()).text();
    let (_, token) = twiml.split_once(r#"<Parameter name="callrec_token" value=""#).expect("a token");
    token.split('"').next().unwrap().to_owned()
}

async fn begun(server: &TestServer, call: &str, token: Option<&str>) -> Client {
    let mut provider = server.provider().await;
    let parameters = token.map_or(json!({}), |token| json!({ "callrec_token": token }));
    provider.send(CONNECTED).await;
    provider.send(start(call, "MZ1", &["inbound"], &parameters)).await;
    provider
}

async fn is_refused(server: &TestServer, call: &str, token: Option<&str>) -> bool {
    let mut provider = begun(server, call, token).await;
    // A stream that is taken goes on; it is stopped to hear which of both it is.
    let _ = futures_util::SinkExt::send(
        &mut provider.socket,
        tokio_tungstenite::tungstenite::Message::text(stop(call)),
    )
    .await;
    match provider.next().await {
        Got::Close(Some(1008)) => true,
        Got::Close(Some(1000)) => false,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_call_that_we_answered_is_recorded_with_its_token_alone_and_only_while_it_lives() {
    let server = TestServer::start([("NEXT_TWIML_URL", "https://bot.example.com/next")]);
    let (token, other) = (answered(&server, "CA1"), answered(&server, "CA2"));
    for wrong in [None, Some(""), Some("wrong"), Some(other.as_str()), Some(&token[1..])] {
        assert!(is_refused(&server, "CA1", wrong).await, "{wrong:?}");
    }
    assert_eq!(files_in(&server.responses()), [""; 0], "nothing of them is recorded");
    assert_eq!(server.get("/calls/CA1").status, 404);

    let mut first = begun(&server, "CA1", Some(&token)).await;
    until("it is live", || server.get("/calls/CA1").status == 200).await;
    // While the call lives, it may have another stream; nobody else may.
    for wrong in [None, Some(other.as_str())] {
        assert!(is_refused(&server, "CA1", wrong).await, "{wrong:?}");
    }
    assert!(!is_refused(&server, "CA1", Some(&token)).await);
    first.send(inbound(0, 0x10)).await;
    first.send(stop("CA1")).await;
    first.close().await;
    finished(&server, "CA1").await;
    assert!(is_refused(&server, "CA1", Some(&token)).await, "the call is over");
    // Answered again, it has another.
    let again = answered(&server, "CA1");
    assert!(is_refused(&server, "CA1", Some(&token)).await);
    assert!(!is_refused(&server, "CA1", Some(&again)).await);
}

#[tokio::test]
async fn a_stream_of_somebodys_own_twiml_needs_no_token() {
    let server = TestServer::start([("NEXT_TWIML_URL", "https://bot.example.com/next")]);
    answered(&server, "CA1");
    assert!(!is_refused(&server, "CA2", None).await);
    // But one that it brings must be right.
    assert!(is_refused(&server, "CA3", Some("made up")).await);
}

#[tokio::test]
async fn nothing_of_a_refused_stream_reaches_the_bot() {
    let bot = ScriptedBot::listen().await;
    let server = TestServer::start([("BOT_URL", &bot.url())]);
    let token = answered(&server, "CA1");
    let mut refused = begun(&server, "CA1", Some("wrong")).await;
    let mut call = bot.accept().await;
    assert_eq!(refused.next().await, Got::Close(Some(1008)));
    assert_eq!(call.next().await.as_deref(), Some(CONNECTED));
    assert_eq!(call.next().await, None, "the start came through");

    let mut taken = begun(&server, "CA1", Some(&token)).await;
    let mut call = bot.accept().await;
    assert_eq!(call.next().await.as_deref(), Some(CONNECTED));
    assert!(call.next().await.is_some_and(|message| message.contains(&token)), "as it came");
    taken.send(stop("CA1")).await;
    taken.close().await;
}

#[tokio::test]
async fn a_token_is_in_no_file_of_the_call() {
    let server = TestServer::start([("NEXT_TWIML_URL", "https://bot.example.com/next")]);
    let token = answered(&server, "CA1");
    assert!(!is_refused(&server, "CA1", Some(&token)).await);
    finished(&server, "CA1").await;
    for name in files_in(&server.responses()) {
        let text = std::fs::read(server.responses().join(&name)).unwrap();
        assert!(!String::from_utf8_lossy(&text).contains(&token), "{name}");
    }
}
