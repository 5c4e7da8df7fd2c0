//! callrec against other people's tools: `cargo test -p callrec-interop --features external-tools`.
//!
//! The tests are an addition to those of the crates, which need nothing but a Rust toolchain and a C compiler. They need
//! ffmpeg, ffprobe, sox with MP3 (Debian: libsox-fmt-mp3), flac and espeak-ng; one that is missing fails the test that
//! needs it. Signatures are held against the provider's own Python package: `requirements.txt` names it, and
//! `INTEROP_PYTHON` a Python that has it, or else it is looked for in `target/interop-python`.
