//! Calls from their beginning to their files, on a simulated disk, by the code that does it for real.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use callrec_encode::{Format, Settings};
use callrec_faulty_disk::{Counts, Faults, FaultyDisk, Moment, Operation};
use callrec_session::{EndReason, Speaker, Topology};
use callrec_simulator::Luck;
use callrec_store::{RecordingsDir, StoreError};
use callrec_summary::AudioOutcome;

use super::relayed;
use crate::audio::Audio;
use crate::call::{Call, Finishing};
use crate::clock::Stopwatch;
use crate::clock::simulated::use_clock_of;
use crate::error::RecordError;
use crate::journalling::{EVERY, Journalling};
use crate::live::lock;
use crate::options::{CallOptions, FormatChange};
use crate::recorder::{Handle, Recorder};
use crate::shared::{Limits, Shared};
use crate::status::CallFiles;
use crate::syncing::{SYNC_EVERY, Syncing};
use crate::workers::work_on;

/// Where the recordings are on the simulated disk.
pub(super) const HOME: &str = "/disk/responses";
/// Bytes, and samples, of a frame of 20 ms.
pub(super) const FRAME: usize = 160;
pub(super) const FRAME_US: u64 = 20_000;
const TURN_US: u64 = 100_000;

/// One stream.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    pub(super) call: &'static str,
    pub(super) name: String,
    /// Its bot's audio goes through us; else the provider sends both sides.
    pub(super) relayed: bool,
    pub(super) format: Format,
    pub(super) begins_us: u64,
    /// Of 20 ms, both sides.
    pub(super) frames: u64,
    /// In which frame the format is changed, and to what.
    pub(super) change: Option<(u64, Format)>,
}

impl Stream {
    /// The line of the transcript that is said with every fifth frame.
    pub(super) fn line(&self, frame: u64) -> String {
        format!("line {frame} of {}", self.name)
    }

    /// What one side of a frame sounds like, in mu-law: nothing that another frame sounds like.
    pub(super) fn codes(&self, frame: u64, side: u64) -> [u8; FRAME] {
        let name = self.name.bytes().fold(side, |sum, byte| sum * 31 + u64::from(byte));
        let mut luck = Luck::new(name << 32 | frame);
        // 0x7f and 0xff are both silence.
        std::array::from_fn(|_| (luck.any() & 0x7f).min(0x7e) as u8)
    }
}

/// What is to happen.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) streams: Vec<Stream>,
    /// Operations of the disk that fail, of a thousand.
    pub(super) per_mille: u64,
    /// Of nothing but these operations, if it is given.
    pub(super) only: Option<Operation>,
    /// How long a sync of everything takes.
    pub(super) sync_us: u64,
    /// Whether there is no rename that refuses to replace, and no sync of everything.
    pub(super) lacks: (bool, bool),
    pub(super) ignored_sync: Option<usize>,
}

impl Plan {
    /// Any, as a seed has it.
    pub(super) fn random(seed: u64) -> Self {
        let mut plan = Self::one_way(seed);
        // By a luck of its own: everything else is as in the plan without relays.
        let mut luck = Luck::new(!seed);
        plan.streams.iter_mut().for_each(|stream| stream.relayed = luck.percent(40));
        plan
    }

    /// Any of which no stream is relayed.
    pub(super) fn one_way(seed: u64) -> Self {
        let mut luck = Luck::new(seed);
        let compiled: Vec<Format> = Format::ALL.into_iter().filter(|format| format.is_compiled()).collect();
        // Those that keep every sample more often, for of these every sample can be checked.
        let format = |luck: &mut Luck| match luck.between(0, 9) {
            0..4 if Format::Wav.is_compiled() => Format::Wav,
            4..8 if Format::Flac.is_compiled() => Format::Flac,
            any => compiled[any as usize % compiled.len()],
        };
        let many = [1, 1, 1, 2, 2, 3][luck.between(0, 5) as usize];
        let long = luck.percent(20);
        let mut streams = Vec::new();
        for index in 0..many {
            let frames = if long { luck.between(100, 200) } else { luck.between(0, 40) };
            streams.push(Stream {
                call: ["CA1", "CA1", "CA2"][luck.between(0, 2) as usize],
                name: format!("MZ{index}"),
                relayed: false,
                format: format(&mut luck),
                begins_us: luck.between(0, 8) * TURN_US * u64::from(index > 0),
                frames,
                change: (frames > 0 && luck.percent(15))
                    .then(|| (luck.between(0, frames - 1), format(&mut luck))),
            });
        }
        Self {
            seed,
            streams,
            per_mille: [0, 0, 5, 20, 60, 150][luck.between(0, 5) as usize],
            only: None,
            sync_us: [0, 20_000, 300_000, 800_000][luck.between(0, 3) as usize],
            lacks: (luck.percent(20), luck.percent(20)),
            ignored_sync: None,
        }
    }

    /// A single stream, on a disk that fails at one operation every other time.
    pub(super) fn failing(operation: Operation, seed: u64) -> Self {
        let mut plan = Self::of_one(120, 20_000);
        let stream = &mut plan.streams[0];
        (stream.relayed, stream.format) = (seed.is_multiple_of(2), Self::random(seed).streams[0].format);
        Self { seed, per_mille: 500, only: Some(operation), ..plan }
    }

    /// A single stream, on a disk that does all that it is asked for.
    pub(super) fn of_one(frames: u64, sync_us: u64) -> Self {
        let format = Format::ALL.into_iter().rfind(|format| format.is_compiled()).unwrap_or(Format::Wav);
        let stream = Stream {
            call: "CA1",
            name: "MZ0".to_owned(),
            relayed: false,
            format,
            begins_us: 0,
            frames,
            change: None,
        };
        Self {
            seed: frames,
            streams: vec![stream],
            per_mille: 0,
            only: None,
            sync_us,
            lacks: (false, false),
            ignored_sync: None,
        }
    }

    /// Whether the disk does all that it is asked for, and in time.
    pub(super) fn is_sound(&self) -> bool {
        self.per_mille == 0 && self.ignored_sync.is_none()
    }
}

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

/// What happened.
pub(super) struct Life {
    pub(super) plan: Plan,
    pub(super) moments: Vec<Moment>,
    /// What was known of each stream, by the mark of a moment.
    pub(super) told: Vec<Vec<Told>>,
    /// When each frame of each stream that was given to the recorder was over.
    pub(super) given_us: Vec<Vec<u64>>,
    pub(super) syncs: Vec<Operation>,
    pub(super) counts: Counts,
}

/// A recorder without threads: they are played by whoever has it.
fn recorder_on(disk: &FaultyDisk) -> Result<(Recorder, Arc<Shared>), StoreError> {
    let dir = RecordingsDir::open_simulated(Arc::new(disk.clone()), HOME)?;
    let limits = Limits { calls: 100, waiting_bytes: 512 * 1024 * 1024, free_disk: 0 };
    let shared = Arc::new(Shared::new(dir, Settings::default(), true, limits));
    Ok((Recorder::new(Handle::new(Arc::clone(&shared))), shared))
}

/// What a start does with what an earlier process left. What fails is tried again at the next.
pub(super) fn recover_on(disk: &FaultyDisk) {
    use_clock_of(Some(disk.clone()));
    if let Ok((recorder, _)) = recorder_on(disk) {
        let _ = recorder.recover();
    }
    use_clock_of(None);
}

struct Going {
    stream: Stream,
    call: Option<Call>,
    finishing: Option<Finishing>,
    given_us: Vec<u64>,
    told: Told,
}

struct Threads {
    disk: FaultyDisk,
    recorder: Recorder,
    shared: Arc<Shared>,
    journalling: Mutex<Journalling>,
    /// When the journals were written last.
    written_us: AtomicU64,
    going: Mutex<Vec<Going>>,
    told: Mutex<Vec<Vec<Told>>>,
}

impl Threads {
    /// What happens in a tenth of a second, but for syncs.
    fn turn(&self) {
        let (shared, now_us) = (&*self.shared, self.disk.now_us());
        lock(&self.going).iter_mut().for_each(|going| going.speak(&self.recorder, now_us));
        if now_us >= self.written_us.load(Ordering::Acquire) + EVERY.as_micros() as u64 {
            self.write_journals();
        } else {
            lock(&self.journalling).write_urgent(shared);
        }
        while let Some(call) = shared.work_at_hand() {
            work_on(shared, &call);
        }
        let mut going = lock(&self.going);
        going.iter_mut().for_each(|going| going.look(&self.disk));
        let told: Vec<Told> = going.iter().map(|going| going.told).collect();
        let mut all = lock(&self.told);
        if all.last() != Some(&told) {
            all.push(told);
            self.disk.mark(all.len() - 1);
        }
    }
}

impl Threads {
    fn write_journals(&self) {
        self.written_us.store(self.disk.now_us(), Ordering::Release);
        lock(&self.journalling).turn(&self.shared);
    }
}

impl Going {
    fn speak(&mut self, recorder: &Recorder, now_us: u64) {
        let Stream { call, name, relayed, format, begins_us, frames, change } = &self.stream;
        if now_us < *begins_us || self.finishing.is_some() {
            return;
        }
        if self.call.is_none() {
            let settings = Settings::default().with_format(*format);
            let topology = if *relayed { Topology::Relay } else { Topology::OneWay };
            let options = CallOptions::new(*call).stream(name).topology(topology).settings(settings);
            self.call = recorder.start_call(options).ok();
        }
        let Some(call) = &self.call else { return };
        let set_format = |format| drop(call.set_format(&FormatChange::to(format)));
        let mut set_later = None;
        while (self.given_us.len() as u64) < *frames {
            let frame = self.given_us.len() as u64;
            if now_us < begins_us + (frame + 1) * FRAME_US {
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
            self.given_us.push(begins_us + (frame + 1) * FRAME_US);
        }
        set_later.into_iter().for_each(set_format);
        if (self.given_us.len() as u64) < *frames {
            return;
        }
        self.finishing = self.call.take().map(|call| call.finish(EndReason::Finished));
    }

    fn look(&mut self, disk: &FaultyDisk) {
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
        let nothing_lost = stream.completeness.unjournalled_bytes == 0 && stream.completeness.torn_bytes == 0;
        let saved = matches!(stream.audio, AudioOutcome::Recorded(_)) || self.stream.frames == 0;
        saved && nothing_lost && !has_journal
    }
}

/// Lives a plan to its end, on a new disk.
pub(super) fn live(plan: &Plan) -> Result<Life, RecordError> {
    live_on(&FaultyDisk::default(), plan)
}

/// Lives a plan to its end.
pub(super) fn live_on(disk: &FaultyDisk, plan: &Plan) -> Result<Life, RecordError> {
    disk.lack(plan.lacks.0, plan.lacks.1);
    disk.set_sync_us(plan.sync_us);
    disk.keep_moments();
    if let Some(index) = plan.ignored_sync {
        disk.ignore_sync(index);
    }
    use_clock_of(Some(disk.clone()));
    let (recorder, shared) = recorder_on(disk)?;
    disk.set_faults(match plan.only {
        Some(only) => Faults::of(only, plan.seed, plan.per_mille),
        None => Faults::random(plan.seed, plan.per_mille),
    });
    let going = plan.streams.iter().map(|stream| Going {
        stream: stream.clone(),
        call: None,
        finishing: None,
        given_us: Vec::new(),
        told: Told::Nothing,
    });
    let threads = Arc::new(Threads {
        disk: disk.clone(),
        recorder,
        shared,
        journalling: Mutex::default(),
        written_us: AtomicU64::new(0),
        going: Mutex::new(going.collect()),
        told: Mutex::new(vec![vec![Told::Nothing; plan.streams.len()]]),
    });
    let others = Arc::clone(&threads);
    disk.set_meanwhile(move || others.turn());
    let begun_us = disk.now_us();
    let (mut syncing, mut sync_at) = (Syncing::default(), begun_us + SYNC_EVERY.as_micros() as u64);
    // Some go on after the last call has ended: the sync may come after all is done.
    let (mut turns, mut after) = (0, 1 + plan.seed % 15);
    while turns < 600 && after > 0 {
        threads.turn();
        if disk.now_us() >= sync_at {
            let began = Stopwatch::start();
            threads.write_journals();
            let wait = syncing.turn(&threads.shared, began);
            sync_at = disk.now_us() + wait.as_micros() as u64;
        }
        disk.pass(TURN_US);
        turns += 1;
        if lock(&threads.going).iter().all(|going| going.told != Told::Nothing) {
            after -= 1;
        }
    }
    disk.clear_meanwhile();
    let moments = disk.take_moments();
    let given_us = lock(&threads.going).iter().map(|going| going.given_us.clone()).collect();
    let told = lock(&threads.told).clone();
    let (syncs, counts) = (disk.syncs(), disk.counts());
    // What its end would do is not part of this life.
    lock(&threads.going).clear();
    drop(threads);
    use_clock_of(None);
    Ok(Life { plan: plan.clone(), moments, told, given_us, syncs, counts })
}

/// The names in the recordings directory, of recordings and texts alone.
pub(super) fn final_names(disk: &FaultyDisk) -> Vec<String> {
    let names = disk.files().into_iter().filter_map(|(path, _)| {
        let name = Path::new(&path).strip_prefix(HOME).ok()?.to_str()?.to_owned();
        (!name.contains('/')).then_some(name)
    });
    names.collect()
}
