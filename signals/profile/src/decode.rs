//! Records to stacks, and to what is needed to read them.

use std::net::Ipv6Addr;

use schema::{
    CodeMapping, Image, MappedFile, Origin, ProcessKey, PythonEnd, RawStack, Registers, Sink,
    StackEnd, StackNews, Wait,
};
use wire::{Malformed, Reader, RecordHeader, Tail};

use crate::record::{
    self, ProfileFileRecord, ProfileImageRecord, ProfileMappedRecord, ProfileStackRecord,
    SocketEndsRecord,
};

use crate::python;
use crate::wait::{S_IFMT, is_ended_by_clock, reason, takes_descriptor};

/// Turns one record into one stack, or into news of what a process consists of.
pub(crate) fn decode(
    header: &RecordHeader,
    origin: Origin,
    reader: Reader<'_>,
    sink: &mut Sink,
) -> Result<(), Malformed> {
    let news = match u32::from(header.kind) {
        record::PROFILE_SAMPLE | record::PROFILE_WAIT => {
            let waited = u32::from(header.kind) == record::PROFILE_WAIT;
            StackNews::Stack(Box::new(stack(origin, reader, waited)?))
        }
        record::PROFILE_MAPPED => {
            let (ProfileMappedRecord { header: _, address, length, offset, protected, file }, _) =
                reader.record()?;
            let file = mapped_file(&file);
            let protected = protected != 0;
            StackNews::Mapped(origin, CodeMapping { address, length, offset, protected, file })
        }
        record::PROFILE_IMAGE => {
            let (ProfileImageRecord { header: _, file, auxiliary }, _) = reader.record()?;
            StackNews::Image(origin, image(&file, &auxiliary))
        }
        record::PROFILE_CODE => StackNews::Code(origin, Box::new(python::code(reader)?)),
        _ => return Err(Malformed::Kind),
    };
    sink.stacks.push(news);
    Ok(())
}

fn stack(origin: Origin, reader: Reader<'_>, waited: bool) -> Result<RawStack, Malformed> {
    let (record, mut tail) = reader.record::<ProfileStackRecord>()?;
    // Without `..`: a column that the kernel side gains has to be thought of here.
    let ProfileStackRecord {
        header: _,
        weight,
        ip,
        sp,
        fp,
        space,
        cpu,
        kernel_frames,
        user_frames,
        copied,
        end,
        marks,
        call: _,
        waited: _,
        waker_start: _,
        waker_tgid: _,
        waker_tid: _,
        argument: _,
        inode: _,
        file_mode: _,
        code_frames,
        code_end,
        ends: _,
    } = record;
    Ok(RawStack {
        origin,
        weight,
        cpu,
        in_kernel: waited || marks & record::PROFILE_KERNEL_SIDE != 0,
        kernel: addresses(&mut tail, kernel_frames)?,
        user: addresses(&mut tail, user_frames)?,
        end: *StackEnd::ALL.get(usize::from(end)).ok_or(Malformed::Kind)?,
        space,
        registers: Registers { ip, sp, fp },
        copied: tail.take(u32::from(copied))?.to_vec(),
        python: python::frames(&mut tail, code_frames)?,
        python_end: *PythonEnd::ALL.get(usize::from(code_end)).ok_or(Malformed::Kind)?,
        wait: waited.then(|| wait(&record, origin.process.boot)),
    })
}

fn mapped_file(record: &ProfileFileRecord) -> Option<MappedFile> {
    let ProfileFileRecord { inode, written, device, spare: _ } = *record;
    (inode != 0).then_some(MappedFile { inode, written, device })
}

fn image(file: &ProfileFileRecord, auxiliary: &[u64]) -> Image {
    const AT_BASE: u64 = 7;
    const AT_ENTRY: u64 = 9;
    const AT_SYSINFO_EHDR: u64 = 33;
    let (pairs, _) = auxiliary.as_chunks::<2>();
    let find = |wanted: u64| pairs.iter().find(|[kind, _]| *kind == wanted).map_or(0, |it| it[1]);
    Image {
        file: mapped_file(file),
        entry: find(AT_ENTRY),
        linker: find(AT_BASE),
        vdso: find(AT_SYSINFO_EHDR),
    }
}

fn addresses(tail: &mut Tail<'_>, count: u16) -> Result<Vec<u64>, Malformed> {
    let (words, _) = tail.take(u32::from(count) * 8)?.as_chunks();
    Ok(words.iter().map(|word| u64::from_ne_bytes(*word)).collect())
}

fn wait(record: &ProfileStackRecord, boot: u32) -> Wait {
    let waker = ProcessKey { start: record.waker_start, pid: record.waker_tgid, boot };
    let call = (record.marks & record::PROFILE_IN_CALL != 0).then_some(record.call);
    let on_file = call.is_some_and(takes_descriptor) && record.file_mode & S_IFMT != 0;
    let disk = record.marks & record::PROFILE_IO_WAIT != 0;
    let kernel_thread = u32::from(record.end) == record::PROFILE_END_NO_USER;
    Wait {
        duration: record.waited,
        reason: reason(call, on_file.then_some(record.file_mode), disk, kernel_thread),
        call,
        peer: if on_file { peer(&record.ends) } else { None },
        waker: (record.waker_tid != 0 && !is_ended_by_clock(call))
            .then_some((waker, record.waker_tid)),
    }
}

fn peer(ends: &SocketEndsRecord) -> Option<(Ipv6Addr, u16)> {
    let known = u32::from(ends.marks) & record::SOCKET_PEER_KNOWN != 0;
    known.then(|| (Ipv6Addr::from(ends.peer), ends.peer_port))
}
