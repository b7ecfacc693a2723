//! The line of a request, one flat, borrowed struct, and the operation it becomes.

use proto::{IdField, OpenRequest, StampField, Text, WireError, codes};
use serde::Deserialize;

use super::{HistoryQuery, Join, Op, Token};
use crate::limits::{HISTORY_LIMIT_DEFAULT, HISTORY_LIMIT_MAX};

/// A line of a client, every field as it stands there.
#[derive(Debug, Deserialize)]
pub struct Request<'a> {
    #[serde(default)]
    lamport: StampField,
    #[serde(default)]
    id: IdField,
    #[serde(borrow)]
    op: Option<Text<'a>>,
    #[serde(borrow)]
    name: Option<Text<'a>>,
    #[serde(borrow)]
    room: Option<Text<'a>>,
    #[serde(borrow)]
    text: Option<Text<'a>>,
    #[serde(borrow)]
    to: Option<Text<'a>>,
    #[serde(borrow)]
    password: Option<Text<'a>>,
    #[serde(borrow)]
    token: Option<Text<'a>>,
    since: Option<u64>,
    before: Option<u64>,
    after: Option<u64>,
    limit: Option<u64>,
}

impl OpenRequest for Request<'_> {
    fn lamport(&self) -> StampField {
        self.lamport
    }

    fn id(&self) -> IdField {
        self.id
    }
}

impl<'a> Request<'a> {
    /// The operation. `fresh` is asked for a token if it is a join.
    ///
    /// # Errors
    ///
    /// `missing_field`, `invalid_field` or `unknown_operation`.
    pub fn into_op(self, fresh: impl FnOnce() -> Token) -> Result<Op<'a>, WireError> {
        let op = needed(self.op, "op")?;
        Ok(match &*op {
            "say" => Op::Say {
                text: needed(self.text, "text")?,
                room: self.room,
            },
            "join" => Op::Join(Join {
                name: needed(self.name, "name")?,
                room: self.room,
                since: self.since,
                password: self.password,
                // A text that is no token proves nothing, like one that was never given out.
                token: self.token.and_then(|text| Token::parse(&text)),
                fresh: fresh(),
            }),
            "tell" => Op::Tell {
                to: needed(self.to, "to")?,
                text: needed(self.text, "text")?,
            },
            "enter" => Op::Enter {
                room: needed(self.room, "room")?,
                since: self.since,
            },
            "exit" => Op::Exit { room: self.room },
            "rooms" => Op::Rooms,
            "who" => Op::Who { room: self.room },
            "history" => Op::History(history_query(self.room, self.after, self.before, self.limit)?),
            "rename" => Op::Rename {
                name: needed(self.name, "name")?,
                password: self.password,
            },
            "register" => Op::Register {
                password: needed(self.password, "password")?,
            },
            "leave" => Op::Leave,
            _ => {
                return Err(WireError::new(codes::UNKNOWN_OPERATION, "the chat has no such operation").with_hint(
                    "join, say, tell, enter, exit, rooms, who, history, rename, register and leave are there",
                ));
            }
        })
    }
}

fn needed<'a>(field: Option<Text<'a>>, name: &'static str) -> Result<Text<'a>, WireError> {
    field.ok_or_else(|| WireError::new(codes::MISSING_FIELD, format!("the request has no field {name:?}")))
}

fn history_query(
    room: Option<Text<'_>>,
    after: Option<u64>,
    before: Option<u64>,
    limit: Option<u64>,
) -> Result<HistoryQuery<'_>, WireError> {
    let limit = limit.unwrap_or(HISTORY_LIMIT_DEFAULT);
    if !(1..=HISTORY_LIMIT_MAX).contains(&limit) {
        return Err(WireError::new(
            codes::INVALID_FIELD,
            format!("a limit of {limit} is out of range"),
        )
        .with_hint(format!("ask for 1 to {HISTORY_LIMIT_MAX} events")));
    }
    if after.is_some() && before.is_some() {
        return Err(WireError::new(
            codes::INVALID_FIELD,
            "before and after exclude each other",
        ));
    }
    Ok(HistoryQuery {
        room,
        after,
        before,
        limit,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn op(line: &str) -> Result<Op<'_>, WireError> {
        let request: Request<'_> = proto::parse(line.as_bytes())
            .map_err(|refusal| refusal.error)?
            .unwrap();
        request.into_op(|| Token::new(7))
    }

    fn check(line: &str, expected: Op<'_>) {
        assert_eq!(op(line), Ok(expected), "{line}");
    }

    fn check_refused(line: &str, code: proto::Code) {
        assert_eq!(op(line).map_err(|error| error.code), Err(code), "{line}");
    }

    fn text(text: &str) -> Text<'_> {
        Text(text.into())
    }

    #[test]
    fn every_operation_is_read() {
        check(
            r#"{"id":1,"op":"join","name":"Ana","room":"tea","since":4,"password":"p","token":"000000000000000000000000000000ff"}"#,
            Op::Join(Join {
                name: text("Ana"),
                room: Some(text("tea")),
                since: Some(4),
                password: Some(text("p")),
                token: Some(Token::new(255)),
                fresh: Token::new(7),
            }),
        );
        check(
            r#"{"id":1,"op":"say","text":"hi"}"#,
            Op::Say {
                text: text("hi"),
                room: None,
            },
        );
        check(
            r#"{"op":"tell","id":1,"text":"hi","to":"Ana"}"#,
            Op::Tell {
                to: text("Ana"),
                text: text("hi"),
            },
        );
        check(
            r#"{"id":1,"op":"enter","room":"tea"}"#,
            Op::Enter {
                room: text("tea"),
                since: None,
            },
        );
        check(r#"{"id":1,"op":"exit"}"#, Op::Exit { room: None });
        check(r#"{"id":1,"op":"rooms","unknown":[{}]}"#, Op::Rooms);
        check(r#"{"id":1,"op":"who","room":null}"#, Op::Who { room: None });
        check(
            r#"{"id":1,"op":"history","after":3}"#,
            Op::History(HistoryQuery {
                room: None,
                after: Some(3),
                before: None,
                limit: HISTORY_LIMIT_DEFAULT,
            }),
        );
        check(
            r#"{"id":1,"op":"rename","name":"Bia"}"#,
            Op::Rename {
                name: text("Bia"),
                password: None,
            },
        );
        check(
            r#"{"id":1,"op":"register","password":"secret"}"#,
            Op::Register {
                password: text("secret"),
            },
        );
        check(r#"{"id":1,"op":"leave"}"#, Op::Leave);
    }

    #[test]
    fn a_plain_text_is_borrowed_from_the_line() {
        let line = r#"{"id":1,"op":"say","text":"hi"}"#;
        let Ok(Op::Say {
            text: Text(std::borrow::Cow::Borrowed(_)),
            ..
        }) = op(line)
        else {
            panic!("the text was copied");
        };
    }

    #[test]
    fn what_is_wrong_has_its_code() {
        for line in [
            r#"{"id":1}"#,
            r#"{"id":1,"op":"join"}"#,
            r#"{"id":1,"op":"say"}"#,
            r#"{"id":1,"op":"say","text":null}"#,
            r#"{"id":1,"op":"tell","text":"x"}"#,
            r#"{"id":1,"op":"enter"}"#,
            r#"{"id":1,"op":"rename"}"#,
            r#"{"id":1,"op":"register"}"#,
        ] {
            check_refused(line, codes::MISSING_FIELD);
        }
        for line in [
            r#"{"id":1,"op":7}"#,
            r#"{"id":1,"op":"say","text":7}"#,
            r#"{"id":1,"op":"say","text":["a"]}"#,
            r#"{"id":1,"op":"join","name":"Ana","since":-1}"#,
            r#"{"id":1,"op":"join","name":"Ana","since":1.5}"#,
            r#"{"id":1,"op":"join","name":"Ana","since":"1"}"#,
            r#"{"id":1,"op":"history","limit":0}"#,
            r#"{"id":1,"op":"history","limit":501}"#,
            r#"{"id":1,"op":"history","before":9,"after":3}"#,
        ] {
            check_refused(line, codes::INVALID_FIELD);
        }
        check_refused(r#"{"id":1,"op":"fly"}"#, codes::UNKNOWN_OPERATION);
        check_refused(
            r#"{"id":1,"op":"say","text":"a","text":"b"}"#,
            codes::DUPLICATE_FIELD,
        );
    }
}
