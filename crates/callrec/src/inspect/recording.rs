//! A finished recording: its sound decoded, and what its summary noted.

use std::io::{Seek, SeekFrom};
use std::path::{Path, PathBuf};

use callrec_encode::Format;
use callrec_encode::readback::{ReadBackError, decode_file};
use callrec_session::Topology;
use callrec_store::{ReadOnlyDir, StoreError};
use callrec_summary::{AudioOutcome, StreamSummary};

use super::levels::Meter;
use super::{FileFormat, InspectError, Source, StreamInspection, TrackLevels, Voice};

/// What could be decoded of a file.
struct Sound {
    format: FileFormat,
    tracks: Vec<TrackLevels>,
    duration_ms: u64,
    damage: Option<ReadBackError>,
}

/// A recording without a summary.
pub(super) fn alone(dir: &ReadOnlyDir, path: &Path, number: u32) -> Result<StreamInspection, InspectError> {
    let sound = decode(dir, path)?;
    let sound = match sound {
        Sound { damage: Some(error), tracks, .. } if tracks.is_empty() => {
            return Err(InspectError::Recording { path: path.to_owned(), error });
        }
        sound => sound,
    };
    let mut stream = StreamInspection {
        number,
        stream: None,
        source: Source::Recording { path: path.to_owned() },
        started_at: None,
        duration_ms: sound.duration_ms,
        ended: None,
        recovered: false,
        topology: None,
        format: None,
        tracks: Vec::new(),
        notes: None,
        queued_ms: 0,
        marks: None,
        lines: Vec::new(),
        complete: None,
        completeness: None,
        sentences: Vec::new(),
        remarks: vec!["there is no summary beside it: only its sound is known".to_owned()],
    };
    put(&mut stream, sound);
    Ok(stream)
}

/// A stream of a summary in this directory. `path` is the file that was asked for.
pub(super) fn of_summary(dir: &ReadOnlyDir, path: &Path, summary: &StreamSummary) -> StreamInspection {
    let file = summary.audio.file();
    let recording = file.map(|file| dir.path().join(&file.file_name));
    let source = match &recording {
        Some(recording) => Source::Recording { path: recording.clone() },
        None => Source::Summary { path: path.to_owned() },
    };
    let mut remarks = Vec::new();
    match &summary.audio {
        AudioOutcome::Recorded(_) => {}
        AudioOutcome::RecordingOff => remarks.push("recording was switched off".to_owned()),
        AudioOutcome::NoAudio => remarks.push("neither party sent any audio".to_owned()),
        AudioOutcome::NotSaved { reason } => remarks.push(format!("its audio was not saved: {reason}")),
    }
    if summary.notes.is_none() {
        remarks.push("where it was cut and what is missing was not noted when it was recorded".to_owned());
    }
    let mut stream = StreamInspection {
        number: summary.number,
        stream: Some(summary.stream.clone()),
        source,
        started_at: Some(summary.started_at),
        duration_ms: summary.duration_ms,
        ended: Some(summary.ended),
        recovered: summary.recovered,
        topology: Some(match summary.completeness.playout {
            Some(_) => Topology::Relay,
            None => Topology::OneWay,
        }),
        format: file.map(|file| FileFormat {
            format: file.format.clone(),
            rate_hz: file.rate_hz,
            channels: file.channels,
            bitrate_kbps: file.bitrate_kbps,
            size_bytes: Some(file.size_bytes),
        }),
        tracks: Vec::new(),
        notes: summary.notes.clone(),
        queued_ms: 0,
        marks: None,
        lines: summary.lines.clone(),
        complete: Some(summary.completeness.is_complete()),
        completeness: Some(summary.completeness.clone()),
        sentences: summary.completeness.sentences(),
        remarks,
    };
    if let Some(recording) = recording {
        match decode(dir, &recording) {
            Ok(sound) => put(&mut stream, sound),
            Err(error) => stream.remarks.push(format!("its sound is not shown: {error}")),
        }
    }
    stream
}

fn put(stream: &mut StreamInspection, sound: Sound) {
    if let Some(error) = sound.damage {
        stream.remarks.push(format!("what follows is not shown: {error}"));
    }
    stream.duration_ms = stream.duration_ms.max(sound.duration_ms);
    stream.tracks = sound.tracks;
    stream.format.get_or_insert(sound.format);
}

fn decode(dir: &ReadOnlyDir, path: &Path) -> Result<Sound, InspectError> {
    let extension = path.extension().and_then(|end| end.to_str()).unwrap_or_default();
    let known = Format::ALL.into_iter().find(|format| format.extension() == extension);
    let format = known.ok_or_else(|| InspectError::UnknownKind { path: path.to_owned() })?;
    let mut file = dir.open(path).map_err(|error| not_there(path, error))?;
    let mut meters: Vec<Meter> = Vec::new();
    let size_bytes = file.seek(SeekFrom::End(0)).ok();
    let (mut rate_hz, mut channels) = (0, 0);
    let decoded = decode_file(file, format, |rate, count, pcm| {
        (rate_hz, channels) = (rate, count);
        let count = usize::from(count.max(1));
        while meters.len() < count {
            meters.push(Meter::new(rate));
        }
        for (channel, meter) in meters.iter_mut().enumerate().take(count) {
            meter.add(pcm.iter().skip(channel).step_by(count).copied());
        }
    });
    let duration_ms = meters.iter().map(Meter::ms).max().unwrap_or(0);
    let voices: &[Voice] =
        if meters.len() == 2 { &[Voice::Caller, Voice::Assistant] } else { &[Voice::Both] };
    let tracks = meters.into_iter().zip(voices).map(|(meter, voice)| meter.finish(*voice)).collect();
    let format =
        FileFormat { format: extension.to_owned(), rate_hz, channels, bitrate_kbps: None, size_bytes };
    Ok(Sound { format, tracks, duration_ms, damage: decoded.err() })
}

fn not_there(path: &Path, error: StoreError) -> InspectError {
    if super::is_missing(&error) {
        return InspectError::NoSuchFile { path: PathBuf::from(path) };
    }
    error.into()
}
