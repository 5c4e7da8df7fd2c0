//! How much of the disk is free in the course of a life, and whether what is to wait for room takes none.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use callrec_encode::{Format, Settings};
use callrec_faulty_disk::Fault;
use callrec_simulator::Luck;

use super::plan::{FRAME_US, Plan, SECOND_US, Stream};
use super::threads::Threads;
use crate::live::{LiveCall, lock};
use crate::output::{FOR_JOURNALS, most_bytes_a_second};
use crate::space::measure_once;

/// So much must be free beside what is kept for live calls.
pub(super) const LEAST: u64 = 100_000_000;
/// A minute of these lives: so far a recording may be ahead of time.
pub(super) const AHEAD_S: u64 = 1;
/// What a recording may be longer than it was when it was looked whether there is room: the head of its file, and a stretch of audio, which
/// is a second at most and that long where all of it is settled at once.
const STRETCH_US: u64 = SECOND_US * 21 / 20;
const PLENTY: u64 = 10 * LEAST;
/// More than all that is written in a life.
const TAKEN: u64 = 5_000_000;
/// What a frame of both sides takes in a journal at most, with what else comes with it.
const JOURNALLED: u64 = 450;
/// What a journal takes beside, and the texts of a call that is over, old and new.
const BESIDE: u64 = 4_000;

/// How much is free.
#[derive(Clone, Debug)]
pub(super) struct Room {
    /// How many bytes, and from which time of the life on.
    free: Vec<(u64, u64)>,
}

impl Room {
    /// Little for some time, at the beginning or later, and plenty after that.
    pub(super) fn random(luck: &mut Luck) -> Self {
        // With the least of it, no call can begin beside another; with the most of it, some can.
        let little = LEAST + luck.between(1, 6) * 10_000_000 + TAKEN;
        let ends_us = [1, 1, 2, 30, 64][luck.between(0, 4) as usize] * SECOND_US + luck.between(0, SECOND_US);
        if luck.percent(85) {
            return Self { free: vec![(0, little), (ends_us, PLENTY)] };
        }
        let begins_us = luck.between(0, SECOND_US);
        Self { free: vec![(0, PLENTY), (begins_us, little), (begins_us + ends_us, PLENTY)] }
    }

    /// How many bytes are free from which time on, at a time so long after the beginning.
    fn free(&self, us: u64) -> (u64, u64) {
        let now = self.free.iter().rev().find(|(from_us, _)| *from_us <= us);
        now.copied().unwrap_or((0, PLENTY))
    }

    /// Until when there is none to spare, if that is so from the beginning.
    fn scarce_us(&self) -> Option<u64> {
        let ends = self.free.get(1).map(|(from_us, _)| *from_us);
        ends.filter(|_| self.is_scarce_until(0))
    }

    /// Whether there was none to spare until now.
    fn is_scarce_until(&self, us: u64) -> bool {
        self.free.iter().all(|(from_us, free)| *from_us > us || *free < LEAST + FOR_JOURNALS)
    }
}

impl Threads {
    /// Measures the disk.
    pub(super) fn measure(&self) {
        let Some(room) = &self.plan.room else { return };
        let (from_us, told) = room.free(self.disk.now_us() - self.begun_us);
        // What is written from then on takes of it.
        if self.free_from_us.swap(from_us, Ordering::AcqRel) != from_us {
            let most = room.scarce_us().filter(|_| from_us == 0 && self.plan.is_sound());
            let free = most.map_or(told, |until_us| self.plan.most_bytes(until_us));
            self.disk.set_free_and_told(free, told);
        }
        measure_once(&self.shared);
    }

    /// Whether the disk ran full, which nothing may ever make it that keeps to its time.
    pub(super) fn look_whether_full(&self) {
        let counts = self.disk.counts();
        if self.plan.is_sound() && counts.of(Fault::Full) > 0 {
            lock(&self.harm).get_or_insert(format!("the disk ran full: {counts}"));
        }
    }

    /// Looks whether a recording takes more of the disk than its time allows, though there is nothing to spare: it would take what is
    /// kept for live calls.
    pub(super) fn look_at_room(&self) {
        let Some(room) = self.plan.room.as_ref().filter(|_| self.plan.is_sound()) else { return };
        let now_us = self.disk.now_us();
        if !room.is_scarce_until(now_us - self.begun_us) {
            return;
        }
        let calls = self.shared.live_calls();
        let live = |call: &str, number: &str| {
            let is_it = |live: &&Arc<LiveCall>| {
                let journal = lock(&live.journal).as_ref().map(|journal| journal.number().to_string());
                live.id.as_str() == call && journal.as_deref() == Some(number)
            };
            calls.iter().find(is_it).map(|live| live.now_us() + AHEAD_S * SECOND_US)
        };
        let recovered_us = lock(&self.recovering_since).map(|since| now_us - since);
        for (path, bytes) in self.disk.files() {
            // What an earlier process left there is no taking of room, and goes by the first clean-up.
            if self.left_before.contains(&path) {
                continue;
            }
            let name = path.rsplit('/').next().unwrap_or_default();
            let parts: Vec<&str> = name.split('.').collect();
            let [stream, format, _, "partial"] = parts[..] else { continue };
            let Some((call, number)) = stream.rsplit_once('_') else { continue };
            let Some(rate) = rate_of(format) else { continue };
            let Some(allowed_us) = live(call, number).or(recovered_us) else { continue };
            let most = (allowed_us + STRETCH_US + held_us(format)) * rate / SECOND_US;
            if bytes.len() as u64 > most {
                let len = bytes.len();
                let harm = format!("{name} has {len} bytes of {most}, and there is no room at {now_us} us");
                lock(&self.harm).get_or_insert(harm);
            }
        }
    }
}

impl Plan {
    /// What may be written at most until then, where no recording takes more than fits its time.
    fn most_bytes(&self, until_us: u64) -> u64 {
        let formats = |stream: &Stream| [Some(stream.format), stream.change.map(|(_, format)| format)];
        let bytes_of = |stream: &Stream, us: u64| {
            let of_format = |format: Format| {
                let us = us + STRETCH_US + held_us(format.extension());
                rate_of(format.extension()).unwrap_or(0) * us / SECOND_US
            };
            formats(stream).into_iter().flatten().map(of_format).max().unwrap_or(0)
        };
        let begun = self.streams.iter().filter(|stream| stream.begins_us < until_us);
        let live = begun.map(|stream| {
            let given = (0..stream.frames).filter(|frame| stream.over_us(*frame) <= until_us).count() as u64;
            let us = until_us - stream.begins_us + AHEAD_S * SECOND_US;
            bytes_of(stream, us) + given * JOURNALLED + BESIDE
        });
        let earlier = self.earlier.iter().flat_map(|earlier| &earlier.streams);
        let earlier = earlier.map(|stream| bytes_of(stream, stream.frames * FRAME_US) + BESIDE);
        live.sum::<u64>() + earlier.sum::<u64>()
    }
}

/// What a codec held of the audio before: of FLAC and Vorbis up to half a second, of MP3 some frames.
fn held_us(extension: &str) -> u64 {
    match extension {
        "flac" | "ogg" => SECOND_US / 2,
        "mp3" => SECOND_US / 8,
        _ => 0,
    }
}

/// How fast a file with this extension grows at most, in bytes a second.
fn rate_of(extension: &str) -> Option<u64> {
    let format = Format::ALL.into_iter().find(|format| format.extension() == extension)?;
    let spec = Settings::default().with_format(format).resolve(8_000).ok()?;
    Some(most_bytes_a_second(&spec))
}
