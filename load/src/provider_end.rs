//! The provider's end of a call: messages in and out, late as the call's network has it, and the truth.

use anyhow::{Context as _, bail};
use base64_simd::STANDARD;
use callrec_protocol::twilio::outgoing;
use callrec_session::Track;
use callrec_simulator::{
    Bot, FromProvider, Link, Luck, Network, Provider, Speech, TICK_SAMPLES, TICK_US, ToProvider,
};
use serde_json::Value;
use std::collections::VecDeque;

use crate::{CallPlan, PlayoutLog};

/// Something on its way to the server.
#[derive(Debug)]
enum Down {
    Connected,
    Start,
    Provider(FromProvider),
    /// What the assistant said in a tick, if the provider sends both sides.
    Assistant(u64, Vec<u8>),
    Stop,
}

/// A provider and the network around it. Sans-IO; times are microseconds since the stream began.
#[derive(Debug)]
pub struct ProviderEnd {
    plan: CallPlan,
    wire: outgoing::Provider,
    provider: Provider,
    up: Link<ToProvider>,
    down: Link<Down>,
    /// Of a one-way stream: it speaks beside the provider.
    bot: Option<Bot>,
    /// The names of the marks, by number.
    marks: Vec<String>,
    first_tick_us: u64,
    ticks: u64,
    over: bool,
    transmit: VecDeque<String>,
    /// Samples of the bot that came.
    sent: u64,
    wrong: u64,
    /// What had come before each clear.
    clears: Vec<u64>,
}

impl ProviderEnd {
    /// A stream that begins now.
    #[must_use]
    pub fn new(plan: &CallPlan) -> Self {
        let conditions = &plan.conditions;
        let mut luck = Luck::new(plan.seed ^ 1);
        let up = Link::new(Network::of(conditions, conditions.delay_up_ms), Luck::new(luck.any()));
        let mut down = Link::new(Network::of(conditions, conditions.delay_down_ms), Luck::new(luck.any()));
        down.send(0, [Down::Connected, Down::Start]);
        Self {
            wire: outgoing::Provider::new(&plan.sid, &plan.stream),
            provider: Provider::new(conditions.echoes).dating_from(conditions.first_frame_ms),
            up,
            down,
            bot: plan.one_way.then(|| Bot::new(plan.kind, plan.length_ms, &mut Luck::new(plan.seed))),
            marks: Vec::new(),
            first_tick_us: luck.between(1, TICK_US),
            ticks: 0,
            over: false,
            transmit: VecDeque::new(),
            sent: 0,
            wrong: 0,
            clears: Vec::new(),
            plan: plan.clone(),
        }
    }

    /// Messages of the server, read at once.
    ///
    /// # Errors
    /// A provider would not understand one.
    pub fn receive(&mut self, now_us: u64, texts: &[impl AsRef<str>]) -> anyhow::Result<()> {
        let messages: Result<Vec<_>, _> = texts.iter().map(|text| self.read(text.as_ref())).collect();
        self.up.send(now_us, messages?);
        Ok(())
    }

    fn read(&mut self, text: &str) -> anyhow::Result<ToProvider> {
        let message: Value = serde_json::from_str(text).context("a message that is no JSON")?;
        match message["event"].as_str() {
            Some("media") => {
                let codes = STANDARD
                    .decode_to_vec(message["media"]["payload"].as_str().unwrap_or_default())
                    .context("a payload that is no base64")?;
                let (first, samples) = (self.sent, codes.len() as u64);
                let said = (first..)
                    .map(|number| self.plan.sound.code(Track::Assistant, self.plan.bot_seed, number));
                self.wrong += codes.iter().zip(said).filter(|(code, said)| *code != said).count() as u64;
                self.sent += samples;
                Ok(ToProvider::Media { first, samples })
            }
            Some("mark") => {
                self.marks.push(message["mark"]["name"].as_str().unwrap_or_default().to_owned());
                Ok(ToProvider::Mark(self.marks.len() as u64 - 1))
            }
            Some("clear") => {
                self.clears.push(self.sent);
                Ok(ToProvider::Clear)
            }
            event => bail!("a message that no provider knows: {event:?}"),
        }
    }

    /// When [`advance`](Self::advance) is due; never again once the stream has stopped.
    #[must_use]
    pub fn next_us(&self) -> Option<u64> {
        if self.over {
            return None;
        }
        let bot = self.bot.as_ref().and_then(Bot::next_us);
        [self.up.next_us(), self.down.next_us(), self.next_tick_us(), bot].into_iter().flatten().min()
    }

    /// Lets happen what is due, in order.
    pub fn advance(&mut self, now_us: u64) {
        while let Some(at_us) = self.next_us().filter(|at_us| *at_us <= now_us) {
            self.step(at_us);
        }
    }

    /// The next message for the server.
    pub fn poll_transmit(&mut self) -> Option<String> {
        self.transmit.pop_front()
    }

    /// Whether the end of the stream was said.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.over
    }

    /// What was heard.
    #[must_use]
    pub fn log(&self) -> PlayoutLog {
        let (heard, cuts) = (self.provider.heard().iter(), self.provider.cuts().iter());
        PlayoutLog {
            frames: self.ticks,
            heard: heard.map(|run| (run.first, run.at, run.samples)).collect(),
            cuts: cuts.map(|cut| (cut.at, cut.samples, self.clears[cut.clear])).collect(),
            sent: self.sent,
            wrong: self.wrong,
            marks: self.marks.len() as u64,
            ..PlayoutLog::of(&self.plan)
        }
    }

    fn next_tick_us(&self) -> Option<u64> {
        let at_us = self.first_tick_us + self.ticks * TICK_US;
        (at_us <= self.plan.length_ms * 1_000).then_some(at_us)
    }

    fn step(&mut self, now_us: u64) {
        self.speak(now_us);
        while let Some(message) = self.up.receive(now_us) {
            // Behind the last tick nobody is on the phone any more.
            if self.next_tick_us().is_none() {
                continue;
            }
            let answers = self.provider.take(&message);
            self.down.send(now_us, answers.into_iter().map(Down::Provider));
        }
        if self.next_tick_us().is_some_and(|at_us| at_us <= now_us) {
            self.tick(now_us);
        }
        while let Some(message) = self.down.receive(now_us) {
            let text = self.write(message);
            self.transmit.push_back(text);
        }
    }

    /// Lets the bot of a one-way stream speak.
    fn speak(&mut self, now_us: u64) {
        while let Some(speech) = self.bot.as_mut().and_then(|bot| bot.speak(now_us)) {
            let message = match speech {
                Speech::Samples(samples) => {
                    self.sent += samples;
                    ToProvider::Media { first: self.sent - samples, samples }
                }
                Speech::Clear => {
                    self.clears.push(self.sent);
                    ToProvider::Clear
                }
                Speech::Mark(_) => continue,
            };
            self.provider.take(&message);
        }
    }

    fn tick(&mut self, now_us: u64) {
        let at_ms = self.plan.conditions.first_frame_ms + self.ticks * 20;
        let mut messages: Vec<_> = self.provider.tick().into_iter().map(Down::Provider).collect();
        self.ticks += 1;
        if self.plan.one_way {
            messages.push(Down::Assistant(at_ms, self.played_from(at_ms * 8)));
        }
        self.down.send(now_us, messages);
        if self.next_tick_us().is_none() {
            self.down.send(now_us, [Down::Stop]);
        }
    }

    /// The codes of the tick that was played last.
    fn played_from(&self, begins: u64) -> Vec<u8> {
        let mut codes = vec![0xff; TICK_SAMPLES as usize];
        for run in self.provider.heard().iter().rev().take_while(|run| run.at + run.samples > begins) {
            for at in run.at.max(begins)..run.at + run.samples {
                let number = run.first + at - run.at;
                codes[(at - begins) as usize] =
                    self.plan.sound.code(Track::Assistant, self.plan.bot_seed, number);
            }
        }
        codes
    }

    fn write(&mut self, message: Down) -> String {
        match message {
            Down::Connected => self.wire.connected(),
            Down::Start => {
                let tracks: &[Track] =
                    if self.plan.one_way { &[Track::Caller, Track::Assistant] } else { &[Track::Caller] };
                let format = self.plan.format.as_deref().map(|format| ("audio_format", format));
                let token = self.plan.token.as_deref().map(|token| ("callrec_token", token));
                let parameters: Vec<_> = format.into_iter().chain(token).collect();
                self.wire.start(tracks, &parameters)
            }
            Down::Provider(FromProvider::Caller { timestamp_ms }) => {
                let (seed, first) = (self.plan.caller_seed, timestamp_ms * 8);
                let codes = self.plan.sound.codes(Track::Caller, seed, first, TICK_SAMPLES);
                self.wire.media(Track::Caller, timestamp_ms, &codes)
            }
            Down::Provider(FromProvider::Mark(number)) => self.wire.mark(&self.marks[number as usize]),
            Down::Assistant(at_ms, codes) => self.wire.media(Track::Assistant, at_ms, &codes),
            Down::Stop => {
                self.over = true;
                self.wire.stop()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Plan, Span, Voice};
    use callrec_simulator::{BotKind, Echoes};

    fn provider() -> ProviderEnd {
        let none = Span { low: 0, high: 0 };
        let plan = Plan {
            calls: 1,
            length_ms: 200,
            ramp_ms: 0,
            kinds: vec![BotKind::Bursting],
            formats: vec!["flac".to_owned()],
            sound: Voice::Noise.into(),
            delay_up: Span { low: 30, high: 30 },
            delay_down: none,
            jitter: none,
            stalls_percent: 0,
            stall_ms: 0,
            echoes: Echoes::BehindFrame,
            one_way: false,
            seed: 1,
        };
        ProviderEnd::new(&plan.all()[0])
    }

    fn said(provider: &mut ProviderEnd, until_us: u64) -> Vec<String> {
        provider.advance(until_us);
        std::iter::from_fn(|| provider.poll_transmit()).collect()
    }

    #[test]
    fn a_call_begins_with_its_start_has_a_frame_every_tick_and_ends_with_its_stop() {
        let mut provider = provider();
        let said = said(&mut provider, 1_000_000);
        assert!(said[0].contains("\"connected\"") && said[1].contains("\"audio_format\":\"flac\""));
        assert!(said[2..12].iter().all(|message| message.contains("\"media\"")));
        assert!(said[12].contains("\"stop\"") && said.len() == 13 && provider.is_over());
        assert_eq!((provider.log().frames, provider.next_us()), (10, None));
    }

    #[test]
    fn speech_is_heard_after_its_way_and_a_mark_comes_back_by_its_name_behind_it() {
        let mut provider = provider();
        let codes = provider.plan.sound.codes(Track::Assistant, provider.plan.bot_seed, 0, 320);
        let messages = [outgoing::media("MZ1", &codes), outgoing::mark("MZ1", "said")];
        provider.receive(25_000, &messages).unwrap();
        // It arrives after 55 ms, and is played in the two ticks from then on.
        let tick = (55_000 - provider.first_tick_us).div_ceil(TICK_US);
        let last_us = provider.first_tick_us + (tick + 1) * TICK_US;
        assert!(!said(&mut provider, last_us - 1).concat().contains("\"mark\""));
        assert!(said(&mut provider, last_us).concat().contains("\"name\":\"said\""));
        let log = provider.log();
        assert_eq!(log.heard, [(0, log.first_frame_ms * 8 + tick * 160, 320)]);
        assert_eq!((log.sent, log.wrong, log.marks), (320, 0, 1));
    }

    #[test]
    fn what_no_provider_knows_and_what_the_bot_did_not_say_is_noticed() {
        let mut provider = provider();
        assert!(provider.receive(0, &["{}"]).is_err());
        assert!(provider.receive(0, &["not json"]).is_err());
        provider.receive(0, &[outgoing::media("MZ1", &[0xff; 160])]).unwrap();
        assert_eq!(provider.log().wrong, 160);
    }
}
