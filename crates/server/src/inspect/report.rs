//! The whole of what is shown on a terminal: what it is, the drawing, the lists, what is missing.

use super::View;
use super::drawing::{self, GUTTER};
use super::paint::Ink;
use super::times::{clock_ms, length};
use callrec::inspect::{Delays, FileFormat, Inspection, Marks, Source, StreamInspection, Voice};
use callrec::{CutBy, Gap, GapWhy, Line, Notes, Speaker, Topology, Track, one_line};
use std::fmt::Write as _;

/// The most of a list that is shown.
const MOST: usize = 20;

/// Everything, for the eye.
pub(super) fn text(inspection: &Inspection, view: View) -> String {
    let mut out = String::new();
    let call =
        inspection.call.as_deref().map_or("a recording".into(), |call| format!("call {}", one_line(call)));
    let _ = writeln!(out, "{}", view.paint.ink(Ink::Heading, &call));
    for stream in &inspection.streams {
        let mut report = Report { view, out: &mut out };
        report.header(stream, inspection.streams.len());
        report.drawing(stream);
        report.notes(stream);
        report.marks(stream.marks.as_ref());
        report.ending(stream);
    }
    out
}

struct Report<'a> {
    view: View,
    out: &'a mut String,
}

impl Report<'_> {
    /// A name and its value, which goes on under itself.
    fn field(&mut self, name: &str, value: &str) {
        for (index, part) in wrapped(value, self.view.width - 15).into_iter().enumerate() {
            self.whole_field(if index == 0 { name } else { "" }, &part);
        }
    }

    fn whole_field(&mut self, name: &str, value: &str) {
        let name = self.view.paint.ink(Ink::Faint, &format!("  {name:<12}"));
        let _ = writeln!(self.out, "{name} {value}");
    }

    fn heading(&mut self, text: &str) {
        let _ = writeln!(self.out, "\n{}", self.view.paint.ink(Ink::Heading, text));
    }

    fn header(&mut self, stream: &StreamInspection, streams: usize) {
        let (kind, path) = match &stream.source {
            Source::Journal { path } => ("journal", path),
            Source::Recording { path } => ("recording", path),
            Source::Summary { path } => ("summary", path),
        };
        if streams > 1 {
            self.heading(&format!("stream {} of {streams}", stream.number));
        }
        if let Some(name) = stream.stream.as_deref() {
            let how = match stream.topology {
                Some(Topology::Relay) => ", relayed to a bot",
                Some(Topology::OneWay) => ", both sides from the provider",
                None => "",
            };
            self.field("stream", &format!("{}{how}", one_line(name)));
        }
        if let Some(began) = stream.started_at {
            self.field("began", &began.to_string());
        }
        self.field("duration", &clock_ms(stream.duration_ms));
        if let Some(reason) = stream.ended {
            let recovered = if stream.recovered { "; recovered from its journal" } else { "" };
            self.field("ended", &format!("{reason}{recovered}"));
        }
        if let Some(format) = &stream.format {
            self.field("format", &format_words(format));
        }
        self.whole_field(kind, &one_line(&path.to_string_lossy()));
        for remark in &stream.remarks {
            self.field("", &one_line(remark));
        }
    }

    fn drawing(&mut self, stream: &StreamInspection) {
        let rows = drawing::rows(stream, self.view);
        for row in &rows {
            let _ = write!(self.out, "\n{}", row.text);
            if self.view.transcript {
                let is_last = row.to_ms >= stream.duration_ms;
                let here = |line: &&Line| line.at_ms >= row.from_ms && (line.at_ms < row.to_ms || is_last);
                let mut lines: Vec<&Line> = stream.lines.iter().filter(here).collect();
                lines.sort_by_key(|line| line.at_ms);
                lines.into_iter().for_each(|line| self.line(line));
            }
        }
        if rows.is_empty() {
            return;
        }
        let _ = writeln!(self.out);
        let legend = drawing::legend(stream);
        for line in packed(&legend, "   ", self.view.width - GUTTER) {
            let line = self.view.paint.ink(Ink::Faint, &format!("{:GUTTER$}{line}", ""));
            let _ = writeln!(self.out, "{line}");
        }
        let sound = stream.tracks.iter().map(|track| {
            let who = match track.voice() {
                Voice::Caller => "caller",
                Voice::Assistant => "assistant",
                Voice::Both => "both",
            };
            format!("{who} {}", length(track.sound_ms()))
        });
        let sound = sound.collect::<Vec<_>>().join(", ");
        let _ = writeln!(self.out);
        self.field("sound", &sound);
    }

    fn line(&mut self, line: &Line) {
        let (who, ink) = match line.speaker {
            Speaker::Caller => ("caller", Ink::Caller),
            Speaker::Assistant => ("assistant", Ink::Assistant),
            Speaker::System => ("system", Ink::Faint),
        };
        let head = format!("{:>w$} {who:<9} ", clock_ms(line.at_ms), w = GUTTER + 1);
        let heard = line.heard.as_deref().filter(|heard| line.cut_off && line.text.starts_with(heard));
        let words = match heard {
            Some(heard) => format!("{heard} {} [{}]", drawing::CUT, line.text[heard.len()..].trim()),
            None => line.text.clone(),
        };
        let room = self.view.width.saturating_sub(head.len()).max(20);
        for (index, part) in wrapped(&one_line(&words), room).into_iter().enumerate() {
            let head = if index == 0 { head.clone() } else { " ".repeat(head.len()) };
            let _ = writeln!(self.out, "{}{}", self.view.paint.ink(ink, &head), part);
        }
    }

    fn notes(&mut self, stream: &StreamInspection) {
        let Some(notes) = &stream.notes else { return };
        self.list("spurts", &notes.spurts, |spurt| {
            let how = if spurt.pinned { "pinned" } else { "modelled" };
            let (begin, end) = (clock_ms(spurt.begin_ms), clock_ms(spurt.end_ms));
            format!("{begin:>10} to {end:>10}  {:>10}  {how}", length(spurt.end_ms - spurt.begin_ms))
        });
        self.list("cuts", &notes.cuts, |cut| {
            let how = if cut.pinned { "pinned" } else { "modelled" };
            let why = match cut.by {
                CutBy::Cleared => "",
                CutBy::End => "; the stream ended",
            };
            format!("{:>10}  {} never heard, {how}{why}", clock_ms(cut.at_ms), length(cut.unheard_ms))
        });
        self.list("gaps", &notes.gaps, gap_words);
        self.beyond(notes);
        if stream.queued_ms > 0 {
            let _ = writeln!(self.out);
            self.field("waiting", &format!("{} of speech, sent and not yet heard", length(stream.queued_ms)));
        }
    }

    fn beyond(&mut self, notes: &Notes) {
        if notes.beyond > 0 {
            let _ = writeln!(self.out, "  {} more were counted and not noted", notes.beyond);
        }
    }

    fn list<T>(&mut self, name: &str, items: &[T], words: impl Fn(&T) -> String) {
        if items.is_empty() {
            return;
        }
        self.heading(&format!("{name} ({})", items.len()));
        for item in items.iter().take(MOST) {
            let _ = writeln!(self.out, "  {}", words(item));
        }
        if items.len() > MOST {
            let _ = writeln!(self.out, "  and {} more: --json has them all", items.len() - MOST);
        }
    }

    fn marks(&mut self, marks: Option<&Marks>) {
        let Some(marks) = marks else { return };
        self.heading("marks, sent to echoed");
        for (who, delays) in [("callrec's", marks.ours), ("the bot's", marks.bots)] {
            if delays.sent > 0 {
                self.field(who, &delay_words(delays));
            }
        }
        if marks.stray_echoes > 0 {
            self.field("stray", &format!("{} echoes of no mark that waited for one", marks.stray_echoes));
        }
        for mark in marks.each.iter().filter(|_| self.view.marks) {
            let delay = mark.delay_ms.map_or("never came back".to_owned(), |ms| format!("{ms} ms"));
            let name = one_line(&mark.name);
            let _ = writeln!(self.out, "  {:>10}  {delay:>15}  {name}", clock_ms(mark.sent_ms));
        }
    }

    fn ending(&mut self, stream: &StreamInspection) {
        let Some(complete) = stream.complete else { return };
        let (ink, word) = if complete { (Ink::Good, "complete") } else { (Ink::Wrong, "incomplete") };
        self.heading("completeness");
        let _ = writeln!(self.out, "  {}", self.view.paint.ink(ink, word));
        for sentence in &stream.sentences {
            for (index, part) in wrapped(sentence, self.view.width - 4).into_iter().enumerate() {
                let _ = writeln!(self.out, "  {} {part}", if index == 0 { '-' } else { ' ' });
            }
        }
    }
}

fn gap_words(gap: &Gap) -> String {
    let who = match gap.track {
        Track::Caller => "caller",
        Track::Assistant => "assistant",
    };
    let why = match gap.why {
        GapWhy::Lost => "never came",
        GapWhy::Underrun => "came too late to go on",
    };
    format!("{:>10}  {:>10}  {who}: {why}", clock_ms(gap.begin_ms), length(gap.end_ms - gap.begin_ms))
}

fn delay_words(delays: Delays) -> String {
    let counts = format!("{} of {} came back", delays.echoed, delays.sent);
    match (delays.min_ms, delays.median_ms, delays.max_ms) {
        (Some(min), Some(median), Some(max)) => {
            format!("{counts}; shortest {min} ms, median {median} ms, longest {max} ms")
        }
        _ => counts,
    }
}

/// `mp3, 16000 Hz, stereo, 128 kbit/s, 0.31 MB`.
pub(super) fn format_words(format: &FileFormat) -> String {
    let channels = if format.channels == 1 { "mono" } else { "stereo" };
    let mut words = format!("{}, {} Hz, {channels}", one_line(&format.format), format.rate_hz);
    if let Some(kbps) = format.bitrate_kbps {
        let _ = write!(words, ", {kbps} kbit/s");
    }
    if let Some(bytes) = format.size_bytes {
        let _ = write!(words, ", {:.2} MB", bytes as f64 / 1e6);
    }
    words
}

/// Lines of so many characters at most, broken between words.
fn wrapped(text: &str, room: usize) -> Vec<String> {
    let words: Vec<&str> = text.split(' ').filter(|word| !word.is_empty()).collect();
    packed(&words, " ", room)
}

/// Pieces side by side, in lines of so many characters at most; a longer piece has a line of its own.
fn packed(pieces: &[impl AsRef<str>], between: &str, room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for piece in pieces.iter().map(AsRef::as_ref) {
        let length = piece.chars().count();
        if used > 0 && used + between.len() + length > room {
            lines.push(String::new());
            used = 0;
        }
        if let Some(line) = lines.last_mut() {
            if used > 0 {
                line.push_str(between);
                used += between.len();
            }
            line.push_str(piece);
            used += length;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_wrapped_and_none_is_lost() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("much-too-long a", 5), ["much-too-long", "a"]);
        assert_eq!(wrapped("", 5), [""]);
    }
}
