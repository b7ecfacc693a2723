//! The sending end of a member.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use lamport::ProcessId;

use super::{Failure, Sent};
use crate::client::Status;
use crate::driver::node::Node;
use crate::driver::wire;
use crate::limits::DATA_BYTES_MAX;

/// Sends, from any task. Cloning is cheap.
#[derive(Clone)]
pub struct Handle {
    pub(super) node: Arc<Node>,
    pub(super) id: ProcessId,
}

impl Handle {
    /// Sends a text to the group. Waits while the group takes none: a connected member is a whole window behind, its application does
    /// not take what is delivered there, or total order waits for a member that is away.
    ///
    /// Not cancel safe: when the future is dropped, nobody knows whether the message was sent.
    ///
    /// # Errors
    ///
    /// [`SendError`].
    pub async fn send(&self, text: &str) -> Result<Sent, SendError> {
        let sent = self.send_all([Bytes::copy_from_slice(text.as_bytes())]).await?;
        sent.first().copied().ok_or(SendError::Refused)
    }

    /// Sends several texts in order, as [`send`](Self::send) does one. They have to be UTF-8.
    ///
    /// # Errors
    ///
    /// [`SendError`]; then some of them may have been sent, but for [`NotText`](SendError::NotText) and
    /// [`TooLong`](SendError::TooLong), which are found before.
    pub async fn send_all(&self, texts: impl IntoIterator<Item = Bytes>) -> Result<Vec<Sent>, SendError> {
        let data: VecDeque<Bytes> = texts.into_iter().collect();
        data.iter().try_for_each(|data| Self::check(data))?;
        self.node.send(data).await
    }

    /// Whether a text can be sent at all.
    ///
    /// # Errors
    ///
    /// [`SendError::NotText`] and [`SendError::TooLong`].
    pub fn check(text: &[u8]) -> Result<(), SendError> {
        // The wire could only carry a likeness of it: the others would deliver something else than this member.
        if std::str::from_utf8(text).is_err() {
            return Err(SendError::NotText);
        }
        wire::too_long(text).map_or(Ok(()), |length| Err(SendError::TooLong(length)))
    }

    /// How the member is; `None` once it has left.
    #[must_use]
    pub fn status(&self) -> Option<Status> {
        self.node.status()
    }

    /// Why the member has left by itself, if it has.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        self.node.failure()
    }

    /// Whose handle this is.
    #[must_use]
    pub fn id(&self) -> &ProcessId {
        &self.id
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Handle").field(&self.id).finish()
    }
}

/// Why a message was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The member has left.
    #[error("the member has left the group")]
    Left,
    /// The clock has reached its end.
    #[error("the group takes no messages of this member any more")]
    Refused,
    /// What was to be sent is no text.
    #[error("a message has to be UTF-8")]
    NotText,
    /// The text is too long: so many bytes, with the escapes of the wire.
    #[error("a message has at most {DATA_BYTES_MAX} bytes, this one has {0}")]
    TooLong(usize),
}
