//! Writing the lines of the wire.

use serde::Serialize;
use serde_json::ser::{CharEscape, CompactFormatter, Formatter, Serializer};
use std::io;

use crate::error::WireError;
use crate::harmless::write_json_text;

/// Writes one line of the wire, field by field, at the end of a buffer.
///
/// Keys are the field names of the protocol; they are written as they are. The line is whole once
/// [`end`](Self::end) was called, and only then.
///
/// ```
/// let mut line = Vec::new();
/// proto::LineWriter::event(&mut line, 7, "said").text("room", "lobby").number("seq", 41).end();
/// assert_eq!(line, br#"{"lamport":7,"event":"said","room":"lobby","seq":41}"#.iter().chain(b"\n").copied().collect::<Vec<u8>>());
/// ```
#[must_use = "a line is whole only after end()"]
#[derive(Debug)]
pub struct LineWriter<'b> {
    line: &'b mut Vec<u8>,
    /// Whether a field stands before the next one.
    comma: bool,
    /// What closes the line: the object, and in a reply the object within.
    closing: &'static [u8],
}

impl<'b> LineWriter<'b> {
    /// Begins an event with the stamp of its sending.
    pub fn event(line: &'b mut Vec<u8>, lamport: u64, event: &'static str) -> Self {
        let mut writer = Self::stamped(line, lamport);
        writer.literal("event", event);
        writer
    }

    /// Begins an event that has its first fields in common with others: `fields` is what stands in their lines between the stamp
    /// and the next field.
    ///
    /// ```
    /// let mut line = Vec::new();
    /// proto::LineWriter::event_with(&mut line, 7, br#","event":"said","room":"lobby""#).number("seq", 41).end();
    /// assert_eq!(line, b"{\"lamport\":7,\"event\":\"said\",\"room\":\"lobby\",\"seq\":41}\n");
    /// ```
    pub fn event_with(line: &'b mut Vec<u8>, lamport: u64, fields: &[u8]) -> Self {
        let writer = Self::stamped(line, lamport);
        writer.line.extend_from_slice(fields);
        writer
    }

    /// Begins the reply to request `id` that says it went well; the fields that follow are its result.
    pub fn ok(line: &'b mut Vec<u8>, lamport: u64, id: u64) -> Self {
        let mut writer = Self::stamped(line, lamport).number("id", id);
        writer.key("ok");
        writer.line.push(b'{');
        writer.comma = false;
        writer.closing = b"}}\n";
        writer
    }

    /// Begins a request.
    pub fn request(line: &'b mut Vec<u8>, lamport: u64, id: u64, op: &'static str) -> Self {
        let mut writer = Self::stamped(line, lamport).number("id", id);
        writer.literal("op", op);
        writer
    }

    /// Begins a line of connection upkeep, which lies below the Lamport clock and carries no stamp.
    pub fn upkeep(line: &'b mut Vec<u8>) -> Self {
        line.push(b'{');
        Self {
            line,
            comma: false,
            closing: b"}\n",
        }
    }

    /// Writes the whole reply to request `id` that says what was wrong.
    pub fn error_reply(line: &'b mut Vec<u8>, lamport: u64, id: u64, error: &WireError) {
        let mut writer = Self::stamped(line, lamport).number("id", id);
        writer.key("error");
        writer.line.push(b'{');
        writer.comma = false;
        writer.closing = b"}}\n";
        writer.error(error).end();
    }

    /// Writes the whole event that says what was wrong with something that is no request.
    pub fn error_event(line: &'b mut Vec<u8>, lamport: u64, error: &WireError) {
        Self::event(line, lamport, "error").error(error).end();
    }

    /// Writes the whole event that says what was wrong below the clock: with a handshake, or with a connection that ends.
    pub fn upkeep_error(line: &'b mut Vec<u8>, error: &WireError) {
        Self::upkeep(line).text("event", "error").error(error).end();
    }

    /// A text field.
    pub fn text(mut self, key: &'static str, value: &str) -> Self {
        self.key(key);
        self.line.push(b'"');
        write_json_text(self.line, value);
        self.line.push(b'"');
        self
    }

    /// An integer field.
    pub fn number(mut self, key: &'static str, value: u64) -> Self {
        self.key(key);
        self.integer(value);
        self
    }

    /// A field that is true or false.
    pub fn flag(mut self, key: &'static str, value: bool) -> Self {
        self.key(key);
        self.line
            .extend_from_slice(if value { b"true" } else { b"false" });
        self
    }

    /// A field that serde writes; its texts are escaped like those of [`text`](Self::text). Not for hot paths.
    ///
    /// # Panics
    ///
    /// If `value` refuses to be serialised, as a map with keys that are no texts does.
    pub fn value(mut self, key: &'static str, value: &impl Serialize) -> Self {
        self.key(key);
        value
            .serialize(&mut Serializer::with_formatter(
                &mut *self.line,
                HarmlessFormatter,
            ))
            .expect("values of the wire serialise, and a Vec takes everything");
        self
    }

    /// A field that is a list of JSON values written already.
    pub fn list<'v>(mut self, key: &'static str, values: impl IntoIterator<Item = &'v [u8]>) -> Self {
        self.key(key);
        self.line.push(b'[');
        for (n, value) in values.into_iter().enumerate() {
            if n > 0 {
                self.line.push(b',');
            }
            self.line.extend_from_slice(value);
        }
        self.line.push(b']');
        self
    }

    /// A field that is a list of lists of integers.
    pub fn rows<const N: usize>(
        mut self,
        key: &'static str,
        rows: impl IntoIterator<Item = [u64; N]>,
    ) -> Self {
        self.key(key);
        self.line.push(b'[');
        for (n, row) in rows.into_iter().enumerate() {
            self.line.extend_from_slice(if n > 0 { b",[" } else { b"[" });
            for (n, value) in row.into_iter().enumerate() {
                if n > 0 {
                    self.line.push(b',');
                }
                self.integer(value);
            }
            self.line.push(b']');
        }
        self.line.push(b']');
        self
    }

    /// Ends the line.
    pub fn end(self) {
        self.line.extend_from_slice(self.closing);
    }

    fn stamped(line: &'b mut Vec<u8>, lamport: u64) -> Self {
        line.push(b'{');
        Self {
            line,
            comma: false,
            closing: b"}\n",
        }
        .number("lamport", lamport)
    }

    fn error(self, error: &WireError) -> Self {
        let writer = self
            .text("code", error.code.as_str())
            .text("message", &error.message);
        match &error.hint {
            Some(hint) => writer.text("hint", hint),
            None => writer,
        }
    }

    fn key(&mut self, key: &'static str) {
        if self.comma {
            self.line.push(b',');
        }
        self.comma = true;
        self.line.push(b'"');
        self.line.extend_from_slice(key.as_bytes());
        self.line.extend_from_slice(b"\":");
    }

    fn integer(&mut self, value: u64) {
        self.line
            .extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }

    /// A text that is a word of the protocol and needs no escapes.
    fn literal(&mut self, key: &'static str, value: &'static str) {
        self.key(key);
        self.line.push(b'"');
        self.line.extend_from_slice(value.as_bytes());
        self.line.push(b'"');
    }
}

/// serde_json's compact form with the escapes of [`write_json_text`].
struct HarmlessFormatter;

impl Formatter for HarmlessFormatter {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut escaped = Vec::with_capacity(fragment.len());
        write_json_text(&mut escaped, fragment);
        writer.write_all(&escaped)
    }

    fn write_char_escape<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        escape: CharEscape,
    ) -> io::Result<()> {
        CompactFormatter.write_char_escape(writer, escape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::codes;

    fn check(write: impl FnOnce(&mut Vec<u8>), expected: &str) {
        let mut line = Vec::new();
        write(&mut line);
        assert_eq!(String::from_utf8(line).unwrap(), format!("{expected}\n"));
    }

    #[test]
    fn lines_look_as_documented() {
        check(
            |line| LineWriter::ok(line, 12, 3).text("balance", "110.00").end(),
            r#"{"lamport":12,"id":3,"ok":{"balance":"110.00"}}"#,
        );
        check(
            |line| LineWriter::ok(line, 12, 3).end(),
            r#"{"lamport":12,"id":3,"ok":{}}"#,
        );
        check(
            |line| {
                LineWriter::request(line, 9, 3, "deposit")
                    .text("amount", "100.00")
                    .end()
            },
            r#"{"lamport":9,"id":3,"op":"deposit","amount":"100.00"}"#,
        );
        check(
            |line| LineWriter::upkeep(line).text("event", "ping").end(),
            r#"{"event":"ping"}"#,
        );
        let error = WireError::new(codes::RATE_LIMITED, "too fast").with_hint("wait a second");
        check(
            |line| LineWriter::error_reply(line, 2, 1, &error),
            r#"{"lamport":2,"id":1,"error":{"code":"rate_limited","message":"too fast","hint":"wait a second"}}"#,
        );
        check(
            |line| LineWriter::error_event(line, 2, &error),
            r#"{"lamport":2,"event":"error","code":"rate_limited","message":"too fast","hint":"wait a second"}"#,
        );
    }

    #[test]
    fn lists_values_and_flags() {
        check(
            |line| {
                LineWriter::ok(line, 1, 2)
                    .list("events", [&br#"{"seq":1}"#[..], br#"{"seq":2}"#])
                    .flag("more", true)
                    .rows("ranges", [[1, 3], [5, u64::MAX]])
                    .rows("none", [[0; 2]; 0])
                    .value("names", &["a\u{1b}b", "c\"d"])
                    .end();
            },
            r#"{"lamport":1,"id":2,"ok":{"events":[{"seq":1},{"seq":2}],"more":true,"ranges":[[1,3],[5,18446744073709551615]],"none":[],"names":["a\u001bb","c\"d"]}}"#,
        );
    }
}
