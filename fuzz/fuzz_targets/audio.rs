//! See `callrec_fuzz::audio`.
#![no_main]
#![allow(
    unsafe_code,
    clippy::disallowed_methods,
    reason = "libFuzzer calls a C function by its name, and wants a file"
)]

libfuzzer_sys::fuzz_target!(
    // A panic inside a decoder is caught where callrec calls it. Any other ends the process all the same, a little later.
    init: callrec_fuzz::audio::tell_panics_once(),
    |bytes: &[u8]| callrec_fuzz::audio::read(bytes)
);
