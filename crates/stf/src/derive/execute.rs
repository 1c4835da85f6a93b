//! Executing the blocks of a plan one after the other over one state.

use alloc::{collections::BTreeMap, vec::Vec};

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_trie::Nibbles;

use super::plan::{Parent, PlannedBlock};
use crate::{
    block::{Block, BlockError},
    params::NetworkParams,
    program::{self, Excluded},
    state::{Account, State, StateDiff},
    state_trie::StateTrie,
};

/// A derived block, and what was left out of it.
#[derive(Clone, Debug)]
pub struct Derived {
    /// The block.
    pub block: Block,
    /// Transactions of the batch that were left out, ascending by position.
    pub excluded: Vec<Excluded>,
}

/// Makes the blocks of a plan. `state` is the parent's, `trie` at its root; the trie is advanced to
/// the last block's.
pub fn execute<S: State>(
    params: &NetworkParams,
    parent: &Parent<'_>,
    blocks: &[PlannedBlock],
    state: &S,
    trie: &mut StateTrie,
) -> Result<Vec<Derived>, BlockError<S::Error>> {
    let mut overlay = Overlay::new(state);
    let mut out: Vec<Derived> = Vec::with_capacity(blocks.len());
    let (mut header, mut hash): (Header, B256) = (parent.header.clone(), parent.hash);
    for planned in blocks {
        overlay.hashes.insert(header.number, hash);
        let transactions = planned.transactions.clone();
        let (block, excluded) =
            program::execute(params, &header, hash, &planned.attributes, transactions, &overlay, trie)?;
        overlay.apply(&block.diff);
        (header, hash) = (block.header.clone(), block.hash);
        out.push(Derived { block, excluded });
    }
    Ok(out)
}

/// A state with the changes of blocks made on top of it.
#[derive(Debug)]
pub struct Overlay<'a, S> {
    state: &'a S,
    accounts: BTreeMap<Address, Option<Account>>,
    slots: BTreeMap<(Address, U256), U256>,
    codes: BTreeMap<B256, Bytes>,
    nodes: BTreeMap<(Option<B256>, Nibbles), Bytes>,
    hashes: BTreeMap<u64, B256>,
}

impl<'a, S: State> Overlay<'a, S> {
    /// No changes yet.
    pub fn new(state: &'a S) -> Self {
        Self {
            state,
            accounts: BTreeMap::new(),
            slots: BTreeMap::new(),
            codes: BTreeMap::new(),
            nodes: BTreeMap::new(),
            hashes: BTreeMap::new(),
        }
    }

    /// Takes up the changes of the next block.
    pub fn apply(&mut self, diff: &StateDiff) {
        self.accounts.extend(diff.accounts.iter().map(|(address, change)| (*address, change.new)));
        self.slots.extend(diff.slots.iter().map(|(address, slot, change)| ((*address, *slot), change.new)));
        self.codes.extend(diff.codes.iter().cloned());
        for node in &diff.nodes {
            let place = (node.owner, node.path);
            match &node.change.new {
                Some(rlp) => self.nodes.insert(place, rlp.clone()),
                None => self.nodes.remove(&place),
            };
        }
    }
}

impl<S: State> State for Overlay<'_, S> {
    type Error = S::Error;

    fn account(&self, address: &Address) -> Result<Option<Account>, S::Error> {
        self.accounts.get(address).map_or_else(|| self.state.account(address), |account| Ok(*account))
    }

    fn storage(&self, address: &Address, slot: &U256) -> Result<U256, S::Error> {
        match self.slots.get(&(*address, *slot)) {
            Some(value) => Ok(*value),
            None => self.state.storage(address, slot),
        }
    }

    fn code(&self, hash: &B256) -> Result<Bytes, S::Error> {
        self.codes.get(hash).map_or_else(|| self.state.code(hash), |code| Ok(code.clone()))
    }

    fn block_hash(&self, number: u64) -> Result<B256, S::Error> {
        self.hashes.get(&number).map_or_else(|| self.state.block_hash(number), |hash| Ok(*hash))
    }

    fn node(&self, owner: Option<&B256>, path: &Nibbles, hash: &B256) -> Result<Bytes, S::Error> {
        match self.nodes.get(&(owner.copied(), *path)) {
            Some(rlp) => Ok(rlp.clone()),
            None => self.state.node(owner, path, hash),
        }
    }
}
