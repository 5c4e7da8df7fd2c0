//! The accuracy that is promised, over real sockets.

use callrec_load::PlayoutLog;
use callrec_simulator::{Claim, Errors, Promise, TICK_SAMPLES, Verdict};
use std::collections::BTreeMap;

use crate::decoded::decode;
use crate::load::Load;
use crate::noise;
use crate::server::Server;

/// How many of `count` events may be off if each is with a probability of `percent`: more are in one run of a hundred.
/// (Rare events, as Poisson has them.) Thousands of simulated calls hold the share itself.
fn most(count: f64, percent: f64) -> f64 {
    let expected = count * percent / 100.0;
    let (mut off, mut so_many) = (0.0, (-expected).exp());
    let mut at_most = so_many;
    while at_most < 0.99 {
        off += 1.0;
        so_many *= expected / off;
        at_most += so_many;
    }
    off
}

#[test]
fn of_a_hundred_events_of_which_each_fails_once_in_a_hundred_four_may() {
    // The Poisson distribution of mean 1: 0.9810 up to 3, 0.9963 up to 4.
    assert_eq!(most(100.0, 1.0), 4.0);
    assert_eq!(most(0.0, 1.0), 0.0);
}

fn check(kind: &str, promise: Promise, verdict: &Verdict, late_ms: u64) {
    println!("{kind}: {verdict}; {} starts, {} cuts", verdict.starts.count(), verdict.cuts.count());
    let wrong = |errors: &Errors| (errors.count() as f64) * (100.0 - errors.within(20)) / 100.0;
    for (what, errors, (share, worst)) in
        [("starts", &verdict.starts, promise.starts), ("cuts", &verdict.cuts, promise.cuts)]
    {
        assert!(errors.count() * 2 > verdict.calls, "{kind}: {what} happen");
        // What this machine was late by is on top of the jitter that the promise is for.
        assert!(
            errors.worst() <= worst + late_ms,
            "{kind}: {what}: call {} of {verdict}",
            errors.worst_seed()
        );
        let may = most(errors.count() as f64, 100.0 - share);
        assert!(wrong(errors) < may + 0.5, "{kind}: {what}: {} of {} are off", wrong(errors), errors.count());
    }
    // Speech is off by ticks, and up to five at once.
    let events = |samples: f64| samples / (5.0 * TICK_SAMPLES as f64);
    let heard = verdict.heard as f64;
    for (what, off, percent) in [
        ("off", wrong(&verdict.frames), 100.0 - promise.frames),
        ("missing", verdict.missing as f64, promise.missing),
        ("unheard", verdict.unheard_present as f64, promise.unheard),
    ] {
        assert!(events(off) <= most(events(heard), percent), "{kind}: {off} samples are {what}: {verdict}");
    }
    assert_eq!(verdict.uncalibrated, 0, "{kind}");
    assert!(verdict.understated as f64 <= most(verdict.calls as f64, 1.0), "{kind}: {verdict}");
}

fn setting(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}

#[test]
fn fifty_calls_over_real_sockets_are_recorded_as_the_table_promises() {
    let (calls, seed) = (setting("LOAD_CALLS", "50"), setting("LOAD_SEED", "1"));
    let load = Load::start(&["--calls", &calls, "--seconds", "28", "--ramp", "2", "--seed", &seed]);
    let mut server = Server::start(&load.bot, &[("DEFAULT_AUDIO_FORMAT", "wav")]);
    let logs = load.call(&server.url());
    server.stop();
    assert_eq!(logs.len().to_string(), calls);
    let mut verdicts = BTreeMap::new();
    for log in &logs {
        let (verdict, late_ms) = verdicts.entry(&log.bot).or_insert_with(|| (Verdict::default(), 0));
        judge(verdict, log, &server);
        *late_ms = log.late_ms.max(*late_ms);
    }
    assert_eq!(verdicts.len(), 3);
    for (kind, (verdict, late_ms)) in &verdicts {
        let kind_of = logs.iter().find(|log| log.bot == **kind).unwrap().kind();
        check(kind, Promise::of(kind_of), verdict, *late_ms);
    }
}

/// Adds the recording of a call, in which there is nothing but what was said.
pub(crate) fn judge(verdict: &mut Verdict, log: &PlayoutLog, server: &Server) {
    let recording = decode(&server.recording(&log.call, "wav"));
    assert_eq!(recording.rate, 8_000);
    assert_eq!(log.wrong, 0, "call {}: the bot's speech is forwarded untouched", log.index);
    let wrong = noise::wrong_caller_samples(&recording.caller, log);
    assert_eq!(wrong, 0, "call {}: the caller's frames are untouched, at their places", log.index);
    let found = noise::find(&recording.assistant, log);
    assert_eq!(found.strange, 0, "call {}: nothing but what the bot sent, in order", log.index);
    let playout = &server.summary(&log.call)["completeness"]["playout"];
    let claim = Claim {
        calibrated: playout["calibrated"].as_bool().unwrap_or(false),
        largest_error_ms: playout["largest_error_ms"].as_u64().unwrap_or(0),
        late_news: playout["late_news"].as_u64().unwrap_or(0),
    };
    verdict.add(log.index, &log.truth(), &found.runs, claim);
}
