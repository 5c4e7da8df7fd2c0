//! Requests while the disk hangs: they wait for it no longer than their time, and no call waits with them.

use callrec_load::probe::{Probe, Way};
use serde_json::Value;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::hung::HungDisk;
use crate::spawned::Spawned;
use crate::{LONG, TURN};

/// What can be asked of a finished call and of all, by everybody who may.
const REQUESTS: [(&str, &str); 7] = [
    ("GET", "/calls"),
    ("GET", "/calls/CA1"),
    ("GET", "/calls/CA1/recording"),
    ("GET", "/calls/CA1/transcript"),
    ("GET", "/calls/CA1/summary"),
    ("POST", "/audio/set-format/CA9?format=flac"),
    ("POST", "/calls/CA2/transcript"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_wait_for_a_hung_disk_no_longer_than_their_time_and_calls_that_look_up_their_bot_go_on() {
    let _turn = TURN.lock().await;
    let home = tempfile::tempdir().unwrap();
    let responses = home.path().join("responses");
    let bots = TcpListener::bind("127.0.0.1:0").await.unwrap();
    // A name, which is looked up for each call.
    let bot_url = format!("ws://localhost:{}/", bots.local_addr().unwrap().port());
    let settings = [
        ("BOT_URL", bot_url.as_str()),
        ("RECORDINGS_DIRECTORY", responses.to_str().unwrap()),
        ("REQUEST_TIMEOUT_SECONDS", "3"),
    ];
    let server = Spawned::start(home.path(), &settings);
    let mut over = Probe::open(&server.media(), &bots, "CA1").await.unwrap();
    talk(&mut over, 25).await;
    over.hang_up().await.unwrap();
    assert_recorded(&responses, &over).await;
    let mut live = Probe::open(&server.media(), &bots, "CA2").await.unwrap();
    talk(&mut live, 25).await;

    let disk = HungDisk::under(server.id(), &responses);
    // Of each more than there are threads that may wait for a disk.
    let each = 4 * std::thread::available_parallelism().unwrap().get() + 1;
    let mut asked = JoinSet::new();
    for (method, path) in REQUESTS {
        for _ in 0..each {
            let url = format!("{}{path}", server.base);
            asked.spawn_blocking(move || (method, path, ask(method, &url)));
        }
        talk(&mut live, 1).await;
    }
    // All that one worker has, or more of several.
    let began = Instant::now();
    while disk.waiting().iter().filter(|name| !name.starts_with("callrec-")).count() < 4 {
        assert!(began.elapsed() < LONG, "they do not wait: {:?}", disk.waiting());
        talk(&mut live, 1).await;
    }
    let mut begun = timeout(LONG, Probe::open(&server.media(), &bots, "CA3")).await.unwrap().unwrap();
    for _ in 0..50 {
        talk(&mut live, 1).await;
        talk(&mut begun, 1).await;
    }
    // They are answered while it hangs.
    let mut too_slow = 0;
    while let Some(answered) = timeout(LONG, asked.join_next()).await.expect("a request waits for the disk") {
        let (method, path, (status, body)) = answered.unwrap();
        if status == 408 {
            assert!(body.contains("too_slow"), "{path}: {body}");
            too_slow += 1;
        } else {
            // What is in memory may have had its turn before the others took them all.
            assert_eq!((method, status), ("POST", 200), "{path}: {body}");
        }
    }
    assert!(too_slow >= 5 * each);
    let url = format!("{}/health", server.base);
    let (_, health) = tokio::task::spawn_blocking(move || ask("GET", &url)).await.unwrap();
    let health: Value = serde_json::from_str(&health).unwrap();
    assert_eq!(health["refused"]["requests_too_slow"], too_slow);
    talk(&mut live, 5).await;
    talk(&mut begun, 5).await;

    disk.come_back();
    for (method, path) in REQUESTS {
        let url = format!("{}{path}", server.base);
        let (status, body) = tokio::task::spawn_blocking(move || ask(method, &url)).await.unwrap();
        assert_eq!(status, 200, "{path}: {body}");
    }
    for mut call in [live, begun] {
        talk(&mut call, 5).await;
        call.hang_up().await.unwrap();
        assert_recorded(&responses, &call).await;
    }
    let (well, log) = server.terminate();
    assert!(well, "{log}");
    disk.ended();
}

/// So many frames of either side, each of which comes through before the next.
async fn talk(call: &mut Probe, frames: usize) {
    for _ in 0..frames {
        for way in Way::BOTH {
            call.send(way).await.unwrap();
            while !call.has_arrived(way) {
                timeout(LONG, call.receive()).await.expect("the call waits for the disk").unwrap();
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A line goes with what is posted; the other routes do not look at it.
fn ask(method: &str, url: &str) -> (u16, String) {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let line = if url.contains("set-format") { "" } else { r#"{"speaker":"assistant","text":"hello"}"# };
    let answered = if method == "GET" { agent.get(url).call() } else { agent.post(url).send(line) };
    let mut answer = answered.unwrap();
    let body = answer.body_mut().read_to_vec().unwrap();
    (answer.status().as_u16(), String::from_utf8_lossy(&body).into_owned())
}

/// Waits for the call's recording; all that its caller said is in it.
async fn assert_recorded(responses: &Path, call: &Probe) {
    let began = Instant::now();
    while responses.join(format!(".journal/{}_1.journal", call.call())).exists() {
        assert!(began.elapsed() < LONG, "{} is not finished", call.call());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let summary = std::fs::read(responses.join(format!("call_{}_summary.json", call.call()))).unwrap();
    let summary: Value = serde_json::from_slice(&summary).unwrap();
    assert_eq!(summary["streams"].as_array().unwrap().len(), 1);
    let stream = &summary["streams"][0];
    assert_eq!(stream["completeness"]["caller"]["frames"], call.frames, "{stream}");
    assert!(stream["audio"].to_string().contains("sha256"), "{stream}");
}
