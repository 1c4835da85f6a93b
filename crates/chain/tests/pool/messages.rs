//! Refusals read as geth's do: `core/txpool` and `core/error.go` of geth 1.16.

use alloy_consensus::{TxEip7702, TxLegacy};
use alloy_primitives::hex;
use trex_chain::pool::{Pool, PoolError};

use super::*;

/// Bytes, code, and what JSON-RPC answers.
struct Case {
    raw: Bytes,
    code: &'static str,
    message: String,
}

fn case(code: &'static str, message: impl Into<String>, raw: Bytes) -> Case {
    Case { raw, code, message: message.into() }
}

fn changed(act: impl FnOnce(&mut TxEip1559)) -> Bytes {
    let mut tx = transfer(5);
    act(&mut tx);
    sign(tx, &key(1))
}

fn refusals() -> Vec<Case> {
    let contract = address(&key(41));
    vec![
        case("malformed", "typed transaction too short", Bytes::new()),
        case("malformed", "typed transaction too short", hex!("02").into()),
        case("malformed", "rlp: value size exceeds available input length", hex!("c9808080").into()),
        case("malformed", "rlp: value size exceeds available input length", hex!("f8").into()),
        case("malformed", "rlp: input contains more than one value", hex!("c08080").into()),
        case("malformed", "rlp: malformed transaction fields", hex!("02c3010203").into()),
        case("malformed", "rlp: expected input list", hex!("0280").into()),
        case(
            "type_not_supported",
            "transaction type not supported: tx type 3 not supported by this pool",
            hex!("03c0").into(),
        ),
        case("type_not_supported", "transaction type not supported", hex!("05c0").into()),
        case(
            "type_not_supported",
            "transaction type not supported",
            OpTxEnvelope::from(op_alloy_consensus::TxDeposit::default()).encoded_2718().into(),
        ),
        case(
            "oversized",
            "oversized data: transaction size 131180, limit 131072",
            changed(|tx| tx.input = vec![1; 131_072].into()),
        ),
        case(
            "init_code_size",
            "max initcode size exceeded: code size 49153, limit 49152",
            changed(|tx| (tx.to, tx.input) = (TxKind::Create, vec![1; 49_153].into())),
        ),
        case(
            "gas_cap",
            "transaction gas limit too high (cap: 16777216, tx: 16777217)",
            changed(|tx| tx.gas_limit = 16_777_217),
        ),
        case("block_gas_limit", "exceeds block gas limit", changed(|tx| tx.gas_limit = 16_000_001)),
        case(
            "tip_above_fee_cap",
            "max priority fee per gas higher than max fee per gas",
            changed(|tx| tx.max_priority_fee_per_gas = 101),
        ),
        case(
            "chain_id",
            "invalid sender: invalid chain id for signer: have 5 want 1962",
            changed(|tx| tx.chain_id = 5),
        ),
        case("signature", "invalid sender: invalid transaction v, r, s values", high_s()),
        case("nonce_max", "nonce has max value", changed(|tx| tx.nonce = u64::MAX)),
        case(
            "intrinsic_gas",
            "intrinsic gas too low: gas 20999, minimum needed 21000",
            changed(|tx| tx.gas_limit = 20_999),
        ),
        case(
            "intrinsic_gas",
            "intrinsic gas too low: gas 21000, minimum needed 53018",
            changed(|tx| (tx.to, tx.input) = (TxKind::Create, vec![1].into())),
        ),
        case(
            "floor_gas",
            "insufficient gas for floor data gas cost: gas 24000, minimum needed 25000",
            changed(|tx| (tx.gas_limit, tx.input) = (24_000, vec![1; 100].into())),
        ),
        case(
            "fee_cap_too_low",
            format!(
                "max fee per gas less than block base fee: address {}, maxFeePerGas: 4, baseFee: 5",
                address(&key(1))
            ),
            changed(|tx| tx.max_fee_per_gas = 4),
        ),
        case(
            "no_authorizations",
            "set code tx must have at least one authorization tuple",
            sign(
                TxEip7702 {
                    chain_id: CHAIN_ID,
                    nonce: 5,
                    gas_limit: 50_000,
                    max_fee_per_gas: 100,
                    ..TxEip7702::default()
                },
                &key(1),
            ),
        ),
        case("nonce_too_low", "nonce too low: next nonce 5, tx nonce 3", changed(|tx| tx.nonce = 3)),
        case(
            "insufficient_funds",
            "insufficient funds for gas * price + value: balance 21000000000, tx cost 21000000001, overshot 1",
            changed(|tx| tx.value = U256::from(21_000_000_001u64 - 2_100_000)),
        ),
        case(
            "insufficient_funds",
            "insufficient funds for gas * price + value: balance 0, tx cost 2100000, overshot 2100000",
            sign(transfer(0), &key(40)),
        ),
        case(
            "sender_not_eoa",
            format!("sender not an eoa: address {contract}, len(code): 3"),
            sign(transfer(0), &key(41)),
        ),
    ]
}

/// The malleable twin of a valid signature.
fn high_s() -> Bytes {
    let tx = transfer(5);
    let (signature, recovery) = key(1).sign_prehash_recoverable(tx.signature_hash().as_slice()).unwrap();
    let signature = Signature::from((signature, recovery));
    let order = U256::from_be_bytes(hex!("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"));
    let twin = Signature::new(signature.r(), order - signature.s(), !signature.v());
    OpTxEnvelope::from(tx.into_signed(twin)).encoded_2718().into()
}

fn state() -> Accounts {
    let mut state = funded();
    let code = Bytes::from_static(&[1, 2, 3]);
    let account = Account { code_hash: hash(&code), ..Account::default() };
    state.codes.insert(hash(&code), code);
    state.accounts.insert(address(&key(41)), account);
    state
}

#[test]
fn refusals_read_as_geths() {
    let state = state();
    let (pool, _) = Pool::open(config(), None, &state, head()).unwrap();
    let (raw, expected): (Vec<_>, Vec<_>) =
        refusals().into_iter().map(|case| (case.raw, (case.code, case.message))).unzip();
    let errors: Vec<_> = pool.submit(raw, || (&state, head())).into_iter().map(Result::unwrap_err).collect();
    assert!(errors.iter().all(|error| error.rpc_code() == -32000));
    let read: Vec<_> = errors.iter().map(|error| (error.code(), error.to_string())).collect();
    assert_eq!(read, expected);
    assert_eq!(pool.status().senders, 0);
}

#[test]
fn every_type_is_taken() {
    let state = state();
    let (pool, _) = Pool::open(config(), None, &state, head()).unwrap();
    let legacy = TxLegacy {
        chain_id: Some(CHAIN_ID),
        nonce: 5,
        gas_limit: 21_000,
        gas_price: 20,
        to: TxKind::Call(Address::ZERO),
        ..TxLegacy::default()
    };
    let unprotected = TxLegacy { chain_id: None, nonce: 6, ..legacy.clone() };
    let listed = alloy_consensus::TxEip2930 {
        chain_id: CHAIN_ID,
        nonce: 7,
        gas_limit: 21_000,
        gas_price: 20,
        to: TxKind::Call(Address::ZERO),
        ..Default::default()
    };
    let raw = vec![
        sign(legacy, &key(1)),
        sign(unprotected, &key(1)),
        sign(listed, &key(1)),
        sign(transfer(8), &key(1)),
    ];
    let hashes: Vec<_> = raw.iter().map(hash).collect();
    let results = pool.submit(raw.clone(), || (&state, head()));
    assert_eq!(results, hashes.into_iter().map(Ok).collect::<Vec<_>>());
    assert!(pool.get(&hash(&raw[1])).is_some_and(|tx| tx.sender() == address(&key(1))));

    let mut strict = config();
    strict.allow_unprotected = false;
    strict.fee_cap_wei = Some(U256::from(2_000_000));
    let (pool, _) = Pool::open(strict, None, &state, head()).unwrap();
    let errors: Vec<_> = pool
        .submit(vec![raw[1].clone(), raw[3].clone()], || (&state, head()))
        .into_iter()
        .map(|result| result.unwrap_err().to_string())
        .collect();
    assert_eq!(
        errors,
        [
            "only replay-protected (EIP-155) transactions allowed over RPC",
            "tx fee (0.00 ether) exceeds the configured cap (0.00 ether)"
        ]
    );
}

#[test]
fn l1_data_fee_counts_as_cost() {
    let mut config = config();
    config.params.base_fee_scalar = 1_000_000;
    let mut head = head();
    head.origin.base_fee_wei = 1_000_000;
    let state = funded();
    let (pool, _) = Pool::open(config, None, &state, head).unwrap();
    let raw = sign(transfer(5), &key(1));
    let fee_wei = trex_stf::fees::l1_fee(&config.params, &head.origin, &raw).fee_wei;
    assert!(!fee_wei.is_zero());
    let hash = pool.submit(vec![raw], || (&state, head)).remove(0).unwrap();
    assert_eq!(pool.get(&hash).unwrap().cost_wei(), U256::from(2_100_000) + fee_wei);
}

#[test]
fn random_bytes_are_refused_and_nothing_else() {
    let state = funded();
    let (pool, _) = Pool::open(config(), None, &state, head()).unwrap();
    let valid = sign(transfer(5), &key(1));
    let mut seed = 7u64;
    let mut random = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize
    };
    for _ in 0..5_000 {
        let mut bytes = valid.to_vec();
        for _ in 0..1 + random() % 3 {
            let at = random() % bytes.len();
            bytes[at] = random() as u8;
        }
        bytes.truncate(1 + random() % valid.len());
        let result = pool.submit(vec![bytes.into()], || (&state, head())).remove(0);
        assert!(!matches!(result, Err(PoolError::State(_) | PoolError::Journal(_))));
    }
}
