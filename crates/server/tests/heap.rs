//! What calls of all kinds leave on the heap, once they are over: nothing. Counted by the allocator, so that what the system's
//! holds back for later does not count.
#![cfg(all(feature = "mp3", feature = "wav", feature = "ogg", feature = "flac"))]
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stdout, reason = "tests")]

#[path = "running/mod.rs"]
mod running;

use callrec::Track;
use callrec_protocol::twilio::outgoing::Provider;
use callrec_server::config::Sources;
use futures_util::future::join_all;
use futures_util::{SinkExt, StreamExt};
use peak_alloc::PeakAlloc;
use running::Running;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// How many calls are made between two looks.
const CALLS: usize = 60;
/// What a look may differ by: the connections of the moment, and tables that grow in steps.
const LUCK: usize = 100_000;

/// A call of a second; every fourth is broken off.
async fn call(server: &Running, number: usize) {
    let sid = format!("CA{number}");
    let (mut socket, _) = connect_async(format!("ws://{}/media-stream", server.address)).await.unwrap();
    let mut provider = Provider::new(&sid, "MZ1");
    let format = ["mp3", "wav", "ogg", "flac"][number / 4 % 4];
    let tracks = [Track::Caller, Track::Assistant];
    let is_broken_off = number.is_multiple_of(4);
    let mut messages = vec![provider.connected(), provider.start(&tracks, &[("audio_format", format)])];
    for at in 0..50 {
        messages.extend(tracks.map(|track| provider.media(track, at * 20, &[0x10; 160])));
    }
    messages.extend((!is_broken_off).then(|| provider.stop()));
    for message in messages {
        socket.send(Message::text(message)).await.unwrap();
    }
    if !is_broken_off {
        let _ = socket.close(None).await;
        while let Some(Ok(_)) = socket.next().await {}
    }
}

/// So many calls, and what is on the heap when all of them are finished and their files gone.
async fn used_after(server: &Running, home: &Path, first: usize) -> usize {
    for batch in (first..first + CALLS).step_by(20) {
        join_all((batch..batch + 20).map(|number| call(server, number))).await;
    }
    let begun = Instant::now();
    let is_there = |number: usize| home.join(format!("call_CA{number}_summary.json")).exists();
    while !(first..first + CALLS).all(is_there) {
        assert!(begun.elapsed() < Duration::from_secs(60), "they are not finished");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for entry in std::fs::read_dir(home).unwrap().map(Result::unwrap) {
        if entry.path().is_file() {
            std::fs::remove_file(entry.path()).unwrap();
        }
    }
    // What is on its way out has two seconds.
    let mut least = usize::MAX;
    for _ in 0..150 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        least = least.min(ALLOCATOR.current_usage());
    }
    least
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_are_over_leave_nothing_on_the_heap() {
    let home = tempfile::tempdir().unwrap();
    let server = Running::start(Sources::only([("API_READ_TOKEN", "x")]), home.path());
    // What is made once, and kept: threads' own, tables.
    used_after(&server, home.path(), 0).await;
    let before = used_after(&server, home.path(), CALLS).await;
    let after = used_after(&server, home.path(), 2 * CALLS).await;
    println!("{before} bytes on the heap, and {after} after {CALLS} calls more");
    assert!(after <= before + LUCK, "{before} bytes, and {after} after {CALLS} calls more");
}
