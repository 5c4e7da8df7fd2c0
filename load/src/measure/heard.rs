//! Whether a recording sounds as its call did: what a player hears, held against what was said, as loudness over time.
//!
//! Each second that was said is looked for where it was said, or a fifth of a second before or behind it and as much more as the
//! calling machine was late: somewhere there a second must be as loud, all of it moved by as much. Where that machine was late just
//! then, what the bot said next may be heard as much sooner behind what came before. So half a second that is missing is found, and what is
//! too quiet throughout; what is as loud as it should be and says something else is not. Where the bot was cut short, it may be heard as
//! much longer or shorter as the summary says its places may be wrong, within limits. Of the last fifth of a second, and of what the
//! machine was late, nothing but the length is known, and a hole within a second of either end must be longer to be found: nobody can
//! tell how much was heard of what was said just before the call was over.

use anyhow::{Context as _, ensure};
use callrec_audio::g711::ulaw_to_linear;
use callrec_encode::Format;
use callrec_encode::readback::decode_file;
use callrec_session::Track;
use callrec_simulator::TICK_SAMPLES;
use std::fs::File;
use std::path::Path;

use crate::Sound;
use crate::lateness::near;
use crate::sound::quietly;

/// The names of the two, left and right.
const SIDES: [(Track, &str); 2] = [(Track::Caller, "the caller"), (Track::Assistant, "the assistant")];
/// Of 20 ms each.
const TICK_MS: u64 = 20;
/// How many are in a second.
const TICKS: usize = 50;
/// How much later or earlier than it was said something may be heard, in ticks, beside what the calling machine was late.
const MARGIN: usize = 10;
/// How far apart two things that were said in one second may have been moved, in ticks: a pause between them is placed to a tick, and
/// ticks of a file do not begin where those of the call did.
const APART: usize = 2;
/// By how many milliseconds a place may be wrong at most, whatever the summary says.
const MOST_WRONG_MS: u64 = 100;
/// How far apart the seconds begin that are looked at, in ticks: one of them has any hole in its middle.
const STEP: usize = 5;
/// By what factor the energy of a second may differ: 1.8 dB. Half a second of silence in it makes 3.
const WITHIN: f64 = 1.5;
/// What is no louder is silent: -60 dB of full scale.
const SILENT: f64 = 1e-6;

/// What one of the two said, and when.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Side {
    pub(crate) seed: u64,
    /// Whether it was said [half as loud](crate::sound::quietly).
    pub(crate) quietly: bool,
    /// Number of the first sample, its place since the stream began, and how many.
    pub(crate) runs: Vec<(u64, u64, u64)>,
}

impl Side {
    /// The mu-law code of a sample.
    fn code(&self, sound: &Sound, track: Track, number: u64) -> u8 {
        let code = sound.code(track, self.seed, number);
        if self.quietly { quietly(code) } else { code }
    }
}

/// A call's sound, that of the caller first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) sound: Sound,
    pub(crate) sides: [Side; 2],
    /// By how many milliseconds the calling machine was late at most.
    pub(crate) late_ms: u64,
    /// Where it was late: second of the stream, and milliseconds.
    pub(crate) late: Vec<(u64, u64)>,
}

/// How loud a channel is: the mean square of each tick, where 1 is full scale.
type Loudness = Vec<f64>;

/// How loud somebody was.
#[derive(Debug, Default)]
struct Spoken {
    /// As it was said.
    said: Loudness,
    /// Where he is heard shorter, and longer, whenever he was cut short.
    least: Loudness,
    most: Loudness,
}

impl Spoken {
    /// Both in one channel, neither of them made quieter.
    fn mixed(&self, other: &Self) -> Self {
        let sum = |a: &Loudness, b: &Loudness| a.iter().zip(b).map(|(a, b)| a + b).collect();
        Self {
            said: sum(&self.said, &other.said),
            least: sum(&self.least, &other.least),
            most: sum(&self.most, &other.most),
        }
    }
}

impl Said {
    /// Decodes a recording, in which places may be wrong by so many milliseconds; gives its length in milliseconds.
    ///
    /// # Errors
    /// It cannot be decoded, somebody is not heard in it as he spoke, or is heard where he was silent.
    pub(crate) fn check(&self, file: &Path, format: Format, wrong_ms: u64) -> anyhow::Result<u64> {
        let (channels, rate, frames) = decode(file, format)?;
        let margin = MARGIN + ticks(self.late_ms);
        let spoken = self.spoken(wrong_ms.min(MOST_WRONG_MS) * TICK_SAMPLES / 20);
        match channels.as_slice() {
            [both] => {
                compare(both, &spoken[0].mixed(&spoken[1]), margin, &self.late).context("both together")?;
            }
            [_, _] => {
                // A caller's place is told by the messages themselves, however late they are.
                for (((heard, spoken), (_, name)), late) in
                    channels.iter().zip(&spoken).zip(SIDES).zip([&[][..], &self.late])
                {
                    compare(heard, spoken, margin, late).context(name)?;
                }
            }
            _ => anyhow::bail!("it has {} channels", channels.len()),
        }
        Ok(frames * 1_000 / u64::from(rate.max(1)))
    }

    /// Of both, equally long, where what was cut short may have been cut so many samples sooner or later.
    fn spoken(&self, wrong: u64) -> [Spoken; 2] {
        let runs = self.sides.iter().flat_map(|side| &side.runs);
        let end = runs.map(|(_, at, samples)| at + samples).max().unwrap_or(0);
        let ticks = end.div_ceil(TICK_SAMPLES) as usize;
        let mut both = [0, 1].map(|_| {
            let [said, least, most] = [0; 3].map(|_| vec![0.0; ticks]);
            Spoken { said, least, most }
        });
        for ((spoken, side), (track, _)) in both.iter_mut().zip(&self.sides).zip(SIDES) {
            let mut add = |to: fn(&mut Spoken) -> &mut Loudness, (first, at, samples): (u64, u64, u64)| {
                for index in 0..samples.min(end - at) {
                    let sample = ulaw_to_linear(side.code(&self.sound, track, first + index));
                    to(spoken)[((at + index) / TICK_SAMPLES) as usize] +=
                        square(sample) / TICK_SAMPLES as f64;
                }
            };
            let next = side.runs.iter().skip(1).map(Some).chain([None]);
            for (&(first, at, samples), next) in side.runs.iter().zip(next) {
                // What comes next is not what would have.
                let is_cut = next.is_some_and(|next| next.0 != first + samples);
                let wrong = if is_cut { wrong } else { 0 };
                add(|spoken| &mut spoken.said, (first, at, samples));
                add(|spoken| &mut spoken.least, (first, at, samples.saturating_sub(wrong)));
                add(|spoken| &mut spoken.most, (first, at, samples + wrong));
            }
        }
        both
    }
}

/// So many milliseconds, rounded up.
const fn ticks(ms: u64) -> usize {
    ms.div_ceil(TICK_MS) as usize
}

fn square(sample: i16) -> f64 {
    (f64::from(sample) / 32_768.0).powi(2)
}

/// The loudness of each channel, samples a second, and frames (samples of each channel).
fn decode(file: &Path, format: Format) -> anyhow::Result<(Vec<Loudness>, u32, u64)> {
    let mut loudness: Vec<Loudness> = Vec::new();
    // Samples in the last tick, and since the beginning.
    let (mut within, mut frame) = (0.0, 0_u64);
    let decoded = decode_file(File::open(file)?, format, |rate, channels, samples| {
        let channels = usize::from(channels.max(1));
        loudness.resize_with(channels, Vec::new);
        for samples in samples.chunks_exact(channels) {
            let tick = (frame * TICKS as u64 / u64::from(rate.max(1))) as usize;
            let begins = tick >= loudness[0].len();
            within = if begins { 1.0 } else { within + 1.0 };
            for (loudness, sample) in loudness.iter_mut().zip(samples) {
                loudness.resize(tick + 1, 0.0);
                // The mean of so many.
                loudness[tick] += (square(*sample) - loudness[tick]) / within;
            }
            frame += 1;
        }
    })?;
    Ok((loudness, decoded.rate, decoded.frames))
}

/// Holds each second of what was said against what is heard there, or all of it a little before or after.
fn compare(
    heard: &[f64],
    Spoken { said, least, most }: &Spoken,
    margin: usize,
    late: &[(u64, u64)],
) -> anyhow::Result<()> {
    let silent = SILENT * TICKS as f64;
    let last = said.len().saturating_sub(TICKS + margin);
    for begins in (0..=last).step_by(STEP) {
        let ends = begins + TICKS;
        let late = APART + ticks(near(late, begins as u64 * TICK_MS, ends as u64 * TICK_MS));
        let at_least = energy(least, begins, ends);
        let at_most = energy(most, begins.saturating_sub(APART), ends + late) * WITHIN + silent;
        let is_heard = |later: isize| {
            let [begins, ends] = [begins, ends].map(|tick| tick.saturating_add_signed(later));
            let around = energy(heard, begins.saturating_sub(APART), ends + APART);
            around * WITHIN + silent >= at_least && energy(heard, begins, ends) <= at_most
        };
        let margin = margin.cast_signed();
        let db = |energy: f64| 10.0 * (energy / TICKS as f64).max(1e-12).log10();
        ensure!(
            (-margin..=margin).any(is_heard),
            "at {} s: {:.0} dB are heard, and {:.0} were said",
            begins as f64 / TICKS as f64,
            db(energy(heard, begins, ends)),
            db(energy(said, begins, ends))
        );
    }
    Ok(())
}

fn energy(loudness: &[f64], begins: usize, ends: usize) -> f64 {
    let ends = ends.min(loudness.len());
    loudness.get(begins..ends).unwrap_or_default().iter().sum()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::Voice;

    /// Five seconds of a caller, and two of a bot from the second on.
    pub(crate) fn said() -> Said {
        let sides = [
            Side { seed: 1, runs: vec![(0, 0, 40_000)], ..Side::default() },
            Side { seed: 2, runs: vec![(0, 16_000, 8_000), (8_000, 24_000, 8_000)], ..Side::default() },
        ];
        Said { sound: Voice::Noise.into(), sides, late_ms: 0, late: Vec::new() }
    }

    /// What is heard of it, `later` samples later.
    pub(crate) fn samples(said: &Said, later: usize) -> Vec<[i16; 2]> {
        let mut samples = vec![[0; 2]; 40_000];
        for (channel, side) in said.sides.iter().enumerate() {
            for &(first, at, count) in &side.runs {
                for index in 0..count {
                    let code = side.code(&said.sound, SIDES[channel].0, first + index);
                    if let Some(sample) = samples.get_mut((at + index) as usize + later) {
                        sample[channel] = ulaw_to_linear(code);
                    }
                }
            }
        }
        samples
    }

    /// A WAV file of it.
    pub(crate) fn wav<const CHANNELS: usize>(samples: &[[i16; CHANNELS]]) -> Vec<u8> {
        let frame = 2 * CHANNELS as u16;
        let bytes = samples.len() as u32 * u32::from(frame);
        let mut file = b"RIFF".to_vec();
        file.extend((36 + bytes).to_le_bytes());
        file.extend(b"WAVEfmt \x10\0\0\0\x01\0");
        file.extend((CHANNELS as u16).to_le_bytes());
        file.extend(8_000_u32.to_le_bytes());
        file.extend((8_000 * u32::from(frame)).to_le_bytes());
        file.extend(frame.to_le_bytes());
        file.extend(b"\x10\0data");
        file.extend(bytes.to_le_bytes());
        file.extend(samples.iter().flatten().flat_map(|sample| sample.to_le_bytes()));
        file
    }

    fn check(said: &Said, file: &[u8]) -> Result<u64, String> {
        check_within(0, said, file)
    }

    fn check_within(wrong_ms: u64, said: &Said, file: &[u8]) -> Result<u64, String> {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("recording.wav");
        std::fs::write(&path, file).unwrap();
        said.check(&path, Format::Wav, wrong_ms).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn a_recording_of_what_was_said_is_as_long_and_may_be_a_little_late() {
        for later in [0, 160, 1_000] {
            assert_eq!(check(&said(), &wav(&samples(&said(), later))), Ok(5_000));
        }
    }

    #[test]
    fn a_channel_that_is_silent_or_has_a_hole_or_is_another_is_told() {
        let whole = samples(&said(), 0);
        let changed = |change: &dyn Fn(usize, &mut [i16; 2])| {
            let mut samples = whole.clone();
            samples.iter_mut().enumerate().for_each(|(index, pair)| change(index, pair));
            check(&said(), &wav(&samples)).unwrap_err()
        };
        assert!(changed(&|_, pair| pair[0] = 0).contains("the caller: at 0 s: -120 dB are heard"));
        assert!(changed(&|_, pair| pair[1] = 0).contains("the assistant: at 1.1 s: -120 dB are heard"));
        let hole = |index, pair: &mut [i16; 2]| {
            if (16_000..28_000).contains(&index) {
                pair[0] = 0;
            }
        };
        assert!(changed(&hole).contains("the caller: at 1."));
        assert!(changed(&|_, pair| pair[0] /= 4).contains("the caller: at 0 s"));
        // Nobody spoke there.
        assert!(changed(&|_, pair| pair[1] = pair[0]).contains("the assistant: at 0 s"));
        assert!(changed(&|_, pair| pair.swap(0, 1)).contains("the caller: at 0 s"));
    }

    #[test]
    fn half_a_second_that_is_missing_is_told_wherever_it_is_in_the_middle() {
        let whole = samples(&said(), 0);
        for begins in (4_800..=28_800).step_by(240) {
            let mut samples = whole.clone();
            samples[begins..begins + 4_000].iter_mut().for_each(|pair| pair[0] = 0);
            assert!(check(&said(), &wav(&samples)).unwrap_err().contains("the caller"), "{begins}");
        }
        let late = Said { late_ms: 40, late: (0..5).map(|second| (second, 40)).collect(), ..said() };
        let mut samples = whole;
        samples[16_000..20_000].iter_mut().for_each(|pair| pair[1] = 0);
        assert!(check(&late, &wav(&samples)).unwrap_err().contains("the assistant"));
    }

    #[test]
    fn a_channel_of_which_every_second_frame_is_silent_is_told() {
        let mut samples = samples(&said(), 0);
        samples.chunks_mut(160).step_by(2).flatten().for_each(|pair| pair[0] = 0);
        assert!(check(&said(), &wav(&samples)).unwrap_err().contains("the caller: at 0 s"));
    }

    #[test]
    fn pauses_may_be_a_little_shorter_or_longer_than_they_were() {
        let mut said = said();
        said.sides[1].runs =
            vec![(0, 1_600, 8_000), (8_000, 12_000, 800), (8_800, 17_000, 4_000), (12_800, 24_000, 9_000)];
        let mut heard = said.clone();
        for (run, later) in heard.sides[1].runs.iter_mut().zip([0_i64, 320, -320, 160]) {
            run.1 = run.1.saturating_add_signed(later);
        }
        assert_eq!(check(&said, &wav(&samples(&heard, 100))), Ok(5_000));
    }

    /// What the bot said next came to the provider when that machine went on.
    #[test]
    fn a_pause_may_be_as_much_shorter_than_it_was_as_the_calling_machine_was_late_at_its_end() {
        let mut said = said();
        said.sides[1].runs = vec![(0, 1_600, 6_080), (6_080, 16_320, 12_000)];
        let mut heard = said.clone();
        heard.sides[1].runs[1].1 -= 800;
        let file = wav(&samples(&heard, 0));
        for (late, is_right) in [(vec![], false), (vec![(2, 100)], true), (vec![(4, 100)], false)] {
            let said = Said { late_ms: 100, late: late.clone(), ..said.clone() };
            let checked = check(&said, &file);
            assert_eq!(checked.is_ok(), is_right, "late {late:?}: {checked:?}");
        }
        // That is no reason for a hole in what the caller said.
        let mut samples = samples(&heard, 0);
        samples[16_000..20_000].iter_mut().for_each(|pair| pair[0] = 0);
        let said = Said { late_ms: 100, late: vec![(2, 100)], ..said };
        assert!(check(&said, &wav(&samples)).unwrap_err().contains("the caller"));
    }

    #[test]
    fn who_was_cut_short_may_be_heard_as_much_longer_or_shorter_as_places_may_be_wrong() {
        let mut said = said();
        // Little more than was cut is in a second.
        said.sides[1].runs = vec![(0, 8_000, 480), (8_000, 24_000, 9_000)];
        for (samples_heard, wrong_ms, is_right) in
            [(1_120, 80, true), (1_120, 20, false), (0, 60, true), (0, 0, false), (4_000, 1_000, false)]
        {
            let mut heard = said.clone();
            heard.sides[1].runs[0].2 = samples_heard;
            let checked = check_within(wrong_ms, &said, &wav(&samples(&heard, 0)));
            assert_eq!(checked.is_ok(), is_right, "{samples_heard} within {wrong_ms} ms: {checked:?}");
        }
    }

    #[test]
    fn both_sides_are_heard_in_one_channel_and_one_of_them_alone_is_not_enough() {
        let mixed = |of: [i16; 2]| {
            let mut mixed = Vec::new();
            for pair in samples(&said(), 0) {
                callrec_audio::mix::sum(&[pair[0] * of[0]], &[pair[1] * of[1]], &mut mixed);
            }
            check(&said(), &wav(&mixed.into_iter().map(|sample| [sample]).collect::<Vec<_>>()))
        };
        assert_eq!(mixed([1, 1]), Ok(5_000));
        for one in [[1, 0], [0, 1]] {
            assert!(mixed(one).unwrap_err().contains("both together"), "{one:?}");
        }
    }

    #[test]
    fn two_who_speak_without_a_pause_are_told_apart_if_one_of_them_speaks_quietly() {
        let mut said = said();
        let runs = said.sides[0].runs.clone();
        said.sides[1] = Side { seed: 2, quietly: true, runs };
        let mut samples = samples(&said, 0);
        assert_eq!(check(&said, &wav(&samples)), Ok(5_000));
        samples.iter_mut().for_each(|pair| pair.swap(0, 1));
        assert!(check(&said, &wav(&samples)).unwrap_err().contains("the caller: at 0 s"));
    }

    #[test]
    fn one_who_said_nothing_is_not_heard() {
        let mut said = said();
        said.sides[1].runs.clear();
        assert_eq!(check(&said, &wav(&samples(&said, 0))), Ok(5_000));
        assert!(check(&said, &wav(&samples(&self::said(), 0))).unwrap_err().contains("the assistant"));
    }

    #[test]
    fn a_file_that_is_damaged_or_cut_off_is_told() {
        let file = wav(&samples(&said(), 0));
        for damaged in [&file[..file.len() / 2], &file[..20], &[0; 100]] {
            assert!(check(&said(), damaged).is_err());
        }
    }
}
