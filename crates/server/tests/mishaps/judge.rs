//! A call after its server ended and another had recovered it, held against what was sent.

use callrec_audio::g711::ulaw_to_linear;
use callrec_load::Voice;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::calls::{FRAME, Sent, line_of};
use crate::decoded::decode;
use crate::left::{Leavings, Left, Phase, digest, names};

/// What a killed process may lose: what came to it less than a second before.
pub(crate) const PROMISE: Duration = Duration::from_secs(1);
/// The most frames by which the end of a bot's speech may be off: half a second.
const MOST_OFF: u64 = 25;
/// The samples of a millisecond.
const PER_MS: u64 = 8;

/// What is not in a recording though it was sent.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Lost {
    /// How long before the kill the first of it was sent.
    pub(crate) age: Duration,
    /// How much audio of each track that is. Of a relayed call's assistant that is not known.
    pub(crate) frames: [u64; 2],
    /// There is not even a journal: the call had just begun.
    pub(crate) all: bool,
}

/// Judges every call; gives what was lost of each that was not finished. `must` tells how many frames of a call must be
/// there, whatever was in its journal.
pub(crate) fn judge(
    responses: &Path,
    calls: &[Sent],
    left: &Leavings,
    ended: Instant,
    must: impl Fn(&Sent, &Left) -> u64,
) -> Vec<(Phase, Lost)> {
    let mut expected = BTreeSet::new();
    let mut lost = Vec::new();
    for sent in calls {
        let left = &left.calls[&sent.sid];
        if left.phase == Phase::NotJournalled {
            let age = ended.saturating_duration_since(sent.begun.unwrap());
            let frames = sent_before(sent, ended);
            lost.push((left.phase, Lost { age, frames: [frames, frames], all: true }));
        } else {
            let of_call = judge_call(responses, sent, left, ended, must(sent, left));
            if left.phase != Phase::Finished {
                lost.push((left.phase, of_call.1));
            }
            expected.extend(of_call.0);
        }
    }
    let there: BTreeSet<String> = names(responses).into_iter().collect();
    assert_eq!(there, expected, "a recording and three texts a call, and nothing else");
    for (path, before) in &left.recordings {
        assert_eq!(digest(path), *before, "{}: what was published is never touched again", path.display());
    }
    lost
}

/// How many frames were sent before a moment.
pub(crate) fn sent_before(sent: &Sent, moment: Instant) -> u64 {
    sent.frames.iter().filter(|at| **at < moment).count() as u64
}

/// The names of a call's files, and what was lost of it.
fn judge_call(responses: &Path, sent: &Sent, left: &Left, ended: Instant, must: u64) -> (Vec<String>, Lost) {
    let sid = &sent.sid;
    let mut files = ["", "_summary"].map(|what| format!("call_{sid}{what}.txt")).to_vec();
    files.push(format!("call_{sid}_summary.json"));
    let json: Value = serde_json::from_slice(&std::fs::read(responses.join(&files[2])).unwrap()).unwrap();
    let streams = json["streams"].as_array().unwrap();
    assert_eq!(streams.len(), 1, "{sid}: {json}");
    let stream = &streams[0];
    // Of a recording that was told of, only the journal is removed.
    let told = left.phase >= Phase::Told;
    assert_eq!(stream["recovered"], !told, "{sid}, {:?}: {json}", left.phase);
    assert_eq!(
        stream["ended"] == "interrupted",
        left.phase != Phase::Finished && !left.ended,
        "{sid}: {json}"
    );

    let [mut caller, mut assistant] = [Vec::new(), Vec::new()];
    if stream["audio"]["outcome"] == "no_audio" {
        // A bot may have said something that nobody heard any more.
        let [caller, assistant] = left.journalled.unwrap_or([sent.frames.len() as u64; 2]);
        assert!(caller == 0 && (assistant == 0 || !sent.one_way), "{sid}: {json}");
    } else {
        let name = format!("call_{sid}_conversation.{}", sent.format);
        let path: PathBuf = responses.join(&name);
        assert_eq!(stream["audio"]["file_name"], name, "{sid}: {json}");
        assert_eq!(stream["audio"]["sha256"], digest(&path), "{sid}: the summary tells of this very file");
        files.push(name);
        let decoded = decode(&path);
        assert_eq!(decoded.rate, 8_000);
        (caller, assistant) = (decoded.caller, decoded.assistant);
    }

    let whole = sent_before(sent, ended);
    let heard = [frames_of(&caller, sent, 0), if sent.one_way { frames_of(&assistant, sent, 1) } else { 0 }];
    if let Some(journalled) = left.journalled {
        assert_eq!(heard[0], journalled[0], "{sid}: all that the journal has of the caller");
        assert!(!sent.one_way || heard[1] == journalled[1], "{sid}: all that it has of the assistant");
    }
    let least = if sent.one_way { heard[0].min(heard[1]) } else { heard[0] };
    assert!(least >= must, "{sid}: {heard:?} frames, and {must} must be there");
    if !sent.one_way {
        assert_heard(said_of(&assistant, sent), heard[0], sent, &stream["completeness"]["playout"]);
    }
    let text = std::fs::read_to_string(responses.join(&files[0])).unwrap();
    if sent.told.is_some_and(|told| ended.saturating_duration_since(told) > PROMISE) {
        assert!(text.contains(&line_of(sid)), "{sid}: what was said is lost: {text}");
    }
    let age = if least < whole { ended.duration_since(sent.frames[least as usize]) } else { Duration::ZERO };
    let gone = |heard: u64| whole.saturating_sub(heard);
    let frames = [gone(heard[0]), if sent.one_way { gone(heard[1]) } else { 0 }];
    (files, Lost { age, frames, all: false })
}

/// How many frames of a track there are, each of them at its place and sample for sample; behind them is nothing.
fn frames_of(recorded: &[i16], sent: &Sent, track: usize) -> u64 {
    let (before, after) = recorded.split_at(recorded.len().min((sent.first_ms * PER_MS) as usize));
    let said = sent.frames.len() as u64 * FRAME;
    let said = Voice::Noise.codes(sent.seeds[track], 0, said).into_iter().map(ulaw_to_linear);
    let heard = after.iter().zip(said).take_while(|(heard, said)| *heard == said).count();
    let silent = before.iter().chain(&after[heard..]).all(|sample| *sample == 0);
    assert!(silent, "{}, track {track}: other than what was sent after {heard} samples", sent.sid);
    assert_eq!(heard as u64 % FRAME, 0, "{}, track {track}: a part of a frame", sent.sid);
    heard as u64 / FRAME
}

/// What is recorded of a bot is what it said from its first sample on, and between that nothing but silence; gives how many
/// samples. When they were heard is for others to judge.
fn said_of(recorded: &[i16], sent: &Sent) -> u64 {
    let recorded: Vec<i16> = recorded.iter().copied().filter(|sample| *sample != 0).collect();
    let said = Voice::Noise.codes(sent.seeds[1], 0, sent.spoken * FRAME);
    let right =
        recorded.iter().zip(said).take_while(|(heard, said)| **heard == ulaw_to_linear(*said)).count();
    assert_eq!(right, recorded.len(), "{}: of the bot, other than what it said next", sent.sid);
    right as u64
}

/// So many samples of the bot are recorded beside so many frames of the caller: what was heard by then, but for what was played
/// in the last moments, as far as the recording says that it does not know when. Uncalibrated, it places speech too early. It
/// reckons in time as it passes: where a provider's clock is faster, or falls behind, it is off by that as well.
fn assert_heard(recorded: u64, caller: u64, sent: &Sent, playout: &Value) {
    let error_ms = playout["largest_error_ms"].as_u64();
    let ticks = error_ms.unwrap_or(0).div_ceil(20) * sent.pace;
    let ticks = (ticks + sent.lag.as_millis().div_ceil(20) as u64).min(MOST_OFF);
    let played = |tick: u64| sent.played.get(tick as usize).copied();
    let least = caller.checked_sub(1 + ticks).and_then(played).unwrap_or(0);
    let most = error_ms.and_then(|_| played((caller + ticks).checked_sub(1)?)).unwrap_or(sent.spoken * FRAME);
    assert!(
        (least..=most).contains(&recorded),
        "{}: {recorded} samples of the bot beside {caller} frames, {least} to {most} were heard: {playout}",
        sent.sid
    );
}
