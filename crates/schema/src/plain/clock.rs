//! Times as text: RFC 3339 in UTC, to the nanosecond.

use super::digits::padded;

/// Writes times; rows come in bursts of the same second, so it keeps the last second's text.
#[derive(Debug, Clone)]
pub struct Clock {
    second: i64,
    /// `2026-11-21T22:10:05`
    text: [u8; 19],
}

/// `time` (nanoseconds since 1970) as text.
pub fn rfc3339(time: i64) -> String {
    let mut text = Vec::new();
    Clock::new().write(&mut text, time);
    String::from_utf8_lossy(&text).into_owned()
}

impl Default for Clock {
    fn default() -> Clock {
        Clock { second: 0, text: *b"1970-01-01T00:00:00" }
    }
}

impl Clock {
    /// One that has written nothing yet.
    pub fn new() -> Clock {
        Clock::default()
    }

    /// Appends `time` (nanoseconds since 1970) as `2026-11-21T22:10:05.123456789Z`.
    #[inline]
    pub fn write(&mut self, out: &mut Vec<u8>, time: i64) {
        let nanos = self.turn(time);
        out.extend_from_slice(&self.text);
        out.push(b'.');
        out.extend_from_slice(&padded::<9>(nanos));
        out.push(b'Z');
    }

    /// Appends the time of day to the millisecond: `22:10:05.123`.
    pub fn write_of_day(&mut self, out: &mut Vec<u8>, time: i64) {
        let nanos = self.turn(time);
        out.extend_from_slice(&self.text[11..]);
        out.push(b'.');
        out.extend_from_slice(&padded::<3>(nanos / 1_000_000));
    }

    /// Moves to the second of `time` and returns the nanoseconds after it.
    #[inline]
    fn turn(&mut self, time: i64) -> u64 {
        let second = time.div_euclid(1_000_000_000);
        if second != self.second {
            self.second = second;
            self.text = text(second);
        }
        time.rem_euclid(1_000_000_000) as u64
    }
}

fn text(second: i64) -> [u8; 19] {
    let (year, month, day) = date(second.div_euclid(86_400));
    let of_day = second.rem_euclid(86_400) as u64;
    let mut text = *b"0000-00-00T00:00:00";
    text[..4].copy_from_slice(&padded::<4>(year));
    text[5..7].copy_from_slice(&padded::<2>(month));
    text[8..10].copy_from_slice(&padded::<2>(day));
    text[11..13].copy_from_slice(&padded::<2>(of_day / 3600));
    text[14..16].copy_from_slice(&padded::<2>(of_day / 60 % 60));
    text[17..].copy_from_slice(&padded::<2>(of_day % 60));
    text
}

/// Year, month and day of a day counted from 1970-01-01 (Howard Hinnant's `civil_from_days`).
///
/// Years are counted from March, so that the leap day is the last day of its year.
fn date(day: i64) -> (u64, u64, u64) {
    const DAYS_IN_400_YEARS: i64 = 146_097;
    let day = day + 719_468; // from 0000-03-01
    let era = day.div_euclid(DAYS_IN_400_YEARS);
    let of_era = day.rem_euclid(DAYS_IN_400_YEARS);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day_of_month = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    // An i64 of nanoseconds reaches from 1677 to 2262.
    (year as u64, month as u64, day_of_month as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(time: i64) -> String {
        let mut out = Vec::new();
        Clock::new().write(&mut out, time);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn times_are_rfc_3339_with_nanoseconds() {
        assert_eq!(written(0), "1970-01-01T00:00:00.000000000Z");
        assert_eq!(written(-1), "1969-12-31T23:59:59.999999999Z");
        assert_eq!(written(951_782_400_000_000_000), "2000-02-29T00:00:00.000000000Z");
        assert_eq!(written(1_795_299_005_123_456_789), "2026-11-21T22:10:05.123456789Z");
        assert_eq!(written(i64::MAX), "2262-04-11T23:47:16.854775807Z");
        assert_eq!(written(i64::MIN), "1677-09-21T00:12:43.145224192Z");
    }

    #[test]
    fn each_day_follows_the_one_before() {
        let mut yesterday = date(-1000);
        for day in -999..200_000 {
            let today = date(day);
            let (year, month, of_month) = yesterday;
            let next_day = today == (year, month, of_month + 1);
            let next_month = today == (year, month + 1, 1) && of_month >= 28;
            let next_year = today == (year + 1, 1, 1) && (month, of_month) == (12, 31);
            assert!(next_day || next_month || next_year, "{yesterday:?} then {today:?}");
            yesterday = today;
        }
    }
}
