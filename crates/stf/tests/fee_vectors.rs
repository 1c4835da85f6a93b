//! `vectors/fees.json`: the cases of the L1 data fee that Rust, Solidity and Python agree on.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

use alloy_primitives::{U256, hex};
use serde_json::Value;
use trex_stf::{
    attributes::L1Origin,
    fees::{fastlz_length, l1_fee},
    params::NetworkParams,
};

fn vectors() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors/fees.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// FEE-001.
#[test]
fn fastlz_length_golden_cases_agree() {
    let vectors = vectors();
    let cases = vectors["lengths"].as_array().unwrap();
    assert!(cases.len() > 100);
    for case in cases {
        let data = hex::decode(case["data"].as_str().unwrap()).unwrap();
        assert_eq!(
            u64::from(fastlz_length(&data)),
            case["fastlzLength"].as_u64().unwrap(),
            "{}",
            case["name"]
        );
    }
}

/// FEE-002, FEE-003.
#[test]
fn l1_fee_golden_cases_agree() {
    let vectors = vectors();
    let lengths = vectors["lengths"].as_array().unwrap();
    let wei = |value: &Value| value.as_str().unwrap().parse::<U256>().unwrap();
    for case in vectors["fees"].as_array().unwrap() {
        let scalar = |key: &str| u32::try_from(case[key].as_u64().unwrap()).unwrap();
        let params = NetworkParams {
            chain_id: 1962,
            genesis_timestamp: 0,
            block_time_ms: 200,
            elasticity: 10,
            base_fee_denominator: 4580,
            min_base_fee_wei: 1,
            base_fee_scalar: scalar("baseFeeScalar"),
            blob_base_fee_scalar: scalar("blobBaseFeeScalar"),
        };
        let origin = L1Origin {
            base_fee_wei: wei(&case["l1BaseFeeWei"]).to(),
            blob_base_fee_wei: wei(&case["l1BlobBaseFeeWei"]).to(),
            ..L1Origin::default()
        };
        let source = lengths.iter().find(|length| length["name"] == case["name"]).unwrap();
        let fee = l1_fee(&params, &origin, &hex::decode(source["data"].as_str().unwrap()).unwrap());
        assert_eq!(fee.fee_wei, wei(&case["l1FeeWei"]), "{case}");
        let free = params.base_fee_scalar == 0 && params.blob_base_fee_scalar == 0;
        assert_eq!(fee.gas_used, if free { 0 } else { case["l1GasUsed"].as_u64().unwrap() }, "{case}");
    }
}
