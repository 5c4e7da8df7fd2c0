//! Whatever happens to the disk and whenever: the recording is there, or its journal is.
//!
//! Random calls are recorded on a simulated disk, by the code that does it for real. Each moment of their lives at which the
//! disk is about to change is a crash, of the process or of the power; what is left is recovered, perhaps with faults and
//! crashes in that, and judged. In some lives the disk has little room, and what is left for want of it is tried again; in some,
//! what an earlier process left is recovered beside live calls. A failure names its seed; `CRASH_SEED` begins with that, and
//! `CRASH_POINTS` says how many crashes there are to be.

mod due;
mod lasting;
#[cfg(all(feature = "mp3", feature = "wav", feature = "ogg", feature = "flac"))]
mod left;
mod life;
mod pairs;
mod plan;
mod relayed;
mod room;
mod threads;
mod trial;
mod unrecorded;
mod verdict;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use callrec_faulty_disk::{FaultyDisk, Moment, Operation, What};
use callrec_simulator::Luck;

use crate::live::lock;
use due::{AT_MOST_US, Due, due_after_kill, due_after_later_power_loss, due_after_power_loss};
use life::{Life, live, live_on, recover_on};
use plan::Plan;
use trial::{Crash, Tally, finish, try_all, try_one};

/// Seeds are tried in so many lanes, so that it does not depend on the machine which ones are.
const LANES: u64 = 4;
/// Where seeds begin, unless it is said otherwise. From this one, every pair of operation and fault comes up that is asked for.
const SEED: u64 = 3;
/// How many crashes there are, unless more are asked for.
const CRASHES: u64 = 4_000;

fn setting(name: &str, default: u64) -> u64 {
    #[allow(clippy::disallowed_methods, reason = "a test that is asked for more")]
    let value = std::env::var(name);
    value.map_or(default, |value| value.parse().unwrap())
}

fn try_life(plan: &Plan, tally: &mut Tally) {
    match live(plan) {
        Ok(life) => try_all(&life, 1, tally),
        Err(error) => tally.failures.push(format!("seed {}: {error}", plan.seed)),
    }
}

/// Lives from this seed on, and crashes until there were so many.
fn try_lives(first: u64, crashes: u64) -> Tally {
    let (tally, lane) = (Mutex::new(Tally::default()), AtomicU64::new(0));
    let work = || {
        loop {
            let lane = lane.fetch_add(1, Ordering::Relaxed);
            if lane >= LANES {
                return;
            }
            let mut own = Tally::default();
            for seed in (first + lane..).step_by(LANES as usize) {
                if own.crashes >= crashes / LANES {
                    break;
                }
                try_life(&Plan::random(seed), &mut own);
            }
            // What fails by itself now and then hardly ever hits the operations of which a life has few.
            for operations in pairs::RARE.iter().skip(lane as usize).step_by(LANES as usize) {
                // Seeds of which one fails, and one finds no room, where there is one of such an operation in a life.
                (first + 13..first + 17)
                    .for_each(|seed| try_life(&Plan::failing(operations, seed), &mut own));
            }
            if lane == 0 {
                // What few file systems lack, a few random lives may all have.
                let lacking = |seed| Plan { lacks: (true, true), ..Plan::random(seed) };
                (first..first + 4).for_each(|seed| try_life(&lacking(seed), &mut own));
            }
            if lane == 1 {
                // These have few crashes: where no audio is recorded, less is written.
                (first..first + 8).for_each(|seed| try_life(&Plan::unrecorded(seed), &mut own));
            }
            lock(&tally).merge(own);
        }
    };
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    tally.into_inner().unwrap()
}

#[test]
fn whatever_fails_and_whenever_it_ends_a_recording_is_there_whole_or_its_journal_is() {
    let (first, crashes) = (setting("CRASH_SEED", SEED), setting("CRASH_POINTS", CRASHES));
    let tally = try_lives(first, crashes);
    println!("{}", tally.counts);
    println!(
        "from seed {first}: {} crash points in {} lives, {} of them with relays, {} without recorded audio, {} pairs of operation and fault, \
         {} failures",
        tally.crashes,
        tally.lives,
        tally.relayed,
        tally.unrecorded,
        tally.counts.pairs(),
        tally.failures.len()
    );
    let [no_room, waited, again, beside] = tally.met;
    println!(
        "a recording found no room in {no_room} lives; that of a live call waited in {waited}; what was left was made in {again}; \
         something was recovered beside a live call in {beside}, with {} crash points",
        tally.beside
    );
    println!("in {} recoveries the disk refused something throughout", tally.lasting);
    tally.failures.iter().take(20).for_each(|failure| println!("{failure}"));
    assert!(tally.failures.is_empty());
    // Of others it is not known, and of fewer there are fewer.
    if first == SEED && crashes >= CRASHES {
        let missing = pairs::missing(&tally.counts);
        assert!(missing.is_empty(), "none of these happened: {missing:?}");
        assert!(tally.counts.pairs() >= pairs::AT_LEAST, "{} pairs", tally.counts.pairs());
        assert!(tally.met.iter().all(|lives| *lives > 0) && tally.beside > 0, "{:?}", tally.met);
        assert!(tally.unrecorded * 8 > tally.lives, "{} without recorded audio", tally.unrecorded);
        assert!(tally.relayed * 4 > tally.lives && tally.relayed < tally.lives, "{} relayed", tally.relayed);
    }
}

/// Lives of which a crash once left something that it must not.
const REMEMBERED: [u64; 9] = [2, 7, 188, 682, 748, 1_048, 1_113, 1_130, 1_003_564];

#[test]
fn what_once_did_harm_does_none() {
    let mut tally = Tally::default();
    for seed in REMEMBERED {
        try_all(&live(&Plan::one_way(seed)).unwrap(), 2, &mut tally);
    }
    assert_eq!(tally.failures, Vec::<String>::new());
}

#[test]
#[cfg(feature = "wav")]
fn what_a_failed_sync_of_everything_was_to_write_of_a_partial_file_is_in_no_recording() {
    let mut tally = Tally::default();
    for seed in 0..6 {
        // Long enough for audio to be written, and a sync of it to fail, well before the call ends.
        let mut plan = Plan::of_one(400, 20_000);
        plan.streams[0].format = callrec_encode::Format::Wav;
        let only = Some(&[Operation::SyncEverything][..]);
        try_life(&Plan { seed, per_mille: 300, only, ..plan }, &mut tally);
    }
    assert!(tally.counts.failed_syncs() > 6, "{}", tally.counts);
    assert_eq!(tally.failures, Vec::<String>::new());
}

#[test]
fn what_came_behind_what_a_failed_sync_forgot_is_recorded_when_the_power_goes_later() {
    let (mut tally, mut behind) = (Tally::default(), 0);
    for seed in 0..12 {
        let mut plan = Plan::of_one(400, 20_000);
        plan.streams[0].relayed = seed % 2 == 1;
        let only = Some(&[Operation::SyncEverything, Operation::Sync(What::Journal)][..]);
        let life = live(&Plan { seed, per_mille: 300, only, ..plan }).unwrap();
        // Frames that are safe behind others that are not.
        let is_behind = |moment: &Moment| {
            let due = due_after_power_loss(&life, moment).remove(0);
            due.frames.len() as u64 > due.before_a_hole()
        };
        // Until it is written again.
        for (moment, index) in life.moments.iter().zip(0..).filter(|(moment, _)| is_behind(moment)) {
            behind += 1;
            let crash = Crash::PowerLoss(index);
            if let Err(why) = try_one(&life, moment, crash, &mut Luck::new(index), &mut tally) {
                tally.failures.push(format!("seed {seed}, moment {index}: {why}"));
            }
        }
    }
    assert_eq!(tally.failures, Vec::<String>::new());
    assert!(behind > 30, "{behind}");
}

#[test]
fn a_relayed_call_that_nothing_happens_to_is_recorded_as_it_was_heard() {
    let mut plan = Plan::of_one(60, 0);
    plan.streams[0].relayed = true;
    plan.streams[0].format = callrec_encode::Format::Wav;
    let life = live(&plan).unwrap();
    assert_eq!(harm(&life), None);
}

/// What is not safe at a moment, in microseconds: how long ago the first frame came that a power loss may take.
fn at_risk_us(life: &Life) -> u64 {
    let at_risk = life.moments.iter().filter_map(|moment| {
        let safe = due::safe_frames(life, moment);
        let first = life.given_us[0].get(safe as usize)?;
        moment.at_us.checked_sub(*first)
    });
    at_risk.max().unwrap()
}

#[test]
fn a_power_loss_takes_two_seconds_at_most_from_a_disk_that_syncs_in_time() {
    for sync_us in [0, 100_000, 400_000, 900_000] {
        let life = live(&Plan::of_one(300, sync_us)).unwrap();
        let worst = at_risk_us(&life);
        println!("a sync takes {} ms: at most {} ms are lost", sync_us / 1000, worst / 1000);
        assert!((900_000..=AT_MOST_US).contains(&worst), "{worst}");
        let mut tally = Tally::default();
        for (moment, index) in life.moments.iter().zip(0..) {
            let crash = Crash::PowerLoss(index);
            try_one(&life, moment, crash, &mut Luck::new(index), &mut tally).unwrap();
        }
    }
    let late = at_risk_us(&live(&Plan::of_one(300, 1_200_000)).unwrap());
    assert!(late > AT_MOST_US, "a disk that takes longer was not in time");
}

/// What harm a power loss in a life can do, if any.
fn harm(life: &Life) -> Option<String> {
    (0..20).find_map(|way| {
        life.moments.iter().zip(0..).find_map(|(moment, index)| {
            let mut luck = Luck::new(way << 16 | index);
            let crash = Crash::PowerLoss(luck.any());
            try_one(life, moment, crash, &mut luck, &mut Tally::default()).err()
        })
    })
}

/// Whether the sync that comes last covers this one too, as long as no process ends in between: all are of one directory. What each
/// promises by itself is held by the tests of `callrec-store`.
fn is_covered(sync: Operation) -> bool {
    matches!(sync, Operation::SyncDirectory(What::Recording | What::Transcript | What::Summary))
}

#[test]
fn with_any_one_sync_taken_out_something_is_lost() {
    // It is over before the first sync of everything.
    let plan = Plan::of_one(10, 0);
    let sound = live(&plan).unwrap();
    assert_eq!(harm(&sound), None);
    let mut harmful = 0;
    for (index, sync) in sound.syncs.iter().enumerate() {
        let is_needed = !is_covered(*sync) && *sync != Operation::SyncEverything;
        let life = live(&Plan { ignored_sync: Some(index), ..plan.clone() }).unwrap();
        let harm = harm(&life);
        println!("without the sync with index {index}, {sync:?}: {harm:?}");
        assert_eq!(harm.is_some(), is_needed);
        harmful += usize::from(is_needed);
    }
    // Two directories and the one above; the recording; the journal and its name; three texts and the name of the last.
    assert_eq!(harmful, 10);
}

#[test]
fn with_any_one_sync_of_everything_taken_out_more_than_two_seconds_are_lost() {
    let plan = Plan::of_one(250, 500_000);
    let sound = live(&plan).unwrap();
    let ended = sound.syncs.iter().position(|sync| matches!(sync, Operation::Sync(_))).unwrap();
    let everything = (0..ended).filter(|index| sound.syncs[*index] == Operation::SyncEverything);
    let everything: Vec<usize> = everything.collect();
    assert!(everything.len() >= 4);
    // Where another follows: what the last one is for, the end of the call makes safe.
    for index in &everything[..everything.len() - 1] {
        let life = live(&Plan { ignored_sync: Some(*index), ..plan.clone() }).unwrap();
        assert!(at_risk_us(&life) > AT_MOST_US);
        assert!(harm(&life).is_some());
    }
}

#[test]
fn where_each_journal_is_synced_by_itself_with_any_one_of_these_taken_out_a_second_more_is_lost() {
    let plan = Plan { lacks: (false, true), ..Plan::of_one(250, 0) };
    let sound = live(&plan).unwrap();
    let at_most_us = at_risk_us(&sound);
    assert!(at_most_us <= AT_MOST_US);
    let of_journals =
        sound.syncs.iter().enumerate().filter(|(_, sync)| **sync == Operation::Sync(What::Journal));
    let of_journals: Vec<usize> = of_journals.map(|(index, _)| index).collect();
    assert!(of_journals.len() >= 4);
    // Where two more follow, of which the last is that of a call that has ended.
    for index in &of_journals[..of_journals.len() - 2] {
        let life = live(&Plan { ignored_sync: Some(*index), ..plan.clone() }).unwrap();
        assert!(at_risk_us(&life) >= at_most_us + 900_000);
    }
}

/// A call whose recording no encoder can make; `work` is done while they are all out of order.
#[cfg(all(feature = "mp3", feature = "wav", feature = "ogg", feature = "flac"))]
fn without_encoders<T>(call: &str, work: impl FnOnce() -> T) -> T {
    use crate::bad_encoder::{Bad, spoil};
    let all: Vec<_> = callrec_encode::Format::ALL.into_iter().collect();
    spoil(call, Bad::Fails, u32::MAX, &all);
    let done = work();
    spoil(call, Bad::Fails, 0, &all);
    done
}

#[test]
#[cfg(all(feature = "mp3", feature = "wav", feature = "ogg", feature = "flac"))]
fn with_the_sync_taken_out_before_it_is_told_that_a_journal_is_kept_it_may_not_be() {
    let mut plan = Plan::of_one(40, 0);
    plan.streams[0].call = "CAspoilt";
    let live =
        |ignored_sync| without_encoders("CAspoilt", || live(&Plan { ignored_sync, ..plan.clone() }).unwrap());
    let sound = live(None);
    assert!(sound.known.last().is_some_and(|known| known.told[0] == life::Told::NotSaved));
    assert_eq!(harm(&sound), None);
    let of_journal = |sync: &Operation| *sync == Operation::Sync(What::Journal);
    let index = sound.syncs.iter().position(of_journal).expect("it is synced");
    assert_eq!(sound.syncs.iter().filter(|sync| of_journal(sync)).count(), 1);
    assert!(harm(&live(Some(index))).is_some());

    // And so in a recovery, of a call that was killed before anything was synced but the directories.
    let killed = sound.moments.iter().rfind(|moment| moment.at_us == 600_000).unwrap();
    let due = due_after_kill(&sound, killed);
    let recovered = |ignored| without_encoders("CAspoilt", || recovered(killed, ignored));
    let disk = recovered(None);
    let syncs = disk.syncs();
    assert_eq!(harm_in_recovery(&sound, &disk, &due), None);
    let index = syncs.iter().position(of_journal).expect("it is synced");
    assert!(harm_in_recovery(&sound, &recovered(Some(index)), &due).is_some());
}

/// The disk after a recovery of what a crash left, in which one sync does nothing.
fn recovered(killed: &Moment, ignored: Option<usize>) -> FaultyDisk {
    let disk = killed.after_kill();
    disk.keep_moments();
    if let Some(index) = ignored {
        disk.ignore_sync(index);
    }
    recover_on(&disk);
    disk
}

/// What harm a power loss in a recovery can do, if any.
fn harm_in_recovery(life: &Life, disk: &FaultyDisk, due: &[Due]) -> Option<String> {
    let moments = disk.take_moments();
    (0..20).find_map(|way| {
        moments.iter().zip(0..).find_map(|(moment, index)| {
            let due = due_after_later_power_loss(life, moment, due);
            let mut luck = Luck::new(way << 16 | index);
            let disk = moment.after_power_loss(luck.any());
            finish(life, &disk, &due, false, &mut luck, &mut Tally::default()).err()
        })
    })
}

#[test]
fn with_any_one_sync_of_a_recovery_taken_out_something_is_lost() {
    // Killed in mid-call, before anything was synced but the directories.
    let plan = Plan::of_one(48, 0);
    let life = live(&plan).unwrap();
    let killed = life.moments.iter().rfind(|moment| moment.at_us == 900_000).unwrap();
    let due = due_after_kill(&life, killed);
    assert!(due[0].exists && due[0].frames.len() >= 30);
    let recovered = |ignored| recovered(killed, ignored);
    let harm = |disk: &FaultyDisk| harm_in_recovery(&life, disk, &due);
    let sound = recovered(None);
    let syncs = sound.syncs();
    assert_eq!(harm(&sound), None);
    let mut harmful = 0;
    for (index, sync) in syncs.iter().enumerate() {
        let harm = harm(&recovered(Some(index)));
        println!("without the sync with index {index}, {sync:?}, in a recovery: {harm:?}");
        // The directories were safe already.
        let is_needed = !is_covered(*sync) && index > 1;
        assert_eq!(harm.is_some(), is_needed);
        harmful += usize::from(is_needed);
    }
    assert_eq!(harmful, 7);
}

#[test]
fn a_directory_whose_maker_was_killed_before_its_sync_is_safe_at_the_next_start() {
    let plan = Plan::of_one(10, 0);
    let first = live(&plan).unwrap();
    let before_sync = |moment: &&Moment| matches!(moment.before, Some(Operation::SyncDirectory(_)));
    for killed in first.moments.iter().filter(before_sync).take(3) {
        let second = live_on(&killed.after_kill(), &plan).unwrap();
        assert_eq!(harm(&second), None);
    }
}
