use super::*;

/// A queue of ten minutes.
fn queue() -> Playout {
    Playout::new(8_000, 4_800_000, MarkEchoes::default())
}

/// How many things are looked at while this is done.
fn looked_at(queue: &mut Playout, done: impl FnOnce(&mut Playout)) -> u64 {
    let before = queue.waiting.looked_at.get();
    done(queue);
    queue.waiting.looked_at.get() - before
}

/// A byte of speech, and whatever may be given out by now.
fn say(queue: &mut Playout) {
    assert_eq!(queue.push(0, 0, Codec::Mulaw, &[0x10]), 0);
    queue.give(0, |_| {});
}

#[test]
fn behind_a_clear_that_waits_no_event_looks_through_what_is_before_it() {
    let mut queue = queue();
    (0..20_000).for_each(|_| say(&mut queue));
    queue.clear(0, 0);
    let looked_at = looked_at(&mut queue, |queue| (0..1_000).for_each(|_| say(queue)));
    assert!(looked_at < 100 * 1_000, "{looked_at} things in 1,000 events");
}

#[test]
fn an_echo_is_looked_for_among_the_marks_alone_and_marks_in_front_cost_no_later_event() {
    let mut queue = queue();
    (0..10).for_each(|n| queue.mark_sent(0, 0, &n.to_string()));
    (0..20_000).for_each(|_| say(&mut queue));
    let strays = looked_at(&mut queue, |queue| (0..1_000).for_each(|_| queue.mark_echoed(0, 0, "stray")));
    assert!(strays <= 10 * 1_000, "{strays} things in 1,000 echoes");
    assert_eq!(queue.report.stray_echoes, 1_000);

    let mut queue = self::queue();
    (0..4_096).for_each(|n| queue.mark_sent(0, 0, &n.to_string()));
    let looked_at = looked_at(&mut queue, |queue| (0..1_000).for_each(|_| say(queue)));
    assert!(looked_at < 100 * 1_000, "{looked_at} things in 1,000 events");
}

#[test]
fn for_what_a_clear_threw_away_no_mark_is_looked_at_that_was_sent_behind_it() {
    let mut queue = queue();
    (0..1_000).for_each(|_| queue.clear(0, 0));
    (0..4_000).for_each(|n| queue.mark_sent(0, 0, &n.to_string()));
    let looked_at = looked_at(&mut queue, |queue| queue.give(8_000, |_| {}));
    assert_eq!(queue.waiting.len(), 4_000);
    assert!(looked_at < 100 * 1_000, "{looked_at} things for 1,000 clears");
}

/// How many samples are heard in the end, and how many never are.
fn given_out(queue: &mut Playout) -> (u64, u64) {
    let (mut heard, mut never) = (0, 0);
    queue.end(60_000_000);
    queue.give(u64::MAX, |what| match what {
        Heard::At { codec, bytes, .. } => heard += (bytes.len() / codec.bytes_per_sample()) as u64,
        Heard::Never { samples, .. } => never += samples,
    });
    (heard, never)
}

#[test]
fn no_more_than_65_536_things_wait_and_what_was_sent_in_one_write_is_joined() {
    let mut queue = queue();
    (0..100_000).for_each(|_| say(&mut queue));
    assert_eq!((queue.waiting.len(), queue.report.settled_early), (65_536, 0));
    assert_eq!(given_out(&mut queue), (100_000, 0));
    assert_eq!((queue.report.spurts, queue.report.underruns), (1, 0));
}

#[test]
fn where_no_more_things_may_wait_the_model_settles_the_first_and_that_is_counted() {
    let mut queue = queue();
    for ms in 0..70_000 {
        assert_eq!(queue.push(ms * 1_000, 0, Codec::Mulaw, &[0x10]), 0);
    }
    assert_eq!((queue.waiting.len(), queue.report.settled_early), (65_536, 70_000 - 65_536));
    queue.clear(70_000_000, 0);
    queue.mark_sent(70_000_000, 0, "a");
    assert_eq!((queue.waiting.len(), queue.report.settled_early), (65_536, 70_002 - 65_536));
    let (heard, never) = given_out(&mut queue);
    assert_eq!(heard + never, 70_000);
    let told = crate::Completeness { playout: Some(queue.report()), ..Default::default() };
    assert!(told.sentences().join("\n").contains("4466 times"), "{:?}", told.sentences());
}

#[test]
fn marks_beyond_those_that_are_tracked_are_counted_and_told() {
    let mut queue = queue();
    (0..4_100).for_each(|n| queue.mark_sent(0, 0, &n.to_string()));
    assert_eq!((queue.report.marks, queue.report.marks_untracked), (4_096, 4));
    let told = crate::Completeness { playout: Some(queue.report()), ..Default::default() };
    assert!(told.sentences()[0].ends_with("too many waited for their echoes: 4"), "{:?}", told.sentences());
}

#[test]
fn speech_that_is_cut_again_and_again_takes_no_more_room_and_every_sample_is_accounted_for() {
    let mut queue = queue();
    for _ in 0..80_000 {
        say(&mut queue);
        queue.clear(0, 0);
    }
    assert_eq!((queue.waiting.len(), queue.runs.len()), (65_536, (160_000 - 65_536) / 2));
    for _ in 0..120_000 {
        say(&mut queue);
        queue.clear(0, 0);
    }
    assert_eq!((queue.waiting.len(), queue.runs.len()), (65_536, 65_536));
    assert_eq!(given_out(&mut queue), (0, 200_000));
    assert_eq!(queue.report.cuts, 200_000);
}

#[test]
fn speech_that_is_coded_otherwise_with_each_sample_is_refused_where_it_is_too_much() {
    let mut queue = queue();
    let mut refused = 0;
    for _ in 0..100_000 {
        refused += queue.push(0, 0, Codec::Mulaw, &[0x10]);
        refused += queue.push(0, 0, Codec::Pcm16, &[0x10; 2]);
    }
    assert_eq!((queue.waiting.len(), queue.runs.len()), (65_536, 65_537));
    assert_eq!(refused, 200_000 - 65_536 - 65_537);
    assert_eq!(given_out(&mut queue), (65_536 + 65_537, 0));
}
