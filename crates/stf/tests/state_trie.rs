//! The incremental tries against roots computed from scratch by alloy-trie.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, U256, keccak256};
use alloy_trie::EMPTY_ROOT_HASH;
use common::MemoryState;
use proptest::prelude::*;
use trex_stf::{
    state::{Account, Change},
    state_trie::{AccountUpdate, StateTrie},
};

/// One write: account, slot, value; value zero clears; slot 0 stands for the account itself.
type Write = (u16, u8, u8);

fn run(blocks: &[Vec<Write>], keep_trie: bool, collapse: bool) {
    let mut state = MemoryState::default();
    let mut trie = StateTrie::new(EMPTY_ROOT_HASH);
    for block in blocks {
        let mut touched: BTreeMap<Address, (bool, BTreeMap<U256, u8>)> = BTreeMap::new();
        for (account, slot, value) in block {
            let address = Address::from_word(keccak256(account.to_be_bytes()));
            let entry = touched.entry(address).or_insert((true, BTreeMap::new()));
            if *slot == 0 {
                entry.0 = *value != 0;
            } else {
                entry.1.insert(U256::from(*slot), *value);
            }
        }
        let updates = touched
            .into_iter()
            .map(|(address, (mut alive, writes))| {
                let old = state.accounts.get(&address).copied();
                // As since EIP-6780: an account with storage never disappears.
                alive |= old.is_some_and(|old| old.storage_root != EMPTY_ROOT_HASH);
                let mut slots = Vec::new();
                for (slot, value) in writes.into_iter().filter(|_| alive) {
                    let before = state.slots.get(&(address, slot)).copied().unwrap_or_default();
                    if before != U256::from(value) {
                        slots.push((slot, Change { old: before, new: U256::from(value) }));
                    }
                }
                let new = alive.then(|| {
                    let account = old.unwrap_or_default();
                    Account { nonce: account.nonce + 1, ..account }
                });
                AccountUpdate { address, account: Change { old, new }, slots }
            })
            .filter(|update| update.account.old != update.account.new || !update.slots.is_empty())
            .collect();
        if !keep_trie {
            trie = StateTrie::new(trie.root());
        }
        let diff = trie.apply(updates, &state).unwrap();
        state.apply(&diff);
        assert_eq!(trie.root(), state.reference_root());
        if collapse {
            trie.prune(0);
        }
    }
    // Every stored node is reachable: emptying the state empties the store.
    if keep_trie {
        let updates = state
            .accounts
            .clone()
            .into_iter()
            .map(|(address, old)| {
                let slots = state
                    .slots
                    .range((address, U256::ZERO)..=(address, U256::MAX))
                    .map(|((_, slot), value)| (*slot, Change { old: *value, new: U256::ZERO }))
                    .collect();
                AccountUpdate { address, account: Change { old: Some(old), new: None }, slots }
            })
            .collect();
        let diff = trie.apply(updates, &state).unwrap();
        state.apply(&diff);
        assert_eq!(trie.root(), EMPTY_ROOT_HASH);
        assert!(state.nodes.is_empty() && state.accounts.is_empty() && state.slots.is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn apply_random_blocks_gives_reference_roots(
        blocks in prop::collection::vec(
            prop::collection::vec((0u16..60, 0u8..40, 0u8..3), 0..60), 1..8),
        keep_trie: bool,
        collapse: bool,
    ) {
        run(&blocks, keep_trie, collapse);
    }
}

/// Deleting what is not there changes nothing, also where its key leaves the path of an extension.
#[test]
fn apply_deletion_of_what_is_not_there_leaves_the_root() {
    let mut state = MemoryState::default();
    let mut trie = StateTrie::new(EMPTY_ROOT_HASH);
    let account = Account { nonce: 1, ..Account::default() };
    let change = |address: Address, new: Option<Account>| AccountUpdate {
        address,
        account: Change { old: None, new },
        slots: Vec::new(),
    };
    // Their keys begin with 0xe690 and 0xe6ad; that of 0x0c with 0xebd4, that of 0xdead with 0xfe87.
    let kept = [Address::with_last_byte(9), Address::left_padding_from(&0xc0de_0002u32.to_be_bytes())];
    let diff =
        trie.apply(kept.iter().map(|address| change(*address, Some(account))).collect(), &state).unwrap();
    state.apply(&diff);
    let root = trie.root();
    assert_eq!(root, state.reference_root());
    let absent = [Address::with_last_byte(0x0c), Address::left_padding_from(&0xdeadu16.to_be_bytes())];
    for addresses in [&absent[..1], &absent[1..], &absent[..]] {
        let diff =
            trie.apply(addresses.iter().map(|address| change(*address, None)).collect(), &state).unwrap();
        assert!(diff.nodes.is_empty() && diff.accounts.is_empty());
        assert_eq!(trie.root(), root);
    }
}

#[test]
fn apply_many_accounts_in_parallel_gives_reference_root() {
    let block = |round: u8| -> Vec<Write> {
        (0..3000u16)
            .map(|account| (account, (account % 7) as u8, round.wrapping_add(account as u8)))
            .collect()
    };
    run(&[block(1), block(0), block(255)], true, true);
    run(&[block(1), block(0)], false, false);
}

#[test]
fn prove_shows_presence_and_absence() {
    use alloy_trie::{Nibbles, proof::verify_proof};
    use trex_stf::{
        state_trie::{NodesOf, account_rlp},
        trie::Trie,
    };

    let mut state = MemoryState::default();
    let mut trie = StateTrie::new(EMPTY_ROOT_HASH);
    let addresses: Vec<Address> =
        (0..200u16).map(|n| Address::from_word(keccak256(n.to_be_bytes()))).collect();
    let mut sorted = addresses.clone();
    sorted.sort();
    let updates = sorted
        .iter()
        .map(|address| AccountUpdate {
            address: *address,
            account: Change { old: None, new: Some(Account { nonce: 7, ..Account::default() }) },
            slots: Vec::new(),
        })
        .collect();
    state.apply(&trie.apply(updates, &state).unwrap());
    let nodes = NodesOf { state: &state, owner: None };
    let mut accounts = Trie::new(trie.root());
    for n in 0..400u16 {
        let key = keccak256(Address::from_word(keccak256(n.to_be_bytes())));
        let proof = accounts.prove(&key, &nodes).unwrap();
        let expected = (n < 200).then(|| account_rlp(&Account { nonce: 7, ..Account::default() }));
        verify_proof(trie.root(), Nibbles::unpack(key), expected, &proof).unwrap();
    }
    let absent: B256 = keccak256(b"nobody");
    assert!(!accounts.prove(&absent, &nodes).unwrap().is_empty());
}
