//! What `callrec-store` asks for: done, refused or delayed.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::{Duration, SystemTime};

use callrec_store::simulation;
use callrec_store::simulation::{Kind, Opening};

use super::{FaultyDisk, OpenFile, what};
use crate::fault::{Fault, Operation, What};
use crate::node::{Change, DirectoryNode, FileNode, Id, Node};

impl simulation::Disk for FaultyDisk {
    fn unique(&self) -> u64 {
        let mut state = self.state();
        state.handles += 1;
        // No name comes back after a crash: the time is another, or the operations were.
        state.now_us << 20 | (state.nodes.len() as u64) << 10 | state.handles
    }

    fn open(&self, path: &Path, opening: Opening) -> io::Result<Box<dyn simulation::File>> {
        let mut state = self.after_others();
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
        let mut state = self.after_others();
        state.begin(Operation::Look(what(path)))?;
        let id = state.find(path)?;
        Ok(match state.nodes[id] {
            Node::File(_) => Kind::File,
            Node::Directory(_) => Kind::Directory,
        })
    }

    fn list(&self, path: &Path) -> io::Result<Vec<(String, Kind)>> {
        let mut state = self.after_others();
        state.begin(Operation::List(what(path)))?;
        let id = state.find(path)?;
        let kind = |id: Id| match state.nodes[id] {
            Node::File(_) => Kind::File,
            Node::Directory(_) => Kind::Directory,
        };
        Ok(state.directory(id)?.cached.iter().map(|(name, id)| (name.clone(), kind(*id))).collect())
    }

    fn modified(&self, path: &Path) -> io::Result<Option<SystemTime>> {
        let mut state = self.after_others();
        state.begin(Operation::Look(what(path)))?;
        let Ok(id) = state.find(path) else { return Ok(None) };
        let modified = state.file(id).ok().map(|file| file.modified_us);
        Ok(modified.map(|us| SystemTime::UNIX_EPOCH + Duration::from_micros(us)))
    }

    fn make_directory(&self, path: &Path) -> io::Result<()> {
        let mut state = self.after_others();
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
        let mut state = self.after_others();
        state.begin(Operation::Rename(what(to)))?;
        state.rename(from, to, true)
    }

    fn rename_to_free_name(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.after_others();
        if state.lacks_rename_to_free_name {
            state.counts.add(Operation::RenameToFree(what(to)), Fault::Unknown);
            return Err(ErrorKind::InvalidInput.into());
        }
        state.begin(Operation::RenameToFree(what(to)))?;
        state.rename(from, to, false)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.after_others();
        state.begin(Operation::Link(what(to)))?;
        let id = state.find(from)?;
        let (directory, name) = state.place(to)?;
        if state.directory(directory)?.cached.contains_key(name) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        state.note_name(id, name);
        let order = state.next_order();
        state.set(order, directory, name, Some(id));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.after_others();
        state.begin(Operation::Remove(what(path)))?;
        state.find(path)?;
        let (directory, name) = state.place(path)?;
        let order = state.next_order();
        state.set(order, directory, name, None);
        Ok(())
    }

    fn free_space(&self, path: &Path) -> io::Result<u64> {
        let mut state = self.after_others();
        state.begin(Operation::Look(what(path)))?;
        state.find(path)?;
        Ok(state.told_free())
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        let mut state = self.after_others();
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
        let mut state = self.after_others();
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

impl simulation::File for OpenFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = self.disk.after_others();
        let what = state.what(self.id);
        state.begin(Operation::Read(what))?;
        let file = state.file(self.id)?;
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(file.cached.len());
        let len = buffer.len().min(file.cached.len() - from);
        buffer[..len].copy_from_slice(&file.cached[from..from + len]);
        Ok(len)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.disk.after_others();
        let what = state.what(self.id);
        let mut begun = state.begin(Operation::Write(what));
        let mut len = match begun {
            Ok(()) => bytes.len(),
            Err(_) => state.faults.luck().between(0, bytes.len() as u64) as usize,
        };
        let now_us = state.now_us;
        let offset = usize::try_from(offset).map_err(|_| ErrorKind::FileTooLarge)?;
        // What lies behind the file's end takes room.
        let room = usize::try_from(state.free()).unwrap_or(usize::MAX);
        let most = room.saturating_add(state.file(self.id)?.cached.len()).saturating_sub(offset);
        if len > most {
            len = most;
            begun = begun.and_then(|()| {
                state.counts.add(Operation::Write(what), Fault::Full);
                Err(ErrorKind::StorageFull.into())
            });
        }
        if len > 0 {
            let order = state.next_order();
            state.file(self.id)?.change(order, Change::Write { offset, bytes: bytes[..len].into() }, now_us);
        }
        begun
    }

    fn len(&self) -> io::Result<u64> {
        let mut state = self.disk.after_others();
        let what = state.what(self.id);
        state.begin(Operation::Look(what))?;
        Ok(state.file(self.id)?.cached.len() as u64)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.disk.after_others();
        let what = state.what(self.id);
        state.begin(Operation::Cut(what))?;
        let now_us = state.now_us;
        let len = usize::try_from(len).map_err(|_| ErrorKind::FileTooLarge)?;
        let order = state.next_order();
        state.file(self.id)?.change(order, Change::Cut { len }, now_us);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.after_others();
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
        let mut state = self.disk.after_others();
        let what = state.what(self.id);
        state.begin(Operation::Lock(what))?;
        if let Some((_, owner)) = state.locks.iter().find(|(id, _)| *id == self.id) {
            return Ok(*owner == self.handle);
        }
        state.locks.push((self.id, self.handle));
        Ok(true)
    }

    fn is_at(&self, path: &Path) -> io::Result<bool> {
        let mut state = self.disk.after_others();
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
