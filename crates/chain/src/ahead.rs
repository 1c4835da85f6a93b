//! State after blocks that are executed but not yet in the store.
//!
//! An import executes on while earlier blocks are being written: their changes lie in layers over
//! the state that the store has, and leave when they are there too.

use std::{collections::VecDeque, sync::Arc};

use alloy_primitives::{
    Address, B256, Bytes, U256,
    map::{AddressMap, B256Map, HashMap},
};
use alloy_trie::Nibbles;
use trex_stf::{
    block::Block,
    state::{Account, State, StateDiff},
};
use trex_store::{StateView, StoreError};

/// Blocks that are stored together, and what they changed.
#[derive(Debug, Default)]
pub(crate) struct Layer {
    blocks: Vec<Block>,
    accounts: AddressMap<Option<Account>>,
    slots: HashMap<(Address, U256), U256>,
    codes: B256Map<Bytes>,
    /// Changed trie nodes: what most of the layer's memory goes to.
    nodes: usize,
}

impl Layer {
    /// The blocks, ascending.
    pub(crate) fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// Number of changed trie nodes.
    pub(crate) fn nodes(&self) -> usize {
        self.nodes
    }

    fn push(&mut self, block: Block) {
        let StateDiff { accounts, slots, codes, nodes } = &block.diff;
        self.accounts.extend(accounts.iter().map(|(address, change)| (*address, change.new)));
        self.slots.extend(slots.iter().map(|(address, slot, change)| ((*address, *slot), change.new)));
        self.codes.extend(codes.iter().cloned());
        self.nodes += nodes.len();
        self.blocks.push(block);
    }

    /// RLP of the node that the layer last put in a place. Tries keep in memory what they changed, so
    /// this is asked for only after they were pruned: blocks are searched, no table is kept.
    fn node(&self, owner: Option<&B256>, path: &Nibbles) -> Option<&Bytes> {
        self.blocks.iter().rev().find_map(|block| {
            let nodes = &block.diff.nodes;
            let at =
                nodes.binary_search_by(|node| (node.owner.as_ref(), &node.path).cmp(&(owner, path))).ok()?;
            nodes[at].change.new.as_ref()
        })
    }
}

/// The stored state with executed blocks over it.
#[derive(Debug)]
pub(crate) struct Ahead {
    stored: Arc<StateView>,
    /// On their way into the store, oldest first.
    leaving: VecDeque<Arc<Layer>>,
    top: Layer,
}

impl Ahead {
    /// Nothing over `stored`.
    pub(crate) fn new(stored: Arc<StateView>) -> Self {
        Self { stored, leaving: VecDeque::new(), top: Layer::default() }
    }

    /// Puts an executed block over the rest.
    pub(crate) fn push(&mut self, block: Block) {
        self.top.push(block);
    }

    /// Executed blocks that are not on their way into the store.
    pub(crate) fn top(&self) -> &Layer {
        &self.top
    }

    /// Layers on their way into the store.
    pub(crate) fn leaving(&self) -> usize {
        self.leaving.len()
    }

    /// Closes the top layer, for the store to take.
    pub(crate) fn close(&mut self) -> Arc<Layer> {
        let layer = Arc::new(std::mem::take(&mut self.top));
        self.leaving.push_back(layer.clone());
        layer
    }

    /// The oldest closed layer is in the store, whose newest state is `stored`.
    pub(crate) fn landed(&mut self, stored: Arc<StateView>) {
        self.leaving.pop_front();
        self.stored = stored;
    }

    /// Newest first.
    fn layers(&self) -> impl Iterator<Item = &Layer> {
        std::iter::once(&self.top).chain(self.leaving.iter().rev().map(|layer| &**layer))
    }
}

impl State for Ahead {
    type Error = StoreError;

    fn account(&self, address: &Address) -> Result<Option<Account>, StoreError> {
        match self.layers().find_map(|layer| layer.accounts.get(address)) {
            Some(account) => Ok(*account),
            None => self.stored.account(address),
        }
    }

    fn storage(&self, address: &Address, slot: &U256) -> Result<U256, StoreError> {
        match self.layers().find_map(|layer| layer.slots.get(&(*address, *slot))) {
            Some(value) => Ok(*value),
            None => self.stored.storage(address, slot),
        }
    }

    fn code(&self, hash: &B256) -> Result<Bytes, StoreError> {
        match self.layers().find_map(|layer| layer.codes.get(hash)) {
            Some(code) => Ok(code.clone()),
            None => self.stored.code(hash),
        }
    }

    fn block_hash(&self, number: u64) -> Result<B256, StoreError> {
        let ours = |layer: &Layer| {
            let first = layer.blocks.first()?.header.number;
            let at = usize::try_from(number.checked_sub(first)?).ok()?;
            layer.blocks.get(at).map(|block| block.hash)
        };
        match self.layers().find_map(ours) {
            Some(hash) => Ok(hash),
            None => self.stored.block_hash(number),
        }
    }

    fn node(&self, owner: Option<&B256>, path: &Nibbles, hash: &B256) -> Result<Bytes, StoreError> {
        // The store checks the hash, so it answers only where no layer has changed the node.
        self.stored
            .node(owner, path, hash)
            .or_else(|fault| self.layers().find_map(|layer| layer.node(owner, path)).cloned().ok_or(fault))
    }
}
