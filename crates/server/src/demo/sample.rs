//! The sample speech; `samples/make.sh` made it.

use callrec_protocol::twilio::outgoing;
use std::time::Duration;

/// A sentence of one of the two.
#[derive(Debug)]
pub(super) struct Sentence {
    pub(super) text: &'static str,
    /// Raw μ-law at 8,000 Hz.
    pub(super) audio: &'static [u8],
}

pub(super) const GREETING: Sentence = Sentence {
    text: "Good morning, this is the book shop on Mill Street. How can I help you?",
    audio: include_bytes!("../../samples/assistant_1.ulaw"),
};
pub(super) const QUESTION: Sentence = Sentence {
    text: "Hello. Are you open on Sundays?",
    audio: include_bytes!("../../samples/caller_1.ulaw"),
};
pub(super) const LONG_ANSWER: Sentence = Sentence {
    text: "On Sundays we open at ten in the morning and close at four in the afternoon, except in August, when we are \
           closed all day, and on the last Sunday before Christmas, when we are open until eight.",
    audio: include_bytes!("../../samples/assistant_2.ulaw"),
};
pub(super) const INTERRUPTION: Sentence = Sentence {
    text: "Thank you, that is all I wanted to know.",
    audio: include_bytes!("../../samples/caller_2.ulaw"),
};
pub(super) const FAREWELL: Sentence =
    Sentence { text: "You are welcome. Good bye!", audio: include_bytes!("../../samples/assistant_3.ulaw") };

/// A tick of the telephone network, and the bytes of one.
pub(super) const TICK: Duration = Duration::from_millis(20);
pub(super) const TICK_BYTES: usize = 160;
/// Silence in μ-law.
pub(super) const SILENCE: u8 = 0xff;

/// What a bot sends for a sentence: 100 ms a message, as fast as it can.
pub(super) fn chunks(stream: &str, sentence: &Sentence) -> impl Iterator<Item = String> {
    sentence.audio.chunks(5 * TICK_BYTES).map(move |audio| outgoing::media(stream, audio))
}
