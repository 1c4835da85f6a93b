//! The chain above an L1: its safe and finalized heads, and blocks that others have built.

use alloy_consensus::Header;
use serde::{Deserialize, Serialize};
use trex_stf::{attributes::L1Origin, deposits::stored_origin, state::State, transaction::Transaction};
use trex_store::{Store, StoreError};

use crate::{
    block_rlp,
    chain::{Chain, ChainError},
    import::DecodedBlock,
    network::Network,
};

/// Meta key of the heads.
const HEADS_KEY: &[u8] = b"l1/heads";

/// How far L1 carries the chain, as block numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct L1Heads {
    /// Newest block that follows from L1's inbox.
    pub safe: u64,
    /// Newest block that follows from finalized L1 blocks; never above `safe`.
    pub finalized: u64,
}

/// The heads that a store keeps; genesis follows from any L1.
pub(crate) fn load_heads(store: &Store) -> Result<L1Heads, StoreError> {
    let Some(bytes) = store.get_meta(HEADS_KEY)? else { return Ok(L1Heads::default()) };
    serde_json::from_slice(&bytes)
        .map_err(|error| StoreError::Corrupt { place: "l1/heads".into(), detail: error.to_string() })
}

/// The oldest block whose state following L1 may need: derivation goes on after the safe block, and L1 may
/// take everything back down to the finalized one.
pub(crate) fn oldest_needed(heads: L1Heads) -> u64 {
    heads.finalized.saturating_sub(1)
}

impl Chain {
    /// Safe and finalized heads. Without an L1 both are the newest block.
    pub fn l1_heads(&self) -> L1Heads {
        if self.network().l1.is_none() {
            let head = self.head().header.number;
            return L1Heads { safe: head, finalized: head };
        }
        *self.heads()
    }

    /// Records safe and finalized heads, durable. Safe may go back, down to the finalized head;
    /// finalized never does.
    pub fn set_l1_heads(&self, new: L1Heads) -> Result<(), ChainError> {
        let _writer = self.write();
        let head = self.head().header.number;
        let old = *self.heads();
        if self.network().l1.is_none() {
            return Err(ChainError::Heads("this network has no L1".into()));
        }
        if new.finalized > new.safe || new.safe > head || new.finalized < old.finalized {
            return Err(ChainError::Heads(format!(
                "safe {} and finalized {} do not fit the newest block {head} and finalized {}",
                new.safe, new.finalized, old.finalized
            )));
        }
        self.record_heads(new)
    }

    pub(crate) fn record_heads(&self, new: L1Heads) -> Result<(), ChainError> {
        let bytes = serde_json::to_vec(&new).map_err(|error| ChainError::Heads(error.to_string()))?;
        self.store().put_meta(HEADS_KEY, &bytes)?;
        *self.heads() = new;
        self.store().keep_state_from(oldest_needed(new));
        Ok(())
    }

    /// Executes a block that another node has built on our head, and stores it.
    pub fn insert(&self, rlp: &[u8]) -> Result<(), ChainError> {
        let malformed = |reason: String| ChainError::Block { number: 0, reason };
        let mut rest = rlp;
        let raw = block_rlp::decode(&mut rest)
            .map_err(|error| malformed(error.to_string()))?
            .filter(|_| rest.is_empty())
            .ok_or_else(|| malformed("not the RLP of one block".into()))?;
        let number = raw.header.number;
        let transactions = raw
            .transactions
            .into_iter()
            .enumerate()
            .map(|(index, tx)| {
                Transaction::decode(tx).map_err(|error| ChainError::Block {
                    number,
                    reason: format!("transaction {index}: {error}"),
                })
            })
            .collect::<Result<_, _>>()?;
        self.import_blocks(vec![DecodedBlock { header: raw.header, transactions }])
    }

    /// RLP of a block as [`Chain::insert`] takes it.
    pub fn block_rlp(&self, number: u64) -> Result<Vec<u8>, ChainError> {
        let raw = self.raw_block(number)?;
        let mut out = Vec::new();
        block_rlp::encode(&raw.header, &raw.transactions, &mut out);
        Ok(out)
    }
}

/// The L1 origin of a block, by the state after it.
pub(crate) fn origin_of<S: State>(
    network: &Network,
    header: &Header,
    state: &S,
) -> Result<L1Origin, S::Error> {
    if network.l1.is_none() {
        return Ok(network.origin);
    }
    let stored = stored_origin(state)?;
    Ok(L1Origin {
        prev_randao: header.mix_hash,
        parent_beacon_block_root: header.parent_beacon_block_root.unwrap_or_default(),
        // Before the first L1 attributes deposit, state holds none: genesis names its origin.
        ..if stored.hash.is_zero() { network.origin } else { stored }
    })
}
