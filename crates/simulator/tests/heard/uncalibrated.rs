//! Without marks of its own: by the model alone, or by what the bot's marks tell.

use callrec_simulator::{Bot, BotKind, Conditions, Flushed, Luck, Truth, Verdict};

use crate::recorder::{Echoing, Marks, Recorder, Recording};
use crate::{CALL_MS, HORIZON_MS, KINDS, record};

/// How many calls of each kind.
const CALLS: u64 = 2_000;

/// Whatever is recorded is within the round trip and a frame of where it was heard.
fn within_the_round_trip(
    conditions: &Conditions,
    seed: u64,
    truth: &Truth,
    recording: &Recording,
) -> Verdict {
    let mut verdict = Verdict::default();
    verdict.add(seed, truth, &recording.heard, recording.claim());
    let bound = conditions.longest_round_trip_ms() + 20;
    for (what, errors) in [("starts", &verdict.starts), ("cuts", &verdict.cuts), ("frames", &verdict.frames)]
    {
        let worst = errors.worst();
        assert!(worst <= bound, "seed {seed}: {what}: {worst} ms off, {bound} allowed: {conditions:?}");
    }
    verdict
}

/// Calls of which no mark came back.
fn without_echoes(marks: Marks) {
    for kind in KINDS {
        let (mut heard, mut missing, mut unheard) = (0, 0, 0);
        for seed in 0..CALLS {
            let conditions = Conditions::drawn(&mut Luck::new(seed));
            let bot = Bot::new(kind, CALL_MS, &mut Luck::new(seed));
            let recorder = Recorder::new(&conditions, marks, HORIZON_MS).echoing(Echoing::Never);
            let (truth, recording) = record(bot, &conditions, seed, CALL_MS, recorder);
            assert_eq!(truth.marks > 0, marks == Marks::Own);
            let playout = recording.completeness.playout.as_ref().unwrap();
            assert!(!playout.calibrated && playout.round_trip_ms.is_none());
            assert_eq!((playout.spurts_pinned, playout.cuts_pinned), (0, 0));
            assert_eq!(playout.largest_error_ms, None, "nothing is claimed");
            assert!(recording.completeness.sentences().iter().any(|said| said.contains("uncalibrated")));
            let verdict = within_the_round_trip(&conditions, seed, &truth, &recording);
            heard += verdict.heard;
            missing += verdict.missing;
            unheard += verdict.unheard_present;
        }
        let percent = |samples: u64| 100.0 * samples as f64 / heard as f64;
        println!("{kind:?}: missing {:.3} %, unheard {:.3} %", percent(missing), percent(unheard));
        assert!(percent(missing) < 1.0 && percent(unheard) < 1.0);
    }
}

#[test]
fn without_marks_every_sample_is_within_the_round_trip_and_a_frame_and_the_report_says_so() {
    without_echoes(Marks::Off);
}

#[test]
fn a_provider_that_never_sends_a_mark_back_is_as_one_without_marks() {
    without_echoes(Marks::Own);
}

#[test]
fn marks_of_the_bot_alone_tell_what_was_heard() {
    for kind in KINDS {
        let mut verdict = Verdict::default();
        for seed in 0..300 {
            let conditions = Conditions::drawn(&mut Luck::new(seed));
            let bot = Bot::new(kind, CALL_MS, &mut Luck::new(seed)).marking(true);
            let recorder = Recorder::new(&conditions, Marks::Off, HORIZON_MS);
            let (truth, recording) = record(bot, &conditions, seed, CALL_MS, recorder);
            within_the_round_trip(&conditions, seed, &truth, &recording);
            verdict.add(seed, &truth, &recording.heard, recording.claim());
        }
        println!("{kind:?}: {verdict}");
        assert_eq!(verdict.uncalibrated, 0);
        // Nothing is known of the way before the first echo, and no mark goes before a sentence.
        let cuts = if kind == BotKind::Stalling { 85.0 } else { 93.0 };
        assert!(verdict.starts.within(20) >= 97.0 && verdict.cuts.within(20) >= cuts, "{verdict}");
        assert!(verdict.frames.within(20) >= 99.5, "{verdict}");
        assert!(verdict.missing_percent() <= 0.1 && verdict.unheard_percent() <= 0.2, "{verdict}");
        assert!(verdict.understated * 100 <= verdict.calls, "{kind:?}: {verdict}");
    }
}

#[test]
fn marks_of_the_bot_alone_that_all_have_one_name_mislead_nobody_whatever_becomes_of_their_echoes() {
    for kind in KINDS {
        for (name, lost, flushed, twice) in [
            ("well", 0, Flushed::AtOnce, 0),
            ("lost", 5, Flushed::AtOnce, 0),
            ("twice", 0, Flushed::AtOnce, 5),
            ("never flushed", 0, Flushed::Never, 0),
        ] {
            let mut verdict = Verdict::default();
            for seed in 0..200 {
                let drawn = Conditions::drawn(&mut Luck::new(seed));
                let conditions = Conditions { lost_echoes_percent: lost, flushed, ..drawn };
                let bot = Bot::new(kind, CALL_MS, &mut Luck::new(seed)).marking(false);
                let recorder = Recorder::new(&conditions, Marks::Off, HORIZON_MS)
                    .echoing(Echoing::Twice(twice, Luck::new(seed)));
                let (truth, recording) = record(bot, &conditions, seed, CALL_MS, recorder);
                within_the_round_trip(&conditions, seed, &truth, &recording);
                verdict.add(seed, &truth, &recording.heard, recording.claim());
            }
            println!("{name}, {kind:?}: {verdict}; {} uncalibrated", verdict.uncalibrated);
            assert!(verdict.understated * 50 <= verdict.calls, "{name}, {kind:?}: {verdict}");
        }
    }
}
