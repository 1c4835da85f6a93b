//! `eth_config` (EIP-7910): by which rules the node goes.

use std::collections::BTreeMap;

use alloy_eips::{eip2124::ForkHash, eip2935::HISTORY_STORAGE_ADDRESS, eip4788::BEACON_ROOTS_ADDRESS};
use trex_stf::precompiles::precompiles;

use super::{
    context::Rpc,
    json::{Answer, Object},
    params::Params,
    reader::Reader,
};

/// Osaka's `baseFeeUpdateFraction` (EIP-7691, kept by EIP-7892). No block has blobs: nothing follows from it.
const BASE_FEE_UPDATE_FRACTION: u64 = 5_007_716;
/// EIP-7910's names of the system contracts that a block calls; others of Ethereum serve its consensus layer.
const SYSTEM_CONTRACTS: [(&str, alloy_primitives::Address); 2] =
    [("BEACON_ROOTS_ADDRESS", BEACON_ROOTS_ADDRESS), ("HISTORY_STORAGE_ADDRESS", HISTORY_STORAGE_ADDRESS)];

/// `eth_config()`: the rules in force. They are genesis's, and no others are planned.
pub fn eth_config<R: Reader>(rpc: &Rpc<'_, R>, _params: &Params<'_>) -> Answer {
    let mut out = Vec::with_capacity(2048);
    let mut answer = Object::open(&mut out);
    let mut fork = Object::open(answer.key("current"));
    fork.raw("activationTime", b"0");
    let mut blobs = Object::open(fork.key("blobSchedule"));
    blobs.raw("baseFeeUpdateFraction", BASE_FEE_UPDATE_FRACTION.to_string().as_bytes());
    blobs.raw("max", b"0");
    blobs.raw("target", b"0");
    blobs.close();
    fork.number("chainId", rpc.reader.params().chain_id);
    // No fork has come after genesis: EIP-6122's hash is that of the genesis hash alone.
    fork.hex("forkId", ForkHash::from(rpc.reader.network().genesis_hash).0);
    let set = precompiles().precompiles.inner();
    let named: BTreeMap<_, _> = set
        .values()
        .map(|precompile| (precompile.id().name().to_uppercase(), precompile.address()))
        .collect();
    let mut list = Object::open(fork.key("precompiles"));
    for (name, address) in named {
        list.hex(&name, address);
    }
    list.close();
    let mut list = Object::open(fork.key("systemContracts"));
    for (name, address) in SYSTEM_CONTRACTS {
        list.hex(name, address);
    }
    list.close();
    fork.close();
    answer.raw("next", b"null");
    answer.raw("last", b"null");
    answer.close();
    Ok(out)
}
