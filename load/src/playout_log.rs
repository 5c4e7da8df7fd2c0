//! The truth about a call, to be read by those who judge its recording.

use callrec_simulator::{BotKind, Cut, Run, Truth};
use serde::{Deserialize, Serialize};

use crate::CallPlan;

/// What the caller of one call heard: a line of JSON.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PlayoutLog {
    /// The call's SID.
    pub call: String,
    /// Which of the calls it was, from 0.
    pub index: u64,
    /// `bursting`, `pacing`, `stalling` or `at_once`.
    pub bot: String,
    /// What the bot spoke with.
    pub bot_seed: u64,
    /// What the caller spoke with.
    pub caller_seed: u64,
    /// The delay from server to provider, in milliseconds.
    pub delay_up_ms: u64,
    /// The delay from provider to server.
    pub delay_down_ms: u64,
    /// The most that was added to either.
    pub jitter_ms: u64,
    /// The time of the caller's first frame, in milliseconds.
    pub first_frame_ms: u64,
    /// How many frames of the caller were sent.
    pub frames: u64,
    /// What was heard of the bot, in order: number of the first sample, place in samples since the stream began, samples.
    pub heard: Vec<(u64, u64, u64)>,
    /// Each clear that cut something: place, samples cut, and how many samples had been sent before it.
    pub cuts: Vec<(u64, u64, u64)>,
    /// How many samples of the bot came to the provider.
    pub sent: u64,
    /// How many of them were not what the bot sent.
    pub wrong: u64,
    /// How many marks came to the provider.
    pub marks: u64,
    /// By how many milliseconds this machine was late at most: what it adds to delays and jitter.
    pub late_ms: u64,
    /// Where that was half a tick or more: second of the stream, and milliseconds at most.
    pub late: Vec<(u64, u64)>,
    /// Why the call failed, if it did.
    pub failed: Option<String>,
}

impl PlayoutLog {
    /// The log of a call of which nothing is known yet.
    #[must_use]
    pub fn of(plan: &CallPlan) -> Self {
        Self {
            call: plan.sid.clone(),
            index: plan.index,
            bot: kind_name(plan.kind).to_owned(),
            bot_seed: plan.bot_seed,
            caller_seed: plan.caller_seed,
            delay_up_ms: plan.conditions.delay_up_ms,
            delay_down_ms: plan.conditions.delay_down_ms,
            jitter_ms: plan.conditions.jitter_ms,
            first_frame_ms: plan.conditions.first_frame_ms,
            ..Self::default()
        }
    }

    /// The kind of the bot.
    #[must_use]
    pub fn kind(&self) -> BotKind {
        match self.bot.as_str() {
            "pacing" => BotKind::Pacing,
            "stalling" => BotKind::Stalling,
            "at_once" => BotKind::AtOnce,
            _ => BotKind::Bursting,
        }
    }

    /// The same in the simulator's words.
    #[must_use]
    pub fn truth(&self) -> Truth {
        let heard = self.heard.iter().map(|&(first, at, samples)| Run { first, at, samples });
        let cuts = self.cuts.iter().map(|&(at, samples, sent)| Cut { at, samples, sent });
        Truth {
            heard: heard.collect(),
            cuts: cuts.collect(),
            sent: self.sent,
            marks: self.marks,
            ..Truth::default()
        }
    }
}

fn kind_name(kind: BotKind) -> &'static str {
    match kind {
        BotKind::Bursting => "bursting",
        BotKind::Pacing => "pacing",
        BotKind::Stalling => "stalling",
        BotKind::AtOnce => "at_once",
    }
}
