//! What the pool costs beside recovering signatures: `cargo run --release --example pool_bench`.

use std::{
    collections::HashMap,
    convert::Infallible,
    error::Error,
    time::{Duration, Instant},
};

use alloy_consensus::{SignableTransaction as _, TxEip1559};
use alloy_eips::Encodable2718 as _;
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256};
use alloy_trie::Nibbles;
use k256::ecdsa::SigningKey;
use op_alloy_consensus::OpTxEnvelope;
use rayon::prelude::*;
use trex_chain::pool::{Head, Pool, PoolConfig};
use trex_stf::{
    params::NetworkParams,
    state::{Account, Change, State, StateDiff},
    transaction::Transaction,
};

const SENDERS: u64 = 200;
const EACH: u64 = 250;
const BATCH: usize = 100;
const CHAIN_ID: u64 = 1962;

#[derive(Debug, Default)]
struct Accounts(HashMap<Address, Account>);

impl State for Accounts {
    type Error = Infallible;

    fn account(&self, address: &Address) -> Result<Option<Account>, Infallible> {
        Ok(self.0.get(address).copied())
    }

    fn storage(&self, _: &Address, _: &U256) -> Result<U256, Infallible> {
        Ok(U256::ZERO)
    }

    fn code(&self, _: &B256) -> Result<Bytes, Infallible> {
        Ok(Bytes::new())
    }

    fn block_hash(&self, _: u64) -> Result<B256, Infallible> {
        Ok(B256::ZERO)
    }

    fn node(&self, _: Option<&B256>, _: &Nibbles, _: &B256) -> Result<Bytes, Infallible> {
        Ok(Bytes::new())
    }
}

fn signed(key: &SigningKey, nonce: u64) -> Result<Bytes, k256::ecdsa::Error> {
    let tx = TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: 1_000_000_000,
        max_priority_fee_per_gas: 1_000_000 + u128::from(nonce % 7),
        to: TxKind::Call(Address::left_padding_from(&nonce.to_be_bytes())),
        value: U256::from(1),
        ..TxEip1559::default()
    };
    let (signature, recovery) = key.sign_prehash_recoverable(tx.signature_hash().as_slice())?;
    Ok(OpTxEnvelope::Eip1559(tx.into_signed(Signature::from((signature, recovery)))).encoded_2718().into())
}

fn each(total: Duration, count: usize) -> String {
    let micros = total.as_secs_f64() * 1e6 / count as f64;
    format!("{:8.1} ms, {micros:6.2} us each, {:8.0}/s", total.as_secs_f64() * 1e3, 1e6 / micros)
}

fn main() -> Result<(), Box<dyn Error>> {
    let config = PoolConfig::new(NetworkParams {
        chain_id: CHAIN_ID,
        genesis_timestamp: 0,
        block_time_ms: 200,
        elasticity: 6,
        base_fee_denominator: 250,
        min_base_fee_wei: 1,
        base_fee_scalar: 0,
        blob_base_fee_scalar: 0,
    });
    let head = Head { number: 1, base_fee_wei: 100_000_000, gas_limit: 1_000_000_000, ..Head::default() };
    let mut state = Accounts::default();
    let mut keys = Vec::new();
    for index in 1..=SENDERS {
        let key = SigningKey::from_slice(B256::from(U256::from(index)).as_slice())?;
        let account = Account { balance: U256::from(10).pow(U256::from(24)), ..Account::default() };
        state.0.insert(Address::from_public_key(key.verifying_key()), account);
        keys.push(key);
    }
    let raw = (0..SENDERS * EACH)
        .into_par_iter()
        .map(|index| signed(&keys[(index % SENDERS) as usize], index / SENDERS))
        .collect::<Result<Vec<_>, _>>()?;
    let count = raw.len();
    println!(
        "{count} transfers of {SENDERS} senders, batches of {BATCH}, {} threads",
        rayon::current_num_threads()
    );

    let start = Instant::now();
    let decoded = raw.par_iter().filter_map(|raw| Transaction::decode(raw.clone()).ok()).count();
    println!("decode and recover alone   {}", each(start.elapsed(), decoded));

    let folder = tempfile::tempdir()?;
    let path = folder.path().join("pool.journal");
    let (pool, _) = Pool::open(config, Some(&path), &state, head)?;
    let start = Instant::now();
    for batch in raw.chunks(BATCH) {
        let accepted =
            pool.submit(batch.to_vec(), || (&state, head)).iter().filter(|one| one.is_ok()).count();
        assert_eq!(accepted, batch.len());
    }
    println!("submit                     {}", each(start.elapsed(), count));
    let start = Instant::now();
    for batch in raw.chunks(BATCH) {
        pool.submit(batch.to_vec(), || (&state, head));
    }
    println!("submit what is known       {}", each(start.elapsed(), count));

    let start = Instant::now();
    let mut best = pool.best(head.base_fee_wei);
    let block: Vec<_> = best.by_ref().take(10_000).collect();
    println!("best 10,000                {}", each(start.elapsed(), block.len()));
    for tx in &block {
        let account = state.0.entry(tx.sender()).or_default();
        account.nonce = account.nonce.max(tx.nonce() + 1);
    }
    let accounts = state
        .0
        .iter()
        .map(|(address, account)| (*address, Change { old: None, new: Some(*account) }))
        .collect();
    let diff = StateDiff { accounts, ..StateDiff::default() };
    let start = Instant::now();
    pool.advance(Head { number: 2, ..head }, &diff);
    println!("advance by that block      {}", each(start.elapsed(), block.len()));

    drop(block);
    drop(best);
    drop(pool);
    let start = Instant::now();
    let (_, restored) = Pool::open(config, Some(&path), &state, head)?;
    println!("reopen                     {}", each(start.elapsed(), restored.transactions));
    Ok(())
}
