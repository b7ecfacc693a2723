//! The minimal full mesh: what a group costs that only carries messages.
//!
//! Each message is encoded once as a JSON line and written once to each peer, many lines in one write; each line that
//! arrives is parsed. There are no books: no clocks that move, no watermarks, acknowledgements, relays, orders or repairs,
//! and a peer that is gone is gone. What it leaves to others: everything that makes a reliable multicast. That is the point.
//!
//! Blocking sockets, a thread for the sender and one for each peer, which on four cores was the fastest of what we tried.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Deserialize;

use crate::payload::PAYLOAD_BYTES;
use crate::tally::{MEMBERS, Tally};

/// Bytes read at once.
const READ_BYTES: usize = 256 * 1024;

/// A fault planted on purpose, so that the benchmark can show that its checks find it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Plant {
    /// One message reaches nobody.
    Lose,
    /// One message is delivered twice.
    Double,
    /// Two messages change places.
    Swap,
}

/// The message at which a planted fault strikes.
const STRUCK: u64 = 777;

/// One member's sending end.
pub(crate) struct Minimal {
    index: usize,
    peers: Vec<TcpStream>,
    chunk: Vec<u8>,
    sequence: u64,
    tally: Arc<Tally>,
}

/// The line of a message, with the fields that any group needs to know it by.
#[derive(Deserialize)]
struct Line<'a> {
    lamport: u64,
    #[serde(borrow)]
    origin: &'a str,
    incarnation: u64,
    sequence: u64,
    #[serde(borrow)]
    data: &'a str,
}

impl Minimal {
    /// Connects with the others: each member dials those before it in the list.
    pub(crate) fn join(
        listener: TcpListener,
        index: usize,
        addresses: &[SocketAddr],
        plant: Option<Plant>,
        tally: Arc<Tally>,
    ) -> io::Result<Self> {
        let mut peers = Vec::new();
        for address in &addresses[..index] {
            let mut stream = TcpStream::connect(address)?;
            stream.set_nodelay(true)?;
            stream.write_all(&[index as u8])?;
            peers.push(stream);
        }
        while peers.len() < MEMBERS - 1 {
            let (mut stream, _) = listener.accept()?;
            stream.set_nodelay(true)?;
            stream.read_exact(&mut [0])?;
            peers.push(stream);
        }
        // A planted fault must strike once, whichever reader comes to it.
        let plant = Arc::new(Mutex::new(plant));
        for stream in &peers {
            let (stream, tally, plant) = (stream.try_clone()?, Arc::clone(&tally), Arc::clone(&plant));
            std::thread::spawn(move || receive(stream, &tally, &plant));
        }
        Ok(Self {
            index,
            peers,
            chunk: Vec::new(),
            sequence: 0,
            tally,
        })
    }

    /// Encodes a message and delivers it here; it leaves with the next [`flush`](Self::flush).
    pub(crate) fn broadcast(&mut self, payload: &[u8; PAYLOAD_BYTES]) {
        self.sequence += 1;
        let mut number = itoa::Buffer::new();
        let sequence = number.format(self.sequence).as_bytes();
        for part in [
            b"{\"lamport\":",
            sequence,
            b",\"origin\":\"P",
            &[b'1' + self.index as u8],
            b"\",\"incarnation\":1,\"sequence\":",
            sequence,
            b",\"data\":\"",
            payload,
            b"\"}\n",
        ] {
            self.chunk.extend_from_slice(part);
        }
        self.tally.deliver(self.index, payload);
    }

    /// Writes what was broadcast to every peer.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        for peer in &mut self.peers {
            peer.write_all(&self.chunk)?;
        }
        self.chunk.clear();
        Ok(())
    }
}

/// Parses and delivers until the peer is gone.
fn receive(mut stream: TcpStream, tally: &Tally, plant: &Mutex<Option<Plant>>) {
    let mut buffer = vec![0; READ_BYTES];
    let mut held: Option<(usize, Vec<u8>)> = None;
    let mut filled = 0;
    let planted = plant.lock().unwrap_or_else(PoisonError::into_inner).is_some();
    loop {
        match stream.read(&mut buffer[filled..]) {
            Ok(0) | Err(_) => return,
            Ok(read) => filled += read,
        }
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', &buffer[..filled]) {
            let line: Line<'_> = serde_json::from_slice(&buffer[start..end]).expect("members write JSON");
            let sender = usize::from(line.origin.as_bytes()[1] - b'1');
            assert!(
                line.lamport >= line.sequence && line.incarnation == 1,
                "a line of this mesh"
            );
            start = end + 1;
            if planted && line.sequence >= STRUCK {
                strike(plant, tally, sender, line.data.as_bytes(), &mut held);
            } else {
                tally.deliver(sender, line.data.as_bytes());
            }
        }
        buffer.copy_within(start..filled, 0);
        filled -= start;
        tally.look();
    }
}

/// Delivers wrongly, once.
fn strike(
    plant: &Mutex<Option<Plant>>,
    tally: &Tally,
    sender: usize,
    data: &[u8],
    held: &mut Option<(usize, Vec<u8>)>,
) {
    match plant.lock().unwrap_or_else(PoisonError::into_inner).take() {
        Some(Plant::Lose) => {}
        Some(Plant::Double) => {
            tally.deliver(sender, data);
            tally.deliver(sender, data);
        }
        Some(Plant::Swap) => *held = Some((sender, data.to_vec())),
        None => {
            tally.deliver(sender, data);
            if let Some((sender, data)) = held.take() {
                tally.deliver(sender, &data);
            }
        }
    }
}
