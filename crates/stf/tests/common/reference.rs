//! The same block by another road: a fresh EVM for each transaction over plain maps, committed one
//! by one. Only the rules of one transaction are shared with the code under test.
#![allow(dead_code, missing_docs, clippy::unwrap_used, clippy::expect_used)]

use std::{collections::BTreeMap, convert::Infallible};

use alloy_consensus::Header;
use alloy_eips::{eip2935::HISTORY_STORAGE_ADDRESS, eip4788::BEACON_ROOTS_ADDRESS};
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256};
use revm::{
    Context, Database, Journal, SystemCallEvm,
    bytecode::Bytecode,
    context::{
        BlockEnv, CfgEnv, Evm, FrameStack, JournalTr, TxEnv,
        result::{EVMError, ExecutionResult, InvalidTransaction},
    },
    handler::{EthFrame, EthPrecompiles, Handler, instructions::EthInstructions},
    interpreter::interpreter::EthInterpreter,
    state::{AccountInfo, EvmState},
};
use trex_stf::{
    attributes::L1Origin,
    evm::{FeeHandler, block_env, config, tx_env},
    fees::l1_fee,
    params::{BASE_FEE_VAULT, L1_FEE_VAULT, NetworkParams, SEQUENCER_FEE_VAULT},
    precompiles::precompiles,
    transaction::Transaction,
};

use super::MemoryState;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plain {
    pub nonce: u64,
    pub balance: U256,
    pub code: Bytes,
    pub slots: BTreeMap<U256, U256>,
}

#[derive(Clone, Debug, Default)]
pub struct Maps {
    pub accounts: BTreeMap<Address, Plain>,
    pub hashes: BTreeMap<u64, B256>,
}

impl Maps {
    pub fn of(state: &MemoryState) -> Self {
        let accounts = state
            .accounts
            .iter()
            .map(|(address, account)| {
                let code = if account.code_hash == KECCAK256_EMPTY {
                    Bytes::new()
                } else {
                    state.codes[&account.code_hash].clone()
                };
                let slots = state
                    .slots
                    .range((*address, U256::ZERO)..=(*address, U256::MAX))
                    .map(|((_, slot), value)| (*slot, *value))
                    .collect();
                (*address, Plain { nonce: account.nonce, balance: account.balance, code, slots })
            })
            .collect();
        Self { accounts, hashes: state.hashes.clone() }
    }

    fn commit(&mut self, changes: EvmState) {
        for (address, account) in changes {
            if !account.is_touched() {
                continue;
            }
            if account.is_selfdestructed() || account.info.is_empty() {
                self.accounts.remove(&address);
                continue;
            }
            let plain = self.accounts.entry(address).or_default();
            if account.is_created() {
                plain.slots.clear();
            }
            plain.nonce = account.info.nonce;
            plain.balance = account.info.balance;
            if let Some(code) = &account.info.code {
                plain.code = code.original_bytes();
            }
            for (slot, value) in account.storage {
                if value.present_value.is_zero() {
                    plain.slots.remove(&slot);
                } else {
                    plain.slots.insert(slot, value.present_value);
                }
            }
        }
    }

    fn credit(&mut self, address: Address, amount: U256) {
        if !amount.is_zero() {
            self.accounts.entry(address).or_default().balance += amount;
        }
    }
}

impl Database for &Maps {
    type Error = Infallible;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, Infallible> {
        Ok(self.accounts.get(&address).map(|plain| {
            let code = if plain.code.is_empty() {
                Bytecode::default()
            } else {
                Bytecode::new_raw(plain.code.clone())
            };
            AccountInfo::new(plain.balance, plain.nonce, code.hash_slow(), code)
        }))
    }

    fn code_by_hash(&mut self, _: B256) -> Result<Bytecode, Infallible> {
        unreachable!("codes come with accounts")
    }

    fn storage(&mut self, address: Address, slot: U256) -> Result<U256, Infallible> {
        Ok(self.accounts.get(&address).and_then(|plain| plain.slots.get(&slot)).copied().unwrap_or_default())
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, Infallible> {
        Ok(self.hashes[&number])
    }
}

type MapContext<'a> = Context<BlockEnv, TxEnv, CfgEnv, &'a Maps, Journal<&'a Maps>, ()>;
type MapEvm<'a> = Evm<
    MapContext<'a>,
    (),
    EthInstructions<EthInterpreter, MapContext<'a>>,
    EthPrecompiles,
    EthFrame<EthInterpreter>,
>;

fn evm<'a>(maps: &'a Maps, params: &NetworkParams, header: &Header) -> MapEvm<'a> {
    let cfg = config(params);
    let spec = cfg.spec;
    let mut ctx: MapContext<'a> = Context::new(maps, spec);
    ctx.cfg = cfg;
    ctx.block = block_env(header);
    Evm {
        ctx,
        inspector: (),
        instruction: EthInstructions::new_mainnet_with_spec(spec),
        precompiles: precompiles(),
        frame_stack: FrameStack::new_prealloc(8),
    }
}

/// What became of one transaction: `None` where it was left out.
pub type Outcome = Option<Result<ExecutionResult, ()>>;

/// Executes the transactions a block holds, deposits included, and those left out of it.
pub fn execute(
    maps: &mut Maps,
    params: &NetworkParams,
    origin: &L1Origin,
    header: &Header,
    transactions: &[Transaction],
) -> Vec<Outcome> {
    for (address, argument) in [
        (BEACON_ROOTS_ADDRESS, header.parent_beacon_block_root.unwrap()),
        (HISTORY_STORAGE_ADDRESS, header.parent_hash),
    ] {
        let changes = evm(maps, params, header).system_call(address, argument.0.into()).unwrap().state;
        maps.commit(changes);
    }
    let base_fee = header.base_fee_per_gas.unwrap();
    let (mut tips, mut base_fees, mut l1_fees) = (U256::ZERO, U256::ZERO, U256::ZERO);
    let mut gas_left = header.gas_limit;
    let mut outcomes = Vec::new();
    for tx in transactions {
        if tx.gas_limit() > gas_left {
            outcomes.push(None);
            continue;
        }
        if let Some(deposit) = tx.envelope().as_deposit() {
            maps.credit(deposit.from, U256::from(deposit.mint));
        }
        let fee = if tx.is_deposit() { U256::ZERO } else { l1_fee(params, origin, tx.encoded()).fee_wei };
        let mut evm = evm(maps, params, header);
        let cfg = &mut evm.ctx.cfg;
        (cfg.disable_nonce_check, cfg.disable_base_fee, cfg.disable_eip3607) =
            (tx.is_deposit(), tx.is_deposit(), tx.is_deposit());
        evm.ctx.tx = tx_env(tx);
        let mut handler: FeeHandler<_, EVMError<Infallible, InvalidTransaction>> = FeeHandler::new(fee);
        let result = handler.run(&mut evm);
        let changes = evm.ctx.journaled_state.finalize();
        match result {
            Ok(result) => {
                maps.commit(changes);
                let gas = result.tx_gas_used();
                gas_left -= gas;
                if !tx.is_deposit() {
                    let price = tx.effective_gas_price_wei(base_fee);
                    tips += U256::from(price - u128::from(base_fee)) * U256::from(gas);
                    base_fees += U256::from(base_fee) * U256::from(gas);
                    l1_fees += fee;
                }
                outcomes.push(Some(Ok(result)));
            }
            Err(EVMError::Transaction(_)) if tx.is_deposit() => {
                maps.accounts.entry(tx.sender()).or_default().nonce += 1;
                gas_left -= tx.gas_limit();
                outcomes.push(Some(Err(())));
            }
            Err(EVMError::Transaction(_)) => outcomes.push(None),
            Err(error) => panic!("{error:?}"),
        }
    }
    maps.credit(SEQUENCER_FEE_VAULT, tips);
    maps.credit(BASE_FEE_VAULT, base_fees);
    maps.credit(L1_FEE_VAULT, l1_fees);
    outcomes
}
