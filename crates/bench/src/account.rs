//! What an agent of ours spent until now, by the kernel's books.

use std::collections::HashSet;
use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::run;

/// The books of one moment.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Account {
    /// CPU time of its own, in seconds.
    cpu: f64,
    /// Run time of its BPF programs, in seconds; counted while statistics are on.
    programs: f64,
    /// Bytes that it holds.
    pub(crate) resident: f64,
    /// Bytes that its BPF maps hold.
    pub(crate) maps: f64,
}

/// What was spent between two moments.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spent {
    cpu: f64,
    programs: f64,
    time: f64,
}

/// Clock ticks in a second, whatever the kernel's own are: USER_HZ.
const TICKS: f64 = 100.0;

impl Account {
    /// The books of our own child `pid`. Its BPF programs and maps are those that it has open.
    pub(crate) fn of(pid: u32) -> Result<Account> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let mut account = Account {
            cpu: ticks(&stat).context("no CPU time")? / TICKS,
            resident: run::resident(pid)?,
            ..Account::default()
        };
        let mut known = HashSet::new();
        for entry in fs::read_dir(format!("/proc/{pid}/fdinfo"))?.flatten() {
            // It may have been closed meanwhile.
            account.add(&fs::read_to_string(entry.path()).unwrap_or_default(), &mut known);
        }
        Ok(account)
    }

    /// Adds what is behind one descriptor, once however many there are of it.
    fn add(&mut self, info: &str, known: &mut HashSet<(bool, u64)>) {
        let value = |key: &str| {
            let line = info.lines().find_map(|line| line.strip_prefix(key))?;
            line.trim().parse::<u64>().ok()
        };
        if let Some(map) = value("map_id:").filter(|_| value("map_type:").is_some()) {
            if known.insert((true, map)) {
                self.maps += value("memlock:").unwrap_or(0) as f64;
            }
        } else if let Some(program) = value("prog_id:").filter(|_| value("prog_type:").is_some())
            && known.insert((false, program))
        {
            self.programs += value("run_time_ns:").unwrap_or(0) as f64 / 1e9;
        }
    }

    /// What was spent from `before` to this, which was so much later.
    pub(crate) fn since(&self, before: &Account, time: Duration) -> Spent {
        Spent {
            cpu: self.cpu - before.cpu,
            programs: self.programs - before.programs,
            time: time.as_secs_f64(),
        }
    }
}

impl Spent {
    /// Percent of the whole machine.
    pub(crate) fn share(&self) -> f64 {
        percent(self.cpu + self.programs, self.time)
    }

    /// Seconds of BPF programs.
    pub(crate) fn programs(&self) -> f64 {
        self.programs
    }

    /// Seconds of the agent itself.
    pub(crate) fn own(&self) -> f64 {
        self.cpu
    }

    /// Percent of the whole machine that went to the agent itself, outside the kernel's hooks.
    pub(crate) fn own_share(&self) -> f64 {
        percent(self.cpu, self.time)
    }
}

fn percent(seconds: f64, time: f64) -> f64 {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    100.0 * seconds / (time * cores as f64)
}

/// User and system time of `/proc/PID/stat`, without that of children.
fn ticks(stat: &str) -> Option<f64> {
    let (_, behind) = stat.rsplit_once(')')?;
    let words: Vec<&str> = behind.split_whitespace().collect();
    Some(words.get(11)?.parse::<f64>().ok()? + words.get(12)?.parse::<f64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_books_are_read() {
        let stat = "42 (a ) b) S 1 42 42 0 -1 4194560 100 0 0 0 250 50 7 8 20 0 1 0 5 0 0";
        assert_eq!(ticks(stat), Some(300.0));
        let mut account = Account::default();
        let mut known = HashSet::new();
        let map = "pos:\t0\nflags:\t02\nmap_type:\t2\nmemlock:\t4096\nmap_id:\t7\n";
        let program =
            "pos:\t0\nprog_type:\t7\nmemlock:\t8192\nprog_id:\t7\nrun_time_ns:\t2000000\n";
        for info in [map, map, program, program, "pos:\t0\nflags:\t02\n"] {
            account.add(info, &mut known);
        }
        assert_eq!((account.maps, account.programs), (4096.0, 0.002));
        let spent =
            Account { cpu: 1.0, ..account }.since(&Account::default(), Duration::from_secs(1));
        assert!(spent.share() > spent.own_share());
    }
}
