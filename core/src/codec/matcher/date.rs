// SPDX-License-Identifier: MIT OR Apache-2.0
//! Times in matcher expressions: RFC 3339, with or without a colon in the offset.

/// Parses a time into nanoseconds since 1970-01-01 UTC. Days 1 to 31 are accepted in any month and
/// run over into the next, as in `lua_sandbox`; so do leap seconds.
pub(super) fn parse(text: &[u8]) -> Option<f64> {
    let (date, rest) = text.split_at_checked(19)?;
    let part = |from: usize, to: usize| number(date.get(from..to)?);
    let separators = [date[4], date[7], date[10], date[13], date[16]];
    if separators != *b"--T::" {
        return None;
    }
    let (year, month, day) = (part(0, 4)?, part(5, 7)?, part(8, 10)?);
    let (hour, minute, second) = (part(11, 13)?, part(14, 16)?, part(17, 19)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 {
        return None;
    }
    let (nanoseconds, rest) = fraction(rest)?;
    let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
    (second <= 60).then_some(())?;
    let total = i128::from(seconds - offset(rest)?) * 1_000_000_000 + i128::from(nanoseconds);
    Some(total as f64)
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |number: i64, digit| {
        digit.is_ascii_digit().then(|| number * 10 + i64::from(digit - b'0'))
    })
}

/// Parses `.123` to nanoseconds and returns the rest; digits after the ninth are ignored.
fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let [b'.', text @ ..] = text else { return Some((0, text)) };
    let len = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = text.split_at(len);
    let nine: Vec<u8> = digits.iter().copied().chain(std::iter::repeat(b'0')).take(9).collect();
    (len > 0).then_some((number(&nine)?, rest))
}

/// Parses `Z`, `+0200` or `+02:00` to seconds.
fn offset(text: &[u8]) -> Option<i64> {
    let (sign, hours, minutes) = match text {
        b"Z" => return Some(0),
        [sign @ (b'+' | b'-'), h1, h2, m1, m2] | [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            (*sign, number(&[*h1, *h2])?, number(&[*m1, *m2])?)
        }
        _ => return None,
    };
    let seconds = hours * 3600 + minutes * 60;
    (hours <= 23 && minutes <= 59).then_some(if sign == b'-' { -seconds } else { seconds })
}

/// Returns the days from 1970-01-01 to a date of the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    // Years that begin in March have their leap day at the end.
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    year * 365 + year.div_euclid(4) - year.div_euclid(100)
        + year.div_euclid(400)
        + (month * 306 + 5) / 10
        + day
        - 1
        - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_counted_from_1970() {
        let second = 1e9;
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0.0),
            ("2016-05-24T00:00:00Z", 1_464_048_000.0),
            ("2016-05-24T02:00:00+0200", 1_464_048_000.0),
            ("2016-05-24T02:00:00+02:00", 1_464_048_000.0),
            ("2016-05-23T22:00:00-02:00", 1_464_048_000.0),
            ("2016-05-24T00:00:00.5Z", 1_464_048_000.5),
            ("2015-02-31T00:00:00Z", 1_425_340_800.0),
            ("1969-12-31T23:59:60Z", 0.0),
        ] {
            assert_eq!(parse(text.as_bytes()), Some(seconds * second), "{text}");
        }
        for text in
            ["", "20150411T173026", "2016-05-24", "2016-13-01T00:00:00Z", "2016-05-24T00:00:00"]
        {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }
}
