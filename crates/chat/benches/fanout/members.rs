//! Connections that are in: opened, greeted, joined, and up to date with the room before anything is measured.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use rustix::net::{AddressFamily, SocketType, bind, connect, ipproto, socket, sockopt};

use crate::checker::{Checker, Depth};
use crate::limit::GREETING;
use crate::line::{Dialect, ROOM, joined_seq};

/// How long a server may take to answer while connections are set up.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// A connection that has joined.
pub(crate) struct Member {
    pub(crate) stream: TcpStream,
    /// The room's number when it came in.
    pub(crate) seq: u64,
}

/// Opens a connection from a loopback address, optionally with a small receive buffer, so that it holds little when
/// it is not read.
pub(crate) fn open(
    to: SocketAddr,
    from: Ipv4Addr,
    receive_bytes: Option<usize>,
) -> anyhow::Result<TcpStream> {
    let socket = socket(AddressFamily::INET, SocketType::STREAM, Some(ipproto::TCP))?;
    if let Some(bytes) = receive_bytes {
        sockopt::set_socket_recv_buffer_size(&socket, bytes)?;
    }
    if from != Ipv4Addr::LOCALHOST {
        bind(&socket, &SocketAddrV4::new(from, 0))?;
    }
    connect(&socket, &to).with_context(|| format!("failed to connect to {to} from {from}"))?;
    let stream = TcpStream::from(socket);
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(ANSWER_MAX))?;
    Ok(stream)
}

/// Who is to come in.
pub(crate) struct Newcomer {
    pub(crate) name: String,
    /// Whether it only sends.
    pub(crate) sends: bool,
    /// How small its receive buffer is to be.
    pub(crate) receive_bytes: Option<usize>,
}

/// Brings a connection in, into a room.
pub(crate) fn join(
    mut stream: TcpStream,
    dialect: Dialect,
    who: &Newcomer,
    room: &str,
) -> anyhow::Result<Member> {
    match dialect {
        Dialect::Say => {}
        Dialect::Said | Dialect::Bare => {
            let line = read_line(&mut stream)?;
            ensure!(line == GREETING, "the limit greets with {}", lossy(&line));
            return Ok(Member { stream, seq: 0 });
        }
        Dialect::Publish if who.sends => return Ok(Member { stream, seq: 0 }),
        Dialect::Publish => {
            let request = format!("*2\r\n$9\r\nSUBSCRIBE\r\n${}\r\n{room}\r\n", room.len());
            stream.write_all(request.as_bytes())?;
            while read_line(&mut stream)? != b":1\r\n" {}
            return Ok(Member { stream, seq: 0 });
        }
    }
    let name = &who.name;
    let request =
        format!("{{\"lamport\":0,\"id\":1,\"op\":\"join\",\"name\":\"{name}\",\"room\":\"{room}\"}}\n");
    stream.write_all(request.as_bytes())?;
    let greeting = read_line(&mut stream)?;
    ensure!(
        greeting.starts_with(br#"{"service":"chat""#),
        "no chat server: {}",
        lossy(&greeting)
    );
    let reply = read_line(&mut stream)?;
    match joined_seq(&reply) {
        Some(seq) => Ok(Member { stream, seq }),
        None => bail!("{name} was not let in: {}", lossy(&reply)),
    }
}

/// Opens all of them into one room, one after the other, and reads what each saw of the others coming in.
pub(crate) fn gather(
    to: SocketAddr,
    dialect: Dialect,
    newcomers: &[Newcomer],
) -> anyhow::Result<Vec<(TcpStream, Checker)>> {
    let senders = newcomers.iter().filter(|who| who.sends).count();
    let members: Vec<Member> = newcomers
        .iter()
        .map(|who| {
            join(
                open(to, Ipv4Addr::LOCALHOST, who.receive_bytes)?,
                dialect,
                who,
                ROOM,
            )
        })
        .collect::<anyhow::Result<_>>()?;
    let last = members.last().map_or(0, |member| member.seq);
    members
        .into_iter()
        .map(|mut member| {
            let mut checker = Checker::new(dialect, Depth::Full, senders);
            checker.expect_seq(member.seq + 1);
            let mut bytes = [0; 16 * 1024];
            while checker.next_seq() <= last {
                let count = member
                    .stream
                    .read(&mut bytes)
                    .context("failed to see the others come in")?;
                ensure!(
                    count > 0,
                    "the server closed a connection while the others came in"
                );
                checker.receive(&bytes[..count], 0);
            }
            ensure!(
                checker.faults == 0,
                "coming in went wrong: {}",
                checker.first_fault.unwrap_or_default()
            );
            member.stream.set_nonblocking(true)?;
            Ok((member.stream, checker))
        })
        .collect()
}

/// Reads one line, byte by byte: nothing after it is taken.
fn read_line(stream: &mut TcpStream) -> anyhow::Result<Vec<u8>> {
    let mut line = Vec::new();
    let mut byte = [0];
    while line.last() != Some(&b'\n') {
        let count = stream.read(&mut byte).context("failed to get an answer")?;
        ensure!(
            count == 1,
            "the server closed the connection; it had said: {}",
            lossy(&line)
        );
        line.push(byte[0]);
    }
    Ok(line)
}

fn lossy(line: &[u8]) -> String {
    String::from_utf8_lossy(line)
        .trim_end()
        .escape_debug()
        .to_string()
}
