//! Applying a batch of updates to the nodes.

use alloc::{boxed::Box, vec, vec::Vec};
use core::mem;

use alloy_primitives::B256;

use super::{
    NodeSource, TrieError, Update,
    commit::{OldNodes, commit},
    node::{Extension, Leaf, Node, Slot, State, child_key, indices, position, rank, shared_nibbles},
};
use crate::{
    node_rlp::nibble,
    state::{Change, NodeChange},
};

/// Updates above which the sub-tries below a branch are updated and hashed one after the other: few
/// enough that what one touches stays in the processor's cache, enough to fill a batch of hashes.
const UNIT_UPDATES: usize = 128;
/// Updates from which the sub-tries below a branch are worth separate threads.
#[cfg(feature = "std")]
const PARALLEL_UPDATES: usize = 512;

/// What all parts of an update need.
pub(super) struct Context<'a, S> {
    pub(super) source: &'a S,
    pub(super) owner: Option<B256>,
}

/// Applies `updates` to the sub-trie at `slot`, to which the first `depth` nibbles of `key` lead,
/// hashes it and appends what changed, ascending by path.
pub(super) fn update<S: NodeSource>(
    slot: &mut Slot,
    key: &B256,
    depth: usize,
    updates: &mut [Update],
    context: &Context<'_, S>,
    changes: &mut Vec<NodeChange>,
) -> Result<(), TrieError<S::Error>> {
    if updates.len() > UNIT_UPDATES {
        slot.load(key, depth, context.source)?;
        // Where nothing is deleted no branch disappears: its parts can be finished one by one.
        if let Some(Node::Branch { .. }) = slot.node
            && updates.iter().all(|update| update.leaf.is_some())
        {
            return update_parts(slot, key, depth, updates, context, changes);
        }
    }
    let mut part = Part { source: context.source, old: OldNodes::default() };
    part.apply(slot, depth, updates)?;
    commit(slot, key, depth, updates.len(), context.owner, part.old, changes);
    Ok(())
}

/// [`update`] for a branch that stays one.
fn update_parts<S: NodeSource>(
    slot: &mut Slot,
    key: &B256,
    depth: usize,
    updates: &mut [Update],
    context: &Context<'_, S>,
    changes: &mut Vec<NodeChange>,
) -> Result<(), TrieError<S::Error>> {
    let mut old = OldNodes::default();
    old.log(slot, key, depth);
    slot.state = State::Dirty;
    let Some(Node::Branch { present, children }) = slot.node.as_mut() else { return Ok(()) };
    let mut parts: [(Slot, &mut [Update]); 16] = Default::default();
    for (index, child) in indices(*present).zip(mem::take(children)) {
        parts[index].0 = child;
    }
    let mut rest = &mut *updates;
    for (index, (_, group)) in parts.iter_mut().enumerate() {
        let end = rest.partition_point(|update| nibble(&update.key.0, depth) <= index);
        (*group, rest) = mem::take(&mut rest).split_at_mut(end);
    }
    // The branch's own change comes first.
    let own = changes.len();
    changes.push(NodeChange {
        owner: None,
        path: Default::default(),
        change: Change { old: None, new: None },
    });
    let run = |index: usize, (child, group): &mut (Slot, &mut [Update]), changes: &mut Vec<NodeChange>| {
        if group.is_empty() {
            return Ok(());
        }
        update(child, &child_key(key, depth, index), depth + 1, group, context, changes)
    };
    run_parts(&mut parts, run, changes)?;
    *present = parts
        .iter()
        .enumerate()
        .fold(0, |present, (index, (child, _))| present | u16::from(!child.is_empty()) << index);
    *children = parts.into_iter().map(|(child, _)| child).filter(|child| !child.is_empty()).collect();
    let mut own_changes = Vec::new();
    commit(slot, key, depth, 1, context.owner, old, &mut own_changes);
    match own_changes.pop() {
        Some(change) => changes[own] = change,
        None => {
            changes.remove(own);
        }
    }
    Ok(())
}

type Part16<'u> = [(Slot, &'u mut [Update]); 16];

/// Runs the sixteen parts of a branch and gathers their changes in order: in one thread, or in
/// whichever are free if there is much to do.
fn run_parts<'u, E: crate::state::MaybeSync>(
    parts: &mut Part16<'u>,
    run: impl Fn(usize, &mut (Slot, &'u mut [Update]), &mut Vec<NodeChange>) -> Result<(), E>
    + crate::state::MaybeSync,
    changes: &mut Vec<NodeChange>,
) -> Result<(), E> {
    #[cfg(feature = "std")]
    if rayon::current_num_threads() > 1
        && parts.iter().map(|(_, group)| group.len()).sum::<usize>() >= PARALLEL_UPDATES
    {
        use rayon::prelude::*;
        let found: Vec<Vec<NodeChange>> = parts
            .par_iter_mut()
            .enumerate()
            .map(|(index, part)| {
                let mut changes = Vec::with_capacity(part.1.len() * 3);
                run(index, part, &mut changes).map(|()| changes)
            })
            .collect::<Result<_, E>>()?;
        changes.reserve(found.iter().map(Vec::len).sum());
        found.into_iter().for_each(|mut part| changes.append(&mut part));
        return Ok(());
    }
    parts.iter_mut().enumerate().try_for_each(|(index, part)| run(index, part, changes))
}

/// Updates that are hashed together.
struct Part<'a, S> {
    source: &'a S,
    /// RLP of the nodes that changed, as they were.
    old: OldNodes,
}

impl<S: NodeSource> Part<'_, S> {
    /// Applies sorted updates, which all share the first `depth` nibbles, to what stands there.
    fn apply(
        &mut self,
        slot: &mut Slot,
        depth: usize,
        updates: &mut [Update],
    ) -> Result<(), TrieError<S::Error>> {
        let Some(first) = updates.first() else { return Ok(()) };
        slot.load(&first.key, depth, self.source)?;
        match &slot.node {
            None => *slot = inserted(updates, depth),
            Some(Node::Leaf(_)) => self.apply_leaf(slot, depth, updates),
            Some(Node::Extension(_)) => self.apply_extension(slot, depth, updates)?,
            Some(Node::Branch { .. }) => self.apply_branch(slot, depth, updates)?,
        }
        Ok(())
    }

    fn apply_leaf(&mut self, slot: &mut Slot, depth: usize, updates: &mut [Update]) {
        let Some(Node::Leaf(leaf)) = slot.node.as_mut() else { return };
        let key = *leaf.key();
        if let [Update { key: only, leaf: Some(new) }] = updates
            && *only == key
        {
            if new != leaf {
                self.old.log(slot, &key, depth);
                *slot = Slot::dirty(Node::Leaf(mem::take(new)));
            }
            return;
        }
        let found = updates.binary_search_by(|update| update.key.cmp(&key));
        let mut leaves: Vec<Leaf> = updates.iter_mut().filter_map(|update| update.leaf.take()).collect();
        if found.is_err() && leaves.is_empty() {
            return;
        }
        self.old.log(slot, &key, depth);
        if let (Err(_), Some(Node::Leaf(leaf))) = (found, slot.node.take()) {
            let position = leaves.partition_point(|other| *other.key() < key);
            leaves.insert(position, leaf);
        }
        *slot = build(&mut leaves, depth);
    }

    fn apply_extension(
        &mut self,
        slot: &mut Slot,
        depth: usize,
        updates: &mut [Update],
    ) -> Result<(), TrieError<S::Error>> {
        let Some(Node::Extension(extension)) = &slot.node else { return Ok(()) };
        let (path, end) = (extension.key, extension.end);
        let leaves_path = |key: &B256| shared_nibbles(&path, key, depth, end) < end;
        if updates.iter().any(|update| update.leaf.is_none() && leaves_path(&update.key)) {
            // Beside the path nothing stands that could be deleted, and no fork is made for it.
            let mut kept: Vec<Update> = updates
                .iter_mut()
                .filter(|update| update.leaf.is_some() || !leaves_path(&update.key))
                .map(|update| Update { key: update.key, leaf: update.leaf.take() })
                .collect();
            return self.apply(slot, depth, &mut kept);
        }
        let (Some(first), Some(last)) = (updates.first(), updates.last()) else { return Ok(()) };
        self.old.log(slot, &first.key, depth);
        let Some(Node::Extension(extension)) = mem::take(slot).node else { return Ok(()) };
        let Extension { key, end, mut child } = *extension;
        let fork = shared_nibbles(&key, &last.key, depth, shared_nibbles(&key, &first.key, depth, end));
        if fork < end {
            // Some keys leave the extension's path: fork where the first of them does.
            let below = moved(child, &key, end, fork + 1);
            let (present, children) = (1 << nibble(&key.0, fork), vec![below].into_boxed_slice());
            child = Slot::dirty(Node::Branch { present, children });
        }
        self.apply(&mut child, fork, updates)?;
        *slot = moved(child, &key, fork, depth);
        Ok(())
    }

    fn apply_branch(
        &mut self,
        slot: &mut Slot,
        depth: usize,
        updates: &mut [Update],
    ) -> Result<(), TrieError<S::Error>> {
        let Some(Update { key, .. }) = updates.first() else { return Ok(()) };
        let key = *key;
        self.old.log(slot, &key, depth);
        slot.state = State::Dirty;
        let Some(Node::Branch { present, children }) = slot.node.as_mut() else { return Ok(()) };
        let mut lost = false;
        let mut rest = updates;
        while let Some(Update { key, .. }) = rest.first() {
            let index = nibble(&key.0, depth);
            let end = rest.partition_point(|update| nibble(&update.key.0, depth) <= index);
            let (group, after) = rest.split_at_mut(end);
            match position(*present, index) {
                Some(position) => {
                    self.apply(&mut children[position], depth + 1, group)?;
                    lost |= children[position].is_empty();
                }
                None => {
                    let child = inserted(group, depth + 1);
                    if !child.is_empty() {
                        let mut grown = mem::take(children).into_vec();
                        grown.reserve_exact(1);
                        grown.insert(rank(*present, index), child);
                        *children = grown.into_boxed_slice();
                        *present |= 1 << index;
                    }
                }
            }
            rest = after;
        }
        if lost { self.shrink_branch(slot, &key, depth) } else { Ok(()) }
    }

    /// Takes children that are gone out of a branch, and replaces it by what is left of it if that
    /// is no branch.
    fn shrink_branch(
        &mut self,
        slot: &mut Slot,
        key: &B256,
        depth: usize,
    ) -> Result<(), TrieError<S::Error>> {
        let Some(Node::Branch { present, children }) = slot.node.as_mut() else { return Ok(()) };
        let mut left = 0;
        for (index, child) in indices(*present).zip(&*children) {
            left |= u16::from(!child.is_empty()) << index;
        }
        let mut kept: Vec<Slot> = mem::take(children).into_iter().filter(|child| !child.is_empty()).collect();
        if kept.len() > 1 {
            (*present, *children) = (left, kept.into_boxed_slice());
            return Ok(());
        }
        let Some(mut child) = kept.pop() else {
            *slot = Slot::default();
            return Ok(());
        };
        let child_key = child_key(key, depth, left.trailing_zeros() as usize);
        child.load(&child_key, depth + 1, self.source)?;
        if let Some(Node::Leaf(_) | Node::Extension(_)) = &child.node {
            self.old.log(&child, &child_key, depth + 1);
        }
        *slot = moved(child, &child_key, depth + 1, depth);
        Ok(())
    }
}

/// The sub-trie at `depth` of the leaves among sorted updates.
fn inserted(updates: &mut [Update], depth: usize) -> Slot {
    if let [Update { leaf, .. }] = updates {
        return leaf.take().map_or_else(Slot::default, |leaf| Slot::dirty(Node::Leaf(leaf)));
    }
    let mut leaves: Vec<Leaf> = updates.iter_mut().filter_map(|update| update.leaf.take()).collect();
    build(&mut leaves, depth)
}

/// Builds the sub-trie of sorted, distinct leaves below `depth`.
fn build(leaves: &mut [Leaf], depth: usize) -> Slot {
    match leaves {
        [] => Slot::default(),
        [leaf] => Slot::dirty(Node::Leaf(mem::take(leaf))),
        [first, .., last] => {
            let key = *first.key();
            let fork = shared_nibbles(&key, last.key(), depth, 64);
            let index_of = |leaf: &Leaf| nibble(&leaf.key().0, fork);
            let present = leaves.iter().fold(0u16, |present, leaf| present | 1 << index_of(leaf));
            let mut children = Vec::with_capacity(present.count_ones() as usize);
            let mut rest = leaves;
            for index in indices(present) {
                let end = rest.partition_point(|leaf| index_of(leaf) <= index);
                let (group, after) = rest.split_at_mut(end);
                children.push(build(group, fork + 1));
                rest = after;
            }
            let branch = Node::Branch { present, children: children.into_boxed_slice() };
            moved(Slot::dirty(branch), &key, fork, depth)
        }
    }
}

/// What stands at depth `from` on the way to `key`, made to stand at `to`, with an extension before
/// it if it is a branch. A node that only its hash names must be one.
fn moved(slot: Slot, key: &B256, from: usize, to: usize) -> Slot {
    if from == to || slot.is_empty() {
        return slot;
    }
    match slot.node {
        // They hold their whole keys; only their RLP changes.
        Some(Node::Leaf(_) | Node::Extension(_)) => Slot { state: State::Dirty, ..slot },
        Some(Node::Branch { .. }) | None => {
            Slot::dirty(Node::Extension(Box::new(Extension { key: *key, end: from, child: slot })))
        }
    }
}
