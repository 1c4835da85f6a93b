//! A chain in memory, made by the state transition function, to be read by JSON-RPC methods.
#![allow(dead_code, missing_docs, clippy::unwrap_used, clippy::expect_used)]

pub mod node;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use alloy_consensus::{Header, Sealable, SignableTransaction, TxEip1559, TxLegacy};
use alloy_eips::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, keccak256};
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles};
use k256::ecdsa::SigningKey;
use op_alloy_consensus::OpTxEnvelope;
use serde_json::Value;
use trex_chain::rpc::{
    self,
    error::RpcError,
    filter::LogFilter,
    limits::Limits,
    reader::{
        FoundLog, NetworkInfo, Outline, PendingBlock, Pooled, ReadError, Reader, SealedHeader, TxPlace,
    },
};
use trex_stf::{
    attributes::{BlockAttributes, L1Origin},
    block::{BlockExecutor, Overwrite, execute},
    header::extra_data,
    params::NetworkParams,
    receipt::Receipt,
    state::{Account, Change, State, StateDiff},
    state_trie::{AccountUpdate, StateTrie},
    transaction::Transaction,
};

pub const ETHER: u128 = 1_000_000_000_000_000_000;

#[derive(Clone, Debug, Default)]
pub struct MemoryState {
    pub accounts: BTreeMap<Address, Account>,
    pub slots: BTreeMap<(Address, U256), U256>,
    pub codes: BTreeMap<B256, Bytes>,
    pub nodes: BTreeMap<(Option<B256>, Nibbles), Bytes>,
    pub hashes: BTreeMap<u64, B256>,
}

impl State for Shared {
    type Error = ReadError;

    fn account(&self, address: &Address) -> Result<Option<Account>, ReadError> {
        Ok(self.0.accounts.get(address).copied())
    }
    fn storage(&self, address: &Address, slot: &U256) -> Result<U256, ReadError> {
        Ok(self.0.slots.get(&(*address, *slot)).copied().unwrap_or_default())
    }
    fn code(&self, hash: &B256) -> Result<Bytes, ReadError> {
        self.0.codes.get(hash).cloned().ok_or_else(|| ReadError::Fault(format!("code {hash}")))
    }
    fn block_hash(&self, number: u64) -> Result<B256, ReadError> {
        self.0.hashes.get(&number).copied().ok_or_else(|| ReadError::Fault(format!("block {number}")))
    }
    fn node(&self, owner: Option<&B256>, path: &Nibbles, hash: &B256) -> Result<Bytes, ReadError> {
        self.0
            .nodes
            .get(&(owner.copied(), *path))
            .cloned()
            .ok_or_else(|| ReadError::Fault(format!("node {hash}")))
    }
}

/// A state that is shared.
#[derive(Clone, Debug, Default)]
pub struct Shared(pub Arc<MemoryState>);

impl MemoryState {
    pub fn apply(&mut self, diff: &StateDiff) {
        for (address, change) in &diff.accounts {
            match change.new {
                Some(account) => self.accounts.insert(*address, account),
                None => self.accounts.remove(address),
            };
        }
        for (address, slot, change) in &diff.slots {
            if change.new.is_zero() {
                self.slots.remove(&(*address, *slot));
            } else {
                self.slots.insert((*address, *slot), change.new);
            }
        }
        self.codes.extend(diff.codes.iter().cloned());
        for node in &diff.nodes {
            match &node.change.new {
                Some(rlp) => self.nodes.insert((node.owner, node.path), rlp.clone()),
                None => self.nodes.remove(&(node.owner, node.path)),
            };
        }
    }
}

struct Made {
    header: SealedHeader,
    transactions: Vec<Transaction>,
    receipts: Vec<Receipt>,
    state: Shared,
}

pub struct MemoryChain {
    params: NetworkParams,
    blocks: Vec<Made>,
    trie: StateTrie,
    places: HashMap<B256, TxPlace>,
    pub pool: Vec<Arc<Transaction>>,
    pub oldest_state: u64,
    pub limits: Limits,
}

/// Key `n` of the test accounts.
pub fn key(n: u8) -> SigningKey {
    SigningKey::from_slice(keccak256([n]).as_slice()).unwrap()
}

pub fn address_of(key: &SigningKey) -> Address {
    Address::from_public_key(key.verifying_key())
}

pub fn user(n: u8) -> Address {
    address_of(&key(n))
}

pub fn sign(key: &SigningKey, hash: B256) -> Signature {
    let (signature, id) = key.sign_prehash_recoverable(hash.as_slice()).unwrap();
    Signature::from((signature, id))
}

pub fn seal(envelope: OpTxEnvelope) -> Transaction {
    Transaction::decode(envelope.encoded_2718().into()).unwrap()
}

pub fn legacy(n: u8, nonce: u64, to: TxKind, value: u128, input: Bytes) -> Transaction {
    let tx = TxLegacy {
        chain_id: Some(1962),
        nonce,
        gas_price: 2_000_000_000,
        gas_limit: 1_000_000,
        to,
        value: U256::from(value),
        input,
    };
    let signature = sign(&key(n), tx.signature_hash());
    seal(OpTxEnvelope::Legacy(tx.into_signed(signature)))
}

pub fn dynamic(n: u8, nonce: u64, to: TxKind, value: u128, input: Bytes) -> Transaction {
    dynamic_by(&key(n), nonce, to, value, input)
}

pub fn dynamic_by(key: &SigningKey, nonce: u64, to: TxKind, value: u128, input: Bytes) -> Transaction {
    let tx = TxEip1559 {
        chain_id: 1962,
        nonce,
        max_fee_per_gas: 3_000_000_000,
        max_priority_fee_per_gas: 5_000_000,
        gas_limit: 1_000_000,
        to,
        value: U256::from(value),
        input,
        access_list: Default::default(),
    };
    let signature = sign(key, tx.signature_hash());
    seal(OpTxEnvelope::Eip1559(tx.into_signed(signature)))
}

/// The L1 origin of all blocks.
pub fn origin() -> L1Origin {
    L1Origin {
        number: 5,
        hash: B256::repeat_byte(5),
        timestamp: 1_700_000_000,
        base_fee_wei: 7,
        ..L1Origin::default()
    }
}

impl MemoryChain {
    /// Genesis: ten rich users, and `codes`.
    pub fn new(codes: &[(Address, Bytes)]) -> Self {
        let params = NetworkParams {
            chain_id: 1962,
            genesis_timestamp: 1_700_000_000,
            block_time_ms: 200,
            elasticity: 2,
            base_fee_denominator: 8,
            min_base_fee_wei: 1_000_000,
            base_fee_scalar: 0,
            blob_base_fee_scalar: 0,
        };
        let mut state = MemoryState::default();
        let mut updates: Vec<AccountUpdate> = (0..10)
            .map(|n| {
                let new = Some(Account { balance: U256::from(10_000 * ETHER), ..Account::default() });
                AccountUpdate { address: user(n), account: Change { old: None, new }, slots: Vec::new() }
            })
            .collect();
        for (address, code) in codes {
            state.codes.insert(keccak256(code), code.clone());
            let new = Some(Account { nonce: 1, code_hash: keccak256(code), ..Account::default() });
            updates.push(AccountUpdate {
                address: *address,
                account: Change { old: None, new },
                slots: Vec::new(),
            });
        }
        updates.sort_by_key(|update| update.address);
        let mut trie = StateTrie::new(EMPTY_ROOT_HASH);
        let diff = trie.apply(updates, &Shared::default()).unwrap();
        state.apply(&diff);
        let header = Header {
            state_root: trie.root(),
            gas_limit: 60_000_000,
            timestamp: params.genesis_timestamp,
            base_fee_per_gas: Some(1_000_000_000),
            extra_data: extra_data(0),
            withdrawals_root: Some(EMPTY_ROOT_HASH),
            blob_gas_used: Some(0),
            excess_blob_gas: Some(0),
            parent_beacon_block_root: Some(B256::ZERO),
            requests_hash: Some(alloy_eips::eip7685::EMPTY_REQUESTS_HASH),
            ..Header::default()
        };
        let header = Arc::new(header.seal_slow());
        state.hashes.insert(0, header.hash());
        let genesis =
            Made { header, transactions: Vec::new(), receipts: Vec::new(), state: Shared(Arc::new(state)) };
        Self {
            params,
            blocks: vec![genesis],
            trie,
            places: HashMap::new(),
            pool: Vec::new(),
            oldest_state: 0,
            limits: Limits::default(),
        }
    }

    fn attributes(&self) -> BlockAttributes {
        BlockAttributes {
            slot: self.blocks.len() as u64 * 5,
            origin: origin(),
            gas_limit: 60_000_000,
            deposits: Vec::new(),
        }
    }

    /// Adds a block; every transaction must go in.
    pub fn add(&mut self, transactions: Vec<Transaction>) -> u64 {
        let parent = self.blocks.last().unwrap();
        let (block, excluded) = execute(
            &self.params,
            parent.header.inner(),
            parent.header.hash(),
            &self.attributes(),
            transactions,
            &parent.state,
            &mut self.trie,
        )
        .unwrap();
        assert!(excluded.is_empty(), "{excluded:?}");
        let number = block.header.number;
        let mut state = parent.state.0.as_ref().clone();
        state.apply(&block.diff);
        state.hashes.insert(number, block.hash);
        for (index, tx) in block.transactions.iter().enumerate() {
            self.places.insert(tx.hash(), (number, index as u32));
        }
        self.blocks.push(Made {
            header: Arc::new(block.header.seal_unchecked(block.hash)),
            transactions: block.transactions,
            receipts: block.receipts,
            state: Shared(Arc::new(state)),
        });
        number
    }

    pub fn receipt_of(&self, number: u64, index: usize) -> &Receipt {
        &self.blocks[number as usize].receipts[index]
    }

    pub fn tx(&self, number: u64, index: usize) -> &Transaction {
        &self.blocks[number as usize].transactions[index]
    }

    pub fn state(&self, number: u64) -> &MemoryState {
        &self.blocks[number as usize].state.0
    }

    pub fn hash(&self, number: u64) -> B256 {
        self.blocks[number as usize].header.hash()
    }

    pub fn rpc(&self, method: &str, params: Value) -> Result<Value, RpcError> {
        let params = serde_json::to_vec(&params).unwrap();
        let answer = rpc::dispatch(self, method, &params, &self.limits)?;
        Ok(serde_json::from_slice(&answer).expect("an answer is JSON"))
    }

    /// An answer that must be there.
    pub fn ok(&self, method: &str, params: Value) -> Value {
        match self.rpc(method, params) {
            Ok(value) => value,
            Err(error) => panic!("{method}: {error}"),
        }
    }

    /// An error that must be there.
    pub fn error(&self, method: &str, params: Value) -> RpcError {
        match self.rpc(method, params) {
            Ok(value) => panic!("{method}: {value}"),
            Err(error) => error,
        }
    }
}

impl Reader for MemoryChain {
    type State = Shared;

    fn params(&self) -> &NetworkParams {
        &self.params
    }
    fn network(&self) -> NetworkInfo {
        NetworkInfo {
            name: "memory".into(),
            hash: B256::repeat_byte(1),
            genesis_hash: self.hash(0),
            max_idle_ms: 2000,
            gas_limit: 60_000_000,
            has_l1: false,
        }
    }
    fn head(&self) -> Result<SealedHeader, ReadError> {
        Ok(self.blocks.last().unwrap().header.clone())
    }
    fn header(&self, number: u64) -> Result<Option<SealedHeader>, ReadError> {
        Ok(self.blocks.get(number as usize).map(|block| block.header.clone()))
    }
    fn number_of(&self, hash: &B256) -> Result<Option<u64>, ReadError> {
        Ok(self.blocks.iter().position(|block| block.header.hash() == *hash).map(|n| n as u64))
    }
    fn outline(&self, number: u64) -> Result<Outline, ReadError> {
        let transactions = &self.blocks[number as usize].transactions;
        Ok(Outline {
            tx_hashes: transactions.iter().map(Transaction::hash).collect(),
            body_bytes: rpc::shapes::body_bytes(transactions),
        })
    }
    fn transactions(&self, number: u64) -> Result<Vec<Transaction>, ReadError> {
        Ok(self.blocks[number as usize].transactions.clone())
    }
    fn transaction(&self, number: u64, index: u32) -> Result<Option<Transaction>, ReadError> {
        Ok(self.blocks[number as usize].transactions.get(index as usize).cloned())
    }
    fn transaction_count(&self, number: u64) -> Result<u64, ReadError> {
        Ok(self.blocks[number as usize].transactions.len() as u64)
    }
    fn kept_state(&self, number: u64) -> Result<Self::State, ReadError> {
        self.state_at(number)
    }
    fn overwrites(&self, _number: u64) -> Result<Vec<Overwrite>, ReadError> {
        Ok(Vec::new())
    }
    fn slots(
        &self,
        number: u64,
        address: &Address,
        each: &mut dyn FnMut(U256, U256) -> bool,
    ) -> Result<(), ReadError> {
        for ((_, slot), value) in
            self.state(number).slots.range((*address, U256::ZERO)..=(*address, U256::MAX))
        {
            if !each(*slot, *value) {
                break;
            }
        }
        Ok(())
    }
    fn receipts(&self, number: u64) -> Result<Vec<Receipt>, ReadError> {
        Ok(self.blocks[number as usize].receipts.clone())
    }
    fn receipt(&self, number: u64, index: u32) -> Result<Option<(Receipt, u64)>, ReadError> {
        let receipts = &self.blocks[number as usize].receipts;
        let before = receipts.iter().take(index as usize).map(|receipt| receipt.logs.len() as u64).sum();
        Ok(receipts.get(index as usize).cloned().map(|receipt| (receipt, before)))
    }
    fn locate(&self, hash: &B256) -> Result<Option<TxPlace>, ReadError> {
        Ok(self.places.get(hash).copied())
    }
    fn state_at(&self, number: u64) -> Result<Self::State, ReadError> {
        if number < self.oldest_state {
            return Err(ReadError::Pruned { number, oldest: self.oldest_state });
        }
        Ok(self.blocks[number as usize].state.clone())
    }
    fn next_timestamp(&self, parent: &Header) -> u64 {
        parent.timestamp + 12
    }
    fn pending(&self) -> Result<Arc<PendingBlock>, ReadError> {
        let parent = self.blocks.last().unwrap();
        let mut executor = BlockExecutor::new(
            &self.params,
            parent.header.inner(),
            parent.header.hash(),
            &self.attributes(),
            &parent.state,
        )
        .unwrap();
        for tx in &self.pool {
            executor.transact(tx.as_ref().clone()).unwrap();
        }
        let (header, transactions, receipts, changes) = executor.into_parts();
        Ok(Arc::new(PendingBlock { header, transactions, receipts, changes }))
    }
    fn logs(
        &self,
        filter: &LogFilter,
        first: u64,
        last: u64,
        each: &mut dyn FnMut(FoundLog) -> bool,
    ) -> Result<(), ReadError> {
        for block in &self.blocks[first as usize..=last as usize] {
            let mut log_index = 0;
            for (index, (tx, receipt)) in block.transactions.iter().zip(&block.receipts).enumerate() {
                for log in &receipt.logs {
                    let found = FoundLog {
                        block: block.header.number,
                        block_hash: block.header.hash(),
                        timestamp: block.header.timestamp,
                        tx_index: index as u32,
                        tx_hash: tx.hash(),
                        log_index,
                        log: log.clone(),
                    };
                    log_index += 1;
                    if filter.takes(log) && !each(found) {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }
    fn appearances_from(
        &self,
        address: &Address,
        from: TxPlace,
        each: &mut dyn FnMut(TxPlace) -> bool,
    ) -> Result<(), ReadError> {
        for place in self.appearances(address) {
            if place >= from && !each(place) {
                break;
            }
        }
        Ok(())
    }
    fn appearances_back(
        &self,
        address: &Address,
        to: TxPlace,
        each: &mut dyn FnMut(TxPlace) -> bool,
    ) -> Result<(), ReadError> {
        for place in self.appearances(address).into_iter().rev() {
            if place <= to && !each(place) {
                break;
            }
        }
        Ok(())
    }
    fn creation(&self, contract: &Address) -> Result<Option<TxPlace>, ReadError> {
        let created = |place: &TxPlace| {
            self.blocks[place.0 as usize].receipts[place.1 as usize].contract_address == Some(*contract)
        };
        Ok(self.appearances(contract).into_iter().find(created))
    }
    fn by_sender_and_nonce(&self, sender: &Address, nonce: u64) -> Result<Option<TxPlace>, ReadError> {
        use alloy_consensus::Transaction as _;
        let is = |place: &TxPlace| {
            let tx = &self.blocks[place.0 as usize].transactions[place.1 as usize];
            tx.sender() == *sender && tx.envelope().nonce() == nonce && !tx.is_deposit()
        };
        Ok(self.appearances(sender).into_iter().find(is))
    }
    fn indexes_addresses(&self) -> bool {
        true
    }
    fn pooled(&self, hash: &B256) -> Option<Arc<Transaction>> {
        self.pool.iter().find(|tx| tx.hash() == *hash).cloned()
    }
    fn pooled_nonce(&self, sender: &Address) -> Option<u64> {
        use alloy_consensus::Transaction as _;
        self.pool.iter().filter(|tx| tx.sender() == *sender).map(|tx| tx.envelope().nonce() + 1).max()
    }
    fn pool_status(&self) -> (usize, usize) {
        (self.pool.len(), 0)
    }
    fn pool_content(&self, limit: usize) -> Option<Vec<Pooled>> {
        if self.pool.len() > limit {
            return None;
        }
        let mut senders: Vec<Address> = self.pool.iter().map(|tx| tx.sender()).collect();
        senders.dedup();
        Some(senders.iter().map(|sender| self.pool_content_of(sender)).collect())
    }
    fn pool_content_of(&self, sender: &Address) -> Pooled {
        let pending = self.pool.iter().filter(|tx| tx.sender() == *sender).cloned().collect();
        Pooled { sender: *sender, pending, queued: Vec::new() }
    }
}

impl MemoryChain {
    fn appearances(&self, address: &Address) -> Vec<TxPlace> {
        use alloy_consensus::Transaction as _;
        let mut places = Vec::new();
        for block in &self.blocks {
            for (index, (tx, receipt)) in block.transactions.iter().zip(&block.receipts).enumerate() {
                if tx.sender() == *address
                    || tx.envelope().to() == Some(*address)
                    || receipt.contract_address == Some(*address)
                {
                    places.push((block.header.number, index as u32));
                }
            }
        }
        places
    }
}
