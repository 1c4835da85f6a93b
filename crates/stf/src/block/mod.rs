//! Executing a block.
//!
//! The acts, in order: check the attributes; system calls (EIP-4788, EIP-2935); the L1 attributes
//! deposit if the origin changed; forced deposits; ordinary transactions; fees to the vaults; roots
//! and header.

mod errors;
mod executor;
mod roots;

use alloc::vec::Vec;

use alloy_consensus::Header;
use alloy_primitives::{Address, B256};

pub use errors::{AttributesError, BlockError, Exclusion};
pub use executor::{BlockExecutor, Overwrite, open_header};

use crate::{
    attributes::BlockAttributes,
    params::NetworkParams,
    receipt::Receipt,
    state::{State, StateDiff},
    state_trie::StateTrie,
    transaction::Transaction,
};

/// A block and everything it changed.
#[derive(Clone, Debug)]
pub struct Block {
    /// The header.
    pub header: Header,
    /// keccak256 of the header's RLP.
    pub hash: B256,
    /// Included transactions, deposits first.
    pub transactions: Vec<Transaction>,
    /// A receipt for each transaction.
    pub receipts: Vec<Receipt>,
    /// State changes against the parent.
    pub diff: StateDiff,
    /// Output root.
    pub output_root: B256,
    /// Who took part inside a transaction, by its index, where
    /// [`BlockExecutor::record_participants`] asked for it: see
    /// [`StateEvm::take_participants`](crate::evm::StateEvm::take_participants).
    pub participants: Vec<(Address, u32)>,
}

/// A block, and by position the transactions that were left out of it with their reasons.
pub type Executed = (Block, Vec<(usize, Exclusion)>);

/// Executes a whole block: every transaction, or the reason why it was left out, by its position.
pub fn execute<S: State>(
    params: &NetworkParams,
    parent: &Header,
    parent_hash: B256,
    attributes: &BlockAttributes,
    transactions: impl IntoIterator<Item = Transaction>,
    state: &S,
    trie: &mut StateTrie,
) -> Result<Executed, BlockError<S::Error>> {
    let mut executor = BlockExecutor::new(params, parent, parent_hash, attributes, state)?;
    let mut excluded = Vec::new();
    let transactions = transactions.into_iter();
    executor.reserve(transactions.size_hint().0);
    for (index, tx) in transactions.enumerate() {
        if let Some(reason) = executor.transact(tx)? {
            excluded.push((index, reason));
        }
    }
    Ok((executor.finish(trie)?, excluded))
}
