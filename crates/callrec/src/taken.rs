//! What a take gives when it is finished: a file that nobody sees yet, and what is to be told of the stream.

use callrec_encode::{Format, Settings, Spec};
use callrec_session::{Completeness, EndReason, Line, Notes};
use callrec_store::Partial;

/// A finished take, not published yet.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) ended: EndReason,
    pub(crate) duration_ms: u64,
    pub(crate) lines: Vec<Line>,
    pub(crate) completeness: Completeness,
    pub(crate) notes: Notes,
    /// The journal has bytes that could not be read, and not only at its end.
    pub(crate) is_damaged: bool,
    /// How many frames of the file are of what the journal has before the first of these.
    pub(crate) before_damage: Option<u64>,
    /// None if nobody sent any audio.
    pub(crate) audio: Option<TakenAudio>,
}

impl Taken {
    /// Of a stream of which nothing is known but how it ended, and when.
    pub(crate) fn nothing(ended: EndReason, duration_ms: u64) -> Self {
        let (completeness, notes) = (Completeness::default(), Notes::default());
        Self {
            ended,
            duration_ms,
            lines: Vec::new(),
            completeness,
            notes,
            is_damaged: false,
            before_damage: None,
            audio: None,
        }
    }
}

/// The file of a finished take, read back and found whole.
#[derive(Debug)]
pub(crate) struct TakenAudio {
    pub(crate) partial: Partial,
    pub(crate) spec: Spec,
    pub(crate) frames: u64,
    /// What was asked for.
    pub(crate) settings: Settings,
    /// The format that was asked for, if another one had to be used.
    pub(crate) requested: Option<Format>,
}
