//! What it costs to put a message on the timeline. callrec does this in the threads that encode, so it is measured by itself: the
//! journals of many calls are read in turns, a second of each, as those threads read them.

use callrec_session::{
    Codec, EndReason, Event, Place, StreamStart, Timeline, TimelineLimits, Topology, Track, wire,
};
use callrec_store::{CallId, JournalKey, JournalReader, JournalWriter, RecordingsDir, encode_record};
use rustix::time::{ClockId, clock_gettime};
use std::borrow::Cow;
use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use super::messages::{FRAME_MS, sid};

/// Seconds of each call.
const SECONDS: u64 = 20;
const KEY: JournalKey = JournalKey::new(0x5eed);
const SECOND_MS: u64 = 1_000;

struct OneCall {
    journal: JournalWriter,
    reader: JournalReader,
    timeline: Timeline,
}

/// CPU time of a message, from the journal's bytes to audio in its place.
pub(crate) fn per_message(home: &Path, calls: usize, codes: &[u8]) -> anyhow::Result<Duration> {
    let home = tempfile::tempdir_in(home)?;
    let dir = RecordingsDir::open(home.path())?;
    let mut lines = Vec::new();
    for number in 0..calls {
        let call = sid("CA", number);
        let journal = dir.create_journal(&CallId::new(&call)?, 1, KEY, b"")?;
        let start = StreamStart::new(&call, sid("MZ", number), Topology::OneWay);
        let mut timeline = Timeline::new(TimelineLimits::default());
        timeline.handle_event(0, &Event::Started(Cow::Owned(start)));
        lines.push(OneCall { reader: journal.reader()?, journal, timeline });
    }
    let (mut used, mut messages, mut heard) = (Duration::ZERO, 0_u64, 0);
    let mut frames = codes.chunks_exact(8 * FRAME_MS as usize).cycle();
    let (mut records, mut payload) = (Vec::new(), Vec::new());
    for second in 0..SECONDS {
        for line in &mut lines {
            records.clear();
            for ms in (second * SECOND_MS..(second + 1) * SECOND_MS).step_by(FRAME_MS as usize) {
                let Some(bytes) = frames.next() else { continue };
                payload.clear();
                let event =
                    Event::Audio { track: Track::Caller, place: Place::At(ms), codec: Codec::Mulaw, bytes };
                let kind = wire::encode(&event, &mut payload);
                encode_record(KEY, ms * 1_000, kind, &payload, &mut records)?;
                messages += 1;
            }
            line.journal.append(&records)?;
        }
        let began = cpu_time();
        for line in &mut lines {
            let committed = line.journal.committed();
            while let Some(record) = line.reader.next(committed)? {
                let event = wire::decode(record.kind, record.payload)?;
                line.timeline.handle_event(record.at_us, &event);
                heard += take(&mut line.timeline);
            }
        }
        used += cpu_time() - began;
    }
    for line in &mut lines {
        line.timeline.handle_event(SECONDS * 1_000_000, &Event::Ended { reason: EndReason::Stopped });
        heard += take(&mut line.timeline);
    }
    anyhow::ensure!(heard >= messages * 8 * FRAME_MS, "the timeline lost audio");
    Ok(used.div_f64(messages as f64))
}

/// Takes what is final; gives how many samples of the caller that was.
fn take(timeline: &mut Timeline) -> u64 {
    let mut samples = 0;
    while let Some(stretch) = timeline.poll_output() {
        samples += if stretch.track == Track::Caller { black_box(stretch.samples).len() as u64 } else { 0 };
    }
    samples
}

/// Of this thread.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}
