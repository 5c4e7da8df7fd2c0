//! A disk that is nearly full: new calls are not recorded, and go on; those that are being recorded are, to their end.

use super::phone::{both_sides, finished, inbound, one_way, relayed, sides, stop};
use super::scripted_bot::ScriptedBot;
use super::test_server::{TestServer, files_in, until};

const WAV: (&str, &str) = ("DEFAULT_AUDIO_FORMAT", "wav");
/// More than any disk has.
const LOW: (&str, &str) = ("MIN_FREE_DISK_MB", "1000000000");

#[tokio::test]
async fn of_a_call_with_a_bot_the_words_are_recorded_and_the_summary_says_why_no_audio_is() {
    let bot = ScriptedBot::listen().await;
    let server = TestServer::start([WAV, LOW, ("BOT_URL", &bot.url())]);
    assert_eq!((server.get("/health").status, server.get("/health/ready").status), (503, 503));
    assert_eq!(server.get("/health/live").status, 200, "it lives");
    let mut provider = server.provider().await;
    let mut call = bot.accept().await;
    for text in [relayed("CA1"), inbound(0, 0x10)] {
        provider.send(text.clone()).await;
        assert_eq!(call.next().await, Some(text));
    }
    call.send(r#"{"event":"transcript","speaker":"caller","text":"is anybody there"}"#).await;
    provider.send(stop("CA1")).await;
    assert_eq!(call.next().await, Some(stop("CA1")));
    let health = server.get("/health").json();
    assert_eq!(health["recorder"]["refused"]["calls_disk_low"], 1);
    assert!(health["recorder"]["disk_free_bytes"].as_u64().is_some_and(|free| free > 0), "{health}");
    let problem = health["problems"][0].as_str().unwrap();
    assert!(problem.contains("no new recordings") && problem.contains("free some space"), "{problem}");
    provider.close().await;
    drop(call);
    let summary = finished(&server, "CA1").await;
    let stream = &summary["streams"][0];
    assert_eq!((&stream["audio"]["outcome"], &stream["ended"]), (&"not_saved".into(), &"stopped".into()));
    let reason = stream["audio"]["reason"].as_str().unwrap();
    assert!(reason.contains("when the call began") && reason.contains("free some space"), "{reason}");
    let files = ["call_CA1.txt", "call_CA1_summary.json", "call_CA1_summary.txt"];
    assert_eq!(files_in(&server.responses()), files);
    let transcript = std::fs::read_to_string(server.responses().join("call_CA1.txt")).unwrap();
    assert!(transcript.contains("is anybody there"), "{transcript}");
}

#[tokio::test]
async fn a_call_without_a_bot_is_refused() {
    let server = TestServer::start([WAV, LOW]);
    assert_eq!(server.provider_with(&[]).await.err(), Some(503));
    assert_eq!(server.refused("calls_disk_low"), 1);
    let answer = server.request(
        "GET /media-stream\nUpgrade: websocket\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        b"",
    );
    assert_eq!((answer.status, answer.error_code().as_str()), (503, "disk_low"));
}

#[tokio::test]
async fn with_no_least_it_is_not_looked() {
    let server = TestServer::start([WAV, ("MIN_FREE_DISK_MB", "0")]);
    assert_eq!(server.get("/health").status, 200);
    server.provider().await.close().await;
}

/// Room is taken by a file that is as long as it says, on the disk that the recordings are on.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_call_that_is_being_recorded_is_to_its_end_and_new_ones_are_again_once_there_is_room() {
    const TAKEN: u64 = 2_000_000_000;
    let home = tempfile::tempdir().unwrap();
    let found = rustix::fs::statvfs(home.path()).unwrap();
    let free = found.f_bavail * found.f_frsize;
    assert!(free > 2 * TAKEN, "this test takes 2 GB for a moment");
    let least = ((free - TAKEN / 2) / 1_000_000).to_string();
    let server = TestServer::start_in(home, [WAV, ("MIN_FREE_DISK_MB", &least)]);
    let mut live = server.provider().await;
    live.send(one_way("CA1")).await;
    both_sides(&mut live, 0, 25).await;
    assert_eq!(server.get("/health").status, 200);

    let path = server.recordings.path().join("takes room");
    let taken = std::fs::File::create(&path).unwrap();
    if rustix::fs::fallocate(&taken, rustix::fs::FallocateFlags::empty(), 0, TAKEN).is_err() {
        return; // This file system cannot do it.
    }
    until("it is noticed", || server.get("/health").status == 503).await;
    assert_eq!(server.provider_with(&[]).await.err(), Some(503));
    both_sides(&mut live, 25, 50).await;
    live.send(stop("CA1")).await;
    live.close().await;
    let summary = finished(&server, "CA1").await;
    assert_eq!(sides(&server, "CA1").0.len(), 8_000, "{summary}");

    std::fs::remove_file(&path).unwrap();
    drop(taken);
    until("there is room again", || server.get("/health").status == 200).await;
    super::phone::call_one_way(&server, "CA2", 10).await;
    finished(&server, "CA2").await;
}
