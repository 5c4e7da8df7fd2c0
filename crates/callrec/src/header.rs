//! The journal's header: all that a take must know and no event tells, so that it depends on the journal alone.

use callrec_audio::resample::Resampler;
use callrec_encode::{Settings, Spec, SpecError, Tags};
use callrec_session::{StreamStart, Track};
use callrec_store::CallId;
use callrec_summary::LocalTime;
use serde::{Deserialize, Serialize};

/// Kinds of journal records that are not events; above [`callrec_session::wire::MAX_KIND`].
pub(crate) mod kind {
    /// From here on, and from the beginning, the recording has other settings: their JSON.
    pub(crate) const FORMAT_CHANGED: u8 = 128;
}

/// The header, as JSON. Fields are only ever added, with defaults.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Header {
    pub(crate) start: StreamStart,
    pub(crate) started_at: LocalTime,
    pub(crate) settings: Settings,
    pub(crate) record_audio: bool,
    /// Why not, where the recorder's settings would have it recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) without_audio: Option<String>,
    /// The callrec that recorded the call. The files name it, whichever version completes them.
    #[serde(default = "any_version")]
    pub(crate) recorder: String,
}

/// This callrec, as files name it.
pub(crate) const THIS_VERSION: &str = concat!("callrec ", env!("CARGO_PKG_VERSION"));

/// For journals of a time when the version was not noted.
fn any_version() -> String {
    "callrec".to_owned()
}

impl Header {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        // String keys and plain values only: nothing here can fail.
        serde_json::to_vec(self).unwrap_or_default()
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }

    /// The file that a stream of this header becomes. Title, date, encoder and serial are those of the journal, so that the same
    /// journal makes the same bytes, whenever it is taken.
    pub(crate) fn spec(&self, settings: &Settings, call: &CallId, number: u32) -> Result<Spec, SpecError> {
        let tags = Tags::default()
            .with_title(call.as_str())
            .with_date(&self.started_at.to_string())
            .with_encoder(&self.recorder);
        Ok(self.spec_of(settings)?.with_tags(tags).with_serial(serial(call, number)))
    }

    /// What these settings make of the stream's rates.
    pub(crate) fn spec_of(&self, settings: &Settings) -> Result<Spec, SpecError> {
        settings.resolve(self.start.caller_rate.max(self.start.assistant_rate))
    }
}

/// The track, if there is one, that cannot be brought to a file's rate in Hz.
pub(crate) fn odd_track(start: &StreamStart, file_hz: u32) -> Option<Track> {
    [Track::Caller, Track::Assistant]
        .into_iter()
        .find(|track| Resampler::check(start.rate(*track), file_hz).is_err())
}

/// FNV-1a: any well-spread number that depends on the stream alone.
fn serial(call: &CallId, number: u32) -> u32 {
    let bytes = call.as_str().bytes().chain(number.to_le_bytes());
    bytes.fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use callrec_session::Topology;

    use super::*;

    #[test]
    fn a_file_names_the_version_that_recorded_it_and_an_old_journal_knows_none() {
        let header = Header {
            start: StreamStart::new("CA1", "MZ1", Topology::OneWay),
            started_at: LocalTime::from_unix_ms(0, 0).unwrap(),
            settings: Settings::default(),
            record_audio: true,
            without_audio: None,
            recorder: "callrec 9.8.7".to_owned(),
        };
        let encoder = |header: &Header| {
            let spec = header.spec(&header.settings, &CallId::new("CA1").unwrap(), 1).unwrap();
            spec.tags.encoder.unwrap()
        };
        let bytes = String::from_utf8(header.to_bytes()).unwrap();
        assert_eq!(encoder(&Header::from_bytes(bytes.as_bytes()).unwrap()), "callrec 9.8.7");
        let old = bytes.replace(r#","recorder":"callrec 9.8.7""#, "");
        assert_ne!(old, bytes);
        assert_eq!(encoder(&Header::from_bytes(old.as_bytes()).unwrap()), "callrec");
    }

    #[test]
    fn a_header_is_read_or_refused_however_it_is_bent() {
        let header = Header {
            start: StreamStart::new("CA1", "MZ1", Topology::Relay),
            started_at: LocalTime::from_unix_ms(1_752_395_325_250, -12_600).unwrap(),
            settings: Settings::default(),
            record_audio: true,
            without_audio: None,
            recorder: THIS_VERSION.to_owned(),
        };
        let (whole, call) = (header.to_bytes(), CallId::new("CA1").unwrap());
        let mut read = 0;
        for at in 0..whole.len() {
            assert!(Header::from_bytes(&whole[..at]).is_err(), "{at}");
            for byte in *b"0179-.\"{}[],:nex\x00\xff" {
                let mut bent = whole.clone();
                bent[at] = byte;
                if let Ok(header) = Header::from_bytes(&bent) {
                    read += 1;
                    if let Ok(spec) = header.spec(&header.settings, &call, 1) {
                        let _ = odd_track(&header.start, spec.rate);
                    }
                }
            }
        }
        assert!(read > 500, "{read}");
    }
}
