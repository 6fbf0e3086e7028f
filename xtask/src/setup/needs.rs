//! The table of what this repository needs from a machine, and how each thing is recognised.

use std::path::Path;
use std::process::Command;

use super::Scope;
use crate::run;

/// The oldest clang that compiles our kernel side.
const OLDEST_CLANG: u32 = 14;

/// One thing that has to be on the machine.
pub(crate) struct Need {
    pub(crate) what: &'static str,
    pub(crate) why: &'static str,
    /// Debian's names for it, the preferred one first.
    pub(crate) packages: &'static [&'static str],
    pub(crate) present: fn() -> bool,
}

/// What `scope` needs, in the order of the table.
pub(crate) fn of(scope: Scope) -> impl Iterator<Item = &'static Need> {
    let vm = VM.iter().filter(move |_| scope.vm);
    let bench = BENCH.iter().filter(move |_| scope.bench);
    let k8s = K8S.iter().filter(move |_| scope.k8s);
    let python = PYTHON.iter().filter(move |_| scope.python);
    let requests = REQUESTS.iter().filter(move |_| scope.requests);
    BUILD.iter().chain(vm).chain(bench).chain(k8s).chain(python).chain(requests)
}

const BUILD: &[Need] = &[
    Need {
        what: "clang 14 or newer",
        why: "compiling the kernel side to BPF",
        packages: &[
            "clang-19", "clang-22", "clang-21", "clang-20", "clang-18", "clang-17", "clang-16",
            "clang-15", "clang-14", "clang",
        ],
        present: has_clang,
    },
    Need {
        what: "libelf with its headers",
        why: "building libbpf",
        packages: &["libelf-dev"],
        present: || has_header("libelf.h"),
    },
    Need {
        what: "zlib with its headers",
        why: "building libbpf",
        packages: &["zlib1g-dev"],
        present: || has_header("zlib.h"),
    },
    Need {
        what: "the C library's headers",
        why: "building libbpf",
        packages: &["libc6-dev"],
        present: || has_header("stdio.h"),
    },
    Need {
        what: "pkg-config",
        why: "finding libelf and zlib",
        packages: &["pkg-config", "pkgconf"],
        present: || run::find("pkg-config").is_some(),
    },
    Need {
        what: "make",
        why: "building libbpf",
        packages: &["make"],
        present: || run::find("make").is_some(),
    },
    Need {
        what: "gcc",
        why: "building libbpf and linking",
        packages: &["gcc"],
        present: || run::find("gcc").is_some(),
    },
];

const VM: &[Need] = &[
    Need {
        what: "qemu-system-x86_64",
        why: "booting the kernels of the matrix",
        packages: &["qemu-system-x86"],
        present: || run::find("qemu-system-x86_64").is_some(),
    },
    Need { why: "unpacking kernel packages", ..DPKG_DEB },
    Need {
        what: "xz",
        why: "unpacking kernel modules",
        packages: &["xz-utils"],
        present: || run::find("xz").is_some(),
    },
    Need {
        what: "zstd",
        why: "unpacking kernel modules",
        packages: &["zstd"],
        present: || run::find("zstd").is_some(),
    },
    Need {
        what: "strip",
        why: "making the guest's image small",
        packages: &["binutils"],
        present: || run::find("strip").is_some(),
    },
    Need { why: "verifying the kernel packages", ..ARCHIVE_KEYS },
];

const K8S: &[Need] = &[
    Need { why: "unpacking Go and etcd", ..DPKG_DEB },
    Need {
        what: "dpkg-source",
        why: "unpacking the source of Kubernetes",
        packages: &["dpkg-dev"],
        present: || run::find("dpkg-source").is_some(),
    },
    Need { why: "verifying what is unpacked", ..ARCHIVE_KEYS },
    Need {
        what: "ip",
        why: "the network of the tests' pods",
        packages: &["iproute2"],
        present: || run::find("ip").is_some(),
    },
    Need {
        what: "setpriv",
        why: "ending the tests' servers with the tests",
        packages: &["util-linux"],
        present: || run::find("setpriv").is_some(),
    },
];

const DPKG_DEB: Need = Need {
    what: "dpkg-deb",
    why: "unpacking packages",
    packages: &["dpkg"],
    present: || run::find("dpkg-deb").is_some(),
};

const ARCHIVE_KEYS: Need = Need {
    what: "Debian's archive keys",
    why: "verifying packages",
    packages: &["debian-archive-keyring"],
    present: || Path::new(crate::debian::KEYS).is_file(),
};

const PYTHON: &[Need] = &[Need {
    what: "Python with venv",
    why: "tools that read what Fathom stores, and clients of servers",
    packages: &["python3-venv"],
    present: || {
        let mut python = Command::new("python3");
        run::output(python.args(["-c", "import venv, ensurepip"])).is_ok()
    },
}];

/// None of these packages brings a service that would start.
const REQUESTS: &[Need] = &[
    Need {
        what: "curl",
        why: "making requests",
        packages: &["curl"],
        present: || run::find("curl").is_some(),
    },
    Need {
        what: "openssl",
        why: "making certificates",
        packages: &["openssl"],
        present: || run::find("openssl").is_some(),
    },
    Need {
        what: "dig",
        why: "asking name servers",
        packages: &["bind9-dnsutils", "dnsutils"],
        present: || run::find("dig").is_some(),
    },
    Need {
        what: "dnsmasq",
        why: "being asked for names",
        packages: &["dnsmasq-base"],
        present: || run::find("dnsmasq").is_some(),
    },
    Need { why: "unpacking servers", ..DPKG_DEB },
];

const BENCH: &[Need] = &[
    Need {
        what: "bpftrace",
        why: "comparing with it",
        packages: &["bpftrace"],
        present: || run::find("bpftrace").is_some(),
    },
    Need {
        what: "strace",
        why: "comparing with it",
        packages: &["strace"],
        present: || run::find("strace").is_some(),
    },
    Need {
        what: "perf",
        why: "comparing with it",
        packages: &["linux-perf", "linux-tools-generic"],
        present: || run::find("perf").is_some(),
    },
    Need {
        what: "wrk",
        why: "asking a web server as fast as it answers",
        packages: &["wrk"],
        present: || run::find("wrk").is_some(),
    },
];

fn has_clang() -> bool {
    // Debian has no plain `clang` unless one asks for it: the versioned names come first.
    if (OLDEST_CLANG..40).any(|version| run::find(&format!("clang-{version}")).is_some()) {
        return true;
    }
    let version =
        run::find("clang").and_then(|clang| run::output(Command::new(clang).arg("--version")).ok());
    version.and_then(|text| clang_version(&text)).is_some_and(|version| version >= OLDEST_CLANG)
}

/// The major version in what `clang --version` prints.
fn clang_version(text: &str) -> Option<u32> {
    let (_, rest) = text.split_once("clang version ")?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn has_header(name: &str) -> bool {
    ["/usr/include", "/usr/local/include"]
        .iter()
        .any(|folder| Path::new(folder).join(name).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_clang_is_found() {
        assert_eq!(clang_version("Debian clang version 19.1.7 (3~deb12u1)\nTarget: x"), Some(19));
        assert_eq!(clang_version("Ubuntu clang version 14.0.0-1ubuntu1.1"), Some(14));
        assert_eq!(clang_version("gcc (Debian 12.2.0)"), None);
    }

    #[test]
    fn bench_tools_are_asked_for_only_by_benches() {
        let names = |scope| of(scope).map(|need| need.what).collect::<Vec<_>>();
        let all = Scope { vm: true, bench: true, k8s: true, python: true, requests: true };
        assert!(!names(Scope::default()).contains(&"bpftrace"));
        assert!(!names(Scope::default()).contains(&"qemu-system-x86_64"));
        assert!(!names(Scope::default()).contains(&"dpkg-source"));
        assert!(!names(Scope::default()).contains(&"dnsmasq"));
        assert!(names(all).contains(&"bpftrace") && names(all).contains(&"dpkg-source"));
    }
}
