//! Without marks of its own: by the model alone, or by what the bot's marks tell.

use callrec_simulator::{Bot, BotKind, Conditions, Luck, Verdict};

use crate::recorder::Marks;
use crate::{CALL_MS, KINDS, call, call_of};

#[test]
fn without_marks_every_sample_is_within_the_round_trip_and_a_frame_and_the_report_says_so() {
    for kind in KINDS {
        for seed in 0..200 {
            let conditions = Conditions::drawn(&mut Luck::new(seed));
            let (truth, recording) = call(kind, &conditions, seed, Marks::Off);
            let playout = recording.completeness.playout.as_ref().unwrap();
            assert!(!playout.calibrated && playout.round_trip_ms.is_none());
            assert_eq!(playout.largest_error_ms, None, "nothing is claimed");
            assert!(recording.completeness.sentences().iter().any(|said| said.contains("uncalibrated")));
            let mut verdict = Verdict::default();
            verdict.add(seed, &truth, &recording.heard, recording.claim());
            let bound = conditions.longest_round_trip_ms() + 20;
            let worst = verdict.frames.worst();
            assert!(
                verdict.missing_percent() < 10.0 && verdict.heard > 80_000,
                "{kind:?}, seed {seed}: {verdict}"
            );
            assert!(worst <= bound, "{kind:?}, seed {seed}: {worst} ms off, {bound} allowed: {conditions:?}");
        }
    }
}

#[test]
fn marks_of_the_bot_alone_though_all_have_one_name_tell_what_was_heard() {
    let mut verdict = Verdict::default();
    for seed in 0..300 {
        let conditions = Conditions::drawn(&mut Luck::new(seed));
        let bot = Bot::new(BotKind::Bursting, CALL_MS, &mut Luck::new(seed)).marking();
        let (truth, recording) = call_of(bot, &conditions, seed, Marks::Off, CALL_MS);
        verdict.add(seed, &truth, &recording.heard, recording.claim());
    }
    println!("{verdict}");
    assert_eq!(verdict.uncalibrated, 0);
    // Nothing is known of the way before the first echo, and no mark goes before a sentence.
    assert!(verdict.starts.within(20) >= 97.0 && verdict.cuts.within(20) >= 90.0, "{verdict}");
    assert!(verdict.frames.within(20) >= 99.5, "{verdict}");
    assert!(verdict.understated * 5 <= verdict.calls, "{verdict}");
}
