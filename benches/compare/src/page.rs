//! The page, composed of the results that are kept.

use anyhow::Context as _;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::figure::Figure;
use crate::jobs::{JOBS, Job};
use crate::results::{self, Measured};

/// Composes it of the results that are kept beside it; gives its text.
pub(crate) fn write(path: &Path) -> anyhow::Result<String> {
    let text = text(&results::read(&results::directory(path))?);
    fs::write(path, &text).with_context(|| format!("{} cannot be written", path.display()))?;
    Ok(text)
}

/// A job that was measured.
type Done<'a> = (&'static Job, &'a Measured);

/// The page.
fn text(jobs: &[(&'static Job, Option<Measured>)]) -> String {
    let done: Vec<Done<'_>> =
        jobs.iter().filter_map(|(job, measured)| Some((*job, measured.as_ref()?))).collect();
    let mut text = "# callrec beside its peers\n\n".to_owned();
    let _ = writeln!(
        text,
        "Made by `cargo run --release -p callrec-compare` of what it keeps in `results/`; no figure is typed by hand. {}{} Both \
         sides of a figure are of the same run of its job, on the same input; when each job was measured is told below.\n",
        made_of(&done),
        runs(&done)
    );
    let missing = jobs.iter().filter(|(_, measured)| measured.is_none()).map(|(job, _)| job.name);
    let missing: Vec<&str> = missing.collect();
    if !missing.is_empty() {
        let _ = writeln!(
            text,
            "**Missing: nothing is kept of {}.** They are measured with `--only {}`.\n",
            missing.join(", "),
            missing.join(",")
        );
    }
    let _ = writeln!(text, "| what | against | CPU | figure | target | |\n|---|---|---|---|---|---|");
    for figure in done.iter().flat_map(|(_, measured)| &measured.figures) {
        let _ = writeln!(text, "{}", figure.row());
    }
    let mut windows = windows(&done);
    for (_, measured) in &done {
        let mut notes = Vec::new();
        // Before the first that it is about.
        if measured.apart.is_some() {
            notes.append(&mut windows);
        }
        notes.extend(measured.notes.iter().cloned());
        for note in notes {
            let _ = writeln!(text, "\n{note}");
        }
    }
    let _ = writeln!(text, "\n## Where and with what\n");
    for line in where_and_with_what(&done) {
        let _ = writeln!(text, "- {line}");
    }
    text
}

/// What the files are made of.
fn made_of(done: &[Done<'_>]) -> String {
    let calls = by_jobs(done.iter().filter_map(|(job, measured)| Some((job.name, measured.call?))));
    let one = calls.len() == 1;
    let sentence = |(call, jobs): &(results::Call, Vec<&str>)| {
        let of = if one { String::new() } else { format!(" of {}", jobs.join(", ")) };
        let silence = match call.noise_dbfs {
            Some(noise) => format!(
                "the caller's line has white noise of {noise:.0} dBFS throughout, and the assistant's is digital silence while it does \
                 not speak"
            ),
            None => "who does not speak is digital silence".to_owned(),
        };
        format!(
            "Files{of} are made of a call of {} minutes: recorded telephone prompts, drawn from {}, spoken in turns with pauses, in mu-law; \
             {silence}. ",
            call.minutes, call.prompts
        )
    };
    calls.iter().map(sentence).collect()
}

fn runs(done: &[Done<'_>]) -> String {
    let runs = by_jobs(done.iter().map(|(job, measured)| (job.name, measured.runs)));
    let often = match runs.as_slice() {
        [(runs, _)] => times(*runs),
        _ => "as often as is told below".to_owned(),
    };
    let have_spread = done.iter().flat_map(|(_, measured)| &measured.figures).any(Figure::has_spread);
    let spread = match have_spread {
        true => {
            " In parentheses are the least and the most of the ratios of single runs, callrec's by its peer's of the same turn."
        }
        false => "",
    };
    format!(
        "Each job was run {often}, callrec and its peer in turns; figures are ratios of the medians of CPU times (user and system, \
         children counted).{spread}"
    )
}

fn times(runs: u64) -> String {
    if runs == 1 { "once".to_owned() } else { format!("{runs} times") }
}

/// How the server's CPU time was measured of live calls.
fn windows(done: &[Done<'_>]) -> Vec<String> {
    let live =
        done.iter().filter_map(|(job, measured)| Some((job.name, (measured.seconds, measured.apart?))));
    let sentence = |((seconds, apart), jobs): ((Option<u64>, bool), Vec<&str>)| {
        let of = jobs.join(", ");
        let apart = match apart {
            true => "each server had a processor of its own, and what called it another",
            false => "servers and what called them shared one processor",
        };
        match seconds {
            Some(seconds) => format!(
                "Of the live calls of {of} CPU time is that of the server's process, by the system's count (`/proc`), over windows of \
                 {seconds} s behind a warm-up; {apart}."
            ),
            None => format!("Of the live calls of {of} {apart}."),
        }
    };
    by_jobs(live).into_iter().map(sentence).collect()
}

/// The lines of that section. What is the same for all jobs is said once.
fn where_and_with_what(done: &[Done<'_>]) -> Vec<String> {
    let (mut row, mut rows) = (0, Vec::new());
    for (job, measured) in done {
        let (first, last) = (row + 1, row + measured.figures.len());
        rows.push(if first < last {
            format!("{} {first}-{last}", job.name)
        } else {
            format!("{} {last}", job.name)
        });
        row = last;
    }
    let mut lines = vec![format!("Jobs, by the rows above: {}", rows.join(", "))];
    for (run, jobs) in by_jobs(done.iter().map(|(job, measured)| (job.name, measured.run.as_str()))) {
        let run: Vec<&Measured> =
            done.iter().map(|(_, measured)| *measured).filter(|it| it.run == run).collect();
        let jobs = if jobs.len() == JOBS.len() { "all jobs".to_owned() } else { jobs.join(", ") };
        lines.push(format!("{jobs}: {}", when(&run)));
    }
    lines.extend(told(done, |measured| measured.machine.clone()));
    lines.extend(told(done, built));
    lines.extend(peers(done));
    lines
}

/// When the jobs of a run were measured, and how.
fn when(run: &[&Measured]) -> String {
    let mut dates: Vec<&str> = run.iter().map(|measured| measured.date.as_str()).collect();
    dates.sort_unstable();
    dates.dedup();
    let beside = match run {
        [one] if one.alone => "by itself",
        [_] => "in a run with others",
        _ => "in one run",
    };
    let runs = run.first().map_or_else(String::new, |measured| times(measured.runs));
    let each = if run.len() > 1 { " each" } else { "" };
    let seconds = run.iter().filter_map(|measured| measured.seconds).max();
    let seconds =
        seconds.map_or_else(String::new, |seconds| format!(", live calls in windows of {seconds} s"));
    format!("{}, {beside}, {runs}{each}{seconds}", dates.join(" and "))
}

/// What callrec was built of.
fn built(measured: &Measured) -> String {
    let commit = measured.commit.as_ref().map_or_else(String::new, |commit| {
        let changed = if commit.changed { " and changes" } else { "" };
        format!(" ({}{changed})", commit.hash)
    });
    // A run was once named by its day, and what it was built of was not kept.
    let older = if measured.commit.is_none() && !measured.run.contains('T') {
        "; of an older page, which did not tell the commit"
    } else {
        ""
    };
    format!("callrec {}{commit}, {}{older}", measured.callrec, measured.rustc)
}

/// The peers; with the jobs where they were not always of the same version.
fn peers(done: &[Done<'_>]) -> Vec<String> {
    let used = done.iter().map(|(job, measured)| (job.name, &measured.peers));
    let versions = by_jobs(used.flat_map(|(job, peers)| peers.iter().map(move |peer| (job, peer.as_str()))));
    let names = by_jobs(versions.iter().map(|(version, _)| ("", name(version))));
    let lines = names.iter().flat_map(|(of, _)| {
        let same: Vec<_> = versions.iter().filter(|(version, _)| name(version) == *of).collect();
        lines(&same)
    });
    lines.collect()
}

/// Of a peer and its version the name.
pub(crate) fn name(peer: &str) -> &str {
    peer.split(' ').next().unwrap_or_default()
}

/// A line of all jobs, or as many as they differ by.
fn told(done: &[Done<'_>], what: impl Fn(&Measured) -> String) -> Vec<String> {
    let told = by_jobs(done.iter().map(|(job, measured)| (job.name, what(measured))));
    lines(&told.iter().collect::<Vec<_>>())
}

/// What is told of jobs as lines; without the jobs where there is but one thing to tell.
fn lines(told: &[&(impl std::fmt::Display, Vec<&str>)]) -> Vec<String> {
    match told {
        [(one, _)] => vec![one.to_string()],
        told => told.iter().map(|(what, jobs)| format!("{}: {what}", jobs.join(", "))).collect(),
    }
}

/// What there is, each with the jobs that it is true of.
fn by_jobs<T: PartialEq>(jobs: impl Iterator<Item = (&'static str, T)>) -> Vec<(T, Vec<&'static str>)> {
    let mut groups: Vec<(T, Vec<&'static str>)> = Vec::new();
    for (job, what) in jobs {
        match groups.iter_mut().find(|(group, _)| *group == what) {
            Some((_, jobs)) => jobs.push(job),
            None => groups.push((what, vec![job])),
        }
    }
    groups
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::results::{Call, Commit};

    /// Something that was measured in the run of a day.
    pub(crate) fn measured(day: &str, runs: u64) -> Measured {
        Measured {
            date: day.to_owned(),
            run: format!("{day}T00:00:00Z"),
            alone: false,
            runs,
            seconds: None,
            apart: None,
            call: Some(Call { minutes: 60, prompts: 500, noise_dbfs: Some(-60.0) }),
            machine: "a machine".to_owned(),
            callrec: "1.0".to_owned(),
            commit: None,
            rustc: "rustc 2".to_owned(),
            peers: vec!["ffmpeg 5".to_owned()],
            figures: vec![Figure::ratio("what", "peer", 0.5, 0.6)],
            notes: Vec::new(),
        }
    }

    fn composed(mut change: impl FnMut(&str) -> Option<Measured>) -> String {
        text(&JOBS.iter().map(|job| (job, change(job.name))).collect::<Vec<_>>())
    }

    /// So no figure in it is typed by hand.
    #[test]
    fn the_page_is_what_is_composed_of_the_results() {
        let page = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../RESULTS.md"));
        let composed = text(&results::read(&results::directory(page)).unwrap());
        let page = fs::read_to_string(page).unwrap();
        for (line, composed) in page.lines().zip(composed.lines()) {
            assert_eq!(line, composed, "`cargo run -p callrec-compare -- page` composes it anew");
        }
        assert_eq!(page, composed);
    }

    #[test]
    fn what_is_the_same_for_all_jobs_is_said_once() {
        let page = composed(|name| {
            let live = ["growth", "ingest", "relay"].contains(&name);
            let apart = (live || name == "hang-up").then_some(true).filter(|_| name != "growth");
            Some(Measured { seconds: live.then_some(20), apart, ..measured("2026-01-02", 5) })
        });
        let (head, rest) = page.split_once("## Where and with what").unwrap();
        assert!(
            head.contains(
                "Files are made of a call of 60 minutes: recorded telephone prompts, drawn from 500, "
            ) && !head.contains("Missing")
        );
        assert!(head.contains("Each job was run 5 times,"));
        let apart = "\nOf the live calls of hang-up each server had a processor of its own, and what called it another.\n";
        assert!(head.contains(apart), "{head}");
        assert_eq!(head.matches("Of the live calls of ingest, relay CPU time is").count(), 1, "{head}");
        let told = [
            "Jobs, by the rows above: mp3 1, flac 2, ogg 3, wav 4, whole 5, quality 6, growth 7, delay 8, ingest 9, relay 10, \
             length 11, hang-up 12, bots 13, pipecat 14",
            "all jobs: 2026-01-02, in one run, 5 times each, live calls in windows of 20 s",
            "a machine",
            "callrec 1.0, rustc 2",
            "ffmpeg 5",
        ];
        assert_eq!(rest.trim(), told.map(|line| format!("- {line}")).join("\n"));
    }

    #[test]
    fn what_was_measured_by_itself_is_told_apart_and_what_is_missing_is_told() {
        let page = composed(|name| match name {
            "mp3" => Some(measured("2026-01-02", 5)),
            "wav" => Some(Measured {
                alone: true,
                call: Some(Call { minutes: 2, prompts: 500, noise_dbfs: None }),
                commit: Some(Commit { hash: "abc".to_owned(), changed: true }),
                peers: vec!["ffmpeg 6".to_owned(), "flac 1".to_owned()],
                ..measured("2026-01-03", 1)
            }),
            "ingest" => Some(Measured { seconds: Some(20), apart: Some(true), ..measured("2026-01-02", 5) }),
            "relay" => Some(Measured {
                run: "2026-01-04".to_owned(),
                seconds: Some(120),
                apart: Some(false),
                figures: vec![Figure::in_turns("what", "peer", [&[1.0, 1.0], &[2.0, 4.0]], "s")],
                ..measured("2026-01-04", 5)
            }),
            _ => None,
        });
        for told in [
            "Files of mp3, ingest, relay are made of a call of 60 minutes: ",
            "Files of wav are made of a call of 2 minutes: ",
            "in mu-law; who does not speak is digital silence. ",
            "in mu-law; the caller's line has white noise of -60 dBFS throughout, ",
            "Each job was run as often as is told below,",
            "children counted). In parentheses are the least",
            "| what | peer | 1.00 / 3.00 s | 0.333 (0.250 to 0.500) | | |",
            "**Missing: nothing is kept of flac, ogg, whole, quality, growth, delay, length, hang-up, bots, pipecat.**",
            "`--only flac,ogg,",
            "\nOf the live calls of ingest CPU time is that of the server's process, by the system's count (`/proc`), over windows of 20 s \
             behind a warm-up; each server had",
            "over windows of 120 s behind a warm-up; servers and what called them shared one processor.\n",
            "\n- Jobs, by the rows above: mp3 1, wav 2, ingest 3, relay 4\n",
            "\n- mp3, ingest: 2026-01-02, in one run, 5 times each, live calls in windows of 20 s\n",
            "\n- wav: 2026-01-03, by itself, once\n",
            "\n- relay: 2026-01-04, in a run with others, 5 times, live calls in windows of 120 s\n- a machine\n",
            "\n- mp3, ingest: callrec 1.0, rustc 2\n- wav: callrec 1.0 (abc and changes), rustc 2\n- relay: callrec 1.0, rustc 2; of an older \
             page, which did not tell the commit\n",
            "\n- mp3, ingest, relay: ffmpeg 5\n- wav: ffmpeg 6\n- flac 1\n",
        ] {
            assert!(page.contains(told), "{told} is not in {page}");
        }
    }
}
