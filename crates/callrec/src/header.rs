//! The journal's header: all that a take must know and no event tells, so that it depends on the journal alone.

use callrec_encode::{Settings, Spec, SpecError, Tags};
use callrec_session::StreamStart;
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
}

impl Header {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        // String keys and plain values only: nothing here can fail.
        serde_json::to_vec(self).unwrap_or_default()
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }

    /// The file that a stream of this header becomes. Title, date and serial are those of the journal, so that the same
    /// journal makes the same bytes, whenever it is taken.
    pub(crate) fn spec(&self, settings: &Settings, call: &CallId, number: u32) -> Result<Spec, SpecError> {
        let source_hz = self.start.caller_rate.max(self.start.assistant_rate);
        let tags = Tags::default()
            .with_title(call.as_str())
            .with_date(&self.started_at.to_string())
            .with_encoder(concat!("callrec ", env!("CARGO_PKG_VERSION")));
        Ok(settings.resolve(source_hz)?.with_tags(tags).with_serial(serial(call, number)))
    }
}

/// FNV-1a: any well-spread number that depends on the stream alone.
fn serial(call: &CallId, number: u32) -> u32 {
    let bytes = call.as_str().bytes().chain(number.to_le_bytes());
    bytes.fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}
