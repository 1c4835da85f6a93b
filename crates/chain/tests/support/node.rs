//! A development chain on disk: store, mempool and development controls.

use alloy_primitives::{Address, Bytes, TxKind, hex};
use k256::ecdsa::SigningKey;
use serde_json::Value;
use tempfile::TempDir;
use trex_chain::{
    chain::{BuildOrder, Chain},
    dev::DevLimits,
    network::Network,
    pool::PoolConfig,
    rpc::{self, limits::Limits},
};
use trex_stf::transaction::Transaction;
use trex_store::Options;

use super::{address_of, dynamic_by};

/// First account of the development mnemonic.
const KEY: [u8; 32] = hex!("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80");

fn key() -> SigningKey {
    SigningKey::from_slice(&KEY).unwrap()
}

/// Who signs what a [`Node`] submits.
pub fn sender() -> Address {
    address_of(&key())
}

/// A transfer that [`sender`] has signed.
pub fn transfer(nonce: u64, to: Address, value: u128) -> Transaction {
    dynamic_by(&key(), nonce, TxKind::Call(to), value, Bytes::new())
}

fn open(directory: &TempDir) -> Chain {
    let network = Network::parse(include_bytes!("../../../../networks/devnet.json")).unwrap();
    let pool = PoolConfig::new(network.params);
    Chain::open(directory.path(), network.clone(), Options::new(network.hash), pool).unwrap()
}

/// A chain on disk with one sender.
pub struct Node {
    pub chain: Chain,
    nonce: u64,
    directory: TempDir,
}

impl Node {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { chain: open(&directory), nonce: 0, directory }
    }

    /// The same with other limits of development controls.
    pub fn with_dev_limits(limits: DevLimits) -> Self {
        let node = Self::new();
        Self { chain: node.chain.with_dev_limits(limits), ..node }
    }

    /// Closes the chain and opens it again.
    pub fn reopen(&mut self) {
        // The store's folder belongs to one opening at a time: another takes the place meanwhile.
        let elsewhere = tempfile::tempdir().unwrap();
        drop(std::mem::replace(&mut self.chain, open(&elsewhere)));
        self.chain = open(&self.directory);
    }

    pub fn submit(&mut self, to: TxKind, value: u128, input: Bytes) -> String {
        let tx = dynamic_by(&key(), self.nonce, to, value, input);
        self.nonce += 1;
        let answers = self.chain.submit(vec![tx.encoded().clone()]);
        answers[0].as_ref().unwrap().to_string()
    }

    /// An order for a block some slots after the newest.
    pub fn order(&self) -> BuildOrder {
        BuildOrder { slot: self.chain.head().slot + 5, allow_empty: true, ..BuildOrder::default() }
    }

    pub fn build(&self) {
        self.chain.build(&self.order()).unwrap().unwrap();
    }

    pub fn ok(&self, method: &str, params: Value) -> Value {
        let params = serde_json::to_vec(&params).unwrap();
        match rpc::dispatch(&self.chain, method, &params, &Limits::default()) {
            Ok(answer) => serde_json::from_slice(&answer).unwrap(),
            Err(error) => panic!("{method}: {error}"),
        }
    }
}
