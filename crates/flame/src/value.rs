//! What samples weigh.

use std::ops::AddAssign;

/// Which of a sample's weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ValueKind {
    /// How many samples.
    Samples,
    /// CPU time in nanoseconds.
    Cpu,
    /// Time in nanoseconds during which a thread was off the CPU.
    OffCpu,
}

/// The weights of samples, all kinds side by side; what does not apply is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Values {
    /// How many samples.
    pub samples: u64,
    /// CPU time, nanoseconds.
    pub cpu: u64,
    /// Off-CPU time, nanoseconds.
    pub off_cpu: u64,
}

impl ValueKind {
    /// All kinds.
    pub const ALL: [ValueKind; 3] = [ValueKind::Samples, ValueKind::Cpu, ValueKind::OffCpu];

    /// As pprof calls it: `samples`, `cpu`, `off_cpu`.
    pub fn word(self) -> &'static str {
        match self {
            ValueKind::Samples => "samples",
            ValueKind::Cpu => "cpu",
            ValueKind::OffCpu => "off_cpu",
        }
    }

    /// As pprof calls its unit: `count` or `nanoseconds`.
    pub fn unit(self) -> &'static str {
        match self {
            ValueKind::Samples => "count",
            ValueKind::Cpu | ValueKind::OffCpu => "nanoseconds",
        }
    }

    /// A value of this kind for a person: `1,234 samples`, `2.51 s`.
    pub fn plain(self, value: u64) -> String {
        match self {
            ValueKind::Samples if value == 1 => "1 sample".into(),
            ValueKind::Samples => format!("{} samples", grouped(value)),
            ValueKind::Cpu | ValueKind::OffCpu => span(value),
        }
    }
}

impl Values {
    /// Samples on the CPU.
    pub fn cpu(samples: u64, nanoseconds: u64) -> Values {
        Values { samples, cpu: nanoseconds, off_cpu: 0 }
    }

    /// Samples off the CPU.
    pub fn off_cpu(samples: u64, nanoseconds: u64) -> Values {
        Values { samples, cpu: 0, off_cpu: nanoseconds }
    }

    /// One of them.
    pub fn get(self, kind: ValueKind) -> u64 {
        match kind {
            ValueKind::Samples => self.samples,
            ValueKind::Cpu => self.cpu,
            ValueKind::OffCpu => self.off_cpu,
        }
    }
}

impl AddAssign for Values {
    fn add_assign(&mut self, other: Values) {
        self.samples = self.samples.saturating_add(other.samples);
        self.cpu = self.cpu.saturating_add(other.cpu);
        self.off_cpu = self.off_cpu.saturating_add(other.off_cpu);
    }
}

/// A share of `whole` in percent; 0 of nothing.
pub(crate) fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 }
}

/// Nanoseconds in the unit that gives three or four digits: `2.51 s`, `13.0 ms`.
pub(crate) fn span(nanoseconds: u64) -> String {
    const UNITS: [(&str, f64); 3] = [("s", 1e9), ("ms", 1e6), ("µs", 1e3)];
    let value = nanoseconds as f64;
    for (unit, size) in UNITS {
        if value >= size {
            let shown = value / size;
            let digits = if shown < 10.0 { 2 } else { usize::from(shown < 1000.0) };
            return format!("{shown:.digits$} {unit}");
        }
    }
    format!("{nanoseconds} ns")
}

/// A number with its thousands apart.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_plain() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(span(999), "999 ns");
        assert_eq!(span(2_510_000_000), "2.51 s");
        assert_eq!(span(13_000_000), "13.0 ms");
        assert_eq!(span(12_345_000_000_000), "12345 s");
        assert_eq!(ValueKind::Samples.plain(1), "1 sample");
        assert_eq!(percent(1, 0), 0.0);
    }

    #[test]
    fn sums_do_not_wrap() {
        let mut sum = Values::cpu(u64::MAX, 1);
        sum += Values::off_cpu(2, 3);
        assert_eq!(sum, Values { samples: u64::MAX, cpu: 1, off_cpu: 3 });
    }
}
