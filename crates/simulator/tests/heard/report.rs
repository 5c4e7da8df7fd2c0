//! What a recording reports of the playout: counted and measured as it was.

use callrec_session::{CutBy, Note, Playout};
use callrec_simulator::{BotKind, Conditions, Luck, Truth};

use crate::recorder::{Marks, Recording};
use crate::{KINDS, call};

/// How many calls of each kind.
const CALLS: u64 = 300;

/// Many calls' sums.
#[derive(Debug, Default)]
struct Sums {
    spurts: u64,
    pinned_spurts: u64,
    pinned_spurts_off: u64,
    cuts: u64,
    pinned_cuts: u64,
    pinned_cuts_off: u64,
    true_cuts: u64,
    unheard_ms: u64,
    true_unheard_ms: u64,
}

impl Sums {
    fn add(&mut self, truth: &Truth, recording: &Recording) {
        let begins: Vec<u64> = truth.heard.iter().map(|run| run.at / 8).collect();
        let cut_at: Vec<u64> = truth.cuts.iter().map(|cut| cut.at / 8).collect();
        let near = |places: &[u64], ms: u64| places.iter().any(|place| place.abs_diff(ms) <= 21);
        let report = recording.completeness.playout.as_ref().unwrap();
        let (mut spurts, mut cuts) = (0, 0);
        for note in &recording.notes {
            match note {
                Note::Spurt(spurt) => {
                    spurts += u64::from(spurt.pinned);
                    self.spurts += 1;
                    self.pinned_spurts_off += u64::from(spurt.pinned && !near(&begins, spurt.begin_ms));
                }
                Note::Cut(cut) => {
                    cuts += u64::from(cut.pinned);
                    // What waits when the stream ends is no cut of the bot's.
                    if cut.by == CutBy::Cleared {
                        self.cuts += 1;
                        self.pinned_cuts += u64::from(cut.pinned);
                        self.unheard_ms += cut.unheard_ms;
                        self.pinned_cuts_off += u64::from(cut.pinned && !near(&cut_at, cut.at_ms));
                    }
                }
                _ => {}
            }
        }
        assert_eq!((spurts, cuts), (report.spurts_pinned, report.cuts_pinned), "as noted one by one");
        self.pinned_spurts += spurts;
        self.true_cuts += truth.cuts.len() as u64;
        self.true_unheard_ms += truth.cuts.iter().map(|cut| cut.samples / 8).sum::<u64>();
    }
}

/// The least that was measured is the delay both ways and some of the jitter; a tick is what echoes tell, and clocks drift.
fn check_round_trip(conditions: &Conditions, report: &Playout, seed: u64) {
    let least_ms = conditions.delay_up_ms + conditions.delay_down_ms;
    let measured_ms = report.round_trip_ms.unwrap();
    let possible = least_ms.saturating_sub(10)..=least_ms + 20 + conditions.jitter_ms;
    assert!(possible.contains(&measured_ms), "seed {seed}: {measured_ms} ms, {possible:?}");
}

/// Whether two counts are alike but for so many in a hundred.
fn alike(one: u64, other: u64, percent: u64) -> bool {
    one.abs_diff(other) * 100 <= percent * other
}

#[test]
fn the_report_counts_and_measures_what_was() {
    for kind in KINDS {
        let mut sums = Sums::default();
        for seed in 0..CALLS {
            let conditions = Conditions::drawn(&mut Luck::new(seed));
            let (truth, recording) = call(kind, &conditions, seed, Marks::Own);
            let report = recording.completeness.playout.as_ref().unwrap();
            check_round_trip(&conditions, report, seed);
            assert_eq!((report.marks, report.stray_echoes), (truth.marks, 0), "seed {seed}");
            assert!(report.echoes <= report.marks);
            sums.add(&truth, &recording);
        }
        println!("{kind:?}: {sums:?}");
        assert!(sums.pinned_spurts * 100 >= sums.spurts * 90 && sums.pinned_cuts * 100 >= sums.cuts * 98);
        assert!(sums.pinned_spurts_off * 500 <= sums.spurts && sums.pinned_cuts_off * 100 <= sums.cuts);
        assert!(alike(sums.cuts, sums.true_cuts, 3));
        // A bot that is never far ahead has little to cut, and a tick more or less is much of it.
        assert!(alike(sums.unheard_ms, sums.true_unheard_ms, if kind == BotKind::Bursting { 1 } else { 7 }));
    }
}

#[test]
fn where_nothing_varies_the_round_trip_is_measured_as_it_is() {
    for seed in 0..50 {
        let drawn = Conditions::drawn(&mut Luck::new(seed));
        let conditions = Conditions { jitter_ms: 0, drift_ppm: 0, separated_percent: 0, ..drawn };
        let (_, recording) = call(BotKind::Bursting, &conditions, seed, Marks::Own);
        let measured_ms = recording.completeness.playout.unwrap().round_trip_ms.unwrap();
        let least_ms = conditions.delay_up_ms + conditions.delay_down_ms;
        assert!(measured_ms.abs_diff(least_ms) <= 1, "seed {seed}: {measured_ms} ms, not {least_ms}");
    }
}
