//! See `callrec_fuzz::settings`.
#![no_main]
#![allow(
    unsafe_code,
    clippy::disallowed_methods,
    reason = "libFuzzer calls a C function by its name, and wants a file"
)]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| callrec_fuzz::settings::read(bytes));
