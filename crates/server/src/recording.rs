//! The recording's ear on one media socket: reads copies of the messages and hands on what they mean.
//!
//! Nothing in here can break the call. A stream that cannot be recorded, a recorder that refuses it and even a panic
//! are logged; the recording of that one call is off then, and the relay goes on.

use crate::counters::Limit;
use crate::opening::{Asked, Opening, may_be_a_start};
use crate::state::State;
use crate::stream_tokens::Pass;
use actix_web::web;
use callrec::{
    Call, CallId, CallOptions, DropKind, EndReason, Event, Format, RecordError, Settings, StreamStart,
    Topology,
};
use callrec_protocol::twilio::{BotSide, Twilio, Verdict};
use callrec_protocol::{Dialect as _, Message};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a message of the provider means for the socket it came on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Nothing.
    Nothing,
    /// A stream began in which the provider sends both sides and takes no messages.
    OneWay,
    /// A stream began whose other side is the bot's.
    TwoWay,
    /// The stream stopped.
    Stopped,
    /// A stream began that may not: it is to be closed, and nothing of it goes to the bot.
    Refused,
    /// Nothing that a bot should see: it comes before the start of a stream and is no greeting either.
    Withheld,
}

/// What a message of the bot was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    /// Whether it is for the provider at all.
    pub(crate) verdict: Verdict,
    /// How much speech it brought.
    pub(crate) samples: u64,
    /// The name, if it was a mark of the bot's.
    pub(crate) marked: Option<String>,
    /// Whether it was a clear.
    pub(crate) cleared: bool,
}

impl Told {
    const NOTHING: Self = Self { verdict: Verdict::Forward, samples: 0, marked: None, cleared: false };
}

/// The recording of what passes over one media socket.
pub(crate) struct Recording {
    state: web::Data<State>,
    provider: Twilio,
    bot: BotSide,
    tape: Tape,
    /// Of the call, once it is known.
    sid: String,
    /// Of the stream.
    stream: String,
    /// Held as long as a stream of a call that we answered lives.
    pass: Option<Pass>,
}

enum Tape {
    /// No stream began yet.
    Waiting,
    Running(Call),
    /// The stream ended; only lines of the transcript are taken.
    Over(Call),
    /// This stream is not recorded.
    Off,
}

impl Recording {
    pub(crate) fn new(state: web::Data<State>) -> Self {
        let topology = if state.bot.is_some() { Topology::Relay } else { Topology::OneWay };
        Self {
            state,
            provider: Twilio::new(topology),
            bot: BotSide::new(),
            tape: Tape::Waiting,
            sid: String::new(),
            stream: String::new(),
            pass: None,
        }
    }

    /// The copy of a message of the provider.
    pub(crate) fn hear_provider(&mut self, message: Message<'_>) -> Heard {
        // What could not be read of a stream that may not have begun must not go on.
        let otherwise = if self.has_started() { Heard::Nothing } else { Heard::Refused };
        self.guarded(otherwise, |recording| recording.read_provider(message))
    }

    /// Whether a message that follows the start might be another start, to whoever reads it. One that cannot be read might.
    pub(crate) fn may_be_a_start(&mut self, json: &str) -> bool {
        self.guarded(true, |_| may_be_a_start(json))
    }

    /// The copy of a message of the bot; says what it was.
    pub(crate) fn hear_bot(&mut self, message: Message<'_>) -> Told {
        self.guarded(Told::NOTHING, |recording| recording.read_bot(message))
    }

    /// A mark of ours went to the provider.
    pub(crate) fn mark_sent(&mut self, name: &str) {
        self.guarded((), |recording| {
            if let Tape::Running(call) = &recording.tape {
                call.mark_sent(name);
            }
        });
    }

    /// Whether marks of our own serve anybody, and are wanted.
    pub(crate) fn may_mark(&self) -> bool {
        self.state.config.relay_marks && matches!(self.tape, Tape::Running(_))
    }

    /// Counts a limit that the call met.
    pub(crate) fn count(&self, limit: Limit) {
        self.state.counters.count(limit);
    }

    /// The SID of the stream; empty before it began.
    pub(crate) fn stream(&self) -> &str {
        &self.stream
    }

    /// Whether a stream began, recorded or not.
    pub(crate) fn has_started(&self) -> bool {
        !matches!(self.tape, Tape::Waiting)
    }

    /// The SID of the call; empty before the stream began.
    pub(crate) fn call(&self) -> &str {
        &self.sid
    }

    /// The stream is over for the caller: what the provider had not played by now was never heard.
    pub(crate) fn over(&mut self) {
        self.guarded((), |recording| {
            recording.tape = match std::mem::replace(&mut recording.tape, Tape::Off) {
                Tape::Running(call) => {
                    call.handle(&Event::Over);
                    Tape::Over(call)
                }
                tape => tape,
            }
        });
    }

    /// Finishes the recording in the background.
    pub(crate) fn finish(mut self, reason: EndReason) {
        self.guarded((), |recording| {
            let (Tape::Running(call) | Tape::Over(call)) = std::mem::replace(&mut recording.tape, Tape::Off)
            else {
                return;
            };
            let sid = std::mem::take(&mut recording.sid);
            let finishing = call.finish(reason);
            actix_web::rt::spawn(async move {
                match finishing.await {
                    Ok(_) => tracing::info!(call = sid, ended = %reason, "recording finished"),
                    Err(error) => tracing::error!(call = sid, %error, "recording not finished"),
                }
            });
        });
    }

    fn read_provider(&mut self, message: Message<'_>) -> Heard {
        let Self { state, provider, tape, sid, stream, pass, .. } = self;
        let mut heard = Heard::Nothing;
        let opening = matches!(tape, Tape::Waiting).then(|| match message {
            Message::Text(json) => Opening::read(json),
            Message::Binary(_) => Opening::Other,
        });
        let starts = matches!(opening, Some(Opening::Start(_)));
        match opening {
            Some(Opening::Start(asked)) => match admit(state, asked) {
                Ok(admitted) => *pass = admitted,
                Err((call, why)) => {
                    tracing::warn!(call, %why, "a stream was refused");
                    *tape = Tape::Off;
                    return Heard::Refused;
                }
            },
            Some(Opening::Other) => heard = Heard::Withheld,
            Some(Opening::Connected) | None => {}
        }
        if let Err(error) = provider.handle_message(message) {
            if starts {
                // It is relayed all the same.
                tracing::error!(%error, "this stream cannot be recorded");
                *tape = Tape::Off;
            } else {
                tracing::debug!(call = *sid, %error, "a message of the provider was passed over");
            }
        }
        while let Some(event) = provider.poll_event() {
            match event {
                // Of a stream that was refused another start changes nothing.
                Event::Started(_) if !starts => {}
                Event::Started(start) => {
                    // It is told in logs; what is no name that could be in one is not.
                    *sid = CallId::name_for_log(&start.call).to_owned();
                    stream.clone_from(&start.stream);
                    *tape = begin(state, &start);
                    heard = match start.topology {
                        Topology::OneWay => Heard::OneWay,
                        Topology::Relay => Heard::TwoWay,
                    };
                }
                Event::Ended { .. } => heard = Heard::Stopped,
                event => {
                    if let Tape::Running(call) = tape {
                        call.handle(&event);
                    }
                }
            }
        }
        heard
    }

    fn read_bot(&mut self, message: Message<'_>) -> Told {
        let Self { bot, tape, sid, .. } = self;
        let mut told = Told::NOTHING;
        told.verdict = bot.handle_message(message).unwrap_or_else(|error| {
            tracing::debug!(call = *sid, %error, "a message of the bot was forwarded unread");
            Verdict::Forward
        });
        while let Some(event) = bot.poll_event() {
            match &event {
                Event::Audio { codec, bytes, .. } => {
                    told.samples += (bytes.len() / codec.bytes_per_sample()) as u64;
                }
                Event::MarkSent { name } => told.marked = Some((*name).to_owned()),
                Event::Cleared => told.cleared = true,
                _ => {}
            }
            match tape {
                Tape::Running(call) => call.handle(&event),
                // The last words of a conversation are often known only after it.
                Tape::Over(call) if matches!(event, Event::Said { .. }) => call.handle(&event),
                Tape::Waiting | Tape::Over(_) | Tape::Off => {}
            }
        }
        told
    }

    /// Runs `work`; if it panics, this call is not recorded any more. What was recorded is in its journal. Before a stream has begun
    /// there is nothing to give up: its start is still to be read, for it may have to be refused.
    fn guarded<T>(&mut self, otherwise: T, work: impl FnOnce(&mut Self) -> T) -> T {
        catch_unwind(AssertUnwindSafe(|| work(self))).unwrap_or_else(|_| {
            tracing::error!(call = self.sid, "recording failed unexpectedly; the call goes on without it");
            if matches!(self.tape, Tape::Waiting) {
                return otherwise;
            }
            let tape = std::mem::replace(&mut self.tape, Tape::Off);
            let _ = catch_unwind(AssertUnwindSafe(|| drop(tape)));
            otherwise
        })
    }
}

/// Whether a stream may begin that asks for so much; if not, of which call it is and why.
fn admit(state: &State, asked: Option<Asked>) -> Result<Option<Pass>, (String, String)> {
    let Some(Asked { call, token }) = asked else {
        return Err((String::new(), "its start can be read in more than one way".to_owned()));
    };
    if !call.contains(char::is_alphanumeric) {
        return Err((CallId::ODD.to_owned(), "its start names no call".to_owned()));
    }
    // What some readers leave out around a name is left out: no name of a call has it.
    let name = call.trim_matches(|letter: char| !letter.is_ascii_alphanumeric());
    let admitted = state.stream_tokens.admit(name, token.as_deref());
    admitted.map_err(|refusal| (CallId::name_for_log(&call).to_owned(), refusal.to_string()))
}

/// Starts the recording of a stream, in the format that its parameters ask for if that is possible.
fn begin(state: &State, start: &StreamStart) -> Tape {
    let default = &state.config.audio;
    let wish = start.parameters.iter().find(|(name, _)| name == "audio_format");
    let wished = wish.map(|(_, wanted)| in_format(wanted, default, start));
    let unusable = matches!(wished, Some(None));
    if unusable {
        // The value is the TwiML author's, and may be anything: it is not repeated.
        let used = default.format;
        tracing::warn!(call = CallId::name_for_log(&start.call), %used, "the audio_format parameter is unknown, or impossible with the settings");
    }
    let options = CallOptions::new(&start.call)
        .stream(&start.stream)
        .topology(start.topology)
        .caller_rate(start.caller_rate)
        .assistant_rate(start.assistant_rate)
        .mark_echoes(state.config.mark_echoes)
        .settings(wished.flatten().unwrap_or_else(|| default.clone()));
    let call = CallId::name_for_log(&start.call);
    let begun = match state.recorder.start_call(options.clone()) {
        // What is said has room, and so has a summary that tells of it.
        Err(error @ RecordError::DiskLow { .. }) => {
            tracing::error!(call, %error, "the audio of this call is not recorded");
            state.recorder.start_call(options.without_audio(format!("when the call began: {error}")))
        }
        begun => begun,
    };
    match begun {
        Ok(begun) => {
            tracing::info!(call, stream = CallId::name_for_log(&start.stream), "recording");
            if unusable {
                begun.handle(&Event::Dropped { what: DropKind::Parameter, count: 1 });
            }
            Tape::Running(begun)
        }
        Err(error) => {
            tracing::error!(call, %error, "this call is not recorded");
            Tape::Off
        }
    }
}

/// The settings with the format of that name, if this build and the other settings allow it.
fn in_format(name: &str, settings: &Settings, start: &StreamStart) -> Option<Settings> {
    let settings = settings.clone().with_format(name.parse::<Format>().ok()?);
    settings.resolve(start.caller_rate.max(start.assistant_rate)).is_ok().then_some(settings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Sources};
    use crate::startup::Application;

    fn start(call: &str) -> String {
        format!(
            r#"{{"event":"start","start":{{"callSid":"{call}","streamSid":"MZ1","tracks":["inbound"]}}}}"#
        )
    }

    #[actix_web::test]
    async fn what_breaks_before_a_stream_has_begun_lets_no_stream_in_that_is_to_be_refused() {
        let home = tempfile::tempdir().unwrap();
        let mut sources = Sources::only([("PORT", "0"), ("BOT_URL", "ws://127.0.0.1:9/")]);
        let directory = home.path().join("responses").display().to_string();
        sources.environment.push(("RECORDINGS_DIRECTORY".to_owned(), directory));
        let application = Application::build(Config::load(sources).unwrap()).unwrap();
        let broken = || {
            let mut recording = Recording::new(application.state().clone());
            recording.guarded(Told::NOTHING, |_| panic!("a message of the bot that nobody has thought of"));
            assert!(!recording.has_started());
            recording
        };
        let start = start("CA1");
        let twice = start.replace(r#""callSid""#, r#""callSid":"CA2","callSid""#);
        assert_eq!(broken().hear_provider(Message::Text(&twice)), Heard::Refused);
        let media = r#"{"event":"media","media":{"payload":"AAAA"}}"#;
        assert_eq!(broken().hear_provider(Message::Text(media)), Heard::Withheld);
        // One that may begin does, and is recorded; what breaks then ends the recording alone.
        let mut recording = broken();
        assert_eq!(recording.hear_provider(Message::Text(&start)), Heard::TwoWay);
        assert!(recording.has_started() && matches!(recording.tape, Tape::Running(_)));
        recording.guarded((), |_| panic!("another"));
        assert!(recording.has_started() && matches!(recording.tape, Tape::Off));
        assert_eq!(recording.hear_provider(Message::Text(media)), Heard::Nothing);
    }
}
