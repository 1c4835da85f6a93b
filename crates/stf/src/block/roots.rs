//! What a block's roots are made of: transactions, receipts and what execution left in the journal.

use alloc::vec::Vec;

use alloy_primitives::{B256, Bloom, Bytes, KECCAK256_EMPTY, Log};
use alloy_trie::EMPTY_ROOT_HASH;
use revm::state::EvmState;

use crate::{
    evm::StateDb,
    keccak::keccak256_many,
    ordered_root::{ordered_root, ordered_root_by},
    receipt::Receipt,
    state::{Account, Change, State},
    state_trie::AccountUpdate,
    transaction::Transaction,
};

/// Transactions root, receipts root and bloom.
pub(super) fn body_roots(transactions: &[Transaction], receipts: &[Receipt]) -> (B256, B256, Bloom) {
    let transactions_root =
        || ordered_root(&transactions.iter().map(|tx| tx.encoded().as_ref()).collect::<Vec<&[u8]>>());
    let receipts_root = || receipts_root_and_bloom(receipts);
    #[cfg(feature = "std")]
    let (transactions_root, (receipts_root, bloom)) = rayon::join(transactions_root, receipts_root);
    #[cfg(not(feature = "std"))]
    let (transactions_root, (receipts_root, bloom)) = (transactions_root(), receipts_root());
    (transactions_root, receipts_root, bloom)
}

/// Receipts root and the bloom over all logs; what goes into blooms is hashed in one batch.
fn receipts_root_and_bloom(receipts: &[Receipt]) -> (B256, Bloom) {
    let parts = |log: &'_ Log| 1 + log.topics().len();
    let mut inputs: Vec<&[u8]> = Vec::new();
    // Where each receipt's inputs end.
    let mut ends = Vec::with_capacity(receipts.len());
    for receipt in receipts {
        for log in &receipt.logs {
            inputs.reserve(parts(log));
            inputs.push(log.address.as_slice());
            inputs.extend(log.topics().iter().map(|topic| topic.as_slice()));
        }
        ends.push(inputs.len());
    }
    let hashes = keccak256_many(&inputs);
    let bloom_of = |hashes: &[B256]| {
        let mut bloom = Bloom::ZERO;
        hashes.iter().for_each(|hash| bloom.m3_2048_hashed(hash));
        bloom
    };
    let root = ordered_root_by(receipts.len(), |index, out| {
        let start = index.checked_sub(1).map_or(0, |before| ends[before]);
        receipts[index].encode_2718_with_bloom(&bloom_of(&hashes[start..ends[index]]), out);
    });
    (root, bloom_of(&hashes))
}

/// What changed against the values first read, ascending by address, and the new codes.
pub(super) fn account_updates<S: State>(
    changes: EvmState,
    db: &StateDb<'_, S>,
) -> (Vec<AccountUpdate>, Vec<(B256, Bytes)>) {
    let mut codes = Vec::new();
    let mut updates = Vec::with_capacity(changes.len());
    for (address, account) in changes {
        if !account.is_touched() {
            continue;
        }
        let old = db.accounts.get(&address).copied().flatten();
        let gone = account.is_selfdestructed_locally() || account.info.is_empty();
        let new = (!gone).then(|| Account {
            nonce: account.info.nonce,
            balance: account.info.balance,
            storage_root: old.map_or(EMPTY_ROOT_HASH, |account| account.storage_root),
            code_hash: account.info.code_hash,
        });
        let mut slots = Vec::new();
        if let Some(new) = &new {
            for (slot, value) in &account.storage {
                let old = db.slots.get(&(address, *slot)).copied().unwrap_or_default();
                if old != value.present_value {
                    slots.push((*slot, Change { old, new: value.present_value }));
                }
            }
            let known = old.map_or(KECCAK256_EMPTY, |account| account.code_hash);
            if new.code_hash != known
                && let Some(code) = &account.info.code
                && !code.is_empty()
            {
                codes.push((new.code_hash, code.original_bytes()));
            }
        }
        if old != new || !slots.is_empty() {
            slots.sort_unstable_by_key(|(slot, _)| *slot);
            updates.push(AccountUpdate { address, account: Change { old, new }, slots });
        }
    }
    updates.sort_unstable_by_key(|update| update.address);
    codes.sort_unstable_by_key(|(hash, _)| *hash);
    codes.dedup_by_key(|(hash, _)| *hash);
    (updates, codes)
}
