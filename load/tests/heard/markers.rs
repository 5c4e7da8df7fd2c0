//! Short tones before and behind stalls of delivery, found again in the decoded file of each format.

use callrec_load::{MARKER_EVERY, MARKER_SAMPLES, PlayoutLog, marker};

use crate::decoded::decode;
use crate::load::Load;
use crate::server::Server;

const FORMATS: [&str; 4] = ["mp3", "ogg", "flac", "wav"];
/// How far around its place a marker is looked for, in milliseconds: less than half of what is between two.
const AROUND_MS: usize = 110;
/// By how much a distance may differ.
const MOST_MS: f64 = 1.0;
/// How well a marker fits where it is. Vorbis leaves 0.79 to 0.89 of this one, and beside its place it fits by less than a half.
const FITS: f32 = 0.7;
/// How far apart marks are while hardly anything is queued, in samples. Where speech paused between two of them, which of the
/// pieces between them came too late is a guess: what is further than that from every pause is not.
const MARKS_APART: u64 = 480;

/// Where markers were, and where they are in the recording, in milliseconds.
type Places = Vec<(f64, f64)>;

/// A marker at a file's rate.
struct Marker {
    rate: u32,
    samples: Vec<f32>,
}

impl Marker {
    fn at(rate: u32) -> Self {
        // Rates are multiples of 8,000 Hz here; samples between two are drawn straight.
        let sample = |n: u64| {
            let (before, part) = (n * 8_000 / u64::from(rate), n * 8_000 % u64::from(rate));
            let part = part as f32 / rate as f32;
            f32::from(marker(before)) * (1.0 - part) + f32::from(marker(before + 1)) * part
        };
        Self { rate, samples: (0..MARKER_SAMPLES * u64::from(rate) / 8_000).map(sample).collect() }
    }

    /// Where the marker is that was played `at_ms` after the stream began, if it is near there in one piece.
    fn find(&self, recorded: &[f32], at_ms: f64) -> Option<f64> {
        let per_ms = f64::from(self.rate) / 1_000.0;
        let (middle, around) = ((at_ms * per_ms) as usize, AROUND_MS * self.rate as usize / 1_000);
        let last = (middle + around).min(recorded.len().saturating_sub(self.samples.len()));
        let product =
            |at: usize| -> f32 { recorded[at..].iter().zip(&self.samples).map(|(a, b)| a * b).sum() };
        let found = (middle.saturating_sub(around)..=last).map(|at| (product(at), at));
        let (product, at) = found.max_by(|a, b| a.0.total_cmp(&b.0)).expect("the recording is long enough");
        let energy = |samples: &[f32]| -> f32 { samples.iter().map(|sample| sample * sample).sum() };
        let best = (energy(&recorded[at..at + self.samples.len()]) * energy(&self.samples)).sqrt();
        (product > FITS * best).then_some(at as f64 / per_ms)
    }
}

/// A marker of the bot that was heard whole.
struct Heard {
    at_ms: f64,
    /// It is so far from every pause that nothing of its place has to be guessed.
    sure: bool,
}

/// Those that were heard, spurt by spurt: without a pause between them.
fn spurts(log: &PlayoutLog) -> Vec<Vec<Heard>> {
    let whole = |&(first, at, samples): &(u64, u64, u64)| {
        let end = first + samples;
        let numbers = (first.next_multiple_of(MARKER_EVERY)..end).step_by(MARKER_EVERY as usize);
        let whole = numbers.filter(|number| number + MARKER_SAMPLES <= end);
        let heard = |number: u64| Heard {
            at_ms: (at + number - first) as f64 / 8.0,
            sure: number >= first + MARKS_APART && number + MARKER_SAMPLES + MARKS_APART <= end,
        };
        whole.map(heard).collect()
    };
    log.heard.iter().map(whole).collect()
}

/// The most by which the distance of any two differs.
fn worst_ms(places: &Places) -> f64 {
    let errors = || places.iter().map(|(played, found)| found - played);
    if places.is_empty() {
        0.0
    } else {
        errors().fold(f64::MIN, f64::max) - errors().fold(f64::MAX, f64::min)
    }
}

/// What was measured of one call, in milliseconds.
struct Measured {
    /// How far a distance between two markers of the caller is off at most.
    caller: f64,
    /// The same for two of the bot in one spurt.
    within: f64,
    /// By how much the place of each marker of the bot is off whose place is sure.
    off: Vec<f64>,
    /// How many markers of the bot were found.
    found: usize,
    /// How many markers of the bot are not where they were heard, in one piece.
    lost: usize,
}

/// Holds a call's file against what was said and heard.
fn measure(log: &PlayoutLog, format: &str, server: &Server) -> Measured {
    let recording = decode(&server.recording(&log.call, format));
    let marker = Marker::at(recording.rate);
    let side = |samples: Vec<i16>| -> Vec<f32> { samples.into_iter().map(f32::from).collect() };
    let (caller, assistant) = (side(recording.caller), side(recording.assistant));
    let first = log.first_frame_ms * 8;
    let numbers = first.next_multiple_of(MARKER_EVERY)..first + log.frames * 160 - MARKER_SAMPLES;
    let caller: Places = numbers
        .step_by(MARKER_EVERY as usize)
        .map(|number| number as f64 / 8.0)
        .map(|at_ms| (at_ms, marker.find(&caller, at_ms).expect("a marker of the caller")))
        .collect();
    let (mut within, mut off, mut found, mut lost) = (0.0_f64, Vec::new(), 0, 0);
    for spurt in spurts(log) {
        let mut places = Places::new();
        for Heard { at_ms, sure } in spurt {
            match marker.find(&assistant, at_ms) {
                Some(place) => places.push((at_ms, place)),
                None => {
                    assert!(!sure, "{format}: no marker around {at_ms} ms, where one was played");
                    lost += 1;
                    continue;
                }
            }
            off.extend(places.last().filter(|_| sure).map(|(played, found)| (found - played).abs()));
        }
        found += places.len();
        within = within.max(worst_ms(&places));
    }
    // Both sides are on one clock, and the file begins with the stream.
    let caller_off = caller.iter().map(|(played, found)| (found - played).abs()).fold(0.0, f64::max);
    assert!(caller_off <= MOST_MS, "{format}: the caller is {caller_off} ms off");
    let measured = Measured { caller: worst_ms(&caller), within, off, found, lost };
    println!(
        "{format} at {} Hz, {} bot: distances of {} markers of the caller within {:.3} ms; those of the bot within {:.3} ms in a \
         spurt, {} whose place is sure {:.3} ms off at most, {lost} lost",
        recording.rate,
        log.bot,
        caller.len(),
        measured.caller,
        measured.within,
        measured.off.len(),
        measured.off.iter().copied().fold(0.0, f64::max)
    );
    assert!(caller.len() > 20 && measured.found > 5, "there are markers");
    measured
}

/// A call in each format. Six seconds in ten begin with a stall of delivery, of half a second at most, either way.
fn calls(bot: &str) -> impl Iterator<Item = (&'static str, Measured)> {
    let formats = FORMATS.join(",");
    let load = Load::start(&[
        "--calls",
        "4",
        "--seconds",
        "8",
        "--voice",
        "markers",
        "--format",
        &formats,
        "--bot",
        bot,
        "--delay-up-ms",
        "40",
        "--delay-down-ms",
        "40",
        "--jitter-ms",
        "10",
        "--stalls-percent",
        "60",
        "--stall-ms",
        "466",
    ]);
    let mut server = Server::start(&load.bot, &[]);
    let logs = load.call(&server.url());
    server.stop();
    assert_eq!(logs.len(), FORMATS.len());
    logs.into_iter().map(move |log| {
        let format = FORMATS[log.index as usize];
        (format, measure(&log, format, &server))
    })
}

#[test]
fn tones_before_and_behind_stalls_of_delivery_keep_their_distance_in_every_format() {
    for (format, measured) in calls("bursting") {
        assert!(measured.caller <= MOST_MS, "{format}: {} ms", measured.caller);
        assert!(measured.within <= MOST_MS, "{format}: {} ms", measured.within);
        assert_eq!(measured.lost, 0, "{format}");
    }
}

#[test]
fn tones_of_a_bot_that_nothing_is_queued_of_are_where_stalls_let_them_be_heard_in_every_format() {
    let mut all = Vec::new();
    for (format, Measured { caller, off, .. }) in calls("pacing") {
        assert!(caller <= MOST_MS, "{format}: {caller} ms");
        all.extend(off);
    }
    // A stall tears speech in two. The last pieces before it or the first behind it may be put on its wrong side, between the two
    // marks next to it: within 60 ms. Everything else is told by echoes, however long the stall was: to the tick, and in
    // twelve runs with 670 such markers without any error.
    let off = all.iter().filter(|ms| **ms > MOST_MS).count();
    assert!(all.len() > 20 && off <= 1 && all.iter().all(|ms| *ms <= 20.0 + MOST_MS), "{all:?}");
}
