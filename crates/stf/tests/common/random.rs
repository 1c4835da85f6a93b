//! Random sequences of transactions over few accounts and contracts, so that they meet.
#![allow(dead_code, missing_docs, clippy::unwrap_used, clippy::expect_used)]

use alloy_primitives::{Address, Bytes, TxKind, U256};
use proptest::prelude::*;

use super::{
    chain::{Call, Chain, SCRIPT, SCRIPT_2, Signer, deposit},
    scenarios::child,
    script::{Do, create2_address, script},
};

/// Accounts that everything happens to.
fn address(index: u8) -> Address {
    match index % 12 {
        index @ 0..4 => Signer::new(index).address,
        4 => SCRIPT,
        5 => SCRIPT_2,
        index @ 6..8 => child(u64::from(index) - 6).0,
        8 => create2_address(SCRIPT_2, 0, &child(0).1),
        // Nobody, a precompile, an empty account.
        9 => Address::repeat_byte(0xee),
        10 => Address::with_last_byte(4),
        _ => Signer::new(0).address.create(0),
    }
}

fn leaf() -> impl Strategy<Value = Do> {
    let slot = 0u64..4;
    let who = any::<u8>().prop_map(address);
    prop_oneof![
        6 => (slot.clone(), 0u64..3).prop_map(|(slot, value)| Do::Store { slot, value }),
        3 => (slot.clone(), slot.clone()).prop_map(|(to, from)| Do::Copy { to, from }),
        2 => (slot.clone(), who.clone()).prop_map(|(slot, of)| Do::CodeHash { slot, of }),
        2 => (slot.clone(), who.clone()).prop_map(|(slot, of)| Do::Balance { slot, of }),
        3 => slot.clone().prop_map(|slot| Do::Gas { slot }),
        1 => (slot.clone(), slot.clone()).prop_map(|(slot, key)| Do::Transient { slot, key }),
        1 => (slot.clone(), 0u64..4).prop_map(|(slot, number)| Do::BlockHash { slot, number }),
        1 => (slot.clone(), slot.clone()).prop_map(|(topic, data)| Do::Log { topic, data }),
        3 => who.prop_map(|to| Do::SelfDestruct { to }),
        4 => (0u64..2, 0u64..3)
            .prop_map(|(salt, value)| Do::Create2 { salt, value, init: child(salt).1 }),
        1 => (0u64..3).prop_map(|value| Do::Create { value, init: child(0).1 }),
        1 => Just(Do::Revert),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Do>> {
    let leaves = prop::collection::vec(leaf(), 0..5);
    leaves.prop_recursive(3, 24, 5, |inner| {
        let who = any::<u8>().prop_map(address);
        let nested = (who, 0u64..4, 0u8..6, inner).prop_map(|(to, value, kind, inner)| {
            let data = script(&inner);
            match kind {
                0 => Do::Delegate { to, data },
                1 => Do::Static { to, slot: value, data },
                _ => Do::Call { to, value, data },
            }
        });
        prop::collection::vec(prop_oneof![1 => leaf(), 1 => nested], 0..6)
    })
}

#[derive(Clone, Debug)]
pub enum Step {
    Call {
        from: u8,
        to: u8,
        value: u64,
        gas: u64,
        steps: Vec<Do>,
        legacy: bool,
    },
    Delegate {
        from: u8,
        authority: u8,
        to: u8,
        zero: bool,
        stale: bool,
        steps: Vec<Do>,
    },
    Create {
        from: u8,
        value: u64,
    },
    Deposit {
        from: u8,
        to: u8,
        mint: u64,
        value: u64,
        gas: u64,
        steps: Vec<Do>,
    },
    /// Ends a block.
    Seal {
        new_origin: bool,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let gas = prop_oneof![6 => Just(3_000_000u64), 2 => 21_000u64..200_000, 1 => Just(20_000_000u64)];
    prop_oneof![
        10 => (0u8..4, any::<u8>(), 0u64..4, gas.clone(), steps(), any::<bool>()).prop_map(
            |(from, to, value, gas, steps, legacy)| Step::Call { from, to, value, gas, steps, legacy }),
        3 => (0u8..4, 0u8..4, any::<u8>(), prop::bool::weighted(0.3), prop::bool::weighted(0.2), steps())
            .prop_map(|(from, authority, to, zero, stale, steps)| {
                Step::Delegate { from, authority, to, zero, stale, steps }
            }),
        1 => (0u8..4, 0u64..4).prop_map(|(from, value)| Step::Create { from, value }),
        2 => (any::<u8>(), any::<u8>(), 0u64..5, 0u64..5, 21_000u64..2_000_000, steps()).prop_map(
            |(from, to, mint, value, gas, steps)| Step::Deposit { from, to, mint, value, gas, steps }),
        3 => any::<bool>().prop_map(|new_origin| Step::Seal { new_origin }),
    ]
}

pub fn sequence() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 1..24)
}

/// Nonces as they will be if everything sent so far is taken; a transaction that is not leaves a
/// gap, which is one more thing to agree on.
pub fn run(sequence: &[Step]) -> Chain {
    let mut chain = Chain::new(if sequence.len().is_multiple_of(3) { 1000 } else { 0 });
    let signers: Vec<Signer> = (0..4).map(Signer::new).collect();
    let mut origin = 1;
    let (mut deposits, mut raw): (Vec<Bytes>, Vec<Bytes>) = (Vec::new(), Vec::new());
    let mut nonces = [0u64; 4];
    for step in sequence.iter().chain([&Step::Seal { new_origin: false }]) {
        match step {
            Step::Call { from, to, value, gas, steps, legacy } => {
                let from = usize::from(*from);
                let call = Call::to(nonces[from], address(*to)).value(*value).gas(*gas).data(script(steps));
                nonces[from] += 1;
                raw.push(if *legacy {
                    call.legacy(&signers[from], None)
                } else {
                    call.eip1559(&signers[from])
                });
            }
            Step::Delegate { from, authority, to, zero, stale, steps } => {
                let (from, authority) = (usize::from(*from), usize::from(*authority));
                let call = Call::to(nonces[from], signers[authority].address).data(script(steps));
                nonces[from] += 1;
                let nonce = nonces[authority] + u64::from(*stale);
                let to = if *zero { Address::ZERO } else { address(*to) };
                raw.push(call.eip7702(&signers[from], vec![signers[authority].authorize(1962, to, nonce)]));
                nonces[authority] += u64::from(!*stale);
            }
            Step::Create { from, value } => {
                let from = usize::from(*from);
                raw.push(Call::create(nonces[from], child(0).1).value(*value).eip1559(&signers[from]));
                nonces[from] += 1;
            }
            Step::Deposit { from, to, mint, value, gas, steps } => {
                let seed = deposits.len() as u8;
                let to = if *to > 250 { TxKind::Create } else { TxKind::Call(address(*to)) };
                let from = address(*from);
                deposits.push(deposit(from, to, u128::from(*mint), *value, *gas, script(steps), seed));
            }
            Step::Seal { new_origin } => {
                origin += u64::from(*new_origin);
                chain.block(origin, std::mem::take(&mut deposits), std::mem::take(&mut raw));
                for (nonce, signer) in nonces.iter_mut().zip(&signers) {
                    *nonce = chain.state.accounts.get(&signer.address).map_or(0, |account| account.nonce);
                }
            }
        }
    }
    let total: U256 = chain.state.accounts.values().map(|account| account.balance).sum();
    assert!(total <= U256::from(10u64.pow(18)) * U256::from(8001));
    chain
}
