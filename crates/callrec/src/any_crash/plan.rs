//! What is to happen in a life, as a seed has it.

use callrec_encode::Format;
use callrec_faulty_disk::{Operation, What};
use callrec_simulator::Luck;

use super::room::Room;

/// Bytes, and samples, of a frame of 20 ms.
pub(super) const FRAME: usize = 160;
pub(super) const FRAME_US: u64 = 20_000;
/// What one turn of a life takes.
pub(super) const TURN_US: u64 = 100_000;
pub(super) const SECOND_US: u64 = 1_000_000;

/// One stream.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    pub(super) call: &'static str,
    pub(super) name: String,
    /// Its bot's audio goes through us; else the provider sends both sides.
    pub(super) relayed: bool,
    /// Its audio is recorded; else what is said alone.
    pub(super) recorded: bool,
    /// For this reason it is not, though the process records that of others.
    pub(super) without_audio: Option<&'static str>,
    pub(super) format: Format,
    pub(super) begins_us: u64,
    /// Of 20 ms, both sides.
    pub(super) frames: u64,
    /// In which frame the format is changed, and to what.
    pub(super) change: Option<(u64, Format)>,
    /// With which frame many more come at once, and how many: from there on the provider is ahead of time.
    pub(super) burst: Option<(u64, u64)>,
}

impl Stream {
    /// Has it last a second at most, unless much of it comes at once: where more happens, there are more crashes.
    fn shorten(&mut self) {
        if self.burst.is_none() {
            self.frames = self.frames.min(50);
            self.change = self.change.filter(|(at, _)| *at < self.frames);
        }
    }

    /// When a frame is over, and can be given to the recorder.
    pub(super) fn over_us(&self, frame: u64) -> u64 {
        let ahead = self.burst.map_or(0, |(with, more)| frame.saturating_sub(with).min(more));
        self.begins_us + (frame + 1 - ahead) * FRAME_US
    }

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

/// Why a stream's audio is refused.
const NEARLY_FULL: &str = "the disk was nearly full when the call began";

/// What is to happen.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) streams: Vec<Stream>,
    /// Operations of the disk that fail, of a thousand.
    pub(super) per_mille: u64,
    /// Of nothing but these operations, if it is given.
    pub(super) only: Option<&'static [Operation]>,
    /// How long a sync of everything takes.
    pub(super) sync_us: u64,
    /// Whether there is no rename that refuses to replace, and no sync of everything.
    pub(super) lacks: (bool, bool),
    pub(super) ignored_sync: Option<usize>,
    /// How much of the disk is free, if that is of concern.
    pub(super) room: Option<Room>,
    /// The life of the process before, which ended at any moment.
    pub(super) earlier: Option<Box<Plan>>,
}

impl Plan {
    /// Any, as a seed has it.
    pub(super) fn random(seed: u64) -> Self {
        // By lucks of their own: everything else is as in the plan without.
        let (mut plan, mut luck) = (Self::relayed(seed), Luck::new(seed.rotate_left(32)));
        if luck.percent(45) {
            plan.want_room(&mut luck);
        }
        if luck.percent(40) {
            plan.come_after(Self::relayed(luck.any()));
        }
        // A process records the audio of all its calls or of none.
        let mut luck = Luck::new(!seed.rotate_left(16));
        let records = |luck: &mut Luck| luck.percent(80);
        plan.record(records(&mut luck));
        if let Some(earlier) = &mut plan.earlier {
            earlier.record(records(&mut luck));
        }
        let mut luck = Luck::new(!seed.rotate_left(48));
        plan.refuse_audio(&mut luck);
        if let Some(earlier) = &mut plan.earlier {
            earlier.refuse_audio(&mut luck);
        }
        plan
    }

    /// Any, of a process that records no audio.
    pub(super) fn unrecorded(seed: u64) -> Self {
        let mut plan = Self::random(seed);
        plan.record(false);
        plan
    }

    fn record(&mut self, audio: bool) {
        for stream in &mut self.streams {
            (stream.recorded, stream.without_audio) = (audio, None);
        }
    }

    /// Of some streams no audio is recorded, where that of others is.
    fn refuse_audio(&mut self, luck: &mut Luck) {
        let refused = luck.percent(25);
        for stream in self.streams.iter_mut().filter(|stream| stream.recorded) {
            if refused && luck.percent(50) {
                (stream.recorded, stream.without_audio) = (false, Some(NEARLY_FULL));
            }
        }
    }

    /// Whether the process records audio.
    pub(super) fn records(&self) -> bool {
        self.streams.iter().all(|stream| stream.recorded || stream.without_audio.is_some())
    }

    /// Any of which some streams are relayed.
    fn relayed(seed: u64) -> Self {
        let (mut plan, mut luck) = (Self::one_way(seed), Luck::new(!seed));
        plan.streams.iter_mut().for_each(|stream| stream.relayed = luck.percent(40));
        plan
    }

    /// The disk has little room for some time, a stream is ahead of time, and another begins when what was left is tried again.
    fn want_room(&mut self, luck: &mut Luck) {
        self.room = Some(Room::random(luck));
        self.streams.truncate(2);
        self.streams.iter_mut().for_each(Stream::shorten);
        let first = &mut self.streams[0];
        if luck.percent(80) {
            let (with, more) = (luck.between(0, 20), luck.between(200, 400));
            // Some end at once, some wait for room while they are live.
            let rest = [luck.between(1, 20), luck.between(80, 130)][luck.between(0, 1) as usize];
            if luck.percent(60) && Format::Wav.is_compiled() {
                first.format = Format::Wav;
            }
            (first.burst, first.frames) = (Some((with, more)), with + more + rest);
        }
        let name = format!("MZ{}", self.streams.len());
        let begins_us = luck.between(605, 630) * TURN_US;
        let frames = luck.between(40, 120);
        let late =
            Stream { name, begins_us, frames, change: None, ..self.streams[1 % self.streams.len()].clone() };
        self.streams.push(Stream { burst: None, ..late });
        // The one thread of a life waits 250 ms where a recording finds no room: more and the journals would not be synced in time.
        self.sync_us = self.sync_us.min(20_000);
    }

    /// Another process recorded into the same directory, and is gone.
    fn come_after(&mut self, mut earlier: Self) {
        earlier.streams.truncate(2);
        self.streams.iter_mut().chain(&mut earlier.streams).for_each(Stream::shorten);
        for stream in &mut earlier.streams {
            stream.name = stream.name.replace('Z', "Y");
        }
        (earlier.lacks, earlier.per_mille, earlier.sync_us) = (self.lacks, self.per_mille, self.sync_us);
        self.earlier = Some(Box::new(earlier));
    }

    /// Whether anything is recovered while calls are live.
    pub(super) fn recovers(&self) -> bool {
        self.room.is_some() || self.earlier.is_some()
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
                recorded: true,
                without_audio: None,
                format: format(&mut luck),
                begins_us: luck.between(0, 8) * TURN_US * u64::from(index > 0),
                frames,
                change: (frames > 0 && luck.percent(15))
                    .then(|| (luck.between(0, frames - 1), format(&mut luck))),
                burst: None,
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
            room: None,
            earlier: None,
        }
    }

    /// A single stream, on a disk that fails at these operations every other time.
    pub(super) fn failing(operations: &'static [Operation], seed: u64) -> Self {
        let mut plan = Self::of_one(120, 20_000);
        let stream = &mut plan.streams[0];
        (stream.relayed, stream.format) = (seed.is_multiple_of(2), Self::relayed(seed).streams[0].format);
        Self { seed, per_mille: 500, only: Some(operations), ..plan }
    }

    /// A single stream, on a disk that does all that it is asked for.
    pub(super) fn of_one(frames: u64, sync_us: u64) -> Self {
        let format = Format::ALL.into_iter().rfind(|format| format.is_compiled()).unwrap_or(Format::Wav);
        let stream = Stream {
            call: "CA1",
            name: "MZ0".to_owned(),
            relayed: false,
            recorded: true,
            without_audio: None,
            format,
            begins_us: 0,
            frames,
            change: None,
            burst: None,
        };
        Self {
            seed: frames,
            streams: vec![stream],
            per_mille: 0,
            only: None,
            sync_us,
            lacks: (false, false),
            ignored_sync: None,
            room: None,
            earlier: None,
        }
    }

    /// Whether a journal can be read, written and synced by itself whenever that is asked for.
    pub(super) fn spares_journals(&self) -> bool {
        let of_journals = [Operation::Read, Operation::Write, Operation::Sync].map(|of| of(What::Journal));
        let fails = |operation| self.per_mille > 0 && self.only.is_none_or(|only| only.contains(&operation));
        self.ignored_sync.is_none() && !of_journals.into_iter().any(fails)
    }

    /// Whether the disk does all that it is asked for, and in time.
    pub(super) fn is_sound(&self) -> bool {
        self.per_mille == 0 && self.ignored_sync.is_none()
    }
}
