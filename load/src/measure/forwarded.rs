//! Whether what the two of a call sent came to the other.

use std::time::Duration;
use tokio::time::Instant;

use crate::PlayoutLog;
use crate::bot_log::BotLog;

/// What the bot sent so long before the call was over must have come; and before that by as much as the calling machine was late. It is
/// long, for what is late is told by delays: here it is about what never comes.
const UNDER_WAY: Duration = Duration::from_secs(3);

/// What is wrong with a call that hung up then. Its frames came to the bot in the order in which they were sent, and the stop behind
/// them; that samples came to the provider as the bot sent them, and in order, it has noted itself.
pub(crate) fn faults(log: &PlayoutLog, hung_up: Option<Instant>, bot: Option<&BotLog>) -> Vec<String> {
    let mut faults = Vec::new();
    let Some(bot) = bot else { return vec!["the bot was not called".to_owned()] };
    if !bot.stopped {
        faults.push("the bot was not told that it is over".to_owned());
    }
    if bot.frames != log.frames {
        faults.push(format!("{} frames came to the bot, of {} that were sent", bot.frames, log.frames));
    }
    let late = UNDER_WAY + Duration::from_millis(log.late_ms);
    let sent = hung_up.and_then(|hung_up| hung_up.checked_sub(late)).map_or(0, |then| bot.sent_by(then));
    if log.sent < sent || log.sent > bot.sent {
        faults.push(format!(
            "{} samples came to the provider, of {} that the bot sent, {sent} of them more than {:.1} s before the end",
            log.sent,
            bot.sent,
            late.as_secs_f64()
        ));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A call of ten seconds in which the bot sent all the time.
    fn call(late_ms: u64) -> (PlayoutLog, Instant, BotLog) {
        let begins = Instant::now();
        let mut bot = BotLog::of("CA1");
        (bot.frames, bot.stopped) = (500, true);
        for ms in (100..=10_000).step_by(100) {
            bot.has_sent(ms * 8, begins + Duration::from_millis(ms));
        }
        let log = PlayoutLog { frames: 500, sent: 80_000, late_ms, ..PlayoutLog::default() };
        (log, begins + Duration::from_secs(10), bot)
    }

    fn told(log: &PlayoutLog, hung_up: Instant, bot: &BotLog) -> String {
        faults(log, Some(hung_up), Some(bot)).join("; ")
    }

    #[tokio::test]
    async fn all_has_come_but_for_what_the_bot_said_in_the_last_seconds() {
        let (mut log, hung_up, bot) = call(0);
        assert_eq!(told(&log, hung_up, &bot), "");
        log.sent = 56_000;
        assert_eq!(told(&log, hung_up, &bot), "");
        log.sent -= 1;
        assert!(told(&log, hung_up, &bot).contains("55999 samples came to the provider, of 80000"));
        // This machine may have read nothing for as long.
        log.late_ms = 100;
        assert_eq!(told(&log, hung_up, &bot), "");
    }

    #[tokio::test]
    async fn a_frame_that_did_not_come_to_the_bot_or_came_twice_is_told() {
        let (mut log, hung_up, bot) = call(0);
        for frames in [499, 501] {
            log.frames = frames;
            let told = told(&log, hung_up, &bot);
            assert_eq!(told, format!("500 frames came to the bot, of {frames} that were sent"));
        }
    }

    #[tokio::test]
    async fn a_bot_that_was_not_called_or_is_never_told_of_the_end_is_a_fault() {
        let (mut log, hung_up, mut bot) = call(0);
        assert_eq!(faults(&log, Some(hung_up), None), ["the bot was not called"]);
        bot.stopped = false;
        assert_eq!(told(&log, hung_up, &bot), "the bot was not told that it is over");
        bot.stopped = true;
        log.sent = 80_001;
        assert!(told(&log, hung_up, &bot).contains("80001 samples came"));
    }
}
