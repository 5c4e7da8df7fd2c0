//! What an inbox takes, and what of it goes out.

use callrec_session::{Codec, Speaker, Track};

use super::*;
use crate::memory::Memory;

/// By which lengths are masked with 1.
const KEY: JournalKey = JournalKey::new(1);

fn inbox() -> Inbox {
    Inbox::new(KEY, true, Memory::new(usize::MAX).grant(), 32_000)
}

fn audio(bytes: &[u8]) -> Event<'_> {
    Event::Audio { track: Track::Assistant, place: Place::At(1_000), codec: Codec::Pcm16, bytes }
}

fn records(mut bytes: &[u8]) -> Vec<&[u8]> {
    std::iter::from_fn(|| {
        let length = u32::from_le_bytes(*bytes.first_chunk()?) ^ 1;
        let (record, rest) = bytes.split_at(17 + length as usize);
        bytes = rest;
        Some(record)
    })
    .collect()
}

#[test]
fn ten_minutes_at_24_khz_find_room_and_an_hour_does_not() {
    let memory = Memory::new(usize::MAX);
    let (mut inbox, piece) = (Inbox::new(KEY, true, memory.grant(), 32_000), [0; 960]);
    let refused = (0..180_000).position(|_| inbox.push(0, &audio(&piece), 24_000) == Taken::No);
    assert!(refused.is_some_and(|pieces| (30_000..40_000).contains(&pieces)), "{refused:?} of 20 ms");
    assert!(inbox.waiting() <= (ROOM + 1_000) as u64);
    assert_eq!((memory.call_full(), memory.refused()), (1, 0), "what found no room is counted");
}

#[test]
fn what_tells_of_drops_is_no_later_than_what_waits_behind_it() {
    let memory = Memory::new(usize::MAX);
    let (mut inbox, mut out) = (Inbox::new(KEY, true, memory.grant(), 32_000), Outgoing::new(memory.grant()));
    inbox.push(1_000_000, &audio(&[0; 2]), 8_000);
    inbox.push(2_000_000, &audio(&[0; 2]), 8_000);
    inbox.drop_line();
    inbox.drain(&mut out);
    let mask = 0x9e37_79b9_7f4a_7c15;
    let time = |record: &[u8]| u64::from_le_bytes(*record[8..].first_chunk().unwrap()) ^ mask;
    let times: Vec<u64> = records(&out.bytes).into_iter().map(time).collect();
    assert_eq!(times, [1_000_000, 1_000_000, 2_000_000]);
}

#[test]
fn a_burst_leaves_no_memory_behind() {
    let memory = Memory::new(usize::MAX);
    let (mut inbox, minute) = (Inbox::new(KEY, true, memory.grant(), 32_000), vec![0; 2 * 24_000 * 60]);
    for _ in 0..10 {
        assert_ne!(inbox.push(0, &audio(&minute), 24_000), Taken::No);
    }
    let mut out = Outgoing::new(memory.grant());
    inbox.drain(&mut out);
    assert!(out.bytes.len() > 28_800_000);
    assert!(inbox.is_empty() && inbox.bytes.capacity() <= 2 * PRESSING);
}

#[test]
fn where_all_hold_too_much_a_call_has_its_own_and_small_things_find_room_longer() {
    let memory = Memory::new(1_000_000);
    let (mut greedy, mut other) =
        (Inbox::new(KEY, true, memory.grant(), 32_000), Inbox::new(KEY, true, memory.grant(), 32_000));
    let piece = [0; 960];
    while greedy.push(0, &audio(&piece), 24_000) != Taken::No {}
    let held = memory.held();
    assert!((999_000..=1_000_000).contains(&held) && memory.refused() == 1, "{held}");
    // Two thirds of a second of it, at a turn every tenth.
    let own = (0..1_000).position(|_| other.push(0, &audio(&piece), 24_000) == Taken::No);
    assert!(own.is_some_and(|pieces| (60..70).contains(&pieces)), "{own:?}");
    let line = Event::Said { speaker: Speaker::Caller, text: "words", at_ms: None };
    assert_ne!(other.push(0, &line, 24_000), Taken::No, "words find room where audio does not");
    // What leaves the inbox counts until it is in the journal.
    let mut out = Outgoing::new(memory.grant());
    greedy.drain(&mut out);
    assert_eq!(memory.held(), held);
    assert_eq!(out.since_us(), Some(0));
    out.clear();
    assert_eq!((memory.held(), out.since_us()), (0, None));
    assert_ne!(greedy.push(0, &audio(&piece), 24_000), Taken::No);
}

#[test]
fn what_no_record_could_hold_comes_in_pieces_of_whole_seconds_that_join() {
    let mut inbox = inbox();
    let given: Vec<u8> = (0..20_000_002_u32).map(|n| (n % 251) as u8).collect();
    assert_eq!(inbox.push(7, &audio(&given), 24_000), Taken::Pressing);
    let mut joined = Vec::new();
    for record in records(&inbox.bytes) {
        let Ok(Event::Audio { place: Place::At(ms), bytes, .. }) = wire::decode(record[16], &record[17..])
        else {
            panic!("no audio");
        };
        assert_eq!(ms, 1_000 + joined.len() as u64 / 48, "a time that is exact");
        joined.extend_from_slice(bytes);
    }
    assert!(joined == given);
}
