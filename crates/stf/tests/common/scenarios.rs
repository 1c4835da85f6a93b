//! Blocks that tests run in every way there is.
#![allow(dead_code, missing_docs, clippy::unwrap_used, clippy::expect_used)]

use alloy_consensus::Header;
use alloy_eips::{
    eip2930::{AccessList, AccessListItem},
    eip2935::HISTORY_STORAGE_ADDRESS,
    eip4788::BEACON_ROOTS_ADDRESS,
};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, keccak256};
use revm::precompile::kzg_point_evaluation;
use trex_stf::{
    attributes::BlockAttributes,
    params::{BASE_FEE_VAULT, L1_FEE_VAULT, MESSAGE_PASSER, SEQUENCER_FEE_VAULT},
};

use super::{
    chain::{Call, Chain, GAS_LIMIT, SCRIPT, SCRIPT_2, Signer, deposit, origin},
    script::{Do, create2_address, init_code, interpreter, script},
};

pub type Scenario = fn() -> Chain;

/// Every scenario, by name.
pub const ALL: [(&str, Scenario); 12] = [
    ("types", types),
    ("deposits", deposits),
    ("self_destructs", self_destructs),
    ("across_transactions", across_transactions),
    ("storage", storage),
    ("failures", failures),
    ("creations", creations),
    ("history", history),
    ("delegations", delegations),
    ("precompiles", precompiles),
    ("exclusions", exclusions),
    ("transfers", transfers),
];

fn succeeded(made: &super::chain::Made) {
    for (tx, receipt) in made.block.transactions.iter().zip(&made.block.receipts) {
        assert!(receipt.success, "{tx:?}");
    }
    assert!(made.excluded.is_empty(), "{:?}", made.excluded);
}

fn slot(chain: &Chain, address: Address, slot: u64) -> U256 {
    chain.state.slots.get(&(address, U256::from(slot))).copied().unwrap_or_default()
}

pub fn types() -> Chain {
    let mut chain = Chain::new(1_000_000);
    let signers: Vec<Signer> = (0..6).map(Signer::new).collect();
    let access =
        AccessList(vec![AccessListItem { address: SCRIPT_2, storage_keys: vec![B256::with_last_byte(1)] }]);
    let store = [Do::Store { slot: 1, value: 5 }, Do::Gas { slot: 2 }, Do::Log { topic: 1, data: 2 }];
    let made = chain.block(
        1,
        vec![deposit(signers[5].address, TxKind::Call(SCRIPT), 7, 3, 200_000, script(&store), 1)],
        vec![
            Call::script(0, &store).legacy(&signers[0], None),
            Call::script(1, &store).legacy(&signers[0], Some(1962)),
            Call::to(0, SCRIPT_2).data(script(&store)).eip2930(&signers[1], access),
            Call::to(0, Address::repeat_byte(0xaa)).value(5).eip1559(&signers[2]),
            Call::to(0, signers[4].address)
                .data(script(&store))
                .eip7702(&signers[3], vec![signers[4].authorize(1962, SCRIPT, 0)]),
        ],
    );
    succeeded(&made);
    assert_eq!(made.block.receipts.len(), 7);
    for vault in [SEQUENCER_FEE_VAULT, BASE_FEE_VAULT, L1_FEE_VAULT] {
        assert!(!chain.state.accounts[&vault].balance.is_zero());
    }
    assert!(made.block.receipts[2].l1_fee.unwrap().fee_wei > U256::ZERO);
    assert_eq!(slot(&chain, signers[4].address, 1), U256::from(5));
    chain
}

/// STF-005, STF-011..013: deposits that run, fail and cannot start, and the one that tells of the origin.
pub fn deposits() -> Chain {
    let mut chain = Chain::default();
    let poor = Address::repeat_byte(0x77);
    let store = script(&[Do::Store { slot: 1, value: 5 }]);
    let made = chain.block(
        3,
        vec![
            // Mint and spend; revert; more value than there is; no gas to start; creation; mint only.
            deposit(poor, TxKind::Call(SCRIPT), 1000, 10, 100_000, store.clone(), 1),
            deposit(poor, TxKind::Call(SCRIPT), 1000, 0, 100_000, script(&[Do::Revert]), 2),
            deposit(poor, TxKind::Call(SCRIPT), 5, 1_000_000, 100_000, store.clone(), 3),
            deposit(poor, TxKind::Call(SCRIPT), 5, 0, 21_000, store.clone(), 4),
            deposit(poor, TxKind::Create, 0, 1, 1_000_000, init_code(&[(1, 1)], &interpreter()), 5),
            deposit(
                Address::repeat_byte(0x78),
                TxKind::Call(Address::repeat_byte(0x79)),
                5,
                5,
                21_000,
                vec![],
                6,
            ),
            // A deposit from a contract runs as well (EIP-3607 does not hold).
            deposit(SCRIPT_2, TxKind::Call(SCRIPT), 1, 1, 100_000, store.clone(), 7),
            deposit(poor, TxKind::Call(SCRIPT), 9, 0, 100_000, script(&[Do::BurnGas]), 8),
        ],
        vec![],
    );
    let successes: Vec<bool> = made.block.receipts.iter().map(|receipt| receipt.success).collect();
    assert_eq!(successes, [true, true, false, false, false, true, true, true, false]);
    assert_eq!(chain.state.accounts[&poor].nonce, 6);
    // Each receipt ends with the sender's nonce before, and version 1.
    for (receipt, nonce) in made.block.receipts.iter().zip([0, 0, 1, 2, 3, 4, 0, 1, 5u8]) {
        let mut encoded = Vec::new();
        receipt.encode_2718(&mut encoded);
        let nonce = if nonce == 0 { 0x80 } else { nonce };
        assert!(encoded.ends_with(&[nonce, 1]), "{receipt:?}");
    }
    // The origin stays: no attributes deposit. It moves: one.
    assert_eq!(chain.block(3, vec![], vec![]).block.receipts.len(), 0);
    assert_eq!(chain.block(4, vec![], vec![]).block.receipts.len(), 1);
    assert_eq!(chain.block(40, vec![], vec![]).block.receipts.len(), 1);
    chain
}

/// A child that runs scripts, made by `SCRIPT` with CREATE2.
pub fn child(salt: u64) -> (Address, Vec<u8>) {
    let init = init_code(&[(1, salt + 1), (9, 9)], &interpreter());
    (create2_address(SCRIPT, salt, &init), init)
}

pub fn self_destructs() -> Chain {
    let mut chain = Chain::default();
    let (alice, heir) = (Signer::new(0), Address::repeat_byte(0x66));
    let (first, init) = child(0);
    let (second, init_2) = child(1);
    let destroy = |to: Address| script(&[Do::Store { slot: 4, value: 4 }, Do::SelfDestruct { to }]);
    let made = chain.block(
        1,
        vec![],
        vec![
            // Created and destroyed at once: gone. Sent to itself: burnt.
            Call::script(
                0,
                &[
                    Do::Create2 { salt: 0, value: 50, init: init.clone() },
                    Do::Call { to: first, value: 1, data: destroy(heir) },
                    Do::CodeHash { slot: 1, of: first },
                    Do::Call { to: first, value: 3, data: vec![] },
                    Do::Balance { slot: 2, of: first },
                ],
            )
            .value(1000)
            .eip1559(&alice),
            Call::script(
                1,
                &[
                    Do::Create2 { salt: 1, value: 50, init: init_2.clone() },
                    Do::Call { to: second, value: 0, data: destroy(second) },
                ],
            )
            .eip1559(&alice),
            // Created, left alone, and asked to go in the next transaction: stays (EIP-6780).
            Call::script(2, &[Do::Create2 { salt: 0, value: 5, init: init.clone() }]).eip1559(&alice),
            Call::to(3, first).data(destroy(heir)).eip1559(&alice),
            Call::to(4, first)
                .data(script(&[Do::Copy { to: 5, from: 4 }, Do::Gas { slot: 6 }]))
                .eip1559(&alice),
            // Destroys and reverts around it.
            Call::script(
                5,
                &[
                    Do::Call {
                        to: SCRIPT_2,
                        value: 7,
                        data: script(&[
                            Do::Create2 { salt: 3, value: 7, init: init.clone() },
                            Do::Call {
                                to: create2_address(SCRIPT_2, 3, &init),
                                value: 0,
                                data: destroy(heir),
                            },
                            Do::Revert,
                        ]),
                    },
                    Do::CodeHash { slot: 9, of: create2_address(SCRIPT_2, 3, &init) },
                ],
            )
            .eip1559(&alice),
        ],
    );
    succeeded(&made);
    assert!(chain.state.accounts.contains_key(&first) && !chain.state.accounts.contains_key(&second));
    assert_eq!(slot(&chain, first, 5), U256::from(4));
    // And in a later block.
    let made = chain.block(1, vec![], vec![Call::to(6, first).data(destroy(heir)).eip1559(&alice)]);
    succeeded(&made);
    assert!(chain.state.accounts.contains_key(&first));
    chain
}

pub fn across_transactions() -> Chain {
    let mut chain = Chain::default();
    let (alice, bob) = (Signer::new(0), Signer::new(1));
    let (address, init) = child(0);
    let create = Do::Create2 { salt: 0, value: 5, init: init.clone() };
    let destroy = script(&[Do::SelfDestruct { to: alice.address }]);
    let probe = |slot: u64| {
        [
            Do::Gas { slot },
            Do::CodeHash { slot: slot + 1, of: address },
            Do::Balance { slot: slot + 2, of: address },
            Do::Gas { slot: slot + 3 },
            Do::Transient { slot: slot + 4, key: 1 },
        ]
    };
    let made = chain.block(
        1,
        vec![],
        vec![
            Call::script(0, &probe(10)).value(1000).eip1559(&alice),
            // Destroyed in one transaction, probed, funded, made again, used, made a third time.
            Call::script(1, &[create.clone(), Do::Call { to: address, value: 1, data: destroy.clone() }])
                .eip1559(&alice),
            Call::script(2, &probe(20)).eip1559(&alice),
            Call::to(3, address).value(77).eip1559(&alice),
            Call::script(4, &probe(30)).eip1559(&alice),
            Call::script(5, std::slice::from_ref(&create)).eip1559(&alice),
            Call::script(6, &probe(40)).eip1559(&alice),
            Call::to(7, address)
                .data(script(&[
                    Do::Copy { to: 2, from: 1 },
                    Do::Copy { to: 3, from: 4 },
                    Do::Store { slot: 1, value: 0 },
                    Do::Gas { slot: 7 },
                ]))
                .eip1559(&alice),
            Call::script(8, &[create.clone(), Do::Call { to: address, value: 0, data: destroy.clone() }])
                .eip1559(&alice),
            Call::to(9, address)
                .data(script(&[
                    Do::Store { slot: 1, value: 3 },
                    Do::Gas { slot: 8 },
                    Do::Store { slot: 1, value: 0 },
                    Do::Gas { slot: 7 },
                ]))
                .eip1559(&alice),
            // Touching what does not exist leaves nothing.
            Call::to(0, Address::repeat_byte(0xee)).eip1559(&bob),
        ],
    );
    succeeded(&made);
    assert_eq!(slot(&chain, address, 2), U256::from(1));
    assert_eq!(slot(&chain, address, 3), U256::ZERO);
    assert!(!chain.state.accounts.contains_key(&Address::repeat_byte(0xee)));
    // Destroyed in the last transaction of a block after being funded before it was made.
    let (address, init) = child(5);
    let made = chain.block(1, vec![], vec![Call::to(10, address).value(9).eip1559(&alice)]);
    succeeded(&made);
    let create = Do::Create2 { salt: 5, value: 5, init };
    let made = chain.block(
        1,
        vec![],
        vec![Call::script(11, &[create, Do::Call { to: address, value: 1, data: destroy }]).eip1559(&alice)],
    );
    succeeded(&made);
    assert!(!chain.state.accounts.contains_key(&address));
    chain
}

pub fn storage() -> Chain {
    let mut chain = Chain::default();
    let alice = Signer::new(0);
    let write = |range: std::ops::Range<u64>, value: u64| -> Vec<Do> {
        range.map(|slot| Do::Store { slot, value }).collect()
    };
    succeeded(&chain.block(1, vec![], vec![Call::script(0, &write(0..40, 7)).eip1559(&alice)]));
    // Branches collapse, extensions merge, and the trie empties.
    succeeded(&chain.block(
        1,
        vec![],
        vec![
            Call::script(1, &write(1..20, 0)).eip1559(&alice),
            Call::script(2, &write(5..8, 1)).eip1559(&alice),
            Call::script(3, &write(5..7, 0)).eip1559(&alice),
        ],
    ));
    succeeded(&chain.block(1, vec![], vec![Call::script(4, &write(2..39, 0)).eip1559(&alice)]));
    succeeded(&chain.block(1, vec![], vec![Call::script(5, &write(0..1, 0)).eip1559(&alice)]));
    succeeded(&chain.block(1, vec![], vec![Call::script(6, &write(39..40, 0)).eip1559(&alice)]));
    assert!(!chain.state.slots.keys().any(|(address, _)| *address == SCRIPT));
    // Gas of a slot that is written back and forth, in one transaction and across them.
    let dance = |nonce| {
        Call::script(
            nonce,
            &[
                Do::Store { slot: 1, value: 1 },
                Do::Store { slot: 1, value: 0 },
                Do::Store { slot: 1, value: 2 },
                Do::Gas { slot: 2 },
                Do::Store { slot: 3, value: 0 },
                Do::Gas { slot: 3 },
            ],
        )
        .eip1559(&alice)
    };
    succeeded(&chain.block(1, vec![], vec![dance(7), dance(8), dance(9)]));
    succeeded(&chain.block(1, vec![], vec![dance(10), dance(11)]));
    chain
}

pub fn failures() -> Chain {
    let mut chain = Chain::default();
    let alice = Signer::new(0);
    let (_, init) = child(0);
    let made = chain.block(
        1,
        vec![],
        vec![
            Call::script(0, &[Do::Store { slot: 1, value: 1 }, Do::Revert]).value(9).eip1559(&alice),
            Call::script(1, &[Do::Store { slot: 1, value: 1 }, Do::BurnGas]).gas(100_000).eip1559(&alice),
            Call::script(2, &[Do::Store { slot: 1, value: 1 }, Do::Invalid]).eip1559(&alice),
            // Inner failures only.
            Call::script(
                3,
                &[
                    Do::Call {
                        to: SCRIPT_2,
                        value: 1,
                        data: script(&[Do::Store { slot: 1, value: 1 }, Do::Revert]),
                    },
                    Do::Call {
                        to: SCRIPT_2,
                        value: 10_000,
                        data: script(&[Do::Store { slot: 2, value: 1 }]),
                    },
                    Do::Static { to: SCRIPT_2, slot: 5, data: script(&[Do::Store { slot: 2, value: 1 }]) },
                    Do::Store { slot: 8, value: 8 },
                ],
            )
            .value(50)
            .gas(16_000_000)
            .eip1559(&alice),
            // Creations that revert, run out of gas, leave a forbidden first byte, or too much code.
            Call::create(4, init_code(&[(1, 1)], &[0xef, 0])).eip1559(&alice),
            Call::create(5, vec![0x60, 0, 0x60, 0, 0xfd]).eip1559(&alice),
            Call::create(6, init_code(&[], &[0; 200])).gas(80_000).eip1559(&alice),
            Call::create(7, vec![0x61, 0x60, 0x01, 0x60, 0, 0xf3]).eip1559(&alice),
            // A collision.
            Call::script(
                8,
                &[
                    Do::Create2 { salt: 0, value: 0, init: init.clone() },
                    Do::Create2 { salt: 0, value: 0, init: init.clone() },
                    Do::Gas { slot: 30 },
                ],
            )
            .eip1559(&alice),
            Call::script(9, &[Do::Create2 { salt: 0, value: 0, init }, Do::Gas { slot: 30 }]).eip1559(&alice),
        ],
    );
    let successes: Vec<bool> = made.block.receipts[1..].iter().map(|receipt| receipt.success).collect();
    assert_eq!(successes, [false, false, false, true, false, false, false, false, true, true]);
    assert!(made.excluded.is_empty());
    chain
}

pub fn creations() -> Chain {
    let mut chain = Chain::default();
    let alice = Signer::new(0);
    let large: Vec<u8> =
        (0..24_576u32).map(|index| if index == 0 { 0 } else { (index * 7 + index / 251) as u8 }).collect();
    let made = chain.block(
        1,
        vec![],
        vec![
            Call::create(0, init_code(&[(1, 2)], &large)).eip1559(&alice),
            // The largest init code.
            Call::create(1, vec![0; 49_152]).eip1559(&alice),
            Call::create(2, vec![]).value(5).eip1559(&alice),
        ],
    );
    succeeded(&made);
    let address = alice.address.create(0);
    assert_eq!(chain.state.codes[&chain.state.accounts[&address].code_hash].len(), 24_576);
    // Read it in a later block, write through it, and hash it.
    succeeded(&chain.block(
        1,
        vec![],
        vec![
                Call::to(3, address).eip1559(&alice),
                Call::script(
                    4,
                    &[
                        Do::CodeHash { slot: 1, of: address },
                        Do::Create { value: 0, init: init_code(&[], &interpreter()) },
                    ],
                )
                .eip1559(&alice),
                // The message passer's storage enters the output root: here it is only a plain account.
                Call::to(5, MESSAGE_PASSER).value(1).eip1559(&alice),
            ],
    ));
    chain
}

/// STF-008: what counts in blocks, and what is keyed by seconds.
pub fn history() -> Chain {
    let mut chain = Chain::default();
    let alice = Signer::new(0);
    for number in 0..300 {
        chain.block_empty(1 + number / 100);
    }
    let number = chain.headers.len() as u64;
    let hashes = |back: &[u64]| -> Vec<Do> {
        back.iter().map(|back| Do::BlockHash { slot: *back, number: number.wrapping_sub(*back) }).collect()
    };
    let word = |value: u64| U256::from(value).to_be_bytes::<32>().to_vec();
    let timestamp = chain.next_timestamp();
    let made = chain.block(
        3,
        vec![],
        vec![
            Call::script(0, &hashes(&[1, 2, 3, 255, 256, 257, 300])).eip1559(&alice),
            Call::script(
                1,
                &[
                    Do::Static { to: HISTORY_STORAGE_ADDRESS, slot: 1000, data: word(number - 1) },
                    Do::Static { to: HISTORY_STORAGE_ADDRESS, slot: 1001, data: word(number - 299) },
                    Do::Static { to: HISTORY_STORAGE_ADDRESS, slot: 1002, data: word(number) },
                    Do::Static { to: BEACON_ROOTS_ADDRESS, slot: 1003, data: word(timestamp) },
                    Do::Static { to: BEACON_ROOTS_ADDRESS, slot: 1004, data: word(timestamp - 1) },
                    Do::Static { to: BEACON_ROOTS_ADDRESS, slot: 1005, data: word(timestamp + 1) },
                ],
            )
            .eip1559(&alice),
        ],
    );
    succeeded(&made);
    let parent: &Header = &chain.headers[chain.headers.len() - 2];
    assert_eq!(B256::from(slot(&chain, SCRIPT, 1)), parent.hash_slow());
    assert_eq!(B256::from(slot(&chain, SCRIPT, 256)), chain.headers[number as usize - 256].hash_slow());
    assert!(slot(&chain, SCRIPT, 257).is_zero());
    let success_of = |returned: &[u8]| U256::from_be_bytes(keccak256(returned).0) + U256::from(1);
    assert_eq!(slot(&chain, SCRIPT, 1000), success_of(parent.hash_slow().as_slice()));
    assert_eq!(slot(&chain, SCRIPT, 1003), success_of(origin(3).parent_beacon_block_root.as_slice()));
    chain
}

pub fn delegations() -> Chain {
    let mut chain = Chain::default();
    let signers: Vec<Signer> = (0..5).map(Signer::new).collect();
    let [alice, bob, carol, dave, eve] = signers.as_slice() else { unreachable!() };
    let store = |value: u64| script(&[Do::Store { slot: 1, value }, Do::Gas { slot: 2 }]);
    let made = chain.block(
        1,
        vec![],
        vec![
            // Set by another, called in the same transaction; own nonce moved by it.
            Call::to(0, bob.address).data(store(1)).eip7702(
                alice,
                vec![
                    bob.authorize(1962, SCRIPT, 0),
                    // Skipped: wrong chain, wrong nonce, the same nonce again.
                    carol.authorize(1, SCRIPT, 0),
                    carol.authorize(1962, SCRIPT, 5),
                    bob.authorize(1962, SCRIPT_2, 0),
                ],
            ),
            Call::to(1, bob.address).data(store(2)).eip1559(alice),
            // Changed, then cleared, each seen by the next transaction.
            Call::to(2, bob.address).data(store(3)).eip7702(alice, vec![bob.authorize(0, SCRIPT_2, 1)]),
            Call::script(3, &[Do::CodeHash { slot: 5, of: bob.address }]).eip1559(alice),
            Call::to(4, bob.address)
                .data(store(4))
                .eip7702(alice, vec![bob.authorize(1962, Address::ZERO, 2)]),
            Call::to(5, bob.address).data(store(9)).eip1559(alice),
            Call::script(6, &[Do::CodeHash { slot: 6, of: bob.address }]).eip1559(alice),
            // By oneself: the nonce is the next one. A delegated account may send.
            Call::to(0, carol.address).data(store(5)).eip7702(carol, vec![carol.authorize(1962, SCRIPT, 1)]),
            Call::to(2, carol.address).data(store(6)).eip1559(carol),
            // To a delegated account (one hop only), and to a precompile.
            Call::to(0, dave.address)
                .data(store(7))
                .eip7702(dave, vec![dave.authorize(1962, carol.address, 1)]),
            Call::to(2, eve.address)
                .data(store(7))
                .eip7702(dave, vec![eve.authorize(1962, Address::with_last_byte(4), 0)]),
            // A delegated account self-destructs nothing but its balance.
            Call::to(7, carol.address).data(script(&[Do::SelfDestruct { to: bob.address }])).eip1559(alice),
            Call::script(
                8,
                &[
                    Do::Delegate { to: carol.address, data: store(8) },
                    Do::Call { to: carol.address, value: 0, data: store(8) },
                ],
            )
            .eip1559(alice),
        ],
    );
    // Dave's call ran the delegation designator of Carol as code: an invalid opcode.
    let failed: Vec<usize> =
        (0..made.block.receipts.len()).filter(|index| !made.block.receipts[*index].success).collect();
    assert_eq!(failed, [10]);
    assert_eq!(slot(&chain, bob.address, 1), U256::from(3));
    assert_eq!(slot(&chain, carol.address, 1), U256::from(8));
    assert_eq!(chain.state.accounts[&bob.address].nonce, 3);
    // Over blocks: the delegation is read back from the state.
    let made = chain.block(
        1,
        vec![],
        vec![
            Call::to(9, carol.address).data(store(10)).eip1559(alice),
            Call::to(10, carol.address)
                .data(store(11))
                .eip7702(alice, vec![carol.authorize(1962, Address::ZERO, 3)]),
        ],
    );
    succeeded(&made);
    assert_eq!(slot(&chain, carol.address, 1), U256::from(10));
    chain
}

/// Every precompile once, with an input it takes; its answer is stored.
pub fn precompiles() -> Chain {
    let mut chain = Chain::default();
    let (alice, bob) = (Signer::new(0), Signer::new(1));
    let word = |value: u64| U256::from(value).to_be_bytes::<32>();
    let hash = keccak256(b"message");
    let signature = bob.sign_hash(hash);
    let mut infinity = vec![0u8; 48];
    infinity[0] = 0xc0;
    let commitment = kzg_point_evaluation::kzg_to_versioned_hash(&infinity);
    let inputs: Vec<(u64, Vec<u8>)> = vec![
        (
            0x01,
            [
                hash.0,
                word(27 + u64::from(signature.v())),
                signature.r().to_be_bytes(),
                signature.s().to_be_bytes(),
            ]
            .concat(),
        ),
        (0x02, b"abc".to_vec()),
        (0x03, b"abc".to_vec()),
        (0x04, b"abc".to_vec()),
        (0x05, [&word(1)[..], &word(1), &word(1), &[3, 200, 101]].concat()),
        (0x06, [word(1), word(2), word(1), word(2)].concat()),
        (0x07, [word(1), word(2), word(77)].concat()),
        (0x08, vec![0; 192]),
        (0x09, [&[0, 0, 0, 12][..], &[7; 208], &[1]].concat()),
        // The polynomial that is zero everywhere.
        (0x0a, [&commitment[..], &word(5), &word(0), &infinity, &infinity].concat()),
        (0x0b, vec![0; 256]),
        (0x0c, vec![0; 160]),
        (0x0d, vec![0; 512]),
        (0x0e, vec![0; 288]),
        (0x0f, vec![0; 384]),
        (0x10, [[0; 32], word(9)].concat()),
        (0x11, [[0; 32], word(9), [0; 32], word(8)].concat()),
        (0x100, vec![1; 160]),
        (0x201, vec![1; 200]),
        // A failing input, and an address without a precompile.
        (0x06, vec![1; 128]),
        (0x12, vec![1; 32]),
    ];
    let steps: Vec<Do> = inputs
        .iter()
        .enumerate()
        .map(|(index, (number, data))| Do::Static {
            to: Address::left_padding_from(&number.to_be_bytes()),
            slot: index as u64,
            data: data.clone(),
        })
        .collect();
    // One call for each: a failing one takes what gas it is given.
    let calls = steps
        .chunks(1)
        .enumerate()
        .map(|(nonce, step)| Call::script(nonce as u64, step).gas(3_000_000).eip1559(&alice));
    let made = chain.block(1, vec![], calls.collect());
    assert!(made.excluded.is_empty());
    let stored = |index: u64, output: &[u8], success: u64| {
        assert_eq!(
            slot(&chain, SCRIPT, index),
            U256::from_be_bytes(keccak256(output).0) + U256::from(success),
            "{index}"
        );
    };
    stored(0, bob.address.into_word().as_slice(), 1);
    stored(3, b"abc", 1);
    stored(4, &[(1..=200).fold(1u64, |power, _| power * 3 % 101) as u8], 1);
    stored(7, &word(1), 1);
    stored(9, kzg_point_evaluation::RETURN_VALUE, 1);
    stored(14, &word(1), 1);
    stored(17, &[], 1);
    stored(18, &[], 1);
    stored(19, &[], 0);
    stored(20, &[], 1);
    chain
}

/// STF-007, PRG-002: what breaks a rule is left out with its reason, and the next one is tried.
pub fn exclusions() -> Chain {
    let mut chain = Chain::new(1000);
    let (alice, bob) = (Signer::new(0), Signer::new(1));
    let pauper = Signer::new(99);
    let to = Address::repeat_byte(1);
    let mut high_s: Vec<u8> = Call::to(0, to).eip1559(&alice).to_vec();
    let length = high_s.len();
    high_s[length - 32..].fill(0xff);
    let mut blob = Call::to(0, to).eip1559(&alice).to_vec();
    blob[0] = 3;
    let mut padded = Call::to(0, to).eip1559(&alice).to_vec();
    padded.push(0);
    let call = || Call::to(0, to);
    let raw: Vec<(u8, Bytes)> = vec![
        (1, padded.into()),
        (1, Bytes::new()),
        (1, Bytes::from_static(&[0xc0])),
        (2, blob.into()),
        (2, Bytes::from_static(&[0x7f, 1, 2])),
        (3, high_s.into()),
        (4, deposit(alice.address, TxKind::Call(to), 1 << 80, 0, 21_000, vec![], 1)),
        (5, call().gas(GAS_LIMIT + 1).eip1559(&alice)),
        (16, Call { tip: 11_000_000_000, ..call() }.eip1559(&alice)),
        (17, Call { max_fee: 1, tip: 0, ..call() }.eip1559(&alice)),
        (19, call().gas(20_999).eip1559(&alice)),
        (20, call().gas(60_000).data(vec![1; 2000]).eip1559(&alice)),
        (22, call().eip1559(&pauper)),
        (23, Call { max_fee: u128::MAX, value: U256::MAX, ..call() }.eip1559(&alice)),
        (24, Call { nonce: u64::MAX, ..call() }.eip1559(&alice)),
        (25, Call { nonce: 1, ..call() }.eip1559(&alice)),
        (27, Call::create(0, vec![0; 49_153]).eip1559(&alice)),
        (28, call().eip1559_on(&alice, 1)),
        (30, call().gas((1 << 24) + 1).eip1559(&alice)),
        (31, call().eip7702(&alice, vec![])),
        (0, call().eip1559(&alice)),
        (26, call().eip1559(&alice)),
        (0, call().eip1559(&bob)),
    ];
    let made = chain.block(1, vec![], raw.iter().map(|(_, encoded)| encoded.clone()).collect());
    let reasons: Vec<(u64, u8)> =
        made.excluded.iter().map(|excluded| (excluded.index, excluded.reason)).collect();
    let expected: Vec<(u64, u8)> = raw
        .iter()
        .enumerate()
        .filter(|(_, (reason, _))| *reason != 0)
        .map(|(index, (reason, _))| (index as u64, *reason))
        .collect();
    assert_eq!(reasons, expected);
    assert_eq!(made.block.receipts.len(), 3);
    // The block's gas runs out: what fits later is still taken.
    let burn = |nonce| Call::script(nonce, &[Do::BurnGas]).gas(16_000_000);
    let made = chain.block(
        1,
        vec![],
        vec![
            burn(1).eip1559(&alice),
            burn(2).eip1559(&alice),
            burn(3).eip1559(&alice),
            burn(4).eip1559(&alice),
            Call::to(4, to).gas(21_000).eip1559(&alice),
        ],
    );
    assert_eq!(
        made.excluded.iter().map(|excluded| (excluded.index, excluded.reason)).collect::<Vec<_>>(),
        [(3, 5)]
    );
    chain
}

pub fn transfers() -> Chain {
    let mut chain = Chain::default();
    let signers: Vec<Signer> = (0..4).map(Signer::new).collect();
    let raw = (0..200u64)
        .map(|index| {
            let to = Address::from_word(keccak256(index.to_be_bytes()));
            Call::to(index / 4, to).value(1 + index).gas(21_000).eip1559(&signers[index as usize % 4])
        })
        .collect();
    let made = chain.block(1, vec![], raw);
    succeeded(&made);
    chain
}

impl Chain {
    /// An empty block some slots on.
    pub fn block_empty(&mut self, origin_number: u64) {
        let slot = trex_stf::header::slot(self.headers.last().unwrap()).unwrap() + 3;
        let attributes = BlockAttributes {
            slot,
            origin: origin(origin_number),
            gas_limit: GAS_LIMIT,
            deposits: Vec::new(),
        };
        self.make(attributes, Vec::new());
    }

    /// Timestamp of the block that [`Chain::block`] makes next.
    pub fn next_timestamp(&self) -> u64 {
        let slot = trex_stf::header::slot(self.headers.last().unwrap()).unwrap() + 1;
        trex_stf::header::timestamp(&self.params, slot)
    }
}
