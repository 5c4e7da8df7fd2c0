//! The claim that a Vorbis encoder may move between threads, and why it holds.

use std::io::Write;

use vorbis_rs::{VorbisEncoder, VorbisEncoderBuilder, VorbisError};

/// A Vorbis encoder that may be moved to another thread. It is not [`Sync`]: one thread at a time.
pub(super) struct SendEncoder<W: Write>(VorbisEncoder<W>);

// SAFETY: `VorbisEncoder` (vorbis_rs 0.5.6) is not `Send` only because it holds raw pointers. What they point to
// belongs to this value alone and to no thread:
//
// * They are `vorbis_info`, `vorbis_dsp_state`, `vorbis_block` and the buffers inside `ogg_stream_state`, each
//   allocated by vorbis_rs or by the C library when the encoder is built, freed when it is dropped, and reachable
//   from nowhere else: vorbis_rs hands none of them out, clones none, and its types have private fields. The
//   pointers among them go from one of these allocations to another, so all move together.
// * They are freed by the allocator they came from (`Box` or `malloc`), both of which free from any thread.
// * libvorbis (aotuv_lancer_vorbis_sys 0.1.6) and libogg (ogg_next_sys 0.1.5) bind nothing to a thread: what is
//   compiled of their sources names no thread, no thread-local variable and no lock. So it does not matter which
//   thread made the encoder.
// * Nor do they keep anything from one call to the next outside those allocations. The `static`s that are written to
//   stand under `ANALYSIS`, `TRAIN_RES` or `#if 0`, none of which the build scripts define, with one exception: on
//   x86 `bitrv2` in smallft.c stores a 0 over the 0 that is the third number of a table (IP256 to IP4096). Two
//   encoders at work on two threads do so at the same time, and read it. That is an aligned `int` that never holds
//   anything else. It happens as well to encoders that never move, so it is not this claim that brings it about.
// * The sink is moved along, and has to be `Send` itself.
//
// tests/threads.rs moves encoders about while others work. Valgrind's memcheck finds nothing in it; helgrind, in
// libvorbis, the store of that 0 and nothing else.
//
// `vorbis_rs` is to be read again in this light when its version, or that of the two C libraries, changes.
#[allow(
    unsafe_code,
    reason = "the workspace's one claim of this kind; argued above, exercised by tests/threads.rs"
)]
unsafe impl<W: Write + Send> Send for SendEncoder<W> {}

impl<W: Write> SendEncoder<W> {
    pub(super) fn build(builder: &mut VorbisEncoderBuilder<W>) -> Result<Self, VorbisError> {
        builder.build().map(Self)
    }

    pub(super) fn encode_audio_block(&mut self, block: &[Vec<f32>]) -> Result<(), VorbisError> {
        self.0.encode_audio_block(block)
    }

    pub(super) fn finish(self) -> Result<W, VorbisError> {
        self.0.finish()
    }
}
