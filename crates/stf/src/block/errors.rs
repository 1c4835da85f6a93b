//! Why a transaction is not in a block, and why there is no block.

use alloc::string::{String, ToString};
use core::fmt;

use revm::context::result::{EVMError, InvalidTransaction};

use crate::{
    evm::{StateError, TransactError},
    transaction::DecodeError,
    trie::TrieError,
};

/// Why a transaction was left out of a block (STF-007). The rule it breaks is final for this state, not for
/// every later one: a nonce that is too high now may fit after others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exclusion {
    /// Its gas limit does not fit in what the block has left.
    BlockGas {
        /// Gas limit of the transaction.
        needed: u64,
        /// Gas the block has left.
        left: u64,
    },
    /// A deposit among ordinary transactions.
    Deposit,
    /// A rule of Ethereum, or of the L1 data fee.
    Invalid(InvalidTransaction),
}

impl fmt::Display for Exclusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BlockGas { needed, left } => write!(f, "needs {needed} gas, the block has {left} left"),
            Self::Deposit => f.write_str("deposits come from L1 only"),
            Self::Invalid(reason) => reason.fmt(f),
        }
    }
}

/// A rule that attributes break: no block can be built from them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttributesError {
    /// The parent's `extraData` names no slot.
    ParentSlot,
    /// The slot is not above the parent's (STF-001).
    Slot {
        /// The parent's slot.
        parent: u64,
        /// The slot asked for.
        slot: u64,
    },
    /// The origin lies before the parent's, or differs from it at the same number (STF-004).
    Origin {
        /// Origin number in the parent's state.
        parent: u64,
        /// The origin number asked for.
        number: u64,
    },
    /// A forced deposit is not one.
    DepositEncoding {
        /// Position among the deposits.
        index: usize,
        /// What is wrong with it.
        error: DecodeError,
    },
    /// A forced deposit's gas limit is above the cap or does not fit the block (STF-006).
    DepositGas {
        /// Position among the deposits.
        index: usize,
    },
}

impl fmt::Display for AttributesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ParentSlot => f.write_str("the parent's extraData names no slot"),
            Self::Slot { parent, slot } => write!(f, "slot {slot} is not above the parent's {parent}"),
            Self::Origin { parent, number } => {
                write!(f, "L1 origin {number} does not follow the parent's {parent}")
            }
            Self::DepositEncoding { index, error } => write!(f, "deposit {index}: {error}"),
            Self::DepositGas { index } => write!(f, "deposit {index}: gas limit does not fit"),
        }
    }
}

/// Why there is no block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlockError<E> {
    /// The attributes break a rule.
    Attributes(AttributesError),
    /// The state could not be read.
    State(E),
    /// A trie node is malformed.
    Trie(String),
    /// The EVM could not compute.
    Evm(String),
}

impl<E: fmt::Display> fmt::Display for BlockError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Attributes(error) => write!(f, "attributes: {error}"),
            Self::State(error) => write!(f, "state: {error}"),
            Self::Trie(reason) => write!(f, "state trie: {reason}"),
            Self::Evm(reason) => write!(f, "evm: {reason}"),
        }
    }
}

impl<E: core::error::Error> core::error::Error for BlockError<E> {}

impl<E: fmt::Display> BlockError<E> {
    pub(super) fn from_evm(error: TransactError<E>) -> Self {
        match error {
            EVMError::Database(StateError(error)) => Self::State(error),
            other => Self::Evm(other.to_string()),
        }
    }
}

impl<E> From<TrieError<E>> for BlockError<E> {
    fn from(error: TrieError<E>) -> Self {
        match error {
            TrieError::Source(error) => Self::State(error),
            TrieError::Malformed { hash, reason } => Self::Trie(alloc::format!("node {hash}: {reason}")),
        }
    }
}
