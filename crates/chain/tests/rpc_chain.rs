//! JSON-RPC over a chain on disk: store, mempool and development controls behind the same answers.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod support;

use alloy_primitives::{Address, Bytes, TxKind, U256, address, bytes, hex};
use k256::ecdsa::SigningKey;
use serde_json::{Value, json};
use support::{address_of, dynamic_by};
use tempfile::TempDir;
use trex_chain::{
    chain::{BuildOrder, Chain},
    dev::{Patch, Patches},
    network::Network,
    pool::PoolConfig,
    rpc::{self, limits::Limits},
    settle::Forced,
};
use trex_store::Options;

/// First account of the development mnemonic.
const KEY: [u8; 32] = hex!("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80");
/// Code that stores its call data's first word at slot 0, emits a log of it, and returns it, behind
/// what deploys it.
const DEPLOY: Bytes = bytes!("6017600c60003960176000f36000358060005580600052602060006000a160206000f3");
const SOMEBODY: Address = address!("00000000000000000000000000000000000000ff");

struct Node {
    chain: Chain,
    slot: u64,
    nonce: u64,
    _directory: TempDir,
}

impl Node {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let network = Network::parse(include_bytes!("../../../networks/devnet.json")).unwrap();
        let pool = PoolConfig::new(network.params);
        let chain = Chain::open(directory.path(), network.clone(), Options::new(network.hash), pool).unwrap();
        Self { chain, slot: 0, nonce: 0, _directory: directory }
    }

    fn submit(&mut self, to: TxKind, value: u128, input: Bytes) -> String {
        let key = SigningKey::from_slice(&KEY).unwrap();
        let tx = dynamic_by(&key, self.nonce, to, value, input);
        self.nonce += 1;
        let answers = self.chain.submit(vec![tx.encoded().clone()]);
        answers[0].as_ref().unwrap().to_string()
    }

    fn build(&mut self) {
        self.slot += 5;
        let order = BuildOrder {
            slot: self.slot,
            gas_limit: None,
            allow_empty: true,
            deadline: None,
            forced: Forced::default(),
        };
        self.chain.build(&order).unwrap().unwrap();
    }

    fn ok(&self, method: &str, params: Value) -> Value {
        let params = serde_json::to_vec(&params).unwrap();
        match rpc::dispatch(&self.chain, method, &params, &Limits::default()) {
            Ok(answer) => serde_json::from_slice(&answer).unwrap(),
            Err(error) => panic!("{method}: {error}"),
        }
    }
}

fn word(n: u64) -> Bytes {
    Bytes::copy_from_slice(&U256::from(n).to_be_bytes::<32>())
}

#[test]
fn test_answers_come_from_store_mempool_and_state() {
    let mut node = Node::new();
    let me = address_of(&SigningKey::from_slice(&KEY).unwrap());
    let contract = me.create(0);
    let deployed = node.submit(TxKind::Create, 0, DEPLOY);
    assert_eq!(node.ok("eth_getTransactionByHash", json!([deployed]))["blockHash"], Value::Null);
    assert_eq!(node.ok("eth_getTransactionCount", json!([me, "pending"])), "0x1");
    assert_eq!(
        node.ok("eth_getBlockByNumber", json!(["pending", true]))["transactions"][0]["hash"],
        deployed
    );
    node.build();
    let called = node.submit(TxKind::Call(contract), 0, word(7));
    node.build();

    assert_eq!(node.ok("eth_getTransactionReceipt", json!([deployed]))["contractAddress"], json!(contract));
    let receipt = node.ok("eth_getTransactionReceipt", json!([called]));
    assert_eq!(receipt["status"], "0x1");
    let logs = node.ok("eth_getLogs", json!([{"fromBlock": "0x0", "address": contract}]));
    assert_eq!(logs, receipt["logs"]);
    assert_eq!(
        node.ok("eth_getLogs", json!([{"fromBlock": "0x0", "topics": [null]}])),
        json!([logs[0]]).clone()
    );
    assert_eq!(node.ok("eth_getStorageAt", json!([contract, "0x0", "0x1"])), json!(word(0)));
    assert_eq!(node.ok("eth_getStorageAt", json!([contract, "0x0", "latest"])), json!(word(7)));
    for number in ["0x1", "0x2"] {
        let proof = node.ok("eth_getProof", json!([contract, ["0x0"], number]));
        assert_eq!(proof["storageProof"][0]["value"], if number == "0x1" { "0x0" } else { "0x7" });
    }
    let creator = node.ok("ots_getContractCreator", json!([contract]));
    assert_eq!(creator, json!({"hash": deployed, "creator": me}));
    assert_eq!(node.ok("ots_getTransactionBySenderAndNonce", json!([me, 1])), called);
    let page = node.ok("ots_searchTransactionsBefore", json!([me, 0, 10]));
    assert_eq!(page["txs"].as_array().unwrap().len(), 2);
    assert_eq!(page["txs"][0]["hash"], called);
    assert_eq!(node.ok("trex_info", json!([]))["chainId"], "0x7aa");
}

#[test]
fn test_traces_of_patched_blocks_use_the_gas_of_the_receipts() {
    let mut node = Node::new();
    let me = address_of(&SigningKey::from_slice(&KEY).unwrap());
    let contract = me.create(0);
    node.submit(TxKind::Create, 0, DEPLOY);
    node.build();
    // The slot is full before the call: the store costs less than into an empty one.
    let storage = [(U256::ZERO, word(1).as_ref().try_into().unwrap())].into();
    let patch = Patch { storage, balance: Some(U256::from(5)), ..Patch::default() };
    node.chain.patch(Patches::from([(contract, patch)])).unwrap();
    assert_eq!(node.ok("eth_getBalance", json!([contract, "latest"])), "0x5");
    assert_eq!(node.ok("eth_getBalance", json!([contract, "0x0"])), "0x0");
    let called = node.submit(TxKind::Call(contract), 0, word(7));
    node.submit(TxKind::Call(SOMEBODY), 1, Bytes::new());
    node.build();
    let receipts = node.ok("eth_getBlockReceipts", json!(["latest"]));
    let traces = node.ok("debug_traceBlockByNumber", json!(["latest", {"tracer": "callTracer"}]));
    for (trace, receipt) in traces.as_array().unwrap().iter().zip(receipts.as_array().unwrap()) {
        assert_eq!(trace["result"]["gasUsed"], receipt["gasUsed"]);
    }
    let before = node.ok("debug_traceTransaction", json!([called, {"tracer": "prestateTracer"}]));
    let key = contract.to_string().to_lowercase();
    assert_eq!(before[key]["balance"], "0x5");
}
