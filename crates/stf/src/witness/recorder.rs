//! Executing a block over a full state while noting what a witness of it must hold.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::*;
use crate::{
    attributes::BlockAttributes,
    block::{Block, BlockError, Exclusion, execute},
    derive::program::SpanError,
    params::NetworkParams,
    state_trie::{NodesOf, StateTrie},
    transaction::Transaction,
    trie::{Trie, TrieError},
};

/// What was asked of a state.
#[derive(Debug, Default)]
struct Asked {
    accounts: BTreeSet<Address>,
    slots: BTreeSet<(Address, U256)>,
    nodes: BTreeMap<B256, Bytes>,
    codes: BTreeMap<B256, Bytes>,
    oldest_block_hash: Option<u64>,
}

/// A state that remembers what was asked of it.
#[derive(Debug)]
pub struct Recorder<'a, S> {
    state: &'a S,
    asked: Mutex<Asked>,
}

/// Why a witness could not be recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordError<E> {
    /// The block could not be executed.
    Block(BlockError<E>),
    /// The ancestor header of that number is not known.
    Header(u64),
    /// The blocks of a batch header could not be derived.
    Span(SpanError<E>),
}

impl<E: fmt::Display> fmt::Display for RecordError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Block(error) => error.fmt(f),
            Self::Header(number) => write!(f, "header of block {number} not found"),
            Self::Span(error) => error.fmt(f),
        }
    }
}

impl<E: core::error::Error> core::error::Error for RecordError<E> {}

impl<E> From<TrieError<E>> for RecordError<E> {
    fn from(error: TrieError<E>) -> Self {
        Self::Block(error.into())
    }
}

impl<'a, S: State> Recorder<'a, S> {
    /// Nothing asked yet.
    pub fn new(state: &'a S) -> Self {
        Self { state, asked: Mutex::default() }
    }

    // What is recorded is whole after each change, so a panic elsewhere leaves it usable.
    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The witness of everything asked so far, against the state of `parent`.
    ///
    /// `ancestor` answers the RLP of a header by number.
    pub fn into_witness(
        self,
        parent: &Header,
        ancestor: impl Fn(u64) -> Option<Bytes>,
    ) -> Result<Witness, RecordError<S::Error>> {
        let (accounts, slots) = {
            let mut asked = self.asked();
            (core::mem::take(&mut asked.accounts), core::mem::take(&mut asked.slots))
        };
        self.walk(parent.state_root, accounts, slots)?;
        let asked = self.asked.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut headers = Vec::new();
        if let Some(oldest) = asked.oldest_block_hash {
            // The hash of a block stands in the header above it; the parent's own is given.
            for number in (oldest.saturating_add(1)..parent.number).rev() {
                headers.push(ancestor(number).ok_or(RecordError::Header(number))?);
            }
        }
        Ok(Witness::new(asked.nodes.into_values(), asked.codes.into_values(), headers))
    }

    /// Records the nodes that lead to what was read.
    fn walk(
        &self,
        state_root: B256,
        accounts: BTreeSet<Address>,
        slots: BTreeSet<(Address, U256)>,
    ) -> Result<(), TrieError<S::Error>> {
        let mut trie = Trie::new(state_root);
        let source = NodesOf { state: self, owner: None };
        for address in accounts.iter().chain(slots.iter().map(|(address, _)| address)) {
            trie.get(&keccak256(address), &source)?;
        }
        let mut storage: Option<(Address, Trie)> = None;
        for (address, slot) in slots {
            if storage.as_ref().is_none_or(|(at, _)| *at != address) {
                let account = self.state.account(&address).map_err(TrieError::Source)?;
                storage = Some((address, Trie::new(account.unwrap_or_default().storage_root)));
            }
            if let Some((_, trie)) = storage.as_mut() {
                let source = NodesOf { state: self, owner: Some(keccak256(address)) };
                trie.get(&keccak256(slot.to_be_bytes::<32>()), &source)?;
            }
        }
        Ok(())
    }
}

impl<S: State> State for Recorder<'_, S> {
    type Error = S::Error;

    fn account(&self, address: &Address) -> Result<Option<Account>, S::Error> {
        self.asked().accounts.insert(*address);
        self.state.account(address)
    }

    fn storage(&self, address: &Address, slot: &U256) -> Result<U256, S::Error> {
        self.asked().slots.insert((*address, *slot));
        self.state.storage(address, slot)
    }

    fn code(&self, hash: &B256) -> Result<Bytes, S::Error> {
        let code = self.state.code(hash)?;
        self.asked().codes.insert(*hash, code.clone());
        Ok(code)
    }

    fn block_hash(&self, number: u64) -> Result<B256, S::Error> {
        let mut asked = self.asked();
        let oldest = asked.oldest_block_hash.map_or(number, |oldest| oldest.min(number));
        asked.oldest_block_hash = Some(oldest);
        drop(asked);
        self.state.block_hash(number)
    }

    fn node(&self, owner: Option<&B256>, path: &Nibbles, hash: &B256) -> Result<Bytes, S::Error> {
        let node = self.state.node(owner, path, hash)?;
        self.asked().nodes.insert(*hash, node.clone());
        Ok(node)
    }
}

/// A block, what was left out of it, and the witness that re-executes it.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// The block.
    pub block: Block,
    /// Transactions left out, by position.
    pub excluded: Vec<(usize, Exclusion)>,
    /// All that re-executing the block reads, and nothing else.
    pub witness: Witness,
}

/// Executes a block over `state`, the state of `parent`, and records its witness (WIT-004).
///
/// `ancestor` answers the RLP of an earlier header by number; only those that `BLOCKHASH`
/// needs are asked for.
pub fn record<S: State>(
    params: &NetworkParams,
    parent: &Header,
    parent_hash: B256,
    attributes: &BlockAttributes,
    transactions: impl IntoIterator<Item = Transaction>,
    state: &S,
    ancestor: impl Fn(u64) -> Option<Bytes>,
) -> Result<Recorded, RecordError<S::Error>> {
    let recorder = Recorder::new(state);
    // A fresh trie, so that every node the change needs is asked for.
    let mut trie = StateTrie::new(parent.state_root);
    let (block, excluded) =
        execute(params, parent, parent_hash, attributes, transactions, &recorder, &mut trie)
            .map_err(RecordError::Block)?;
    let witness = recorder.into_witness(parent, ancestor)?;
    Ok(Recorded { block, excluded, witness })
}
