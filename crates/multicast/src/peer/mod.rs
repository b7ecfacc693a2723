//! One run of a peer: join, send what is typed or scripted, print what happens, leave.

mod explain;
mod lines;
mod output;
mod script;

use std::io::{self, BufRead as _, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use lamport::trace::Service;
use multicast::clients::Clients;
use multicast::page::GroupPage;
use multicast::{Group, GroupSettings, Handle, Members};
use proto::net::cli::{announce, hinted, misused, not_listening};
use proto::net::web::PageAddress;
use proto::net::{ListenError, Shutdown};
use tokio::sync::mpsc;

use crate::Args;

/// Lines typed that wait to be sent: a person is never that fast, a pipe waits.
const TYPED_MAX: usize = 64;

/// Shortest secret, in bytes: below it guessing is easier than breaking the hash.
const SECRET_BYTES_MIN: usize = 16;

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let Some(id) = args.id.clone() else {
        return Err(misused(
            anyhow::anyhow!("which member is this?"),
            "say --id P1, --id P2 or --id P3",
        ));
    };
    let members = match &args.group {
        Some(file) => Members::read(file).map_err(explain::members)?,
        None => Members::builtin(),
    };
    let secret = args.secret_file.as_deref().map(read_secret).transpose()?;
    let tracer = args.observe.trace.tracer(Service::Multicast, || Ok(id.clone()))?;
    let data = args
        .data
        .clone()
        .unwrap_or_else(|| PathBuf::from("data/multicast").join(id.as_str()));
    let shutdown = Shutdown::at_signals();
    let settings = GroupSettings::new(id.clone(), members)
        .order(args.order)
        .data((!args.memory).then_some(data))
        .durable(args.durable)
        .secret(secret)
        .tracer(tracer.clone())
        .limits(args.server.limits())
        .shutdown(shutdown.clone())
        .tell_sends(true);
    let mut group = Group::join(settings).await.map_err(explain::join)?;
    let clients = Clients::install(&group);
    let page = match args.page.address() {
        Some(address) => Some(open_page(address, &group, shutdown.clone()).await?),
        None => None,
    };
    announce(group.address())?;
    let senders = send(&args, group.handle(), shutdown.clone());
    let printer = lines::Printer::new(id, args.json);
    let mut output = output::Output::open();
    let mut result = Ok(());
    loop {
        let events = tokio::select! {
            events = group.next() => events,
            () = shutdown.begun() => break,
        };
        let Some(events) = events else { break };
        clients.tell(&events);
        let printed = tokio::select! {
            printed = output.write(printer.lines(&events)?) => printed,
            () = out_of_time(&shutdown, args.server.grace) => {
                tracing::warn!("nobody reads what is printed; the end does not wait for it");
                break;
            }
        };
        if let Err(error) = printed {
            // Nobody reads any more: a pipe that ended is no failure.
            if error.kind() != io::ErrorKind::BrokenPipe {
                result = Err(error.into());
            }
            break;
        }
        group.taken();
    }
    if let Some(failure) = group.failure() {
        result = Err(anyhow::anyhow!("{failure}"));
    }
    senders.abort();
    group.leave().await;
    if let Some(page) = page {
        // A panic of it has been printed.
        let _ = page.await;
    }
    tracer.close()?;
    result
}

/// Returns when the time that a shutdown gives everybody is over.
async fn out_of_time(shutdown: &Shutdown, grace: Duration) {
    shutdown.begun().await;
    tokio::time::sleep(grace).await;
}

/// Serves the page in a task of its own, until the peer goes down.
async fn open_page(
    address: PageAddress,
    group: &Group,
    shutdown: Shutdown,
) -> anyhow::Result<tokio::task::JoinHandle<()>> {
    let listen = address.listen.clone();
    let page = GroupPage::bind(address, group)
        .await
        .map_err(|error| not_listening(ListenError::at(&listen)(error), "--http"))?;
    tracing::info!(page = %format!("http://{}/", page.local_address()?), "serving a page");
    Ok(tokio::spawn(async move {
        if let Err(error) = page.serve(shutdown).await {
            tracing::error!(%error, "the page is no longer served");
        }
    }))
}

/// Sends what is typed or scripted, in a task of its own.
fn send(args: &Args, handle: Handle, shutdown: Shutdown) -> tokio::task::JoinHandle<()> {
    let mut typed = type_lines();
    let auto = args.auto;
    tokio::spawn(async move {
        if auto {
            script::play(&handle).await;
        }
        // Lines that are there together are sent together: a durable peer stores them with one sync.
        let mut lines = Vec::new();
        while typed.recv_many(&mut lines, TYPED_MAX).await > 0 {
            let lines = lines
                .drain(..)
                .map(|line: String| line.trim_end_matches('\r').to_owned());
            let (texts, ends) = until_the_end(lines);
            let sendable = texts.into_iter().filter(|text| {
                Handle::check(text.as_bytes())
                    .inspect_err(|error| tracing::error!("not sent: {error}"))
                    .is_ok()
            });
            let texts: Vec<Bytes> = sendable.map(Bytes::from).collect();
            if !texts.is_empty()
                && let Err(error) = handle.send_all(texts).await
            {
                // No later line will be sent either, and whoever ended the member has said why.
                return tracing::error!("not sent: {error}");
            }
            if ends {
                return shutdown.begin();
            }
        }
        // At a terminal that is Ctrl-D. Elsewhere the end of stdin ends nothing: the peer goes on receiving and relaying.
        if io::stdin().is_terminal() {
            shutdown.begin();
        }
    })
}

/// The lines to send, up to the one that ends the peer, and whether there is one.
fn until_the_end(lines: impl Iterator<Item = String>) -> (Vec<String>, bool) {
    let mut texts = Vec::new();
    for line in lines {
        if line == "sair" || line == "/quit" {
            return (texts, true);
        }
        if !line.is_empty() {
            texts.push(line);
        }
    }
    (texts, false)
}

/// Lines of stdin, read on a thread of their own: a read that waits cannot be called off.
fn type_lines() -> mpsc::Receiver<String> {
    let (lines, typed) = mpsc::channel(TYPED_MAX);
    std::thread::spawn(move || {
        for line in io::stdin().lock().split(b'\n') {
            let Ok(line) = line else { return };
            if lines
                .blocking_send(String::from_utf8_lossy(&line).into_owned())
                .is_err()
            {
                return;
            }
        }
    });
    typed
}

fn read_secret(file: &Path) -> anyhow::Result<Vec<u8>> {
    const HINT: &str = "make one with: head -c 32 /dev/urandom | base64 > FILE";
    let mut secret = std::fs::read(file)
        .with_context(|| format!("failed to read the secret file {}", file.display()))
        .map_err(|error| hinted(error, HINT))?;
    while secret.last().is_some_and(u8::is_ascii_whitespace) {
        secret.pop();
    }
    if secret.len() < SECRET_BYTES_MIN {
        let error = anyhow::anyhow!(
            "the secret in {} has fewer than {SECRET_BYTES_MIN} bytes",
            file.display()
        );
        return Err(hinted(error, HINT));
    }
    Ok(secret)
}
