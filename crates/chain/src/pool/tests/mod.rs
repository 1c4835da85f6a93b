//! Tests of the pool with made-up senders: signatures are the business of `tests/pool/messages.rs`.
#![allow(clippy::unwrap_used)]

mod concurrency;
mod flood;
mod property;
mod rules;

use std::{collections::HashMap, convert::Infallible};

use alloy_consensus::{SignableTransaction as _, TxEip1559, TxEip7702};
use alloy_eips::{
    Encodable2718 as _,
    eip7702::{Authorization, SignedAuthorization},
};
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, keccak256};
use alloy_trie::Nibbles;
use op_alloy_consensus::OpTxEnvelope;
use trex_stf::{
    params::NetworkParams,
    state::{Account, Change, State, StateDiff},
    transaction::Transaction,
};

use super::{Head, Pool, PoolConfig, PoolError, transaction::PoolTransaction};

/// One ether, wei.
const ETHER: u128 = 1_000_000_000_000_000_000;
const GAS: u64 = 21_000;

/// Accounts in memory; storage and code are not the pool's business but a sender's code is.
#[derive(Clone, Debug, Default)]
struct Accounts {
    accounts: HashMap<Address, Account>,
    codes: HashMap<B256, Bytes>,
}

impl Accounts {
    fn set(&mut self, address: Address, nonce: u64, balance_wei: u128) {
        let account = self.accounts.entry(address).or_default();
        (account.nonce, account.balance) = (nonce, U256::from(balance_wei));
    }

    fn delegate(&mut self, address: Address) {
        let code = Bytes::from([&[0xef, 0x01, 0x00][..], &[7; 20]].concat());
        let hash = keccak256(&code);
        self.codes.insert(hash, code);
        self.accounts.entry(address).or_default().code_hash = hash;
    }

    fn diff(&self, addresses: &[Address]) -> StateDiff {
        let change = |address: &Address| Change { old: None, new: self.accounts.get(address).copied() };
        StateDiff {
            accounts: addresses.iter().map(|address| (*address, change(address))).collect(),
            ..StateDiff::default()
        }
    }
}

impl State for Accounts {
    type Error = Infallible;

    fn account(&self, address: &Address) -> Result<Option<Account>, Infallible> {
        Ok(self.accounts.get(address).copied())
    }

    fn storage(&self, _: &Address, _: &U256) -> Result<U256, Infallible> {
        Ok(U256::ZERO)
    }

    fn code(&self, hash: &B256) -> Result<Bytes, Infallible> {
        Ok(self.codes.get(hash).cloned().unwrap_or_default())
    }

    fn block_hash(&self, _: u64) -> Result<B256, Infallible> {
        Ok(B256::ZERO)
    }

    fn node(&self, _: Option<&B256>, _: &Nibbles, _: &B256) -> Result<Bytes, Infallible> {
        Ok(Bytes::new())
    }
}

fn params() -> NetworkParams {
    NetworkParams {
        chain_id: 1962,
        genesis_timestamp: 0,
        block_time_ms: 200,
        elasticity: 6,
        base_fee_denominator: 250,
        min_base_fee_wei: 1,
        base_fee_scalar: 0,
        blob_base_fee_scalar: 0,
    }
}

fn head(number: u64) -> Head {
    Head {
        number,
        hash: B256::with_last_byte(number as u8),
        timestamp: 1_000 + number,
        base_fee_wei: 10,
        gas_limit: 30_000_000,
        ..Head::default()
    }
}

fn sender(index: u64) -> Address {
    Address::from_word(keccak256(index.to_be_bytes()))
}

/// A transaction of a sender who never signed it.
fn unsigned(from: Address, nonce: u64, max_fee_wei: u128, max_tip_wei: u128, input: Bytes) -> Transaction {
    let tx = TxEip1559 {
        chain_id: 1962,
        nonce,
        gas_limit: GAS,
        max_fee_per_gas: max_fee_wei,
        max_priority_fee_per_gas: max_tip_wei,
        to: TxKind::Call(Address::repeat_byte(9)),
        value: U256::ZERO,
        access_list: Default::default(),
        input,
    };
    // The signature makes hashes of different senders differ.
    let signature = Signature::new(U256::from_be_slice(from.as_slice()), U256::from(1), false);
    known(OpTxEnvelope::Eip1559(tx.into_signed(signature)), from)
}

fn known(envelope: OpTxEnvelope, from: Address) -> Transaction {
    let encoded = Bytes::from(envelope.encoded_2718());
    let hash = keccak256(&encoded);
    Transaction::with_sender(encoded, hash, from).unwrap()
}

/// A transfer paying `price` wei per gas, all of it above the base fee as tip.
fn transfer(from: Address, nonce: u64, price: u128) -> Transaction {
    unsigned(from, nonce, price, price, Bytes::new())
}

/// Sets the code of whoever `key` belongs to.
fn set_code(from: Address, nonce: u64, price: u128, key: u8) -> (Transaction, Address) {
    let key = k256::ecdsa::SigningKey::from_slice(&[key; 32]).unwrap();
    let authorization =
        Authorization { chain_id: U256::from(1962), address: Address::repeat_byte(7), nonce: 0 };
    let signature: Signature =
        key.sign_prehash_recoverable(authorization.signature_hash().as_slice()).unwrap().into();
    let tx = TxEip7702 {
        chain_id: 1962,
        nonce,
        gas_limit: 100_000,
        max_fee_per_gas: price,
        max_priority_fee_per_gas: price,
        to: Address::repeat_byte(9),
        authorization_list: vec![SignedAuthorization::new_unchecked(
            authorization,
            u8::from(signature.v()),
            signature.r(),
            signature.s(),
        )],
        ..TxEip7702::default()
    };
    let signature = Signature::new(U256::from_be_slice(from.as_slice()), U256::from(1), false);
    let authority = Address::from_public_key(key.verifying_key());
    (known(OpTxEnvelope::Eip7702(tx.into_signed(signature)), from), authority)
}

/// A pool without a journal over accounts, for transactions whose senders are known.
struct Bench {
    pool: Pool,
    accounts: Accounts,
    head: Head,
}

impl Bench {
    fn new(configure: impl FnOnce(&mut PoolConfig)) -> Self {
        let mut config = PoolConfig::new(params());
        configure(&mut config);
        let mut accounts = Accounts::default();
        (0..64).for_each(|index| accounts.set(sender(index), 0, ETHER));
        let (pool, _) = Pool::open(config, None, &accounts, head(1)).unwrap();
        Self { pool, accounts, head: head(1) }
    }

    fn submit(&self, transactions: Vec<Transaction>) -> Vec<Result<B256, PoolError>> {
        let admitted = transactions
            .into_iter()
            .map(|tx| Ok(PoolTransaction::new(tx, self.pool.config(), &self.head)))
            .collect();
        self.pool.accept(admitted, &self.accounts, self.head, || (&self.accounts, self.head))
    }

    fn one(&self, tx: Transaction) -> Result<B256, PoolError> {
        self.submit(vec![tx]).remove(0)
    }

    /// The chain moves on; the accounts named are those its block changed.
    fn advance(&mut self, changed: &[Address]) {
        self.head = Head { base_fee_wei: self.head.base_fee_wei, ..head(self.head.number + 1) };
        self.pool.advance(self.head, &self.accounts.diff(changed));
    }

    fn counts(&self) -> (usize, usize) {
        let status = self.pool.status();
        (status.pending, status.queued)
    }

    /// Recomputes every total and checks every promise.
    fn check(&self) {
        let guarded = self.pool.lock();
        guarded.ledger.check();
    }
}
