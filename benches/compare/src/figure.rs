//! One figure of the results: how it is kept, and its row of the page.

use anyhow::ensure;
use serde::{Deserialize, Serialize};

use crate::runs::{median, spread};

/// One line of the results.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Figure {
    what: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    peer: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cpu: Option<Cpu>,
    value: f64,
    /// The least and the most of several runs; of a ratio, of what each run of ours took by what theirs took in the same turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    spread: Option<[f64; 2]>,
    target: Target,
}

/// CPU time of both, where a figure is made of that, with its unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cpu {
    ours: f64,
    theirs: f64,
    unit: String,
}

/// What a figure is and should be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Target {
    /// A ratio, at most this.
    Ratio(f64),
    /// A ratio of which nothing was promised.
    AnyRatio,
    /// A figure in this unit, at most so much.
    Absolute { unit: String, most: f64 },
    /// A difference, at least this.
    Difference(f64),
    /// One of which nothing was promised.
    AnyDifference,
    /// A difference in dB of which nothing was promised.
    Decibels,
}

impl Figure {
    /// Ours by theirs, in CPU time for each of something; without a target.
    pub(crate) fn each(what: &str, peer: &str, [ours, theirs]: [f64; 2], unit: &str) -> Self {
        let cpu = Some(Cpu { ours, theirs, unit: unit.to_owned() });
        Self { cpu, ..Self::any_ratio(what, peer, ours / theirs) }
    }

    /// The same of the medians of runs that were made in turns.
    pub(crate) fn in_turns(what: &str, peer: &str, [ours, theirs]: [&[f64]; 2], unit: &str) -> Self {
        Self::each(what, peer, [median(ours), median(theirs)], unit).over([ours, theirs])
    }

    /// With how far these runs differ, of which it is the ratio.
    pub(crate) fn over(self, [ours, theirs]: [&[f64]; 2]) -> Self {
        Self { spread: spread(ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs)), ..self }
    }

    /// With the ratio that is aimed at.
    pub(crate) fn at_most(self, target: f64) -> Self {
        Self { target: Target::Ratio(target), ..self }
    }

    /// Ours by theirs, in something else.
    pub(crate) fn ratio(what: &str, peer: &str, ratio: f64, target: f64) -> Self {
        Self::any_ratio(what, peer, ratio).at_most(target)
    }

    /// The same without a target.
    pub(crate) fn any_ratio(what: &str, peer: &str, ratio: f64) -> Self {
        Self::new(what, peer, ratio, Target::AnyRatio)
    }

    /// Ours alone, in this unit.
    pub(crate) fn absolute(what: &str, value: f64, unit: &str, most: f64) -> Self {
        Self::new(what, "", value, Target::Absolute { unit: unit.to_owned(), most })
    }

    /// Ours less theirs, which should be at least `target`.
    pub(crate) fn difference(what: &str, peer: &str, difference: f64, target: f64) -> Self {
        Self::new(what, peer, difference, Target::Difference(target))
    }

    /// Ours less theirs, of which nothing was promised.
    pub(crate) fn any_difference(what: &str, peer: &str, difference: f64) -> Self {
        Self::new(what, peer, difference, Target::AnyDifference)
    }

    /// Ours less theirs in dB, of which nothing was promised.
    pub(crate) fn told(what: &str, peer: &str, difference: f64) -> Self {
        Self::new(what, peer, difference, Target::Decibels)
    }

    fn new(what: &str, peer: &str, value: f64, target: Target) -> Self {
        Self { what: what.to_owned(), peer: peer.to_owned(), cpu: None, value, spread: None, target }
    }

    /// Fails where something could not be kept as a number.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        let Self { what, cpu, value, spread, .. } = self;
        ensure!(value.is_finite(), "{what} is {value}");
        if let Some(Cpu { ours, theirs, unit }) = cpu {
            ensure!(ours.is_finite() && theirs.is_finite(), "{what} is {ours} by {theirs} {unit}");
        }
        ensure!(spread.iter().flatten().all(|end| end.is_finite()), "{what} is from {spread:?}");
        Ok(())
    }

    /// Whether it tells how far its runs differ.
    pub(crate) fn has_spread(&self) -> bool {
        self.spread.is_some()
    }

    /// Its row of the table.
    pub(crate) fn row(&self) -> String {
        let Self { what, peer, cpu, .. } = self;
        let cpu = cpu
            .as_ref()
            .map_or_else(String::new, |Cpu { ours, theirs, unit }| format!("{ours:.2} / {theirs:.2} {unit}"));
        format!("| {what} | {peer} | {cpu} | {} |", self.verdict())
    }

    /// The figure, what it should be and whether it is, as columns.
    fn verdict(&self) -> String {
        let value = self.value;
        let spread = |digits: usize| {
            let told = |[least, most]: [f64; 2]| format!(" ({least:.digits$} to {most:.digits$})");
            self.spread.map_or_else(String::new, told)
        };
        let met = |met: bool| if met { "met" } else { "**not met**" };
        match &self.target {
            Target::Ratio(most) => {
                format!("{value:.3}{} | <= {most:.2} | {}", spread(3), met(value <= *most))
            }
            Target::AnyRatio => format!("{value:.3}{} | |", spread(3)),
            Target::Absolute { unit, most } => {
                format!("{value:.2}{} {unit} | <= {most:.0} {unit} | {}", spread(2), met(value <= *most))
            }
            Target::Difference(least) => format!("{value:+.3} | >= {least:.2} | {}", met(value >= *least)),
            Target::AnyDifference => format!("{value:+.3} | |"),
            Target::Decibels => format!("{value:+.1} dB | |"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_that_was_kept_has_the_row_that_it_had_and_of_several_runs_their_spread() {
        let figures = [
            (
                Figure::each("a", "b", [1.0, 3.0], "µs").at_most(0.25),
                "| a | b | 1.00 / 3.00 µs | 0.333 | <= 0.25 | **not met** |",
            ),
            (Figure::each("a", "b", [1.0, 3.0], "ms"), "| a | b | 1.00 / 3.00 ms | 0.333 | | |"),
            (
                Figure::in_turns("a", "b", [&[1.0, 3.0, 2.0], &[4.0, 4.0, 5.0]], "s").at_most(0.60),
                "| a | b | 2.00 / 4.00 s | 0.500 (0.250 to 0.750) | <= 0.60 | met |",
            ),
            (Figure::in_turns("a", "b", [&[1.0], &[4.0]], "s"), "| a | b | 1.00 / 4.00 s | 0.250 | | |"),
            (Figure::any_ratio("a", "b", 0.5), "| a | b |  | 0.500 | | |"),
            (Figure::any_difference("a", "b", 0.1), "| a | b |  | +0.100 | | |"),
            (Figure::ratio("a", "b", 0.5, 1.0), "| a | b |  | 0.500 | <= 1.00 | met |"),
            (Figure::absolute("a", 2.5, "kB", 400.0), "| a |  |  | 2.50 kB | <= 400 kB | met |"),
            (Figure::difference("a", "b", 0.1, -0.02), "| a | b |  | +0.100 | >= -0.02 | met |"),
            (Figure::told("a", "b", -3.0), "| a | b |  | -3.0 dB | | |"),
        ];
        for (figure, row) in figures {
            let kept: Figure = serde_json::from_str(&serde_json::to_string(&figure).unwrap()).unwrap();
            assert_eq!((&kept, kept.row().as_str()), (&figure, row));
        }
        assert!(Figure::ratio("a", "b", f64::NAN, 1.0).check().is_err());
        assert!(Figure::each("a", "b", [1.0, f64::INFINITY], "s").check().is_err());
        assert!(Figure::in_turns("a", "b", [&[1.0, 0.0, 2.0], &[1.0, 0.0, 2.0]], "s").check().is_err());
    }
}
