//! The results as a page.

use std::fmt::Write as _;
use std::fs;

use crate::cpu::Taken;
use crate::material::Material;
use crate::peers::{Peers, version};

/// One line of the results.
#[derive(Debug)]
pub(crate) struct Figure {
    what: String,
    peer: String,
    /// CPU time of both, where it is made of that, with its unit.
    cpu: Option<([f64; 2], &'static str)>,
    value: f64,
    target: Target,
}

/// What a figure is and should be.
#[derive(Debug, Clone, Copy)]
enum Target {
    /// A ratio, at most this.
    Ratio(f64),
    /// A ratio of which nothing was promised.
    AnyRatio,
    /// A figure in this unit, at most so much.
    Absolute(&'static str, f64),
    /// A difference, at least this.
    Difference(f64),
    /// A difference in dB of which nothing was promised.
    Decibels,
}

impl Figure {
    /// Ours by theirs, in CPU time.
    pub(crate) fn cpu(what: &str, peer: &str, [ours, theirs]: [Taken; 2], target: f64) -> Self {
        let cpu = [ours, theirs].map(|taken| taken.cpu.as_secs_f64());
        Self::each(what, peer, cpu, "s").at_most(target)
    }

    /// Ours by theirs, in CPU time for each of something; without a target.
    pub(crate) fn each(what: &str, peer: &str, cpu: [f64; 2], unit: &'static str) -> Self {
        Self { cpu: Some((cpu, unit)), ..Self::new(what, peer, cpu[0] / cpu[1], Target::AnyRatio) }
    }

    /// With the ratio that is aimed at.
    pub(crate) fn at_most(self, target: f64) -> Self {
        Self { target: Target::Ratio(target), ..self }
    }

    /// Ours by theirs, in something else.
    pub(crate) fn ratio(what: &str, peer: &str, ratio: f64, target: f64) -> Self {
        Self::new(what, peer, ratio, Target::Ratio(target))
    }

    /// Ours alone, in this unit.
    pub(crate) fn absolute(what: &str, value: f64, unit: &'static str, most: f64) -> Self {
        Self::new(what, "", value, Target::Absolute(unit, most))
    }

    /// Ours less theirs, which should be at least `target`.
    pub(crate) fn difference(what: &str, peer: &str, difference: f64, target: f64) -> Self {
        Self::new(what, peer, difference, Target::Difference(target))
    }

    /// Ours less theirs in dB, of which nothing was promised.
    pub(crate) fn told(what: &str, peer: &str, difference: f64) -> Self {
        Self::new(what, peer, difference, Target::Decibels)
    }

    fn new(what: &str, peer: &str, value: f64, target: Target) -> Self {
        Self { what: what.to_owned(), peer: peer.to_owned(), cpu: None, value, target }
    }

    /// The figure, what it should be and whether it is, as columns.
    fn verdict(&self) -> String {
        let value = self.value;
        let met = |met: bool| if met { "met" } else { "**not met**" };
        match self.target {
            Target::Ratio(most) => format!("{value:.3} | <= {most:.2} | {}", met(value <= most)),
            Target::AnyRatio => format!("{value:.3} | |"),
            Target::Absolute(unit, most) => {
                format!("{value:.2} {unit} | <= {most:.0} {unit} | {}", met(value <= most))
            }
            Target::Difference(least) => format!("{value:+.3} | >= {least:.2} | {}", met(value >= least)),
            Target::Decibels => format!("{value:+.1} dB | |"),
        }
    }
}

/// All that was measured in one run.
#[derive(Debug)]
pub(crate) struct Report {
    made_of: String,
    /// Found out at first: whoever calls a server gets a processor of its own later.
    machine: String,
    figures: Vec<Figure>,
    notes: Vec<String>,
}

impl Report {
    pub(crate) fn new(runs: u64, material: &Material) -> Self {
        let Material { minutes, prompts, .. } = material;
        let made_of = format!(
            "Files are made of a call of {minutes} minutes: {prompts} recorded telephone prompts, spoken in turns with pauses, \
             in mu-law. Each job was run {runs} times, callrec and its peer in turns; figures are ratios of the medians of CPU \
             times (user and system, children counted)."
        );
        Self { made_of, machine: machine(), figures: Vec::new(), notes: Vec::new() }
    }

    pub(crate) fn add(&mut self, figure: Figure) {
        self.figures.push(figure);
    }

    /// Adds what must be known of the figures.
    pub(crate) fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    /// The page.
    pub(crate) fn text(&self, peers: &Peers) -> String {
        let mut text = "# callrec beside its peers\n\n".to_owned();
        let _ = writeln!(
            text,
            "Made by `cargo run --release -p callrec-compare`; no figure is typed by hand. {}\n",
            self.made_of
        );
        let _ = writeln!(text, "| what | against | CPU | figure | target | |\n|---|---|---|---|---|---|");
        for figure in &self.figures {
            let Figure { what, peer, cpu, .. } = figure;
            let cpu = cpu
                .map_or_else(String::new, |([ours, theirs], unit)| format!("{ours:.2} / {theirs:.2} {unit}"));
            let _ = writeln!(text, "| {what} | {peer} | {cpu} | {} |", figure.verdict());
        }
        for note in &self.notes {
            let _ = writeln!(text, "\n{note}");
        }
        let _ = writeln!(text, "\n## Where and with what\n");
        let now = jiff::Timestamp::now().strftime("%Y-%m-%d");
        let _ = writeln!(text, "- {now}, {}", self.machine);
        let rustc = version("rustc", &["--version"]).unwrap_or_default();
        let _ = writeln!(text, "- callrec {}, {rustc}", env!("CARGO_PKG_VERSION"));
        for peer in peers.versions() {
            let _ = writeln!(text, "- {peer}");
        }
        text
    }
}

fn machine() -> String {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let model = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = model.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("an unknown processor", |(_, model)| model.trim());
    format!("{processors} processors, {model}, {}", version("uname", &["-sr"]).unwrap_or_default())
}
