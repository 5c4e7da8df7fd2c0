//! Streams whose audio is not to be recorded: what is said is kept, and nothing that was heard is in any file at any time.

use std::collections::HashSet;
use std::sync::Arc;

use callrec_faulty_disk::Moment;
use callrec_summary::{AudioOutcome, StreamSummary};

use super::life::HOME;
use super::plan::{FRAME, Stream};

/// So many bytes in a row are nobody else's.
const PIECE: usize = 8;

/// What must be in no file.
#[derive(Default)]
pub(super) struct Unheard {
    /// Each frame has a piece in each half of it.
    pieces: HashSet<[u8; PIECE]>,
    /// Nothing else is recorded: there must be no file of audio at all.
    is_all: bool,
}

impl Unheard {
    pub(super) fn of(streams: &[Stream]) -> Self {
        let mut pieces = HashSet::new();
        for stream in streams.iter().filter(|stream| !stream.recorded) {
            for (frame, side) in (0..stream.frames).flat_map(|frame| [(frame, 0), (frame, 1)]) {
                for half in stream.codes(frame, side).chunks(FRAME / 2) {
                    pieces.extend(half.first_chunk::<PIECE>().copied());
                }
            }
        }
        Self { pieces, is_all: streams.iter().all(|stream| !stream.recorded) }
    }

    /// Looks for it at each of these moments, of one disk in their order.
    pub(super) fn check(&self, moments: &[Moment]) -> Result<(), String> {
        if self.pieces.is_empty() {
            return Ok(());
        }
        let mut looked_at = HashSet::new();
        for (index, moment) in moments.iter().enumerate() {
            for (path, bytes) in moment.after_kill().files() {
                let is_audio = path.ends_with(".partial") || path.contains("_conversation");
                if self.is_all && is_audio && path.starts_with(HOME) {
                    return Err(format!("{path} is there at moment {index}, though nothing is recorded"));
                }
                // Of another process's calls, whose codecs leave none of these bytes as they were.
                if is_audio {
                    continue;
                }
                // The moments keep them: no other can be in the same place.
                let is_new = looked_at.insert(Arc::as_ptr(&bytes));
                if is_new && bytes.windows(PIECE).any(|piece| self.pieces.contains(piece)) {
                    return Err(format!("{path} has audio at moment {index} that is not to be recorded"));
                }
            }
        }
        Ok(())
    }
}

/// How many frames of what was given the summary of such a stream knows of.
pub(super) fn frames(
    stream: &Stream,
    entry: &StreamSummary,
    given: u64,
    forgot: bool,
) -> Result<u64, String> {
    let of_duration = entry.duration_ms.div_ceil(20).min(given);
    match (&entry.audio, stream.without_audio) {
        (AudioOutcome::RecordingOff, None) => Ok(of_duration),
        (AudioOutcome::NotSaved { reason }, Some(why)) if reason == why => Ok(of_duration),
        (AudioOutcome::NotSaved { .. }, _) if forgot => Ok(0),
        // The disk refused it to the last: not even what was said is there.
        (AudioOutcome::NotSaved { .. }, _) if entry.completeness.unjournalled_bytes > 0 => Ok(0),
        other => Err(format!("{} is not to be recorded, and has {other:?}", entry.stream)),
    }
}
