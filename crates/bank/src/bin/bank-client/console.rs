//! EDGE: the terminal, or the pipe that stands in its place.
//!
//! Where a person types, prompts and talk go to stderr and a PIN is not echoed; where lines come from a pipe there are
//! no prompts, and a PIN is a line like any other.

use std::io::{self, BufRead, IsTerminal, Write};

use anyhow::Context;

/// Where lines come from and results go.
pub(super) trait Console {
    /// The next line, without its end; nothing when there are no more. Waits without holding up the runtime.
    fn ask(&mut self, prompt: &str) -> impl Future<Output = anyhow::Result<Option<String>>> + Send;

    /// The next line, not shown while it is typed.
    fn ask_hidden(&mut self, prompt: &str) -> impl Future<Output = anyhow::Result<Option<String>>> + Send;

    /// A result.
    fn show(&mut self, text: &str) -> anyhow::Result<()>;

    /// Talk. Shown where a person reads.
    fn tell(&mut self, text: &str) -> anyhow::Result<()>;

    /// Whether a person types.
    fn is_interactive(&self) -> bool;
}

/// The process's own stdin, stdout and stderr.
#[derive(Debug)]
pub(super) struct Terminal {
    interactive: bool,
}

impl Terminal {
    pub(super) fn new() -> Self {
        Self {
            interactive: io::stdin().is_terminal(),
        }
    }
}

impl Console for Terminal {
    async fn ask(&mut self, prompt: &str) -> anyhow::Result<Option<String>> {
        if self.interactive {
            let mut stderr = anstream::stderr().lock();
            write!(stderr, "{prompt}")?;
            stderr.flush()?;
        }
        tokio::task::spawn_blocking(read_line)
            .await?
            .context("failed to read from stdin")
    }

    async fn ask_hidden(&mut self, prompt: &str) -> anyhow::Result<Option<String>> {
        if !self.interactive {
            return self.ask(prompt).await;
        }
        let prompt = prompt.to_owned();
        let read = tokio::task::spawn_blocking(move || rpassword::prompt_password(prompt)).await?;
        match read {
            Ok(line) => Ok(Some(line)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error).context("failed to read the PIN from the terminal"),
        }
    }

    fn show(&mut self, text: &str) -> anyhow::Result<()> {
        let mut stdout = anstream::stdout().lock();
        writeln!(stdout, "{text}")
            .and_then(|()| stdout.flush())
            .context("failed to write to stdout")
    }

    fn tell(&mut self, text: &str) -> anyhow::Result<()> {
        Ok(writeln!(anstream::stderr().lock(), "{text}")?)
    }

    fn is_interactive(&self) -> bool {
        self.interactive
    }
}

fn read_line() -> io::Result<Option<String>> {
    let mut line = String::new();
    if io::stdin().lock().read_line(&mut line)? == 0 {
        return Ok(None);
    }
    line.truncate(line.trim_end_matches(['\r', '\n']).len());
    Ok(Some(line))
}
