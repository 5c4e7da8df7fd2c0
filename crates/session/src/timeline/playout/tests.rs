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
