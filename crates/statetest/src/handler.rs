//! How a state test's transaction is run: Ethereum's way.

use std::{cell::Cell, marker::PhantomData, rc::Rc};

use alloy_primitives::U256;
use revm::{
    context::{
        Block as _, Cfg as _, ContextTr, JournalTr, Transaction as _,
        journaled_state::account::JournaledAccountTr as _, result::HaltReason,
    },
    handler::{EthFrame, EvmTr, EvmTrError, FrameResult, FrameTr, Handler, pre_execution},
    inspector::{Inspector, InspectorEvmTr, InspectorHandler},
    interpreter::{GasTracker, interpreter::EthInterpreter, interpreter_action::FrameInit},
    primitives::hardfork::SpecId,
    state::EvmState,
};

/// revm's mainnet handler, but that prices times gas may pass 128 bits.
#[derive(Debug)]
pub struct StateTestHandler<EVM, ERROR> {
    /// Refund for authorizations (EIP-7702), set when they are applied.
    authorization_refund: Rc<Cell<u64>>,
    marker: PhantomData<(EVM, ERROR)>,
}

impl<EVM, ERROR> StateTestHandler<EVM, ERROR> {
    /// A handler for one transaction, which tells the refund for its authorizations.
    pub fn new(authorization_refund: Rc<Cell<u64>>) -> Self {
        Self { authorization_refund, marker: PhantomData }
    }
}

impl<EVM, ERROR> Handler for StateTestHandler<EVM, ERROR>
where
    EVM: EvmTr<
            Context: ContextTr<Journal: JournalTr<State = EvmState>>,
            Frame: FrameTr<FrameResult = FrameResult, FrameInit = FrameInit>,
        >,
    ERROR: EvmTrError<EVM>,
{
    type Evm = EVM;
    type Error = ERROR;
    type HaltReason = HaltReason;

    fn apply_eip7702_auth_list(&self, evm: &mut EVM, gas: &mut GasTracker) -> Result<Option<u64>, ERROR> {
        let refund = pre_execution::apply_eip7702_auth_list::<_, ERROR>(evm.ctx(), gas)?;
        self.authorization_refund.set(refund.unwrap_or_default());
        Ok(refund)
    }

    fn reimburse_caller(&self, evm: &mut EVM, result: &mut FrameResult) -> Result<(), ERROR> {
        let context = evm.ctx();
        let price_wei = context.tx().effective_gas_price(u128::from(context.block().basefee()));
        let gas = result.gas();
        let unused = gas.remaining() + u64::try_from(gas.refunded()).unwrap_or_default();
        let caller = context.tx().caller();
        let amount_wei = U256::from(price_wei) * U256::from(unused);
        context.journal_mut().load_account_mut(caller)?.incr_balance(amount_wei);
        Ok(())
    }

    fn reward_beneficiary(&self, evm: &mut EVM, result: &mut FrameResult) -> Result<(), ERROR> {
        let context = evm.ctx();
        let base_fee_wei = u128::from(context.block().basefee());
        let mut price_wei = context.tx().effective_gas_price(base_fee_wei);
        if context.cfg().spec().into().is_enabled_in(SpecId::LONDON) {
            price_wei = price_wei.saturating_sub(base_fee_wei);
        }
        let beneficiary = context.block().beneficiary();
        let amount_wei = U256::from(price_wei) * U256::from(result.gas().used());
        context.journal_mut().load_account_mut(beneficiary)?.incr_balance(amount_wei);
        Ok(())
    }
}

impl<EVM, ERROR> InspectorHandler for StateTestHandler<EVM, ERROR>
where
    EVM: InspectorEvmTr<
            Context: ContextTr<Journal: JournalTr<State = EvmState>>,
            Frame = EthFrame<EthInterpreter>,
            Inspector: Inspector<<EVM as EvmTr>::Context, EthInterpreter>,
        >,
    ERROR: EvmTrError<EVM>,
{
    type IT = EthInterpreter;
}
