//! A disk for tests: it tears, forgets, refuses and stalls, and every time the same for the same seed.
//!
//! [`FaultyDisk`] is what [`RecordingsDir`](callrec_store::RecordingsDir) writes to. At every step that changes anything, it keeps a
//! [`Moment`]: all that was on the disk and in memory there. From a moment, a disk goes on as it does when the process
//! is killed ([`Moment::after_kill`]) or when the power goes ([`Moment::after_power_loss`]); of the latter there are many.
//!
//! # What is promised, and what is not
//!
//! What a power loss leaves is what POSIX allows, and more than ext4 or XFS do to anybody:
//!
//! - **Bytes of a file** are safe when a sync of that file, or of everything, has succeeded. Of what was written since,
//!   any part may be there: none, all, all up to any byte, or some sectors of 512 bytes without those before them, with zeros
//!   or garbage in their place. The length may be any that the file had meanwhile, whatever its bytes are.
//! - **Names** are safe when a sync of their directory, or of everything, has succeeded; a sync of the file does nothing for its
//!   name. Since then, either the first few changes are there, in the order in which they were made in all directories
//!   (a file system with a log), or each name by itself is in any state that it had (one without): a file that was
//!   renamed may have both names, or none. A name that was replaced is never without a file in between.
//! - **Directories** have names like files: a new one is gone with all that is in it, unless the one above was synced.
//! - **A sync that fails** forgets what it should have written, and the next sync does not know: it succeeds, and the bytes can
//!   be read as long as the power stays. Names are not forgotten by a failed sync, for the file systems that keep a log of them
//!   stop altogether when it cannot be written; the next sync may bring them to the disk.
//! - **A write that fails** may have written the beginning of its bytes. Any other operation that fails did nothing.
//! - **A full disk** takes neither bytes nor new names for a while; it removes and renames.
//! - **A stall** is time that passes on the simulated clock.
//! - **Locks** go when their owner closes the file, and when the process dies.
//!
//! One thread at a time: a lock that is waited for and not free is an error.

mod disk;
mod fault;
mod node;
mod survive;

pub use disk::{FaultyDisk, Moment};
pub use fault::{Counts, Fault, Faults, Operation, What};
