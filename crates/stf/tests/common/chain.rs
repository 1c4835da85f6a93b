//! A chain in memory whose every block is made in several ways that must agree.
#![allow(dead_code, missing_docs, clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;

use alloy_consensus::{
    EMPTY_OMMER_ROOT_HASH, Header, SignableTransaction, TxEip1559, TxEip2930, TxEip7702, TxLegacy,
};
use alloy_eips::{
    Encodable2718,
    eip2930::AccessList,
    eip2935::{HISTORY_STORAGE_ADDRESS, HISTORY_STORAGE_CODE},
    eip4788::{BEACON_ROOTS_ADDRESS, BEACON_ROOTS_CODE},
    eip7702::{Authorization, SignedAuthorization},
};
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, address, keccak256};
use alloy_rlp::Decodable;
use alloy_trie::EMPTY_ROOT_HASH;
use k256::ecdsa::SigningKey;
use op_alloy_consensus::TxDeposit;
use trex_stf::{
    attributes::{BlockAttributes, L1Origin},
    block::{Block, execute},
    deposits::attributes_deposit,
    header::extra_data,
    params::{L1_BLOCK, NetworkParams},
    program::{self, Excluded, Input, Output},
    state::{Account, Change, StateDiff},
    state_trie::{AccountUpdate, StateTrie},
    transaction::Transaction,
    witness::record,
};

use super::{
    MemoryState, reference,
    script::{interpreter, l1_block},
};

pub const CHAIN_ID: u64 = 1962;
/// Runs scripts, see [`super::script`].
pub const SCRIPT: Address = address!("00000000000000000000000000000000005c0001");
/// A second one, so that scripts can call each other.
pub const SCRIPT_2: Address = address!("00000000000000000000000000000000005c0002");
pub const GAS_LIMIT: u64 = 60_000_000;

pub struct Signer {
    key: SigningKey,
    pub address: Address,
}

impl Signer {
    pub fn new(index: u8) -> Self {
        let key = SigningKey::from_bytes(&keccak256([index]).0.into()).unwrap();
        let address = Address::from_public_key(key.verifying_key());
        Self { key, address }
    }

    pub fn sign_hash(&self, hash: B256) -> Signature {
        self.key.sign_prehash_recoverable(hash.as_slice()).unwrap().into()
    }

    pub fn sign<T: SignableTransaction<Signature>>(&self, tx: T) -> Bytes
    where
        alloy_consensus::Signed<T>: Encodable2718,
    {
        let signature = self.sign_hash(tx.signature_hash());
        tx.into_signed(signature).encoded_2718().into()
    }

    pub fn authorize(&self, chain_id: u64, to: Address, nonce: u64) -> SignedAuthorization {
        let authorization = Authorization { chain_id: U256::from(chain_id), address: to, nonce };
        let signature = self.sign_hash(authorization.signature_hash());
        authorization.into_signed(signature)
    }
}

/// What a transaction says, whatever its type.
#[derive(Clone, Debug)]
pub struct Call {
    pub nonce: u64,
    pub to: TxKind,
    pub value: U256,
    pub data: Bytes,
    pub gas: u64,
    pub max_fee: u128,
    pub tip: u128,
}

impl Call {
    pub fn to(nonce: u64, to: Address) -> Self {
        Self {
            nonce,
            to: TxKind::Call(to),
            value: U256::ZERO,
            data: Bytes::new(),
            gas: 2_000_000,
            max_fee: 10_000_000_000,
            tip: 1_000_000,
        }
    }

    pub fn create(nonce: u64, init: impl Into<Bytes>) -> Self {
        Self { to: TxKind::Create, data: init.into(), gas: 12_000_000, ..Self::to(nonce, Address::ZERO) }
    }

    pub fn script(nonce: u64, steps: &[super::script::Do]) -> Self {
        Self::to(nonce, SCRIPT).data(super::script::script(steps))
    }

    pub fn data(self, data: impl Into<Bytes>) -> Self {
        Self { data: data.into(), ..self }
    }

    pub fn value(self, wei: u64) -> Self {
        Self { value: U256::from(wei), ..self }
    }

    pub fn gas(self, gas: u64) -> Self {
        Self { gas, ..self }
    }

    pub fn legacy(self, signer: &Signer, chain_id: Option<u64>) -> Bytes {
        signer.sign(TxLegacy {
            chain_id,
            nonce: self.nonce,
            gas_price: self.max_fee,
            gas_limit: self.gas,
            to: self.to,
            value: self.value,
            input: self.data,
        })
    }

    pub fn eip2930(self, signer: &Signer, access_list: AccessList) -> Bytes {
        signer.sign(TxEip2930 {
            chain_id: CHAIN_ID,
            nonce: self.nonce,
            gas_price: self.max_fee,
            gas_limit: self.gas,
            to: self.to,
            value: self.value,
            input: self.data,
            access_list,
        })
    }

    pub fn eip1559(self, signer: &Signer) -> Bytes {
        self.eip1559_on(signer, CHAIN_ID)
    }

    pub fn eip1559_on(self, signer: &Signer, chain_id: u64) -> Bytes {
        signer.sign(TxEip1559 {
            chain_id,
            nonce: self.nonce,
            gas_limit: self.gas,
            max_fee_per_gas: self.max_fee,
            max_priority_fee_per_gas: self.tip,
            to: self.to,
            value: self.value,
            input: self.data,
            access_list: AccessList::default(),
        })
    }

    pub fn eip7702(self, signer: &Signer, authorization_list: Vec<SignedAuthorization>) -> Bytes {
        signer.sign(TxEip7702 {
            chain_id: CHAIN_ID,
            nonce: self.nonce,
            gas_limit: self.gas,
            max_fee_per_gas: self.max_fee,
            max_priority_fee_per_gas: self.tip,
            to: self.to.to().copied().unwrap_or_default(),
            value: self.value,
            input: self.data,
            access_list: AccessList::default(),
            authorization_list,
        })
    }
}

pub fn deposit(
    from: Address,
    to: TxKind,
    mint: u128,
    value: u64,
    gas: u64,
    input: Vec<u8>,
    seed: u8,
) -> Bytes {
    let deposit = TxDeposit {
        source_hash: keccak256([seed]),
        from,
        to,
        mint,
        value: U256::from(value),
        gas_limit: gas,
        is_system_transaction: false,
        input: input.into(),
    };
    Transaction::deposit(deposit).encoded().clone()
}

pub fn origin(number: u64) -> L1Origin {
    L1Origin {
        number,
        hash: keccak256(number.to_be_bytes()),
        timestamp: 1_700_000_000 + 12 * number,
        base_fee_wei: 7_000_000_000 + number,
        blob_base_fee_wei: 3_000_000_000,
        prev_randao: keccak256([1, number as u8]),
        parent_beacon_block_root: keccak256([2, number as u8]),
    }
}

pub struct Chain {
    pub params: NetworkParams,
    pub state: MemoryState,
    trie: StateTrie,
    /// What genesis puts into an empty state.
    pub genesis: StateDiff,
    pub headers: Vec<Header>,
    /// Input and output of the program for each block.
    pub programs: Vec<(Bytes, Vec<u8>)>,
}

pub struct Made {
    pub block: Block,
    pub excluded: Vec<Excluded>,
}

impl Default for Chain {
    fn default() -> Self {
        Self::new(0)
    }
}

impl Chain {
    pub fn new(fee_scalar: u32) -> Self {
        let params = NetworkParams {
            chain_id: CHAIN_ID,
            genesis_timestamp: 1_700_000_000,
            block_time_ms: 200,
            elasticity: 2,
            base_fee_denominator: 50,
            min_base_fee_wei: 1_000_000,
            base_fee_scalar: fee_scalar,
            blob_base_fee_scalar: fee_scalar,
        };
        let rich = U256::from(10u64.pow(18)) * U256::from(1000);
        let mut accounts: BTreeMap<Address, (Account, Bytes)> = (0..8)
            .map(|index| {
                (Signer::new(index).address, (Account { balance: rich, ..Account::default() }, Bytes::new()))
            })
            .collect();
        for (address, code) in [
            (L1_BLOCK, l1_block()),
            (BEACON_ROOTS_ADDRESS, BEACON_ROOTS_CODE.clone()),
            (HISTORY_STORAGE_ADDRESS, HISTORY_STORAGE_CODE.clone()),
            (SCRIPT, interpreter().into()),
            (SCRIPT_2, interpreter().into()),
        ] {
            let account = Account { nonce: 1, code_hash: keccak256(&code), ..Account::default() };
            accounts.insert(address, (account, code));
        }
        let mut state = MemoryState::default();
        let mut trie = StateTrie::new(EMPTY_ROOT_HASH);
        let updates = accounts
            .iter()
            .map(|(address, (account, _))| AccountUpdate {
                address: *address,
                account: Change { old: None, new: Some(*account) },
                slots: Vec::new(),
            })
            .collect();
        let mut diff: StateDiff = trie.apply(updates, &state).unwrap();
        diff.codes = accounts.into_values().map(|(_, code)| (keccak256(&code), code)).collect();
        state.apply(&diff);
        let genesis = Header {
            ommers_hash: EMPTY_OMMER_ROOT_HASH,
            state_root: trie.root(),
            gas_limit: GAS_LIMIT,
            timestamp: params.genesis_timestamp,
            extra_data: extra_data(0),
            base_fee_per_gas: Some(1_000_000_000),
            withdrawals_root: Some(EMPTY_ROOT_HASH),
            blob_gas_used: Some(0),
            excess_blob_gas: Some(0),
            parent_beacon_block_root: Some(B256::ZERO),
            requests_hash: Some(B256::ZERO),
            ..Header::default()
        };
        state.hashes.insert(0, genesis.hash_slow());
        Self { params, state, trie, genesis: diff, headers: vec![genesis], programs: Vec::new() }
    }

    /// A block in the next slot.
    pub fn block(&mut self, origin_number: u64, deposits: Vec<Bytes>, raw: Vec<Bytes>) -> Made {
        let slot = trex_stf::header::slot(self.headers.last().unwrap()).unwrap() + 1;
        let attributes =
            BlockAttributes { slot, origin: origin(origin_number), gas_limit: GAS_LIMIT, deposits };
        self.make(attributes, raw)
    }

    /// Makes the block natively, from its witness, and by the reference; all must agree (PRG-001).
    pub fn make(&mut self, attributes: BlockAttributes, raw: Vec<Bytes>) -> Made {
        let parent = self.headers.last().unwrap().clone();
        let parent_hash = parent.hash_slow();
        let mut excluded = Vec::new();
        let mut transactions = Vec::new();
        let mut positions = Vec::new();
        for (index, encoded) in raw.iter().enumerate() {
            match Transaction::decode(encoded.clone()) {
                Ok(tx) => {
                    transactions.push(tx);
                    positions.push(index as u64);
                }
                Err(error) => {
                    excluded.push(Excluded { index: index as u64, reason: program::decode_reason(&error) })
                }
            }
        }

        let (block, reasons) = execute(
            &self.params,
            &parent,
            parent_hash,
            &attributes,
            transactions.clone(),
            &self.state,
            &mut self.trie,
        )
        .unwrap();
        excluded.extend(reasons.iter().map(|(index, exclusion)| Excluded {
            index: positions[*index],
            reason: program::exclusion_reason(exclusion),
        }));
        excluded.sort_by_key(|excluded| excluded.index);

        self.check_witness(&attributes, &raw, &transactions, &block, &excluded);
        let expected = self.check_reference(&attributes, &transactions, &block);
        self.state.apply(&block.diff);
        assert_eq!(self.state.reference_root(), block.header.state_root);
        assert_eq!(reference::Maps::of(&self.state).accounts, expected.accounts);
        self.state.hashes.insert(block.header.number, block.hash);
        self.headers.push(block.header.clone());
        Made { block, excluded }
    }

    fn check_witness(
        &mut self,
        attributes: &BlockAttributes,
        raw: &[Bytes],
        transactions: &[Transaction],
        block: &Block,
        excluded: &[Excluded],
    ) {
        let parent = self.headers.last().unwrap().clone();
        let recorded = record(
            &self.params,
            &parent,
            parent.hash_slow(),
            attributes,
            transactions.to_vec(),
            &self.state,
            |number| Some(alloy_rlp::encode(&self.headers[number as usize]).into()),
        )
        .unwrap();
        assert_eq!(recorded.block.header, block.header);
        assert_eq!(recorded.block.receipts, block.receipts);
        let input = Input {
            params: self.params,
            parent,
            attributes: attributes.clone(),
            transactions: raw.to_vec(),
            witness: recorded.witness,
        };
        let encoded: Bytes = alloy_rlp::encode(&input).into();
        assert_eq!(Input::decode_exact(&encoded).unwrap(), input);
        let output = program::run(&encoded).unwrap();
        let decoded = Output::decode(&mut output.as_slice()).unwrap();
        assert_eq!(decoded.header, block.header);
        assert_eq!(decoded.hash, block.hash);
        assert_eq!(decoded.output_root, block.output_root);
        let header = &block.header;
        let words = [B256::ZERO, header.state_root, header.withdrawals_root.unwrap(), header.hash_slow()];
        assert_eq!(block.output_root, keccak256(words.map(|word| word.0).concat()), "STF-010");
        assert_eq!(decoded.excluded, excluded);
        self.programs.push((encoded, output));
    }

    fn check_reference(
        &self,
        attributes: &BlockAttributes,
        transactions: &[Transaction],
        block: &Block,
    ) -> reference::Maps {
        let mut all: Vec<Transaction> = Vec::new();
        let announced = block.transactions.first().is_some_and(|tx| {
            *tx.encoded() == *attributes_deposit(&self.params, &attributes.origin).encoded()
        });
        if announced {
            all.push(block.transactions[0].clone());
        }
        all.extend(attributes.deposits.iter().map(|encoded| Transaction::decode(encoded.clone()).unwrap()));
        all.extend(transactions.iter().filter(|tx| !tx.is_deposit()).cloned());
        let mut maps = reference::Maps::of(&self.state);
        let outcomes = reference::execute(&mut maps, &self.params, &attributes.origin, &block.header, &all);
        let mut included = block.transactions.iter().zip(&block.receipts);
        for (tx, outcome) in all.iter().zip(outcomes) {
            let Some(outcome) = outcome else { continue };
            let (included, receipt) = included.next().expect("the block holds what the reference holds");
            assert_eq!(included.hash(), tx.hash());
            match outcome {
                Ok(result) => {
                    assert_eq!(receipt.success, result.is_success(), "{tx:?}");
                    assert_eq!(receipt.gas_used, result.tx_gas_used(), "{tx:?}");
                    assert_eq!(receipt.logs, result.into_logs());
                }
                Err(()) => assert!(!receipt.success && receipt.gas_used == tx.gas_limit()),
            }
        }
        assert!(included.next().is_none());
        maps
    }
}
