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

    /// Whether the file sounds like this recording, up to a second before its end or the first damage: there one side may have been
    /// heard alone, and what a format that loses some makes of it depends on what comes behind. Of what is short, the first half.
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
        let second = u64::from(spec.rate);
        let frames = self.before_damage.map_or(self.frames, |frames| frames.min(self.frames));
        let compared = frames - second.min(frames / 2);
        if self.before_damage.is_some() && frames <= second {
            return Ok(false);
        }
        let samples = compared * u64::from(spec.channels);
        let ours = self.partial.reopen().map_err(NotIt::Unread)?;
        let named = heard(file, spec.format, samples).map_err(|error| NotIt::of(path, error))?;
        let made = heard(ours, self.spec.format, samples);
        let made = made.map_err(|error| NotIt::of(self.partial.path(), error))?;
        // Many files begin with a moment of silence.
        Ok(named == made && (made.has_sound || compared >= second))
    }
}

fn millisecond(spec: &Spec) -> u64 {
    u64::from(spec.rate) / 1000
}

/// What the first samples of a file sound like.
#[derive(PartialEq, Eq)]
struct Heard {
    hash: u64,
    /// Not all of them are zero.
    has_sound: bool,
}

fn heard(
    file: impl Read + Seek + Send + Sync + 'static,
    format: Format,
    mut samples: u64,
) -> Result<Heard, ReadBackError> {
    let (mut hash, mut has_sound) = (DefaultHasher::new(), false);
    decode_file(file, format, |_, _, pcm| {
        let taken = pcm.len().min(usize::try_from(samples).unwrap_or(usize::MAX));
        pcm[..taken].iter().for_each(|sample| sample.hash(&mut hash));
        has_sound |= pcm[..taken].iter().any(|sample| *sample != 0);
        samples -= taken as u64;
    })?;
    Ok(Heard { hash: hash.finish(), has_sound })
}

#[cfg(test)]
#[cfg(feature = "wav")]
mod tests {
    use std::io::Cursor;
    use std::path::Path;
    use std::sync::Arc;

    use callrec_faulty_disk::{FaultyDisk, Operation, What};
    use callrec_session::EndReason;
    use callrec_store::{CallId, RecordingsDir};

    use super::*;
    use crate::clock::simulated::use_clock_of;
    use crate::journalling::Journalling;
    use crate::simulated::{LIMITS, journal, recorder_on, settled};
    use crate::{Audio, AudioOutcome, Call, CallOptions};

    fn wav() -> Settings {
        Settings::default().with_format(Format::Wav)
    }

    /// Both sides of a frame: nothing that another sounds like.
    fn speak(call: &Call, frame: u64) {
        let codes = |side: u64| -> [u8; 160] {
            std::array::from_fn(|at| (frame * 31 + side * 17 + at as u64 * 7) as u8 & 0x7f)
        };
        call.caller_at(frame * 20, Audio::mulaw(&codes(0)));
        call.assistant_at(frame * 20, Audio::mulaw(&codes(1)));
    }

    /// What is there when the process is killed as a recording of 0.9 s has its name.
    fn killed_when_published() -> FaultyDisk {
        let disk = FaultyDisk::default();
        let (recorder, shared) = recorder_on(&disk, wav(), LIMITS);
        let call = recorder.start_call(CallOptions::new("CA1")).unwrap();
        (0..45).for_each(|frame| speak(&call, frame));
        disk.keep_moments();
        let finishing = call.finish(EndReason::Stopped);
        settled(&shared, &mut Journalling::default(), &finishing).unwrap();
        let published = Some(Operation::SyncDirectory(What::Recording));
        let moments = disk.take_moments();
        moments.iter().find(|moment| moment.before == published).unwrap().after_kill()
    }

    #[test]
    fn a_short_recording_is_found_though_the_end_of_its_journal_is_forgotten() {
        for forgotten in (40..8_000).step_by(370) {
            let disk = killed_when_published();
            let bytes = journal(&disk).len();
            let path = Path::new("/responses/.journal/CA1_1.journal");
            (bytes - forgotten..bytes).step_by(8).for_each(|at| disk.damage(path, at));
            let (recorder, _shared) = recorder_on(&disk, wav(), LIMITS);
            assert_eq!(recorder.recover().unwrap().finished, 1, "without its last {forgotten} bytes");
            let stream = &recorder.files("CA1").unwrap().details.streams[0];
            assert_eq!(stream.audio.file().unwrap().duration_ms, 900);
            assert_eq!((stream.recovered, stream.ended), (true, EndReason::Interrupted));
        }
        use_clock_of(None);
    }

    /// A file in the place of a recording of which 0.9 s are in a journal: the caller speaks from this frame on, of 20 ms.
    fn in_the_way(speaks_from: u64, foreign: &[u8]) {
        let disk = FaultyDisk::default();
        let (recorder, shared) = recorder_on(&disk, wav(), LIMITS);
        let call = recorder.start_call(CallOptions::new("CA1")).unwrap();
        (0..45).for_each(|frame| {
            let code = if frame < speaks_from { 0xff } else { 0x10 };
            call.caller_at(frame * 20, Audio::mulaw(&[code; 160]));
        });
        Journalling::default().turn(&shared);
        disk.keep_moments();
        let left = disk.take_moments().pop().unwrap().after_kill();
        shared.abandon();
        drop((call, recorder, shared));

        let dir = RecordingsDir::open_simulated(Arc::new(left.clone()), "/responses").unwrap();
        let mut partial = dir.create_partial(&CallId::new("CA1").unwrap(), 1, "wav").unwrap();
        partial.write(foreign).unwrap();
        let place = partial.publish().unwrap();
        let (recorder, _shared) = recorder_on(&left, wav(), LIMITS);
        assert_eq!(recorder.recover().unwrap().failed, 1);
        let stream = &recorder.files("CA1").unwrap().details.streams[0];
        let AudioOutcome::NotSaved { reason } = &stream.audio else { panic!("{:?}", stream.audio) };
        assert!(reason.contains("move it away"), "{reason}");
        assert!(!journal(&left).is_empty(), "it is there");
        let there = left.files().into_iter().find(|(path, _)| Path::new(path) == place).unwrap();
        assert_eq!(*there.1, foreign);
        use_clock_of(None);
    }

    #[test]
    fn a_file_that_took_the_name_of_a_recording_of_less_than_a_second_costs_no_audio() {
        for (speaks_from, sample) in [(0, 1), (40, 0)] {
            let spec = hound::WavSpec {
                channels: 2,
                sample_rate: 8_000,
                bits_per_sample: 16,
                sample_format: hound::SampleFormat::Int,
            };
            let mut foreign = Vec::new();
            let mut writer = hound::WavWriter::new(Cursor::new(&mut foreign), spec).unwrap();
            (0..2 * 80_000).for_each(|_| writer.write_sample(sample as i16).unwrap());
            writer.finalize().unwrap();
            in_the_way(speaks_from, &foreign);
        }
    }
}
