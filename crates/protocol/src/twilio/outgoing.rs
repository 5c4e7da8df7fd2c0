//! Messages to send: a bot's to the provider, and the provider's own, for tests, demos and simulations.

use base64_simd::STANDARD;
use callrec_session::{Speaker, Track};
use serde::Serialize;
use serde_json::json;
use std::io::Write;

/// Audio for the caller, of any length: mu-law at 8 kHz, played behind what is queued.
pub fn media(stream_sid: &str, mulaw: &[u8]) -> String {
    json!({ "event": "media", "streamSid": stream_sid, "media": { "payload": STANDARD.encode_to_string(mulaw) } })
        .to_string()
}

/// A mark: the provider sends its name back when the audio before it has been played or cleared.
pub fn mark(stream_sid: &str, name: &str) -> String {
    // Texts alone, into memory: nothing of it can fail.
    serde_json::to_string(&Mark::new(stream_sid, name)).unwrap_or_default()
}

/// The same, written behind what is in a buffer: a relay sends one for every few frames.
///
/// # Errors
/// Those of writing.
pub fn write_mark(buffer: impl Write, stream_sid: &str, name: &str) -> serde_json::Result<()> {
    serde_json::to_writer(buffer, &Mark::new(stream_sid, name))
}

#[derive(Serialize)]
struct Mark<'a> {
    event: &'a str,
    mark: Named<'a>,
    #[serde(rename = "streamSid")]
    stream_sid: &'a str,
}

impl<'a> Mark<'a> {
    const fn new(stream_sid: &'a str, name: &'a str) -> Self {
        Self { event: "mark", mark: Named { name }, stream_sid }
    }
}

#[derive(Serialize)]
struct Named<'a> {
    name: &'a str,
}

/// The order to throw away all audio that was not yet played.
pub fn clear(stream_sid: &str) -> String {
    json!({ "event": "clear", "streamSid": stream_sid }).to_string()
}

/// A line of the transcript, for the recorder alone: the relay does not forward it. `at_ms` is in the stream's clock.
pub fn transcript(speaker: Speaker, text: &str, at_ms: Option<u64>) -> String {
    let speaker = match speaker {
        Speaker::Caller => "caller",
        Speaker::Assistant => "assistant",
        Speaker::System => "system",
    };
    match at_ms {
        Some(at_ms) => json!({ "event": "transcript", "speaker": speaker, "text": text, "at_ms": at_ms }),
        None => json!({ "event": "transcript", "speaker": speaker, "text": text }),
    }
    .to_string()
}

/// The provider's end of a stream: writes its messages, numbered as the provider numbers them.
///
/// ```
/// use callrec_protocol::{Dialect, Message, twilio::{Twilio, outgoing::Provider}};
/// use callrec_session::{Topology, Track};
///
/// let mut provider = Provider::new("CA1", "MZ1");
/// let mut dialect = Twilio::new(Topology::OneWay);
/// for message in [
///     provider.connected(),
///     provider.start(&[Track::Caller], &[("audio_format", "flac")]),
///     provider.media(Track::Caller, 0, &[0xff; 160]),
///     provider.stop(),
/// ] {
///     dialect.handle_message(Message::Text(&message))?;
/// }
/// assert_eq!(std::iter::from_fn(|| dialect.poll_event().map(|_| ())).count(), 3);
/// # Ok::<(), callrec_protocol::ProtocolError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Provider {
    call: String,
    stream: String,
    sequence: u64,
    chunks: [u64; 2],
}

impl Provider {
    /// The account that the messages name.
    pub const ACCOUNT: &str = "AC00000000000000000000000000000000";

    /// A stream that has sent nothing yet.
    pub fn new(call_sid: &str, stream_sid: &str) -> Self {
        Self { call: call_sid.to_owned(), stream: stream_sid.to_owned(), sequence: 0, chunks: [0; 2] }
    }

    /// The first message of a socket.
    pub fn connected(&self) -> String {
        json!({ "event": "connected", "protocol": "Call", "version": "1.0.0" }).to_string()
    }

    /// The start of the stream, with the tracks that the provider will send and the `<Parameter>`s of the TwiML.
    pub fn start(&mut self, tracks: &[Track], parameters: &[(&str, &str)]) -> String {
        let parameters: serde_json::Map<_, _> =
            parameters.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        let tracks: Vec<_> = tracks.iter().map(|track| track_name(*track)).collect();
        json!({
            "event": "start", "sequenceNumber": self.next(), "streamSid": self.stream,
            "start": {
                "accountSid": Self::ACCOUNT, "streamSid": self.stream, "callSid": self.call, "tracks": tracks,
                "mediaFormat": { "encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1 },
                "customParameters": parameters,
            },
        })
        .to_string()
    }

    /// Audio of one track, `at_ms` after the stream began: usually 160 bytes of mu-law, 20 ms.
    pub fn media(&mut self, track: Track, at_ms: u64, mulaw: &[u8]) -> String {
        let chunk = &mut self.chunks[usize::from(track == Track::Assistant)];
        *chunk += 1;
        let chunk = chunk.to_string();
        json!({
            "event": "media", "sequenceNumber": self.next(), "streamSid": self.stream,
            "media": {
                "track": track_name(track), "chunk": chunk, "timestamp": at_ms.to_string(),
                "payload": STANDARD.encode_to_string(mulaw),
            },
        })
        .to_string()
    }

    /// A key that the caller pressed.
    pub fn dtmf(&mut self, digit: &str) -> String {
        json!({
            "event": "dtmf", "sequenceNumber": self.next(), "streamSid": self.stream,
            "dtmf": { "track": "inbound_track", "digit": digit },
        })
        .to_string()
    }

    /// The echo of a mark.
    pub fn mark(&mut self, name: &str) -> String {
        json!({
            "event": "mark", "sequenceNumber": self.next(), "streamSid": self.stream, "mark": { "name": name },
        })
        .to_string()
    }

    /// The end of the stream.
    pub fn stop(&mut self) -> String {
        json!({
            "event": "stop", "sequenceNumber": self.next(), "streamSid": self.stream,
            "stop": { "accountSid": Self::ACCOUNT, "callSid": self.call },
        })
        .to_string()
    }

    fn next(&mut self) -> String {
        self.sequence += 1;
        self.sequence.to_string()
    }
}

fn track_name(track: Track) -> &'static str {
    match track {
        Track::Caller => "inbound",
        Track::Assistant => "outbound",
    }
}
