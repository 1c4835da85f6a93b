//! Accounts: balance, nonce, code, storage, proofs.

use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256};
use alloy_trie::EMPTY_ROOT_HASH;
use trex_stf::{
    state::{Account, State},
    state_trie::NodesOf,
    trie::{Trie, TrieError},
};

use super::{
    context::Rpc,
    error::{INTERNAL, RpcError},
    json::{self, Answer, Object, put_array, put_big, put_hex},
    params::{self, BlockId, Params},
    reader::Reader,
};

/// Most slots in one proof.
const MAX_PROOF_KEYS: usize = 1024;

pub(super) fn fault(error: impl std::fmt::Display) -> RpcError {
    RpcError::new(INTERNAL, error.to_string())
}

fn account_at<R: Reader>(rpc: &Rpc<'_, R>, params: &Params<'_>) -> Result<Option<Account>, RpcError> {
    let address = params.required(0, params::address)?;
    let id = params.optional(1, params::block_id)?.unwrap_or(BlockId::Latest);
    rpc.snapshot(id)?.overlay().account(&address).map_err(fault)
}

/// `eth_getBalance(address, block?)`.
pub fn eth_get_balance<R: Reader>(rpc: &Rpc<'_, R>, params: &Params<'_>) -> Answer {
    json::big_quantity(account_at(rpc, params)?.map_or(U256::ZERO, |account| account.balance))
}

/// `eth_getTransactionCount(address, block?)`; pending counts what waits in the mempool.
pub fn eth_get_transaction_count<R: Reader>(rpc: &Rpc<'_, R>, params: &Params<'_>) -> Answer {
    let address = params.required(0, params::address)?;
    let pending = params.optional(1, params::block_id)? == Some(BlockId::Pending);
    if pending {
        if let Some(nonce) = rpc.reader.pooled_nonce(&address) {
            return json::quantity(nonce);
        }
        let state = rpc.snapshot(BlockId::Latest)?;
        return json::quantity(
            state.state.account(&address).map_err(fault)?.map_or(0, |account| account.nonce),
        );
    }
    json::quantity(account_at(rpc, params)?.map_or(0, |account| account.nonce))
}

/// `eth_getCode(address, block?)`.
pub fn eth_get_code<R: Reader>(rpc: &Rpc<'_, R>, params: &Params<'_>) -> Answer {
    let address = params.required(0, params::address)?;
    let id = params.optional(1, params::block_id)?.unwrap_or(BlockId::Latest);
    json::data(&code(&rpc.snapshot(id)?.overlay(), &address)?)
}

/// Code of an account, empty where there is none.
pub fn code<S: State>(state: &S, address: &Address) -> Result<Bytes, RpcError> {
    match state.account(address).map_err(fault)? {
        Some(account) if account.code_hash != KECCAK256_EMPTY => {
            state.code(&account.code_hash).map_err(fault)
        }
        _ => Ok(Bytes::new()),
    }
}

/// `eth_getStorageAt(address, slot, block?)`.
pub fn eth_get_storage_at<R: Reader>(rpc: &Rpc<'_, R>, params: &Params<'_>) -> Answer {
    let address = params.required(0, params::address)?;
    let slot = params.required(1, params::slot)?;
    let id = params.optional(2, params::block_id)?.unwrap_or(BlockId::Latest);
    let value = rpc.snapshot(id)?.overlay().storage(&address, &slot).map_err(fault)?;
    json::data(&value.to_be_bytes::<32>())
}

/// `eth_getProof(address, slots, block?)` (EIP-1186).
pub fn eth_get_proof<R: Reader>(rpc: &Rpc<'_, R>, params: &Params<'_>) -> Answer {
    let address = params.required(0, params::address)?;
    let keys: Vec<String> = params.optional(1, params::object)?.unwrap_or_default();
    let id = params.optional(2, params::block_id)?.unwrap_or(BlockId::Latest);
    if keys.len() > MAX_PROOF_KEYS {
        return Err(RpcError::params(format!("too many keys (max {MAX_PROOF_KEYS})")));
    }
    let slots = keys
        .iter()
        .map(|key| params::slot(&format!("\"{key}\"")).map_err(RpcError::params))
        .collect::<Result<Vec<_>, _>>()?;
    // The pending block has no trie yet: its parent's is proven.
    let header = rpc.known_header(id)?;
    let state = rpc.reader.kept_state(header.number)?;
    let proof = Proof::new(&state, header.state_root, address)?;
    proof.answer(&state, &keys, &slots)
}

/// Proof of an account.
struct Proof {
    address: Address,
    account: Account,
    nodes: Vec<Bytes>,
}

/// A trie that cannot be walked is most likely pruned: the state says so itself.
fn trie_error<E: std::fmt::Display>(error: TrieError<E>) -> RpcError {
    match error {
        TrieError::Source(error) => RpcError::server(format!("missing trie node: {error}")),
        TrieError::Malformed { hash, reason } => fault(format!("node {hash}: {reason}")),
    }
}

impl Proof {
    fn new<S: State>(state: &S, state_root: B256, address: Address) -> Result<Self, RpcError> {
        let nodes = Trie::new(state_root)
            .prove(&keccak256(address), &NodesOf { state, owner: None })
            .map_err(trie_error)?;
        Ok(Self { address, nodes, account: state.account(&address).map_err(fault)?.unwrap_or_default() })
    }

    fn answer<S: State>(&self, state: &S, keys: &[String], slots: &[U256]) -> Answer {
        let mut storage = Trie::new(self.account.storage_root);
        let source = NodesOf { state, owner: Some(keccak256(self.address)) };
        let mut out = Vec::with_capacity(4096);
        let mut object = Object::open(&mut out);
        object.hex("address", self.address);
        put_array(object.key("accountProof"), &self.nodes, |out, node| put_hex(out, node));
        object.big("balance", self.account.balance);
        object.hex("codeHash", self.account.code_hash);
        object.number("nonce", self.account.nonce);
        object.hex("storageHash", self.account.storage_root);
        let mut proofs = Vec::with_capacity(slots.len());
        for slot in slots {
            let nodes = if self.account.storage_root == EMPTY_ROOT_HASH {
                Vec::new()
            } else {
                storage.prove(&keccak256(slot.to_be_bytes::<32>()), &source).map_err(trie_error)?
            };
            proofs.push((nodes, state.storage(&self.address, slot).map_err(fault)?));
        }
        put_array(object.key("storageProof"), keys.iter().zip(slots).zip(&proofs), |out, (key, proof)| {
            put_slot_proof(out, key, proof);
        });
        object.close();
        Ok(out)
    }
}

fn put_slot_proof(out: &mut Vec<u8>, (key, slot): (&String, &U256), (nodes, value): &(Vec<Bytes>, U256)) {
    let mut object = Object::open(out);
    // A key of 32 bytes comes back as data, a short one as a quantity, as in geth.
    if key.trim_start_matches("0x").len() == 64 {
        object.hex("key", slot.to_be_bytes::<32>());
    } else {
        put_big(object.key("key"), *slot);
    }
    object.big("value", *value);
    put_array(object.key("proof"), nodes, |out, node| put_hex(out, node));
    object.close();
}
