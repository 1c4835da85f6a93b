//! The network file: genesis, parameters and predeployed code (specs/network.md).

use std::collections::BTreeMap;

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U64, U256, keccak256};
use serde::Deserialize;
use serde_json::Value;
use trex_stf::{
    attributes::{BlockAttributes, L1Origin},
    block::open_header,
    header::extra_data,
    params::NetworkParams,
    state::{Account, Change, State, StateDiff},
    state_trie::{AccountUpdate, StateTrie},
};

/// Why a network file is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkError(pub String);

impl std::fmt::Display for NetworkError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "network file: {}", self.0)
    }
}

impl std::error::Error for NetworkError {}

/// A network.
#[derive(Clone, Debug)]
pub struct Network {
    /// Short name, such as `devnet`.
    pub name: String,
    /// keccak256 of the file's canonical form (RFC 8785).
    pub hash: B256,
    /// Parameters the state transition takes.
    pub params: NetworkParams,
    /// An empty block at the latest after this many milliseconds.
    pub max_idle_ms: u64,
    /// Gas limit of genesis and, unless told otherwise, of every block.
    pub gas_limit: u64,
    /// Base fee of genesis, wei per gas.
    pub base_fee_wei: u64,
    /// L1 origin of genesis.
    pub origin: L1Origin,
    /// The L1 it settles on; `None` on a network without.
    pub l1: Option<L1Network>,
    alloc: BTreeMap<Address, GenesisAccount>,
}

/// The L1 that a network settles on, and what of the network stands there.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct L1Network {
    /// EIP-155 chain id of L1.
    pub chain_id: u64,
    /// Contracts by name, such as `inbox` and `portal`.
    pub contracts: BTreeMap<String, Address>,
    /// Keccak-256 of each contract's runtime code.
    #[serde(default)]
    pub code_hashes: BTreeMap<String, B256>,
    /// Who had which part when it was deployed, such as `sequencer`.
    #[serde(default)]
    pub accounts: BTreeMap<String, Address>,
    /// Numbers that the rules of settlement leave open, by name; each name ends in its unit.
    pub parameters: BTreeMap<String, u64>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct File {
    name: String,
    chain_id: u64,
    genesis: Genesis,
    parameters: Parameters,
    alloc: BTreeMap<Address, GenesisAccount>,
    #[serde(default)]
    l1: Option<L1Network>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Genesis {
    timestamp: u64,
    gas_limit: u64,
    base_fee_wei: U64,
    l1_origin: Origin,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Origin {
    number: u64,
    hash: B256,
    timestamp: u64,
    base_fee_wei: U64,
    blob_base_fee_wei: U256,
    prev_randao: B256,
    parent_beacon_block_root: B256,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Parameters {
    block_time_ms: u64,
    max_idle_ms: u64,
    elasticity: u64,
    base_fee_denominator: u64,
    min_base_fee_wei: U64,
    l1_base_fee_scalar: u32,
    l1_blob_base_fee_scalar: u32,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct GenesisAccount {
    balance: U256,
    nonce: u64,
    code: Bytes,
    storage: BTreeMap<B256, B256>,
}

/// State before genesis.
struct Nothing;

impl State for Nothing {
    type Error = NetworkError;
    fn account(&self, _: &Address) -> Result<Option<Account>, NetworkError> {
        Ok(None)
    }
    fn storage(&self, _: &Address, _: &U256) -> Result<U256, NetworkError> {
        Ok(U256::ZERO)
    }
    fn code(&self, hash: &B256) -> Result<Bytes, NetworkError> {
        Err(NetworkError(format!("code {hash} asked for before genesis")))
    }
    fn block_hash(&self, number: u64) -> Result<B256, NetworkError> {
        Err(NetworkError(format!("block {number} asked for before genesis")))
    }
    fn node(&self, _: Option<&B256>, _: &alloy_trie::Nibbles, hash: &B256) -> Result<Bytes, NetworkError> {
        Err(NetworkError(format!("trie node {hash} asked for before genesis")))
    }
}

impl Network {
    /// Reads a network file. Rules between its parts are `trex network lint`'s; here it must have
    /// the right shape and make a genesis.
    pub fn parse(text: &[u8]) -> Result<Self, NetworkError> {
        let refuse = |error: serde_json::Error| NetworkError(error.to_string());
        let document: Value = serde_json::from_slice(text).map_err(refuse)?;
        let hash = keccak256(canonical(&document));
        let File { name, chain_id, genesis, parameters, alloc, l1 } =
            serde_json::from_value(document).map_err(refuse)?;
        if parameters.block_time_ms == 0 || parameters.elasticity == 0 || parameters.base_fee_denominator == 0
        {
            return Err(NetworkError(
                "blockTimeMs, elasticity and baseFeeDenominator must be above zero".into(),
            ));
        }
        Ok(Self {
            name,
            hash,
            params: NetworkParams {
                chain_id,
                genesis_timestamp: genesis.timestamp,
                block_time_ms: parameters.block_time_ms,
                elasticity: parameters.elasticity,
                base_fee_denominator: parameters.base_fee_denominator,
                min_base_fee_wei: parameters.min_base_fee_wei.to(),
                base_fee_scalar: parameters.l1_base_fee_scalar,
                blob_base_fee_scalar: parameters.l1_blob_base_fee_scalar,
            },
            max_idle_ms: parameters.max_idle_ms,
            gas_limit: genesis.gas_limit,
            base_fee_wei: genesis.base_fee_wei.to(),
            origin: L1Origin {
                number: genesis.l1_origin.number,
                hash: genesis.l1_origin.hash,
                timestamp: genesis.l1_origin.timestamp,
                base_fee_wei: genesis.l1_origin.base_fee_wei.to(),
                blob_base_fee_wei: u128::try_from(genesis.l1_origin.blob_base_fee_wei).map_err(|_| {
                    NetworkError("genesis.l1Origin.blobBaseFeeWei: more than 128 bits".into())
                })?,
                prev_randao: genesis.l1_origin.prev_randao,
                parent_beacon_block_root: genesis.l1_origin.parent_beacon_block_root,
            },
            l1,
            alloc,
        })
    }

    /// Attributes of a block in `slot` with genesis's origin, as on a network without L1.
    pub fn attributes(&self, slot: u64, gas_limit: Option<u64>) -> BlockAttributes {
        BlockAttributes {
            slot,
            origin: self.origin,
            gas_limit: gas_limit.unwrap_or(self.gas_limit),
            deposits: Vec::new(),
        }
    }

    /// The genesis header and the allocation as a diff against nothing (NET-030).
    pub fn genesis(&self) -> Result<(Header, StateDiff), NetworkError> {
        let mut codes = BTreeMap::new();
        let updates = self
            .alloc
            .iter()
            .map(|(address, account)| {
                let mut code_hash = KECCAK256_EMPTY;
                if !account.code.is_empty() {
                    code_hash = keccak256(&account.code);
                    codes.insert(code_hash, account.code.clone());
                }
                let slots = account
                    .storage
                    .iter()
                    .map(|(slot, value)| {
                        (
                            U256::from_be_bytes(slot.0),
                            Change { old: U256::ZERO, new: U256::from_be_bytes(value.0) },
                        )
                    })
                    .collect();
                let new = Account {
                    nonce: account.nonce,
                    balance: account.balance,
                    code_hash,
                    ..Account::default()
                };
                AccountUpdate { address: *address, account: Change { old: None, new: Some(new) }, slots }
            })
            .collect();
        let mut trie = StateTrie::new(alloy_trie::EMPTY_ROOT_HASH);
        let mut diff =
            trie.apply(updates, &Nothing).map_err(|error| NetworkError(format!("alloc: {error:?}")))?;
        diff.codes = codes.into_iter().collect();

        // Genesis is slot 0: it has the form of any block, opened on nothing.
        let before = Header { extra_data: extra_data(0), ..Header::default() };
        let mut header = open_header(&self.params, &before, B256::ZERO, &self.attributes(1, None))
            .map_err(|error| NetworkError(error.to_string()))?;
        header.number = 0;
        header.extra_data = extra_data(0);
        header.timestamp = self.params.genesis_timestamp;
        header.base_fee_per_gas = Some(self.base_fee_wei);
        header.state_root = trie.root();
        Ok((header, diff))
    }
}

/// RFC 8785 for what a network file holds: ASCII keys and strings, integers below 2^53.
fn canonical(value: &Value) -> Vec<u8> {
    fn write(value: &Value, out: &mut Vec<u8>) {
        match value {
            Value::Object(map) => {
                let sorted: BTreeMap<&String, &Value> = map.iter().collect();
                out.push(b'{');
                for (index, (key, value)) in sorted.into_iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    write(&Value::String(key.clone()), out);
                    out.push(b':');
                    write(value, out);
                }
                out.push(b'}');
            }
            Value::Array(items) => {
                out.push(b'[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    write(item, out);
                }
                out.push(b']');
            }
            scalar => out.extend_from_slice(scalar.to_string().as_bytes()),
        }
    }
    let mut out = Vec::new();
    write(value, &mut out);
    out
}
