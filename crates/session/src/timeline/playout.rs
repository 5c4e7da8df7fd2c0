//! The model of the provider's playout queue: what the bot sent is played in order, as soon as there is room.

use std::collections::VecDeque;

use crate::Codec;

/// A pause shorter than this, in milliseconds, is speech that came too late; a longer one is a pause.
const STALL_MS: u64 = 400;

/// A chunk in the queue; its bytes are in the common store.
#[derive(Debug)]
struct Chunk {
    start: u64,
    samples: u64,
    codec: Codec,
}

/// What is queued, as it was received. Places and lengths are samples.
#[derive(Debug)]
pub(super) struct PlayoutQueue {
    most: u64,
    stall: u64,
    chunks: VecDeque<Chunk>,
    bytes: VecDeque<u8>,
    /// Where what is queued, or was last played, ends.
    end: u64,
    /// Where the spurt began that is queued or was played last.
    spurt: u64,
    played_any: bool,
}

/// What became of a chunk.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Queued {
    /// Samples beyond what the queue holds.
    pub(super) refused: u64,
    /// The pause since the speech before, if it came too late to go on.
    pub(super) stalled: u64,
}

impl PlayoutQueue {
    /// A queue of at most `most` samples, at `rate` Hz.
    pub(super) fn new(rate: u32, most: u64) -> Self {
        Self {
            most,
            stall: u64::from(rate) * STALL_MS / 1000,
            chunks: VecDeque::new(),
            bytes: VecDeque::new(),
            end: 0,
            spurt: 0,
            played_any: false,
        }
    }

    /// A chunk arrived at `now`: it starts when all before it is played.
    pub(super) fn push(&mut self, now: u64, codec: Codec, bytes: &[u8]) -> Queued {
        let samples = (bytes.len() / codec.bytes_per_sample()) as u64;
        let room = self.most.saturating_sub(self.end.saturating_sub(now));
        let taken = samples.min(room);
        let mut queued = Queued { refused: samples - taken, stalled: 0 };
        if taken == 0 {
            return queued;
        }
        if now > self.end || !self.played_any {
            let pause = now.saturating_sub(self.end);
            if self.played_any && pause < self.stall {
                queued.stalled = pause;
            } else {
                self.spurt = now;
            }
            self.end = now;
        }
        self.played_any = true;
        self.bytes.extend(&bytes[..taken as usize * codec.bytes_per_sample()]);
        match self.chunks.back_mut() {
            // Small chunks without a pause are one.
            Some(last) if last.codec == codec && last.start + last.samples == self.end => {
                last.samples += taken;
            }
            _ => self.chunks.push_back(Chunk { start: self.end, samples: taken, codec }),
        }
        self.end += taken;
        queued
    }

    /// Hands out what is played before `now`, piece by piece: its place, its codec and its bytes.
    pub(super) fn play(&mut self, now: u64, mut heard: impl FnMut(u64, Codec, &[u8])) {
        while let Some(chunk) = self.chunks.front_mut() {
            let samples = chunk.samples.min(now.saturating_sub(chunk.start));
            if samples == 0 {
                break;
            }
            let width = chunk.codec.bytes_per_sample();
            let count = samples as usize * width;
            // The ring's end may lie in the middle of a sample; straightened, it does not.
            if width > 1 && self.bytes.as_slices().0.len() < count {
                self.bytes.make_contiguous();
            }
            let (front, back) = self.bytes.as_slices();
            let first = front.len().min(count);
            heard(chunk.start, chunk.codec, &front[..first]);
            if first < count {
                heard(chunk.start + (first / width) as u64, chunk.codec, &back[..count - first]);
            }
            self.bytes.drain(..count);
            chunk.start += samples;
            chunk.samples -= samples;
            if chunk.samples == 0 {
                self.chunks.pop_front();
            }
        }
    }

    /// Empties the queue at `now`; what is played before must have been handed out. Returns what is never heard.
    pub(super) fn clear(&mut self, now: u64) -> u64 {
        let unheard = self.chunks.iter().map(|chunk| chunk.samples).sum();
        self.chunks.clear();
        self.bytes = VecDeque::new();
        if unheard > 0 {
            self.end = now.min(self.end);
        }
        unheard
    }

    /// Where the spurt that is queued, or was last played, began.
    pub(super) fn spurt(&self) -> u64 {
        self.spurt
    }
}
