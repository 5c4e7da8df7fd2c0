//! The file that a take writes, read back as it goes, and how much of the disk it may take.

use std::sync::Arc;

use callrec_encode::readback::{ReadBack, check_file};
use callrec_encode::{Encoder, Format, Settings, Spec};
use callrec_session::Track;
use callrec_store::Partial;

use crate::clock::Stopwatch;
use crate::memory::Memory;
use crate::mixdown::Mixdown;
use crate::take::{Subject, TakeError};
use crate::taken::TakenAudio;

/// How far the recording of a live call may be ahead of time and need no leave, in seconds: less than what is kept of the disk for
/// each. Whoever sends in time never is.
pub(crate) const AHEAD_S: u64 = 60;
/// What recordings leave of the disk's spare room to journals, which cannot wait for it: what a stream may journal at once.
pub(crate) const FOR_JOURNALS: u64 = 68 * 1024 * 1024;
/// How much of the disk is asked for at a time, beyond what is needed: more than a second of any file.
const STEP: u64 = 512 * 1024;
/// How many bytes are written to the disk at a time, or a few more.
const AT_ONCE: usize = 4_096;

pub(crate) struct Output {
    spec: Spec,
    mixdown: Mixdown,
    encoder: Box<dyn Encoder>,
    readback: ReadBack,
    partial: Partial,
    /// What was encoded and is not in the file yet.
    unwritten: Vec<u8>,
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
            unwritten: Vec::new(),
            frames: 0,
            rate: most_bytes_a_second(&spec),
            spec,
        })
    }

    /// Whether another second may be written.
    pub(crate) fn has_room(&self, room: &mut Room) -> bool {
        room.has(self.partial.len() + self.unwritten.len() as u64, self.rate)
    }

    /// How many samples of each channel were encoded so far.
    pub(crate) fn frames(&self) -> u64 {
        self.frames
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
        let before = self.unwritten.len();
        self.encoder.encode(pcm, &mut self.unwritten)?;
        self.readback.encoded(pcm);
        self.frames += (pcm.len() / usize::from(self.spec.channels)) as u64;
        self.readback.written(&self.unwritten[before..])?;
        if self.unwritten.len() >= AT_ONCE {
            self.partial.write(&self.unwritten)?;
            self.unwritten.clear();
        }
        Ok(())
    }

    pub(crate) fn finish(
        mut self,
        settings: Settings,
        requested: Option<Format>,
    ) -> Result<TakenAudio, TakeError> {
        self.encode(true)?;
        let before = self.unwritten.len();
        let patch = self.encoder.finish(&mut self.unwritten)?;
        self.readback.written(&self.unwritten[before..])?;
        self.partial.write(&self.unwritten)?;
        self.readback.finish()?;
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
    /// How long it was, as was found last.
    len: u64,
    /// So long it may be, as was found last.
    allowed: u64,
    /// What it was given beyond its time, in bytes.
    granted: u64,
    noted: bool,
}

impl Room {
    /// For a file that may be so far ahead of time.
    pub(crate) fn new(memory: Arc<Memory>, ahead_s: u64) -> Self {
        Self { memory, ahead_s, since: Stopwatch::start(), len: 0, allowed: 0, granted: 0, noted: false }
    }

    /// Another file is made in place of the one, and may take what it took.
    pub(crate) fn begin_again(&mut self) {
        let freed = std::mem::take(&mut self.len);
        (self.since, self.allowed, self.granted) = (Stopwatch::start(), 0, freed);
    }

    /// Whether a file that has so many bytes, and grows so fast at most, may grow.
    fn has(&mut self, len: u64, rate: u64) -> bool {
        self.len = len;
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
mod tests;
