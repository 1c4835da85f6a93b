//! Answers of `eth_`, `net_`, `web3_` and `trex_` over a chain in memory.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod support;

use alloy_primitives::{Address, B256, Bytes, TxKind, U256, address, bytes, hex, keccak256};
use serde_json::{Value, json};
use support::{ETHER, MemoryChain, dynamic, legacy, user};
use trex_chain::rpc::reader::Reader as _;
use trex_stf::params::L1_BLOCK;

/// Stores its call data's first word at slot 0, emits a log of it, and returns it.
const STORE: Address = address!("00000000000000000000000000000000000000aa");
/// Reverts with `Error("no")`.
const REFUSE: Address = address!("00000000000000000000000000000000000000bb");
/// INVALID.
const BREAK: Address = address!("00000000000000000000000000000000000000cc");
/// Runs for ever.
const LOOP: Address = address!("00000000000000000000000000000000000000dd");
/// Returns BASEFEE, NUMBER, TIMESTAMP.
const FACTS: Address = address!("00000000000000000000000000000000000000ee");

fn codes() -> Vec<(Address, Bytes)> {
    let reason = {
        let mut data = hex::decode("08c379a0").unwrap();
        data.extend_from_slice(&U256::from(32).to_be_bytes::<32>());
        data.extend_from_slice(&U256::from(2).to_be_bytes::<32>());
        data.extend_from_slice(b"no");
        data.extend_from_slice(&[0; 30]);
        data
    };
    // CODECOPY(0, 12, 100); REVERT(0, 100)
    let mut refuse = hex::decode("6064600c60003960646000fd").unwrap();
    refuse.extend_from_slice(&reason);
    vec![
        (STORE, bytes!("6000358060005580600052602060006000a160206000f3")),
        (REFUSE, refuse.into()),
        (BREAK, bytes!("fe")),
        (LOOP, bytes!("5b600056")),
        (FACTS, bytes!("48600052436020524260405260606000f3")),
        (L1_BLOCK, bytes!("00")),
    ]
}

fn word(n: u64) -> Bytes {
    Bytes::copy_from_slice(&U256::from(n).to_be_bytes::<32>())
}

/// Block 1: a transfer, a call that stores 7 and logs, a creation. Block 2: a failing call.
fn chain() -> MemoryChain {
    let mut chain = MemoryChain::new(&codes());
    chain.add(vec![
        legacy(0, 0, TxKind::Call(user(1)), ETHER, Bytes::new()),
        dynamic(0, 1, TxKind::Call(STORE), 0, word(7)),
        dynamic(1, 0, TxKind::Create, 0, bytes!("60016000f3")),
    ]);
    chain.add(vec![dynamic(2, 0, TxKind::Call(REFUSE), 0, Bytes::new())]);
    chain
}

fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

#[test]
fn test_get_block_has_geths_fields() {
    let chain = chain();
    let block = chain.ok("eth_getBlockByNumber", json!(["0x1", false]));
    assert_eq!(
        keys(&block),
        [
            "baseFeePerGas",
            "blobGasUsed",
            "difficulty",
            "excessBlobGas",
            "extraData",
            "gasLimit",
            "gasUsed",
            "hash",
            "logsBloom",
            "miner",
            "mixHash",
            "nonce",
            "number",
            "parentBeaconBlockRoot",
            "parentHash",
            "receiptsRoot",
            "requestsHash",
            "sha3Uncles",
            "size",
            "stateRoot",
            "timestamp",
            "transactions",
            "transactionsRoot",
            "uncles",
            "withdrawals",
            "withdrawalsRoot",
        ]
    );
    assert_eq!(block["hash"], json!(chain.hash(1)));
    assert_eq!(block["transactions"].as_array().unwrap().len(), 4);
    assert_eq!(block["withdrawals"], json!([]));
    assert_eq!(chain.ok("eth_getBlockByHash", json!([chain.hash(1), false])), block);
    for tag in ["latest", "safe", "finalized"] {
        assert_eq!(chain.ok("eth_getBlockByNumber", json!([tag, false]))["number"], "0x2");
    }
    assert_eq!(chain.ok("eth_getBlockByNumber", json!(["earliest", false]))["number"], "0x0");
    assert_eq!(chain.ok("eth_getBlockByNumber", json!(["0x9", false])), Value::Null);
}

#[test]
fn test_block_size_is_the_length_of_its_rlp() {
    use alloy_rlp::Encodable;
    let chain = chain();
    let block = chain.ok("eth_getBlockByNumber", json!(["0x1", false]));
    let raw = chain.ok("debug_getRawBlock", json!(["0x1"]));
    let bytes = hex::decode(raw.as_str().unwrap()).unwrap();
    assert_eq!(block["size"], format!("{:#x}", bytes.len()));
    assert!(bytes.as_slice().length() > 500);
}

#[test]
fn test_transactions_have_geths_and_op_geths_fields() {
    let chain = chain();
    let block = chain.ok("eth_getBlockByNumber", json!(["0x1", true]));
    let [deposit, transfer, store, create] = block["transactions"].as_array().unwrap().as_slice() else {
        panic!("four transactions")
    };
    assert_eq!(
        keys(deposit),
        [
            "blockHash",
            "blockNumber",
            "blockTimestamp",
            "depositReceiptVersion",
            "from",
            "gas",
            "gasPrice",
            "hash",
            "input",
            "isSystemTx",
            "mint",
            "nonce",
            "r",
            "s",
            "sourceHash",
            "to",
            "transactionIndex",
            "type",
            "v",
            "value",
        ]
    );
    assert_eq!(
        keys(transfer),
        [
            "blockHash",
            "blockNumber",
            "blockTimestamp",
            "chainId",
            "from",
            "gas",
            "gasPrice",
            "hash",
            "input",
            "nonce",
            "r",
            "s",
            "to",
            "transactionIndex",
            "type",
            "v",
            "value",
        ]
    );
    assert_eq!(
        keys(store),
        [
            "accessList",
            "blockHash",
            "blockNumber",
            "blockTimestamp",
            "chainId",
            "from",
            "gas",
            "gasPrice",
            "hash",
            "input",
            "maxFeePerGas",
            "maxPriorityFeePerGas",
            "nonce",
            "r",
            "s",
            "to",
            "transactionIndex",
            "type",
            "v",
            "value",
            "yParity",
        ]
    );
    assert_eq!(create["to"], Value::Null);
    assert_eq!(transfer["from"], json!(user(0)));
    assert_eq!(transfer["value"], "0xde0b6b3a7640000");
    let hash = &store["hash"];
    assert_eq!(&chain.ok("eth_getTransactionByHash", json!([hash])), store);
    assert_eq!(&chain.ok("eth_getTransactionByBlockNumberAndIndex", json!(["0x1", "0x2"])), store);
    let raw = chain.ok("eth_getRawTransactionByHash", json!([hash]));
    assert_eq!(json!(keccak256(hex::decode(raw.as_str().unwrap()).unwrap())), *hash);
}

#[test]
fn test_receipts_have_geths_and_op_geths_fields() {
    let chain = chain();
    let receipts = chain.ok("eth_getBlockReceipts", json!(["0x1"]));
    let receipts = receipts.as_array().unwrap();
    assert_eq!(
        keys(&receipts[1]),
        [
            "blockHash",
            "blockNumber",
            "contractAddress",
            "cumulativeGasUsed",
            "effectiveGasPrice",
            "from",
            "gasUsed",
            "l1BaseFeeScalar",
            "l1BlobBaseFee",
            "l1BlobBaseFeeScalar",
            "l1Fee",
            "l1GasPrice",
            "l1GasUsed",
            "logs",
            "logsBloom",
            "status",
            "to",
            "transactionHash",
            "transactionIndex",
            "type",
        ]
    );
    assert_eq!(receipts[0]["depositNonce"], "0x0");
    assert_eq!(receipts[1]["gasUsed"], "0x5208");
    assert_eq!(receipts[3]["contractAddress"], json!(user(1).create(0)));
    let log = &receipts[2]["logs"][0];
    assert_eq!(
        keys(log),
        [
            "address",
            "blockHash",
            "blockNumber",
            "blockTimestamp",
            "data",
            "logIndex",
            "removed",
            "topics",
            "transactionHash",
            "transactionIndex",
        ]
    );
    let hash = &receipts[2]["transactionHash"];
    assert_eq!(chain.ok("eth_getTransactionReceipt", json!([hash])), receipts[2]);
    assert_eq!(chain.ok("eth_getTransactionReceipt", json!([B256::ZERO])), Value::Null);
}

#[test]
fn test_get_logs_filters_and_names_its_limit() {
    let mut chain = chain();
    let all = chain.ok("eth_getLogs", json!([{"fromBlock": "0x0"}]));
    assert_eq!(all.as_array().unwrap().len(), 1);
    let none = chain.ok("eth_getLogs", json!([{"fromBlock": "0x0", "address": BREAK}]));
    assert_eq!(none, json!([]));
    let by_hash = chain.ok("eth_getLogs", json!([{"blockHash": chain.hash(1), "address": [STORE]}]));
    assert_eq!(by_hash, all);
    assert_eq!(chain.error("eth_getLogs", json!([{"blockHash": B256::ZERO}])).message, "unknown block");
    assert_eq!(
        chain.error("eth_getLogs", json!([{"fromBlock": "0x2", "toBlock": "0x1"}])).message,
        "invalid block range params"
    );
    chain.limits.log_results = 0;
    let error = chain.error("eth_getLogs", json!([{"fromBlock": "0x0"}]));
    assert_eq!(error.code, -32005);
    assert!(error.message.contains("log_results"));
}

#[test]
fn test_call_returns_data_reverts_and_halts_as_geth() {
    let chain = chain();
    let call = |to: Address, data: Bytes| json!([{"to": to, "data": data}, "latest"]);
    assert_eq!(chain.ok("eth_call", call(STORE, word(3))), json!(word(3)));
    let error = chain.error("eth_call", call(REFUSE, Bytes::new()));
    assert_eq!((error.code, error.message.as_str()), (3, "execution reverted: no"));
    assert!(error.data.unwrap().starts_with("0x08c379a0"));
    let error = chain.error("eth_call", call(BREAK, Bytes::new()));
    assert_eq!((error.code, error.message.as_str()), (-32000, "invalid opcode: INVALID"));
    let error = chain.error("eth_call", json!([{"to": LOOP, "gas": "0x186a0"}]));
    assert_eq!(error.message, "out of gas");
    let error = chain.error("eth_call", json!([{"from": Address::ZERO, "to": STORE, "value": "0x1"}, "0x0"]));
    assert_eq!(
        error.message,
        "err: insufficient funds for gas * price + value: address 0x0000000000000000000000000000000000000000 have 0 want 1 (supplied gas 50000000)"
    );
    assert_eq!(chain.error("eth_call", json!([{"to": STORE}, "0x99"])).message, "header not found");
    let error = chain.error("eth_call", json!([{"to": STORE, "input": "0x01", "data": "0x02"}]));
    assert!(error.message.starts_with("both \"data\" and \"input\""));
}

#[test]
fn test_call_takes_state_and_block_overrides() {
    let chain = chain();
    let overrides = json!({STORE.to_string(): {"code": "0x60005460005260206000f3", "stateDiff": {
        "0x0000000000000000000000000000000000000000000000000000000000000000":
        "0x0000000000000000000000000000000000000000000000000000000000000009"
    }}});
    assert_eq!(chain.ok("eth_call", json!([{"to": STORE}, "latest", overrides])), json!(word(9)));
    let block = json!({"number": "0x64", "time": "0x65", "baseFeePerGas": "0x66"});
    let answer = chain.ok("eth_call", json!([{"to": FACTS}, "latest", {}, block]));
    let bytes = hex::decode(answer.as_str().unwrap()).unwrap();
    assert_eq!(U256::from_be_slice(&bytes[..32]), U256::ZERO, "a free call sees no base fee");
    assert_eq!(U256::from_be_slice(&bytes[32..64]), U256::from(100));
    assert_eq!(U256::from_be_slice(&bytes[64..]), U256::from(101));
    // The SHA-256 precompile answers at another address, ours at its own is code.
    let moved = json!({
        "0x0000000000000000000000000000000000000002": {
            "movePrecompileToAddress": "0x0000000000000000000000000000000000001234",
            "code": "0x600160005260206000f3"
        }
    });
    let at = |to: &str| chain.ok("eth_call", json!([{"to": to}, "latest", moved]));
    assert_eq!(at("0x0000000000000000000000000000000000000002"), json!(word(1)));
    assert_eq!(
        at("0x0000000000000000000000000000000000001234"),
        "0xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    );
}

#[test]
fn test_call_is_bounded_in_time() {
    let mut chain = chain();
    chain.limits.call_timeout = std::time::Duration::ZERO;
    let error = chain.error("eth_call", json!([{"to": LOOP}]));
    assert!(error.message.contains("execution aborted"), "{error}");
    assert!(error.message.contains("call_timeout_ms"), "{error}");
}

#[test]
fn test_estimate_gas() {
    let chain = chain();
    assert_eq!(
        chain.ok("eth_estimateGas", json!([{"from": user(0), "to": user(5), "value": "0x1"}])),
        "0x5208"
    );
    let answer = chain.ok("eth_estimateGas", json!([{"from": user(0), "to": STORE, "data": word(77)}]));
    let estimate = u64::from_str_radix(&answer.as_str().unwrap()[2..], 16).unwrap();
    let gas = format!("{estimate:#x}");
    assert_eq!(
        chain.ok("eth_call", json!([{"from": user(0), "to": STORE, "data": word(77), "gas": gas}])),
        json!(word(77))
    );
    assert!(estimate < 40_000, "{estimate}");
    let error = chain.error("eth_estimateGas", json!([{"to": REFUSE}]));
    assert_eq!((error.code, error.message.as_str()), (3, "execution reverted: no"));
    let error = chain.error("eth_estimateGas", json!([{"to": LOOP}]));
    assert_eq!(error.message, "gas required exceeds allowance (16777216)");
    let poor = Address::repeat_byte(0x77);
    let error =
        chain.error("eth_estimateGas", json!([{"from": poor, "to": STORE, "gasPrice": "0x77359400"}]));
    assert_eq!(error.message, "gas required exceeds allowance (0)");
    let error = chain.error("eth_estimateGas", json!([{"from": poor, "to": STORE, "value": "0x1"}]));
    assert!(error.message.contains("insufficient funds for gas * price + value"), "{error}");
}

#[test]
fn test_estimate_runs_in_the_block_to_come_unless_one_is_named() {
    let chain = chain();
    let head = chain.ok("eth_getBlockByNumber", json!(["latest", false]));
    let quantity = |name: &str| u64::from_str_radix(&head[name].as_str().unwrap()[2..], 16).unwrap();
    let (number, timestamp) = (quantity("number"), quantity("timestamp"));
    // Reverts unless NUMBER and TIMESTAMP are the next block's.
    let mut code = vec![0x43, 0x61];
    code.extend_from_slice(&(number as u16 + 1).to_be_bytes());
    code.extend_from_slice(&[0x14, 0x42, 0x67]);
    code.extend_from_slice(&(timestamp + 12).to_be_bytes());
    code.extend_from_slice(&[0x14, 0x16, 0x60, 23, 0x57, 0x5f, 0x5f, 0xfd, 0x5b, 0x00]);
    let code = Bytes::from(code);
    let to = Address::repeat_byte(0x99);
    let state = json!({to.to_string(): {"code": code}});
    let request = json!({"from": user(0), "to": to});
    let answer = chain.ok("eth_estimateGas", json!([request, null, state]));
    assert_ne!(answer, "0x5208");
    let named = chain.error("eth_estimateGas", json!([request, "latest", state]));
    assert_eq!(named.message, "execution reverted");
    let (number, time) = (format!("{:#x}", number + 1), format!("{:#x}", timestamp + 12));
    chain.ok("eth_estimateGas", json!([request, "latest", state, {"number": number, "time": time}]));
    let later = chain.error("eth_estimateGas", json!([request, null, state, {"time": "0xffffffffff"}]));
    assert_eq!(later.message, "execution reverted");
}

#[test]
fn test_create_access_list() {
    let chain = chain();
    let answer = chain.ok("eth_createAccessList", json!([{"from": user(0), "to": STORE, "data": word(5)}]));
    assert_eq!(answer["accessList"][0]["address"], json!(STORE));
    assert_eq!(answer["accessList"][0]["storageKeys"], json!([B256::ZERO]));
    assert!(answer.get("error").is_none());
    let refused = chain.ok("eth_createAccessList", json!([{"to": REFUSE}]));
    assert_eq!(refused["error"], "execution reverted");
}

#[test]
fn test_accounts_at_every_kept_block() {
    let mut chain = chain();
    assert_eq!(chain.ok("eth_getBalance", json!([user(5), "0x0"])), "0x21e19e0c9bab2400000");
    assert_eq!(chain.ok("eth_getTransactionCount", json!([user(0), "0x0"])), "0x0");
    assert_eq!(chain.ok("eth_getTransactionCount", json!([user(0), "latest"])), "0x2");
    assert_eq!(chain.ok("eth_getStorageAt", json!([STORE, "0x0", "0x0"])), json!(word(0)));
    assert_eq!(
        chain.ok("eth_getStorageAt", json!([STORE, "0x0", {"blockHash": chain.hash(1)}])),
        json!(word(7))
    );
    assert_eq!(chain.ok("eth_getCode", json!([BREAK, "latest"])), "0xfe");
    chain.oldest_state = 2;
    let error = chain.error("eth_getBalance", json!([user(5), "0x0"]));
    assert!(error.message.contains("pruned"), "{error}");
}

#[test]
fn test_pending_counts_the_mempool() {
    let mut chain = chain();
    let waiting = dynamic(3, 0, TxKind::Call(user(4)), 5, Bytes::new());
    chain.pool.push(std::sync::Arc::new(waiting.clone()));
    assert_eq!(chain.ok("eth_getTransactionCount", json!([user(3), "pending"])), "0x1");
    assert_eq!(chain.ok("eth_getTransactionCount", json!([user(0), "pending"])), "0x2");
    let found = chain.ok("eth_getTransactionByHash", json!([waiting.hash()]));
    assert_eq!(found["blockHash"], Value::Null);
    let block = chain.ok("eth_getBlockByNumber", json!(["pending", false]));
    assert_eq!((&block["hash"], &block["number"]), (&Value::Null, &json!("0x3")));
    assert_eq!(block["transactions"][1], json!(waiting.hash()));
    let before = chain.ok("eth_getBalance", json!([user(4), "latest"]));
    assert_ne!(chain.ok("eth_getBalance", json!([user(4), "pending"])), before);
}

#[test]
fn test_proof_verifies_against_the_state_root() {
    use alloy_trie::proof::verify_proof;
    let chain = chain();
    let proof = chain.ok("eth_getProof", json!([STORE, ["0x0", B256::repeat_byte(9)], "0x1"]));
    let root: B256 =
        serde_json::from_value(chain.ok("eth_getBlockByNumber", json!(["0x1", false]))["stateRoot"].clone())
            .unwrap();
    let nodes = |value: &Value| -> Vec<Bytes> { serde_json::from_value(value.clone()).unwrap() };
    let account = chain.state(1).accounts[&STORE];
    let expected = trex_stf::state_trie::account_rlp(&account);
    verify_proof(
        root,
        alloy_trie::Nibbles::unpack(keccak256(STORE)),
        Some(expected),
        &nodes(&proof["accountProof"]),
    )
    .unwrap();
    let slot = &proof["storageProof"][0];
    assert_eq!((&slot["key"], &slot["value"]), (&json!("0x0"), &json!("0x7")));
    verify_proof(
        account.storage_root,
        alloy_trie::Nibbles::unpack(keccak256(B256::ZERO)),
        Some(alloy_rlp::encode(U256::from(7))),
        &nodes(&slot["proof"]),
    )
    .unwrap();
    assert_eq!(proof["storageProof"][1]["key"], json!(B256::repeat_byte(9)));
    assert_eq!(proof["storageProof"][1]["value"], "0x0");
}

#[test]
fn test_fee_history() {
    let chain = chain();
    let history = chain.ok("eth_feeHistory", json!(["0x2", "latest", [10, 50]]));
    assert_eq!(history["oldestBlock"], "0x1");
    assert_eq!(history["baseFeePerGas"].as_array().unwrap().len(), 3);
    assert_eq!(history["gasUsedRatio"].as_array().unwrap().len(), 2);
    assert_eq!(history["reward"][1], json!(["0x4c4b40", "0x4c4b40"]));
    assert_eq!(chain.ok("eth_feeHistory", json!([2, "0x1", []]))["oldestBlock"], "0x0");
    let error = chain.error("eth_feeHistory", json!(["0x1", "0x9", []]));
    assert_eq!(error.message, "request beyond head block: requested 9, head 2");
}

#[test]
fn test_parameters_are_judged_as_geth_does() {
    let chain = chain();
    let message = |method: &str, params: Value| {
        let error = chain.error(method, params);
        assert_eq!(error.code, -32602);
        error.message
    };
    assert_eq!(message("eth_getBalance", json!([])), "missing value for required argument 0");
    assert_eq!(
        message("eth_getBalance", json!(["0x12"])),
        "invalid argument 0: hex string has length 2, want 40 for common.Address"
    );
    assert_eq!(message("eth_chainId", json!([1])), "too many arguments, want at most 0");
    assert_eq!(message("eth_chainId", json!({"a": 1})), "non-array args");
    assert_eq!(chain.error("eth_nothing", json!([])).code, -32601);
    assert_eq!(
        chain.error("eth_nothing", json!([])).message,
        "the method eth_nothing does not exist/is not available"
    );
}

#[test]
fn test_small_answers() {
    let chain = chain();
    assert_eq!(chain.ok("eth_chainId", json!([])), "0x7aa");
    assert_eq!(chain.ok("net_version", json!([])), "1962");
    assert_eq!(chain.ok("eth_blockNumber", Value::Null), "0x2");
    assert_eq!(chain.ok("eth_syncing", json!([])), false);
    assert_eq!(
        chain.ok("web3_sha3", json!(["0x68656c6c6f"])),
        "0x1c8aff950685c2ed4bc3174f3472287b56d9517b9c948127319a09a7a36deac8"
    );
    assert!(chain.ok("web3_clientVersion", json!([])).as_str().unwrap().starts_with("trex/"));
    assert_eq!(chain.ok("trex_info", json!([]))["hasL1"], false);
    assert_eq!(chain.ok("eth_getUncleCountByBlockNumber", json!(["0x1"])), "0x0");
    assert_eq!(chain.ok("eth_getUncleByBlockNumberAndIndex", json!(["0x1", "0x0"])), Value::Null);
}

#[test]
fn test_log_filter_names_no_more_than_the_limit() {
    let mut chain = chain();
    chain.limits.filter_items = 2;
    let three = [user(1), user(2), user(3)];
    let error = chain.error("eth_getLogs", json!([{"address": three}]));
    assert!(error.message.contains("limit filter_items is 2"), "{error}");
    let topics: Vec<B256> = three.iter().map(|address| address.into_word()).collect();
    let error = chain.error("eth_getLogs", json!([{"topics": [null, topics]}]));
    assert!(error.message.contains("exceed max addresses or topics per search position"), "{error}");
    chain.ok("eth_getLogs", json!([{"address": three[..2], "topics": [topics[..2]]}]));
}

#[test]
fn test_fee_history_of_no_blocks_and_block_numbers_with_a_large_x() {
    let chain = chain();
    let none = chain.ok("eth_feeHistory", json!(["0x0", "latest"]));
    assert_eq!(none, json!({"oldestBlock": "0x0", "gasUsedRatio": null}));
    let block = chain.ok("eth_getBlockByNumber", json!(["0x1", false]));
    assert_eq!(block, chain.ok("eth_getBlockByNumber", json!(["0X1", false])));
}

#[test]
fn test_logs_after_the_newest_block_are_none_yet() {
    let chain = chain();
    let next = json!(format!("{:#x}", chain.head().unwrap().number + 1));
    assert_eq!(chain.ok("eth_getLogs", json!([{"fromBlock": next}])), json!([]));
    assert_eq!(chain.ok("eth_getLogs", json!([{"fromBlock": next, "toBlock": "latest"}])), json!([]));
    let error = chain.error("eth_getLogs", json!([{"fromBlock": "0x2", "toBlock": "0x1"}]));
    assert_eq!((error.code, error.message.as_str()), (-32602, "invalid block range params"));
}
