//! For programs: each line of stdin is said, each event is a line on stdout, what went wrong is on stderr.

use std::io::{BufRead as _, BufReader, Read as _, Write};

use anyhow::bail;
use chat::client::{Chat, Command, End, Notice, Settings, Typed, View, connect, parse};
use proto::limits::LINE_BYTES_MAX;
use tokio::signal::unix::{SignalKind, signal};

pub(super) async fn run(settings: Settings, json: bool) -> anyhow::Result<()> {
    let address = settings.dialer.to_string();
    let (chat, mut notices, joined) = connect(settings)
        .await
        .map_err(|error| super::explain(error, &address))?;
    let mut view = View::new(false, &joined.room);
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let reader = chat.clone();
    std::thread::Builder::new()
        .name("stdin".to_owned())
        .spawn(move || read(&reader))?;
    let mut output = Output { json, refused: 0 };
    let mut leaving = false;
    loop {
        let notice = tokio::select! {
            notice = notices.recv() => Some(notice),
            _ = interrupt.recv() => None,
            _ = terminate.recv() => None,
        };
        let Some(notice) = notice else {
            if std::mem::replace(&mut leaving, true) {
                bail!("ended before all was said");
            }
            // Beside this loop: what was said before has to find room first.
            let chat = chat.clone();
            tokio::spawn(async move { chat.send(Command::Leave).await });
            continue;
        };
        let Some(notice) = notice else {
            bail!("the connection's task ended unexpectedly")
        };
        // A reader that has seen enough closes the pipe; that is no mistake.
        if output.show(&mut view, &notice).is_err() {
            chat.send(Command::Leave).await;
            return Ok(());
        }
        match notice {
            Notice::Ended(End::Left(0)) if output.refused == 0 => return Ok(()),
            Notice::Ended(End::Left(_)) => match output.refused {
                0 | 1 => bail!("a line was not said, or nobody knows"),
                refused => bail!("{refused} lines were not said, or nobody knows"),
            },
            Notice::Ended(End::Refused(error)) => {
                return Err(super::explain(chat::client::JoinError::Refused(error), &address));
            }
            _ => {}
        }
    }
}

struct Output {
    json: bool,
    refused: usize,
}

impl Output {
    fn show(&mut self, view: &mut View, notice: &Notice) -> std::io::Result<()> {
        let mut stdout = std::io::stdout().lock();
        match notice {
            Notice::Event(_, line) if self.json => {
                stdout.write_all(line.trim_ascii_end())?;
                stdout.write_all(b"\n")?;
                return stdout.flush();
            }
            // Data, like the events; and whoever wants JSON asked for events only.
            Notice::Event(..) | Notice::Done(..) if !self.json => {
                if let Some(text) = view.notice(notice) {
                    writeln!(stdout, "{text}")?;
                }
                return stdout.flush();
            }
            Notice::Ended(End::Left(0)) => return Ok(()),
            Notice::Ended(End::Left(unsaid)) => self.refused += unsaid,
            Notice::Refused { .. } | Notice::Unsure(..) => self.refused += 1,
            _ => {}
        }
        if let Some(text) = view.notice(notice) {
            // When stderr is gone there is nobody left to tell.
            let _ = writeln!(std::io::stderr().lock(), "{text}");
        }
        Ok(())
    }
}

/// The thread that reads stdin: commands wait for the server, so a fast writer waits too.
fn read(chat: &Chat) {
    let mut stdin = BufReader::new(std::io::stdin());
    loop {
        let mut line = Vec::new();
        match (&mut stdin)
            .take(LINE_BYTES_MAX as u64)
            .read_until(b'\n', &mut line)
        {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
        let typed = match String::from_utf8(line) {
            Ok(line) => parse(&line),
            Err(_) => {
                let _ = writeln!(std::io::stderr().lock(), "a line is not UTF-8 and was not said");
                continue;
            }
        };
        match typed {
            Ok(Typed::Do(Command::Leave)) => break,
            Ok(Typed::Do(command)) => {
                chat.send_blocking(command);
            }
            Ok(Typed::Nothing) => {}
            Ok(Typed::Help) => drop(writeln!(std::io::stderr().lock(), "{}", chat::client::HELP)),
            Ok(Typed::AskPassword) => drop(writeln!(
                std::io::stderr().lock(),
                "register: hint: /register PASSWORD"
            )),
            Err(error) => {
                drop(writeln!(
                    std::io::stderr().lock(),
                    "{}",
                    View::new(false, "").mistake(&error)
                ));
            }
        }
    }
    chat.send_blocking(Command::Finish);
}
