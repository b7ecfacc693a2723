//! What a server makes of a line: a request, or a refusal with the exact code, id and stamp.

use proto::{Code, IdField, OpenRequest, StampField, Text, codes, parse};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
struct Say<'a> {
    #[serde(default)]
    lamport: StampField,
    #[serde(default)]
    id: IdField,
    #[serde(borrow)]
    op: Option<Text<'a>>,
    #[serde(borrow)]
    text: Option<Text<'a>>,
}

impl OpenRequest for Say<'_> {
    fn lamport(&self) -> StampField {
        self.lamport
    }

    fn id(&self) -> IdField {
        self.id
    }
}

/// The line is refused with this code; its id and stamp are what could be read.
fn refused(line: impl AsRef<[u8]>, code: Code, id: Option<u64>, lamport: Option<u64>) {
    let line = line.as_ref();
    let shown = String::from_utf8_lossy(&line[..line.len().min(100)]).into_owned();
    let refusal = parse::<Say<'_>>(line).expect_err(&shown);
    assert_eq!(
        (refusal.error.code, refusal.id, refusal.lamport),
        (code, id, lamport),
        "{shown}: {refusal:?}"
    );
}

#[test]
fn a_request_is_read_and_its_texts_are_borrowed() {
    let line = br#" {"lamport":9,"id":3,"op":"say","text":"Ol\u00e1","extra":{"a":[1,2]}} "#;
    let say = parse::<Say<'_>>(line).unwrap().unwrap();
    assert_eq!((say.lamport.get(), say.id.get()), (Some(9), Some(3)));
    assert!(matches!(say.op.unwrap().0, std::borrow::Cow::Borrowed("say")));
    assert_eq!(&*say.text.unwrap(), "Olá");
}

#[test]
fn a_missing_stamp_is_time_zero() {
    assert_eq!(
        parse::<Say<'_>>(br#"{"id":18446744073709551615}"#)
            .unwrap()
            .unwrap()
            .lamport
            .get(),
        Some(0)
    );
}

#[test]
fn a_pong_is_no_request() {
    assert!(parse::<Say<'_>>(br#"{"op":"pong"}"#).unwrap().is_none());
}

#[test]
fn what_is_not_a_json_object() {
    for line in [
        "hello",
        "[]",
        r#"[1,2,"say","x"]"#,
        "5",
        "null",
        "{",
        r#"{"id":1"#,
        r#"{"id":1}}"#,
        "{'id':1}",
    ] {
        refused(line, codes::INVALID_JSON, None, None);
    }
    refused([b'{', 0xff, b'}'], codes::INVALID_UTF8, None, None);
    refused(b"{\"id\":1,\"op\":\"\xc3(\"}", codes::INVALID_UTF8, None, None);
}

#[test]
fn nesting_is_bounded_also_where_nobody_looks() {
    let nested = |depth: usize, field: &str| {
        format!(
            r#"{{"id":1,"{field}":{}{}}}"#,
            "[".repeat(depth),
            "]".repeat(depth)
        )
    };
    assert!(parse::<Say<'_>>(nested(31, "unknown").as_bytes()).is_ok());
    for field in ["unknown", "text", "id", "lamport"] {
        refused(nested(32, field), codes::TOO_DEEP, None, None);
        refused(nested(100_000, field), codes::TOO_DEEP, None, None);
    }
    refused("[".repeat(100_000), codes::TOO_DEEP, None, None);
    let brackets_in_text = format!(r#"{{"id":1,"text":"{}\""}}"#, "[{".repeat(1000));
    assert!(parse::<Say<'_>>(brackets_in_text.as_bytes()).is_ok());
}

#[test]
fn fields_that_stand_twice_or_have_the_wrong_type() {
    refused(
        r#"{"id":1,"op":"say","op":"say"}"#,
        codes::DUPLICATE_FIELD,
        Some(1),
        Some(0),
    );
    // Which of two ids is meant nobody knows; of two stamps neither. But who has one stamp has sent a message.
    refused(
        r#"{"lamport":4,"id":1,"id":2}"#,
        codes::DUPLICATE_FIELD,
        None,
        Some(4),
    );
    refused(
        r#"{"lamport":4,"lamport":5,"id":1}"#,
        codes::DUPLICATE_FIELD,
        Some(1),
        None,
    );
    // Of several mistakes the first in the list of codes is told.
    refused(r#"{"id":1,"text":5"#, codes::INVALID_JSON, None, None);
    refused(r#"{"lamport":-1,"id":-1}"#, codes::INVALID_FIELD, None, None);
    refused(
        r#"{"lamport":4,"id":1,"text":5}"#,
        codes::INVALID_FIELD,
        Some(1),
        Some(4),
    );
    refused(
        r#"{"lamport":-4,"id":1,"text":5}"#,
        codes::INVALID_FIELD,
        Some(1),
        None,
    );
    for id in [
        "-1",
        "1.5",
        "18446744073709551616",
        r#""1""#,
        "null",
        "[]",
        "{}",
        "true",
    ] {
        refused(
            format!(r#"{{"lamport":4,"id":{id}}}"#),
            codes::INVALID_FIELD,
            None,
            Some(4),
        );
    }
    refused(r#"{"lamport":4,"op":"say"}"#, codes::MISSING_FIELD, None, Some(4));
}

#[test]
fn stamps_outside_the_clock() {
    for stamp in [
        "-1",
        "1.5",
        "9007199254740992",
        "18446744073709551615",
        "18446744073709551616",
        r#""1""#,
        "null",
        "[1]",
    ] {
        refused(
            format!(r#"{{"lamport":{stamp},"id":1}}"#),
            codes::INVALID_STAMP,
            Some(1),
            None,
        );
    }
    let last = parse::<Say<'_>>(br#"{"lamport":9007199254740991,"id":1}"#)
        .unwrap()
        .unwrap();
    assert_eq!(last.lamport.get(), Some(9_007_199_254_740_991));
}
