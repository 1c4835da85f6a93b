//! Byte form of what the store keeps. Our own: compact, and total on any input.

use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, Log, LogData, U256};
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles};
use trex_stf::state::{Account, Change, NodeChange, StateDiff};

use trex_stf::receipt::{L1Fee, Receipt};

/// Input ended early or holds an impossible value.
#[derive(Debug)]
pub(crate) struct Malformed;

pub(crate) type Decoded<T> = Result<T, Malformed>;

/// Reads from the front of a slice.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn take(&mut self, len: usize) -> Decoded<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(len).ok_or(Malformed)?;
        self.0 = tail;
        Ok(head)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Decoded<[u8; N]> {
        self.take(N)?.try_into().map_err(|_| Malformed)
    }

    pub(crate) fn byte(&mut self) -> Decoded<u8> {
        Ok(self.array::<1>()?[0])
    }

    pub(crate) fn varint(&mut self) -> Decoded<u64> {
        let (mut out, mut shift) = (0u64, 0u32);
        loop {
            let byte = self.byte()?;
            if shift == 63 && byte > 1 {
                return Err(Malformed);
            }
            out |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(out);
            }
            shift += 7;
            if shift > 63 {
                return Err(Malformed);
            }
        }
    }

    pub(crate) fn len(&mut self) -> Decoded<usize> {
        usize::try_from(self.varint()?).map_err(|_| Malformed)
    }

    /// A count of items of at least one byte each, so it can size a buffer.
    fn count(&mut self) -> Decoded<usize> {
        let n = self.len()?;
        if n > self.0.len() { Err(Malformed) } else { Ok(n) }
    }

    pub(crate) fn address(&mut self) -> Decoded<Address> {
        Ok(Address::new(self.array()?))
    }

    pub(crate) fn hash(&mut self) -> Decoded<B256> {
        Ok(B256::new(self.array()?))
    }

    pub(crate) fn word(&mut self) -> Decoded<U256> {
        let len = usize::from(self.byte()?);
        U256::try_from_be_slice(self.take(len)?).ok_or(Malformed)
    }

    pub(crate) fn bytes(&mut self) -> Decoded<&'a [u8]> {
        let len = self.len()?;
        self.take(len)
    }

    pub(crate) fn end(&self) -> Decoded<()> {
        if self.0.is_empty() { Ok(()) } else { Err(Malformed) }
    }
}

pub(crate) fn put_varint(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

pub(crate) fn put_word(out: &mut Vec<u8>, word: &U256) {
    let len = word.byte_len();
    out.push(len as u8);
    out.extend_from_slice(&word.to_be_bytes::<32>()[32 - len..]);
}

pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// A slot's value as stored: big endian without leading zeros.
pub(crate) fn slot_value(word: &U256) -> Vec<u8> {
    word.to_be_bytes_trimmed_vec()
}

/// The reverse of [`slot_value`].
pub(crate) fn parse_slot_value(bytes: &[u8]) -> Decoded<U256> {
    U256::try_from_be_slice(bytes).ok_or(Malformed)
}

pub(crate) fn put_account(out: &mut Vec<u8>, account: Option<&Account>) {
    let Some(account) = account else {
        out.push(0);
        return;
    };
    let storage = account.storage_root != EMPTY_ROOT_HASH;
    let code = account.code_hash != KECCAK256_EMPTY;
    out.push(1 | u8::from(storage) << 1 | u8::from(code) << 2);
    put_varint(out, account.nonce);
    put_word(out, &account.balance);
    if storage {
        out.extend_from_slice(account.storage_root.as_slice());
    }
    if code {
        out.extend_from_slice(account.code_hash.as_slice());
    }
}

pub(crate) fn take_account(r: &mut Reader<'_>) -> Decoded<Option<Account>> {
    let flags = r.byte()?;
    if flags == 0 {
        return Ok(None);
    }
    if flags & 1 == 0 || flags > 7 {
        return Err(Malformed);
    }
    let mut account = Account { nonce: r.varint()?, balance: r.word()?, ..Account::default() };
    if flags & 2 != 0 {
        account.storage_root = r.hash()?;
    }
    if flags & 4 != 0 {
        account.code_hash = r.hash()?;
    }
    Ok(Some(account))
}

pub(crate) fn account_value(account: Option<&Account>) -> Vec<u8> {
    let mut out = Vec::with_capacity(80);
    put_account(&mut out, account);
    out
}

pub(crate) fn parse_account(bytes: &[u8]) -> Decoded<Option<Account>> {
    let mut r = Reader(bytes);
    let account = take_account(&mut r)?;
    r.end()?;
    Ok(account)
}

/// A place in a trie: owner, number of nibbles, packed nibbles. Prefix-free, so a block number can
/// follow it in a key.
pub(crate) fn put_place(out: &mut Vec<u8>, owner: Option<&B256>, path: &Nibbles) {
    match owner {
        None => out.push(0),
        Some(owner) => {
            out.push(1);
            out.extend_from_slice(owner.as_slice());
        }
    }
    out.push(path.len() as u8);
    out.extend_from_slice(&path.pack());
}

fn take_place(r: &mut Reader<'_>) -> Decoded<(Option<B256>, Nibbles)> {
    let owner = match r.byte()? {
        0 => None,
        1 => Some(r.hash()?),
        _ => return Err(Malformed),
    };
    let len = usize::from(r.byte()?);
    if len > 64 {
        return Err(Malformed);
    }
    let mut path = Nibbles::unpack(r.take(len.div_ceil(2))?);
    path.truncate(len);
    Ok((owner, path))
}

/// Where, inside the encoded nodes, the old bytes of each changed node lie: offset and length,
/// `None` where there was no node.
pub(crate) type OldNodes = Vec<Option<(u32, u32)>>;

/// Accounts, slots and codes of a diff.
pub(crate) fn put_flat(out: &mut Vec<u8>, diff: &StateDiff) {
    put_varint(out, diff.accounts.len() as u64);
    for (address, change) in &diff.accounts {
        out.extend_from_slice(address.as_slice());
        put_account(out, change.old.as_ref());
        put_account(out, change.new.as_ref());
    }
    put_varint(out, diff.slots.len() as u64);
    let mut last = None;
    for (address, slot, change) in &diff.slots {
        if last == Some(address) {
            out.push(0);
        } else {
            out.push(1);
            out.extend_from_slice(address.as_slice());
            last = Some(address);
        }
        put_word(out, slot);
        put_word(out, &change.old);
        put_word(out, &change.new);
    }
    put_varint(out, diff.codes.len() as u64);
    for (hash, code) in &diff.codes {
        out.extend_from_slice(hash.as_slice());
        put_bytes(out, code);
    }
}

pub(crate) fn take_flat(bytes: &[u8]) -> Decoded<StateDiff> {
    let r = &mut Reader(bytes);
    let mut diff = StateDiff::default();
    let n = r.count()?;
    diff.accounts.reserve(n);
    for _ in 0..n {
        diff.accounts.push((r.address()?, Change { old: take_account(r)?, new: take_account(r)? }));
    }
    let n = r.count()?;
    diff.slots.reserve(n);
    let mut last = None;
    for _ in 0..n {
        if r.byte()? == 1 {
            last = Some(r.address()?);
        }
        diff.slots.push((last.ok_or(Malformed)?, r.word()?, Change { old: r.word()?, new: r.word()? }));
    }
    for _ in 0..r.count()? {
        diff.codes.push((r.hash()?, Bytes::copy_from_slice(r.bytes()?)));
    }
    r.end()?;
    Ok(diff)
}

/// Trie nodes of a diff, old and new.
pub(crate) fn put_nodes(out: &mut Vec<u8>, nodes: &[NodeChange]) -> OldNodes {
    let start = out.len();
    let mut old = Vec::with_capacity(nodes.len());
    put_varint(out, nodes.len() as u64);
    for node in nodes {
        put_place(out, node.owner.as_ref(), &node.path);
        let before = node.change.old.as_ref().map_or(&[][..], |b| b);
        put_varint(out, before.len() as u64);
        old.push(node.change.old.as_ref().map(|o| ((out.len() - start) as u32, o.len() as u32)));
        out.extend_from_slice(before);
        put_bytes(out, node.change.new.as_ref().map_or(&[][..], |b| b));
    }
    old
}

pub(crate) fn take_nodes(bytes: &[u8]) -> Decoded<(Vec<NodeChange>, OldNodes)> {
    let r = &mut Reader(bytes);
    let n = r.count()?;
    let (mut nodes, mut places) = (Vec::with_capacity(n), Vec::with_capacity(n));
    let some = |b: &[u8]| (!b.is_empty()).then(|| Bytes::copy_from_slice(b));
    for _ in 0..n {
        let (owner, path) = take_place(r)?;
        let old = r.bytes()?;
        let at = bytes.len() - r.0.len() - old.len();
        places.push((!old.is_empty()).then_some((at as u32, old.len() as u32)));
        nodes.push(NodeChange { owner, path, change: Change { old: some(old), new: some(r.bytes()?) } });
    }
    r.end()?;
    Ok((nodes, places))
}

/// Items with an offset table, so one can be read without the others.
pub(crate) fn put_list<T: AsRef<[u8]>>(out: &mut Vec<u8>, items: &[T]) {
    out.extend_from_slice(&(items.len() as u32).to_le_bytes());
    let mut at = 0u32;
    for item in items {
        at += item.as_ref().len() as u32;
        out.extend_from_slice(&at.to_le_bytes());
    }
    for item in items {
        out.extend_from_slice(item.as_ref());
    }
}

/// Number of items of a list written by [`put_list`].
pub(crate) fn list_len(bytes: &[u8]) -> Decoded<usize> {
    let head: [u8; 4] = bytes.get(..4).and_then(|b| b.try_into().ok()).ok_or(Malformed)?;
    Ok(u32::from_le_bytes(head) as usize)
}

/// Item `i` of a list written by [`put_list`], `None` past its end.
pub(crate) fn list_item(bytes: &[u8], i: usize) -> Decoded<Option<&[u8]>> {
    let n = list_len(bytes)?;
    if i >= n {
        return Ok(None);
    }
    let offset = |i: usize| -> Decoded<usize> {
        if i == 0 {
            return Ok(0);
        }
        let b: [u8; 4] = bytes.get(4 * i..4 * i + 4).and_then(|b| b.try_into().ok()).ok_or(Malformed)?;
        Ok(u32::from_le_bytes(b) as usize)
    };
    let data = bytes.get(4 + 4 * n..).ok_or(Malformed)?;
    data.get(offset(i)?..offset(i + 1)?).map(Some).ok_or(Malformed)
}

/// Ascending numbers as differences.
pub(crate) fn put_ascending(out: &mut Vec<u8>, numbers: &[u32]) {
    let mut last = 0;
    for &n in numbers {
        put_varint(out, u64::from(n - last));
        last = n;
    }
}

pub(crate) fn take_ascending(bytes: &[u8]) -> Decoded<Vec<u32>> {
    let r = &mut Reader(bytes);
    let (mut out, mut last) = (Vec::new(), 0u32);
    while !r.0.is_empty() {
        let step = u32::try_from(r.varint()?).map_err(|_| Malformed)?;
        last = last.checked_add(step).ok_or(Malformed)?;
        out.push(last);
    }
    Ok(out)
}

/// A receipt without its logs.
pub(crate) fn put_receipt(out: &mut Vec<u8>, receipt: &Receipt) {
    let flags = u8::from(receipt.success)
        | u8::from(receipt.contract_address.is_some()) << 1
        | u8::from(receipt.deposit_nonce.is_some()) << 2
        | u8::from(receipt.l1_fee.is_some()) << 3;
    out.push(flags);
    out.push(receipt.tx_type);
    put_varint(out, receipt.gas_used);
    put_varint(out, receipt.cumulative_gas_used);
    put_word(out, &U256::from(receipt.effective_gas_price_wei));
    if let Some(address) = &receipt.contract_address {
        out.extend_from_slice(address.as_slice());
    }
    if let Some(nonce) = receipt.deposit_nonce {
        put_varint(out, nonce);
    }
    if let Some(fee) = &receipt.l1_fee {
        put_word(out, &fee.fee_wei);
        put_varint(out, fee.gas_used);
        put_varint(out, fee.base_fee_wei);
        put_word(out, &U256::from(fee.blob_base_fee_wei));
        put_varint(out, fee.base_fee_scalar.into());
        put_varint(out, fee.blob_base_fee_scalar.into());
    }
}

/// The reverse of [`put_receipt`].
pub(crate) fn take_receipt(bytes: &[u8]) -> Decoded<Receipt> {
    let r = &mut Reader(bytes);
    let flags = r.byte()?;
    let mut receipt = Receipt {
        success: flags & 1 != 0,
        tx_type: r.byte()?,
        gas_used: r.varint()?,
        cumulative_gas_used: r.varint()?,
        effective_gas_price_wei: r.word()?.try_into().map_err(|_| Malformed)?,
        ..Receipt::default()
    };
    if flags & 2 != 0 {
        receipt.contract_address = Some(r.address()?);
    }
    if flags & 4 != 0 {
        receipt.deposit_nonce = Some(r.varint()?);
    }
    if flags & 8 != 0 {
        receipt.l1_fee = Some(L1Fee {
            fee_wei: r.word()?,
            gas_used: r.varint()?,
            base_fee_wei: r.varint()?,
            blob_base_fee_wei: r.word()?.try_into().map_err(|_| Malformed)?,
            base_fee_scalar: r.varint()?.try_into().map_err(|_| Malformed)?,
            blob_base_fee_scalar: r.varint()?.try_into().map_err(|_| Malformed)?,
        });
    }
    r.end()?;
    Ok(receipt)
}

/// A log.
pub(crate) fn put_log(out: &mut Vec<u8>, log: &Log) {
    out.extend_from_slice(log.address.as_slice());
    out.push(log.data.topics().len() as u8);
    for topic in log.data.topics() {
        out.extend_from_slice(topic.as_slice());
    }
    put_bytes(out, &log.data.data);
}

/// The reverse of [`put_log`], from the front of some.
pub(crate) fn take_log(r: &mut Reader<'_>) -> Decoded<Log> {
    let address = r.address()?;
    let topics = (0..r.byte()?).map(|_| r.hash()).collect::<Decoded<Vec<_>>>()?;
    let data = LogData::new(topics, Bytes::copy_from_slice(r.bytes()?)).ok_or(Malformed)?;
    Ok(Log { address, data })
}

/// As many logs as there are, one after the other.
pub(crate) fn take_logs(bytes: &[u8], count: usize) -> Decoded<Vec<Log>> {
    let r = &mut Reader(bytes);
    let logs = (0..count).map(|_| take_log(r)).collect::<Decoded<Vec<_>>>()?;
    r.end()?;
    Ok(logs)
}
