//! Names of members and rooms: which texts are names, and which of them count as the same name.
//!
//! A name is shown as its owner spells it (in Unicode's NFC, without spaces around it). Two names are the same if a
//! reader could take one for the other: another case, width or script, a look-alike letter. RFC 8266 (PRECIS
//! nicknames) alone accepts Cyrillic look-alikes, UTS 39 skeletons alone miss full-width letters and case, so a
//! name is compared by a few [keys](Name::keys) that use both.

use std::fmt;
use std::sync::{Arc, LazyLock};

use precis_profiles::Nickname as PrecisNickname;
use precis_profiles::precis_core::profile::PrecisFastInvocation;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use unicode_security::skeleton;

use crate::limits::{NAME_CHARS_MAX, NAME_MARKS_MAX};

/// The name of a member or of a room.
///
/// Cloning is cheap. Names do not compare by themselves, because their spelling is not what makes them the same:
/// compare their [keys](Name::keys).
#[derive(Clone)]
pub struct Name {
    spelling: Arc<str>,
    keys: Arc<[NameKey]>,
}

/// One way in which a name can be taken for another. Two names are the same if they share a key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NameKey {
    way: Way,
    skeleton: Arc<str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    /// The case does not matter: `Evan` and `EVAN`.
    Read,
    /// It looks the same as it stands: `Ivan` and `lvan`, which no case brings together.
    Seen,
}

/// Why a text is no name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing is left of it without the spaces.
    #[error("a name must not be empty")]
    Empty,
    /// It is longer than [`NAME_CHARS_MAX`].
    #[error("a name has at most {NAME_CHARS_MAX} characters")]
    TooLong,
    /// It holds a control, bidirectional, zero-width or unassigned character.
    #[error("a name holds no control, direction or invisible characters")]
    Invisible,
    /// It holds something else than letters, digits and a little punctuation.
    #[error("a name holds letters, digits, spaces and - _ . ' only, and begins with a letter or a digit")]
    BadCharacter,
    /// More than [`NAME_MARKS_MAX`] combining marks in a row.
    #[error("a name has at most {NAME_MARKS_MAX} marks on one letter")]
    PiledMarks,
    /// It would pass for the server's own voice.
    #[error("this name is reserved for the server")]
    Reserved,
}

/// Names that a reader would take for the server's own: the notices of a chat begin with `[SERVIDOR]`. In capitals, as
/// they stand there, they have all their look-alikes.
static RESERVED: LazyLock<Vec<Name>> = LazyLock::new(|| {
    ["SERVIDOR", "SERVER", "SYSTEM", "SISTEMA"]
        .into_iter()
        .map(|name| Name::room(name).expect("reserved names are names"))
        .collect()
});

impl Name {
    /// Checks `text` as the name of a member.
    ///
    /// # Errors
    ///
    /// [`NameError`] says what is wrong with it.
    pub fn member(text: &str) -> Result<Self, NameError> {
        let name = Self::room(text)?;
        if RESERVED.iter().any(|reserved| reserved.is_same(&name)) {
            return Err(NameError::Reserved);
        }
        Ok(name)
    }

    /// Checks `text` as the name of a room.
    ///
    /// # Errors
    ///
    /// [`NameError`] says what is wrong with it.
    pub fn room(text: &str) -> Result<Self, NameError> {
        // Bounds the work of everything below.
        if text.len() > NAME_CHARS_MAX * 16 {
            return Err(NameError::TooLong);
        }
        let spelling: String = text.trim().nfc().collect();
        check(&spelling)?;
        let keys = keys(&spelling);
        Ok(Self {
            spelling: spelling.into(),
            keys: keys.into(),
        })
    }

    /// The name as its owner spells it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.spelling
    }

    /// The spelling, shared.
    #[must_use]
    pub fn shared(&self) -> Arc<str> {
        Arc::clone(&self.spelling)
    }

    /// What the name is compared by. Never empty.
    #[must_use]
    pub fn keys(&self) -> &[NameKey] {
        &self.keys
    }

    /// The name under which it is filed: equal for names that read the same.
    #[must_use]
    pub fn filed(&self) -> &str {
        &self.keys[0].skeleton
    }

    /// Whether `other` could be taken for this name.
    #[must_use]
    pub fn is_same(&self, other: &Name) -> bool {
        self.keys.iter().any(|key| other.keys.contains(key))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.spelling)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.spelling, f)
    }
}

fn check(spelling: &str) -> Result<(), NameError> {
    if spelling.is_empty() {
        return Err(NameError::Empty);
    }
    if spelling.chars().count() > NAME_CHARS_MAX {
        return Err(NameError::TooLong);
    }
    let invisible = |c: char| proto::is_harmful(c) || matches!(c, '\u{200c}' | '\u{200d}');
    // PRECIS refuses controls, unassigned code points and everything that is ignored when shown.
    if spelling.contains(invisible) || PrecisNickname::prepare(spelling).is_err() {
        return Err(NameError::Invisible);
    }
    // Full-width brackets and the like are what their narrow forms are.
    let narrow: String = spelling.nfkc().collect();
    let allowed =
        |c: char| c.is_alphanumeric() || is_combining_mark(c) || matches!(c, ' ' | '-' | '_' | '.' | '\'');
    if !narrow.starts_with(char::is_alphanumeric) || !narrow.chars().all(allowed) || narrow.contains("  ") {
        return Err(NameError::BadCharacter);
    }
    let mut marks = 0;
    for c in narrow.nfd() {
        marks = if is_combining_mark(c) { marks + 1 } else { 0 };
        if marks > NAME_MARKS_MAX {
            return Err(NameError::PiledMarks);
        }
    }
    Ok(())
}

fn keys(spelling: &str) -> Vec<NameKey> {
    let wide: String = spelling.nfkc().collect();
    let key = |way, text: &str| NameKey {
        way,
        skeleton: skeleton(text).collect::<String>().into(),
    };
    let mut keys = vec![
        key(Way::Read, &fold(wide.chars())),
        key(Way::Read, &fold(wide.chars().map(latin))),
        key(Way::Seen, &wide),
    ];
    keys.sort();
    keys.dedup();
    keys
}

/// The Latin letter that `c` is drawn like. Skeletons are made after folding the case, and the Cyrillic `в` looks
/// like no Latin letter although `В` does.
fn latin(c: char) -> char {
    if c.is_ascii() {
        return c;
    }
    let mut buffer = [0; 4];
    let mut prototype = skeleton(c.encode_utf8(&mut buffer));
    match (prototype.next(), prototype.next()) {
        // An upright stroke is a capital I, unless the letter is a small one.
        (Some('l'), None) if !c.is_lowercase() => 'I',
        (Some(drawn), None) if drawn.is_ascii_alphabetic() => drawn,
        _ => c,
    }
}

/// Folds the case. Through the capitals first, so that `ς` and `σ`, `ß` and `ss`, `ı` and `i` meet.
fn fold(text: impl Iterator<Item = char>) -> String {
    let mut folded = String::new();
    for c in text.flat_map(char::to_uppercase).flat_map(char::to_lowercase) {
        // The dot that lower-casing the Turkish İ leaves behind.
        if c == '\u{307}' && folded.ends_with('i') {
            continue;
        }
        folded.push(c);
    }
    folded
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check_same(names: &[&str]) {
        for a in names {
            for b in names {
                assert!(
                    Name::member(a).unwrap().is_same(&Name::member(b).unwrap()),
                    "{a} and {b}"
                );
            }
        }
    }

    fn check_different(names: &[&str]) {
        for (n, a) in names.iter().enumerate() {
            for b in &names[n + 1..] {
                assert!(
                    !Name::member(a).unwrap().is_same(&Name::member(b).unwrap()),
                    "{a} and {b}"
                );
            }
        }
    }

    fn check_refused(text: &str, expected: NameError) {
        assert_eq!(
            Name::member(text).map(|name| name.to_string()),
            Err(expected),
            "{text:?}"
        );
    }

    #[test]
    fn a_name_keeps_its_spelling() {
        for text in [
            "Bernardo",
            "Silvio",
            "O'Brien",
            "Ana Maria",
            "J.-P.",
            "Łukasz",
            "Ηλίας",
            "Вова",
            "山田",
            "Nguyễn",
        ] {
            assert_eq!(Name::member(text).unwrap().as_str(), text);
        }
        assert_eq!(Name::member("  Ana ").unwrap().as_str(), "Ana");
        assert_eq!(Name::member("Jose\u{301}").unwrap().as_str(), "Jos\u{e9}", "NFC");
        assert_eq!(Name::member("Ｅｖａｎ").unwrap().as_str(), "Ｅｖａｎ");
    }

    #[test]
    fn case_width_and_script_do_not_make_another_name() {
        check_same(&["evan", "Evan", "EVAN", "еvan", "Еvan", "Ｅｖａｎ", "ｅｖａｎ"]);
        check_same(&["admin", "Admin", "ADMIN", "admın", "АDMIN"]);
        check_same(&["bob", "Вob", "ВОВ", "BОB"]);
        check_same(&["José", "Jose\u{301}", "JOSÉ"]);
        check_same(&["istanbul", "İstanbul", "ISTANBUL"]);
        check_same(&["Straße", "STRASSE", "strasse"]);
        check_same(&["ΟΔΟΣ", "οδος", "Οδος"]);
        check_same(&["Вова", "ВОВА"]);
        check_same(&["Ivan", "lvan"]);
        check_same(&["ІВ", "ib"]);
    }

    #[test]
    fn other_names_stay_other_names() {
        check_different(&["Bernardo", "Rodrigo", "Silvio", "Ana", "Ana Maria", "Anna"]);
        check_different(&["Neil", "Nell", "Nail"]);
        check_different(&["Ali", "All", "Alla"]);
        check_different(&["José", "Jose"]);
        check_different(&["user1", "user2", "user10"]);
        check_different(&["山田", "山口", "山"]);
        check_different(&["Вова", "Вера", "Нина"]);
    }

    #[test]
    fn what_is_no_name() {
        for text in ["", " ", "\u{3000}"] {
            check_refused(text, NameError::Empty);
        }
        assert!(Name::member(&"x".repeat(NAME_CHARS_MAX)).is_ok());
        assert!(Name::member(&"山".repeat(NAME_CHARS_MAX)).is_ok());
        check_refused(&"x".repeat(NAME_CHARS_MAX + 1), NameError::TooLong);
        check_refused(&"x".repeat(60_000), NameError::TooLong);
        for text in [
            "a\u{0}b",
            "a\nb",
            "a\tb",
            "\u{1b}[2J",
            "a\u{7f}",
            "a\u{9b}31m",
            "a\u{202e}nimda",
            "a\u{2066}b",
            "ad\u{200b}min",
            "ad\u{200d}min",
            "ad\u{200c}min",
            "ad\u{2060}min",
            "\u{feff}admin",
            "ad\u{ad}min",
            "a\u{e000}",
            "a\u{378}",
            "a\u{3164}b",
            "a\u{115f}b",
            "a\u{fe0f}",
            "a\u{e0041}",
        ] {
            check_refused(text, NameError::Invisible);
        }
        for text in [
            "../x",
            "/help",
            "a]: hi [b",
            "<b>",
            "a\"b",
            "a\\b",
            "-a",
            "...",
            "a  b",
            "a］b",
            "🌻",
            "a\u{2800}",
        ] {
            check_refused(text, NameError::BadCharacter);
        }
        check_refused("a\u{301}\u{302}\u{303}\u{304}\u{305}", NameError::PiledMarks);
        for text in ["servidor", "SERVIDOR", "Ｓerver", "sеrver", "SERVlDOR", "system"] {
            check_refused(text, NameError::Reserved);
        }
        assert!(Name::room("server").is_ok());
    }

    proptest! {
        #[test]
        fn a_name_is_the_same_in_any_case_and_after_reading_it_back(text in any::<String>()) {
            if let Ok(name) = Name::member(&text) {
                let again = Name::member(name.as_str()).unwrap();
                prop_assert_eq!(again.as_str(), name.as_str());
                prop_assert!(name.is_same(&again));
                for other in [text.to_uppercase(), text.to_lowercase()] {
                    if let Ok(other) = Name::member(&other) {
                        prop_assert!(name.is_same(&other), "{:?} {:?}", name, other);
                    }
                }
            }
        }

        #[test]
        fn letters_of_any_script_fold(text in "\\p{L}{1,8}") {
            if let (Ok(name), Ok(upper)) = (Name::room(&text), Name::room(&text.to_uppercase())) {
                prop_assert!(name.is_same(&upper), "{:?} {:?}", name, upper);
            }
        }
    }
}
