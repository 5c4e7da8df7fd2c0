//! The provider's messages, as lines: the first byte tells whether there is a bot. A line that is no text is a binary message.

use callrec_protocol::twilio::{Twilio, outgoing::Provider};
use callrec_protocol::{Dialect, Message, ProtocolError};
use callrec_server::fuzzing;
use callrec_session::{Event, Place, StreamStart, Topology, Track};

use crate::call::Call;
use crate::input::Input;
use crate::oracle;

/// Whether a stream began, and ended.
#[derive(Default)]
struct State {
    start: Option<StreamStart>,
    ended: bool,
    /// What was dropped before the stream began.
    early: u32,
}

/// Reads messages of a provider's socket.
///
/// # Panics
/// Something is not as it must be.
pub fn read(bytes: &[u8]) {
    let mut input = Input(bytes);
    let topology = if input.byte() & 1 == 0 { Topology::OneWay } else { Topology::Relay };
    let mut dialect = Twilio::new(topology);
    let mut call = Call::new(8_000);
    let mut state = State::default();
    while !input.is_empty() {
        let line = input.until(b'\n');
        let message = std::str::from_utf8(line).map_or(Message::Binary(line), Message::Text);
        if let Message::Text(text) = message {
            assert!(fuzzing::started_call(text).is_none() || fuzzing::is_perhaps_a_start(text));
        }
        let outcome = dialect.handle_message(message);
        call.pass(20_000);
        let (running, was_over) = (state.start.is_some(), state.ended);
        let mut dropped = 0;
        while let Some(event) = dialect.poll_event() {
            assert!(!state.ended, "{event:?} behind the stream's end");
            check(&event, &mut state, message);
            if let Event::Dropped { count, .. } = event {
                dropped += count;
            }
            call.handle(&event);
        }
        match outcome {
            Ok(()) => {}
            Err(error) if error.is_fatal() => {
                assert!(!running && dropped == 0, "{error}");
                state.ended = true;
            }
            Err(error) => {
                assert!(!was_over);
                if running {
                    assert_eq!(dropped, 1, "{error} is not counted");
                } else {
                    state.early += 1;
                }
            }
        }
        if let Err(ProtocolError::NotJson { at }) = outcome {
            assert!(at <= line.len() + 1, "there is no byte {at}");
        }
        assert_eq!(dialect.poll_transmit(), None);
    }
    call.finish();
}

fn check(event: &Event<'_>, state: &mut State, message: Message<'_>) {
    match event {
        Event::Started(start) => {
            assert!(state.start.is_none(), "a stream begins once");
            assert!(!start.call.is_empty() && !start.stream.is_empty());
            state.start = Some(start.as_ref().clone());
            if let Message::Text(text) = message {
                // By what it found the server asks for a token: it must be the call that is recorded.
                assert!(fuzzing::is_perhaps_a_start(text));
                assert!(fuzzing::started_call(text).is_none_or(|call| call == start.call));
            }
        }
        _ => assert!(state.start.is_some(), "{event:?} before the stream's start"),
    }
    state.ended |= matches!(event, Event::Ended { .. });
    let Message::Text(text) = message else {
        assert!(matches!(event, Event::Dropped { .. }));
        return;
    };
    if let (Event::Audio { bytes, codec: _, .. }, Some(json)) = (event, oracle::json(text)) {
        assert_eq!(oracle::event(&json), Some("media"));
        assert_eq!(oracle::payload(&json).as_deref(), Some(*bytes));
    }
    if let Some(start) = &state.start {
        said_again(event, start);
    }
}

/// What was understood, written as the provider writes it, is understood as the same.
fn said_again(event: &Event<'_>, start: &StreamStart) {
    let mut provider = Provider::new(&start.call, &start.stream);
    let parameters: Vec<(&str, &str)> =
        start.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let tracks: &[Track] = match start.topology {
        Topology::OneWay => &[Track::Caller, Track::Assistant],
        Topology::Relay => &[Track::Caller],
    };
    let mut again = Twilio::new(start.topology);
    assert_eq!(again.handle_message(Message::Text(&provider.start(tracks, &parameters))), Ok(()));
    let Some(Event::Started(started)) = again.poll_event() else { panic!("a start must start") };
    assert_eq!((&started.call, &started.stream), (&start.call, &start.stream));
    assert_eq!(started.topology, start.topology);
    for pair in &started.parameters {
        assert!(start.parameters.contains(pair));
    }
    let message = match event {
        Event::Audio { track, place: Place::At(ms), bytes, .. } => provider.media(*track, *ms, bytes),
        Event::MarkEchoed { name } => provider.mark(name),
        Event::Dtmf { digit } => provider.dtmf(digit),
        Event::Ended { .. } => provider.stop(),
        _ => return,
    };
    assert_eq!(again.handle_message(Message::Text(&message)), Ok(()));
    assert_eq!(again.poll_event().as_ref(), Some(event), "{message}");
    assert_eq!(again.poll_event(), None);
}
