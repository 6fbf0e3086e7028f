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
