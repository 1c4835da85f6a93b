//! What must hold of every decoder, whatever the bytes.
//!
//! Each function panics where a promise is broken. `scripts/fuzz` searches for such bytes with libFuzzer (and so does
//! `cargo fuzz run -s none --features libfuzzer TARGET`); the test suite tries mutations of good ones.

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_rlp::Encodable;
use alloy_trie::Nibbles;
use trex_chain::{block_rlp, network::Network};
use trex_stf::{
    batch::{BLOB_BYTES, decode_batch, encode_batch, pack_blobs, unpack_blobs},
    deposits::announced_origin,
    derive::{
        self, BatchHeader, BlobSchedule, Carrier, Deposit, DerivationParams, L1Header, Parent, Preimages,
        Queue, accumulate,
    },
    evm::tx_env,
    fees::fastlz_length,
    header::{extra_data as encode_slot, slot},
    params::NetworkParams,
    program::{self, Input},
    state::State,
    transaction::Transaction,
    trie::{NodeSource, Trie, Update},
    witness::{Witness, WitnessState},
};

/// A transaction has one encoding, and what is asked of every transaction can be asked.
pub fn transaction(data: &[u8]) {
    let bytes = Bytes::copy_from_slice(data);
    // Literals alone take a control byte for each 32.
    assert!(fastlz_length(data) as usize <= data.len() + data.len().div_ceil(32));
    let Ok(tx) = Transaction::decode(bytes.clone()) else { return };
    assert_eq!(tx.encoded(), &bytes);
    assert_eq!(tx.hash(), keccak256(data));
    let _ = (tx_env(&tx), announced_origin(&tx), tx.effective_gas_price_wei(u64::MAX));
    let known = Transaction::with_sender(bytes, tx.hash(), tx.sender());
    assert!(known.is_ok_and(|known| known.envelope() == tx.envelope()));
}

/// One node under every hash.
struct OneNode<'a>(&'a [u8]);

impl NodeSource for OneNode<'_> {
    type Error = ();

    fn node(&self, _: &Nibbles, _: &B256) -> Result<Bytes, ()> {
        Ok(Bytes::copy_from_slice(self.0))
    }
}

/// A trie of arbitrary nodes is read and changed, or refused.
pub fn trie_node(data: &[u8]) {
    let source = OneNode(data);
    let mut keys = [B256::ZERO, B256::repeat_byte(0xff), keccak256(data), B256::repeat_byte(0x11)];
    keys.sort_unstable();
    for key in &keys {
        let mut trie = Trie::new(keccak256(data));
        let _ = trie.get(key, &source);
        let _ = Trie::new(keccak256(data)).prove(key, &source);
        for update in [Update::delete(*key), Update::put(*key, &U256::MAX)] {
            let mut trie = Trie::new(keccak256(data));
            if trie.update(None, &mut [update], &source, &mut Vec::new()).is_ok() {
                let _ = trie.root();
            }
        }
    }
    let mut trie = Trie::new(keccak256(data));
    let mut updates = keys.map(|key| Update::put(key, &U256::MAX));
    if trie.update(None, &mut updates, &source, &mut Vec::new()).is_ok() {
        let _ = trie.root();
    }
}

/// A slot has one encoding in `extraData`.
pub fn extra_data(data: &[u8]) {
    let header = Header { extra_data: Bytes::copy_from_slice(data), ..Header::default() };
    if let Some(slot) = slot(&header) {
        assert_eq!(encode_slot(slot), header.extra_data);
    }
}

/// A witness has one encoding, and its state answers or faults.
pub fn witness(data: &[u8]) {
    let Ok(witness) = Witness::decode_exact(&Bytes::copy_from_slice(data)) else { return };
    assert!(alloy_rlp::encode(&witness) == data, "a witness has one encoding");
    assert_eq!(witness.length(), data.len());
    let roots: Vec<B256> = witness.nodes().iter().map(|(hash, _)| *hash).take(16).collect();
    for state_root in roots {
        let parent = Header { state_root, number: 1000, ..Header::default() };
        let Ok(state) = WitnessState::new(&parent, keccak256(data), witness.clone()) else { continue };
        for address in [Address::ZERO, Address::repeat_byte(0x42), Address::from_word(state_root)] {
            let _ = (state.account(&address), state.storage(&address, &U256::from(1)));
        }
        let _ = (state.block_hash(999), state.block_hash(998), state.block_hash(u64::MAX));
    }
}

/// An input has one encoding and gives an output, an exclusion or a fault.
pub fn program(data: &[u8]) {
    let data = Bytes::copy_from_slice(data);
    let Ok(input) = Input::decode_exact(&data) else { return };
    assert!(alloy_rlp::encode(&input) == data, "an input has one encoding");
    let _ = program::run(&data);
}

/// A stream of blocks is read, ends in the middle, or is refused; a block has one encoding.
pub fn block_stream(data: &[u8]) {
    let mut rest = data;
    loop {
        let before = rest;
        let Ok(Some(block)) = block_rlp::decode(&mut rest) else { return };
        assert!(rest.len() < before.len());
        let mut encoded = Vec::new();
        block_rlp::encode(&block.header, &block.transactions, &mut encoded);
        assert!(encoded == before[..before.len() - rest.len()], "a block has one encoding");
    }
}

/// A network file gives a genesis or is refused.
pub fn network_file(data: &[u8]) {
    if let Ok(network) = Network::parse(data) {
        let _ = network.genesis();
    }
}

/// A batch has one form and so have the blobs, headers and deposits around it; what is none is refused.
pub fn batch(data: &[u8]) {
    const CHAIN_ID: u64 = 1962;
    if let Ok(batch) = decode_batch(data, CHAIN_ID) {
        assert_eq!(encode_batch(&batch, CHAIN_ID).as_deref(), Ok(data), "a batch has one form");
    }
    let mut blob = data.to_vec();
    blob.resize(BLOB_BYTES, 0);
    if let Ok(content) = unpack_blobs(&[&blob]) {
        assert!(pack_blobs(&content)[0][..] == blob[..], "a blob has one form");
    }
    if let Some(header) = BatchHeader::decode(data) {
        assert_eq!(header.encode(), data, "a batch header has one form");
    }
    if let Some(deposit) = Deposit::decode(&Bytes::copy_from_slice(data)) {
        assert_eq!(&deposit.encode()[..], data, "a deposit has one form");
        assert!(Transaction::decode(deposit.transaction(B256::ZERO, 0)).is_ok());
    }
    if let Some(header) = L1Header::decode(data) {
        let _ = header.origin(&BlobSchedule::of_l1(1));
    }
}

/// A batch header's program input has one encoding and gives an output or a fault.
pub fn span_program(data: &[u8]) {
    let data = Bytes::copy_from_slice(data);
    let Ok(input) = derive::program::Input::decode_exact(&data) else { return };
    assert!(alloy_rlp::encode(&input) == data, "an input has one encoding");
    let _ = derive::program::run(&data);
}

/// The block that [`derivation`] reads batches on.
pub fn derivation_parent() -> Header {
    Header { extra_data: encode_slot(3), gas_limit: 40_000_000, ..Header::default() }
}

/// Whatever is posted and whatever the L1 between: derivation reads it by its batch or says why not, and the
/// blocks keep the rules on slots, origins and deposits.
pub fn derivation(data: &[u8]) {
    const L1_BLOCKS: u64 = 4;
    const SLOT_MS: u64 = 200;
    let Some((&[shape, deposits], batch)) = data.split_first_chunk() else { return };
    let params = NetworkParams {
        chain_id: 1962,
        genesis_timestamp: 1000,
        block_time_ms: SLOT_MS,
        elasticity: 2,
        base_fee_denominator: 8,
        min_base_fee_wei: 1,
        base_fee_scalar: 0,
        blob_base_fee_scalar: 0,
    };
    let derivation = DerivationParams {
        gas_limit: 40_000_000,
        max_drift_s: 20,
        sequencing_window_s: 30,
        blob_schedule: BlobSchedule::of_l1(0),
        ..DerivationParams::default()
    };
    let mut headers: Vec<Header> = Vec::new();
    for number in 0..L1_BLOCKS {
        let parent_hash = headers.last().map(Header::hash_slow).unwrap_or_default();
        headers.push(Header { number, parent_hash, timestamp: 1000 + 12 * number, ..Header::default() });
    }
    let rlp: Vec<Bytes> = headers.iter().map(|header| alloy_rlp::encode(header).into()).collect();
    let Some(origin) = L1Header::decode(&rlp[0]).map(|header| header.origin(&derivation.blob_schedule))
    else {
        return;
    };
    let last = u64::from(shape) % L1_BLOCKS;
    let count = if last == 0 { 0 } else { usize::from(deposits % 8) };
    let records: Vec<Bytes> = (0..count)
        .map(|index| {
            let l1_number = 1 + (index as u64 * (last - 1)) / count as u64;
            let gas_limit = 1 << (14 + (u64::from(deposits) + index as u64) % 14);
            Deposit {
                l1_number,
                gas_limit,
                from: Address::ZERO,
                to: Address::ZERO,
                mint_wei: 0,
                value_wei: U256::ZERO,
                is_creation: false,
                data: Bytes::new(),
            }
            .encode()
        })
        .collect();
    let queue = records.iter().fold(Queue::default(), |queue, record| Queue {
        count: queue.count + 1,
        accumulator: accumulate(queue.accumulator, record),
    });
    let parent_header = derivation_parent();
    let hash = parent_header.hash_slow();
    let blobs: Vec<Bytes> = pack_blobs(batch).iter().map(|blob| Bytes::copy_from_slice(&blob[..])).collect();
    let header = BatchHeader {
        carrier: Carrier::Ethereum,
        origin_number: last,
        origin_hash: headers[last as usize].hash_slow(),
        queue,
        blobs: blobs.iter().map(keccak256).collect(),
        ..BatchHeader::default()
    };
    let preimages = Preimages::new(&rlp, records, header.blobs.iter().copied().zip(blobs).collect());
    let parent = Parent { header: &parent_header, hash, origin, queue: Queue::default() };
    let Ok(plan) = derive::plan(&params, &derivation, &parent, &header, &preimages) else {
        panic!("with all preimages at hand one can always tell");
    };
    let (mut slot, mut origin, mut taken) = (3, 0, 0);
    for block in &plan.blocks {
        let attributes = &block.attributes;
        assert!(attributes.slot > slot, "slots rise");
        assert!(attributes.origin.number >= origin, "origins do not fall");
        let announces = u64::from(attributes.origin.number > origin);
        let gas: u64 = attributes
            .deposits
            .iter()
            .filter_map(|raw| Transaction::decode(raw.clone()).ok())
            .map(|tx| tx.gas_limit())
            .sum();
        assert!(gas + announces * 1_000_000 <= derivation.gas_limit, "deposits fit");
        (slot, origin, taken) =
            (attributes.slot, attributes.origin.number, taken + attributes.deposits.len());
    }
    assert_eq!(taken, count, "each deposit once");
    assert!(origin == last || plan.blocks.is_empty() && last == 0, "up to the header's origin");
}
