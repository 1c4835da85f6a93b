//! A small L1 over a small L2, and the cases of derivation that every build must agree on.
#![allow(dead_code, missing_docs, clippy::unwrap_used, clippy::expect_used)]

use std::{collections::BTreeMap, fs, path::PathBuf, sync::OnceLock};

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes, U256, hex};
use serde_json::Value;
use trex_stf::{
    attributes::{BlockAttributes, L1Origin},
    batch::{BLOB_BYTES, Batch, BatchBlock, Reason, encode_batch, pack_blobs},
    derive::{
        BatchHeader, BlobSchedule, Carrier, Deposit, DerivationParams, DeriveError, L1Header, Outcome,
        Parent, Plan, Preimages, ProvenBlob, Queue, accumulate, plan,
        program::{Input, Output},
    },
    header::output_root,
};

use crate::common::chain::{CHAIN_ID, Call, Chain, GAS_LIMIT, Signer};

pub const FIRST: u64 = 100;

/// A small L1 over a small L2: blocks every 12 seconds, deposits as asked.
pub struct L1 {
    pub chain: Chain,
    pub headers: Vec<Header>,
    pub records: Vec<Bytes>,
    pub derivation: DerivationParams,
}

impl L1 {
    /// L1 blocks 100 to 109; L2's newest block has origin 100.
    pub fn new() -> Self {
        let mut headers: Vec<Header> = Vec::new();
        for number in FIRST..FIRST + 10 {
            headers.push(Header {
                parent_hash: headers.last().map(Header::hash_slow).unwrap_or_default(),
                number,
                timestamp: 1_700_000_000 + 12 * (number - FIRST),
                base_fee_per_gas: Some(1_000_000_000 + number),
                mix_hash: B256::repeat_byte(number as u8),
                blob_gas_used: Some(0),
                excess_blob_gas: Some(10 << 20),
                withdrawals_root: Some(B256::ZERO),
                parent_beacon_block_root: Some(B256::repeat_byte(number as u8 + 100)),
                ..Header::default()
            });
        }
        let derivation = DerivationParams {
            gas_limit: GAS_LIMIT,
            max_drift_s: 30,
            sequencing_window_s: 60,
            blob_schedule: BlobSchedule::of_l1(0),
            genesis_origin: L1Origin::default(),
        };
        let mut l1 = Self { chain: Chain::new(0), headers, records: Vec::new(), derivation };
        let attributes =
            BlockAttributes { slot: 1, origin: l1.origin(FIRST), gas_limit: GAS_LIMIT, deposits: vec![] };
        l1.chain.make(attributes, vec![]);
        l1
    }

    pub fn origin(&self, number: u64) -> L1Origin {
        let rlp = alloy_rlp::encode(&self.headers[(number - FIRST) as usize]);
        L1Header::decode(&rlp).unwrap().origin(&self.derivation.blob_schedule)
    }

    pub fn deposit(&mut self, l1_number: u64, gas_limit: u64) {
        let deposit = Deposit {
            l1_number,
            from: Address::repeat_byte(0xd0),
            to: Address::repeat_byte(self.records.len() as u8 + 1),
            mint_wei: 1_000,
            value_wei: U256::from(7),
            gas_limit,
            is_creation: false,
            data: Bytes::new(),
        };
        self.records.push(deposit.encode());
    }

    pub fn parent(&self) -> Parent<'_> {
        let header = self.chain.headers.last().unwrap();
        Parent::new(&self.derivation, header, header.hash_slow(), Queue::default(), &self.chain.state)
            .unwrap()
    }

    pub fn header(&self, origin: u64, carrier: Carrier, blobs: usize) -> BatchHeader {
        let accumulator = self.records.iter().fold(B256::ZERO, |acc, record| accumulate(acc, record));
        BatchHeader {
            carrier,
            origin_number: origin,
            origin_hash: self.headers[(origin - FIRST) as usize].hash_slow(),
            queue: Queue { count: self.records.len() as u64, accumulator },
            blobs: (0..blobs).map(|index| B256::repeat_byte(index as u8 + 1)).collect(),
            ..BatchHeader::default()
        }
    }

    pub fn preimages(&self, blobs: Vec<Bytes>) -> Preimages {
        let headers: Vec<Bytes> =
            self.headers.iter().map(|header| alloy_rlp::encode(header).into()).collect();
        let blobs: BTreeMap<B256, Bytes> = blobs
            .into_iter()
            .enumerate()
            .map(|(index, blob)| (B256::repeat_byte(index as u8 + 1), blob))
            .collect();
        Preimages::new(&headers, self.records.clone(), blobs)
    }

    pub fn read(&self, origin: u64, blobs: Vec<Bytes>) -> Result<Plan, DeriveError> {
        let header = self.header(origin, Carrier::Ethereum, blobs.len());
        plan(&self.chain.params, &self.derivation, &self.parent(), &header, &self.preimages(blobs))
    }

    pub fn batch(&self, blocks: &[(u64, u64, Vec<Bytes>)], log_indices: &[u32]) -> Batch {
        let parent = self.chain.headers.last().unwrap();
        Batch {
            parent_output: output_root(parent, parent.hash_slow()),
            log_indices: log_indices.to_vec(),
            blocks: blocks
                .iter()
                .map(|(slot_delta, origin_delta, transactions)| BatchBlock {
                    slot_delta: *slot_delta,
                    origin_delta: *origin_delta,
                    transactions: transactions.clone(),
                })
                .collect(),
        }
    }

    pub fn post(&self, origin: u64, batch: &Batch) -> Plan {
        let bytes = encode_batch(batch, CHAIN_ID).unwrap();
        self.read(origin, pack_blobs(&bytes).iter().map(|blob| Bytes::copy_from_slice(&blob[..])).collect())
            .unwrap()
    }

    /// The reason why such a batch reads as empty; what it reads as is then the empty reading.
    pub fn refusal(&self, origin: u64, blocks: &[(u64, u64, Vec<Bytes>)], log_indices: &[u32]) -> Reason {
        let plan = self.post(origin, &self.batch(blocks, log_indices));
        assert_eq!(plan.blocks, self.read(origin, vec![]).unwrap().blocks, "DRV-020");
        match plan.outcome {
            Outcome::Empty(reason) => reason,
            Outcome::Batch => panic!("read by its batch"),
        }
    }
}

pub fn transfer(nonce: u64) -> Bytes {
    Call::to(nonce, Address::repeat_byte(0xaa)).value(5).gas(21_000).eip1559(&Signer::new(1))
}

/// A case of derivation.
pub struct Case {
    pub name: String,
    /// The program's input, its witness recorded where there is an output.
    pub input: Input,
    /// The program's output, or its exit status.
    pub output: Result<Output, u8>,
    /// The plan, where there is one.
    pub plan: Option<Plan>,
}

/// Blobs with their commitments and proofs.
pub fn prove(blobs: &[Bytes]) -> Vec<ProvenBlob> {
    let settings = c_kzg::ethereum_kzg_settings(0);
    blobs
        .iter()
        .map(|bytes| {
            let blob = c_kzg::Blob::from_bytes(bytes).unwrap();
            // No commitment is to such bytes: whoever says so cannot prove it.
            let Ok(commitment) = settings.blob_to_kzg_commitment(&blob) else {
                let point = Bytes::from(vec![0; 48]);
                return ProvenBlob { blob: bytes.clone(), commitment: point.clone(), proof: point };
            };
            let commitment = commitment.to_bytes();
            let proof = settings.compute_blob_kzg_proof(&blob, &commitment).unwrap().to_bytes();
            ProvenBlob {
                blob: bytes.clone(),
                commitment: Bytes::copy_from_slice(commitment.as_slice()),
                proof: Bytes::copy_from_slice(proof.as_slice()),
            }
        })
        .collect()
}

pub fn packed(bytes: &[u8]) -> Vec<Bytes> {
    pack_blobs(bytes).iter().map(|blob| Bytes::copy_from_slice(&blob[..])).collect()
}

impl L1 {
    /// The program's input for a header with these blobs; its witness is empty.
    pub fn input(&self, origin: u64, blobs: &[Bytes]) -> Input {
        let blobs = prove(blobs);
        let carrier = if blobs.is_empty() { Carrier::None } else { Carrier::Ethereum };
        let hashes = blobs.iter().map(|blob| blob.verify().unwrap_or_default()).collect();
        let header = BatchHeader { blobs: hashes, ..self.header(origin, carrier, 0) };
        Input {
            params: self.chain.params,
            derivation: self.derivation.clone(),
            parent: self.chain.headers.last().unwrap().clone(),
            queue: Queue::default(),
            header: header.encode().into(),
            l1_headers: self.headers.iter().map(|header| alloy_rlp::encode(header).into()).collect(),
            deposits: self.records.clone(),
            blobs,
            witness: Default::default(),
        }
    }

    fn case(&self, name: &str, mut input: Input) -> Case {
        let ancestor = |number: u64| Some(alloy_rlp::encode(&self.chain.headers[number as usize]).into());
        let recorded = input.record(&self.chain.state, ancestor);
        let header = BatchHeader::decode(&input.header);
        let blobs: BTreeMap<B256, Bytes> =
            input.blobs.iter().filter_map(|blob| Some((blob.verify()?, blob.blob.clone()))).collect();
        let preimages = Preimages::new(&input.l1_headers, input.deposits.clone(), blobs);
        let planned = header.and_then(|header| {
            plan(&input.params, &input.derivation, &self.parent(), &header, &preimages).ok()
        });
        assert_eq!(planned.is_some(), recorded.is_ok(), "{name}");
        let encoded: Bytes = alloy_rlp::encode(&input).into();
        let output = recorded.map_err(|_| {
            trex_stf::derive::program::run(&encoded).expect_err("no witness makes up for it").exit_code()
        });
        Case { name: name.into(), input, output, plan: planned }
    }

    fn posted(
        &self,
        name: &str,
        origin: u64,
        blocks: &[(u64, u64, Vec<Bytes>)],
        log_indices: &[u32],
    ) -> Case {
        let bytes = encode_batch(&self.batch(blocks, log_indices), CHAIN_ID).unwrap();
        self.case(name, self.input(origin, &packed(&bytes)))
    }
}

/// An L1 with these deposits: L1 block and gas limit of each.
fn with_deposits(deposits: &[(u64, u64)]) -> L1 {
    let mut l1 = L1::new();
    deposits.iter().for_each(|(number, gas_limit)| l1.deposit(*number, *gas_limit));
    l1
}

/// Every way to be read that there is: by the batch, empty for each reason, and not at all.
pub fn cases() -> &'static [Case] {
    static CASES: OnceLock<Vec<Case>> = OnceLock::new();
    CASES.get_or_init(make)
}

fn make() -> Vec<Case> {
    let bare = L1::new();
    let three = with_deposits(&[(101, 100_000), (101, 50_000), (103, 100_000)]);
    let large = with_deposits(&[(102, 1 << 24); 9]);
    let plain = |slots: u64, origins: u64| (slots, origins, vec![]);
    let two_origins =
        [(60, 1, vec![transfer(0)]), (1, 0, vec![transfer(1)]), (119, 2, vec![transfer(2), transfer(9)])];
    let mut out = vec![
        three.posted("deposits of two L1 blocks, transactions, one left out", 103, &two_origins, &[4, 9, 0]),
        bare.posted("no block at all", 100, &[], &[]),
        bare.posted("blocks of the parent's origin", 100, &[plain(1, 0), (3, 0, vec![transfer(0)])], &[]),
        bare.posted("a block as late as drift allows", 101, &[plain(60 + 5 * 30, 1)], &[]),
        bare.posted("an old origin without transactions", 106, &[plain(1, 0), plain(360, 6)], &[]),
        large.posted(
            "nine large deposits in three blocks",
            102,
            &[plain(130, 2), plain(1, 0), plain(4, 0)],
            &[0, 1, 2, 3, 4, 5, 6, 7, 8],
        ),
        three.case("a forced header and its deposits", three.input(105, &[])),
        large.case("a forced header whose deposits spill", large.input(102, &[])),
        bare.case("a forced header of the parent's origin", bare.input(100, &[])),
        bare.posted("slot beyond the last", 100, &[plain(u64::MAX, 0)], &[]),
        bare.posted("last origin is another", 102, &[plain(60, 1)], &[]),
        bare.posted("a block before its origin", 101, &[plain(58, 1)], &[]),
        bare.posted("a block too far after its origin", 101, &[plain(60 + 5 * 31, 1)], &[]),
        bare.posted("transactions of an old origin", 106, &[(1, 0, vec![transfer(0)]), plain(360, 6)], &[]),
        three.posted("a log index is missing", 103, &[plain(60, 1), plain(120, 2)], &[4, 9]),
        three.posted("log indices do not rise", 103, &[plain(60, 1), plain(120, 2)], &[9, 9, 0]),
        large.posted("too few blocks for the deposits", 102, &[plain(130, 2)], &[0, 1, 2, 3, 4, 5, 6, 7, 8]),
    ];
    let other = Batch { parent_output: B256::repeat_byte(1), ..bare.batch(&[plain(60, 1)], &[]) };
    let other = packed(&encode_batch(&other, CHAIN_ID).unwrap());
    out.push(bare.case("another parent", bare.input(101, &other)));
    for (name, blobs) in garbage() {
        out.push(three.case(&format!("garbage: {name}"), three.input(103, &blobs)));
    }
    let ten = packed(&vec![0x5a; 10 * trex_stf::batch::BLOB_DATA_BYTES]);
    out.push(bare.case("garbage: ten blobs", bare.input(101, &ten)));
    out.extend(faults(&bare, &three));
    out
}

/// What cannot be told: a preimage is missing, another, or not proved.
fn faults(bare: &L1, three: &L1) -> Vec<Case> {
    let good =
        bare.input(101, &packed(&encode_batch(&bare.batch(&[(60, 1, vec![])], &[]), CHAIN_ID).unwrap()));
    let mut fork = L1::new();
    fork.headers[1].gas_limit = 1;
    for at in 2..fork.headers.len() {
        fork.headers[at].parent_hash = fork.headers[at - 1].hash_slow();
    }
    let forced = three.input(103, &[]);
    let rlp = |headers: &[Header]| headers.iter().map(|header| alloy_rlp::encode(header).into()).collect();
    let mut unproved = good.clone();
    unproved.blobs[0].blob = packed(b"another")[0].clone();
    let mut unfinished = good.clone();
    unfinished.blobs[0].proof = good.blobs[0].commitment.clone();
    let mut above = good.clone();
    above.blobs[0].blob = vec![0xff; BLOB_BYTES].into();
    vec![
        three.case(
            "an L1 that the header is not of",
            Input { l1_headers: rlp(&fork.headers), ..forced.clone() },
        ),
        three.case(
            "an L1 header is missing",
            Input { l1_headers: rlp(&three.headers[3..]), ..forced.clone() },
        ),
        three.case("a deposit is missing", Input { deposits: three.records[..2].to_vec(), ..forced.clone() }),
        bare.case("an origin before the parent's", Input { header: bare.before().into(), ..good.clone() }),
        bare.case("no batch header", Input { header: good.header.slice(1..), ..good.clone() }),
        bare.case("a blob is missing", Input { blobs: vec![], ..good.clone() }),
        bare.case("another blob than the commitment's", unproved),
        bare.case("a proof of something else", unfinished),
        bare.case("a blob of no field elements", above),
    ]
}

impl L1 {
    fn before(&self) -> Vec<u8> {
        BatchHeader { origin_number: 99, ..self.header(101, Carrier::None, 0) }.encode()
    }
}

/// Blobs of vectors/batch.json that bring no batch.
fn garbage() -> Vec<(String, Vec<Bytes>)> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../vectors/batch.json");
    let document: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let refused = document["cases"].as_array().unwrap().iter().filter(|case| case.get("reason").is_some());
    refused
        .map(|case| {
            let blobs = case["blobs"].as_array().unwrap().iter().map(|blob| {
                let mut bytes = hex::decode(blob.as_str().unwrap()).unwrap();
                bytes.resize(BLOB_BYTES, 0);
                bytes.into()
            });
            (case["name"].as_str().unwrap().into(), blobs.collect())
        })
        // A blob above the modulus has no commitment: L1 takes none.
        .filter(|(_, blobs): &(String, Vec<Bytes>)| prove(blobs).iter().all(|blob| blob.verify().is_some()))
        .collect()
}
