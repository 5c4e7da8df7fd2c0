//! Whole calls over real sockets: what lies in the recordings directory afterwards, and what the API says of it.

use super::phone::{
    CONNECTED, both_sides, call_one_way, finished, inbound, one_way, relayed, sides, speech, start, stop,
};
use super::scripted_bot::ScriptedBot;
use super::test_server::{Got, TestServer, files_in, until};
use serde_json::json;
use std::time::Duration;

const WAV: (&str, &str) = ("DEFAULT_AUDIO_FORMAT", "wav");

#[tokio::test]
async fn a_one_way_call_is_recorded_with_both_sides_and_its_files_can_be_fetched() {
    let server = TestServer::start([WAV]);
    let mut provider = server.provider().await;
    provider.send(CONNECTED).await;
    provider.send(one_way("CA1")).await;
    both_sides(&mut provider, 0, 50).await;
    until("the call is live", || server.get("/calls/CA1").status == 200).await;
    let line = r#"{"speaker":"assistant","text":"Good morning.","at_ms":200}"#;
    assert_eq!(server.post("/calls/CA1/transcript", line).json()["added"], 1);
    assert_eq!(server.get("/calls/CA1").json()["state"], "live");
    assert_eq!(server.get("/calls/CA1/recording").error_code(), "not_ready");
    both_sides(&mut provider, 50, 100).await;
    provider.send(stop("CA1")).await;
    assert_eq!(provider.next().await, Got::Close(Some(1000)));

    let summary = finished(&server, "CA1").await;
    let stream = &summary["streams"][0];
    assert_eq!((&stream["ended"], &stream["duration_ms"]), (&json!("stopped"), &json!(2_000)));
    let (left, right) = sides(&server, "CA1");
    assert_eq!((left.len(), right.len()), (16_000, 16_000));
    assert!(left.iter().all(|&sample| sample == -15_996) && right.iter().all(|&sample| sample == 15_996));
    let names =
        ["call_CA1.txt", "call_CA1_conversation.wav", "call_CA1_summary.json", "call_CA1_summary.txt"];
    assert_eq!(files_in(&server.responses()), names);

    assert!(server.get("/calls/CA1/transcript").text().contains("[00:00.2] Assistant: Good morning."));
    let text = server.get("/calls/CA1/summary").text();
    assert!(
        text.starts_with("=== CALL SUMMARY ===\nCall SID: CA1\n") && text.contains("Completeness: complete"),
        "{text}"
    );
    let whole = server.get("/calls/CA1/recording");
    assert_eq!(whole.header("content-type").as_deref(), Some("audio/wav"));
    let part = server.request("GET /calls/CA1/recording\nRange: bytes=0-3", b"");
    assert_eq!((part.status, part.body.as_slice()), (206, b"RIFF".as_slice()));
    assert_eq!(whole.body.len() as u64, stream["audio"]["size_bytes"].as_u64().unwrap());
    for file in ["recording", "transcript", "summary"] {
        let path = format!("/calls/CA1/{file}");
        let (head, whole) = (server.request(&format!("HEAD {path}"), b""), server.get(&path));
        assert_eq!((head.status, head.body.len()), (200, 0), "{file}");
        assert_eq!(head.header("content-length"), Some(whole.body.len().to_string()), "{file}");
        assert_eq!(head.header("content-type"), whole.header("content-type"), "{file}");
    }
    assert_eq!(server.get("/calls").json()["calls"][0]["call"], "CA1");
    assert_eq!(server.post("/calls/CA1/transcript", line).error_code(), "too_late");
    assert_eq!(server.post("/audio/set-format/CA1?format=ogg", "").error_code(), "too_late");
}

#[tokio::test]
async fn a_relayed_call_is_recorded_as_it_was_heard_and_what_was_cut_off_is_not_in_it() {
    let bot = ScriptedBot::listen().await;
    let server = TestServer::start([WAV, ("BOT_URL", &bot.url())]);
    let mut provider = server.provider().await;
    provider.send(relayed("CA1")).await;
    let mut call = bot.accept().await;
    let mut ms = 0;
    let began = tokio::time::Instant::now();
    let mut cleared = false;
    // The caller's audio paces the test: the playout model runs by the clock.
    while ms < 2_400 {
        tokio::time::sleep_until(began + Duration::from_millis(ms + 20)).await;
        provider.send(inbound(ms, 0xff)).await;
        ms += 20;
        if ms == 400 {
            call.send(
                r#"{"event":"transcript","speaker":"assistant","text":"Once upon a time","word_ms":[0,200,2500,2700]}"#,
            )
            .await;
            // Three seconds at once, as bots send them.
            call.send(speech(&[0x10; 24_000])).await;
            assert!(matches!(provider.next().await, Got::Text(text) if text.contains("media")));
        }
        if ms >= 1_400 && !cleared {
            cleared = true;
            call.send(r#"{"event":"clear","streamSid":"MZ1"}"#).await;
            assert!(matches!(provider.next().await, Got::Text(text) if text.contains("clear")));
        }
    }
    provider.send(stop("CA1")).await;
    while call.next().await.is_some() {}
    let summary = finished(&server, "CA1").await;
    let (_, right) = sides(&server, "CA1");
    let heard = right.iter().filter(|&&sample| sample != 0).count();
    // A second, give or take what the machine's scheduler does.
    assert!((6_400..9_600).contains(&heard), "{heard} samples were heard");
    let playout = &summary["streams"][0]["completeness"]["playout"];
    let unheard = playout["unheard_ms"].as_u64().unwrap();
    assert_eq!(playout["cuts"], 1);
    assert!((heard as u64 / 8 + unheard).abs_diff(3_000) <= 1, "{heard} samples, {unheard} ms");
    let transcript = server.get("/calls/CA1/transcript").text();
    assert!(transcript.contains("Assistant: Once upon (cut off; not heard: a time)"), "{transcript}");
}

#[test]
fn lines_that_are_none_and_calls_that_are_not_there_are_refused() {
    let server = TestServer::start([]);
    for body in
        ["", "1", "[]", "{}", r#"{"speaker":"dog","text":"wuff"}"#, r#"{"speaker":"caller","text":" "}"#]
    {
        assert_eq!(server.post("/calls/CA1/transcript", body).error_code(), "bad_line", "{body}");
    }
    let line = r#"{"speaker":"caller","text":"hello"}"#;
    assert_eq!(server.post("/calls/CA1/transcript", line).error_code(), "no_such_call");
    for path in ["/calls/CA1", "/calls/CA1/recording", "/calls/CA1/summary", "/calls/CA1/transcript"] {
        assert_eq!(server.get(path).error_code(), "no_such_call", "{path}");
    }
    assert_eq!(server.get("/calls/..%2fsecret/recording").error_code(), "bad_call_sid");
}

#[tokio::test]
async fn with_recording_off_transcript_and_summary_are_written_and_say_so() {
    let server = TestServer::start([("RECORD_CONVERSATIONS", "false")]);
    call_one_way(&server, "CA1", 10).await;
    let summary = finished(&server, "CA1").await;
    assert_eq!(summary["streams"][0]["audio"]["outcome"], "recording_off");
    assert_eq!(server.get("/calls/CA1/recording").error_code(), "no_recording");
    assert!(server.get("/calls/CA1/summary").text().contains("RECORD_CONVERSATIONS=false"));
}

#[tokio::test]
async fn a_call_that_ends_without_stop_or_goes_silent_is_finished() {
    let server = TestServer::start([WAV, ("IDLE_TIMEOUT_SECONDS", "1")]);
    for (call, end) in [("CA1", "closed"), ("CA2", "aborted"), ("CA3", "idle")] {
        let mut provider = server.provider().await;
        provider.send(one_way(call)).await;
        both_sides(&mut provider, 0, 10).await;
        match end {
            "closed" => provider.close().await,
            "aborted" => drop(provider),
            _ => assert_eq!(provider.next().await, Got::Close(Some(1000))),
        }
        assert_eq!(finished(&server, call).await["streams"][0]["ended"], end);
        assert_eq!(sides(&server, call).0.len(), 1_600);
    }
}

#[tokio::test]
async fn streams_of_one_call_at_once_and_in_turn_have_recordings_of_their_own() {
    let server = TestServer::start([WAV]);
    let (mut first, mut second) = (server.provider().await, server.provider().await);
    first.send(start("CA1", "MZa", &["inbound", "outbound"], &json!({}))).await;
    until("the first is live", || server.get("/calls/CA1").status == 200).await;
    second.send(start("CA1", "MZb", &["inbound", "outbound"], &json!({}))).await;
    both_sides(&mut first, 0, 10).await;
    both_sides(&mut second, 0, 20).await;
    for provider in [first, second] {
        provider.close().await;
    }
    finished(&server, "CA1").await;
    call_one_way(&server, "CA1", 30).await;
    until("three recordings", || files_in(&server.responses()).len() == 6).await;
    let summary = finished(&server, "CA1").await;
    let mut lengths: Vec<u64> =
        summary["streams"].as_array().unwrap().iter().map(|s| s["duration_ms"].as_u64().unwrap()).collect();
    lengths.sort_unstable();
    assert_eq!(lengths, [200, 400, 600]);
    let third = server.get("/calls/CA1/recording?stream=3");
    assert_eq!(
        (third.status, third.body.len()),
        (
            200,
            std::fs::metadata(server.responses().join("call_CA1_conversation_3.wav")).unwrap().len() as usize
        )
    );
    assert_eq!(server.get("/calls/CA1/recording?stream=4").error_code(), "no_recording");
    assert_eq!(server.get("/calls/CA1/recording?stream=../x").status, 400);
}

#[tokio::test]
async fn a_shutdown_finishes_live_calls() {
    let mut server = TestServer::start([WAV]);
    let mut provider = server.provider().await;
    provider.send(one_way("CA1")).await;
    both_sides(&mut provider, 0, 10).await;
    let journal = server.responses().join(".journal/CA1_1.journal");
    until("all is journalled", || std::fs::metadata(&journal).is_ok_and(|file| file.len() > 20 * 160)).await;
    server.begin_stop();
    assert_eq!(provider.next().await, Got::Close(Some(1001)));
    drop(provider);
    server.stop();
    assert_eq!(sides(&server, "CA1").0.len(), 1_600);
    let summary = std::fs::read_to_string(server.responses().join("call_CA1_summary.txt")).unwrap();
    assert!(summary.contains("How The Call Ended: the recorder was shut down"), "{summary}");
}

#[tokio::test]
async fn fifty_calls_at_once_are_all_whole_and_leave_nothing_behind() {
    let server = TestServer::start([WAV]);
    let mut providers = Vec::new();
    for number in 0..50 {
        let mut provider = server.provider().await;
        provider.send(one_way(&format!("CA{number}"))).await;
        providers.push(provider);
    }
    for tick in 0..50 {
        for provider in &mut providers {
            both_sides(provider, tick, tick + 1).await;
        }
    }
    for (number, provider) in providers.iter_mut().enumerate() {
        provider.send(stop(&format!("CA{number}"))).await;
    }
    for number in 0..50 {
        let call = format!("CA{number}");
        let summary = finished(&server, &call).await;
        assert_eq!(summary["streams"][0]["completeness"]["clock_jumps"], 0, "{summary}");
        let (left, right) = sides(&server, &call);
        assert_eq!((left.len(), right.len()), (8_000, 8_000), "{call}");
        assert!(left.iter().all(|&sample| sample == -15_996) && right.iter().all(|&sample| sample == 15_996));
    }
    let health = server.get("/health").json();
    assert_eq!((&health["recorder"]["live"], &health["recorder"]["finishing"]), (&json!(0), &json!(0)));
    let left_over = std::fs::read_dir(server.responses().join(".journal")).unwrap();
    let left_over: Vec<_> = left_over.map(|entry| entry.unwrap().file_name()).collect();
    assert!(left_over.iter().all(|name| name.to_string_lossy().ends_with(".lock")), "{left_over:?}");
}
