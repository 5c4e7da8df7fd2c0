//! Every way in which a call bends: what remains true then.

use callrec_simulator::{Bot, BotKind, Conditions, Echoes, Luck, Verdict, simulate};

use crate::recorder::{Marks, Recorder};
use crate::{CALL_MS, HORIZON_MS, KINDS, call_of, call_within, judge};

/// How many calls of each kind.
const CALLS: u64 = 200;

fn bent(name: &str, bend: impl Fn(&mut Conditions, &mut Luck) + Copy) -> Vec<(BotKind, Verdict)> {
    let verdicts = KINDS.map(|kind| (kind, judge(kind, 0..CALLS, Marks::Own, bend)));
    for (kind, verdict) in &verdicts {
        println!("{name}, {kind:?}: {verdict}");
    }
    verdicts.into()
}

#[test]
fn deliveries_that_stall_for_a_quarter_of_a_second_move_little() {
    for (kind, verdict) in bent("stalls", |conditions, _| {
        (conditions.stalls_percent, conditions.stall_ms) = (20, 250);
    }) {
        assert!(verdict.frames.within(20) >= 99.5, "{kind:?}: {verdict}");
        assert!(verdict.starts.within(20) >= 98.0 && verdict.cuts.within(20) >= 85.0, "{kind:?}: {verdict}");
        assert!(verdict.frames.worst() <= 250 && verdict.unheard_percent() <= 0.15, "{kind:?}: {verdict}");
    }
}

#[test]
fn a_path_that_changes_in_mid_call_is_learned() {
    for change_ms in [100, -100] {
        for (kind, verdict) in bent("path", |conditions, luck| {
            (conditions.path_changes_ms, conditions.path_change_ms) =
                (luck.between(5_000, 35_000), change_ms);
        }) {
            assert!(verdict.frames.within(20) >= 99.5, "{kind:?}: {verdict}");
            assert!(
                verdict.starts.within(20) >= 98.0 && verdict.cuts.within(20) >= 85.0,
                "{kind:?}: {verdict}"
            );
            assert!(verdict.frames.worst() <= 140 && verdict.unheard_percent() <= 0.1, "{kind:?}: {verdict}");
        }
    }
}

#[test]
fn frames_of_the_caller_that_are_lost_leave_the_assistant_in_place() {
    for (kind, verdict) in bent("lost frames", |conditions, _| conditions.lost_frames_permille = 10) {
        assert!(verdict.frames.within(20) >= 99.5 && verdict.frames.worst() <= 100, "{kind:?}: {verdict}");
        assert!(verdict.starts.within(20) >= 98.0 && verdict.cuts.within(20) >= 85.0, "{kind:?}: {verdict}");
    }
}

#[test]
fn echoes_that_never_come_cost_little() {
    for (kind, verdict) in bent("lost echoes", |conditions, _| conditions.lost_echoes_percent = 5) {
        assert!(verdict.frames.within(20) >= 99.0 && verdict.frames.worst() <= 140, "{kind:?}: {verdict}");
        assert!(verdict.starts.within(20) >= 98.0 && verdict.cuts.within(20) >= 85.0, "{kind:?}: {verdict}");
    }
}

#[test]
fn echoes_that_come_late_mislead_by_no_more_than_they_are_late() {
    for (kind, verdict) in bent("late echoes", |conditions, _| conditions.late_echoes_percent = 5) {
        assert!(verdict.frames.within(20) >= 97.0 && verdict.frames.worst() <= 200, "{kind:?}: {verdict}");
        assert!(verdict.cuts.worst() <= 250, "{kind:?}: {verdict}");
    }
}

#[test]
fn writes_that_are_torn_apart_half_of_the_time_move_little() {
    for (kind, verdict) in bent("separated", |conditions, _| conditions.separated_percent = 50) {
        assert!(verdict.frames.within(20) >= 99.5 && verdict.frames.worst() <= 100, "{kind:?}: {verdict}");
        assert!(verdict.starts.within(20) >= 98.0 && verdict.cuts.within(20) >= 85.0, "{kind:?}: {verdict}");
    }
}

#[test]
fn a_provider_that_fills_up_its_ticks_with_silence_is_off_by_some_of_them() {
    for (kind, verdict) in bent("partial", |conditions, _| conditions.keeps_partial = false) {
        assert!(verdict.frames.within(20) >= 97.0 && verdict.frames.worst() <= 100, "{kind:?}: {verdict}");
        assert!(verdict.unheard_percent() <= 0.25, "{kind:?}: {verdict}");
    }
}

#[test]
fn clocks_that_drift_for_two_hours_let_no_error_grow() {
    const HOURS_MS: u64 = 2 * 3_600_000;
    let conditions = Conditions { drift_ppm: 200, jitter_ms: 50, ..Conditions::typical() };
    let bot = Bot::new(BotKind::Bursting, HOURS_MS, &mut Luck::new(1));
    let (truth, recording) = call_of(bot, &conditions, 1, Marks::Own, HOURS_MS);
    let mut verdict = Verdict::default();
    verdict.add(1, &truth, &recording.heard, recording.claim());
    println!("{verdict}");
    assert!(truth.heard.last().unwrap().at > (HOURS_MS - 60_000) * 8);
    assert!(verdict.frames.within(20) >= 99.9 && verdict.frames.worst() <= 100, "{verdict}");
    assert!(verdict.cuts.within(20) >= 99.0 && verdict.cuts.worst() <= 100, "{verdict}");
}

#[test]
fn the_wrong_order_of_echoes_puts_speech_a_tick_early_or_late_and_no_more() {
    for (is, told, ticks) in
        [(Echoes::BeforeFrame, Echoes::BehindFrame, -1), (Echoes::BehindFrame, Echoes::BeforeFrame, 1)]
    {
        let (mut as_told, mut starts) = (0, 0);
        for seed in 0..100 {
            let drawn = Conditions::drawn(&mut Luck::new(seed));
            let told = Conditions { echoes: told, ..drawn.clone() };
            let mut recorder = Recorder::new(&told, Marks::Own, HORIZON_MS);
            let bot = Bot::new(BotKind::Bursting, CALL_MS, &mut Luck::new(seed));
            let truth = simulate(bot, &Conditions { echoes: is, ..drawn }, seed, CALL_MS, &mut recorder);
            let recorded = recorder.finish(truth.ended_us).heard;
            for run in &truth.heard {
                let holds = recorded.iter().find(|recorded| recorded.holds(run.first));
                let Some(recorded) = holds else { continue };
                let off = (recorded.at + run.first - recorded.first) as i64 - run.at as i64;
                starts += 1;
                as_told += i64::from(off == ticks * 160);
            }
        }
        assert!(
            starts > 500 && as_told * 100 >= starts * 85,
            "{is:?} taken for {told:?}: {as_told} of {starts}"
        );
    }
}

#[test]
fn what_is_learned_too_late_of_a_long_sentence_is_counted_and_known_to_a_second_reading() {
    let (mut live, mut again) = (Verdict::default(), Verdict::default());
    for seed in 0..CALLS {
        let drawn = Conditions::drawn(&mut Luck::new(seed));
        let conditions = Conditions { separated_percent: 50, ..drawn };
        for (horizon_ms, verdict) in [(HORIZON_MS, &mut live), (60_000, &mut again)] {
            let bot = Bot::new(BotKind::AtOnce, CALL_MS, &mut Luck::new(seed));
            let (truth, recording) = call_within(horizon_ms, bot, &conditions, seed, Marks::Own, CALL_MS);
            verdict.add(seed, &truth, &recording.heard, recording.claim());
        }
    }
    println!("live: {live}; {}\nagain: {again}; {}", live.starts.beyond(40), again.starts.beyond(40));
    assert!(live.late_news > 0 && live.starts.worst() > 40, "{live}");
    assert_eq!(again.late_news, 0, "{again}");
    // Of a sentence that is cut no echo tells when it began; of all others one does.
    assert!(
        again.frames.within(20) > 98.5 && again.starts.beyond(40) * 2 <= live.starts.beyond(40),
        "{again}"
    );
    assert!(live.understated * 50 <= CALLS && again.understated * 50 <= CALLS, "{live}; {again}");
}
