//! Which account: the RG.

use std::fmt;
use std::str::FromStr;

/// Most digits of an RG.
pub const RG_DIGITS_MAX: usize = 10;

/// Ten to the power of [`RG_DIGITS_MAX`]: more than any RG's value.
const VALUES: u64 = 10u64.pow(RG_DIGITS_MAX as u32);

/// An account's identity, its holder's RG: 1 to 10 digits. Leading zeros count: `007` and `7` are two accounts.
///
/// Ordered by length and then by value; locks on two accounts are taken in this order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(u64);

/// Why a text is no RG.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an account is named by an RG of 1 to {RG_DIGITS_MAX} digits")]
pub struct AccountIdError;

impl AccountId {
    /// The account that stands for the money outside of the bank. No text names it.
    pub const CASH: Self = Self(0);

    /// The number that stands for this account in the journal: how many digits, times 10^10, and their value.
    #[must_use]
    pub(crate) const fn to_bits(self) -> u64 {
        self.0
    }

    /// The account that `bits` stand for, if they do.
    #[must_use]
    pub(crate) fn from_bits(bits: u64) -> Option<Self> {
        let (digits, value) = (bits / VALUES, bits % VALUES);
        let fits =
            bits == 0 || (1..=RG_DIGITS_MAX as u64).contains(&digits) && value < 10u64.pow(digits as u32);
        fits.then_some(Self(bits))
    }

    /// Whether this is the cash account.
    #[must_use]
    pub fn is_cash(self) -> bool {
        self == Self::CASH
    }
}

impl AccountId {
    /// The account as text, without a formatter: every leg in a trace names an account.
    pub(crate) fn text(self, buffer: &mut itoa::Buffer) -> &str {
        if self.is_cash() {
            return "cash";
        }
        // How many digits, and then all ten that there may be: those asked for are the last.
        let text = buffer.format(self.0);
        &text[text.len() - (self.0 / VALUES) as usize..]
    }
}

impl FromStr for AccountId {
    type Err = AccountIdError;

    fn from_str(text: &str) -> Result<Self, AccountIdError> {
        let digits = text.len();
        if !(1..=RG_DIGITS_MAX).contains(&digits) || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(AccountIdError);
        }
        let value = text
            .bytes()
            .fold(0, |value, digit| value * 10 + u64::from(digit - b'0'));
        Ok(Self(digits as u64 * VALUES + value))
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.text(&mut itoa::Buffer::new()))
    }
}

impl fmt::Debug for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leading_zeros_count() {
        for text in ["0", "00", "7", "007", "0000000000", "1111111111", "9999999999"] {
            let id: AccountId = text.parse().unwrap();
            assert_eq!(id.to_string(), text);
            assert_eq!(AccountId::from_bits(id.to_bits()), Some(id));
        }
        assert_ne!("007".parse::<AccountId>(), "7".parse());
    }

    #[test]
    fn only_one_to_ten_ascii_digits_are_an_rg() {
        for text in [
            "",
            "12345678901",
            "1a",
            "-1",
            "+1",
            " 1",
            "1 ",
            "../1",
            "1/2",
            "١",
            "cash",
            "1\0",
        ] {
            assert_eq!(text.parse::<AccountId>(), Err(AccountIdError), "{text:?}");
        }
    }

    #[test]
    fn bits_that_name_no_account_are_refused() {
        for bits in [1, VALUES - 1, VALUES + 10, 11 * VALUES, u64::MAX] {
            assert_eq!(AccountId::from_bits(bits), None, "{bits}");
        }
    }
}
