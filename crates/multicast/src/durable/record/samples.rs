//! What the tests write and read.

use std::sync::Arc;

use bytes::Bytes;

use super::{Entry, Marks, Record};
use crate::core::frame::{About, Message, MessageId, StreamId};
use crate::core::{Saved, SavedStream};
use crate::members::{Member, MemberSet};

/// One record of each kind, as they follow one another in a small run.
pub(in crate::durable) fn samples() -> Vec<Record> {
    let stream = StreamId {
        origin: Member::new(1),
        incarnation: 300,
    };
    let message = |sequence: u64, after: Option<Arc<[MessageId]>>| Message {
        id: MessageId { stream, sequence },
        stamp: sequence << 40,
        after,
        data: Bytes::from(format!("número {sequence}")),
    };
    let kept = |sequence, after| Record::Kept {
        message: message(sequence, after),
        time: sequence + 1,
    };
    let about = About {
        incarnation: 300,
        announced: 1,
        closed: 2,
        horizon: u64::MAX,
        sent: 0,
    };
    let outline = Saved {
        wants: MemberSet::all(2),
        members: vec![about; 3],
        streams: vec![SavedStream {
            id: stream,
            base: 2,
            through: 3,
            delivered: 2,
            stable: 1,
            dropped: 0,
            had: 0,
            last: None,
            messages: Vec::new(),
        }],
    };
    vec![
        kept(1, None),
        Record::Told(Entry::Delivered {
            message: message(1, None),
            time: 2,
            later: true,
            at: 1_763_690_000_123,
        }),
        Record::Taken(1),
        kept(2, Some([message(1, None).id].into())),
        kept(3, Some([].into())),
        Record::Told(Entry::Missed {
            stream,
            from: 4,
            to: 9,
        }),
        Record::Marks(Marks { clock: 44, outline }),
    ]
}
