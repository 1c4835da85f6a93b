//! Parameters of a network: the numbers the rules leave open.

use alloy_primitives::{Address, address};
use alloy_rlp::{RlpDecodable, RlpEncodable};

/// Account that sends the L1 attributes deposit (the OP Stack's depositor account).
pub const DEPOSITOR: Address = address!("DeaDDEaDDeAdDeAdDEAdDEaddeAddEAdDEAd0001");
/// Predeploy that keeps the L1 attributes (OP Stack address).
pub const L1_BLOCK: Address = address!("4200000000000000000000000000000000000015");
/// Predeploy whose storage root enters the output root (OP Stack address).
pub const MESSAGE_PASSER: Address = address!("4200000000000000000000000000000000000016");
/// Receives priority fees; `beneficiary` of every block (OP Stack address).
pub const SEQUENCER_FEE_VAULT: Address = address!("4200000000000000000000000000000000000011");
/// Receives base fees (OP Stack address).
pub const BASE_FEE_VAULT: Address = address!("4200000000000000000000000000000000000019");
/// Receives L1 data fees (OP Stack address).
pub const L1_FEE_VAULT: Address = address!("420000000000000000000000000000000000001A");

/// Parameters of a network, part of the network file and so of its hash. RLP takes them in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub struct NetworkParams {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Seconds since the Unix epoch of slot 0.
    pub genesis_timestamp: u64,
    /// Length of a slot, milliseconds.
    pub block_time_ms: u64,
    /// EIP-1559 elasticity: gas limit divided by this is the target of a slot.
    pub elasticity: u64,
    /// EIP-1559 base fee change denominator, per slot.
    pub base_fee_denominator: u64,
    /// The base fee never falls below this, wei per gas.
    pub min_base_fee_wei: u64,
    /// L1 fee scalar on the L1 base fee (Ecotone/Fjord form, millionths).
    pub base_fee_scalar: u32,
    /// L1 fee scalar on the L1 blob base fee (Ecotone/Fjord form, millionths).
    pub blob_base_fee_scalar: u32,
}
