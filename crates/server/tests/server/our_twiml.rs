//! Streams of the calls that our TwiML answered: each with the token of its call, while that lives.

use super::phone::{CONNECTED, finished, inbound, start, stop};
use super::scripted_bot::ScriptedBot;
use super::test_server::{Client, Got, TestServer, files_in, until};
use callrec_protocol::signature::{body_sha256, sign_form, sign_url};
use futures_util::SinkExt as _;
use serde_json::json;
use std::time::Duration;
use tokio_tungstenite::tungstenite::Message;

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
    is_sent_away(&mut begun(server, call, token).await, call).await
}

/// A stream that is taken goes on; it is stopped to hear which of both it is.
async fn is_sent_away(provider: &mut Client, call: &str) -> bool {
    let _ = provider.socket.send(Message::text(stop(call))).await;
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
    assert!(is_refused(&server, "CA1", None).await, "without a token it is over, too");
    // Answered again, it has another.
    let again = answered(&server, "CA1");
    assert!(is_refused(&server, "CA1", Some(&token)).await);
    assert!(!is_refused(&server, "CA1", Some(&again)).await);
}

const SIGNED: [(&str, &str); 5] = [
    ("NEXT_TWIML_URL", "https://bot.example.com/next"),
    ("TWILIO_AUTH_TOKEN", "12345"),
    ("PUBLIC_URL", "https://rec.example.com"),
    ("API_TOKEN", "the-token-for-all"),
    ("DEFAULT_AUDIO_FORMAT", "wav"),
];

/// The same as above, where signatures are asked for.
async fn a_signed_one_is_refused(server: &TestServer, token: &str) -> bool {
    let signature = sign_url("12345", "wss://rec.example.com/media-stream");
    let mut provider = server.provider_with(&[("x-twilio-signature", &signature)]).await.unwrap();
    provider.send(start("CA1", "MZ1", &["inbound"], &json!({ "callrec_token": token }))).await;
    is_sent_away(&mut provider, "CA1").await
}

/// The token of the TwiML that answers the call where signatures are asked for.
fn answered_signed(server: &TestServer) -> String {
    let signature = sign_form("12345", "https://rec.example.com/incoming-call", &[("CallSid", "CA1")]);
    let head = format!(
        "POST /incoming-call\nX-Twilio-Signature: {signature}\nContent-Type: application/x-www-form-urlencoded"
    );
    let twiml = server.request(&head, b"CallSid=CA1").text();
    let (_, token) = twiml.split_once(r#"name="callrec_token" value=""#).expect("a token");
    token.split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn what_stands_in_the_texts_of_json_names_no_call() {
    let server = TestServer::start(SIGNED);
    let body = br#"{"text":"&CallSid=CA1&"}"#;
    let path = format!("/incoming-call?bodySHA256={}", body_sha256(body));
    let signature = sign_url("12345", &format!("https://rec.example.com{path}"));
    let head = format!("POST {path}\nContent-Type: application/json\nX-Twilio-Signature: {signature}");
    let answer = server.request(&head, body);
    assert_eq!((answer.status, answer.text().contains("callrec_token")), (200, false), "{}", answer.text());
}

/// Ends the process, and starts another on its recordings.
fn taken_over(mut server: TestServer) -> TestServer {
    server.stop();
    let recordings = std::mem::replace(&mut server.recordings, tempfile::tempdir().unwrap());
    TestServer::start_in(recordings, SIGNED)
}

#[tokio::test]
async fn a_process_that_takes_over_refuses_the_token_of_a_call_whose_connection_broke_before() {
    let server = TestServer::start(SIGNED);
    let token = answered_signed(&server);
    let signature = sign_url("12345", "wss://rec.example.com/media-stream");
    let mut provider = server.provider_with(&[("x-twilio-signature", &signature)]).await.unwrap();
    provider.send(start("CA1", "MZ1", &["inbound"], &json!({ "callrec_token": token }))).await;
    drop(provider);
    let summary = server.responses().join("call_CA1_summary.json");
    until("it is finished", || summary.exists()).await;
    let summary: serde_json::Value = serde_json::from_slice(&std::fs::read(summary).unwrap()).unwrap();
    assert_eq!(summary["streams"][0]["ended"], "aborted");
    assert!(a_signed_one_is_refused(&taken_over(server), &token).await);
}

#[tokio::test]
async fn a_process_that_takes_over_refuses_the_token_of_a_call_that_has_ended_before() {
    let server = TestServer::start(SIGNED);
    let token = answered_signed(&server);
    assert!(!a_signed_one_is_refused(&server, &token).await);
    // The call comes through our TwiML again, in another second, and the process ends before its stream begins.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let again = answered_signed(&server);
    let next = taken_over(server);
    assert!(a_signed_one_is_refused(&next, &token).await);
    assert!(!a_signed_one_is_refused(&next, &again).await);
}

#[tokio::test]
async fn a_process_that_takes_over_refuses_the_token_of_a_call_whose_recording_it_has_to_finish() {
    let mut server = TestServer::start(SIGNED);
    let token = answered_signed(&server);
    let signature = sign_url("12345", "wss://rec.example.com/media-stream");
    let mut provider = server.provider_with(&[("x-twilio-signature", &signature)]).await.unwrap();
    provider.send(start("CA1", "MZ1", &["inbound"], &json!({ "callrec_token": token }))).await;
    // An hour of it takes its time to be finished.
    provider.send(inbound(0, 0x10)).await;
    provider.send(inbound(3_600_000, 0x10)).await;
    let journal = server.responses().join(".journal/CA1_1.journal");
    until("it is journalled", || journal.exists()).await;
    // As if the process had been killed when the call's end was in the journal, and nothing else was there yet.
    let recording = server.responses().join("call_CA1_conversation.wav");
    std::fs::write(&recording, "something else").unwrap();
    provider.send(stop("CA1")).await;
    provider.close().await;
    server.stop();
    assert!(journal.exists());
    for name in files_in(&server.responses()).iter().filter(|name| name.starts_with("call_")) {
        std::fs::remove_file(server.responses().join(name)).unwrap();
    }
    let next = taken_over(server);
    let health = || next.request("GET /health\nAuthorization: Bearer the-token-for-all", b"").json();
    until("it is finished", || health()["recorder"]["recovering"] == false).await;
    assert!(recording.exists() && !journal.exists());
    assert!(a_signed_one_is_refused(&next, &token).await);
}

#[tokio::test]
async fn a_process_that_takes_over_refuses_the_token_of_the_last_stream_however_long_ago_the_first_was() {
    let mut server = TestServer::start(SIGNED);
    let token = answered_signed(&server);
    assert!(!a_signed_one_is_refused(&server, &token).await);
    let again = answered_signed(&server);
    assert!(!a_signed_one_is_refused(&server, &again).await);
    server.stop();
    let path = server.responses().join("call_CA1_summary.json");
    let mut summary: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(summary["streams"].as_array().map(Vec::len), Some(2));
    summary["streams"][0]["started_at"] = json!("2020-01-01T00:00:00+00:00[UTC]");
    std::fs::write(&path, summary.to_string()).unwrap();
    let next = taken_over(server);
    assert_eq!(
        next.request("GET /calls/CA1\nAuthorization: Bearer the-token-for-all", b"").json()["state"],
        "finished"
    );
    assert!(a_signed_one_is_refused(&next, &again).await);
}

#[tokio::test]
async fn a_process_that_takes_over_refuses_the_token_of_a_call_however_many_have_ended_behind_it() {
    const BEHIND: usize = 1_100;
    let mut server = TestServer::start(SIGNED);
    let token = answered_signed(&server);
    assert!(!a_signed_one_is_refused(&server, &token).await);
    server.stop();
    let summary = |call: &str| server.responses().join(format!("call_{call}_summary.json"));
    let text = std::fs::read_to_string(summary("CA1")).unwrap();
    for number in 0..BEHIND {
        let call = format!("CB{number}");
        std::fs::write(summary(&call), text.replace("CA1", &call)).unwrap();
    }
    assert!(a_signed_one_is_refused(&taken_over(server), &token).await);
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

/// A start that names our call without its token, in every way in which a bot may read one and a recorder none.
#[tokio::test]
async fn no_start_that_cannot_be_read_brings_the_bot_a_call_that_is_not_its_senders() {
    let bot = ScriptedBot::listen().await;
    let server = TestServer::start([("BOT_URL", &bot.url())]);
    answered(&server, "CA1");
    let right = start("CA1", "MZ1", &["inbound"], &json!({}));
    let with = |from: &str, to: &str| {
        assert!(right.contains(from), "{right}");
        right.replacen(from, to, 1)
    };
    let stereo = with(r#""channels":1"#, r#""channels":2"#);
    let nameless = right.replace("MZ1", "");
    let twice = with(r#""start":{"#, r#""start":{"callSid":"CA9"},"start":{"#);
    let two_names = with(r#""callSid":"#, r#""callSid":"CA9","callSid":"#);
    let two_events = with(r#""event":"start""#, r#""event":"connected","event":"start""#);
    // Some readers take one for the other.
    let two_cases = with(r#""callSid":"#, r#""CallSid":"CA9","callSid":"#);
    let two_starts = with(r#""start":{"#, r#""Start":{"callSid":"CA9"},"start":{"#);
    let greeting = with(r#""event":"start""#, r#""event":"connected","Event":"start""#);
    let with_space = right.replace("CA1", "CA1 ");
    for wrong in [&stereo, &nameless, &two_names, &two_cases, &with_space] {
        let mut provider = server.provider().await;
        provider.send(wrong.clone()).await;
        let mut call = bot.accept().await;
        assert_eq!(provider.next().await, Got::Close(Some(1008)), "{wrong}");
        assert_eq!(call.next().await, None, "it came through: {wrong}");
    }
    // What is no start to us is none to the bot, nor is a message in bytes, or audio that nothing began.
    let mut provider = server.provider().await;
    let mut call = bot.accept().await;
    for odd in [&two_events, &twice, &two_starts, &greeting] {
        provider.send(odd.clone()).await;
    }
    provider.send(inbound(0, 0x10)).await;
    let in_bytes = |text: &str| Message::binary(text.to_owned().into_bytes());
    provider.socket.send(in_bytes(&right)).await.unwrap();
    // And once a stream of another call has begun, it stays the only one.
    let other = start("CA2", "MZ2", &["inbound"], &json!({}));
    provider.send(other.clone()).await;
    provider.send(right.clone()).await;
    provider.send(with("start", r"st\u0061rt")).await;
    for odd in [&two_events, &twice, &two_starts, &greeting] {
        provider.send(odd.clone()).await;
    }
    provider.socket.send(in_bytes(&right)).await.unwrap();
    // No text at all, which a reader of bytes may mend.
    provider.socket.send(Message::binary([b"{\"\xff\":0,", &right.as_bytes()[1..]].concat())).await.unwrap();
    provider.send(inbound(20, 0x10)).await;
    assert_eq!(call.next().await, Some(other));
    assert_eq!(call.next().await, Some(inbound(20, 0x10)));
    provider.send(stop("CA2")).await;
    provider.close().await;
}

/// One whose audio we cannot record is relayed all the same, if it may be.
#[tokio::test]
async fn a_call_that_cannot_be_recorded_is_relayed_with_its_token() {
    let bot = ScriptedBot::listen().await;
    let server = TestServer::start([("BOT_URL", &bot.url())]);
    let token = answered(&server, "CA1");
    for (sid, parameters) in [("CA1", json!({ "callrec_token": token })), ("CA2", json!({}))] {
        let stereo =
            start(sid, "MZ1", &["inbound"], &parameters).replace(r#""channels":1"#, r#""channels":2"#);
        let mut provider = server.provider().await;
        provider.send(stereo.clone()).await;
        provider.send(inbound(0, 0x10)).await;
        let mut call = bot.accept().await;
        assert_eq!(call.next().await, Some(stereo));
        assert_eq!(call.next().await, Some(inbound(0, 0x10)));
        provider.close().await;
    }
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
