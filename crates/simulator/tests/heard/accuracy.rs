//! The accuracy that is promised, call by call and in sum.

use callrec_simulator::{BotKind, Promise, Verdict};

use crate::recorder::Marks;
use crate::{KINDS, REMEMBERED, judge};

/// How many calls of a kind.
const CALLS: u64 = 2_000;

fn check(kind: BotKind, verdict: &Verdict) {
    println!("{kind:?}: {verdict}");
    let promise = Promise::of(kind);
    assert!(verdict.calls < 1_000 || verdict.cuts.count() > verdict.calls, "calls are interrupted");
    for (what, errors, (share, worst)) in
        [("starts", &verdict.starts, promise.starts), ("cuts", &verdict.cuts, promise.cuts)]
    {
        assert!(
            errors.worst() <= worst,
            "{kind:?}: {what}: {} ms off with seed {}",
            errors.worst(),
            errors.worst_seed()
        );
        assert!(errors.within(20) >= share, "{kind:?}: {what}: {:.2} % are within 20 ms", errors.within(20));
    }
    assert!(verdict.frames.within(20) >= promise.frames, "{kind:?}: frames: {verdict}");
    assert!(verdict.missing_percent() <= promise.missing, "{kind:?}: {verdict}");
    assert!(verdict.unheard_percent() <= promise.unheard, "{kind:?}: {verdict}");
    // What a recording says of its own accuracy may be wrong by no more than once in a hundred calls.
    assert!(verdict.understated * 100 <= verdict.calls, "{kind:?}: {} of {verdict}", verdict.understated);
    assert_eq!(verdict.uncalibrated, 0, "{kind:?}");
}

#[test]
fn speech_of_a_bot_that_bursts_is_where_it_was_heard() {
    let seeds = (0..CALLS).chain(REMEMBERED);
    check(BotKind::Bursting, &judge(BotKind::Bursting, seeds, Marks::Own, |_, _| {}));
}

#[test]
fn speech_of_a_bot_that_paces_itself_is_where_it_was_heard() {
    let seeds = (0..CALLS).chain(REMEMBERED);
    check(BotKind::Pacing, &judge(BotKind::Pacing, seeds, Marks::Own, |_, _| {}));
}

#[test]
fn speech_of_a_bot_that_stalls_is_where_it_was_heard() {
    let seeds = (0..CALLS).chain(REMEMBERED);
    check(BotKind::Stalling, &judge(BotKind::Stalling, seeds, Marks::Own, |_, _| {}));
}

#[test]
fn a_provider_that_echoes_no_sooner_than_with_the_next_tick_is_off_by_that_tick() {
    for kind in KINDS {
        let verdict =
            judge(kind, 0..CALLS / 10, Marks::Own, |conditions, _| conditions.echoes_at_once = false);
        println!("echoes with the next tick, {kind:?}: {verdict}");
        let promise = Promise::of(kind);
        for (errors, (share, worst)) in [(&verdict.starts, promise.starts), (&verdict.cuts, promise.cuts)] {
            assert!(errors.worst() <= worst && errors.within(20) >= share, "{kind:?}: {verdict}");
        }
        assert!(verdict.frames.within(20) >= promise.frames, "{kind:?}: {verdict}");
        // If the echo is behind the frame as well, speech seems to begin a tick late, and loses it where it is cut.
        assert!(verdict.missing_percent() <= 0.1, "{kind:?}: {verdict}");
        assert!(verdict.unheard_percent() <= promise.unheard, "{kind:?}: {verdict}");
    }
}

#[test]
#[allow(clippy::disallowed_methods, reason = "seeds are drawn and chosen for this test alone")]
fn fresh_seeds_keep_the_promise_too() {
    let asked = std::env::var("HEARD_SEED").ok();
    let calls = std::env::var("HEARD_CALLS").ok().and_then(|calls| calls.parse().ok()).unwrap_or(20);
    let first = match asked.as_deref() {
        None => 1_000_000,
        Some("random") => {
            let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
            since.as_micros() as u64
        }
        Some(seed) => seed.parse().expect("HEARD_SEED is `random` or a number"),
    };
    println!("{calls} calls of a kind, from seed {first}");
    for kind in KINDS {
        let verdict = judge(kind, first..first + calls, Marks::Own, |_, _| {});
        if calls >= 1_000 {
            check(kind, &verdict);
        } else {
            // Too few for shares.
            println!("{kind:?}: {verdict}");
            assert!(
                verdict.starts.worst() <= Promise::of(kind).starts.1,
                "seed {}",
                verdict.starts.worst_seed()
            );
            assert!(verdict.cuts.worst() <= Promise::of(kind).cuts.1, "seed {}", verdict.cuts.worst_seed());
        }
    }
}
