//! callrec: server.
