//! In which format a call is recorded: chosen over REST, by the TwiML, or by the settings.

use super::phone::{both_sides, call_one_way, finished, one_way, sides, start, stop};
use super::test_server::{TestServer, files_in, until};
use serde_json::json;

#[tokio::test]
async fn the_format_can_be_set_before_and_during_a_call_and_by_its_twiml() {
    let server = TestServer::start([]);
    let answer = server.post("/audio/set-format/CA1", r#"{"format":"wav"}"#);
    assert_eq!((answer.status, answer.json()["applied"].as_str()), (200, Some("when the call starts")));
    call_one_way(&server, "CA1", 10).await;
    finished(&server, "CA1").await;
    assert_eq!(sides(&server, "CA1").0.len(), 1_600);

    let mut provider = server.provider().await;
    provider.send(one_way("CA2")).await;
    both_sides(&mut provider, 0, 20).await;
    until("the call is live", || server.get("/calls/CA2").status == 200).await;
    let answer = server.post("/audio/set-format/CA2?format=wav", "");
    assert_eq!(answer.json()["applied"], "to the whole call");
    both_sides(&mut provider, 20, 40).await;
    provider.send(stop("CA2")).await;
    finished(&server, "CA2").await;
    assert_eq!(sides(&server, "CA2").0.len(), 6_400);

    let mut provider = server.provider().await;
    provider.send(start("CA3", "MZ1", &["inbound", "outbound"], &json!({"audio_format":"wav"}))).await;
    both_sides(&mut provider, 0, 10).await;
    provider.send(stop("CA3")).await;
    finished(&server, "CA3").await;
    assert_eq!(sides(&server, "CA3").0.len(), 1_600);
}

#[test]
fn formats_that_cannot_be_are_refused_by_name_with_what_is_allowed() {
    let server = TestServer::start([]);
    for (path, body, code, told) in [
        ("CA1?format=aac", "", "unknown_format", "ogg"),
        ("CA1", r#"{"format":"opus"}"#, "unknown_format", "ogg"),
        ("CA1", r#"{"bitrate":"7k"}"#, "impossible_bitrate", "8k, 16k"),
        ("CA1", r#"{"format":"ogg","bitrate":"7k"}"#, "impossible_bitrate", "8k, 16k"),
        ("CA1", r#"{"format":"wav","bitrate":"7k"}"#, "impossible_bitrate", "8k, 16k"),
        ("CA1", r#"{"format":"flac","bitrate":999}"#, "impossible_bitrate", "256k, 320k"),
        ("CA1", r#"{"bitrate":"loud"}"#, "impossible_bitrate", "64k"),
        ("CA1", r#"{"bitrate":-5}"#, "bad_request", "format"),
        ("CA1", r#"{"format":["mp3"]}"#, "bad_request", "format"),
        ("CA1", r#"{"fromat":"mp3"}"#, "bad_request", "format"),
        ("CA1", "{", "bad_request", "format"),
        ("CA1", "", "bad_request", "format"),
        ("..%2F..%2Fetc", r#"{"format":"ogg"}"#, "bad_call_sid", "letters"),
        ("%00", r#"{"format":"ogg"}"#, "bad_call_sid", "letters"),
    ] {
        let answer = server.post(&format!("/audio/set-format/{path}"), body);
        assert_eq!((answer.status, answer.error_code().as_str()), (400, code), "{path} {body}");
        assert!(answer.text().contains(told), "{}", answer.text());
    }
    let deep = "[".repeat(100_000);
    assert_eq!(server.post("/audio/set-format/CA1", &deep).status, 400);
    assert_eq!(server.post("/calls/CA1/transcript", &deep).status, 400);
}

#[test]
fn a_bitrate_that_mpeg_has_may_stand_beside_a_format_that_has_no_use_for_it() {
    let server = TestServer::start([]);
    let answer = server.post("/audio/set-format/CA1", r#"{"format":"flac","bitrate":"64k"}"#);
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[tokio::test]
async fn a_format_in_the_twiml_that_cannot_be_costs_no_recording() {
    // No MP3 of 128k has 8 kHz.
    let server = TestServer::start([("DEFAULT_AUDIO_FORMAT", "wav"), ("AUDIO_SAMPLE_RATE", "8000")]);
    for (number, format) in ["mp3", "opus", "", "../../etc/x"].into_iter().enumerate() {
        let call = format!("CA{number}");
        let mut provider = server.provider().await;
        let parameters = json!({"audio_format": format});
        provider.send(start(&call, "MZ1", &["inbound", "outbound"], &parameters)).await;
        both_sides(&mut provider, 0, 10).await;
        provider.send(stop(&call)).await;
        let summary = finished(&server, &call).await;
        assert_eq!(sides(&server, &call).0.len(), 1_600, "{format}");
        assert_eq!(summary["streams"][0]["completeness"]["dropped"]["parameters"], 1, "{summary}");
    }
    assert_eq!(files_in(&server.responses()).len(), 4 * 4);
    assert_eq!(files_in(server.recordings.path()), ["responses"]);
}
