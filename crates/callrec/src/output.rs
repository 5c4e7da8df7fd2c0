//! The file that a take writes, read back as it goes, and how much of the disk it may take.

use std::sync::Arc;

use callrec_encode::readback::{ReadBack, check_file};
use callrec_encode::{Encoder, Format, Settings, Spec};
use callrec_session::Track;
use callrec_store::Partial;

use crate::clock::Stopwatch;
use crate::memory::Memory;
use crate::mixdown::Mixdown;
use crate::take::{Subject, TakeError, TakenAudio};

/// How far the recording of a live call may be ahead of time and need no leave, in seconds: less than what is kept of the disk for
/// each. Whoever sends in time never is.
pub(crate) const AHEAD_S: u64 = 60;
/// What recordings leave of the disk's spare room to journals, which cannot wait for it: what a stream may journal at once.
pub(crate) const FOR_JOURNALS: u64 = 68 * 1024 * 1024;
/// How much of the disk is asked for at a time, beyond what is needed: more than a second of any file.
const STEP: u64 = 512 * 1024;

pub(crate) struct Output {
    spec: Spec,
    mixdown: Mixdown,
    encoder: Box<dyn Encoder>,
    readback: ReadBack,
    partial: Partial,
    written: Vec<u8>,
    frames: u64,
    /// How fast it grows at most, in bytes a second.
    rate: u64,
}

impl Output {
    pub(crate) fn new(
        subject: &Subject,
        settings: &Settings,
        fallback: Option<Format>,
    ) -> Result<Self, TakeError> {
        let Subject { dir, call, number, header, .. } = subject;
        let spec = subject.spec(settings, fallback)?;
        let encoder = spec.encoder()?;
        #[cfg(all(test, feature = "mp3", feature = "wav", feature = "ogg", feature = "flac"))]
        let encoder = crate::bad_encoder::given(encoder, call, &spec);
        Ok(Self {
            mixdown: Mixdown::new(&header.start, &spec)?,
            encoder,
            readback: ReadBack::new(&spec),
            partial: dir.create_partial(call, *number, spec.format.extension())?,
            written: Vec::new(),
            frames: 0,
            rate: most_bytes_a_second(&spec),
            spec,
        })
    }

    /// Whether another second may be written.
    pub(crate) fn has_room(&self, room: &mut Room) -> bool {
        room.has(self.partial.len(), self.rate)
    }

    /// How many bytes the file has.
    pub(crate) fn len(&self) -> u64 {
        self.partial.len()
    }

    pub(crate) fn add(&mut self, track: Track, samples: &[i16]) -> Result<(), TakeError> {
        self.mixdown.add(track, samples);
        self.encode(false)
    }

    fn encode(&mut self, last: bool) -> Result<(), TakeError> {
        let pcm = if last { self.mixdown.finish() } else { self.mixdown.take() };
        if pcm.is_empty() {
            return Ok(());
        }
        self.written.clear();
        self.encoder.encode(pcm, &mut self.written)?;
        self.readback.encoded(pcm);
        self.frames += (pcm.len() / usize::from(self.spec.channels)) as u64;
        self.readback.written(&self.written)?;
        self.partial.write(&self.written)?;
        Ok(())
    }

    pub(crate) fn finish(
        mut self,
        settings: Settings,
        requested: Option<Format>,
    ) -> Result<TakenAudio, TakeError> {
        self.encode(true)?;
        self.written.clear();
        let patch = self.encoder.finish(&mut self.written)?;
        self.readback.written(&self.written)?;
        self.readback.finish()?;
        self.partial.write(&self.written)?;
        if let Some(patch) = patch {
            self.partial.patch(patch.offset, &patch.bytes)?;
        }
        self.partial.sync()?;
        check_file(self.partial.reopen()?, &self.spec, self.frames)?;
        Ok(TakenAudio { partial: self.partial, spec: self.spec, frames: self.frames, settings, requested })
    }
}

/// What a recording may take of the disk: as much as fits the time for which it is being made, for that is kept for live calls; beyond,
/// what all calls have to spare. One byte that a provider sends may be two dozen of the file, and what is made of a whole journal
/// is all there at once.
pub(crate) struct Room {
    memory: Arc<Memory>,
    ahead_s: u64,
    since: Stopwatch,
    /// So long it may be, as was found last.
    allowed: u64,
    /// What it was given beyond its time, in bytes.
    granted: u64,
    noted: bool,
}

impl Room {
    /// For a file that may be so far ahead of time.
    pub(crate) fn new(memory: Arc<Memory>, ahead_s: u64) -> Self {
        Self { memory, ahead_s, since: Stopwatch::start(), allowed: 0, granted: 0, noted: false }
    }

    /// Another file is made in place of one that had so many bytes.
    pub(crate) fn begin_again(&mut self, freed: u64) {
        (self.since, self.allowed, self.granted) = (Stopwatch::start(), 0, freed);
    }

    /// Whether a file that has so many bytes, and grows so fast at most, may grow.
    fn has(&mut self, len: u64, rate: u64) -> bool {
        if len <= self.allowed {
            return true;
        }
        self.allowed = self.since.us() / 1_000 * rate / 1_000 + self.ahead_s * rate + self.granted;
        let Some(more) = len.checked_sub(self.allowed).filter(|more| *more > 0) else { return true };
        if !self.memory.take_spare_disk(more + STEP, FOR_JOURNALS) {
            return false;
        }
        self.granted += more + STEP;
        self.allowed += more + STEP;
        true
    }

    /// Counts that there was none, once.
    pub(crate) fn note_none(&mut self) {
        if !std::mem::replace(&mut self.noted, true) {
            self.memory.note_no_room();
        }
    }
}

/// How fast such a file grows at most, in bytes a second; where that depends on the sound, what its samples take.
pub(crate) fn most_bytes_a_second(spec: &Spec) -> u64 {
    match spec.bitrate_kbps() {
        Some(kbps) => u64::from(kbps + 1) * 125,
        None => u64::from(spec.rate) * u64::from(spec.channels) * 2,
    }
}

#[cfg(test)]
#[cfg(feature = "wav")]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use callrec_encode::RateSetting;
    use callrec_faulty_disk::{Faults, FaultyDisk, Operation, What};
    use callrec_session::{EndReason, Topology};
    use callrec_store::RecordingsDir;

    use super::*;
    use crate::again::Again;
    use crate::clock::simulated::use_clock_of;
    use crate::journalling::Journalling;
    use crate::recorder::{Handle, Recorder};
    use crate::recovery::{Recovery, recover};
    use crate::shared::{Limits, Shared};
    use crate::space::measure_once;
    use crate::workers::work_on;
    use crate::{Audio, CallOptions};

    const SECOND: u64 = 1_000_000;
    const LEAST: u64 = 100_000_000;
    const SPARE: u64 = 80_000_000;
    /// Bytes of such a file in a second.
    const RATE: u64 = 192_125;

    /// A recorder of the largest files there are, on a disk that has little more room than is kept for two calls.
    struct Machine {
        disk: FaultyDisk,
        shared: Arc<Shared>,
        recorder: Recorder,
        journalling: Journalling,
    }

    impl Machine {
        fn new() -> Self {
            let disk = FaultyDisk::default();
            use_clock_of(Some(disk.clone()));
            let dir = RecordingsDir::open_simulated(Arc::new(disk.clone()), "/responses").unwrap();
            let limits = Limits { calls: 10, waiting_bytes: 1_000_000_000, free_disk: LEAST };
            let settings = Settings::default().with_format(Format::Wav).with_rate(RateSetting::Hz(48_000));
            let shared = Arc::new(Shared::new(dir, settings, true, limits));
            let recorder = Recorder::new(Handle::new(Arc::clone(&shared)));
            Self { disk, shared, recorder, journalling: Journalling::default() }
        }

        fn on_disk(&self, of: &str) -> u64 {
            let files = self.disk.files().into_iter().filter(|(path, _)| path.contains(of));
            files.map(|(_, bytes)| bytes.len() as u64).sum()
        }

        /// Measures the disk, of which so much is free if nothing is on it.
        fn measure(&self, empty: u64) {
            self.disk.set_free(empty.saturating_sub(self.on_disk("")));
            measure_once(&self.shared);
        }

        /// Journals and encodes for a second.
        fn work(&mut self) {
            for _ in 0..4 {
                self.journalling.turn(&self.shared);
                while let Some(call) = self.shared.work_at_hand() {
                    work_on(&self.shared, &call);
                }
                self.disk.pass(SECOND / 4);
            }
        }
    }

    #[test]
    fn a_stream_that_sends_minutes_at_once_takes_nothing_of_what_is_kept_for_the_call_beside_and_waits_for_room()
     {
        let mut machine = Machine::new();
        let begin = |name: &str| machine.recorder.start_call(CallOptions::new(name)).unwrap();
        let [ahead, beside] = ["CA1", "CA2"].map(begin);
        let bursts = CallOptions::new("CA3").topology(Topology::Relay);
        let bursts = machine.recorder.start_call(bursts).unwrap();
        let kept = machine.shared.kept();
        let (empty, seconds) = (LEAST + kept + SPARE, 8);
        for second in 0..seconds {
            machine.measure(empty);
            for frame in second * 6_000..(second + 1) * 6_000 {
                ahead.caller_at(frame * 20, Audio::mulaw(&[0x30; 160]));
            }
            for frame in second * 50..(second + 1) * 50 {
                beside.caller_at(frame * 20, Audio::mulaw(&[0x10; 160]));
                beside.assistant_at(frame * 20, Audio::mulaw(&[0x20; 160]));
            }
            if second == 5 {
                // Ten minutes, of which the journal takes more than what is kept for it.
                bursts.assistant(Audio::mulaw(&[0x10; 4_800_000]));
            }
            machine.work();
            let left = empty - machine.on_disk("");
            assert!(left >= LEAST + kept / 3 * 2, "{left} bytes are left in second {second}");
        }
        let recording = machine.on_disk("CA1") - machine.on_disk("CA1_1.journal");
        let most = (AHEAD_S + seconds) * RATE + SPARE - FOR_JOURNALS + STEP;
        assert!(recording > AHEAD_S * RATE && recording < most, "{recording} of {most} bytes");
        let refused = machine.recorder.health().refused;
        assert_eq!(
            (refused.recordings_no_room, refused.journals_full),
            (1, 0),
            "it waits, and no journal does"
        );
        drop(bursts.finish(EndReason::Stopped));

        machine.measure(empty);
        let [ahead, beside] = [ahead, beside].map(|call| call.finish(EndReason::Stopped));
        machine.work();
        let outcome = |call: &crate::Finishing| call.wait_timeout(Duration::ZERO).unwrap();
        let of_beside = outcome(&beside).unwrap().details.streams[0].clone();
        assert!(of_beside.completeness.is_complete(), "{:?}", of_beside.completeness.sentences());
        assert_eq!(of_beside.duration_ms, seconds * 1_000);
        assert!(of_beside.audio.file().is_some());

        let told = outcome(&ahead).unwrap_err().to_string();
        assert!(told.contains("no room") && told.contains("tried again"), "{told}");
        let files = machine.recorder.files("CA1").unwrap();
        assert!(!files.is_saved() && files.recordings.is_empty());
        assert_eq!(machine.on_disk("CA1"), machine.on_disk("CA1_1.journal") + texts(&machine.disk, "CA1"));
        let health = machine.recorder.health();
        assert_eq!(
            (health.refused.recordings_no_room, health.left_in_journals, health.finishing),
            (2, true, 0)
        );

        // In a minute, and when there is room.
        let mut again = Again::new();
        assert!(!again.is_due(&machine.shared));
        machine.disk.pass(59 * SECOND);
        assert!(!again.is_due(&machine.shared));
        machine.disk.pass(SECOND);
        machine.measure(LEAST);
        assert!(machine.shared.space.is_low() && !again.is_due(&machine.shared));
        machine.measure(LEAST + 2 * SPARE);
        assert!(again.is_due(&machine.shared));
        let nothing = Recovery { failed: 1, ..Recovery::default() };
        assert_eq!(recover(&machine.shared).unwrap(), nothing, "there is less room than there was");
        // Then in two.
        assert!(!again.is_due(&machine.shared));
        machine.measure(10_000 * LEAST);
        machine.disk.pass(119 * SECOND);
        assert!(!again.is_due(&machine.shared));
        machine.disk.pass(SECOND);
        assert!(again.is_due(&machine.shared));
        assert_eq!(recover(&machine.shared).unwrap(), Recovery { finished: 1, ..Recovery::default() });
        let health = machine.recorder.health();
        assert_eq!((health.refused.recordings_no_room, health.left_in_journals), (3, false));
        machine.disk.pass(10_000 * SECOND);
        assert!(!again.is_due(&machine.shared), "nothing is left");
        let stream = machine.recorder.files("CA1").unwrap().details.streams[0].clone();
        assert!(stream.audio.file().is_some() && stream.completeness.is_complete());
        assert_eq!(stream.duration_ms, seconds * 120_000);
        use_clock_of(None);
    }

    /// What transcript and summaries of a call take.
    fn texts(disk: &FaultyDisk, call: &str) -> u64 {
        let files = disk.files().into_iter();
        let texts = files.filter(|(path, _)| path.contains(call) && !path.contains(".journal"));
        texts.map(|(_, bytes)| bytes.len() as u64).sum()
    }

    #[test]
    fn what_is_made_of_a_whole_journal_takes_nothing_of_what_is_kept_and_a_call_in_time_needs_nothing_else() {
        let mut machine = Machine::new();
        let begin = |name: &str| machine.recorder.start_call(CallOptions::new(name)).unwrap();
        let [call, beside] = ["CA1", "CA2"].map(begin);
        // There is nothing to spare, and the call goes on for ten minutes.
        for minute in 0..10 {
            machine.disk.set_free(LEAST + machine.shared.kept());
            measure_once(&machine.shared);
            for second in minute * 60..(minute + 1) * 60 {
                for frame in second * 50..(second + 1) * 50 {
                    call.caller_at(frame * 20, Audio::mulaw(&[0x10; 160]));
                }
                machine.disk.pass(SECOND);
            }
            machine.work();
        }
        assert_eq!(machine.recorder.health().refused.recordings_no_room, 0);
        assert!(machine.on_disk("CA1") > 590 * RATE, "{} bytes", machine.on_disk("CA1"));

        machine.disk.set_faults(Faults::refusing(&[Operation::Write(What::Partial)]));
        let finishing = call.finish(EndReason::Stopped);
        machine.work();
        assert!(finishing.wait_timeout(Duration::ZERO).unwrap().is_err());
        machine.disk.set_faults(Faults::none());
        // The other call goes on, and what is left beside it is for journals.
        machine.measure(machine.on_disk("") + LEAST + machine.shared.kept() + FOR_JOURNALS);
        assert_eq!(recover(&machine.shared).unwrap(), Recovery { failed: 1, owned: 1, finished: 0 });
        assert_eq!(machine.recorder.health().refused.recordings_no_room, 1);
        machine.measure(10_000 * LEAST);
        assert_eq!(recover(&machine.shared).unwrap(), Recovery { finished: 1, owned: 1, failed: 0 });
        drop(beside.finish(EndReason::Stopped));
        machine.work();
        use_clock_of(None);
    }

    #[test]
    #[cfg(feature = "mp3")]
    fn what_waits_for_room_is_recorded_when_it_ends_if_there_is_room_for_the_format_that_was_set_last() {
        let mut machine = Machine::new();
        let call = machine.recorder.start_call(CallOptions::new("CA1")).unwrap();
        machine.measure(LEAST + machine.shared.kept() + SPARE);
        (0..24_000).for_each(|frame| call.caller_at(frame * 20, Audio::mulaw(&[0x10; 160])));
        machine.work();
        assert_eq!(machine.recorder.health().refused.recordings_no_room, 1);
        call.set_format(&crate::FormatChange::to(Format::Mp3)).unwrap();
        // Eight minutes of MP3 take 8 MB, and these of WAV 92.
        machine.disk.set_free(LEAST + machine.shared.kept() + FOR_JOURNALS + 10_000_000);
        measure_once(&machine.shared);
        let finishing = call.finish(EndReason::Stopped);
        machine.work();
        let stream = finishing.wait_timeout(Duration::ZERO).unwrap().unwrap().details.streams[0].clone();
        assert_eq!(stream.audio.file().unwrap().format, "mp3");
        assert!(stream.duration_ms == 480_000 && stream.completeness.is_complete());
        let health = machine.recorder.health();
        assert_eq!((health.refused.recordings_no_room, health.left_in_journals), (1, false));
        use_clock_of(None);
    }
}
