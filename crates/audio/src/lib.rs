//! Telephone audio: G.711 companding, streaming resampling and the mixing of two parties.
//!
//! Everything here is arithmetic on samples. Nothing opens a file, reads a clock or starts a thread, and once
//! the caller's buffers have grown to the size of a frame nothing allocates either.
//!
//! Samples are linear 16-bit PCM (`i16`, full scale −32,768 to 32,767), one channel to a slice unless a function
//! says *interleaved*. Functions that produce samples append to a `Vec` of the caller's, who clears and reuses it.
//!
//! * [`g711`] turns the bytes of a telephone line (μ-law, A-law) into samples and back.
//! * [`resample`] changes the sampling rate of a stream that arrives in pieces.
//! * [`mix`] brings two parties together, as stereo or as one channel that cannot clip.
//! * [`convert`] takes in floating-point audio, as speech synthesisers give it.
//!
//! # A frame's way from the line to a stereo file
//!
//! ```
//! use callrec_audio::{g711::Law, mix, resample::Resampler};
//!
//! // One 20 ms frame of each party as a telephone provider sends it: 160 bytes of μ-law at 8 kHz.
//! let caller = [0x3a_u8; 160];
//! let assistant = [Law::Mulaw.silence(); 160];
//!
//! let mut to_16k = [Resampler::new(8_000, 16_000)?, Resampler::new(8_000, 16_000)?];
//! let (mut pcm, mut wide, mut stereo) = (Vec::new(), [Vec::new(), Vec::new()], Vec::new());
//!
//! for (party, codes) in [&caller, &assistant].into_iter().enumerate() {
//!     pcm.clear();
//!     Law::Mulaw.decode(codes, &mut pcm);
//!     to_16k[party].process(&pcm, &mut wide[party]); // may hold samples back ...
//!     to_16k[party].finish(&mut wide[party]); // ... and gives them out here
//! }
//! mix::interleave(&wide[0], &wide[1], &mut stereo);
//!
//! assert_eq!(stereo.len(), 2 * 320); // 20 ms at 16 kHz, left and right
//! # Ok::<(), callrec_audio::resample::ResampleError>(())
//! ```

pub mod convert;
pub mod g711;
pub mod mix;
pub mod resample;
