//! The frames of a provider's socket, of which none is longer than a message may be, and no message is in too many.
//!
//! A frame says in its first bytes how long it is, and the WebSocket library looks at that when the whole of it is in memory. And of
//! a message in many frames it keeps all that was read with them until the last is there, pings included. So their heads are read here,
//! before it: one of a frame that is too long, or one too many, is the last that is read.

use actix_web::error::PayloadError;
use actix_web::{FromRequest as _, HttpRequest, dev, web};
use bytes::Bytes;
use futures_util::Stream;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// What a head begins with: flags, opcode and length, which two or eight bytes more tell if it is not short (RFC 6455, 5.2).
const HEAD: usize = 2;
/// Of the longest head, up to its masking key.
const LONGEST_HEAD: usize = HEAD + 8;
/// In so many frames a message may be, those that come between them included.
const MOST_FRAMES: u32 = 4_096;
/// The opcode of a message's second frame, and of all behind it.
const CONTINUATION: u8 = 0;
/// The masking key, which stands between the head and the payload.
const MASK: u64 = 4;

/// The same body, up to a frame of more than `longest` bytes, or a message in too many; [`is_overflow`] tells of that.
pub(crate) async fn no_longer_than(
    longest: usize,
    request: &HttpRequest,
    body: web::Payload,
) -> Result<web::Payload, actix_web::Error> {
    let bounded = Bounded { body: body.into_inner(), frames: Frames::new(longest as u64), is_over: false };
    let mut payload: dev::Payload = dev::Payload::Stream { payload: Box::pin(bounded) };
    web::Payload::from_request(request, &mut payload).await
}

/// Whether a frame was longer than any may be, or a message in more frames.
pub(super) fn is_overflow(error: &std::io::Error) -> bool {
    let error = error.get_ref().and_then(|error| error.downcast_ref::<PayloadError>());
    matches!(error, Some(PayloadError::Overflow))
}

struct Bounded<S> {
    body: S,
    frames: Frames,
    /// The head of a frame that is not taken was read.
    is_over: bool,
}

impl<S: Stream<Item = Result<Bytes, PayloadError>> + Unpin> Stream for Bounded<S> {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.is_over {
            return Poll::Ready(Some(Err(PayloadError::Overflow)));
        }
        let next = ready!(Pin::new(&mut self.body).poll_next(cx));
        let Some(Ok(mut chunk)) = next else { return Poll::Ready(next) };
        if let Err(TooLong { before }) = self.frames.follow(&chunk) {
            self.is_over = true;
            // What came before is whole, and is handed out first.
            chunk.truncate(before);
        }
        Poll::Ready(Some(Ok(chunk)))
    }
}

/// A frame is too long, or one too many; so many bytes of what was followed came before it.
#[derive(Debug, PartialEq, Eq)]
struct TooLong {
    before: usize,
}

/// Where in a stream of frames its reader is.
#[derive(Debug)]
struct Frames {
    longest: u64,
    /// Since a message began of which more frames are to come; 0 if none has.
    frames: u32,
    at: At,
}

#[derive(Debug)]
enum At {
    /// In a head, of which so many bytes were read.
    Head([u8; LONGEST_HEAD], usize),
    /// So many bytes before the next head.
    Payload(u64),
    /// Behind a head that is none. The library reads no further, and says what is wrong.
    Broken,
}

impl Frames {
    fn new(longest: u64) -> Self {
        Self { longest, frames: 0, at: At::Head([0; LONGEST_HEAD], 0) }
    }

    /// Goes on behind these bytes, of which it reads heads alone.
    fn follow(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        let (mut rest, mut before) = (bytes, 0);
        while !rest.is_empty() {
            match &mut self.at {
                At::Broken => return Ok(()),
                At::Payload(left) => {
                    let passed = usize::try_from(*left).map_or(rest.len(), |left| left.min(rest.len()));
                    rest = &rest[passed..];
                    *left -= passed as u64;
                    if *left == 0 {
                        before = bytes.len() - rest.len();
                        self.at = At::Head([0; LONGEST_HEAD], 0);
                    }
                }
                At::Head(head, read) => {
                    let taken = match rest.first_chunk() {
                        // Mostly all of it is there.
                        Some(whole) if *read == 0 => {
                            *head = *whole;
                            length_of_head(head)
                        }
                        _ => {
                            let wanted = if *read < HEAD { HEAD } else { length_of_head(head) };
                            let taken = (wanted - *read).min(rest.len());
                            head[*read..*read + taken].copy_from_slice(&rest[..taken]);
                            taken
                        }
                    };
                    (*read, rest) = (*read + taken, &rest[taken..]);
                    if *read < HEAD {
                        continue;
                    }
                    if is_broken(head) {
                        self.at = At::Broken;
                    } else if *read == length_of_head(head) {
                        let length = length_of_payload(head);
                        self.frames = match (is_last(head), opcode(head)) {
                            (true, CONTINUATION) => 0,
                            (true, _) if self.frames == 0 => 0,
                            _ => self.frames + 1,
                        };
                        if length > self.longest || self.frames >= MOST_FRAMES {
                            return Err(TooLong { before });
                        }
                        self.at = At::Payload(length + MASK);
                    }
                }
            }
        }
        Ok(())
    }
}

/// Whether the library refuses the head for its first two bytes: reserved bits, no masking, or an opcode that is none.
fn is_broken(head: &[u8; LONGEST_HEAD]) -> bool {
    head[0] & 0x70 != 0 || head[1] & 0x80 == 0 || !matches!(opcode(head), CONTINUATION..=2 | 8..=10)
}

/// Whether a message ends with it.
fn is_last([first, ..]: &[u8; LONGEST_HEAD]) -> bool {
    first & 0x80 != 0
}

fn opcode([first, ..]: &[u8; LONGEST_HEAD]) -> u8 {
    first & 0x0f
}

/// Up to the masking key.
fn length_of_head([_, second, ..]: &[u8; LONGEST_HEAD]) -> usize {
    match second & 0x7f {
        126 => HEAD + 2,
        127 => HEAD + 8,
        _ => HEAD,
    }
}

fn length_of_payload(&[_, second, a, b, c, d, e, f, g, h]: &[u8; LONGEST_HEAD]) -> u64 {
    match second & 0x7f {
        126 => u16::from_be_bytes([a, b]).into(),
        127 => u64::from_be_bytes([a, b, c, d, e, f, g, h]),
        short => short.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{FutureExt as _, StreamExt as _, stream};
    use proptest::prelude::*;

    const LONGEST: u64 = 70_000;

    /// The head of a frame, with the length in the short form, in two bytes or in eight, and its masking key.
    fn head(first: u8, form: usize, length: u64) -> Vec<u8> {
        let bytes = length.to_be_bytes();
        let length = match form {
            0 if length < 126 => vec![0x80 | bytes[7]],
            0 | 1 if length < 65_536 => [&[0xfe], &bytes[6..]].concat(),
            _ => [&[0xff], bytes.as_slice()].concat(),
        };
        [&[first], length.as_slice()].concat()
    }

    /// Pieces that end where these say, each so many bytes behind the one before.
    fn cut(bytes: &[u8], cuts: &[usize]) -> Vec<Bytes> {
        let (mut rest, mut pieces) = (Bytes::copy_from_slice(bytes), Vec::new());
        for length in cuts.iter().cycle().copied().take(bytes.len()) {
            pieces.push(rest.split_to(length.min(rest.len())));
        }
        pieces.into_iter().chain([rest]).filter(|piece| !piece.is_empty()).collect()
    }

    /// What is handed out of these pieces, and whether it ends with a frame that is too long.
    fn handed_out(pieces: Vec<Bytes>) -> (Vec<u8>, bool) {
        let body = stream::iter(pieces.into_iter().map(Ok));
        let mut bounded = Bounded { body, frames: Frames::new(LONGEST), is_over: false };
        let mut all = Vec::new();
        while let Some(next) = bounded.next().now_or_never().unwrap() {
            match next {
                Ok(bytes) => all.extend_from_slice(&bytes),
                Err(error) => {
                    assert!(is_overflow(&std::io::Error::other(error)));
                    return (all, true);
                }
            }
        }
        (all, false)
    }

    fn frames() -> impl Strategy<Value = Vec<(u8, usize, u64)>> {
        let first = (any::<bool>(), prop::sample::select(vec![0, 1, 2, 8, 9, 10]))
            .prop_map(|(is_last, opcode)| u8::from(is_last) << 7 | opcode);
        let length = prop_oneof![
            8 => 0..=300_u64,
            1 => 65_530..=65_540_u64,
            1 => LONGEST - 2..=LONGEST,
        ];
        prop::collection::vec((first, 0..3_usize, length), 0..12)
    }

    fn too_long() -> impl Strategy<Value = u64> {
        prop_oneof![Just(LONGEST + 1), Just(u64::MAX), LONGEST + 1..u64::MAX]
    }

    fn cuts() -> impl Strategy<Value = Vec<usize>> {
        prop_oneof![
            Just(vec![1]),
            prop::collection::vec(1..20_usize, 1..20),
            prop::collection::vec(1..100_000_usize, 1..20),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

        #[test]
        fn frames_are_handed_out_whole_however_they_are_cut_and_of_one_too_long_no_whole_head(
            frames in frames(), too_long in prop::option::of(too_long()), garbage in any::<[u8; 20]>(), cuts in cuts(),
        ) {
            let mut whole = Vec::new();
            for (first, form, length) in frames {
                whole.extend(head(first, form, length));
                // Whoever takes a payload for a head takes this one for none, and reads no further.
                whole.resize(whole.len() + usize::try_from(length + MASK).unwrap(), 0xff);
            }
            let Some(length) = too_long else {
                prop_assert!(handed_out(cut(&whole, &cuts)) == (whole, false));
                return Ok(());
            };
            let last = head(0x81, 2, length);
            // It is too long as soon as its head says so: nothing behind that is waited for.
            let read = [whole.as_slice(), &last].concat();
            for wire in [read.clone(), [read.as_slice(), &garbage].concat()] {
                let (all, is_too_long) = handed_out(cut(&wire, &cuts));
                prop_assert!(is_too_long && all.starts_with(&whole) && read.starts_with(&all) && all != read);
            }
            let not_yet = &read[..read.len() - 1];
            prop_assert!(handed_out(cut(not_yet, &cuts)) == (not_yet.to_vec(), false));
        }

        #[test]
        fn whatever_bytes_come_are_taken_alike_in_one_piece_and_byte_by_byte(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let (all, is_too_long) = handed_out(vec![Bytes::copy_from_slice(&bytes)]);
            let (more, is_too_long_by_bytes) = handed_out(cut(&bytes, &[1]));
            prop_assert!(is_too_long == is_too_long_by_bytes && more.starts_with(&all));
            prop_assert!(is_too_long || all == bytes);
        }
    }

    /// A message in so many frames, a ping behind the first.
    fn message(frames: u32) -> Vec<u8> {
        let frame = |first: u8| [&head(first, 0, 1), [0; 5].as_slice()].concat();
        let between = frame(0x00).repeat(frames as usize - 3);
        [frame(0x01), frame(0x89), between, frame(0x80)].concat()
    }

    #[test]
    fn messages_may_be_in_so_many_frames_each_and_what_is_between_counts() {
        let whole = [message(MOST_FRAMES), message(3)].concat();
        let alone = [head(0x81, 0, 0), vec![0; 4]].concat().repeat(2 * MOST_FRAMES as usize);
        let fits = [whole.as_slice(), &alone, &whole].concat();
        assert!(handed_out(cut(&fits, &[1_000])) == (fits.clone(), false));
        let (all, is_too_much) =
            handed_out(cut(&[fits.as_slice(), &message(MOST_FRAMES + 1)].concat(), &[1_000]));
        assert!(is_too_much && all.starts_with(&fits));
    }

    #[test]
    fn behind_a_head_that_is_none_nothing_is_read() {
        let no_frame = [
            [0xc1, 0x80],
            [0xa1, 0x80],
            [0x91, 0x80],
            [0x81, 0x00],
            [0x83, 0x80],
            [0x87, 0x80],
            [0x8b, 0x80],
            [0x8f, 0x80],
        ];
        for no_frame in no_frame {
            let wire = [no_frame.as_slice(), &[0; 4], &head(0x81, 2, u64::MAX)].concat();
            assert_eq!(handed_out(cut(&wire, &[1])), (wire, false));
        }
    }
}
