//! Monitor the monitor: what our programs and maps cost.

use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

use anyhow::{Result, bail};
use libbpf_rs::MapCore;

use crate::Kernel;

/// What one program cost until now.
#[derive(Debug, Clone)]
pub struct ProgramAccount {
    /// The signal.
    pub signal: &'static str,
    /// The program.
    pub name: String,
    /// How often it ran; counted only while statistics are on.
    pub runs: u64,
    /// How long it ran in all; counted only while statistics are on.
    pub run_time: Duration,
    /// How often it was not run because it was running already on that CPU.
    pub misses: u64,
    /// How long its object took to load.
    pub load_time: Duration,
    /// Instructions that the verifier walked through; 0 before Linux 5.16.
    pub verified: u32,
    /// Bytes of machine code.
    pub jited_bytes: u32,
}

/// What one map holds.
#[derive(Debug, Clone)]
pub struct MapAccount {
    /// The signal whose object brought it.
    pub signal: &'static str,
    /// The map.
    pub name: String,
    /// Entries that fit.
    pub capacity: u32,
    /// Bytes of kernel memory, as the kernel accounts for it.
    pub bytes: u64,
}

/// Keeps the kernel's run-time statistics on; they cost some nanoseconds for each run.
#[derive(Debug)]
pub struct StatsGuard {
    _fd: OwnedFd,
}

impl StatsGuard {
    /// Turns statistics on until the guard is dropped.
    pub fn enable() -> Result<StatsGuard> {
        // SAFETY: a plain system call; on success it returns a descriptor that is ours.
        let fd = unsafe { libbpf_sys::bpf_enable_stats(libbpf_sys::BPF_STATS_RUN_TIME) };
        if fd < 0 {
            bail!(
                "the kernel does not turn on its statistics: {}",
                std::io::Error::last_os_error()
            );
        }
        // SAFETY: `fd` was just returned to us and nobody else has it.
        Ok(StatsGuard { _fd: unsafe { OwnedFd::from_raw_fd(fd) } })
    }
}

impl Kernel {
    /// The accounts of every loaded program.
    pub fn programs(&self) -> Vec<ProgramAccount> {
        let mut accounts = Vec::new();
        for loaded in &self.objects {
            for program in loaded.object.progs() {
                let name = program.name().to_string_lossy().into_owned();
                if !program.autoload() {
                    continue;
                }
                let Some(info) = program_info(program.as_fd().as_raw_fd()) else { continue };
                accounts.push(ProgramAccount {
                    signal: loaded.name,
                    name,
                    runs: info.run_cnt,
                    run_time: Duration::from_nanos(info.run_time_ns),
                    misses: info.recursion_misses,
                    load_time: loaded.load_time,
                    verified: info.verified_insns,
                    jited_bytes: info.jited_prog_len,
                });
            }
        }
        accounts
    }

    /// The accounts of every map, shared ones once.
    pub fn maps(&self) -> Vec<MapAccount> {
        let mut accounts: Vec<MapAccount> = Vec::new();
        let mut add = |signal, name: String, capacity, fd: i32| {
            if accounts.iter().all(|known| known.name != name) {
                accounts.push(MapAccount { signal, name, capacity, bytes: memory(fd) });
            }
        };
        for loaded in &self.objects {
            for map in loaded.object.maps() {
                let name = map.name().to_string_lossy().into_owned();
                add(loaded.name, name, map.max_entries(), map.as_fd().as_raw_fd());
            }
        }
        for ring in self.rings.facts.iter().chain(&self.rings.bulk) {
            let name = ring.name().to_string_lossy().into_owned();
            add("rings", name, ring.max_entries(), ring.as_fd().as_raw_fd());
        }
        accounts
    }
}

fn program_info(fd: i32) -> Option<libbpf_sys::bpf_prog_info> {
    let mut info = libbpf_sys::bpf_prog_info::default();
    let mut size = size_of_val(&info) as u32;
    // SAFETY: `info` is `size` bytes of plain numbers, and the kernel writes at most that much.
    let failed = unsafe { libbpf_sys::bpf_prog_get_info_by_fd(fd, &raw mut info, &raw mut size) };
    (failed == 0).then_some(info)
}

/// The kernel says it in the descriptor's own information.
fn memory(fd: i32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("memlock:"));
    line.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
}
