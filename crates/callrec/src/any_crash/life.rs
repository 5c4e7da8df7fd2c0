//! Calls from their beginning to their files, on a simulated disk, by the code that does it for real.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use callrec_encode::Settings;
use callrec_faulty_disk::{Counts, Faults, FaultyDisk, Moment, Operation};
use callrec_session::{EndReason, Speaker, Topology};
use callrec_simulator::Luck;
use callrec_store::{RecordingsDir, StoreError};
use callrec_summary::AudioOutcome;

use super::due::{Due, left};
use super::plan::{Plan, Stream};
use super::relayed;
use super::room::{AHEAD_S, LEAST, Room};
use super::threads::{Met, Threads};
use super::trial::Crash;
use super::unrecorded::Unheard;
use crate::audio::Audio;
use crate::call::{Call, Finishing};
use crate::clock::simulated::use_clock_of;
use crate::live::lock;
use crate::options::{CallOptions, FormatChange};
use crate::recorder::{Handle, Recorder};
use crate::shared::{Limits, Shared};
use crate::status::CallFiles;

/// Where the recordings are on the simulated disk.
pub(super) const HOME: &str = "/disk/responses";

/// What is known of a stream at some time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Told {
    /// Nothing yet.
    #[default]
    Nothing,
    /// Its files are said to be complete, and its journal is gone.
    Saved,
    /// It is said that something went wrong.
    NotSaved,
}

/// What is known at some time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Known {
    /// Of each stream.
    pub(super) told: Vec<Told>,
    /// Recovery goes on beside a call that is not finished.
    pub(super) beside: bool,
}

/// What happened. Streams of an earlier process come first.
pub(super) struct Life {
    pub(super) plan: Plan,
    pub(super) streams: Vec<Stream>,
    pub(super) moments: Vec<Moment>,
    /// What was known, by the mark of a moment.
    pub(super) known: Vec<Known>,
    /// When each frame of each stream that was given to the recorder was over.
    pub(super) given_us: Vec<Vec<u64>>,
    /// What must be found of the earlier process's.
    pub(super) before: Vec<Due>,
    /// What of each stream was safe in its journal when it was said that this is left.
    pub(super) left: Vec<Option<Due>>,
    pub(super) syncs: Vec<Operation>,
    pub(super) counts: Counts,
    pub(super) met: Met,
    pub(super) harm: Option<String>,
    pub(super) unheard: Unheard,
}

/// A recorder without threads: they are played by whoever has it.
fn recorder_on(
    disk: &FaultyDisk,
    room: Option<&Room>,
    records: bool,
) -> Result<(Recorder, Arc<Shared>), StoreError> {
    let dir = RecordingsDir::open_simulated(Arc::new(disk.clone()), HOME)?;
    let free_disk = room.map_or(0, |_| LEAST);
    let limits = Limits { calls: 100, waiting_bytes: 512 * 1024 * 1024, free_disk };
    let mut shared = Shared::new(dir, Settings::default(), records, limits);
    if room.is_some() {
        shared.ahead_s = AHEAD_S;
    }
    let shared = Arc::new(shared);
    Ok((Recorder::new(Handle::new(Arc::clone(&shared))), shared))
}

/// How a start ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stood {
    /// Not at all, or it was told that nothing could be recovered.
    Refused,
    /// Something is left to be tried again.
    SomeLeft,
    /// Nothing is, as far as the recorder knows.
    AllDone,
}

/// What `callrec recover` does with what an earlier process left, where there is room: as a start, but that it leaves nothing to a person.
/// What fails is tried again at the next.
pub(super) fn recover_on(disk: &FaultyDisk) -> Stood {
    use_clock_of(Some(disk.clone()));
    let stood = match recorder_on(disk, None, true) {
        Ok((recorder, shared)) if recorder.recover().is_ok() => match shared.left.is_any() {
            true => Stood::SomeLeft,
            false => Stood::AllDone,
        },
        _ => Stood::Refused,
    };
    use_clock_of(None);
    stood
}

pub(super) struct Going {
    stream: Stream,
    call: Option<Call>,
    finishing: Option<Finishing>,
    given_us: Vec<u64>,
    pub(super) told: Told,
    /// It may be given what it says long after that.
    may_be_late: bool,
    /// Its recording waited for room while it was live.
    pub(super) waited: bool,
}

impl Going {
    pub(super) fn new(stream: &Stream, begun_us: u64, may_be_late: bool) -> Self {
        Self {
            stream: Stream { begins_us: begun_us + stream.begins_us, ..stream.clone() },
            call: None,
            finishing: None,
            given_us: Vec::new(),
            told: Told::Nothing,
            may_be_late,
            waited: false,
        }
    }

    pub(super) fn speak(&mut self, recorder: &Recorder, now_us: u64) {
        let Stream { call, name, relayed, format, begins_us, frames, change, without_audio, .. } =
            &self.stream;
        if now_us < *begins_us || self.finishing.is_some() {
            return;
        }
        if self.call.is_none() {
            let settings = Settings::default().with_format(*format);
            let topology = if *relayed { Topology::Relay } else { Topology::OneWay };
            let options = CallOptions::new(*call).stream(name).topology(topology).settings(settings);
            let options = match without_audio {
                Some(reason) => options.without_audio(*reason),
                None => options,
            };
            self.call = recorder.start_call(options).ok();
        }
        let Some(call) = &self.call else { return };
        let set_format = |format| drop(call.set_format(&FormatChange::to(format)));
        let mut set_later = None;
        while (self.given_us.len() as u64) < *frames {
            let frame = self.given_us.len() as u64;
            let over_us = self.stream.over_us(frame);
            if now_us < over_us {
                break;
            }
            let to = change.filter(|(at, _)| *at == frame).map(|(_, format)| format);
            if *relayed {
                // Times never go back: were it set now, what comes of the frames of this turn would all come at once.
                set_later = to.or(set_later);
                relayed::speak(call, &self.stream, frame);
            } else {
                to.into_iter().for_each(set_format);
                if frame.is_multiple_of(5) {
                    call.said_at(frame * 20, Speaker::Caller, &self.stream.line(frame));
                }
                call.caller_at(frame * 20, Audio::mulaw(&self.stream.codes(frame, 0)));
                call.assistant_at(frame * 20, Audio::mulaw(&self.stream.codes(frame, 1)));
            }
            self.given_us.push(if self.may_be_late { now_us } else { over_us });
        }
        set_later.into_iter().for_each(set_format);
        if (self.given_us.len() as u64) < *frames {
            return;
        }
        self.finishing = self.call.take().map(|call| call.finish(EndReason::Finished));
    }

    /// Whether nothing comes of it until then.
    pub(super) fn is_idle(&self, until_us: u64) -> bool {
        let is_to_begin = self.call.is_none() && self.finishing.is_none();
        self.told != Told::Nothing || (is_to_begin && self.stream.begins_us > until_us)
    }

    /// The recording of this stream waits for room.
    pub(super) fn note_wait(&mut self, stream: &str) {
        self.waited |= self.stream.name == stream;
    }

    pub(super) fn look(&mut self, disk: &FaultyDisk) {
        if self.told != Told::Nothing {
            return;
        }
        let outcome = self.finishing.as_ref().and_then(|finishing| finishing.wait_timeout(Duration::ZERO));
        self.told = match outcome {
            None => return,
            Some(Ok(files)) if self.is_complete(&files, disk) => Told::Saved,
            Some(_) => Told::NotSaved,
        };
    }

    fn is_complete(&self, files: &CallFiles, disk: &FaultyDisk) -> bool {
        let mut streams = files.details.streams.iter();
        let Some(stream) = streams.find(|stream| stream.stream == self.stream.name) else { return false };
        let journal = format!("/{}_{}.journal", self.stream.call, stream.number);
        let has_journal = disk.files().iter().any(|(path, _)| path.ends_with(&journal));
        let lost = &stream.completeness;
        let nothing_lost = lost.unjournalled_bytes + lost.damaged_bytes + lost.torn_bytes == 0;
        let saved = match &stream.audio {
            AudioOutcome::Recorded(_) => self.stream.recorded,
            AudioOutcome::RecordingOff => !self.stream.recorded,
            AudioOutcome::NotSaved { reason } => self.stream.without_audio == Some(reason),
            _ => self.stream.frames == 0,
        };
        saved && nothing_lost && !has_journal
    }
}

/// Lives a plan to its end, on a new disk or on what an earlier process left of one.
pub(super) fn live(plan: &Plan) -> Result<Life, String> {
    let Some(earlier) = &plan.earlier else { return live_on(&FaultyDisk::default(), plan) };
    let (first, mut luck) = (live(earlier)?, Luck::new(plan.seed));
    let moment = &first.moments[luck.between(0, first.moments.len() as u64 - 1) as usize];
    let crash = Crash::any(&mut luck);
    let due = crash.due(&first, moment);
    let mut life = live_on(&crash.after(moment), plan)?;
    life.streams.splice(..0, first.streams);
    life.given_us.splice(..0, first.given_us);
    life.left.splice(..0, due.iter().map(|_| None));
    life.before = due;
    life.counts.merge(&first.counts);
    life.unheard = Unheard::of(&life.streams);
    Ok(life)
}

/// Lives a plan to its end.
pub(super) fn live_on(disk: &FaultyDisk, plan: &Plan) -> Result<Life, String> {
    disk.lack(plan.lacks.0, plan.lacks.1);
    disk.set_sync_us(plan.sync_us);
    disk.keep_moments();
    if let Some(index) = plan.ignored_sync {
        disk.ignore_sync(index);
    }
    use_clock_of(Some(disk.clone()));
    let recorder =
        recorder_on(disk, plan.room.as_ref(), plan.records()).map_err(|error| error.to_string())?;
    disk.set_faults(match plan.only {
        Some(only) => Faults::of(only, plan.seed, plan.per_mille),
        None => Faults::random(plan.seed, plan.per_mille),
    });
    let threads = Arc::new(Threads::new(plan, disk, recorder));
    let others = Arc::clone(&threads);
    disk.set_meanwhile(move || others.turn());
    if plan.recovers() {
        let others = Arc::clone(&threads);
        disk.set_between(move || others.between());
    }
    // Some go on after the last call has ended: the sync may come after all is done.
    let (mut turns, mut after) = (0, 1 + plan.seed % 15);
    while turns < 600 && after > 0 {
        threads.turn_and_sync();
        threads.recover_in_time(turns);
        threads.pass();
        turns += 1;
        if threads.is_over() {
            after -= 1;
        }
    }
    disk.clear_meanwhile();
    threads.look_whether_full();
    let moments = disk.take_moments();
    let given_us = lock(&threads.going).iter().map(|going| going.given_us.clone()).collect();
    let known = lock(&threads.known).clone();
    let (syncs, counts) = (disk.syncs(), disk.counts());
    let (met, harm) = (threads.met(), lock(&threads.harm).take());
    let left = left(plan, &moments, &known);
    // What its end would do is not part of this life.
    lock(&threads.going).clear();
    drop(threads);
    use_clock_of(None);
    let (plan, streams, before) = (plan.clone(), plan.streams.clone(), Vec::new());
    let unheard = Unheard::of(&streams);
    Ok(Life { plan, streams, moments, known, given_us, before, left, syncs, counts, met, harm, unheard })
}

/// The names in the recordings directory, of recordings and texts alone.
pub(super) fn final_names(disk: &FaultyDisk) -> Vec<String> {
    let names = disk.files().into_iter().filter_map(|(path, _)| {
        let name = Path::new(&path).strip_prefix(HOME).ok()?.to_str()?.to_owned();
        (!name.contains('/')).then_some(name)
    });
    names.collect()
}
