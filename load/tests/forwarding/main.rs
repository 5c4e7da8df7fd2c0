//! What recording and marks add to the way of a message through the relay: nothing that can be measured.
//!
//! Three relays carry a call each, at the same time and pace: one that records and sends marks, one that does neither, and one that
//! knows nothing but sockets. Their messages alternate, so that what else the machine does falls on all alike.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stdout, reason = "tests")]

mod bare;
#[path = "../server/mod.rs"]
mod server;

use callrec_load::probe::{Probe, Way};
use server::Server;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::{MissedTickBehavior, timeout};

/// How many messages of each call go each way: one every 20 ms.
const MESSAGES: usize = 500;
/// Longer than anything takes; a test that waits so long has failed.
const LONG: Duration = Duration::from_secs(20);

/// A frame of the caller to the bot, and a piece of speech back.
async fn round_trip(probe: &mut Probe) {
    // The marks behind the last piece, which the provider has played by now.
    probe.receive_what_is_there().unwrap();
    for way in Way::BOTH {
        probe.send(way).await.unwrap();
        while !probe.has_arrived(way) {
            timeout(LONG, probe.receive()).await.expect("a message in time").unwrap();
        }
    }
}

async fn hang_up(mut probe: Probe) -> Measured {
    probe.hang_up().await.unwrap();
    let [there, back]: [Vec<Duration>; 2] =
        probe.delays.map(|delays| delays.into_iter().map(|(_, delay)| delay).collect());
    let both = there.iter().zip(&back).map(|(there, back)| *there + *back).collect();
    Measured { marks: probe.marks, there: median(there), back: median(back), both: median(both) }
}

struct Measured {
    marks: u64,
    there: Duration,
    back: Duration,
    both: Duration,
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

#[tokio::test]
async fn recording_and_marks_add_no_measurable_delay_to_what_is_forwarded() {
    let bots = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let bot = format!("ws://{}", bots.local_addr().unwrap());
    let mut recording = Server::start(&bot, &[]);
    let mut deaf = Server::start(&bot, &[("RECORD_CONVERSATIONS", "false"), ("RELAY_MARKS", "off")]);
    let bare = bare::relay(bot);
    let mut probes = [
        Probe::open(&recording.url(), &bots, "CA1").await.unwrap(),
        Probe::open(&deaf.url(), &bots, "CA2").await.unwrap(),
        Probe::open(&bare, &bots, "CA3").await.unwrap(),
    ];
    let mut turns = tokio::time::interval(Duration::from_micros(20_000 / 3));
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for number in 0..MESSAGES {
        for turn in 0..3 {
            turns.tick().await;
            // None is always behind the same other.
            round_trip(&mut probes[(turn + number) % 3]).await;
        }
    }
    let mut measured = Vec::new();
    for probe in probes {
        measured.push(hang_up(probe).await);
    }
    for (name, Measured { marks, there, back, both }) in
        ["recording, with marks", "neither", "bare sockets"].iter().zip(&measured)
    {
        println!(
            "{name:>21}: to the bot {there:?}, back {back:?}, both {both:?} in the median; {marks} marks"
        );
    }
    let [with, without, bare] = &measured[..] else { panic!("three probes") };
    assert!(with.marks > 0 && without.marks == 0 && bare.marks == 0);
    for (what, with, without, bare) in [
        ("to the bot", with.there, without.there, bare.there),
        ("to the provider", with.back, without.back, bare.back),
        ("both ways", with.both, without.both, bare.both),
    ] {
        assert!(with < without + Duration::from_millis(1), "{what}: {with:?}, and {without:?} without");
        assert!(with < bare + Duration::from_millis(2), "{what}: {with:?}, and {bare:?} by bare sockets");
    }
    tokio::task::spawn_blocking(move || {
        recording.stop();
        deaf.stop();
        assert!(recording.recording("CA1", "mp3").exists(), "the one did record");
        assert!(!deaf.recording("CA2", "mp3").exists(), "and the other did not");
        let heard = &recording.summary("CA1")["completeness"]["playout"];
        assert_eq!(heard["calibrated"], true);
    })
    .await
    .unwrap();
}
