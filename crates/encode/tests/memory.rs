//! Memory of an encoder and of a reader that follows it does not grow with the length of the recording.
//!
//! Rust's allocations are counted; those of the C codecs show in the size of the process, where the system tells it.
//! One test alone in its process, so that nothing else is counted.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests; reads the size of its own process"
)]
#![allow(unsafe_code, reason = "a counting allocator cannot be written without it")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use callrec_encode::readback::ReadBack;
use callrec_encode::{Format, Settings};

struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The process's resident memory in KiB; 0 where `/proc` is not.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

#[test]
fn memory_does_not_grow_with_the_length() {
    for format in Format::compiled() {
        let spec = Settings::default().with_format(format).resolve(8_000).unwrap();
        let mut encoder = spec.encoder().unwrap();
        let mut readback = ReadBack::new(&spec);
        let mut seed = 1_u32;
        let second: Vec<i16> = (0..spec.rate as usize * 2)
            .map(|_| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (seed >> 19) as i16
            })
            .collect();
        let mut written = Vec::new();
        let mut most = [0, 0];
        let mut sizes = [0, 0];
        for passed in 0..400 {
            written.clear();
            readback.encoded(&second);
            encoder.encode(&second, &mut written).unwrap();
            encoder.checkpoint(&mut written).unwrap();
            readback.written(&written).unwrap();
            if passed >= 60 {
                let half = usize::from(passed >= 230);
                most[half] = most[half].max(LIVE.load(Ordering::Relaxed));
                sizes[half] = resident();
            }
        }
        // Buffers may still find their final size; a second of sound is 32,000 bytes and 170 s lie between.
        assert!(most[1] <= most[0] + 65_536, "{format}: {most:?} bytes");
        assert!(sizes[1] <= sizes[0] + 1_024, "{format}: {sizes:?} KiB");
        encoder.finish(&mut written).unwrap();
    }
}
