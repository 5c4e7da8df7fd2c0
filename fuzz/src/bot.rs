//! A bot's messages, as lines: each is forwarded as it came, or kept, and the marks around it are planned.

use callrec_protocol::Message;
use callrec_protocol::twilio::{BotSide, Verdict, outgoing};
use callrec_session::{Event, MarkPlanner, StreamStart, Topology};
use std::borrow::Cow;

use crate::call::Call;
use crate::input::Input;
use crate::oracle;

const PREFIX: &str = "callrec-0123456789abcdef-";

/// Reads messages of a bot's socket.
///
/// # Panics
/// Something is not as it must be.
pub fn read(bytes: &[u8]) {
    let mut input = Input(bytes);
    let mut bot = BotSide::new();
    let mut call = Call::new(8_000);
    let mut planner = MarkPlanner::new(PREFIX, 8_000, 0);
    let mut now_us = 0;
    call.handle(&Event::Started(Cow::Owned(StreamStart::new("CA1", "MZ1", Topology::Relay))));
    while !input.is_empty() {
        // Time passes between messages: none, some milliseconds, or seconds.
        let wait_us = u64::from(input.byte()).pow(3);
        call.pass(wait_us);
        now_us += wait_us;
        let line = input.until(b'\n');
        let message = std::str::from_utf8(line).map_or(Message::Binary(line), Message::Text);
        let outcome = bot.handle_message(message);
        let mut dropped = 0;
        let json = if let Message::Text(text) = message { oracle::json(text) } else { None };
        let kind = json.as_ref().and_then(oracle::event).map(str::to_owned);
        if let (Ok(verdict), Some(_)) = (outcome, &json) {
            assert_eq!(verdict == Verdict::Swallow, kind.as_deref() == Some("transcript"));
        }
        while let Some(event) = bot.poll_event() {
            match &event {
                Event::Dropped { count, .. } => dropped += count,
                event => said_again(event),
            }
            if let (Event::Audio { bytes, .. }, Some(json)) = (&event, &json) {
                assert_eq!(kind.as_deref(), Some("media"));
                assert_eq!(oracle::payload(json).as_deref(), Some(*bytes));
            }
            if let Some(planner) = &mut planner {
                plan(planner, now_us, &event, &mut call);
            }
            call.handle(&event);
        }
        if let Err(error) = outcome {
            assert!(!error.is_fatal(), "a bot's message is never fatal: {error}");
            assert_eq!(dropped, 1, "{error} is not counted");
        }
    }
    call.finish();
}

/// What was understood, written as a bot writes it, is understood as the same.
fn said_again(event: &Event<'_>) {
    let (message, verdict) = match event {
        Event::Audio { bytes, .. } => (outgoing::media("MZ1", bytes), Verdict::Forward),
        Event::MarkSent { name } => (outgoing::mark("MZ1", name), Verdict::Forward),
        Event::Cleared => (outgoing::clear("MZ1"), Verdict::Forward),
        Event::Said { speaker, text, at_ms } => {
            (outgoing::transcript(*speaker, text, *at_ms), Verdict::Swallow)
        }
        _ => return,
    };
    let mut again = BotSide::new();
    assert_eq!(again.handle_message(Message::Text(&message)), Ok(verdict));
    assert_eq!(again.poll_event().as_ref(), Some(event), "{message}");
    assert_eq!(again.poll_event(), None);
}

/// The marks that a relay puts around a message, as it does.
fn plan(planner: &mut MarkPlanner, now_us: u64, event: &Event<'_>, call: &mut Call) {
    let mut mark = |planner: &mut MarkPlanner, wanted: bool| {
        if wanted {
            let name = planner.name().to_owned();
            assert!(planner.is_ours(&name));
            call.handle(&Event::MarkSent { name: &name });
        }
    };
    if planner.next_us() <= now_us {
        let wanted = planner.wake(now_us);
        mark(planner, wanted);
    }
    let wanted = match event {
        Event::Audio { .. } => planner.before_audio(now_us),
        Event::Cleared => planner.before_clear(now_us),
        _ => false,
    };
    mark(planner, wanted);
    let wanted = match event {
        Event::Audio { bytes, .. } => planner.after_audio(now_us, bytes.len() as u64),
        Event::Cleared => planner.after_clear(now_us),
        Event::MarkSent { name } => {
            planner.after_mark(now_us, name);
            false
        }
        _ => false,
    };
    mark(planner, wanted);
}
