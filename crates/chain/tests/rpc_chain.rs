//! JSON-RPC over a chain on disk: store, mempool and development controls behind the same answers.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod support;

use alloy_primitives::{Address, Bytes, TxKind, U256, address, bytes};
use serde_json::{Value, json};
use support::node::{Node, sender};
use trex_chain::dev::{Patch, Patches};

/// Code that stores its call data's first word at slot 0, emits a log of it, and returns it, behind
/// what deploys it.
const DEPLOY: Bytes = bytes!("6017600c60003960176000f36000358060005580600052602060006000a160206000f3");
const SOMEBODY: Address = address!("00000000000000000000000000000000000000ff");

fn word(n: u64) -> Bytes {
    Bytes::copy_from_slice(&U256::from(n).to_be_bytes::<32>())
}

#[test]
fn test_answers_come_from_store_mempool_and_state() {
    let mut node = Node::new();
    let me = sender();
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
    let me = sender();
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

/// Calls `to` with 1 wei, then creates an empty contract.
fn caller_of(to: Address) -> Bytes {
    let call = [&[0x60, 0, 0x60, 0, 0x60, 0, 0x60, 0, 0x60, 1, 0x73][..], to.as_slice(), &[0x5a, 0xf1, 0x50]];
    let create = [0x60, 0, 0x60, 0, 0x60, 0, 0xf0, 0x50, 0x00];
    [call.concat(), create.to_vec()].concat().into()
}

#[test]
fn test_search_finds_transactions_by_what_took_part_inside() {
    let contract = address!("00000000000000000000000000000000000c0de1");
    let lender = address!("00000000000000000000000000000000000c0de2");
    let mut node = Node::new();
    // The contract runs the lender's code: DELEGATECALL, which calls and creates in its name.
    let delegate = [&[0x60, 0, 0x60, 0, 0x60, 0, 0x60, 0, 0x73][..], lender.as_slice(), &[0x5a, 0xf4, 0x00]];
    let patch = |code: Bytes| Patch { code: Some(code), balance: Some(U256::from(9)), ..Patch::default() };
    node.chain
        .patch(Patches::from([
            (contract, patch(delegate.concat().into())),
            (lender, patch(caller_of(SOMEBODY))),
        ]))
        .unwrap();
    node.build();
    let tx = node.submit(TxKind::Call(contract), 0, Bytes::new());
    node.submit(TxKind::Call(address!("00000000000000000000000000000000000000ee")), 0, Bytes::new());
    node.build();
    assert_eq!(node.ok("eth_getBalance", json!([SOMEBODY, "latest"])), "0x1");
    for party in [sender(), contract, lender, SOMEBODY, contract.create(0)] {
        for method in ["ots_searchTransactionsBefore", "ots_searchTransactionsAfter"] {
            let page = node.ok(method, json!([party, 0, 10]));
            let found: Vec<_> = page["txs"].as_array().unwrap().iter().map(|found| &found["hash"]).collect();
            assert!(found.contains(&&json!(tx)), "{method} {party}: {page}");
            assert_eq!(found.len(), if party == sender() { 2 } else { 1 });
        }
    }
    // An unsigned transaction is a deposit: its calls are found like any other's.
    let request = json!({"from": sender(), "to": contract, "gas": "0x30d40"});
    let unsigned = node.chain.impersonate(serde_json::from_value(request).unwrap()).unwrap();
    node.build();
    let page = node.ok("ots_searchTransactionsBefore", json!([SOMEBODY, 0, 10]));
    assert_eq!(page["txs"][0]["hash"], json!(unsigned));
    assert_eq!(page["txs"].as_array().unwrap().len(), 2);
}

#[test]
fn test_trace_of_a_block_says_which_deposit_could_not_run() {
    let mut node = Node::new();
    let request =
        |gas: &str| serde_json::from_value(json!({"from": SOMEBODY, "to": sender(), "gas": gas})).unwrap();
    let cannot = node.chain.impersonate(request("0x100")).unwrap();
    let can = node.chain.impersonate(request("0x5208")).unwrap();
    let plain = node.submit(TxKind::Call(SOMEBODY), 1, Bytes::new());
    node.build();
    let traces = node.ok("debug_traceBlockByNumber", json!(["latest", {"tracer": "callTracer"}]));
    assert_eq!(traces[0], json!({"txHash": cannot, "error": "the deposit could not run"}));
    assert_eq!(traces[1]["txHash"], json!(can));
    assert_eq!(traces[1]["result"]["gasUsed"], "0x5208");
    assert_eq!(traces[2]["txHash"], json!(plain));
    assert_eq!(traces[2]["result"]["from"], json!(sender().to_string().to_lowercase()));
}

#[test]
fn test_calls_keep_the_rule_that_no_contract_lands_on_storage() {
    let node = Node::new();
    let target = sender().create(0);
    let create = json!({"from": sender(), "data": DEPLOY, "gas": "0xf4240"});
    assert_ne!(node.ok("eth_call", json!([create])), "0x");
    // An account that is new but for its storage and balance (EIP-7610).
    let storage = [(U256::ZERO, alloy_primitives::B256::with_last_byte(1))].into();
    let patch = Patch { storage, balance: Some(U256::from(1)), ..Patch::default() };
    node.chain.patch(Patches::from([(target, patch)])).unwrap();
    node.build();
    let params = serde_json::to_vec(&json!([create])).unwrap();
    let error = trex_chain::rpc::dispatch(&node.chain, "eth_call", &params, &Default::default()).unwrap_err();
    assert_eq!(error.message, "contract address collision");
    let traced = node.ok("debug_traceCall", json!([create, "latest", {"tracer": "callTracer"}]));
    assert_eq!(traced["error"], "contract address collision");
}

#[test]
fn test_config_names_the_rules_in_force() {
    let node = Node::new();
    let config = node.ok("eth_config", json!([]));
    assert_eq!(config["next"], Value::Null);
    assert_eq!(config["last"], Value::Null);
    let current: alloy_eips::eip7910::EthForkConfig =
        serde_json::from_value(config["current"].clone()).unwrap();
    assert_eq!((current.activation_time, current.chain_id), (0, 1962));
    assert_eq!(current.blob_schedule.max_blob_count, 0);
    let address = |last: u64| Address::left_padding_from(&last.to_be_bytes());
    assert_eq!(current.precompiles.len(), 19);
    for (name, at) in [
        ("ECREC", 1),
        ("BN254_PAIRING", 8),
        ("BLS12_MAP_FP2_TO_G2", 0x11),
        ("P256VERIFY", 0x100),
        ("ED25519_VERIFY", 0x201),
    ] {
        assert_eq!(current.precompiles[name], address(at));
    }
    let names: Vec<String> = current.system_contracts.keys().map(ToString::to_string).collect();
    assert_eq!(names, ["BEACON_ROOTS_ADDRESS", "HISTORY_STORAGE_ADDRESS"]);
    let genesis = node.chain.genesis_hash();
    assert_eq!(current.fork_id.as_ref(), alloy_eips::eip2124::ForkHash::from(genesis).0);
}
