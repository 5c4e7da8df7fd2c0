//! What a provider says, message by message.

use super::test_server::{Client, TestServer};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use std::time::Duration;

pub(crate) const CONNECTED: &str = r#"{"event":"connected","protocol":"Call","version":"1.0.0"}"#;

/// The start of a stream; `tracks` as the provider names them.
pub(crate) fn start(call: &str, stream: &str, tracks: &[&str], parameters: &Value) -> String {
    json!({"event":"start","sequenceNumber":"1","streamSid":stream,"start":{
        "accountSid":"AC1","streamSid":stream,"callSid":call,"tracks":tracks,"customParameters":parameters,
        "mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1}}})
    .to_string()
}

pub(crate) fn one_way(call: &str) -> String {
    start(call, "MZ1", &["inbound", "outbound"], &json!({}))
}

pub(crate) fn relayed(call: &str) -> String {
    start(call, "MZ1", &["inbound"], &json!({}))
}

pub(crate) fn media(track: &str, timestamp: impl Into<Value>, audio: &[u8]) -> String {
    let payload = BASE64.encode(audio);
    let media = json!({"track":track,"chunk":"1","timestamp":timestamp.into(),"payload":payload});
    json!({"event":"media","sequenceNumber":"2","streamSid":"MZ1","media":media}).to_string()
}

/// 20 ms of the caller, dated.
pub(crate) fn inbound(ms: u64, code: u8) -> String {
    media("inbound", ms.to_string(), &[code; 160])
}

pub(crate) fn outbound(ms: u64, code: u8) -> String {
    media("outbound", ms.to_string(), &[code; 160])
}

pub(crate) fn stop(call: &str) -> String {
    json!({"event":"stop","sequenceNumber":"9","streamSid":"MZ1","stop":{"accountSid":"AC1","callSid":call}})
        .to_string()
}

/// What a bot sends to be heard.
pub(crate) fn speech(audio: &[u8]) -> String {
    json!({"event":"media","streamSid":"MZ1","media":{"payload":BASE64.encode(audio)}}).to_string()
}

/// A one-way call of so many frames of both sides, from its first message to its last.
pub(crate) async fn call_one_way(server: &TestServer, call: &str, frames: u64) {
    let mut provider = server.provider().await;
    provider.send(CONNECTED).await;
    provider.send(one_way(call)).await;
    both_sides(&mut provider, 0, frames).await;
    provider.send(stop(call)).await;
    provider.close().await;
}

pub(crate) async fn both_sides(provider: &mut Client, from: u64, to: u64) {
    for index in from..to {
        provider.send(inbound(index * 20, 0x10)).await;
        provider.send(outbound(index * 20, 0x90)).await;
    }
}

/// Waits until a call is finished, and gives its summary.
pub(crate) async fn finished(server: &TestServer, call: &str) -> Value {
    finished_for(server, call, "").await
}

/// The same for whoever has this token.
pub(crate) async fn finished_for(server: &TestServer, call: &str, token: &str) -> Value {
    let ask = |path: &str| {
        let head = format!("GET {path}\nAccept: application/json\nAuthorization: Bearer {token}");
        server.request(&head, b"")
    };
    let wait = async {
        loop {
            let answer = ask(&format!("/calls/{call}"));
            if answer.status == 200 && answer.json()["state"] == "finished" {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(super::test_server::LONG, wait).await.expect("the call is finished in time");
    ask(&format!("/calls/{call}/summary")).json()
}

/// The two sides of a WAV recording.
pub(crate) fn sides(server: &TestServer, call: &str) -> (Vec<i16>, Vec<i16>) {
    let path = server.responses().join(format!("call_{call}_conversation.wav"));
    let samples: Vec<i16> = hound::WavReader::open(path).unwrap().samples().map(Result::unwrap).collect();
    samples.chunks_exact(2).map(|pair| (pair[0], pair[1])).unzip()
}
