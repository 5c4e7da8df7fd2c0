//! The calls of a soak: of all lengths, formats and bots, one-way and relayed, ended well or broken off. They come in rounds: each
//! minute brings the same calls, under other names, so that what is held can be compared with what was held a round before.

use callrec_simulator::{BotKind, Echoes, Luck};

use crate::{CallPlan, Plan, Span, Voice};

/// The longest call, in milliseconds.
pub(crate) const LONGEST_MS: u64 = 120_000;
/// How long calls are, if they are not broken off: so many in a hundred are of between so many milliseconds and so many.
const LENGTHS: [(u64, u64, u64); 3] = [(70, 1_000, 15_000), (25, 15_000, 40_000), (5, 60_000, LONGEST_MS)];
/// How many in a hundred are broken off, and after how many milliseconds at the earliest.
const BREAK_OFF: (u64, u64) = (25, 100);
/// The mean time for which a call is live, in milliseconds: those that are broken off are so at any moment of theirs.
const MEAN_MS: u64 = {
    let (mut hundred, mut index) = (0, 0);
    while index < LENGTHS.len() {
        let (percent, least, most) = LENGTHS[index];
        hundred += percent * (least + most) / 2;
        index += 1;
    }
    let (whole, (percent, earliest)) = (hundred / 100, BREAK_OFF);
    ((100 - percent) * whole + percent * (earliest + whole) / 2) / 100
};

/// How long a round is, in milliseconds.
pub(crate) const ROUND_MS: u64 = 60_000;

/// One call, and what is done to it beside.
#[derive(Debug, Clone)]
pub(crate) struct SoakCall {
    pub(crate) plan: CallPlan,
    /// Whether callrec's own TwiML answers it; else its stream is of somebody else's.
    pub(crate) is_answered: bool,
    /// When the provider is gone without a word, in milliseconds.
    pub(crate) breaks_off_ms: Option<u64>,
    /// When a format is set for it, and which.
    pub(crate) set_format: Option<(u64, &'static str)>,
    /// When a line of the transcript is told.
    pub(crate) tells_ms: Option<u64>,
}

/// All calls of so many rounds, `live` of them at once.
pub(crate) fn all(rounds: u64, live: u64, formats: &[&'static str], seed: u64) -> Vec<SoakCall> {
    let round = Plan {
        calls: (ROUND_MS * live / MEAN_MS).max(1),
        length_ms: MEAN_MS,
        ramp_ms: ROUND_MS,
        kinds: vec![BotKind::Bursting, BotKind::Pacing, BotKind::Stalling, BotKind::AtOnce],
        formats: formats.iter().map(|format| (*format).to_owned()).collect(),
        sound: Voice::Noise.into(),
        delay_up: Span { low: 0, high: 200 },
        delay_down: Span { low: 0, high: 200 },
        jitter: Span { low: 0, high: 100 },
        stalls_percent: 3,
        stall_ms: 500,
        echoes: Echoes::BehindFrame,
        one_way: false,
        seed,
    };
    let mut luck = Luck::new(seed ^ 0x50a6);
    let round: Vec<SoakCall> = round.all().into_iter().map(|plan| vary(plan, formats, &mut luck)).collect();
    (0..rounds).flat_map(|number| round.iter().map(move |call| again(call, number, seed))).collect()
}

/// The same call in another round.
fn again(call: &SoakCall, round: u64, seed: u64) -> SoakCall {
    let mut call = call.clone();
    let name = format!("{seed:08x}{round:012x}{:012x}", call.plan.index);
    call.plan.sid = format!("CA{name}");
    call.plan.stream = format!("MZ{name}");
    call.plan.begins_ms += round * ROUND_MS;
    call
}

fn vary(mut plan: CallPlan, formats: &[&'static str], luck: &mut Luck) -> SoakCall {
    plan.length_ms = length_ms(luck);
    plan.one_way = luck.percent(20);
    let within = |luck: &mut Luck, length_ms: u64| luck.between(BREAK_OFF.1, length_ms);
    let any = |luck: &mut Luck| formats[luck.between(0, formats.len() as u64 - 1) as usize];
    SoakCall {
        breaks_off_ms: luck.percent(BREAK_OFF.0).then(|| within(luck, plan.length_ms)),
        set_format: luck.percent(30).then(|| (within(luck, plan.length_ms), any(luck))),
        tells_ms: luck.percent(50).then(|| within(luck, plan.length_ms)),
        // Formats and bots come in fours: each of them is there both ways.
        is_answered: !plan.index.is_multiple_of(3),
        plan,
    }
}

fn length_ms(luck: &mut Luck) -> u64 {
    let mut drawn = luck.between(0, 99);
    for (percent, least, most) in LENGTHS {
        if drawn < percent {
            return luck.between(least, most);
        }
        drawn -= percent;
    }
    LONGEST_MS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_of_every_kind_and_as_many_at_once_as_was_asked() {
        let calls = all(1, 2_400, &["mp3", "wav"], 1);
        let share = |what: &dyn Fn(&SoakCall) -> bool| {
            calls.iter().filter(|call| what(call)).count() * 100 / calls.len()
        };
        assert!((15..25).contains(&share(&|call| call.plan.one_way)));
        assert!((60..70).contains(&share(&|call| call.is_answered)));
        assert!((20..30).contains(&share(&|call| call.breaks_off_ms.is_some())));
        assert!((25..35).contains(&share(&|call| call.set_format.is_some())));
        let live_ms: u64 = calls.iter().map(|call| call.breaks_off_ms.unwrap_or(call.plan.length_ms)).sum();
        assert!((2_300..=2_500).contains(&(live_ms / ROUND_MS)), "{}", live_ms / ROUND_MS);
    }

    #[test]
    fn every_round_brings_the_same_calls_under_names_of_their_own() {
        let calls = all(3, 40, &["mp3", "wav"], 1);
        let (first, others) = calls.split_at(calls.len() / 3);
        for (later, earlier) in others.iter().zip(first.iter().cycle()) {
            let same = |call: &SoakCall| {
                let plan = &call.plan;
                let (begins_ms, length_ms) = (plan.begins_ms % ROUND_MS, plan.length_ms);
                (begins_ms, length_ms, plan.one_way, plan.bot_seed, call.breaks_off_ms, call.set_format)
            };
            assert_eq!(same(later), same(earlier));
        }
        let names: std::collections::HashSet<_> =
            calls.iter().flat_map(|call| [&call.plan.sid, &call.plan.stream]).collect();
        assert_eq!(names.len(), 2 * calls.len());
    }
}
