use super::*;
use proptest::prelude::*;

fn tokens() -> StreamTokens {
    StreamTokens::new(Some(&Secret::new("12345")), Arc::default())
}

fn refusal(tokens: &StreamTokens, call: &str, token: Option<&str>, now: u64) -> Option<Refusal> {
    tokens.admit_at(call, token, now).err()
}

#[test]
fn a_token_is_valid_for_its_call_while_that_lives() {
    let tokens = tokens();
    let token = tokens.issue_at("CA1", 1_000).unwrap();
    assert_eq!(refusal(&tokens, "CA2", Some(&token), 1_000), Some(Refusal::Wrong));
    let first = tokens.admit_at("CA1", Some(&token), 1_000).unwrap();
    // A day later, the call still lives: another stream of it.
    let second = tokens.admit_at("CA1", Some(&token), 87_400).unwrap();
    drop(first);
    let third = tokens.admit_at("CA1", Some(&token), 87_500).unwrap();
    drop((second, third));
    assert_eq!(refusal(&tokens, "CA1", Some(&token), 87_501), Some(Refusal::Over));
}

#[test]
fn a_token_of_a_call_that_was_over_at_once_is_not_taken_again() {
    let tokens = tokens();
    let token = tokens.issue_at("CA1", 1_000).unwrap();
    drop(tokens.admit_at("CA1", Some(&token), 1_001).unwrap());
    for now in [1_001, 1_000 + FRESH, 1_001 + FRESH, 1_000_000] {
        assert_eq!(refusal(&tokens, "CA1", Some(&token), now), Some(Refusal::Over), "{now}");
        tokens.issue_at("CA2", now).unwrap();
    }
}

#[test]
fn a_call_that_goes_through_our_twiml_again_gets_another_token() {
    let tokens = tokens();
    let token = tokens.issue_at("CA1", 1_000).unwrap();
    drop(tokens.admit_at("CA1", Some(&token), 1_000).unwrap());
    for now in [1_000, 1_001, 2_000] {
        let again = tokens.issue_at("CA1", now).unwrap();
        assert_ne!(token, again);
        assert_eq!(refusal(&tokens, "CA1", Some(&token), now), Some(Refusal::Over), "{now}");
        drop(tokens.admit_at("CA1", Some(&again), now).unwrap());
    }
    // A webhook that is asked again before the stream comes changes nothing of the first answer's.
    let (first, second) = (tokens.issue_at("CA2", 1_000).unwrap(), tokens.issue_at("CA2", 1_002).unwrap());
    let one = tokens.admit_at("CA2", Some(&second), 1_003).unwrap();
    let other = tokens.admit_at("CA2", Some(&first), 1_003).unwrap();
    drop((one, other));
}

#[test]
fn a_call_that_is_answered_while_its_stream_lives_goes_on_in_another_when_that_is_over() {
    // Asked again, each answer's token is as good as the other's while it is fresh.
    let times = [
        (1_000, 1_000, 1_000, 1_001),
        (1_500, 1_500, 1_501, 1_501),
        (1_500, 1_502, 1_503, 1_503),
        (1_500, 1_700, 1_500 + FRESH, 1_501 + FRESH),
        (1_500, 1_700, 1_600 + FRESH, 1_700 + FRESH),
        (1_500, 1_500, 1_700, 1_501 + FRESH),
        (1_500, 1_502, 1_700, 1_503 + FRESH),
    ];
    for ((answered, again, over, comes), is_first) in
        times.into_iter().flat_map(|at| [(at, true), (at, false)])
    {
        let tokens = tokens();
        let token = tokens.issue_at("CA1", 1_000).unwrap();
        let pass = tokens.admit_at("CA1", Some(&token), 1_000).unwrap();
        let next = tokens.issue_at("CA1", answered).unwrap();
        let later = tokens.issue_at("CA1", again).unwrap();
        assert_ne!(token, next);
        assert_eq!(later == next, again == answered, "asked again");
        drop(tokens.issue_at("CA2", over));
        drop(pass);
        assert!(!tokens.is_live("CA1"));
        assert_eq!(refusal(&tokens, "CA1", None, comes), Some(Refusal::Missing), "{comes}");
        assert_eq!(refusal(&tokens, "CA1", Some(&token), comes), Some(Refusal::Over), "{comes}");
        let (shown, issued) = if is_first { (&next, answered) } else { (&later, again) };
        let pass = tokens.admit_at("CA1", Some(shown), comes);
        assert_eq!(pass.is_err(), comes > issued + FRESH, "{issued}, {comes}");
        let is_over = pass.is_ok();
        drop(pass);
        for (token, issued) in [(&next, answered), (&later, again)] {
            let is_refused = is_over || comes > issued + FRESH;
            let refused = is_refused.then_some(Refusal::Over);
            assert_eq!(refusal(&tokens, "CA1", Some(token), comes), refused, "{issued}, {comes}, {is_over}");
        }
    }
    // It may come while that lives; then the call is over with both.
    let tokens = tokens();
    let token = tokens.issue_at("CA1", 1_000).unwrap();
    let first = tokens.admit_at("CA1", Some(&token), 1_000).unwrap();
    let next = tokens.issue_at("CA1", 1_002).unwrap();
    let second = tokens.admit_at("CA1", Some(&next), 1_002).unwrap();
    drop((first, second));
    for token in [token, next] {
        assert_eq!(refusal(&tokens, "CA1", Some(&token), 1_003), Some(Refusal::Over));
    }
    // One that never came: the call was over.
    let token = tokens.issue_at("CA2", 2_000).unwrap();
    let pass = tokens.admit_at("CA2", Some(&token), 2_000).unwrap();
    tokens.issue_at("CA2", 2_001).unwrap();
    drop(tokens.issue_at("CA3", 2_002 + FRESH));
    drop(pass);
    assert_eq!(refusal(&tokens, "CA2", None, 2_002 + FRESH), Some(Refusal::Missing), "it is over, and known");
}

#[test]
fn a_call_whose_next_stream_never_came_is_known_to_five_minutes_after_the_end_of_its_last() {
    for (answered, over) in [(1_001, 1_001), (1_500, 1_700), (1_500, 1_500 + FRESH), (1_500, 1_501 + FRESH)] {
        let tokens = tokens();
        let token = tokens.issue_at("CA1", 1_000).unwrap();
        let pass = tokens.admit_at("CA1", Some(&token), 1_000).unwrap();
        let next = tokens.issue_at("CA1", answered).unwrap();
        drop(tokens.issue_at("CA2", over));
        drop(pass);
        for now in [over, over + FRESH] {
            assert_eq!(refusal(&tokens, "CA1", None, now), Some(Refusal::Missing), "{over}, {now}");
        }
        // Known or not, its token has had its time.
        for now in [over + FRESH + 1, over + 2 * FRESH] {
            assert_eq!(refusal(&tokens, "CA1", Some(&next), now), Some(Refusal::Over), "{over}, {now}");
            assert_eq!(refusal(&tokens, "CA1", None, now), None, "{over}, {now}");
        }
    }
}

#[test]
fn no_text_that_is_not_the_token_is_taken_for_it() {
    let tokens = tokens();
    let token = tokens.issue_at("CA1", 1_000).unwrap();
    let other =
        StreamTokens::new(Some(&Secret::new("12346")), Arc::default()).issue_at("CA1", 1_000).unwrap();
    let later = format!("3e9-{}", &token[4..]);
    let texts = ["", "-", "3e8-", &token[..token.len() - 1], &token.to_uppercase(), &later, &other];
    for text in texts {
        assert_eq!(refusal(&tokens, "CA1", Some(text), 1_000), Some(Refusal::Wrong), "{text}");
    }
    assert_eq!(refusal(&tokens, "CA1", None, 1_000), Some(Refusal::Missing));
    assert_eq!(refusal(&tokens, "CA1", Some(&token), 1_000), None);
}

#[test]
fn a_call_that_is_not_ours_needs_none_nor_does_one_of_ours_that_is_forgotten() {
    let tokens = tokens();
    assert!(tokens.admit_at("CA1", None, 1_000).unwrap().is_none());
    let token = tokens.issue_at("CA2", 1_000).unwrap();
    let pass = tokens.admit_at("CA2", Some(&token), 1_000).unwrap();
    assert_eq!(refusal(&tokens, "CA2", None, 1_000_000), Some(Refusal::Missing));
    drop(pass);
    // Over, and remembered from its end on, whatever else comes.
    tokens.issue_at("later", 1_000_000 + FRESH).unwrap();
    assert_eq!(refusal(&tokens, "CA2", None, 1_000_000 + FRESH), Some(Refusal::Missing));
    tokens.issue_at("later", 1_000_001 + FRESH).unwrap();
    assert_eq!(refusal(&tokens, "CA2", None, 1_000_001 + FRESH), None);
    // One that never came.
    tokens.issue_at("CA3", 1_000).unwrap();
    assert_eq!(refusal(&tokens, "CA3", None, 1_000 + FRESH), Some(Refusal::Missing));
    assert_eq!(refusal(&tokens, "CA3", None, 1_001 + FRESH), None);
}

#[test]
fn a_process_that_takes_over_knows_the_others_tokens_for_a_moment() {
    let token = tokens().issue_at("CA1", 1_000).unwrap();
    assert_eq!(refusal(&tokens(), "CA1", Some(&token), 1_000 + FRESH), None);
    assert_eq!(refusal(&tokens(), "CA1", Some(&token), 1_001 + FRESH), Some(Refusal::Over));
    // Of a call that has ended, as its recording says, they are valid no more; a later one is.
    let next = tokens();
    next.is_over_since("CA1", 1_000);
    // That it was recorded does not say that it had a token: another stream of it without one may be of TwiML of its own.
    assert_eq!(refusal(&next, "CA1", None, 1_001), None);
    assert_eq!(refusal(&next, "CA1", Some(&token), 1_001), Some(Refusal::Over));
    assert_eq!(refusal(&next, "CA1", None, 1_001), Some(Refusal::Missing), "it was shown one of before");
    let later = tokens().issue_at("CA1", 1_001).unwrap();
    let pass = next.admit_at("CA1", Some(&later), 1_002).unwrap();
    assert_eq!(refusal(&next, "CA1", None, 1_003), Some(Refusal::Missing), "it was shown one");
    drop(pass);
    assert_eq!(refusal(&next, "CA1", None, 1_004), Some(Refusal::Missing));
    next.is_over_since("CA2", 1_000);
    assert_eq!(refusal(&next, "CA2", None, 1_005), None);
    next.issue_at("CA2", 1_006).unwrap();
    assert_eq!(refusal(&next, "CA2", None, 1_007), Some(Refusal::Missing), "it was given one");
    next.is_over_since("CA2", 1_005);
    assert_eq!(refusal(&next, "CA2", None, 1_008), Some(Refusal::Missing));
    // By a clock that is behind.
    assert_eq!(refusal(&tokens(), "CA1", Some(&token), 1_000 - AHEAD), None);
    assert_eq!(refusal(&tokens(), "CA1", Some(&token), 999 - AHEAD), Some(Refusal::Wrong));
    // Without an auth token a process knows its own alone.
    let alone = StreamTokens::new(None, Arc::default());
    assert_eq!(refusal(&alone, "CA1", Some(&token), 1_000), Some(Refusal::Wrong));
    let token = alone.issue_at("CA1", 1_000).unwrap();
    assert_eq!(
        refusal(&StreamTokens::new(None, Arc::default()), "CA1", Some(&token), 1_000),
        Some(Refusal::Wrong)
    );
    assert_eq!(refusal(&alone, "CA1", Some(&token), 1_000), None);
}

#[test]
fn that_a_call_of_another_process_is_over_changes_nothing_of_what_it_is_here() {
    let next = tokens();
    let old = tokens().issue_at("CA1", 1_000).unwrap();
    // A stream of it lives here: so does the call, and its token is valid for another stream until the last has ended.
    let pass = next.admit_at("CA1", Some(&old), 1_010).unwrap();
    next.is_over_since("CA1", 1_001);
    assert!(next.is_live("CA1"));
    let second = next.admit_at("CA1", Some(&old), 1_011).unwrap();
    drop(pass);
    next.is_over_since("CA1", 1_001);
    assert!(next.is_live("CA1"));
    drop(second);
    assert!(!next.is_live("CA1"));
    assert_eq!(refusal(&next, "CA1", Some(&old), 1_012), Some(Refusal::Over));
    // Answered here, its stream is awaited, whatever the clock of the other was.
    for began in [1_001, 1_020, 1_200] {
        let next = tokens();
        let token = next.issue_at("CA1", 1_020).unwrap();
        next.is_over_since("CA1", began);
        assert_eq!(refusal(&next, "CA1", Some(&old), 1_021), Some(Refusal::Over), "{began}");
        let pass = next.admit_at("CA1", Some(&token), 1_021).unwrap();
        next.is_over_since("CA1", 1_001);
        let second = next.admit_at("CA1", Some(&token), 1_022).unwrap();
        drop((pass, second));
        next.is_over_since("CA1", 1_001);
        assert_eq!(refusal(&next, "CA1", Some(&token), 1_023), Some(Refusal::Over), "{began}");
    }
    // Of two streams the later counts, in whatever order they are told of.
    for streams in [[1_000, 1_100], [1_100, 1_000]] {
        let next = tokens();
        streams.iter().for_each(|began| next.is_over_since("CA1", *began));
        let token = tokens().issue_at("CA1", 1_100).unwrap();
        for now in [1_101, 1_050 + FRESH, 1_100 + FRESH] {
            assert_eq!(refusal(&next, "CA1", Some(&token), now), Some(Refusal::Over), "{now}");
        }
        // Answered here in that very second, it has another token.
        let token = next.issue_at("CA1", 1_100).unwrap();
        assert_eq!(refusal(&next, "CA1", Some(&token), 1_101), None);
    }
}

#[test]
fn calls_that_are_over_or_never_came_are_forgotten_and_so_are_the_oldest_of_too_many() {
    let tokens = tokens();
    let lives = tokens.issue_at("lives", 1_000).unwrap();
    let pass = tokens.admit_at("lives", Some(&lives), 1_000).unwrap();
    for index in 0..1_000 {
        let call = format!("CA{index}");
        let token = tokens.issue_at(&call, 1_000).unwrap();
        drop((index % 2 == 0).then(|| tokens.admit_at(&call, Some(&token), 1_000).unwrap()));
    }
    tokens.issue_at("later", 1_001 + FRESH).unwrap();
    assert_eq!(tokens.lock().answered.len(), 2);
    drop(pass);
    tokens.issue_at("later", 2_000 + FRESH).unwrap();
    assert_eq!(tokens.lock().answered.len(), 1);
    let forgotten = || tokens.counters.of(Limit::TokensForgotten);
    assert_eq!(forgotten(), 0, "there was room");
    for index in 0..MOST + 1_000 {
        tokens.issue_at(&format!("CB{index}"), 2_000 + FRESH).unwrap();
    }
    let known = tokens.lock().answered.len() as u64;
    assert!(forgotten() >= 999, "{}", forgotten());
    assert_eq!(known + forgotten(), 1 + MOST as u64 + 1_000);
    assert!(tokens.lock().answered.len() <= MOST + 1 && tokens.lock().forget.len() <= MOST + 1);
}

#[test]
fn a_call_that_is_answered_or_ends_again_and_again_makes_no_other_forgotten() {
    let tokens = tokens();
    tokens.issue_at("victim", 1_000).unwrap();
    for _ in 0..MOST / 3 {
        let token = tokens.issue_at("CA1", 1_000).unwrap();
        tokens.issue_at("CA2", 1_000).unwrap();
        drop(tokens.admit_at("CA1", Some(&token), 1_000));
        tokens.is_over_since("CA3", 1_000);
    }
    assert_eq!(refusal(&tokens, "victim", None, 1_001), Some(Refusal::Missing));
    assert_eq!(tokens.counters.of(Limit::TokensForgotten), 0);
    let calls = tokens.lock();
    assert_eq!((calls.answered.len(), calls.forget.len()), (4, 4));
}

#[test]
fn a_live_call_is_known_however_many_others_there_are() {
    let tokens = tokens();
    let token = tokens.issue_at("lives", 1_000).unwrap();
    let pass = tokens.admit_at("lives", Some(&token), 1_000).unwrap();
    for index in 0..2 * MOST {
        tokens.issue_at(&format!("CA{index}"), 1_000).unwrap();
    }
    assert!(tokens.counters.of(Limit::TokensForgotten) >= MOST as u64 - 1);
    assert_eq!(refusal(&tokens, "lives", None, 1_001), Some(Refusal::Missing));
    let again = tokens.admit_at("lives", Some(&token), 1_001).unwrap();
    drop((pass, again));
    assert_eq!(refusal(&tokens, "lives", Some(&token), 1_002), Some(Refusal::Over));
}

#[test]
fn a_name_that_is_no_calls_gets_no_token() {
    assert_eq!(tokens().issue_at("../CA1", 1_000), None);
}

proptest! {
    #[test]
    fn any_text_is_a_calls_token_or_is_refused(
        text in any::<String>(), at in any::<prop::sample::Index>(), letter in any::<char>(), how in 0..4_u8,
        now in any::<u32>(), other in "[A-Za-z0-9]{1,34}",
    ) {
        let (tokens, now) = (tokens(), u64::from(now));
        let token = tokens.issue_at("CA1", now).unwrap();
        let mut bent: Vec<char> = token.chars().collect();
        let at = at.index(bent.len());
        match how {
            0 => bent[at] = letter,
            1 => bent.truncate(at),
            2 => bent.insert(at, letter),
            _ => drop(bent.remove(at)),
        }
        let bent: String = bent.into_iter().collect();
        let earlier = format!("{:x}-{text}", now.saturating_sub(1));
        for text in [text, bent, earlier, format!("{token} "), format!("0{token}"), format!("+{token}")] {
            // A letter may be put where it stood. The token itself is tried last: the call is over then.
            if text == token {
                continue;
            }
            // Of 128 bits none is right by chance.
            prop_assert_eq!(refusal(&tokens, "CA1", Some(&text), now), Some(Refusal::Wrong), "{}", text);
        }
        prop_assume!(other != "CA1");
        prop_assert_eq!(refusal(&tokens, &other, Some(&token), now), Some(Refusal::Wrong));
        prop_assert_eq!(refusal(&tokens, "CA1", None, now), Some(Refusal::Missing));
        prop_assert_eq!(refusal(&tokens, "CA1", Some(&token), now), None);
    }
}
