//! How often each limit of the server was met, by name.

use serde_json::{Map, Value};
use std::sync::atomic::{AtomicU64, Ordering};

/// A limit of the server. Those of the recorder are counted by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    /// A connection was answered 503 and closed: as many as MAX_CONNECTIONS were open.
    ConnectionsFull,
    /// A connection ended without a whole request.
    ConnectionsWithoutRequest,
    /// A request was not there as a whole, or not answered, in REQUEST_TIMEOUT_SECONDS.
    RequestsTooSlow,
    /// A body was too long.
    BodiesTooLong,
    /// The form of a webhook had too many fields.
    FormsRefused,
    /// A request had too many lines for a transcript, or one that was too long.
    LinesRefused,
    /// An answer was not taken as a whole: its client did not read it, or was gone.
    AnswersUnread,
    /// Not all calls could be listed.
    ListsCut,
    /// A connection was accepted while nearly as many files and sockets were open as the process may have.
    FilesNearlyAllOpen,
    /// A call was refused: as many as MAX_CALLS were live.
    CallsFull,
    /// A call without a bot was refused: the disk is nearly full.
    CallsDiskLow,
    /// A media socket did not send its start in START_TIMEOUT_SECONDS.
    SocketsWithoutStart,
    /// A media socket was silent for IDLE_TIMEOUT_SECONDS.
    SocketsIdle,
    /// A message of a provider or a bot was too long.
    MessagesTooLong,
    /// A bot did not accept its call in BOT_CONNECT_TIMEOUT_SECONDS.
    BotsTooSlow,
    /// A bot did not read.
    BotsDeaf,
    /// A provider did not read: its bot is not read until it has.
    ProvidersDeaf,
    /// The answer to a ping of a provider was not sent: the next ping's took its place.
    PingsUnanswered,
    /// A call that we answered was forgotten for want of room.
    TokensForgotten,
}

/// Every limit with its name.
const NAMES: [(Limit, &str); 19] = [
    (Limit::ConnectionsFull, "connections_full"),
    (Limit::ConnectionsWithoutRequest, "connections_without_request"),
    (Limit::RequestsTooSlow, "requests_too_slow"),
    (Limit::BodiesTooLong, "bodies_too_long"),
    (Limit::FormsRefused, "forms_refused"),
    (Limit::LinesRefused, "lines_refused"),
    (Limit::AnswersUnread, "answers_unread"),
    (Limit::ListsCut, "lists_cut"),
    (Limit::FilesNearlyAllOpen, "files_nearly_all_open"),
    (Limit::CallsFull, "calls_full"),
    (Limit::CallsDiskLow, "calls_disk_low"),
    (Limit::SocketsWithoutStart, "sockets_without_start"),
    (Limit::SocketsIdle, "sockets_idle"),
    (Limit::MessagesTooLong, "messages_too_long"),
    (Limit::BotsTooSlow, "bots_too_slow"),
    (Limit::BotsDeaf, "bots_deaf"),
    (Limit::ProvidersDeaf, "providers_deaf"),
    (Limit::PingsUnanswered, "pings_unanswered"),
    (Limit::TokensForgotten, "tokens_forgotten"),
];

/// The counts since the server was started.
#[derive(Debug, Default)]
pub(crate) struct Counters([AtomicU64; NAMES.len()]);

impl Counters {
    pub(crate) fn count(&self, limit: Limit) {
        if let Some(counter) = self.0.get(limit as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How often it was met.
    #[cfg(test)]
    pub(crate) fn of(&self, limit: Limit) -> u64 {
        self.0[limit as usize].load(Ordering::Relaxed)
    }

    /// All of them, by name.
    pub(crate) fn to_json(&self) -> Value {
        let named = NAMES.iter().zip(&self.0);
        let named =
            named.map(|((_, name), count)| ((*name).to_owned(), count.load(Ordering::Relaxed).into()));
        Value::Object(named.collect::<Map<_, _>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_is_counted_under_its_own_name() {
        let counters = Counters::default();
        for (times, (limit, _)) in NAMES.iter().enumerate() {
            (0..times).for_each(|_| counters.count(*limit));
        }
        let json = counters.to_json();
        for (times, (_, name)) in NAMES.iter().enumerate() {
            assert_eq!(json[name], times, "{name}");
        }
    }
}
