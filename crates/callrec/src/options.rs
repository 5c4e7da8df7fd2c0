//! What a call is started with, and what may change while it runs.

use callrec_encode::{Bitrate, Channels, Format, RateSetting, Setting, Settings, SpecError, mpeg};
use callrec_session::{MarkEchoes, Topology};

/// Names a call and says what its audio is. Only the name is needed.
#[derive(Clone, Debug)]
#[must_use]
pub struct CallOptions {
    pub(crate) call: String,
    pub(crate) stream: Option<String>,
    pub(crate) topology: Topology,
    pub(crate) caller_rate: u32,
    pub(crate) assistant_rate: u32,
    pub(crate) settings: Option<Settings>,
    pub(crate) mark_echoes: MarkEchoes,
    pub(crate) without_audio: Option<String>,
}

impl CallOptions {
    /// A call by its name at the provider (Twilio: the call SID), which its files are named by: 1 to 128 letters,
    /// digits, `_`, `-` and `.`. Both tracks at the telephone's 8,000 Hz.
    pub fn new(call: impl Into<String>) -> Self {
        Self {
            call: call.into(),
            stream: None,
            topology: Topology::OneWay,
            caller_rate: 8_000,
            assistant_rate: 8_000,
            settings: None,
            mark_echoes: MarkEchoes::default(),
            without_audio: None,
        }
    }

    /// The media connection's name at the provider (Twilio: the stream SID).
    pub fn stream(mut self, stream: impl Into<String>) -> Self {
        self.stream = Some(stream.into());
        self
    }

    /// [`Topology::OneWay`], the default: both tracks are heard when they are told. [`Topology::Relay`]: the assistant's
    /// audio is what was sent to a provider that queues it, and is heard when the provider plays it.
    pub fn topology(mut self, topology: Topology) -> Self {
        self.topology = topology;
        self
    }

    /// The sampling rate of the caller's audio, in Hz.
    pub fn caller_rate(mut self, hz: u32) -> Self {
        self.caller_rate = hz;
        self
    }

    /// The sampling rate of the assistant's audio, in Hz; speech models often have 24,000.
    pub fn assistant_rate(mut self, hz: u32) -> Self {
        self.assistant_rate = hz;
        self
    }

    /// Where the provider of a relay puts the echo of a mark that it reaches within a tick; a constant of the provider.
    pub fn mark_echoes(mut self, echoes: MarkEchoes) -> Self {
        self.mark_echoes = echoes;
        self
    }

    /// Only what is said is recorded, and the summary gives `reason` for it. A disk that is too full for audio has room for that: such a
    /// call is never refused with [`DiskLow`](crate::RecordError::DiskLow).
    pub fn without_audio(mut self, reason: impl Into<String>) -> Self {
        self.without_audio = Some(reason.into());
        self
    }

    /// The format of this call's file, if it is not to be the recorder's.
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = Some(settings);
        self
    }
}

/// What is to be different in a call's recording; what is not named stays.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct FormatChange {
    /// The format.
    pub format: Option<Format>,
    /// The MP3 bitrate.
    pub bitrate: Option<Bitrate>,
    /// The sampling rate.
    pub rate: Option<RateSetting>,
    /// Stereo or mono.
    pub channels: Option<Channels>,
}

impl FormatChange {
    /// Another format, everything else as it is.
    #[must_use]
    pub fn to(format: Format) -> Self {
        Self { format: Some(format), ..Self::default() }
    }

    /// And this MP3 bitrate.
    #[must_use]
    pub fn with_bitrate(mut self, bitrate: Bitrate) -> Self {
        self.bitrate = Some(bitrate);
        self
    }

    /// Refuses what no settings could make possible: a bitrate is one of MP3's, even beside another format, for the change may
    /// be followed by one to MP3.
    pub(crate) fn check(&self) -> Result<(), SpecError> {
        let all = mpeg::all_bitrates();
        match self.bitrate {
            Some(bitrate) if !all.contains(&bitrate.kbps()) => {
                let allowed: Vec<String> = all.iter().map(|kbps| Bitrate(*kbps).to_string()).collect();
                Err(SpecError::Impossible {
                    setting: Setting::Mp3Bitrate,
                    value: bitrate.to_string(),
                    allowed: allowed.join(", "),
                })
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn apply(&self, settings: &Settings) -> Settings {
        let mut settings = settings.clone();
        settings.format = self.format.unwrap_or(settings.format);
        settings.mp3_bitrate = self.bitrate.unwrap_or(settings.mp3_bitrate);
        settings.rate = self.rate.unwrap_or(settings.rate);
        settings.channels = self.channels.unwrap_or(settings.channels);
        settings
    }

    /// This change, then `later`.
    pub(crate) fn followed_by(&self, later: &Self) -> Self {
        Self {
            format: later.format.or(self.format),
            bitrate: later.bitrate.or(self.bitrate),
            rate: later.rate.or(self.rate),
            channels: later.channels.or(self.channels),
        }
    }
}
