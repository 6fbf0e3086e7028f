//! An image as a folder of blobs, each named by its hash, and that folder as an archive.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::failure::{Context, Result};
use crate::run;

/// A blob, as others refer to it.
struct Blob {
    digest: String,
    size: u64,
}

/// Writes the image of `binary` to `file`, with `folder` for what is on the way.
pub(super) fn write(binary: &Path, version: &str, folder: &Path, file: &Path) -> Result<()> {
    let _ = fs::remove_dir_all(folder);
    let (root, oci) = (folder.join("root"), folder.join("oci"));
    let blobs = oci.join("blobs/sha256");
    for made in [&root, &blobs] {
        fs::create_dir_all(made).context(|| made.display().to_string())?;
    }
    fs::copy(binary, root.join("fathom")).context(|| binary.display().to_string())?;
    let layer = folder.join("layer.tar");
    archive(&root, &["fathom"], &layer)?;
    let layer = keep(&layer, &blobs)?;
    let config = text(&config(&layer), folder, &blobs)?;
    let manifest = text(&manifest(&config, &layer), folder, &blobs)?;
    put(&oci.join("index.json"), &index(&manifest, version))?;
    put(&oci.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#)?;
    archive(&oci, &["blobs", "index.json", "oci-layout"], file)
}

/// The user is root by number alone: what it may do is for the pod's capabilities to say.
fn config(layer: &Blob) -> String {
    format!(
        r#"{{"architecture":"amd64","os":"linux","config":{{"User":"0:0","WorkingDir":"/","Entrypoint":["/fathom"]}},"rootfs":{{"type":"layers","diff_ids":["{}"]}}}}"#,
        layer.digest
    )
}

fn manifest(config: &Blob, layer: &Blob) -> String {
    format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{},"layers":[{}]}}"#,
        config.described("config.v1+json", ""),
        layer.described("layer.v1.tar", "")
    )
}

fn index(manifest: &Blob, version: &str) -> String {
    let name = format!(r#","annotations":{{"org.opencontainers.image.ref.name":"{version}"}}"#);
    format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{}]}}"#,
        manifest.described("manifest.v1+json", &name)
    )
}

impl Blob {
    fn described(&self, kind: &str, more: &str) -> String {
        let Blob { digest, size } = self;
        format!(
            r#"{{"mediaType":"application/vnd.oci.image.{kind}","digest":"{digest}","size":{size}{more}}}"#
        )
    }
}

fn text(text: &str, folder: &Path, blobs: &Path) -> Result<Blob> {
    let file = folder.join("text");
    put(&file, text)?;
    keep(&file, blobs)
}

fn put(file: &Path, text: &str) -> Result<()> {
    fs::write(file, text).context(|| file.display().to_string())
}

/// Moves a file to where its hash says.
fn keep(file: &Path, blobs: &Path) -> Result<Blob> {
    let said = run::output(Command::new("sha256sum").arg("--").arg(file))?;
    let hash = said.split_whitespace().next().unwrap_or_default();
    let size = fs::metadata(file).context(|| file.display().to_string())?.len();
    fs::rename(file, blobs.join(hash)).context(|| file.display().to_string())?;
    Ok(Blob { digest: format!("sha256:{hash}"), size })
}

/// Everybody's archive of the same files is the same: no names, times or order of this machine.
fn archive(folder: &Path, names: &[&str], to: &Path) -> Result<()> {
    let mut tar = Command::new("tar");
    tar.args(["--create", "--format=ustar", "--sort=name", "--mtime=@0"]);
    tar.args(["--owner=0", "--group=0", "--numeric-owner", "--mode=u=rwX,go=rX"]);
    run::output(tar.arg("--file").arg(to).arg("-C").arg(folder).args(names)).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Json;

    fn read(file: &Path) -> Json {
        Json::parse(&fs::read_to_string(file).unwrap()).unwrap()
    }

    #[test]
    fn every_blob_is_found_by_its_hash_and_the_image_is_the_same_each_time() {
        let folder = std::env::temp_dir().join(format!("xtask-image-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let binary = folder.join("binary");
        fs::write(&binary, "not a program\n").unwrap();
        let (layout, file) = (folder.join("layout"), folder.join("image.tar"));
        write(&binary, "1.2.3", &layout, &file).unwrap();

        let blob = |of: &Json| {
            let digest = of.get("digest").text().strip_prefix("sha256:").unwrap();
            let path = layout.join("oci/blobs/sha256").join(digest);
            let size = fs::metadata(&path).unwrap().len().to_string();
            assert_eq!(*of.get("size"), Json::Number(size));
            path
        };
        let index = read(&layout.join("oci/index.json"));
        let manifest = read(&blob(&index.get("manifests").list()[0]));
        let layer = &manifest.get("layers").list()[0];
        let config = read(&blob(manifest.get("config")));
        assert_eq!(config.get("rootfs").get("diff_ids").list()[0], *layer.get("digest"));
        assert_eq!(config.get("config").get("Entrypoint").list()[0].text(), "/fathom");
        let held = Command::new("tar").arg("-tf").arg(blob(layer)).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&held.stdout), "fathom\n");

        let first = fs::read(&file).unwrap();
        write(&binary, "1.2.3", &layout, &file).unwrap();
        assert!(first == fs::read(&file).unwrap(), "the image differs from time to time");
        fs::remove_dir_all(&folder).unwrap();
    }
}
