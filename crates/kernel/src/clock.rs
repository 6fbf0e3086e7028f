//! The clocks of the CPUs, on which sampling programs stand.

use std::fs;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd};

use anyhow::{Context, Result, ensure};
use libbpf_rs::{Link, ProgramMut};
use perf_event_open_sys::bindings::{
    PERF_COUNT_SW_CPU_CLOCK, PERF_FLAG_FD_CLOEXEC, PERF_TYPE_SOFTWARE, perf_event_attr,
};
use perf_event_open_sys::perf_event_open;

const ONLINE: &str = "/sys/devices/system/cpu/online";
/// Once a second is slow enough for anybody, and ten thousand times a tenth of a CPU at the least.
const HERTZ: std::ops::RangeInclusive<u32> = 1..=10_000;

/// How many CPUs are at work, whatever share of them our own container may use; at least one.
pub fn online_cpus() -> usize {
    let list = fs::read_to_string(ONLINE).unwrap_or_default();
    cpus(&list).len().max(1)
}

/// Has `program` run at each tick of each CPU's clock, but for idle ones, `hertz` times a second.
pub(crate) fn attach(program: &ProgramMut<'_>, hertz: u32, links: &mut Vec<Link>) -> Result<()> {
    ensure!(HERTZ.contains(&hertz), "{hertz} samples a second; 1 to 10000 can be had");
    let online = fs::read_to_string(ONLINE).with_context(|| format!("cannot read {ONLINE}"))?;
    for cpu in cpus(&online) {
        let Some(clock) = open(cpu, hertz)? else { continue };
        let link = program.attach_perf_event(clock.as_raw_fd());
        links.push(link.with_context(|| format!("cannot stand on the clock of CPU {cpu}"))?);
        // From here on the link closes it.
        let _ = clock.into_raw_fd();
    }
    Ok(())
}

/// The clock of one CPU; none where that has just gone.
fn open(cpu: u32, hertz: u32) -> Result<Option<OwnedFd>> {
    const ENODEV: i32 = 19;
    let mut attributes = perf_event_attr {
        type_: PERF_TYPE_SOFTWARE,
        size: size_of::<perf_event_attr>() as u32,
        config: PERF_COUNT_SW_CPU_CLOCK.into(),
        ..Default::default()
    };
    attributes.__bindgen_anon_1.sample_period = 1_000_000_000 / u64::from(hertz);
    attributes.set_exclude_idle(1);
    // SAFETY: the attributes are whole and live through the call; all other arguments are numbers.
    let fd = unsafe {
        perf_event_open(&mut attributes, -1, cpu as i32, -1, PERF_FLAG_FD_CLOEXEC.into())
    };
    if fd >= 0 {
        // SAFETY: the kernel has just given us this descriptor, and nobody else has it.
        return Ok(Some(unsafe { OwnedFd::from_raw_fd(fd) }));
    }
    let error = std::io::Error::last_os_error();
    if error.raw_os_error() == Some(ENODEV) {
        return Ok(None);
    }
    Err(error).with_context(|| format!("cannot open the clock of CPU {cpu}"))
}

/// The numbers in a list such as `0-3,5`.
fn cpus(list: &str) -> Vec<u32> {
    let ranges = list.trim().split(',').filter_map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Some(first.parse::<u32>().ok()?..=last.parse::<u32>().ok()?)
    });
    ranges.flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_cpus_are_read() {
        assert_eq!(cpus("0-3,5\n"), [0, 1, 2, 3, 5]);
        assert_eq!(cpus("0\n"), [0]);
        assert_eq!(cpus("\n"), [0u32; 0]);
    }
}
