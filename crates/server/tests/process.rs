//! The shipped binary as a process: what it logs, and how it ends when it is told to.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

#[path = "spawned/mod.rs"]
#[allow(dead_code, reason = "not every file of tests uses all of it")]
mod spawned;

use callrec::Track;
use callrec_protocol::twilio::outgoing::Provider;
use futures_util::{SinkExt, StreamExt};
use spawned::Spawned as Server;
use std::process::Command;
use std::time::Duration;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

const LONG: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_told_to_end_finishes_its_live_calls_and_says_goodbye() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(home.path(), &[]);
    let (mut socket, _) = connect_async(server.media()).await.unwrap();
    let mut provider = Provider::new("CA1", "MZ1");
    socket.send(Message::text(provider.start(&[Track::Caller, Track::Assistant], &[]))).await.unwrap();
    for index in 0..50 {
        socket.send(Message::text(provider.media(Track::Caller, index * 20, &[0x10; 160]))).await.unwrap();
    }
    let journal = home.path().join("responses/.journal/CA1_1.journal");
    let journalled = || std::fs::metadata(&journal).is_ok_and(|file| file.len() > 50 * 160);
    let began = std::time::Instant::now();
    while !journalled() {
        assert!(began.elapsed() < LONG, "nothing is journalled");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let ended = tokio::task::spawn_blocking(move || server.terminate());
    let goodbye = tokio::time::timeout(LONG, socket.next()).await.unwrap();
    assert!(
        matches!(&goodbye, Some(Ok(Message::Close(Some(frame)))) if u16::from(frame.code) == 1001),
        "{goodbye:?}"
    );
    drop(socket);
    let (well, log) = ended.await.unwrap();
    assert!(well, "{log}");
    let wav = hound::WavReader::open(home.path().join("responses/call_CA1_conversation.wav")).unwrap();
    assert_eq!(wav.duration(), 8_000);
    assert!(!journal.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_whose_server_was_killed_is_recovered_by_the_next_one() {
    let home = tempfile::tempdir().unwrap();
    let mut server = Server::start(home.path(), &[]);
    let (mut socket, _) = connect_async(server.media()).await.unwrap();
    let mut provider = Provider::new("CA1", "MZ1");
    socket.send(Message::text(provider.start(&[Track::Caller, Track::Assistant], &[]))).await.unwrap();
    let began = tokio::time::Instant::now();
    // Two seconds in real time, then SIGKILL.
    for index in 0..100 {
        tokio::time::sleep_until(began + Duration::from_millis(20 * index)).await;
        for track in [Track::Caller, Track::Assistant] {
            socket.send(Message::text(provider.media(track, index * 20, &[0x10; 160]))).await.unwrap();
        }
    }
    server.kill();
    server.ended();
    assert!(!home.path().join("responses/call_CA1_conversation.wav").exists());

    let next = Server::start(home.path(), &[]);
    let summary = home.path().join("responses/call_CA1_summary.txt");
    let began = std::time::Instant::now();
    while !summary.exists() || home.path().join("responses/.journal/CA1_1.journal").exists() {
        assert!(began.elapsed() < LONG, "nothing is recovered");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let text = std::fs::read_to_string(summary).unwrap();
    assert!(text.contains("Recovered: yes") && text.contains("was interrupted"), "{text}");
    let wav = hound::WavReader::open(home.path().join("responses/call_CA1_conversation.wav")).unwrap();
    assert!((8_000..=16_000).contains(&wav.duration()), "at most a second is lost: {}", wav.duration());
    let (well, log) = tokio::task::spawn_blocking(move || next.terminate()).await.unwrap();
    assert!(well, "{log}");
}

#[tokio::test(flavor = "multi_thread")]
#[cfg(feature = "mp3")]
async fn a_disk_that_is_full_stops_no_call_and_the_log_the_health_and_the_summary_tell() {
    let home = tempfile::tempdir().unwrap();
    let settings = [("DEFAULT_AUDIO_FORMAT", "mp3"), ("MP3_BITRATE", "8k")];
    let server = Server::start_limited(home.path(), 64, &settings);
    let (mut socket, _) = connect_async(server.media()).await.unwrap();
    let mut provider = Provider::new("CA1", "MZ1");
    socket.send(Message::text(provider.start(&[Track::Caller, Track::Assistant], &[]))).await.unwrap();
    let journal = home.path().join("responses/.journal/CA1_1.journal");
    let mut index = 0;
    // Until the journal is as long as a file can be, and some more.
    for _ in 0..4 {
        for _ in 0..50 {
            for track in [Track::Caller, Track::Assistant] {
                socket.send(Message::text(provider.media(track, index * 20, &[0x10; 160]))).await.unwrap();
            }
            index += 1;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    assert!(std::fs::metadata(&journal).unwrap().len() <= 64 * 1024);
    // The socket is answered as ever.
    socket.send(Message::Ping(b"there?".as_slice().into())).await.unwrap();
    let pong = tokio::time::timeout(LONG, socket.next()).await.unwrap().unwrap().unwrap();
    assert_eq!(pong, Message::Pong(b"there?".as_slice().into()));
    let url = format!("{}/health", server.base);
    let health = tokio::task::spawn_blocking(move || {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let mut answer = agent.get(&url).call().unwrap();
        (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
    });
    let (status, health) = health.await.unwrap();
    assert!(status == 503 && health.contains("the journals cannot be written"), "{status}: {health}");
    socket.send(Message::text(provider.stop())).await.unwrap();
    let summary = home.path().join("responses/call_CA1_summary.txt");
    let began = std::time::Instant::now();
    while !summary.exists() || journal.exists() {
        assert!(began.elapsed() < LONG, "the call is not finished");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let text = std::fs::read_to_string(summary).unwrap();
    assert!(
        text.contains("Completeness: not complete") && text.contains("the disk refused the end"),
        "{text}"
    );
    assert!(text.contains("How The Call Ended: the provider stopped the stream"), "{text}");
    let recording = home.path().join("responses/call_CA1_conversation.mp3");
    assert!(std::fs::metadata(recording).unwrap().len() > 1_000, "what was journalled is saved");
    let (well, log) = tokio::task::spawn_blocking(move || server.terminate()).await.unwrap();
    assert!(well && log.contains("the journal cannot be written"), "{log}");
}

/// The disk is full from the start: no file may have a byte. Whoever started the server may raise that while it runs.
#[tokio::test(flavor = "multi_thread")]
#[cfg(target_os = "linux")]
async fn a_server_starts_on_a_full_disk_tells_so_and_records_when_there_is_room_without_another_start() {
    use rustix::process::{Pid, Resource, getrlimit, prlimit};
    let home = tempfile::tempdir().unwrap();
    let server = Server::start_after("ulimit -Sf 0", home.path(), &[]);
    let health = |base: &str| {
        let url = format!("{base}/health");
        tokio::task::spawn_blocking(move || {
            let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
            let mut answer = agent.get(&url).call().unwrap();
            (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
        })
    };
    let (status, told) = health(&server.base).await.unwrap();
    assert!(
        status == 503 && told.contains("the journals cannot be written: cannot write "),
        "{status}: {told}"
    );
    let (mut socket, _) = connect_async(server.media()).await.unwrap();
    let mut provider = Provider::new("CA1", "MZ1");
    socket.send(Message::text(provider.start(&[Track::Caller, Track::Assistant], &[]))).await.unwrap();
    for index in 0..100 {
        for track in [Track::Caller, Track::Assistant] {
            socket.send(Message::text(provider.media(track, index * 20, &[0x10; 160]))).await.unwrap();
        }
    }
    // More than it takes to refuse what has come.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let id = Pid::from_raw(server.id().try_into().unwrap()).unwrap();
    prlimit(Some(id), Resource::Fsize, getrlimit(Resource::Fsize)).unwrap();
    let began = std::time::Instant::now();
    while health(&server.base).await.unwrap().0 != 200 {
        assert!(began.elapsed() < LONG, "it is not well again: {}", health(&server.base).await.unwrap().1);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    socket.send(Message::text(provider.stop())).await.unwrap();
    while let Ok(Some(Ok(_))) = tokio::time::timeout(LONG, socket.next()).await {}
    let (well, log) = tokio::task::spawn_blocking(move || server.terminate()).await.unwrap();
    assert!(well && log.contains("the disk takes recordings again"), "{log}");
    let wav = hound::WavReader::open(home.path().join("responses/call_CA1_conversation.wav")).unwrap();
    assert_eq!(wav.duration(), 100 * 160, "what came before there was room too");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_says_which_call_found_its_bot_gone() {
    let home = tempfile::tempdir().unwrap();
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = Server::start(home.path(), &[("BOT_URL", &format!("ws://{gone}/"))]);
    let (mut socket, _) = connect_async(server.media()).await.unwrap();
    // Long after the bot was found to be gone.
    tokio::time::sleep(Duration::from_millis(400)).await;
    socket.send(Message::text(Provider::new("CA1", "MZ1").start(&[Track::Caller], &[]))).await.unwrap();
    while let Ok(Some(Ok(_))) = tokio::time::timeout(LONG, socket.next()).await {}
    let (well, log) = server.terminate();
    let line = log.lines().find(|line| line.contains("the bot is not reachable"));
    assert!(well && line.is_some_and(|line| line.contains("CA1")), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
#[cfg(feature = "mp3")]
async fn an_mp3_that_is_read_back_logs_nothing_of_the_decoders() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(home.path(), &[("DEFAULT_AUDIO_FORMAT", "mp3")]);
    let (mut socket, _) = connect_async(server.media()).await.unwrap();
    let mut provider = Provider::new("CA1", "MZ1");
    socket.send(Message::text(provider.start(&[Track::Caller, Track::Assistant], &[]))).await.unwrap();
    for index in 0..500_u64 {
        // A tone that comes and goes, for the encoder to save bits with and spend them.
        let loud = if index / 25 % 2 == 0 { 0x0f } else { 0x7f };
        let audio: Vec<u8> =
            (0..160).map(|n: u8| if (n / 8).is_multiple_of(2) { loud } else { loud | 0x80 }).collect();
        socket.send(Message::text(provider.media(Track::Caller, index * 20, &audio))).await.unwrap();
    }
    socket.send(Message::text(provider.stop())).await.unwrap();
    while let Ok(Some(Ok(_))) = tokio::time::timeout(LONG, socket.next()).await {}
    let (well, log) = server.terminate();
    assert!(well && home.path().join("responses/call_CA1_conversation.mp3").exists(), "{log}");
    let line = log.lines().find(|line| line.contains("symphonia"));
    assert_eq!(line, None, "a decoder's remark is in the log");
}

#[test]
fn a_server_that_cannot_start_says_in_one_line_what_to_do() {
    let home = tempfile::tempdir().unwrap();
    for (variables, told) in [
        (vec![("MP3_BITRATE", "7k")], "MP3_BITRATE"),
        (vec![("HOST", "0.0.0.0")], "TWILIO_AUTH_TOKEN"),
        (vec![("PUBLIC_URL", "https://rec.example.com")], "API_TOKEN"),
        (vec![("DEFAULT_AUDIO_FORMAT", "aac")], "ogg"),
        (vec![("RECORDINGS_DIRECTORY", "/dev/null")], "RECORDINGS_DIRECTORY"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_callrec"))
            .current_dir(home.path())
            .env("PORT", "0")
            .envs(variables.clone())
            .output()
            .unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && output.stdout.is_empty());
        assert!(error.contains(told) && error.lines().count() == 1, "{variables:?}: {error}");
    }
}

/// What a shell gives a process is too little for a thousand calls; what it may have is more.
#[cfg(target_os = "linux")]
#[test]
fn the_number_of_open_files_is_raised_to_what_the_settings_may_take() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start_after("ulimit -Sn 256", home.path(), &[("MAX_CALLS", "100")]);
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.id())).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let soft: u64 = line.split_whitespace().nth(3).unwrap().parse().unwrap();
    // A hundred calls of five, 1,100 connections and a thousand that are turned away, as many of each worker, 200 others.
    let workers = std::thread::available_parallelism().unwrap().get() as u64;
    let wanted = 500 + 2_100_u64.div_ceil(workers) * workers + 200;
    assert_eq!(soft, wanted, "{line}");
    let home = tempfile::tempdir().unwrap();
    let server = Server::start_after("ulimit -n 256", home.path(), &[("MAX_CALLS", "100")]);
    let (well, log) = server.terminate();
    assert!(well && log.contains("raise the limit") && log.contains(&format!("wanted={wanted}")), "{log}");
}

/// Connections that say nothing take all files that there may be: it is counted and told once, and a live call goes on.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_nearly_all_open_are_counted_and_told_and_a_live_call_goes_on() {
    let home = tempfile::tempdir().unwrap();
    let settings = [("MAX_CONNECTIONS", "1000"), ("REQUEST_TIMEOUT_SECONDS", "60")];
    let server = Server::start_after("ulimit -n 256", home.path(), &settings);
    let counted = |base: &str| {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let health =
            agent.get(&format!("{base}/health")).call().unwrap().body_mut().read_to_string().unwrap();
        let health: serde_json::Value = serde_json::from_str(&health).unwrap();
        health["refused"]["files_nearly_all_open"].as_u64().unwrap()
    };
    assert_eq!(counted(&server.base), 0);
    let (mut socket, _) = connect_async(server.media()).await.unwrap();
    let mut provider = Provider::new("CA1", "MZ1");
    socket.send(Message::text(provider.start(&[Track::Caller, Track::Assistant], &[]))).await.unwrap();
    let address = server.base.trim_start_matches("http://").to_owned();
    let crowd: Vec<_> = (0..300).map(|_| std::net::TcpStream::connect(&address).unwrap()).collect();
    for index in 0..50 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        for track in [Track::Caller, Track::Assistant] {
            socket.send(Message::text(provider.media(track, index * 20, &[0x10; 160]))).await.unwrap();
        }
    }
    drop(crowd);
    socket.send(Message::text(provider.stop())).await.unwrap();
    while let Ok(Some(Ok(_))) = tokio::time::timeout(LONG, socket.next()).await {}
    let count = counted(&server.base);
    assert!((1..=100).contains(&count), "{count}");
    let (well, log) = server.terminate();
    assert!(well, "{log}");
    assert_eq!(log.matches("nearly all files are open").count(), 1, "{log}");
    let wav = hound::WavReader::open(home.path().join("responses/call_CA1_conversation.wav")).unwrap();
    assert_eq!(wav.duration(), 8_000);
}

#[tokio::test(flavor = "multi_thread")]
#[cfg(target_os = "linux")]
async fn a_crowd_that_asks_for_files_is_answered_by_four_threads_of_each_worker() {
    let home = tempfile::tempdir().unwrap();
    let responses = home.path().join("responses");
    std::fs::create_dir(&responses).unwrap();
    // Each request reads them all, and takes its time.
    for call in 0..1_000 {
        std::fs::write(responses.join(format!("call_CA{call}_summary.json")), "{}").unwrap();
    }
    let server = Server::start(home.path(), &[]);
    // Its own threads are all there when one of them answers.
    ureq::get(format!("{}/health/live", server.base)).call().unwrap();
    let tasks = format!("/proc/{}/task", server.id());
    let threads = || std::fs::read_dir(&tasks).unwrap().count();
    let before = threads();
    let workers = std::thread::available_parallelism().unwrap().get();
    let asked = (0..50 * workers).map(|_| {
        let url = format!("{}/calls", server.base);
        tokio::task::spawn_blocking(move || ureq::get(&url).call().unwrap().status().as_u16())
    });
    let mut asked: futures_util::stream::FuturesUnordered<_> = asked.collect();
    let mut most = 0;
    while let Some(status) = asked.next().await {
        assert_eq!(status.unwrap(), 200);
        most = most.max(threads());
    }
    assert!((before + 1..=before + 4 * workers).contains(&most), "{before} threads, then {most}");
}
