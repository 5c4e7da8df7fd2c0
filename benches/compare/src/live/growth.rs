//! What a call more costs where there are many: time and memory of relayed calls, by the load generator.

use anyhow::Context as _;

use super::generator::{Generator, RAMP, level, number};
use crate::cpu::Bench;
use crate::figure::Figure;
use crate::report::Report;

/// From so many calls to so many.
const CALLS: [u64; 2] = [50, 250];
/// How many windows long the calls are looked at that are to be older.
const OLDER: u64 = 4;

/// Measures it and adds the figures. Nothing of this process may be bound to a processor yet.
pub(super) fn run(bench: &Bench<'_>, generator: &Generator<'_>, report: &mut Report) -> anyhow::Result<()> {
    let [few, many] = CALLS;
    let told = bench.progress("growth", 1);
    let grown = generator.run(bench.runs, &format!("{few},{many}"), &["on"])?;
    let [at_few, at_many] = [few, many].map(|calls| level(&grown, calls, "recording"));
    let (at_few, at_many) = (at_few?, at_many?);
    let what = format!(
        "A second of a relayed call, recorded in MP3: {many} calls, until the last recording is there"
    );
    let cost = [number(at_many, "cpu_ms_to_the_end")?, number(at_few, "cpu_ms_to_the_end")?];
    report.add(Figure::each(&what, &format!("callrec, {few} calls"), cost, "ms").at_most(1.10));
    let what = format!("Resident memory of a relayed call, recorded in MP3: from {few} to {many} calls");
    report.add(Figure::absolute(&what, number(&grown, "memory_per_call")? / 1e3, "kB", 400.0));
    report.note(format!(
        "The calls from {few} to {many} were {:.0} s old in the mean. What is said is that of the files' call; bots make no pause of it \
         that is longer than half a second. Every recording was decoded afterwards, and each side's loudness held against what was said. \
         As these calls meet their first bursts, buffers still grow: from the first third of the windows to the last, a minute of a call \
         added {:+.1} kB where there were {few}.",
        number(at_many, "age_seconds")?,
        number(at_few, "memory_per_call_minute")? / 1e3,
    ));

    older(generator, report)?;
    report.note(format!(
        "With {many} calls the server's processor was busy for {:.0} % of the time. What is put off where there is too much to do counts all the \
         same: a second of a call is all that was taken from the beginning of a window until every recording was there, by the seconds \
         that calls were live in it and behind it. A recording was there {:.0} ms after its call hung up in the median and {:.0} ms at most, \
         where {few} calls hung up within {RAMP} s; where {many} did, {:.0} and {:.0} ms.",
        number(at_many, "server_percent")?,
        number(&at_few["hang_up_ms"], "p50")?,
        number(&at_few["hang_up_ms"], "max")?,
        number(&at_many["hang_up_ms"], "p50")?,
        number(&at_many["hang_up_ms"], "max")?,
    ));
    told.finish_and_clear();
    Ok(())
}

/// What a call more takes once all of them are some minutes old, and their buffers have met many bursts.
fn older(generator: &Generator<'_>, report: &mut Report) -> anyhow::Result<()> {
    let [few, many] = CALLS;
    let older = Generator { seconds: generator.seconds * OLDER, ..*generator };
    let older = older.run(1, &format!("{few},{many}"), &["on"])?;
    let by_age = |calls| {
        let by_age = level(&older, calls, "recording")?["by_age"].as_array();
        by_age.filter(|by_age| !by_age.is_empty()).context("no ages")
    };
    let (at_few, at_many) = (by_age(few)?, by_age(many)?);
    // Of a call, in kB, in one of the parts of the time.
    let slope = |part: usize| {
        let [few_bytes, many_bytes] = [at_few, at_many].map(|by_age| number(&by_age[part], "memory"));
        anyhow::Ok((many_bytes? - few_bytes?) / (many - few) as f64 / 1e3)
    };
    let last = at_few.len().min(at_many.len()) - 1;
    let [young_s, old_s] = [0, last].map(|part| number(&at_many[part], "age_seconds"));
    let (young_s, old_s) = (young_s?, old_s?);
    let what = format!(
        "Resident memory of a relayed call, recorded in MP3: from {few} to {many} calls, {old_s:.0} s old"
    );
    report.add(Figure::absolute(&what, slope(last)?, "kB", 400.0));
    let slopes = (0..=last).map(|part| Ok(format!("{:.0}", slope(part)?)));
    let slopes: Vec<_> = slopes.collect::<anyhow::Result<_>>()?;
    report.note(format!(
        "From {few} to {many} calls a call more held {} kB while they grew from {young_s:.0} to {old_s:.0} s old, in each tenth of that \
         time; these were there once.",
        slopes.join(", "),
    ));
    Ok(())
}
