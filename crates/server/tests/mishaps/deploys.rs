//! The server is told to end while fifty people are on the phone, as at every deploy.

use callrec_simulator::Luck;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Error;

use crate::calls::{Phones, SHORT};
use crate::judge::{judge, sent_before};
use crate::left::{Phase, look};
#[cfg(target_os = "linux")]
use crate::slow::{SlowDisk, Slowness};
use crate::spawned::Spawned;
use crate::{LONG, TURN, recover, setting};

/// Beyond SHUTDOWN_SECONDS: what requests that are no calls may take, and a slow machine.
const SLACK: Duration = Duration::from_secs(5);

/// A hang-up that was said so shortly before may not have been heard yet.
const ON_ITS_WAY: Duration = Duration::from_millis(250);

/// What each write and each sync takes longer on a disk on which fifty recordings are not finished in a second, and on one on which not
/// even fifty journals are written in that.
const SLOW: [[Duration; 2]; 2] = [
    [Duration::from_millis(5), Duration::from_millis(100)],
    [Duration::from_millis(50), Duration::from_millis(300)],
];
/// How often the journals may still be written when no more time is left: what has begun is done, and all is written that came meanwhile.
const LAST_TURNS: u32 = 3;
/// How many syncs complete what a worker has begun: of the recording, its journal, three texts, and their directory each time.
const LAST_SYNCS: u32 = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_told_to_end_loses_nothing_says_goodbye_to_both_sides_and_refuses_new_calls() {
    let _turn = TURN.lock().await;
    let seed = setting("MISHAPS_SEED", 3);
    println!("MISHAPS_SEED={seed}");
    let mut luck = Luck::new(seed);
    deploy(&mut Luck::new(luck.any()), 20, None).await;
    for slow in SLOW {
        deploy(&mut Luck::new(luck.any()), 1, Some(slow)).await;
    }
}

/// What is not finished in so many seconds is finished at the next start.
async fn deploy(luck: &mut Luck, seconds: u64, slow: Option<[Duration; 2]>) {
    let home = tempfile::tempdir().unwrap();
    let responses = home.path().join("responses");
    let mut phones = Phones::new().await;
    let (bot_url, shutdown) = (phones.bot_url.clone(), seconds.to_string());
    let settings = [("BOT_URL", bot_url.as_str()), ("SHUTDOWN_SECONDS", &shutdown)];
    let mut server = Spawned::start(home.path(), &settings);
    phones.call(&server.media(), SHORT, luck);
    tokio::time::sleep(Duration::from_micros(luck.between(900_000, 1_500_000))).await;
    phones.many_hang_up();
    tokio::time::sleep(Duration::from_micros(luck.between(0, 150_000))).await;

    #[cfg(target_os = "linux")]
    let disk = slow.map(|[write, sync]| SlowDisk::under(server.id(), Slowness { write, sync }));
    let told = Instant::now();
    server.tell_to_end();
    let knocking = tokio::spawn(knock(server.media()));
    tokio::time::timeout(LONG, phones.sent_away()).await.expect("everybody is sent away");
    let (ended, log) = tokio::task::spawn_blocking(move || (server.ended(), server.log())).await.unwrap();
    let took = told.elapsed();
    assert!(ended.success(), "{ended}: {log}");
    let slowed = |[write, sync]: [Duration; 2]| write * 50 * LAST_TURNS + sync * LAST_SYNCS;
    let slack = SLACK + slow.map_or(Duration::ZERO, slowed);
    assert!(took < Duration::from_secs(seconds) + slack, "it took {took:?}");
    let refused = knocking.await.unwrap();
    assert!(refused > 0, "nobody was refused, and nobody was taken");

    let bots_sent_away = tokio::time::timeout(LONG, phones.bots_sent_away()).await.expect("no bot is left");
    let calls = phones.hush().await;
    let left = look(&responses, &calls);
    let mut phases = BTreeMap::<Phase, u64>::new();
    for left in left.calls.values() {
        *phases.entry(left.phase).or_default() += 1;
    }
    println!(
        "SHUTDOWN_SECONDS={seconds}: ended after {took:?}, {refused} calls refused, calls in each phase: {phases:?}"
    );
    let finished = phases.keys().all(|phase| *phase == Phase::Finished);
    assert!(slow.is_some() || finished, "{phases:?}: {log}");
    #[cfg(target_os = "linux")]
    if let Some(disk) = disk {
        assert!(!finished, "it was to have more to do than it has time for: {:?} held up", disk.ended());
    }
    recover(home.path(), &settings).await;
    judge(&responses, &calls, &left, told, |sent, _| sent_before(sent, told));

    // Whose start was on its way when the server was told, is recorded and closed, and its bot never learns whose call it was.
    assert!(bots_sent_away.iter().all(|code| *code == 1_000), "{bots_sent_away:?}");
    let mut unnamed = bots_sent_away.len();
    let mut live = [0; 2];
    for sent in &calls {
        let sid = &sent.sid;
        match sent.hung_up {
            Some(at) if at + ON_ITS_WAY < told => assert_eq!(ending(&responses, sid), "stopped", "{sid}"),
            // Who hung up at that moment was told goodbye, or not.
            Some(_) => {
                let ending = ending(&responses, sid);
                assert!(["stopped", "shutdown"].contains(&ending.as_str()), "{sid}: {ending}");
            }
            None => {
                live[usize::from(sent.one_way)] += 1;
                assert_eq!(ending(&responses, sid), "shutdown", "{sid}");
                assert_eq!(sent.goodbyes[0], Some(1_001), "{sid}: to the provider");
                if !sent.one_way && sent.goodbyes[1].is_none() {
                    let before = sent.begun.map(|begun| told.saturating_duration_since(begun));
                    assert!(before < Some(ON_ITS_WAY), "{sid}: its bot was not told goodbye, {before:?}");
                    unnamed = unnamed.checked_sub(1).expect("each bot is told goodbye");
                } else {
                    assert!(sent.one_way || sent.goodbyes[1] == Some(1_000), "{sid}: {:?}", sent.goodbyes);
                }
            }
        }
    }
    assert!(live[0] > 0 && live[1] > 0, "relayed and one-way calls were live: {live:?}");
}

/// Tries to call until nobody listens any more; gives how often it was refused. Who is early may still be taken.
async fn knock(url: String) -> u64 {
    let mut refused = 0;
    loop {
        match connect_async(&url).await {
            Ok(_) => assert_eq!(refused, 0, "a call was taken after others had been refused"),
            Err(Error::Http(answer)) => {
                assert_eq!(answer.status(), 503);
                assert_eq!(answer.headers()["retry-after"], "5");
                refused += 1;
            }
            Err(_) => return refused,
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// How a call ended, as its summary has it.
fn ending(responses: &Path, sid: &str) -> String {
    let json = std::fs::read(responses.join(format!("call_{sid}_summary.json"))).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    json["streams"][0]["ended"].as_str().unwrap().to_owned()
}
