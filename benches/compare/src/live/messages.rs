//! The provider's messages of one stream, made fast: the first is the protocol crate's own, and the others differ from it in
//! four places.

use anyhow::Context as _;
use base64_simd::STANDARD;
use callrec_protocol::twilio::outgoing::Provider;
use callrec_session::Track;
use std::sync::Arc;

/// Milliseconds of audio in a message.
pub(crate) const FRAME_MS: u64 = 20;
/// So many of a party are a minute.
pub(crate) const MESSAGES_A_MINUTE: u64 = 60_000 / FRAME_MS;
/// Bytes of it.
const FRAME: usize = 160;

/// Audio in base64, a message's worth each, that all calls choose from.
pub(crate) type Payloads = Arc<[String]>;

/// The payloads of one party's mu-law.
pub(crate) fn payloads(codes: &[u8]) -> Payloads {
    codes.chunks_exact(FRAME).map(|frame| STANDARD.encode_to_string(frame)).collect()
}

/// Where in the payloads the call of this number begins.
pub(crate) fn first_payload(number: usize, payloads: &Payloads) -> usize {
    number * 7_919 % payloads.len()
}

/// What differs from one message to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Sequence,
    Chunk,
    Timestamp,
    Payload,
}

/// The caller's side of a stream.
#[derive(Debug)]
pub(crate) struct Messages {
    opening: [String; 2],
    stop: String,
    /// Each place, and what stands before it.
    places: Vec<(String, Place)>,
    rest: String,
    payloads: Payloads,
    first_payload: usize,
    media: u64,
}

impl Messages {
    /// Of a call of this number, which begins somewhere in the payloads.
    pub(crate) fn new(number: usize, payloads: &Payloads) -> anyhow::Result<Self> {
        let (call, stream) = (sid("CA", number), sid("MZ", number));
        let mut provider = Provider::new(&call, &stream);
        let opening = [provider.connected(), provider.start(&[Track::Caller], &[])];
        let media = provider.media(Track::Caller, 0, b"");
        let mut found = Vec::new();
        for (name, place) in [
            ("sequenceNumber", Place::Sequence),
            ("chunk", Place::Chunk),
            ("timestamp", Place::Timestamp),
            ("payload", Place::Payload),
        ] {
            let name = format!("\"{name}\":\"");
            let begins = media.find(&name).with_context(|| format!("no {name} in {media}"))? + name.len();
            let length = media[begins..].find('"').context("no end of a text")?;
            found.push((begins, begins + length, place));
        }
        found.sort_by_key(|(begins, ..)| *begins);
        let (mut places, mut from) = (Vec::new(), 0);
        for (begins, ends, place) in found {
            places.push((media[from..begins].to_owned(), place));
            from = ends;
        }
        let rest = media[from..].to_owned();
        let first_payload = first_payload(number, payloads);
        let payloads = Arc::clone(payloads);
        Ok(Self { opening, stop: provider.stop(), places, rest, payloads, first_payload, media: 0 })
    }

    /// What a stream begins with.
    pub(crate) fn opening(&self) -> &[String; 2] {
        &self.opening
    }

    /// Appends the next message of audio.
    pub(crate) fn media(&mut self, out: &mut Vec<u8>) {
        for (before, place) in &self.places {
            out.extend_from_slice(before.as_bytes());
            match place {
                // The start was the first.
                Place::Sequence => digits(self.media + 2, out),
                Place::Chunk => digits(self.media + 1, out),
                Place::Timestamp => digits(self.media * FRAME_MS, out),
                Place::Payload => {
                    let payload = (self.first_payload + self.media as usize) % self.payloads.len();
                    out.extend_from_slice(self.payloads[payload].as_bytes());
                }
            }
        }
        out.extend_from_slice(self.rest.as_bytes());
        self.media += 1;
    }

    /// How many messages of audio there were.
    pub(crate) fn sent(&self) -> u64 {
        self.media
    }

    /// The last message.
    pub(crate) fn stop(&self) -> String {
        let number = format!("\"sequenceNumber\":\"{}\"", self.media + 2);
        // It was made right behind one message of audio.
        self.stop.replace("\"sequenceNumber\":\"3\"", &number)
    }
}

/// As the provider's are: 34 characters.
pub(crate) fn sid(kind: &str, number: usize) -> String {
    format!("{kind}{number:032x}")
}

fn digits(number: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let (mut left, mut from) = (number, digits.len());
    loop {
        from -= 1;
        digits[from] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[from..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_to_the_byte_what_the_protocol_crate_makes() {
        let codes: Vec<u8> = (0..250 * FRAME).map(|index| (index % 251) as u8).collect();
        let mut messages = Messages::new(3, &payloads(&codes)).unwrap();
        let mut provider = Provider::new(&sid("CA", 3), &sid("MZ", 3));
        let opening = [provider.connected(), provider.start(&[Track::Caller], &[])];
        assert_eq!(messages.opening(), &opening);
        let first = 3 * 7_919 % 250;
        for index in 0..1_200_usize {
            let frame = (first + index) % 250 * FRAME;
            let mut message = Vec::new();
            messages.media(&mut message);
            let expected =
                provider.media(Track::Caller, index as u64 * FRAME_MS, &codes[frame..frame + FRAME]);
            assert_eq!(String::from_utf8(message).unwrap(), expected);
        }
        assert_eq!(messages.stop(), provider.stop());
    }
}
