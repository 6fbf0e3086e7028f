//! The few DWARF expressions that compilers and linkers write into unwind tables.

use gimli::{EndianSlice, Expression, LittleEndian, Operation};

use super::rule::Cfa;

type Bytes<'a> = EndianSlice<'a, LittleEndian>;

const RBP: u16 = 6;
const RSP: u16 = 7;
const RIP: u16 = 16;

const ENCODING: gimli::Encoding =
    gimli::Encoding { format: gimli::Format::Dwarf32, version: 4, address_size: 8 };

/// What an expression for a frame's address says, if it is one of those that are known.
pub(super) fn cfa(expression: Expression<Bytes>) -> Option<Cfa> {
    deref(expression).or_else(|| plt(expression))
}

/// A register that is read, and what is added: `breg`.
pub(super) fn register_offset(expression: Expression<Bytes>) -> Option<(u16, i64)> {
    let mut operations = expression.operations(ENCODING);
    let Operation::RegisterOffset { register, offset, .. } = operations.next().ok()?? else {
        return None;
    };
    operations.next().ok()?.is_none().then_some((register.0, offset))
}

/// The offset from rsp of the caller's stack pointer: what the frames of signals say.
pub(super) fn deref_sp(expression: Expression<Bytes>) -> Option<i64> {
    match deref(expression)? {
        Cfa::DerefSp { at, add: 0 } => Some(at.into()),
        _ => None,
    }
}

/// `breg N; deref`, and maybe a constant on top: what was saved when the stack was realigned.
fn deref(expression: Expression<Bytes>) -> Option<Cfa> {
    let mut operations = expression.operations(ENCODING);
    let mut next = || operations.next().ok();
    let Operation::RegisterOffset { register, offset, .. } = next()?? else { return None };
    let Operation::Deref { size: 8, space: false, .. } = next()?? else { return None };
    let add = match next()? {
        None => 0,
        Some(Operation::PlusConstant { value }) => i16::try_from(value).ok()?,
        Some(_) => return None,
    };
    if next()?.is_some() {
        return None;
    }
    let at = i16::try_from(offset).ok()?;
    match register.0 {
        RBP => Some(Cfa::DerefFp { at, add }),
        RSP => Some(Cfa::DerefSp { at, add }),
        _ => None,
    }
}

/// What linkers say of the procedure linkage table: each entry of 16 bytes has pushed a word
/// from its byte N on.
fn plt(expression: Expression<Bytes>) -> Option<Cfa> {
    let mut operations = expression.operations(ENCODING);
    let mut next = || operations.next().ok().flatten();
    let is = |operation, register, offset| match operation {
        Operation::RegisterOffset { register: read, offset: added, .. } => {
            read == gimli::Register(register) && added == offset
        }
        _ => false,
    };
    let known = is(next()?, RSP, 8)
        && is(next()?, RIP, 0)
        && constant(next()?)? == 15
        && next()? == Operation::And;
    let from = constant(next()?)?;
    let known = known
        && next()? == Operation::Ge
        && constant(next()?)? == 3
        && next()? == Operation::Shl
        && matches!(next()?, Operation::Plus)
        && next().is_none();
    (known && (0..16).contains(&from)).then_some(Cfa::Plt(from as i32))
}

fn constant(operation: Operation<Bytes>) -> Option<u64> {
    match operation {
        Operation::UnsignedConstant { value } => Some(value),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(bytes: &[u8]) -> Option<Cfa> {
        cfa(Expression(EndianSlice::new(bytes, LittleEndian)))
    }

    /// breg7 8; breg16 0; lit15; and; litN; ge; lit3; shl; plus.
    #[test]
    fn entries_of_the_linkage_table() {
        for from in [10, 11] {
            let mut bytes = [0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x30 + from, 0x2a, 0x33, 0x24, 0x22];
            assert_eq!(says(&bytes), Some(Cfa::Plt(from.into())));
            assert_eq!(says(&bytes[..10]), None, "cut short");
            bytes[1] = 16;
            assert_eq!(says(&bytes), None, "another offset");
        }
    }

    #[test]
    fn what_was_saved_when_the_stack_was_realigned() {
        // breg6 -8; deref
        assert_eq!(says(&[0x76, 0x78, 0x06]), Some(Cfa::DerefFp { at: -8, add: 0 }));
        // breg7 40; deref; plus_uconst 8
        let bytes = [0x77, 40, 0x06, 0x23, 8];
        assert_eq!(says(&bytes), Some(Cfa::DerefSp { at: 40, add: 8 }));
        // breg3 -8; deref, and an offset beyond 16 bits
        assert_eq!(says(&[0x73, 0x78, 0x06]), None);
        assert_eq!(says(&[0x76, 0x80, 0x80, 0x04, 0x06]), None);
        assert_eq!(says(&[]), None);
    }
}
