//! What somebody who comes back has missed, piece by piece.

use std::sync::Arc;

use super::{History, Piece, ReadError, reader};

/// A room's events from one number to another, in pieces bounded in bytes.
#[derive(Debug)]
pub struct Replay {
    history: History,
    room: Arc<str>,
    after: u64,
    through: u64,
}

impl Replay {
    pub(super) fn new(history: History, room: &str, after: u64, through: u64) -> Self {
        Self {
            history,
            room: room.into(),
            after,
            through,
        }
    }

    /// The next piece; nothing when everything up to the end is accounted for.
    ///
    /// Cancel safe: a piece that was not received comes again.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or too many are reading.
    pub async fn next(&mut self) -> Result<Option<Piece>, ReadError> {
        if self.after >= self.through {
            return Ok(None);
        }
        let waiting = self.history.waiting(&self.room);
        let (room, after, through) = (Arc::clone(&self.room), self.after, self.through);
        let piece = self
            .history
            .read(move |file| reader::piece(file, &room, &waiting, after, through))
            .await?;
        self.after = piece.through;
        Ok(Some(piece))
    }
}
