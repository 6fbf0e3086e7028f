//! Builds the API server from Debian's source package, with Debian's Go, in a folder of its own.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::debian::{AptRoot, Mirror};
use crate::failure::{Context, Failure, Result};
use crate::run::{self, say};

/// The Debian release that has all of it.
const RELEASE: &str = "bookworm";

/// A Go that builds this version, and its library: two packages that share one tree.
const GO: [&str; 2] = ["golang-1.19-go", "golang-1.19-src"];

/// What can be had as it is: the package, and the program in it.
const READY: [(&str, &str); 2] =
    [("etcd-server", "usr/bin/etcd"), ("kubernetes-client", "usr/bin/kubectl")];

/// The Go package that has everything.
const MODULE: &str = "k8s.io/kubernetes";

/// What was gathered.
pub(super) struct Made {
    /// The folder with the programs.
    pub(super) folder: PathBuf,
    /// What they come from, with versions.
    pub(super) packages: Vec<String>,
}

/// Fetches and builds the programs inside `scratch`; `cache` keeps apt's lists.
pub(super) fn programs(cache: &Path, scratch: &Path, version: &str) -> Result<Made> {
    let mirror = Mirror::of_this_machine()?;
    let root = AptRoot::of_release_with_sources(&cache.join("apt"), &mirror, RELEASE)?;
    say(format!("fetching Go, etcd and the source of Kubernetes from Debian {RELEASE}"));
    let folder = scratch.join("programs");
    fs::create_dir_all(&folder).context(|| folder.display().to_string())?;
    let mut packages = unpack(&root, scratch, &folder)?;
    let source = scratch.join("go/src").join(MODULE);
    let parent = source.parent().unwrap_or(scratch);
    fs::create_dir_all(parent).context(|| parent.display().to_string())?;
    let found = root.unpack_source("kubernetes", &source)?;
    if !found.contains(version) {
        return Err(Failure::new(format!("Debian's kubernetes is {found} now, not {version}")));
    }
    packages.push(format!("kubernetes_{found}"));
    let go = Go { scratch, source };
    go.generate()?;
    go.build(version, &folder.join("kube-apiserver"))?;
    Ok(Made { folder, packages })
}

/// Unpacks Go into one tree and puts the programs that need no building in `folder`; hands back
/// the packages' names.
fn unpack(root: &AptRoot, scratch: &Path, folder: &Path) -> Result<Vec<String>> {
    let wanted: Vec<String> =
        GO.into_iter().chain(READY.map(|(package, _)| package)).map(str::to_string).collect();
    let mut files = root.closure(&wanted)?;
    // What they need to run is the C library, which this machine has.
    files.retain(|file| wanted.iter().any(|name| is_of(file, name)));
    let unpacked = scratch.join("unpacked");
    let _ = fs::remove_dir_all(&unpacked);
    root.unpack(&files, |_| unpacked.clone())?;
    for (package, program) in READY {
        let from = unpacked.join(program);
        let name = from.file_name().unwrap_or_default();
        fs::copy(&from, folder.join(name)).context(|| format!("{package} has no {program}"))?;
    }
    Ok(files.iter().map(|file| file.trim_end_matches(".deb").to_string()).collect())
}

fn is_of(file: &str, package: &str) -> bool {
    file.strip_prefix(package).is_some_and(|rest| rest.starts_with('_'))
}

/// Go, and the source that it builds.
struct Go<'a> {
    scratch: &'a Path,
    source: PathBuf,
}

impl Go<'_> {
    /// Makes the one file that upstream generates and does not ship: the descriptions of all
    /// types, without which the server does not start.
    fn generate(&self) -> Result<()> {
        let generator = self.scratch.join("openapi-gen");
        let package = format!("{MODULE}/vendor/k8s.io/kube-openapi/cmd/openapi-gen");
        run::through(self.command("go")?.args(["build", "-o"]).arg(&generator).arg(package))?;
        let inputs = self.described()?.join(",");
        let mut generate = self.command(&generator)?;
        generate
            .args(["-i", &inputs])
            .args(["-p", &format!("{MODULE}/pkg/generated/openapi")])
            .args(["-O", "zz_generated.openapi"])
            .args(["-h", "vendor/k8s.io/code-generator/hack/boilerplate.go.txt"])
            .arg("-r")
            .arg(self.scratch.join("violations"));
        run::output(&mut generate).map(drop)
    }

    /// The Go packages whose types ask to be described.
    fn described(&self) -> Result<Vec<String>> {
        let mut grep = Command::new("grep");
        grep.current_dir(&self.source).args([
            "-R",
            "-l",
            "--include=*.go",
            "// +k8s:openapi-gen=",
            "pkg",
            "vendor/k8s.io",
        ]);
        Ok(folders(&run::output(&mut grep)?))
    }

    fn build(&self, version: &str, to: &Path) -> Result<()> {
        let mut go = self.command("go")?;
        go.args(["build", "-ldflags", &flags(version), "-o"]).arg(to);
        run::through(go.arg(format!("{MODULE}/cmd/kube-apiserver")))
    }

    /// `program`, in the source, told to use this Go and nothing of the user's.
    fn command(&self, program: impl AsRef<Path>) -> Result<Command> {
        let root = self.scratch.join("unpacked/usr/lib/go-1.19");
        let own = [root.join("bin")];
        let path = env::var_os("PATH").unwrap_or_default();
        let path = env::join_paths(own.into_iter().chain(env::split_paths(&path)))
            .map_err(|error| Failure::new(error.to_string()))?;
        let program = program.as_ref();
        let program =
            if program == Path::new("go") { root.join("bin/go") } else { program.to_path_buf() };
        let mut command = Command::new(program);
        command
            .current_dir(&self.source)
            .env("PATH", path)
            .env("GOROOT", &root)
            .env("GOPATH", self.scratch.join("go"))
            .env("GOCACHE", self.scratch.join("compiled"))
            .env("GOENV", "off")
            .env("GO111MODULE", "off")
            // Without C it runs wherever Linux does, in a guest as well.
            .env("CGO_ENABLED", "0")
            .env_remove("GOFLAGS");
        Ok(command)
    }
}

/// What the linker is told: no symbols, and the version. Two packages keep one, what the server
/// says to others and what it says of itself, and neither knows it from the source.
fn flags(version: &str) -> String {
    let [major, minor] = [0, 1].map(|at| version.split('.').nth(at).unwrap_or_default());
    let whole = format!("v{version}");
    let mut flags = "-s -w".to_string();
    for package in ["client-go/pkg/version", "component-base/version"] {
        for (name, value) in [("gitVersion", &*whole), ("gitMajor", major), ("gitMinor", minor)] {
            flags += &format!(" -X {MODULE}/vendor/k8s.io/{package}.{name}={value}");
        }
    }
    flags
}

/// The folders of `files`, each once, as Go packages. Those about examples and about the
/// generators themselves are no part of the server.
fn folders(files: &str) -> Vec<String> {
    let left_out = |folder: &&str| {
        ["code-generator", "sample-apiserver"].iter().any(|name| folder.contains(name))
    };
    let mut folders: Vec<&str> = files
        .lines()
        .filter_map(|file| Some(file.rsplit_once('/')?.0))
        .filter(|folder| !left_out(folder))
        .collect();
    folders.sort_unstable();
    folders.dedup();
    folders.into_iter().map(|folder| format!("{MODULE}/{folder}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_told_from_those_whose_names_begin_alike() {
        assert!(is_of("golang-1.19-go_1.19.8-2_amd64.deb", "golang-1.19-go"));
        assert!(!is_of("golang-1.19-go-docs_1_all.deb", "golang-1.19-go"));
    }

    #[test]
    fn the_linker_is_told_the_version_in_parts() {
        let flags = flags("1.20.2");
        let package = "k8s.io/kubernetes/vendor/k8s.io/client-go/pkg/version";
        for part in ["gitVersion=v1.20.2", "gitMajor=1", "gitMinor=20"] {
            assert!(flags.contains(&format!(" -X {package}.{part}")), "{flags}");
        }
    }

    #[test]
    fn each_folder_is_described_once() {
        let files = "vendor/k8s.io/api/core/v1/doc.go\npkg/apis/abac/v0/a.go\n\
                     vendor/k8s.io/api/core/v1/types.go\n\
                     vendor/k8s.io/sample-apiserver/pkg/apis/wardle/v1beta1/doc.go\n";
        assert_eq!(
            folders(files),
            ["k8s.io/kubernetes/pkg/apis/abac/v0", "k8s.io/kubernetes/vendor/k8s.io/api/core/v1"]
        );
    }
}
