//! What a block's roots are made of: transactions, receipts and what execution left in the journal.

use alloc::vec::Vec;

use alloy_primitives::{Address, B256, Bloom, Bytes, KECCAK256_EMPTY, Log, U256, map::HashMap};
use alloy_trie::EMPTY_ROOT_HASH;
use revm::state::EvmState;

use crate::{
    keccak::keccak256_many,
    ordered_root::{ordered_root, ordered_root_by},
    receipt::Receipt,
    state::{Account, Change},
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

/// What changed against the accounts and slots as first read, ascending by address, and the new codes.
pub(super) fn account_updates(
    changes: &EvmState,
    accounts: &[(Address, Option<Account>)],
    slots: &HashMap<(Address, U256), U256>,
) -> (Vec<AccountUpdate>, Vec<(B256, Bytes)>) {
    let mut codes = Vec::new();
    let mut updates = Vec::with_capacity(accounts.len());
    for (address, old) in by_address(accounts) {
        let Some(account) = changes.get(address).filter(|account| account.is_touched()) else { continue };
        let (address, old) = (*address, *old);
        let gone = account.is_selfdestructed_locally() || account.info.is_empty();
        let new = (!gone).then(|| Account {
            nonce: account.info.nonce,
            balance: account.info.balance,
            storage_root: old.map_or(EMPTY_ROOT_HASH, |account| account.storage_root),
            code_hash: account.info.code_hash,
        });
        let mut changed = Vec::new();
        if let Some(new) = &new {
            for (slot, value) in &account.storage {
                let old = slots.get(&(address, *slot)).copied().unwrap_or_default();
                if old != value.present_value {
                    changed.push((*slot, Change { old, new: value.present_value }));
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
        if old != new || !changed.is_empty() {
            changed.sort_unstable_by_key(|(slot, _)| *slot);
            updates.push(AccountUpdate { address, account: Change { old, new }, slots: changed });
        }
    }
    codes.sort_unstable_by_key(|(hash, _)| *hash);
    codes.dedup_by_key(|(hash, _)| *hash);
    (updates, codes)
}

/// What was read, ascending by address.
fn by_address(read: &[(Address, Option<Account>)]) -> impl Iterator<Item = &(Address, Option<Account>)> {
    // Nearly always the first bytes decide.
    let prefix = |address: &Address| address.0.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
    let mut order: Vec<(u64, &(Address, Option<Account>))> =
        read.iter().map(|item| (prefix(&item.0), item)).collect();
    order.sort_unstable_by(|(a, left), (b, right)| a.cmp(b).then_with(|| left.0.cmp(&right.0)));
    order.dedup_by_key(|(_, item)| item.0);
    order.into_iter().map(|(_, item)| item)
}
