//! A journal's records as events, taken as a recording takes them: rate of the assistant, then for each record a kind,
//! a wait in milliseconds, a length and a payload.

use callrec_session::{Event, StreamStart, Topology, wire};
use std::borrow::Cow;

use crate::call::Call;
use crate::input::Input;

/// Reads events.
///
/// # Panics
/// Something is not as it must be.
pub fn read(bytes: &[u8]) {
    let mut input = Input(bytes);
    let how = input.byte();
    // Rates that telephony has, and any.
    let rate = match how >> 1 & 3 {
        0 => 8_000,
        1 => 16_000,
        2 => 24_000,
        _ => u32::from(input.u16()),
    };
    let mut call = Call::new(rate);
    if how & 8 == 0 {
        let topology = if how & 1 == 0 { Topology::OneWay } else { Topology::Relay };
        let mut start = StreamStart::new("CA1", "MZ1", topology);
        start.assistant_rate = rate;
        call.handle(&Event::Started(Cow::Owned(start)));
    }
    while !input.is_empty() {
        let (kind, wait_ms, len) = (input.byte(), input.u16(), input.u16());
        let payload = input.take(usize::from(len));
        call.pass(u64::from(wait_ms) * 1_000);
        match wire::decode(kind, payload) {
            Ok(Event::Started(start)) if start.caller_rate.max(start.assistant_rate) > 48_000 => {}
            Ok(event) => call.handle(&event),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
    call.finish();
}
