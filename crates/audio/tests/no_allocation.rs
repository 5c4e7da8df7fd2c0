//! Once its buffers have grown, nothing in this crate allocates.
#![allow(
    unsafe_code,
    reason = "an allocator that counts can only be written with it; it hands everything to the system's"
)]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use callrec_audio::{convert, g711::Law, mix, resample::Resampler};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    // A thread at its end has no counter any more, and nobody who would ask it.
    let _ = ALLOCATIONS.try_with(|n| n.set(n.get() + 1));
}

// SAFETY: every call goes to the system's allocator unchanged, so its promises are those of this one. Counting touches only
// a thread-local `Cell` that is constant-initialised and has no destructor: it neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promises for `layout` are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: `block` came from `System` with this layout, through one of the functions here.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: `block` came from `System` with this layout; the caller's promises for `size` are passed on.
        unsafe { System.realloc(block, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations_of(work: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations_of(|| drop(std::hint::black_box(vec![1_u8; 100]))), 1);
    let mut grown = Vec::with_capacity(1);
    assert_eq!(allocations_of(|| grown.resize(std::hint::black_box(1_000), 0_u8)), 1);
}

#[test]
fn frames_of_a_running_stream_allocate_nothing() {
    for (from_hz, to_hz) in
        [(8_000, 8_000), (8_000, 16_000), (8_000, 44_100), (24_000, 8_000), (8_000, 11_025)]
    {
        let mut resampler = Resampler::new(from_hz, to_hz).unwrap();
        let codes: [u8; 160] = std::array::from_fn(|n| (n * 37 % 251) as u8);
        let floats = [0.25_f32; 160];
        let (mut pcm, mut bot) = (Vec::new(), Vec::new());
        let (mut wide, mut stereo, mut mono, mut back) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut frame = || {
            for buffer in [&mut pcm, &mut bot, &mut wide, &mut stereo, &mut mono] {
                buffer.clear();
            }
            back.clear();
            Law::Mulaw.decode(&codes, &mut pcm);
            Law::Alaw.decode(&codes, &mut pcm);
            convert::from_f32(&floats, &mut bot);
            resampler.process(&pcm, &mut wide);
            mix::interleave(&pcm, &bot, &mut stereo);
            mix::sum(&pcm, &bot, &mut mono);
            Law::Alaw.encode(&mono, &mut back);
        };
        (0..50).for_each(|_| frame());
        assert_eq!(allocations_of(|| (0..500).for_each(|_| frame())), 0, "{from_hz} -> {to_hz}");
    }
}

#[test]
fn ending_a_stream_and_beginning_the_next_allocates_nothing() {
    let mut resampler = Resampler::new(8_000, 16_000).unwrap();
    let mut out = Vec::with_capacity(40_000);
    let work = || {
        for _ in 0..5 {
            resampler.process(&[500; 1_000], &mut out);
            resampler.finish(&mut out);
        }
    };
    assert_eq!(allocations_of(work), 0);
}
