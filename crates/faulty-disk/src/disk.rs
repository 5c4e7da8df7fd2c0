//! The disk itself, as a test sees it: what is to go wrong with it, its moments, and what is on it.

mod operations;
mod others;
mod space;

use std::fmt;
use std::io::{self, ErrorKind};
use std::path::{Component, Path};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use callrec_simulator::Luck;
use callrec_store::simulation;

use others::Others;
use space::Space;

use crate::fault::{Counts, Fault, Faults, Operation, What};
use crate::node::{DirectoryNode, FileNode, Id, Node, ROOT};
use crate::survive::{after_power_loss, safe};

/// A disk in this process's memory. Clones are the same disk.
#[derive(Clone)]
pub struct FaultyDisk(Arc<Mutex<State>>);

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
    space: Space,
    lacks_rename_to_free_name: bool,
    lacks_sync_everything: bool,
    others: Others,
    named: Named,
}

/// Every file that was ever renamed, with its new name and the bytes that it had then.
type Named = Vec<(String, Arc<Vec<u8>>)>;

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
    named: Named,
}

impl Default for FaultyDisk {
    fn default() -> Self {
        Self::with(vec![Node::Directory(DirectoryNode::default())], 0, (false, false), Vec::new())
    }
}

impl FaultyDisk {
    fn with(nodes: Vec<Node>, now_us: u64, lacks: (bool, bool), named: Named) -> Self {
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
            space: Space::default(),
            lacks_rename_to_free_name: lacks.0,
            lacks_sync_everything: lacks.1,
            others: Others::default(),
            named,
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

    /// Flips a bit of a file's byte, on the disk and in memory.
    ///
    /// # Panics
    /// There is no such byte.
    pub fn damage(&self, path: &Path, offset: usize) {
        let mut state = self.state();
        let file = state.find(path).and_then(|id| state.file(id)).expect("a file");
        Arc::make_mut(&mut file.cached)[offset] ^= 1;
        if let Some(byte) = Arc::make_mut(&mut file.durable).get_mut(offset) {
            *byte ^= 1;
        }
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

    /// Every file below the top by its path, as it can be read, in order.
    #[must_use]
    pub fn files(&self) -> Vec<(String, Arc<Vec<u8>>)> {
        let state = self.state();
        let mut files = Vec::new();
        walk(&state.nodes, ROOT, "", &mut files);
        files
    }

    /// The recordings and texts that are not, byte for byte, what was given their name at any time.
    #[must_use]
    pub fn torn(&self) -> Vec<String> {
        let files = self.files();
        let state = self.state();
        let is_torn = |path: &str, bytes: &Arc<Vec<u8>>| {
            let name = name_of(Path::new(path));
            let is_final = matches!(
                What::of(name),
                What::Recording | What::Transcript | What::Summary | What::SummaryJson
            );
            is_final && !state.named.iter().any(|(named, whole)| named == name && whole == bytes)
        };
        files.into_iter().filter(|(path, bytes)| is_torn(path, bytes)).map(|(path, _)| path).collect()
    }

    fn file(&self, id: Id) -> Box<dyn simulation::File> {
        let handle = {
            let mut state = self.state();
            state.handles += 1;
            state.handles
        };
        Box::new(OpenFile { disk: self.clone(), id, handle })
    }
}

fn walk(nodes: &[Node], id: Id, path: &str, files: &mut Vec<(String, Arc<Vec<u8>>)>) {
    match &nodes[id] {
        Node::File(file) => files.push((path.to_owned(), Arc::clone(&file.cached))),
        Node::Directory(directory) => {
            for (name, id) in &directory.cached {
                walk(nodes, *id, &format!("{path}/{name}"), files);
            }
        }
    }
}

impl Moment {
    /// The disk after the process was killed here: all is there, nothing is locked.
    #[must_use]
    pub fn after_kill(&self) -> FaultyDisk {
        FaultyDisk::with(self.nodes.clone(), self.at_us, self.lacks, self.named.clone())
    }

    /// The disk after the power went here: one of those that there may be.
    #[must_use]
    pub fn after_power_loss(&self, seed: u64) -> FaultyDisk {
        let nodes = after_power_loss(&self.nodes, &mut Luck::new(seed));
        FaultyDisk::with(nodes, self.at_us, self.lacks, self.named.clone())
    }

    /// The disk with nothing but what is safe by now, whatever happens.
    #[must_use]
    pub fn all_that_is_safe(&self) -> FaultyDisk {
        FaultyDisk::with(safe(&self.nodes), self.at_us, self.lacks, self.named.clone())
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
            named: self.named.clone(),
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

    fn note_name(&mut self, id: Id, name: &str) {
        if let Node::File(file) = &self.nodes[id] {
            self.named.push((name.to_owned(), Arc::clone(&file.cached)));
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
        self.note_name(id, new_name);
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

#[derive(Debug)]
struct OpenFile {
    disk: FaultyDisk,
    id: Id,
    handle: u64,
}
