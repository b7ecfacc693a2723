//! Stdout, written by a thread of its own: a reader that takes nothing holds up what is printed, but not the end of the peer.

use std::io::{self, Write as _};

use tokio::sync::mpsc;

pub(crate) struct Output {
    texts: mpsc::Sender<Vec<u8>>,
    written: mpsc::Receiver<io::Result<()>>,
}

impl Output {
    pub(crate) fn open() -> Self {
        let (texts, mut to_write) = mpsc::channel::<Vec<u8>>(1);
        let (done, written) = mpsc::channel(1);
        // A write that waits cannot be called off: the thread ends with the process.
        std::thread::spawn(move || {
            while let Some(text) = to_write.blocking_recv() {
                if done.blocking_send(write(&text)).is_err() {
                    return;
                }
            }
        });
        Self { texts, written }
    }

    /// Writes a text and flushes it. Not cancel safe: the text may still be written afterwards.
    pub(crate) async fn write(&mut self, text: Vec<u8>) -> io::Result<()> {
        let ended = || io::Error::from(io::ErrorKind::BrokenPipe);
        self.texts.send(text).await.map_err(|_| ended())?;
        self.written.recv().await.ok_or_else(ended)?
    }
}

fn write(text: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text)?;
    stdout.flush()
}
