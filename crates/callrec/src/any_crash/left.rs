//! Journals of which no recording can be made, on a disk that fails to sync while their calls are live.

use callrec_faulty_disk::{Moment, Operation};
use callrec_simulator::Luck;

use super::life::{Told, live};
use super::plan::Plan;
use super::trial::{Crash, Tally, try_one};
use super::without_encoders;

#[test]
fn what_a_failed_sync_was_to_write_of_a_journal_that_is_left_is_there_when_the_power_goes_later() {
    let (mut tally, mut left) = (Tally::default(), 0);
    for seed in 0..8 {
        let mut plan = Plan::of_one(200, 20_000);
        plan.streams[0].call = "CAleft";
        plan.streams[0].relayed = seed % 2 == 1;
        let plan = Plan { seed, per_mille: 600, only: Some(&[Operation::SyncEverything]), ..plan };
        let life = without_encoders("CAleft", || live(&plan).unwrap());
        let is_left = |moment: &Moment| life.known[moment.mark].told == [Told::NotSaved];
        for (moment, index) in life.moments.iter().zip(0..).filter(|(moment, _)| is_left(moment)) {
            left += 1;
            let crash = Crash::PowerLoss(index);
            if let Err(why) = try_one(&life, moment, crash, &mut Luck::new(index), &mut tally) {
                tally.failures.push(format!("seed {seed}, moment {index}: {why}"));
            }
        }
        tally.counts.merge(&life.counts);
    }
    assert_eq!(tally.failures, Vec::<String>::new());
    assert!(left >= 8 && tally.counts.failed_syncs() > 8, "{left}, {}", tally.counts);
}
