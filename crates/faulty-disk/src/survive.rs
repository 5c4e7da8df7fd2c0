//! What is left when the power goes.

use std::collections::BTreeMap;
use std::sync::Arc;

use callrec_simulator::Luck;

use crate::node::{Change, DirectoryNode, FileNode, Id, Node, put};

/// Smaller pieces than this are written whole or not at all, unless the write that is under way is torn.
const SECTOR: usize = 512;

/// One of the states that the disk may be in.
pub(crate) fn after_power_loss(nodes: &[Node], luck: &mut Luck) -> Vec<Node> {
    let in_order = luck.percent(40);
    let last = nodes.iter().flat_map(|node| match node {
        Node::Directory(directory) => directory.pending.as_slice(),
        Node::File(_) => &[],
    });
    let orders: Vec<u64> = last.map(|change| change.order).collect();
    let cut = match (orders.iter().min(), orders.iter().max()) {
        (Some(first), Some(last)) => luck.between(*first, *last + 1),
        _ => 0,
    };
    // Often everything or nothing of the bytes, for those are what goes wrong together.
    let bytes = luck.between(0, 3);
    let survivor = |node: &Node, luck: &mut Luck| match node {
        Node::File(file) => {
            let left = Arc::new(match bytes {
                0 => file.durable.to_vec(),
                1 => written(file),
                _ => torn(file, luck),
            });
            let modified_us = file.modified_us;
            Node::File(FileNode {
                cached: Arc::clone(&left),
                durable: left,
                pending: Vec::new(),
                modified_us,
            })
        }
        Node::Directory(directory) => {
            let left = if in_order { in_order_names(directory, cut) } else { any_names(directory, luck) };
            Node::Directory(DirectoryNode { cached: left.clone(), durable: left, pending: Vec::new() })
        }
    };
    nodes.iter().map(|node| survivor(node, luck)).collect()
}

/// What every state has. Of a file that is being changed, what is before the change.
pub(crate) fn safe(nodes: &[Node]) -> Vec<Node> {
    let safe = |node: &Node| match node {
        Node::File(file) => {
            let from = file.pending.iter().map(|(_, change)| match change {
                Change::Write { offset, .. } => *offset,
                Change::Cut { len } => *len,
            });
            let len = from.min().unwrap_or(usize::MAX).min(file.durable.len());
            let left = Arc::new(file.durable[..len].to_vec());
            let modified_us = file.modified_us;
            Node::File(FileNode {
                cached: Arc::clone(&left),
                durable: left,
                pending: Vec::new(),
                modified_us,
            })
        }
        Node::Directory(directory) => Node::Directory(DirectoryNode {
            cached: directory.durable.clone(),
            durable: directory.durable.clone(),
            pending: Vec::new(),
        }),
    };
    nodes.iter().map(safe).collect()
}

/// All that was to be written, without what a failed sync forgot.
fn written(file: &FileNode) -> Vec<u8> {
    let mut bytes = file.durable.to_vec();
    file.pending.iter().for_each(|(_, change)| change.apply(&mut bytes));
    bytes
}

/// Some of it.
fn torn(file: &FileNode, luck: &mut Luck) -> Vec<u8> {
    let mut bytes = file.durable.to_vec();
    if file.pending.is_empty() {
        return bytes;
    }
    match luck.between(0, 3) {
        // The changes up to one of them, which may have stopped at any byte.
        0 | 1 => {
            let whole = luck.between(0, file.pending.len() as u64 - 1) as usize;
            file.pending[..whole].iter().for_each(|(_, change)| change.apply(&mut bytes));
            match &file.pending[whole].1 {
                Change::Write { offset, bytes: part } => {
                    let len = luck.between(0, part.len() as u64) as usize;
                    crate::node::write(&mut bytes, *offset, &part[..len]);
                }
                cut @ Change::Cut { .. } => cut.apply(&mut bytes),
            }
        }
        // The length, and some sectors.
        kind => {
            let whole = written(file);
            let len = whole.len().max(bytes.len());
            let before = bytes.clone();
            bytes = whole;
            bytes.resize(len, 0);
            let garbage = kind == 3;
            for (index, sector) in bytes.chunks_mut(SECTOR).enumerate() {
                if luck.percent(50) {
                    continue;
                }
                let from = index * SECTOR;
                for (at, byte) in sector.iter_mut().enumerate() {
                    let old = before.get(from + at).copied();
                    *byte = old.unwrap_or(if garbage { (luck.any() & 0xff) as u8 } else { 0 });
                }
            }
        }
    }
    bytes
}

/// The first changes, whichever directory they were in.
fn in_order_names(directory: &DirectoryNode, cut: u64) -> BTreeMap<String, Id> {
    let mut names = directory.durable.clone();
    for change in directory.pending.iter().filter(|change| change.order < cut) {
        put(&mut names, &change.name, change.to);
    }
    names
}

/// Each name as it was at some time since the last sync.
fn any_names(directory: &DirectoryNode, luck: &mut Luck) -> BTreeMap<String, Id> {
    let mut states: BTreeMap<&str, Vec<Option<Id>>> = BTreeMap::new();
    for change in &directory.pending {
        let before = || vec![directory.durable.get(&change.name).copied()];
        states.entry(&change.name).or_insert_with(before).push(change.to);
    }
    let mut names = directory.durable.clone();
    for (name, states) in states {
        let chosen = luck.between(0, states.len() as u64 - 1) as usize;
        put(&mut names, name, states[chosen]);
    }
    names
}
