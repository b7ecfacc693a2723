//! The digits of a number, eight at once: what changes in a short line mostly has one to six.

use super::super::json;

/// Appends a comma and the number.
#[inline]
pub(super) fn comma_integer(out: &mut Vec<u8>, number: i64) {
    let size = number.unsigned_abs();
    if size >= 100_000_000 {
        out.push(b',');
        return json::integer(out, number);
    }
    let (digits, text) = match size {
        0..10 => (1, size),
        _ => {
            let digits = eight(size);
            let leading = digits.trailing_zeros() / 8;
            (8 - leading, digits >> (8 * leading))
        }
    };
    // Without a branch on the sign, which nobody can foresee, and of a length that is known, so that it is a store and no call.
    let negative = u32::from(number < 0);
    let sign = u128::from(b',') | (u128::from(b'-' * negative as u8) << 8);
    let text = u128::from(text | 0x3030_3030_3030_3030) << (8 + 8 * negative);
    let text = text | sign;
    let end = out.len() + (1 + negative + digits) as usize;
    out.extend_from_slice(&text.to_le_bytes());
    out.truncate(end);
}

/// The eight digits of a number that has no more, one a byte, the first one lowest: halves of four digits each, then
/// quarters, then single ones, those of a step divided together by multiplying with the inverse.
const fn eight(number: u64) -> u64 {
    let fours = (number / 10_000) | ((number % 10_000) << 32);
    let hundreds = ((fours * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let twos = hundreds | ((fours - 100 * hundreds) << 16);
    let tens = ((twos * 103) >> 10) & 0x000f_000f_000f_000f;
    tens | ((twos - 10 * tens) << 8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(number: i64) {
        let mut out = b"[0".to_vec();
        comma_integer(&mut out, number);
        assert_eq!(String::from_utf8(out).unwrap(), format!("[0,{number}"));
    }

    #[test]
    fn every_four_digits_come_out_in_both_halves() {
        for four in 0..10_000 {
            for number in [four, four * 10_000, four * 10_000 + 9999] {
                check(number);
                check(-number);
            }
        }
    }

    #[test]
    fn longer_ones_come_out_too() {
        for number in [99_999_999, 100_000_000, i64::MAX, -100_000_000, i64::MIN] {
            check(number);
        }
    }

    proptest! {
        #[test]
        fn any_number_comes_out(number: i64, shift in 0..64u32) {
            check(number >> shift);
        }
    }
}
