//! Colours: one family for each kind of frame, within it a shade for each binary.

use crate::frame::{FrameKind, Name};

/// Red, green and blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Colour(pub(crate) [u8; 3]);

/// The first and the last of a family's hues in degrees, its saturation, and its lightness.
struct Family {
    hues: (f64, f64),
    saturation: f64,
    lightness: (f64, f64),
}

impl Colour {
    /// What a frame is drawn in.
    pub(crate) fn of(name: &Name) -> Colour {
        let family = family(name.kind);
        // By binary, so that it is seen where one calls into another; in Python by file.
        let place = match name.kind {
            FrameKind::Python => name.file.as_deref(),
            FrameKind::Group => None,
            _ => name.binary.as_deref(),
        };
        let hash = place.map_or(0x8000_4000, hash);
        let part = |bits: u32| f64::from((hash >> bits) & 0xffff) / 65_535.0;
        let between = |(from, to): (f64, f64), part: f64| from + (to - from) * part;
        hsl(between(family.hues, part(16)), family.saturation, between(family.lightness, part(0)))
    }

    /// What stands for a whole kind in the legend.
    pub(crate) fn of_kind(kind: FrameKind) -> Colour {
        let Family { hues, saturation, lightness } = family(kind);
        hsl((hues.0 + hues.1) / 2.0, saturation, (lightness.0 + lightness.1) / 2.0)
    }

    /// What grew, from 0 to 1, or shrank, to -1: orange and blue, which all eyes tell apart.
    pub(crate) fn of_change(change: f64) -> Colour {
        let strength = change.abs().min(1.0).sqrt();
        let still = [226.0, 229.0, 233.0];
        let full = if change > 0.0 { [240.0, 125.0, 38.0] } else { [70.0, 148.0, 226.0] };
        let mix = |at: usize| still[at] + (full[at] - still[at]) * strength;
        Colour([mix(0) as u8, mix(1) as u8, mix(2) as u8])
    }

    /// Whether light text is read better on it than dark text.
    pub(crate) fn is_dark(self) -> bool {
        let [red, green, blue] = self.0.map(f64::from);
        0.299 * red + 0.587 * green + 0.114 * blue < 125.0
    }

    /// As `#rrggbb`.
    pub(crate) fn hex(self) -> String {
        let [red, green, blue] = self.0;
        format!("#{red:02x}{green:02x}{blue:02x}")
    }
}

fn family(kind: FrameKind) -> Family {
    let (hues, saturation, lightness) = match kind {
        FrameKind::Native => ((104.0, 180.0), 0.44, (0.62, 0.75)),
        FrameKind::Go => ((193.0, 205.0), 0.68, (0.66, 0.76)),
        FrameKind::Python => ((40.0, 52.0), 0.86, (0.60, 0.72)),
        FrameKind::Jit => ((328.0, 350.0), 0.62, (0.72, 0.80)),
        FrameKind::Kernel => ((252.0, 272.0), 0.55, (0.74, 0.80)),
        FrameKind::Unknown => ((215.0, 215.0), 0.08, (0.76, 0.80)),
        FrameKind::Note => ((14.0, 14.0), 0.60, (0.80, 0.80)),
        FrameKind::Group => ((215.0, 215.0), 0.22, (0.36, 0.36)),
    };
    Family { hues, saturation, lightness }
}

/// FNV-1a, stirred so that its high bits differ too.
fn hash(text: &str) -> u32 {
    let step = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    let hash = text.bytes().fold(0x811c_9dc5, step);
    let hash = (hash ^ (hash >> 15)).wrapping_mul(0x2c1b_3c6d);
    hash ^ (hash >> 13)
}

fn hsl(hue: f64, saturation: f64, lightness: f64) -> Colour {
    let chroma = (1.0 - (2.0 * lightness - 1.0).abs()) * saturation;
    let channel = |shift: f64| {
        let at = (shift + hue / 30.0) % 12.0;
        let value = lightness - chroma / 2.0 * (at - 3.0).min(9.0 - at).clamp(-1.0, 1.0);
        (value * 255.0).round() as u8
    };
    Colour([channel(0.0), channel(8.0), channel(4.0)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_what_they_should_be() {
        assert_eq!(hsl(0.0, 1.0, 0.5).hex(), "#ff0000");
        assert_eq!(hsl(120.0, 1.0, 0.25).hex(), "#008000");
        assert_eq!(hsl(240.0, 0.0, 1.0).hex(), "#ffffff");
        assert!(Colour::of_change(1.0) != Colour::of_change(-1.0));
    }

    #[test]
    fn kinds_are_told_apart() {
        let far = |one: Colour, other: Colour| {
            one.0.iter().zip(other.0).map(|(&a, b)| u32::from(a.abs_diff(b))).sum::<u32>()
        };
        for one in FrameKind::ALL {
            for other in FrameKind::ALL {
                let (a, b) = (Colour::of_kind(one), Colour::of_kind(other));
                assert!(one == other || far(a, b) > 30, "{one:?} {a:?} {other:?} {b:?}");
            }
        }
        assert!(Colour::of_kind(FrameKind::Group).is_dark());
        assert!(!Colour::of_kind(FrameKind::Native).is_dark());
    }
}
