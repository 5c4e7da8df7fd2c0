//! One media socket from its first message to its last: what comes from one side goes to the other, and a copy of
//! it to the recording.
//!
//! **Forwarding comes first.** A message is handed to the other side's socket before the recording sees it, sending
//! never waits, and the recording can neither block nor break this loop. Only what comes before a stream has begun is read
//! first, which waits for nothing either: the start of a stream that may not begin goes nowhere.

mod bot_end;
mod farewell;

use crate::counters::Limit;
use crate::live::Place;
use crate::marks::{Mark, Marks};
use crate::recording::{Heard, Recording};
use crate::socket::{BotConnector, BotSocket, FromBot, FromProvider, ProviderSocket, is_too_long};
use actix_ws::CloseCode;
use bot_end::BotEnd;
use callrec::EndReason;
use callrec_protocol::Message;
use callrec_protocol::twilio::Verdict;
use farewell::{BOT_FAREWELL, flushed, send_away, silence};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::task::unconstrained;
use tokio::time::{Instant, Sleep};

/// How long the provider may take to close its socket after `stop`; behind some tunnels it never does.
const PROVIDER_FAREWELL: Duration = Duration::from_secs(2);
/// How long the provider is listened to before a Close of ours. What it has sent by then belongs to the call, and behind
/// our Close the connection is not read any more.
const IN_FLIGHT: Duration = Duration::from_millis(200);
/// How long our Close may take to leave.
const CLOSE_PATIENCE: Duration = Duration::from_secs(5);

/// How long a socket may keep us waiting.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// For the `start` message.
    pub(crate) start: Duration,
    /// For the next message.
    pub(crate) idle: Duration,
}

/// A media socket, with a bot behind it or not.
pub(crate) struct Relay {
    provider: ProviderSocket,
    bot: Option<BotSocket>,
    recording: Recording,
    place: Place,
    patience: Patience,
}

/// Why the two sides stopped talking.
enum Parting {
    /// The provider's side ended: nothing more comes from it, except perhaps its Close.
    Provider(EndReason),
    /// The bot's side ended.
    Bot(BotEnd),
    /// We end it.
    Ours(EndReason, CloseCode),
}

enum Step {
    FromProvider(FromProvider),
    FromBot(FromBot),
    MarkDue,
    Late,
    Closing,
}

impl Relay {
    pub(crate) fn new(
        provider: ProviderSocket,
        bot: Option<&BotConnector>,
        recording: Recording,
        place: Place,
        patience: Patience,
    ) -> Self {
        Self { provider, bot: bot.map(BotSocket::connect), recording, place, patience }
    }

    /// Runs the socket until both sides are closed and the recording is on its way to be finished.
    pub(crate) async fn run(mut self) {
        match self.converse().await {
            Parting::Provider(ending) => self.part_from_bot(ending).await,
            Parting::Bot(end) => self.part_from_provider(&end).await,
            Parting::Ours(ending, code) => {
                self.hear_what_is_in_flight().await;
                self.provider.close(code);
                self.part_from_bot(ending).await;
            }
        }
    }

    async fn converse(&mut self) -> Parting {
        let Self { provider, bot, recording, place, patience } = self;
        let mut closing = pin!(place.closing());
        let mut timer = pin!(tokio::time::sleep(patience.start));
        let mut last_message = Instant::now();
        // A call whose bot is gone before it began leaves its trace all the same: its start is waited for.
        let mut gone = None;
        let mut marks: Option<Marks> = None;
        let mut mark_timer = pin!(tokio::time::sleep(Duration::MAX));
        loop {
            if let Some(marks) = &marks
                && marks.next() < mark_timer.deadline()
            {
                mark_timer.as_mut().reset(marks.next());
            }
            // A bot that always has something to say leaves nothing of what the runtime lets a task do in one turn: what is
            // none of the sockets is asked beyond that, or it would never be heard.
            let mut beside = unconstrained(poll_fn(|cx| {
                if marks.is_some() && mark_timer.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Step::MarkDue);
                }
                if closing.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Step::Closing);
                }
                timer.as_mut().poll(cx).map(|()| Step::Late)
            }));
            let step = poll_fn(|cx| match poll_step(provider, bot.as_mut(), cx) {
                Poll::Pending => Pin::new(&mut beside).poll(cx),
                step => step,
            })
            .await;
            let heard = match step {
                Step::FromProvider(FromProvider::Text(text)) => {
                    last_message = Instant::now();
                    // Until it is known whose stream this is: a stream that is refused never reaches the bot.
                    let early =
                        (!recording.has_started()).then(|| recording.hear_provider(Message::Text(&text)));
                    if early == Some(Heard::Refused) {
                        return Parting::Ours(EndReason::Aborted, CloseCode::Policy);
                    }
                    // Nor does a start that follows another: it could name any call.
                    let mut kept = || {
                        let withheld = early.as_ref().map(|early| *early == Heard::Withheld);
                        withheld.unwrap_or_else(|| recording.may_be_a_start(&text))
                    };
                    let ours = || marks.as_ref().is_some_and(|marks| marks.is_echo(&text));
                    if let Some(bot) = bot.as_mut().filter(|_| !ours() && !kept()) {
                        if let Err(error) = bot.send_text(text.clone()) {
                            return Parting::Bot(BotEnd::Deaf(error));
                        }
                        flush(bot).await;
                    }
                    early.unwrap_or_else(|| recording.hear_provider(Message::Text(&text)))
                }
                Step::FromProvider(FromProvider::Binary(bytes)) => {
                    last_message = Instant::now();
                    // The provider speaks in text alone; what a bot would make of this nobody has looked at.
                    recording.hear_provider(Message::Binary(&bytes))
                }
                Step::FromProvider(FromProvider::Closed) => return Parting::Provider(EndReason::Closed),
                Step::FromProvider(FromProvider::Vanished) => return Parting::Provider(EndReason::Aborted),
                Step::FromProvider(FromProvider::Broken(error)) => {
                    tracing::warn!(%error, "the provider's socket broke");
                    if is_too_long(&error) {
                        recording.count(Limit::MessagesTooLong);
                    }
                    return Parting::Provider(EndReason::Aborted);
                }
                Step::MarkDue => {
                    if let Some(marks) = &mut marks {
                        send_mark(marks.wake(), provider, recording);
                        mark_timer.as_mut().reset(marks.next());
                    }
                    continue;
                }
                Step::FromBot(news) => match relay_from_bot(news, provider, recording, marks.as_mut()) {
                    Some(end) if recording.has_started() => return Parting::Bot(end),
                    Some(end) => {
                        tracing::info!(
                            "the bot is gone before the call began; waiting to learn which call it is"
                        );
                        *bot = None;
                        gone = Some(end);
                        continue;
                    }
                    None => continue,
                },
                Step::Late => match late(recording, patience, last_message, timer.as_mut()) {
                    Some(parting) => return gone.map_or(parting, Parting::Bot),
                    None => continue,
                },
                Step::Closing => return Parting::Ours(EndReason::Shutdown, CloseCode::Away),
            };
            match heard {
                Heard::Nothing | Heard::Refused | Heard::Withheld => {}
                Heard::TwoWay => {
                    provider.read_at_once();
                    if bot.is_some() && recording.may_mark() {
                        marks = Marks::new(recording.stream());
                    }
                }
                Heard::Stopped => return Parting::Provider(EndReason::Stopped),
                // The provider sends both sides and listens to nobody: a bot has nothing to do here.
                Heard::OneWay => {
                    provider.read_several_at_once();
                    gone = None;
                    if let Some(bot) = bot.take() {
                        tracing::info!(
                            call = recording.call(),
                            "a one-way stream is recorded, not relayed to the bot"
                        );
                        actix_web::rt::spawn(send_away(bot));
                    }
                }
            }
            if recording.has_started()
                && let Some(end) = gone.take()
            {
                return Parting::Bot(end);
            }
        }
    }

    async fn hear_what_is_in_flight(&mut self) {
        let Self { provider, recording, .. } = self;
        provider.read_at_once();
        let in_flight = silence(provider, |message| {
            recording.hear_provider(message);
        });
        let _ = tokio::time::timeout(IN_FLIGHT, in_flight).await;
    }

    /// The call is over for the provider. The bot is told, and may send its last transcript lines.
    async fn part_from_bot(mut self, ending: EndReason) {
        self.recording.over();
        if let Some(mut bot) = self.bot.take() {
            bot.close();
            let provider = &mut self.provider;
            let recording = &mut self.recording;
            let farewell = async {
                while !bot.is_gone() {
                    let news = poll_fn(|cx| {
                        provider.poll_send(cx);
                        bot.poll_receive(cx)
                    });
                    if let FromBot::Text(text) = news.await {
                        recording.hear_bot(Message::Text(&text));
                    }
                }
            };
            let _ = tokio::time::timeout(BOT_FAREWELL, farewell).await;
        }
        let Self { mut provider, recording, .. } = self;
        recording.finish(ending);
        // A provider that said `stop` closes its socket; if it does not, we do.
        let _ = tokio::time::timeout(PROVIDER_FAREWELL, silence(&mut provider, |_| {})).await;
        provider.close(CloseCode::Normal);
        let _ = tokio::time::timeout(PROVIDER_FAREWELL, flushed(&mut provider)).await;
    }

    /// The bot is gone. The provider's socket is closed, so that the call's TwiML goes on.
    async fn part_from_provider(mut self, end: &BotEnd) {
        self.bot = None;
        end.log(self.recording.call());
        if let Some(limit) = end.limit() {
            self.recording.count(limit);
        }
        self.hear_what_is_in_flight().await;
        self.provider.close(end.code());
        let Self { mut provider, mut recording, .. } = self;
        recording.over();
        recording.finish(end.reason());
        let _ = tokio::time::timeout(CLOSE_PATIENCE, silence(&mut provider, |_| {})).await;
    }
}

/// What happened first. The provider goes first, so that a flood from the bot cannot delay the caller.
fn poll_step(provider: &mut ProviderSocket, bot: Option<&mut BotSocket>, cx: &mut Context<'_>) -> Poll<Step> {
    provider.poll_send(cx);
    if let Poll::Ready(news) = provider.poll_receive(cx) {
        return Poll::Ready(Step::FromProvider(news));
    }
    match bot {
        // A bot that sends faster than the provider reads waits, as it would without us.
        Some(bot) if provider.is_behind() => {
            bot.poll_flush(cx);
            Poll::Pending
        }
        Some(bot) => bot.poll_receive(cx).map(Step::FromBot),
        None => Poll::Pending,
    }
}

/// Forwards a message of the bot and gives the recording its copy; at the bot's end tells which it was.
fn relay_from_bot(
    news: FromBot,
    provider: &mut ProviderSocket,
    recording: &mut Recording,
    mut marks: Option<&mut Marks>,
) -> Option<BotEnd> {
    match news {
        FromBot::Text(text) => {
            // A provider that does not read gets no marks on top.
            marks = marks.filter(|_| !provider.is_behind());
            send_mark(marks.as_mut().and_then(|marks| marks.before(&text)), provider, recording);
            // Only a message with this word in quotes can be for us alone. Base64 has no quotes, so audio is never held up.
            let may_be_ours = text.contains("\"transcript\"");
            if !may_be_ours {
                forward(provider.send_text(text.clone()));
            }
            let told = recording.hear_bot(Message::Text(&text));
            if may_be_ours && told.verdict == Verdict::Forward {
                forward(provider.send_text(text));
            }
            send_mark(marks.and_then(|marks| marks.after(&told)), provider, recording);
            None
        }
        FromBot::Binary(bytes) => {
            forward(provider.send_binary(bytes.clone()));
            recording.hear_bot(Message::Binary(&bytes));
            None
        }
        FromBot::Closed { well: true } => Some(BotEnd::Closed),
        FromBot::Closed { well: false } => Some(BotEnd::Failed),
        FromBot::Gone(error) => Some(BotEnd::Gone(error)),
    }
}

/// Sends a mark of ours, if the provider reads what it is sent.
fn send_mark(mark: Option<Mark<'_>>, provider: &mut ProviderSocket, recording: &mut Recording) {
    if let Some(mark) = mark
        && !provider.is_behind()
        && provider.send_text(mark.message).is_ok()
    {
        recording.mark_sent(mark.name);
    }
}

fn forward(sent: Result<(), impl std::fmt::Display>) {
    // Cannot happen while the bot is not read when the provider is behind.
    if let Err(error) = sent {
        tracing::error!(%error, "a message of the bot was not forwarded");
    }
}

/// The timer ran out: either it is only to be set anew, or the socket has been silent for too long.
fn late(
    recording: &Recording,
    patience: &Patience,
    last_message: Instant,
    timer: Pin<&mut Sleep>,
) -> Option<Parting> {
    if !recording.has_started() {
        tracing::info!("a media socket was closed: it sent no start message");
        recording.count(Limit::SocketsWithoutStart);
        return Some(Parting::Ours(EndReason::Idle, CloseCode::Policy));
    }
    let deadline = last_message + patience.idle;
    if Instant::now() < deadline {
        timer.reset(deadline);
        return None;
    }
    tracing::warn!(call = recording.call(), "the media socket went silent; its recording is finished");
    recording.count(Limit::SocketsIdle);
    Some(Parting::Ours(EndReason::Idle, CloseCode::Normal))
}

/// Tries to send once, without waiting.
async fn flush(bot: &mut BotSocket) {
    poll_fn(|cx| {
        bot.poll_flush(cx);
        Poll::Ready(())
    })
    .await;
}
