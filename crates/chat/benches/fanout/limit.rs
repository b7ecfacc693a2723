//! The physical limit: a server that only copies bytes from one socket to all the others.
//!
//! One thread, edge-triggered readiness, big reads, and one gathering write per receiver for everything it has not
//! had yet. It parses nothing but the newline that ends a line, knows no rooms, names, numbers, stamps or history, and
//! loses nothing: when the slowest connection has not taken the oldest chunk, no sender is read any more.
//! What it leaves to others: everything that makes a chat. That is the point.
//!
//! The load program starts itself again with `--limit-server`, so that the limit is a process of its own with a core
//! of its own, like the server it is compared with.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Read, Write};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

/// How much is read from one sender at a time. Measured on cores with 2 MiB of L2 each: 64 KiB is a fifth slower with one
/// sender, 1 MiB with four; a chunk is written to everybody while it is still in the cache.
const CHUNK_BYTES: usize = 256 * 1024;
/// How many chunks wait for the slowest connection before the senders have to wait (8 MiB in all).
const CHUNKS_MAX: usize = 32;
/// How many chunks one gathering write takes.
const SLICES_MAX: usize = 16;
const LISTENER: Token = Token(usize::MAX);

/// The line every connection gets first: who has read it knows that it is in.
pub(crate) const GREETING: &[u8] = b"{\"service\":\"limit\",\"protocol\":1}\n";

/// A fault planted on purpose, so that the load program can show that its checks find it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Plant {
    /// One line never reaches anybody.
    Lose,
    /// One line reaches everybody twice.
    Double,
    /// Two lines change places.
    Swap,
}

/// Bytes as one sender sent them, whole lines only.
struct Chunk {
    origin: usize,
    bytes: Vec<u8>,
    /// Connections that still have to take it.
    waiting: usize,
}

struct Connection {
    stream: TcpStream,
    /// The number of the chunk it takes next, and how much of that one it has.
    cursor: u64,
    offset: usize,
    readable: bool,
    writable: bool,
    /// The beginning of a line whose end has not come yet.
    carry: Vec<u8>,
}

/// The chunks that somebody still lacks; `first` is the number of the oldest.
#[derive(Default)]
struct Log {
    chunks: VecDeque<Chunk>,
    first: u64,
    spare: Vec<Vec<u8>>,
}

impl Log {
    fn end(&self) -> u64 {
        self.first + self.chunks.len() as u64
    }

    fn chunk(&mut self, number: u64) -> &mut Chunk {
        &mut self.chunks[(number - self.first) as usize]
    }

    fn drop_taken(&mut self) {
        while self.chunks.front().is_some_and(|chunk| chunk.waiting == 0) {
            let chunk = self.chunks.pop_front().expect("the front was just seen");
            self.spare.push(chunk.bytes);
            self.first += 1;
        }
    }
}

/// Listens on a free port of 127.0.0.1, prints the address as its first line, and copies until it is ended.
pub(crate) fn serve(mut plant: Option<Plant>) -> io::Result<()> {
    let mut listener = TcpListener::bind(([127, 0, 0, 1], 0).into())?;
    let mut poll = Poll::new()?;
    poll.registry()
        .register(&mut listener, LISTENER, Interest::READABLE)?;
    writeln!(io::stdout(), "{}", listener.local_addr()?)?;
    io::stdout().flush()?;

    let mut events = Events::with_capacity(1024);
    let mut connections: Vec<Option<Connection>> = Vec::new();
    let mut alive = 0;
    let mut log = Log::default();
    let mut more_to_read = false;
    loop {
        let patience = more_to_read.then_some(std::time::Duration::ZERO);
        match poll.poll(&mut events, patience) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        }
        for event in &events {
            if event.token() == LISTENER {
                alive += accept(&listener, &poll, &mut connections, log.end())?;
            } else if let Some(connection) = &mut connections[event.token().0] {
                connection.readable |= event.is_readable();
                connection.writable |= event.is_writable();
            }
        }

        for (id, slot) in connections.iter_mut().enumerate() {
            if log.chunks.len() >= CHUNKS_MAX {
                break;
            }
            let Some(connection) = slot.as_mut().filter(|connection| connection.readable) else {
                continue;
            };
            if read_chunk(connection, &mut log, id, alive, &mut plant).is_err() {
                close(slot, &mut log, id);
                alive -= 1;
            }
        }
        for (id, slot) in connections.iter_mut().enumerate() {
            let Some(connection) = slot.as_mut().filter(|connection| connection.writable) else {
                continue;
            };
            if write_backlog(connection, &mut log, id).is_err() {
                close(slot, &mut log, id);
                alive -= 1;
            }
        }
        log.drop_taken();
        // With room in the log the next read need not wait for an event: none would come for bytes already there.
        let waiting = connections.iter().flatten().any(|connection| connection.readable);
        more_to_read = waiting && log.chunks.len() < CHUNKS_MAX;
    }
}

fn accept(
    listener: &TcpListener,
    poll: &Poll,
    connections: &mut Vec<Option<Connection>>,
    cursor: u64,
) -> io::Result<usize> {
    let mut accepted = 0;
    loop {
        let mut stream = match listener.accept() {
            Ok((stream, _)) => stream,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(accepted),
            Err(error) => return Err(error),
        };
        stream.set_nodelay(true)?;
        let both = Interest::READABLE | Interest::WRITABLE;
        poll.registry()
            .register(&mut stream, Token(connections.len()), both)?;
        stream.write_all(GREETING)?;
        connections.push(Some(Connection {
            stream,
            cursor,
            offset: 0,
            readable: false,
            writable: true,
            carry: Vec::new(),
        }));
        accepted += 1;
    }
}

/// Reads what one sender has, up to a chunk, and appends its whole lines to the log.
fn read_chunk(
    connection: &mut Connection,
    log: &mut Log,
    origin: usize,
    alive: usize,
    plant: &mut Option<Plant>,
) -> io::Result<()> {
    let mut bytes = log.spare.pop().unwrap_or_default();
    bytes.resize(CHUNK_BYTES, 0);
    let carried = connection.carry.len();
    bytes[..carried].copy_from_slice(&connection.carry);
    match connection.stream.read(&mut bytes[carried..]) {
        Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
        Ok(count) => {
            // A short read emptied the socket: the next bytes raise a new edge.
            connection.readable = carried + count == CHUNK_BYTES;
            let whole = memchr::memrchr(b'\n', &bytes[..carried + count]).map_or(0, |last| last + 1);
            connection.carry.clear();
            connection.carry.extend_from_slice(&bytes[whole..carried + count]);
            bytes.truncate(whole);
            spoil(&mut bytes, plant);
            if bytes.is_empty() {
                log.spare.push(bytes);
            } else {
                log.chunks.push_back(Chunk {
                    origin,
                    bytes,
                    waiting: alive - 1,
                });
            }
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            connection.readable = false;
            log.spare.push(bytes);
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// Writes everything the connection lacks, as far as its socket takes it.
fn write_backlog(connection: &mut Connection, log: &mut Log, id: usize) -> io::Result<()> {
    while connection.cursor < log.end() {
        if log.chunk(connection.cursor).origin == id {
            connection.cursor += 1;
            continue;
        }
        let skip = (connection.cursor - log.first) as usize;
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let mut used = 0;
        let mut wanted = 0;
        for (slice, chunk) in slices.iter_mut().zip(log.chunks.iter().skip(skip)) {
            if chunk.origin == id {
                break;
            }
            *slice = IoSlice::new(&chunk.bytes[if used == 0 { connection.offset } else { 0 }..]);
            wanted += slice.len();
            used += 1;
        }
        let mut written = match connection.stream.write_vectored(&slices[..used]) {
            Ok(written) => written,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) => return Err(error),
        };
        connection.writable = written == wanted;
        while written > 0 {
            let chunk = log.chunk(connection.cursor);
            let rest = chunk.bytes.len() - connection.offset;
            if written < rest {
                connection.offset += written;
                break;
            }
            written -= rest;
            chunk.waiting -= 1;
            connection.cursor += 1;
            connection.offset = 0;
        }
        if !connection.writable {
            return Ok(());
        }
    }
    Ok(())
}

/// Forgets a connection; what it had not taken need not wait for it.
fn close(slot: &mut Option<Connection>, log: &mut Log, id: usize) {
    let Some(connection) = slot.take() else { return };
    for number in connection.cursor..log.end() {
        let chunk = log.chunk(number);
        if chunk.origin != id {
            chunk.waiting -= 1;
        }
    }
}

/// Carries out a planted fault once, in the first chunk that holds three lines.
fn spoil(bytes: &mut Vec<u8>, plant: &mut Option<Plant>) {
    let Some(fault) = *plant else { return };
    let ends: Vec<usize> = memchr::memchr_iter(b'\n', bytes)
        .take(3)
        .map(|end| end + 1)
        .collect();
    let &[first, second, third] = ends.as_slice() else {
        return;
    };
    *plant = None;
    match fault {
        Plant::Lose => drop(bytes.drain(first..second)),
        Plant::Double => drop(bytes.splice(second..second, bytes[first..second].to_vec())),
        Plant::Swap => bytes[first..third].rotate_left(second - first),
    }
}
