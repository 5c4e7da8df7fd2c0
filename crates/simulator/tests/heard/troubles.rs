//! Every way in which a call bends: what remains true then.

use callrec_simulator::{
    Bot, BotKind, Conditions, Echoes, Errors, Flushed, Luck, Promise, Verdict, simulate,
};

use crate::recorder::{Echoing, Marks, Recorder};
use crate::{CALL_MS, HORIZON_MS, KINDS, asked_seeds, judge, record};

/// How many calls of each kind.
const CALLS: u64 = 200;

/// The seeds of a test: those that are fixed, or those that somebody asked for.
fn seeds() -> std::ops::Range<u64> {
    asked_seeds().unwrap_or(0..CALLS)
}

/// What a kind of bot is allowed under trouble: all that is promised without it, but for what a test names.
struct Allowed {
    promise: Promise,
    /// The worst that a sample may be off, in milliseconds.
    frames_worst: u64,
    /// Calls in a hundred whose recording may say that it is more accurate than it is.
    understated: u64,
}

/// Calls of each kind of bot, under conditions that are drawn and then bent.
fn bent(
    name: &str,
    bend: impl Fn(&mut Conditions, &mut Luck) + Copy,
    allow: impl Fn(BotKind, &mut Allowed) + Copy,
) {
    let verdicts = KINDS.map(|kind| (kind, judge(kind, seeds(), Marks::Own, bend)));
    hold(name, &verdicts, allow);
}

/// Calls of each kind of bot that is otherwise than others, or whose echoes are.
fn odd(
    name: &str,
    bend: impl Fn(&mut Conditions),
    bot: impl Fn(Bot, &mut Luck) -> Bot,
    echoing: impl Fn(u64) -> Echoing,
    allow: impl Fn(BotKind, &mut Allowed) + Copy,
) {
    let verdicts = KINDS.map(|kind| {
        let mut verdict = Verdict::default();
        for seed in seeds() {
            let mut luck = Luck::new(seed);
            let mut conditions = Conditions::drawn(&mut luck);
            bend(&mut conditions);
            let bot = bot(Bot::new(kind, CALL_MS, &mut Luck::new(seed)), &mut luck);
            let recorder = Recorder::new(&conditions, Marks::Own, HORIZON_MS).echoing(echoing(seed));
            let (truth, recording) = record(bot, &conditions, seed, CALL_MS, recorder);
            verdict.add(seed, &truth, &recording.heard, recording.claim());
        }
        (kind, verdict)
    });
    hold(name, &verdicts, allow);
}

fn hold(name: &str, verdicts: &[(BotKind, Verdict)], allow: impl Fn(BotKind, &mut Allowed)) {
    let mut broken = Vec::new();
    for (kind, verdict) in verdicts {
        println!("{name}, {kind:?}: {verdict}");
        let mut allowed = Allowed { promise: Promise::of(*kind), frames_worst: 140, understated: 1 };
        allow(*kind, &mut allowed);
        broken.extend(allowed.broken(verdict).map(|what| format!("{kind:?}: {what}")));
    }
    assert_eq!(broken, [""; 0], "{name}");
}

impl Allowed {
    fn broken(&self, verdict: &Verdict) -> impl Iterator<Item = String> {
        let Self { promise, frames_worst, understated } = self;
        let Promise { starts, cuts, frames, missing, unheard } = *promise;
        let few = verdict.calls < CALLS;
        assert!(few || verdict.cuts.count() > verdict.calls && verdict.starts.count() > 5 * verdict.calls);
        let seeds = [&verdict.starts, &verdict.cuts, &verdict.frames].map(Errors::worst_seed);
        // Few are too few for shares.
        let holds = [
            (few || verdict.starts.within(20) >= starts.0, "starts"),
            (verdict.starts.worst() <= starts.1, "the worst start"),
            (few || verdict.cuts.within(20) >= cuts.0, "cuts"),
            (verdict.cuts.worst() <= cuts.1, "the worst cut"),
            (few || verdict.frames.within(20) >= frames, "frames"),
            (verdict.frames.worst() <= *frames_worst, "the worst frame"),
            (few || verdict.missing_percent() <= missing, "missing"),
            (few || verdict.unheard_percent() <= unheard, "unheard"),
            (few || verdict.understated * 100 <= *understated * verdict.calls, "understated"),
            (verdict.uncalibrated == 0, "calibrated"),
        ];
        holds.into_iter().filter(|(holds, _)| !holds).map(move |(_, what)| {
            format!("{what}; worst starts, cuts, frames with HEARD_SEED={seeds:?} HEARD_CALLS=1")
        })
    }
}

#[test]
fn deliveries_that_stall_for_a_quarter_of_a_second_move_little() {
    bent(
        "stalls",
        |conditions, _| (conditions.stalls_percent, conditions.stall_ms) = (20, 250),
        |kind, allowed| {
            // Nothing tells a bot's speech that stood still on its way from speech that it sent later.
            (allowed.promise.starts.1, allowed.promise.cuts.1, allowed.frames_worst) = (300, 300, 300);
            (allowed.promise.unheard, allowed.understated) = (0.15, 3);
            if kind == BotKind::Pacing {
                allowed.promise.cuts.0 = 97.0;
            }
        },
    );
}

#[test]
fn a_path_that_changes_in_mid_call_is_learned() {
    for change_ms in [100, -100] {
        bent(
            "path",
            |conditions, luck| {
                (conditions.path_changes_ms, conditions.path_change_ms) =
                    (luck.between(5_000, 35_000), change_ms);
            },
            |_, allowed| allowed.promise.starts.1 = 140,
        );
    }
}

#[test]
fn frames_of_the_caller_that_are_lost_leave_the_assistant_in_place() {
    bent("lost frames", |conditions, _| conditions.lost_frames_permille = 10, |_, _| {});
}

#[test]
fn echoes_that_never_come_cost_little() {
    bent(
        "lost echoes",
        |conditions, _| conditions.lost_echoes_percent = 5,
        |_, allowed| allowed.promise.frames = 99.0,
    );
}

#[test]
fn echoes_that_come_late_mislead_by_no_more_than_they_are_late() {
    bent(
        "late echoes",
        |conditions, _| conditions.late_echoes_percent = 5,
        |kind, allowed| {
            let cuts = if kind == BotKind::Stalling { 78.0 } else { 88.0 };
            (allowed.promise.starts, allowed.promise.cuts) = ((97.5, 200), (cuts, 250));
            (allowed.promise.frames, allowed.frames_worst) = (98.0, 200);
            (allowed.promise.unheard, allowed.understated) = (0.15, 10);
        },
    );
}

#[test]
fn echoes_that_come_twice_are_counted_and_mislead_nobody() {
    let twice = |seed| Echoing::Twice(10, Luck::new(seed));
    odd("echoes twice", |_| {}, |bot, _| bot, twice, |_, _| {});
}

#[test]
fn writes_that_are_torn_apart_half_of_the_time_move_little() {
    bent(
        "separated",
        |conditions, _| conditions.separated_percent = 50,
        |_, allowed| allowed.promise.cuts.0 = allowed.promise.cuts.0.min(98.0),
    );
}

#[test]
fn a_provider_that_fills_up_its_ticks_with_silence_is_off_by_some_of_them() {
    bent(
        "partial",
        |conditions, _| conditions.keeps_partial = false,
        |kind, allowed| {
            if kind == BotKind::Bursting {
                (allowed.promise.starts.0, allowed.promise.cuts.0, allowed.promise.frames) =
                    (96.0, 85.0, 98.0);
            }
            (allowed.promise.unheard, allowed.understated) = (0.25, 2);
        },
    );
}

#[test]
fn a_provider_that_holds_what_meets_an_empty_queue_is_off_by_that() {
    bent(
        "held",
        |conditions, _| conditions.hold_ticks = 3,
        |kind, allowed| {
            let promise = &mut allowed.promise;
            match kind {
                BotKind::Pacing => {}
                BotKind::Bursting | BotKind::AtOnce => {
                    (promise.starts.0, promise.cuts.0, promise.frames) = (91.0, 75.0, 98.5);
                }
                BotKind::Stalling => (promise.starts.0, promise.cuts.0) = (98.0, 73.0),
            }
            (promise.unheard, allowed.understated) = (0.25, 2);
        },
    );
}

#[test]
fn a_provider_that_sends_flushed_marks_back_with_the_next_tick_is_off_by_that_tick() {
    bent(
        "flushed later",
        |conditions, _| conditions.flushed = Flushed::WithNextTick,
        |_, allowed| {
            allowed.promise.cuts.0 = allowed.promise.cuts.0.min(98.0) - 1.0;
            allowed.promise.unheard = 0.15;
        },
    );
}

#[test]
fn a_provider_that_never_sends_flushed_marks_back_leaves_cuts_to_the_model() {
    bent(
        "never flushed",
        |conditions, _| conditions.flushed = Flushed::Never,
        |kind, allowed| {
            allowed.promise.cuts.0 = if kind == BotKind::Pacing { 93.0 } else { 85.0 };
            allowed.promise.missing = 0.15;
        },
    );
}

#[test]
fn clears_in_a_row_and_clears_of_nothing_cut_no_more_than_was_cut() {
    odd(
        "clears",
        |_| {},
        Bot::clearing_often,
        |_| Echoing::Well,
        |_, allowed| {
            // A word between two clears is hardly played before it is cut.
            (allowed.promise.cuts.0, allowed.promise.cuts.1) = (allowed.promise.cuts.0.min(98.5), 160);
        },
    );
}

#[test]
fn marks_of_the_bot_with_one_name_for_all_go_together_with_ours() {
    odd("one name", |_| {}, |bot, _| bot.marking(false), |_| Echoing::Well, |_, _| {});
}

#[test]
fn marks_of_the_bot_with_names_of_their_own_do_what_ours_would() {
    odd("both mark", |_| {}, |bot, _| bot.marking(true), |_| Echoing::Well, |_, _| {});
}

#[test]
fn echoes_that_never_come_and_echoes_that_come_twice_of_marks_with_one_name_mislead_nobody() {
    let lost = |conditions: &mut Conditions| conditions.lost_echoes_percent = 5;
    odd(
        "one name, lost",
        lost,
        |bot, _| bot.marking(false),
        |_| Echoing::Well,
        |_, allowed| {
            allowed.promise.frames = 99.0;
        },
    );
    let twice = |seed| Echoing::Twice(5, Luck::new(seed));
    odd("one name, twice", |_| {}, |bot, _| bot.marking(false), twice, |_, _| {});
}

#[test]
fn echoes_that_end_in_mid_call_leave_the_model_and_the_report_says_since_when() {
    for kind in KINDS {
        let mut verdict = Verdict::default();
        for seed in 0..CALLS {
            let conditions = Conditions::drawn(&mut Luck::new(seed));
            let end_ms = Luck::new(seed).between(8_000, 25_000);
            let recorder =
                Recorder::new(&conditions, Marks::Own, HORIZON_MS).echoing(Echoing::Until(end_ms * 1_000));
            let bot = Bot::new(kind, CALL_MS, &mut Luck::new(seed));
            let (truth, recording) = record(bot, &conditions, seed, CALL_MS, recorder);
            let playout = recording.completeness.playout.as_ref().unwrap();
            let ended_ms = playout.echoes_ended_ms.unwrap();
            assert!(
                ended_ms <= end_ms + 100 && end_ms <= ended_ms + 6_000,
                "seed {seed}: {ended_ms}, {end_ms}"
            );
            let said = recording.completeness.sentences().join("\n");
            assert!(said.contains("no echo told anything after"), "{said}");
            verdict.add(seed, &truth, &recording.heard, recording.claim());
        }
        println!("{kind:?}: {verdict}");
        // What was learned of the way still holds, but not when each piece took it.
        assert!(verdict.starts.worst() <= 140 && verdict.cuts.worst() <= 140, "{kind:?}: {verdict}");
        assert!(verdict.frames.worst() <= 140 && verdict.understated * 100 <= CALLS, "{kind:?}: {verdict}");
        assert!(verdict.missing_percent() <= 0.1 && verdict.unheard_percent() <= 0.25, "{kind:?}: {verdict}");
    }
}

#[test]
fn clocks_that_drift_for_two_hours_let_no_error_grow() {
    const HOURS_MS: u64 = 2 * 3_600_000;
    const QUARTER_MS: u64 = 15 * 60_000;
    const TICK_MS: u64 = 20;
    for (kind, drift_ppm) in KINDS.iter().flat_map(|kind| [(*kind, 200), (*kind, -200)]) {
        let conditions = Conditions { drift_ppm, jitter_ms: 50, ..Conditions::typical() };
        for marks in [Marks::Own, Marks::Off] {
            let bot = Bot::new(kind, HOURS_MS, &mut Luck::new(1));
            let recorder = Recorder::new(&conditions, marks, HORIZON_MS);
            let (truth, recording) = record(bot, &conditions, 1, HOURS_MS, recorder);
            assert!(truth.heard.last().unwrap().at > (HOURS_MS - 60_000) * 8);
            let mut whole = Verdict::default();
            whole.add(1, &truth, &recording.heard, recording.claim());
            // What is heard and cut in a quarter of an hour; all that is recorded is searched for it.
            let quarter = |from_ms: u64| {
                let within = |at: u64| (from_ms * 8..(from_ms + QUARTER_MS) * 8).contains(&at);
                let mut quarter = truth.clone();
                quarter.heard.retain(|run| within(run.at));
                let first = quarter.heard[0].first;
                quarter.cuts.retain(|cut| within(cut.at) && first < cut.sent);
                let mut verdict = Verdict::default();
                verdict.add(1, &quarter, &recording.heard, recording.claim());
                assert!(verdict.starts.count() > 100 && verdict.cuts.count() > 30);
                verdict
            };
            let (first, last) = (quarter(0), quarter(HOURS_MS - QUARTER_MS));
            let name = format!("{kind:?}, {drift_ppm} ppm, marks {marks:?}");
            println!("{name}: {whole}");
            let promise = Promise::of(kind);
            for (what, all, first, last, promised) in [
                ("starts", &whole.starts, &first.starts, &last.starts, promise.starts),
                ("cuts", &whole.cuts, &first.cuts, &last.cuts, promise.cuts),
                ("frames", &whole.frames, &first.frames, &last.frames, (promise.frames, promise.starts.1)),
            ] {
                let (share, worst_ms) = match marks {
                    Marks::Own => promised,
                    Marks::Off => (0.0, conditions.longest_round_trip_ms() + TICK_MS),
                };
                assert!(all.worst() <= worst_ms && all.within(20) >= share, "{name}, {what}: {whole}");
                let [early, late] = [first, last].map(|errors| (errors.worst(), errors.within(20)));
                assert!(late.0 <= early.0 + TICK_MS, "{name}, {what}: {early:?} at first, {late:?} at last");
                // In a quarter of an hour there are few cuts, and each is one in a hundred.
                let slack = if what == "cuts" { 2.0 } else { 0.2 };
                assert!(
                    marks == Marks::Off || late.1 + slack >= early.1,
                    "{name}, {what}: {early:?} at first, {late:?} at last"
                );
            }
            let (missing, unheard) = match marks {
                Marks::Own => (promise.missing, promise.unheard),
                Marks::Off => (0.2, 0.4),
            };
            assert!(
                whole.missing_percent() <= missing && whole.unheard_percent() <= unheard,
                "{name}: {whole}"
            );
        }
    }
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
            let recorder = Recorder::new(&conditions, Marks::Own, horizon_ms);
            let (truth, recording) = record(bot, &conditions, seed, CALL_MS, recorder);
            verdict.add(seed, &truth, &recording.heard, recording.claim());
        }
    }
    println!("live: {live}\nagain: {again}");
    assert!(live.late_news > 0 && live.starts.worst() > 40, "{live}");
    assert_eq!(again.late_news, 0, "{again}");
    // Of a sentence that is cut no echo tells when it began; of all others one does.
    assert!(again.frames.within(20) > 98.5, "{again}");
    assert!(again.starts.beyond(20) * 2 <= live.starts.beyond(20), "{live}; {again}");
    assert!(again.frames.beyond(20) * 3 <= live.frames.beyond(20), "{live}; {again}");
    assert!(live.understated * 50 <= CALLS && again.understated * 50 <= CALLS, "{live}; {again}");
}
