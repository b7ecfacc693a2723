//! The ledger on disk, so that a start need not replay for ever.
//!
//! A snapshot is only ever a shortcut: whatever it says follows from the journal, and one that does not read back
//! exactly is passed over with a note, in favour of an older one or of the whole journal.
//!
//! ```text
//! magic        32 bytes of text
//! cursor       place, last, block, chain, last entry, entry checksum: what the ledger is the state after
//! ledger       cash i64, Lamport time u64
//! accounts     count u64, then each: id u64, balance i64, last entry u64, closed u8, PIN hash, holder u16 + bytes
//! keys         count u64, then each: print 16 bytes, entry u64
//! marks        count u64, then each: first number u64, segment u32, sector u32
//! hash         SHA-256 of all before
//! ```

use std::collections::HashMap;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::StoreError;
use super::disk::{Disk, DiskFile};
use super::place::{Cursor, Mark, Marks, Place};
use crate::account::AccountId;
use crate::amount::Balance;
use crate::entry::KeyPrint;
use crate::ledger::{Account, Ledger};
use crate::pin::{PIN_HASH_BYTES, PinHash};

const MAGIC: &[u8; 32] = b"Antes bank snapshot, format 1\n\0\0";
/// What the names of snapshots begin with.
pub(super) const SNAPSHOT_PREFIX: &str = "snapshot-";
/// Bytes written or read at once.
const CHUNK_BYTES: usize = 1024 * 1024;
/// Snapshots kept: the newest, and one to fall back to.
const KEPT: usize = 2;

/// What a snapshot holds.
pub(crate) struct Snapshot {
    pub(crate) cursor: Cursor,
    pub(crate) ledger: Ledger,
    pub(crate) marks: Marks,
}

/// The names of the snapshots that are there, the newest first.
pub(crate) fn names(disk: &dyn Disk) -> Result<Vec<String>, StoreError> {
    let mut names = disk
        .list()
        .map_err(StoreError::io("list", "the data directory"))?;
    names.retain(|name| name.starts_with(SNAPSHOT_PREFIX) && !name.ends_with(".new"));
    names.sort_unstable_by(|a, b| b.cmp(a));
    Ok(names)
}

/// Writes a snapshot and takes away those that are too old.
pub(crate) fn write(
    disk: &dyn Disk,
    ledger: &Ledger,
    cursor: &Cursor,
    marks: &Marks,
) -> Result<(), StoreError> {
    assert_eq!(
        ledger.last_entry(),
        cursor.last_entry,
        "a snapshot holds exactly what is durable"
    );
    assert_eq!(ledger.sum(), 0, "money is conserved");
    let name = format!("{SNAPSHOT_PREFIX}{:020}", cursor.last_entry);
    let unfinished = format!("{name}.new");
    let io = |what| StoreError::io(what, &name);
    let mut out = Writer {
        file: disk.create(&unfinished).map_err(io("create"))?,
        name: &name,
        offset: 0,
        chunk: Vec::with_capacity(CHUNK_BYTES),
        hash: Sha256::new(),
    };
    out.put(MAGIC)?;
    for place in [cursor.place, cursor.last] {
        out.put(&place.number().to_le_bytes())?;
    }
    out.put(&cursor.block.to_le_bytes())?;
    out.put(&cursor.chain)?;
    out.put(&cursor.last_entry.to_le_bytes())?;
    out.put(&cursor.entry_chain.to_le_bytes())?;
    out.put(&ledger.cash().minor().to_le_bytes())?;
    out.put(&ledger.lamport().to_le_bytes())?;
    out.count(ledger.accounts().len())?;
    for account in ledger.accounts() {
        out.put(&account.id.to_bits().to_le_bytes())?;
        out.put(&account.balance.minor().to_le_bytes())?;
        out.put(&account.last_entry.to_le_bytes())?;
        out.put(&[u8::from(account.closed)])?;
        out.put(&account.pin.to_bytes())?;
        let length = u16::try_from(account.holder.len()).expect("the length of a holder's name is limited");
        out.put(&length.to_le_bytes())?;
        out.put(account.holder.as_bytes())?;
    }
    out.count(ledger.keys().len())?;
    for (key, entry) in ledger.keys() {
        out.put(&key.0)?;
        out.put(&entry.to_le_bytes())?;
    }
    out.count(marks.0.len())?;
    for mark in &marks.0 {
        out.put(&mark.first_number.to_le_bytes())?;
        out.put(&mark.place.number().to_le_bytes())?;
    }
    out.finish()?;
    disk.rename(&unfinished, &name).map_err(io("rename"))?;
    disk.sync_names().map_err(io("sync the name of"))?;
    for old in names(disk)?.iter().skip(KEPT) {
        disk.remove(old).map_err(StoreError::io("remove", old))?;
    }
    Ok(())
}

/// Reads a snapshot back.
pub(crate) fn read(disk: &dyn Disk, name: &str) -> Result<Snapshot, StoreError> {
    let file = disk.open(name).map_err(StoreError::io("open", name))?;
    let length = file.length().map_err(StoreError::io("measure", name))?;
    let mut input = Reader {
        file,
        name,
        length,
        offset: 0,
        chunk: Vec::new(),
        at: 0,
        hash: Sha256::new(),
    };
    if input.take::<32>()? != *MAGIC {
        return Err(input.damaged("it does not begin like a snapshot"));
    }
    let place = |number: u64| Place {
        segment: (number >> 32) as u32,
        sector: number as u32,
    };
    let cursor = Cursor {
        place: place(input.word()?),
        last: place(input.word()?),
        block: input.word()?,
        chain: input.take()?,
        last_entry: input.word()?,
        entry_chain: u32::from_le_bytes(input.take()?),
    };
    let cash = Balance::from_minor(input.word()? as i64);
    let lamport = input.word()?;
    let count = input.count(25 + PIN_HASH_BYTES)?;
    let mut accounts = Vec::with_capacity(count);
    for _ in 0..count {
        let id =
            AccountId::from_bits(input.word()?).ok_or_else(|| input.damaged("an account has no identity"))?;
        let balance = Balance::from_minor(input.word()? as i64);
        let last_entry = input.word()?;
        let closed = input.take::<1>()? != [0];
        let pin = PinHash::from_bytes(&input.take()?);
        let length = u16::from_le_bytes(input.take()?);
        let holder = String::from_utf8(input.bytes(usize::from(length))?.to_vec());
        let holder = holder.map_err(|_| input.damaged("a holder is not UTF-8"))?.into();
        accounts.push(Account {
            id,
            holder,
            balance,
            last_entry,
            pin,
            closed,
        });
    }
    let count = input.count(24)?;
    let mut keys = HashMap::with_capacity(count);
    for _ in 0..count {
        keys.insert(KeyPrint(input.take()?), input.word()?);
    }
    let count = input.count(16)?;
    let mut marks = Vec::with_capacity(count);
    for _ in 0..count {
        marks.push(Mark {
            first_number: input.word()?,
            place: place(input.word()?),
        });
    }
    input.finish()?;
    let ledger = Ledger::restore(accounts, cash, keys, cursor.last_entry, lamport)
        .map_err(|what| StoreError::damaged(name, 0, what))?;
    Ok(Snapshot {
        cursor,
        ledger,
        marks: Marks(marks),
    })
}

struct Writer<'n> {
    file: Arc<dyn DiskFile>,
    name: &'n str,
    offset: u64,
    chunk: Vec<u8>,
    hash: Sha256,
}

impl Writer<'_> {
    fn put(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        if self.chunk.len() + bytes.len() > CHUNK_BYTES {
            self.flush()?;
        }
        self.chunk.extend_from_slice(bytes);
        Ok(())
    }

    fn count(&mut self, count: usize) -> Result<(), StoreError> {
        self.put(&(count as u64).to_le_bytes())
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        self.hash.update(&self.chunk);
        self.file
            .write_at(self.offset, &self.chunk)
            .map_err(StoreError::io("write", self.name))?;
        self.offset += self.chunk.len() as u64;
        self.chunk.clear();
        Ok(())
    }

    fn finish(mut self) -> Result<(), StoreError> {
        self.flush()?;
        let hash = self.hash.finalize();
        self.file
            .write_at(self.offset, &hash)
            .map_err(StoreError::io("write", self.name))?;
        self.file.sync().map_err(StoreError::io("sync", self.name))
    }
}

struct Reader<'n> {
    file: Arc<dyn DiskFile>,
    name: &'n str,
    length: u64,
    /// Of the file's bytes that are in `chunk` or were.
    offset: u64,
    chunk: Vec<u8>,
    at: usize,
    hash: Sha256,
}

impl Reader<'_> {
    fn bytes(&mut self, count: usize) -> Result<&[u8], StoreError> {
        if self.chunk.len() - self.at < count {
            self.hash.update(&self.chunk[..self.at]);
            self.chunk.drain(..self.at);
            self.at = 0;
            let kept = self.chunk.len();
            let more = (self.length - self.offset).min(CHUNK_BYTES as u64) as usize;
            self.chunk.resize(kept + more, 0);
            self.file
                .read_at(self.offset, &mut self.chunk[kept..])
                .map_err(StoreError::io("read", self.name))?;
            self.offset += more as u64;
            if self.chunk.len() < count {
                return Err(self.damaged("it is cut off"));
            }
        }
        self.at += count;
        Ok(&self.chunk[self.at - count..self.at])
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], StoreError> {
        Ok(self.bytes(N)?.try_into().expect("as many as asked for"))
    }

    fn word(&mut self) -> Result<u64, StoreError> {
        self.take().map(u64::from_le_bytes)
    }

    /// How many of something follow, each of at least `bytes_min` bytes.
    fn count(&mut self, bytes_min: usize) -> Result<usize, StoreError> {
        let count = self.word()?;
        match usize::try_from(count) {
            Ok(fits) if count.saturating_mul(bytes_min as u64) <= self.length => Ok(fits),
            _ => Err(self.damaged("it is shorter than it says")),
        }
    }

    fn finish(mut self) -> Result<(), StoreError> {
        self.hash.update(&self.chunk[..self.at]);
        let hash = std::mem::take(&mut self.hash).finalize();
        self.chunk.drain(..self.at);
        self.at = 0;
        if self.take::<32>()? != hash[..] || self.at != self.chunk.len() || self.offset != self.length {
            return Err(self.damaged("its hash does not fit it"));
        }
        Ok(())
    }

    fn damaged(&self, what: &str) -> StoreError {
        StoreError::damaged(self.name, self.offset - (self.chunk.len() - self.at) as u64, what)
    }
}
