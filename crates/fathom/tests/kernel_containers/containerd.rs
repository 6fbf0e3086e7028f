//! A containerd of the test's own: its own root, state, socket, and mounts that nobody else sees.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::cri::Client;

/// What its containers and sandboxes run: busybox, packed here.
pub(super) const IMAGE: &str = "localhost/fathom-busybox:1";

/// The programs that have to be there. Of runc and the shim containerd would only say later.
const PROGRAMS: [&str; 7] =
    ["containerd", "containerd-shim-runc-v2", "runc", "ctr", "busybox", "unshare", "tar"];

/// A running containerd. Dropping it ends it; its pods have to be ended before.
pub(super) struct Containerd {
    /// Where it speaks.
    pub(super) socket: PathBuf,
    /// The connection to it.
    pub(super) client: Client,
    daemon: Child,
}

/// How long things may take in a guest whose processor is emulated.
const LONG: Duration = Duration::from_secs(180);

/// Why none can be started here.
pub(super) fn obstacle() -> Option<String> {
    let missing: Vec<&str> =
        PROGRAMS.iter().filter(|name| program(name).is_none()).copied().collect();
    (!missing.is_empty()).then(|| format!("not installed here: {}", missing.join(", ")))
}

/// Where a program is.
fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|at| at.join(name)).find(|at| at.is_file())
}

impl Containerd {
    /// Starts one that keeps everything below `directory`, with the image in it.
    pub(super) fn start(directory: &Path) -> Result<Containerd> {
        let socket = directory.join("containerd.sock");
        let config = directory.join("containerd.toml");
        fs::write(&config, configuration(directory, &socket))?;
        let log = File::create(directory.join("containerd.log"))?;
        // The shims' sockets are below /run whatever the configuration says: a /run of its own.
        let script = "mount -t tmpfs tmpfs /run && exec containerd --config \"$0\"";
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", script]).arg(&config).stdin(Stdio::null());
        let mut daemon = command.stdout(log.try_clone()?).stderr(log).spawn()?;
        let connected = eventually("answer of containerd", || Client::connect(&socket));
        let client = match connected {
            Ok(client) => client,
            Err(error) => {
                daemon.kill()?;
                daemon.wait()?;
                let said = fs::read_to_string(directory.join("containerd.log"))?;
                return Err(error.context(said));
            }
        };
        let containerd = Containerd { socket, client, daemon };
        containerd.import(directory)?;
        Ok(containerd)
    }

    /// Imports the image and waits until containers can be made of it.
    fn import(&self, directory: &Path) -> Result<()> {
        let image = pack(&directory.join("image"))?;
        let mut ctr = Command::new("ctr");
        ctr.arg("--address").arg(&self.socket).args(["--namespace", "k8s.io", "images", "import"]);
        output(ctr.arg(image))?;
        eventually("image", || {
            ensure!(self.client.has_image(IMAGE)?, "it is not there");
            Ok(())
        })
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        // Our own child, by its handle; SIGKILL does it no harm, as nothing of it is used again.
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

fn configuration(directory: &Path, socket: &Path) -> String {
    let cri = "plugins.\"io.containerd.grpc.v1.cri\"";
    // What came as an initramfs is no root that could be exchanged.
    let in_guest = std::env::var_os("FATHOM_VM").is_some();
    format!(
        "version = 2\n\
         root = \"{directory}/root\"\n\
         state = \"{directory}/state\"\n\
         [grpc]\n\
         address = \"{socket}\"\n\
         [plugins.\"io.containerd.internal.v1.opt\"]\n\
         path = \"{directory}/opt\"\n\
         [{cri}]\n\
         sandbox_image = \"{IMAGE}\"\n\
         disable_apparmor = true\n\
         restrict_oom_score_adj = true\n\
         [{cri}.containerd]\n\
         snapshotter = \"overlayfs\"\n\
         [{cri}.containerd.runtimes.runc]\n\
         runtime_type = \"io.containerd.runc.v2\"\n\
         [{cri}.containerd.runtimes.runc.options]\n\
         NoPivotRoot = {in_guest}\n",
        directory = directory.display(),
        socket = socket.display(),
    )
}

/// Packs busybox and two words as an image, in the form that `docker save` gives.
fn pack(at: &Path) -> Result<PathBuf> {
    let root = at.join("root");
    fs::create_dir_all(root.join("bin"))?;
    fs::create_dir_all(root.join("etc"))?;
    let busybox = program("busybox").context("it was there before")?;
    fs::copy(busybox, root.join("bin/busybox"))?;
    for name in ["sh", "cat", "echo", "tail"] {
        std::os::unix::fs::symlink("busybox", root.join("bin").join(name))?;
    }
    fs::write(root.join("etc/words"), "two words\n")?;
    output(Command::new("tar").arg("-C").arg(&root).arg("-cf").arg(at.join("layer.tar")).arg("."))?;
    let sum = output(Command::new("sha256sum").arg(at.join("layer.tar")))?;
    let layer = format!("sha256:{}", sum.split_whitespace().next().context("no sum")?);
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let config = serde_json::json!({
        "architecture": architecture,
        "os": "linux",
        "config": {"Entrypoint": ["/bin/tail", "-f", "/dev/null"]},
        "rootfs": {"type": "layers", "diff_ids": [layer]},
    });
    let manifest = serde_json::json!([
        {"Config": "config.json", "RepoTags": [IMAGE], "Layers": ["layer.tar"]}
    ]);
    fs::write(at.join("config.json"), config.to_string())?;
    fs::write(at.join("manifest.json"), manifest.to_string())?;
    let image = at.join("image.tar");
    let mut tar = Command::new("tar");
    tar.arg("-C").arg(at).arg("-cf").arg(&image);
    output(tar.args(["manifest.json", "config.json", "layer.tar"]))?;
    Ok(image)
}

/// What a command prints; an error where it fails.
fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {said}");
    Ok(String::from_utf8(output.stdout)?)
}

/// Tries until it succeeds; the last error where it takes too long.
pub(super) fn eventually<T>(what: &str, mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
    let begun = Instant::now();
    loop {
        match attempt() {
            Ok(done) => return Ok(done),
            Err(error) if begun.elapsed() > LONG => {
                return Err(error.context(format!("no {what} in {} s", LONG.as_secs())));
            }
            Err(_) => std::thread::park_timeout(Duration::from_millis(50)),
        }
    }
}
