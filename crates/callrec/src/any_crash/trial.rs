//! A crash, what is left after it, and what recovery makes of that.

use callrec_faulty_disk::{Counts, Fault, Faults, FaultyDisk, Moment, Operation, What};
use callrec_simulator::Luck;

use super::due::{Due, due_after_kill, due_after_later_power_loss, due_after_power_loss};
use super::lasting;
use super::life::{Life, recover_on};
use super::threads::Met;
use super::verdict::judge;

/// How a crash happens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Crash {
    /// The process is killed.
    Kill,
    /// The power goes; what is left is as this seed has it.
    PowerLoss(u64),
}

impl Crash {
    pub(super) fn any(luck: &mut Luck) -> Self {
        if luck.percent(15) { Self::Kill } else { Self::PowerLoss(luck.any()) }
    }

    fn disk(self, moment: &Moment, counts: &mut Counts) -> FaultyDisk {
        let fault = if self == Self::Kill { Fault::Killed } else { Fault::PowerLost };
        if let Some(before) = moment.before {
            counts.add(before, fault);
        }
        self.after(moment)
    }

    /// What must be found of each stream.
    pub(super) fn due(self, life: &Life, moment: &Moment) -> Vec<Due> {
        match self {
            Self::Kill => due_after_kill(life, moment),
            Self::PowerLoss(_) => due_after_power_loss(life, moment),
        }
    }

    /// What is left of the disk.
    pub(super) fn after(self, moment: &Moment) -> FaultyDisk {
        match self {
            Self::Kill => moment.after_kill(),
            Self::PowerLoss(seed) => moment.after_power_loss(seed),
        }
    }
}

/// What was tried.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) crashes: u64,
    pub(super) lives: u64,
    /// Of these, those with a relayed stream.
    pub(super) relayed: u64,
    /// Those with a stream of which no audio is recorded.
    pub(super) unrecorded: u64,
    /// Recoveries in which the disk refused something throughout.
    pub(super) lasting: u64,
    /// Those in which a recording found no room, in which that of a live call waited for it, in which one was made when it was tried again,
    /// and in which something was recovered beside a live call.
    pub(super) met: [u64; 4],
    /// Crashes while it was.
    pub(super) beside: u64,
    pub(super) counts: Counts,
    pub(super) failures: Vec<String>,
}

impl Tally {
    pub(super) fn merge(&mut self, other: Self) {
        self.crashes += other.crashes;
        self.lives += other.lives;
        self.relayed += other.relayed;
        self.unrecorded += other.unrecorded;
        self.lasting += other.lasting;
        self.met.iter_mut().zip(other.met).for_each(|(met, others)| *met += others);
        self.beside += other.beside;
        self.counts.merge(&other.counts);
        self.failures.extend(other.failures);
    }
}

/// Crashes at each moment of a life, in so many ways each.
pub(super) fn try_all(life: &Life, ways: u64, tally: &mut Tally) {
    tally.lives += 1;
    tally.relayed += u64::from(life.plan.streams.iter().any(|stream| stream.relayed));
    tally.unrecorded += u64::from(life.streams.iter().any(|stream| !stream.recorded));
    let Met { no_room, waited, again, beside } = life.met;
    let met = [no_room, waited, again, beside];
    tally.met.iter_mut().zip(met).for_each(|(met, is_met)| *met += u64::from(is_met));
    tally.counts.merge(&life.counts);
    for harm in life.harm.iter().cloned().chain(life.unheard.check(&life.moments).err()) {
        tally.failures.push(format!("seed {}: {harm}", life.plan.seed));
    }
    for (index, moment) in life.moments.iter().enumerate() {
        // What comes at once is written in hundreds of pieces: an eighth of these will do, in each life others; in some, all.
        let of_partial = Some(Operation::Write(What::Partial));
        let is_like_last = index > 0 && life.moments[index - 1].before == of_partial;
        let seed = life.plan.seed;
        let is_left_out = !seed.is_multiple_of(8) && !(index as u64).wrapping_add(seed).is_multiple_of(8);
        if life.plan.room.is_some() && moment.before == of_partial && is_like_last && is_left_out {
            continue;
        }
        for way in 0..ways {
            let mut luck = Luck::new(life.plan.seed << 32 | (index as u64) << 8 | way);
            let crash = Crash::any(&mut luck);
            tally.beside += u64::from(life.known[moment.mark].beside);
            if let Err(why) = try_one(life, moment, crash, &mut luck, tally) {
                let Life { plan, .. } = life;
                tally.failures.push(format!(
                    "seed {}, moment {index} ({:?}), way {way}, {crash:?}: {why}",
                    plan.seed, moment.before
                ));
            }
        }
    }
}

/// A crash at this moment; then recoveries in which the disk fails and more crashes happen, and one in which nothing does.
pub(super) fn try_one(
    life: &Life,
    moment: &Moment,
    crash: Crash,
    luck: &mut Luck,
    tally: &mut Tally,
) -> Result<(), String> {
    tally.crashes += 1;
    let mut due = crash.due(life, moment);
    let mut disk = crash.disk(moment, &mut tally.counts);
    let mut forgot = life.counts.failed_syncs() > 0;
    // By a luck of its own: everything else is as without.
    let mut apart = Luck::new(!luck.clone().any());
    if apart.percent(15) {
        tally.lasting += 1;
        no_half_files(&disk)?;
        let moments = lasting::recover(life, &disk, &due, forgot, &mut apart)?;
        life.unheard.check(&moments)?;
        forgot |= disk.counts().failed_syncs() > 0;
        tally.counts.merge(&disk.counts());
        let moment = any_of(&moments, &mut apart);
        (disk, due) = crash_again(life, moment, &mut apart, due, tally);
    }
    let mut rounds = 0;
    while rounds < 3 && luck.percent(35) {
        rounds += 1;
        no_half_files(&disk)?;
        disk.keep_moments();
        disk.set_faults(Faults::random(luck.any(), [0, 20, 100][luck.between(0, 2) as usize]));
        recover_on(&disk);
        forgot |= disk.counts().failed_syncs() > 0;
        tally.counts.merge(&disk.counts());
        let moments = disk.take_moments();
        life.unheard.check(&moments)?;
        let moment = any_of(&moments, luck);
        (disk, due) = crash_again(life, moment, luck, due, tally);
    }
    finish(life, &disk, &due, forgot, luck, tally)
}

/// The last recovery, in which nothing fails; and a power loss right after it, which must not matter any more.
pub(super) fn finish(
    life: &Life,
    disk: &FaultyDisk,
    due: &[Due],
    forgot: bool,
    luck: &mut Luck,
    tally: &mut Tally,
) -> Result<(), String> {
    no_half_files(disk)?;
    disk.keep_moments();
    recover_on(disk);
    judge(life, disk, due, forgot)?;
    let mut moments = disk.take_moments();
    life.unheard.check(&moments)?;
    let last = moments.pop();
    if let Some(last) = last.filter(|_| luck.percent(50)) {
        tally.crashes += 1;
        let disk = Crash::PowerLoss(luck.any()).disk(&last, &mut tally.counts);
        no_half_files(&disk)?;
        recover_on(&disk);
        judge(life, &disk, due, forgot).map_err(|why| format!("after all was recovered: {why}"))?;
    }
    Ok(())
}

/// Any moment of a recovery. Something is set aside in few, which are taken more often.
fn any_of<'a>(moments: &'a [Moment], luck: &mut Luck) -> &'a Moment {
    let any = &moments[luck.between(0, moments.len() as u64 - 1) as usize];
    let mut apart = Luck::new(!luck.clone().any());
    let set_aside = Some(Operation::RenameToFree(What::Other));
    let rare = moments.iter().find(|moment| moment.before == set_aside);
    rare.filter(|_| apart.percent(30)).unwrap_or(any)
}

fn crash_again(
    life: &Life,
    moment: &Moment,
    luck: &mut Luck,
    due: Vec<Due>,
    tally: &mut Tally,
) -> (FaultyDisk, Vec<Due>) {
    tally.crashes += 1;
    let crash = Crash::any(luck);
    let due = match crash {
        Crash::Kill => due,
        Crash::PowerLoss(_) => due_after_later_power_loss(life, moment, &due),
    };
    (crash.disk(moment, &mut tally.counts), due)
}

fn no_half_files(disk: &FaultyDisk) -> Result<(), String> {
    match disk.torn() {
        torn if torn.is_empty() => Ok(()),
        torn => Err(format!("before any recovery, half files have final names: {torn:?}")),
    }
}
