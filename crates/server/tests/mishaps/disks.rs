//! The server's disk is full, or slow: fifty relayed calls go on as if nothing were, beside fifty of a server that is well.

use callrec_simulator::Luck;
use futures_util::future::join_all;
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::calls::{LIVE, Sent};
use crate::judge::judge;
use crate::left::{Left, Phase, look};
use crate::lines::Line;
use crate::slow::{SlowDisk, Slowness};
use crate::spawned::Spawned;
use crate::{LONG, TURN, recover, setting};

/// How much later a message may come, in 99 of 100 cases, than beside it where the disk is well.
const MOST: Duration = Duration::from_millis(2);
/// What else the machine does may fall on one of the two in one round: the majority of rounds decides, of so many at most.
const ROUNDS: u64 = 7;
/// A provider's tick.
const TICK: Duration = Duration::from_millis(20);
/// No file can be longer: a call is there after about three seconds.
const FULL_KIB: u32 = 64;
/// So many bytes of the journal are of one frame of the caller: its head, what an event has in front of its audio, and that.
const RECORD: u64 = 17 + 11 + 160;
/// Every disk operation of a server takes so much longer: a turn of fifty journals takes two seconds and a half.
const SLOW: Slowness = Slowness { write: Duration::from_millis(50), sync: Duration::from_secs(1) };

/// Mu-law, so that a recording is shorter than its journal, and fits where that fits.
const SETTINGS: [(&str, &str); 2] = [("DEFAULT_AUDIO_FORMAT", "wav"), ("WAV_ENCODING", "mulaw")];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_delays_no_message_and_what_was_written_is_saved_and_what_was_not_is_told() {
    let _turn = TURN.lock().await;
    rounds(|luck| async move {
        let (well, ill) = (Home::new().await, Home::new().await);
        let healthy = well.start();
        let mut full = Spawned::start_limited(ill.path(), FULL_KIB, &ill.settings());
        // Measured is what comes when every journal is full.
        let [well_lines, mut ill_lines] =
            talk([&well, &ill], [&healthy, &full], luck, Duration::from_secs(9)).await;
        let since = Instant::now() - Duration::from_secs(4);
        let delays = [delay(&well_lines, since), delay(&ill_lines, since)];
        println!("full disk: {delays:?}");

        well.finish(healthy, well_lines).await;
        // Half of them end while the disk is full, the others with their server.
        join_all(ill_lines.iter_mut().step_by(2).map(Line::hang_up)).await;
        let ended: Vec<String> = ill_lines.iter().step_by(2).map(|line| line.sent.sid.clone()).collect();
        wait_for_summaries(&ill.responses(), &ended).await;
        full.kill();
        let killed = Instant::now();
        full.ended();
        let calls: Vec<Sent> = ill_lines.into_iter().map(|line| line.sent).collect();
        let left = look(&ill.responses(), &calls);
        assert!(calls.iter().all(|sent| {
            let finished = left.calls[&sent.sid].phase == Phase::Finished;
            finished == ended.contains(&sent.sid)
        }));
        recover(ill.path(), &ill.settings()).await;
        // A second's worth of marks beside what fits, and the batch that did not fit.
        let fits = u64::from(FULL_KIB) * 1_024 / (2 * RECORD) * 2 / 3;
        judge(&ill.responses(), &calls, &left, killed, |_, _| fits);
        for sent in calls.iter().filter(|sent| ended.contains(&sent.sid)) {
            assert_told(&ill.responses(), sent);
        }
        delays
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_disk_delays_no_message_and_what_was_written_is_recovered() {
    let _turn = TURN.lock().await;
    rounds(|luck| async move {
        let (well, ill) = (Home::new().await, Home::new().await);
        let (healthy, mut slow) = (well.start(), ill.start());
        let disk = SlowDisk::under(slow.id(), SLOW);
        let [well_lines, ill_lines] =
            talk([&well, &ill], [&healthy, &slow], luck, Duration::from_secs(7)).await;
        let since = Instant::now() - Duration::from_secs(6);
        let delays = [delay(&well_lines, since), delay(&ill_lines, since)];
        slow.kill();
        let killed = Instant::now();
        slow.ended();
        let [writes, syncs] = disk.ended();
        println!("slow disk: {delays:?}; {writes} writes and {syncs} syncs were held up");
        assert!(writes > 50 && syncs > 2, "the disk was slow: {writes} writes, {syncs} syncs");

        well.finish(healthy, well_lines).await;
        let calls: Vec<Sent> = ill_lines.into_iter().map(|line| line.sent).collect();
        let left = look(&ill.responses(), &calls);
        recover(ill.path(), &ill.settings()).await;
        let lost = judge(&ill.responses(), &calls, &left, killed, |_, _| 0);
        let worst = lost.iter().map(|(_, lost)| lost.age).max().unwrap_or_default();
        println!("slow disk: what was lost was sent at most {worst:?} before the kill");
        delays
    })
    .await;
}

/// Has a round made, and others if chance was against it, until more were in time than were not; each gives the delays of the server that is well and the other's.
async fn rounds<F: Future<Output = [Delay; 2]>>(mut round: impl FnMut(Luck) -> F) {
    let seed = setting("MISHAPS_SEED", 1);
    println!("MISHAPS_SEED={seed}");
    let mut luck = Luck::new(seed);
    let mut late = 0;
    for number in 1..=ROUNDS {
        let [well, ill] = round(Luck::new(luck.any())).await;
        late += u64::from(ill.p99 >= well.p99 + MOST);
        if number > 2 * late {
            return;
        }
        assert!(
            number < ROUNDS,
            "messages are delayed in {late} of {ROUNDS} rounds: {ill:?}, and {well:?} beside"
        );
    }
}

/// A server's working directory, and the door of its bots.
struct Home {
    home: tempfile::TempDir,
    bots: TcpListener,
    bot_url: String,
}

impl Home {
    async fn new() -> Self {
        let bots = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let bot_url = format!("ws://{}", bots.local_addr().unwrap());
        Self { home: tempfile::tempdir().unwrap(), bots, bot_url }
    }

    fn path(&self) -> &Path {
        self.home.path()
    }

    fn responses(&self) -> std::path::PathBuf {
        self.path().join("responses")
    }

    fn settings(&self) -> Vec<(&str, &str)> {
        [("BOT_URL", self.bot_url.as_str())].into_iter().chain(SETTINGS).collect()
    }

    fn start(&self) -> Spawned {
        Spawned::start(self.path(), &self.settings())
    }

    /// Everybody hangs up, the server is told to end, and everything is recorded to the end.
    async fn finish(&self, server: Spawned, mut lines: Vec<Line>) {
        join_all(lines.iter_mut().map(Line::hang_up)).await;
        let (well, log) = server.terminate();
        assert!(well, "{log}");
        let calls: Vec<Sent> = lines.into_iter().map(|line| line.sent).collect();
        let left = look(&self.responses(), &calls);
        let whole = |sent: &Sent, left: &Left| {
            assert_eq!(left.phase, Phase::Finished, "{}", sent.sid);
            sent.frames.len() as u64
        };
        judge(&self.responses(), &calls, &left, Instant::now(), whole);
    }
}

/// Fifty calls through each of two servers, for so long; theirs alternate, so that what else the machine does falls on both
/// alike.
async fn talk(homes: [&Home; 2], servers: [&Spawned; 2], mut luck: Luck, long: Duration) -> [Vec<Line>; 2] {
    let mut lines = Vec::new();
    for number in 0..LIVE {
        for (home, server) in homes.iter().zip(servers) {
            let sid = format!("CA{number}x");
            lines.push(Line::open(&server.media(), &home.bots, &sid, &mut luck).await);
        }
    }
    let (began, apart) = (tokio::time::Instant::now(), TICK / u32::try_from(lines.len()).unwrap());
    let lines: Vec<_> = lines.into_iter().map(|line| Arc::new(tokio::sync::Mutex::new(line))).collect();
    let mut talking = JoinSet::new();
    for (line, place) in lines.iter().cloned().zip(0..) {
        talking.spawn(async move {
            let mut line = line.lock().await;
            let mut ticks = tokio::time::interval_at(began + apart * place, TICK);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            while began.elapsed() < long {
                ticks.tick().await;
                line.round_trip().await;
            }
        });
    }
    while let Some(talked) = talking.join_next().await {
        talked.unwrap();
    }
    let mut both = [Vec::new(), Vec::new()];
    for (number, line) in lines.into_iter().enumerate() {
        both[number % 2].push(Arc::into_inner(line).unwrap().into_inner());
    }
    both
}

/// How long a message took to the bot and its answer back.
#[derive(Debug, Clone, Copy)]
#[allow(dead_code, reason = "it is shown")]
struct Delay {
    messages: usize,
    median: Duration,
    p99: Duration,
}

fn delay(lines: &[Line], since: Instant) -> Delay {
    let ways = lines.iter().flat_map(|line| &line.ways);
    let mut took: Vec<Duration> = ways.filter(|(at, _)| *at >= since).map(|(_, took)| *took).collect();
    took.sort_unstable();
    Delay { messages: took.len(), median: took[took.len() / 2], p99: took[took.len() * 99 / 100] }
}

/// Until these calls are finished as far as a full disk lets them.
async fn wait_for_summaries(responses: &Path, calls: &[String]) {
    let began = Instant::now();
    let journal = |sid: &String| responses.join(format!(".journal/{sid}_1.journal"));
    while calls.iter().any(|sid| journal(sid).exists()) {
        assert!(began.elapsed() < LONG, "the calls are not given up");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The summary says how much of a call's end is missing: at least what the caller said in it.
fn assert_told(responses: &Path, sent: &Sent) {
    let json = std::fs::read(responses.join(format!("call_{}_summary.json", sent.sid))).unwrap();
    let json: Value = serde_json::from_slice(&json).unwrap();
    let completeness = &json["streams"][0]["completeness"];
    let missing = sent.frames.len() as u64 - completeness["caller"]["frames"].as_u64().unwrap();
    let told = completeness["unjournalled_bytes"].as_u64().unwrap();
    assert!(missing > 100 && told >= missing * RECORD, "{}: {missing} frames, {told} bytes", sent.sid);
    let text = std::fs::read_to_string(responses.join(format!("call_{}_summary.txt", sent.sid))).unwrap();
    let sentence = format!("the disk refused the end of the call: {told} bytes of it are lost");
    assert!(text.contains("Completeness: not complete") && text.contains(&sentence), "{text}");
}
