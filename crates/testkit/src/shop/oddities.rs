//! What happens in the shop that somebody should hear about.

use std::fs::{self, File, Permissions};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketType};

/// Lets them happen, spread over `time`.
pub(super) fn happen(home: &Path, time: Duration) -> anyhow::Result<()> {
    let oddities: [fn(&Path) -> anyhow::Result<()>; 4] =
        [look_for_secrets, call_who_is_not_there, read_through_a_link, run_what_is_gone];
    for oddity in oddities {
        thread::sleep(time / (oddities.len() as u32 + 1));
        oddity(home)?;
    }
    Ok(())
}

/// A key that is not there.
fn look_for_secrets(home: &Path) -> anyhow::Result<()> {
    for path in [home.join("private/stripe.key"), "/etc/shop/master.key".into()] {
        let _missing = File::open(path);
    }
    Ok(())
}

/// A database that does not listen.
fn call_who_is_not_there(_: &Path) -> anyhow::Result<()> {
    let silent = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None)?;
    rustix::net::bind(&silent, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    let address = SocketAddr::try_from(rustix::net::getsockname(&silent)?)?;
    let _refused = TcpStream::connect(address);
    Ok(())
}

/// A log file that is somebody's payroll.
fn read_through_a_link(home: &Path) -> anyhow::Result<()> {
    let innocent = home.join("public/weather.txt");
    std::os::unix::fs::symlink(home.join("private/payroll.txt"), &innocent)?;
    fs::read(&innocent)?;
    fs::remove_file(innocent)?;
    Ok(())
}

/// A program whose file is deleted before it runs.
fn run_what_is_gone(home: &Path) -> anyhow::Result<()> {
    let path = home.join("bin/updater");
    fs::copy("/bin/sleep", &path)?;
    fs::set_permissions(&path, Permissions::from_mode(0o755))?;
    let file = File::open(&path)?;
    fs::remove_file(&path)?;
    Command::new(format!("/proc/self/fd/{}", file.as_raw_fd()))
        .arg("0.3")
        .stdin(Stdio::null())
        .status()?;
    Ok(())
}
