//! A relayed stream: what its bot sends, what its provider sends back, and what of it the caller hears.
//!
//! Every tenth frame a sentence is sent in one piece, with a mark before it and one behind it; each second one is interrupted
//! half-way. Delivery takes no time, so that what was heard is known to the frame.

use std::collections::BTreeSet;

use callrec_audio::g711::Law;
use callrec_session::{Codec, Event, Line, Place, Speaker, Track};

use super::plan::{FRAME, FRAME_US, Stream};
use super::verdict::follow;
use crate::call::Call;

/// Frames from one sentence to the next.
const EVERY: u64 = 10;
/// The first is sent behind this frame.
const FIRST: u64 = 2;
/// Frames that a sentence is long.
const LENGTH: u64 = 6;
/// Frames that are heard of one that is interrupted.
const HEARD: u64 = 3;

/// A sentence of the bot's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Sentence {
    pub(super) number: u64,
    /// It is sent behind this frame of the caller's, and is heard from the next one on.
    pub(super) sent: u64,
}

impl Sentence {
    /// The one that is sent, or going on, in this frame.
    fn at(frame: u64) -> Option<Self> {
        let number = frame.checked_sub(FIRST)? / EVERY;
        Some(Self { number, sent: FIRST + number * EVERY }).filter(|sentence| frame <= sentence.sent + LENGTH)
    }

    /// The one of which a part belongs in this frame, whether it is heard there or was thrown away.
    pub(super) fn in_frame(frame: u64) -> Option<Self> {
        Self::at(frame).filter(|sentence| frame > sentence.sent)
    }

    pub(super) fn by_number(number: u64) -> Self {
        Self { number, sent: FIRST + number * EVERY }
    }

    /// Behind which frame it is interrupted, if it is.
    pub(super) fn cleared(self) -> Option<u64> {
        (self.number % 2 == 1).then_some(self.sent + HEARD)
    }

    /// Behind which frame nothing of it can be heard any more.
    pub(super) fn over(self) -> u64 {
        self.cleared().unwrap_or(self.sent + LENGTH)
    }

    /// Its line of the transcript.
    pub(super) fn line(self, stream: &Stream) -> String {
        format!("sentence {} of the bot of {}", self.number, stream.name)
    }
}

/// What comes of one frame.
pub(super) fn speak(call: &Call, stream: &Stream, frame: u64) {
    let at = |event: Event<'_>| call.handle_at((frame + 1) * FRAME_US, &event);
    let audio = |track, place, bytes: &[u8]| at(Event::Audio { track, place, codec: Codec::Mulaw, bytes });
    if frame.is_multiple_of(5) {
        let (speaker, at_ms) = (Speaker::Caller, Some(frame * 20));
        at(Event::Said { speaker, text: &stream.line(frame), at_ms });
    }
    audio(Track::Caller, Place::At(frame * 20), &stream.codes(frame, 0));
    let Some(sentence) = Sentence::at(frame) else { return };
    let mark = |which| format!("{which}{}", sentence.number);
    let (before, behind, at_clear) = (mark("before"), mark("behind"), mark("clear"));
    if frame == sentence.sent {
        at(Event::Said { speaker: Speaker::Assistant, text: &sentence.line(stream), at_ms: None });
        at(Event::MarkSent { name: &before });
        let frames = frame + 1..=frame + LENGTH;
        let speech: Vec<u8> = frames.flat_map(|frame| stream.codes(frame, 1)).collect();
        assert_eq!(speech.len(), LENGTH as usize * FRAME);
        audio(Track::Assistant, Place::Queued, &speech);
        at(Event::MarkSent { name: &behind });
        // It met an empty queue.
        at(Event::MarkEchoed { name: &before });
    }
    if sentence.cleared() == Some(frame) {
        at(Event::MarkSent { name: &at_clear });
        at(Event::Cleared);
        at(Event::MarkEchoed { name: &behind });
        at(Event::MarkEchoed { name: &at_clear });
    } else if frame == sentence.sent + LENGTH && sentence.cleared().is_none() {
        at(Event::MarkEchoed { name: &behind });
    }
}

/// Whether the caller's side is silent where it has no frame, and each frame of the bot's side is what was heard then. What came with
/// the last of the caller's frames may be there or not, and so may what it changed; where the journal was damaged, all of it.
pub(super) fn check_audio(
    stream: &Stream,
    has_holes: bool,
    frames: &BTreeSet<u64>,
    heard: &[i16],
) -> Result<(), String> {
    let last = frames.last().map_or(0, |last| last + 1);
    if has_holes {
        is_speech(stream, heard)?;
    }
    for (samples, frame) in heard.chunks(FRAME * 2).zip(0..) {
        let side = |side: usize| samples.iter().skip(side).step_by(2).copied();
        let is_silent = |of: usize| side(of).all(|sample| sample == 0);
        let mut sent = Vec::new();
        Law::Mulaw.decode(&stream.codes(frame, 1), &mut sent);
        let is_sent = side(1).eq(sent.iter().copied().take(samples.len() / 2));
        let sentence = Sentence::in_frame(frame);
        let (may_sound, may_be_silent) = match sentence {
            None => (false, true),
            Some(sentence) => {
                let thrown_away = frame > sentence.over();
                let is_certain = |told: u64| told + 1 < last;
                (
                    !(thrown_away && is_certain(sentence.over())),
                    thrown_away || !is_certain(sentence.sent) || frame >= last,
                )
            }
        };
        let is_right = has_holes || (may_sound && is_sent) || (may_be_silent && is_silent(1));
        let is_whole = frames.contains(&frame) || (is_silent(0) && (has_holes || frame >= last));
        if !is_right || !is_whole {
            let name = &stream.name;
            return Err(format!("{name} has something else in frame {frame} of {last} ({sentence:?})"));
        }
    }
    Ok(())
}

/// Whether the bot's side is pieces of its sentences, in order, and silence. Where an echo was lost it may not be known when they were
/// heard.
fn is_speech(stream: &Stream, heard: &[i16]) -> Result<(), String> {
    const PIECE: usize = 8;
    let mut sent = Vec::new();
    for frame in (0..stream.frames + LENGTH).filter(|frame| Sentence::in_frame(*frame).is_some()) {
        Law::Mulaw.decode(&stream.codes(frame, 1), &mut sent);
    }
    let heard: Vec<i16> = heard.iter().skip(1).step_by(2).copied().collect();
    let (mut at, mut from) = (0, 0);
    while at < heard.len() {
        // No sample of a sentence is silence.
        if heard[at] == 0 {
            at += 1;
            continue;
        }
        let piece = &heard[at..(at + PIECE).min(heard.len())];
        let piece = piece.split(|sample| *sample == 0).next().unwrap_or_default();
        let Some(skipped) = sent[from..].windows(piece.len()).position(|sent| sent == piece) else {
            return Err(format!("{}: nothing that was sent is in sample {at}", stream.name));
        };
        from += skipped;
        let same = heard[at..].iter().zip(&sent[from..]).take_while(|(heard, sent)| heard == sent).count();
        (at, from) = (at + same, from + same);
    }
    Ok(())
}

/// Whether the bot's lines are its sentences, in order, and tell what was heard of them; so many frames are there, unless there are
/// holes, where it may be known of none.
pub(super) fn check_lines(stream: &Stream, lines: &[&Line], frames: Option<u64>) -> Result<(), String> {
    let sentences = || (0..).map(Sentence::by_number).take_while(|_| stream.relayed);
    let texts = sentences().take_while(|sentence| sentence.sent < stream.frames);
    let is_told = |(line, sentence): (&&Line, Sentence)| {
        let is_over = sentence.over() + 1 < frames.unwrap_or(0);
        !is_over || line.cut_off == sentence.cleared().is_some()
    };
    let is_followed = follow(lines, texts.map(|sentence| sentence.line(stream)), frames.is_none());
    if !is_followed || !lines.iter().zip(sentences()).all(is_told) {
        return Err(format!("{} has the bot's lines {lines:?}, of {frames:?} frames", stream.name));
    }
    Ok(())
}
