//! Receipts, with the L1 fee fields of the OP Stack.

use alloc::vec::Vec;

use alloy_primitives::{Address, Bloom, Log, U256, logs_bloom};
use alloy_rlp::{BufMut, Encodable, Header};

use crate::transaction::DEPOSIT_TYPE;

/// What the L1 data fee of a transaction was made of. Not part of the receipts root.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct L1Fee {
    /// Fee paid, wei.
    pub fee_wei: U256,
    /// Calldata gas that the estimated size stands for.
    pub gas_used: u64,
    /// L1 base fee, wei per gas.
    pub base_fee_wei: u64,
    /// L1 blob base fee, wei per blob gas.
    pub blob_base_fee_wei: u128,
    /// Scalar on the L1 base fee.
    pub base_fee_scalar: u32,
    /// Scalar on the L1 blob base fee.
    pub blob_base_fee_scalar: u32,
}

/// Outcome of an included transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// EIP-2718 type byte.
    pub tx_type: u8,
    /// Whether execution succeeded.
    pub success: bool,
    /// Gas used by this transaction.
    pub gas_used: u64,
    /// Gas used in the block up to and with this transaction.
    pub cumulative_gas_used: u64,
    /// Price paid per gas, wei.
    pub effective_gas_price_wei: u128,
    /// Logs, in order.
    pub logs: Vec<Log>,
    /// Address of the contract a creation made.
    pub contract_address: Option<Address>,
    /// A deposit's sender nonce before it ran.
    pub deposit_nonce: Option<u64>,
    /// L1 data fee; `None` for deposits.
    pub l1_fee: Option<L1Fee>,
}

impl Receipt {
    /// Bloom filter over the logs.
    pub fn bloom(&self) -> Bloom {
        logs_bloom(&self.logs)
    }

    /// Consensus encoding (EIP-2718), as the receipts root takes it; deposits carry nonce and
    /// version 1 as since OP's Canyon (STF-013).
    pub fn encode_2718(&self, out: &mut dyn BufMut) {
        self.encode_2718_with_bloom(&self.bloom(), out);
    }

    /// [`Self::encode_2718`] where the bloom filter is known.
    pub(crate) fn encode_2718_with_bloom(&self, bloom: &Bloom, out: &mut dyn BufMut) {
        let deposit_fields =
            (self.tx_type == DEPOSIT_TYPE).then_some((self.deposit_nonce.unwrap_or_default(), 1u8));
        let payload_length = self.success.length()
            + self.cumulative_gas_used.length()
            + bloom.length()
            + self.logs.length()
            + deposit_fields.map_or(0, |(nonce, version)| nonce.length() + version.length());
        if self.tx_type != 0 {
            out.put_u8(self.tx_type);
        }
        Header { list: true, payload_length }.encode(out);
        self.success.encode(out);
        self.cumulative_gas_used.encode(out);
        bloom.encode(out);
        self.logs.encode(out);
        if let Some((nonce, version)) = deposit_fields {
            nonce.encode(out);
            version.encode(out);
        }
    }
}
