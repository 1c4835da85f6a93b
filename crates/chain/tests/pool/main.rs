//! The pool from outside: signed transactions, words of refusals, and its journal under faults.
#![allow(clippy::unwrap_used)]

mod journal;
mod messages;

use std::{collections::HashMap, convert::Infallible};

use alloy_consensus::{SignableTransaction, TxEip1559};
use alloy_eips::Encodable2718 as _;
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, keccak256};
use alloy_trie::Nibbles;
use k256::ecdsa::SigningKey;
use op_alloy_consensus::OpTxEnvelope;
use trex_chain::pool::{Head, PoolConfig};
use trex_stf::{
    params::NetworkParams,
    state::{Account, State},
};

const CHAIN_ID: u64 = 1962;

/// Accounts and codes in memory.
#[derive(Debug, Default)]
struct Accounts {
    accounts: HashMap<Address, Account>,
    codes: HashMap<B256, Bytes>,
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

fn config() -> PoolConfig {
    PoolConfig::new(NetworkParams {
        chain_id: CHAIN_ID,
        genesis_timestamp: 0,
        block_time_ms: 200,
        elasticity: 6,
        base_fee_denominator: 250,
        min_base_fee_wei: 5,
        base_fee_scalar: 0,
        blob_base_fee_scalar: 0,
    })
}

fn head() -> Head {
    Head { number: 1, base_fee_wei: 10, gas_limit: 16_000_000, ..Head::default() }
}

fn key(index: u8) -> SigningKey {
    SigningKey::from_slice(&[index; 32]).unwrap()
}

fn address(key: &SigningKey) -> Address {
    Address::from_public_key(key.verifying_key())
}

/// Every key's account holds a million wei per gas of a transfer.
fn funded() -> Accounts {
    let mut state = Accounts::default();
    for index in 1..=20 {
        let account = Account { nonce: 5, balance: U256::from(21_000_000_000u64), ..Account::default() };
        state.accounts.insert(address(&key(index)), account);
    }
    state
}

fn sign<T: SignableTransaction<Signature>>(tx: T, key: &SigningKey) -> Bytes
where
    OpTxEnvelope: From<alloy_consensus::Signed<T>>,
{
    let (signature, recovery) = key.sign_prehash_recoverable(tx.signature_hash().as_slice()).unwrap();
    let signature = Signature::from((signature, recovery));
    OpTxEnvelope::from(tx.into_signed(signature)).encoded_2718().into()
}

fn transfer(nonce: u64) -> TxEip1559 {
    TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: 100,
        max_priority_fee_per_gas: 1,
        to: TxKind::Call(Address::repeat_byte(9)),
        ..TxEip1559::default()
    }
}

fn hash(encoded: &Bytes) -> B256 {
    keccak256(encoded)
}
