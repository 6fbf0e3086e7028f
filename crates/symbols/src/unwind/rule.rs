//! What a row says: where a frame begins, and where its caller's frame pointer is.

/// How to get from a frame to its caller's.
///
/// The frame's address (CFA) is what the stack pointer was before the call; the return address is
/// in the 8 bytes below it, but for [`Cfa::Signal`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rule {
    /// Where the frame begins.
    pub cfa: Cfa,
    /// Where the caller's frame pointer (rbp) is.
    pub fp: Fp,
}

/// Where a frame begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cfa {
    /// Nothing is known of this address.
    None,
    /// It has no caller.
    End,
    /// rsp + this.
    Sp(i32),
    /// rbp + this.
    Fp(i32),
    /// What is saved at rbp + `at`, and `add` to it.
    DerefFp {
        /// Added to rbp before the read.
        at: i16,
        /// Added to what was read.
        add: i16,
    },
    /// What is saved at rsp + `at`, and `add` to it.
    DerefSp {
        /// Added to rsp before the read.
        at: i16,
        /// Added to what was read.
        add: i16,
    },
    /// An entry of the procedure linkage table: rsp + 8, and 8 more once the low four bits of the
    /// address are at least this.
    Plt(i32),
    /// A frame that the kernel made: all registers are saved, r8 first, at rsp + this.
    Signal(i32),
    /// Another register + `offset`. Only known in the innermost frame.
    Register {
        /// By its number in DWARF: 0–15.
        register: u16,
        /// Added to it.
        offset: i16,
    },
    /// It is said, but in a way that has no place here.
    Unsupported,
}

/// Where the caller's frame pointer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fp {
    /// Still in rbp.
    Same,
    /// Saved at the frame's address + this.
    AtCfa(i16),
    /// Lost.
    Undefined,
    /// Saved at rbp + this.
    AtFp(i16),
}

impl Rule {
    /// The size of a rule, in bytes.
    pub const SIZE: usize = 8;
    /// Nothing is known. Rule number 0 of each table.
    pub const NONE: Rule = Rule::bare(Cfa::None);
    /// There is no caller.
    pub const END: Rule = Rule::bare(Cfa::End);
    /// There is a rule that has no place here.
    pub const UNSUPPORTED: Rule = Rule::bare(Cfa::Unsupported);

    const fn bare(cfa: Cfa) -> Rule {
        Rule { cfa, fp: Fp::Same }
    }

    /// As it stands in a table: kind of CFA, kind of frame pointer, offset of the frame pointer
    /// (16 bits), offset of the CFA (32 bits).
    pub fn encode(self) -> [u8; Rule::SIZE] {
        let (cfa, cfa_offset) = match self.cfa {
            Cfa::None => (0, 0),
            Cfa::End => (1, 0),
            Cfa::Sp(offset) => (2, offset),
            Cfa::Fp(offset) => (3, offset),
            Cfa::DerefFp { at, add } => (4, halves(at as u16, add as u16)),
            Cfa::DerefSp { at, add } => (5, halves(at as u16, add as u16)),
            Cfa::Plt(from) => (6, from),
            Cfa::Signal(offset) => (7, offset),
            Cfa::Register { register, offset } => (8, halves(offset as u16, register)),
            Cfa::Unsupported => (9, 0),
        };
        let (fp, fp_offset) = match self.fp {
            Fp::Same => (0, 0),
            Fp::AtCfa(offset) => (1, offset),
            Fp::Undefined => (2, 0),
            Fp::AtFp(offset) => (3, offset),
        };
        let mut bytes = [cfa, fp, 0, 0, 0, 0, 0, 0];
        bytes[2..4].copy_from_slice(&fp_offset.to_le_bytes());
        bytes[4..8].copy_from_slice(&cfa_offset.to_le_bytes());
        bytes
    }

    /// Reads what [`Rule::encode`] wrote. A kind that there is not is [`Cfa::Unsupported`].
    pub fn decode(bytes: [u8; Rule::SIZE]) -> Rule {
        let fp_offset = i16::from_le_bytes([bytes[2], bytes[3]]);
        let cfa_offset = i32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
        let low = cfa_offset as i16;
        let high = (cfa_offset >> 16) as i16;
        let cfa = match bytes[0] {
            0 => Cfa::None,
            1 => Cfa::End,
            2 => Cfa::Sp(cfa_offset),
            3 => Cfa::Fp(cfa_offset),
            4 => Cfa::DerefFp { at: low, add: high },
            5 => Cfa::DerefSp { at: low, add: high },
            6 => Cfa::Plt(cfa_offset),
            7 => Cfa::Signal(cfa_offset),
            8 => Cfa::Register { register: high as u16, offset: low },
            _ => Cfa::Unsupported,
        };
        let fp = match bytes[1] {
            0 => Fp::Same,
            1 => Fp::AtCfa(fp_offset),
            3 => Fp::AtFp(fp_offset),
            _ => Fp::Undefined,
        };
        Rule { cfa, fp }
    }
}

fn halves(low: u16, high: u16) -> i32 {
    (u32::from(low) | u32::from(high) << 16) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_decoded() {
        let cfas = [
            Cfa::None,
            Cfa::End,
            Cfa::Sp(-8),
            Cfa::Fp(1 << 20),
            Cfa::DerefFp { at: -8, add: 16 },
            Cfa::DerefSp { at: 544, add: -8 },
            Cfa::Plt(11),
            Cfa::Signal(40),
            Cfa::Register { register: 10, offset: -16 },
            Cfa::Unsupported,
        ];
        for cfa in cfas {
            for fp in [Fp::Same, Fp::AtCfa(-16), Fp::Undefined, Fp::AtFp(-8)] {
                let rule = Rule { cfa, fp };
                assert_eq!(Rule::decode(rule.encode()), rule);
            }
        }
    }
}
