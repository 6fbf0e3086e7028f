//! Records to what changed about cgroups.

use schema::{Change, Origin, Sink};
use wire::{Malformed, Reader, RecordHeader};

use crate::record::{self, ScopeCgroupRecord};

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
    sink.change(match u32::from(header.kind) {
        record::SCOPE_MADE => {
            Change::CgroupMade { time, id: cgroup, path: path.into(), watched: entered != 0 }
        }
        record::SCOPE_GONE => Change::CgroupGone { time, id: cgroup },
        _ => return Err(Malformed::Kind),
    });
    Ok(())
}
