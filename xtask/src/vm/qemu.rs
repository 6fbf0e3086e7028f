//! Boots a kernel with an image under QEMU's own emulation, and listens to it.

use std::path::Path;
use std::process::{Command, ExitStatus};

use super::fetch::Kernel;
use crate::failure::Result;
use crate::run;

/// What the kernel is told. Panics end the guest at once; `bpf` among the security modules
/// is what the LSM rungs of our ladders need; the mitigations only cost time here.
const KERNEL_WORDS: &str = "console=ttyS0 loglevel=5 panic=-1 mitigations=off \
     lsm=landlock,lockdown,yama,integrity,apparmor,bpf";

/// The guest and its limits.
pub(super) struct Machine<'a> {
    pub(super) kernel: &'a Kernel,
    pub(super) image: &'a Path,
    /// Where the kernel's own messages go.
    pub(super) messages: &'a Path,
    pub(super) memory_mb: u64,
    pub(super) cpus: u64,
    pub(super) seconds: u64,
}

/// How a guest ended.
#[derive(Debug, PartialEq, Clone, Copy)]
pub(super) enum Ended {
    /// By powering off, or by a panic: what it printed tells.
    ByItself,
    /// By us, when its time was over.
    TimedOut,
}

impl Machine<'_> {
    /// Boots it and hands each line that the guest's programs print to `each`.
    pub(super) fn run(&self, each: impl FnMut(&str)) -> Result<Ended> {
        // `timeout` ends the emulator even if we are killed ourselves; --foreground lets
        // Ctrl-C reach it.
        let mut command = Command::new("timeout");
        command.args([
            "--foreground",
            "--kill-after=5",
            &self.seconds.to_string(),
            "qemu-system-x86_64",
        ]);
        // One thread for all processors: with a thread each, one of them may still run code that
        // another has just rewritten, and a kernel that patches itself as we attach ends in an oops.
        command.args(["-accel", "tcg,thread=single", "-cpu", "max", "-no-reboot"]);
        command.args(["-smp", &self.cpus.to_string(), "-m", &format!("{}M", self.memory_mb)]);
        command.args(["-display", "none", "-monitor", "none", "-nodefaults"]);
        command.args(["-serial", &format!("file:{}", self.messages.display()), "-serial", "stdio"]);
        command.arg("-kernel").arg(&self.kernel.image).arg("-initrd").arg(self.image);
        command.args(["-append", KERNEL_WORDS]);
        Ok(ended(run::lines(&mut command, each)?))
    }
}

fn ended(status: ExitStatus) -> Ended {
    // 124 is how `timeout` says that it had to end what it ran, 137 that it had to insist.
    if matches!(status.code(), Some(124 | 137)) { Ended::TimedOut } else { Ended::ByItself }
}
