//! The disk itself: what `callrec-store` asks for, done, refused or delayed.

use std::fmt;
use std::io::{self, ErrorKind};
use std::path::{Component, Path};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use callrec_simulator::Luck;
use callrec_store::simulation;
use callrec_store::simulation::{Kind, Opening};

use crate::fault::{Counts, Fault, Faults, Operation, What};
use crate::node::{Change, DirectoryNode, FileNode, Id, Node, ROOT};
use crate::survive::after_power_loss;

/// A disk in this process's memory. Clones are the same disk.
#[derive(Clone)]
pub struct FaultyDisk(Arc<Mutex<State>>);

/// What the time of a stall is used for by others.
type Meanwhile = Arc<dyn Fn() + Send + Sync>;

struct State {
    nodes: Vec<Node>,
    order: u64,
    now_us: u64,
    faults: Faults,
    counts: Counts,
    /// Who has which file's lock.
    locks: Vec<(Id, u64)>,
    handles: u64,
    moments: Option<Vec<Moment>>,
    mark: usize,
    /// Every sync that was asked for.
    syncs: Vec<Operation>,
    ignored_sync: Option<usize>,
    /// How long a sync of everything takes.
    sync_us: u64,
    lacks_rename_to_free_name: bool,
    lacks_sync_everything: bool,
    meanwhile: Option<Meanwhile>,
}

/// All that is on a disk, and in memory for it, before an operation.
#[derive(Clone, Debug)]
pub struct Moment {
    /// What comes next; none at the end.
    pub before: Option<Operation>,
    /// The simulated time, in microseconds.
    pub at_us: u64,
    /// What the test noted last, by [`FaultyDisk::mark`].
    pub mark: usize,
    nodes: Vec<Node>,
    lacks: (bool, bool),
}

impl Default for FaultyDisk {
    fn default() -> Self {
        Self::with(vec![Node::Directory(DirectoryNode::default())], 0, (false, false))
    }
}

impl FaultyDisk {
    fn with(nodes: Vec<Node>, now_us: u64, lacks: (bool, bool)) -> Self {
        Self(Arc::new(Mutex::new(State {
            nodes,
            order: 0,
            now_us,
            faults: Faults::none(),
            counts: Counts::default(),
            locks: Vec::new(),
            handles: 0,
            moments: None,
            mark: 0,
            syncs: Vec::new(),
            ignored_sync: None,
            sync_us: 0,
            lacks_rename_to_free_name: lacks.0,
            lacks_sync_everything: lacks.1,
            meanwhile: None,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What goes wrong from here on.
    pub fn set_faults(&self, faults: Faults) {
        self.state().faults = faults;
    }

    /// The kernel has no rename that refuses to replace, or no sync of everything, or neither.
    pub fn lack(&self, rename_to_free_name: bool, sync_everything: bool) {
        let mut state = self.state();
        state.lacks_rename_to_free_name = rename_to_free_name;
        state.lacks_sync_everything = sync_everything;
    }

    /// How long a sync of everything takes from here on, in microseconds.
    pub fn set_sync_us(&self, sync_us: u64) {
        self.state().sync_us = sync_us;
    }

    /// The sync with this index does nothing from here on, and says that it did.
    pub fn ignore_sync(&self, index: usize) {
        self.state().ignored_sync = Some(index);
    }

    /// Every sync that was asked for so far, in order.
    #[must_use]
    pub fn syncs(&self) -> Vec<Operation> {
        self.state().syncs.clone()
    }

    /// Keeps every moment from here on.
    pub fn keep_moments(&self) {
        self.state().moments = Some(Vec::new());
    }

    /// The moments so far, and that of now.
    #[must_use]
    pub fn take_moments(&self) -> Vec<Moment> {
        let mut state = self.state();
        let last = state.moment(None);
        let mut moments = state.moments.take().unwrap_or_default();
        moments.push(last);
        moments
    }

    /// Notes something for the moments from here on.
    pub fn mark(&self, mark: usize) {
        self.state().mark = mark;
    }

    /// How often what went wrong.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.state().counts.clone()
    }

    /// The simulated time, in microseconds.
    #[must_use]
    pub fn now_us(&self) -> u64 {
        self.state().now_us
    }

    /// Lets time pass.
    pub fn pass(&self, us: u64) {
        self.state().now_us += us;
    }

    /// Called when a sync of everything takes its time, when a fifth of a second has passed, and again: what other
    /// threads do meanwhile.
    pub fn set_meanwhile(&self, meanwhile: impl Fn() + Send + Sync + 'static) {
        self.state().meanwhile = Some(Arc::new(meanwhile));
    }

    /// Forgets what [`set_meanwhile`](Self::set_meanwhile) was given.
    pub fn clear_meanwhile(&self) {
        self.state().meanwhile = None;
    }

    /// Every file below the top by its path, as it can be read, in order.
    #[must_use]
    pub fn files(&self) -> Vec<(String, Arc<Vec<u8>>)> {
        let state = self.state();
        let mut files = Vec::new();
        walk(&state.nodes, ROOT, "", false, &mut files);
        files.into_iter().map(|(path, file)| (path, Arc::clone(&file.cached))).collect()
    }

    fn file(&self, id: Id) -> Box<dyn simulation::File> {
        let handle = {
            let mut state = self.state();
            state.handles += 1;
            state.handles
        };
        Box::new(OpenFile { disk: self.clone(), id, handle })
    }

    /// Lets the time of a sync pass, in which others go on.
    fn wait(&self, mut us: u64) {
        while us > 0 {
            let step = us.min(100_000);
            us -= step;
            let meanwhile = {
                let mut state = self.state();
                state.now_us += step;
                state.meanwhile.clone()
            };
            if let Some(meanwhile) = meanwhile.filter(|_| step == 100_000) {
                meanwhile();
            }
        }
    }
}

fn walk<'a>(nodes: &'a [Node], id: Id, path: &str, durable: bool, files: &mut Vec<(String, &'a FileNode)>) {
    match &nodes[id] {
        Node::File(file) => files.push((path.to_owned(), file)),
        Node::Directory(directory) => {
            let names = if durable { &directory.durable } else { &directory.cached };
            for (name, id) in names {
                walk(nodes, *id, &format!("{path}/{name}"), durable, files);
            }
        }
    }
}

impl Moment {
    /// The disk after the process was killed here: all is there, nothing is locked.
    #[must_use]
    pub fn after_kill(&self) -> FaultyDisk {
        FaultyDisk::with(self.nodes.clone(), self.at_us, self.lacks)
    }

    /// The disk after the power went here: one of those that there may be.
    #[must_use]
    pub fn after_power_loss(&self, seed: u64) -> FaultyDisk {
        FaultyDisk::with(after_power_loss(&self.nodes, &mut Luck::new(seed)), self.at_us, self.lacks)
    }

    /// What is safe by now, whatever happens: files whose names are, with the bytes that are.
    #[must_use]
    pub fn safe_files(&self) -> Vec<(String, Arc<Vec<u8>>)> {
        let mut files = Vec::new();
        walk(&self.nodes, ROOT, "", true, &mut files);
        files.into_iter().map(|(path, file)| (path, Arc::clone(&file.durable))).collect()
    }

    /// As [`FaultyDisk::files`].
    #[must_use]
    pub fn files(&self) -> Vec<(String, Arc<Vec<u8>>)> {
        self.after_kill().files()
    }
}

impl State {
    fn moment(&self, before: Option<Operation>) -> Moment {
        Moment {
            before,
            at_us: self.now_us,
            mark: self.mark,
            nodes: self.nodes.clone(),
            lacks: (self.lacks_rename_to_free_name, self.lacks_sync_everything),
        }
    }

    /// An operation begins; an error if it fails here.
    fn begin(&mut self, operation: Operation) -> io::Result<()> {
        use Operation::{List, Lock, Look, Open, Read};
        if !matches!(operation, List(_) | Lock(_) | Look(_) | Open(_) | Read(_)) && self.moments.is_some() {
            let moment = self.moment(Some(operation));
            self.moments.get_or_insert_default().push(moment);
        }
        let Some(fault) = self.faults.draw(operation) else { return Ok(()) };
        self.counts.add(operation, fault);
        match fault {
            Fault::Stalled => {
                self.now_us += self.faults.luck().between(1_000_000, 5_000_000);
                Ok(())
            }
            Fault::Full => Err(ErrorKind::StorageFull.into()),
            Fault::Unknown => Err(ErrorKind::InvalidInput.into()),
            Fault::Failed | Fault::Killed | Fault::PowerLost => Err(io::Error::other("a simulated failure")),
        }
    }

    /// Whether a sync is to be done, and not only said to be.
    fn begin_sync(&mut self, operation: Operation) -> bool {
        self.syncs.push(operation);
        self.ignored_sync != Some(self.syncs.len() - 1)
    }

    fn find(&self, path: &Path) -> io::Result<Id> {
        let mut id = ROOT;
        for part in path.components() {
            let Component::Normal(name) = part else { continue };
            let name = name.to_str().ok_or(ErrorKind::InvalidInput)?;
            id = *self.directory(id)?.cached.get(name).ok_or(ErrorKind::NotFound)?;
        }
        Ok(id)
    }

    /// The directory of a path, and the name in it.
    fn place<'a>(&self, path: &'a Path) -> io::Result<(Id, &'a str)> {
        let parent = path.parent().ok_or(ErrorKind::InvalidInput)?;
        Ok((self.find(parent)?, name_of(path)))
    }

    fn directory(&self, id: Id) -> io::Result<&DirectoryNode> {
        match &self.nodes[id] {
            Node::Directory(directory) => Ok(directory),
            Node::File(_) => Err(ErrorKind::NotADirectory.into()),
        }
    }

    fn next_order(&mut self) -> u64 {
        self.order += 1;
        self.order
    }

    fn set(&mut self, order: u64, directory: Id, name: &str, to: Option<Id>) {
        if let Node::Directory(directory) = &mut self.nodes[directory] {
            directory.set(order, name, to);
        }
    }

    fn add(&mut self, node: Node) -> Id {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    fn file(&mut self, id: Id) -> io::Result<&mut FileNode> {
        match &mut self.nodes[id] {
            Node::File(file) => Ok(file),
            Node::Directory(_) => Err(ErrorKind::IsADirectory.into()),
        }
    }

    /// What a file is, by the first name it has; what it was made as, if it has none.
    fn what(&self, id: Id) -> What {
        let named = self.nodes.iter().find_map(|node| match node {
            Node::Directory(directory) => directory.cached.iter().find(|(_, found)| **found == id),
            Node::File(_) => None,
        });
        named.map_or(What::Other, |(name, _)| What::of(name))
    }

    fn rename(&mut self, from: &Path, to: &Path, replace: bool) -> io::Result<()> {
        let id = self.find(from)?;
        let ((old, old_name), (new, new_name)) = (self.place(from)?, self.place(to)?);
        if !replace && self.directory(new)?.cached.contains_key(new_name) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        // One step for whoever looks on and for a log: both changes have the same number.
        let order = self.next_order();
        self.set(order, new, new_name, Some(id));
        self.set(order, old, old_name, None);
        Ok(())
    }
}

fn name_of(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

fn what(path: &Path) -> What {
    What::of(name_of(path))
}

impl fmt::Debug for FaultyDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultyDisk").finish_non_exhaustive()
    }
}

impl simulation::Disk for FaultyDisk {
    fn open(&self, path: &Path, opening: Opening) -> io::Result<Box<dyn simulation::File>> {
        let mut state = self.state();
        let there = state.find(path).is_ok();
        let made = !there && matches!(opening, Opening::New | Opening::OrNew);
        state.begin(if made { Operation::Make(what(path)) } else { Operation::Open(what(path)) })?;
        if there && opening == Opening::New {
            return Err(ErrorKind::AlreadyExists.into());
        }
        if made {
            let (directory, name) = state.place(path)?;
            let modified_us = state.now_us;
            let id = state.add(Node::File(FileNode { modified_us, ..FileNode::default() }));
            let order = state.next_order();
            state.set(order, directory, name, Some(id));
        }
        let id = state.find(path)?;
        state.file(id)?;
        drop(state);
        Ok(self.file(id))
    }

    fn kind(&self, path: &Path) -> io::Result<Kind> {
        let mut state = self.state();
        state.begin(Operation::Look(what(path)))?;
        let id = state.find(path)?;
        Ok(match state.nodes[id] {
            Node::File(_) => Kind::File,
            Node::Directory(_) => Kind::Directory,
        })
    }

    fn list(&self, path: &Path) -> io::Result<Vec<(String, Kind)>> {
        let mut state = self.state();
        state.begin(Operation::List(what(path)))?;
        let id = state.find(path)?;
        let kind = |id: Id| match state.nodes[id] {
            Node::File(_) => Kind::File,
            Node::Directory(_) => Kind::Directory,
        };
        Ok(state.directory(id)?.cached.iter().map(|(name, id)| (name.clone(), kind(*id))).collect())
    }

    fn modified(&self, path: &Path) -> io::Result<Option<SystemTime>> {
        let mut state = self.state();
        state.begin(Operation::Look(what(path)))?;
        let Ok(id) = state.find(path) else { return Ok(None) };
        let modified = state.file(id).ok().map(|file| file.modified_us);
        Ok(modified.map(|us| SystemTime::UNIX_EPOCH + Duration::from_micros(us)))
    }

    fn make_directory(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        let mut above = std::path::PathBuf::new();
        for part in path.components() {
            above.push(part);
            if state.find(&above).is_ok() {
                continue;
            }
            state.begin(Operation::MakeDirectory)?;
            let (directory, name) = state.place(&above)?;
            let id = state.add(Node::Directory(DirectoryNode::default()));
            let order = state.next_order();
            state.set(order, directory, name, Some(id));
        }
        let id = state.find(path)?;
        state.directory(id).map(drop)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.begin(Operation::Rename(what(to)))?;
        state.rename(from, to, true)
    }

    fn rename_to_free_name(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        if state.lacks_rename_to_free_name {
            state.counts.add(Operation::RenameToFree(what(to)), Fault::Unknown);
            return Err(ErrorKind::InvalidInput.into());
        }
        state.begin(Operation::RenameToFree(what(to)))?;
        state.rename(from, to, false)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.begin(Operation::Link(what(to)))?;
        let id = state.find(from)?;
        let (directory, name) = state.place(to)?;
        if state.directory(directory)?.cached.contains_key(name) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        let order = state.next_order();
        state.set(order, directory, name, Some(id));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.begin(Operation::Remove(what(path)))?;
        state.find(path)?;
        let (directory, name) = state.place(path)?;
        let order = state.next_order();
        state.set(order, directory, name, None);
        Ok(())
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        let id = state.find(path)?;
        let last = state.directory(id)?.pending.last().map_or(What::Other, |change| What::of(&change.name));
        let operation = Operation::SyncDirectory(last);
        let done = state.begin_sync(operation);
        state.begin(operation)?;
        if done && let Node::Directory(directory) = &mut state.nodes[id] {
            directory.sync(u64::MAX);
        }
        Ok(())
    }

    fn syncs_all(&self) -> bool {
        !self.state().lacks_sync_everything
    }

    fn sync_everything(&self) -> io::Result<()> {
        let operation = Operation::SyncEverything;
        let mut state = self.state();
        let done = state.begin_sync(operation);
        let begun_us = state.now_us;
        if let Err(error) = state.begin(operation) {
            let state = &mut *state;
            for node in &mut state.nodes {
                if let Node::File(file) = node
                    && state.faults.luck().percent(50)
                {
                    file.forget();
                }
            }
            return Err(error);
        }
        let order = state.order;
        // What a stall has added to the clock passes with the others at work.
        let stalled = state.now_us - begun_us;
        state.now_us = begun_us;
        let us = state.sync_us + stalled;
        drop(state);
        self.wait(us);
        let mut state = self.state();
        if done {
            for node in &mut state.nodes {
                match node {
                    Node::File(file) => file.sync(order + 1),
                    Node::Directory(directory) => directory.sync(order + 1),
                }
            }
        }
        Ok(())
    }
}

#[derive(Debug)]
struct OpenFile {
    disk: FaultyDisk,
    id: Id,
    handle: u64,
}

impl simulation::File for OpenFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = self.disk.state();
        let what = state.what(self.id);
        state.begin(Operation::Read(what))?;
        let file = state.file(self.id)?;
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(file.cached.len());
        let len = buffer.len().min(file.cached.len() - from);
        buffer[..len].copy_from_slice(&file.cached[from..from + len]);
        Ok(len)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        let what = state.what(self.id);
        let begun = state.begin(Operation::Write(what));
        let len = match begun {
            Ok(()) => bytes.len(),
            Err(_) => state.faults.luck().between(0, bytes.len() as u64) as usize,
        };
        let now_us = state.now_us;
        let offset = usize::try_from(offset).map_err(|_| ErrorKind::FileTooLarge)?;
        if len > 0 {
            let order = state.next_order();
            state.file(self.id)?.change(order, Change::Write { offset, bytes: bytes[..len].into() }, now_us);
        }
        begun
    }

    fn len(&self) -> io::Result<u64> {
        let mut state = self.disk.state();
        let what = state.what(self.id);
        state.begin(Operation::Look(what))?;
        Ok(state.file(self.id)?.cached.len() as u64)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        let what = state.what(self.id);
        state.begin(Operation::Cut(what))?;
        let now_us = state.now_us;
        let len = usize::try_from(len).map_err(|_| ErrorKind::FileTooLarge)?;
        let order = state.next_order();
        state.file(self.id)?.change(order, Change::Cut { len }, now_us);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        let operation = Operation::Sync(state.what(self.id));
        let done = state.begin_sync(operation);
        let begun = state.begin(operation);
        let file = state.file(self.id)?;
        match begun {
            Ok(()) if done => file.sync(u64::MAX),
            Ok(()) => {}
            Err(_) => file.forget(),
        }
        begun
    }

    fn try_lock(&self) -> io::Result<bool> {
        let mut state = self.disk.state();
        let what = state.what(self.id);
        state.begin(Operation::Lock(what))?;
        if let Some((_, owner)) = state.locks.iter().find(|(id, _)| *id == self.id) {
            return Ok(*owner == self.handle);
        }
        state.locks.push((self.id, self.handle));
        Ok(true)
    }

    fn is_at(&self, path: &Path) -> io::Result<bool> {
        let mut state = self.disk.state();
        state.begin(Operation::Look(what(path)))?;
        match state.find(path) {
            Ok(id) => Ok(id == self.id),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        self.disk.state().locks.retain(|(_, owner)| *owner != self.handle);
    }
}
