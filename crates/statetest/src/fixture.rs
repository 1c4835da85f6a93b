//! The file format: one JSON object of tests by name, each with environment, state before, a
//! transaction with choices, and per fork the outcome of each choice.

use std::collections::BTreeMap;

use alloy_primitives::Address;
use serde::Deserialize;

use crate::number::{HexBytes, Number, Word, deserialize_address};

/// One named test.
#[derive(Debug, Deserialize)]
pub struct Test {
    /// The block in which the transaction runs.
    pub env: Environment,
    /// Every account before it, by address.
    pub pre: BTreeMap<String, PreAccount>,
    /// The transaction, with several values for data, gas limit and value.
    pub transaction: TransactionChoices,
    /// Outcomes by fork name.
    pub post: BTreeMap<String, Vec<Outcome>>,
    /// Chain parameters where they are not mainnet's.
    #[serde(default)]
    pub config: Config,
}

/// The block in which the transaction runs.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Environment {
    /// Beneficiary.
    #[serde(deserialize_with = "deserialize_address")]
    pub current_coinbase: Address,
    /// Difficulty, before the merge.
    pub current_difficulty: Option<Number>,
    /// prevrandao, from the merge on.
    pub current_random: Option<Word>,
    /// Gas limit of the block.
    pub current_gas_limit: Number,
    /// Number of the block.
    #[serde(default)]
    pub current_number: Number,
    /// Seconds since 1970.
    #[serde(default)]
    pub current_timestamp: Number,
    /// Base fee in wei, from London on.
    pub current_base_fee: Option<Number>,
    /// Excess blob gas, from Cancun on.
    pub current_excess_blob_gas: Option<Number>,
    /// Excess blob gas of the parent, where the block's own is not given.
    pub parent_excess_blob_gas: Option<Number>,
    /// Blob gas that the parent used.
    pub parent_blob_gas_used: Option<Number>,
    /// Slot number of the beacon chain.
    pub slot_number: Option<Number>,
}

/// An account before the transaction.
#[derive(Debug, Deserialize)]
pub struct PreAccount {
    /// Balance in wei.
    #[serde(default)]
    pub balance: Number,
    /// Code.
    #[serde(default)]
    pub code: HexBytes,
    /// Nonce.
    #[serde(default)]
    pub nonce: Number,
    /// Slots; a zero value is no slot.
    #[serde(default)]
    pub storage: BTreeMap<String, Number>,
}

/// A transaction with several values for data, gas limit and value.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TransactionChoices {
    /// Call data or init code.
    pub data: Vec<HexBytes>,
    /// Gas limits.
    pub gas_limit: Vec<Number>,
    /// Values in wei.
    pub value: Vec<Number>,
    /// Access lists, by index of the data; null for none.
    #[serde(default)]
    pub access_lists: Option<Vec<Option<Vec<AccessListItem>>>>,
    /// Recipient, empty for a creation.
    #[serde(default)]
    pub to: Option<String>,
    /// Nonce.
    pub nonce: Number,
    /// Chain id.
    pub chain_id: Option<Number>,
    /// Price of gas in wei of types 0 and 1.
    pub gas_price: Option<Number>,
    /// EIP-1559.
    pub max_fee_per_gas: Option<Number>,
    /// EIP-1559.
    pub max_priority_fee_per_gas: Option<Number>,
    /// EIP-4844.
    pub max_fee_per_blob_gas: Option<Number>,
    /// EIP-4844.
    pub blob_versioned_hashes: Option<Vec<Word>>,
    /// EIP-7702.
    pub authorization_list: Option<Vec<Authorization>>,
    /// Key of the sender.
    pub secret_key: Option<Word>,
    /// Address of the sender.
    pub sender: Option<String>,
}

/// An entry of an access list.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccessListItem {
    /// The account.
    #[serde(deserialize_with = "deserialize_address")]
    pub address: Address,
    /// Its slots.
    #[serde(default)]
    pub storage_keys: Vec<Word>,
}

/// A signed authorization of EIP-7702.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Authorization {
    /// Chain id, zero for any.
    pub chain_id: Number,
    /// The code to delegate to.
    #[serde(deserialize_with = "deserialize_address")]
    pub address: Address,
    /// Nonce of the authority.
    pub nonce: Number,
    /// Parity of the signature.
    pub v: Option<Number>,
    /// Parity of the signature, by its newer name.
    pub y_parity: Option<Number>,
    /// Signature.
    pub r: Number,
    /// Signature.
    pub s: Number,
}

/// One case: which of the choices, and what must come of it.
#[derive(Debug, Deserialize)]
pub struct Outcome {
    /// State root after the transaction.
    pub hash: Word,
    /// keccak256 of the RLP of the logs; the oldest files lack it.
    pub logs: Option<Word>,
    /// Which data, gas limit and value.
    pub indexes: Indexes,
    /// The transaction as it goes over the wire.
    #[serde(default)]
    pub txbytes: Option<HexBytes>,
    /// Set where the transaction must be refused; why, in the words of whoever made the test.
    #[serde(default, rename = "expectException")]
    pub expect_exception: Option<serde_json::Value>,
    /// Every account after the transaction, where the file has it.
    #[serde(default)]
    pub state: Option<BTreeMap<String, PreAccount>>,
}

/// Which of the choices a case takes.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Indexes {
    /// Index of data and access list.
    pub data: usize,
    /// Index of the gas limit.
    pub gas: usize,
    /// Index of the value.
    pub value: usize,
}

/// Chain parameters where they are not mainnet's.
#[derive(Debug, Default, Deserialize)]
pub struct Config {
    /// Chain id.
    #[serde(default, alias = "chainId")]
    pub chainid: Option<Number>,
    /// Blob parameters by fork name.
    #[serde(default, rename = "blobSchedule")]
    pub blob_schedule: BTreeMap<String, BlobScheduleEntry>,
}

/// Blob parameters of one fork.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BlobScheduleEntry {
    /// Blobs in a block above which the blob base fee rises.
    pub target: Number,
    /// Most blobs in a block.
    pub max: Number,
    /// Divisor of the blob base fee's exponent.
    pub base_fee_update_fraction: Number,
}
