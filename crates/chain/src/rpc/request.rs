//! Call requests and overrides: from JSON to what revm is told.

use alloy_eips::eip2930::AccessList;
use alloy_primitives::{Address, Bytes, TxKind, U256};
use alloy_rpc_types_eth::{BlockOverrides, TransactionRequest, state::StateOverride};
use revm::context::{TxEnv, either::Either};
use trex_stf::state::State;

use super::{
    context::{Rpc, Snapshot},
    error::RpcError,
    exec::Env,
    overlay::Overlay,
    reader::Reader,
};

/// A state and an environment with overrides applied.
#[derive(Debug)]
pub struct Stage<'s, S> {
    /// The state.
    pub state: Overlay<'s, S>,
    /// Rules and block.
    pub env: Env,
}

impl<'s, S: State> Stage<'s, S> {
    /// For calls on a snapshot.
    pub fn new<R: Reader<State = S>>(
        rpc: &Rpc<'_, R>,
        snapshot: &'s Snapshot<S>,
        state_overrides: Option<&StateOverride>,
        block_overrides: Option<&BlockOverrides>,
    ) -> Result<Self, RpcError> {
        let mut stage = Self { state: snapshot.overlay(), env: rpc.env(&snapshot.header).for_call() };
        if let Some(overrides) = block_overrides {
            stage.override_block(overrides)?;
        }
        if let Some(overrides) = state_overrides {
            stage.override_state(overrides)?;
        }
        Ok(stage)
    }

    /// Applies block overrides as `eth_call` knows them.
    pub fn override_block(&mut self, overrides: &BlockOverrides) -> Result<(), RpcError> {
        if overrides.beacon_root.is_some() {
            return Err(RpcError::server(
                "block override \"beaconRoot\" is not supported for this RPC method",
            ));
        }
        self.set_block(overrides);
        Ok(())
    }

    fn set_block(&mut self, overrides: &BlockOverrides) {
        let block = &mut self.env.block;
        block.number = overrides.number.unwrap_or(block.number);
        block.timestamp = overrides.time.map_or(block.timestamp, U256::from);
        block.gas_limit = overrides.gas_limit.unwrap_or(block.gas_limit);
        block.beneficiary = overrides.coinbase.unwrap_or(block.beneficiary);
        block.difficulty = overrides.difficulty.unwrap_or(block.difficulty);
        block.prevrandao = overrides.random.or(block.prevrandao);
        block.basefee = overrides.base_fee.map_or(block.basefee, |fee| fee.saturating_to());
        if let Some(fee) = overrides.blob_base_fee
            && let Some(blob) = block.blob_excess_gas_and_price.as_mut()
        {
            blob.blob_gasprice = fee.saturating_to();
        }
        for (number, hash) in overrides.block_hash.iter().flatten() {
            self.state.set_block_hash(*number, *hash);
        }
    }

    /// Applies state overrides, precompiles first.
    pub fn override_state(&mut self, overrides: &StateOverride) -> Result<(), RpcError> {
        for (address, change) in overrides {
            let precompile = self.env.precompiles.contains(address);
            match change.move_precompile_to {
                Some(_) if !precompile => {
                    return Err(RpcError::server(format!("account {address} is not a precompile")));
                }
                Some(to) if overrides.contains_key(&to) => {
                    return Err(RpcError::server(format!("account {to} is already overridden")));
                }
                Some(to) => self.env.precompiles.shift(*address, to),
                None if precompile => self.env.precompiles.remove(address),
                None => {}
            }
        }
        self.state.override_state(overrides)
    }
}

/// The data of a request.
pub fn input(request: &TransactionRequest) -> Result<Bytes, RpcError> {
    request.input.clone().try_into_unique_input().map(Option::unwrap_or_default).map_err(|_| {
        RpcError::server(
            "both \"data\" and \"input\" are set and not equal. Please use \"input\" to pass transaction call data",
        )
    })
}

/// Fee fields that cannot stand together, and blobs, which this chain does not take.
fn check(request: &TransactionRequest, chain_id: u64) -> Result<(), RpcError> {
    if request.gas_price.is_some()
        && (request.max_fee_per_gas.is_some() || request.max_priority_fee_per_gas.is_some())
    {
        return Err(RpcError::server("both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified"));
    }
    if request.blob_versioned_hashes.is_some() || request.sidecar.is_some() {
        return Err(RpcError::server("transaction type not supported"));
    }
    match request.chain_id {
        Some(given) if given != chain_id => {
            Err(RpcError::server(format!("chainId does not match node's (have={given}, want={chain_id})")))
        }
        _ => Ok(()),
    }
}

/// EIP-2718 type of a request.
pub fn type_of(request: &TransactionRequest) -> u8 {
    if request.authorization_list.is_some() {
        4
    } else if request.max_fee_per_gas.is_some() || request.max_priority_fee_per_gas.is_some() {
        2
    } else {
        u8::from(request.access_list.is_some())
    }
}

/// What revm is told of a request that runs with at most `gas_cap` gas.
pub fn tx_env(request: &TransactionRequest, chain_id: u64, gas_cap: u64) -> Result<TxEnv, RpcError> {
    check(request, chain_id)?;
    let max_fee = request.max_fee_per_gas.or(request.gas_price).unwrap_or_default();
    let tx_type = type_of(request);
    Ok(TxEnv {
        tx_type,
        caller: request.from.unwrap_or_default(),
        gas_limit: request.gas.unwrap_or(gas_cap).min(gas_cap),
        gas_price: max_fee,
        kind: request.to.unwrap_or(TxKind::Create),
        value: request.value.unwrap_or_default(),
        data: input(request)?,
        nonce: request.nonce.unwrap_or_default(),
        chain_id: Some(chain_id),
        access_list: access_list(request),
        gas_priority_fee: (tx_type == 2 || tx_type == 4)
            .then(|| request.max_priority_fee_per_gas.unwrap_or_default()),
        blob_hashes: Vec::new(),
        max_fee_per_blob_gas: 0,
        authorization_list: request
            .authorization_list
            .iter()
            .flatten()
            .map(|authorization| Either::Left(authorization.clone()))
            .collect(),
    })
}

fn access_list(request: &TransactionRequest) -> AccessList {
    request.access_list.clone().unwrap_or_default()
}

/// A call that pays nothing sees a base fee of zero and is not held against it, as in geth.
pub fn waive_base_fee(env: &mut Env, tx: &TxEnv) {
    if tx.gas_price == 0 && tx.gas_priority_fee.unwrap_or_default() == 0 {
        env.cfg.disable_base_fee = true;
        env.block.basefee = 0;
    }
}

/// Who a request comes from.
pub fn sender(request: &TransactionRequest) -> Address {
    request.from.unwrap_or_default()
}
