//! A Tokio task for each connection: what a program looks like that uses a bank, and what it costs.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use measure::machine::Cores;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout_at;

use super::{Opened, Outcome, SILENCE_MAX, Shape, WARM_UP};

const READ_BYTES: usize = 64 * 1024;

/// Drives each connection by a task of its own, all on as many threads as the load has cores.
///
/// # Errors
///
/// When there is no runtime to be had; what became of each connection is in its own outcome.
pub(super) fn run(
    opened: Vec<Opened>,
    shape: Shape,
    load_for: Duration,
    cores: &Cores,
) -> anyhow::Result<Vec<anyhow::Result<Outcome>>> {
    // The threads inherit the cores of the one that makes them.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores.generator.len().max(1))
        .enable_all()
        .build()
        .context("failed to start a runtime for the load")?;
    runtime.block_on(async {
        let begin = Instant::now() + Duration::from_millis(20);
        let tasks: Vec<_> = opened
            .into_iter()
            .map(|opened| tokio::spawn(drive(opened, shape.window, begin, load_for)))
            .collect();
        let mut outcomes = Vec::with_capacity(tasks.len());
        for task in tasks {
            outcomes.push(task.await.expect("a task of the load does not panic"));
        }
        Ok(outcomes)
    })
}

async fn drive(opened: Opened, window: usize, begin: Instant, load_for: Duration) -> anyhow::Result<Outcome> {
    let Opened { stream, mut requests } = opened;
    let mut stream = TcpStream::from_std(stream)?;
    let (measure_from, end) = (begin + WARM_UP, begin + WARM_UP + load_for);
    let mut outcome = Outcome {
        seconds: load_for.as_secs_f64(),
        ..Outcome::default()
    };
    let mut waiting = VecDeque::with_capacity(window);
    let (mut lines, mut buffer) = (Vec::new(), vec![0; READ_BYTES]);
    loop {
        let now = Instant::now();
        if now < end && waiting.len() <= window / 2 {
            lines.clear();
            while waiting.len() < window {
                requests.next(&mut lines);
                waiting.push_back(now);
            }
            stream.write_all(&lines).await.context("failed to send")?;
        }
        if waiting.is_empty() {
            return Ok(outcome);
        }
        let read = timeout_at((now + SILENCE_MAX).into(), stream.read(&mut buffer));
        match read.await.context("requests have no reply")? {
            Ok(0) => bail!("the server closed a connection"),
            Ok(count) => outcome.count(&buffer[..count], &mut waiting, measure_from..end)?,
            Err(error) => return Err(error).context("failed to receive"),
        };
    }
}
