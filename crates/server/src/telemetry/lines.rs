//! Lines of the log on their way to whoever reads them, whom nobody that logs waits for.

use std::collections::VecDeque;
use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A queue of whole lines, of which the bytes are limited. What finds no room is dropped and counted: a live call logs too, and must
/// not wait.
#[derive(Debug)]
pub(super) struct Lines {
    most: usize,
    queue: Mutex<Queue>,
    /// There is a line.
    pushed: Condvar,
    /// All are written.
    emptied: Condvar,
}

#[derive(Debug)]
struct Queue {
    waiting: VecDeque<Vec<u8>>,
    /// Of what waits, and of what is being written.
    bytes: usize,
    dropped: u64,
    /// Of these, how many the log has told of.
    told: u64,
}

impl Lines {
    pub(super) const fn new(most: usize) -> Self {
        let queue = Queue { waiting: VecDeque::new(), bytes: 0, dropped: 0, told: 0 };
        Self { most, queue: Mutex::new(queue), pushed: Condvar::new(), emptied: Condvar::new() }
    }

    fn push(&self, line: &[u8]) {
        let mut queue = self.lock();
        if line.len() > self.most.saturating_sub(queue.bytes) {
            queue.dropped += 1;
            return;
        }
        queue.bytes += line.len();
        queue.waiting.push_back(line.to_vec());
        drop(queue);
        self.pushed.notify_one();
    }

    /// Waits for a line and writes it, however long that takes. Gives how many were dropped that the log has not told of, once all that
    /// waited is written.
    pub(super) fn write_next(&self, to: &mut impl io::Write) -> u64 {
        let nothing = |queue: &mut Queue| queue.waiting.is_empty();
        let mut queue = self.pushed.wait_while(self.lock(), nothing).unwrap_or_else(PoisonError::into_inner);
        let Some(line) = queue.waiting.pop_front() else { return 0 };
        drop(queue);
        // There is nobody who could be told.
        let _ = to.write_all(&line);
        let mut queue = self.lock();
        queue.bytes -= line.len();
        if queue.bytes > 0 {
            return 0;
        }
        let untold = queue.dropped - queue.told;
        queue.told = queue.dropped;
        self.emptied.notify_all();
        untold
    }

    /// Waits until all lines are written, but no longer than this.
    pub(super) fn flush(&self, patience: Duration) {
        let _ = self.emptied.wait_timeout_while(self.lock(), patience, |queue| queue.bytes > 0);
    }

    /// How many lines found no room.
    pub(super) fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes each line as a whole, as the log writes it, and never fails.
impl io::Write for &Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn lines_that_find_no_room_are_dropped_whole_and_told_of_once_when_the_others_are_written() {
        let lines = Lines::new(10);
        let push = |line: &str| (&lines).write_all(line.as_bytes()).unwrap();
        ["one\n", "two\n", "three\n", "4\n", "five\n"].into_iter().for_each(push);
        assert_eq!(lines.dropped(), 2);
        // Whoever does not read them is not waited for.
        lines.flush(Duration::from_millis(1));
        let mut read = Vec::new();
        assert_eq!([(); 3].map(|()| lines.write_next(&mut read)), [0, 0, 2]);
        lines.flush(Duration::from_secs(60));
        push("six\n");
        assert_eq!((lines.write_next(&mut read), lines.dropped()), (0, 2));
        assert_eq!(String::from_utf8(read).unwrap(), "one\ntwo\n4\nsix\n");
    }

    #[test]
    fn what_is_being_written_takes_its_room_and_is_waited_for_at_the_end() {
        struct Checked<'a>(&'a Lines);
        impl io::Write for Checked<'_> {
            fn write(&mut self, line: &[u8]) -> io::Result<usize> {
                self.0.push(b"123456");
                assert_eq!(self.0.dropped(), 1, "there is no room for two");
                self.0.flush(Duration::from_millis(1));
                Ok(line.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let lines = Lines::new(10);
        lines.push(b"12345");
        assert_eq!(lines.write_next(&mut Checked(&lines)), 1);
    }
}
