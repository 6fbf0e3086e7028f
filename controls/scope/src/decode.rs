//! Records to what changed about cgroups.

use schema::{Change, Origin, Sink};
use wire::{Malformed, Reader, RecordHeader};

use crate::record::{self, ScopeCgroupRecord};

/// As much of a path as the kernel side copies: `CGROUP_PATH`.
const MOST: u32 = 2048;

/// Turns one record into a change; this control fills no table.
pub(crate) fn decode(
    header: &RecordHeader,
    _: Origin,
    reader: Reader<'_>,
    sink: &mut Sink,
) -> Result<(), Malformed> {
    let (record, mut tail) = reader.record::<ScopeCgroupRecord>()?;
    let ScopeCgroupRecord { header: RecordHeader { time, cgroup, .. }, path_length, entered } =
        record;
    let path = tail.string(path_length)?;
    // A path that was cut, or could not be read, would be taken for another cgroup's. Whoever runs
    // there first lets it be found in /proc.
    if path.is_empty() || path_length >= MOST {
        return Err(Malformed::Text);
    }
    sink.change(match u32::from(header.kind) {
        record::SCOPE_MADE => {
            Change::CgroupMade { time, id: cgroup, path: path.into(), watched: entered != 0 }
        }
        record::SCOPE_GONE => Change::CgroupGone { time, id: cgroup },
        _ => return Err(Malformed::Kind),
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use zerocopy::{FromZeros, IntoBytes};

    fn decode_path(path: &[u8]) -> (Result<(), Malformed>, Vec<Change>) {
        let (fixed, length) = (size_of::<ScopeCgroupRecord>(), path.len() as u32);
        let size = (fixed + path.len()) as u32;
        let kind = record::SCOPE_MADE as u16;
        let header = RecordHeader { cgroup: 7, size, kind, ..RecordHeader::new_zeroed() };
        let record = ScopeCgroupRecord { header, path_length: length, entered: 1 };
        let bytes = [record.as_bytes(), path].concat();
        let (header, reader) = Reader::new(&bytes).expect("a record");
        let mut sink = Sink::default();
        (decode(&header, Origin::default(), reader, &mut sink), sink.changes)
    }

    #[test]
    fn a_path_that_was_cut_names_nothing() {
        let (told, changes) = decode_path(b"/kubepods\0");
        let path = b"/kubepods".as_slice().into();
        let made = Change::CgroupMade { time: 0, id: 7, path, watched: true };
        assert_eq!((told, changes), (Ok(()), vec![made]));
        assert_eq!(decode_path(&[b'x'; MOST as usize]), (Err(Malformed::Text), vec![]));
        assert_eq!(decode_path(b"\0"), (Err(Malformed::Text), vec![]));
    }
}
