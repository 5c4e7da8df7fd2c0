//! Two tracks of rates of their own, brought to the file's rate and together.

use callrec_audio::mix;
use callrec_audio::resample::{ResampleError, Resampler};
use callrec_encode::Spec;
use callrec_session::{StreamStart, Track};

/// Takes the stretches of a timeline and gives interleaved samples for an encoder.
#[derive(Debug)]
pub(crate) struct Mixdown {
    caller: Lane,
    assistant: Lane,
    stereo: bool,
    mixed: Vec<i16>,
}

#[derive(Debug)]
struct Lane {
    resampler: Resampler,
    waiting: Vec<i16>,
}

impl Lane {
    fn new(from_hz: u32, to_hz: u32) -> Result<Self, ResampleError> {
        Ok(Self { resampler: Resampler::new(from_hz, to_hz)?, waiting: Vec::new() })
    }
}

impl Mixdown {
    pub(crate) fn new(start: &StreamStart, spec: &Spec) -> Result<Self, ResampleError> {
        Ok(Self {
            caller: Lane::new(start.caller_rate, spec.rate)?,
            assistant: Lane::new(start.assistant_rate, spec.rate)?,
            stereo: spec.channels == 2,
            mixed: Vec::new(),
        })
    }

    /// Adds a track's next samples.
    pub(crate) fn add(&mut self, track: Track, samples: &[i16]) {
        let lane = match track {
            Track::Caller => &mut self.caller,
            Track::Assistant => &mut self.assistant,
        };
        lane.resampler.process(samples, &mut lane.waiting);
    }

    /// What both tracks have reached, mixed.
    pub(crate) fn take(&mut self) -> &[i16] {
        let both = self.caller.waiting.len().min(self.assistant.waiting.len());
        self.mix(both, both)
    }

    /// The rest; the shorter track is filled with silence.
    pub(crate) fn finish(&mut self) -> &[i16] {
        for lane in [&mut self.caller, &mut self.assistant] {
            lane.resampler.finish(&mut lane.waiting);
        }
        self.mix(self.caller.waiting.len(), self.assistant.waiting.len())
    }

    fn mix(&mut self, caller: usize, assistant: usize) -> &[i16] {
        self.mixed.clear();
        let (left, right) = (&self.caller.waiting[..caller], &self.assistant.waiting[..assistant]);
        if self.stereo {
            mix::interleave(left, right, &mut self.mixed);
        } else {
            mix::sum(left, right, &mut self.mixed);
        }
        self.caller.waiting.drain(..caller);
        self.assistant.waiting.drain(..assistant);
        &self.mixed
    }
}
