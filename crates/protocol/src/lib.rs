//! Media-stream protocols of telephony providers as session events, and their request signatures.
pub mod signature;
pub mod twiml;
