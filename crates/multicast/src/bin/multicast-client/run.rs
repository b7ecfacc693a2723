//! The four commands.

use std::io::{self, Write};
use std::sync::Arc;

use anyhow::{anyhow, bail};
use futures::stream::{FuturesOrdered, StreamExt as _};
use lamport::ProcessId;
use lamport::trace::Service;
use multicast::client::{self, ClientError, Seen, Sent, Session, Since, TraceObserver, Watch};
use proto::net::cli::{hinted, misused};
use proto::net::{ClientSettings, ConnectError, Dialer, is_address};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::{Args, Command, show};

/// Texts on their way to the peer at once when they come from the standard input.
const SENDING_MAX: usize = 1024;

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let Some(address) = args.address.get().map(str::to_owned) else {
        return Err(misused(
            anyhow!("no peer is named"),
            "give its address before the command: HOST:PORT, a port, or one of P1, P2 and P3",
        ));
    };
    let dialer = Dialer::Tcp(address.clone());
    let own = || ProcessId::new(&format!("client-{}", std::process::id()));
    let tracer = args
        .trace
        .tracer(Service::Multicast, || args.process.clone().map_or_else(own, Ok))?;
    let mut settings = client::settings();
    if tracer.is_on() {
        settings.observer = Some(Arc::new(TraceObserver(tracer.clone())));
    }
    let result = match args.command {
        Command::Send { text: Some(text) } => send(&dialer, settings, &text, args.json).await,
        Command::Send { text: None } => send_lines(&dialer, settings, args.json).await,
        Command::Watch { since, count } => watch(dialer, settings, since, count, args.json).await,
        Command::Status => status(&dialer, settings, args.json, show::status).await,
        Command::Members => status(&dialer, settings, args.json, show::members).await,
    };
    tracer.close()?;
    result.map_err(|error| explain(error, &address))
}

/// `P2` is the built-in group's, `5002` a port on this machine.
pub(crate) fn resolve(address: &str) -> Result<String, &'static str> {
    let builtin = [("P1", 5001), ("P2", 5002), ("P3", 5003)];
    if let Some((_, port)) = builtin
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(address))
    {
        return Ok(format!("localhost:{port}"));
    }
    match address.parse::<u16>() {
        Ok(port) => Ok(format!("localhost:{port}")),
        Err(_) if is_address(address) => Ok(address.to_owned()),
        Err(_) => Err("not HOST:PORT, a port, or one of P1, P2 and P3"),
    }
}

async fn send(dialer: &Dialer, settings: ClientSettings, text: &str, json: bool) -> anyhow::Result<()> {
    let session = Session::attach(dialer, settings).await?;
    let sent = session.send(text).await?;
    show_sent(text, &sent, json)
}

/// Every line is a message. Answers are shown as they come, in order; a line that is refused does not keep the others back.
async fn send_lines(dialer: &Dialer, settings: ClientSettings, json: bool) -> anyhow::Result<()> {
    let session = Session::attach(dialer, settings).await?;
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut sending = FuturesOrdered::new();
    let mut open = true;
    let mut refused = 0_usize;
    while open || !sending.is_empty() {
        tokio::select! {
            line = lines.next_line(), if open && sending.len() < SENDING_MAX => match line? {
                None => open = false,
                Some(text) if text.is_empty() => {}
                Some(text) => {
                    let answer = session.begin_send(&text).await?;
                    sending.push_back(async move { (answer.done().await, text) });
                }
            },
            Some((answer, text)) = sending.next() => match answer {
                Ok(sent) => show_sent(&text, &sent, json)?,
                Err(ClientError::Refused(told)) => {
                    refused += 1;
                    tell(&mut io::stderr().lock(), &format!("not sent: {told}"))?;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
    match refused {
        0 => Ok(()),
        1 => bail!("a line was not sent"),
        refused => bail!("{refused} lines were not sent"),
    }
}

fn show_sent(text: &str, sent: &Sent, json: bool) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    let at = jiff::Timestamp::now();
    let line = if json {
        serde_json::json!({"message": sent.message.to_string(), "stamp": sent.stamp}).to_string()
    } else {
        show::sent(sent.message.origin.as_str(), at, text, sent.stamp)
    };
    tell(&mut out, &line)
}

async fn watch(
    dialer: Dialer,
    settings: ClientSettings,
    since: Since,
    count: Option<u64>,
    json: bool,
) -> anyhow::Result<()> {
    let mut watch = Watch::open(dialer, settings, since).await?;
    let mut left = count;
    while left != Some(0) {
        let seen = tokio::select! {
            seen = watch.next() => seen?,
            interrupted = tokio::signal::ctrl_c() => {
                interrupted?;
                break;
            }
        };
        let process = &watch.watching().process;
        match &seen {
            Seen::Delivered(delivered) => {
                left = left.map(|left| left - 1);
                let line = if json {
                    show::json_delivered(delivered)
                } else {
                    show::delivered(process, delivered)
                };
                tell(&mut io::stdout().lock(), &line)?;
            }
            Seen::Missed(missed) if json => tell(&mut io::stdout().lock(), &show::json_missed(missed))?,
            other => {
                if let Some(notice) = show::notice(process, other) {
                    tell(&mut io::stderr().lock(), &notice)?;
                }
            }
        }
    }
    Ok(())
}

async fn status(
    dialer: &Dialer,
    settings: ClientSettings,
    json: bool,
    show: fn(&client::Status) -> String,
) -> anyhow::Result<()> {
    let session = Session::attach(dialer, settings).await?;
    let text = if json {
        session.raw_status().await?.get().to_owned()
    } else {
        show(&session.status().await?)
    };
    tell(&mut io::stdout().lock(), &text)
}

/// A reader that went away (`| head`) has all it wanted.
fn tell(to: &mut impl Write, line: &str) -> anyhow::Result<()> {
    match writeln!(to, "{line}").and_then(|()| to.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        other => Ok(other?),
    }
}

/// Adds what a person can do about it.
fn explain(error: anyhow::Error, address: &str) -> anyhow::Error {
    let Some(cause) = error.downcast_ref::<ClientError>() else {
        return error;
    };
    let hint = match cause {
        ClientError::Connect(ConnectError::Unreachable { .. }) => {
            "is the peer running? start one with `multicast --id P1`, and give its address as HOST:PORT"
                .to_owned()
        }
        ClientError::Connect(ConnectError::Silent { .. }) => {
            format!("is {address} a peer, or is something in between holding the connection back?")
        }
        ClientError::Connect(ConnectError::WrongServer { .. }) => {
            "give the address at which a multicast peer listens; it prints it as its first line".to_owned()
        }
        ClientError::Connect(ConnectError::Refused(told)) | ClientError::Refused(told) => match &told.hint {
            Some(hint) => hint.clone(),
            None => return error,
        },
        ClientError::Lost => {
            "a text may have been sent all the same; look with `watch --since start` before sending it again"
                .to_owned()
        }
        ClientError::NotUnderstood { .. } => "are the client and the peer of the same version?".to_owned(),
    };
    // The message holds its causes already; the chain would say them twice.
    hinted(anyhow::Error::msg(cause.to_string()), hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_may_be_short() {
        for (given, expected) in [
            ("P1", "localhost:5001"),
            ("p3", "localhost:5003"),
            ("7000", "localhost:7000"),
            ("host:1", "host:1"),
        ] {
            assert_eq!(resolve(given).as_deref(), Ok(expected));
        }
        for nonsense in ["P9", "99999", "host", "host:"] {
            assert!(resolve(nonsense).is_err(), "{nonsense}");
        }
    }
}
