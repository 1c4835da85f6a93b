//! `eth_createAccessList`.

use alloy_eips::eip2930::AccessList;
use alloy_primitives::U256;
use alloy_rpc_types_eth::TransactionRequest;
use revm_inspectors::access_list::AccessListInspector;

use super::{
    context::Rpc,
    exec::{Budget, run},
    json::{Answer, Object, put_array, put_hex},
    params::{self, BlockId, Params},
    reader::Reader,
    request::{Stage, tx_env, waive_base_fee},
    watch::Recording,
};

/// `eth_createAccessList(request, block?, stateOverrides?)`.
pub fn eth_create_access_list<R: Reader>(rpc: &Rpc<'_, R>, params: &Params<'_>) -> Answer {
    let mut request: TransactionRequest = params.object(0)?;
    let id = params.optional(1, params::block_id)?.unwrap_or(BlockId::Latest);
    let state_overrides = params.optional(2, params::object)?;

    let snapshot = rpc.snapshot(id)?;
    let mut stage = Stage::new(rpc, &snapshot, state_overrides.as_ref(), None)?;
    let budget = Budget::of_call(rpc.limits);
    let mut list = request.access_list.clone().unwrap_or_default();
    // An access list changes gas, and gas may change the way taken: until it stays the same.
    loop {
        request.access_list = Some(list.clone());
        let tx = tx_env(&request, rpc.reader.params().chain_id, rpc.limits.call_gas)?;
        waive_base_fee(&mut stage.env, &tx);
        let inspector = AccessListInspector::new(list.clone());
        let run = run(&stage.state, &stage.env, tx, U256::ZERO, inspector, Recording::Nothing, &budget)
            .map_err(|error| error.of_call(rpc.limits.call_gas))?;
        let error = run.failure();
        let gas_used = run.result.tx_gas_used();
        let found = run.inspector.into_access_list();
        if found == list {
            return Ok(answer(&list, gas_used, error.as_deref()));
        }
        budget.check()?;
        list = found;
    }
}

fn answer(list: &AccessList, gas_used: u64, error: Option<&str>) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    let mut object = Object::open(&mut out);
    put_array(object.key("accessList"), &list.0, |out, item| {
        let mut entry = Object::open(out);
        entry.hex("address", item.address);
        put_array(entry.key("storageKeys"), &item.storage_keys, |out, key| put_hex(out, key.as_slice()));
        entry.close();
    });
    if let Some(error) = error {
        object.text("error", error);
    }
    object.number("gasUsed", gas_used);
    object.close();
    out
}
