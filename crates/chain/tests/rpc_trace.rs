//! Answers of `debug_`, `ots_`, `txpool_` and `eth_simulateV1` over a chain in memory.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::sync::Arc;

use alloy_primitives::{Address, B256, Bytes, TxKind, U256, address, bytes};
use alloy_rlp::BufMut as _;
use serde_json::{Value, json};
use support::{ETHER, MemoryChain, dynamic, legacy, user};
use trex_stf::params::L1_BLOCK;

/// Stores its call data's first word at slot 0, emits a log of it, and returns it.
const STORE: Address = address!("00000000000000000000000000000000000000aa");
/// Passes value and call data on to [`STORE`]; returns what that returned.
const PASS: Address = address!("00000000000000000000000000000000000000bb");
/// Creates a contract of one byte with CREATE.
const FACTORY: Address = address!("00000000000000000000000000000000000000cc");
/// Reverts with the word 5.
const REFUSE: Address = address!("00000000000000000000000000000000000000dd");

fn codes() -> Vec<(Address, Bytes)> {
    vec![
        (STORE, bytes!("6000358060005580600052602060006000a160206000f3")),
        // CALLDATACOPY(0,0,32); CALL(gas, aa, callvalue, 0, 32, 0, 32); RETURN(0,32)
        (PASS, bytes!("6020600060003760206000602060003460aa5af15060206000f3")),
        // MSTORE(0, 0x60016000f3); CREATE(0, 27, 5); MSTORE(0); RETURN(0,32)
        (FACTORY, bytes!("6460016000f36000526005601b6000f060005260206000f3")),
        (REFUSE, bytes!("600560005260206000fd")),
        (L1_BLOCK, bytes!("00")),
    ]
}

fn word(n: u64) -> Bytes {
    Bytes::copy_from_slice(&U256::from(n).to_be_bytes::<32>())
}

/// Block 1: transfer, PASS with value, FACTORY, creation. Block 2: REFUSE. Block 3: STORE.
fn chain() -> MemoryChain {
    let mut chain = MemoryChain::new(&codes());
    chain.add(vec![
        legacy(0, 0, TxKind::Call(user(1)), ETHER, Bytes::new()),
        dynamic(0, 1, TxKind::Call(PASS), 9, word(7)),
        dynamic(1, 0, TxKind::Call(FACTORY), 0, Bytes::new()),
        dynamic(2, 0, TxKind::Create, 0, bytes!("60016000f3")),
    ]);
    chain.add(vec![dynamic(2, 1, TxKind::Call(REFUSE), 0, Bytes::new())]);
    chain.add(vec![dynamic(0, 2, TxKind::Call(STORE), 0, word(8))]);
    chain
}

fn quantity(n: u64) -> Value {
    json!(format!("{n:#x}"))
}

#[test]
fn test_traces_use_the_gas_of_the_receipts() {
    let chain = chain();
    for number in 1..=3 {
        let options = json!({"tracer": "callTracer"});
        let traces = chain.ok("debug_traceBlockByNumber", json!([quantity(number), options]));
        assert_eq!(traces, chain.ok("debug_traceBlockByHash", json!([chain.hash(number), options])));
        for (index, trace) in traces.as_array().unwrap().iter().enumerate() {
            let receipt = chain.receipt_of(number, index);
            assert_eq!(trace["result"]["gasUsed"], quantity(receipt.gas_used), "block {number}, {index}");
            assert_eq!(trace["txHash"], json!(chain.tx(number, index).hash()));
            let alone = chain.ok("debug_traceTransaction", json!([trace["txHash"], options]));
            assert_eq!(alone, trace["result"]);
        }
        let rlp = chain.ok("debug_getRawBlock", json!([quantity(number)]));
        assert_eq!(traces, chain.ok("debug_traceBlock", json!([rlp, options])));
    }
    for (rlp, why) in [("0xc0", "could not decode block"), ("0x", "not whole"), ("0xf90200", "not whole")] {
        let error = chain.error("debug_traceBlock", json!([rlp]));
        assert!(error.message.contains(why), "{error}");
    }
    let error = chain.error("debug_traceBlockByNumber", json!(["pending"]));
    assert_eq!(error.message, "tracing on top of pending is not supported");
}

#[test]
fn test_call_tracer_shows_no_logs_of_what_failed() {
    let chain = chain();
    let (outer, inner) = (Address::repeat_byte(0x98), Address::repeat_byte(0x99));
    let logs_of = |outer_code: &str| {
        let state = json!({
            outer.to_string(): {"code": outer_code},
            inner.to_string(): {"code": "0x5f5fa000"},
        });
        let options =
            json!({"tracer": "callTracer", "tracerConfig": {"withLog": true}, "stateOverrides": state});
        let frame = chain.ok("debug_traceCall", json!([{"to": outer}, "latest", options]));
        let count = |frame: &Value| frame["logs"].as_array().map_or(0, Vec::len);
        (count(&frame), count(&frame["calls"][0]))
    };
    // LOG0; CALL(gas, 0x99..99, 0, 0, 0, 0, 0); then STOP, or REVERT.
    let call = format!("0x5f5fa05f5f5f5f5f73{}5af1", "99".repeat(20));
    assert_eq!(logs_of(&format!("{call}00")), (1, 1));
    assert_eq!(logs_of(&format!("{call}5f5ffd")), (0, 0), "the inner call succeeded, and was taken back");
}

#[test]
fn test_traces_end_after_the_time_that_the_request_sets() {
    let chain = chain();
    let to = Address::repeat_byte(0x99);
    let ever = json!({"tracer": "callTracer", "timeout": "3ms", "stateOverrides": {to.to_string(): {"code": "0x5b600056"}}});
    let error = chain.error("debug_traceCall", json!([{"to": to, "gas": "0xffffffffff"}, "latest", ever]));
    assert_eq!((error.code, error.message.as_str()), (-32000, "execution timeout"));
    let error = chain.error("debug_traceBlockByNumber", json!(["0x1", {"timeout": "soon"}]));
    assert_eq!((error.code, error.message.as_str()), (-32000, "time: invalid duration \"soon\""));
    chain.ok("debug_traceBlockByNumber", json!(["0x1", {"timeout": "1m"}]));
}

#[test]
fn test_call_tracer_shows_calls_logs_and_errors() {
    let chain = chain();
    let options = json!({"tracer": "callTracer", "tracerConfig": {"withLog": true}});
    let trace = chain.ok("debug_traceTransaction", json!([chain.tx(1, 2).hash(), options]));
    assert_eq!(
        (&trace["type"], &trace["to"], &trace["value"]),
        (&json!("CALL"), &json!(PASS), &json!("0x9"))
    );
    let inner = &trace["calls"][0];
    assert_eq!((&inner["to"], &inner["input"]), (&json!(STORE), &json!(word(7))));
    assert_eq!(inner["logs"][0]["address"], json!(STORE));
    assert_eq!(trace["output"], json!(word(7)));
    let top = json!({"tracer": "callTracer", "tracerConfig": {"onlyTopCall": true}});
    let trace = chain.ok("debug_traceTransaction", json!([chain.tx(1, 2).hash(), top]));
    assert!(trace.get("calls").is_none());
    let refused = chain.ok("debug_traceTransaction", json!([chain.tx(2, 1).hash(), options]));
    assert_eq!((&refused["error"], &refused["output"]), (&json!("execution reverted"), &json!(word(5))));
}

#[test]
fn test_struct_log_takes_its_options() {
    let chain = chain();
    let hash = chain.tx(3, 1).hash();
    let trace = chain.ok("debug_traceTransaction", json!([hash]));
    assert_eq!(trace["failed"], false);
    assert_eq!(trace["gas"], chain.receipt_of(3, 1).gas_used);
    let logs = trace["structLogs"].as_array().unwrap();
    let first = &logs[0];
    assert_eq!((&first["op"], &first["pc"], &first["depth"]), (&json!("PUSH1"), &json!(0), &json!(1)));
    assert_eq!(first["stack"], json!([]));
    assert!(first.get("memory").is_none());
    let sstore = logs.iter().find(|log| log["op"] == "SSTORE").unwrap();
    assert_eq!(sstore["storage"].as_object().unwrap().len(), 1);
    let options = json!({"enableMemory": true, "disableStack": true, "disableStorage": true, "limit": 9});
    let trace = chain.ok("debug_traceTransaction", json!([hash, options]));
    let logs = trace["structLogs"].as_array().unwrap();
    assert_eq!(logs.len(), 9);
    assert!(logs.iter().all(|log| log.get("stack").is_none() && log.get("storage").is_none()));
    assert!(logs.last().unwrap().get("memory").is_some());
}

#[test]
fn test_trace_names_the_limit_it_would_pass() {
    let mut chain = chain();
    chain.limits.response_bytes = 500;
    let error = chain.error("debug_traceTransaction", json!([chain.tx(3, 1).hash()]));
    assert_eq!(error.code, -32005);
    assert!(error.message.contains("response_bytes"), "{error}");
}

#[test]
fn test_prestate_tracer_shows_what_was_and_what_changed() {
    let chain = chain();
    let hash = chain.tx(3, 1).hash();
    let before = chain.ok("debug_traceTransaction", json!([hash, {"tracer": "prestateTracer"}]));
    let store = &before[STORE.to_string().to_lowercase()];
    assert_eq!(store["storage"][B256::ZERO.to_string()], json!(word(7)));
    let options = json!({"tracer": "prestateTracer", "tracerConfig": {"diffMode": true}});
    let diff = chain.ok("debug_traceTransaction", json!([hash, options]));
    let store = STORE.to_string().to_lowercase();
    assert_eq!(diff["pre"][&store]["storage"][B256::ZERO.to_string()], json!(word(7)));
    assert_eq!(diff["post"][&store]["storage"][B256::ZERO.to_string()], json!(word(8)));
    let sender = user(0).to_string().to_lowercase();
    assert_eq!(diff["post"][&sender]["nonce"], 3);
}

#[test]
fn test_other_tracers_and_unknown_things() {
    let chain = chain();
    let hash = chain.tx(1, 2).hash();
    let trace = |tracer: Value| chain.ok("debug_traceTransaction", json!([hash, tracer]));
    assert_eq!(trace(json!({"tracer": "noopTracer"})), json!({}));
    assert_eq!(trace(json!({"tracer": "4byteTracer"}))["0x00000000-28"], 2);
    let mux = json!({"tracer": "muxTracer", "tracerConfig": {"callTracer": {}, "noopTracer": null}});
    assert_eq!(trace(mux)["callTracer"]["to"], json!(PASS));
    let settings = json!({"callTracer": null, "4byteTracer": {}, "noopTracer": {}});
    let both = trace(json!({"tracer": "muxTracer", "tracerConfig": settings}));
    assert_eq!(both["callTracer"]["to"], json!(PASS));
    assert_eq!(both["4byteTracer"]["0x00000000-28"], 2);
    let error = chain.error("debug_traceTransaction", json!([B256::ZERO]));
    assert_eq!(error.message, "transaction not found");
    assert_eq!(chain.error("debug_traceBlockByNumber", json!(["0x63"])).message, "block #99 not found");
    assert_eq!(chain.error("debug_traceBlockByNumber", json!(["0x0"])).message, "genesis is not traceable");
}

#[test]
fn test_trace_call_takes_overrides_and_a_place_in_a_block() {
    let chain = chain();
    let options = json!({"tracer": "callTracer"});
    let trace = chain.ok("debug_traceCall", json!([{"to": PASS, "data": word(3)}, "latest", options]));
    assert_eq!(trace["output"], json!(word(3)));
    let overrides = json!({"tracer": "callTracer", "stateOverrides": {STORE.to_string(): {"code": "0x"}}});
    let trace = chain.ok("debug_traceCall", json!([{"to": PASS, "data": word(3)}, "latest", overrides]));
    assert!(trace["calls"][0].get("logs").is_none());
    // Before transaction 2 of block 1 the slot is empty, behind it it holds 7.
    let read = "0x60005460005260206000f3";
    let at = |index: u64| {
        let options = json!({"tracer": "callTracer", "txIndex": quantity(index), "stateOverrides": {
            STORE.to_string(): {"code": read}}});
        chain.ok("debug_traceCall", json!([{"to": STORE}, "0x1", options]))["output"].clone()
    };
    assert_eq!((at(2), at(3)), (json!(word(0)), json!(word(7))));
    let error = chain.error("debug_traceCall", json!([{"to": STORE, "gas": "0x1"}, "latest", options]));
    assert!(error.message.starts_with("tracing failed: intrinsic gas too low"), "{error}");
}

#[test]
fn test_storage_range_goes_by_hashes() {
    let chain = chain();
    let start = json!(B256::ZERO);
    let range =
        |index: u64| chain.ok("debug_storageRangeAt", json!([chain.hash(1), index, STORE, start, 10]));
    assert_eq!(range(2), json!({"storage": {}, "nextKey": null}));
    let hash = alloy_primitives::keccak256(B256::ZERO);
    let expected =
        json!({"storage": {hash.to_string(): {"key": B256::ZERO, "value": word(7)}}, "nextKey": null});
    assert_eq!(range(3), expected);
}

#[test]
fn test_raw_encodings_hash_to_what_the_header_says() {
    let chain = chain();
    let header = chain.ok("debug_getRawHeader", json!(["0x1"]));
    let bytes = alloy_primitives::hex::decode(header.as_str().unwrap()).unwrap();
    assert_eq!(alloy_primitives::keccak256(bytes), chain.hash(1));
    let receipts = chain.ok("debug_getRawReceipts", json!(["0x1"]));
    let receipts: Vec<Bytes> = serde_json::from_value(receipts).unwrap();
    let root = alloy_trie::root::ordered_trie_root_with_encoder(&receipts, |raw, out| out.put_slice(raw));
    assert_eq!(chain.ok("eth_getBlockByNumber", json!(["0x1", false]))["receiptsRoot"], json!(root));
    assert_eq!(chain.error("debug_getRawHeader", json!(["0x63"])).message, "block #99 not found");
}

#[test]
fn test_ots_shows_a_transaction_inside() {
    let chain = chain();
    assert_eq!(chain.ok("ots_getApiLevel", json!([])), 8);
    assert_eq!(chain.ok("ots_hasCode", json!([STORE, "latest"])), true);
    assert_eq!(chain.ok("ots_hasCode", json!([user(1), "latest"])), false);
    let operations = chain.ok("ots_getInternalOperations", json!([chain.tx(1, 2).hash()]));
    assert_eq!(operations, json!([{"type": 0, "from": PASS, "to": STORE, "value": "0x9"}]));
    let trace = chain.ok("ots_traceTransaction", json!([chain.tx(1, 2).hash()]));
    assert_eq!(trace.as_array().unwrap().len(), 2);
    assert_eq!((&trace[1]["depth"], &trace[1]["to"]), (&json!(1), &json!(STORE)));
    assert_eq!(chain.ok("ots_getTransactionError", json!([chain.tx(2, 1).hash()])), json!(word(5)));
    assert_eq!(chain.ok("ots_getTransactionError", json!([chain.tx(3, 1).hash()])), "0x");
}

#[test]
fn test_ots_finds_by_block_address_nonce_and_creation() {
    let chain = chain();
    let details = chain.ok("ots_getBlockDetails", json!([1]));
    assert_eq!(details["block"]["transactionCount"], 5);
    assert!(details["block"].get("transactions").is_none());
    assert_eq!(details["issuance"]["blockReward"], "0x0");
    assert_eq!(chain.ok("ots_getBlockDetailsByHash", json!([chain.hash(1)])), details);
    let page = chain.ok("ots_getBlockTransactions", json!([1, 0, 2]));
    assert_eq!(page["fullblock"]["transactions"].as_array().unwrap().len(), 2);
    assert_eq!(page["fullblock"]["transactions"][0]["hash"], json!(chain.tx(1, 3).hash()));
    assert_eq!(page["receipts"][1]["logs"], Value::Null);
    let page = chain.ok("ots_getBlockTransactions", json!([1, 1, 2]));
    assert_eq!(page["fullblock"]["transactions"][1]["input"], "0x00000000");

    let before = chain.ok("ots_searchTransactionsBefore", json!([user(0), 0, 1]));
    assert_eq!(before["txs"].as_array().unwrap().len(), 1);
    assert_eq!((&before["firstPage"], &before["lastPage"]), (&json!(true), &json!(false)));
    let rest = chain.ok("ots_searchTransactionsBefore", json!([user(0), 3, 10]));
    assert_eq!(rest["txs"].as_array().unwrap().len(), 2);
    assert_eq!((&rest["firstPage"], &rest["lastPage"]), (&json!(false), &json!(true)));
    let after = chain.ok("ots_searchTransactionsAfter", json!([user(0), 0, 1]));
    assert_eq!(after["txs"].as_array().unwrap().len(), 2, "a block is never cut");
    assert_eq!((&after["firstPage"], &after["lastPage"]), (&json!(false), &json!(true)));
    assert_eq!(after["txs"][0]["nonce"], "0x1");

    let by_nonce = |nonce: u64| chain.ok("ots_getTransactionBySenderAndNonce", json!([user(0), nonce]));
    assert_eq!(by_nonce(2), json!(chain.tx(3, 1).hash()));
    assert_eq!(by_nonce(9), Value::Null);
    let creator = |address: Address| chain.ok("ots_getContractCreator", json!([address]));
    assert_eq!(creator(user(2).create(0)), json!({"hash": chain.tx(1, 4).hash(), "creator": user(2)}));
    assert_eq!(creator(FACTORY.create(1)), json!({"hash": chain.tx(1, 3).hash(), "creator": FACTORY}));
    assert_eq!(creator(user(3)), Value::Null);
}

#[test]
fn test_txpool_by_sender_and_nonce() {
    let mut chain = chain();
    let tx = dynamic(3, 0, TxKind::Call(user(4)), 5, Bytes::new());
    chain.pool.push(Arc::new(tx.clone()));
    assert_eq!(chain.ok("txpool_status", json!([])), json!({"pending": "0x1", "queued": "0x0"}));
    let content = chain.ok("txpool_content", json!([]));
    assert_eq!(content["pending"][user(3).to_string()]["0"]["hash"], json!(tx.hash()));
    assert_eq!(chain.ok("txpool_contentFrom", json!([user(3)]))["pending"]["0"]["hash"], json!(tx.hash()));
    assert_eq!(
        chain.ok("txpool_inspect", json!([]))["pending"][user(3).to_string()]["0"],
        format!("{}: 5 wei + 1000000 gas × 3000000000 wei", user(4))
    );
}

#[test]
fn test_simulate_runs_blocks_after_one_another() {
    let chain = chain();
    let answer = chain.ok(
        "eth_simulateV1",
        json!([{
            "blockStateCalls": [
                {"stateOverrides": {user(9).to_string(): {"balance": "0x64"}}, "calls": [
                    {"from": user(9), "to": PASS, "value": "0x5", "data": word(4)},
                    {"from": user(9), "to": REFUSE}
                ]},
                {"blockOverrides": {"number": "0x6"}, "calls": [{"to": STORE, "data": word(6)}]}
            ],
            "traceTransfers": true,
            "returnFullTransactions": true
        }, "latest"]),
    );
    let blocks = answer.as_array().unwrap();
    let numbers: Vec<&str> = blocks.iter().map(|block| block["number"].as_str().unwrap()).collect();
    assert_eq!(numbers, ["0x4", "0x5", "0x6"]);
    assert_eq!(blocks[1]["parentHash"], blocks[0]["hash"]);
    assert_eq!(blocks[0]["parentHash"], json!(chain.hash(3)));
    let calls = &blocks[0]["calls"];
    assert_eq!((&calls[0]["status"], &calls[0]["returnData"]), (&json!("0x1"), &json!(word(4))));
    // Two transfers of ether and the log of the store between them.
    assert_eq!(calls[0]["logs"].as_array().unwrap().len(), 3);
    assert_eq!(calls[0]["logs"][0]["address"], "0xeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee");
    assert_eq!((&calls[1]["status"], &calls[1]["error"]["code"]), (&json!("0x0"), &json!(3)));
    assert_eq!(blocks[0]["transactions"][0]["from"], json!(user(9)));
    assert_eq!(blocks[2]["calls"][0]["returnData"], json!(word(6)));
    assert_ne!(blocks[0]["stateRoot"], blocks[2]["stateRoot"]);
}

#[test]
fn test_simulate_takes_numbers_at_the_ends_of_their_ranges() {
    let chain = chain();
    let most = "0xffffffffffffffff";
    let simulate = |blocks: Value, validation: bool| {
        chain.rpc("eth_simulateV1", json!([{"blockStateCalls": blocks, "validation": validation}, "latest"]))
    };
    let late = json!({"blockOverrides": {"time": most}});
    simulate(json!([late]), false).unwrap();
    simulate(json!([late]), true).unwrap();
    assert_eq!(simulate(json!([late, {}]), false).unwrap_err().code, -38021);
    assert_eq!(simulate(json!([{"blockOverrides": {"number": most}}]), false).unwrap_err().code, -38026);
    let calls = json!([{"calls": [{"to": STORE}, {"to": STORE, "gas": most}]}]);
    assert_eq!(simulate(calls, false).unwrap_err().code, -38015);
    let tip = json!({"to": STORE, "maxPriorityFeePerGas": "0xffffffffffffffffffffffffffffffff"});
    assert!(simulate(json!([{"calls": [tip]}]), true).is_err());
    let limits =
        json!([{"blockOverrides": {"gasLimit": most, "baseFeePerGas": most}, "calls": [{"to": STORE}]}, {}]);
    simulate(limits, false).unwrap();
}

#[test]
fn test_simulate_refuses_with_the_specs_codes() {
    let chain = chain();
    let code = |blocks: Value, validation: bool| {
        chain.error("eth_simulateV1", json!([{"blockStateCalls": blocks, "validation": validation}])).code
    };
    let number = |n: u64| json!({"blockOverrides": {"number": quantity(n)}});
    assert_eq!(code(json!([number(9), number(8)]), false), -38020);
    assert_eq!(code(json!([{"blockOverrides": {"time": "0x1"}}]), false), -38021);
    assert_eq!(code(json!([number(1000)]), false), -38026);
    let from = user(0);
    assert_eq!(code(json!([{"calls": [{"from": from, "to": STORE, "nonce": "0x0"}]}]), true), -38010);
    assert_eq!(code(json!([{"calls": [{"from": from, "to": STORE, "nonce": "0x63"}]}]), true), -38011);
    assert_eq!(code(json!([{"calls": [{"from": from, "to": STORE, "gas": "0x1"}]}]), false), -38013);
    let poor = Address::repeat_byte(0x55);
    assert_eq!(code(json!([{"calls": [{"from": poor, "to": STORE, "value": "0x1"}]}]), false), -38014);
    assert_eq!(code(json!([{"calls": [{"to": STORE, "gas": "0x7fffffffffff"}]}]), false), -38015);
    assert_eq!(code(json!([]), false), -32602);
}
