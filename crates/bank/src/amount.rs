//! Money: whole minor units in an integer, on the wire a decimal text with two digits.

use std::fmt;
use std::str::FromStr;

/// Digits before the point of the largest [`Amount`]; more cannot fit and are not looked at.
const WHOLE_DIGITS_MAX: usize = 17;

/// A sum of money that may be moved: 0.01 to 92233720368547758.07, in whole minor units.
///
/// Its text is `0|[1-9][0-9]*`, a point, and two digits: nothing else is an amount, so that no two programs can read
/// different sums from one text. Arithmetic on amounts happens in [`Balance`], checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(i64);

/// What an account holds, in whole minor units. Only the cash account, which stands for the money outside of the
/// bank, is ever below zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Balance(i64);

/// Why a text is no amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// The text is not digits, a point and two digits.
    #[error("an amount is written as digits, a point and two digits, such as 100.00")]
    Malformed,
    /// The amount is zero.
    #[error("the amount must be more than 0.00")]
    Zero,
    /// The amount is well written, but no account can hold it.
    #[error("the amount is larger than any account can hold")]
    TooLarge,
}

impl Amount {
    /// The amount of `minor` units (cents), if it is more than zero.
    #[must_use]
    pub const fn from_minor(minor: i64) -> Option<Self> {
        if minor > 0 { Some(Self(minor)) } else { None }
    }

    /// The amount in minor units (cents).
    #[must_use]
    pub const fn minor(self) -> i64 {
        self.0
    }

    /// Reads what a person types: like the text of the wire, but `100` and `100.5` are understood too.
    ///
    /// # Errors
    ///
    /// [`AmountError`] says what is wrong.
    pub fn from_typed(text: &str) -> Result<Self, AmountError> {
        match text.split_once('.') {
            None => format!("{text}.00").parse(),
            Some((_, fraction)) if fraction.len() == 1 => format!("{text}0").parse(),
            Some(_) => text.parse(),
        }
    }
}

impl Balance {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// The balance of `minor` units (cents).
    #[must_use]
    pub const fn from_minor(minor: i64) -> Self {
        Self(minor)
    }

    /// The balance in minor units (cents).
    #[must_use]
    pub const fn minor(self) -> i64 {
        self.0
    }

    /// This balance with `amount` more, if that can be held.
    #[must_use]
    pub fn plus(self, amount: Amount) -> Option<Self> {
        self.0.checked_add(amount.0).map(Self)
    }

    /// This balance with `amount` less, if that can be held. May be below zero.
    #[must_use]
    pub fn minus(self, amount: Amount) -> Option<Self> {
        self.0.checked_sub(amount.0).map(Self)
    }
}

impl FromStr for Amount {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, AmountError> {
        Self::from_minor(minor_units(text)?).ok_or(AmountError::Zero)
    }
}

/// Reads the text of an amount, with a minus before it if it is below zero.
impl FromStr for Balance {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, AmountError> {
        match text.strip_prefix('-') {
            None => minor_units(text).map(Self),
            Some(owed) => match minor_units(owed)? {
                0 => Err(AmountError::Malformed),
                minor => Ok(Self(-minor)),
            },
        }
    }
}

/// What a text of digits, a point and two digits says.
fn minor_units(text: &str) -> Result<i64, AmountError> {
    let (whole, fraction) = text.split_once('.').ok_or(AmountError::Malformed)?;
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() != 2 || whole.len() > 1 && whole.starts_with('0')
    {
        return Err(AmountError::Malformed);
    }
    if whole.len() > WHOLE_DIGITS_MAX {
        return Err(AmountError::TooLarge);
    }
    let number = |part: &str| {
        part.bytes()
            .fold(0i64, |value, digit| value * 10 + i64::from(digit - b'0'))
    };
    number(whole)
        .checked_mul(100)
        .and_then(|units| units.checked_add(number(fraction)))
        .ok_or(AmountError::TooLarge)
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Balance(self.0).fmt(f)
    }
}

impl fmt::Display for Balance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let minor = self.0.unsigned_abs();
        f.pad(&format!("{sign}{}.{:02}", minor / 100, minor % 100))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expected: Result<i64, AmountError>) {
        assert_eq!(text.parse::<Amount>().map(Amount::minor), expected, "{text:?}");
    }

    #[test]
    fn a_balance_is_read_as_it_is_written_and_no_zero_is_below_zero() {
        for (text, expected) in [
            ("10.00", Ok(1000)),
            ("0.00", Ok(0)),
            ("-3.10", Ok(-310)),
            ("-0.00", Err(AmountError::Malformed)),
            ("--1.00", Err(AmountError::Malformed)),
            ("-", Err(AmountError::Malformed)),
            ("1", Err(AmountError::Malformed)),
            ("-92233720368547758.08", Err(AmountError::TooLarge)),
        ] {
            let read = text.parse::<Balance>();
            assert_eq!(read.map(Balance::minor), expected, "{text:?}");
            assert!(read.is_err() || read.is_ok_and(|balance| balance.to_string() == text));
        }
    }

    #[test]
    fn only_digits_a_point_and_two_digits_are_an_amount() {
        check("0.01", Ok(1));
        check("100.00", Ok(10_000));
        check("92233720368547758.07", Ok(i64::MAX));
        check("92233720368547758.08", Err(AmountError::TooLarge));
        check("9223372036854775807.99", Err(AmountError::TooLarge));
        check("0.00", Err(AmountError::Zero));
        for malformed in [
            "", ".", "1", "0", "-1", "-1.00", "+1", "+1.00", "0.001", "1.0", "1e2", "1e2.00", "NaN", "inf",
            "1,00", " 1", " 1.00", "1.00 ", "1.00\n", "01.00", "00.01", ".50", "1.", "1.-1", "1._1",
            "0x1.00", "１.00", "1.0٠", "1.00.00",
        ] {
            check(malformed, Err(AmountError::Malformed));
        }
    }

    #[test]
    fn people_may_leave_the_digits_away() {
        assert_eq!(Amount::from_typed("100").map(Amount::minor), Ok(10_000));
        assert_eq!(Amount::from_typed("100.5").map(Amount::minor), Ok(10_050));
        assert_eq!(Amount::from_typed("100.55").map(Amount::minor), Ok(10_055));
        assert_eq!(Amount::from_typed("100.555"), Err(AmountError::Malformed));
        assert_eq!(Amount::from_typed("-1"), Err(AmountError::Malformed));
    }

    #[test]
    fn a_balance_below_zero_shows_its_sign() {
        assert_eq!(Balance::from_minor(-5).to_string(), "-0.05");
        assert_eq!(Balance::from_minor(i64::MIN).to_string(), "-92233720368547758.08");
    }

    proptest! {
        #[test]
        fn text_and_amount_agree(minor in 1..=i64::MAX) {
            let amount = Amount::from_minor(minor).unwrap();
            prop_assert_eq!(amount.to_string().parse::<Amount>(), Ok(amount));
        }

        #[test]
        fn no_text_panics(text in ".{0,30}") {
            let _ = text.parse::<Amount>();
        }
    }
}
