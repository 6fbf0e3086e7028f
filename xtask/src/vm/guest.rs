//! Puts a guest's image together: busybox, our programs with their libraries, the tests, the packages.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::fetch::Kernel;
use super::image::Image;
use super::init::{self, Job};
use super::{binaries, modules, packages};
use crate::failure::{Context, Failure, Result};
use crate::run;

/// The one package that every guest has: a shell and the usual tools in one static file.
const BUSYBOX: &str = "busybox-static";

/// Folders that programs expect and that no file of ours brings along.
const FOLDERS: [&str; 12] = [
    "/proc",
    "/sys",
    "/dev",
    "/run",
    "/root",
    "/etc",
    "/var/log",
    "/var/tmp",
    "/var/run",
    "/mnt",
    "/tests",
    "/usr/local/bin",
];

/// What a guest is to have, the same for every kernel but for the modules.
#[derive(Default)]
pub(super) struct Contents {
    /// Of this machine, put into /usr/bin under their own names.
    pub(super) programs: Vec<PathBuf>,
    /// Test programs, put into /tests under these names.
    pub(super) tests: Vec<(String, PathBuf)>,
    pub(super) modules: Vec<String>,
    pub(super) packages: Vec<String>,
}

/// An image on disk, and what could not be put into it.
pub(super) struct Built {
    pub(super) file: PathBuf,
    pub(super) size: u64,
    pub(super) notes: Vec<String>,
}

/// Writes the image for one kernel, with `scratch` for what has to be unpacked on the way.
pub(super) fn build(
    kernel: &Kernel,
    contents: &Contents,
    job: &Job,
    scratch: &Path,
) -> Result<Built> {
    fs::create_dir_all(scratch).context(|| scratch.display().to_string())?;
    let mut image = Image::new();
    for folder in FOLDERS {
        image.directory(folder, 0o755);
    }
    system_files(&mut image);
    let mut packages = vec![BUSYBOX.to_string()];
    packages.extend(contents.packages.iter().cloned());
    for folder in packages::unpacked(&packages)? {
        image.tree(&folder)?;
    }
    if !image.has("/bin/busybox") {
        return Err(Failure::new(format!("{BUSYBOX} brings no /bin/busybox")));
    }
    if !image.has("/bin/sh") {
        image.link("/bin/sh", "busybox");
    }
    for program in &contents.programs {
        let name = program.file_name().unwrap_or_default().to_string_lossy();
        put_program(&mut image, &format!("/usr/bin/{name}"), program, scratch)?;
    }
    for (name, program) in &contents.tests {
        put_program(&mut image, &format!("/tests/{name}"), program, scratch)?;
    }
    let (modules, missing) = modules::load_order(kernel, &contents.modules, scratch)?;
    for module in &modules {
        image.copy(&format!("/lib/modules/{}/{}.ko", kernel.release, module.name), &module.file)?;
    }
    let names: Vec<String> = modules.into_iter().map(|module| module.name).collect();
    image.bytes("/init", 0o755, init::script(&names, job));
    let file = scratch.join("image.cpio");
    let size = image.write(&file)?;
    let notes = missing
        .iter()
        .map(|name| format!("kernel {} has no module {name}", kernel.release))
        .collect();
    Ok(Built { file, size, notes })
}

/// Puts a program with the libraries that it loads, at the paths where it looks for them.
fn put_program(image: &mut Image, at: &str, program: &Path, scratch: &Path) -> Result<()> {
    for library in binaries::libraries(program)? {
        image.copy(&library.to_string_lossy(), &library)?;
    }
    // Debug sections are most of a development build, and the image is unpacked by emulated
    // processors. The symbols stay: backtraces keep their names.
    let stripped = scratch.join(at.trim_start_matches('/').replace('/', "."));
    let strip = run::output(
        Command::new("strip").args(["--strip-debug", "-o"]).arg(&stripped).arg(program),
    );
    image.copy(at, if strip.is_ok() { &stripped } else { program })
}

fn system_files(image: &mut Image) {
    let nobody = "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n";
    let file = |image: &mut Image, path: &str, text: &str| image.bytes(path, 0o644, text);
    file(
        image,
        "/etc/passwd",
        &format!("root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1::/:/bin/false\n{nobody}"),
    );
    file(image, "/etc/group", "root:x:0:\ndaemon:x:1:\nnogroup:x:65534:\n");
    file(image, "/etc/hosts", "127.0.0.1 localhost guest\n::1 localhost\n");
    file(image, "/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n");
    file(image, "/etc/hostname", "guest\n");
    file(image, "/etc/machine-id", "6661746f6d0000000000000000000001\n");
    file(image, "/etc/os-release", "ID=debian\nPRETTY_NAME=\"Fathom's guest\"\n");
}
