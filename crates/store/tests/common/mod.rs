//! A made-up chain: random diffs, with a model in memory that the store is compared against.
#![allow(dead_code, missing_docs, clippy::unwrap_used, clippy::expect_used)]

use std::{collections::BTreeMap, path::Path, sync::Arc};

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes, Log, LogData, U256, keccak256};
use alloy_trie::Nibbles;
use trex_stf::receipt::{L1Fee, Receipt};
use trex_stf::state::{Account, Change, State, StateDiff};
use trex_stf::state_trie::{AccountUpdate, StateTrie};
use trex_store::{BlockData, History, Options, Store, StoreError, StoredTransaction, TxPlace};

/// Small, seeded, good enough.
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
    pub fn bytes(&mut self, n: usize) -> Vec<u8> {
        (0..n).map(|_| self.next() as u8).collect()
    }
    pub fn hash(&mut self) -> B256 {
        B256::from_slice(&self.bytes(32))
    }
}

/// State as maps.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct Model {
    pub accounts: BTreeMap<Address, Account>,
    pub slots: BTreeMap<(Address, U256), U256>,
    pub nodes: BTreeMap<(Option<B256>, Nibbles), Bytes>,
    pub codes: BTreeMap<B256, Bytes>,
}

/// A block with all it takes to commit it.
#[derive(Clone)]
pub struct Block {
    pub header: Header,
    pub hash: B256,
    pub transactions: Vec<Bytes>,
    pub tx_hashes: Vec<B256>,
    pub senders: Vec<Address>,
    pub recipients: Vec<Option<Address>>,
    pub receipts: Vec<Receipt>,
    pub diff: StateDiff,
    pub appearances: Vec<(Address, u32)>,
    pub created: Vec<(Address, u32)>,
    pub meta: Vec<(Vec<u8>, Vec<u8>)>,
    pub after: Model,
}

impl Block {
    pub fn data(&self) -> BlockData<'_> {
        BlockData {
            header: &self.header,
            hash: self.hash,
            transactions: &self.transactions,
            tx_hashes: &self.tx_hashes,
            senders: &self.senders,
            recipients: &self.recipients,
            receipts: &self.receipts,
            diff: &self.diff,
            appearances: &self.appearances,
            created: &self.created,
            extra: self.hash.as_slice(),
            meta: &self.meta,
        }
    }
}

pub fn who(i: u64) -> Address {
    Address::from_slice(&keccak256(i.to_be_bytes())[..20])
}

impl State for Model {
    type Error = StoreError;

    fn account(&self, address: &Address) -> Result<Option<Account>, StoreError> {
        Ok(self.accounts.get(address).copied())
    }
    fn storage(&self, address: &Address, slot: &U256) -> Result<U256, StoreError> {
        Ok(self.slots.get(&(*address, *slot)).copied().unwrap_or_default())
    }
    fn code(&self, hash: &B256) -> Result<Bytes, StoreError> {
        Ok(self.codes[hash].clone())
    }
    fn block_hash(&self, _: u64) -> Result<B256, StoreError> {
        Ok(B256::ZERO)
    }
    fn node(&self, owner: Option<&B256>, path: &Nibbles, hash: &B256) -> Result<Bytes, StoreError> {
        let node = self.nodes[&(owner.copied(), *path)].clone();
        assert_eq!(keccak256(&node), *hash);
        Ok(node)
    }
}

/// The block after `parent` (genesis after `None`) made of up to `size` changed accounts; a pure
/// function of both and the seed.
pub fn next_block(parent: Option<&Block>, seed: u64, size: u64) -> Block {
    let number = parent.map_or(0, |p| p.header.number + 1);
    let mut rng = Rng(seed ^ number.wrapping_mul(0x1234_5677));
    let before = parent.map(|p| p.after.clone()).unwrap_or_default();
    let mut model = before.clone();
    let people = 4 * size + 2;
    for _ in 0..rng.below(size) + 1 {
        let a = who(rng.below(people));
        if rng.below(5) == 0 {
            model.accounts.remove(&a);
            model.slots.retain(|k, _| k.0 != a);
        } else {
            let account = model.accounts.entry(a).or_default();
            account.nonce += rng.below(3);
            account.balance = U256::from(rng.next()) << rng.below(128);
            if rng.below(4) == 0 {
                let code: Bytes = rng.bytes(60).into();
                account.code_hash = keccak256(&code);
                model.codes.insert(account.code_hash, code);
            }
            for _ in 0..rng.below(4) {
                let slot = U256::from(rng.below(8));
                if rng.below(4) == 0 {
                    model.slots.remove(&(a, slot));
                } else {
                    model.slots.insert((a, slot), U256::from(rng.next() | 1) << rng.below(190));
                }
            }
        }
    }
    let root = parent.map_or(alloy_trie::EMPTY_ROOT_HASH, |p| p.header.state_root);
    let mut trie = StateTrie::new(root);
    let mut diff = trie.apply(updates(&before, &model), &before).unwrap();
    diff.codes =
        keys(&before.codes, &model.codes).into_iter().map(|k| (k, model.codes[&k].clone())).collect();
    for (address, change) in &diff.accounts {
        if let Some(account) = change.new {
            model.accounts.insert(*address, account);
        }
    }
    for node in &diff.nodes {
        let place = (node.owner, node.path);
        match &node.change.new {
            Some(bytes) => model.nodes.insert(place, bytes.clone()),
            None => model.nodes.remove(&place),
        };
    }
    let n = if number == 0 { 0 } else { rng.below(size) };
    let mut block = Block {
        header: Header {
            number,
            parent_hash: parent.map_or(B256::ZERO, |p| p.hash),
            state_root: trie.root(),
            extra_data: rng.bytes(9).into(),
            ..Header::default()
        },
        hash: B256::ZERO,
        transactions: (0..n).map(|_| rng.bytes(120).into()).collect(),
        tx_hashes: Vec::new(),
        senders: (0..n).map(|_| who(rng.below(people))).collect(),
        recipients: (0..n).map(|_| (rng.below(8) > 0).then(|| who(rng.below(people)))).collect(),
        receipts: Vec::new(),
        diff,
        appearances: (0..n).filter(|i| i % 3 == 0).map(|i| (who(i), i as u32)).collect(),
        created: Vec::new(),
        meta: vec![(b"last".to_vec(), number.to_be_bytes().to_vec())],
        after: model,
    };
    block.tx_hashes = block.transactions.iter().map(keccak256).collect();
    for i in 0..n {
        let logs = (0..rng.below(4))
            .map(|_| {
                let topics = (0..rng.below(5)).map(|_| keccak256(rng.below(5).to_be_bytes())).collect();
                Log { address: who(rng.below(6)), data: LogData::new(topics, rng.bytes(40).into()).unwrap() }
            })
            .collect();
        block.receipts.push(Receipt {
            tx_type: rng.below(5) as u8,
            success: rng.below(4) > 0,
            gas_used: rng.next(),
            cumulative_gas_used: rng.next(),
            effective_gas_price_wei: rng.next().into(),
            contract_address: block.recipients[i as usize]
                .is_none()
                .then(|| who(1_000_000 + number * 1000 + i)),
            deposit_nonce: (rng.below(4) == 0).then(|| rng.next()),
            l1_fee: (i % 2 == 0).then(|| L1Fee {
                fee_wei: U256::from(rng.next()),
                gas_used: rng.next(),
                base_fee_wei: rng.next(),
                blob_base_fee_wei: u128::MAX,
                base_fee_scalar: rng.next() as u32,
                blob_base_fee_scalar: 0,
            }),
            logs,
        });
    }
    block.hash = block.header.hash_slow();
    block
}

fn keys<K: Ord + Clone, V: PartialEq>(a: &BTreeMap<K, V>, b: &BTreeMap<K, V>) -> Vec<K> {
    let mut k: Vec<K> = a.keys().chain(b.keys()).filter(|k| a.get(k) != b.get(k)).cloned().collect();
    k.sort();
    k.dedup();
    k
}

fn updates(before: &Model, after: &Model) -> Vec<AccountUpdate> {
    let slots = keys(&before.slots, &after.slots);
    let mut addresses = keys(&before.accounts, &after.accounts);
    addresses.extend(slots.iter().map(|s| s.0));
    addresses.sort();
    addresses.dedup();
    let value = |m: &Model, k: &(Address, U256)| m.slots.get(k).copied().unwrap_or_default();
    addresses
        .into_iter()
        .map(|address| AccountUpdate {
            address,
            account: Change {
                old: before.accounts.get(&address).copied(),
                new: after.accounts.get(&address).copied(),
            },
            slots: slots
                .iter()
                .filter(|s| s.0 == address)
                .map(|s| (s.1, Change { old: value(before, s), new: value(after, s) }))
                .collect(),
        })
        .collect()
}

pub fn options(history: History) -> Options {
    Options { history, cache_bytes: 64 << 20, ..Options::new(B256::repeat_byte(7)) }
}

pub fn open(dir: &Path, history: History) -> Arc<Store> {
    Arc::new(Store::open(dir, options(history)).unwrap())
}

/// Everything the store says of the state after a block is what the model says.
pub fn check_state(store: &Arc<Store>, block: &Block, everywhere: &[Address]) -> Result<(), StoreError> {
    let view = store.state_at(block.header.number)?;
    let model = &block.after;
    for a in everywhere {
        assert_eq!(
            view.account(a)?,
            model.accounts.get(a).copied(),
            "account {a} at {}",
            block.header.number
        );
        for slot in 0..8 {
            let slot = U256::from(slot);
            let want = model.slots.get(&(*a, slot)).copied().unwrap_or_default();
            assert_eq!(view.storage(a, &slot)?, want);
        }
    }
    let mut seen = BTreeMap::new();
    view.accounts(&Address::ZERO, &mut |a, v| seen.insert(a, v).is_none())?;
    assert_eq!(seen, model.accounts);
    for a in everywhere.iter().take(5) {
        let mut seen = BTreeMap::new();
        view.slots(a, &U256::ZERO, &mut |k, v| seen.insert((*a, k), v).is_none())?;
        let want: BTreeMap<_, _> =
            model.slots.iter().filter(|s| s.0.0 == *a).map(|(k, v)| (*k, *v)).collect();
        assert_eq!(seen, want);
    }
    for ((owner, path), bytes) in &model.nodes {
        assert_eq!(view.node(owner.as_ref(), path, &keccak256(bytes))?, *bytes);
    }
    for (hash, code) in &model.codes {
        assert_eq!(view.code(hash)?, *code);
    }
    Ok(())
}

/// Everything the store says of a block is what went in.
pub fn check_block(store: &Arc<Store>, block: &Block) -> Result<(), StoreError> {
    let n = block.header.number;
    assert_eq!(store.header_by_number(n)?.as_ref(), Some(&block.header));
    assert_eq!(store.number_by_hash(&block.hash)?, Some(n));
    assert_eq!(store.hash_by_number(n)?, Some(block.hash));
    let body = store.body(n)?.unwrap();
    assert_eq!((&body.transactions, &body.senders), (&block.transactions, &block.senders));
    assert_eq!(body.hashes, block.tx_hashes);
    let outline = store.outline(n)?.unwrap();
    assert_eq!(outline.tx_hashes, block.tx_hashes);
    let in_block = |tx: &Bytes| if tx[0] >= 0xc0 { tx.len() } else { alloy_rlp::Encodable::length(&tx[..]) };
    assert_eq!(outline.body_bytes as usize, block.transactions.iter().map(in_block).sum::<usize>());
    let logs = |receipts: &[Receipt]| receipts.iter().map(|receipt| receipt.logs.len() as u32).sum::<u32>();
    assert_eq!(store.receipts(n)?.as_ref(), Some(&block.receipts));
    assert_eq!(store.extra(n)?.unwrap(), block.hash.as_slice());
    assert_eq!(store.transaction_count(n)?, Some(block.transactions.len() as u32));
    for (i, hash) in block.tx_hashes.iter().enumerate() {
        let place = store.find_transaction(hash)?.unwrap();
        assert_eq!((place.block, place.index), (n, i as u32));
        let (encoded, sender) = (block.transactions[i].clone(), block.senders[i]);
        assert_eq!(store.transaction(place)?.unwrap(), StoredTransaction { encoded, hash: *hash, sender });
        assert_eq!(store.receipt(place)?.unwrap(), (logs(&block.receipts[..i]), block.receipts[i].clone()));
    }
    let behind = TxPlace { block: n, index: block.transactions.len() as u32 };
    assert_eq!((store.transaction(behind)?, store.receipt(behind)?), (None, None));
    Ok(())
}
