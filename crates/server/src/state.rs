//! What every request shares.

use crate::auth::Auth;
use crate::config::Config;
use crate::connections::Connections;
use crate::counters::Counters;
use crate::live::LiveSockets;
use crate::socket::{BotConnector, Room};
use crate::stream_tokens::StreamTokens;
use callrec::Recorder;
use std::sync::Arc;

/// One value for all workers.
pub(crate) struct State {
    pub(crate) config: Config,
    pub(crate) auth: Auth,
    pub(crate) stream_tokens: StreamTokens,
    pub(crate) live: LiveSockets,
    pub(crate) connections: Arc<Connections>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) bot: Option<BotConnector>,
    pub(crate) room: Arc<Room>,
    pub(crate) recorder: Recorder,
}
