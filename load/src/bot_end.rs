//! The bot's end of a call: what it sends when.

use callrec_protocol::twilio::outgoing;
use callrec_session::Track;
use callrec_simulator::{Bot, Luck, Speech};

use crate::CallPlan;

/// A bot that speaks as its call's plan has it, over the socket that the server opened to it. Sans-IO; times are
/// microseconds since the stream's start came.
#[derive(Debug)]
pub struct BotEnd {
    bot: Bot,
    plan: CallPlan,
    sent: u64,
}

impl BotEnd {
    /// The bot of a call.
    #[must_use]
    pub fn new(plan: &CallPlan) -> Self {
        let bot = Bot::new(plan.kind, plan.length_ms, &mut Luck::new(plan.seed));
        Self { bot, plan: plan.clone(), sent: 0 }
    }

    /// How many samples it has sent.
    #[must_use]
    pub const fn sent(&self) -> u64 {
        self.sent
    }

    /// When it speaks next.
    #[must_use]
    pub fn next_us(&self) -> Option<u64> {
        self.bot.next_us()
    }

    /// The next message that it is time for.
    pub fn speak(&mut self, now_us: u64) -> Option<String> {
        let stream = &self.plan.stream;
        Some(match self.bot.speak(now_us)? {
            Speech::Samples(samples) => {
                let codes = self.plan.sound.codes(Track::Assistant, self.plan.bot_seed, self.sent, samples);
                self.sent += samples;
                outgoing::media(stream, &codes)
            }
            Speech::Mark(_) => outgoing::mark(stream, "said"),
            Speech::Clear => outgoing::clear(stream),
        })
    }
}
