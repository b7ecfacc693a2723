//! The limits: what the disk and the network allow, and servers that do less than a bank.
//!
//! - [`fdatasync`]: writing and syncing 4 KiB in a file that is already there.
//! - [`Limit::Echo`]: a plain Tokio server that sends back what it reads.
//! - [`Limit::Journal`]: a Tokio server that reads each request as JSON, appends an entry of the bank's size to one
//!   preallocated file by group commit, and replies with JSON when it is durable. It keeps no accounts, balances,
//!   locks, keys, clocks or checksums: what a bank costs beyond its journal is the distance to it.
//!
//! The benchmark starts itself again with `--be`, so that a limit is a process of its own on the servers' cores.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::ValueEnum;
use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A server that is measured beside the bank.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Limit {
    Echo,
    Journal,
}

/// What the disk takes for a durable write, as medians go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sync {
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
}

const READ_BYTES: usize = 64 * 1024;
/// Bytes of the bank's entries.
const ENTRY_BYTES: usize = 104;
/// The journal's file; it begins again at its start when it is full.
const JOURNAL_BYTES: u64 = 256 << 20;

/// Overwrites and syncs 4 KiB, again and again.
pub(crate) fn fdatasync(place: &Path, times: usize) -> io::Result<Sync> {
    let mut file = File::create(place.join("fdatasync"))?;
    file.write_all(&vec![0; 4 << 20])?;
    file.sync_all()?;
    let mut took = Vec::with_capacity(times);
    for n in 0..times as u64 {
        let begun = Instant::now();
        file.write_all_at(&[n as u8; 4096], n % 1024 * 4096)?;
        file.sync_data()?;
        took.push(begun.elapsed());
    }
    took.sort_unstable();
    Ok(Sync {
        p50: took[times / 2],
        p99: took[times * 99 / 100],
    })
}

/// Runs a limit until it is ended. Its first line is its address.
pub(crate) fn serve(limit: Limit, journal: Option<&Path>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        anstream::println!("{}", listener.local_addr()?);
        let journal = match limit {
            Limit::Echo => None,
            Limit::Journal => Some(Journal::start(journal.context("a journal needs a place")?)?),
        };
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            match &journal {
                None => drop(tokio::spawn(echo(stream))),
                Some(journal) => drop(tokio::spawn(record(stream, Arc::clone(journal)))),
            }
        }
    })
}

async fn echo(mut stream: TcpStream) -> io::Result<()> {
    stream
        .write_all(b"{\"service\":\"echo\",\"protocol\":1}\n")
        .await?;
    let mut bytes = vec![0; READ_BYTES];
    loop {
        let count = stream.read(&mut bytes).await?;
        if count == 0 {
            return Ok(());
        }
        stream.write_all(&bytes[..count]).await?;
    }
}

#[derive(Deserialize)]
struct Request<'a> {
    lamport: u64,
    id: u64,
    op: &'a str,
    to: Option<&'a str>,
    amount: Option<&'a str>,
}

/// The entries that wait, and how far the file is durable.
struct Journal {
    gathered: Mutex<(Vec<u8>, u64)>,
    work: Condvar,
    durable: watch::Sender<u64>,
}

impl Journal {
    fn start(place: &Path) -> io::Result<Arc<Self>> {
        let mut file = File::create(place.join("journal"))?;
        for _ in 0..JOURNAL_BYTES >> 20 {
            file.write_all(&vec![0; 1 << 20])?;
        }
        file.sync_all()?;
        let journal = Arc::new(Self {
            gathered: Mutex::default(),
            work: Condvar::new(),
            durable: watch::Sender::new(0),
        });
        let writer = Arc::clone(&journal);
        std::thread::spawn(move || writer.write_out(&file));
        Ok(journal)
    }

    /// Adds entries and gives the number that must be durable before they are.
    fn add(&self, entries: &[u8]) -> u64 {
        let mut gathered = self.gathered.lock().expect("nobody panics with it");
        let was_idle = gathered.0.is_empty();
        gathered.0.extend_from_slice(entries);
        gathered.1 += (entries.len() / ENTRY_BYTES) as u64;
        let number = gathered.1;
        drop(gathered);
        if was_idle {
            self.work.notify_one();
        }
        number
    }

    fn write_out(&self, file: &File) {
        let mut batch = Vec::new();
        let mut at = 0;
        loop {
            batch.clear();
            let mut gathered = self.gathered.lock().expect("nobody panics with it");
            while gathered.0.is_empty() {
                gathered = self.work.wait(gathered).expect("nobody panics with it");
            }
            std::mem::swap(&mut gathered.0, &mut batch);
            let number = gathered.1;
            drop(gathered);
            if at + batch.len() as u64 > JOURNAL_BYTES {
                at = 0;
            }
            file.write_all_at(&batch, at).expect("there is room");
            file.sync_data().expect("the disk syncs");
            at += batch.len() as u64;
            self.durable.send_replace(number);
        }
    }
}

async fn record(mut stream: TcpStream, journal: Arc<Journal>) -> anyhow::Result<()> {
    stream
        .write_all(b"{\"service\":\"journal\",\"protocol\":1}\n")
        .await?;
    let mut durable = journal.durable.subscribe();
    let (mut bytes, mut filled) = (vec![0; READ_BYTES], 0);
    let (mut entries, mut replies) = (Vec::new(), Vec::new());
    loop {
        let count = stream.read(&mut bytes[filled..]).await?;
        if count == 0 {
            return Ok(());
        }
        filled += count;
        let whole = memchr::memrchr(b'\n', &bytes[..filled]).map_or(0, |last| last + 1);
        entries.clear();
        replies.clear();
        for line in bytes[..whole]
            .split(|&byte| byte == b'\n')
            .filter(|line| !line.is_empty())
        {
            let request: Request<'_> = serde_json::from_slice(line)?;
            let mut entry = [0; ENTRY_BYTES];
            entry[..8].copy_from_slice(&request.lamport.to_le_bytes());
            for (at, text) in [
                (8, request.op),
                (24, request.to.unwrap_or("")),
                (40, request.amount.unwrap_or("")),
            ] {
                entry[at..at + text.len().min(16)].copy_from_slice(&text.as_bytes()[..text.len().min(16)]);
            }
            entries.extend_from_slice(&entry);
            let (lamport, id) = (request.lamport + 2, request.id);
            let ok = r#""ok":{"balance":"1000.00","entry":1000000}"#;
            writeln!(replies, "{{\"lamport\":{lamport},\"id\":{id},{ok}}}")?;
        }
        bytes.copy_within(whole..filled, 0);
        filled -= whole;
        if !entries.is_empty() {
            let number = journal.add(&entries);
            durable.wait_for(|&durable| durable >= number).await?;
            stream.write_all(&replies).await?;
        }
    }
}
