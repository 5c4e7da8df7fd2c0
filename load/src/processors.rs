//! Who runs on which processors.

use anyhow::Context as _;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Processors of the server's own, and of this program's.
#[derive(Debug, Clone)]
pub struct Processors {
    /// None: there are too few, and everybody runs anywhere.
    sets: Option<[CpuSet; 2]>,
    /// How many the server has.
    pub server: u64,
    /// How many this program has.
    pub ours: u64,
}

impl Processors {
    /// Gives the server so many, if at least one is left for us, and has this thread, and those that it will start, run on the
    /// others.
    ///
    /// # Errors
    /// The system refused.
    pub fn part(server: u64) -> anyhow::Result<Self> {
        let all = sched_getaffinity(None).context("the processors are not known")?;
        let numbers: Vec<_> = (0..CpuSet::MAX_CPU).filter(|number| all.is_set(*number)).collect();
        let count = numbers.len() as u64;
        if count <= server {
            return Ok(Self { sets: None, server: count, ours: count });
        }
        let (theirs, ours) = numbers.split_at(server as usize);
        let [theirs, ours] = [theirs, ours].map(|numbers| {
            let mut set = CpuSet::new();
            numbers.iter().for_each(|number| set.set(*number));
            set
        });
        sched_setaffinity(None, &ours)?;
        Ok(Self { sets: Some([theirs, ours]), server, ours: count - server })
    }

    /// Whether each has its own.
    #[must_use]
    pub const fn are_parted(&self) -> bool {
        self.sets.is_some()
    }

    /// Does something on the server's processors: a process that is started there stays there.
    ///
    /// # Errors
    /// The system refused, or the work panicked.
    pub fn on_the_servers<T: Send>(&self, work: impl FnOnce() -> T + Send) -> anyhow::Result<T> {
        let there = || {
            if let Some([theirs, _]) = &self.sets {
                sched_setaffinity(None, theirs)?;
            }
            anyhow::Ok(work())
        };
        std::thread::scope(|scope| scope.spawn(there).join())
            .unwrap_or_else(|_| Err(anyhow::anyhow!("it broke")))
    }
}
