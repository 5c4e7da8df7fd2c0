//! What the provider sends: `connected`, `start`, `media`, `dtmf`, `mark`, `stop`.

use callrec_session::{DropKind, EndReason, Event, Place, StreamStart, Topology, Track};
use serde_json::value::RawValue;
use std::borrow::Cow;

use super::messages::{Entries, Envelope, Media, MediaFormat, Named, Start, number, text};
use super::queue::{EventQueue, Pending};
use super::{MAX_MARK, MAX_PARAMETER, MAX_PARAMETERS, MAX_SID};
use crate::{Dialect, Message, ProtocolError};

/// The only audio of Twilio's media streams.
const ENCODING: &str = "audio/x-mulaw";
const RATE: u64 = 8_000;
/// `#` and the other keys are one character; clones of the protocol send several at once.
const MAX_DIGITS: usize = 32;

/// The provider's side of a Twilio media stream.
///
/// One value a socket. A stream is one-way when its `start` lists the outbound track: the provider then sends the
/// assistant's audio itself. Otherwise it is what the constructor was told.
#[derive(Debug)]
pub struct Twilio {
    topology: Topology,
    state: State,
    queue: EventQueue,
    /// What was dropped before the stream began: told behind the start, for before it there is no recording to tell.
    early: Vec<(DropKind, u32)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    Started,
    /// Stopped, or never recordable: whatever comes is passed over.
    Over,
}

impl Twilio {
    /// `topology`: [`Topology::Relay`] if a bot is attached to this socket, whose audio comes through a
    /// [`BotSide`](super::BotSide); otherwise [`Topology::OneWay`].
    pub fn new(topology: Topology) -> Self {
        Self { topology, state: State::Waiting, queue: EventQueue::new(), early: Vec::new() }
    }

    fn read(&mut self, json: &str) -> Result<(), ProtocolError> {
        let message: Envelope<'_> = serde_json::from_str(json)?;
        let event = message.event.as_ref().map(|event| &*event.0);
        match event.ok_or(ProtocolError::Shape)? {
            "media" => self.media(message.media.as_ref()),
            "mark" => self.mark(message.mark),
            "dtmf" => self.dtmf(message.dtmf),
            "start" => self.start(&message),
            "stop" | "close" => self.stop(),
            "connected" => Ok(()),
            _ => {
                self.drop_one(DropKind::UnknownMessage);
                Ok(())
            }
        }
    }

    fn media(&mut self, media: Option<&Media<'_>>) -> Result<(), ProtocolError> {
        self.started("media")?;
        let media = media.ok_or(ProtocolError::Missing { event: "media", field: "media" })?;
        let payload = media
            .payload
            .as_ref()
            .ok_or(ProtocolError::Missing { event: "media", field: "media.payload" })?;
        // Twilio names the track always, but where only the caller is heard some clones leave it out.
        let track = match media.track {
            None => Track::Caller,
            Some(raw) => match text(Some(raw)).as_deref() {
                Some("inbound" | "inbound_track") => Track::Caller,
                Some("outbound" | "outbound_track") => Track::Assistant,
                _ => return Err(ProtocolError::UnknownTrack),
            },
        };
        match number(media.timestamp) {
            Some(ms) => self.queue.push_audio(track, Place::At(ms), &payload.0),
            None => {
                self.queue.push_audio(track, Place::Untimed, &payload.0)?;
                self.drop_one(DropKind::Timestamp);
                Ok(())
            }
        }
    }

    fn mark(&mut self, mark: Option<&RawValue>) -> Result<(), ProtocolError> {
        self.started("mark")?;
        let name = mark_name(mark)?;
        self.queue.push_mark(&name, Pending::MarkEchoed);
        Ok(())
    }

    fn dtmf(&mut self, dtmf: Option<&RawValue>) -> Result<(), ProtocolError> {
        self.started("dtmf")?;
        let digit = named(dtmf).ok_or(ProtocolError::Missing { event: "dtmf", field: "dtmf.digit" })?;
        if digit.len() > MAX_DIGITS {
            return Err(ProtocolError::TooLong { event: "dtmf", field: "dtmf.digit", limit: MAX_DIGITS });
        }
        self.queue.push(Pending::Dtmf(digit.into_owned()));
        Ok(())
    }

    fn start(&mut self, message: &Envelope<'_>) -> Result<(), ProtocolError> {
        if self.state == State::Started {
            return Err(ProtocolError::SecondStart);
        }
        let start: Start<'_> =
            message.start.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
        let call = sid(start.call_sid, "start.callSid")?;
        let stream = sid(start.stream_sid.or(message.stream), "start.streamSid")?;
        check_format(start.media_format)?;

        let tracks: Vec<&RawValue> =
            start.tracks.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
        let outbound =
            |raw: &&RawValue| matches!(text(Some(raw)).as_deref(), Some("outbound" | "outbound_track"));
        let topology = if tracks.iter().any(outbound) { Topology::OneWay } else { self.topology };

        let mut started = StreamStart::new(call, stream, topology);
        let (parameters, dropped) = bounded_parameters(start.custom_parameters);
        started.parameters = parameters;
        self.state = State::Started;
        self.queue.push(Pending::Started(Box::new(started)));
        for (what, count) in std::mem::take(&mut self.early) {
            self.queue.push_dropped(what, count);
        }
        self.queue.push_dropped(DropKind::Parameter, dropped);
        Ok(())
    }

    fn stop(&mut self) -> Result<(), ProtocolError> {
        self.started("stop")?;
        self.state = State::Over;
        self.queue.push(Pending::Ended(EndReason::Stopped));
        Ok(())
    }

    fn started(&self, event: &'static str) -> Result<(), ProtocolError> {
        if self.state == State::Waiting { Err(ProtocolError::BeforeStart { event }) } else { Ok(()) }
    }

    fn drop_one(&mut self, what: DropKind) {
        if self.state == State::Started {
            self.queue.push_dropped(what, 1);
        } else if let Some((_, count)) = self.early.iter_mut().find(|(kind, _)| *kind == what) {
            *count = count.saturating_add(1);
        } else {
            self.early.push((what, 1));
        }
    }
}

impl Dialect for Twilio {
    fn handle_message(&mut self, message: Message<'_>) -> Result<(), ProtocolError> {
        self.queue.begin();
        if self.state == State::Over {
            return Ok(());
        }
        let outcome = match message {
            Message::Text(json) => self.read(json),
            Message::Binary(_) => Err(ProtocolError::Binary),
        };
        if let Err(error) = outcome {
            if error.is_fatal() {
                self.state = State::Over;
            } else {
                self.drop_one(error.drop_kind());
            }
        }
        outcome
    }

    fn poll_event(&mut self) -> Option<Event<'_>> {
        self.queue.poll()
    }

    fn poll_transmit(&mut self) -> Option<String> {
        None
    }
}

/// The name in a `mark`, of either direction.
pub(super) fn mark_name(mark: Option<&RawValue>) -> Result<Cow<'_, str>, ProtocolError> {
    let name = named(mark).ok_or(ProtocolError::Missing { event: "mark", field: "mark.name" })?;
    if name.len() > MAX_MARK {
        return Err(ProtocolError::TooLong { event: "mark", field: "mark.name", limit: MAX_MARK });
    }
    Ok(name)
}

fn named(raw: Option<&RawValue>) -> Option<Cow<'_, str>> {
    let named: Named<'_> = serde_json::from_str(raw?.get()).ok()?;
    text(named.name)
}

fn sid(raw: Option<&RawValue>, field: &'static str) -> Result<String, ProtocolError> {
    let sid = text(raw).unwrap_or_default();
    if sid.is_empty() || sid.len() > MAX_SID || sid.contains(char::is_control) {
        return Err(ProtocolError::UnusableStart { field, limit: MAX_SID });
    }
    Ok(sid.into_owned())
}

/// A start without the format, or without a part of it, is of the only format that there is.
fn check_format(raw: Option<&RawValue>) -> Result<(), ProtocolError> {
    let Some(raw) = raw else { return Ok(()) };
    let format: MediaFormat<'_> = serde_json::from_str(raw.get()).unwrap_or_default();
    let right = |part: Option<&RawValue>, is: fn(&RawValue) -> bool| part.is_none_or(is);
    let unsupported = |field, supported| Err(ProtocolError::UnsupportedAudio { field, supported });
    if !right(format.encoding, |raw| text(Some(raw)).is_some_and(|name| name.eq_ignore_ascii_case(ENCODING)))
    {
        return unsupported("start.mediaFormat.encoding", ENCODING);
    }
    if !right(format.sample_rate, |raw| number(Some(raw)) == Some(RATE)) {
        return unsupported("start.mediaFormat.sampleRate", "8000");
    }
    if !right(format.channels, |raw| number(Some(raw)) == Some(1)) {
        return unsupported("start.mediaFormat.channels", "1");
    }
    Ok(())
}

/// The parameters within the bounds, and how many were not.
fn bounded_parameters(raw: Option<&RawValue>) -> (Vec<(String, String)>, u32) {
    let Some(raw) = raw else { return (Vec::new(), 0) };
    let Ok(Entries(entries)) = serde_json::from_str(raw.get()) else { return (Vec::new(), 1) };
    let (mut parameters, mut dropped) = (Vec::new(), 0);
    for (name, value) in entries {
        // Twilio sends text alone; of other senders a number or a truth value is taken as it is written.
        let value = match text(Some(value)) {
            Some(value) => Some(value),
            None if value.get().starts_with(['{', '[', 'n']) => None,
            None => Some(value.get().into()),
        };
        match value {
            Some(value)
                if parameters.len() < MAX_PARAMETERS && name.0.len() + value.len() <= MAX_PARAMETER =>
            {
                parameters.push((name.0.into_owned(), value.into_owned()));
            }
            _ => dropped += 1,
        }
    }
    (parameters, dropped)
}
