//! The server is killed: SIGKILL, at any moment.

use callrec_simulator::Luck;
use indicatif::{ProgressBar, ProgressStyle};
use std::time::{Duration, Instant};

use crate::calls::{LONG_CALLS, Phones, SHORT, Sent};
use crate::judge::{PROMISE, judge};
use crate::left::{Left, Phase, look};
use crate::spawned::Spawned;
use crate::tally::Tally;
use crate::{TURN, recover, setting};

/// With so many kills, a quarter of them must find a recording between hang-up and the journal's removal.
const MANY: u64 = 40;
/// How long a server is held up before some kills.
const HELD_UP: Duration = Duration::from_millis(400);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_at_any_moment_loses_nothing_that_came_a_second_before() {
    let _turn = TURN.lock().await;
    let (kills, seed) = (setting("KILLS", 4), setting("MISHAPS_SEED", 1));
    println!("KILLS={kills} MISHAPS_SEED={seed}");
    let bar = ProgressBar::new(kills);
    if let Ok(style) = ProgressStyle::with_template("  kills {bar:40} {pos} of {len}, {eta} left") {
        bar.set_style(style);
    }
    let mut luck = Luck::new(seed);
    let mut tally = Tally::default();
    for number in 0..kills {
        kill_once(number, &mut Luck::new(luck.any()), &mut tally).await;
        bar.inc(1);
    }
    bar.finish_and_clear();
    println!("{tally}");
    let worst = tally.worst();
    assert!(worst < PROMISE, "something was lost that was sent {worst:?} before the kill");
    assert!(kills < MANY || tally.in_between() * 4 >= kills, "too few kills are between hang-up and removal");
}

/// Starts a server, has fifty people call it, kills it, and judges what the next start makes of it.
async fn kill_once(number: u64, luck: &mut Luck, tally: &mut Tally) {
    let home = tempfile::tempdir().unwrap();
    let responses = home.path().join("responses");
    let mut phones = Phones::new().await;
    let bot_url = phones.bot_url.clone();
    let settings = [("BOT_URL", bot_url.as_str())];
    let mut server = Spawned::start(home.path(), &settings);
    // There are kills while nobody hangs up, and kills while many do, whose recordings are there a moment later.
    let (quiet, crowd) = match number % 10 {
        1 | 3 | 5 | 7 => (true, false),
        9 => (false, false),
        _ => (false, true),
    };
    phones.call(&server.media(), if quiet { LONG_CALLS } else { SHORT }, luck);
    tokio::time::sleep(Duration::from_micros(luck.between(400_000, 2_200_000))).await;
    if crowd {
        phones.many_hang_up();
        // A hang-up is heard within a tenth of a second, and what follows takes as long.
        tokio::time::sleep(Duration::from_micros(luck.between(0, 250_000))).await;
    }
    if number % 10 == 3 {
        // What the bots say in the meantime reaches nobody, and all of it is in the journal soon afterwards.
        server.hold();
        tokio::time::sleep(HELD_UP).await;
        server.release();
        tokio::time::sleep(Duration::from_micros(luck.between(0, 400_000))).await;
    }
    server.kill();
    let killed = Instant::now();
    server.ended();
    let calls = phones.hush().await;
    let left = look(&responses, &calls);

    let mut again = Duration::ZERO;
    if luck.percent(25) {
        // A server that is killed while it recovers.
        let mut server = Spawned::start(home.path(), &settings);
        again = Duration::from_micros(luck.between(0, 400_000));
        tokio::time::sleep(again).await;
        server.kill();
        server.ended();
    }
    let recovered = recover(home.path(), &settings).await;
    // Whoever has hung up is recorded to the end, once the journal knows.
    let must = |sent: &Sent, left: &Left| {
        if left.ended || left.phase == Phase::Finished { sent.frames.len() as u64 } else { 0 }
    };
    let lost = judge(&responses, &calls, &left, killed, must);
    tally.add(&calls, &left, lost, recovered, !again.is_zero());
}
