//! Parts that this program plays as a child of a workload.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::thread;
use std::time::Duration;

/// Runs a program in place of this one, from a thread that is not the first.
pub fn exec_from_thread(program: OsString, args: Vec<OsString>) -> anyhow::Result<()> {
    let exec = move || Command::new(program).args(args).exec();
    let error = thread::spawn(exec).join().map_err(|_| anyhow::anyhow!("the thread gave up"))?;
    Err(error.into())
}

/// Ends while `count` threads are still there.
pub fn end_with_threads(count: usize) {
    for _ in 0..count {
        thread::spawn(|| thread::sleep(Duration::from_secs(3600)));
    }
}
