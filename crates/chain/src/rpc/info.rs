//! What a node says of itself: `web3_`, `net_`, `trex_`, and the small answers of `eth_`.

use alloy_primitives::keccak256;

use super::{
    METHODS,
    context::Rpc,
    fees::next_base_fee_wei,
    json::{self, Answer, Object, put_array},
    params::{self, BlockId, Params},
    reader::Reader,
};

/// Name and version, as `web3_clientVersion` gives them.
pub fn client_version() -> String {
    format!("trex/v{}/{}-{}/rust", env!("CARGO_PKG_VERSION"), std::env::consts::OS, std::env::consts::ARCH)
}

/// `web3_clientVersion()`.
pub fn web3_client_version<R: Reader>(_rpc: &Rpc<'_, R>, _params: &Params<'_>) -> Answer {
    json::value(&client_version())
}

/// `web3_sha3(data)`: keccak256.
pub fn web3_sha3<R: Reader>(_rpc: &Rpc<'_, R>, params: &Params<'_>) -> Answer {
    json::data(keccak256(params.required(0, params::bytes)?).as_slice())
}

/// `net_version()`: the chain id in decimal.
pub fn net_version<R: Reader>(rpc: &Rpc<'_, R>, _params: &Params<'_>) -> Answer {
    json::value(&rpc.reader.params().chain_id.to_string())
}

/// `net_listening()`.
pub fn net_listening<R: Reader>(_rpc: &Rpc<'_, R>, _params: &Params<'_>) -> Answer {
    json::value(&true)
}

/// `net_peerCount()`.
pub fn net_peer_count<R: Reader>(_rpc: &Rpc<'_, R>, _params: &Params<'_>) -> Answer {
    json::quantity(0)
}

/// `eth_chainId()`.
pub fn eth_chain_id<R: Reader>(rpc: &Rpc<'_, R>, _params: &Params<'_>) -> Answer {
    json::quantity(rpc.reader.params().chain_id)
}

/// `eth_syncing()`: it makes the blocks itself.
pub fn eth_syncing<R: Reader>(_rpc: &Rpc<'_, R>, _params: &Params<'_>) -> Answer {
    json::value(&false)
}

/// `eth_accounts()`: the node holds no keys.
pub fn eth_accounts<R: Reader>(_rpc: &Rpc<'_, R>, _params: &Params<'_>) -> Answer {
    Ok(b"[]".to_vec())
}

/// `rpc_modules()`.
pub fn rpc_modules<R: Reader>(_rpc: &Rpc<'_, R>, _params: &Params<'_>) -> Answer {
    let mut namespaces: Vec<&str> = METHODS.iter().filter_map(|method| method.split('_').next()).collect();
    namespaces.sort_unstable();
    namespaces.dedup();
    let mut out = Vec::new();
    let mut object = Object::open(&mut out);
    for namespace in namespaces {
        object.raw(namespace, b"\"1.0\"");
    }
    object.close();
    Ok(out)
}

/// `trex_info()`: network, parameters, heads and what they mean here.
pub fn trex_info<R: Reader>(rpc: &Rpc<'_, R>, _params: &Params<'_>) -> Answer {
    let network = rpc.reader.network();
    let params = rpc.reader.params();
    let head = rpc.reader.head()?;
    let mut out = Vec::with_capacity(1024);
    let mut object = Object::open(&mut out);
    object.text("client", &client_version());
    object.text("network", &network.name);
    object.hex("networkHash", network.hash);
    object.hex("genesisHash", network.genesis_hash);
    object.number("chainId", params.chain_id);
    let mut heads = Object::open(object.key("heads"));
    for (name, id) in
        [("latest", BlockId::Latest), ("safe", BlockId::Safe), ("finalized", BlockId::Finalized)]
    {
        let header = rpc.known_header(id)?;
        let mut entry = Object::open(heads.key(name));
        entry.number("number", header.number);
        entry.hex("hash", header.hash());
        entry.close();
    }
    heads.text(
        "meaning",
        if network.has_l1 {
            "latest: confirmed by the sequencer; safe: derived from L1; finalized: from finalized L1 blocks"
        } else {
            "there is no L1 below this node: safe and finalized are the latest block"
        },
    );
    heads.close();
    object.boolean("hasL1", network.has_l1);
    let mut numbers = Object::open(object.key("parameters"));
    numbers.number("genesisTimestamp", params.genesis_timestamp);
    numbers.number("blockTimeMs", params.block_time_ms);
    numbers.number("maxIdleMs", network.max_idle_ms);
    numbers.number("gasLimit", head.gas_limit);
    numbers.number("elasticity", params.elasticity);
    numbers.number("baseFeeDenominator", params.base_fee_denominator);
    numbers.number("minBaseFeeWei", params.min_base_fee_wei);
    numbers.number("l1BaseFeeScalar", params.base_fee_scalar);
    numbers.number("l1BlobBaseFeeScalar", params.blob_base_fee_scalar);
    numbers.close();
    object.number("nextBaseFeeWei", next_base_fee_wei(params, head.inner()));
    put_array(object.key("transactionTypes"), [0u64, 1, 2, 4, 0x7e], json::put_number);
    object.close();
    Ok(out)
}
