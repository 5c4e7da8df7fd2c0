//! Whether a file that has a recording's name already is that recording: a crash between publishing and the journal's
//! removal leaves both.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{Read, Seek};
use std::path::Path;

use callrec_encode::readback::{ReadBackError, check_file, decode_file};
use callrec_encode::{Format, Settings, Spec};
use callrec_session::EndReason;
use callrec_store::{Partial, StoreError};

use crate::take::Subject;

/// A recording that was made again.
pub(crate) struct Taken<'a> {
    pub(crate) partial: &'a Partial,
    pub(crate) spec: &'a Spec,
    pub(crate) frames: u64,
    /// What was asked for.
    pub(crate) settings: &'a Settings,
    pub(crate) ended: EndReason,
    /// How many of its frames are of what the journal has before its first damage, if it has any.
    pub(crate) before_damage: Option<u64>,
}

/// Why a file is not known to be this recording.
pub(crate) enum NotIt {
    /// It is another.
    Another(String),
    /// The disk does not say.
    Unread(StoreError),
}

impl NotIt {
    fn of(path: &Path, error: ReadBackError) -> Self {
        match error {
            ReadBackError::Io(cause) => {
                Self::Unread(StoreError::Io { doing: "read", path: path.to_owned(), cause })
            }
            error => Self::Another(error.to_string()),
        }
    }
}

impl Taken<'_> {
    /// What the file is, and how many frames (samples of each channel) it has; if it is not this recording, why.
    ///
    /// It may have another format: where one fails, another takes its place, and that may not happen again. It may be longer, if the
    /// journal does not know of the call's end any more, and it may have what is damaged there: a disk that failed to sync may have
    /// forgotten either.
    pub(crate) fn is_at(&self, subject: &Subject, path: &Path) -> Result<(Spec, u64), NotIt> {
        let open = || subject.dir.open_recording(path).map_err(NotIt::Unread);
        let spec = self.spec_of(subject, path).map_err(NotIt::Another)?;
        let expected = self.frames * u64::from(spec.rate) / u64::from(self.spec.rate.max(1));
        match check_file(open()?, &spec, expected) {
            Ok(checked) => return Ok((spec, checked.frames)),
            Err(ReadBackError::WrongLength { found, .. }) if self.may_have(&spec, expected, found) => {
                let checked = check_file(open()?, &spec, found).map_err(|error| NotIt::of(path, error))?;
                let is_as_long = found.abs_diff(expected) <= millisecond(&spec);
                if is_as_long || self.begins(&spec, path, open()?)? {
                    return Ok((spec, checked.frames));
                }
            }
            Err(error) => return Err(NotIt::of(path, error)),
        }
        Err(NotIt::Another("it is not as long, and begins in another way".to_owned()))
    }

    /// What the file should be, by its extension.
    fn spec_of(&self, subject: &Subject, path: &Path) -> Result<Spec, String> {
        let extension = path.extension().and_then(|end| end.to_str()).unwrap_or_default();
        if extension == self.spec.format.extension() {
            return Ok(self.spec.clone());
        }
        let format = Format::ALL.into_iter().find(|format| format.extension() == extension);
        let format = format.ok_or_else(|| format!("{extension} is no format"))?;
        // Asked for in the end, or in the place of what was asked for.
        let asked = Some(format).filter(|format| *format != self.settings.format);
        subject.spec(self.settings, asked).map_err(|error| error.to_string())
    }

    fn may_have(&self, spec: &Spec, expected: u64, found: u64) -> bool {
        let same = found.abs_diff(expected) <= millisecond(spec) && spec.rate != self.spec.rate;
        same || self.before_damage.is_some() || (found > expected && self.ended == EndReason::Interrupted)
    }

    /// Whether the file sounds like this recording, up to a second before its end or the first damage.
    fn begins(
        &self,
        spec: &Spec,
        path: &Path,
        file: impl Read + Seek + Send + Sync + 'static,
    ) -> Result<bool, NotIt> {
        let keeps_all = |format| matches!(format, Format::Wav | Format::Flac);
        let comparable = spec.format == self.spec.format
            || (keeps_all(spec.format) && keeps_all(self.spec.format) && spec.rate == self.spec.rate);
        if !comparable {
            return Ok(false);
        }
        let frames = self.before_damage.map_or(self.frames, |frames| frames.min(self.frames));
        let samples = frames.saturating_sub(u64::from(spec.rate)) * u64::from(spec.channels);
        if samples == 0 && self.before_damage.is_some() {
            return Ok(false);
        }
        let ours = self.partial.reopen().map_err(NotIt::Unread)?;
        let named = heard(file, spec.format, samples).map_err(|error| NotIt::of(path, error))?;
        let made = heard(ours, self.spec.format, samples);
        Ok(named == made.map_err(|error| NotIt::of(self.partial.path(), error))?)
    }
}

fn millisecond(spec: &Spec) -> u64 {
    u64::from(spec.rate) / 1000
}

/// The first samples, as a number.
fn heard(
    file: impl Read + Seek + Send + Sync + 'static,
    format: Format,
    mut samples: u64,
) -> Result<u64, ReadBackError> {
    let mut hash = DefaultHasher::new();
    let decoded = decode_file(file, format, |_, _, pcm| {
        let taken = pcm.len().min(usize::try_from(samples).unwrap_or(usize::MAX));
        pcm[..taken].iter().for_each(|sample| sample.hash(&mut hash));
        samples -= taken as u64;
    });
    decoded.map(|_| hash.finish())
}
